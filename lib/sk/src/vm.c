// SPDX-License-Identifier: MIT
/* The program's address space: a sorted table of ranges in use, first fit. Behind each range one page stays free,
 * so that an overrun faults. */
#include <proto/mem.h>
#include <sk/env.h>
#include <sk/init.h>
#include <sk/msg.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <string.h>
#include <util/bits.h>

#define RANGES_MAX 512u
#define SUPERPAGE_SIZE (2ull << 20)

static uint64_t region_start, region_end;
static struct range {
    uint64_t start, end;
} ranges[RANGES_MAX];
static unsigned range_count;

void vm_init(uint64_t start, uint64_t end)
{
    region_start = start;
    region_end = end;
    range_count = 0;
}

/* First fit before ranges[i]; 0 if the gap is too small. */
static uint64_t gap_fit(unsigned i, uint64_t size, uint64_t align)
{
    uint64_t from = i == 0 ? region_start : ranges[i - 1].end + PAGE_SIZE;
    uint64_t to = i == range_count ? region_end : ranges[i].start;

    from = align_up(from, align);
    /* One page more for the gap behind the new range. */
    return from < to && range_ok(size, PAGE_SIZE, to - from) ? from : 0;
}

void *vm_reserve(size_t size, size_t align)
{
    if (size == 0 || size > region_end - region_start || range_count == RANGES_MAX) {
        return NULL;
    }
    size = align_up(size, PAGE_SIZE);
    align = max(align, (size_t)PAGE_SIZE);
    for (unsigned i = 0; i <= range_count; i++) {
        uint64_t start = gap_fit(i, size, align);
        if (start) {
            memmove(&ranges[i + 1], &ranges[i], (range_count - i) * sizeof(ranges[0]));
            ranges[i] = (struct range){start, start + size};
            range_count++;
            return (void *)start;
        }
    }
    return NULL;
}

void vm_release(void *addr, size_t size)
{
    uint64_t end = (uint64_t)addr + align_up(size, PAGE_SIZE);

    for (unsigned i = 0; i < range_count; i++) {
        if (ranges[i].start == (uint64_t)addr && ranges[i].end == end) {
            range_count--;
            memmove(&ranges[i], &ranges[i + 1], (range_count - i) * sizeof(ranges[0]));
            return;
        }
    }
}

static void *fail(int64_t *err, int64_t value)
{
    if (err) {
        *err = value;
    }
    return NULL;
}

void *vm_map(cap_t mem, uint64_t off, size_t size, uint32_t rights, int64_t *err)
{
    void *addr = vm_reserve(size, size >= SUPERPAGE_SIZE ? SUPERPAGE_SIZE : PAGE_SIZE);

    if (!addr) {
        return fail(err, SK_ENOMEM);
    }
    int64_t res = sys_map(CAP_TASK, mem, off, align_up(size, PAGE_SIZE), (uint64_t)addr, rights).value;
    if (res < 0) {
        vm_release(addr, size);
        return fail(err, res);
    }
    return addr;
}

void vm_unmap(void *addr, size_t size)
{
    /* SK_ENOENT when the memory was revoked: the mapping is gone, which is what is wanted. */
    int64_t res = sys_unmap(CAP_TASK, (uint64_t)addr, align_up(size, PAGE_SIZE));
    (void)res;
    vm_release(addr, size);
}

static int64_t mem_alloc(size_t size)
{
    struct msg m;

    msg_begin(&m, MEM_ALLOC);
    msg_put(&m, size);
    msg_put(&m, 0);
    msg_put(&m, size >= SUPERPAGE_SIZE ? MEM_ALLOC_SUPERPAGES : 0);
    return msg_call_cap(&m, sk_env_get("mem"), 1, DEADLINE_NEVER);
}

void *vm_alloc(size_t size, cap_t *cap, int64_t *err)
{
    int64_t res = mem_alloc(size);

    if (res < 0) {
        return fail(err, res);
    }
    cap_t mem = (cap_t)res;
    void *addr = vm_map(mem, 0, size, RIGHT_R | RIGHT_W, err);
    if (addr && cap) {
        *cap = mem;
    } else {
        sys_cap_drop(mem);
    }
    return addr;
}
