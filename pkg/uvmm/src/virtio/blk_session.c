// SPDX-License-Identifier: MIT
// Calls to the block server: see blk_priv.h.
#include "blk_priv.h"

#include "../log.h"
#include <sk/env.h>
#include <sk/sys.h>

bool blk_means_lost(int64_t err)
{
    return err == SK_EGONE || err == SK_ECAP || err == SK_ETIMEDOUT;
}

int64_t blk_call(struct blk *b, struct msg *m)
{
    int64_t err = msg_call(m, b->gate, sys_now_ns() + BLK_CALL_NS);

    if (blk_means_lost(err)) {
        blk_server_lost(b, err);
    }
    return err;
}

int64_t blk_call_plain(struct blk *b, struct msg *m)
{
    int64_t err = blk_call(b, m);

    return err < 0 ? err : msg_end(m);
}

int64_t blk_config_read(struct blk *b, uint8_t *buf, unsigned size)
{
    struct msg m;

    msg_begin(&m, BLK_GET_CONFIG);
    msg_put(&m, 0);
    msg_put(&m, size);
    int64_t err = blk_call(b, &m);
    if (err < 0) {
        return err;
    }
    size_t got = msg_get_bytes(&m, buf, size);
    (void)msg_get(&m); // generation: the transport makes its own, as it keeps a copy
    err = msg_end(&m);
    return err < 0 ? err : got == size ? SK_OK : SK_EMSG;
}

int64_t blk_memory_add(struct blk *b)
{
    unsigned n;
    const struct ram_region *r = ram_regions(&n);

    for (unsigned i = 0; i < n; i++) {
        struct msg m;

        msg_begin(&m, BLK_ADD_MEM_REG);
        msg_put(&m, r[i].gpa);
        msg_put(&m, r[i].size);
        msg_put(&m, r[i].cap_off);
        msg_put_cap(&m, r[i].cap, RIGHT_R | RIGHT_W);
        int64_t err = blk_call_plain(b, &m);
        if (err < 0) {
            log_error(LOG_VIRTIO, "%s: sharing %llu KiB of guest memory with the block server behind '%s': %s%s",
                      b->name, (unsigned long long)(r[i].size >> 10), b->cap_name, sk_strerror(err),
                      err == SK_ENOMEM ? ": give its client a larger --ds-max" : "");
            return err;
        }
    }
    return SK_OK;
}

int64_t blk_bind_state(struct blk *b, uint64_t deadline)
{
    struct msg m;

    msg_begin(&m, BLK_BIND_READY);
    msg_put_cap(&m, b->state.cap, RIGHT_CALL);
    int64_t err = msg_call(&m, b->gate, deadline);
    return err < 0 ? err : msg_end(&m);
}

int64_t blk_status(struct blk *b, uint64_t deadline, uint8_t *status)
{
    struct msg m;

    msg_begin(&m, BLK_GET_STATUS);
    int64_t err = msg_call(&m, b->gate, deadline);
    if (err < 0) {
        return err;
    }
    *status = (uint8_t)msg_get(&m);
    (void)msg_get(&m); // config generation
    return msg_end(&m);
}

static int64_t lifeline_call(void *ctx, struct msg *request, struct msg *reply)
{
    (void)ctx, (void)request, (void)reply;
    return SK_ENOSYS;
}

/* The server of a session has ended, or one that has our state signal and was not ready for a session yet. */
static void lifeline_cut(void *ctx)
{
    struct blk *b = ctx;

    if (b->open && !b->server_lost) {
        blk_server_lost(b, SK_EGONE);
    } else {
        b->bound = false;
        sys_signal_raise(b->state.cap);
    }
}

/* A gate for each server: its capability is the only one that could call it. */
static int64_t lifeline_give(struct blk *b)
{
    struct msg m;

    server_remove(&b->lifeline);
    int64_t err = server_gate(&b->lifeline, CAP_NULL, lifeline_call, lifeline_cut, b, 0);
    if (err < 0) {
        return err;
    }
    msg_begin(&m, BLK_SET_LIFELINE);
    msg_put_cap(&m, b->lifeline.cap, RIGHT_CALL);
    err = msg_call(&m, b->gate, sys_now_ns() + BLK_CALL_NS);
    err = err < 0 ? err : msg_end(&m);
    err = err < 0 ? err : server_release_calls(&b->lifeline);
    if (err < 0) {
        server_remove(&b->lifeline);
    }
    return err == SK_ENOSYS ? SK_OK : err; // an older server: its end is noticed later
}

int64_t blk_bound(struct blk *b)
{
    int64_t err = lifeline_give(b);

    b->bound = err >= 0;
    return err;
}

int64_t blk_begin(struct blk *b)
{
    int64_t err = blk_memory_add(b);

    b->open = err >= 0;
    return err;
}

int64_t blk_queue_call(struct blk *b, enum blk_op op, unsigned q, const uint64_t *word, unsigned count)
{
    struct msg m;

    msg_begin(&m, op);
    msg_put(&m, q);
    for (unsigned i = 0; i < count; i++) {
        msg_put(&m, word[i]);
    }
    return blk_call_plain(b, &m);
}

int64_t blk_queue_call_cap(struct blk *b, enum blk_op op, unsigned q, cap_t cap, uint32_t rights)
{
    struct msg m;

    msg_begin(&m, op);
    msg_put(&m, q);
    msg_put_cap(&m, cap, rights);
    return blk_call_plain(b, &m);
}

int64_t blk_set_features(struct blk *b, uint64_t features)
{
    struct msg m;

    msg_begin(&m, BLK_SET_FEATURES);
    msg_put(&m, features);
    return blk_call_plain(b, &m);
}

int64_t blk_set_writeback(struct blk *b, uint8_t on)
{
    struct msg m;

    msg_begin(&m, BLK_SET_CONFIG);
    msg_put(&m, CONFIG_WRITEBACK);
    msg_put_bytes(&m, &on, 1);
    return blk_call_plain(b, &m);
}

/* SK_ENOSYS of an older server: nothing is recorded, nor can it be done again. */
static int64_t record_give(struct blk *b, unsigned q)
{
    struct msg m;

    msg_begin(&m, BLK_SET_INFLIGHT);
    msg_put(&m, q);
    msg_put(&m, q * INFLIGHT_BYTES);
    msg_put_cap(&m, b->record_cap, RIGHT_R | RIGHT_W);
    int64_t err = blk_call_plain(b, &m);
    return err == SK_ENOSYS ? SK_OK : err;
}

int64_t blk_session_queue_start(struct blk *b, unsigned q)
{
    const struct virtio_queue *vq = &b->dev.queue[q];
    const uint64_t num = vq->size, area[] = {vq->desc, vq->driver, vq->device}, enable = 1;
    const uint64_t base = b->dev.accepted & VIRTIO_F_RING_PACKED ? VRING_BASE_PACKED : VRING_BASE_SPLIT;
    int64_t err = blk_queue_call(b, BLK_SET_VRING_NUM, q, &num, 1);

    err = err < 0 ? err : blk_queue_call(b, BLK_SET_VRING_ADDR, q, area, 3);
    err = err < 0 ? err : blk_queue_call(b, BLK_SET_VRING_BASE, q, &base, 1);
    err = err < 0 ? err : record_give(b, q);
    err = err < 0 ? err : blk_queue_call_cap(b, BLK_SET_VRING_CALL, q, b->queue[q].call.cap, RIGHT_CALL);
    err = err < 0 ? err : blk_queue_call_cap(b, BLK_SET_VRING_KICK, q, b->queue[q].kick, RIGHT_BIND);
    err = err < 0 ? err : blk_queue_call(b, BLK_SET_VRING_ENABLE, q, &enable, 1);
    if (err < 0) {
        log_error(LOG_VIRTIO, "%s: starting queue %u (%u entries) at the block server: %s", b->name, q, vq->size,
                  sk_strerror(err));
    }
    return err;
}

int64_t blk_session_reset(struct blk *b)
{
    struct msg m;

    if (!b->open) {
        for (unsigned q = 0; q < b->queue_count; q++) {
            blk_lost_queue_stop(b, q);
        }
        return SK_OK;
    }
    msg_begin(&m, BLK_RESET);
    int64_t err = blk_call_plain(b, &m);
    if (err < 0 && err != SK_EAGAIN) {
        log_error(LOG_VIRTIO, "%s: resetting the device at the block server: %s", b->name, sk_strerror(err));
    }
    return err;
}

int64_t blk_session_queue_stop(struct blk *b, unsigned q)
{
    struct msg m;

    if (!b->open) {
        blk_lost_queue_stop(b, q);
        return SK_OK;
    }
    msg_begin(&m, BLK_GET_VRING_BASE);
    msg_put(&m, q);
    int64_t err = blk_call(b, &m);
    if (err >= 0) {
        (void)msg_get(&m);
        err = msg_end(&m);
    }
    if (err < 0 && err != SK_EAGAIN) {
        log_error(LOG_VIRTIO, "%s: stopping queue %u at the block server: %s", b->name, q, sk_strerror(err));
    }
    return err;
}
