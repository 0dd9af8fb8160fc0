// SPDX-License-Identifier: MIT
/* Kernel calls: numbers and register use.
 *
 * Instruction SYSCALL with
 *   rax = SYS_MAGIC | number,  arguments a0..a5 in rdi, rsi, rdx, r10, r8, r9
 * returns
 *   rax = SK_OK or a positive result, or a negative enum sk_err;  rdx = second result (else kept)
 * and clobbers rcx and r11. Bulk data travels in the thread's UTCB (abi/utcb.h): the kernel never
 * dereferences a user pointer.
 *
 * A SYSCALL whose rax lacks SYS_MAGIC is not a kernel call: the kernel resumes the thread at its
 * syscall handler (THREAD_SET_SYSCALL_HANDLER) with rcx = address behind the SYSCALL, r11 = rflags,
 * everything else unchanged. Without a handler the thread faults (FAULT_SYSCALL).
 *
 * In the comments, "cap(TYPE:RIGHT)" is a capability argument and what it must carry.
 * Every call can return SK_ECAP, SK_ETYPE, SK_ERIGHTS for each capability argument and SK_EINVAL
 * for a malformed argument; only further errors are listed. All creating calls charge cap(QUOTA:CTRL),
 * return the new capability's index (full rights) in rax, and can fail with SK_ENOMEM or SK_ESLOTS.
 * Deadlines are absolute, in nanoseconds of kinfo's clock; DEADLINE_NEVER waits for ever, 0 polls.
 */
#pragma once

#include <abi/types.h>

#define SYS_MAGIC      0x534b0000u
#define SYS_MAGIC_MASK 0xffff0000u

#define DEADLINE_NEVER UINT64_MAX

enum sys_nr {
    /* --- IPC (message in the UTCB; tags: abi/utcb.h) --- */
    /* a0 cap(GATE:CALL), a1 tag, a2 deadline. Sends the message, blocks until the reply.
     * The deadline covers the time until a server takes the call; afterwards the call waits for the
     * reply. rax = reply tag. SK_ETIMEDOUT, SK_EGONE (gate destroyed, or the server ended or went on
     * without replying), SK_EMSG (more capabilities than the receiver accepts), SK_ENOMEM/SK_ESLOTS
     * (the receiver's table). */
    SYS_CALL = 0,
    /* a0 deadline. rax = tag of the event, rdx = label of its gate or signal. The tag has TAG_SIGNAL
     * set for a signal. Events come in the order in which they became pending.
     * A call taken earlier and not replied to ends with SK_EGONE. SK_EAGAIN (a0 = 0), SK_ETIMEDOUT. */
    SYS_WAIT,
    /* a0 tag, a1 deadline. SYS_REPLY, then SYS_WAIT. That the caller is gone is no error here; any other
     * error of the reply is returned at once, and the call still waits for a reply. */
    SYS_REPLY_WAIT,
    /* a0 tag. Replies to the call last taken. SK_EGONE (no such call, or the caller is gone), SK_EMSG,
     * SK_ENOMEM/SK_ESLOTS (what the caller cannot take; the call still waits for a reply). */
    SYS_REPLY,

    /* --- capabilities --- */
    SYS_CAP_DROP,    /* a0 any cap, void ones too. Empties the slot; the last capability to an object destroys it. */
    SYS_CAP_COPY,    /* a0 any cap, a1 rights mask. rax = new slot with the rights a1 & its own. */
    SYS_CAP_INFO,    /* a0 any cap. rax = enum obj_type | rights << 8; rdx = object id (unique, never
                        reused); UTCB mr[0] = number of capabilities to the object, mr[1] = number of
                        mappings or other uses (memory: and one more if anything was derived from it). */
    SYS_OBJ_DESTROY, /* a0 cap(any:CTRL). Destroys the object now; every capability to it is void: its
                        slot stays taken until it is dropped, other uses say SK_ECAP. SK_EBUSY
                        (memory, as SYS_MEM_REVOKE), SK_EPERM (made at boot, as boot_info names it). */

    /* --- quota --- */
    SYS_QUOTA_CREATE, /* a0 cap(QUOTA:CTRL) parent, a1 bytes, a2 highest thread priority, a3 mask of the
                         processors for its threads (0: the parent's). The bytes move from the parent to the
                         child and return when the child is destroyed, which destroys all objects that were
                         created from it. SK_EPERM (priority or all processors beyond the parent's). */
    SYS_QUOTA_INFO,   /* a0 cap(QUOTA). rax = bytes limit, rdx = bytes used; UTCB mr[0] = mask of processors. */

    /* --- memory --- */
    SYS_MEM_DERIVE, /* a0 cap(QUOTA:CTRL), a1 cap(MEMORY), a2 offset, a3 size, a4 rights. A child:
                       page-aligned part of the parent, no stronger than the capability used.
                       From device memory, ranges that overlap RAM, the kernel, or interrupt
                       controllers fail with SK_EPERM. SK_ERANGE. */
    SYS_MEM_REVOKE, /* a0 cap(MEMORY:CTRL). Destroys all children, recursively, and all mappings of
                       this object and theirs. SK_EBUSY, and nothing changed, while any of it is
                       mapped in a DMA space whose device cannot be stopped by the kernel. */
    SYS_MEM_INFO,   /* a0 cap(MEMORY). rax = size in bytes, rdx = MEM_DEVICE etc. */

    /* --- spaces --- */
    SYS_TASK_CREATE,  /* a0 cap(QUOTA:CTRL): also pays for the task's page tables and capability table. */
    SYS_GUEST_CREATE, /* a0 cap(QUOTA:CTRL). SK_ENODEV without SVM (or VMX) and nested paging. */
    SYS_DMA_CREATE,   /* a0 cap(QUOTA:CTRL), a1 cap(DMACTL:CTRL), a2 PCI segment << 16 | bus/dev/fn. */
    SYS_MAP,          /* a0 cap(TASK|GUEST|DMA:CTRL), a1 cap(MEMORY), a2 offset, a3 size, a4 address,
                         a5 rights (R, W, X; no W with X in a task). All page-aligned. Uses the largest
                         pages that fit. In a DMA space a4 is the wanted address or MAP_ANY; rdx = the
                         address granted, or with SK_EEXIST the one it would be. SK_ERANGE, SK_EEXIST
                         (overlap), SK_ENOMEM (quota of the space). */
    SYS_UNMAP,        /* a0 cap(space:CTRL), a1 address, a2 size. Removes every mapping that lies wholly
                         in the range; one that only partly does: SK_EINVAL and nothing changed.
                         SK_ENOENT when there is none. */
    SYS_TASK_GRANT,   /* a0 cap(TASK:CTRL), a1 any cap, a2 rights, a3 slot (or 0: lowest free). Copies
                         the capability into that task's table. rax = slot. SK_ESLOTS if taken. */

    /* --- threads --- */
    SYS_THREAD_CREATE, /* a0 cap(QUOTA:CTRL), a1 cap(TASK:CTRL), a2 UTCB address in that task (a page the
                          kernel allocates and maps there), a3 priority. Stopped. Its processor is the
                          creator's if the quota allows that one, else the first that it allows.
                          SK_EPERM above the quota's highest priority. */
    SYS_THREAD_START,  /* a0 cap(THREAD:CTRL), a1 ip, a2 sp, a3 first argument (rdi). (Re)starts it. */
    SYS_THREAD_STOP,   /* a0 cap(THREAD:CTRL). State THREAD_STOPPED; a call in progress ends (SK_EGONE). */
    SYS_THREAD_SET,    /* a0 cap(THREAD:CTRL), a1 enum thread_param, a2 value. */
    SYS_THREAD_INFO,   /* a0 cap(THREAD:CTRL). rax = enum thread_state, rdx = exit code; UTCB mr[] =
                          struct thread_info. */
    SYS_THREAD_EXIT,   /* a0 code. Never returns. */
    SYS_THREAD_YIELD,  /* behind the others of its priority. */

    /* --- gates and signals --- */
    SYS_GATE_CREATE,   /* a0 cap(QUOTA:CTRL). Unbound: callers wait until it is bound. */
    SYS_GATE_BIND,     /* a0 cap(GATE:BIND), a1 cap(THREAD:CTRL) or CAP_NULL to unbind, a2 label,
                          a3 flags: GATE_NOTIFY_UNUSED raises an event (a signal with the gate's label and
                          TAG_UNUSED) when the last capability with RIGHT_CALL is gone. */
    SYS_SIGNAL_CREATE, /* a0 cap(QUOTA:CTRL). */
    SYS_SIGNAL_BIND,   /* a0 cap(SIGNAL:BIND), a1 cap(THREAD:CTRL) or CAP_NULL, a2 label. Raised while
                          unbound, it stays pending. SK_EBUSY: a thread is in SYS_SIGNAL_WAIT for it. */
    SYS_SIGNAL_RAISE,  /* a0 cap(SIGNAL:CALL). Never blocks; raising a pending signal changes nothing. */
    SYS_SIGNAL_ACK,    /* a0 cap(SIGNAL:BIND). Unmasks the level-triggered line bound to it. */
    SYS_SIGNAL_TIMER,  /* a0 cap(SIGNAL:BIND), a1 deadline (DEADLINE_NEVER disarms). Raised once then. */

    /* --- interrupts --- */
    SYS_IRQ_BIND,  /* a0 cap(IRQCTL:CTRL), a1 global system interrupt, a2 flags, a3 cap(SIGNAL:BIND).
                      Level lines are masked on delivery until SYS_SIGNAL_ACK. SK_ERANGE, SK_EBUSY (line
                      taken), SK_ENODEV (no vector left). Lines are released with the signal. */
    SYS_MSI_BIND,  /* a0 cap(IRQCTL:CTRL), a1 cap(SIGNAL:BIND), a2 PCI segment/bdf of the sender.
                      rax = MSI data, rdx = MSI address. SK_EBUSY (signal has an interrupt), SK_ENODEV. */
    SYS_IRQ_INFO,  /* a0 cap(IRQCTL). rax = number of interrupt lines, rdx = free vectors. */

    /* --- I/O ports --- */
    SYS_PORT_DERIVE, /* a0 cap(QUOTA:CTRL), a1 cap(IOPORT), a2 first port, a3 count. SK_ERANGE. */
    SYS_PORT_IN,     /* a0 cap(IOPORT:R), a1 port, a2 width in bytes (1, 2, 4). rdx = value. SK_ERANGE;
                        SK_EPERM for ports that the kernel uses itself. */
    SYS_PORT_OUT,    /* a0 cap(IOPORT:W), a1 port, a2 width, a3 value. */

    /* --- guests --- */
    SYS_VCPU_CREATE,   /* a0 cap(QUOTA:CTRL), a1 cap(GUEST:CTRL), a2 cap(TASK:CTRL), a3 address in that task
                          for its state page (abi/vcpu.h). SK_ENODEV. */
    SYS_VCPU_RUN,      /* a0 cap(VCPU:CTRL). Runs the guest until it exits to the VMM (rax = VCPU_EXIT, the
                          reason in the state page) or until an event is pending for the calling thread:
                          rax = VCPU_SIGNAL, rdx = the label of a signal, taken as by SYS_WAIT, or
                          rax = VCPU_EVENT: an event of another kind; take it with SYS_WAIT.
                          SK_EBUSY (another thread runs it), SK_EGONE (destroyed meanwhile), SK_EINVAL (state
                          refused; exit.reason = VCPU_EXIT_INVALID and exit.qual say why). */
    SYS_VCPU_GET,      /* a0 cap(VCPU:CTRL), a1 VCPU_GROUP_* mask: brings these groups into the page. */
    SYS_DOORBELL_BIND, /* a0 cap(GUEST:BIND), a1 I/O port, a2 value | DOORBELL_ANY, a3 cap(SIGNAL:CALL).
                          From now on an OUT of that value (16 or 32 bit) to that port raises the signal
                          and does not exit. SK_EEXIST, SK_ENOMEM (too many). CAP_NULL as a3 removes it; SK_ENOENT. */

    /* --- console and machine --- */
    SYS_CONSOLE_WRITE, /* a0 cap(CONSOLE:W), a1 bytes (at most UTCB_BYTES) from the UTCB. Repeats itself until
                          there is room for all of them; a line that is stuck for long loses them. */
    SYS_CONSOLE_READ,  /* a0 cap(CONSOLE:R). rax = number of bytes now in the UTCB; 0 when none. */
    SYS_CONSOLE_BIND,  /* a0 cap(CONSOLE:R), a1 cap(SIGNAL:CALL): raised when input arrives. */
    SYS_MACHINE_RESET, /* a0 cap(MACHINE:CTRL). Returns only if it failed. */
    SYS_MACHINE_STAT,  /* a0 cap(MACHINE). UTCB = struct machine_stat (abi/kinfo.h). */
    SYS_DMACTL_INFO,   /* a0 cap(DMACTL). rax = enum dma_kind. */
    /* a0 cap(SIGNAL:BIND), not bound to a thread; a1 deadline. Takes this signal as soon as it is raised, and no other
     * event; a call taken before still waits for its reply. Each raise lets one waiter go, the longest waiting first.
     * SK_EBUSY (bound), SK_EAGAIN (a1 = 0), SK_ETIMEDOUT, SK_EGONE (destroyed). */
    SYS_SIGNAL_WAIT,
    SYS_COUNT,
};

/* SYS_MEM_INFO's rdx */
#define MEM_DEVICE (1u << 0) /* mapped uncached, not RAM */

#define MAP_ANY UINT64_MAX

/* SYS_GATE_BIND flags */
#define GATE_NOTIFY_UNUSED (1u << 0)

/* SYS_IRQ_BIND flags, as in MPS INTI flags [ACPI-6.4 5.2.12.5] after resolving "conforms" */
#define IRQ_LEVEL      (1u << 0)
#define IRQ_ACTIVE_LOW (1u << 1)
#define IRQ_FIRMWARE   (1u << 2) /* take trigger and polarity from MADT overrides, else from the other bits */

/* SYS_DOORBELL_BIND */
#define DOORBELL_ANY (1ull << 32)

/* SYS_VCPU_RUN results */
#define VCPU_EXIT   0
#define VCPU_SIGNAL 1
#define VCPU_EVENT  2

/* SYS_DMACTL_INFO */
enum dma_kind {
    DMA_IDENTITY = 0, /* no IOMMU: device addresses are physical addresses, isolation is by trust */
    DMA_REMAPPED = 1, /* an IOMMU translates and confines */
};

enum thread_param {
    THREAD_PRIORITY = 0,        /* 0 (lowest) .. 255; SK_EPERM above the quota's limit */
    THREAD_FS_BASE,             /* TLS base; must be canonical and below USER_END */
    THREAD_SYSCALL_HANDLER,     /* ip, or 0 */
    THREAD_FAULT_HANDLER,       /* ip, or 0: see struct utcb_fault */
    THREAD_EXIT_SIGNAL,         /* cap(SIGNAL:CALL) in the caller's table, raised at exit, fault and destruction */
    THREAD_NAME,                /* 8 bytes, for the debugger */
    THREAD_CPU,                 /* processor; SK_ERANGE: there is none, SK_EPERM: not in the mask of the thread's quota */
};

enum thread_state {
    THREAD_STOPPED = 0,
    THREAD_READY,
    THREAD_CALLING,  /* waits for a server to take its call, or for the reply */
    THREAD_WAITING,  /* in SYS_WAIT */
    THREAD_IN_GUEST, /* in SYS_VCPU_RUN */
    THREAD_EXITED,   /* THREAD_EXIT; code is valid */
    THREAD_FAULTED,  /* an exception without handler; fault fields are valid */
    THREAD_AWAITING, /* in SYS_SIGNAL_WAIT */
};
