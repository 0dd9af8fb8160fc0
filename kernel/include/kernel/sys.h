// SPDX-License-Identifier: MIT
/* The system calls inside the kernel. Each gets the calling thread and its arguments a[0..5], and returns what rax
 * shall be, or SYS_NO_RESULT when the thread is blocked, gone or has new registers. The second result goes to
 * t->ctx.regs.rdx. Contracts: abi/syscall.h. */
#pragma once

#include <kernel/ipc.h>
#include <kernel/quota.h>

#define SYS_NO_RESULT INT64_MIN

struct sys_args {
    uint64_t a[6];
};

#define SYS_DECLARE(name) int64_t sys_##name(struct thread *t, const struct sys_args *args)
SYS_DECLARE(call);
SYS_DECLARE(wait);
SYS_DECLARE(reply_wait);
SYS_DECLARE(reply);
SYS_DECLARE(cap_drop);
SYS_DECLARE(cap_copy);
SYS_DECLARE(cap_info);
SYS_DECLARE(obj_destroy);
SYS_DECLARE(quota_create);
SYS_DECLARE(quota_info);
SYS_DECLARE(mem_derive);
SYS_DECLARE(mem_revoke);
SYS_DECLARE(mem_info);
SYS_DECLARE(task_create);
SYS_DECLARE(guest_create); /* object/guest.c */
SYS_DECLARE(dma_create);
SYS_DECLARE(map);
SYS_DECLARE(unmap);
SYS_DECLARE(task_grant);
SYS_DECLARE(thread_create);
SYS_DECLARE(thread_start);
SYS_DECLARE(thread_stop);
SYS_DECLARE(thread_set);
SYS_DECLARE(thread_info);
SYS_DECLARE(thread_exit);
SYS_DECLARE(thread_yield);
SYS_DECLARE(gate_create);
SYS_DECLARE(gate_bind);
SYS_DECLARE(signal_create);
SYS_DECLARE(signal_bind);
SYS_DECLARE(signal_raise);
SYS_DECLARE(signal_ack);
SYS_DECLARE(signal_timer);
SYS_DECLARE(signal_wait);
SYS_DECLARE(irq_bind);
SYS_DECLARE(msi_bind);
SYS_DECLARE(irq_info);
SYS_DECLARE(port_derive);
SYS_DECLARE(port_in);
SYS_DECLARE(port_out);
SYS_DECLARE(vcpu_create);   /* object/vcpu.c */
SYS_DECLARE(vcpu_run);      /* object/vcpu.c */
SYS_DECLARE(vcpu_get);      /* object/vcpu.c */
SYS_DECLARE(doorbell_bind); /* object/guest.c */
SYS_DECLARE(console_write);
SYS_DECLARE(console_read);
SYS_DECLARE(console_bind);
SYS_DECLARE(machine_reset);
SYS_DECLARE(machine_stat);
SYS_DECLARE(dmactl_info);

/* --- object/vcpu.c, called by the threads' side ------------------------------------------------------------- */

/* t is IN_GUEST and t->events is not empty any more: ends the guest run (state READY, ctx.vcpu = NULL, rax and rdx as
 * SYS_VCPU_RUN says). t stays in its run queue. */
void vcpu_thread_event(struct thread *t);
/* t is IN_GUEST and is stopped or dies: t and its vcpu part; the caller sets t's new state. */
void vcpu_thread_abort(struct thread *t);
