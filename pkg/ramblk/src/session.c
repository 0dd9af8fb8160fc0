// SPDX-License-Identifier: MIT
// See session.h. Each operation gets its numbers checked for their count only; capabilities are taken when it succeeds.
#include "session.h"

#include <proto/blk.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdio.h>
#include <string.h>
#include <util/bits.h>

#define TURN 64u /* requests of a queue before others have their turn */
#define NUMBERS_MAX 4u

static uint64_t offered(const struct session *s)
{
    return VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_BLK_F_MQ |
           request_features(&s->disk);
}

static void drop(cap_t *cap)
{
    if (*cap) {
        sys_cap_drop(*cap);
        *cap = CAP_NULL;
    }
}

/* --- queues --- */

static void queue_forget(struct session_queue *q)
{
    drop(&q->call);
    server_remove(&q->kick);
    *q = (struct session_queue){.session = q->session};
}

static void queue_break(struct session_queue *q)
{
    struct session *s = q->session;

    q->enabled = false;
    if (!s->needs_reset) {
        s->needs_reset = true;
        printf("ramblk: %s: the driver broke the virtio protocol (%s); the queue is stopped until the driver resets "
               "the device\n",
               s->name, vring_error(&q->vq));
        if (s->changed) {
            sys_signal_raise(s->changed);
        }
    }
}

/* Takes up to TURN requests: how many there were, or an error: the ring is broken. */
static int queue_take(struct session_queue *q)
{
    struct session *s = q->session;
    struct vring_seg seg[REQUEST_SEG_MAX + 2];
    struct vring_chain chain;
    int n = 0;

    for (int i = 0; i < (int)TURN; i++) {
        n = vring_pop(&q->vq, seg, ARRAY_SIZE(seg), &chain);
        if (n <= 0) {
            return n < 0 ? n : i;
        }
        int64_t written = request_execute(&s->disk, &s->mem, seg, &chain);

        if (written < 0) {
            return vring_fail(&q->vq, "request without room for its status");
        }
        vring_push(&q->vq, chain.head, (uint32_t)written);
    }
    return (int)TURN;
}

static bool queue_work(struct session_queue *q)
{
    vring_kick_disable(&q->vq);
    int n = queue_take(q);

    if (n < 0) {
        queue_break(q);
        return false;
    }
    q->kicked = n == (int)TURN || vring_kick_enable(&q->vq);
    if (vring_publish(&q->vq) && q->call) {
        sys_signal_raise(q->call);
    }
    return q->kicked;
}

bool session_work(struct session *s)
{
    bool more = false;

    for (unsigned i = 0; i < SESSION_QUEUES; i++) {
        struct session_queue *q = &s->queue[i];

        if (q->kicked && q->enabled) {
            more |= queue_work(q);
        }
    }
    return more;
}

static void kick_event(void *ctx)
{
    struct session_queue *q = ctx;

    q->kicked = true;
}

static void device_reset(struct session *s)
{
    for (unsigned i = 0; i < SESSION_QUEUES; i++) {
        queue_forget(&s->queue[i]);
    }
    s->features = 0;
    s->needs_reset = false;
}

/* The end of a session; the disk stays. */
static void session_clear(void *ctx)
{
    struct session *s = ctx;

    device_reset(s);
    for (unsigned i = 0; i < s->mem.count; i++) {
        vm_unmap(s->mem.region[i].host, s->mem.region[i].size);
    }
    gmem_init(&s->mem);
    drop(&s->changed);
}

/* --- operations; n: their numbers, cap: their capability --- */

static int64_t op_get_status(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    (void)n, (void)cap;
    msg_put(reply, s->needs_reset ? VIRTIO_STATUS_NEEDS_RESET : 0);
    msg_put(reply, 1); /* the configuration never changes */
    return SK_OK;
}

static int64_t op_bind_ready(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    (void)n, (void)reply;
    session_clear(s);
    s->changed = cap;
    return SK_OK;
}

static int64_t op_get_features(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    (void)n, (void)cap;
    msg_put(reply, offered(s));
    return SK_OK;
}

static bool runs(const struct session *s)
{
    for (unsigned i = 0; i < SESSION_QUEUES; i++) {
        if (s->queue[i].enabled) {
            return true;
        }
    }
    return false;
}

static int64_t op_set_features(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    (void)cap, (void)reply;
    if ((n[0] & ~offered(s)) || !(n[0] & VIRTIO_F_VERSION_1)) {
        return SK_EINVAL;
    }
    if (runs(s)) {
        return SK_EBUSY;
    }
    s->features = n[0];
    return SK_OK;
}

static int64_t op_get_queue_num(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    (void)s, (void)n, (void)cap;
    msg_put(reply, SESSION_QUEUES);
    msg_put(reply, SESSION_QUEUE_SIZE);
    return SK_OK;
}

static int64_t op_get_config(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    (void)cap;
    if (!range_ok(n[0], n[1], sizeof(s->config))) {
        return SK_ERANGE;
    }
    msg_put_bytes(reply, (const uint8_t *)&s->config + n[0], n[1]);
    msg_put(reply, 1);
    return SK_OK;
}

/* Guest memory is RAM that the client may read and write. */
static int64_t memory_check(const struct gmem_region *r, uint64_t off, cap_t mem)
{
    struct sys_result info = sys_mem_info(mem);

    if (info.value < 0) {
        return info.value;
    }
    if (r->size == 0 || ((r->gpa | r->size | off) & (PAGE_SIZE - 1)) || (info.extra & MEM_DEVICE)) {
        return SK_EINVAL;
    }
    return range_ok(off, r->size, (uint64_t)info.value) ? SK_OK : SK_ERANGE;
}

static int64_t op_add_mem(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    struct gmem_region r = {.gpa = n[0], .size = n[1]};
    int64_t err = memory_check(&r, n[2], cap);

    (void)reply;
    if (err) {
        return err;
    }
    r.host = vm_map(cap, n[2], r.size, RIGHT_R | RIGHT_W, &err);
    if (!r.host) {
        return err;
    }
    err = gmem_add(&s->mem, &r);
    if (err) {
        vm_unmap(r.host, r.size);
        return err;
    }
    drop(&cap); /* the mapping keeps the memory */
    return SK_OK;
}

static int64_t op_rem_mem(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    struct gmem_region r;
    int64_t err = runs(s) ? SK_EBUSY : gmem_remove(&s->mem, n[0], n[1], &r);

    (void)cap, (void)reply;
    if (!err) {
        vm_unmap(r.host, r.size);
        for (unsigned i = 0; i < SESSION_QUEUES; i++) {
            s->queue[i].ready = false; /* its addresses are to be checked again */
        }
    }
    return err;
}

/* The queue that an operation is for, while it does not run. */
static int64_t queue_idle(struct session *s, uint64_t index, struct session_queue **q)
{
    if (index >= SESSION_QUEUES) {
        return SK_ERANGE;
    }
    *q = &s->queue[index];
    return (*q)->enabled ? SK_EBUSY : SK_OK;
}

static int64_t op_vring_num(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    struct session_queue *q;
    int64_t err = queue_idle(s, n[0], &q);

    (void)cap, (void)reply;
    if (!err && (!is_pow2(n[1]) || n[1] > SESSION_QUEUE_SIZE)) {
        err = SK_EINVAL;
    }
    if (!err) {
        q->config.num = (uint32_t)n[1];
        q->ready = false;
    }
    return err;
}

static int64_t op_vring_addr(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    struct session_queue *q;
    int64_t err = queue_idle(s, n[0], &q);

    (void)cap, (void)reply;
    if (err) {
        return err;
    }
    q->config.desc = n[1];
    q->config.avail = n[2];
    q->config.used = n[3];
    q->config.features = s->features;
    err = vring_init(&q->vq, &s->mem, &q->config);
    q->ready = err == SK_OK;
    return err;
}

static int64_t op_set_base(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    struct session_queue *q;
    int64_t err = queue_idle(s, n[0], &q);

    (void)cap, (void)reply;
    if (!err && n[1] > UINT16_MAX) {
        err = SK_EINVAL;
    }
    if (!err) {
        q->config.base = (uint16_t)n[1];
    }
    return err;
}

static int64_t op_get_base(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    (void)cap;
    if (n[0] >= SESSION_QUEUES) {
        return SK_ERANGE;
    }
    struct session_queue *q = &s->queue[n[0]];

    q->enabled = false;
    msg_put(reply, q->ready ? q->vq.next_avail : 0u);
    return SK_OK;
}

static int64_t op_set_kick(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    (void)reply;
    if (n[0] >= SESSION_QUEUES) {
        return SK_ERANGE;
    }
    struct session_queue *q = &s->queue[n[0]];

    server_remove(&q->kick);
    return server_signal(&q->kick, cap, kick_event, q);
}

static int64_t op_set_call(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    (void)reply;
    if (n[0] >= SESSION_QUEUES) {
        return SK_ERANGE;
    }
    drop(&s->queue[n[0]].call);
    s->queue[n[0]].call = cap;
    return SK_OK;
}

static int64_t op_enable(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    (void)cap, (void)reply;
    if (n[0] >= SESSION_QUEUES) {
        return SK_ERANGE;
    }
    struct session_queue *q = &s->queue[n[0]];

    if (n[1] > 1 || (n[1] && !q->ready)) {
        return SK_EINVAL;
    }
    if (n[1] && s->needs_reset) {
        return SK_EBUSY;
    }
    if (n[1] && !q->enabled) {
        q->config.features = s->features;
        int64_t err = vring_init(&q->vq, &s->mem, &q->config);

        if (err) {
            return err;
        }
        q->kicked = true; /* for what was made available before */
    }
    q->enabled = n[1];
    return SK_OK;
}

static int64_t op_reset(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply)
{
    (void)n, (void)cap, (void)reply;
    device_reset(s);
    return SK_OK;
}

static const struct {
    uint8_t numbers;
    bool cap;
    int64_t (*run)(struct session *s, const uint64_t *n, cap_t cap, struct msg *reply);
} operations[] = {
    [BLK_GET_STATUS - PROTO_BLK] = {0, false, op_get_status},
    [BLK_BIND_READY - PROTO_BLK] = {0, true, op_bind_ready},
    [BLK_GET_FEATURES - PROTO_BLK] = {0, false, op_get_features},
    [BLK_SET_FEATURES - PROTO_BLK] = {1, false, op_set_features},
    [BLK_GET_QUEUE_NUM - PROTO_BLK] = {0, false, op_get_queue_num},
    [BLK_GET_CONFIG - PROTO_BLK] = {2, false, op_get_config},
    [BLK_ADD_MEM_REG - PROTO_BLK] = {3, true, op_add_mem},
    [BLK_REM_MEM_REG - PROTO_BLK] = {2, false, op_rem_mem},
    [BLK_SET_VRING_NUM - PROTO_BLK] = {2, false, op_vring_num},
    [BLK_SET_VRING_ADDR - PROTO_BLK] = {4, false, op_vring_addr},
    [BLK_SET_VRING_BASE - PROTO_BLK] = {2, false, op_set_base},
    [BLK_GET_VRING_BASE - PROTO_BLK] = {1, false, op_get_base},
    [BLK_SET_VRING_KICK - PROTO_BLK] = {1, true, op_set_kick},
    [BLK_SET_VRING_CALL - PROTO_BLK] = {1, true, op_set_call},
    [BLK_SET_VRING_ENABLE - PROTO_BLK] = {2, false, op_enable},
    [BLK_RESET - PROTO_BLK] = {0, false, op_reset},
};

static int64_t session_call(void *ctx, struct msg *request, struct msg *reply)
{
    uint32_t index = request->op - PROTO_BLK;
    uint64_t n[NUMBERS_MAX] = {0};

    if (request->op == PROTO_ID) {
        msg_put(reply, PROTO_BLK);
        return msg_end(request);
    }
    if (!((struct session *)ctx)->changed && request->op != BLK_BIND_READY) {
        return SK_EGONE;
    }
    if (request->op == BLK_SET_CONFIG) {
        return SK_EPERM; /* there is no write cache to be switched */
    }
    if (index >= ARRAY_SIZE(operations) || !operations[index].run) {
        return SK_ENOSYS;
    }
    for (unsigned i = 0; i < operations[index].numbers; i++) {
        n[i] = msg_get(request);
    }
    cap_t cap = operations[index].cap ? msg_get_cap(request) : CAP_NULL;
    int64_t err = msg_end(request);

    if (!err) {
        err = operations[index].cap && !cap ? SK_EMSG : operations[index].run(ctx, n, cap, reply);
    }
    if (err) {
        drop(&cap);
    }
    return err;
}

int64_t session_open(struct session *s, cap_t cap)
{
    gmem_init(&s->mem);
    request_config(&s->disk, &s->config);
    s->config.num_queues = SESSION_QUEUES;
    for (unsigned i = 0; i < SESSION_QUEUES; i++) {
        s->queue[i].session = s;
    }
    return server_gate(&s->gate, cap, session_call, session_clear, s, 1);
}
