// SPDX-License-Identifier: MIT
/* Memory from moe. Each "mem" gate has an allowance; gates made from it share or divide it. */
#pragma once

#include <proto/range.h>

enum mem_op {
    /* in: size, alignment (0: page; else a power of two), flags. out: size (rounded up to pages), cap memory (all
     * rights but CTRL; revocation stays with moe). Zeroed, one physically contiguous run. It is charged until
     * nobody holds a capability to it or maps it any more. SK_ENOMEM: allowance; SK_ERANGE: no such run. */
    MEM_ALLOC = PROTO_MEM,
    MEM_FREE,    /* in: cap memory. Given back early; refused (SK_EBUSY) while others use it: it then goes back
                    when they stop. */
    MEM_STAT,    /* out: bytes allowed, bytes used, bytes free in the machine. */
    MEM_SUB,     /* in: bytes. out: cap gate with an allowance of its own, taken from this one. */
};

#define MEM_ALLOC_SUPERPAGES (1u << 0) /* align to 2 MiB if size >= 2 MiB */
#define MEM_ALLOC_GUEST      (1u << 1) /* a guest's RAM: counted as such in moe's figures */
