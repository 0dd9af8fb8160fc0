// SPDX-License-Identifier: MIT
// ktest: calls, capability transfer, signals, timers; objects that go in the middle of a call.
#include "ktest.h"

/* Serves the gates bound to it: label 1 adds mr[0] and mr[1]; 2 hands back the capability received; 3 does not reply;
 * anything else ends the thread without a reply. */
static void server(struct worker *w)
{
    w->utcb->recv_max = 1;
    struct sys_result r = sys_wait(DEADLINE_NEVER);

    for (;;) {
        uint64_t tag = TAG(0, 1, 0);

        w->value[0]++;
        w->value[1] = r.extra;
        if (r.value < 0 || TAG_LABEL(r.value) > 3) {
            return;
        }
        if (TAG_LABEL(r.value) == 1) {
            w->utcb->mr[0] += w->utcb->mr[1];
        }
        if (TAG_LABEL(r.value) == 2) {
            w->utcb->send_cap[0] = w->utcb->recv_cap[0];
            w->utcb->send_rights[0] = RIGHT_ALL;
            tag = TAG(7, 0, 1);
        }
        r = TAG_LABEL(r.value) == 3 ? sys_wait(DEADLINE_NEVER) : sys_reply_wait(tag, DEADLINE_NEVER);
        if (r.value < 0) {
            w->value[2] = (uint64_t)r.value;
            r = sys_wait(DEADLINE_NEVER);
        }
    }
}

static cap_t gate_for(struct worker *w, uint64_t label)
{
    cap_t gate = CAP(sys_gate_create(CAP_QUOTA));

    CHECK_EQ(sys_gate_bind(gate, w->thread, label, 0), SK_OK);
    return gate;
}

static void call_and_reply(void)
{
    struct worker *w = worker_start(server, 128, 0, 0);
    cap_t gate = gate_for(w, 0xfeedfacecafebeef);

    for (uint64_t i = 0; i < 1000; i++) {
        utcb->mr[0] = i;
        utcb->mr[1] = 1000;
        CHECK_EQ(sys_call(gate, TAG(1, 2, 0), DEADLINE_NEVER), TAG(0, 1, 0));
        CHECK_EQ(utcb->mr[0], i + 1000);
    }
    CHECK_EQ(w->value[1], 0xfeedfacecafebeef);
    CHECK_EQ(w->value[0], 1000);
    CHECK_EQ(sys_call(gate, UTCB_WORDS + 1, DEADLINE_NEVER), SK_EINVAL);
    CHECK_EQ(sys_call(gate, TAG_SIGNAL, DEADLINE_NEVER), SK_EINVAL);
    CHECK_EQ(sys_call(gate, TAG(0, 0, UTCB_CAPS + 1), DEADLINE_NEVER), SK_EINVAL);
    CHECK_EQ(sys_call(CAP_TASK, 0, DEADLINE_NEVER), SK_ETYPE);
    cap_t weak = CAP(sys_cap_copy(gate, RIGHT_BIND));
    CHECK_EQ(sys_call(weak, 0, DEADLINE_NEVER), SK_ERIGHTS);
    CHECK_EQ(sys_reply(0), SK_EGONE);
    CHECK_EQ(sys_obj_destroy(gate), SK_OK);
}

/* Not a check: what a call costs. With QEMU's -icount shift=0 a nanosecond is an instruction. */
static void call_cost(void)
{
    struct worker *w = worker_start(server, 128, 0, 0);
    cap_t gate = gate_for(w, 0);
    uint64_t start = sys_now_ns();

    for (unsigned i = 0; i < 1000; i++) {
        ignore(sys_call(gate, TAG(0, 2, 0), DEADLINE_NEVER));
    }
    print_figure("call and reply, ns", (sys_now_ns() - start) / 1000);
    start = sys_now_ns();
    for (unsigned i = 0; i < 1000; i++) {
        ignore(sys_reply(TAG_SIGNAL));
    }
    print_figure("shortest kernel call, ns", (sys_now_ns() - start) / 1000);
    CHECK_EQ(sys_obj_destroy(gate), SK_OK);
}

static void whole_message(void)
{
    struct worker *w = worker_start(server, 128, 0, 0);
    cap_t gate = gate_for(w, 1);

    for (unsigned i = 0; i < UTCB_WORDS; i++) {
        utcb->mr[i] = i * 0x9e3779b97f4a7c15;
    }
    CHECK_EQ(sys_call(gate, TAG(0, UTCB_WORDS, 0), DEADLINE_NEVER), TAG(0, 1, 0));
    for (unsigned i = 0; i < UTCB_WORDS; i++) {
        CHECK_EQ(w->utcb->mr[i], i * 0x9e3779b97f4a7c15);
    }
    CHECK_EQ(sys_obj_destroy(gate), SK_OK);
}

static void capability_transfer(void)
{
    struct worker *w = worker_start(server, 128, 0, 0);
    cap_t gate = gate_for(w, 1), s = CAP(sys_signal_create(CAP_QUOTA));

    utcb->send_cap[0] = utcb->send_cap[1] = s;
    utcb->send_rights[0] = utcb->send_rights[1] = RIGHT_CALL;
    utcb->recv_max = 1;
    CHECK_EQ(sys_call(gate, TAG(2, 0, 2), DEADLINE_NEVER), SK_EMSG);
    CHECK_EQ(sys_call(gate, TAG(2, 0, 1), DEADLINE_NEVER), TAG(7, 0, 1));
    CHECK_EQ(sys_cap_info(utcb->recv_cap[0]).value, OBJ_SIGNAL | RIGHT_CALL << 8);
    CHECK_EQ(utcb->mr[0], 3);
    utcb->send_cap[0] = 5000;
    CHECK_EQ(sys_call(gate, TAG(2, 0, 1), DEADLINE_NEVER), SK_ECAP);
    /* The caller accepts none: the server's reply fails, it waits again, the call ends. */
    utcb->send_cap[0] = s;
    utcb->recv_max = 0;
    CHECK_EQ(sys_call(gate, TAG(2, 0, 1), DEADLINE_NEVER), SK_EGONE);
    CHECK_EQ(w->value[2], SK_EMSG);
    CHECK_EQ(sys_obj_destroy(s), SK_OK);
    CHECK_EQ(sys_obj_destroy(gate), SK_OK);
}

static void call_deadlines(void)
{
    cap_t gate = CAP(sys_gate_create(CAP_QUOTA));

    CHECK_EQ(sys_call(gate, 0, 0), SK_ETIMEDOUT);
    uint64_t start = sys_now_ns();
    CHECK_EQ(sys_call(gate, 0, start + 5 * MS), SK_ETIMEDOUT);
    CHECK(sys_now_ns() - start >= 5 * MS);
    CHECK_EQ(sys_call(gate, 0, 1), SK_ETIMEDOUT);
    CHECK_EQ(sys_wait(0).value, SK_EAGAIN);
    start = sys_now_ns();
    CHECK_EQ(sys_wait(start + 5 * MS).value, SK_ETIMEDOUT);
    CHECK(sys_now_ns() - start >= 5 * MS);
    CHECK_EQ(sys_obj_destroy(gate), SK_OK);
}

static void caller(struct worker *w)
{
    w->value[0] = (uint64_t)sys_call(w->cap[0], TAG(w->value[1], 0, 0), DEADLINE_NEVER);
    w->value[2] = 1;
}

static struct worker *start_caller(cap_t gate, uint64_t label)
{
    struct worker *w = worker_create(caller, 200, gate, 0);

    w->value[1] = label;
    worker_run(w);
    return w;
}

static void gate_destroyed_in_call(void)
{
    cap_t gate = CAP(sys_gate_create(CAP_QUOTA));
    struct worker *a = start_caller(gate, 1), *b = start_caller(gate, 2);

    CHECK_EQ(sys_gate_bind(gate, CAP_THREAD, 9, 0), SK_OK);
    CHECK_EQ(sys_wait(0).value, TAG(1, 0, 0));
    CHECK_EQ(sys_obj_destroy(gate), SK_OK);
    CHECK_EQ(b->value[0], SK_EGONE);
    CHECK_EQ(a->value[2], 0);
    CHECK_EQ(sys_reply(TAG(4, 0, 0)), SK_OK);
    CHECK_EQ(a->value[0], TAG(4, 0, 0));
}

static void thread_destroyed_in_call(void)
{
    cap_t gate = CAP(sys_gate_create(CAP_QUOTA));
    struct worker *a = start_caller(gate, 1), *b = start_caller(gate, 2);

    CHECK_EQ(sys_gate_bind(gate, CAP_THREAD, 9, 0), SK_OK);
    CHECK_EQ(sys_wait(0).value, TAG(1, 0, 0));
    CHECK_EQ(sys_obj_destroy(a->thread), SK_OK); /* taken */
    CHECK_EQ(sys_obj_destroy(b->thread), SK_OK); /* still at the gate */
    CHECK_EQ(sys_reply(0), SK_EGONE);
    CHECK_EQ(sys_wait(0).value, SK_EAGAIN);
    /* the server goes */
    struct worker *s = worker_start(server, 200, 0, 0);
    CHECK_EQ(sys_gate_bind(gate, s->thread, 1, 0), SK_OK);
    struct worker *c = start_caller(gate, 3), *d = start_caller(gate, 9);
    CHECK_EQ(c->value[0], SK_EGONE); /* went on without a reply */
    CHECK_EQ(d->value[0], SK_EGONE); /* ended without a reply */
    CHECK_EQ(sys_thread_info(s->thread).value, THREAD_EXITED);
    /* callers of the unbound gate wait for the next server */
    struct worker *e = start_caller(gate, 5);
    CHECK_EQ(sys_gate_bind(gate, CAP_THREAD, 1, 0), SK_OK);
    CHECK_EQ(sys_reply_wait(0, 0).value, TAG(5, 0, 0));
    CHECK_EQ(sys_wait(0).value, SK_EAGAIN);
    CHECK_EQ(e->value[0], SK_EGONE);
    CHECK_EQ(sys_obj_destroy(gate), SK_OK);
}

static void thread_stopped_in_call(void)
{
    cap_t gate = CAP(sys_gate_create(CAP_QUOTA));
    struct worker *a = start_caller(gate, 1), *b = start_caller(gate, 2);

    CHECK_EQ(sys_thread_info(a->thread).value, THREAD_CALLING);
    CHECK_EQ(sys_thread_stop(a->thread), SK_OK);
    CHECK_EQ(sys_thread_info(a->thread).value, THREAD_STOPPED);
    CHECK_EQ(sys_gate_bind(gate, CAP_THREAD, 1, 0), SK_OK);
    CHECK_EQ(sys_wait(0).value, TAG(2, 0, 0));
    worker_run(a);
    CHECK_EQ(sys_reply_wait(0, 0).value, TAG(1, 0, 0));
    CHECK_EQ(b->value[0], 0);
    CHECK_EQ(sys_reply(0), SK_OK);
    CHECK_EQ(a->value[0], 0);
    CHECK_EQ(sys_obj_destroy(gate), SK_OK);
}

static void signals(void)
{
    cap_t s = CAP(sys_signal_create(CAP_QUOTA)), t = CAP(sys_signal_create(CAP_QUOTA));

    sys_signal_raise(t);
    CHECK_EQ(sys_wait(0).value, SK_EAGAIN);
    CHECK_EQ(sys_signal_bind(s, CAP_THREAD, 1ull << 63), SK_OK);
    CHECK_EQ(sys_signal_bind(t, CAP_THREAD, 2), SK_OK);
    CHECK_EQ(sys_signal_raise(s), SK_OK);
    CHECK_EQ(sys_signal_raise(s), SK_OK);
    struct sys_result r = sys_wait(DEADLINE_NEVER);
    CHECK_EQ(r.value, TAG_SIGNAL);
    CHECK_EQ(r.extra, 2);
    CHECK_EQ(sys_wait(0).extra, 1ull << 63);
    CHECK_EQ(sys_wait(0).value, SK_EAGAIN);
    CHECK_EQ(sys_signal_raise(s), SK_OK);
    CHECK_EQ(sys_signal_bind(s, CAP_NULL, 0), SK_OK);
    CHECK_EQ(sys_wait(0).value, SK_EAGAIN);
    CHECK_EQ(sys_signal_bind(s, CAP_THREAD, 3), SK_OK);
    CHECK_EQ(sys_obj_destroy(s), SK_OK);
    CHECK_EQ(sys_wait(0).value, SK_EAGAIN);
    CHECK_EQ(sys_signal_ack(t), SK_OK);
    CHECK_EQ(sys_cap_drop(t), SK_OK);
}

static void timers(void)
{
    cap_t s[8];
    uint64_t start = sys_now_ns();

    for (unsigned i = 0; i < ARRAY_SIZE(s); i++) {
        s[i] = CAP(sys_signal_create(CAP_QUOTA));
        CHECK_EQ(sys_signal_bind(s[i], CAP_THREAD, i), SK_OK);
        CHECK_EQ(sys_signal_timer(s[i], start + (20 + (i * 5 % 8) * 2) * MS), SK_OK);
    }
    CHECK_EQ(sys_signal_timer(s[7], DEADLINE_NEVER), SK_OK);
    uint64_t last = 0;
    for (unsigned i = 0; i < 7; i++) {
        struct sys_result r = sys_wait(DEADLINE_NEVER);

        CHECK_EQ(r.value, TAG_SIGNAL);
        CHECK(r.extra < 7);
        uint64_t due = 20 + (r.extra * 5 % 8) * 2;
        CHECK(due > last);
        CHECK(sys_now_ns() >= start + due * MS);
        last = due;
    }
    CHECK_EQ(sys_wait(0).value, SK_EAGAIN);
    CHECK_EQ(sys_signal_timer(s[0], 1), SK_OK); /* in the past: at once */
    CHECK_EQ(sys_wait(sys_now_ns() + 50 * MS).value, TAG_SIGNAL);
    for (unsigned i = 0; i < ARRAY_SIZE(s); i++) {
        CHECK_EQ(sys_obj_destroy(s[i]), SK_OK);
    }
}

static void gate_unused(void)
{
    cap_t g = CAP(sys_gate_create(CAP_QUOTA)), call = CAP(sys_cap_copy(g, RIGHT_CALL));
    cap_t server_side = CAP(sys_cap_copy(g, RIGHT_BIND | RIGHT_CTRL));

    CHECK_EQ(sys_gate_bind(g, CAP_THREAD, 8, 1 << 1), SK_EINVAL);
    CHECK_EQ(sys_gate_bind(g, CAP_THREAD, 8, GATE_NOTIFY_UNUSED), SK_OK);
    CHECK_EQ(sys_cap_drop(g), SK_OK);
    CHECK_EQ(sys_wait(0).value, SK_EAGAIN);
    CHECK_EQ(sys_cap_drop(call), SK_OK);
    struct sys_result r = sys_wait(DEADLINE_NEVER);
    CHECK_EQ(r.value, TAG_SIGNAL | TAG_UNUSED);
    CHECK_EQ(r.extra, 8);
    CHECK_EQ(sys_cap_drop(server_side), SK_OK);
    CHECK_EQ(sys_wait(0).value, SK_EAGAIN);
}

/* Another task: calls the gate in slot 20 with one word, exits with the reply's word. */
extern const char child_begin[], child_end[];
__asm__(".pushsection .rodata\n"
        "child_begin:\n"
        "  mov $0x600000, %ebx\n" /* the UTCB */
        "  movq $41, (%rbx)\n"
        "  mov $0x534b0000, %eax\n" /* SYS_CALL */
        "  mov $20, %edi\n"
        "  mov $0x10001, %esi\n" /* label 1, one word */
        "  mov $-1, %rdx\n"
        "  syscall\n"
        "  mov (%rbx), %rdi\n"
        "  mov $0x534b0018, %eax\n" /* SYS_THREAD_EXIT */
        "  syscall\n"
        "child_end:\n"
        ".popsection\n");
_Static_assert(SYS_CALL == 0 && SYS_THREAD_EXIT == 0x18, "numbers in the child's code");

static void call_between_tasks(void)
{
    cap_t thread, task = child_create(CAP_QUOTA, child_begin, child_end, &thread);
    cap_t gate = CAP(sys_gate_create(CAP_QUOTA)), s = CAP(sys_signal_create(CAP_QUOTA));

    CHECK_EQ(sys_task_grant(task, gate, RIGHT_CALL, 20), 20);
    CHECK_EQ(sys_gate_bind(gate, CAP_THREAD, 1, 0), SK_OK);
    CHECK_EQ(sys_signal_bind(s, CAP_THREAD, 2), SK_OK);
    CHECK_EQ(sys_thread_set(thread, THREAD_EXIT_SIGNAL, s), SK_OK);
    CHECK_EQ(sys_thread_start(thread, CHILD_CODE, 0, 0), SK_OK);
    CHECK_EQ(sys_wait(sys_now_ns() + 1000 * MS).value, TAG(1, 1, 0));
    CHECK_EQ(utcb->mr[0], 41);
    utcb->mr[0]++;
    struct sys_result r = sys_reply_wait(TAG(0, 1, 0), sys_now_ns() + 1000 * MS);
    CHECK_EQ(r.value, TAG_SIGNAL);
    CHECK_EQ(r.extra, 2);
    r = sys_thread_info(thread);
    CHECK_EQ(r.value, THREAD_EXITED);
    CHECK_EQ(r.extra, 42);
    /* again, and the task dies while its call is taken */
    CHECK_EQ(sys_thread_start(thread, CHILD_CODE, 0, 0), SK_OK);
    CHECK_EQ(sys_wait(sys_now_ns() + 1000 * MS).value, TAG(1, 1, 0));
    CHECK_EQ(sys_obj_destroy(task), SK_OK);
    CHECK_EQ(sys_reply(0), SK_EGONE);
    CHECK_EQ(sys_thread_info(thread).value, SK_ECAP);
    CHECK_EQ(sys_obj_destroy(gate), SK_OK);
    CHECK_EQ(sys_obj_destroy(s), SK_OK);
}

void test_ipc(void)
{
    run("call and reply, 1000 times", call_and_reply);
    run("cost of a call", call_cost);
    run("call: message of full size", whole_message);
    run("call: capabilities", capability_transfer);
    run("call and wait: deadlines", call_deadlines);
    run("gate destroyed in the middle of a call", gate_destroyed_in_call);
    run("threads destroyed in the middle of a call", thread_destroyed_in_call);
    run("thread stopped in the middle of a call", thread_stopped_in_call);
    run("signals", signals);
    run("timers", timers);
    run("gate tells that it is unused", gate_unused);
    run("call between tasks; task destroyed in a call", call_between_tasks);
}
