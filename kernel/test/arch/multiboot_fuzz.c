// SPDX-License-Identifier: MIT
/* Any memory content as boot information, and a memory plan from what was understood. Input: 1 byte that chooses the
 * format (2: built-in modules), then memory from address 0x1000 on, the information at its start. */
#include "memmap.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void plan_check(const struct loader_info *li)
{
    static struct boot_plan plan;
    const struct image_range image = { 0x100000, 0x140000, 0x180000, 0x200000 };
    if (boot_plan_make(li, &image, &plan)) {
        return;
    }
    check(memmap_covers(&plan.ram, plan.pool, plan.pool_size));
    check(!memmap_overlaps(&plan.free, plan.pool, plan.pool_size));
    check(!memmap_overlaps(&plan.free, image.start, image.end - image.start));
    for (uint32_t i = 0; i < plan.free.count; i++) {
        check(memmap_covers(&plan.ram, plan.free.r[i].base, plan.free.r[i].size));
    }
    for (uint32_t i = 0; i < li->module_count; i++) {
        uint64_t len = align_up(li->module[i].size, PAGE_SIZE);
        check(is_aligned(plan.module[i], PAGE_SIZE));
        check(len == 0 || memmap_covers(&plan.ram, plan.module[i], len));
        check(!memmap_overlaps(&plan.free, plan.module[i], len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loader_info li;
    if (size < 1) {
        return 0;
    }
    const char *why;
    if (data[0] == 2) {
        memset(&li, 0, sizeof(li));
        why = builtin_parse(data + 1, size - 1, 0x140000, &li);
    } else {
        struct mem_view v = { data + 1, 0x1000, size - 1 };
        why = multiboot_parse(&v, data[0] ? MULTIBOOT2_MAGIC : MULTIBOOT1_MAGIC, 0x1000, &li);
    }
    if (!why) {
        for (uint32_t i = 0; i < li.module_count; i++) {
            check(strlen(li.strings + li.module[i].cmdline) < LOADER_STRINGS);
        }
        plan_check(&li);
    }
    return 0;
}
