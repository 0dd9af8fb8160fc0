// SPDX-License-Identifier: MIT
// Fake of arch.h and of the vcpu objects for the host tests (fake.h).
#include "fake.h"

#include <kernel/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake fake = {.cpus = 1};

/* --- processors ---------------------------------------------------------------------------------------------------- */

unsigned cpu_count(void)
{
    return fake.cpus;
}
unsigned cpu_index(void)
{
    return fake.cpu;
}
void cpu_kick(unsigned cpu)
{
    assert_true(cpu < fake.cpus && cpu != fake.cpu);
    fake.kicks[cpu]++;
}
void context_stop(struct context *ctx)
{
    (void)ctx;
    fake.stops++;
}
void context_sync(const struct context *ctx)
{
    (void)ctx;
}

/* --- arch.h ------------------------------------------------------------------------------------------------------ */

_Noreturn void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}

const char *trap_name(uint64_t vector)
{
    (void)vector;
    return "exception";
}

void kprintf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
}

void *kpage_alloc(void)
{
    if (fake.pages_used >= fake.page_limit) {
        return NULL;
    }
    void *p = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    fake.pages_used++;
    return memset(p, 0, PAGE_SIZE);
}

void kpage_free(void *page)
{
    fake.pages_used--;
    free(page);
}

void kpage_stat(uint64_t *total, uint64_t *used)
{
    *total = fake.page_limit * PAGE_SIZE;
    *used = fake.pages_used * PAGE_SIZE;
}

struct pt_format {
    int unused;
};
const struct pt_format pt_task_format, pt_npt_format, pt_ept_format;

/* A table's root page is a list of ranges. */
struct fake_pt {
    unsigned count;
    struct {
        uint64_t va, pa, size;
        uint32_t attr;
    } range[100];
};

int pt_init(struct page_table *pt, const struct pt_format *format)
{
    void *root = pt->alloc(pt);

    pt->format = format;
    pt->root = root != NULL ? virt_to_phys(root) : PADDR_NONE;
    return root != NULL ? SK_OK : SK_ENOMEM;
}

void pt_destroy(struct page_table *pt)
{
    struct fake_pt *f = phys_to_virt(pt->root);

    assert_int_equal(f->count, 0);
    pt->free(pt, f);
}

int pt_map(struct page_table *pt, uint64_t va, paddr_t pa, uint64_t size, uint32_t attr)
{
    struct fake_pt *f = phys_to_virt(pt->root);

    fake.pt_maps++;
    if (fake.pt_fail_after != UINT32_MAX && fake.pt_fail_after-- == 0) {
        fake.pt_fail_after = 0;
        return SK_ENOMEM;
    }
    if (f->count == ARRAY_SIZE(f->range)) {
        return SK_ENOMEM;
    }
    for (unsigned i = 0; i < f->count; i++) {
        assert_true(va + size <= f->range[i].va || f->range[i].va + f->range[i].size <= va);
    }
    f->range[f->count].va = va;
    f->range[f->count].pa = pa.v;
    f->range[f->count].size = size;
    f->range[f->count++].attr = attr;
    fake.pt_bytes += size;
    return SK_OK;
}

void pt_unmap(struct page_table *pt, uint64_t va, uint64_t size)
{
    struct fake_pt *f = phys_to_virt(pt->root);

    fake.pt_unmaps++;
    for (unsigned i = 0; i < f->count; i++) {
        if (f->range[i].va == va) {
            assert_int_equal(f->range[i].size, size);
            fake.pt_bytes -= size;
            f->range[i] = f->range[--f->count];
            return;
        }
    }
    fail_msg("unmap of %lx, which is not mapped", va);
}

paddr_t pt_lookup(const struct page_table *pt, uint64_t va, uint32_t *attr, uint64_t *page_size)
{
    const struct fake_pt *f = phys_to_virt(pt->root);

    for (unsigned i = 0; i < f->count; i++) {
        if (va >= f->range[i].va && va - f->range[i].va < f->range[i].size) {
            *attr = f->range[i].attr;
            *page_size = PAGE_SIZE;
            return (paddr_t){f->range[i].pa + (va - f->range[i].va)};
        }
    }
    return PADDR_NONE;
}

unsigned fpu_state_pages(void)
{
    return 1;
}
void fpu_state_init(struct fpu_state *fpu)
{
    memset(fpu, 0x37, 16);
}
void context_init(struct context *ctx, uint64_t ip, uint64_t sp, uint64_t arg)
{
    memset(&ctx->regs, 0, sizeof(ctx->regs));
    ctx->regs.rip = ip;
    ctx->regs.rsp = sp;
    ctx->regs.rdi = arg;
}
void context_forget(struct context *ctx)
{
    (void)ctx;
    fake.forgotten++;
}
uint64_t clock_now_ns(void)
{
    return fake.now_ns;
}
void timer_arm(uint64_t deadline_ns)
{
    fake.armed_ns = deadline_ns;
}
unsigned irq_line_count(void)
{
    return 24;
}
unsigned irq_vectors_free(void)
{
    return fake.msi == NULL;
}

int irq_line_attach(uint32_t gsi, uint32_t flags, unsigned cpu, struct irq_target *t, bool *level)
{
    fake.irq_cpu = cpu;
    if (gsi >= 24) {
        return SK_ERANGE;
    }
    if (fake.line != NULL) {
        return SK_EBUSY;
    }
    fake.line = t;
    fake.attached_gsi = gsi;
    *level = fake.level = (flags & IRQ_LEVEL) != 0;
    return SK_OK;
}
void irq_line_mask(uint32_t gsi)
{
    fake.masked_gsi = gsi;
}
void irq_line_unmask(uint32_t gsi)
{
    fake.unmasked_gsi = gsi;
}
void irq_line_detach(uint32_t gsi)
{
    assert_int_equal(gsi, fake.attached_gsi);
    fake.line = NULL;
}
int irq_msi_attach(struct irq_target *t, unsigned cpu, uint32_t *data, uint64_t *address, unsigned *vector)
{
    fake.irq_cpu = cpu;
    if (fake.msi != NULL) {
        return SK_ENODEV;
    }
    fake.msi = t;
    *data = 0x4022;
    *address = 0xfee00000;
    *vector = 0x22;
    return SK_OK;
}
void irq_msi_detach(unsigned vector)
{
    assert_int_equal(vector, 0x22);
    fake.msi = NULL;
}

bool console_queue(const char *text, size_t len)
{
    if (fake.console_full) {
        return false;
    }
    memcpy(fake.console_out, text, len < sizeof(fake.console_out) ? len : sizeof(fake.console_out));
    return true;
}
size_t console_read(char *buf, size_t max)
{
    assert_int_equal(max, UTCB_BYTES);
    memcpy(buf, "ok", 2);
    return 2;
}
void console_set_target(struct irq_target *t)
{
    fake.console = t;
}
uint32_t port_in(uint16_t port, unsigned width)
{
    return (uint32_t)port << 8 | width;
}
void port_out(uint16_t port, unsigned width, uint32_t value)
{
    (void)port;
    (void)width;
    fake.console_out[0] = (char)value;
}
bool port_reserved(uint16_t port, unsigned count)
{
    return port < 0x400 && port + count > 0x3f8;
}
bool phys_reserved(paddr_t base, uint64_t size)
{
    return base.v < 0x10000000 && base.v + size > 0;
}
uint64_t phys_limit(void)
{
    return 1ull << 40;
}
void machine_reset(void)
{
    fake.resets++;
}
struct kinfo *kinfo_page(void)
{
    static struct kinfo k __attribute__((aligned(4096)));

    return &k;
}

/* --- vcpu objects ---------------------------------------------------------------------------------------------------
 */

#define NO_SUCH(name)                                                                                                  \
    int64_t sys_##name(struct thread *t, const struct sys_args *args)                                                  \
    {                                                                                                                  \
        (void)t;                                                                                                       \
        (void)args;                                                                                                    \
        return SK_ENODEV;                                                                                              \
    }
NO_SUCH(guest_create)
NO_SUCH(vcpu_create)
NO_SUCH(vcpu_get)
NO_SUCH(doorbell_bind)

/* Enough of it for the threads' side: the run ends with an event. */
int64_t sys_vcpu_run(struct thread *t, const struct sys_args *args)
{
    (void)args;
    t->state = THREAD_IN_GUEST;
    if (thread_has_event(t)) {
        vcpu_thread_event(t);
    }
    return SYS_NO_RESULT;
}

void vcpu_thread_event(struct thread *t)
{
    uint64_t label;

    t->state = THREAD_READY;
    t->ctx.regs.rax = VCPU_EVENT;
    if (thread_take_signal(t, &label)) {
        t->ctx.regs.rax = VCPU_SIGNAL;
        t->ctx.regs.rdx = label;
    }
}

void vcpu_thread_abort(struct thread *t)
{
    t->ctx.vcpu = NULL;
}

/* --- helpers
 * ----------------------------------------------------------------------------------------------------------- */

static struct thread *add_thread(struct quota *q, struct task *task, uint64_t utcb, uint8_t priority)
{
    struct thread *t;

    assert_int_equal(thread_create(q, task, utcb, priority, &t), SK_OK);
    return t;
}

static void preset(struct task *task, struct thread *t, struct quota *q)
{
    for (cap_t i = CAP_TASK; i <= CAP_QUOTA; i++) {
        assert_int_equal(captable_reserve_at(task->caps, i), SK_OK);
    }
    captable_fill(task->caps, CAP_TASK, &task->space.obj, RIGHT_ALL);
    captable_fill(task->caps, CAP_THREAD, &t->obj, RIGHT_ALL);
    captable_fill(task->caps, CAP_QUOTA, &q->obj, RIGHT_ALL);
}

int world_setup(void **state)
{
    static struct world w;

    memset(&fake, 0, sizeof(fake));
    fake.cpus = 1;
    memset(&core_stat, 0, sizeof(core_stat));
    fake.page_limit = 4096;
    fake.now_ns = 1000;
    fake.pt_fail_after = UINT32_MAX;
    sched_init();
    fake.pages_used = 0; /* run queues stay */
    w.root = quota_create_root(fake.page_limit * PAGE_SIZE, 255);
    w.task = task_create(w.root);
    assert_non_null(w.task);
    w.t = add_thread(w.root, w.task, 0x1000000, 128);
    preset(w.task, w.t, w.root);
    thread_start(w.t, 0x400000, 0x800000, 7);
    assert_ptr_equal(running(), w.t);
    *state = &w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;

    object_kill(&w->root->obj);
    assert_null(core_next());
    assert_int_equal(w->root->used, 0);
    assert_int_equal(fake.pages_used, 0);
    assert_int_equal(fake.pt_bytes, 0);
    assert_true(timer_next_deadline() == DEADLINE_NEVER);
    assert_null(fake.line);
    assert_null(fake.msi);
    return 0;
}

struct thread *running(void)
{
    return (struct thread *)core_next();
}

static bool is_runnable(const struct thread *t)
{
    return t->state == THREAD_READY || t->state == THREAD_IN_GUEST;
}

int64_t sc(struct thread *t, enum sys_nr nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
           uint64_t a5)
{
    struct regs *r = &t->ctx.regs;

    assert_true(is_runnable(t));
    r->rdi = a0;
    r->rsi = a1;
    r->rdx = a2;
    r->r10 = a3;
    r->r8 = a4;
    r->r9 = a5;
    r->rax = SYS_MAGIC | nr;
    core_syscall(&t->ctx);
    bool blocked = t->obj.state != OBJECT_ALIVE || !is_runnable(t);
    int64_t result = rax(t);
    (void)core_next();
    return blocked ? BLOCKED : result;
}

static struct thread *spawn_in(struct world *w, struct task *task, uint8_t priority, cap_t *cap)
{
    static uint64_t utcb = 0x2000000;
    struct thread *t = add_thread(w->root, task, utcb += PAGE_SIZE, priority);

    assert_int_equal(captable_reserve(w->task->caps, 1, cap), SK_OK);
    captable_fill(w->task->caps, *cap, &t->obj, RIGHT_ALL);
    if (task != w->task) {
        preset(task, t, w->root);
    }
    thread_start(t, 0x400000, 0x800000, 0);
    return t;
}

struct thread *spawn(struct world *w, uint8_t priority, cap_t *cap)
{
    return spawn_in(w, task_create(w->root), priority, cap);
}

struct thread *spawn_here(struct world *w, uint8_t priority, cap_t *cap)
{
    return spawn_in(w, w->task, priority, cap);
}

cap_t give(struct thread *from, cap_t cap, struct thread *to, uint32_t rights)
{
    struct cap_slot *s = captable_slot(from->task->caps, cap);
    cap_t slot;

    assert_non_null(s);
    assert_int_equal(captable_reserve(to->task->caps, 1, &slot), SK_OK);
    captable_fill(to->task->caps, slot, s->obj, s->rights & rights);
    return slot;
}

cap_t ram(struct world *w, uint64_t base, uint64_t size, uint32_t flags)
{
    struct memory *m = memory_create_root(w->root, (paddr_t){base}, size, flags);
    cap_t slot;

    assert_non_null(m);
    assert_int_equal(captable_reserve(w->task->caps, 1, &slot), SK_OK);
    captable_fill(w->task->caps, slot, &m->obj, RIGHT_ALL);
    return slot;
}

void advance(uint64_t ns)
{
    fake.now_ns += ns;
    if (fake.now_ns >= fake.armed_ns) {
        fake.armed_ns = UINT64_MAX;
        core_timer(fake.now_ns);
    }
    (void)core_next();
}
