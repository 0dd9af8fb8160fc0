// SPDX-License-Identifier: MIT
// vmtest: events into the guest, windows, doorbells, and events for the VMM's thread.
#include "vmtest.h"

GUEST_CODE(g16_spin);
GUEST_CODE(g16_int);
GUEST_CODE(g16_ud);
GUEST_CODE(g16_shadow);
GUEST_CODE(g16_doorbell);
GUEST_CODE(g16_doorbell_spin);
GUEST_CODE(g64_events);
GUEST_CODE(g64_window);
GUEST_CODE(g64_nmi);
GUEST_CODE(g64_hlt);
extern const uint8_t g64_events_intr[], g64_events_error[], g64_nmi_handler[];

#define INTR(vector) (VCPU_EVENT_VALID | VCPU_EVENT_INTR | (vector))
#define NMI          (VCPU_EVENT_VALID | VCPU_EVENT_NMI | 2)
#define IF           0x200u

static uint64_t guest_address(const uint8_t *code, const uint8_t *label)
{
    return CODE + (uint64_t)(label - code);
}

static void load_events(struct vm *vm, uint64_t rflags)
{
    VM_LOAD64(vm, g64_events);
    vm_set_gate(vm, 0x40, guest_address(g64_events, g64_events_intr));
    vm_set_gate(vm, 6, guest_address(g64_events, g64_events_intr));
    vm_set_gate(vm, 13, guest_address(g64_events, g64_events_error));
    vm->s->rflags = rflags | 2;
}

static void test_inject(struct vm *vm)
{
    load_events(vm, IF);
    vm->s->run.inject = INTR(0x40);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm->s->run.inject, 0);
    CHECK_EQ(vm_data(vm, 0), 1);
    CHECK_EQ(vm_data(vm, 1), CODE); /* where it came: before the first instruction */
    CHECK_EQ(vm->s->exit.idt_vectoring, 0);
    load_events(vm, 0);
    vm->s->run.inject = VCPU_EVENT_VALID | VCPU_EVENT_EXCP | 6;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm_data(vm, 0), 2);
    load_events(vm, 0);
    vm->s->run.inject = VCPU_EVENT_VALID | VCPU_EVENT_EXCP | VCPU_EVENT_EV | 13 | 0x1234ull << 32;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm_data(vm, 2), 0x1234);
    CHECK_EQ(vm_data(vm, 3), CODE);
    load_events(vm, 0);
    vm->s->run.inject = VCPU_EVENT_VALID | VCPU_EVENT_SOFTINT | 0x40;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm_data(vm, 0), 3);
    CHECK_EQ(vm_data(vm, 1), CODE);
    /* once is enough */
    vm_skip(vm, 0);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm_data(vm, 0), 3);
}

/* The delivery faults on the guest's stack: the event comes back, and is injected again. */
static void test_interrupted_event(struct vm *vm)
{
    load_events(vm, IF);
    vm->s->gpr[GPR_RSP] = HOLE + 0x1000;
    vm->s->run.inject = INTR(0x40);
    CHECK_EXIT(vm, VCPU_EXIT_MMIO);
    CHECK_EQ(vm->s->exit.gpa & ~0xfffull, HOLE);
    CHECK_EQ(vm->s->exit.access, RIGHT_W);
    CHECK_EQ(vm->s->exit.idt_vectoring, INTR(0x40));
    CHECK_EQ(vm->s->rip, CODE);
    vm->s->gpr[GPR_RSP] = STACK;
    vm->s->dirty = VCPU_GROUP_BASE;
    vm->s->run.inject = vm->s->exit.idt_vectoring;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm_data(vm, 0), 1);
}

/* The guest's own: an exception comes back too, INT n is simply executed again. */
static void interrupted_own(struct vm *vm, unsigned vector, uint64_t want)
{
    *(uint32_t *)(vm->mem + vector * 4) = CODE + 2;
    vm->s->ss.base = HOLE;
    CHECK_EXIT(vm, VCPU_EXIT_MMIO);
    CHECK_EQ(vm->s->exit.gpa, HOLE + STACK - 2);
    CHECK_EQ(vm->s->exit.idt_vectoring, want);
    CHECK_EQ(vm->s->rip, CODE);
    vm->s->ss.base = 0;
    vm->s->dirty = VCPU_GROUP_BASE;
    vm->s->run.inject = vm->s->exit.idt_vectoring;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm->s->rip, CODE + 2);
    CHECK_EQ(vm->s->gpr[GPR_RSP], STACK - 6);
}

static void test_interrupted_own(struct vm *vm)
{
    VM_LOAD16(vm, g16_ud);
    interrupted_own(vm, 6, VCPU_EVENT_VALID | VCPU_EVENT_EXCP | 6);
    VM_LOAD16(vm, g16_int);
    interrupted_own(vm, 0x21, 0);
}

static void test_irq_window(struct vm *vm)
{
    VM_LOAD64(vm, g64_window);
    vm->s->rflags = 2;
    vm->s->run.irq_window = 1;
    CHECK_EXIT(vm, VCPU_EXIT_IRQ_WINDOW);
    CHECK_EQ(vm->s->rip, CODE + 4); /* cli, nop, sti, nop */
    CHECK_EQ(vm->s->rflags & IF, IF);
    CHECK_EQ(vm->s->int_shadow, 0);
    vm->s->run.irq_window = 0;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    /* already open */
    vm->s->run.irq_window = 1;
    CHECK_EXIT(vm, VCPU_EXIT_IRQ_WINDOW);
    /* with an event: behind its delivery the handler has IF = 0, the window opens at its IRET */
    load_events(vm, IF);
    vm->s->run.inject = INTR(0x40);
    CHECK_EXIT(vm, VCPU_EXIT_IRQ_WINDOW);
    CHECK_EQ(vm_data(vm, 0), 1);
    CHECK_EQ(vm->s->rip, CODE);
    vm->s->run.irq_window = 0;
}

static void test_shadow(struct vm *vm)
{
    VM_LOAD16(vm, g16_shadow);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm->s->exit.int_shadow, 1);
    CHECK_EQ(vm->s->int_shadow, 1);
    vm_skip(vm, 1);
    CHECK_EXIT(vm, VCPU_EXIT_CPUID);
    CHECK_EQ(vm->s->int_shadow, 1);
    vm_skip(vm, 2);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm->s->int_shadow, 0);
    /* a shadow that the VMM sets holds the window back by one instruction */
    load_events(vm, IF);
    vm->s->int_shadow = 1;
    vm->s->run.irq_window = 1;
    CHECK_EXIT(vm, VCPU_EXIT_IRQ_WINDOW);
    CHECK_EQ(vm->s->rip, on_tcg() ? CODE : CODE + 1); /* TCG's VMRUN ignores the shadow */
    vm->s->run.irq_window = 0;
    vm->s->int_shadow = 1;
    vm->s->dirty = VCPU_GROUP_BASE;
    vm->s->run.inject = INTR(0x40);
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, SK_EINVAL);
    CHECK_EQ(vm->s->exit.qual, VCPU_INVALID_EVENT);
    vm->s->run.inject = 0;
}

static void test_nmi(struct vm *vm)
{
    VM_LOAD64(vm, g64_nmi);
    vm_set_gate(vm, 2, guest_address(g64_nmi, g64_nmi_handler));
    vm->s->run.inject = NMI;
    CHECK_EXIT(vm, VCPU_EXIT_CPUID);
    CHECK_EQ(vm_data(vm, 0), 1);
    /* masked until IRET */
    vm->s->run.inject = NMI;
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, SK_EINVAL);
    CHECK_EQ(vm->s->exit.qual, VCPU_INVALID_EVENT);
    vm->s->run.inject = 0;
    vm->s->run.nmi_window = 1;
    vm_skip(vm, 2);
    CHECK_EXIT(vm, VCPU_EXIT_NMI_WINDOW);
    CHECK_EQ(vm->s->rip, CODE);
    CHECK_EQ(vm->s->rflags & 0x100, 0);
    vm->s->run.nmi_window = 0;
    vm->s->run.inject = NMI;
    CHECK_EXIT(vm, VCPU_EXIT_CPUID);
    CHECK_EQ(vm_data(vm, 0), 2);
    vm_skip(vm, 2);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    /* open at once, but for a shadow */
    vm->s->run.nmi_window = 1;
    CHECK_EXIT(vm, VCPU_EXIT_NMI_WINDOW);
    vm->s->rip = CODE;
    vm->s->int_shadow = 1;
    vm->s->dirty = VCPU_GROUP_BASE;
    CHECK_EXIT(vm, VCPU_EXIT_NMI_WINDOW);
    CHECK_EQ(vm->s->rip, CODE + 1);
    CHECK_EQ(vm->s->rflags & 0x100, 0);
    vm->s->run.nmi_window = 0;
}

/* --- doorbells --------------------------------------------------------------------------------------------------- */

static void test_doorbell(struct vm *vm)
{
    cap_t bell = signal_make(0xbe11), any = signal_make(0xa11);
    struct sys_result r;

    CHECK_EQ(sys_doorbell_bind(vm->guest, 0x500, 7, bell), SK_OK);
    CHECK_EQ(sys_doorbell_bind(vm->guest, 0x500, 7, any), SK_EEXIST);
    CHECK_EQ(sys_doorbell_bind(vm->guest, 0x10000, 7, any), SK_EINVAL);
    CHECK_EQ(sys_doorbell_bind(vm->guest, 0x500, DOORBELL_ANY | 1, any), SK_EINVAL);
    CHECK_EQ(sys_doorbell_bind(vm->guest, 0x501, 7, vm->guest), SK_ETYPE);
    CHECK_EQ(sys_doorbell_bind(vm->guest, 0x501, 7, CAP_NULL), SK_ENOENT);
    VM_LOAD16(vm, g16_doorbell);
    for (unsigned i = 0; i < 2; i++) { /* 16 and 32 bits */
        r = sys_vcpu_run(vm->vcpu);
        CHECK_EQ(r.value, VCPU_SIGNAL);
        CHECK_EQ(r.extra, 0xbe11);
        CHECK_EQ(vm->s->exit.reason, VCPU_EXIT_NONE);
    }
    CHECK_EXIT(vm, VCPU_EXIT_IO); /* 8 bits: never */
    CHECK_EQ(vm->s->exit.io_width, 1);
    vm_skip(vm, 1);
    r = sys_vcpu_run(vm->vcpu); /* 16 bits of 0x10007 */
    CHECK_EQ(r.value, VCPU_SIGNAL);
    CHECK_EQ(r.extra, 0xbe11);
    CHECK_EXIT(vm, VCPU_EXIT_IO); /* 32 bits: another value */
    CHECK_EQ(sys_doorbell_bind(vm->guest, 0x500, DOORBELL_ANY, any), SK_OK);
    r = sys_vcpu_run(vm->vcpu);
    CHECK_EQ(r.value, VCPU_SIGNAL);
    CHECK_EQ(r.extra, 0xa11);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(sys_doorbell_bind(vm->guest, 0x500, 7, CAP_NULL), SK_OK);
    CHECK_EQ(sys_doorbell_bind(vm->guest, 0x500, DOORBELL_ANY, CAP_NULL), SK_OK);
    VM_LOAD16(vm, g16_doorbell);
    CHECK_EXIT(vm, VCPU_EXIT_IO);
    CHECK_EQ(sys_obj_destroy(bell), SK_OK);
    CHECK_EQ(sys_obj_destroy(any), SK_OK);
}

/* Nobody waits for the signal: the guest goes on, and only the timer brings it back. */
static void test_doorbell_spin(struct vm *vm)
{
    int64_t bell = sys_signal_create(CAP_QUOTA);
    cap_t timer = signal_make(0x71);

    CHECK(bell > 0);
    CHECK_EQ(sys_doorbell_bind(vm->guest, 0x500, DOORBELL_ANY, (cap_t)bell), SK_OK);
    VM_LOAD16(vm, g16_doorbell_spin);
    vm_endless(vm);
    struct sys_result r = vm_run_until(vm, timer, GPR_RBX, 10);
    CHECK_EQ(r.value, VCPU_SIGNAL);
    CHECK_EQ(r.extra, 0x71);
    CHECK(vm->s->gpr[GPR_RBX] >= 10);
    /* a dead signal is rung in vain, and can be replaced */
    CHECK_EQ(sys_obj_destroy((cap_t)bell), SK_OK);
    CHECK_EQ(vm_run_until(vm, timer, GPR_RBX, 10).value, VCPU_SIGNAL);
    CHECK_EQ(sys_doorbell_bind(vm->guest, 0x500, DOORBELL_ANY, timer), SK_OK);
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, VCPU_SIGNAL);
    CHECK_EQ(sys_obj_destroy(timer), SK_OK);
}

/* --- events for the thread --------------------------------------------------------------------------------------------- */

static void test_timer(struct vm *vm)
{
    cap_t timer = signal_make(0x1234);

    VM_LOAD16(vm, g16_spin);
    vm->s->rflags = 2 | IF;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t before = vm->s->gpr[GPR_RBX];
        struct sys_result r = vm_run_until(vm, timer, GPR_RBX, 1000);

        CHECK_EQ(r.value, VCPU_SIGNAL);
        CHECK_EQ(r.extra, 0x1234);
        CHECK_EQ(vm->s->exit.reason, VCPU_EXIT_NONE);
        CHECK_EQ(vm->s->exit.idt_vectoring, 0);
        CHECK(vm->s->gpr[GPR_RBX] >= before + 1000);
        CHECK(vm->s->rip >= CODE && vm->s->rip < CODE + 8);
    }
    CHECK_EQ(sys_obj_destroy(timer), SK_OK);
}

/* An event that is pending at the call: the guest does not run, what was injected comes back. */
static void test_pending(struct vm *vm)
{
    cap_t s = signal_make(0x99);

    load_events(vm, IF);
    vm->s->run.inject = INTR(0x40);
    CHECK_EQ(sys_signal_raise(s), SK_OK);
    struct sys_result r = sys_vcpu_run(vm->vcpu);
    CHECK_EQ(r.value, VCPU_SIGNAL);
    CHECK_EQ(r.extra, 0x99);
    CHECK_EQ(vm->s->run.inject, 0);
    CHECK_EQ(vm->s->exit.idt_vectoring, INTR(0x40));
    CHECK_EQ(vm->s->dirty, 0);
    CHECK_EQ(vm->s->rip, CODE);
    vm->s->run.inject = vm->s->exit.idt_vectoring;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(vm_data(vm, 0), 1);
    /* an NMI that was not delivered does not mask the next */
    vm->s->run.inject = NMI;
    CHECK_EQ(sys_signal_raise(s), SK_OK);
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, VCPU_SIGNAL);
    CHECK_EQ(vm->s->exit.idt_vectoring, NMI);
    CHECK_EQ(sys_signal_raise(s), SK_OK);
    vm->s->run.inject = NMI;
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, VCPU_SIGNAL);
    CHECK_EQ(sys_obj_destroy(s), SK_OK);
}

static void caller(uint64_t gate)
{
    wait_in_guest();
    int64_t tag = sys_call((cap_t)gate, TAG(0x77, 0, 0), DEADLINE_NEVER);

    sys_thread_exit(TAG_LABEL(tag));
}

/* A call on a gate of the VMM ends the run too, and is taken by SYS_WAIT. */
static void test_gate_event(struct vm *vm)
{
    int64_t gate = sys_gate_create(CAP_QUOTA);

    CHECK(gate > 0);
    CHECK_EQ(sys_gate_bind((cap_t)gate, CAP_THREAD, 0x5a, 0), SK_OK);
    VM_LOAD16(vm, g16_spin);
    vm_endless(vm);
    cap_t t = thread_run(caller, (uint64_t)gate, 128);
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, VCPU_EVENT);
    struct sys_result r = sys_wait(0);
    CHECK_EQ(r.extra, 0x5a);
    CHECK_EQ(TAG_LABEL(r.value), 0x77);
    CHECK_EQ(sys_reply(TAG(3, 0, 0)), SK_OK);
    CHECK_EQ(sys_obj_destroy(t), SK_OK);
    CHECK_EQ(sys_obj_destroy((cap_t)gate), SK_OK);
}

const struct test tests_event[] = {
    { "injection", test_inject },
    { "interrupted event", test_interrupted_event },
    { "interrupted event of the guest's own", test_interrupted_own },
    { "interrupt window", test_irq_window },
    { "interrupt shadow", test_shadow },
    { "NMI and NMI window", test_nmi },
    { "doorbells", test_doorbell },
    { "doorbells without listener", test_doorbell_spin },
    { "run ended by a timer", test_timer },
    { "run with an event pending", test_pending },
    { "run ended by a call", test_gate_event },
    { NULL, NULL },
};
