// SPDX-License-Identifier: MIT
// The kernel's serial line for programs.
#include <kernel/boot.h>
#include <kernel/sys.h>

#define SYSCALL_INSN_LEN 2

struct console {
    struct object obj;
    struct signal *input; /* reference; NULL: nobody is told */
};

static struct console *console_of(struct object *o)
{
    return container_of(o, struct console, obj);
}

static void console_set_input(struct console *c, struct signal *s)
{
    struct signal *old = c->input;

    if (s != NULL) {
        object_get(&s->obj);
    }
    c->input = s;
    console_set_target(s != NULL ? &s->doorbell : NULL);
    if (old != NULL) {
        object_put(&old->obj);
    }
}

static void console_destroy(struct object *o)
{
    console_set_input(console_of(o), NULL);
}

static void console_free(struct object *o)
{
    quota_free(o->quota, console_of(o), sizeof(struct console));
}

static const struct object_ops console_ops = {.name = "console", .destroy = console_destroy, .free = console_free};

struct object *console_create(struct quota *q)
{
    struct console *c = quota_alloc(q, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    object_init(&c->obj, &console_ops, OBJ_CONSOLE, q);
    return &c->obj;
}

int64_t sys_console_write(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_CONSOLE, RIGHT_W, &o);

    if (err != SK_OK) {
        return err;
    }
    if (args->a[1] > UTCB_BYTES) {
        return SK_EINVAL;
    }
    if (!console_queue((const char *)t->utcb->mr, args->a[1])) {
        t->ctx.regs.rip -= SYSCALL_INSN_LEN; /* once more: who waits for the line does so outside of the kernel */
        return SYS_NO_RESULT;
    }
    return SK_OK;
}

int64_t sys_console_read(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_CONSOLE, RIGHT_R, &o);

    return err == SK_OK ? (int64_t)console_read((char *)t->utcb->mr, UTCB_BYTES) : err;
}

int64_t sys_console_bind(struct thread *t, const struct sys_args *args)
{
    struct object *c, *s;
    int err = cap_lookup(t, args->a[0], OBJ_CONSOLE, RIGHT_R, &c);

    if (err != SK_OK) {
        return err;
    }
    if (args->a[1] == CAP_NULL) {
        console_set_input(console_of(c), NULL);
        return SK_OK;
    }
    err = cap_lookup(t, args->a[1], OBJ_SIGNAL, RIGHT_CALL, &s);
    if (err == SK_OK) {
        console_set_input(console_of(c), signal_of(s));
    }
    return err;
}
