// SPDX-License-Identifier: MIT
// Scalar types, errors, rights and object types shared by the kernel and all programs.
#pragma once

#include <stdint.h>

/* A capability: an index into the task's table, chosen by the kernel (lowest free index). */
typedef uint32_t cap_t;

#define CAP_NULL 0u /* never valid: a program may use it for "none" */

/* The loader fills these slots of every task before its first thread starts. */
#define CAP_TASK   1u /* the task itself (space and capability table) */
#define CAP_THREAD 2u /* the main thread */
#define CAP_QUOTA  3u /* the quota that pays for what the program creates */
#define CAP_MOE    4u /* gate to moe: the program's own session (proto/moe.h) */
#define CAP_LOADER_SLOTS 16u /* the kernel gives out indices from here on */

/* Results. 0 or a positive value is success; errors are negative. */
enum sk_err {
    SK_OK = 0,
    SK_EINVAL = -1,     /* an argument is outside what the operation's contract allows */
    SK_ECAP = -2,       /* no capability in that slot, or one to a destroyed object */
    SK_ETYPE = -3,      /* the capability names an object of another type */
    SK_ERIGHTS = -4,    /* the capability lacks the right for this operation */
    SK_ENOMEM = -5,     /* the quota (or the program's memory allowance) is used up */
    SK_ESLOTS = -6,     /* the capability table is full, or the slot is taken */
    SK_EBUSY = -7,      /* the object is in use in a way that forbids the operation */
    SK_EEXIST = -8,     /* the address range or name is taken */
    SK_ENOENT = -9,     /* no such mapping, file, device, ... */
    SK_ERANGE = -10,    /* beyond the object's size or the machine's limits */
    SK_ETIMEDOUT = -11, /* the deadline passed */
    SK_EGONE = -12,     /* the partner or the object went away during the operation */
    SK_EAGAIN = -13,    /* not now: nothing pending, or not ready yet */
    SK_ENOSYS = -14,    /* no such operation */
    SK_ENODEV = -15,    /* the machine lacks what this needs (no SVM, no free vector, ...) */
    SK_EIO = -16,       /* the device reported or caused a failure */
    SK_EMSG = -17,      /* a message is malformed, or too large for the receiver */
    SK_EPERM = -18,     /* policy forbids it */
};

/* Rights in a capability; what each means depends on the type (docs/abi.md). */
enum cap_rights {
    RIGHT_R = 1 << 0,    /* memory: map readable; ioport: in; console: read */
    RIGHT_W = 1 << 1,    /* memory: map writable; ioport: out; console: write */
    RIGHT_X = 1 << 2,    /* memory: map executable */
    RIGHT_CALL = 1 << 3, /* gate: call; signal: raise */
    RIGHT_BIND = 1 << 4, /* gate, signal: bind to a thread; guest: bind doorbells */
    RIGHT_CTRL = 1 << 5, /* any: destroy; memory: revoke; thread, task, vcpu, quota: control */
    RIGHT_ALL = 0x3f,
};

enum obj_type {
    OBJ_NONE = 0,
    OBJ_QUOTA,
    OBJ_MEMORY,
    OBJ_TASK,    /* a space (page table) and a capability table */
    OBJ_GUEST,   /* a space: guest-physical to host-physical */
    OBJ_DMA,     /* a space: device addresses to host-physical */
    OBJ_THREAD,
    OBJ_VCPU,
    OBJ_GATE,
    OBJ_SIGNAL,
    OBJ_IRQCTL,  /* authority over interrupt lines and MSI vectors */
    OBJ_DMACTL,  /* authority to create DMA spaces */
    OBJ_IOPORT,  /* a range of x86 I/O ports */
    OBJ_CONSOLE, /* the kernel's serial line */
    OBJ_MACHINE, /* authority to reset the machine and read kernel counters */
    OBJ_TYPE_COUNT,
};

#define PAGE_SIZE  4096ull
#define PAGE_SHIFT 12

/* User addresses are below USER_END; the kernel maps its information page (abi/kinfo.h,
 * read-only) into every task at KINFO_VA. */
#define USER_END 0x00007ffffffff000ull
#define KINFO_VA 0x00007fffffffe000ull
