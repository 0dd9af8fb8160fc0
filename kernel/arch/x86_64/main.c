// SPDX-License-Identifier: MIT
// The order in which the machine comes up.
#include "acpi.h"
#include "apic.h"
#include "boot.h"
#include "console.h"
#include "cpu.h"
#include "fpu.h"
#include "kmem.h"
#include "machine.h"
#include "paging.h"
#include "smp.h"
#include "time.h"
#include "trap.h"

#include <kernel/core.h>
#include <kernel/log.h>
#include <kernel/vm.h>
#include <string.h>

extern char boot_stack_top[];

_Noreturn void boot_main(uint32_t magic, uint32_t info_pa);

static struct cpu boot_cpu;
static char boot_ist[3][PAGE_SIZE] __attribute__((aligned(16)));
static struct acpi_info acpi;
static struct kinfo *kinfo;

struct kinfo *kinfo_page(void) { return kinfo; }

/* Protections that need a switch: kernel writes obey read-only pages; no execution of and no stray access to user
 * pages; no descriptor table addresses for user mode; user mode keeps its FS base to THREAD_FS_BASE. */
void cpu_protection_init(void)
{
    struct cpuid_regs r = cpuid(0, 0).eax >= 7 ? cpuid(7, 0) : (struct cpuid_regs){ 0 };
    uint64_t cr4 = cr4_read() & ~(CR4_FSGSBASE);
    cr4 |= r.ebx & BIT(7) ? CR4_SMEP : 0;
    cr4 |= r.ebx & BIT(20) ? CR4_SMAP : 0;
    cr4 |= r.ecx & BIT(2) ? CR4_UMIP : 0;
    cr4_write(cr4 | CR4_MCE);
    cr0_write(cr0_read() | CR0_WP);
}

static void cpu_describe(void)
{
    char brand[49] = "";
    for (uint32_t i = 0; i < 3 && cpuid(0x80000000, 0).eax >= 0x80000004; i++) {
        struct cpuid_regs r = cpuid(0x80000002 + i, 0);
        memcpy(brand + 16 * i, &r, 16);
    }
    uint64_t cr4 = cr4_read();
    kprintf("kernel: processor: %s; NX%s%s%s, FPU state: %s%s\n", brand[0] ? brand : "unknown",
            cr4 & CR4_SMEP ? ", SMEP" : "", cr4 & CR4_SMAP ? ", SMAP" : "", cr4 & CR4_UMIP ? ", UMIP" : "",
            fpu_xcr0() ? "XSAVE" : "FXSAVE", fpu_xcr0() & 4 ? " with AVX" : "");
}

static void kinfo_init(void)
{
    kinfo = kpage_alloc();
    boot_cpu.vm_page[0] = kpage_alloc();
    boot_cpu.vm_page[1] = kpage_alloc();
    if (!kinfo || !boot_cpu.vm_page[0] || !boot_cpu.vm_page[1]) {
        panic("out of kernel memory for the information page");
    }
    kinfo->magic = KINFO_MAGIC;
    kinfo->abi_version = 1;
    kinfo->xcr0_supported = fpu_xcr0();
    memcpy(kinfo->version, kernel_version, strlen(kernel_version) < 63 ? strlen(kernel_version) : 63);
}

static void memory_describe(void)
{
    const struct boot_params *p = boot_params();
    kprintf("kernel: memory: %lu MiB RAM, kernel %lu KiB, %u modules with %lu KiB\n", p->ram_bytes >> 20,
            p->kernel_bytes >> 10, p->module_count, p->module_bytes >> 10);
}

#define IOAPIC_DEFAULT 0xfec00000u

static void interrupts_init(uint64_t rsdp)
{
    const char *why = acpi_parse(&firmware_memory, rsdp, &acpi);
    if (why) {
        kprintf("kernel: ACPI: %s\n", why);
    }
    if (acpi.ioapic_count == 0) { /* a PC has it here unless firmware says otherwise [MP-1.4 3.6.5] */
        acpi.ioapic[acpi.ioapic_count++].address = IOAPIC_DEFAULT;
    }
    pic_init();
    apic_init(acpi.lapic);
    boot_cpu.apic_id = apic_id();
    ioapic_init(&acpi);
    kprintf("kernel: interrupts: %u lines of %u IO-APICs, %u vectors free\n", irq_line_count(), acpi.ioapic_count,
            irq_vectors_free());
}

static void boot_cpu_init(void)
{
    boot_cpu.stack_top = (uint64_t)boot_stack_top;
    for (unsigned i = 0; i < ARRAY_SIZE(boot_ist); i++) {
        boot_cpu.ist_top[i] = (uint64_t)boot_ist[i] + sizeof(boot_ist[i]);
    }
    smp_boot_cpu(&boot_cpu);
    cpu_tables_init(&boot_cpu);
}

_Noreturn void boot_main(uint32_t magic, uint32_t info_pa)
{
    boot_cpu_init();
    console_init();
    kprintf("\n%s\n", kernel_version);
    const struct boot_plan *plan = boot_params_init(magic, info_pa);
    kmem_init((paddr_t){ plan->pool }, plan->pool_size);
    paging_init(plan);
    cpu_protection_init();
    fpu_init();
    cpu_describe();
    memory_describe();
    kinfo_init();
    machine_init(&acpi, plan);
    interrupts_init(boot_rsdp_find(plan));
    time_init(acpi.pm_timer);
    vm_init();
    smp_init(&acpi, plan);
    console_input_init(boot_option("-serial_esc"));
    core_init();
    trap_start();
}
