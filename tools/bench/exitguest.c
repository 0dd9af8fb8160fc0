// SPDX-License-Identifier: MIT
/* What a guest's exits cost: a kernel of our own (on the machine.h of pkg/uvmm/test/hostile) that does one
 * thing COUNT times between two markers of insncount.c, for each kind of exit. vmfigures.py has the same list.
 *
 * A cycle with an interrupt is more than one exit: the request, what is measured, and the end of interrupt. What is
 * measured comes out as a difference between cycles.
 *
 * Documents: [SDM-3] 11.12 (x2APIC), 11.5.4.1 (TSC deadline); [virtio-1.2] 4.1.4 (PCI), 3.1.1 (initialization). */
#include "machine.h"

#include <stdbool.h>

#define MARK(id) __asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long 0x4d4b0000 + %c0" : : "i"(id) : "memory")
#define COUNT 2000u
#define DELAY_PORT 0x80
#define NOBODYS_REGISTERS 0xfed10000ull /* device memory of the virtual PC where no device is: reads all ones */

#define MSR_APIC_BASE 0x1b
#define MSR_TSC_ADJUST 0x3b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2_TPR 0x808
#define MSR_X2_EOI 0x80b
#define MSR_X2_SVR 0x80f
#define MSR_X2_LVT_TIMER 0x832
#define MSR_X2_SELF_IPI 0x83f
#define TIMER_VECTOR 0x40u
#define IPI_VECTOR 0x41u
#define SOON_TICKS 200000u /* some ten microseconds */

static volatile unsigned interrupts;
static uint16_t doorbell_port;

static _Noreturn void stop(const char *why)
{
    put(why);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

uint64_t interrupt(uint64_t *frame)
{
    if (frame[0] < 32) {
        stop("exitguest: exception\n");
    }
    interrupts++;
    wrmsr_write(MSR_X2_EOI, 0);
    return 8;
}

static void apic_init(void)
{
    wrmsr_write(MSR_APIC_BASE, rdmsr_read(MSR_APIC_BASE) | 0xc00);
    wrmsr_write(MSR_X2_SVR, 0x1ff);
    wrmsr_write(MSR_X2_LVT_TIMER, 2u << 17 | TIMER_VECTOR);
}

/* --- a disk with one queue, for its doorbell --- */

#define VIRTIO_BLK 0x10421af4u
#define BAR_MEMORY 0xc1000000u
#define BAR_PORTS 0xd000u
#define QUEUE_SIZE 16u

static uint8_t queue[3][4096] __attribute__((aligned(4096))); /* descriptors, available, used */

static uint32_t config_read(unsigned slot, unsigned off)
{
    out32(0xcf8, 0x80000000u | slot << 11 | off);
    return in32(0xcfc);
}

static void config_write(unsigned slot, unsigned off, uint32_t v)
{
    out32(0xcf8, 0x80000000u | slot << 11 | off);
    out32(0xcfc, v);
}

/* Places all BARs; bar[n] is the address. */
static void bars_place(unsigned slot, uint32_t bar[6])
{
    for (unsigned i = 0; i < 6; i++) {
        bool ports = config_read(slot, 0x10 + 4 * i) & 1;

        bar[i] = ports ? BAR_PORTS : BAR_MEMORY + i * 0x100000;
        config_write(slot, 0x10 + 4 * i, bar[i]);
    }
    config_write(slot, 4, 7);
}

/* Address of the structure of this type in its BAR; multiplier: the dword behind it. */
static uint32_t structure(unsigned slot, unsigned type, const uint32_t bar[6])
{
    for (unsigned cap = config_read(slot, 0x34) & 0xfc; cap;) {
        uint32_t head = config_read(slot, cap);

        if ((head & 0xff) == 9 && head >> 24 == type) {
            return bar[config_read(slot, cap + 4) & 7] + config_read(slot, cap + 8);
        }
        cap = head >> 8 & 0xfc;
    }
    stop("exitguest: no such virtio structure\n");
}

static volatile uint32_t *common;
static void common_write32(unsigned off, uint32_t v)
{
    common[off / 4] = v;
}
static void common_write16(unsigned off, uint16_t v)
{
    ((volatile uint16_t *)common)[off / 2] = v;
}
static void status_write(uint8_t v)
{
    ((volatile uint8_t *)common)[0x14] = v;
}

static void disk_init(void)
{
    uint32_t bar[6];
    unsigned slot = 0;

    while (config_read(slot, 0) != VIRTIO_BLK) {
        if (++slot == 32) {
            stop("exitguest: no disk\n");
        }
    }
    bars_place(slot, bar);
    common = (volatile uint32_t *)(uintptr_t)structure(slot, 1, bar);
    doorbell_port = (uint16_t)structure(slot, 2, bar);
    status_write(0);
    status_write(3);
    common_write32(8, 1);
    common_write32(12, 1); /* VERSION_1 */
    status_write(11);
    common_write16(0x16, 0);
    common_write16(0x18, QUEUE_SIZE);
    for (unsigned i = 0; i < 3; i++) {
        common_write32(0x20 + 8 * i, (uint32_t)(uintptr_t)queue[i]);
        common_write32(0x24 + 8 * i, 0);
    }
    common_write16(0x1c, 1);
    status_write(15);
}

/* --- the kinds --- */

static void do_nothing(void)
{
    __asm__ volatile("" : : : "memory");
}

static void do_cpuid(void)
{
    uint32_t a = 0, c = 0;

    __asm__ volatile("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
}

static void do_rdmsr(void)
{
    (void)rdmsr_read(MSR_TSC_ADJUST);
}
static void do_wrmsr(void)
{
    wrmsr_write(MSR_X2_TPR, 0);
}
static void do_port(void)
{
    out8(DELAY_PORT, 0);
}
static void do_mmio(void)
{
    (void)*(volatile uint32_t *)NOBODYS_REGISTERS;
}

static void do_hypercall(void)
{
    int64_t rax = 9999;

    __asm__ volatile("vmmcall" : "+a"(rax) : : "memory");
}

static void do_doorbell(void)
{
    out16(doorbell_port, 0);
}

static void timer_set(uint32_t ticks)
{
    wrmsr_write(MSR_TSC_DEADLINE, __builtin_ia32_rdtsc() + ticks);
}

static void do_timer(void)
{
    timer_set(0x80000000u);
}

/* An interrupt that can be taken at once: two exits, request and end. */
static void do_irq(void)
{
    wrmsr_write(MSR_X2_SELF_IPI, IPI_VECTOR);
}

static void do_window(void)
{
    __asm__ volatile("cli");
    wrmsr_write(MSR_X2_SELF_IPI, IPI_VECTOR);
    __asm__ volatile("sti; nop; nop" : : : "memory");
}

static void do_hlt(void)
{
    __asm__ volatile("cli");
    wrmsr_write(MSR_X2_SELF_IPI, IPI_VECTOR);
    __asm__ volatile("sti; hlt" : : : "memory");
}

/* The timer's interrupt finds the guest running, or halted. */
static void do_busy(void)
{
    unsigned before = interrupts;

    timer_set(SOON_TICKS);
    while (interrupts == before) {
        __asm__ volatile("nop");
    }
}

static void do_sleep(void)
{
    unsigned before = interrupts;

    __asm__ volatile("cli");
    timer_set(SOON_TICKS);
    while (interrupts == before) {
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
    __asm__ volatile("sti");
}

static void measure(void (*one)(void))
{
    one();
    MARK(1);
    for (unsigned i = 0; i < COUNT; i++) {
        one();
    }
    MARK(2);
}

_Noreturn void guest_main(const uint8_t *boot_params)
{
    (void)boot_params;
    apic_init();
    disk_init();
    __asm__ volatile("sti");
    measure(do_nothing);
    measure(do_cpuid);
    measure(do_rdmsr);
    measure(do_wrmsr);
    measure(do_port);
    measure(do_mmio);
    measure(do_hypercall);
    measure(do_doorbell);
    measure(do_timer);
    measure(do_irq);
    measure(do_window);
    measure(do_hlt);
    measure(do_busy);
    measure(do_sleep);
    stop("exitguest: done\n");
}
