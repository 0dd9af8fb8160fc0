// SPDX-License-Identifier: MIT
// Decoder, emulator and page walk. Expected encodings were taken from the assembler (objdump), flags from the manual's
// definitions.
#include "../../src/cpu/callsite.h"
#include "../../src/cpu/emulate.h"
#include "../../src/cpu/paging.h"
#include "fakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct insn decode(enum insn_mode mode, const char *bytes, unsigned len, enum insn_error want)
{
    struct insn i;

    assert_int_equal(insn_decode((const uint8_t *)bytes, len, mode, &i), want);
    return i;
}
#define D64(s) decode(INSN_64, s, sizeof(s) - 1, INSN_OK)

static void test_lengths(void **state)
{
    static const struct {
        enum insn_mode mode;
        const char *bytes;
        unsigned len;
    } t[] = {
        {INSN_64, "\x0f\xa2", 2},                             /* cpuid */
        {INSN_64, "\xf4", 1},                                 /* hlt */
        {INSN_64, "\x0f\x30", 2},                             /* wrmsr */
        {INSN_64, "\x0f\x32", 2},                             /* rdmsr */
        {INSN_64, "\xf3\x90", 2},                             /* pause */
        {INSN_64, "\x0f\x01\xd1", 3},                         /* xsetbv */
        {INSN_64, "\x0f\x01\xd9", 3},                         /* vmmcall */
        {INSN_64, "\x44\x0f\x22\xc0", 4},                     /* mov %rax,%cr8 */
        {INSN_64, "\xe4\x71", 2},                             /* in $0x71,%al */
        {INSN_64, "\x66\xed", 2},                             /* in (%dx),%ax */
        {INSN_64, "\x8b\x00", 2},                             /* mov (%rax),%eax */
        {INSN_64, "\x48\x8b\x44\xc8\x10", 5},                 /* mov 0x10(%rax,%rcx,8),%rax */
        {INSN_64, "\x41\x89\x84\x24\x00\x01\x00\x00", 8},     /* mov %eax,0x100(%r12) */
        {INSN_64, "\x8b\x05\x10\x00\x00\x00", 6},             /* mov 0x10(%rip),%eax */
        {INSN_64, "\x89\x14\x25\xb0\x00\xe0\xfe", 7},         /* mov %edx,0xfee000b0 */
        {INSN_64, "\xc7\x00\x78\x56\x34\x12", 6},             /* movl $0x12345678,(%rax) */
        {INSN_64, "\x66\xc7\x00\x34\x12", 5},                 /* movw */
        {INSN_64, "\x48\xc7\x00\x78\x56\x34\x12", 7},         /* movq, 32-bit immediate */
        {INSN_64, "\xa1\x08\x07\x06\x05\x04\x03\x02\x01", 9}, /* movabs */
        {INSN_64, "\x81\x08\x00\x01\x00\x00", 6},             /* orl $0x100,(%rax) */
        {INSN_64, "\x83\x20\xfe", 3},                         /* andl $-2,(%rax) */
        {INSN_64, "\xf7\x00\x01\x00\x00\x00", 6},             /* testl $1,(%rax) */
        {INSN_64, "\xf0\x0f\xba\x28\x05", 5},                 /* lock btsl $5,(%rax) */
        {INSN_64, "\x0f\xb6\x40\x01", 4},                     /* movzbl 1(%rax),%eax */
        {INSN_64, "\xf3\x48\xab", 3},                         /* rep stosq */
        {INSN_32, "\xa1\x04\x03\x02\x01", 5},
        {INSN_32, "\x8b\x44\x24\x08", 4}, /* mov 8(%esp),%eax */
        {INSN_32, "\x67\x8b\x47\x08", 4}, /* mov 8(%bx),%eax */
        {INSN_16, "\x8b\x47\x08", 3},     /* mov 8(%bx),%ax */
        {INSN_16, "\xa1\x02\x01", 3},
        {INSN_16, "\x66\xc7\x06\x34\x12\x78\x56\x34\x12", 9}, /* movl $0x12345678,0x1234 */
        {INSN_16, "\x6d", 1},                                 /* insw */
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct insn n = decode(t[i].mode, t[i].bytes, t[i].len, INSN_OK);
        assert_int_equal(n.len, t[i].len);
        for (unsigned short_len = 0; short_len < t[i].len; short_len++) {
            decode(t[i].mode, t[i].bytes, short_len, INSN_TRUNCATED);
        }
    }
}

static void test_unknown(void **state)
{
    (void)state;
    decode(INSN_64, "\x0f\x0d\x00", 3, INSN_UNKNOWN);
    decode(INSN_64, "\x89\xc0", 2, INSN_UNKNOWN); /* register form */
    decode(INSN_64, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90", 16, INSN_TRUNCATED);
}

static void test_operands(void **state)
{
    struct insn i = D64("\x4c\x8b\xbc\xd1\x00\x10\x00\x00"); /* mov 0x1000(%rcx,%rdx,8),%r15 */

    (void)state;
    assert_int_equal(i.op, INSN_LOAD);
    assert_int_equal(i.reg, 15);
    assert_int_equal(i.base, 1);
    assert_int_equal(i.index, 2);
    assert_int_equal(i.scale, 3);
    assert_int_equal(i.disp, 0x1000);
    assert_int_equal(i.opsize, 8);
    i = D64("\x65\x8b\x00"); /* mov %gs:(%rax),%eax */
    assert_int_equal(i.seg, 5);
    i = D64("\x2e\x8b\x45\x00"); /* cs: is ignored in 64-bit mode; rbp means ss */
    assert_int_equal(i.seg, 2);
    i = D64("\x88\x20"); /* mov %ah,(%rax) */
    assert_true(i.high8);
    i = D64("\x40\x88\x20"); /* mov %spl,(%rax) */
    assert_false(i.high8);
    assert_int_equal(i.reg, 4);
}

/* --- execution against a flat memory of 256 bytes --- */

static uint8_t mem[256];
static uint32_t port_value;
static unsigned fault_at; /* accesses to this byte fail; 0: none */

static int mem_read(void *ctx, uint64_t linear, unsigned width, uint64_t *value)
{
    (void)ctx;
    if (linear + width > sizeof(mem) || (fault_at != 0 && linear == fault_at)) {
        return -1;
    }
    *value = 0;
    memcpy(value, mem + linear, width);
    return 0;
}

static int mem_write(void *ctx, uint64_t linear, unsigned width, uint64_t value)
{
    (void)ctx;
    if (linear + width > sizeof(mem) || (fault_at != 0 && linear == fault_at)) {
        return -1;
    }
    memcpy(mem + linear, &value, width);
    return 0;
}

static uint32_t port_in(void *ctx, uint16_t port, unsigned width)
{
    (void)ctx;
    return port_value + port + width;
}

static void port_out(void *ctx, uint16_t port, unsigned width, uint32_t value)
{
    (void)ctx;
    port_value = value + port + width;
}

static const struct emu_ops ops = {mem_read, mem_write, port_in, port_out};
static uint64_t gpr[16], rip, rflags;

static enum emu_result run(const char *bytes, unsigned len)
{
    struct emu e = {.ops = &ops, .mode = INSN_64, .gpr = gpr, .rip = &rip, .rflags = &rflags};
    struct insn i = decode(INSN_64, bytes, len, INSN_OK);

    return emu_execute(&e, &i);
}
#define RUN(s) run(s, sizeof(s) - 1)

static uint32_t mem32(unsigned at)
{
    uint32_t v;

    memcpy(&v, mem + at, 4);
    return v;
}

static int setup(void **state)
{
    (void)state;
    memset(mem, 0, sizeof(mem));
    memset(gpr, 0, sizeof(gpr));
    rip = 0x1000;
    rflags = 2;
    fault_at = 0;
    return 0;
}

static void test_moves(void **state)
{
    (void)state;
    gpr[0] = 0x10;
    gpr[1] = 0xffffffffffffffff;
    mem[0x10] = 0x80;
    assert_int_equal(RUN("\x8b\x08"), EMU_DONE); /* mov (%rax),%ecx clears the upper half */
    assert_int_equal(gpr[1], 0x80);
    assert_int_equal(rip, 0x1002);
    assert_int_equal(RUN("\x48\x0f\xbe\x08"), EMU_DONE); /* movsbq (%rax),%rcx */
    assert_int_equal(gpr[1], 0xffffffffffffff80);
    gpr[3] = 0x1122334455667788;
    assert_int_equal(RUN("\x66\x89\x18"), EMU_DONE); /* mov %bx,(%rax) */
    assert_int_equal(mem32(0x10), 0x7788);
    assert_int_equal(RUN("\x88\x78\x02"), EMU_DONE); /* mov %bh,2(%rax) */
    assert_int_equal(mem32(0x10), 0x777788);
    assert_int_equal(RUN("\x48\xc7\x40\x08\xff\xff\xff\xff"), EMU_DONE); /* movq $-1,8(%rax) */
    assert_int_equal(mem32(0x1c), 0xffffffff);
}

static void test_alu(void **state)
{
    (void)state;
    gpr[0] = 0x20;
    mem[0x20] = 0xff;
    assert_int_equal(RUN("\x80\x00\x01"), EMU_DONE); /* addb $1,(%rax): 0xff + 1 */
    assert_int_equal(mem[0x20], 0);
    assert_int_equal(rflags & 0x8d5, 0x055);         /* ZF PF AF CF */
    assert_int_equal(RUN("\x80\x28\x01"), EMU_DONE); /* subb $1,(%rax): 0 - 1 */
    assert_int_equal(mem[0x20], 0xff);
    assert_int_equal(rflags & 0x8d5, 0x095);         /* SF PF AF CF */
    assert_int_equal(RUN("\x80\x38\x7f"), EMU_DONE); /* cmpb $0x7f,(%rax): -1 - 127 = -128 */
    assert_int_equal(mem[0x20], 0xff);
    assert_int_equal(rflags & 0x8d5, 0x080); /* SF */
    mem[0x20] = 0x7f;
    assert_int_equal(RUN("\xfe\x00"), EMU_DONE); /* incb: overflow */
    assert_int_equal(rflags & 0x8d5, 0x890);     /* OF SF AF */
    gpr[2] = 0xf0;
    assert_int_equal(RUN("\x84\x10"), EMU_DONE); /* test %dl,(%rax): 0x80 & 0xf0 */
    assert_int_equal(rflags & 0x8d5, 0x080);
    assert_int_equal(RUN("\x33\x10"), EMU_DONE); /* xor (%rax),%edx */
    assert_int_equal(gpr[2], 0x70);
    assert_int_equal(RUN("\xf6\x10"), EMU_DONE); /* notb */
    assert_int_equal(mem[0x20], 0x7f);
}

static void test_exchange(void **state)
{
    (void)state;
    gpr[1] = 0x30;
    gpr[2] = 7;
    mem[0x30] = 5;
    assert_int_equal(RUN("\x87\x11"), EMU_DONE); /* xchg %edx,(%rcx) */
    assert_int_equal(gpr[2], 5);
    assert_int_equal(mem32(0x30), 7);
    assert_int_equal(RUN("\xf0\x0f\xc1\x11"), EMU_DONE); /* xadd */
    assert_int_equal(gpr[2], 7);
    assert_int_equal(mem32(0x30), 12);
    gpr[0] = 12;
    assert_int_equal(RUN("\xf0\x0f\xb1\x11"), EMU_DONE); /* cmpxchg: equal */
    assert_int_equal(mem32(0x30), 7);
    assert_true(rflags & 0x40);
    assert_int_equal(RUN("\xf0\x0f\xb1\x11"), EMU_DONE); /* differs */
    assert_int_equal(gpr[0], 7);
    assert_false(rflags & 0x40);
    gpr[3] = 37; /* bts %ebx,(%rcx): bit 5 of the next word */
    assert_int_equal(RUN("\x0f\xab\x19"), EMU_DONE);
    assert_int_equal(mem32(0x34), 0x20);
    assert_false(rflags & 1);
    assert_int_equal(RUN("\x0f\xba\x71\x04\x05"), EMU_DONE); /* btrl $5,4(%rcx) */
    assert_int_equal(mem32(0x34), 0);
    assert_true(rflags & 1);
}

static void test_strings(void **state)
{
    (void)state;
    gpr[7] = 0x40;
    gpr[1] = 3;
    gpr[0] = 0x01020304;
    assert_int_equal(RUN("\xf3\xab"), EMU_DONE); /* rep stosl */
    assert_int_equal(mem32(0x48), 0x01020304);
    assert_int_equal(gpr[7], 0x4c);
    assert_int_equal(gpr[1], 0);
    gpr[6] = 0x40;
    gpr[7] = 0x80;
    gpr[1] = 4;
    fault_at = 0x82; /* a page fault in the middle: state as after two bytes, rip at the instruction */
    uint64_t before = rip;
    assert_int_equal(RUN("\xf3\xa4"), EMU_FAULT);
    assert_int_equal(gpr[1], 2);
    assert_int_equal(gpr[6], 0x42);
    assert_int_equal(rip, before);
    fault_at = 0;
    assert_int_equal(RUN("\xf3\xa4"), EMU_DONE);
    assert_int_equal(mem32(0x80), 0x01020304);
    gpr[2] = 0x10;
    gpr[7] = 0x90;
    port_value = 0;
    assert_int_equal(RUN("\x6d"), EMU_DONE); /* insl */
    assert_int_equal(mem32(0x90), 0x14);
    gpr[6] = 0x90;
    rflags |= 0x400;
    assert_int_equal(RUN("\x6f"), EMU_DONE); /* outsl, downwards */
    assert_int_equal(port_value, 0x28);
    assert_int_equal(gpr[6], 0x8c);
    gpr[1] = 100000;
    gpr[7] = 0x10;
    rflags &= ~0x400ull;
    assert_int_equal(RUN("\xf3\xaa"), EMU_FAULT); /* runs into the end */
}

static void test_fault_keeps_state(void **state)
{
    (void)state;
    gpr[0] = 0x60;
    fault_at = 0x60;
    assert_int_equal(RUN("\x80\x00\x01"), EMU_FAULT);
    assert_int_equal(rflags, 2);
    assert_int_equal(rip, 0x1000);
    gpr[0] = 0xfffffffffffffff0;
    assert_int_equal(RUN("\x8b\x00"), EMU_FAULT);
}

/* --- page walk --- */

static void put64(uint64_t at, uint64_t v)
{
    memcpy(fake_ram() + at, &v, 8);
}

static void test_paging(void **state)
{
    struct paging p = {.cr0 = 0x80000001, .cr3 = 0x1000, .cr4 = 0x20, .efer = 0x500};
    uint64_t gpa;

    (void)state;
    fake_machine(1 << 20);
    put64(0x1000, 0x2003);
    put64(0x2000, 0x3003);
    put64(0x2008, 0x40000083); /* 1 GiB page */
    put64(0x3000, 0x4003);
    put64(0x3008, 0x00200083);                 /* 2 MiB page */
    put64(0x4000 + 8 * 5, 0x8000000000077003); /* 4 KiB page, NX */
    assert_int_equal(paging_translate(&p, 0x5123, &gpa), 0);
    assert_int_equal(gpa, 0x77123);
    assert_int_equal(paging_translate(&p, 0x2abcde, &gpa), 0);
    assert_int_equal(gpa, 0x2abcde);
    assert_int_equal(paging_translate(&p, 0x47654321, &gpa), 0);
    assert_int_equal(gpa, 0x47654321);
    assert_true(paging_translate(&p, 0x6000, &gpa) < 0);
    assert_true(paging_translate(&p, 0x8000000000, &gpa) < 0);
    put64(0x2010, 0xfffff00003); /* a table outside RAM */
    assert_true(paging_translate(&p, 0x80000000, &gpa) < 0);
    p.efer = 0;
    put64(0x1020, 0x3001); /* PAE: four entries at cr3 & ~31 */
    p.cr3 = 0x1020;
    assert_int_equal(paging_translate(&p, 0x5123, &gpa), 0);
    assert_int_equal(gpa, 0x77123);
    p.cr4 = 0x10; /* 32-bit with PSE */
    p.cr3 = 0x5000;
    put64(0x5000, 0x6003ull | 0x00c00083ull << 32);
    put64(0x6000, 0x9003);
    assert_int_equal(paging_translate(&p, 0x0abc, &gpa), 0);
    assert_int_equal(gpa, 0x9abc);
    assert_int_equal(paging_translate(&p, 0x412345, &gpa), 0);
    assert_int_equal(gpa, 0xc12345);
    p.cr0 = 1;
    assert_int_equal(paging_translate(&p, 0x123456789, &gpa), 0);
    assert_int_equal(gpa, 0x23456789);
}

/* Encodings from the assembler: all forms of a near call, and their like that are none. */
static void test_callsites(void **state)
{
    static const struct {
        const char *bytes;
        bool call;
    } t[] = {
        {"\x90\x90\xe8\x01\x02\x03\x04", true},  /* call +0x4030201 */
        {"\x90\x90\x90\x90\x90\xff\xd0", true},  /* call *%rax */
        {"\x90\x90\x90\x90\x41\xff\xd3", true},  /* call *%r11 */
        {"\x90\x90\x90\x90\xff\x50\x10", true},  /* call *0x10(%rax) */
        {"\x90\x90\x90\x90\xff\x14\xc2", true},  /* call *(%rdx,%rax,8) */
        {"\x90\x90\x90\xff\x54\x24\x18", true},  /* call *0x18(%rsp) */
        {"\x90\xff\x15\x01\x02\x03\x04", true},  /* call *0x4030201(%rip) */
        {"\x90\xff\x90\x58\x01\x00\x00", true},  /* call *0x158(%rax) */
        {"\xff\x14\xc5\x60\x08\x20\x82", true},  /* call *-0x7ddff7a0(,%rax,8) */
        {"\xff\x94\xc2\x60\x08\x00\x00", true},  /* call *0x860(%rdx,%rax,8) */
        {"\x90\x90\x90\x90\x90\x90\x90", false}, /* nops */
        {"\x90\x90\x90\x90\x90\xff\xe0", false}, /* jmp *%rax */
        {"\x90\x90\xe9\x01\x02\x03\x04", false}, /* jmp */
        {"\x90\x90\x90\xe8\x02\x03\x04", false}, /* in the middle of a call */
        {"\x90\x90\x90\x90\x90\xff\x50", false},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        assert_int_equal(callsite_ends((const uint8_t *)t[i].bytes), t[i].call);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_operands),
        cmocka_unit_test_setup(test_moves, setup),
        cmocka_unit_test_setup(test_alu, setup),
        cmocka_unit_test_setup(test_exchange, setup),
        cmocka_unit_test_setup(test_strings, setup),
        cmocka_unit_test_setup(test_fault_keeps_state, setup),
        cmocka_unit_test(test_paging),
        cmocka_unit_test(test_callsites),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
