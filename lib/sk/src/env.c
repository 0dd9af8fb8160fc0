// SPDX-License-Identifier: MIT
// What a program was started with: capabilities by name, UTCBs, names of errors.
#include <sk/env.h>
#include <sk/init.h>
#include <string.h>

static const struct sk_env *env;
static struct utcb *main_utcb;
static bool tls_ready;
static __thread struct utcb *thread_utcb; /* NULL in the main thread */

void sk_init(const struct sk_start *start)
{
    env = start->env;
    main_utcb = start->utcb;
    vm_init(start->free_start, start->free_end);
}

void sk_tls_ready(void)
{
    tls_ready = true;
}

bool sk_tls_is_ready(void)
{
    return tls_ready;
}

void sk_utcb_set(struct utcb *utcb)
{
    thread_utcb = utcb;
}

bool sk_thread_is_main(void)
{
    return !tls_ready || thread_utcb == NULL;
}

struct utcb *sk_utcb(void)
{
    if (tls_ready && thread_utcb) {
        return thread_utcb;
    }
    return main_utcb;
}

const struct sk_env_entry *sk_env_at(unsigned i)
{
    if (!env || i >= env->count || i >= SK_ENV_MAX) {
        return NULL;
    }
    return &env->entry[i];
}

cap_t sk_env_get(const char *name)
{
    const struct sk_env_entry *e;

    for (unsigned i = 0; (e = sk_env_at(i)); i++) {
        if (strncmp(e->name, name, SK_NAME_MAX) == 0) {
            return e->cap;
        }
    }
    return CAP_NULL;
}

static const struct {
    const char *name, *text;
} errors[] = {
    [-SK_OK] = {"SK_OK", "success"},
    [-SK_EINVAL] = {"SK_EINVAL", "an argument is not allowed here"},
    [-SK_ECAP] = {"SK_ECAP", "no such capability, or its object is gone"},
    [-SK_ETYPE] = {"SK_ETYPE", "the capability is of another type"},
    [-SK_ERIGHTS] = {"SK_ERIGHTS", "the capability lacks the right for this"},
    [-SK_ENOMEM] = {"SK_ENOMEM", "the quota or memory allowance is used up"},
    [-SK_ESLOTS] = {"SK_ESLOTS", "the table is full, or the slot is taken"},
    [-SK_EBUSY] = {"SK_EBUSY", "it is in use"},
    [-SK_EEXIST] = {"SK_EEXIST", "the address range or name is taken"},
    [-SK_ENOENT] = {"SK_ENOENT", "there is no such thing"},
    [-SK_ERANGE] = {"SK_ERANGE", "beyond the size of the object or the machine"},
    [-SK_ETIMEDOUT] = {"SK_ETIMEDOUT", "the deadline passed"},
    [-SK_EGONE] = {"SK_EGONE", "the partner went away"},
    [-SK_EAGAIN] = {"SK_EAGAIN", "nothing there yet"},
    [-SK_ENOSYS] = {"SK_ENOSYS", "no such operation"},
    [-SK_ENODEV] = {"SK_ENODEV", "the machine lacks what this needs"},
    [-SK_EIO] = {"SK_EIO", "the device failed"},
    [-SK_EMSG] = {"SK_EMSG", "the message is malformed or too large"},
    [-SK_EPERM] = {"SK_EPERM", "policy forbids it"},
};
#define ERROR_COUNT ((int64_t)(sizeof(errors) / sizeof(errors[0])))

const char *sk_strerror(int64_t err)
{
    if (err > 0) {
        return errors[0].text;
    }
    return err > -ERROR_COUNT ? errors[-err].text : "unknown error";
}

const char *sk_errname(int64_t err)
{
    if (err > 0) {
        return errors[0].name;
    }
    return err > -ERROR_COUNT ? errors[-err].name : "SK_E?";
}
