// SPDX-License-Identifier: MIT
// bzImage headers, placement, loading, ACPI tables, device tree, command line, CPUID and MSRs.
#include "../../src/acpi/acpi_tables.h"
#include "../../src/boot/bzimage.h"
#include "../../src/boot/linux_boot.h"
#include "../../src/cpu/cpuid.h"
#include "../../src/cpu/msr.h"
#include "../../src/cpu/pvclock.h"
#include "../../src/dev/lapic.h"
#include "../../src/device_tree.h"
#include "../../src/options.h"
#include "fakes.h"

#include <abi/vcpu.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define IMAGE_SIZE 0x3000u
static uint8_t image[IMAGE_SIZE];

static void put(uint8_t *p, unsigned off, uint64_t v, unsigned n)
{
    memcpy(p + off, &v, n);
}

/* A well-formed image: 4 setup sectors, a small kernel. */
static void image_make(void)
{
    memset(image, 0x5a, sizeof(image));
    memset(image, 0, 0x400);
    image[0x1f1] = 4;
    put(image, 0x1f4, (IMAGE_SIZE - 5 * 512) / 16, 4);
    put(image, 0x1fe, 0xaa55, 2);
    image[0x200] = 0xeb;
    image[0x201] = 0x66;
    memcpy(image + 0x202, "HdrS", 4);
    put(image, 0x206, 0x20f, 2);
    image[0x211] = 1;
    put(image, 0x22c, 0x7fffffff, 4);
    put(image, 0x230, 0x200000, 4);
    image[0x234] = 1;
    put(image, 0x236, 0x7f, 2);
    put(image, 0x238, 2047, 4);
    put(image, 0x248, 0x300, 4);
    put(image, 0x24c, 0x1000, 4);
    put(image, 0x258, 0x1000000, 8);
    put(image, 0x260, 0x8000, 4);
}

static void test_bzimage(void **state)
{
    struct bzimage bz;

    (void)state;
    image_make();
    assert_null(bzimage_parse(image, sizeof(image), &bz));
    assert_int_equal(bz.setup_size, 5 * 512);
    assert_int_equal(bz.cmdline_max, 2047);
    assert_non_null(bzimage_parse(image, 0x100, &bz));
    assert_non_null(bzimage_parse(image, sizeof(image) - 64, &bz)); /* truncated */
    static const struct {
        unsigned off;
        uint8_t value;
    } broken[] = {{0x1fe, 0},    {0x202, 'X'}, {0x207, 1},    {0x211, 0}, {0x236, 0}, {0x1f1, 200}, {0x201, 0},
                  {0x201, 0xff}, {0x230, 3},   {0x24b, 0x80}, {0x259, 1}, {0x25f, 1}, {0x261, 0}};
    for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        image_make();
        image[broken[i].off] = broken[i].value;
        assert_non_null(bzimage_parse(image, sizeof(image), &bz));
    }
}

static void test_plan(void **state)
{
    struct bzimage bz;
    struct bzplan plan;
    uint64_t needed;

    (void)state;
    image_make();
    assert_null(bzimage_parse(image, sizeof(image), &bz));
    assert_null(bzimage_plan(&bz, 128 << 20, 0x123456, &plan, &needed));
    assert_int_equal(plan.load, 0x1000000);
    assert_int_equal(plan.initrd, (128 << 20) - 0x124000);
    assert_non_null(bzimage_plan(&bz, 8 << 20, 0, &plan, &needed)); /* nowhere below its preferred address */
    assert_non_null(bzimage_plan(&bz, 2 << 20, 0, &plan, &needed));
    assert_non_null(bzimage_plan(&bz, 32 << 20, 33 << 20, &plan, &needed));
    assert_non_null(bzimage_plan(&bz, 32 << 20, 31 << 20, &plan, &needed));
    assert_non_null(bzimage_plan(&bz, 32 << 20, UINT64_MAX - 4096, &plan, &needed));
    assert_null(bzimage_plan(&bz, 3ull << 30, 1 << 20, &plan, &needed));
    assert_true(plan.initrd + (1 << 20) <= 0x80000000); /* below initrd_addr_max */
}

static void test_load(void **state)
{
    static struct vcpu_state s;
    struct boot_file kernel = {.name = "k", .data = image, .size = sizeof(image)};
    struct boot_file rd = {.name = "r", .data = "abcd", .size = 4};
    uint32_t v;

    (void)state;
    fake_machine(4 << 20);
    image_make();
    put(image, 0x258, 0x200000, 8);
    assert_int_equal(linux_boot_load(&kernel, &rd, "console=ttyS0", ACPI_GPA, &s), 0);
    assert_int_equal(s.gpr[GPR_RSI], 0x7000);
    assert_int_equal(s.rip, 0x200000 + 0x200);
    assert_memory_equal(fake_ram() + 0x200000, image + 5 * 512, sizeof(image) - 5 * 512);
    assert_string_equal((char *)fake_ram() + 0x8000, "console=ttyS0");
    memcpy(&v, fake_ram() + 0x7000 + 0x218, 4);
    assert_int_equal(v, (4 << 20) - 4096);
    assert_memory_equal(fake_ram() + v, "abcd", 4);
    assert_int_equal(fake_ram()[0x7000 + 0x1e8], 3); /* e820 entries */
    char longline[3000];
    memset(longline, 'a', sizeof(longline) - 1);
    longline[sizeof(longline) - 1] = '\0';
    assert_int_equal(linux_boot_load(&kernel, &rd, longline, 0, &s), -1);
    kernel.size = 100;
    assert_int_equal(linux_boot_load(&kernel, &rd, "", 0, &s), -1);
}

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t s = 0;

    while (n-- > 0) {
        s = (uint8_t)(s + *p++);
    }
    return s;
}

static void test_acpi(void **state)
{
    static uint8_t buf[ACPI_ROOM];
    uint8_t dsdt[40] = "DSDT";
    uint64_t xsdt, table, at;
    uint32_t len;

    (void)state;
    dsdt[4] = sizeof(dsdt);
    assert_int_not_equal(acpi_build(buf, dsdt, sizeof(dsdt), 1, 3), 0);
    assert_int_equal(acpi_build(buf, dsdt, ACPI_ROOM, 1, 1), 0);
    assert_int_not_equal(acpi_build(buf, dsdt, sizeof(dsdt), 1, 3), 0);
    assert_memory_equal(buf, "RSD PTR ", 8);
    assert_int_equal(sum(buf, 20), 0);
    assert_int_equal(sum(buf, 36), 0);
    memcpy(&xsdt, buf + 24, 8);
    at = xsdt - ACPI_GPA;
    assert_memory_equal(buf + at, "XSDT", 4);
    memcpy(&len, buf + at + 4, 4);
    assert_int_equal(len, 36 + 2 * 8);
    assert_int_equal(sum(buf + at, len), 0);
    static const char *const names[] = {"FACP", "APIC"};
    for (unsigned i = 0; i < 2; i++) {
        memcpy(&table, buf + at + 36 + 8 * i, 8);
        uint8_t *t = buf + (table - ACPI_GPA);
        assert_memory_equal(t, names[i], 4);
        memcpy(&len, t + 4, 4);
        assert_int_equal(sum(t, len), 0);
    }
    /* MADT: the entries fill the table exactly */
    uint8_t *madt = buf + (table - ACPI_GPA);
    unsigned pos = 44, count = 0, cpus = 0;
    while (pos < len) {
        assert_true(madt[pos + 1] >= 2);
        if (madt[pos] == 0) { /* processor: id, APIC id, enabled */
            assert_int_equal(madt[pos + 2], cpus);
            assert_int_equal(madt[pos + 3], cpus++);
            assert_int_equal(madt[pos + 4], 1);
        }
        pos += madt[pos + 1];
        count++;
    }
    assert_int_equal(pos, len);
    assert_int_equal(cpus, 3);
    assert_int_equal(count, 4 + cpus);
    memcpy(&table, buf + at + 36, 8);
    uint8_t *fadt = buf + (table - ACPI_GPA);
    memcpy(&table, fadt + 140, 8);
    assert_memory_equal(buf + (table - ACPI_GPA), "DSDT", 4);
    assert_int_equal(fadt[131], 4);
    assert_int_equal(len, madt[4]);
}

static void test_device_tree(void **state)
{
    static char fdt[1024];

    (void)state;
    assert_int_equal(fdt_create_empty_tree(fdt, sizeof(fdt)), 0);
    int node = fdt_add_subnode(fdt, 0, "serial");
    assert_true(node > 0);
    assert_int_equal(fdt_setprop_string(fdt, node, "compatible", "ns16550a"), 0);
    assert_null(device_tree_check(fdt, sizeof(fdt)));
    assert_non_null(device_tree_check(fdt, 20));
    assert_non_null(device_tree_check(fdt, sizeof(fdt) - 1));
    assert_int_equal(fdt_setprop(fdt, node, "status", "ok", 2), 0); /* not terminated */
    assert_non_null(device_tree_check(fdt, sizeof(fdt)));
    fdt[fdt_off_dt_struct(fdt)] = 0x55;
    assert_non_null(device_tree_check(fdt, sizeof(fdt)));
    fdt[0] = 0;
    assert_non_null(device_tree_check(fdt, sizeof(fdt)));
}

static int parse(struct options *o, int n, ...)
{
    static char copy[10][64];
    char *argv[11] = {NULL};
    va_list ap;

    va_start(ap, n);
    for (int i = 0; i < n; i++) {
        strncpy(copy[i], va_arg(ap, const char *), 63);
        argv[i] = copy[i];
    }
    va_end(ap);
    return options_parse(n, argv, o);
}

static void test_options(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(parse(&o, 5, "uvmm", "-dx.dtb", "-cconsole=hvc0 quiet", "-rr", "-kbz"), 0);
    assert_string_equal(o.cmdline, "console=hvc0 quiet");
    assert_string_equal(o.kernel, "bz");
    assert_string_equal(o.ramdisk, "r");
    assert_int_equal(parse(&o, 8, "uvmm", "--kernel", "bz", "--dtb=x", "--cmdline", "-v", "-vv", "-b0"), 0);
    assert_string_equal(o.cmdline, "-v");
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "-Dirq=debug"), 0);
    assert_int_equal(parse(&o, 3, "uvmm", "-kbz", "-dx"), 0);
    assert_string_equal(o.cmdline, "");
    assert_int_equal(parse(&o, 2, "uvmm", "-kbz"), -1);
    assert_int_equal(parse(&o, 2, "uvmm", "-dx"), -1);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "-i"), -1);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "--what"), -1);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "-b1000"), -1);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "stray"), -1);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "-r"), -1);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "-Dfoo"), -1);
    assert_int_equal(parse(&o, 2, "uvmm", "--help"), 1);
    assert_int_equal(parse(&o, 6, "uvmm", "-kbz", "-dx", "--on-reset", "exit", "-dy"), 0);
    assert_int_equal(o.dtb_count, 2);
    assert_string_equal(o.dtb[1], "y");
    assert_true(!o.restart_on_reset && !o.restart_on_crash);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "--on-crash=restart"), 0);
    assert_true(o.restart_on_reset && o.restart_on_crash);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "--on-crash=again"), -1);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "--tsc-khz=2000000"), 0);
    assert_int_equal(o.tsc_khz, 2000000);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "--tsc-khz=9999"), -1);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "--tsc-khz=10000001"), -1);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "--tsc-khz=-20000"), -1);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "--tsc-khz=2GHz"), -1);
    assert_int_equal(parse(&o, 4, "uvmm", "-kbz", "-dx", "--tsc-khz="), -1);
}

static void test_cpuid(void **state)
{
    struct cpuid_guest g = {.cr4 = 0, .xcr0 = 1};
    struct cpuid_regs r;

    (void)state;
    fake_machine(1 << 20);
    r = cpuid_guest_leaf(1, 0, &g);
    assert_int_equal(r.ebx >> 16, 1);
    assert_int_equal(r.ecx & (1u << 3 | 1u << 5 | 1u << 27 | 1u << 17), 0); /* MONITOR, VMX, OSXSAVE, PCID */
    assert_int_equal(r.ecx & (1u << 21 | 1u << 24 | 1u << 31), 1u << 21 | 1u << 24 | 1u << 31);
    g.cr4 = 1 << 18;
    assert_true(cpuid_guest_leaf(1, 0, &g).ecx & 1u << 27);
    assert_int_equal(cpuid_guest_leaf(0x80000001, 0, &g).ecx & 4, 0); /* SVM */
    assert_int_equal(cpuid_xcr0_mask(), 7);
    r = cpuid_guest_leaf(0xd, 0, &g);
    assert_int_equal(r.eax, 7);
    assert_int_equal(r.ebx, 576);
    assert_int_equal(r.ecx, 832);
    g.xcr0 = 7;
    assert_int_equal(cpuid_guest_leaf(0xd, 0, &g).ebx, 832);
    assert_int_equal(cpuid_guest_leaf(0xd, 1, &g).eax, 1);
    assert_int_equal(cpuid_guest_leaf(0xd, 3, &g).eax, 0);
    assert_true(cpuid_xcr0_valid(3) && cpuid_xcr0_valid(7) && cpuid_xcr0_valid(1));
    assert_false(cpuid_xcr0_valid(0) || cpuid_xcr0_valid(5) || cpuid_xcr0_valid(0xe7));
    assert_int_equal(cpuid_guest_leaf(0x40000000, 0, &g).ebx, 0x4b4d564b);
    assert_int_equal(cpuid_guest_leaf(0x40000050, 0, &g).eax, 0);
    assert_int_equal(cpuid_guest_leaf(0xb, 0, &g).ecx, 0x100);
    assert_int_equal(cpuid_guest_leaf(0xb, 2, &g).ecx, 2);
    assert_int_equal(cpuid_guest_leaf(0x80000020, 0, &g).eax, 0);
}

/* Leaf 0x15, computed in 32 bits as Linux does, says nearly the frequency that leaf 0x40000010 says. */
static void test_cpuid_tsc(void **state)
{
    static const uint64_t khz[] = {50027, 999999, 1000000, 2419200, 2999999, 3500000, 4294968, 5700000};
    struct cpuid_guest g = {.vcpus = 1};

    (void)state;
    for (unsigned i = 0; i < sizeof(khz) / sizeof(khz[0]); i++) {
        fake_tsc(khz[i] * 1000);
        struct cpuid_regs r = cpuid_guest_leaf(0x15, 0, &g);
        uint32_t crystal_khz = r.ecx / 1000;
        uint64_t said = crystal_khz * r.ebx / r.eax;

        assert_int_equal(r.ecx, cpuid_guest_leaf(0x40000010, 0, &g).ebx * 1000);
        assert_int_equal(cpuid_guest_leaf(0x40000010, 0, &g).eax, khz[i]);
        assert_true(said + 1 + khz[i] * 3 / 1000000 >= khz[i] && said <= khz[i] + 1 + khz[i] * 3 / 1000000);
    }
    fake_machine(1 << 20);
}

/* Leaves 1, 4, 0xb, 0x80000008, 0x8000001d and 0x8000001e tell the same story. */
static void test_topology_of(unsigned n, unsigned bits)
{
    struct cpuid_guest g = {.apic_id = n - 1, .vcpus = n};
    struct cpuid_regs r = cpuid_guest_leaf(1, 0, &g);

    assert_int_equal(r.ebx >> 24, n - 1);
    assert_int_equal(r.ebx >> 16 & 0xff, 1u << bits);
    assert_int_equal(r.edx >> 28 & 1, n > 1);
    assert_int_equal(cpuid_guest_leaf(0x40000001, 0, &g).eax >> 7 & 1, n > 1); /* PV_UNHALT */
    r = cpuid_guest_leaf(0xb, 0, &g);
    assert_int_equal(r.eax, 0);
    assert_int_equal(r.ebx, 1);
    assert_int_equal(r.ecx, 0x100);
    assert_int_equal(r.edx, n - 1);
    r = cpuid_guest_leaf(0xb, 1, &g);
    assert_int_equal(r.eax, bits);
    assert_int_equal(r.ebx, n);
    assert_int_equal(r.ecx, 0x201);
    assert_int_equal(r.edx, n - 1);
    assert_int_equal(cpuid_guest_leaf(0xb, 5, &g).edx, n - 1);
    assert_int_equal(cpuid_guest_leaf(0x80000001, 0, &g).ecx >> 1 & 1, n > 1);
    assert_int_equal(cpuid_guest_leaf(0x80000008, 0, &g).ecx, bits << 12 | (n - 1));
    r = cpuid_guest_leaf(0x8000001e, 0, &g);
    assert_int_equal(r.eax, n - 1);
    assert_int_equal(r.ebx, n - 1); /* one thread per core */
    assert_int_equal(r.ecx, 0);     /* one node */
    r = cpuid_guest_leaf(0x8000001d, 3, &g);
    assert_int_equal(r.eax, 0x163 | ((1u << bits) - 1) << 14); /* the third level is everybody's */
    assert_int_equal(cpuid_guest_leaf(0x8000001d, 2, &g).eax, 0x143);
    assert_int_equal(cpuid_guest_leaf(0x8000001d, 4, &g).eax, 0);
}

static void test_cpuid_topology(void **state)
{
    static const unsigned table[][2] = {{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {8, 3}};
    struct cpuid_guest g = {.vcpus = 1};

    (void)state;
    fake_machine(1 << 20);
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        test_topology_of(table[i][0], table[i][1]);
    }
    assert_int_equal(cpuid_guest_leaf(0x80000000, 0, &g).eax, 0x80000021);
    assert_int_equal(cpuid_guest_leaf(0x80000021, 0, &g).eax, 0x20000045); /* no more than what is listed */
    assert_int_equal(cpuid_guest_leaf(0x8000000a, 0, &g).ebx, 0);          /* no SVM */
    assert_int_equal(cpuid_guest_leaf(0x8000001b, 0, &g).eax, 0);          /* no IBS */
}

static void test_msr(void **state)
{
    static struct vcpu_state s;
    uint64_t v;

    (void)state;
    fake_machine(1 << 20);
    memset(&s, 0, sizeof(s));
    assert_true(msr_write(&s, 0xc0000080, 0x901));
    assert_int_equal(s.efer, 0x901);
    assert_true(s.dirty & VCPU_GROUP_BASE);
    assert_false(msr_write(&s, 0xc0000080, 0x1000)); /* SVME */
    s.cr0 = 0x80000001;
    assert_false(msr_write(&s, 0xc0000080, 0x801)); /* LME under paging */
    assert_true(msr_write(&s, 0x277, 0x0007040600070406));
    assert_false(msr_write(&s, 0x277, 2));
    assert_false(msr_write(&s, 0xc0000082, 0x8000000000000000)); /* not canonical */
    assert_false(msr_read(&s, 0x12345, &v));
    assert_false(msr_read(&s, 0xc0011020, &v)); /* LS_CFG: a bit that turns speculation off would do nothing */
    assert_false(msr_write(&s, 0x12345, 0));
    assert_true(msr_read(&s, 0x2ff, &v));
    assert_int_equal(v, 0xc06);
    assert_true(msr_read(&s, 0x200, &v));
    assert_int_equal(v, 0xc0000000);
    uint64_t before = s.tsc_offset;
    assert_true(msr_write(&s, 0x3b, 1000));
    assert_int_equal(s.tsc_offset - before, 1000);
}

static bool lapic_any_in_service(void)
{
    uint64_t any = 0, isr;

    for (unsigned i = 0; i < 8; i++) {
        assert_true(lapic_msr_read(0x810 + i, &isr));
        any |= isr;
    }
    return any != 0;
}

static void test_pvclock(void **state)
{
    struct pvclock_time t;
    uint32_t mul, word;
    int8_t shift;

    (void)state;
    static const uint64_t hz[] = {1000000, 999999999, 1000000000, 2596114000, 5000000000};
    for (unsigned i = 0; i < 5; i++) {
        pvclock_scale(hz[i], &mul, &shift);
        unsigned __int128 ticks = (unsigned __int128)hz[i] * 10;
        ticks = shift < 0 ? ticks >> -shift : ticks << shift;
        assert_in_range((uint64_t)(ticks * mul >> 32), 9999999900, 10000000100);
    }
    fake_machine(1 << 20);
    fake_now_ns = 5000000000;
    assert_true(pvclock_msr_write(MSR_KVM_SYSTEM_TIME_NEW, 0x2001));
    memcpy(&t, fake_ram() + 0x2000, sizeof(t));
    assert_int_equal(t.version & 1, 0);
    assert_int_equal(t.system_time, 5000000000);
    assert_true(pvclock_msr_write(MSR_KVM_SYSTEM_TIME_NEW, 0xfffffffffffff001)); /* outside RAM: ignored */
    assert_true(pvclock_msr_write(MSR_KVM_PV_EOI_EN, 0x3001));
    assert_true(lapic_msr_write(MSR_APIC_BASE, LAPIC_BASE | 0xd00));
    assert_true(lapic_msr_write(0x80f, 0x1ff));
    lapic_deliver(0, LAPIC_FIXED, 0x50, false);
    lapic_accept(lapic_pending());
    pv_eoi_entry();
    memcpy(&word, fake_ram() + 0x3000, 4);
    assert_int_equal(word, 1);
    fake_ram()[0x3000] = 0; /* the guest's EOI */
    pv_eoi_exit();
    assert_false(lapic_any_in_service());
    lapic_deliver(0, LAPIC_FIXED, 0x50, false);
    lapic_accept(lapic_pending());
    pv_eoi_entry();
    pv_eoi_exit(); /* not ended: taken back */
    assert_true(lapic_any_in_service());
    assert_int_equal(fake_ram()[0x3000], 0);
    lapic_deliver(0, LAPIC_FIXED, 0x51, false); /* one more waits: its EOI must be seen */
    pv_eoi_entry();
    assert_int_equal(fake_ram()[0x3000], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bzimage), cmocka_unit_test(test_plan),           cmocka_unit_test(test_load),
        cmocka_unit_test(test_acpi),    cmocka_unit_test(test_device_tree),    cmocka_unit_test(test_options),
        cmocka_unit_test(test_cpuid),   cmocka_unit_test(test_cpuid_topology), cmocka_unit_test(test_cpuid_tsc),
        cmocka_unit_test(test_msr),     cmocka_unit_test(test_pvclock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
