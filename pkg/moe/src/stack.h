// SPDX-License-Identifier: MIT
/* The first stack of a program: strings and vectors as on Linux [psABI x86-64 3.4.1]. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Arguments and environment in the order in which they came: each entry is its kind, the string and a NUL. */
#define STRINGS_MAX (64u << 10)
enum string_kind { STRING_ARG = 'a', STRING_ENV = 'e' };

struct strings {
    size_t len;
    char data[STRINGS_MAX];
};

/* Copies s; -1 if it does not fit any more. */
int strings_add(struct strings *all, enum string_kind kind, const char *s);

struct stack_aux {
    uint64_t type, value;
};

/* Builds the stack in the last bytes of mem[size], which will end at address top (16-byte aligned). aux needs no
 * AT_NULL. AT_EXECFN and AT_RANDOM are added: a copy of path and of 16 random bytes.
 * Return: the stack pointer, 0 if it does not fit into half of mem. */
uint64_t stack_build(char *mem, size_t size, uint64_t top, const struct strings *all, const char *path,
                     const uint64_t random[2], const struct stack_aux *aux, size_t aux_count);
