// SPDX-License-Identifier: MIT
/* Intrusive search tree (a treap) ordered by a 64-bit key; equal keys keep their order of insertion. The owner
 * embeds a node and allocates nothing. All operations take expected O(log n) steps and no recursion. */
#pragma once

#include <kernel/types.h>

struct tree_node {
    struct tree_node *parent, *left, *right;
    uint64_t key;
    uint64_t weight; /* heap order: a parent's is not smaller than its children's */
};

struct tree {
    struct tree_node *root;
};

void tree_insert(struct tree *t, struct tree_node *n, uint64_t key);
void tree_remove(struct tree *t, struct tree_node *n);
struct tree_node *tree_first(const struct tree *t);
struct tree_node *tree_next(const struct tree_node *n);
/* The node with the greatest key <= key, NULL if there is none. */
struct tree_node *tree_floor(const struct tree *t, uint64_t key);
