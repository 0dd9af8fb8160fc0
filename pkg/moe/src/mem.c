// SPDX-License-Identifier: MIT
/* The memory server [proto/mem.h].
 *
 * Every run given out is a child memory object of its own; moe keeps a capability with all rights, clients never get
 * RIGHT_CTRL. A run is free again when moe's is the only capability and nothing maps it: looked for when memory is
 * short, when a program has ended, and when somebody asks for figures. */
#include "moe.h"
#include "phys.h"

#include <proto/mem.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <string.h>
#include <util/bits.h>

#define SESSIONS_MAX 256
#define SUPERPAGE (2ull << 20)
#define ALIGN_MAX (1ull << 30)
#define ACCOUNT_RUNS 1024u /* so that one client cannot fill the table of runs */
#define RIGHTS_CLIENT (RIGHT_R | RIGHT_W | RIGHT_X)

struct mem_session {
    struct server_source source;
    bool in_use, own;
    uint64_t object_id;
    struct account *account;
};
static struct mem_session sessions[SESSIONS_MAX];
static struct run runs[PHYS_RUNS_MAX];
static struct phys phys;

void mem_init(void)
{
    struct account *root = account_root();

    for (uint32_t i = 0; i < boot->memory_count && i < PHYS_REGIONS_MAX; i++) {
        phys_free(&phys, boot->memory[i].base, boot->memory[i].size, i);
    }
    root->limit = phys.free_bytes;
}

uint64_t mem_free_bytes(void)
{
    return phys.free_bytes;
}

uint64_t mem_guest_bytes(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < PHYS_RUNS_MAX; i++) {
        if (runs[i].cap != CAP_NULL && (runs[i].flags & MEM_ALLOC_GUEST)) {
            sum += runs[i].size;
        }
    }
    return sum;
}

/* --- runs ------------------------------------------------------------------------------------------- */

static struct run *run_slot(void)
{
    for (unsigned i = 0; i < PHYS_RUNS_MAX; i++) {
        if (runs[i].cap == CAP_NULL) {
            return &runs[i];
        }
    }
    return NULL;
}

static int64_t run_zero(const struct run *r)
{
    int64_t err = SK_OK;
    void *p = vm_map(r->cap, 0, r->size, RIGHT_R | RIGHT_W, &err);

    if (!p) {
        return err;
    }
    memset(p, 0, r->size);
    vm_unmap(p, r->size);
    return SK_OK;
}

/* Makes the memory object of a run whose place is chosen. */
static int64_t run_derive(struct run *r)
{
    const struct boot_memory *region = &boot->memory[r->region];
    int64_t cap = sys_mem_derive(CAP_QUOTA, region->cap, r->base - region->base, r->size, RIGHT_ALL);

    if (cap < 0) {
        return cap;
    }
    r->cap = (cap_t)cap;
    r->object_id = sys_cap_info(r->cap).extra;
    return run_zero(r);
}

static bool run_place(struct run *r, uint64_t align)
{
    if (phys_alloc(&phys, r->size, align, &r->base, &r->region)) {
        return true;
    }
    mem_sweep();
    return phys_alloc(&phys, r->size, align, &r->base, &r->region);
}

static bool run_charge(struct run *r)
{
    if (r->account->runs < ACCOUNT_RUNS && account_charge(r->account, r->size)) {
        return true;
    }
    mem_sweep();
    return r->account->runs < ACCOUNT_RUNS && account_charge(r->account, r->size);
}

static uint64_t run_alignment(uint64_t size, uint64_t align, uint32_t flags)
{
    uint64_t least = (flags & MEM_ALLOC_SUPERPAGES) && size >= SUPERPAGE ? SUPERPAGE : PAGE_SIZE;

    return max(align, least);
}

int64_t run_alloc(struct account *a, uint64_t size, uint64_t align, uint32_t flags, bool internal, struct run **out)
{
    if (size == 0 || (align && !is_pow2(align)) || align > ALIGN_MAX ||
        (flags & ~(uint32_t)(MEM_ALLOC_SUPERPAGES | MEM_ALLOC_GUEST))) {
        return SK_EINVAL;
    }
    if (size > boot->ram_bytes) {
        return SK_ENOMEM;
    }
    struct run r = {.size = align_up(size, PAGE_SIZE), .account = a, .flags = flags, .internal = internal};
    if (!run_charge(&r)) {
        return SK_ENOMEM;
    }
    struct run *slot = run_slot();
    if (!slot || !run_place(&r, run_alignment(r.size, align, flags))) {
        account_uncharge(a, r.size);
        return slot ? SK_ERANGE : SK_ENOMEM;
    }
    *slot = r;
    int64_t err = run_derive(slot);
    if (err < 0) {
        (void)run_free(slot);
        return err;
    }
    *out = slot;
    return SK_OK;
}

int64_t run_free(struct run *r)
{
    if (r->cap != CAP_NULL) {
        int64_t err = sys_obj_destroy(r->cap);
        if (err == SK_EBUSY) {
            return err;
        }
        sys_cap_drop(r->cap);
    }
    phys_free(&phys, r->base, r->size, r->region);
    account_uncharge(r->account, r->size);
    *r = (struct run){0};
    return SK_OK;
}

static bool run_is_held(const struct run *r, uint64_t own_caps)
{
    struct sys_result info = sys_cap_info(r->cap);

    return info.value >= 0 && (sk_utcb()->mr[0] > own_caps || sk_utcb()->mr[1] > 0);
}

void mem_sweep(void)
{
    for (unsigned i = 0; i < PHYS_RUNS_MAX; i++) {
        if (runs[i].cap != CAP_NULL && !runs[i].internal && !run_is_held(&runs[i], 1)) {
            (void)run_free(&runs[i]);
        }
    }
}

/* --- sessions ------------------------------------------------------------------------------------------ */

static int64_t do_alloc(struct mem_session *s, struct msg *request, struct msg *reply)
{
    uint64_t size = msg_get(request), align = msg_get(request), flags = msg_get(request);
    int64_t err = msg_end(request);
    struct run *r;

    if (err < 0) {
        return err;
    }
    err = flags > UINT32_MAX ? SK_EINVAL : run_alloc(s->account, size, align, (uint32_t)flags, false, &r);
    if (err < 0) {
        return err;
    }
    msg_begin(reply, SK_OK);
    msg_put(reply, r->size);
    msg_put_cap(reply, r->cap, RIGHTS_CLIENT);
    return SK_OK;
}

static struct run *run_find(const struct account *a, uint64_t object_id)
{
    for (unsigned i = 0; i < PHYS_RUNS_MAX; i++) {
        if (runs[i].cap != CAP_NULL && !runs[i].internal && runs[i].account == a && runs[i].object_id == object_id) {
            return &runs[i];
        }
    }
    return NULL;
}

/* Besides ours, two capabilities may exist: the client's and the copy that came with the request. */
static int64_t do_free(struct mem_session *s, struct msg *request)
{
    cap_t cap = msg_get_cap(request);
    int64_t err = msg_end(request);

    if (err < 0) {
        sys_cap_drop(cap);
        return err;
    }
    struct sys_result info = sys_cap_info(cap);
    struct run *r = info.value < 0 ? NULL : run_find(s->account, info.extra);
    if (!r) {
        err = SK_ENOENT;
    } else {
        err = run_is_held(r, 3) ? SK_EBUSY : run_free(r);
    }
    sys_cap_drop(cap);
    return err;
}

static int64_t do_stat(struct mem_session *s, struct msg *request, struct msg *reply)
{
    int64_t err = msg_end(request);

    if (err < 0) {
        return err;
    }
    mem_sweep();
    msg_begin(reply, SK_OK);
    msg_put(reply, s->account->limit);
    msg_put(reply, s->account->used);
    msg_put(reply, phys.free_bytes);
    return SK_OK;
}

static int64_t do_sub(struct mem_session *s, struct msg *request, struct msg *reply)
{
    uint64_t bytes = msg_get(request);
    int64_t err = msg_end(request);

    if (err < 0) {
        return err;
    }
    struct account *a = account_make(s->account, bytes);
    if (!a) {
        return SK_ENOMEM;
    }
    struct mem_session *sub = mem_make(a, true, &err);
    if (!sub) {
        account_close(a);
        return err;
    }
    return mem_hand_over(sub, reply);
}

static int64_t handle(void *ctx, struct msg *request, struct msg *reply)
{
    switch (request->op) {
    case PROTO_ID:
        return PROTO_MEM;
    case MEM_ALLOC:
        return do_alloc(ctx, request, reply);
    case MEM_FREE:
        return do_free(ctx, request);
    case MEM_STAT:
        return do_stat(ctx, request, reply);
    case MEM_SUB:
        return do_sub(ctx, request, reply);
    default:
        return SK_ENOSYS;
    }
}

void mem_remove(struct mem_session *s)
{
    server_remove(&s->source);
    s->in_use = false;
    if (s->own) {
        account_close(s->account);
    }
}

static void unused(void *ctx)
{
    mem_remove(ctx);
}

struct mem_session *mem_make(struct account *a, bool own, int64_t *err)
{
    struct mem_session *s = NULL;

    for (int i = 0; i < SESSIONS_MAX && !s; i++) {
        s = sessions[i].in_use ? NULL : &sessions[i];
    }
    if (!s) {
        *err = SK_ENOMEM;
        return NULL;
    }
    *s = (struct mem_session){.account = a, .own = own};
    *err = server_gate(&s->source, CAP_NULL, handle, unused, s, 1);
    if (*err < 0) {
        return NULL;
    }
    s->object_id = sys_cap_info(s->source.cap).extra;
    s->in_use = true;
    return s;
}

cap_t mem_gate(const struct mem_session *s)
{
    return s->source.cap;
}

int64_t mem_hand_over(struct mem_session *s, struct msg *reply)
{
    int64_t res = server_reply_handover(&s->source, reply);

    if (res != SERVER_NO_REPLY) {
        mem_remove(s);
    }
    return res;
}

struct account *mem_find(cap_t cap)
{
    struct sys_result info = sys_cap_info(cap);

    for (int i = 0; info.value >= 0 && i < SESSIONS_MAX; i++) {
        if (sessions[i].in_use && sessions[i].object_id == info.extra) {
            return sessions[i].account;
        }
    }
    return NULL;
}
