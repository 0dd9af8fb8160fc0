// SPDX-License-Identifier: MIT
// vmtest: guests.
#include "vmtest.h"

#define STATE_VA 0x10000000ull

static void opened(int64_t result, const char *what)
{
    if (result < 0) {
        check_failed(__FILE__, __LINE__, what, (uint64_t)result, 0);
    }
}

void vm_open(struct vm *vm)
{
    int64_t guest = sys_guest_create(CAP_QUOTA);

    opened(guest, "guest_create");
    int64_t vcpu = sys_vcpu_create(CAP_QUOTA, (cap_t)guest, CAP_TASK, STATE_VA);
    opened(vcpu, "vcpu_create");
    *vm = (struct vm){ .guest = (cap_t)guest, .vcpu = (cap_t)vcpu, .s = (struct vcpu_state *)STATE_VA };
    vm->ram = mem_take(RAM_SIZE, PAGE_SIZE);
    vm->mem = mem_map(vm->ram, RAM_SIZE);
    opened(sys_map(vm->guest, vm->ram, 0, RAM_SIZE, 0, RIGHT_R | RIGHT_W | RIGHT_X).value, "map guest RAM");
    memset(vm->mem, 0, RAM_SIZE);
}

/* Tests may have destroyed any of them. */
void vm_close(struct vm *vm)
{
    sys_obj_destroy(vm->vcpu);
    sys_obj_destroy(vm->guest);
    ignore(sys_mem_revoke(vm->ram));
    sys_obj_destroy(vm->ram);
    ignore(sys_unmap(CAP_TASK, (uint64_t)vm->mem, RAM_SIZE));
}

void vm_skip(struct vm *vm, unsigned len)
{
    vm->s->rip += len;
    vm->s->int_shadow = 0;
    vm->s->dirty |= VCPU_GROUP_BASE;
}

void vm_endless(struct vm *vm)
{
    if (option("no-if-0")) {
        vm->s->rflags |= 0x200;
        vm->s->dirty |= VCPU_GROUP_BASE;
    }
}

static void load(struct vm *vm, const uint8_t *code, const uint8_t *end)
{
    memcpy(vm->mem + CODE, code, (size_t)(end - code));
    vm->s->rip = CODE;
    vm->s->rflags = 2;
    vm->s->gpr[GPR_RSP] = STACK;
    vm->s->int_shadow = 0;
    vm->s->dirty |= VCPU_GROUP_BASE | VCPU_GROUP_SEG;
}

void vm_load16(struct vm *vm, const uint8_t *code, const uint8_t *end)
{
    const struct vcpu_seg data = { .attr = 0x93, .limit = 0xffff };
    struct vcpu_state *s = vm->s;

    load(vm, code, end);
    s->cr0 = 0x10;
    s->cr4 = s->efer = 0;
    s->idtr = (struct vcpu_seg){ .limit = 0x3ff };
    s->cs = (struct vcpu_seg){ .attr = 0x9b, .limit = 0xffff };
    s->ss = s->ds = s->es = s->fs = s->gs = data;
}

static void set_tables(struct vm *vm)
{
    uint64_t *pml4 = (uint64_t *)(vm->mem + PML4), *pdpt = (uint64_t *)(vm->mem + PDPT);
    uint64_t *pd = (uint64_t *)(vm->mem + PD), *gdt = (uint64_t *)(vm->mem + GDT);

    pml4[0] = PDPT | 7;
    pdpt[0] = PD | 7;
    for (unsigned i = 0; i < 512; i++) {
        pd[i] = (uint64_t)i << 21 | 0x87;
    }
    gdt[1] = 0x00af9b000000ffff;
    gdt[2] = 0x00cf93000000ffff;
}

void vm_load64(struct vm *vm, const uint8_t *code, const uint8_t *end)
{
    const struct vcpu_seg data = { .sel = 0x10, .attr = 0xc93, .limit = 0xffffffff };
    struct vcpu_state *s = vm->s;

    load(vm, code, end);
    set_tables(vm);
    s->cr0 = 0x80000031; /* PG, NE, ET, PE */
    s->cr3 = PML4;
    s->cr4 = 0x620; /* OSXMMEXCPT, OSFXSR, PAE */
    s->efer = 0x501; /* LMA, LME, SCE */
    s->cs = (struct vcpu_seg){ .sel = 8, .attr = 0xa9b, .limit = 0xffffffff };
    s->ss = s->ds = s->es = s->fs = s->gs = data;
    s->tr = (struct vcpu_seg){ .attr = 0x8b, .limit = 0x67 };
    s->gdtr = (struct vcpu_seg){ .base = GDT, .limit = 0x17 };
    s->idtr = (struct vcpu_seg){ .base = IDT, .limit = 0xfff };
}

void vm_set_gate(struct vm *vm, unsigned vector, uint64_t handler)
{
    uint64_t *gate = (uint64_t *)(vm->mem + IDT + vector * 16);

    gate[0] = (handler & 0xffff) | 8ull << 16 | 0x8e00ull << 32 | (handler >> 16 & 0xffff) << 48;
    gate[1] = handler >> 32;
}

struct sys_result vm_run_until(struct vm *vm, cap_t timer, enum vcpu_gpr counter, uint64_t more)
{
    uint64_t start = vm->s->gpr[counter], ms = 1000000;
    struct sys_result r = { .value = VCPU_SIGNAL };

    for (uint64_t wait = 2 * ms; wait < 10000 * ms && vm->s->gpr[counter] - start < more; wait *= 2) {
        if (r.value != VCPU_SIGNAL || sys_signal_timer(timer, sys_now_ns() + wait) != SK_OK) {
            break;
        }
        r = sys_vcpu_run(vm->vcpu);
    }
    return r;
}
