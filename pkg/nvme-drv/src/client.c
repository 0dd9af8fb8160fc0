// SPDX-License-Identifier: MIT
// Clients and their claims: see client.h.
#include "client.h"

#include "stat_show.h"

#include <proto/blk_factory.h>
#include <shell/shell.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GATE_CAPS 1u /* most capabilities in a request */

#define CLIENTS_MAX (2 * OPTIONS_CLIENTS_MAX)

static struct client *clients[CLIENTS_MAX];
static unsigned client_count;
static struct client *retired;         /* memory to be freed when none of its handlers can run */
static struct nvme_ctrl *const *known; /* controllers, as of the last clients_match() */
static unsigned known_count;
static bool known_all;
static cap_t fault_page; /* replaces memory that a client took away */

/* --- limits --- */

static void limit_event(void *ctx)
{
    struct client *c = ctx;

    if (c->target.ns) {
        blkdev_limit_over(&c->blk);
        blkdev_flush();
    }
}

static void limit_arm(void *ctx, uint64_t deadline)
{
    struct client *c = ctx;

    sys_signal_timer(c->limit_timer.cap, deadline);
}

static int64_t client_limits(struct client *c)
{
    limit_init(&c->qos.limit, &c->options->limit);
    c->qos.arm = limit_arm;
    c->qos.arm_ctx = c;
    return c->qos.limit.on ? server_signal(&c->limit_timer, CAP_NULL, limit_event, c) : SK_OK;
}

/* --- clients of the command line --- */

static void client_open(const struct client_options *o)
{
    cap_t cap = sk_env_get(o->cap);
    struct client *c;

    if (!cap) {
        log_error(
            "NVMe[]: Client %s: there is no such capability: give the program one of that name (a channel's :svr()) in "
            "the script that starts it",
            o->cap);
        return;
    }
    c = calloc(1, sizeof(*c));
    int64_t err = SK_ENOMEM;

    if (c) {
        c->options = o;
        blkdev_init(&c->blk, &c->qos);
        err = client_limits(c);
    }
    if (err == SK_OK) {
        err = server_gate(&c->gate, cap, session_call, session_unused, c, GATE_CAPS);
    }
    if (err < 0) {
        log_error("NVMe[]: Client %s: serving its gate: %s%s", o->cap, sk_strerror(err),
                  err == SK_ERIGHTS ? "; pass the channel's :svr() to the server" : "");
        if (c) {
            server_remove(&c->limit_timer);
        }
        free(c);
        return;
    }
    clients[client_count++] = c;
}

void clients_open(const struct options *options)
{
    void *page = vm_alloc(PAGE_SIZE, &fault_page, NULL);

    (void)page; /* stays mapped; without it a client that takes memory away ends the program */
    for (unsigned i = 0; i < options->client_count; i++) {
        client_open(&options->client[i]);
    }
}

void client_notify(struct client *c)
{
    if (c->changed) {
        sys_signal_raise(c->changed);
    }
}

void client_attach(struct client *c)
{
    blkdev_init(&c->blk, &c->qos);
    c->blk.changed = session_changed;
    c->blk.changed_ctx = c;
    blkdev_attach(&c->blk, &c->target);
}

void client_use(struct client *c)
{
    if (!c->uses) {
        c->uses = true;
        nvme_ctrl_use(c->target.ns->ctrl);
    }
}

/* Takes the disk unless another client has it. */
static void client_claim(struct client *c)
{
    if (blk_target_lost(&c->target)) {
        c->state = CLIENT_MISSING;
        return;
    }
    c->target.readonly = c->options->readonly || c->target.ns->info.readonly;
    c->protected = false;
    for (unsigned i = 0; i < client_count; i++) {
        struct client *o = clients[i];
        bool has = o->state == CLIENT_READY || o->state == CLIENT_CLOSING;

        if (o != c && has && target_overlap(&o->target, &c->target) && !(o->target.readonly && c->target.readonly)) {
            if (c->state != CLIENT_BUSY) {
                log_warn("NVMe[]: Client %s: %s is in use by client %s, which has %s; it must wait until that is gone",
                         c->options->cap, c->options->device, o->options->cap, o->options->device);
            }
            c->state = CLIENT_BUSY;
            return;
        }
    }
    c->state = CLIENT_READY;
    c->target.packed = c->options->packed;
    client_attach(c);
    if (c->changed || c->dynamic) {
        client_use(c);
    }
}

static void log_missing(const struct client *c, int64_t err)
{
    char list[256];

    if (err == SK_EEXIST) {
        log_error("NVMe[]: Client %s: several partitions are called '%s': use the GUID of one", c->options->cap,
                  c->options->device);
    } else {
        target_list(known, known_count, list, sizeof(list));
        log_error("NVMe[]: Client %s: there is no device '%s'; there is: %s", c->options->cap, c->options->device,
                  list);
    }
}

static void client_match(struct client *c, struct nvme_ctrl *const *ctrl, unsigned count, bool all_scanned)
{
    if (c->state != CLIENT_SCANNING && c->state != CLIENT_MISSING) {
        return;
    }
    int64_t err = target_find(ctrl, count, c->options->device, &c->target);

    if (err == SK_OK) {
        client_claim(c);
        client_notify(c);
        return;
    }
    if (!all_scanned || c->state == CLIENT_MISSING) {
        return;
    }
    log_missing(c, err);
    c->state = CLIENT_MISSING;
    client_notify(c);
}

void clients_match(struct nvme_ctrl *const *ctrl, unsigned count, bool all_scanned)
{
    known = ctrl;
    known_count = count;
    known_all = all_scanned;
    for (unsigned i = 0; i < client_count; i++) {
        client_match(clients[i], ctrl, count, all_scanned);
    }
}

/* Its writes fail while the namespace is write-protected. The RO feature cannot change in a session, and who got the
 * disk for reading only may share it with others, so that only what became read-only here becomes writable again. */
static void client_protection(struct client *c)
{
    bool protected = c->target.ns->info.readonly;

    if (!blk_target_lost(&c->target) && (protected ? !c->target.readonly : c->protected)) {
        c->protected = c->target.readonly = protected;
        blkdev_protect(&c->blk, protected);
        log_warn("NVMe[]: Client %s: %s %s", c->options->cap, c->options->device,
                 protected ? "is write-protected by its drive now: writes fail with I/O errors until that ends"
                           : "can be written again");
    }
}

/* A client that has its disk. */
static void client_update(struct client *c)
{
    const struct blk_target *t = &c->target;
    bool lost = blk_target_lost(t);

    client_protection(c);
    if (lost != c->lost) {
        c->lost = lost;
        log_warn("NVMe[]: Client %s: %s %s", c->options->cap, c->options->device,
                 lost ? "is not there any more: its requests fail" : "is there again");
    } else if (!lost && t->whole && t->blocks != t->ns->info.blocks) {
        c->target.blocks = t->ns->info.blocks;
        blkdev_resize(&c->blk, t->blocks);
    } else {
        return;
    }
    client_notify(c);
}

void clients_update(void)
{
    for (unsigned i = 0; i < client_count; i++) {
        if (clients[i]->state == CLIENT_READY || clients[i]->state == CLIENT_CLOSING) {
            client_update(clients[i]);
        }
    }
    clients_match(known, known_count, known_all);
}

void client_find_again(struct client *c)
{
    client_unclaim(c);
    client_match(c, known, known_count, known_all);
}

/* --- dynamic clients --- */

struct dynamic_client {
    struct client client; /* first */
    struct client_options options;
    char name[24], device[BLK_FACTORY_TEXT];
};

static void retired_free(void)
{
    while (retired) {
        struct client *c = retired;

        retired = c->next_retired;
        free(c);
    }
}

static unsigned dynamic_number; /* of the last one that was made */

static struct client *dynamic_new(const struct client_options *o)
{
    struct dynamic_client *d = client_count < CLIENTS_MAX ? calloc(1, sizeof(*d)) : NULL;

    if (!d) {
        log_error("NVMe[]: A dynamic client for '%s': no memory, or more than %u clients", o->device, CLIENTS_MAX);
        return NULL;
    }
    (void)snprintf(d->name, sizeof(d->name), "svr/%u", dynamic_number + 1);
    (void)snprintf(d->device, sizeof(d->device), "%s", o->device);
    d->options = *o;
    d->options.cap = d->name;
    d->options.device = d->device;
    d->client.options = &d->options;
    d->client.dynamic = true;
    blkdev_init(&d->client.blk, &d->client.qos);
    return &d->client;
}

/* Finds and claims the disk. */
static int64_t dynamic_claim(struct client *c)
{
    int64_t err = target_find(known, known_count, c->options->device, &c->target);

    if (err && !known_all) {
        log_info("NVMe[]: Client %s: '%s' is not known yet, the devices are still being looked at", c->options->cap,
                 c->options->device);
        return SK_EAGAIN;
    }
    if (err) {
        log_missing(c, err);
        return err == SK_EEXIST ? SK_EINVAL : SK_ENODEV;
    }
    client_claim(c);
    return c->state == CLIENT_READY ? SK_OK : SK_EBUSY;
}

int64_t client_create(const struct client_options *o, struct client **out)
{
    retired_free();
    struct client *c = dynamic_new(o);

    if (!c) {
        return SK_ENOMEM;
    }
    int64_t err = dynamic_claim(c);

    if (!err && (err = client_limits(c)) == SK_OK) {
        err = server_gate(&c->gate, CAP_NULL, session_call, session_unused, c, GATE_CAPS);
        if (err < 0) {
            log_error("NVMe[]: Client %s: making its gate: %s", c->options->cap, sk_strerror(err));
        }
    }
    if (err < 0) {
        if (c->state == CLIENT_READY) {
            client_unclaim(c);
        }
        server_remove(&c->limit_timer);
        free(c);
        return err;
    }
    log_info("NVMe[]: Client %s has %s%s", c->options->cap, c->options->device,
             c->target.readonly ? " (read-only)" : "");
    dynamic_number++;
    clients[client_count++] = c;
    *out = c;
    return SK_OK;
}

void client_destroy(struct client *c)
{
    unsigned i = 0;

    while (clients[i] != c) {
        i++;
    }
    client_count--;
    memmove(&clients[i], &clients[i + 1], (client_count - i) * sizeof(clients[0]));
    server_remove(&c->gate);
    server_remove(&c->limit_timer);
    stat_keep(c);
    c->next_retired = retired;
    retired = c;
}

int64_t client_status(struct client *c)
{
    if (c->state == CLIENT_BUSY || c->state == CLIENT_UNUSED) {
        client_claim(c);
    }
    if (c->state == CLIENT_MISSING) { /* another namespace may have come since */
        client_match(c, known, known_count, known_all);
    }
    switch (c->state) {
    case CLIENT_READY:
        return SK_OK;
    case CLIENT_MISSING:
        return SK_ENODEV;
    case CLIENT_BUSY:
        return SK_EBUSY;
    default:
        return SK_EAGAIN;
    }
}

void client_unclaim(struct client *c)
{
    c->state = c->lost ? CLIENT_MISSING : CLIENT_UNUSED;
    c->lost = false;
    if (c->uses) {
        c->uses = false;
        nvme_ctrl_unuse(c->target.ns->ctrl);
    }
    for (unsigned i = 0; i < client_count; i++) {
        if (clients[i] != c && clients[i]->state == CLIENT_BUSY) {
            client_claim(clients[i]);
            if (clients[i]->state == CLIENT_READY) {
                client_notify(clients[i]);
            }
        }
    }
}

struct client *client_at(unsigned i)
{
    return i < client_count ? clients[i] : NULL;
}

struct nvme_ctrl *client_ctrl(unsigned i)
{
    return i < known_count ? known[i] : NULL;
}

static const char *state_text(const struct client *c)
{
    static const char *const text[] = {
        [CLIENT_SCANNING] = "its disk is being looked for",
        [CLIENT_MISSING] = "its disk is not there",
        [CLIENT_BUSY] = "waits for its disk",
        [CLIENT_READY] = "has its disk",
        [CLIENT_UNUSED] = "nobody uses it",
        [CLIENT_CLOSING] = "ends",
    };

    return c->state == CLIENT_READY && c->announced ? "uses its disk" : text[c->state];
}

void clients_command(struct shell *sh, unsigned argc, char *const *argv)
{
    (void)argc, (void)argv;
    for (unsigned i = 0; i < client_count; i++) {
        const struct client *c = clients[i];

        shell_printf(sh, "%-8s %s%s: %s\n", c->options->cap, c->options->device,
                     c->options->readonly ? " (read-only)" : "", state_text(c));
    }
    if (client_count == 0) {
        shell_printf(sh, "there is no client\n");
    }
}

void clients_stop(void)
{
    for (unsigned i = client_count; i-- > 0;) { /* a dynamic one leaves the list at once, or later */
        server_remove(&clients[i]->gate);
        session_unused(clients[i]);
    }
}

/* Zeros from now on: the ring code finds it broken. */
static bool fault_mend(uint64_t address)
{
    return sys_map(CAP_TASK, fault_page, 0, PAGE_SIZE, align_down(address, PAGE_SIZE), RIGHT_R | RIGHT_W).value >= 0;
}

bool client_fault(const struct utcb_fault *f)
{
    if (f->vector != 14 || !fault_page) {
        return false;
    }
    for (unsigned i = 0; i < client_count; i++) {
        const struct gmem *mem = &clients[i]->blk.mem;

        for (unsigned k = 0; k < BLK_QUEUES; k++) {
            uint64_t record = (uintptr_t)clients[i]->record[k];

            if (record && range_ok(f->address - record, 1, INFLIGHT_BYTES)) {
                return fault_mend(f->address);
            }
        }
        for (unsigned k = 0; k < mem->count; k++) {
            uint64_t host = (uintptr_t)mem->region[k].host;

            if (range_ok(f->address - host, 1, mem->region[k].size)) {
                return fault_mend(f->address);
            }
        }
    }
    return false;
}
