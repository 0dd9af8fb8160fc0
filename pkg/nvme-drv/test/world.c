// SPDX-License-Identifier: MIT
// See world.h.
#define _GNU_SOURCE // memfd_create()
#include "world.h"

#include "../src/client.h"
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CAPS 256u
#define MAPS 64u
#define DMA_SPACE 0xd0u /* the device's */

enum kind { CAP_FREE, CAP_MEMORY, CAP_SIGNAL, CAP_GATE };

static struct {
    enum kind kind;
    enum world_mem mem;
    struct server_source *source; /* of a signal that the driver bound */
    uint64_t timer;               /* 0: not set */
} caps[CAPS];
static struct {
    uint8_t *at;
    size_t size;
} maps[MAPS];
static struct {
    int fd;
    uint8_t *view; /* the client's */
    uint8_t *dma;  /* the controller's: accessible where mapped */
} mems[WORLD_MEMS];
static struct model *model;
static struct device device;
static unsigned held, raised, fail_in;
static struct utcb utcb;

static _Noreturn void die(const char *what, uint64_t value)
{
    (void)fprintf(stderr, "world: %s %#llx\n", what, (unsigned long long)value);
    abort();
}

static bool fails(void)
{
    return fail_in > 0 && --fail_in == 0;
}

void world_fail_after(unsigned count)
{
    fail_in = count;
}

unsigned world_holds(void)
{
    return held;
}

unsigned world_raised(void)
{
    return raised;
}

static void memory_make(unsigned i)
{
    mems[i].fd = memfd_create("world", 0);
    if (mems[i].fd < 0 || ftruncate(mems[i].fd, WORLD_MEM_BYTES)) {
        die("no memory", i);
    }
    mems[i].view = mmap(NULL, WORLD_MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, mems[i].fd, 0);
    mems[i].dma = mmap(NULL, WORLD_MEM_BYTES, PROT_NONE, MAP_SHARED, mems[i].fd, 0);
    if (mems[i].view == MAP_FAILED || mems[i].dma == MAP_FAILED) {
        die("no mapping", i);
    }
}

void world_begin(struct model *m)
{
    if (held) {
        die("still held:", held);
    }
    for (unsigned i = 0; i < WORLD_MEMS; i++) {
        if (!mems[i].view) {
            memory_make(i);
        }
        memset(mems[i].view, 0, WORLD_MEM_BYTES);
    }
    model = m;
    device = (struct device){.dma = DMA_SPACE};
    raised = fail_in = 0;
}

uint8_t *world_memory(enum world_mem which)
{
    return mems[which].view;
}

/* --- capabilities --- */

static cap_t cap_new(enum kind kind)
{
    for (cap_t c = 1; c < CAPS; c++) {
        if (caps[c].kind == CAP_FREE) {
            memset(&caps[c], 0, sizeof(caps[c]));
            caps[c].kind = kind;
            held++;
            return c;
        }
    }
    die("capabilities leak:", CAPS);
}

cap_t world_memory_cap(enum world_mem which)
{
    cap_t c = cap_new(CAP_MEMORY);

    caps[c].mem = which;
    return c;
}

cap_t world_signal_cap(void)
{
    return cap_new(CAP_SIGNAL);
}

static bool is_kind(cap_t c, enum kind kind)
{
    if (c == CAP_NULL || c >= CAPS || caps[c].kind == CAP_FREE) {
        die("use of a capability that is not there:", c);
    }
    return caps[c].kind == kind;
}

int64_t sys_cap_drop(cap_t cap)
{
    (void)is_kind(cap, CAP_FREE);
    caps[cap].kind = CAP_FREE;
    held--;
    return SK_OK;
}

int64_t sys_signal_raise(cap_t signal)
{
    if (!is_kind(signal, CAP_SIGNAL)) {
        return SK_ETYPE;
    }
    raised++;
    return SK_OK;
}

int64_t sys_signal_timer(cap_t signal, uint64_t deadline)
{
    if (!is_kind(signal, CAP_SIGNAL)) {
        die("a timer on what is no signal:", signal);
    }
    caps[signal].timer = deadline;
    return SK_OK;
}

/* --- memory --- */

struct sys_result sys_mem_info(cap_t mem)
{
    if (!is_kind(mem, CAP_MEMORY)) {
        return (struct sys_result){SK_ETYPE, 0};
    }
    return (struct sys_result){WORLD_MEM_BYTES, caps[mem].mem == WORLD_DEVICE ? MEM_DEVICE : 0};
}

static void range_check(uint64_t off, uint64_t size)
{
    if (size == 0 || (off | size) % PAGE_SIZE || !range_ok(off, size, WORLD_MEM_BYTES)) {
        die("a mapping outside its object:", off);
    }
}

void *vm_map(cap_t mem, uint64_t off, size_t size, uint32_t rights, int64_t *err)
{
    (void)rights;
    if (!is_kind(mem, CAP_MEMORY) || fails()) {
        *err = SK_ENOMEM;
        return NULL;
    }
    range_check(off, size);
    for (unsigned i = 0; i < MAPS; i++) {
        if (!maps[i].at) {
            maps[i].at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, mems[caps[mem].mem].fd, (off_t)off);
            maps[i].size = size;
            held++;
            *err = SK_OK;
            return maps[i].at;
        }
    }
    die("mappings leak:", MAPS);
}

void vm_unmap(void *addr, size_t size)
{
    for (unsigned i = 0; i < MAPS; i++) {
        if (maps[i].at == addr && maps[i].size == size && addr) {
            munmap(addr, size);
            maps[i].at = NULL;
            held--;
            return;
        }
    }
    die("unmapping of what is not mapped:", (uintptr_t)addr);
}

void *vm_alloc(size_t size, cap_t *cap, int64_t *err)
{
    (void)size, (void)cap, (void)err;
    return NULL; /* the page for faults, which the tests have none of */
}

/* A DMA space with the addresses of the controller's view; each page at most once. */
static uint8_t dma_size[WORLD_MEMS][WORLD_MEM_BYTES / PAGE_SIZE]; /* pages of the mapping that begins there */

static bool dma_overlaps(enum world_mem m, uint64_t first, uint64_t pages, uint64_t *at)
{
    for (uint64_t i = 0; i < WORLD_MEM_BYTES / PAGE_SIZE; i++) {
        if (dma_size[m][i] && i < first + pages && first < i + dma_size[m][i]) {
            *at = i;
            return true;
        }
    }
    return false;
}

struct sys_result sys_map(cap_t space, cap_t mem, uint64_t off, uint64_t size, uint64_t addr, uint32_t rights)
{
    uint64_t at;

    (void)rights;
    if (space != DMA_SPACE || addr != MAP_ANY || !is_kind(mem, CAP_MEMORY)) {
        die("an odd DMA mapping:", addr);
    }
    enum world_mem m = caps[mem].mem;

    range_check(off, size);
    if (dma_overlaps(m, off / PAGE_SIZE, size / PAGE_SIZE, &at)) {
        return (struct sys_result){SK_EEXIST, (uintptr_t)mems[m].dma + at * PAGE_SIZE + MODEL_DEV};
    }
    if (fails()) {
        return (struct sys_result){SK_ENOMEM, 0};
    }
    dma_size[m][off / PAGE_SIZE] = (uint8_t)(size / PAGE_SIZE);
    held++;
    mprotect(mems[m].dma + off, size, PROT_READ | PROT_WRITE);
    return (struct sys_result){SK_OK, (uintptr_t)mems[m].dma + off + MODEL_DEV};
}

int64_t sys_unmap(cap_t space, uint64_t addr, uint64_t size)
{
    for (unsigned m = 0; m < WORLD_MEMS && space == DMA_SPACE; m++) {
        uint64_t off = addr - MODEL_DEV - (uintptr_t)mems[m].dma;

        if (off < WORLD_MEM_BYTES && dma_size[m][off / PAGE_SIZE] == size / PAGE_SIZE) {
            dma_size[m][off / PAGE_SIZE] = 0;
            held--;
            mprotect(mems[m].dma + off, size, PROT_NONE);
            return SK_OK;
        }
    }
    return SK_ENOENT;
}

bool world_reachable(const void *p, size_t size)
{
    for (unsigned m = 0; m < WORLD_MEMS; m++) {
        uint64_t off = (uintptr_t)p - (uintptr_t)mems[m].dma, page, end = off + size;

        for (; off < WORLD_MEM_BYTES && off < end; off = (off | (PAGE_SIZE - 1)) + 1) {
            if (!dma_overlaps((enum world_mem)m, off / PAGE_SIZE, 1, &page)) {
                return false;
            }
        }
    }
    return true;
}

/* --- server library --- */

static int64_t source_begin(struct server_source *s, cap_t cap, enum kind kind)
{
    if (fails() || (cap && !is_kind(cap, kind))) {
        return SK_ETYPE;
    }
    s->cap = cap ? cap : cap_new(kind);
    s->magic = 1;
    caps[s->cap].source = s;
    return SK_OK;
}

int64_t server_gate(struct server_source *s, cap_t cap, server_call_fn call, server_event_fn unused, void *ctx,
                    unsigned recv_caps)
{
    (void)recv_caps;
    int64_t err = source_begin(s, cap, CAP_GATE);

    if (!err) {
        s->call = call;
        s->event = unused;
        s->ctx = ctx;
    }
    return err;
}

int64_t server_signal(struct server_source *s, cap_t cap, server_event_fn event, void *ctx)
{
    int64_t err = source_begin(s, cap, CAP_SIGNAL);

    if (!err) {
        s->call = NULL;
        s->event = event;
        s->ctx = ctx;
    }
    return err;
}

void server_remove(struct server_source *s)
{
    if (s->magic) {
        s->magic = 0;
        sys_cap_drop(s->cap);
        s->cap = CAP_NULL;
    }
}

/* --- the rest --- */

struct utcb *sk_utcb(void)
{
    return &utcb;
}
cap_t sk_env_get(const char *name)
{
    (void)name;
    return CAP_NULL;
}
const char *sk_strerror(int64_t err)
{
    (void)err;
    return "an error";
}
int64_t sys_call(cap_t gate, uint64_t tag, uint64_t deadline)
{
    (void)tag, (void)deadline;
    die("the driver calls a client:", gate);
}
uint64_t sys_now_ns(void)
{
    return model->now;
}
struct device *device_of(struct nvme_ctrl *c)
{
    (void)c;
    return &device;
}

/* The driver polls: the controller's time goes on. */
int64_t sys_thread_yield(void)
{
    model->now += 50000000;
    return SK_OK;
}

void world_run(void)
{
    for (cap_t c = 1; c < CAPS; c++) {
        if (caps[c].kind == CAP_SIGNAL && caps[c].timer && caps[c].timer <= model->now && caps[c].source) {
            caps[c].timer = 0;
            caps[c].source->event(caps[c].source->ctx);
        }
    }
    if (nvme_ctrl_has_work(model->ctrl)) {
        nvme_ctrl_work(model->ctrl);
    }
    blkdev_flush();
    if (model->ctrl->ns_changed) {
        model->ctrl->ns_changed = false;
        clients_update();
    }
}
