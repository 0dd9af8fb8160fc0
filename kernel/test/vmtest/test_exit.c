// SPDX-License-Identifier: MIT
// vmtest: exits and what they say.
#include "vmtest.h"

GUEST_CODE(g16_io);
GUEST_CODE(g16_io_string);
GUEST_CODE(g16_hlt);
GUEST_CODE(g16_triple);
GUEST_CODE(g16_int);
GUEST_CODE(g64_mmio);
GUEST_CODE(g64_ptwalk);
GUEST_CODE(g64_rw);
GUEST_CODE(g64_cpuid);
GUEST_CODE(g64_msr);
GUEST_CODE(g64_xsetbv);
GUEST_CODE(g64_cr8);
GUEST_CODE(g64_ops);
GUEST_CODE(g64_ops_vmx);
GUEST_CODE(g64_cr);
extern const uint8_t g64_cr_gp[];
GUEST_CODE(g64_triple);

/* Continues behind an I/O instruction; IN gets value. */
static void io_done(struct vm *vm, uint32_t value)
{
    struct vcpu_state *s = vm->s;
    uint64_t mask = s->exit.io_width == 4 ? UINT32_MAX : (1ull << s->exit.io_width * 8) - 1;

    if (s->exit.io_in) {
        s->gpr[GPR_RAX] = (s->gpr[GPR_RAX] & ~mask) | (value & mask);
    }
    vm_skip(vm, s->exit.insn_len);
}

static void test_io(struct vm *vm)
{
    static const struct {
        uint16_t port;
        uint8_t width, in, len;
        uint32_t value;
    } want[] = {
        { 0x80, 1, 0, 2, 0x11 },  { 0x3f8, 2, 0, 1, 0x2222 }, { 0x3f8, 4, 0, 2, 0x33334444 },
        { 0x81, 1, 1, 2, 0xa1 },  { 0x3f8, 2, 1, 1, 0xb2b2 }, { 0x3f8, 4, 1, 2, 0xc3c3c3c3 },
    };
    const struct vcpu_exit *e = &vm->s->exit;

    VM_LOAD16(vm, g16_io);
    for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        CHECK_EXIT(vm, VCPU_EXIT_IO);
        CHECK_EQ(e->io_port, want[i].port);
        CHECK_EQ(e->io_width, want[i].width);
        CHECK_EQ(e->io_in, want[i].in);
        CHECK_EQ(e->io_string, 0);
        CHECK_EQ(e->insn_len, want[i].len);
        CHECK_EQ(e->next_rip, vm->s->rip + want[i].len);
        if (!want[i].in) {
            CHECK_EQ((uint32_t)vm->s->gpr[GPR_RAX], want[i].value);
        }
        io_done(vm, want[i].value);
    }
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm_data(vm, 0), 0xa1);
    CHECK_EQ(vm_data(vm, 1), 0xb2b2);
    CHECK_EQ(vm_data(vm, 2), 0xc3c3c3c3);
}

static void test_io_string(struct vm *vm)
{
    static const struct {
        uint8_t width, in, rep, addr;
    } want[] = { { 1, 0, 0, 2 }, { 2, 0, 1, 2 }, { 4, 1, 0, 2 }, { 4, 0, 1, 4 } };
    const struct vcpu_exit *e = &vm->s->exit;

    VM_LOAD16(vm, g16_io_string);
    for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        CHECK_EXIT(vm, VCPU_EXIT_IO);
        CHECK_EQ(e->io_port, 0x1f0);
        CHECK_EQ(e->io_string, 1);
        CHECK_EQ(e->io_width, want[i].width);
        CHECK_EQ(e->io_in, want[i].in);
        CHECK_EQ(e->io_rep, want[i].rep);
        CHECK(e->io_addr_width == want[i].addr || (e->io_addr_width == 0 && on_tcg())); /* 0: unknown */
        bool told = (sys_kinfo()->vm_features & VM_FEAT_DECODE) || sys_kinfo()->vm_kind == VM_VMX;
        CHECK_EQ(e->io_seg, want[i].in ? 0 : told ? 3 : 0xff);
        CHECK_EQ(vm->s->gpr[GPR_RCX], 3);
        vm_skip(vm, e->insn_len);
    }
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
}

static void test_mmio(struct vm *vm)
{
    const struct vcpu_exit *e = &vm->s->exit;

    VM_LOAD64(vm, g64_mmio);
    CHECK_EXIT(vm, VCPU_EXIT_MMIO);
    CHECK_EQ(e->gpa, HOLE + 0x10);
    CHECK_EQ(e->access, RIGHT_W);
    CHECK_EQ(vm->s->gpr[GPR_RAX], 0x5a);
    vm_skip(vm, 7);
    CHECK_EXIT(vm, VCPU_EXIT_MMIO);
    CHECK_EQ(e->gpa, HOLE + 0x24);
    CHECK_EQ(e->access, RIGHT_R);
    vm_skip(vm, 8);
    CHECK_EXIT(vm, VCPU_EXIT_MMIO);
    CHECK_EQ(e->gpa, HOLE + 0x1000);
    CHECK_EQ(e->access, RIGHT_X);
}

static void test_pt_walk(struct vm *vm)
{
    VM_LOAD64(vm, g64_ptwalk);
    CHECK_EXIT(vm, VCPU_EXIT_MMIO);
    CHECK_EQ(vm->s->exit.gpa & ~0xfffull, 0x80000);
    CHECK(vm->s->exit.access & VCPU_ACCESS_PT_WALK);
    CHECK_EQ(vm->s->cr3, 0x80000);
}

/* A page that may be read only, then read and written, then nothing. */
static void test_rights(struct vm *vm)
{
    cap_t mem = mem_take(PAGE_SIZE, PAGE_SIZE);

    *(uint64_t *)mem_map(mem, PAGE_SIZE) = 0xf4f4f4f4f4f4f4f4; /* HLT */
    CHECK_EQ(sys_map(vm->guest, mem, 0, PAGE_SIZE, HOLE, RIGHT_R).value, SK_OK);
    VM_LOAD64(vm, g64_rw);
    vm->s->gpr[GPR_RBX] = HOLE;
    CHECK_EXIT(vm, VCPU_EXIT_MMIO);
    CHECK_EQ(vm->s->exit.gpa, HOLE);
    CHECK_EQ(vm->s->exit.access, RIGHT_W);
    CHECK_EQ(vm_data(vm, 0), 0xf4f4f4f4f4f4f4f4);
    CHECK_EQ(sys_unmap(vm->guest, HOLE, PAGE_SIZE), SK_OK);
    CHECK_EQ(sys_map(vm->guest, mem, 0, PAGE_SIZE, HOLE, RIGHT_R | RIGHT_W).value, SK_OK);
    CHECK_EXIT(vm, VCPU_EXIT_MMIO); /* the write is done */
    CHECK_EQ(vm->s->exit.gpa, HOLE);
    CHECK_EQ(vm->s->exit.access, RIGHT_X);
    CHECK_EQ(sys_unmap(vm->guest, HOLE, PAGE_SIZE), SK_OK);
    CHECK_EQ(sys_map(vm->guest, mem, 0, PAGE_SIZE, HOLE, RIGHT_R | RIGHT_X).value, SK_OK);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(sys_obj_destroy(mem), SK_OK);
}

static void test_cpuid(struct vm *vm)
{
    struct vcpu_state *s = vm->s;

    VM_LOAD64(vm, g64_cpuid);
    CHECK_EXIT(vm, VCPU_EXIT_CPUID);
    CHECK_EQ(s->gpr[GPR_RAX], 0x40000000);
    CHECK_EQ(s->gpr[GPR_RCX], 7);
    s->gpr[GPR_RAX] = 1;
    s->gpr[GPR_RBX] = 2;
    s->gpr[GPR_RCX] = 3;
    s->gpr[GPR_RDX] = 4;
    vm_skip(vm, 2);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(vm_data(vm, i), i + 1);
    }
}

static void msr_load(struct vm *vm, uint32_t msr, uint64_t value)
{
    VM_LOAD64(vm, g64_msr);
    vm->s->gpr[GPR_RCX] = msr;
    vm->s->gpr[GPR_RAX] = (uint32_t)value;
    vm->s->gpr[GPR_RDX] = value >> 32;
}

/* No exit: the guest owns them, and VCPU_GET shows them. */
static void test_msr_own(struct vm *vm)
{
    struct vcpu_state *s = vm->s;
    const struct {
        uint32_t msr;
        const uint64_t *where;
    } table[] = {
        { 0xc0000100, &s->fs.base },  { 0xc0000101, &s->gs.base },     { 0xc0000102, &s->kernel_gs_base },
        { 0xc0000081, &s->star },     { 0xc0000082, &s->lstar },       { 0xc0000083, &s->cstar },
        { 0xc0000084, &s->sfmask },   { 0x174, &s->sysenter_cs },      { 0x175, &s->sysenter_esp },
        { 0x176, &s->sysenter_eip },
    };

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint64_t value = 0x4560 + i;

        msr_load(vm, table[i].msr, value);
        CHECK_EXIT(vm, VCPU_EXIT_HLT);
        CHECK_EQ(vm_data(vm, 0), value);
        CHECK_EQ(sys_vcpu_get(vm->vcpu, VCPU_GROUP_SEG | VCPU_GROUP_MSR), SK_OK);
        CHECK_EQ(*table[i].where, value);
        vm_skip(vm, 1);
    }
}

static void test_msr_exit(struct vm *vm)
{
    static const uint32_t table[] = { 0xc0000080, 0x10, 0x1b, 0x277, 0x800, 0x8ff, 0x1fff, 0x2000, 0xc0000103,
                                      0xc0001fff, 0xc0010010, 0xc0010117, 0xdeadbeef };

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        msr_load(vm, table[i], 0x123456789ull);
        CHECK_EXIT(vm, VCPU_EXIT_WRMSR);
        CHECK_EQ(vm->s->gpr[GPR_RCX], table[i]);
        vm_skip(vm, 2);
        CHECK_EXIT(vm, VCPU_EXIT_RDMSR);
        vm->s->gpr[GPR_RAX] = i;
        vm->s->gpr[GPR_RDX] = 1;
        vm_skip(vm, 2);
        CHECK_EXIT(vm, VCPU_EXIT_HLT);
        CHECK_EQ(vm_data(vm, 0), 1ull << 32 | i);
    }
}

static void test_hlt(struct vm *vm)
{
    VM_LOAD16(vm, g16_hlt);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm->s->rip, CODE);
    CHECK_EQ(vm->s->exit.insn_len, sys_kinfo()->vm_features & VM_FEAT_NEXT_RIP ? 1 : 0);
    vm_skip(vm, 1);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm->s->rip, CODE + 1);
}

static const struct op {
    uint8_t reason, len;
} ops_svm[] = {
    { VCPU_EXIT_VMCALL, 3 },     { VCPU_EXIT_WBINVD, 2 },     { VCPU_EXIT_WBINVD, 2 },
    { VCPU_EXIT_INVALID_OP, 2 }, { VCPU_EXIT_INVALID_OP, 3 }, { VCPU_EXIT_INVALID_OP, 3 },
    { VCPU_EXIT_INVALID_OP, 3 }, { VCPU_EXIT_INVALID_OP, 3 }, { VCPU_EXIT_INVALID_OP, 3 },
    { VCPU_EXIT_INVALID_OP, 3 }, { VCPU_EXIT_INVALID_OP, 3 }, { VCPU_EXIT_HLT, 1 },
}, ops_vmx[] = {
    { VCPU_EXIT_VMCALL, 3 },     { VCPU_EXIT_WBINVD, 2 },     { VCPU_EXIT_WBINVD, 2 },
    { VCPU_EXIT_INVALID_OP, 2 }, { VCPU_EXIT_INVALID_OP, 3 }, { VCPU_EXIT_INVALID_OP, 3 },
    { VCPU_EXIT_INVALID_OP, 3 }, { VCPU_EXIT_INVALID_OP, 8 }, { VCPU_EXIT_INVALID_OP, 9 },
    { VCPU_EXIT_INVALID_OP, 3 }, { VCPU_EXIT_INVALID_OP, 3 }, { VCPU_EXIT_HLT, 1 },
};

static void test_ops(struct vm *vm)
{
    bool vmx = sys_kinfo()->vm_kind == VM_VMX;
    const struct op *want = vmx ? ops_vmx : ops_svm;

    if (vmx) {
        VM_LOAD64(vm, g64_ops_vmx);
    } else {
        VM_LOAD64(vm, g64_ops);
    }
    for (unsigned i = 0; i < sizeof(ops_svm) / sizeof(ops_svm[0]); i++) {
        CHECK_EXIT(vm, want[i].reason);
        if (sys_kinfo()->vm_features & VM_FEAT_NEXT_RIP) {
            CHECK_EQ(vm->s->exit.insn_len, want[i].len);
        }
        vm_skip(vm, want[i].len);
    }
}

/* The guest reads what it wrote, and VMXE is refused where a guest has no VMX. */
static void test_control_registers(struct vm *vm)
{
    VM_LOAD64(vm, g64_cr);
    vm_set_gate(vm, 13, CODE + (uint64_t)(g64_cr_gp - g64_cr));
    /* TCG's SVM lets a guest set reserved bits, and then refuses it */
    vm->s->gpr[GPR_RCX] = sys_kinfo()->vm_kind == VM_VMX;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm_data(vm, 0), 0x80000031);
    CHECK_EQ(vm_data(vm, 1), 0xc0000011);
    CHECK_EQ(vm_data(vm, 2), 0x80000031);
    CHECK_EQ(vm_data(vm, 3), 0x620);
    CHECK_EQ(vm_data(vm, 4), 0x6a0);
    CHECK_EQ(vm_data(vm, 5), 0x6a0);
    CHECK_EQ(vm->s->cr0, 0x80000031);
    CHECK_EQ(vm->s->cr4, 0x6a0);
}

static uint64_t host_xcr0(void)
{
    uint32_t lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static void test_xsetbv(struct vm *vm)
{
    struct vcpu_state *s = vm->s;

    if (!(sys_kinfo()->xcr0_supported & 2)) {
        test_skip("the processor has no XSAVE");
        return;
    }
    VM_LOAD64(vm, g64_xsetbv);
    s->cr4 |= 1 << 18;
    if (!on_tcg()) { /* TCG lets the guest do it */
        CHECK_EXIT(vm, VCPU_EXIT_XSETBV);
        CHECK_EQ(s->gpr[GPR_RAX], 3);
        CHECK_EQ(sys_vcpu_get(vm->vcpu, VCPU_GROUP_MSR), SK_OK);
        CHECK_EQ(s->xcr0, 1);
        s->xcr0 = 3;
        s->dirty |= VCPU_GROUP_MSR;
        vm_skip(vm, 3);
    }
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm_data(vm, 0), 3);
    CHECK_EQ(host_xcr0(), sys_kinfo()->xcr0_supported);
    CHECK_EQ(sys_vcpu_get(vm->vcpu, VCPU_GROUP_MSR), SK_OK);
    CHECK_EQ(s->xcr0, 3);
}

static void test_cr8(struct vm *vm)
{
    const struct vcpu_exit *e = &vm->s->exit;

    VM_LOAD64(vm, g64_cr8);
    CHECK_EXIT(vm, VCPU_EXIT_CR);
    CHECK_EQ(e->cr_nr, 8);
    CHECK_EQ(e->cr_write, 1);
    vm_skip(vm, 4);
    CHECK_EXIT(vm, VCPU_EXIT_CR);
    CHECK_EQ(e->cr_nr, 8);
    CHECK_EQ(e->cr_write, 0);
    vm_skip(vm, 4);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
}

static void test_triple(struct vm *vm)
{
    if (option("no-triple-fault")) {
        test_skip("the command line says so");
        return;
    }
    VM_LOAD16(vm, g16_triple);
    CHECK_EXIT(vm, VCPU_EXIT_SHUTDOWN);
    /* the vcpu can be used again */
    VM_LOAD16(vm, g16_hlt);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    VM_LOAD64(vm, g64_triple);
    CHECK_EXIT(vm, VCPU_EXIT_SHUTDOWN);
}

/* INT 21h: through the interrupt table at 0 to a HLT. */
static void test_int(struct vm *vm)
{
    VM_LOAD16(vm, g16_int);
    *(uint32_t *)(vm->mem + 0x21 * 4) = CODE + 2;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm->s->rip, CODE + 2);
    CHECK_EQ(vm->s->gpr[GPR_RSP], STACK - 6);
    CHECK_EQ(*(uint16_t *)(vm->mem + STACK - 6), CODE + 2);
}

const struct test tests_exit[] = {
    { "I/O", test_io },
    { "string I/O", test_io_string },
    { "MMIO", test_mmio },
    { "fault in the guest's page table", test_pt_walk },
    { "rights of guest memory", test_rights },
    { "CPUID", test_cpuid },
    { "MSRs without exit", test_msr_own },
    { "MSRs with exit", test_msr_exit },
    { "HLT", test_hlt },
    { "privileged instructions", test_ops },
    { "XSETBV", test_xsetbv },
    { "CR8", test_cr8 },
    { "CR0 and CR4", test_control_registers },
    { "triple fault", test_triple },
    { "software interrupt", test_int },
    { NULL, NULL },
};
