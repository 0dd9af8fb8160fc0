// SPDX-License-Identifier: MIT
// ktest: memory objects, mappings, revocation, page protection, DMA spaces.
#include "ktest.h"

#define VA 0x40000000ull
#define LARGE 0x200000ull

static void derive_errors(void)
{
    uint64_t size = (uint64_t)sys_mem_info(ram).value;
    cap_t ro = CAP(sys_cap_copy(ram, RIGHT_R));

    CHECK_EQ(sys_mem_derive(CAP_QUOTA, ram, size, PAGE_SIZE, RW), SK_ERANGE);
    CHECK_EQ(sys_mem_derive(CAP_QUOTA, ram, 0, 0, RW), SK_EINVAL);
    CHECK_EQ(sys_mem_derive(CAP_QUOTA, ram, 8, PAGE_SIZE, RW), SK_EINVAL);
    CHECK_EQ(sys_mem_derive(CAP_QUOTA, ram, -PAGE_SIZE, PAGE_SIZE, RW), SK_ERANGE);
    cap_t m = CAP(sys_mem_derive(CAP_QUOTA, ro, 0, PAGE_SIZE, RIGHT_ALL));
    CHECK_EQ(sys_cap_info(m).value, OBJ_MEMORY | (RIGHT_R | RIGHT_CTRL) << 8);
    CHECK_EQ(sys_map(CAP_TASK, m, 0, PAGE_SIZE, VA, RW).value, SK_ERIGHTS);
    CHECK_EQ(sys_mem_revoke(ro), SK_ERIGHTS);
    CHECK_EQ(sys_cap_drop(ro), SK_OK);
    CHECK_EQ(sys_cap_drop(m), SK_OK);
}

static void map_errors(void)
{
    CHECK_EQ(sys_map(CAP_TASK, ram, 0, PAGE_SIZE, VA, RW | RIGHT_X).value, SK_EINVAL);
    CHECK_EQ(sys_map(CAP_TASK, ram, 0, PAGE_SIZE, VA + 8, RW).value, SK_EINVAL);
    CHECK_EQ(sys_map(CAP_TASK, ram, 0, PAGE_SIZE, VA, 0).value, SK_EINVAL);
    CHECK_EQ(sys_map(CAP_TASK, ram, 0, PAGE_SIZE, 0, RW).value, SK_ERANGE);
    CHECK_EQ(sys_map(CAP_TASK, ram, 0, PAGE_SIZE, USER_END, RW).value, SK_ERANGE);
    CHECK_EQ(sys_map(CAP_TASK, ram, 0, PAGE_SIZE, 0xffff800000000000, RW).value, SK_ERANGE);
    CHECK_EQ(sys_map(CAP_TASK, ram, 0, PAGE_SIZE, KINFO_VA, RW).value, SK_EEXIST);
    CHECK_EQ(sys_map(CAP_TASK, ram, 0, PAGE_SIZE, (uint64_t)utcb, RW).value, SK_EEXIST);
    CHECK_EQ(sys_unmap(CAP_TASK, (uint64_t)utcb, PAGE_SIZE), SK_EINVAL);
    CHECK_EQ(sys_unmap(CAP_TASK, VA, PAGE_SIZE), SK_ENOENT);
}

/* 2 MiB and 4 KiB pages hold what is written, at the right places. */
static void map_large_and_small(void)
{
    volatile uint64_t *large = (volatile uint64_t *)VA, *small = (volatile uint64_t *)(VA + 8 * LARGE);

    CHECK_EQ(sys_map(CAP_TASK, ram, 0, 2 * LARGE + PAGE_SIZE, VA, RW).value, SK_OK);
    CHECK_EQ(sys_map(CAP_TASK, ram, 0, PAGE_SIZE, VA + LARGE, RW).value, SK_EEXIST);
    for (uint64_t off = 0; off < 2 * LARGE + PAGE_SIZE; off += PAGE_SIZE) {
        large[off / 8] = off ^ 0x5555;
    }
    for (unsigned i = 0; i < 64; i++) {
        CHECK_EQ(sys_map(CAP_TASK, ram, i * 16 * PAGE_SIZE, PAGE_SIZE, (uint64_t)small + i * PAGE_SIZE, RIGHT_R).value,
                 SK_OK);
        CHECK_EQ(small[i * 512], i * 16 * PAGE_SIZE ^ 0x5555);
    }
    CHECK_EQ(sys_unmap(CAP_TASK, VA, LARGE), SK_EINVAL);
    CHECK_EQ(sys_unmap(CAP_TASK, VA, 64 * LARGE), SK_OK);
    CHECK_EQ(sys_unmap(CAP_TASK, VA, 64 * LARGE), SK_ENOENT);
}

static void toucher(struct worker *w)
{
    volatile uint64_t *p = (volatile uint64_t *)w->value[0];

    for (;;) {
        w->value[1] += *p != UINT64_MAX;
    }
}

static void check_page_fault(struct worker *w, uint64_t address, uint64_t error)
{
    CHECK_EQ(thread_settle(w->thread), THREAD_FAULTED);
    const struct thread_info *info = thread_info(w->thread);

    CHECK_EQ(info->fault.vector, 14);
    CHECK_EQ(info->fault.error & 0x1f & ~1ull, error & ~1ull);
    if (address < USER_END) { /* of the kernel's half it does not matter */
        CHECK_EQ(info->fault.error & 1, error & 1);
    }
    CHECK_EQ(info->fault.address, address);
}

/* A thread reads all the time while the memory is taken from it. */
static void revoke_in_use(void)
{
    cap_t child = CAP(sys_mem_derive(CAP_QUOTA, ram, 0, LARGE, RIGHT_ALL));
    cap_t grand = CAP(sys_mem_derive(CAP_QUOTA, child, PAGE_SIZE, PAGE_SIZE, RIGHT_ALL));

    CHECK_EQ(sys_map(CAP_TASK, grand, 0, PAGE_SIZE, VA, RW).value, SK_OK);
    struct worker *w = worker_create(toucher, 128, 0, 0);
    w->value[0] = VA;
    worker_run(w);
    ignore(sys_wait(sys_now_ns() + 3 * MS).value);
    CHECK(w->value[1] > 0);
    CHECK_EQ(sys_mem_revoke(child), SK_OK);
    check_page_fault(w, VA, 4);
    CHECK_EQ(sys_mem_info(grand).value, SK_ECAP);
    CHECK_EQ(sys_mem_info(child).value, LARGE);
    CHECK_EQ(sys_map(CAP_TASK, child, 0, LARGE, VA, RW).value, SK_OK);
    CHECK_EQ(sys_obj_destroy(child), SK_OK);
    CHECK_EQ(sys_unmap(CAP_TASK, VA, LARGE), SK_ENOENT);
}

static void outlives_capability(void)
{
    cap_t m = CAP(sys_mem_derive(CAP_QUOTA, ram, 0, PAGE_SIZE, RIGHT_ALL));

    CHECK_EQ(sys_map(CAP_TASK, m, 0, PAGE_SIZE, VA, RW).value, SK_OK);
    CHECK_EQ(sys_cap_drop(m), SK_OK);
    *(volatile uint64_t *)VA = 77;
    CHECK_EQ(*(volatile uint64_t *)VA, 77);
    CHECK_EQ(sys_mem_revoke(ram), SK_OK);
    CHECK_EQ(sys_unmap(CAP_TASK, VA, PAGE_SIZE), SK_ENOENT);
}

static void writer(struct worker *w)
{
    *(volatile uint64_t *)w->value[0] = 1;
}

static void caller_of(struct worker *w)
{
    ((void (*)(void))w->value[0])();
}

static void fault_at(void (*fn)(struct worker *), uint64_t address, uint64_t error)
{
    struct worker *w = worker_create(fn, 128, 0, 0);

    w->value[0] = address;
    worker_run(w);
    check_page_fault(w, address, error);
}

/* Error code: 1 present, 2 write, 4 user, 16 instruction fetch [SDM-3 4.7]. */
static void protection(void)
{
    CHECK_EQ(sys_map(CAP_TASK, ram, 0, PAGE_SIZE, VA, RIGHT_R).value, SK_OK);
    CHECK_EQ(sys_map(CAP_TASK, ram, 0, PAGE_SIZE, VA + PAGE_SIZE, RW).value, SK_OK);
    fault_at(writer, 0, 6);
    fault_at(writer, VA, 7);
    fault_at(caller_of, VA + PAGE_SIZE, 0x15);
    fault_at(writer, (uint64_t)protection & ~7ull, 7);
    fault_at(writer, KINFO_VA, 7);
    fault_at(toucher, 0xffffffff80100000, 5);
    workers_end();
    fault_at(toucher, 0xffff800000100000, 5);
    fault_at(writer, (uint64_t)boot, 7);
    CHECK_EQ(sys_unmap(CAP_TASK, VA, 2 * PAGE_SIZE), SK_OK);
}

static void device_memory(void)
{
    CHECK_EQ(sys_mem_info(boot->device_memory).extra, MEM_DEVICE);
    CHECK_EQ(sys_mem_derive(CAP_QUOTA, boot->device_memory, boot->memory[0].base, PAGE_SIZE, RW), SK_EPERM);
    CHECK_EQ(sys_mem_derive(CAP_QUOTA, boot->device_memory, 0xfee00000, PAGE_SIZE, RW), SK_EPERM); /* local APIC */
    CHECK_EQ(sys_mem_derive(CAP_QUOTA, boot->device_memory, 0xfec00000, PAGE_SIZE, RW), SK_EPERM); /* IO-APIC */
    CHECK_EQ(sys_mem_derive(CAP_QUOTA, boot->device_memory, 0x100000, PAGE_SIZE, RW), SK_EPERM);   /* kernel */
    CHECK_EQ(sys_map(CAP_TASK, boot->device_memory, 0x100000, PAGE_SIZE, VA, RIGHT_R).value, SK_EPERM);
    cap_t vga = CAP(sys_mem_derive(CAP_QUOTA, boot->device_memory, 0xb8000, PAGE_SIZE, RW));
    CHECK_EQ(sys_map(CAP_TASK, vga, 0, PAGE_SIZE, VA, RW).value, SK_OK);
    (void)*(volatile uint16_t *)VA;
    CHECK_EQ(sys_obj_destroy(vga), SK_OK);
    if (boot->rsdp != 0) {
        uint64_t page = boot->rsdp & ~(PAGE_SIZE - 1);

        CHECK_EQ(sys_map(CAP_TASK, boot->device_memory, page, PAGE_SIZE, VA, RIGHT_R).value, SK_OK);
        CHECK_EQ(*(volatile uint64_t *)(VA + boot->rsdp % PAGE_SIZE), 0x2052545020445352); /* "RSD PTR " */
        CHECK_EQ(sys_unmap(CAP_TASK, VA, PAGE_SIZE), SK_OK);
    }
}

static void dma_space(void)
{
    cap_t d = CAP(sys_dma_create(CAP_QUOTA, boot->dmactl, 0x20));
    cap_t m = CAP(sys_mem_derive(CAP_QUOTA, ram, PAGE_SIZE, PAGE_SIZE, RIGHT_ALL));

    CHECK_EQ(sys_dma_create(CAP_QUOTA, CAP_TASK, 0x20), SK_ETYPE);
    struct sys_result r = sys_map(d, m, 0, PAGE_SIZE, MAP_ANY, RW);
    CHECK_EQ(r.value, SK_OK);
    if (sys_dmactl_info(boot->dmactl) == DMA_IDENTITY) {
        CHECK_EQ(sys_mem_revoke(ram), SK_EBUSY);
        CHECK_EQ(sys_obj_destroy(m), SK_EBUSY);
    }
    CHECK_EQ(sys_map(d, m, 0, PAGE_SIZE, MAP_ANY, RW).value, SK_EEXIST);
    CHECK_EQ(sys_map(d, m, 0, PAGE_SIZE, MAP_ANY, RIGHT_R | RIGHT_X).value, SK_EINVAL);
    CHECK_EQ(sys_unmap(d, r.extra, PAGE_SIZE), SK_OK);
    CHECK_EQ(sys_mem_revoke(ram), SK_OK);
    CHECK_EQ(sys_mem_info(m).value, SK_ECAP);
    CHECK_EQ(sys_cap_drop(d), SK_OK);
}

/* The quota that paid for a DMA space dies and with it who could have stopped the device: what is mapped stays so for
 * good (hence a page at the end of a region, which no other test uses). A space without mappings just goes. */
static void dma_space_dies_with_its_quota(void)
{
    uint64_t last = boot->memory[0].size - PAGE_SIZE, used = sys_quota_info(CAP_QUOTA).extra;
    cap_t q = CAP(sys_quota_create(CAP_QUOTA, 4 * PAGE_SIZE, 0));
    cap_t d = CAP(sys_dma_create(q, boot->dmactl, 0x20));

    CHECK_EQ(sys_obj_destroy(q), SK_OK);
    CHECK_EQ(sys_cap_info(d).value, SK_ECAP);
    CHECK_EQ(sys_quota_info(CAP_QUOTA).extra, used);
    q = CAP(sys_quota_create(CAP_QUOTA, 4 * PAGE_SIZE, 0));
    d = CAP(sys_dma_create(q, boot->dmactl, 0x20));
    cap_t m = CAP(sys_mem_derive(CAP_QUOTA, boot->memory[0].cap, last, PAGE_SIZE, RIGHT_ALL));
    CHECK_EQ(sys_map(d, m, 0, PAGE_SIZE, MAP_ANY, RW).value, SK_OK);
    CHECK_EQ(sys_obj_destroy(q), SK_OK);
    CHECK_EQ(sys_cap_info(d).value, SK_ECAP);
    if (sys_dmactl_info(boot->dmactl) == DMA_IDENTITY) {
        CHECK_EQ(sys_mem_revoke(m), SK_EBUSY);
        CHECK_EQ(sys_obj_destroy(m), SK_EBUSY);
    }
    CHECK_EQ(sys_cap_drop(m), SK_OK);
}

void test_memory(void)
{
    run("memory: derive errors", derive_errors);
    run("map errors", map_errors);
    run("map: large and small pages", map_large_and_small);
    run("revoke memory in use", revoke_in_use);
    run("memory outlives its capability while mapped", outlives_capability);
    run("page protection: NX, read-only, kernel", protection);
    run("device memory", device_memory);
    run("DMA spaces", dma_space);
    run("DMA space dies with its quota", dma_space_dies_with_its_quota);
}
