// SPDX-License-Identifier: MIT
// From the loader's information to struct boot_params.
#include "boot.h"

#include "acpi.h"
#include "paging.h"

#include <kernel/arch.h>
#include <kernel/log.h>
#include <string.h>

static struct boot_params params;
static struct loader_info info;
static struct boot_plan plan;

const struct boot_params *boot_params(void) { return &params; }

static void modules_place(void)
{
    params.module_count = info.module_count;
    for (uint32_t i = 0; i < info.module_count; i++) {
        uint64_t size = info.module[i].size;
        uint8_t *dst = phys_to_virt((paddr_t){ plan.module[i] });
        if (plan.module[i] != info.module[i].base && size) {
            memcpy(dst, phys_to_virt((paddr_t){ info.module[i].base }), size);
        }
        memset(dst + size, 0, align_up(size, PAGE_SIZE) - size);
        params.module[i].base = (paddr_t){ plan.module[i] };
        params.module[i].size = size;
        params.module[i].cmdline = info.strings + info.module[i].cmdline;
        params.module_bytes += align_up(size, PAGE_SIZE);
    }
}

static void memory_publish(void)
{
    params.ram_bytes = memmap_total(&plan.ram);
    params.kernel_bytes = image_to_phys(image_end) - KERNEL_LOAD - (uint64_t)(builtin_pages_end - builtin_start) + plan.pool_size;
    uint64_t lost = 0;
    for (uint32_t i = 0; i < plan.free.count; i++) {
        if (params.ram_count == BOOT_MAX_MEMORY) {
            lost += plan.free.r[i].size;
            continue;
        }
        params.ram[params.ram_count].base = (paddr_t){ plan.free.r[i].base };
        params.ram[params.ram_count].size = plan.free.r[i].size;
        params.ram_count++;
    }
    if (lost) {
        kprintf("kernel: %lu KiB of RAM are not used: more than %u free ranges\n", lost >> 10, BOOT_MAX_MEMORY);
    }
}

paddr_t boot_ram_take(uint64_t size)
{
    for (uint32_t i = 0; i < params.ram_count; i++) {
        if (params.ram[i].size > size) {
            params.ram[i].size -= size;
            params.kernel_bytes += size;
            return (paddr_t){ params.ram[i].base.v + params.ram[i].size };
        }
    }
    return PADDR_NONE;
}

const struct boot_plan *boot_params_init(uint32_t magic, uint32_t info_pa)
{
    const struct mem_view view = { phys_to_virt((paddr_t){ 0 }), 0, BOOT_PLAN_LOW_MAX };
    const char *why = multiboot_parse(&view, magic, info_pa, &info);
    uint64_t builtin_size = (uint64_t)(builtin_end - builtin_start);
    const struct image_range image = { KERNEL_LOAD, image_to_phys(builtin_start), image_to_phys(builtin_pages_end),
                                       image_to_phys(image_end) };
    if (!why && builtin_size) {
        uint64_t pa = image_to_phys(builtin_start);
        why = builtin_parse(phys_to_virt((paddr_t){ pa }), builtin_size, pa, &info);
    }
    why = why ? why : boot_plan_make(&info, &image, &plan);
    if (why) {
        panic("cannot use the boot loader's information: %s", why);
    }
    memcpy(params.cmdline, info.cmdline, sizeof(params.cmdline));
    params.fb.base = info.fb.base;
    params.fb.pitch = info.fb.pitch;
    params.fb.width = info.fb.width;
    params.fb.height = info.fb.height;
    params.fb.bpp = info.fb.bpp;
    modules_place();
    memory_publish();
    return &plan;
}

static const void *firmware_map_cb(void *arg, uint64_t pa, uint64_t size)
{
    (void)arg;
    return firmware_map(pa, size);
}
const struct acpi_memory firmware_memory = { firmware_map_cb, NULL };

/* UEFI keeps it in ACPI memory; a BIOS in the first KiB of the EBDA or below 1 MiB. [ACPI-6.4 5.2.5.1] */
uint64_t boot_rsdp_find(const struct boot_plan *p)
{
    uint16_t ebda;
    memcpy(&ebda, phys_to_virt((paddr_t){ 0x40e }), sizeof(ebda));
    uint64_t rsdp = ebda >= 0x8000 && ebda < 0xa000 ? acpi_rsdp_search(&firmware_memory, (uint64_t)ebda << 4, 1024) : 0;
    rsdp = rsdp ? rsdp : acpi_rsdp_search(&firmware_memory, 0xe0000, 0x20000);
    for (uint32_t i = 0; !rsdp && i < p->firmware.count; i++) {
        rsdp = acpi_rsdp_search(&firmware_memory, p->firmware.r[i].base, p->firmware.r[i].size);
    }
    params.rsdp = rsdp;
    return rsdp;
}

const char *boot_option_value(const char *option)
{
    size_t len = strlen(option);
    for (const char *p = params.cmdline; *p;) {
        if (strncmp(p, option, len) == 0) {
            return p + len;
        }
        while (*p && *p != ' ') {
            p++;
        }
        p += *p == ' ';
    }
    return NULL;
}

bool boot_option(const char *option)
{
    const char *end = boot_option_value(option);
    return end && (*end == ' ' || *end == '\0');
}
