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

#define DESC_OFF 0x0000u
#define AVAIL_OFF 0x2000u
#define USED_OFF 0x3000u
#define QUEUE_BYTES 0x4000u /* of these three, for each queue */
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
    f->features = msg_get(&m) & ~VIRTIO_F_RING_PACKED;
    err = msg_end(&m);
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

static int64_t queue_start(struct front *f, uint32_t i)
{
    struct front_queue *q = &f->queue[i];
    uint64_t gpa = FRONT_GPA + i * QUEUE_BYTES;
    int64_t err;

    q->desc = (void *)(f->mem + i * QUEUE_BYTES + DESC_OFF);
    q->avail = (void *)(f->mem + i * QUEUE_BYTES + AVAIL_OFF);
    q->used = (void *)(f->mem + i * QUEUE_BYTES + USED_OFF);
    q->used_seen = 0;
    if ((err = numbers(f, BLK_SET_VRING_NUM, 2, i, FRONT_NUM, 0, 0, "SET_VRING_NUM")) < 0 ||
        (err = numbers(f, BLK_SET_VRING_ADDR, 4, i, gpa + DESC_OFF, gpa + AVAIL_OFF, gpa + USED_OFF,
                       "SET_VRING_ADDR")) < 0 ||
        (err = numbers(f, BLK_SET_VRING_BASE, 2, i, 0, 0, 0, "SET_VRING_BASE")) < 0 ||
        (err = send_cap(f, BLK_SET_VRING_CALL, (int)i, q->call, RIGHT_CALL, "SET_VRING_CALL")) < 0 ||
        (err = send_cap(f, BLK_SET_VRING_KICK, (int)i, q->kick, RIGHT_BIND, "SET_VRING_KICK")) < 0) {
        return err;
    }
    return numbers(f, BLK_SET_VRING_ENABLE, 2, i, 1, 0, 0, "SET_VRING_ENABLE");
}

int64_t front_queue(struct front *f)
{
    memset(f->mem, 0, DATA_OFF);
    int64_t err = numbers(f, BLK_SET_FEATURES, 1, f->features, 0, 0, 0, "SET_FEATURES");

    for (uint32_t i = 0; i < f->queues && err >= 0; i++) {
        err = queue_start(f, i);
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

/* Fills in a table whose first descriptor has the number `first`; returns their number. */
static uint32_t table_fill(struct front *f, struct virtq_desc *table, uint16_t first, uint32_t lane, uint32_t type,
                           const struct front_seg *seg, uint32_t pieces)
{
    uint64_t data = FRONT_GPA + DATA_OFF + (uint64_t)lane * f->lane_bytes;
    struct virtq_desc *d = table;
    bool out = type == VIRTIO_BLK_T_OUT || type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES;
    uint16_t dir = out ? 0 : VIRTQ_DESC_F_WRITE;

    *d++ = (struct virtq_desc){FRONT_GPA + HEADER_OFF + lane * sizeof(struct virtio_blk_req),
                               sizeof(struct virtio_blk_req), VIRTQ_DESC_F_NEXT, ++first};
    for (uint32_t i = 0; i < pieces; i++) {
        *d++ = (struct virtq_desc){data + seg[i].off, seg[i].len, (uint16_t)(dir | VIRTQ_DESC_F_NEXT), ++first};
    }
    *d = (struct virtq_desc){FRONT_GPA + STATUS_OFF + lane, 1, VIRTQ_DESC_F_WRITE, 0};
    return pieces + 2;
}

struct virtq_desc *front_post(struct front *f, uint32_t lane, uint32_t type, uint64_t sector,
                              const struct front_seg *seg, uint32_t pieces)
{
    struct front_queue *q = &f->queue[lane % f->queues];
    struct virtio_blk_req *h = (void *)(f->mem + HEADER_OFF + lane * sizeof(*h));
    uint16_t head = (uint16_t)(lane / f->queues * f->lane_descs);
    struct virtq_desc *table = &q->desc[head];

    *h = (struct virtio_blk_req){.type = type, .sector = sector};
    f->mem[STATUS_OFF + lane] = 0xff;
    if (f->lane_descs == 1 || f->indirect) {
        uint32_t off = TABLE_OFF + lane * TABLE_BYTES;

        table = (void *)(f->mem + off);
        q->desc[head] =
            (struct virtq_desc){FRONT_GPA + off, table_fill(f, table, 0, lane, type, seg, pieces) * sizeof(*table),
                                VIRTQ_DESC_F_INDIRECT, 0};
    } else {
        (void)table_fill(f, table, head, lane, type, seg, pieces);
    }
    q->avail->ring[q->avail->idx % FRONT_NUM] = head;
    __atomic_store_n(&q->avail->idx, (uint16_t)(q->avail->idx + 1),
                     __ATOMIC_RELEASE); /* pairs with the server's read */
    q->posted = true;
    return table;
}

static void queue_kick(struct front *f, struct front_queue *q)
{
    volatile uint16_t *avail_event = (volatile uint16_t *)(void *)&q->used->ring[FRONT_NUM];

    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the server's fence after it set avail_event */
    if ((f->features & VIRTIO_F_EVENT_IDX) ? *avail_event != q->avail->idx
                                           : !(q->used->flags & VIRTQ_USED_F_NO_NOTIFY)) {
        f->kicks++;
        sys_signal_raise(q->kick);
    }
    q->posted = false;
}

void front_kick(struct front *f)
{
    for (uint32_t i = 0; i < f->queues; i++) {
        if (f->queue[i].posted) {
            queue_kick(f, &f->queue[i]);
        }
    }
}

static bool queue_ready(const struct front_queue *q)
{
    return __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) != q->used_seen;
}

/* A queue with something used; if there is none, all of them ask for an interrupt. */
static struct front_queue *queue_used(struct front *f)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        for (uint32_t i = 0; i < f->queues; i++) {
            if (queue_ready(&f->queue[i])) {
                return &f->queue[i];
            }
            *(volatile uint16_t *)&f->queue[i].avail->ring[FRONT_NUM] = f->queue[i].used_seen; /* used_event */
        }
        __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the server's fence after it set used.idx */
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
    struct virtq_used_elem e = q->used->ring[q->used_seen % FRONT_NUM];

    q->used_seen++;
    *lane = e.id / f->lane_descs * f->queues + (uint32_t)(q - f->queue);
    *written = e.len;
    if (e.id % f->lane_descs || *lane >= FRONT_LANES) {
        return false;
    }
    *status = f->mem[STATUS_OFF + *lane];
    return true;
}
