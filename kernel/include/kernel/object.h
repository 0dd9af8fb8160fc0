// SPDX-License-Identifier: MIT
/* Kernel objects and capabilities.
 *
 * Every object begins its life with one capability and is paid for by one quota. Three numbers rule its life:
 *   caps  capabilities that name it. When the last goes, ops->unused decides; by default the object is killed.
 *   refs  uses inside the kernel (bindings, mappings, ...), and one for being alive. The memory is freed
 *         when refs is 0.
 *   state ALIVE -> DYING (object_kill: queued) -> DEAD (object_reap: every slot that named it is empty and ops->destroy
 *         has cut all its relations). Users that hold a reference check object_alive() before they act on it.
 * object_kill and object_put only queue: chains of objects of any length die without recursion. core_next() reaps
 * before anything returns to user mode, so user code never sees a half-dead object, and a system call can go on using
 * the objects that it looked up.
 * BKL guards all fields. */
#pragma once

#include <kernel/list.h>
#include <kernel/types.h>

struct object;
struct quota;
struct captable;
struct thread;

struct object_ops {
    const char *name;
    /* The last capability is gone. NULL: object_kill. */
    void (*unused)(struct object *);
    /* The last capability with RIGHT_CALL is gone (gates). May be NULL. */
    void (*uncallable)(struct object *);
    /* Cuts all relations to other objects; may not fail. May be NULL. */
    void (*destroy)(struct object *);
    /* refs is 0: gives the memory back (quota_free). */
    void (*free)(struct object *);
};

enum object_state { OBJECT_ALIVE = 0, OBJECT_DYING, OBJECT_DEAD };

struct object {
    const struct object_ops *ops;
    struct quota *quota;    /* who pays; NULL only for the root quota */
    uint64_t id;            /* unique, never reused */
    struct list quota_node; /* in quota->objects; while queued: in the queue of dying or of unreferenced objects */
    struct list slots;      /* every struct cap_slot that names the object */
    uint32_t caps, call_caps, refs;
    uint8_t type;   /* enum obj_type */
    uint8_t state;  /* enum object_state */
    bool permanent; /* made at boot for everybody: SYS_OBJ_DESTROY is refused */
};

/* Initialises a zeroed object with refs = 1 and enters it in quota's list; it keeps a reference to quota. */
void object_init(struct object *o, const struct object_ops *ops, enum obj_type type, struct quota *quota);
/* Takes an object back that was initialised but never got a capability; the caller frees its memory. */
void object_discard(struct object *o);
void object_kill(struct object *o);
/* Destroys what was killed and frees what is unused. Called by core_next(). */
void object_reap(void);
static inline bool object_alive(const struct object *o)
{
    return o->state == OBJECT_ALIVE;
}
static inline void object_get(struct object *o)
{
    o->refs++;
}
void object_put(struct object *o);

/* --- capability tables ---------------------------------------------------------------------------------- */

struct cap_slot {
    struct object *obj; /* NULL: free */
    struct list node;   /* in obj->slots */
    struct captable *table;
    uint32_t index;
    uint32_t rights;
};

#define CAPTABLE_PAGES 128u
#define CAPTABLE_SLOTS (CAPTABLE_PAGES * 64u)

/* One page: directory and bitmap. Slot pages come when first needed and stay until the table goes. */
struct captable {
    struct cap_slot *page[CAPTABLE_PAGES]; /* 64 slots each */
    uint64_t used[CAPTABLE_PAGES];
    uint64_t full[CAPTABLE_PAGES / 64]; /* bit i: used[i] has no slot left to give out */
    struct quota *quota;
};

/* charged to quota; NULL: SK_ENOMEM */
must_check struct captable *captable_create(struct quota *quota);
/* Empties all slots (objects may be killed) and frees the table. */
void captable_destroy(struct captable *t);
struct cap_slot *captable_slot(struct captable *t, uint64_t cap); /* NULL: empty or out of range */
/* Finds the n lowest free slots and makes room for them; nothing is visible yet. SK_ESLOTS, SK_ENOMEM. */
must_check int captable_reserve(struct captable *t, unsigned n, cap_t *slot);
/* Is this one slot free (with room)? SK_ESLOTS: taken or out of range. SK_ENOMEM. */
must_check int captable_reserve_at(struct captable *t, uint64_t slot);
/* Fills a reserved slot. */
void captable_fill(struct captable *t, cap_t slot, struct object *o, uint32_t rights);
void cap_slot_clear(struct cap_slot *s);
/* The object has died: the slot is void, but taken until its holder drops it. Were it given out again at once, a holder that
 * has not noticed yet would use or drop somebody else's capability. */
void cap_slot_void(struct cap_slot *s);
/* Empties a slot, void or not. SK_ECAP: it is empty. */
must_check int captable_drop(struct captable *t, uint64_t cap);

/* Looks a capability of the thread's task up. type OBJ_NONE: any. SK_ECAP, SK_ETYPE, SK_ERIGHTS. */
must_check int cap_lookup(struct thread *t, uint64_t cap, enum obj_type type, uint32_t rights, struct object **out);

/* Creation of an object by a system call, in the order decode, then commit:
 *     struct create c;
 *     int err = create_begin(&c, t, quota_cap, sizeof(struct x));   // looks the quota up, allocates, reserves the slot
 *     ... everything that can fail ... on failure: create_abort(&c); return err;
 *     object_init(&x->obj, &ops, OBJ_X, c.quota);
 *     return create_commit(&c, &x->obj, RIGHT_ALL);                 // the capability's index
 */
struct create {
    struct thread *thread;
    struct quota *quota;
    void *mem;
    size_t size;
    cap_t slot;
};
must_check int create_begin(struct create *c, struct thread *t, uint64_t quota_cap, size_t size);
void create_abort(struct create *c);
int64_t create_commit(struct create *c, struct object *o, uint32_t rights);
