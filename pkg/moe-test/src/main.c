// SPDX-License-Identifier: MIT
// Runs the tests and counts.
#include "check.h"

#include <proto/mem.h>
#include <sk/env.h>
#include <sk/msg.h>
#include <stdio.h>

static unsigned failures; /* of the current test */

void check_at(bool ok, const char *what, const char *file, int line)
{
    if (!ok) {
        printf("  %s:%d: %s\n", file, line, what);
        failures++;
    }
}

void check_equal_at(int64_t got, int64_t want, const char *what, const char *file, int line)
{
    if (got != want) {
        printf("  %s:%d: %s is %ld (%s), not %ld\n", file, line, what, got, got < 0 ? sk_errname(got) : "", want);
        failures++;
    }
}

int64_t call_empty(cap_t gate, uint32_t op)
{
    struct msg m;

    msg_begin(&m, op);
    return msg_call(&m, gate, DEADLINE_NEVER);
}

int64_t call_for_cap(cap_t gate, uint32_t op, uint64_t word, unsigned skip)
{
    struct msg m;

    msg_begin(&m, op);
    msg_put(&m, word);
    return msg_call_cap(&m, gate, skip, DEADLINE_NEVER);
}

int64_t mem_alloc(cap_t mem, uint64_t size, uint64_t align, uint32_t flags)
{
    struct msg m;

    msg_begin(&m, MEM_ALLOC);
    msg_put(&m, size);
    msg_put(&m, align);
    msg_put(&m, flags);
    return msg_call_cap(&m, mem, 1, DEADLINE_NEVER);
}

struct mem_figures mem_stat(cap_t mem)
{
    struct mem_figures f = {0};
    struct msg m;

    msg_begin(&m, MEM_STAT);
    CHECK_EQ(msg_call(&m, mem, DEADLINE_NEVER), SK_OK);
    f.allowed = msg_get(&m);
    f.used = msg_get(&m);
    f.free = msg_get(&m);
    CHECK_EQ(msg_end(&m), SK_OK);
    return f;
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"libc", test_libc},
    {"rights of ned's capabilities", test_rights},
    {"memory", test_memory},
    {"memory allowances", test_memory_allowances},
    {"memory guarded", test_memory_guarded},
    {"rom", test_rom},
    {"log", test_log},
    {"malformed messages", test_malformed},
    {"programs", test_programs},
    {"program ends", test_program_ends},
    {"programs that destroy themselves", test_program_destroys_itself},
    {"programs that are asked to end", test_program_stops},
    {"program leaks", test_program_leaks},
    {"threads", test_threads},
};

int main(void)
{
    unsigned passed = 0, failed = 0;

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        failures = 0;
        tests[i].run();
        printf("%s %s\n", failures ? "FAILED" : "ok", tests[i].name);
        passed += failures == 0;
        failed += failures != 0;
    }
    printf("moe-test: %u passed, %u failed\n", passed, failed);
    return failed != 0;
}
