// SPDX-License-Identifier: MIT
// How the tests say what they found, and calls that several of them make.
#pragma once

#include <abi/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void check_at(bool ok, const char *what, const char *file, int line);
#define CHECK(cond) check_at((cond), #cond, __FILE__, __LINE__)
/* Compares results and shows both. */
void check_equal_at(int64_t got, int64_t want, const char *what, const char *file, int line);
#define CHECK_EQ(got, want) check_equal_at((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)

/* A request without content. */
int64_t call_empty(cap_t gate, uint32_t op);
/* A request of one word whose reply brings a capability (after `skip` words): the capability or the error. */
int64_t call_for_cap(cap_t gate, uint32_t op, uint64_t word, unsigned skip);
int64_t mem_alloc(cap_t mem, uint64_t size, uint64_t align, uint32_t flags);
struct mem_figures {
    uint64_t allowed, used, free;
};
struct mem_figures mem_stat(cap_t mem);

void test_rights(void);
void test_memory(void);
void test_memory_allowances(void);
void test_memory_guarded(void);
void test_rom(void);
void test_log(void);
void test_malformed(void);
void test_programs(void);
void test_program_ends(void);
void test_program_destroys_itself(void);
void test_program_stops(void);
void test_program_leaks(void);
void test_threads(void);
void test_libc(void);
