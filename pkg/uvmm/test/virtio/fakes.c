// SPDX-License-Identifier: MIT
#include "fakes.h"
#include "../../src/console.h"
#include "../../src/dev/isa.h"
#include "../../src/dev/power.h"
#include "../../src/device.h"
#include "../../src/gmem.h"
#include "../../src/guest.h"
#include "../../src/irq.h"
#include "../../src/log.h"
#include "../../src/smp.h"
#include "../../src/timer.h"
#include "../../src/virtio/virtio.h"
#include <libfdt.h>
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <sk/thread.h>
#include <sk/vm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

struct fake fake;
unsigned vcpu_count = 1;
static struct utcb utcb;
static struct ram_region region;

void fake_init(void)
{
    free(fake.ram);
    for (unsigned i = 0; i < fake.record_count; i++) {
        free(fake.records[i]);
    }
    memset(&fake, 0, sizeof(fake));
    virtio_devs_forget();
    virtio_mmio_forget();
    virtio_rng_forget();
    fake.ram = calloc(1, FAKE_RAM);
    region = (struct ram_region){.gpa = 0, .size = FAKE_RAM, .host = fake.ram, .cap = 40};
}

/* --- bus --- */

static int range_add(bool mmio, uint64_t first, uint64_t size, const struct bus_ops *ops, void *ctx)
{
    for (unsigned i = 0; i < fake.ranges; i++) {
        const struct fake_range *r = &fake.range[i];

        if (r->mmio == mmio && first < r->first + r->size && r->first < first + size) {
            return SK_EEXIST;
        }
    }
    if (fake.ranges == ARRAY_SIZE(fake.range)) {
        return SK_ENOMEM;
    }
    fake.range[fake.ranges++] = (struct fake_range){mmio, first, size, ops, ctx};
    return 0;
}

static void range_remove(bool mmio, uint64_t first)
{
    for (unsigned i = 0; i < fake.ranges; i++) {
        if (fake.range[i].mmio == mmio && fake.range[i].first == first) {
            fake.range[i] = fake.range[--fake.ranges];
            return;
        }
    }
}

static const struct fake_range *range_find(bool mmio, uint64_t addr, unsigned width)
{
    for (unsigned i = 0; i < fake.ranges; i++) {
        const struct fake_range *r = &fake.range[i];

        if (r->mmio == mmio && addr >= r->first && range_ok(addr - r->first, width, r->size)) {
            return r;
        }
    }
    return NULL;
}

static uint64_t range_read(bool mmio, uint64_t addr, unsigned width)
{
    const struct fake_range *r = range_find(mmio, addr, width);

    return (r ? r->ops->read(r->ctx, addr - r->first, width) : ~0ull) & (~0ull >> (64 - 8 * width));
}

static void range_write(bool mmio, uint64_t addr, unsigned width, uint64_t value)
{
    const struct fake_range *r = range_find(mmio, addr, width);

    if (r) {
        r->ops->write(r->ctx, addr - r->first, width, value & (~0ull >> (64 - 8 * width)));
    }
}

int bus_port_add(uint16_t first, unsigned size, const struct bus_ops *ops, void *ctx, const char *name)
{
    (void)name;
    return range_add(false, first, size, ops, ctx);
}
int bus_mmio_add(uint64_t first, uint64_t size, const struct bus_ops *ops, void *ctx, const char *name)
{
    (void)name;
    return range_add(true, first, size, ops, ctx);
}
void bus_port_remove(uint16_t first)
{
    range_remove(false, first);
}
void bus_mmio_remove(uint64_t first)
{
    range_remove(true, first);
}
uint32_t bus_port_read(uint16_t port, unsigned width)
{
    return (uint32_t)range_read(false, port, width);
}
void bus_port_write(uint16_t port, unsigned width, uint32_t value)
{
    range_write(false, port, width, value);
}
uint64_t bus_mmio_read(uint64_t gpa, unsigned width)
{
    return range_read(true, gpa, width);
}
void bus_mmio_write(uint64_t gpa, unsigned width, uint64_t value)
{
    range_write(true, gpa, width, value);
}

/* --- interrupts, memory, VM --- */

void irq_set_line(unsigned gsi, bool level)
{
    fake.line[gsi % ARRAY_SIZE(fake.line)] = level;
}

void isa_irq_set(unsigned irq, bool level)
{
    irq_set_line(irq, level);
}

void power_present_set(uint16_t bit)
{
    fake.present |= bit;
}

void irq_msi(uint64_t address, uint32_t data)
{
    fake.msi.address = address;
    fake.msi.data = data;
    fake.msi.count++;
}

const struct ram_region *ram_regions(unsigned *n)
{
    *n = 1;
    return &region;
}
void *ram_ptr(uint64_t gpa, uint64_t len)
{
    return range_ok(gpa, len, FAKE_RAM) ? fake.ram + gpa : NULL;
}
int ram_read(uint64_t gpa, void *buf, uint64_t len)
{
    if (!ram_ptr(gpa, len)) {
        return SK_ERANGE;
    }
    memcpy(buf, fake.ram + gpa, len);
    return 0;
}
int ram_write(uint64_t gpa, const void *buf, uint64_t len)
{
    if (!ram_ptr(gpa, len)) {
        return SK_ERANGE;
    }
    memcpy(fake.ram + gpa, buf, len);
    return 0;
}

cap_t guest_cap(void)
{
    return 30;
}
cap_t device_node_cap(const void *fdt, int node, const char *prop)
{
    (void)fdt, (void)node, (void)prop;
    return fake.node_cap;
}
const void *fdt_getprop(const void *fdt, int node, const char *name, int *len)
{
    (void)fdt, (void)node;
    if (strcmp(name, "skerry,server-timeout") == 0) {
        *len = fake.timeout_len;
        return fake.timeout_len != 0 ? "\0\0\0\x3c" : NULL;
    }
    return strcmp(name, "compatible") == 0 ? "x-mmio" : "qdrv";
}
void log_print(enum log_class c, enum log_level l, const char *fmt, ...)
{
    va_list ap;

    (void)c, (void)l;
    va_start(ap, fmt);
    vsnprintf(fake.log, sizeof(fake.log), fmt, ap);
    va_end(ap);
    fake.logs++;
}

/* --- console --- */

void console_port_add(struct console_port *p)
{
    fake.port = p;
}
void console_write(struct console_port *p, const void *buf, size_t len)
{
    (void)p;
    len = min(len, sizeof(fake.out) - 1 - fake.out_len);
    memcpy(fake.out + fake.out_len, buf, len);
    fake.out_len += len;
    fake.out[fake.out_len] = '\0';
}
size_t console_read(struct console_port *p, void *buf, size_t max)
{
    size_t n = min(max, fake.in_len);

    (void)p;
    memcpy(buf, fake.in, n);
    memmove(fake.in, fake.in + n, fake.in_len - n);
    fake.in_len -= n;
    return n;
}
void console_flush(void) {}
void fake_input(const char *s)
{
    size_t n = min(strlen(s), sizeof(fake.in) - fake.in_len);

    memcpy(fake.in + fake.in_len, s, n);
    fake.in_len += n;
    fake.port->input_ready(fake.port->ctx);
}

/* --- kernel and server loop --- */

struct utcb *sk_utcb(void)
{
    return &utcb;
}
const char *sk_strerror(int64_t err)
{
    return err < 0 ? "an error" : "no error";
}
const char *sk_errname(int64_t err)
{
    return err < 0 ? "SK_E" : "SK_OK";
}

int64_t sys_call(cap_t gate, uint64_t tag, uint64_t deadline)
{
    return gate == FAKE_GATE && fake.server ? fake.server(tag, deadline) : SK_ECAP;
}
int64_t sys_cap_drop(cap_t c)
{
    return c ? SK_OK : SK_ECAP;
}
int64_t sys_signal_create(cap_t quota)
{
    (void)quota;
    return fake.signals < FAKE_SIGNALS ? (int64_t)(FAKE_CAPS + fake.signals++) : SK_ENOMEM;
}
int64_t sys_signal_raise(cap_t s)
{
    if (s - FAKE_CAPS >= fake.signals) {
        return SK_ECAP;
    }
    fake.raised[s - FAKE_CAPS] = true;
    return SK_OK;
}
uint64_t clock_now_ns(void)
{
    return fake.now;
}
void fake_wait(uint64_t ns)
{
    fake.now += ns;
    vtimer_run(0, fake.now);
}
uint64_t sys_now_ns(void)
{
    return fake.now;
}

int64_t sys_doorbell_bind(cap_t guest, unsigned port, uint64_t value, cap_t s)
{
    (void)guest, (void)value;
    for (unsigned i = 0; i < fake.doorbells; i++) {
        if (fake.doorbell[i].port == port) {
            if (s) {
                return SK_EEXIST;
            }
            fake.doorbell[i] = fake.doorbell[--fake.doorbells];
            return SK_OK;
        }
    }
    if (!s) {
        return SK_ENOENT;
    }
    if (fake.doorbells_refused || fake.doorbells == ARRAY_SIZE(fake.doorbell)) {
        return SK_ENOMEM;
    }
    fake.doorbell[fake.doorbells++] = (struct fake_doorbell){port, s};
    return SK_OK;
}

cap_t fake_doorbell_at(unsigned port)
{
    for (unsigned i = 0; i < fake.doorbells; i++) {
        if (fake.doorbell[i].port == port) {
            return fake.doorbell[i].signal;
        }
    }
    return CAP_NULL;
}

void fake_out(uint16_t port, unsigned width, uint32_t value)
{
    if (fake_doorbell_at(port) && width >= 2) {
        sys_signal_raise(fake_doorbell_at(port));
    } else {
        bus_port_write(port, width, value);
    }
}

int64_t server_signal(struct server_source *s, cap_t cap, server_event_fn event, void *ctx)
{
    int64_t c = cap ? (int64_t)cap : sys_signal_create(CAP_QUOTA);

    if (c < 0) {
        return c;
    }
    *s = (struct server_source){.cap = (cap_t)c, .event = event, .ctx = ctx};
    fake.source[s->cap - FAKE_CAPS] = s;
    return SK_OK;
}
void server_remove(struct server_source *s)
{
    if (s->cap >= FAKE_CAPS && s->cap < FAKE_CAPS + FAKE_SIGNALS && fake.source[s->cap - FAKE_CAPS] == s) {
        fake.source[s->cap - FAKE_CAPS] = NULL;
    }
    if (fake.gate == s) {
        fake.gate = NULL;
    }
    s->cap = CAP_NULL;
}
int64_t server_gate(struct server_source *s, cap_t cap, server_call_fn call, server_event_fn unused, void *ctx,
                    unsigned recv_caps)
{
    (void)cap, (void)recv_caps;
    *s = (struct server_source){.cap = FAKE_LIFELINE, .call = call, .event = unused, .ctx = ctx};
    fake.gate = s;
    return SK_OK;
}
int64_t server_release_calls(struct server_source *s)
{
    return fake.gate == s ? SK_OK : SK_ECAP;
}

/* A further capability to a signal has its name, too: its source is whoever took it last. */
int64_t sys_cap_copy(cap_t c, uint32_t rights)
{
    (void)rights;
    return c;
}
struct sys_result sys_thread_info(cap_t thread)
{
    (void)thread;
    return (struct sys_result){.value = 0};
}
int64_t sys_signal_timer(cap_t s, uint64_t deadline)
{
    fake.timer = s;
    fake.timer_ns = deadline;
    return SK_OK;
}

/* The thread runs when the test says so. */
int64_t sk_thread_create(struct sk_thread *t, const char *name, unsigned priority, size_t stack_size,
                         void (*entry)(void *), void *arg)
{
    (void)name, (void)priority, (void)stack_size;
    *t = (struct sk_thread){.entry = entry, .arg = arg};
    fake.thread = t;
    return SK_OK;
}
void sk_thread_destroy(struct sk_thread *t)
{
    if (fake.thread == t) {
        fake.thread = NULL;
    }
}
void *vm_alloc(size_t size, cap_t *cap, int64_t *err)
{
    if (fake.record_count == FAKE_RECORDS) {
        *err = SK_ENOMEM;
        return NULL;
    }
    *cap = FAKE_RECORD;
    fake.record = calloc(1, size);
    fake.records[fake.record_count++] = fake.record;
    return fake.record;
}

static bool one_event(void)
{
    for (unsigned i = 0; i < fake.signals; i++) {
        if (fake.raised[i] && fake.source[i]) {
            fake.raised[i] = false;
            fake.source[i]->event(fake.source[i]->ctx);
            return true;
        }
    }
    return false;
}
void fake_events(void)
{
    for (unsigned i = 0; i < 10000 && one_event(); i++) {
    }
}
bool server_poll(uint64_t deadline)
{
    if (one_event() || (fake.poll && fake.poll() && one_event())) {
        return true;
    }
    fake.now = deadline;
    return false;
}

/* --- a driver --- */

static void cfg_select(unsigned slot, unsigned off)
{
    bus_port_write(0xcf8, 4, 0x80000000u | slot << 11 | (off & 0xfc));
}
uint32_t cfg_read(unsigned slot, unsigned off, unsigned width)
{
    cfg_select(slot, off);
    return bus_port_read((uint16_t)(0xcfc + off % 4), width);
}
void cfg_write(unsigned slot, unsigned off, unsigned width, uint32_t value)
{
    cfg_select(slot, off);
    bus_port_write((uint16_t)(0xcfc + off % 4), width, value);
}

static uint32_t bar_address(unsigned slot, unsigned bar)
{
    uint32_t v = cfg_read(slot, 0x10 + 4 * bar, 4);

    return v & 1 ? v & ~3u : v & ~15u;
}

static void driver_vendor_cap(struct driver *d, unsigned cap)
{
    uint32_t at = bar_address(d->slot, cfg_read(d->slot, cap + 4, 1)) + cfg_read(d->slot, cap + 8, 4);

    switch (cfg_read(d->slot, cap + 3, 1)) {
    case 1:
        d->common = at;
        break;
    case 2:
        d->notify = (uint16_t)at;
        d->multiplier = cfg_read(d->slot, cap + 16, 4);
        break;
    case 3:
        d->isr = at;
        break;
    case 4:
        d->config = at;
        break;
    case 5:
        d->window = cap;
        break;
    }
}

void driver_find(struct driver *d, unsigned slot)
{
    *d = (struct driver){.slot = slot};
    for (unsigned cap = cfg_read(slot, 0x34, 1), i = 0; cap && i < 16; cap = cfg_read(slot, cap + 1, 1), i++) {
        if (cfg_read(slot, cap, 1) == 9) {
            driver_vendor_cap(d, cap);
        } else if (cfg_read(slot, cap, 1) == 0x11) {
            uint32_t table = cfg_read(slot, cap + 4, 4), pba = cfg_read(slot, cap + 8, 4);

            d->msix_cap = cap;
            d->msix = bar_address(slot, table & 7) + (table & ~7u);
            d->pba = bar_address(slot, pba & 7) + (pba & ~7u);
        }
    }
}

uint32_t common_read(const struct driver *d, unsigned off, unsigned width)
{
    return (uint32_t)bus_mmio_read(d->common + off, width);
}
void common_write(const struct driver *d, unsigned off, unsigned width, uint32_t value)
{
    bus_mmio_write(d->common + off, width, value);
}

bool driver_features(const struct driver *d, uint64_t features)
{
    common_write(d, 20, 1, 0);
    common_write(d, 20, 1, 1);
    common_write(d, 20, 1, 3);
    for (unsigned i = 0; i < 2; i++) {
        common_write(d, 8, 4, i);
        common_write(d, 12, 4, (uint32_t)(features >> (32 * i)));
    }
    common_write(d, 20, 1, 11);
    return common_read(d, 20, 1) & 8;
}

static void write64(const struct driver *d, unsigned off, uint64_t v)
{
    common_write(d, off, 4, (uint32_t)v);
    common_write(d, off + 4, 4, (uint32_t)(v >> 32));
}

void driver_queue(const struct driver *d, unsigned q, unsigned size, uint64_t desc, uint64_t avail, uint64_t used)
{
    common_write(d, 22, 2, q);
    common_write(d, 24, 2, size);
    common_write(d, 26, 2, q + 1);
    write64(d, 32, desc);
    write64(d, 40, avail);
    write64(d, 48, used);
    common_write(d, 28, 2, 1);
}

void driver_ok(const struct driver *d)
{
    common_write(d, 20, 1, 15);
}

void driver_msix(const struct driver *d, unsigned vectors)
{
    cfg_write(d->slot, d->msix_cap + 2, 2, 0x8000);
    for (unsigned v = 0; v < vectors; v++) {
        bus_mmio_write(d->msix + 16 * v, 4, 0xfee00000);
        bus_mmio_write(d->msix + 16 * v + 4, 4, 0);
        bus_mmio_write(d->msix + 16 * v + 8, 4, 0x40 + v);
        bus_mmio_write(d->msix + 16 * v + 12, 4, 0);
    }
}
