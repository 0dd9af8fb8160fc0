// SPDX-License-Identifier: MIT
/* Read-only page that the kernel maps at KINFO_VA in every task, and what the root task gets. */
#pragma once

#include <abi/types.h>
#include <stddef.h>

#define KINFO_MAGIC 0x464e494b52454b53ull /* "SKERKINF" */

/* ns = (tsc * tsc_mult) >> tsc_shift, in 128-bit arithmetic; 0 is the kernel's start. */
struct kinfo {
    uint64_t magic;
    uint32_t abi_version; /* 1 */
    uint32_t cpus; /* processors, numbered from 0 */
    uint64_t tsc_hz;
    uint64_t tsc_mult;
    uint32_t tsc_shift;
    uint32_t vm_kind; /* enum vm_kind: what SYS_VCPU_RUN uses */
    uint64_t tsc_base; /* TSC value at which the clock is 0: use tsc - tsc_base */
    uint64_t vm_features; /* VM_FEAT_* */
    uint64_t xcr0_supported; /* guest XCR0 bits that the kernel switches */
    char version[64];     /* "Skerry <version> (<commit>)" */
};

enum vm_kind { VM_NONE = 0, VM_SVM, VM_VMX };
#define VM_FEAT_NEXT_RIP  (1u << 0) /* exit.insn_len is valid on instruction exits (SVM NRIPS, VMX) */
#define VM_FEAT_DECODE    (1u << 1) /* exit.insn_bytes are valid on nested page faults */
#define VM_FEAT_TSC_SCALE (1u << 2) /* vcpu_state's tsc_ratio may be another than 1 */

/* The root task finds this at the address that its first thread gets as argument (rdi); read-only. The slots CAP_TASK,
 * CAP_THREAD and CAP_QUOTA are filled. */
#define BOOT_INFO_MAGIC 0x544f4f42594b5253ull
#define BOOT_MAX_MODULES 128
#define BOOT_MAX_MEMORY  64

struct boot_memory {
    cap_t cap;      /* OBJ_MEMORY with full rights */
    uint32_t flags; /* MEM_DEVICE */
    uint64_t base;  /* physical; informative, and needed to look up firmware tables */
    uint64_t size;
};

struct boot_module {
    cap_t cap; /* OBJ_MEMORY, page-aligned, R (and X, to load programs from) */
    uint32_t name;    /* offset of the NUL-terminated file name in strings[] */
    uint32_t cmdline; /* offset of the whole module command line */
    uint32_t _rsvd;
    uint64_t size;    /* bytes of content; the rest of the last page is zero */
};

struct boot_info {
    uint64_t magic;
    uint64_t utcb; /* address of the first thread's UTCB */
    uint32_t size; /* bytes of this structure with its strings */
    uint32_t cmdline; /* offset in strings[]: the root task's own command line, program name first */
    cap_t irqctl, dmactl, ioport, console, machine; /* full rights each */
    cap_t device_memory; /* all physical addresses that are not RAM */
    uint64_t device_memory_size;
    uint64_t rsdp;       /* physical address of the ACPI RSDP, 0 if none was found */
    uint64_t ram_bytes;  /* all RAM of the machine */
    uint64_t kernel_bytes; /* kernel image and kernel memory pool */
    uint64_t module_bytes;
    /* Framebuffer as the boot loader left it; fb_base = 0: none. */
    uint64_t fb_base;
    uint32_t fb_pitch, fb_width, fb_height, fb_bpp;
    uint32_t memory_count, module_count;
    struct boot_memory memory[BOOT_MAX_MEMORY]; /* free RAM */
    struct boot_module module[BOOT_MAX_MODULES];
    char strings[];
};

/* SYS_MACHINE_STAT */
struct machine_stat {
    uint64_t now_ns;
    uint64_t idle_ns; /* of all processors together */
    uint64_t syscalls, ipc_calls, context_switches, interrupts, vm_entries, page_faults;
    uint64_t kmem_total, kmem_used;
    uint64_t vm_exits_by_reason[32]; /* enum vcpu_exit_reason */
};
