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

void blk_server_lost(struct blk *b, int64_t err)
{
    b->open = false;
    if (!b->lost) {
        b->lost = true;
        log_error(LOG_VIRTIO,
                  "%s: the block server behind '%s' does not answer any more (%s): the disk is gone until the "
                  "server is started again and the guest's driver resets the device",
                  b->name, b->cap_name, sk_strerror(err));
    }
    virtio_broken(&b->dev);
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

int64_t blk_open(struct blk *b)
{
    int64_t err;

    if (b->open) {
        return SK_OK;
    }
    err = blk_bind_state(b, sys_now_ns() + BLK_CALL_NS);
    if (err >= 0) {
        err = blk_memory_add(b);
    }
    if (err >= 0) {
        b->open = true;
        b->lost = false;
    }
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

int64_t blk_session_reset(struct blk *b)
{
    struct msg m;

    if (!b->open) {
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
