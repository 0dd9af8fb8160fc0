// SPDX-License-Identifier: MIT
/* See smp.h. Start of a processor: INIT, 10 ms, STARTUP, and STARTUP again if it has not come after 200 us; all
 * processors together. One that has not come when the time is over finds the door shut.
 *
 *   AP_EXPECTED --smp_entry.S--> AP_COMES --ap_main()--> AP_HERE        AP_EXPECTED, AP_COMES --time is over--> AP_LATE
 *
 * Document: [SDM-3] 10.4.4 (MP initialization example). */
#include "smp.h"

#include "apic.h"
#include "boot.h"
#include "fpu.h"
#include "paging.h"
#include "time.h"
#include "trap.h"

#include <kernel/core.h>
#include <kernel/log.h>
#include <kernel/vm.h>
#include <string.h>

#define AP_PAGE          0x8000u /* free: boot_plan_make() gives nothing below BOOT_PLAN_RAM_MIN away */
#define AP_INIT_NS       10000000ull
#define AP_STARTUP_NS    200000ull
#define AP_WAIT_NS       5000000000ull /* an emulated processor waits for its host's */
#define CALL_WAIT_NS     20000000000ull

struct cpu *cpus[CPUS_MAX];
struct bkl bkl = { .held = 1 }; /* the boot processor begins with it */
static unsigned count;

unsigned cpu_count(void) { return count; }
unsigned cpu_index(void) { return cpu_this()->index; }

void smp_boot_cpu(struct cpu *cpu)
{
    cpus[0] = cpu;
    count = 1;
}

/* --- calls --- */

static struct {
    void (*fn)(void *arg);
    void *arg;
} call; /* BKL */

void cpu_call_serve(struct cpu *cpu)
{
    call.fn(call.arg);
    __atomic_store_n(&cpu->called, false, __ATOMIC_RELEASE); /* pairs with the load in cpu_call() */
}

static void cpu_notify(const struct cpu *cpu)
{
    if (__atomic_load_n(&cpu->outside, __ATOMIC_ACQUIRE)) {
        apic_send(cpu->apic_id, APIC_IPI_VECTOR(VECTOR_IPI));
    }
}

void cpu_kick(unsigned cpu) { cpu_notify(cpus[cpu]); }

void cpu_call(uint64_t mask, void (*fn)(void *arg), void *arg)
{
    uint64_t start = clock_now_ns();
    call.fn = fn;
    call.arg = arg;
    for (uint64_t m = mask; m; m &= m - 1) {
        struct cpu *cpu = cpus[__builtin_ctzll(m)];
        __atomic_store_n(&cpu->called, true, __ATOMIC_SEQ_CST);
        cpu_notify(cpu);
    }
    for (uint64_t m = mask; m; m &= m - 1) {
        while (__atomic_load_n(&cpus[__builtin_ctzll(m)]->called, __ATOMIC_ACQUIRE)) {
            if (clock_now_ns() - start > CALL_WAIT_NS) {
                panic("processor %u does not answer", (unsigned)__builtin_ctzll(m));
            }
            cpu_relax();
        }
    }
}

static void nothing(void *arg) { (void)arg; }

void cpu_call_all(void)
{
    uint64_t others = UINT64_MAX >> (64 - count) & ~BIT(cpu_index());
    cpu_call(others, nothing, NULL);
}

void smp_stop(void)
{
    for (unsigned c = 0; c < count; c++) {
        if (cpus[c] != cpu_this()) {
            apic_send(cpus[c]->apic_id, APIC_IPI_NMI);
        }
    }
}

/* --- contexts on other processors --- */

static uint64_t context_cpus(const struct context *ctx)
{
    uint64_t mask = 0;
    for (unsigned c = 0; c < count; c++) {
        if (cpus[c]->current == ctx && cpus[c] != cpu_this()) {
            mask |= BIT(c);
        }
    }
    return mask;
}

static void current_drop(void *unused)
{
    (void)unused;
    cpu_this()->current = NULL;
}

void context_stop(struct context *ctx)
{
    uint64_t mask = context_cpus(ctx);
    if (mask) {
        cpu_call(mask, current_drop, NULL);
    }
}

void context_sync(const struct context *ctx)
{
    uint64_t mask = context_cpus(ctx);
    if (mask) {
        cpu_call(mask, nothing, NULL);
    }
}

/* --- start --- */

enum { AP_EXPECTED = 0, AP_COMES = 1, AP_HERE, AP_LATE };
struct ap_slot {
    uint32_t apic_id, state;
    struct cpu *cpu;
    uint64_t tsc;
};
_Static_assert(sizeof(struct ap_slot) == 24, "SLOT_SIZE");
_Static_assert(offsetof(struct ap_slot, apic_id) == 0 && offsetof(struct ap_slot, state) == 4, "SLOT_STATE");
_Static_assert(offsetof(struct ap_slot, cpu) == 8, "SLOT_CPU");
extern struct ap_slot ap_slots[CPUS_MAX];
extern uint32_t ap_slot_count;
extern const char ap_trampoline[], ap_trampoline_end[];
_Noreturn void ap_halt(void);
_Noreturn void ap_main(struct ap_slot *slot);

struct ap_slot ap_slots[CPUS_MAX];
uint32_t ap_slot_count;

static bool slot_move(struct ap_slot *slot, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(&slot->state, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* C begins here on every processor but the first. Without the BKL: nothing here may use what others use. */
_Noreturn void ap_main(struct ap_slot *slot)
{
    struct cpu *cpu = slot->cpu;
    cpu_tables_init(cpu);
    cpu_protection_init();
    cr4_write(cr4_read() | CR4_PGE);
    fpu_init();
    apic_cpu_init();
    time_cpu_init();
    bool ok = vm_cpu_init();
    slot->tsc = ok ? rdtsc() : 0;
    if (!slot_move(slot, AP_COMES, AP_HERE) || !ok) {
        ap_halt();
    }
    __atomic_store_n(&cpu->outside, true, __ATOMIC_RELEASE);
    asm volatile("sti; hlt; cli" : : : "memory"); /* idle until there is something to do: not all at once for the BKL */
    if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) != AP_HERE) {
        ap_halt();
    }
    bkl_acquire(cpu);
    trap_start();
}

/* What a processor needs for itself. Not from the pool, which is sized for programs. */
struct cpu_memory {
    char stack[KERNEL_STACK_PAGES * PAGE_SIZE], nmi[PAGE_SIZE], fatal[PAGE_SIZE]; /* stacks */
    char vm[2][PAGE_SIZE];
    struct cpu cpu;
};

static struct cpu *cpu_create(uint32_t apic_id)
{
    paddr_t pa = boot_ram_take(align_up(sizeof(struct cpu_memory), PAGE_SIZE));
    if (pa.v == PADDR_NONE.v) {
        return NULL;
    }
    struct cpu_memory *m = phys_to_virt(pa);
    memset(m, 0, sizeof(*m));
    m->cpu.stack_top = stack_map(virt_to_phys(m->stack).v, sizeof(m->stack));
    m->cpu.vm_page[0] = m->vm[0];
    m->cpu.vm_page[1] = m->vm[1];
    m->cpu.apic_id = apic_id;
    m->cpu.index = ap_slot_count + 1; /* not 0, but not final */
    m->cpu.ist_top[0] = (uint64_t)m->nmi + sizeof(m->nmi);
    m->cpu.ist_top[1] = m->cpu.ist_top[2] = (uint64_t)m->fatal + sizeof(m->fatal); /* neither returns */
    return &m->cpu;
}

static bool all_in(uint32_t state)
{
    for (uint32_t i = 0; i < ap_slot_count; i++) {
        if (__atomic_load_n(&ap_slots[i].state, __ATOMIC_ACQUIRE) < state) {
            return false;
        }
    }
    return true;
}

/* Waits until all have reached state. */
static void wait_for(uint32_t state, uint64_t ns)
{
    uint64_t start = clock_now_ns();
    while (!all_in(state) && clock_now_ns() - start < ns) {
        cpu_relax();
    }
}

static void send_expected(uint32_t command)
{
    for (uint32_t i = 0; i < ap_slot_count; i++) {
        if (ap_slots[i].state == AP_EXPECTED) {
            apic_send(ap_slots[i].apic_id, command);
        }
    }
}

static void start_all(void)
{
    memcpy(phys_to_virt((paddr_t){ AP_PAGE }), ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
    send_expected(APIC_IPI_INIT);
    time_delay_ns(AP_INIT_NS);
    send_expected(APIC_IPI_STARTUP | AP_PAGE / PAGE_SIZE);
    wait_for(AP_COMES, AP_STARTUP_NS);
    send_expected(APIC_IPI_STARTUP | AP_PAGE / PAGE_SIZE);
    wait_for(AP_HERE, AP_WAIT_NS);
}

/* Numbers those that are here. tsc: when they were called; the kernel's clock is one for all. */
static void admit(struct ap_slot *slot, uint64_t tsc)
{
    if (slot_move(slot, AP_EXPECTED, AP_LATE) || slot_move(slot, AP_COMES, AP_LATE)) {
        kprintf("kernel: processor with APIC id %u left out: it does not start\n", slot->apic_id);
    } else if (slot->tsc - tsc > rdtsc() - tsc) {
        __atomic_store_n(&slot->state, AP_LATE, __ATOMIC_RELEASE);
        kprintf("kernel: processor with APIC id %u left out: its TSC or its virtualization is not as the first one's\n", slot->apic_id);
    } else {
        slot->cpu->index = count;
        cpus[count++] = slot->cpu;
    }
}

/* How many processors there may be: maxcpus=N, nosmp. */
static unsigned wanted(void)
{
    unsigned n = CPUS_MAX;
    const char *value = boot_option_value("maxcpus=");
    if (value) {
        for (n = 0; *value >= '0' && *value <= '9' && n < 1000; value++) {
            n = n * 10 + (unsigned)(*value - '0');
        }
        if (n == 0 || (*value && *value != ' ')) {
            kprintf("kernel: option maxcpus: a number from 1 to %u is needed; using 1\n", CPUS_MAX);
            n = 1;
        }
    }
    n = boot_option("nosmp") ? 1 : n;
    return n < CPUS_MAX ? n : CPUS_MAX;
}

void smp_init(const struct acpi_info *acpi, const struct boot_plan *plan)
{
    unsigned max = wanted();
    uint64_t tsc = rdtsc();
    bool room = memmap_covers(&plan->ram, AP_PAGE, PAGE_SIZE);
    for (uint32_t i = 0; i < acpi->cpu_count && room && ap_slot_count + 1 < max; i++) {
        struct cpu *cpu = acpi->cpu[i] != cpus[0]->apic_id ? cpu_create(acpi->cpu[i]) : NULL;
        if (cpu) {
            ap_slots[ap_slot_count++] = (struct ap_slot){ .apic_id = cpu->apic_id, .cpu = cpu };
        }
    }
    if (ap_slot_count) {
        start_all();
    }
    for (uint32_t i = 0; i < ap_slot_count; i++) {
        admit(&ap_slots[i], tsc);
    }
    kinfo_page()->cpus = count;
    uint32_t there = acpi->cpus ? acpi->cpus : 1;
    kprintf("kernel: processors: %u of %u%s\n", count, there,
            !room             ? " (no memory below 1 MiB to start the others)"
            : there <= max    ? ""
            : max == CPUS_MAX ? " (more are not supported)"
                              : " (as the options say)");
}
