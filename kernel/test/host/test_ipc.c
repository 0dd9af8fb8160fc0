// SPDX-License-Identifier: MIT
// Calls, events, capability transfer, ends in the middle of a call, faults.
#include "fake.h"

/* A server thread of its own task with a bound gate; w->t has a capability to call it. */
struct server {
    struct thread *t;
    cap_t thread_cap; /* in w->t's table */
    cap_t gate;       /* in w->t's table, all rights */
};

static struct server make_server(struct world *w, uint8_t priority, uint64_t label)
{
    struct server s;

    s.t = spawn(w, priority, &s.thread_cap);
    s.gate = (cap_t)SC1(w->t, SYS_GATE_CREATE, CAP_QUOTA);
    assert_int_equal(SC4(w->t, SYS_GATE_BIND, s.gate, s.thread_cap, label, 0), SK_OK);
    return s;
}

static void test_call_reply(void **state)
{
    struct world *w = *state;
    struct server s = make_server(w, 128, 0xabcdef0123456789);

    assert_int_equal(SC1(s.t, SYS_WAIT, DEADLINE_NEVER), BLOCKED);
    w->t->utcb->mr[0] = 11;
    w->t->utcb->mr[1] = 22;
    assert_int_equal(SC3(w->t, SYS_CALL, s.gate, TAG(5, 2, 0), DEADLINE_NEVER), BLOCKED);
    assert_ptr_equal(running(), s.t);
    assert_int_equal(rax(s.t), TAG(5, 2, 0));
    assert_int_equal(rdx(s.t), 0xabcdef0123456789);
    assert_int_equal(s.t->utcb->mr[0], 11);
    assert_int_equal(s.t->utcb->mr[1], 22);
    s.t->utcb->mr[0] = 33;
    assert_int_equal(SC2(s.t, SYS_REPLY_WAIT, TAG(-3, 1, 0), DEADLINE_NEVER), BLOCKED);
    assert_ptr_equal(running(), w->t);
    assert_int_equal((int32_t)TAG_LABEL(rax(w->t)), -3);
    assert_int_equal(w->t->utcb->mr[0], 33);
    assert_int_equal(w->t->utcb->mr[1], 22);
    assert_int_equal(SC1(w->t, SYS_REPLY, 0), SK_EGONE);
}

static void test_call_queued(void **state)
{
    struct world *w = *state;
    struct server s = make_server(w, 1, 1);
    cap_t c2;
    struct thread *t2 = spawn_here(w, 128, &c2);

    assert_int_equal(SC3(w->t, SYS_CALL, s.gate, TAG(1, 0, 0), 0), SK_ETIMEDOUT);
    assert_int_equal(SC3(w->t, SYS_CALL, s.gate, TAG(1, 0, 0), 5000), BLOCKED);
    assert_int_equal(SC3(t2, SYS_CALL, s.gate, TAG(2, 0, 0), DEADLINE_NEVER), BLOCKED);
    assert_int_equal(fake.armed_ns, 5000);
    advance(10000);
    assert_int_equal(rax(w->t), SK_ETIMEDOUT);
    assert_int_equal(SC3(w->t, SYS_CALL, s.gate, TAG(3, 0, 0), DEADLINE_NEVER), BLOCKED);
    assert_int_equal(SC1(s.t, SYS_WAIT, 0), TAG(2, 0, 0));
    assert_int_equal(SC2(s.t, SYS_REPLY_WAIT, TAG(0, 0, 0), 0), TAG(3, 0, 0));
    assert_int_equal(rax(t2), 0);
    /* waiting without a reply ends the call */
    assert_int_equal(SC1(s.t, SYS_WAIT, 0), SK_EAGAIN);
    assert_int_equal(rax(w->t), SK_EGONE);
}

static void test_bad_tags(void **state)
{
    struct world *w = *state;
    struct server s = make_server(w, 128, 1);
    const uint64_t bad[] = {UTCB_WORDS + 1, TAG(0, 0, UTCB_CAPS + 1), TAG_UNUSED, TAG_SIGNAL, 1ull << 48, UINT64_MAX};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(SC3(w->t, SYS_CALL, s.gate, bad[i], DEADLINE_NEVER), SK_EINVAL);
        assert_int_equal(SC1(w->t, SYS_REPLY, bad[i]), SK_EINVAL);
        assert_int_equal(SC2(w->t, SYS_REPLY_WAIT, bad[i], DEADLINE_NEVER), SK_EINVAL);
    }
    assert_int_equal(SC3(w->t, SYS_CALL, CAP_TASK, 0, 0), SK_ETYPE);
    cap_t weak = (cap_t)SC2(w->t, SYS_CAP_COPY, s.gate, RIGHT_BIND);
    assert_int_equal(SC3(w->t, SYS_CALL, weak, 0, 0), SK_ERIGHTS);
}

static void test_cap_transfer(void **state)
{
    struct world *w = *state;
    struct server s = make_server(w, 128, 1);
    cap_t sig = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);

    SC1(s.t, SYS_WAIT, DEADLINE_NEVER);
    w->t->utcb->send_cap[0] = sig;
    w->t->utcb->send_rights[0] = RIGHT_CALL;
    w->t->utcb->send_cap[1] = 999;
    assert_int_equal(SC3(w->t, SYS_CALL, s.gate, TAG(1, 0, 1), DEADLINE_NEVER), SK_EMSG);
    s.t->utcb->recv_max = 2;
    assert_int_equal(SC3(w->t, SYS_CALL, s.gate, TAG(1, 0, 2), DEADLINE_NEVER), SK_ECAP);
    assert_int_equal(s.t->state, THREAD_WAITING);
    assert_int_equal(SC3(w->t, SYS_CALL, s.gate, TAG(1, 0, 1), DEADLINE_NEVER), BLOCKED);
    cap_t got = s.t->utcb->recv_cap[0];
    assert_int_equal(got, CAP_LOADER_SLOTS);
    assert_int_equal(SC1(s.t, SYS_CAP_INFO, got), OBJ_SIGNAL | RIGHT_CALL << 8);
    /* The caller accepts none: the reply fails and the call goes on. */
    s.t->utcb->send_cap[0] = got;
    s.t->utcb->send_rights[0] = RIGHT_ALL;
    assert_int_equal(SC2(s.t, SYS_REPLY_WAIT, TAG(0, 0, 1), DEADLINE_NEVER), SK_EMSG);
    assert_int_equal(w->t->state, THREAD_CALLING);
    w->t->utcb->recv_max = 8;
    assert_int_equal(SC2(s.t, SYS_REPLY_WAIT, TAG(0, 0, 1), DEADLINE_NEVER), BLOCKED);
    assert_int_equal(SC1(w->t, SYS_CAP_INFO, w->t->utcb->recv_cap[0]), OBJ_SIGNAL | RIGHT_CALL << 8);
}

static void test_cap_transfer_queued_fails(void **state)
{
    struct world *w = *state;
    struct server s = make_server(w, 1, 1);
    cap_t c2;
    struct thread *t2 = spawn_here(w, 128, &c2);

    w->t->utcb->send_cap[0] = CAP_TASK;
    SC3(w->t, SYS_CALL, s.gate, TAG(1, 0, 1), DEADLINE_NEVER);
    SC3(t2, SYS_CALL, s.gate, TAG(2, 0, 0), DEADLINE_NEVER);
    assert_int_equal(SC1(s.t, SYS_WAIT, DEADLINE_NEVER), TAG(2, 0, 0));
    assert_int_equal(rax(w->t), SK_EMSG);
}

static void test_event_order(void **state)
{
    struct world *w = *state;
    struct server s = make_server(w, 1, 100);
    cap_t a = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA), b = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);
    cap_t c2;
    struct thread *t2 = spawn_here(w, 128, &c2);

    SC3(w->t, SYS_SIGNAL_BIND, a, s.thread_cap, 1);
    SC1(w->t, SYS_SIGNAL_RAISE, b); /* pending while unbound */
    SC1(w->t, SYS_SIGNAL_RAISE, a);
    SC1(w->t, SYS_SIGNAL_RAISE, a);
    SC3(t2, SYS_CALL, s.gate, TAG(9, 0, 0), DEADLINE_NEVER);
    SC3(w->t, SYS_SIGNAL_BIND, b, s.thread_cap, 2);
    assert_int_equal(SC1(s.t, SYS_WAIT, 0), TAG_SIGNAL);
    assert_int_equal(rdx(s.t), 1);
    SC1(w->t, SYS_SIGNAL_RAISE, a);
    assert_int_equal(SC1(s.t, SYS_WAIT, 0), TAG(9, 0, 0));
    assert_int_equal(rdx(s.t), 100);
    assert_int_equal(SC2(s.t, SYS_REPLY_WAIT, 0, 0), TAG_SIGNAL);
    assert_int_equal(rdx(s.t), 2);
    assert_int_equal(SC1(s.t, SYS_WAIT, 0), TAG_SIGNAL);
    assert_int_equal(rdx(s.t), 1);
    assert_int_equal(SC1(s.t, SYS_WAIT, 0), SK_EAGAIN);
}

/* SYS_SIGNAL_WAIT: this one signal, nothing else; a taken call is not given up. */
static void test_signal_wait(void **state)
{
    struct world *w = *state;
    struct server s = make_server(w, 128, 100);
    cap_t lock = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA), other = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);
    cap_t c2;
    struct thread *t2 = spawn_here(w, 128, &c2);

    assert_int_equal(SC2(t2, SYS_SIGNAL_WAIT, lock, 0), SK_EAGAIN);
    SC1(w->t, SYS_SIGNAL_RAISE, lock);
    assert_int_equal(SC2(t2, SYS_SIGNAL_WAIT, lock, DEADLINE_NEVER), SK_OK); /* was pending */
    SC3(w->t, SYS_SIGNAL_BIND, other, c2, 7);
    assert_int_equal(SC2(t2, SYS_SIGNAL_WAIT, other, 0), SK_EBUSY);
    assert_int_equal(SC2(t2, SYS_SIGNAL_WAIT, lock, DEADLINE_NEVER), BLOCKED);
    SC1(w->t, SYS_SIGNAL_RAISE, other);
    assert_int_equal(t2->state, THREAD_AWAITING);
    assert_int_equal(SC3(w->t, SYS_SIGNAL_BIND, lock, CAP_THREAD, 1), SK_EBUSY);
    SC1(w->t, SYS_SIGNAL_RAISE, lock);
    assert_int_equal(rax(t2), SK_OK);
    assert_int_equal(SC1(t2, SYS_WAIT, 0), TAG_SIGNAL);
    assert_int_equal(rdx(t2), 7);
    assert_int_equal(SC2(t2, SYS_SIGNAL_WAIT, lock, 5000), BLOCKED);
    advance(10000);
    assert_int_equal(rax(t2), SK_ETIMEDOUT);
    /* A server between taking a call and its reply. */
    cap_t gate = (cap_t)SC1(w->t, SYS_GATE_CREATE, CAP_QUOTA);
    SC4(w->t, SYS_GATE_BIND, gate, c2, 3, 0);
    SC3(w->t, SYS_CALL, gate, TAG(1, 0, 0), DEADLINE_NEVER);
    assert_int_equal(SC1(t2, SYS_WAIT, DEADLINE_NEVER), TAG(1, 0, 0));
    assert_int_equal(SC2(t2, SYS_SIGNAL_WAIT, lock, DEADLINE_NEVER), BLOCKED);
    assert_int_equal(w->t->state, THREAD_CALLING);
    SC1(s.t, SYS_WAIT, 0);
    signal_raise(t2->awaited);
    assert_int_equal(SC1(t2, SYS_REPLY, 0), SK_OK);
    assert_int_equal(rax(w->t), 0);
    /* Stopped, destroyed. */
    assert_int_equal(SC2(t2, SYS_SIGNAL_WAIT, lock, DEADLINE_NEVER), BLOCKED);
    assert_int_equal(SC1(w->t, SYS_THREAD_STOP, c2), SK_OK);
    SC1(w->t, SYS_SIGNAL_RAISE, lock);
    assert_int_equal(SC2(w->t, SYS_SIGNAL_WAIT, lock, 0), SK_OK); /* nobody else had it */
    assert_int_equal(SC4(w->t, SYS_THREAD_START, c2, 0x1000, 0x2000, 0), SK_OK);
    assert_int_equal(SC2(t2, SYS_SIGNAL_WAIT, lock, DEADLINE_NEVER), BLOCKED);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, lock), SK_OK);
    assert_int_equal(rax(t2), SK_EGONE);
}

static void test_gate_destroyed(void **state)
{
    struct world *w = *state;
    struct server s = make_server(w, 1, 1);
    cap_t c2, c3;
    struct thread *t2 = spawn_here(w, 128, &c2), *t3 = spawn_here(w, 128, &c3);

    SC3(t2, SYS_CALL, s.gate, TAG(1, 0, 0), DEADLINE_NEVER);
    SC3(t3, SYS_CALL, s.gate, TAG(2, 0, 0), DEADLINE_NEVER);
    assert_int_equal(SC1(s.t, SYS_WAIT, 0), TAG(1, 0, 0));
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, s.gate), SK_OK);
    assert_int_equal(rax(t3), SK_EGONE); /* queued */
    assert_int_equal(t2->state, THREAD_CALLING);
    assert_int_equal(SC1(s.t, SYS_REPLY, TAG(0, 0, 0)), SK_OK); /* taken before */
    assert_int_equal(rax(t2), 0);
    assert_int_equal(SC1(s.t, SYS_WAIT, 0), SK_EAGAIN);
}

static void test_server_dies(void **state)
{
    struct world *w = *state;
    struct server s = make_server(w, 1, 1);
    cap_t c2, c3;
    struct thread *t2 = spawn_here(w, 128, &c2), *t3 = spawn_here(w, 128, &c3);

    SC3(t2, SYS_CALL, s.gate, TAG(1, 0, 0), DEADLINE_NEVER);
    SC3(t3, SYS_CALL, s.gate, TAG(2, 0, 0), DEADLINE_NEVER);
    SC1(s.t, SYS_WAIT, 0);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, s.thread_cap), SK_OK);
    assert_int_equal(rax(t2), SK_EGONE);
    assert_int_equal(rax(t3), SK_EGONE);
    /* unbound: callers wait for another server */
    assert_int_equal(SC3(t2, SYS_CALL, s.gate, TAG(4, 0, 0), DEADLINE_NEVER), BLOCKED);
    assert_int_equal(SC4(w->t, SYS_GATE_BIND, s.gate, CAP_THREAD, 6, 0), SK_OK);
    assert_int_equal(SC1(w->t, SYS_WAIT, DEADLINE_NEVER), TAG(4, 0, 0));
    assert_int_equal(rdx(w->t), 6);
}

static void test_caller_dies(void **state)
{
    struct world *w = *state;
    struct server s = make_server(w, 1, 1);
    cap_t c2, c3;
    struct thread *t2 = spawn_here(w, 128, &c2), *t3 = spawn_here(w, 128, &c3);

    SC3(t2, SYS_CALL, s.gate, TAG(1, 0, 0), DEADLINE_NEVER);
    SC3(t3, SYS_CALL, s.gate, TAG(2, 0, 0), 999999);
    SC1(s.t, SYS_WAIT, 0);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, c2), SK_OK);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, c3), SK_OK);
    assert_int_equal(SC1(s.t, SYS_REPLY, 0), SK_EGONE);
    assert_int_equal(SC1(s.t, SYS_WAIT, 0), SK_EAGAIN);
    assert_true(timer_next_deadline() == DEADLINE_NEVER);
}

static void test_stop_and_restart(void **state)
{
    struct world *w = *state;
    struct server s = make_server(w, 1, 1);

    SC1(s.t, SYS_WAIT, DEADLINE_NEVER);
    assert_int_equal(SC1(w->t, SYS_THREAD_STOP, s.thread_cap), SK_OK);
    assert_int_equal(SC1(w->t, SYS_THREAD_INFO, s.thread_cap), THREAD_STOPPED);
    cap_t c2;
    struct thread *t2 = spawn_here(w, 128, &c2);
    assert_int_equal(SC3(t2, SYS_CALL, s.gate, TAG(7, 0, 0), DEADLINE_NEVER), BLOCKED);
    assert_int_equal(SC4(w->t, SYS_THREAD_START, s.thread_cap, 0x1234, 0x5678, 9), SK_OK);
    assert_int_equal(s.t->ctx.regs.rip, 0x1234);
    assert_int_equal(s.t->ctx.regs.rdi, 9);
    assert_int_equal(SC1(s.t, SYS_WAIT, 0), TAG(7, 0, 0));
    assert_int_equal(SC1(w->t, SYS_THREAD_STOP, s.thread_cap), SK_OK);
    assert_int_equal(rax(t2), SK_EGONE);
    assert_int_equal(SC4(w->t, SYS_THREAD_START, s.thread_cap, USER_END, 0, 0), SK_EINVAL);
    assert_int_equal(SC1(w->t, SYS_THREAD_STOP, CAP_THREAD), BLOCKED);
}

static void test_exit_and_fault(void **state)
{
    struct world *w = *state;
    cap_t c2, c3, sig = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);
    struct thread *t2 = spawn_here(w, 100, &c2), *t3 = spawn_here(w, 100, &c3);

    SC3(w->t, SYS_SIGNAL_BIND, sig, CAP_THREAD, 3);
    assert_int_equal(SC3(w->t, SYS_THREAD_SET, c2, THREAD_EXIT_SIGNAL, sig), SK_OK);
    assert_int_equal(SC3(w->t, SYS_THREAD_SET, c3, THREAD_EXIT_SIGNAL, sig), SK_OK);
    assert_int_equal(SC1(t2, SYS_THREAD_EXIT, -42), BLOCKED);
    assert_int_equal(SC1(w->t, SYS_WAIT, 0), TAG_SIGNAL);
    assert_int_equal(SC1(w->t, SYS_THREAD_INFO, c2), THREAD_EXITED);
    assert_int_equal((int64_t)rdx(w->t), -42);
    t3->ctx.regs.vector = 14;
    t3->ctx.regs.error = 6;
    t3->ctx.regs.rbx = 0xbb;
    core_fault(&t3->ctx, 0xdead000);
    assert_int_equal(SC1(w->t, SYS_WAIT, 0), TAG_SIGNAL);
    assert_int_equal(SC1(w->t, SYS_THREAD_INFO, c3), THREAD_FAULTED);
    const struct thread_info *info = (const void *)w->t->utcb->mr;
    assert_int_equal(info->fault.vector, 14);
    assert_int_equal(info->fault.error, 6);
    assert_int_equal(info->fault.address, 0xdead000);
    assert_int_equal(info->fault.rbx, 0xbb);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, c3), SK_OK); /* told already */
    object_reap();
    assert_int_equal(SC1(w->t, SYS_WAIT, 0), SK_EAGAIN);
    (void)spawn_here(w, 100, &c2);
    assert_int_equal(SC3(w->t, SYS_THREAD_SET, c2, THREAD_EXIT_SIGNAL, sig), SK_OK);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, c2), SK_OK);
    object_reap();
    assert_int_equal(SC1(w->t, SYS_WAIT, 0), TAG_SIGNAL);
}

static void test_fault_handler(void **state)
{
    struct world *w = *state;

    assert_int_equal(SC3(w->t, SYS_THREAD_SET, CAP_THREAD, THREAD_FAULT_HANDLER, 0x7000), SK_OK);
    w->t->utcb->fault_armed = 1;
    w->t->ctx.regs.vector = 13;
    w->t->ctx.regs.rip = 0x4444;
    core_fault(&w->t->ctx, 0);
    assert_int_equal(w->t->ctx.regs.rip, 0x7000);
    assert_int_equal(w->t->utcb->fault_armed, 0);
    assert_int_equal(w->t->utcb->fault.ip, 0x4444);
    core_fault(&w->t->ctx, 0);
    assert_int_equal(w->t->state, THREAD_FAULTED);
}

static void test_foreign_syscall(void **state)
{
    struct world *w = *state;
    struct regs *r = &w->t->ctx.regs;

    assert_int_equal(SC3(w->t, SYS_THREAD_SET, CAP_THREAD, THREAD_SYSCALL_HANDLER, 0x7000), SK_OK);
    r->rax = 1;
    r->rip = 0x4002;
    r->rflags = 0x202;
    r->rdi = 17;
    core_syscall(&w->t->ctx);
    assert_int_equal(r->rip, 0x7000);
    assert_int_equal(r->rcx, 0x4002);
    assert_int_equal(r->r11, 0x202);
    assert_int_equal(r->rax, 1);
    assert_int_equal(r->rdi, 17);
    SC3(w->t, SYS_THREAD_SET, CAP_THREAD, THREAD_SYSCALL_HANDLER, 0);
    r->rax = 1ull << 32 | SYS_MAGIC | SYS_THREAD_YIELD;
    core_syscall(&w->t->ctx);
    assert_int_equal(w->t->state, THREAD_FAULTED);
    assert_int_equal(w->t->fault.vector, FAULT_SYSCALL);
}

static void test_notify_unused(void **state)
{
    struct world *w = *state;
    cap_t g = (cap_t)SC1(w->t, SYS_GATE_CREATE, CAP_QUOTA), call = (cap_t)SC2(w->t, SYS_CAP_COPY, g, RIGHT_CALL);
    cap_t srv = (cap_t)SC2(w->t, SYS_CAP_COPY, g, RIGHT_BIND | RIGHT_CTRL);

    assert_int_equal(SC4(w->t, SYS_GATE_BIND, g, CAP_THREAD, 8, GATE_NOTIFY_UNUSED), SK_OK);
    assert_int_equal(SC4(w->t, SYS_GATE_BIND, g, CAP_THREAD, 8, 2), SK_EINVAL);
    SC1(w->t, SYS_CAP_DROP, g);
    assert_int_equal(SC1(w->t, SYS_WAIT, 0), SK_EAGAIN);
    SC1(w->t, SYS_CAP_DROP, call);
    assert_int_equal(SC1(w->t, SYS_WAIT, 0), TAG_SIGNAL | TAG_UNUSED);
    assert_int_equal(rdx(w->t), 8);
    assert_int_equal(SC1(w->t, SYS_WAIT, 0), SK_EAGAIN);
    assert_int_equal(SC4(w->t, SYS_GATE_BIND, srv, CAP_THREAD, 9, GATE_NOTIFY_UNUSED), SK_OK);
    assert_int_equal(SC1(w->t, SYS_WAIT, 0), TAG_SIGNAL | TAG_UNUSED);
    assert_int_equal(SC4(w->t, SYS_GATE_BIND, srv, CAP_NULL, 0, 0), SK_OK);
}

static void test_call_respects_priority(void **state)
{
    struct world *w = *state;
    struct server low = make_server(w, 1, 1);
    cap_t c2;
    struct thread *mid = spawn_here(w, 50, &c2);

    SC3(w->t, SYS_CALL, low.gate, 0, DEADLINE_NEVER);
    assert_ptr_equal(running(), mid);
    SC1(mid, SYS_WAIT, DEADLINE_NEVER);
    assert_ptr_equal(running(), low.t);
    SC1(low.t, SYS_WAIT, DEADLINE_NEVER);
    assert_int_equal(SC1(low.t, SYS_REPLY, 0), SK_OK);
    assert_ptr_equal(running(), w->t);
}

static void test_task_dies_with_all(void **state)
{
    struct world *w = *state;
    struct server s = make_server(w, 200, 1);

    SC1(s.t, SYS_WAIT, DEADLINE_NEVER);
    cap_t task = give(s.t, CAP_TASK, w->t, RIGHT_ALL);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, task), SK_OK);
    assert_int_equal(SC1(w->t, SYS_THREAD_INFO, s.thread_cap), SK_ECAP);
    assert_int_equal(SC3(w->t, SYS_CALL, s.gate, 0, 0), SK_ETIMEDOUT);
}

/* A task destroys itself, a thread itself: the processor goes on with another. */
static void test_self_destruction(void **state)
{
    struct world *w = *state;
    cap_t c2, c3;
    struct thread *t2 = spawn(w, 200, &c2), *t3 = spawn(w, 199, &c3);

    assert_ptr_equal(running(), t2);
    assert_int_equal(SC1(t2, SYS_OBJ_DESTROY, CAP_TASK), SK_OK);
    assert_ptr_equal(running(), t3);
    SC1(w->t, SYS_CAP_DROP, c3);
    assert_int_equal(SC1(t3, SYS_CAP_DROP, CAP_THREAD), BLOCKED);
    assert_ptr_equal(running(), w->t);
    assert_int_equal(SC4(w->t, SYS_THREAD_START, CAP_THREAD, 0x77, 0x88, 0x99), 0);
    assert_int_equal(w->t->ctx.regs.rip, 0x77);
    assert_ptr_equal(running(), w->t);
}

static void test_self_call_and_rebind(void **state)
{
    struct world *w = *state;
    cap_t g = (cap_t)SC1(w->t, SYS_GATE_CREATE, CAP_QUOTA), c2;
    struct thread *t2 = spawn_here(w, 100, &c2);

    SC4(w->t, SYS_GATE_BIND, g, CAP_THREAD, 1, 0);
    assert_int_equal(SC3(w->t, SYS_CALL, g, TAG(3, 0, 0), DEADLINE_NEVER), BLOCKED);
    assert_int_equal(SC4(t2, SYS_GATE_BIND, g, c2, 2, 0), SK_OK);
    assert_int_equal(SC1(t2, SYS_WAIT, 0), TAG(3, 0, 0));
    assert_int_equal(rdx(t2), 2);
    assert_int_equal(SC1(t2, SYS_REPLY, 0), SK_OK);
    assert_ptr_equal(running(), w->t);
}

/* Random calls of random threads with random arguments: nothing leaks, no assertion fails. */
static void test_random(void **state)
{
    struct world *w = *state;
    struct thread *t;
    cap_t c;
    uint64_t x = 12345;

    ram(w, 0x20000000, 0x100000, 0);
    for (unsigned i = 0; i < 6; i++) {
        spawn(w, (uint8_t)(100 + i), &c);
    }
    for (unsigned i = 0; i < 60000 && (t = running()) != NULL; i++) {
        uint64_t a[7];

        for (unsigned k = 0; k < 7; k++) {
            x = x * 6364136223846793005ull + 1442695040888963407ull;
            a[k] = x >> 59 == 0 ? x : (x >> 40) % 26;
        }
        if (a[0] == SYS_OBJ_DESTROY || a[0] == SYS_THREAD_STOP || a[0] == SYS_THREAD_EXIT) {
            a[0] = x >> 33 & 7 ? SYS_GATE_CREATE : a[0];
        }
        if (x >> 20 & 1) {
            a[1] = CAP_QUOTA;
        }
        if (a[0] == SYS_SIGNAL_TIMER || a[0] == SYS_WAIT) {
            a[1 + (a[0] == SYS_SIGNAL_TIMER)] = fake.now_ns + (x >> 44);
        }
        sc(t, (enum sys_nr)(a[0] % SYS_COUNT), a[1], a[2], a[3], a[4], a[5], a[6]);
        advance(x >> 50);
        if (running() == NULL) {
            advance(1ull << 30);
        }
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_call_reply),
        TEST(test_call_queued),
        TEST(test_bad_tags),
        TEST(test_cap_transfer),
        TEST(test_cap_transfer_queued_fails),
        TEST(test_event_order),
        TEST(test_signal_wait),
        TEST(test_gate_destroyed),
        TEST(test_server_dies),
        TEST(test_caller_dies),
        TEST(test_stop_and_restart),
        TEST(test_exit_and_fault),
        TEST(test_fault_handler),
        TEST(test_foreign_syscall),
        TEST(test_notify_unused),
        TEST(test_call_respects_priority),
        TEST(test_task_dies_with_all),
        TEST(test_self_destruction),
        TEST(test_self_call_and_rebind),
        TEST(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
