// SPDX-License-Identifier: MIT
#include "fakes.h"

#include "../../src/bus_priv.h"
#include "../../src/console_priv.h"
#include "../../src/cpu/cpuid.h"
#include "../../src/cpu/msr.h"
#include "../../src/cpu/pvclock.h"
#include "../../src/cpu/tsc.h"
#include "../../src/dev/ioapic.h"
#include "../../src/dev/lapic.h"
#include "../../src/dev/pic.h"
#include "../../src/dev/pit.h"
#include "../../src/dev/power.h"
#include "../../src/dev/rtc.h"
#include "../../src/dev/uart.h"
#include "../../src/gmem_priv.h"
#include "../../src/timer.h"

#include <assert.h>
#include <string.h>

uint64_t fake_now_ns, fake_epoch;
int fake_ended;
unsigned fake_kicks, fake_inits;
int fake_startup[VCPUS_MAX];
char fake_output[4096];
size_t fake_output_len;

static uint8_t ram[4 << 20];
static char input[256];
static size_t input_len;

uint64_t clock_now_ns(void)
{
    return fake_now_ns;
}
uint64_t clock_epoch(void)
{
    return fake_epoch;
}
/* A TSC of 1 GHz that starts with the clock. */
uint64_t tsc_guest_now(void)
{
    return fake_now_ns;
}
uint64_t tsc_guest_to_ns(uint64_t tsc)
{
    return tsc;
}
unsigned vcpu_count = 1;
__thread unsigned vcpu_this;

void vcpu_kick(unsigned i)
{
    fake_kicks |= i != vcpu_this ? 1u << i : 0;
}
void vcpu_request_init(unsigned i)
{
    fake_inits |= 1u << i;
}
void vcpu_request_startup(unsigned i, unsigned vector)
{
    fake_startup[i] = (int)vector;
}

void vm_end(enum vm_end how, const char *why)
{
    (void)why;
    fake_ended = (int)how + 1;
}

static void output_write(const void *buf, size_t len)
{
    for (size_t i = 0; i < len && fake_output_len < sizeof(fake_output); i++) {
        fake_output[fake_output_len++] = ((const char *)buf)[i];
    }
}

static size_t input_read(void *buf, size_t max)
{
    size_t n = input_len < max ? input_len : max;

    memcpy(buf, input, n);
    memmove(input, input + n, input_len - n);
    input_len -= n;
    return n;
}

static const struct console_backend backend = {output_write, input_read};

static uint64_t next_timer(void)
{
    uint64_t next = VTIMER_NEVER;

    for (unsigned i = 0; i < vcpu_count; i++) {
        next = vtimer_next(i) < next ? vtimer_next(i) : next;
    }
    return next;
}

void fake_run_timers(void)
{
    for (unsigned i = 0; i < vcpu_count; i++) {
        vtimer_run(i, fake_now_ns);
    }
}

void fake_advance(uint64_t ns)
{
    uint64_t end = fake_now_ns + ns;

    for (uint64_t next; (next = next_timer()) <= end;) {
        fake_now_ns = next > fake_now_ns ? next : fake_now_ns;
        fake_run_timers();
    }
    fake_now_ns = end;
}

void fake_input(const char *text)
{
    input_len = strlen(text);
    assert(input_len <= sizeof(input));
    memcpy(input, text, input_len);
    console_input_arrived();
}

static struct cpuid_regs host_leaf(uint32_t leaf, uint32_t sub)
{
    static const struct {
        uint32_t leaf, sub;
        struct cpuid_regs r;
    } table[] = {
        {0, 0, {0xd, 0x68747541, 0x444d4163, 0x69746e65}},
        {1, 0, {0x800f12, 0x12345678, 0xffffffff, 0xffffffff}},
        {7, 0, {3, 0xffffffff, 0xffffffff, 0xffffffff}},
        {0xd, 0, {0xff, 832, 2000, 0}},
        {0xd, 1, {0xf, 832, 0, 0}},
        {0xd, 2, {256, 576, 0, 0}},
        {0x80000000, 0, {0x80000026, 0, 0, 0}},
        {0x80000001, 0, {0x800f12, 0, 0xffffffff, 0xffffffff}},
        {0x80000007, 0, {~0u, ~0u, ~0u, ~0u}},
        {0x80000008, 0, {0xffff3028, 0xffffffff, 0xffffffff, 0xffffffff}},
        {0x8000000a, 0, {~0u, ~0u, ~0u, ~0u}},
        {0x8000001b, 0, {~0u, ~0u, ~0u, ~0u}},
        {0x8000001d, 2, {0xffffc143, 0, 0, 0}},
        {0x8000001d, 3, {0xffffc163, 0, 0, 0}},
        {0x80000021, 0, {~0u, ~0u, ~0u, ~0u}},
    };

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].leaf == leaf && table[i].sub == sub) {
            return table[i].r;
        }
    }
    return (struct cpuid_regs){0};
}

uint8_t *fake_ram(void)
{
    return ram;
}

void fake_tsc(uint64_t hz)
{
    cpuid_init(&(struct cpuid_host){host_leaf, 7, hz});
}

void fake_machine(size_t ram_size)
{
    static bool ports_added;

    assert(ram_size <= sizeof(ram));
    vcpu_count = 1;
    vcpu_this = 0;
    fake_kicks = fake_inits = 0;
    memset(fake_startup, 0xff, sizeof(fake_startup));
    fake_now_ns = 1000000000;
    fake_epoch = 0;
    fake_ended = 0;
    fake_output_len = input_len = 0;
    memset(ram, 0, ram_size);
    bus_reset_tables();
    ram_regions_forget();
    assert(ram_region_add(&(struct ram_region){.gpa = 0, .size = ram_size, .host = ram}) == 0);
    console_backend_set(&backend);
    fake_tsc(1000000000);
    msr_reset();
    pvclock_reset();
    assert(lapic_init() == 0 && ioapic_init() == 0 && pic_init() == 0 && pit_init() == 0 && power_init() == 0);
    assert(rtc_type.probe(NULL, 0, "rtc") == 0);
    if (!ports_added) { /* the console keeps its ports for ever */
        assert(uart_type.probe(NULL, 0, "serial") == 0);
        ports_added = true;
    } else {
        assert(uart_claim("serial") == 0);
    }
}
