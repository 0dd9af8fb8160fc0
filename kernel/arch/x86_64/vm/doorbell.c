// SPDX-License-Identifier: MIT
// The port doorbells of a guest: a sorted table, searched by halves. See kernel/vm.h.

#include <kernel/vm.h>

/* Order of the table: port, then value, `any` last. */
static uint64_t doorbell_key(uint16_t port, uint32_t value, bool any)
{
    return (uint64_t)port << 33 | (uint64_t)any << 32 | value;
}

static uint64_t entry_key(const struct doorbell *d) { return doorbell_key(d->port, d->value, d->any); }

/* Index of the first entry whose key is not less than key. */
static unsigned lower_bound(const struct doorbell_table *t, uint64_t key)
{
    unsigned lo = 0, hi = t->count;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (entry_key(&t->entry[mid]) < key) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct doorbell *doorbell_get(struct doorbell_table *t, uint16_t port, uint32_t value, bool any)
{
    uint64_t key = doorbell_key(port, any ? 0 : value, any);
    unsigned i = lower_bound(t, key);

    return i < t->count && entry_key(&t->entry[i]) == key ? &t->entry[i] : NULL;
}

int doorbell_add(struct doorbell_table *t, const struct doorbell *d)
{
    unsigned i = lower_bound(t, entry_key(d));

    if (i < t->count && entry_key(&t->entry[i]) == entry_key(d)) {
        return SK_EEXIST;
    }
    if (t->count == GUEST_DOORBELLS_MAX) {
        return SK_ENOMEM;
    }
    for (unsigned j = t->count; j > i; j--) {
        t->entry[j] = t->entry[j - 1];
    }
    t->entry[i] = *d;
    t->count++;
    return SK_OK;
}

void doorbell_remove(struct doorbell_table *t, struct doorbell *d)
{
    t->count--;
    for (struct doorbell *end = &t->entry[t->count]; d < end; d++) {
        d[0] = d[1];
    }
}

struct irq_target *doorbell_match(const struct doorbell_table *t, uint16_t port, uint32_t value)
{
    unsigned i = lower_bound(t, doorbell_key(port, value, false));

    if (i < t->count && t->entry[i].port == port && !t->entry[i].any && t->entry[i].value == value) {
        return t->entry[i].target;
    }
    /* the port's other values may stand between here and its `any` */
    i = lower_bound(t, doorbell_key(port, 0, true));
    return i < t->count && t->entry[i].port == port && t->entry[i].any ? t->entry[i].target : NULL;
}
