// SPDX-License-Identifier: MIT
/* Kernel calls as C functions: one inline function per number of abi/syscall.h, which has the contracts.
 * Functions that create an object return the capability's index (> 0) or a negative enum sk_err. */
#pragma once

#include <abi/kinfo.h>
#include <abi/syscall.h>
#include <abi/utcb.h>
#include <abi/vcpu.h>
#include <sk/invoke.h>

#define SYS_MUST_CHECK __attribute__((warn_unused_result)) static inline
#define SYS0(nr)                      sys_invoke(nr, 0, 0, 0, 0, 0, 0)
#define SYS1(nr, a)                   sys_invoke(nr, (uint64_t)(a), 0, 0, 0, 0, 0)
#define SYS2(nr, a, b)                sys_invoke(nr, (uint64_t)(a), (uint64_t)(b), 0, 0, 0, 0)
#define SYS3(nr, a, b, c)             sys_invoke(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, 0, 0)
#define SYS4(nr, a, b, c, d)          sys_invoke(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), 0, 0)
#define SYS6(nr, a, b, c, d, e, f) \
    sys_invoke(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f))

SYS_MUST_CHECK int64_t sys_call(cap_t gate, uint64_t tag, uint64_t deadline) { return SYS3(SYS_CALL, gate, tag, deadline).value; }
SYS_MUST_CHECK struct sys_result sys_wait(uint64_t deadline) { return SYS1(SYS_WAIT, deadline); }
SYS_MUST_CHECK struct sys_result sys_reply_wait(uint64_t tag, uint64_t deadline) { return SYS2(SYS_REPLY_WAIT, tag, deadline); }
static inline int64_t sys_reply(uint64_t tag) { return SYS1(SYS_REPLY, tag).value; }

static inline int64_t sys_cap_drop(cap_t c) { return SYS1(SYS_CAP_DROP, c).value; }
SYS_MUST_CHECK int64_t sys_cap_copy(cap_t c, uint32_t rights) { return SYS2(SYS_CAP_COPY, c, rights).value; }
SYS_MUST_CHECK struct sys_result sys_cap_info(cap_t c) { return SYS1(SYS_CAP_INFO, c); }
static inline int64_t sys_obj_destroy(cap_t c) { return SYS1(SYS_OBJ_DESTROY, c).value; }

SYS_MUST_CHECK int64_t sys_quota_create_on(cap_t parent, uint64_t bytes, unsigned max_prio, uint64_t cpus) { return SYS4(SYS_QUOTA_CREATE, parent, bytes, max_prio, cpus).value; }
SYS_MUST_CHECK int64_t sys_quota_create(cap_t parent, uint64_t bytes, unsigned max_prio) { return sys_quota_create_on(parent, bytes, max_prio, 0); }
SYS_MUST_CHECK struct sys_result sys_quota_info(cap_t quota) { return SYS1(SYS_QUOTA_INFO, quota); }

SYS_MUST_CHECK int64_t sys_mem_derive(cap_t quota, cap_t mem, uint64_t off, uint64_t size, uint32_t rights) { return SYS6(SYS_MEM_DERIVE, quota, mem, off, size, rights, 0).value; }
SYS_MUST_CHECK int64_t sys_mem_revoke(cap_t mem) { return SYS1(SYS_MEM_REVOKE, mem).value; }
SYS_MUST_CHECK struct sys_result sys_mem_info(cap_t mem) { return SYS1(SYS_MEM_INFO, mem); }

SYS_MUST_CHECK int64_t sys_task_create(cap_t quota) { return SYS1(SYS_TASK_CREATE, quota).value; }
SYS_MUST_CHECK int64_t sys_guest_create(cap_t quota) { return SYS1(SYS_GUEST_CREATE, quota).value; }
SYS_MUST_CHECK int64_t sys_dma_create(cap_t quota, cap_t dmactl, uint32_t sbdf) { return SYS3(SYS_DMA_CREATE, quota, dmactl, sbdf).value; }
SYS_MUST_CHECK struct sys_result sys_map(cap_t space, cap_t mem, uint64_t off, uint64_t size, uint64_t addr, uint32_t rights) { return SYS6(SYS_MAP, space, mem, off, size, addr, rights); }
SYS_MUST_CHECK int64_t sys_unmap(cap_t space, uint64_t addr, uint64_t size) { return SYS3(SYS_UNMAP, space, addr, size).value; }
SYS_MUST_CHECK int64_t sys_task_grant(cap_t task, cap_t c, uint32_t rights, cap_t slot) { return SYS4(SYS_TASK_GRANT, task, c, rights, slot).value; }

SYS_MUST_CHECK int64_t sys_thread_create(cap_t quota, cap_t task, uint64_t utcb, unsigned prio) { return SYS4(SYS_THREAD_CREATE, quota, task, utcb, prio).value; }
SYS_MUST_CHECK int64_t sys_thread_start(cap_t t, uint64_t ip, uint64_t sp, uint64_t arg) { return SYS4(SYS_THREAD_START, t, ip, sp, arg).value; }
SYS_MUST_CHECK int64_t sys_thread_stop(cap_t t) { return SYS1(SYS_THREAD_STOP, t).value; }
SYS_MUST_CHECK int64_t sys_thread_set(cap_t t, enum thread_param p, uint64_t v) { return SYS3(SYS_THREAD_SET, t, p, v).value; }
SYS_MUST_CHECK struct sys_result sys_thread_info(cap_t t) { return SYS1(SYS_THREAD_INFO, t); }
_Noreturn static inline void sys_thread_exit(int64_t code) { for (;;) { (void)SYS1(SYS_THREAD_EXIT, code); } }
static inline void sys_thread_yield(void) { (void)SYS0(SYS_THREAD_YIELD); }

SYS_MUST_CHECK int64_t sys_gate_create(cap_t quota) { return SYS1(SYS_GATE_CREATE, quota).value; }
SYS_MUST_CHECK int64_t sys_gate_bind(cap_t gate, cap_t thread, uint64_t label, uint32_t flags) { return SYS4(SYS_GATE_BIND, gate, thread, label, flags).value; }
SYS_MUST_CHECK int64_t sys_signal_create(cap_t quota) { return SYS1(SYS_SIGNAL_CREATE, quota).value; }
SYS_MUST_CHECK int64_t sys_signal_bind(cap_t s, cap_t thread, uint64_t label) { return SYS3(SYS_SIGNAL_BIND, s, thread, label).value; }
static inline int64_t sys_signal_raise(cap_t s) { return SYS1(SYS_SIGNAL_RAISE, s).value; }
static inline int64_t sys_signal_ack(cap_t s) { return SYS1(SYS_SIGNAL_ACK, s).value; }
static inline int64_t sys_signal_timer(cap_t s, uint64_t deadline) { return SYS2(SYS_SIGNAL_TIMER, s, deadline).value; }
SYS_MUST_CHECK int64_t sys_signal_wait(cap_t s, uint64_t deadline) { return SYS2(SYS_SIGNAL_WAIT, s, deadline).value; }

SYS_MUST_CHECK int64_t sys_irq_bind(cap_t irqctl, uint32_t gsi, uint32_t flags, cap_t s) { return SYS4(SYS_IRQ_BIND, irqctl, gsi, flags, s).value; }
SYS_MUST_CHECK struct sys_result sys_msi_bind(cap_t irqctl, cap_t s, uint32_t sbdf) { return SYS3(SYS_MSI_BIND, irqctl, s, sbdf); }
SYS_MUST_CHECK struct sys_result sys_irq_info(cap_t irqctl) { return SYS1(SYS_IRQ_INFO, irqctl); }
SYS_MUST_CHECK int64_t sys_port_derive(cap_t quota, cap_t port, unsigned first, unsigned count) { return SYS4(SYS_PORT_DERIVE, quota, port, first, count).value; }
SYS_MUST_CHECK struct sys_result sys_port_in(cap_t c, unsigned port, unsigned width) { return SYS3(SYS_PORT_IN, c, port, width); }
SYS_MUST_CHECK int64_t sys_port_out(cap_t c, unsigned port, unsigned width, uint32_t v) { return SYS4(SYS_PORT_OUT, c, port, width, v).value; }

SYS_MUST_CHECK int64_t sys_vcpu_create(cap_t quota, cap_t guest, cap_t task, uint64_t page) { return SYS4(SYS_VCPU_CREATE, quota, guest, task, page).value; }
SYS_MUST_CHECK struct sys_result sys_vcpu_run(cap_t vcpu) { return SYS1(SYS_VCPU_RUN, vcpu); }
SYS_MUST_CHECK int64_t sys_vcpu_get(cap_t vcpu, uint32_t groups) { return SYS2(SYS_VCPU_GET, vcpu, groups).value; }
SYS_MUST_CHECK int64_t sys_doorbell_bind(cap_t guest, unsigned port, uint64_t value, cap_t s) { return SYS4(SYS_DOORBELL_BIND, guest, port, value, s).value; }

SYS_MUST_CHECK int64_t sys_console_write(cap_t c, unsigned bytes) { return SYS2(SYS_CONSOLE_WRITE, c, bytes).value; }
SYS_MUST_CHECK int64_t sys_console_read(cap_t c) { return SYS1(SYS_CONSOLE_READ, c).value; }
SYS_MUST_CHECK int64_t sys_console_bind(cap_t c, cap_t s) { return SYS2(SYS_CONSOLE_BIND, c, s).value; }
SYS_MUST_CHECK int64_t sys_machine_reset(cap_t c) { return SYS1(SYS_MACHINE_RESET, c).value; }
SYS_MUST_CHECK int64_t sys_machine_stat(cap_t c) { return SYS1(SYS_MACHINE_STAT, c).value; }
SYS_MUST_CHECK int64_t sys_dmactl_info(cap_t c) { return SYS1(SYS_DMACTL_INFO, c).value; }

static inline const struct kinfo *sys_kinfo(void) { return (const struct kinfo *)KINFO_VA; }

/* Monotonic clock in ns, without a kernel call. */
static inline uint64_t sys_now_ns(void)
{
    const struct kinfo *k = sys_kinfo();
    uint32_t lo, hi;

    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    uint64_t tsc = ((uint64_t)hi << 32 | lo) - k->tsc_base;
    return (uint64_t)(((unsigned __int128)tsc * k->tsc_mult) >> k->tsc_shift);
}
