// SPDX-License-Identifier: MIT
/* Switches the machine off: what ACPI's tables say is written to the PM1 control registers. All programs have ended, so
 * that moe may wait here.
 *
 * Documents: [ACPI-6.4] 4.8.3.2 (PM1 control), 4.8.2.5 (into ACPI mode), 16.1.7 (into state S5). */
#include "moe.h"
#include "prog.h"

#include <acpi/acpi.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <string.h>
#include <util/bits.h>

#define ENABLE_NS 3000000000ull /* into ACPI mode; the specification has no limit */
#define OFF_NS 2000000000ull    /* until the power is gone */

static int64_t memory_read(void *ctx, uint64_t phys, void *buf, size_t len)
{
    uint64_t first = align_down(phys, PAGE_SIZE);

    (void)ctx;
    if (phys > UINT64_MAX - len - PAGE_SIZE) {
        return SK_ERANGE;
    }
    size_t size = align_up(phys + len, PAGE_SIZE) - first;
    int64_t err = sys_mem_derive(CAP_QUOTA, boot->device_memory, first, size, RIGHT_R);
    const char *va = err < 0 ? NULL : vm_map((cap_t)err, 0, size, RIGHT_R, &err);

    if (!va) {
        return err;
    }
    memcpy(buf, va + (phys - first), len); /* the mapping stays: this is the end */
    return SK_OK;
}

/* moe has no heap. What is taken here is not given back: this is the end. */
static void *table_alloc(size_t size)
{
    struct run *r;

    if (run_alloc(account_root(), size, 0, 0, true, &r) < 0) {
        return NULL;
    }
    return vm_map(r->cap, 0, r->size, RIGHT_R | RIGHT_W, NULL);
}
static void table_release(void *table)
{
    (void)table;
}

static uint16_t control(uint16_t port)
{
    return (uint16_t)sys_port_in(boot->ioport, port, 2).extra;
}

static void acpi_mode(const struct acpi_power *p)
{
    uint64_t deadline = sys_now_ns() + ENABLE_NS;

    if (p->smi_port == 0 || p->enable == 0 || (control(p->control[0]) & ACPI_PM1_SCI_EN)) {
        return;
    }
    (void)!sys_port_out(boot->ioport, p->smi_port, 1, p->enable);
    while (!(control(p->control[0]) & ACPI_PM1_SCI_EN) && sys_now_ns() < deadline) {
    }
}

/* First the kind of sleep in both, then the command: as close together as can be. */
static void sleep_write(const struct acpi_power *p, uint32_t command)
{
    for (unsigned i = 0; i < 2; i++) {
        if (p->control[i]) {
            uint32_t old = control(p->control[i]) & ~(ACPI_PM1_SLP_TYP | ACPI_PM1_SLP_EN);

            (void)!sys_port_out(boot->ioport, p->control[i], 2, old | (uint32_t)p->type[i] << 10 | command);
        }
    }
}

void poweroff(void)
{
    const struct acpi_memory memory = {memory_read, NULL, table_alloc, table_release};
    struct acpi_info info = {0};
    int64_t err = boot->rsdp ? acpi_read(&memory, boot->rsdp, &info) : SK_ENOENT;

    if (err < 0 || !info.power.typed || !info.power.control[0]) {
        moe_log("cannot switch the machine off: its ACPI tables %s%s; all programs have ended, switch it off by hand",
                err < 0 ? "cannot be read: " : "do not say how (FADT, _S5_)", err < 0 ? sk_strerror(err) : "");
        return;
    }
    acpi_mode(&info.power);
    sleep_write(&info.power, 0);
    sleep_write(&info.power, ACPI_PM1_SLP_EN);
    for (uint64_t deadline = sys_now_ns() + OFF_NS; sys_now_ns() < deadline;) {
    }
    moe_log("the machine was told to switch itself off (port %#x) and has not; switch it off by hand",
            info.power.control[0]);
}
