// SPDX-License-Identifier: MIT
// Memory allowances.
#include "account.h"

#include <stddef.h>

static struct account accounts[ACCOUNTS_MAX];

struct account *account_root(void)
{
    accounts[0].in_use = true;
    return &accounts[0];
}

static bool fits(const struct account *a, uint64_t bytes)
{
    return bytes <= a->limit - a->used;
}

static struct account *take_slot(void)
{
    for (unsigned i = 1; i < ACCOUNTS_MAX; i++) {
        if (!accounts[i].in_use) {
            return &accounts[i];
        }
    }
    return NULL;
}

struct account *account_make(struct account *parent, uint64_t bytes)
{
    struct account *a = take_slot();

    if (!a || parent->children >= ACCOUNT_CHILDREN_MAX || bytes > UINT64_MAX - ACCOUNT_OVERHEAD ||
        !fits(parent, bytes + ACCOUNT_OVERHEAD)) {
        return NULL;
    }
    parent->used += bytes + ACCOUNT_OVERHEAD;
    parent->children++;
    *a = (struct account){.parent = parent, .limit = bytes, .in_use = true};
    return a;
}

/* Gives back what a closed account does not use, up the tree; with nothing left in it, the account itself. */
static void settle(struct account *a)
{
    while (a->closed && a->in_use) {
        struct account *parent = a->parent;
        parent->used -= a->limit - a->used;
        a->limit = a->used;
        if (a->used == 0 && a->children == 0) {
            parent->used -= ACCOUNT_OVERHEAD;
            parent->children--;
            a->in_use = false;
        }
        a = parent;
    }
}

void account_close(struct account *a)
{
    if (a->parent) {
        a->closed = true;
        settle(a);
    }
}

bool account_charge(struct account *a, uint64_t bytes)
{
    if (a->closed || !fits(a, bytes)) {
        return false;
    }
    a->used += bytes;
    a->runs++;
    return true;
}

void account_uncharge(struct account *a, uint64_t bytes)
{
    a->used -= bytes;
    a->runs--;
    settle(a);
}
