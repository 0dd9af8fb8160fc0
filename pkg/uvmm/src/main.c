// SPDX-License-Identifier: MIT
/* uvmm: runs one virtual machine, a PC described by a device tree, as an unprivileged program. Start: options, files,
 * guest RAM, platform, devices, kernel; then the run loop until the VM ends. */
#include "acpi/acpi_tables.h"
#include "bus.h"
#include "console_priv.h"
#include "cpu/cpuid.h"
#include "cpu/msr.h"
#include "cpu/pvclock.h"
#include "dev/ioapic.h"
#include "dev/lapic.h"
#include "dev/pic.h"
#include "dev/pit.h"
#include "dev/power.h"
#include "device_tree.h"
#include "file.h"
#include "gmem_priv.h"
#include "guest.h"
#include "log.h"
#include "options.h"
#include "vcpu.h"

#include <cpuid.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <stdio.h>
#include <stdlib.h>

static struct cpuid_regs host_leaf(uint32_t leaf, uint32_t sub)
{
    struct cpuid_regs r;

    __cpuid_count(leaf, sub, r.eax, r.ebx, r.ecx, r.edx);
    return r;
}

static int memory_init(void)
{
    cap_t ram = sk_env_get("ram");

    if (ram == CAP_NULL) {
        log_error(LOG_BOOT,
                  "the capability \"ram\" is missing: start uvmm by vmm.start_vm, or give a memory object as caps.ram");
        return -1;
    }
    return ram_setup(ram, guest_cap());
}

static int platform_init(void)
{
    const struct kinfo *k = sys_kinfo();

    cpuid_init(&(struct cpuid_host){host_leaf, k->xcr0_supported, k->tsc_hz});
    msr_reset();
    pvclock_reset();
    int err = lapic_init();
    err = err == 0 ? ioapic_init() : err;
    err = err == 0 ? pic_init() : err;
    err = err == 0 ? pit_init() : err;
    lapic_virtual_wire();
    return err == 0 ? power_init() : err;
}

static int acpi_install(void)
{
    uint8_t *at = ram_ptr(ACPI_GPA, ACPI_ROOM);

    if (at == NULL) {
        log_error(LOG_BOOT, "the VM has less than 1 MiB of memory; give it at least mem = 64");
        return -1;
    }
    if (acpi_build(at, acpi_dsdt, (size_t)(acpi_dsdt_end - acpi_dsdt),
                   (bus_port_read(POWER_PRESENT, 1) & POWER_HAS_RTC) != 0, vcpu_count) == 0) {
        log_error(LOG_BOOT, "the ACPI tables do not fit: this is a defect of the build");
        return -1;
    }
    return 0;
}

static int tree_check(const struct boot_file *dtb)
{
    const char *err = device_tree_check(dtb->data, dtb->size);

    if (err != NULL) {
        log_error(LOG_BOOT, "device tree %s is corrupt: %s; rebuild it with dtc, or use virt-pc.dtb", dtb->name, err);
        return -1;
    }
    return 0;
}

/* The option --cpus, else the device tree. */
static int vcpus_init(const struct options *o, const struct boot_file *dtb)
{
    unsigned n = o->cpus != 0 ? o->cpus : device_tree_cpus(dtb->data);

    if (n > VCPUS_MAX) {
        log_error(
            LOG_BOOT,
            "device tree %s: too many vcpus, it has %u cpu nodes and a VM at most %u; remove some, or give --cpus",
            dtb->name, n, VCPUS_MAX);
        return -1;
    }
    return vcpus_setup(n);
}

static int machine_init(const struct boot_file *dtb)
{
    if (platform_init() != 0) {
        log_error(LOG_BOOT, "cannot make the platform's devices: their addresses overlap; this is a defect");
        return -1;
    }
    return devices_probe(dtb->data);
}

static int kernel_load(const struct options *o)
{
    struct boot_file kernel = {0}, rd = {0};
    int err = file_map(o->kernel, "kernel", "-k", &kernel);

    if (err == 0 && o->ramdisk != NULL) {
        err = file_map(o->ramdisk, "ramdisk", "-r", &rd);
    }
    err = err == 0 ? acpi_install() : err;
    err = err == 0 ? linux_boot_load(&kernel, &rd, o->cmdline, ACPI_GPA, vcpus[0].state) : err;
    file_unmap(&kernel);
    file_unmap(&rd);
    return err;
}

/* One write per line, so that lines of several programs never mix. */
static void stderr_by_line(void)
{
    static char buffer[512];

    setvbuf(stderr, buffer, _IOLBF, sizeof(buffer));
}

int main(int argc, char **argv)
{
    struct options o;
    struct boot_file dtb;

    stderr_by_line();
    int parsed = options_parse(argc, argv, &o);

    if (parsed != 0) {
        return parsed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (vm_lock_init() != 0) {
        return EXIT_FAILURE;
    }
    vm_lock();
    if (file_map(o.dtb, "device tree", "-d", &dtb) != 0 || tree_check(&dtb) != 0 || guest_setup() != 0 ||
        memory_init() != 0 || vcpus_init(&o, &dtb) != 0 || console_log_connect() != 0 || machine_init(&dtb) != 0 ||
        kernel_load(&o) != 0) {
        return EXIT_FAILURE;
    }
    tsc_start();
    int code = vcpus_run();
    devices_reset();
    return code;
}
