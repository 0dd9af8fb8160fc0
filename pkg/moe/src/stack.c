// SPDX-License-Identifier: MIT
// Builds the first stack of a program.
#include "stack.h"

#include <elf.h>
#include <string.h>
#include <util/bits.h>

struct builder {
    char *mem;
    size_t size;
    uint64_t top;
    size_t string_at; /* strings grow up from here, offsets in mem */
    uint64_t *word;   /* vectors grow up from here */
};

int strings_add(struct strings *all, enum string_kind kind, const char *s)
{
    size_t len = strlen(s) + 1;

    if (len + 1 > STRINGS_MAX - all->len) {
        return -1;
    }
    all->data[all->len] = (char)kind;
    memcpy(all->data + all->len + 1, s, len);
    all->len += len + 1;
    return 0;
}

static size_t count_kind(const struct strings *all, enum string_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < all->len; i += strlen(all->data + i) + 1) {
        n += all->data[i] == (char)kind;
    }
    return n;
}

/* Copies bytes to the string area; returns their address in the program. */
static uint64_t place(struct builder *b, const void *data, size_t len)
{
    uint64_t va = b->top - b->size + b->string_at;

    memcpy(b->mem + b->string_at, data, len);
    b->string_at += len;
    return va;
}

static void place_kind(struct builder *b, const struct strings *all, enum string_kind kind)
{
    for (size_t i = 0; i < all->len; i += strlen(all->data + i) + 1) {
        if (all->data[i] == (char)kind) {
            const char *s = all->data + i + 1;
            *b->word++ = place(b, s, strlen(s) + 1);
        }
    }
    *b->word++ = 0;
}

static void place_aux(struct builder *b, uint64_t type, uint64_t value)
{
    *b->word++ = type;
    *b->word++ = value;
}

uint64_t stack_build(char *mem, size_t size, uint64_t top, const struct strings *all, const char *path,
                     const uint64_t random[2], const struct stack_aux *aux, size_t aux_count)
{
    size_t args = count_kind(all, STRING_ARG), envs = count_kind(all, STRING_ENV);
    size_t words = 1 + args + 1 + envs + 1 + 2 * (aux_count + 3);
    size_t text = align_up(all->len + strlen(path) + 1 + 2 * sizeof(uint64_t), 16);

    if (text + words * sizeof(uint64_t) + 16 > size / 2) {
        return 0;
    }
    size_t sp = align_down(size - text - words * sizeof(uint64_t), 16);
    struct builder b = {mem, size, top, size - text, (uint64_t *)(void *)(mem + sp)};
    *b.word++ = args;
    place_kind(&b, all, STRING_ARG);
    place_kind(&b, all, STRING_ENV);
    for (size_t i = 0; i < aux_count; i++) {
        place_aux(&b, aux[i].type, aux[i].value);
    }
    place_aux(&b, AT_RANDOM, place(&b, random, 2 * sizeof(uint64_t)));
    place_aux(&b, AT_EXECFN, place(&b, path, strlen(path) + 1));
    place_aux(&b, AT_NULL, 0);
    return top - size + sp;
}
