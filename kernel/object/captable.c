// SPDX-License-Identifier: MIT
// Capability tables: the slots of a task, given out lowest first (kernel/object.h).
#include <kernel/ipc.h>
#include <kernel/log.h>
#include <kernel/quota.h>

#define SLOTS_PER_PAGE 64u

_Static_assert(sizeof(struct captable) <= PAGE_SIZE, "a table is one page");
_Static_assert(sizeof(struct cap_slot) * SLOTS_PER_PAGE <= PAGE_SIZE, "slots fit a page");

/* Slots that captable_reserve() never gives out: 0 is CAP_NULL, the rest is the loader's. */
static uint64_t captable_withheld(unsigned page)
{
    return page == 0 ? (1ull << CAP_LOADER_SLOTS) - 1 : 0;
}

static void captable_set_used(struct captable *t, cap_t i, bool used)
{
    unsigned page = i / SLOTS_PER_PAGE;
    uint64_t bit = 1ull << (i % SLOTS_PER_PAGE), full = 1ull << (page % 64);

    t->used[page] = used ? t->used[page] | bit : t->used[page] & ~bit;
    if ((t->used[page] | captable_withheld(page)) == UINT64_MAX) {
        t->full[page / 64] |= full;
    } else {
        t->full[page / 64] &= ~full;
    }
}

struct captable *captable_create(struct quota *quota)
{
    struct captable *t = quota_page_alloc(quota);

    if (t != NULL) {
        t->quota = quota;
        t->used[0] = 1; /* CAP_NULL */
    }
    return t;
}

void captable_destroy(struct captable *t)
{
    for (unsigned p = 0; p < CAPTABLE_PAGES; p++) {
        if (t->page[p] == NULL) {
            continue;
        }
        for (unsigned i = 0; i < SLOTS_PER_PAGE; i++) {
            if (t->page[p][i].obj != NULL) {
                cap_slot_clear(&t->page[p][i]);
            }
        }
        quota_page_free(t->quota, t->page[p]);
    }
    quota_page_free(t->quota, t);
}

struct cap_slot *captable_slot(struct captable *t, uint64_t cap)
{
    if (cap >= CAPTABLE_SLOTS || t->page[cap / SLOTS_PER_PAGE] == NULL) {
        return NULL;
    }
    struct cap_slot *s = &t->page[cap / SLOTS_PER_PAGE][cap % SLOTS_PER_PAGE];
    return s->obj != NULL ? s : NULL;
}

int captable_drop(struct captable *t, uint64_t cap)
{
    struct cap_slot *s = captable_slot(t, cap);

    if (s != NULL) {
        cap_slot_clear(s);
        return SK_OK;
    }
    if (cap == CAP_NULL || cap >= CAPTABLE_SLOTS ||
        (t->used[cap / SLOTS_PER_PAGE] >> (cap % SLOTS_PER_PAGE) & 1) == 0) {
        return SK_ECAP;
    }
    captable_set_used(t, (cap_t)cap, false);
    return SK_OK;
}

static int captable_page_ensure(struct captable *t, unsigned page)
{
    if (t->page[page] == NULL) {
        t->page[page] = quota_page_alloc(t->quota);
    }
    return t->page[page] != NULL ? SK_OK : SK_ENOMEM;
}

int captable_reserve(struct captable *t, unsigned n, cap_t *slot)
{
    unsigned found = 0;

    for (unsigned w = 0; w < ARRAY_SIZE(t->full) && found < n; w++) {
        for (uint64_t open = ~t->full[w]; open != 0 && found < n; open &= open - 1) {
            unsigned page = w * 64 + (unsigned)__builtin_ctzll(open);
            uint64_t free = ~(t->used[page] | captable_withheld(page));

            if (captable_page_ensure(t, page) != SK_OK) {
                return SK_ENOMEM;
            }
            for (; free != 0 && found < n; free &= free - 1) {
                slot[found++] = page * SLOTS_PER_PAGE + (cap_t)__builtin_ctzll(free);
            }
        }
    }
    return found == n ? SK_OK : SK_ESLOTS;
}

int captable_reserve_at(struct captable *t, uint64_t slot)
{
    if (slot >= CAPTABLE_SLOTS || (t->used[slot / SLOTS_PER_PAGE] >> (slot % SLOTS_PER_PAGE) & 1) != 0) {
        return SK_ESLOTS;
    }
    return captable_page_ensure(t, (unsigned)(slot / SLOTS_PER_PAGE));
}

void captable_fill(struct captable *t, cap_t slot, struct object *o, uint32_t rights)
{
    struct cap_slot *s = &t->page[slot / SLOTS_PER_PAGE][slot % SLOTS_PER_PAGE];

    assert(s->obj == NULL);
    *s = (struct cap_slot){.obj = o, .table = t, .index = slot, .rights = rights};
    list_push_back(&o->slots, &s->node);
    o->caps++;
    o->call_caps += (rights & RIGHT_CALL) != 0;
    captable_set_used(t, slot, true);
}

void cap_slot_clear(struct cap_slot *s)
{
    struct object *o = s->obj;

    s->obj = NULL;
    list_remove(&s->node);
    captable_set_used(s->table, s->index, false);
    o->caps--;
    if (!object_alive(o)) {
        return;
    }
    if ((s->rights & RIGHT_CALL) != 0 && --o->call_caps == 0 && o->ops->uncallable != NULL && o->caps > 0) {
        o->ops->uncallable(o);
    }
    if (o->caps == 0) {
        if (o->ops->unused != NULL) {
            o->ops->unused(o);
        } else {
            object_kill(o);
        }
    }
}

void cap_slot_void(struct cap_slot *s)
{
    s->obj->caps--;
    s->obj = NULL;
    list_remove(&s->node);
}

int cap_lookup(struct thread *t, uint64_t cap, enum obj_type type, uint32_t rights, struct object **out)
{
    struct cap_slot *s = captable_slot(t->task->caps, cap);

    if (s == NULL) {
        return SK_ECAP;
    }
    if (type != OBJ_NONE && s->obj->type != type) {
        return SK_ETYPE;
    }
    if ((s->rights & rights) != rights) {
        return SK_ERIGHTS;
    }
    *out = s->obj;
    return SK_OK;
}
