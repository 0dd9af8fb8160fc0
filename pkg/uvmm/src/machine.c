// SPDX-License-Identifier: MIT
/* Power-on and reset. A reset puts back: the processor, platform devices, PCI with everything behind it; then RAM is
 * cleared and kernel, ramdisk and tables are loaded again, so that each boot begins as the first one did. What a guest
 * keeps over a reset is on its disks, and the time of day. Block servers keep their sessions: their queues are stopped,
 * and their requests in flight end first, as these may still write to RAM. */
#include "machine.h"
#include "acpi/acpi_tables.h"
#include "boot/boot_files.h"
#include "boot/ramdisk.h"
#include "bus.h"
#include "cpu/cpuid.h"
#include "cpu/msr.h"
#include "cpu/pvclock.h"
#include "cpu/tsc.h"
#include "dev/ioapic.h"
#include "dev/lapic.h"
#include "dev/pic.h"
#include "dev/pit.h"
#include "dev/power.h"
#include "device_tree.h"
#include "gmem.h"
#include "log.h"
#include "monitor/monitor.h"
#include "options.h"
#include "timer.h"
#include "vcpu.h"
#include "virtio/virtio.h"

#include <cpuid.h>
#include <inttypes.h>
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <string.h>

#define SERVERS_NS 120000000000ull /* a drive's request may take as long as its driver's retries */

static struct cpuid_regs host_leaf(uint32_t leaf, uint32_t sub)
{
    struct cpuid_regs r;

    __cpuid_count(leaf, sub, r.eax, r.ebx, r.ecx, r.edx);
    return r;
}

static int platform_init(void)
{
    const struct kinfo *k = sys_kinfo();

    cpuid_init(&(struct cpuid_host){host_leaf, k->xcr0_supported, tsc_guest_hz()});
    msr_reset();
    pvclock_reset();
    int err = lapic_init();
    err = err == 0 ? ioapic_init() : err;
    err = err == 0 ? pic_init() : err;
    err = err == 0 ? pit_init() : err;
    lapic_virtual_wire();
    return err == 0 ? power_init() : err;
}

int machine_make(const struct device_tree *t)
{
    if (platform_init() != 0) {
        log_error(LOG_BOOT, "cannot make the platform's devices: their addresses overlap; this is a defect");
        return -1;
    }
    return devices_probe(t);
}

static int servers_wait(void)
{
    uint64_t deadline = sys_now_ns() + SERVERS_NS;

    while (virtio_resetting()) {
        if (!server_poll(deadline)) {
            log_error(LOG_BOOT, "cannot restart the VM: a block server does not end its requests in flight; look for "
                                "errors of its drive in its log");
            return -1;
        }
    }
    return 0;
}

int machine_reset(void)
{
    devices_reset();
    pit_reset();
    power_reset();
    pic_reset();
    ioapic_reset();
    lapic_reset();
    lapic_virtual_wire();
    msr_reset();
    pvclock_reset();
    vcpus_reset();
    monitor_reset();
    return servers_wait();
}

static void ram_clear(void)
{
    unsigned n;
    const struct ram_region *r = ram_regions(&n);

    for (unsigned i = 0; i < n; i++) {
        memset(r[i].host, 0, r[i].size);
    }
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

/* Where a PC's firmware begins, and where software jumps in real mode that wants it to start again (Linux:
 * reboot=bios). */
#define RESET_VECTOR 0xffff0ull

static void reset_vector_install(void)
{
    static const uint8_t code[] = {
        0xba, 0xf9, 0x0c, /* mov $0xcf9, %dx */
        0xb0, 0x06,       /* mov $6, %al: reset [dev/power.h] */
        0xee,             /* out %al, (%dx) */
        0xf4, 0xeb, 0xfd, /* hlt, for ever */
    };

    (void)ram_write(RESET_VECTOR, code, sizeof(code));
}

static int ramdisk_whole(const struct boot_file *rd)
{
    const char *err = rd->data != NULL ? ramdisk_check(rd->data, rd->size) : NULL;

    if (err != NULL) {
        log_error(LOG_BOOT, "ramdisk %s (%zu bytes): %s; make or copy it again", rd->name, rd->size, err);
        return -1;
    }
    if (rd->data != NULL && !ramdisk_known(rd->data, rd->size)) {
        log_warn(LOG_BOOT,
                 "ramdisk %s (%zu bytes): it is no archive that Linux knows (cpio, or one in gzip, xz, zstd, "
                 "lz4, lzma, bzip2, lzo): the guest may find no root file system; correct -r",
                 rd->name, rd->size);
    }
    return 0;
}

static int kernel_load(const struct options *o)
{
    struct boot_files f;
    int err = boot_files_load(o, &f);

    err = err == 0 ? ramdisk_whole(&f.rd) : err;
    err = err == 0 ? acpi_install() : err;
    reset_vector_install();
    err = err == 0 ? linux_boot_load(&f.kernel, &f.rd, f.cmdline, ACPI_GPA, vcpus[0].state) : err;
    boot_files_free(&f);
    return err;
}

int machine_boot(const struct options *o)
{
    static unsigned boots;

    if (boots > 0) { /* the first time RAM is new */
        ram_clear();
        log_info(LOG_BOOT, "restart %u; kernel memory in use: %" PRIu64 " KiB", boots,
                 sys_quota_info(CAP_QUOTA).extra >> 10);
    }
    boots++;
    int err = kernel_load(o);
    if (err == 0) {
        tsc_start();
    }
    return err;
}
