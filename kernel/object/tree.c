// SPDX-License-Identifier: MIT
// Treap: kernel/tree.h. Weights depend on all insertions in the system, so no program can choose keys that degrade it.
#include <kernel/tree.h>

static uint64_t tree_state; /* the last weight given */

static uint64_t tree_hash(uint64_t v)
{
    v ^= v >> 33;
    v *= 0xff51afd7ed558ccdull;
    v ^= v >> 33;
    v *= 0xc4ceb9fe1a85ec53ull;
    return v ^ v >> 33;
}

/* Puts `to` (may be NULL) where `from` hangs. */
static void tree_replace(struct tree *t, struct tree_node *from, struct tree_node *to)
{
    struct tree_node *p = from->parent;

    if (p == NULL) {
        t->root = to;
    } else if (p->left == from) {
        p->left = to;
    } else {
        p->right = to;
    }
    if (to != NULL) {
        to->parent = p;
    }
}

/* Rotates n above its parent. */
static void tree_rotate_up(struct tree *t, struct tree_node *n)
{
    struct tree_node *p = n->parent;

    tree_replace(t, p, n);
    if (p->left == n) {
        p->left = n->right;
        if (p->left != NULL) {
            p->left->parent = p;
        }
        n->right = p;
    } else {
        p->right = n->left;
        if (p->right != NULL) {
            p->right->parent = p;
        }
        n->left = p;
    }
    p->parent = n;
}

void tree_insert(struct tree *t, struct tree_node *n, uint64_t key)
{
    struct tree_node *parent = NULL, **link = &t->root;

    while (*link != NULL) {
        parent = *link;
        link = key < parent->key ? &parent->left : &parent->right;
    }
    tree_state = tree_hash(tree_state + key + (uint64_t)n);
    *n = (struct tree_node){.parent = parent, .key = key, .weight = tree_state};
    *link = n;
    while (n->parent != NULL && n->weight > n->parent->weight) {
        tree_rotate_up(t, n);
    }
}

void tree_remove(struct tree *t, struct tree_node *n)
{
    while (n->left != NULL && n->right != NULL) {
        tree_rotate_up(t, n->left->weight > n->right->weight ? n->left : n->right);
    }
    tree_replace(t, n, n->left != NULL ? n->left : n->right);
    n->parent = n->left = n->right = NULL;
}

struct tree_node *tree_first(const struct tree *t)
{
    struct tree_node *n = t->root;

    while (n != NULL && n->left != NULL) {
        n = n->left;
    }
    return n;
}

struct tree_node *tree_next(const struct tree_node *n)
{
    struct tree_node *next = n->right;

    if (next != NULL) {
        while (next->left != NULL) {
            next = next->left;
        }
        return next;
    }
    for (next = n->parent; next != NULL && next->right == n; next = n->parent) {
        n = next;
    }
    return next;
}

struct tree_node *tree_floor(const struct tree *t, uint64_t key)
{
    struct tree_node *best = NULL;

    for (struct tree_node *n = t->root; n != NULL; n = key < n->key ? n->left : n->right) {
        if (n->key <= key) {
            best = n;
        }
    }
    return best;
}
