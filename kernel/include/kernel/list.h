// SPDX-License-Identifier: MIT
// Intrusive doubly linked list with a head; a node that is in no list points to itself.
#pragma once

#include <stdbool.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }

/* Inserts n before pos: with the head as pos, at the tail. n must be in no list. */
static inline void list_insert(struct list *pos, struct list *n)
{
    n->next = pos;
    n->prev = pos->prev;
    pos->prev->next = n;
    pos->prev = n;
}
static inline void list_push_back(struct list *head, struct list *n) { list_insert(head, n); }
static inline void list_push_front(struct list *head, struct list *n) { list_insert(head->next, n); }

/* Harmless for a node that is in no list. */
static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

#define list_entry(node, type, member) ((type *)((char *)(node) - offsetof(type, member)))
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_for_each(pos, head) for (struct list *pos = (head)->next; pos != (head); pos = pos->next)
/* The current node may be removed inside the loop. */
#define list_for_each_safe(pos, head) \
    for (struct list *pos = (head)->next, *_n = pos->next; pos != (head); pos = _n, _n = pos->next)
