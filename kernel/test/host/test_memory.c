// SPDX-License-Identifier: MIT
// Memory objects, mappings, spaces, the search tree; ports, interrupts, console.
#include "fake.h"

#include <kernel/tree.h>

#define RAM 0x20000000ull
#define MB 0x100000ull

static void test_tree(void **state)
{
    static struct tree_node node[1000];
    struct tree t = {0};
    uint64_t x = 1, last = 0;
    unsigned n = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        tree_insert(&t, &node[i], x >> 50);
    }
    for (unsigned i = 0; i < 1000; i += 3) {
        tree_remove(&t, &node[i]);
    }
    for (struct tree_node *p = tree_first(&t); p != NULL; p = tree_next(p), n++) {
        assert_true(p->key >= last);
        last = p->key;
        assert_true(tree_floor(&t, p->key)->key == p->key);
    }
    assert_int_equal(n, 666);
    assert_null(tree_floor(&t, 0));
}

static void test_derive(void **state)
{
    struct world *w = *state;
    cap_t m = ram(w, RAM, MB, 0), ro = (cap_t)SC2(w->t, SYS_CAP_COPY, m, RIGHT_R);

    assert_int_equal(SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, m, 0, MB + PAGE_SIZE, RIGHT_R), SK_ERANGE);
    assert_int_equal(SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, m, UINT64_MAX - 4095, PAGE_SIZE, RIGHT_R), SK_ERANGE);
    assert_int_equal(SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, m, 0, 0, RIGHT_R), SK_EINVAL);
    assert_int_equal(SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, m, 1, PAGE_SIZE, RIGHT_R), SK_EINVAL);
    assert_int_equal(SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, m, 0, PAGE_SIZE, 64), SK_EINVAL);
    assert_int_equal(SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, CAP_TASK, 0, PAGE_SIZE, RIGHT_R), SK_ETYPE);
    cap_t c = (cap_t)SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, ro, PAGE_SIZE, PAGE_SIZE, RIGHT_ALL);
    assert_int_equal(SC1(w->t, SYS_CAP_INFO, c), OBJ_MEMORY | (RIGHT_R | RIGHT_CTRL) << 8);
    assert_int_equal(SC1(w->t, SYS_MEM_INFO, c), PAGE_SIZE);
    assert_int_equal(rdx(w->t), 0);
    assert_int_equal(SC6(w->t, SYS_MAP, CAP_TASK, c, 0, PAGE_SIZE, 0x900000, RIGHT_R | RIGHT_W), SK_ERIGHTS);
}

static void test_device_memory(void **state)
{
    struct world *w = *state;
    cap_t dev = ram(w, 0, phys_limit(), MEM_DEVICE);

    assert_int_equal(SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, dev, 0xffff000, 2 * PAGE_SIZE, RIGHT_R), SK_EPERM);
    assert_int_equal(SC6(w->t, SYS_MAP, CAP_TASK, dev, 0, PAGE_SIZE, 0x900000, RIGHT_R), SK_EPERM);
    cap_t bar = (cap_t)SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, dev, 0xfe000000, PAGE_SIZE, RIGHT_R | RIGHT_W);
    assert_int_equal(SC6(w->t, SYS_MAP, CAP_TASK, bar, 0, PAGE_SIZE, 0x900000, RIGHT_R | RIGHT_W), SK_OK);
    uint32_t attr;
    uint64_t size;
    assert_int_equal(pt_lookup(&w->task->pt, 0x900000, &attr, &size).v, 0xfe000000);
    assert_int_equal(attr, PT_R | PT_W | PT_DEVICE);
    SC1(w->t, SYS_MEM_INFO, bar);
    assert_int_equal(rdx(w->t), MEM_DEVICE);
}

static void test_map_errors(void **state)
{
    struct world *w = *state;
    cap_t m = ram(w, RAM, MB, 0), weak = (cap_t)SC2(w->t, SYS_CAP_COPY, CAP_TASK, 0);
    uint64_t used = w->root->used;
    struct {
        uint64_t space, mem, off, size, va, rights;
        int64_t err;
    } bad[] = {
        {CAP_TASK, m, 0, MB, 0x900001, RIGHT_R, SK_EINVAL},
        {CAP_TASK, m, 0, MB, 0x900000, 0, SK_EINVAL},
        {CAP_TASK, m, 0, MB, 0x900000, RIGHT_W, SK_EINVAL},
        {CAP_TASK, m, 0, MB, 0x900000, RIGHT_R | RIGHT_W | RIGHT_X, SK_EINVAL},
        {CAP_TASK, m, 0, MB, 0x900000, RIGHT_R | RIGHT_CALL, SK_EINVAL},
        {CAP_TASK, m, 0, MB, 0x900000, 1ull << 32 | RIGHT_R, SK_EINVAL},
        {CAP_TASK, m, 0, MB + PAGE_SIZE, 0x900000, RIGHT_R, SK_ERANGE},
        {CAP_TASK, m, 0, MB, 0, RIGHT_R, SK_ERANGE},
        {CAP_TASK, m, 0, MB, USER_END - PAGE_SIZE, RIGHT_R, SK_ERANGE},
        {CAP_TASK, m, 0, MB, 0ull - PAGE_SIZE, RIGHT_R, SK_ERANGE},
        {CAP_TASK, m, 0, PAGE_SIZE, KINFO_VA, RIGHT_R, SK_EEXIST},
        {CAP_TASK, m, 0, MB, 0x1000000 - PAGE_SIZE, RIGHT_R, SK_EEXIST},
        {CAP_QUOTA, m, 0, MB, 0x900000, RIGHT_R, SK_ETYPE},
        {weak, m, 0, MB, 0x900000, RIGHT_R, SK_ERIGHTS},
        {CAP_TASK, CAP_TASK, 0, MB, 0x900000, RIGHT_R, SK_ETYPE},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(
            SC6(w->t, SYS_MAP, bad[i].space, bad[i].mem, bad[i].off, bad[i].size, bad[i].va, bad[i].rights),
            bad[i].err);
    }
    fake.pt_fail_after = 0;
    assert_int_equal(SC6(w->t, SYS_MAP, CAP_TASK, m, 0, MB, 0x900000, RIGHT_R), SK_ENOMEM);
    fake.pt_fail_after = UINT32_MAX;
    assert_int_equal(w->root->used, used);
}

static void test_map_unmap(void **state)
{
    struct world *w = *state;
    cap_t m = ram(w, RAM, MB, 0);

    assert_int_equal(SC6(w->t, SYS_MAP, CAP_TASK, m, 0, 0x4000, 0x900000, RIGHT_R | RIGHT_W), SK_OK);
    assert_int_equal(SC6(w->t, SYS_MAP, CAP_TASK, m, 0x4000, 0x4000, 0x904000, RIGHT_R | RIGHT_X), SK_OK);
    assert_int_equal(SC6(w->t, SYS_MAP, CAP_TASK, m, 0, PAGE_SIZE, 0x903000, RIGHT_R), SK_EEXIST);
    SC1(w->t, SYS_CAP_INFO, m);
    assert_int_equal(w->t->utcb->mr[1], 2);
    int64_t child = SC6(w->t, SYS_MEM_DERIVE, CAP_QUOTA, m, 0, PAGE_SIZE, RIGHT_R, 0);
    SC1(w->t, SYS_CAP_INFO, m);
    assert_int_equal(w->t->utcb->mr[1], 3);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, child), SK_OK);
    assert_int_equal(SC3(w->t, SYS_UNMAP, CAP_TASK, 0x900000, 0x5000), SK_EINVAL);
    assert_int_equal(SC3(w->t, SYS_UNMAP, CAP_TASK, 0x901000, 0x7000), SK_EINVAL);
    assert_int_equal(SC3(w->t, SYS_UNMAP, CAP_TASK, 0x800000, 0x1000), SK_ENOENT);
    assert_int_equal(SC3(w->t, SYS_UNMAP, CAP_TASK, 0x800000, 0), SK_EINVAL);
    assert_int_equal(SC3(w->t, SYS_UNMAP, CAP_TASK, 0x800000, UINT64_MAX & ~4095ull), SK_EINVAL);
    assert_int_equal(SC3(w->t, SYS_UNMAP, CAP_TASK, 0x800000, 0x10000000), SK_EINVAL); /* the UTCB is in it */
    assert_int_equal(SC3(w->t, SYS_UNMAP, CAP_TASK, KINFO_VA, PAGE_SIZE), SK_EINVAL);
    assert_int_equal(SC3(w->t, SYS_UNMAP, CAP_TASK, 0x800000, 0x200000), SK_OK);
    SC1(w->t, SYS_CAP_INFO, m);
    assert_int_equal(w->t->utcb->mr[1], 0);
}

static void test_many_mappings(void **state)
{
    struct world *w = *state;
    cap_t m = ram(w, RAM, MB, 0);

    for (unsigned i = 0; i < 90; i++) {
        uint64_t va = 0x4000000 + (uint64_t)(i * 37 % 90) * 0x2000;

        assert_int_equal(SC6(w->t, SYS_MAP, CAP_TASK, m, 0, PAGE_SIZE, va, RIGHT_R), SK_OK);
        assert_int_equal(SC6(w->t, SYS_MAP, CAP_TASK, m, 0, PAGE_SIZE, va, RIGHT_R), SK_EEXIST);
    }
    assert_int_equal(SC1(w->t, SYS_MEM_REVOKE, m), SK_OK);
    SC1(w->t, SYS_CAP_INFO, m);
    assert_int_equal(w->t->utcb->mr[1], 0);
}

static void test_revoke(void **state)
{
    struct world *w = *state;
    cap_t m = ram(w, RAM, MB, 0), task = (cap_t)SC1(w->t, SYS_TASK_CREATE, CAP_QUOTA);
    cap_t child = (cap_t)SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, m, 0, 0x10000, RIGHT_ALL);
    cap_t grand = (cap_t)SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, child, 0x1000, 0x1000, RIGHT_ALL);
    cap_t other = (cap_t)SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, m, 0x20000, 0x1000, RIGHT_ALL);

    assert_int_equal(SC6(w->t, SYS_MAP, task, grand, 0, 0x1000, 0x900000, RIGHT_R), SK_OK);
    assert_int_equal(SC6(w->t, SYS_MAP, task, child, 0, 0x1000, 0xa00000, RIGHT_R), SK_OK);
    assert_int_equal(SC6(w->t, SYS_MAP, task, other, 0, 0x1000, 0xb00000, RIGHT_R), SK_OK);
    uint64_t bytes = fake.pt_bytes;
    assert_int_equal(SC1(w->t, SYS_MEM_REVOKE, child), SK_OK);
    assert_int_equal(fake.pt_bytes, bytes - 0x2000);
    assert_int_equal(SC1(w->t, SYS_CAP_INFO, grand), SK_ECAP);
    assert_int_equal(SC1(w->t, SYS_MEM_INFO, child), 0x10000);
    assert_int_equal(SC1(w->t, SYS_MEM_REVOKE, m), SK_OK);
    assert_int_equal(fake.pt_bytes, bytes - 0x3000);
    assert_int_equal(SC1(w->t, SYS_MEM_INFO, child), SK_ECAP);
    assert_int_equal(SC1(w->t, SYS_MEM_INFO, other), SK_ECAP);
    assert_int_equal(SC1(w->t, SYS_MEM_INFO, m), MB);
}

/* Mapped memory without capabilities lives on; so does a parent without capabilities. */
static void test_memory_outlives_its_capabilities(void **state)
{
    struct world *w = *state;
    cap_t m = ram(w, RAM, MB, 0);
    cap_t mid = (cap_t)SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, m, 0, 0x10000, RIGHT_ALL);
    cap_t leaf = (cap_t)SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, mid, 0, 0x1000, RIGHT_ALL);

    assert_int_equal(SC1(w->t, SYS_CAP_DROP, mid), SK_OK);
    assert_int_equal(SC6(w->t, SYS_MAP, CAP_TASK, leaf, 0, 0x1000, 0x900000, RIGHT_R), SK_OK);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, leaf), SK_OK);
    uint32_t attr;
    uint64_t size;
    assert_int_equal(pt_lookup(&w->task->pt, 0x900000, &attr, &size).v, RAM);
    assert_int_equal(SC1(w->t, SYS_MEM_REVOKE, m), SK_OK);
    assert_int_equal(pt_lookup(&w->task->pt, 0x900000, &attr, &size).v, UINT64_MAX);
    uint64_t used = w->root->used;
    mid = (cap_t)SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, m, 0, 0x10000, RIGHT_ALL);
    leaf = (cap_t)SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, mid, 0, 0x1000, RIGHT_ALL);
    SC1(w->t, SYS_CAP_DROP, mid);
    SC6(w->t, SYS_MAP, CAP_TASK, leaf, 0, 0x1000, 0x900000, RIGHT_R);
    SC1(w->t, SYS_CAP_DROP, leaf);
    assert_int_equal(SC3(w->t, SYS_UNMAP, CAP_TASK, 0x900000, 0x1000), SK_OK);
    assert_int_equal(w->root->used, used);
}

static void test_deep_derivation_dies(void **state)
{
    struct world *w = *state;
    cap_t m = ram(w, RAM, MB, 0), c = m;
    uint64_t used = w->root->used;

    for (unsigned i = 0; i < 2000; i++) {
        cap_t d = (cap_t)SC5(w->t, SYS_MEM_DERIVE, CAP_QUOTA, c, 0, 0x1000, RIGHT_ALL);

        if (c != m) {
            assert_int_equal(SC1(w->t, SYS_CAP_DROP, c), SK_OK);
        }
        c = d;
    }
    assert_true(w->root->used > used);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, c), SK_OK);
    assert_int_equal(w->root->used, used);
}

static void test_dma(void **state)
{
    struct world *w = *state;
    struct object *o = dmactl_create(w->root);
    cap_t slot;

    assert_int_equal(captable_reserve(w->task->caps, 1, &slot), SK_OK);
    captable_fill(w->task->caps, slot, o, RIGHT_ALL);
    assert_int_equal(SC1(w->t, SYS_DMACTL_INFO, slot), DMA_IDENTITY);
    cap_t d = (cap_t)SC3(w->t, SYS_DMA_CREATE, CAP_QUOTA, slot, 0x20), m = ram(w, RAM, MB, 0);
    cap_t q = (cap_t)SC3(w->t, SYS_QUOTA_CREATE, CAP_QUOTA, 20 * PAGE_SIZE, 0);
    cap_t child = (cap_t)SC5(w->t, SYS_MEM_DERIVE, q, m, 0x1000, 0x1000, RIGHT_ALL);

    assert_int_equal(SC3(w->t, SYS_DMA_CREATE, CAP_QUOTA, CAP_TASK, 0x20), SK_ETYPE);
    assert_int_equal(SC6(w->t, SYS_MAP, d, child, 0, 0x1000, 0, RIGHT_R | RIGHT_W), SK_ERANGE);
    assert_int_equal(SC6(w->t, SYS_MAP, d, child, 0, 0x1000, MAP_ANY, RIGHT_R | RIGHT_X), SK_EINVAL);
    assert_int_equal(SC6(w->t, SYS_MAP, d, child, 0, 0x1000, MAP_ANY, RIGHT_R | RIGHT_W), SK_OK);
    assert_int_equal(rdx(w->t), RAM + 0x1000);
    assert_int_equal(SC6(w->t, SYS_MAP, d, child, 0, 0x1000, MAP_ANY, RIGHT_R), SK_EEXIST);
    assert_int_equal(rdx(w->t), RAM + 0x1000);
    assert_int_equal(SC1(w->t, SYS_MEM_REVOKE, m), SK_EBUSY);
    assert_int_equal(SC1(w->t, SYS_MEM_REVOKE, child), SK_EBUSY);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, child), SK_EBUSY);
    assert_int_equal(SC1(w->t, SYS_MEM_INFO, child), 0x1000);
    /* The owner goes; the memory stays pinned until the DMA space lets it go. */
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, q), SK_OK);
    assert_int_equal(SC1(w->t, SYS_MEM_INFO, child), SK_ECAP);
    assert_int_equal(SC1(w->t, SYS_MEM_REVOKE, m), SK_EBUSY);
    assert_int_equal(SC3(w->t, SYS_UNMAP, d, RAM + 0x1000, 0x1000), SK_OK);
    assert_int_equal(SC1(w->t, SYS_MEM_REVOKE, m), SK_OK);
    assert_int_equal(SC6(w->t, SYS_MAP, d, m, 0, MB, MAP_ANY, RIGHT_R), SK_OK);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, d), SK_OK);
    assert_int_equal(SC1(w->t, SYS_MEM_REVOKE, m), SK_OK);
}

static cap_t give_root(struct world *w, struct object *o)
{
    cap_t slot;

    assert_int_equal(captable_reserve(w->task->caps, 1, &slot), SK_OK);
    captable_fill(w->task->caps, slot, o, RIGHT_ALL);
    return slot;
}

static void test_ports(void **state)
{
    struct world *w = *state;
    cap_t all = give_root(w, ioport_create_root(w->root));
    cap_t p = (cap_t)SC4(w->t, SYS_PORT_DERIVE, CAP_QUOTA, all, 0x60, 8);

    assert_int_equal(SC3(w->t, SYS_PORT_IN, p, 0x64, 4), SK_OK);
    assert_int_equal(rdx(w->t), 0x6404);
    assert_int_equal(SC3(w->t, SYS_PORT_IN, p, 0x66, 4), SK_ERANGE);
    assert_int_equal(SC3(w->t, SYS_PORT_IN, p, 0x5f, 1), SK_ERANGE);
    assert_int_equal(SC3(w->t, SYS_PORT_IN, p, 1ull << 32, 1), SK_ERANGE);
    assert_int_equal(SC3(w->t, SYS_PORT_IN, p, 0x60, 3), SK_EINVAL);
    assert_int_equal(SC3(w->t, SYS_PORT_IN, all, 0x3f8, 1), SK_EPERM);
    assert_int_equal(SC3(w->t, SYS_PORT_IN, all, 0xffff, 2), SK_ERANGE);
    assert_int_equal(SC4(w->t, SYS_PORT_OUT, p, 0x60, 1, 'x'), SK_OK);
    assert_int_equal(fake.console_out[0], 'x');
    assert_int_equal(SC4(w->t, SYS_PORT_DERIVE, CAP_QUOTA, p, 0x60, 9), SK_ERANGE);
    assert_int_equal(SC4(w->t, SYS_PORT_DERIVE, CAP_QUOTA, p, 0x60, 0), SK_EINVAL);
    cap_t ro = (cap_t)SC2(w->t, SYS_CAP_COPY, p, RIGHT_R);
    assert_int_equal(SC4(w->t, SYS_PORT_OUT, ro, 0x60, 1, 'x'), SK_ERIGHTS);
}

static void test_irq(void **state)
{
    struct world *w = *state;
    cap_t ctl = give_root(w, irqctl_create(w->root)), s = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);
    cap_t s2 = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);

    assert_int_equal(SC4(w->t, SYS_IRQ_BIND, ctl, 24, 0, s), SK_ERANGE);
    assert_int_equal(SC4(w->t, SYS_IRQ_BIND, ctl, 1ull << 32, 0, s), SK_ERANGE);
    assert_int_equal(SC4(w->t, SYS_IRQ_BIND, ctl, 11, 8, s), SK_EINVAL);
    assert_int_equal(SC4(w->t, SYS_IRQ_BIND, ctl, 11, IRQ_LEVEL, s), SK_OK);
    assert_int_equal(SC4(w->t, SYS_IRQ_BIND, ctl, 12, IRQ_LEVEL, s), SK_EBUSY);
    assert_int_equal(SC4(w->t, SYS_IRQ_BIND, ctl, 11, IRQ_LEVEL, s2), SK_EBUSY);
    assert_int_equal(SC3(w->t, SYS_SIGNAL_BIND, s, CAP_THREAD, 77), SK_OK);
    fake.line->fire(fake.line);
    assert_int_equal(fake.masked_gsi, 11);
    assert_int_equal(SC1(w->t, SYS_WAIT, DEADLINE_NEVER), TAG_SIGNAL);
    assert_int_equal(rdx(w->t), 77);
    assert_int_equal(fake.unmasked_gsi, 0);
    assert_int_equal(SC1(w->t, SYS_SIGNAL_ACK, s), SK_OK);
    assert_int_equal(fake.unmasked_gsi, 11);
    assert_int_equal(SC3(w->t, SYS_MSI_BIND, ctl, s, 0x20), SK_EBUSY);
    assert_int_equal(SC3(w->t, SYS_MSI_BIND, ctl, s2, 0x20), 0x4022);
    assert_int_equal(rdx(w->t), 0xfee00000);
    assert_int_equal(SC1(w->t, SYS_IRQ_INFO, ctl), 24);
    assert_int_equal(rdx(w->t), 0);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, s2), SK_OK);
    assert_null(fake.msi);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, s), SK_OK);
    assert_null(fake.line);
}

static void test_console_machine(void **state)
{
    struct world *w = *state;
    cap_t con = give_root(w, console_create(w->root)), s = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);
    cap_t mach = give_root(w, machine_create(w->root));

    w->t->utcb->mr[0] = 0x6f6c6c6568;
    assert_int_equal(SC2(w->t, SYS_CONSOLE_WRITE, con, 5), SK_OK);
    assert_memory_equal(fake.console_out, "hello", 5);
    fake.console_full = true; /* the program repeats the call: its registers are those before it */
    w->t->ctx.regs.rip = 0x401002;
    assert_int_equal(SC2(w->t, SYS_CONSOLE_WRITE, con, 5), (int64_t)(SYS_CONSOLE_WRITE ^ SYS_MAGIC));
    assert_int_equal(w->t->ctx.regs.rip, 0x401000);
    fake.console_full = false;
    assert_int_equal(SC2(w->t, SYS_CONSOLE_WRITE, con, UTCB_BYTES + 1), SK_EINVAL);
    assert_int_equal(SC1(w->t, SYS_CONSOLE_READ, con), 2);
    assert_int_equal(SC2(w->t, SYS_CONSOLE_BIND, con, s), SK_OK);
    assert_int_equal(SC3(w->t, SYS_SIGNAL_BIND, s, CAP_THREAD, 5), SK_OK);
    fake.console->fire(fake.console);
    assert_int_equal(SC1(w->t, SYS_WAIT, 0), TAG_SIGNAL);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, s), SK_OK);
    fake.console->fire(fake.console); /* the signal is dead but not gone */
    assert_int_equal(SC2(w->t, SYS_CONSOLE_BIND, con, CAP_NULL), SK_OK);
    assert_null(fake.console);
    assert_int_equal(SC1(w->t, SYS_MACHINE_STAT, mach), SK_OK);
    assert_true(((struct machine_stat *)w->t->utcb->mr)->syscalls >= 10);
    assert_int_equal(SC1(w->t, SYS_MACHINE_RESET, mach), SK_EIO);
    assert_int_equal(fake.resets, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        TEST(test_derive),
        TEST(test_device_memory),
        TEST(test_map_errors),
        TEST(test_map_unmap),
        TEST(test_many_mappings),
        TEST(test_revoke),
        TEST(test_memory_outlives_its_capabilities),
        TEST(test_deep_derivation_dies),
        TEST(test_dma),
        TEST(test_ports),
        TEST(test_irq),
        TEST(test_console_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
