// SPDX-License-Identifier: MIT
// Front-end of a block session: see front.h.
#include "front.h"

#include <proto/blk.h>
#include <sk/env.h>
#include <sk/msg.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdio.h>
#include <string.h>
#include <util/bits.h>

#define HEADER_OFF 0x20000u /* 16 bytes a lane */
#define STATUS_OFF 0x21000u /* 1 byte a lane */
#define TABLE_OFF 0x30000u  /* indirect descriptors of each lane */
#define TABLE_BYTES ((FRONT_PIECES + 2) * 16u)
#define DATA_OFF FRONT_DATA
_Static_assert(HEADER_OFF + FRONT_LANES * 16 <= STATUS_OFF, "layout of the shared memory");
_Static_assert(TABLE_OFF + FRONT_LANES * TABLE_BYTES <= DATA_OFF, "layout of the shared memory");
#define WAIT_NS 40000000000ull

static int64_t call(struct front *f, struct msg *m, const char *what)
{
    int64_t err = msg_call(m, f->gate, DEADLINE_NEVER);

    if (err < 0 && what) {
        printf("blktest: %s: %s\n", what, sk_strerror(err));
    }
    return err;
}

static int64_t call_plain(struct front *f, struct msg *m, const char *what)
{
    int64_t err = call(f, m, what);

    return err < 0 ? err : msg_end(m);
}

int64_t front_status(struct front *f, uint8_t *status)
{
    struct msg m;

    msg_begin(&m, BLK_GET_STATUS);
    int64_t err = call(f, &m, NULL);

    if (err < 0) {
        return err;
    }
    *status = (uint8_t)msg_get(&m);
    (void)msg_get(&m);
    return msg_end(&m);
}

static int64_t signal_new(cap_t *cap, uint64_t label)
{
    int64_t err = sys_signal_create(CAP_QUOTA);

    if (err < 0) {
        return err;
    }
    *cap = (cap_t)err;
    return label ? sys_signal_bind(*cap, CAP_THREAD, label) : SK_OK;
}

static int64_t send_cap(struct front *f, uint32_t op, int queue, cap_t cap, uint32_t rights, const char *what)
{
    struct msg m;

    msg_begin(&m, op);
    if (queue >= 0) {
        msg_put(&m, (uint64_t)queue);
    }
    msg_put_cap(&m, cap, rights);
    return call_plain(f, &m, what);
}

int64_t front_wait(struct front *f, cap_t gate, bool patient)
{
    uint8_t status;
    int64_t err;

    f->gate = gate;
    if (signal_new(&f->state, 2) < 0 || send_cap(f, BLK_BIND_READY, -1, f->state, RIGHT_CALL, "BIND_READY") < 0) {
        return SK_EIO;
    }
    while ((err = front_status(f, &status)) == SK_EAGAIN || (patient && err == SK_EBUSY)) {
        if (sys_wait(sys_now_ns() + WAIT_NS).value < 0) {
            return SK_ETIMEDOUT;
        }
    }
    return err;
}

static int64_t get_limits(struct front *f)
{
    struct msg m;

    msg_begin(&m, BLK_GET_FEATURES);
    int64_t err = call(f, &m, "GET_FEATURES");

    if (err < 0) {
        return err;
    }
    f->features = msg_get(&m) & ~(f->packed ? 0 : VIRTIO_F_RING_PACKED);
    err = msg_end(&m);
    if (err >= 0 && f->packed && !(f->features & VIRTIO_F_RING_PACKED)) {
        printf("blktest: the server does not offer packed rings\n");
        err = SK_EINVAL;
    }
    if (err < 0) {
        return err;
    }
    msg_begin(&m, BLK_GET_CONFIG);
    msg_put(&m, 0);
    msg_put(&m, sizeof(f->config));
    err = call(f, &m, "GET_CONFIG");
    if (err < 0) {
        return err;
    }
    (void)msg_get_bytes(&m, &f->config, sizeof(f->config));
    (void)msg_get(&m);
    return msg_end(&m);
}

static int64_t share_memory(struct front *f)
{
    struct msg m;
    int64_t err = SK_ENOMEM;

    f->mem = vm_alloc(f->mem_size, &f->mem_cap, &err);
    if (!f->mem) {
        return err;
    }
    msg_begin(&m, BLK_ADD_MEM_REG);
    msg_put(&m, FRONT_GPA);
    msg_put(&m, f->mem_size);
    msg_put(&m, 0);
    msg_put_cap(&m, f->mem_cap, RIGHT_R | RIGHT_W);
    return call_plain(f, &m, "ADD_MEM_REG");
}

static int64_t numbers(struct front *f, uint32_t op, unsigned count, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                       const char *what)
{
    uint64_t v[4] = {a, b, c, d};
    struct msg m;

    msg_begin(&m, op);
    for (unsigned i = 0; i < count; i++) {
        msg_put(&m, v[i]);
    }
    return call_plain(f, &m, what);
}

int64_t front_writeback(struct front *f, bool on)
{
    uint8_t value = on;
    struct msg m;

    msg_begin(&m, BLK_SET_CONFIG);
    msg_put(&m, offsetof(struct virtio_blk_config, writeback));
    msg_put_bytes(&m, &value, 1);
    return call_plain(f, &m, "SET_CONFIG");
}

int64_t front_queue_start(struct front *f, uint32_t i)
{
    struct front_queue *q = &f->queue[i];
    uint64_t area[3];
    int64_t err;

    ring_init(&q->ring, f->mem + i * RING_BYTES, FRONT_GPA + i * RING_BYTES, f->features, f->lane_descs);
    ring_areas(&q->ring, area);
    if ((err = numbers(f, BLK_SET_VRING_NUM, 2, i, FRONT_NUM, 0, 0, "SET_VRING_NUM")) < 0 ||
        (err = numbers(f, BLK_SET_VRING_ADDR, 4, i, area[0], area[1], area[2], "SET_VRING_ADDR")) < 0 ||
        (err = numbers(f, BLK_SET_VRING_BASE, 2, i, ring_base(&q->ring), 0, 0, "SET_VRING_BASE")) < 0 ||
        (err = send_cap(f, BLK_SET_VRING_CALL, (int)i, q->call, RIGHT_CALL, "SET_VRING_CALL")) < 0 ||
        (err = send_cap(f, BLK_SET_VRING_KICK, (int)i, q->kick, RIGHT_BIND, "SET_VRING_KICK")) < 0) {
        return err;
    }
    return numbers(f, BLK_SET_VRING_ENABLE, 2, i, 1, 0, 0, "SET_VRING_ENABLE");
}

int64_t front_queue_stop(struct front *f, uint32_t i, uint64_t *base)
{
    struct msg m;
    int64_t err;

    for (;;) {
        msg_begin(&m, BLK_GET_VRING_BASE);
        msg_put(&m, i);
        err = call(f, &m, NULL);
        if (err != SK_EAGAIN) {
            break;
        }
        if (sys_wait(sys_now_ns() + WAIT_NS).value < 0) { /* the state signal, or an interrupt */
            return SK_ETIMEDOUT;
        }
    }
    *base = err < 0 ? 0 : msg_get(&m);
    return err < 0 ? err : msg_end(&m);
}

int64_t front_queue(struct front *f)
{
    memset(f->mem, 0, DATA_OFF);
    int64_t err = numbers(f, BLK_SET_FEATURES, 1, f->features, 0, 0, 0, "SET_FEATURES");

    for (uint32_t i = 0; i < f->queues && err >= 0; i++) {
        err = front_queue_start(f, i);
    }
    return err;
}

/* All descriptors in the queue if they fit there, else one for each lane. */
static int64_t lanes_fit(struct front *f, uint32_t lanes)
{
    uint32_t per_queue = (lanes + f->queues - 1) / f->queues;

    if (f->pieces > f->config.seg_max) {
        printf("blktest: the disk takes %u pieces at most\n", f->config.seg_max);
        return SK_ERANGE;
    }
    f->lane_descs = per_queue * (f->pieces + 2) <= FRONT_NUM ? f->pieces + 2 : 1;
    if (!(f->features & VIRTIO_F_INDIRECT_DESC)) {
        f->indirect = false;
        return f->lane_descs > 1 ? SK_OK : SK_ERANGE;
    }
    return SK_OK;
}

int64_t front_start(struct front *f, uint32_t lanes, uint32_t lane_bytes)
{
    int64_t err = get_limits(f);

    err = err < 0 ? err : lanes_fit(f, lanes);
    f->lane_bytes = lane_bytes;
    f->mem_size = align_up(DATA_OFF + (uint64_t)lanes * lane_bytes, PAGE_SIZE);
    if (err >= 0 && f->queues > f->config.num_queues) {
        printf("blktest: the disk has %u queues only\n", f->config.num_queues);
        err = SK_ERANGE;
    }
    err = err < 0 ? err : share_memory(f);
    for (uint32_t i = 0; i < f->queues && err >= 0; i++) {
        err = signal_new(&f->queue[i].kick, 0);
        err = err < 0 ? err : signal_new(&f->queue[i].call, 1);
    }
    return err < 0 ? err : front_queue(f);
}

int64_t front_reset(struct front *f)
{
    struct msg m;
    int64_t err;

    do {
        msg_begin(&m, BLK_RESET);
        err = call_plain(f, &m, NULL);
    } while (err == SK_EAGAIN);
    return err;
}

/* Where the lane's request has an indirect table; NULL: its descriptors are direct. */
static void *lane_table(const struct front *f, uint32_t lane)
{
    return f->lane_descs == 1 || f->indirect ? f->mem + TABLE_OFF + lane * TABLE_BYTES : NULL;
}

uint8_t front_lane_status(const struct front *f, uint32_t lane)
{
    return ((volatile uint8_t *)f->mem)[STATUS_OFF + lane];
}

void front_post(struct front *f, uint32_t lane, uint32_t type, uint64_t sector, const struct front_seg *seg,
                uint32_t pieces)
{
    static struct ring_buf buf[FRONT_PIECES + 2];
    struct virtio_blk_req *h = (void *)(f->mem + HEADER_OFF + lane * sizeof(*h));
    uint64_t data = FRONT_GPA + DATA_OFF + (uint64_t)lane * f->lane_bytes;
    bool out = type == VIRTIO_BLK_T_OUT || type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES;

    *h = (struct virtio_blk_req){.type = type, .sector = sector};
    f->mem[STATUS_OFF + lane] = FRONT_NO_STATUS;
    buf[0] = (struct ring_buf){FRONT_GPA + HEADER_OFF + lane * sizeof(*h), sizeof(*h), false};
    for (uint32_t i = 0; i < pieces; i++) {
        buf[1 + i] = (struct ring_buf){data + seg[i].off, seg[i].len, !out};
    }
    buf[1 + pieces] = (struct ring_buf){FRONT_GPA + STATUS_OFF + lane, 1, true};
    ring_post(&f->queue[lane % f->queues].ring, lane / f->queues, buf, pieces + 2, lane_table(f, lane),
              FRONT_GPA + TABLE_OFF + lane * TABLE_BYTES);
}

void front_break(struct front *f, uint32_t lane, unsigned way)
{
    ring_break(&f->queue[lane % f->queues].ring, lane / f->queues, lane_table(f, lane), way);
}

void front_kick(struct front *f)
{
    for (uint32_t i = 0; i < f->queues; i++) {
        if (ring_wants_kick(&f->queue[i].ring)) {
            f->kicks++;
            sys_signal_raise(f->queue[i].kick);
        }
    }
}

/* A queue with something used; if there is none, all of them ask for an interrupt. */
static struct front_queue *queue_used(struct front *f)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        for (uint32_t i = 0; i < f->queues; i++) {
            if (ring_has_used(&f->queue[i].ring)) {
                return &f->queue[i];
            }
            ring_ask(&f->queue[i].ring);
        }
        __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the server's fence after it has shown used entries */
    }
    return NULL;
}

bool front_complete(struct front *f, uint32_t *lane, uint8_t *status, uint32_t *written)
{
    uint64_t deadline = sys_now_ns() + WAIT_NS;
    struct front_queue *q;

    while (!(q = queue_used(f))) {
        struct sys_result r = sys_wait(deadline);

        if (r.value < 0) {
            return false;
        }
        f->calls += r.extra == 1;
    }
    uint32_t slot;
    bool ok = ring_take(&q->ring, &slot, written);

    *lane = slot * f->queues + (uint32_t)(q - f->queue);
    if (!ok || *lane >= FRONT_LANES) {
        return false;
    }
    *status = f->mem[STATUS_OFF + *lane];
    return true;
}
