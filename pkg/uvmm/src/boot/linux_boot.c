// SPDX-License-Identifier: MIT
/* Direct boot of Linux by the 64-bit protocol [Documentation/arch/x86/boot, "64-bit Boot Protocol"; zero-page]: the
 * kernel at its place, the ramdisk high, and in low memory (all of it copied or replaced early by the kernel): 0x6000
 * GDT   0x7000 zero page (boot_params)   0x8000 command line   0x10000 page tables, identity, 4 GiB with 2 MiB pages */
#include "linux_boot.h"
#include "../gmem_priv.h"
#include "../log.h"
#include "../vcpu.h"
#include "bzimage.h"

#include <inttypes.h>
#include <string.h>
#include <util/bits.h>

#define GDT_GPA 0x6000ull
#define PARAMS_GPA 0x7000ull
#define CMDLINE_GPA 0x8000ull
#define CMDLINE_ROOM 0x8000u
#define TABLES_GPA 0x10000ull
#define LOW_END 0x9fc00ull /* conventional memory ends */
#define HIGH_START 0x100000ull
#define RAM_MIN (4ull << 20)

/* Zero page offsets */
#define ZP_ACPI_RSDP 0x070u
#define ZP_E820_ENTRIES 0x1e8u
#define ZP_E820_TABLE 0x2d0u
#define E820_RAM 1u
#define E820_RESERVED 2u

#define LOADER_UNDEFINED 0xffu

/* Selectors that the protocol wants: __BOOT_CS and __BOOT_DS */
#define BOOT_CS 0x10u
#define BOOT_DS 0x18u

#define PTE_TABLE 0x03ull
#define PTE_2M 0x83ull

static void put(uint8_t *p, unsigned off, uint64_t v, unsigned size)
{
    memcpy(p + off, &v, size);
}

static void e820_add(uint8_t *params, uint64_t start, uint64_t end, uint32_t type)
{
    unsigned n = params[ZP_E820_ENTRIES];
    uint8_t *e = params + ZP_E820_TABLE + 20u * n;

    put(e, 0, start, 8);
    put(e, 8, end - start, 8);
    put(e, 16, type, 4);
    params[ZP_E820_ENTRIES] = (uint8_t)(n + 1);
}

static void e820_build(uint8_t *params)
{
    unsigned n;
    const struct ram_region *r = ram_regions(&n);

    e820_add(params, 0, LOW_END, E820_RAM);
    e820_add(params, LOW_END, HIGH_START, E820_RESERVED); /* ACPI tables are at its end */
    e820_add(params, HIGH_START, r[0].size, E820_RAM);
    for (unsigned i = 1; i < n; i++) {
        e820_add(params, r[i].gpa, r[i].gpa + r[i].size, E820_RAM);
    }
}

static void params_build(const struct boot_file *kernel, const struct bzimage *bz, const struct bzplan *plan,
                         uint64_t rd_size, uint64_t rsdp)
{
    uint8_t params[4096] = {0};

    memcpy(params + BZ_SETUP_SECTS, (const uint8_t *)kernel->data + BZ_SETUP_SECTS, bz->header_end - BZ_SETUP_SECTS);
    put(params, BZ_TYPE_OF_LOADER, LOADER_UNDEFINED, 1);
    put(params, BZ_RAMDISK_IMAGE, plan->initrd, 4);
    put(params, BZ_RAMDISK_SIZE, rd_size, 4);
    put(params, BZ_CMD_LINE_PTR, CMDLINE_GPA, 4);
    put(params, BZ_SETUP_DATA, 0, 8);
    put(params, ZP_ACPI_RSDP, rsdp, 8);
    e820_build(params);
    (void)ram_write(PARAMS_GPA, params, sizeof(params));
}

/* PML4, one PDPT, four page directories. */
static void tables_build(void)
{
    uint64_t *t = ram_ptr(TABLES_GPA, 6 * 4096);

    memset(t, 0, 6 * 4096);
    t[0] = (TABLES_GPA + 4096) | PTE_TABLE;
    for (unsigned i = 0; i < 4; i++) {
        t[512 + i] = (TABLES_GPA + 8192 + i * 4096) | PTE_TABLE;
    }
    for (uint64_t i = 0; i < 4 * 512; i++) {
        t[1024 + i] = i << 21 | PTE_2M;
    }
}

static void gdt_build(void)
{
    static const uint64_t gdt[4] = {0, 0, 0x00af9b000000ffffull, 0x00cf93000000ffffull};

    (void)ram_write(GDT_GPA, gdt, sizeof(gdt));
}

static void state_build(struct vcpu_state *s, uint64_t load)
{
    struct vcpu_seg data = {BOOT_DS, 0xc93, 0xffffffff, 0};

    memset(s->gpr, 0, sizeof(s->gpr));
    s->gpr[GPR_RSI] = PARAMS_GPA;
    s->gpr[GPR_RSP] = PARAMS_GPA; /* a stack below the zero page, though the kernel brings its own */
    s->rip = load + BZ_ENTRY64;
    s->rflags = 2;
    s->cr0 = BIT(31) | BIT(5) | BIT(4) | BIT(1) | BIT(0); /* PG NE ET MP PE */
    s->cr3 = TABLES_GPA;
    s->cr4 = BIT(5);            /* PAE */
    s->efer = BIT(8) | BIT(10); /* LME LMA */
    s->cs = (struct vcpu_seg){BOOT_CS, 0xa9b, 0xffffffff, 0};
    s->ss = s->ds = s->es = s->fs = s->gs = data;
    s->ldtr = (struct vcpu_seg){0, 0x82, 0xffff, 0};
    s->tr = (struct vcpu_seg){0, 0x8b, 0xffff, 0};
    s->gdtr = (struct vcpu_seg){0, 0, 31, GDT_GPA};
    s->idtr = (struct vcpu_seg){0, 0, 0, 0};
    s->int_shadow = 0;
    s->dirty |= VCPU_GROUP_BASE | VCPU_GROUP_SEG;
}

static uint64_t ram_total(void)
{
    unsigned n;
    const struct ram_region *r = ram_regions(&n);
    uint64_t total = 0;

    for (unsigned i = 0; i < n; i++) {
        total += r[i].size;
    }
    return total;
}

static int cmdline_write(const struct boot_file *kernel, const struct bzimage *bz, const char *cmdline)
{
    size_t len = strlen(cmdline), room = min((size_t)bz->cmdline_max, (size_t)CMDLINE_ROOM - 1);

    if (len > room) {
        log_error(LOG_BOOT, "the guest's command line has %zu characters and %s takes %zu: shorten -c", len,
                  kernel->name, room);
        return -1;
    }
    return ram_write(CMDLINE_GPA, cmdline, len + 1);
}

int linux_boot_load(const struct boot_file *kernel, const struct boot_file *rd, const char *cmdline, uint64_t rsdp,
                    struct vcpu_state *s)
{
    uint64_t ram = ram_low_size(), needed, rd_size = rd->data != NULL ? rd->size : 0;
    struct bzimage bz;
    struct bzplan plan;
    const char *err = bzimage_parse(kernel->data, kernel->size, &bz);

    if (err != NULL) {
        log_error(LOG_BOOT, "cannot boot %s: %s; give a 64-bit bzImage with -k", kernel->name, err);
        return -1;
    }
    err = bzimage_plan(&bz, ram, rd_size, &plan, &needed);
    if (err != NULL || ram < RAM_MIN) {
        log_error(LOG_BOOT,
                  "the VM has too little memory: %" PRIu64 " MiB for kernel %s (%" PRIu64
                  " MiB unpacked) and ramdisk %s (%" PRIu64 " KiB): %s; give it at least mem = %" PRIu64,
                  ram >> 20, kernel->name, bz.init_size >> 20, rd_size != 0 ? rd->name : "none", rd_size >> 10,
                  err != NULL ? err : "it needs some", (needed >> 20) + 16);
        return -1;
    }
    if (cmdline_write(kernel, &bz, cmdline) != 0) {
        return -1;
    }
    (void)ram_write(plan.load, (const char *)kernel->data + bz.setup_size, bz.kernel_size);
    if (rd_size != 0) {
        (void)ram_write(plan.initrd, rd->data, rd_size);
    }
    params_build(kernel, &bz, &plan, rd_size, rsdp);
    tables_build();
    gdt_build();
    state_build(s, plan.load);
    log_info(LOG_BOOT, "kernel %s at 0x%" PRIx64 ", ramdisk %" PRIu64 " KiB at 0x%" PRIx64 ", %" PRIu64 " MiB of RAM",
             kernel->name, plan.load, rd_size >> 10, plan.initrd, ram_total() >> 20);
    return 0;
}
