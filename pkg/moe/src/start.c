// SPDX-License-Identifier: MIT
/* The root task has no loader but the kernel: it makes itself the stack that other programs get from moe, and starts
 * the same runtime. It uses no service that would need moe itself: no malloc, no files, no stdio streams. */
#include "moe.h"

#include <elf.h>
#include <rt/start.h>
#include <sk/env.h>

#define ARGS_MAX 64

_Noreturn void moe_start(const struct boot_info *info);
extern const Elf64_Ehdr __ehdr_start; /* the linker's */

const struct boot_info *boot;

static char cmdline[4096];
static uint64_t stack[ARGS_MAX + 2 + 1 + 2 * 16];

/* Copies the command line and cuts it into words; returns how many. By hand, as the C library's functions may look
 * for a stack canary in thread-local storage, which there is not yet. */
static unsigned split(const char *line, uint64_t *argv)
{
    unsigned n = 0;
    bool in_word = false;

    for (size_t i = 0; line[i] && i < sizeof(cmdline) - 1; i++) {
        bool blank = line[i] == ' ' || line[i] == '\t';
        cmdline[i] = blank ? '\0' : line[i];
        if (!blank && !in_word) {
            if (n == ARGS_MAX) {
                break;
            }
            argv[n++] = (uint64_t)&cmdline[i];
        }
        in_word = !blank;
    }
    return n;
}

static uint64_t *put(uint64_t *aux, uint64_t type, uint64_t value)
{
    aux[0] = type;
    aux[1] = value;
    return aux + 2;
}

void moe_start(const struct boot_info *info)
{
    static uint64_t random[2];

    boot = info;
    random[0] = moe_random();
    random[1] = moe_random();
    stack[0] = split(info->strings + info->cmdline, stack + 1);
    uint64_t *p = stack + 1 + stack[0] + 2; /* behind both terminating NULLs: there is no environment */
    p = put(p, AT_PHDR, (uint64_t)&__ehdr_start + __ehdr_start.e_phoff);
    p = put(p, AT_PHENT, __ehdr_start.e_phentsize);
    p = put(p, AT_PHNUM, __ehdr_start.e_phnum);
    p = put(p, AT_PAGESZ, PAGE_SIZE);
    p = put(p, AT_RANDOM, (uint64_t)random);
    p = put(p, AT_EXECFN, (uint64_t) "rom/moe");
    p = put(p, AT_SK_UTCB, info->utcb);
    p = put(p, AT_SK_FREE, PROGRAM_FREE);
    p = put(p, AT_SK_FREE_END, PROGRAM_FREE_END);
    put(p, AT_NULL, 0);
    rt_start(stack);
}
