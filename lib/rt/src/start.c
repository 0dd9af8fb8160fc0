// SPDX-License-Identifier: MIT
// From the first instruction to the C library: reads the auxiliary vector, registers the handlers.
#include "rt_priv.h"

#include <elf.h>
#include <rt/start.h>
#include <sk/init.h>
#include <sk/sys.h>
#include <string.h>

int main(int argc, char **argv, char **envp);
/* The C library's start: sets up TLS and stdio, runs constructors and main, exits with its result. */
_Noreturn int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                                void (*fini)(void), void (*ldso)(void));

const char *rt_program_path = "?";

const char *rt_program_name(void)
{
    const char *slash = strrchr(rt_program_path, '/');

    return slash ? slash + 1 : rt_program_path;
}

/* The auxiliary vector follows argc, argv, NULL, envp, NULL. */
static const uint64_t *find_auxv(const uint64_t *stack)
{
    const uint64_t *p = stack + 1 + stack[0] + 1;

    while (*p) {
        p++;
    }
    return p + 1;
}

static void read_auxv(const uint64_t *av, struct sk_start *start)
{
    for (; av[0] != AT_NULL; av += 2) {
        switch (av[0]) {
        case AT_SK_ENV:
            start->env = (const struct sk_env *)av[1];
            break;
        case AT_SK_UTCB:
            start->utcb = (struct utcb *)av[1];
            break;
        case AT_SK_FREE:
            start->free_start = av[1];
            break;
        case AT_SK_FREE_END:
            start->free_end = av[1];
            break;
        case AT_EXECFN:
            rt_program_path = (const char *)av[1];
            break;
        default:
            break;
        }
    }
}

int64_t sk_thread_handlers(cap_t thread)
{
    int64_t err = sys_thread_set(thread, THREAD_SYSCALL_HANDLER, (uint64_t)rt_syscall_entry);

    return err < 0 ? err : sys_thread_set(thread, THREAD_FAULT_HANDLER, (uint64_t)rt_fault_entry);
}

void rt_start(uint64_t *stack)
{
    struct sk_start start = {0};

    read_auxv(find_auxv(stack), &start);
    sk_init(&start);
    if (sk_thread_handlers(CAP_THREAD) < 0) {
        sys_thread_exit(SK_EPERM);
    }
    sk_utcb()->fault_armed = 1;
    __libc_start_main(main, (int)stack[0], (char **)(stack + 1), NULL, NULL, NULL);
}
