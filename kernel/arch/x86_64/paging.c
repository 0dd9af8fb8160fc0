// SPDX-License-Identifier: MIT
/* The kernel's half of the address space.
 *
 *   DIRECT_MAP + pa     RAM and ACPI areas; writable, but the frames of the kernel's text and rodata are read-only
 *   KERNEL_BASE + pa    the image: text RX, rodata R, data and bss RW; the page below the boot stack is a hole
 *   MMIO_BASE ...       local APIC, IO-APICs: RW, uncached; kernel stacks of the other processors: RW, a hole below each
 *
 * All root entries exist when the first task is made, so that tasks can copy them once. */
#include "paging.h"

#include "cpu.h"
#include "page_table.h"
#include "smp.h"

#include <kernel/log.h>

uint64_t kernel_cr3;
extern char boot_stack_guard[];

static struct page_table kernel_pt;
static struct memmap firmware_ok; /* where firmware's tables may be */
static uint64_t mmio_next = MMIO_BASE;

static void *boot_table_alloc(struct page_table *pt)
{
    (void)pt;
    return kpage_alloc();
}
static void boot_table_free(struct page_table *pt, void *page)
{
    (void)pt;
    kpage_free(page);
}

static void map_or_die(uint64_t va, uint64_t pa, uint64_t size, uint32_t attr)
{
    if (pt_map(&kernel_pt, va, (paddr_t){ pa }, size, attr) != SK_OK) {
        panic("out of kernel memory while mapping %lx", va);
    }
}

/* Maps the parts of [start, end) that are in the direct map's set. */
static void direct_map_part(const struct memmap *m, uint64_t start, uint64_t end, uint32_t attr)
{
    for (uint32_t i = 0; i < m->count; i++) {
        uint64_t s = m->r[i].base > start ? m->r[i].base : start;
        uint64_t e = m->r[i].base + m->r[i].size < end ? m->r[i].base + m->r[i].size : end;
        if (s < e) {
            map_or_die(DIRECT_MAP + s, s, e - s, attr);
        }
    }
}

static void direct_map_init(const struct boot_plan *plan)
{
    struct memmap m = plan->ram;
    bool ok = memmap_add(&m, 0, 0xa0000); /* BIOS data areas */
    for (uint32_t i = 0; i < plan->firmware.count; i++) {
        ok = ok && memmap_add(&m, plan->firmware.r[i].base, plan->firmware.r[i].size);
    }
    uint64_t text = image_to_phys(image_text_start), rodata_end = image_to_phys(image_rodata_end);
    if (!ok) {
        panic("the memory map is too fragmented");
    }
    direct_map_part(&m, 0, text, PT_R | PT_W);
    direct_map_part(&m, text, rodata_end, PT_R);
    direct_map_part(&m, rodata_end, UINT64_MAX, PT_R | PT_W);
}

static void image_map(const char *start, const char *end, uint32_t attr)
{
    if (start < end) {
        map_or_die((uint64_t)start, image_to_phys(start), (uint64_t)(end - start), attr);
    }
}

void paging_init(const struct boot_plan *plan)
{
    if (cpuid(0x80000001, 0).edx & BIT(26)) {
        pt_max_leaf_level = 3;
    }
    kernel_pt.alloc = boot_table_alloc;
    kernel_pt.free = boot_table_free;
    if (pt_init(&kernel_pt, &pt_kernel_format) != SK_OK) {
        panic("out of kernel memory for the first page table");
    }
    pt_kernel_root = phys_to_virt(kernel_pt.root);
    direct_map_init(plan);
    image_map(image_text_start, image_text_end, PT_R | PT_X);
    image_map(image_text_end, image_rodata_end, PT_R);
    image_map(image_rodata_end, builtin_start, PT_R | PT_W);
    image_map(builtin_pages_end, boot_stack_guard, PT_R | PT_W);
    image_map(boot_stack_guard + PAGE_SIZE, image_end, PT_R | PT_W);
    kernel_cr3 = kernel_pt.root.v;
    cr3_write(kernel_cr3);
    cr4_write(cr4_read() | CR4_PGE);
    firmware_ok = plan->firmware;
}

const void *firmware_map(uint64_t pa, uint64_t size)
{
    if (size == 0 || size > (16u << 20) || pa == 0 || pa > phys_limit() - size) {
        return NULL;
    }
    for (uint64_t p = align_down(pa, PAGE_SIZE); p < pa + size; p += PAGE_SIZE) {
        uint32_t attr;
        uint64_t page_size;
        if (pt_lookup(&kernel_pt, DIRECT_MAP + p, &attr, &page_size).v != PADDR_NONE.v) {
            continue;
        }
        if (pt_map(&kernel_pt, DIRECT_MAP + p, (paddr_t){ p }, PAGE_SIZE, PT_R) != SK_OK) {
            return NULL;
        }
    }
    return phys_to_virt((paddr_t){ pa });
}

void *mmio_map(uint64_t pa, uint64_t size)
{
    uint64_t start = align_down(pa, PAGE_SIZE), end = align_up(pa + size, PAGE_SIZE);
    uint64_t va = mmio_next;
    map_or_die(va, start, end - start, PT_R | PT_W | PT_DEVICE);
    mmio_next += end - start;
    return (void *)(va + (pa - start));
}

uint64_t stack_map(uint64_t pa, uint64_t size)
{
    mmio_next += PAGE_SIZE; /* the hole */
    map_or_die(mmio_next, pa, size, PT_R | PT_W);
    mmio_next += size;
    return mmio_next;
}

void pt_unload_local(struct page_table *pt)
{
    struct cpu *cpu = cpu_this();
    if (cpu->pt == pt) {
        cpu->pt = NULL;
        cr3_write(kernel_cr3);
    }
}

/* The other processors that have pt, or are in a guest under it. */
static uint64_t pt_cpus(const struct page_table *pt)
{
    uint64_t mask = 0;
    for (unsigned c = 0; c < cpu_count(); c++) {
        if ((cpus[c]->pt == pt || cpus[c]->nested == pt) && cpus[c] != cpu_this()) {
            mask |= BIT(c);
        }
    }
    return mask;
}

static void unload(void *pt) { pt_unload_local(pt); }

void pt_unload(struct page_table *pt)
{
    uint64_t mask = pt_cpus(pt);
    pt_unload_local(pt);
    if (mask) {
        cpu_call(mask, unload, pt);
    }
}

struct flush {
    struct page_table *pt;
    uint64_t va, size;
};

static void flush_local(void *arg)
{
    const struct flush *f = arg;
    if (cpu_this()->pt != f->pt) {
        return;
    }
    if (f->size == 0 || f->size > 32 * PAGE_SIZE) {
        cr3_write(f->pt->root.v);
        return;
    }
    for (uint64_t off = 0; off < f->size; off += PAGE_SIZE) {
        invlpg(f->va + off);
    }
}

void pt_flush(struct page_table *pt, uint64_t va, uint64_t size)
{
    struct flush f = { pt, va, size };
    uint64_t mask = pt_cpus(pt);
    flush_local(&f);
    if (mask) {
        cpu_call(mask, flush_local, &f);
    }
}

uint64_t phys_limit(void)
{
    uint32_t bits = cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
    return 1ull << (bits > 52 ? 52 : bits);
}
