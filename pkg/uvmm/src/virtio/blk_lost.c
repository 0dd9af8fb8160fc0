// SPDX-License-Identifier: MIT
/* A disk whose block server has ended while the guest uses it.
 *
 *   SERVED --server ends--> WAITING --a new one has opened the session--> SERVED
 *                              |  ^
 *               patience over  v  |  (also from here)
 *                            FAILING: every request ends with an I/O error
 *
 * The end is noticed at once: the server holds the last capability to our `lifeline` gate. A thread of its own then
 * calls the gate until a server takes the call, and raises the state signal. What the guest asks for in the meantime
 * waits in its rings; what was in flight is in the queues' records (virtio/inflight.h), by which the next server does
 * it again. So the guest sees latency only, or, after the node's `skerry,server-timeout` seconds (60), errors.
 *
 * Memory: a drive may still work on the guest's buffers after its server's end, until the next server resets it. Those
 * are the buffers of requests in flight, which the guest's driver does not touch until they end. When it resets the
 * device or a queue instead, or gets errors, it may use them again too early; without a server nobody could tell it
 * when. */
#include "../log.h"
#include "blk_priv.h"

#include <sk/env.h>
#include <sk/sys.h>
#include <string.h>
#include <util/bits.h>
#include <virtio/blk.h>

/* --- a server to take our call --- */

static void caller_main(void *arg)
{
    struct blk *b = arg;

    b->lost.result = blk_bind_state(b, DEADLINE_NEVER);
    __atomic_store_n(&b->lost.called, true, __ATOMIC_RELEASE); /* pairs with the load in call_ended() */
    sys_signal_raise(b->state.cap);
}

static void call_begin(struct blk *b)
{
    struct thread_info info = {0};
    int64_t err = sys_thread_info(CAP_THREAD).value;

    b->lost.called = false;
    if (err >= 0) {
        memcpy(&info, sk_utcb()->mr, sizeof(info));
        err = sk_thread_create(&b->lost.caller, "blkwait", (unsigned)info.priority, 0, caller_main, b);
    }
    b->lost.calling = err >= 0;
    if (err < 0) {
        log_error(LOG_VIRTIO, "%s: waiting for a block server behind '%s': %s", b->name, b->cap_name, sk_strerror(err));
    }
}

/* SK_OK: a server has our state signal and the lifeline. SK_EAGAIN: the thread still waits for one. SK_EGONE: call
 * again. */
static int64_t call_end(struct blk *b)
{
    if (b->bound) {
        return SK_OK;
    }
    if (!b->lost.calling) {
        return SK_EGONE;
    }
    if (!__atomic_load_n(&b->lost.called, __ATOMIC_ACQUIRE)) {
        return SK_EAGAIN;
    }
    sk_thread_destroy(&b->lost.caller);
    b->lost.calling = false;
    if (b->lost.result < 0) {
        return b->lost.result == SK_ECAP ? SK_ECAP : SK_EGONE;
    }
    return blk_bound(b);
}

/* --- errors instead of service --- */

static uint8_t *status_byte(struct blk *b, const struct vring_seg *seg, int count)
{
    const struct vring_seg *last = &seg[count - 1];

    return last->write ? gmem_ptr(&b->lost.mem, last->gpa + last->len - 1, 1) : NULL;
}

/* Ends a request with an I/O error; false: it breaks the rules. */
static bool request_fail(struct blk *b, struct vring *vq, const struct vring_seg *seg, int count, uint32_t head)
{
    uint8_t *status = count > 0 ? status_byte(b, seg, count) : NULL;

    if (!status) {
        return false;
    }
    *status = VIRTIO_BLK_S_IOERR;
    vring_push(vq, head, 1);
    return true;
}

static void queue_fail(struct blk *b, unsigned q)
{
    static struct vring_seg seg[BLK_LOST_SEGMENTS]; /* under the VM lock */
    volatile struct inflight *record = blk_record(b, q);
    struct vring *vq = &b->lost.ring[q];
    struct vring_chain c;
    bool ok = true;
    int n = 0;

    for (unsigned slot = 0; ok && inflight_next(record, &slot); slot++) {
        n = inflight_again(record, slot, vq, seg, ARRAY_SIZE(seg), &c);
        ok = request_fail(b, vq, seg, n, c.head);
    }
    do {
        while (ok && (n = vring_pop(vq, seg, ARRAY_SIZE(seg), &c)) > 0) {
            ok = request_fail(b, vq, seg, n, c.head);
        }
    } while (ok && n == 0 && vring_kick_enable(vq));
    if (vring_publish(vq)) {
        virtio_queue_interrupt(&b->dev, q);
    }
    inflight_init(record, vq); /* where a later server begins */
    if (!ok || n < 0) {
        virtio_broken(&b->dev);
    }
}

static void kick_event(void *ctx)
{
    struct blk_queue *q = ctx;

    queue_fail(q->blk, (unsigned)(q - q->blk->queue));
}

static void queue_fail_begin(struct blk *b, unsigned q)
{
    const struct virtio_queue *vq = &b->dev.queue[q];
    struct vring_config cfg = {
        .num = vq->size, .desc = vq->desc, .avail = vq->driver, .used = vq->device, .features = b->dev.accepted};
    int64_t kick = sys_cap_copy(b->queue[q].kick, RIGHT_BIND);
    int64_t err = kick < 0 ? kick : inflight_recover(blk_record(b, q), &b->lost.mem, &cfg);

    err = err == SK_ENOENT ? SK_OK : err; // a new queue
    err = err < 0 ? err : vring_init(&b->lost.ring[q], &b->lost.mem, &cfg);
    err = err < 0 ? err : server_signal(&b->lost.kick[q], (cap_t)kick, kick_event, &b->queue[q]);
    if (err < 0) {
        log_error(LOG_VIRTIO, "%s: requests of queue %u cannot be ended: %s", b->name, q, sk_strerror(err));
        virtio_broken(&b->dev);
        return;
    }
    queue_fail(b, q);
}

/* Ends everything with errors, from now on. */
static void fail_begin(struct blk *b, const char *why)
{
    if (b->lost.failing) {
        return;
    }
    b->lost.failing = true;
    log_error(LOG_VIRTIO, "%s: %s: requests end with I/O errors until there is a block server behind '%s' again",
              b->name, why, b->cap_name);
    int64_t err = virtio_memory_table(&b->lost.mem);
    for (unsigned q = 0; err >= 0 && q < b->queue_count; q++) {
        if (b->dev.queue[q].started) {
            queue_fail_begin(b, q);
        }
    }
}

static void fail_end(struct blk *b)
{
    for (unsigned q = 0; q < b->queue_count; q++) {
        server_remove(&b->lost.kick[q]);
    }
    b->lost.failing = false;
}

int64_t blk_lost_queue_start(struct blk *b, unsigned q)
{
    if (b->lost.failing) {
        queue_fail_begin(b, q);
    }
    return SK_OK;
}

void blk_lost_queue_stop(struct blk *b, unsigned q)
{
    server_remove(&b->lost.kick[q]);
}

static void patience_over(void *ctx)
{
    struct blk *b = ctx;

    if (b->server_lost) {
        fail_begin(b, "no server has come in time");
    }
}

/* --- the state machine --- */

void blk_server_lost(struct blk *b, int64_t err)
{
    b->open = false;
    if (b->server_lost) {
        return;
    }
    b->server_lost = true;
    b->bound = false;
    log_warn(LOG_VIRTIO,
             "%s: the block server behind '%s' is gone (%s): the guest waits for the next one, %llu s at most", b->name,
             b->cap_name, sk_strerror(err), (unsigned long long)(b->patience_ns / BLK_SECOND_NS));
    sys_signal_raise(b->state.cap); /* the rest is the main thread's */
}

static void resets_end(struct blk *b)
{
    if (b->dev.resetting) {
        virtio_reset_done(&b->dev);
    }
    for (unsigned q = 0; q < b->queue_count; q++) {
        if (b->dev.queue[q].resetting) {
            virtio_queue_reset_done(&b->dev, q);
        }
    }
}

/* The session with the new server, up to the running queues. */
static int64_t session_restore(struct blk *b)
{
    int64_t err = blk_begin(b);

    if (err >= 0 && (b->dev.status & VIRTIO_STATUS_FEATURES_OK)) {
        err = blk_set_features(b, b->dev.accepted);
    }
    if (err >= 0 && (b->dev.accepted & VIRTIO_BLK_F_CONFIG_WCE) && (b->dev.status & VIRTIO_STATUS_FEATURES_OK)) {
        err = blk_set_writeback(b, b->dev.config[CONFIG_WRITEBACK]);
    }
    for (unsigned q = 0; err >= 0 && q < b->queue_count; q++) {
        if (b->dev.queue[q].started) {
            err = blk_session_queue_start(b, q);
        }
    }
    return err;
}

static void served_again(struct blk *b)
{
    fail_end(b);
    int64_t err = session_restore(b);

    if (blk_means_lost(err)) { /* blk_server_lost() did nothing: we are still at it */
        b->open = b->bound = false;
        call_begin(b);
        return;
    }
    if (err < 0) {
        b->open = false;
        fail_begin(b, "the new block server does not take over its disk");
        return;
    }
    b->server_lost = false;
    sys_signal_timer(b->lost.patience.cap, DEADLINE_NEVER);
    log_info(LOG_VIRTIO, "%s: the block server behind '%s' serves again", b->name, b->cap_name);
    sys_signal_raise(b->state.cap); /* for the configuration */
}

void blk_lost_event(struct blk *b)
{
    uint8_t status;

    resets_end(b);
    if (!b->lost.waiting) {
        b->lost.waiting = true;
        sys_signal_timer(b->lost.patience.cap, sys_now_ns() + b->patience_ns);
    }
    int64_t err = call_end(b);
    err = err < 0 ? err : blk_status(b, sys_now_ns() + BLK_CALL_NS, &status);
    if (err >= 0) {
        b->lost.waiting = false;
        served_again(b);
    } else if (err == SK_ECAP) {
        fail_begin(b, "its gate is gone");
    } else if (err == SK_ENODEV) {
        fail_begin(b, "the new block server has no such disk");
    } else if (blk_means_lost(err)) {
        b->bound = false;
        call_begin(b);
    }
}

int64_t blk_lost_init(struct blk *b)
{
    return server_signal(&b->lost.patience, CAP_NULL, patience_over, b);
}

void blk_lost_drop(struct blk *b)
{
    server_remove(&b->lost.patience);
}
