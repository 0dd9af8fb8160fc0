// SPDX-License-Identifier: MIT
/* Fuzz target: what a hostile controller says besides data: any asynchronous events at any time, and log pages (errors,
 * SMART, changed namespaces), lists of namespaces and Identify data with any bytes in them. The commands that show them
 * run, too. The input is a string of steps, and what is written over the pages.
 *
 * In the end each namespace that is shown to clients is one that they can use, and the driver has nothing to do. */
#include "../src/admin.h"
#include "../src/command.h"
#include "../src/device.h"
#include "fuzz_input.h"
#include "model.h"
#include <abi/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct model *model;
static struct device device;
static struct shell shell;
static bool waits; /* a command of the shell */

/* --- the controller --- */

/* Some bytes of the page are others. */
static void forge(struct model *m, const struct nvme_sqe *e, uint8_t *page)
{
    (void)m;
    unsigned n = take(1);

    if (e->opcode == NVME_ADMIN_IDENTIFY && n < 128) {
        return; /* true most of the time */
    }
    for (n &= 15; n > 0; n--) {
        unsigned kind = take(1), at = (kind & 1 ? take(1) : take(2)) % 4089;
        uint64_t v = kind & 2 ? take(1) : kind & 4 ? UINT64_MAX : (uint64_t)take(4);

        memcpy(page + at, &v, kind & 8 ? 8 : 4);
    }
}

static void event(void)
{
    static const uint32_t usual[] = {0x020001, 0x010300, 0x040002, 0x010000};
    unsigned n = take(1);

    model->event_masked = n & 16 ? model->event_masked : 0;
    model_event(model, n & 32 ? take(4) : usual[n & 3]);
}

static void change(void)
{
    struct model_ns *ns = &model->ns[take(1) & 1];

    ns->detached = take(1) & 1;
    ns->blocks = 8 + take(1) % 56;
    ns->uuid = (uint8_t)take(1);
    model_ns_notice(model, take(1) & 3);
}

static void meanwhile(struct model *m)
{
    (void)m;
    for (unsigned n = take(1) & 7; n > 4; n--) {
        event();
    }
}

/* --- the program around the driver --- */

struct device *device_at(unsigned i)
{
    return i == 0 ? &device : NULL;
}
void command_wake(void)
{
    waits = false;
}

/* The worker has something to do, and does it. */
static void run(void)
{
    (void)model_interrupt(model);
    (void)model_check(model);
    for (unsigned i = 0; nvme_ctrl_has_work(model->ctrl) && i < 20; i++) {
        nvme_ctrl_work(model->ctrl);
    }
}

void command_wait(void)
{
    for (unsigned i = 0; waits; i++) {
        run();
        model->now += 100000000;
        if (i == 10000) {
            (void)fprintf(stderr, "a command waits for ever\n");
            abort();
        }
    }
}

static void write_nothing(void *ctx, const char *text, size_t len)
{
    (void)ctx, (void)text, (void)len;
}

static void command(void)
{
    static void (*const run_it[])(struct shell *, unsigned, char *const *) = {
        admin_smart, admin_errors, admin_identify, admin_identify, admin_list, admin_rescan, admin_reset, admin_attach,
    };
    static const unsigned argc[] = {2, 2, 2, 3, 1, 1, 2, 3};
    char *argv[] = {"attach", "model", "n1", NULL};
    unsigned i = take(1) % ARRAY_SIZE(run_it);

    waits = true;
    run_it[i](&shell, argc[i], argv);
}

static void step(void)
{
    unsigned what = take(1);

    if (what < 100) {
        event();
    } else if (what < 130) {
        change();
    } else if (what < 170) {
        command();
    } else if (what < 230) {
        run();
    } else {
        model->now += (uint64_t)take(1) * 100000000;
        run();
    }
}

static void check(const struct nvme_ctrl *c)
{
    if (c->event.count + c->event.out > IDENT_EVENTS_MAX) {
        abort();
    }
    for (unsigned i = 0; i < c->ns_count; i++) {
        const struct ident_ns *o = &c->ns[i]->info;

        if (c->ns[i]->live && (!is_pow2(o->block_size) || o->block_size < 512 || o->block_size > 65536 || !o->blocks ||
                               o->blocks > (uint64_t)INT64_MAX / o->block_size || !c->ns[i]->queue ||
                               c->ns[i]->max_transfer < o->block_size)) {
            abort();
        }
    }
}

/* model_start() with the controller inside of a device, as admin.c looks for it. */
static void start(void)
{
    int64_t err;

    model->slow_admin = take(1) & 1;
    device = (struct device){.name = "model"};
    device.ctrl.hw = &model->hw;
    model->ctrl = &device.ctrl;
    nvme_ctrl_use(&device.ctrl);
    err = nvme_ctrl_start(&device.ctrl);
    if (err) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input.at = data;
    input.left = size;
    model = model_new(64);
    model_add_ns(model, 2, 64, 512);
    start();
    model->meanwhile = meanwhile;
    model->forge = forge;
    while (input.left > 0) {
        step();
        check(model->ctrl);
    }
    model->forge = NULL;
    run();
    check(model->ctrl);
    model_clear(model);
    model_free(model);
    return 0;
}

/* The log is formatted, too, and goes nowhere. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    shell_init(&shell, NULL, 0, "", write_nothing, NULL);
    log_level = LOG_DEBUG;
    return !freopen("/dev/null", "w", stdout);
}
