// SPDX-License-Identifier: MIT
/* Interrupts as signals. A level-triggered line is masked when it fires and unmasked by SYS_SIGNAL_ACK. A signal has at
 * most one line or MSI; it is released when the signal dies. */
#include <kernel/boot.h>
#include <kernel/sys.h>

#define IRQ_FLAGS (IRQ_LEVEL | IRQ_ACTIVE_LOW | IRQ_FIRMWARE)

static void signal_irq_fire(struct irq_target *t)
{
    struct signal *s = container_of(t, struct signal, irq);

    if (s->level) {
        irq_line_mask(s->gsi);
        s->masked = true;
    }
    signal_raise(s);
}

void signal_irq_unmask(struct signal *s)
{
    if (s->source == SIGNAL_LINE && s->masked) {
        s->masked = false;
        irq_line_unmask(s->gsi);
    }
}

void signal_irq_release(struct signal *s)
{
    if (s->source == SIGNAL_LINE) {
        irq_line_detach(s->gsi);
    } else if (s->source == SIGNAL_MSI) {
        irq_msi_detach(s->vector);
    }
    s->source = SIGNAL_SOFT;
}

/* Where its interrupt is best taken: on the processor of the thread that waits for it. It stays there. */
static unsigned signal_cpu(const struct signal *s)
{
    return s->thread != NULL ? s->thread->cpu_next : 0;
}

/* cap(IRQCTL:CTRL) and cap(SIGNAL:BIND) of a signal without an interrupt. */
static int irq_bind_lookup(struct thread *t, uint64_t irqctl, uint64_t signal, struct signal **out)
{
    struct object *o;
    int err = cap_lookup(t, irqctl, OBJ_IRQCTL, RIGHT_CTRL, &o);

    if (err == SK_OK) {
        err = cap_lookup(t, signal, OBJ_SIGNAL, RIGHT_BIND, &o);
    }
    if (err == SK_OK) {
        *out = signal_of(o);
        (*out)->irq.fire = signal_irq_fire;
        err = (*out)->source == SIGNAL_SOFT ? SK_OK : SK_EBUSY;
    }
    return err;
}

int64_t sys_irq_bind(struct thread *t, const struct sys_args *args)
{
    struct signal *s;
    bool level = false;

    if (args->a[2] > IRQ_FLAGS) {
        return SK_EINVAL;
    }
    if (args->a[1] > UINT32_MAX) {
        return SK_ERANGE;
    }
    int err = irq_bind_lookup(t, args->a[0], args->a[3], &s);
    if (err == SK_OK) {
        err = irq_line_attach((uint32_t)args->a[1], (uint32_t)args->a[2], signal_cpu(s), &s->irq, &level);
    }
    if (err == SK_OK) {
        s->source = SIGNAL_LINE;
        s->gsi = (uint32_t)args->a[1];
        s->level = level;
        s->masked = false;
    }
    return err;
}

int64_t sys_msi_bind(struct thread *t, const struct sys_args *args)
{
    struct signal *s;
    uint64_t address;
    unsigned vector;
    uint32_t data;

    if (args->a[2] > UINT32_MAX) {
        return SK_EINVAL;
    }
    int err = irq_bind_lookup(t, args->a[0], args->a[1], &s);
    if (err == SK_OK) {
        err = irq_msi_attach(&s->irq, signal_cpu(s), &data, &address, &vector);
    }
    if (err != SK_OK) {
        return err;
    }
    s->source = SIGNAL_MSI;
    s->vector = vector;
    s->level = false;
    t->ctx.regs.rdx = address;
    return data;
}

int64_t sys_irq_info(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_IRQCTL, 0, &o);

    if (err != SK_OK) {
        return err;
    }
    t->ctx.regs.rdx = irq_vectors_free();
    return irq_line_count();
}

static void irqctl_free(struct object *o)
{
    quota_free(o->quota, o, sizeof(*o));
}

static const struct object_ops irqctl_ops = {.name = "irqctl", .free = irqctl_free};

struct object *irqctl_create(struct quota *q)
{
    struct object *o = quota_alloc(q, sizeof(*o));

    if (o != NULL) {
        object_init(o, &irqctl_ops, OBJ_IRQCTL, q);
    }
    return o;
}
