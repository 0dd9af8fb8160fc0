// SPDX-License-Identifier: MIT
/* Memory allowances: a tree of accounts. Pure.
 *
 * A child's limit is charged to its parent when it is made, with one page on top for the session's own kernel memory,
 * so that nobody can make sessions for nothing. Closing it gives back what is not in use at once, the rest
 * as its memory comes back; then the account is free. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ACCOUNTS_MAX         256u
#define ACCOUNT_CHILDREN_MAX 32u
#define ACCOUNT_OVERHEAD     4096u

struct account {
    struct account *parent; /* NULL: the root */
    uint64_t limit, used;
    uint32_t children, runs;
    bool in_use, closed;
};

/* The account of the whole machine. */
struct account *account_root(void);
/* NULL: the parent has not that much left, has too many children, or the table is full. */
struct account *account_make(struct account *parent, uint64_t bytes);
/* The account's session has ended; the root is never closed. */
void account_close(struct account *a);
/* One run of memory more or less. False: beyond the limit. */
bool account_charge(struct account *a, uint64_t bytes);
void account_uncharge(struct account *a, uint64_t bytes);
