// SPDX-License-Identifier: MIT
// What the kernel debugger shows of the objects (core_debug_print). Walks all objects by the quotas that pay for them.
#include <abi/vcpu.h>
#include <kernel/core.h>
#include <kernel/ipc.h>
#include <kernel/log.h>
#include <kernel/quota.h>

static struct object *debug_next(struct object *o)
{
    if (o->type == OBJ_QUOTA && !list_empty(&quota_of(o)->objects)) {
        return list_first(&quota_of(o)->objects, struct object, quota_node);
    }
    for (; o->quota != NULL; o = &o->quota->obj) {
        if (o->quota_node.next != &o->quota->objects) {
            return list_entry(o->quota_node.next, struct object, quota_node);
        }
    }
    return NULL;
}

static const char *debug_state_name(enum thread_state s)
{
    static const char *const name[] = {"stopped", "ready", "calling", "waiting",
                                       "guest",   "exited", "faulted", "awaiting"};

    return (unsigned)s < ARRAY_SIZE(name) ? name[s] : "?";
}

static void debug_thread(const struct thread *t)
{
    kprintf("thread %lu task %lu %.8s prio %u cpu %u %s%s ip %lx sp %lx cpu %lu us", t->obj.id, t->task->space.obj.id,
            t->name[0] != '\0' ? t->name : "-", t->priority, t->cpu, debug_state_name(t->state),
            sched_is_current(t) ? " current" : "", t->ctx.regs.rip, t->ctx.regs.rsp, sched_cpu_time_ns(t) / 1000);
    if (t->gate != NULL) {
        kprintf(" at gate %lu", t->gate->obj.id);
    }
    if (t->server != NULL) {
        kprintf(" served by %lu", t->server->obj.id);
    }
    if (t->state == THREAD_FAULTED) {
        kprintf(" fault %lu error %lx address %lx", t->fault.vector, t->fault.error, t->fault.address);
    }
    kprintf("\n");
}

static void debug_task(struct task *task)
{
    kprintf("task %lu\n", task->space.obj.id);
    for (cap_t i = 0; i < CAPTABLE_SLOTS; i++) {
        const struct cap_slot *s = captable_slot(task->caps, i);

        if (s != NULL) {
            kprintf("  %u: %s %lu rights %x\n", i, s->obj->ops->name, s->obj->id, s->rights);
        }
    }
}

static void debug_space(struct space *s)
{
    kprintf("%s %lu\n", s->obj.ops->name, s->obj.id);
    for (const struct tree_node *n = tree_first(&s->mappings); n != NULL; n = tree_next(n)) {
        const struct mapping *m = container_of(n, struct mapping, node);

        kprintf("  %lx-%lx memory %lu\n", n->key, n->key + m->size, m->mem != NULL ? m->mem->obj.id : 0);
    }
}

static void debug_memory(const struct memory *m)
{
    kprintf("memory %lu %lx-%lx%s caps %u mappings %u", m->obj.id, m->base.v, m->base.v + m->size,
            (m->flags & MEM_DEVICE) != 0 ? " device" : "", m->obj.caps, m->mapping_count);
    if (m->parent != NULL) {
        kprintf(" of %lu", m->parent->obj.id);
    }
    kprintf("\n");
}

static void debug_signal(const struct signal *s)
{
    if (s->source == SIGNAL_LINE) {
        kprintf("signal %lu line %u%s%s", s->obj.id, s->gsi, s->level ? " level" : "", s->masked ? " masked" : "");
    } else if (s->source == SIGNAL_MSI) {
        kprintf("signal %lu msi vector %u", s->obj.id, s->vector);
    } else {
        return;
    }
    kprintf("%s thread %lu\n", s->pending ? " pending" : "", s->thread != NULL ? s->thread->obj.id : 0);
}

static void debug_object(struct object *o, char what)
{
    if (what == 't' && o->type == OBJ_THREAD) {
        debug_thread(thread_of(o));
    } else if (what == 'p' && o->type == OBJ_TASK) {
        debug_task(task_of(o));
    } else if (what == 's' && (o->type == OBJ_TASK || o->type == OBJ_GUEST || o->type == OBJ_DMA)) {
        debug_space(space_of(o));
    } else if (what == 'm' && o->type == OBJ_MEMORY) {
        debug_memory(memory_of(o));
    } else if (what == 'm' && o->type == OBJ_QUOTA) {
        kprintf("quota %lu limit %lu used %lu of %lu\n", o->id, quota_of(o)->limit, quota_of(o)->used,
                o->quota != NULL ? o->quota->obj.id : 0);
    } else if (what == 'i' && o->type == OBJ_SIGNAL) {
        debug_signal(signal_of(o));
    }
}

/* enum vcpu_exit_reason */
static const char *const debug_exit_name[] = {
    "none",   "I/O port", "MMIO",        "CPUID",  "RDMSR",      "WRMSR",  "HLT",      "PAUSE", "interrupt window",
    "NMI window", "XSETBV",   "control register", "VMCALL", "invalid opcode", "WBINVD", "shutdown", "INIT",  "invalid state",
    "hardware failure",
};
_Static_assert(ARRAY_SIZE(debug_exit_name) == VCPU_EXIT_REASON_COUNT, "one name per reason");

static void debug_counters(void)
{
    const struct machine_stat *s = &core_stat;
    uint64_t total, used;

    kpage_stat(&total, &used);
    kprintf("up %lu ms, idle %lu ms\n", clock_now_ns() / 1000000, sched_idle_ns() / 1000000);
    kprintf("syscalls %lu, calls %lu, switches %lu, interrupts %lu, page faults %lu, guest entries %lu\n", s->syscalls,
            s->ipc_calls, s->context_switches, s->interrupts, s->page_faults, s->vm_entries);
    kprintf("kernel memory %lu of %lu KiB\n", used / 1024, total / 1024);
    for (unsigned i = 0; i < VCPU_EXIT_REASON_COUNT; i++) {
        if (s->vm_exits_by_reason[i] != 0) {
            kprintf("guest exits, %s: %lu\n", debug_exit_name[i], s->vm_exits_by_reason[i]);
        }
    }
}

void core_debug_print(char what)
{
    struct quota *root = quota_root();

    if (what == 'c') {
        debug_counters();
        return;
    }
    for (struct object *o = root != NULL ? &root->obj : NULL; o != NULL; o = debug_next(o)) {
        debug_object(o, what);
    }
}
