// SPDX-License-Identifier: MIT
// The trap boundary: numbers to functions, and foreign system calls back to their program.
#include <kernel/core.h>
#include <kernel/sys.h>

static int64_t (*const syscall_table[SYS_COUNT])(struct thread *t, const struct sys_args *args) = {
    [SYS_CALL] = sys_call,
    [SYS_WAIT] = sys_wait,
    [SYS_REPLY_WAIT] = sys_reply_wait,
    [SYS_REPLY] = sys_reply,
    [SYS_CAP_DROP] = sys_cap_drop,
    [SYS_CAP_COPY] = sys_cap_copy,
    [SYS_CAP_INFO] = sys_cap_info,
    [SYS_OBJ_DESTROY] = sys_obj_destroy,
    [SYS_QUOTA_CREATE] = sys_quota_create,
    [SYS_QUOTA_INFO] = sys_quota_info,
    [SYS_MEM_DERIVE] = sys_mem_derive,
    [SYS_MEM_REVOKE] = sys_mem_revoke,
    [SYS_MEM_INFO] = sys_mem_info,
    [SYS_TASK_CREATE] = sys_task_create,
    [SYS_GUEST_CREATE] = sys_guest_create,
    [SYS_DMA_CREATE] = sys_dma_create,
    [SYS_MAP] = sys_map,
    [SYS_UNMAP] = sys_unmap,
    [SYS_TASK_GRANT] = sys_task_grant,
    [SYS_THREAD_CREATE] = sys_thread_create,
    [SYS_THREAD_START] = sys_thread_start,
    [SYS_THREAD_STOP] = sys_thread_stop,
    [SYS_THREAD_SET] = sys_thread_set,
    [SYS_THREAD_INFO] = sys_thread_info,
    [SYS_THREAD_EXIT] = sys_thread_exit,
    [SYS_THREAD_YIELD] = sys_thread_yield,
    [SYS_GATE_CREATE] = sys_gate_create,
    [SYS_GATE_BIND] = sys_gate_bind,
    [SYS_SIGNAL_CREATE] = sys_signal_create,
    [SYS_SIGNAL_BIND] = sys_signal_bind,
    [SYS_SIGNAL_RAISE] = sys_signal_raise,
    [SYS_SIGNAL_ACK] = sys_signal_ack,
    [SYS_SIGNAL_TIMER] = sys_signal_timer,
    [SYS_IRQ_BIND] = sys_irq_bind,
    [SYS_MSI_BIND] = sys_msi_bind,
    [SYS_IRQ_INFO] = sys_irq_info,
    [SYS_PORT_DERIVE] = sys_port_derive,
    [SYS_PORT_IN] = sys_port_in,
    [SYS_PORT_OUT] = sys_port_out,
    [SYS_VCPU_CREATE] = sys_vcpu_create,
    [SYS_VCPU_RUN] = sys_vcpu_run,
    [SYS_VCPU_GET] = sys_vcpu_get,
    [SYS_DOORBELL_BIND] = sys_doorbell_bind,
    [SYS_CONSOLE_WRITE] = sys_console_write,
    [SYS_CONSOLE_READ] = sys_console_read,
    [SYS_CONSOLE_BIND] = sys_console_bind,
    [SYS_MACHINE_RESET] = sys_machine_reset,
    [SYS_MACHINE_STAT] = sys_machine_stat,
    [SYS_DMACTL_INFO] = sys_dmactl_info,
    [SYS_SIGNAL_WAIT] = sys_signal_wait,
};

/* Not for the kernel: to the thread's own handler, as if the instruction had been a call with the registers that
 * SYSCALL leaves. */
static void syscall_reflect(struct thread *t)
{
    struct regs *r = &t->ctx.regs;

    if (t->syscall_handler == 0) {
        thread_fault(t, FAULT_SYSCALL, 0, 0);
        return;
    }
    r->rcx = r->rip;
    r->r11 = r->rflags;
    r->rip = t->syscall_handler;
    t->ctx.entered_by_syscall = false;
}

void core_syscall(struct context *ctx)
{
    struct thread *t = container_of(ctx, struct thread, ctx);
    struct regs *r = &ctx->regs;
    struct sys_args args = {{r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9}};
    uint64_t nr = r->rax ^ SYS_MAGIC;

    core_stat.syscalls++;
    if (nr >= SYS_COUNT) {
        if ((nr & ~(uint64_t)(uint16_t)nr) != 0) {
            syscall_reflect(t);
        } else {
            r->rax = (uint64_t)SK_ENOSYS;
        }
        return;
    }
    int64_t result = syscall_table[nr](t, &args);
    if (result != SYS_NO_RESULT) {
        r->rax = (uint64_t)result;
    }
}
