// SPDX-License-Identifier: MIT
/* The block protocol (proto/blk.h) of one client: messages and capabilities in, calls to the block device. Every value
 * comes from the client and is checked here or in blkdev.c; capabilities are taken only when the operation succeeds. */
#include "client.h"
#include "share.h"

#include <proto/blk.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <string.h>

#define IDLE_NS 1000000000ull /* how long an operation waits for requests in flight before it says SK_EAGAIN */

/* --- events --- */

static void kick_event(void *ctx)
{
    blkdev_kick(ctx);
}

static void call_driver(void *ctx)
{
    sys_signal_raise(*(cap_t *)ctx);
}

static void drop(cap_t *cap)
{
    if (*cap) {
        sys_cap_drop(*cap);
        *cap = CAP_NULL;
    }
}

static void record_drop(struct client *c, unsigned queue)
{
    if (c->record[queue]) {
        c->blk.queue[queue].record = NULL;
        vm_unmap(c->record[queue], INFLIGHT_BYTES);
        c->record[queue] = NULL;
    }
}

/* The queues' signals and records, which a reset forgets. */
static void drop_queues(struct client *c)
{
    blkdev_pairs_release(&c->blk);
    for (unsigned i = 0; i < BLK_QUEUES; i++) {
        c->blk.queue[i].call = NULL;
        drop(&c->call[i]);
        server_remove(&c->kick[i]);
        record_drop(c, i);
    }
}

static void region_unmap(struct client *c, const struct gmem_region *r)
{
    int64_t err = share_unmap(device_of(c->target.ns->ctrl), r->dev, r->size);

    if (err < 0 && err != SK_ENOENT) {
        log_error("NVMe[]: Client %s: taking its memory from the controller: %s", c->options->cap, sk_strerror(err));
    }
    vm_unmap(r->host, r->size);
}

/* Everything of the session goes, but not the disk. The queues are idle. */
static void session_release(struct client *c)
{
    drop_queues(c);
    for (unsigned i = 0; i < c->blk.mem.count; i++) {
        region_unmap(c, &c->blk.mem.region[i]);
    }
    drop(&c->changed);
    drop(&c->lifeline);
    c->announced = c->wants_idle = false;
    client_attach(c);
}

static void session_clear(struct client *c)
{
    session_release(c);
    client_unclaim(c);
    if (c->dynamic) {
        client_destroy(c);
    }
}

void session_unused(void *ctx)
{
    struct client *c = ctx;

    if (c->state != CLIENT_READY) {
        drop(&c->changed);
        drop(&c->lifeline);
        if (c->state == CLIENT_BUSY) {
            c->state = CLIENT_UNUSED; /* does not wait for its disk any more */
        }
        if (c->dynamic && c->state != CLIENT_CLOSING) {
            client_destroy(c);
        }
        return;
    }
    if (c->announced) {
        log_info("NVMe[]: Client %s is gone", c->options->cap);
    }
    c->state = CLIENT_CLOSING;
    if (blkdev_stop(&c->blk)) {
        session_clear(c);
    } else {
        blkdev_flush(); /* what waited for limits goes now */
    }
}

void session_changed(void *ctx)
{
    struct client *c = ctx;

    if (c->state == CLIENT_CLOSING) {
        if (blkdev_stop(&c->blk)) {
            session_clear(c);
        }
    } else if (c->blk.needs_reset || c->wants_idle) {
        c->wants_idle = false;
        client_notify(c);
    }
}

/* --- operations --- */

/* Handles completions for a moment, until stopped(c, ctx) says that what it stops is idle. */
static int64_t wait_idle(struct client *c, bool (*stopped)(struct client *c, void *ctx), void *ctx)
{
    uint64_t limit = sys_now_ns() + IDLE_NS;

    while (!stopped(c, ctx)) {
        if (sys_now_ns() > limit) {
            c->wants_idle = true;
            return SK_EAGAIN;
        }
        for (unsigned i = 0; i < c->target.ns->ctrl->io_count; i++) {
            nvme_queue_process(c->target.ns->ctrl->io[i]);
        }
        blkdev_flush();
        sys_thread_yield();
    }
    return SK_OK;
}

static bool all_stopped(struct client *c, void *ctx)
{
    (void)ctx;
    return blkdev_stop(&c->blk);
}

static int64_t stop_queues(struct client *c)
{
    return wait_idle(c, all_stopped, NULL);
}

static void announce(struct client *c)
{
    if (!c->announced) {
        c->announced = true;
        log_info("register client: host IRQ: %x", c->changed);
    }
}

static int64_t op_status(struct client *c, struct msg *reply)
{
    int64_t err = client_status(c);

    if (err == SK_OK && c->lost) {
        err = SK_ENODEV;
    }
    if (err == SK_OK) {
        msg_put(reply, c->blk.needs_reset ? VIRTIO_STATUS_NEEDS_RESET : 0);
        msg_put(reply, c->blk.generation);
    }
    return err;
}

/* Begins a session: what an earlier holder of the gate left behind goes first. */
static int64_t op_bind_ready(struct client *c, struct msg *m)
{
    cap_t cap = msg_get_cap(m);
    int64_t err = cap ? msg_end(m) : SK_EMSG;

    if (!err && c->state == CLIENT_CLOSING) {
        err = SK_EAGAIN;
    }
    if (!err && c->state == CLIENT_READY) {
        err = stop_queues(c);
    }
    if (err) {
        drop(&cap);
        return err;
    }
    if (c->state == CLIENT_READY) {
        session_release(c);
        if (c->lost) {
            client_find_again(c);
        }
    }
    if (c->state == CLIENT_READY) {
        client_use(c);
    }
    drop(&c->changed);
    drop(&c->lifeline);
    c->changed = cap;
    return SK_OK;
}

static int64_t op_get_config(struct client *c, struct msg *m, struct msg *reply)
{
    uint64_t off = msg_get(m), size = msg_get(m);
    uint8_t copy[sizeof(c->blk.config)];
    int64_t err = msg_end(m);

    if (err) {
        return err;
    }
    if (!range_ok(off, size, sizeof(c->blk.config))) {
        return SK_ERANGE;
    }
    memcpy(copy, (const uint8_t *)&c->blk.config + off, size);
    msg_put_bytes(reply, copy, size);
    msg_put(reply, c->blk.generation);
    return SK_OK;
}

static int64_t op_set_config(struct client *c, struct msg *m)
{
    uint8_t data[8];
    uint64_t off = msg_get(m);
    size_t len = msg_get_bytes(m, data, sizeof(data));
    int64_t err = msg_end(m);

    return err ? err : blkdev_set_config(&c->blk, off, data, len);
}

/* Maps a memory region here and for the controller. */
static int64_t region_map(struct client *c, cap_t mem, uint64_t off, struct gmem_region *r)
{
    int64_t err = SK_ENOMEM;

    r->host = vm_map(mem, off, r->size, RIGHT_R | RIGHT_W, &err);
    if (!r->host) {
        return err;
    }
    err = share_map(device_of(c->target.ns->ctrl), mem, off, r->size, &r->dev);
    if (err < 0) {
        vm_unmap(r->host, r->size);
        return err;
    }
    err = gmem_add(&c->blk.mem, r);
    if (err) {
        region_unmap(c, r);
    }
    return err;
}

static int64_t region_check(struct client *c, const struct gmem_region *r, uint64_t off)
{
    if (r->size == 0 || ((r->gpa | r->size | off) & (PAGE_SIZE - 1)) || r->gpa > UINT64_MAX - (r->size - 1)) {
        return SK_EINVAL;
    }
    if (c->blk.mem.count >= c->options->ds_max) {
        log_warn("NVMe[]: Client %s shares more than %u memory regions: give it a higher --ds-max", c->options->cap,
                 c->options->ds_max);
        return SK_ENOMEM;
    }
    return SK_OK;
}

static int64_t op_add_mem(struct client *c, struct msg *m)
{
    struct gmem_region r = {.gpa = msg_get(m), .size = msg_get(m)};
    uint64_t off = msg_get(m);
    cap_t mem = msg_get_cap(m);
    int64_t err = mem ? msg_end(m) : SK_EMSG;

    if (!err) {
        err = region_check(c, &r, off);
    }
    if (!err) {
        struct sys_result info = sys_mem_info(mem);

        err = info.value < 0                                ? info.value
              : (info.extra & MEM_DEVICE)                   ? SK_EINVAL
              : range_ok(off, r.size, (uint64_t)info.value) ? SK_OK
                                                            : SK_ERANGE;
    }
    if (!err) {
        err = region_map(c, mem, off, &r);
    }
    drop(&mem); /* the mappings keep the memory */
    if (!err) {
        uintptr_t host = (uintptr_t)r.host;

        log_info("Registering dataspace from 0x%llx with %llu KiB, offset 0x%llx", (unsigned long long)r.gpa,
                 (unsigned long long)(r.size >> 10), (unsigned long long)off);
        log_info("PORT[0x%lx]: DMA guest [%llx-%llx]  local [%lx-%lx]  offset %llx", (unsigned long)(uintptr_t)&c->blk,
                 (unsigned long long)r.gpa, (unsigned long long)(r.gpa + r.size - 1), (unsigned long)host,
                 (unsigned long)(host + r.size - 1), (unsigned long long)off);
    }
    return err;
}

static int64_t op_rem_mem(struct client *c, struct msg *m)
{
    uint64_t gpa = msg_get(m), size = msg_get(m);
    struct gmem_region r;
    int64_t err = msg_end(m);

    if (err) {
        return err;
    }
    for (unsigned i = 0; i < BLK_QUEUES; i++) {
        if (c->blk.queue[i].enabled || c->blk.queue[i].busy > 0) {
            return SK_EBUSY;
        }
    }
    err = gmem_remove(&c->blk.mem, gpa, size, &r);
    if (!err) {
        region_unmap(c, &r);
        for (unsigned i = 0; i < BLK_QUEUES; i++) {
            c->blk.queue[i].ready = false; /* its addresses are to be checked again */
        }
    }
    return err;
}

struct queue_stop {
    uint64_t index;
    uint32_t base;
};

static bool queue_stopped(struct client *c, void *ctx)
{
    struct queue_stop *s = ctx;

    return blkdev_queue_stop(&c->blk, s->index, &s->base);
}

static int64_t op_get_base(struct client *c, struct msg *m, struct msg *reply)
{
    struct queue_stop s = {.index = msg_get(m)};
    int64_t err = msg_end(m);

    if (!err && s.index >= BLK_QUEUES) {
        err = SK_ERANGE;
    }
    if (!err) {
        err = wait_idle(c, queue_stopped, &s);
    }
    if (!err) {
        blkdev_flush(); /* what has ended is shown to the driver */
        msg_put(reply, s.base);
    }
    return err;
}

static int64_t op_signal(struct client *c, struct msg *m, bool kick)
{
    uint64_t index = msg_get(m);
    cap_t cap = msg_get_cap(m);
    int64_t err = cap ? msg_end(m) : SK_EMSG;

    if (!err && index >= BLK_QUEUES) {
        err = SK_ERANGE;
    }
    if (err) {
        drop(&cap);
        return err;
    }
    if (kick) {
        server_remove(&c->kick[index]);
        err = server_signal(&c->kick[index], cap, kick_event, &c->blk.queue[index]);
        if (err) {
            drop(&cap);
        }
        return err;
    }
    drop(&c->call[index]);
    c->call[index] = cap;
    c->blk.queue[index].call_ctx = &c->call[index];
    c->blk.queue[index].call = call_driver;
    return SK_OK;
}

static int64_t op_reset(struct client *c, struct msg *m)
{
    int64_t err = msg_end(m);

    if (!err) {
        err = stop_queues(c);
    }
    if (!err) {
        announce(c);
        log_info("Resetting device");
        drop_queues(c);
        blkdev_reset(&c->blk);
    }
    return err;
}

/* Whose last capability tells the client that the session, or this program, has ended. */
static int64_t op_lifeline(struct client *c, struct msg *m)
{
    cap_t cap = msg_get_cap(m);
    int64_t err = cap ? msg_end(m) : SK_EMSG;

    if (err) {
        drop(&cap);
        return err;
    }
    drop(&c->lifeline);
    c->lifeline = cap;
    return SK_OK;
}

static int64_t op_record(struct client *c, struct msg *m)
{
    uint64_t index = msg_get(m), off = msg_get(m);
    cap_t mem = msg_get_cap(m);
    int64_t err = mem ? msg_end(m) : SK_EMSG;
    struct sys_result info = {.value = err};

    if (!err && (index >= BLK_QUEUES || off % PAGE_SIZE)) {
        err = SK_EINVAL;
    }
    if (!err) {
        info = sys_mem_info(mem);
        err = info.value < 0                                        ? info.value
              : (info.extra & MEM_DEVICE)                           ? SK_EINVAL
              : range_ok(off, INFLIGHT_BYTES, (uint64_t)info.value) ? blkdev_vring_record(&c->blk, index, NULL)
                                                                    : SK_ERANGE;
    }
    if (!err) {
        record_drop(c, (unsigned)index);
        c->record[index] = vm_map(mem, off, INFLIGHT_BYTES, RIGHT_R | RIGHT_W, &err);
        err = c->record[index] ? blkdev_vring_record(&c->blk, index, c->record[index]) : err;
    }
    drop(&mem); /* the mapping keeps the memory */
    return err;
}

/* Operations with numbers only. */
static int64_t op_numbers(struct client *c, struct msg *m)
{
    uint64_t a = msg_get(m), b = 0, desc = 0, avail = 0;

    if (m->op != BLK_SET_FEATURES) {
        b = msg_get(m);
    }
    if (m->op == BLK_SET_VRING_ADDR) {
        desc = b;
        avail = msg_get(m);
        b = msg_get(m);
    }
    int64_t err = msg_end(m);

    if (err) {
        return err;
    }
    switch (m->op) {
    case BLK_SET_FEATURES:
        return blkdev_set_features(&c->blk, a);
    case BLK_SET_VRING_NUM:
        return blkdev_vring_num(&c->blk, a, b);
    case BLK_SET_VRING_ADDR:
        announce(c);
        return blkdev_vring_addr(&c->blk, a, desc, avail, b);
    case BLK_SET_VRING_BASE:
        return blkdev_vring_base(&c->blk, a, b);
    default:
        return b > 1 ? SK_EINVAL : blkdev_vring_enable(&c->blk, a, b == 1);
    }
}

/* Operations that need the disk. */
static int64_t session_device_call(struct client *c, struct msg *m, struct msg *reply)
{
    switch (m->op) {
    case BLK_GET_FEATURES:
        msg_put(reply, c->blk.offered);
        return msg_end(m);
    case BLK_GET_QUEUE_NUM:
        msg_put(reply, c->blk.config.num_queues);
        msg_put(reply, BLK_QUEUE_SIZE);
        return msg_end(m);
    case BLK_GET_CONFIG:
        return op_get_config(c, m, reply);
    case BLK_SET_CONFIG:
        return op_set_config(c, m);
    case BLK_ADD_MEM_REG:
        return op_add_mem(c, m);
    case BLK_REM_MEM_REG:
        return op_rem_mem(c, m);
    case BLK_GET_VRING_BASE:
        return op_get_base(c, m, reply);
    case BLK_SET_VRING_KICK:
    case BLK_SET_VRING_CALL:
        return op_signal(c, m, m->op == BLK_SET_VRING_KICK);
    case BLK_SET_INFLIGHT:
        return op_record(c, m);
    case BLK_RESET:
        return op_reset(c, m);
    case BLK_SET_FEATURES:
    case BLK_SET_VRING_NUM:
    case BLK_SET_VRING_ADDR:
    case BLK_SET_VRING_BASE:
    case BLK_SET_VRING_ENABLE:
        return op_numbers(c, m);
    default:
        return SK_ENOSYS;
    }
}

int64_t session_call(void *ctx, struct msg *request, struct msg *reply)
{
    struct client *c = ctx;

    if (request->op == PROTO_ID) {
        msg_put(reply, PROTO_BLK);
        return SK_OK;
    }
    if (!c->changed && request->op != BLK_BIND_READY) {
        return SK_EGONE;
    }
    switch (request->op) {
    case BLK_GET_STATUS:
        return op_status(c, reply);
    case BLK_BIND_READY:
        return op_bind_ready(c, request);
    case BLK_SET_LIFELINE:
        return op_lifeline(c, request);
    default: {
        int64_t err = client_status(c);

        return err ? err : session_device_call(c, request, reply);
    }
    }
}
