// SPDX-License-Identifier: MIT
/* See README.md. Every random choice comes from one generator, so that a seed repeats a run (but for the timing of
 * interrupts). */
#include "machine.h"

#include <stdbool.h>
#include <stddef.h>

#define PM1_CONTROL 0x604
#define PM1_SOFT_OFF (1u << 13 | 5u << 10)
#define IOAPIC 0xfec00000ull
#define LAPIC 0xfee00000ull
#define LAPIC_EOI (LAPIC + 0xb0)
#define MSR_X2_EOI 0x80b
#define BAR_WINDOW 0xc0000000ull
#define BAR_BYTES 0x10000u
#define PORT_WINDOW 0xc000u
#define SLOTS 4u
#define SCRATCH 0x1800000ull /* behind the image at 16 MiB; also where the image lies lower */
#define SCRATCH_SIZE 0x2000000ull

/* In boot_params [Linux Documentation/x86/zero-page.rst] */
#define BP_CMD_LINE_PTR 0x228

static uint64_t random_state;
static uint64_t interrupts, in_window, storms, faults;

/* --- interrupts and exceptions --- */

static _Noreturn void power_off(void)
{
    for (;;) {
        out16(PM1_CONTROL, PM1_SOFT_OFF);
        __asm__ volatile("pause");
    }
}

/* An exception that nothing here explains, or one that comes again and again: the run has failed. */
static _Noreturn void give_up(uint64_t vector, uint64_t rip)
{
    serial_init();
    put("\nhostile: failed, exception ");
    put_number(vector);
    put(" at offset ");
    put_number(rip - (uintptr_t)stubs);
    put(" from the stubs\n");
    power_off();
}

/* Garbage may have made a storm of interrupts, in which nothing else would happen: off with all of them. */
static void interrupts_quiet(void)
{
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
    wrmsr_write(0x1b, LAPIC | 0x100); // disabled
    for (uint32_t i = 0; i < 24; i++) {
        *(volatile uint32_t *)IOAPIC = 0x10 + 2 * i;
        *(volatile uint32_t *)(IOAPIC + 0x10) = 0x10000;
    }
}

/* `in_window` counts what came since interrupts were let in. */
static void check_progress(uint64_t vector, uint64_t rip)
{
    in_window++;
    if (in_window == 100) {
        storms++;
        interrupts_quiet();
    } else if (in_window > 1000) {
        give_up(vector, rip);
    }
}

/* frame: vector, error code (of some exceptions), rip, cs, ... An interrupt may have an exception's vector, so the
 * vector does not tell whether there is an error code; the place of cs does. Returns how many bytes lie below rip. */
uint64_t interrupt(uint64_t *frame)
{
    bool error_code = frame[2] != CODE_SELECTOR;
    uint64_t *rip = &frame[error_code ? 2 : 1];

    if (error_code) { // a real exception
        if (*rip != (uintptr_t)wrmsr_insn && *rip != (uintptr_t)rdmsr_insn) {
            give_up(frame[0], *rip);
        }
        faults++;
        *rip += 2;
        return 16;
    }
    check_progress(frame[0], *rip);
    interrupts++;
    *(volatile uint32_t *)LAPIC_EOI = 0;
    if (rdmsr_read(0x1b) & 0x400) {
        wrmsr_write(MSR_X2_EOI, 0);
    }
    return 8;
}

/* --- garbage --- */

static uint64_t rnd(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1dull;
}
static uint32_t below(uint32_t n)
{
    return (uint32_t)((rnd() >> 32) * n >> 32);
}

/* Values that mean something now and then: small, all ones, powers of two. */
static uint64_t value(void)
{
    switch (below(6)) {
    case 0:
        return below(4);
    case 1:
        return ~0ull;
    case 2:
        return 1ull << below(64);
    case 3:
        return below(256);
    default:
        return rnd();
    }
}

/* An address for a device: in the scratch area, or nowhere. */
static uint64_t address(void)
{
    switch (below(8)) {
    case 0:
        return ~0ull - below(0x10000);
    case 1:
        return 0x100000000ull + rnd() % 0x10000000000ull;
    case 2:
        return LAPIC + below(0x1000);
    case 3:
        return BAR_WINDOW + below(BAR_BYTES);
    default:
        return SCRATCH + below((uint32_t)SCRATCH_SIZE / 16) * 16ull;
    }
}

/* Ports that end the VM: PM1 control and its neighbours, 0xcf9, 0x92, 0x64. A wide access can reach them from below. */
static bool port_ends_vm(uint32_t port, uint32_t width)
{
    static const uint16_t first[] = {0x600, 0xcf9, 0x92, 0x64}, last[] = {0x607, 0xcf9, 0x92, 0x64};

    for (unsigned i = 0; i < 4; i++) {
        if (port <= last[i] && port + width > first[i]) {
            return true;
        }
    }
    return false;
}

static void port_access(uint16_t port, unsigned width, bool write, uint32_t v)
{
    if (port_ends_vm(port, width)) {
        return;
    }
    switch (width << 1 | write) {
    case 2:
        (void)in8(port);
        break;
    case 3:
        out8(port, (uint8_t)v);
        break;
    case 4:
        (void)in16(port);
        break;
    case 5:
        out16(port, (uint16_t)v);
        break;
    case 8:
        (void)in32(port);
        break;
    default:
        out32(port, v);
    }
}

static void port_string(uint16_t port, bool write)
{
    void *p = (void *)(SCRATCH + below(0x10000));
    uint64_t n = below(20);

    if (port_ends_vm(port, 1)) {
        return;
    }
    if (write) {
        __asm__ volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(port) : "memory");
    } else {
        __asm__ volatile("rep insb" : "+D"(p), "+c"(n) : "d"(port) : "memory");
    }
}

static void garbage_port(void)
{
    static const uint16_t favourites[] = {0x20, 0x21, 0xa0,  0xa1,  0x40,  0x43,  0x61,
                                          0x70, 0x71, 0x3f8, 0x608, 0x610, 0xcf8, 0xcfc};
    uint32_t port = below(2) ? favourites[below(sizeof(favourites) / 2)] + below(4) : (uint32_t)below(0x10000);

    if (below(8) == 0) {
        port_string((uint16_t)port, below(2));
    } else {
        port_access((uint16_t)port, 1u << below(3), below(4) != 0, (uint32_t)value());
    }
}

/* Loads, stores and read-modify-writes in the forms that compilers make, and a few that they do not. */
static void mmio_access(uint64_t at, uint64_t v)
{
    volatile uint8_t *p8 = (void *)at;
    volatile uint16_t *p16 = (void *)at;
    volatile uint32_t *p32 = (void *)at;
    volatile uint64_t *p64 = (void *)at;
    uint64_t n = 3;

    switch (below(14)) {
    case 0:
        (void)*p8;
        break;
    case 1:
        (void)*p16;
        break;
    case 2:
        (void)*p32;
        break;
    case 3:
        (void)*p64;
        break;
    case 4:
        *p8 = (uint8_t)v;
        break;
    case 5:
        *p16 = (uint16_t)v;
        break;
    case 6:
        *p64 = v;
        break;
    case 7:
        __asm__ volatile("lock orl %1, %0" : "+m"(*p32) : "r"((uint32_t)v) : "memory");
        break;
    case 8:
        __asm__ volatile("xchgl %k1, %0" : "+m"(*p32), "+r"(v) : : "memory");
        break;
    case 9:
        __asm__ volatile("andw %1, %0" : "+m"(*p16) : "r"((uint16_t)v) : "memory");
        break;
    case 10:
        __asm__ volatile("rep stosl" : "+D"(at), "+c"(n) : "a"((uint32_t)v) : "memory");
        break;
    case 11:
        __asm__ volatile("movsbq %1, %0" : "=r"(v) : "m"(*p8) : "memory");
        break;
    case 12:
        __asm__ volatile("movl $0x12345678, %0" : "=m"(*p32) : : "memory");
        break;
    default:
        *p32 = (uint32_t)v;
    }
}

static void garbage_mmio(void)
{
    switch (below(4)) {
    case 0:
        mmio_access(LAPIC + (below(2) ? below(0x40) * 16 : below(0xff0)), value());
        break;
    case 1:
        *(volatile uint32_t *)IOAPIC = below(64);
        mmio_access(IOAPIC + 0x10, value());
        break;
    case 2:
        mmio_access(IOAPIC + below(0xff0), value());
        break;
    default:
        mmio_access(BAR_WINDOW + below(BAR_BYTES), value());
    }
}

static uint32_t cfg_read(unsigned slot, unsigned off)
{
    out32(0xcf8, 0x80000000u | slot << 11 | (off & 0xfc));
    return in32(0xcfc);
}
static void cfg_write(unsigned slot, unsigned off, uint32_t v)
{
    out32(0xcf8, 0x80000000u | slot << 11 | (off & 0xfc));
    out32(0xcfc, v);
}

/* BARs move inside their windows, so that they stay reachable and off this guest's memory. */
static void garbage_pci(void)
{
    unsigned slot = below(SLOTS), off = below(256), width = 1u << below(3);

    switch (below(8)) {
    case 0:
        cfg_write(slot, 0x10, (uint32_t)BAR_WINDOW + (below(16) << 12));
        break;
    case 1:
        cfg_write(slot, 0x14, PORT_WINDOW + (below(32) << 4));
        break;
    case 2:
        cfg_write(slot, 0x04, 7);
        break;
    default:
        out32(0xcf8, 0x80000000u | (below(16) ? 0 : (uint32_t)rnd() & 0xffff00) | slot << 11 | (off & 0xfc));
        if (off >= 0x10 && off < 0x28) {
            (void)in32(0xcfc);
            break;
        }
        port_access((uint16_t)(0xcfc + off % 4 / width * width), width, below(4) != 0, (uint32_t)value());
    }
}

static void garbage_msr(void)
{
    uint32_t index;
    uint64_t v = value();

    switch (below(6)) {
    case 0: // paravirtual clock, EOI, steal time: they name memory
        index = below(2) ? 0x4b564d00 + below(8) : 0x11 + below(2);
        v = address() | below(4);
        break;
    case 1:
        index = 0x1b;
        v = LAPIC | (below(4) ? 0x900 : 0xd00) | (below(16) ? 0 : rnd() & 0xff);
        break;
    case 2:
        index = below(2) ? 0x6e0 : 0x10;
        break;
    case 3:
        index = 0x200 + below(0x100); // MTRRs and their neighbours
        (void)rdmsr_read(index);
        return;
    default:
        index = 0x800 + below(0x40);
    }
    if (below(4)) {
        wrmsr_write(index, v);
    } else {
        (void)rdmsr_read(index);
    }
}

/* Mostly short, as the console shows everything; else sectors, or too long. */
static uint32_t length(void)
{
    if (below(64)) {
        return 1 + below(16);
    }
    return below(2) ? 512u << below(4) : 0xf0000000u | (uint32_t)value();
}

/* Descriptors, available ring, and data: partly sensible, so that the device gets beyond its first check. */
static void rings_fill(uint64_t desc, uint64_t avail, uint32_t size)
{
    for (unsigned i = 0; i < size; i++) {
        volatile uint64_t *d = (void *)(desc + 16 * i);

        d[0] = below(8) ? SCRATCH + below(0x100000) : address();
        d[1] =
            length() | (uint64_t)below(below(8) ? 4 : 0x10000) << 32 | (uint64_t)below(below(8) ? size : 0x10000) << 48;
        ((volatile uint16_t *)avail)[2 + i] = (uint16_t)(below(16) ? below(size) : value());
    }
    ((volatile uint16_t *)avail)[0] = (uint16_t)below(2);
    ((volatile uint16_t *)avail)[1] = (uint16_t)(below(8) ? below(size) + 1 : value());
}

/* A driver that knows virtio-pci well enough to get queues running on garbage. regs: the common configuration, as
 * uvmm's devices have it at the start of BAR0. */
static void driver(void)
{
    unsigned slot = 1 + below(2);
    uint64_t regs = cfg_read(slot, 0x10) & ~15ull;
    uint32_t ports = cfg_read(slot, 0x14) & ~3u;

    if (regs < BAR_WINDOW || regs >= IOAPIC || ports < PORT_WINDOW || ports > 0xff00) {
        return;
    }
    cfg_write(slot, 4, 7);
    *(volatile uint8_t *)(regs + 20) = 0;
    *(volatile uint8_t *)(regs + 20) = 3;
    for (uint32_t i = 0; i < 2; i++) {
        *(volatile uint32_t *)regs = i;
        *(volatile uint32_t *)(regs + 8) = i;
        uint32_t offered = *(volatile uint32_t *)(regs + 4);
        *(volatile uint32_t *)(regs + 12) = below(4) || i ? offered : offered & (uint32_t)rnd();
    }
    *(volatile uint8_t *)(regs + 20) = 11;
    for (uint16_t q = 0; q < 3; q++) {
        uint64_t at = SCRATCH + 0x100000 * (1 + below(16));
        uint32_t size = 1u << below(9);

        rings_fill(at, at + 0x10000, size);
        *(volatile uint16_t *)(regs + 22) = q;
        *(volatile uint16_t *)(regs + 24) = (uint16_t)(below(8) ? size : value());
        *(volatile uint16_t *)(regs + 26) = (uint16_t)below(4);
        *(volatile uint64_t *)(regs + 32) = below(16) ? at : address();
        *(volatile uint64_t *)(regs + 40) = below(16) ? at + 0x10000 : address();
        *(volatile uint64_t *)(regs + 48) = below(16) ? at + 0x20000 : address();
        *(volatile uint16_t *)(regs + 28) = 1;
    }
    *(volatile uint8_t *)(regs + 20) = 15;
    for (unsigned i = below(40); i; i--) {
        port_access((uint16_t)(ports + below(16)), 2, true, (uint32_t)value());
    }
}

/* Garbage soon turns the APIC off: a working one, with an interrupt to itself and a timer, so that there is something
 * to take. */
static void apic_revive(void)
{
    volatile uint8_t *apic = (void *)LAPIC;

    wrmsr_write(0x1b, LAPIC | 0x900);
    *(volatile uint32_t *)(apic + 0xf0) = 0x1ff;             // spurious vector, enabled
    *(volatile uint32_t *)(apic + 0x80) = below(4) ? 0 : 64; // task priority
    *(volatile uint32_t *)(apic + 0x3e0) = below(16);
    *(volatile uint32_t *)(apic + 0x320) = below(256) | (below(4) ? 0 : 1 << 17);
    *(volatile uint32_t *)(apic + 0x380) = below(0x10000);
    *(volatile uint32_t *)(apic + 0x300) = 0x40000 | below(256); // to itself
}

static void take_interrupts(void)
{
    if (below(2)) {
        apic_revive();
    }
    in_window = 0;
    __asm__ volatile("sti; nop; pause; cli" : : : "memory");
}

static void garbage(void)
{
    switch (below(12)) {
    case 0:
    case 1:
        garbage_port();
        break;
    case 2:
        port_access((uint16_t)(PORT_WINDOW + below(512)), 1u << below(3), below(4) != 0, (uint32_t)value());
        break;
    case 3:
    case 4:
    case 5:
        garbage_mmio();
        break;
    case 6:
    case 7:
        garbage_pci();
        break;
    case 8:
        garbage_msr();
        break;
    case 9:
        take_interrupts();
        break;
    case 10:
        if (below(8) == 0) {
            driver();
        }
        break;
    default:
        rings_fill(SCRATCH + 0x100000 * (1 + below(16)), SCRATCH + 0x100000 * (1 + below(16)) + 0x10000, 64);
    }
}

_Noreturn void guest_main(const uint8_t *boot_params)
{
    const char *line = (const char *)(uintptr_t) * (const uint32_t *)(const void *)(boot_params + BP_CMD_LINE_PTR);
    uint64_t n = option(line, "n", 20000), seed = option(line, "seed", 1);

    serial_init();
    put("hostile: seed ");
    put_number(seed);
    put(", ");
    put_number(n);
    put(" iterations\n");
    random_state = seed * 0x9e3779b97f4a7c15ull | 1;
    for (uint64_t i = 0; i < n; i++) {
        garbage();
    }
    serial_init();
    put("\nhostile: done, ");
    put_number(interrupts);
    put(" interrupts, ");
    put_number(storms);
    put(" storms, ");
    put_number(faults);
    put(" faults\n");
    power_off();
}
