// SPDX-License-Identifier: MIT
// What the two ring formats share: vring.c has the interface and the split format, packed.c the packed one.
#pragma once

#include <virtio/vring.h>

/* An indirect table may lie at any address. */
typedef struct virtq_desc virtq_desc_any __attribute__((aligned(1)));
typedef struct virtq_pdesc virtq_pdesc_any __attribute__((aligned(1)));

/* The segments of a chain as they are collected. */
struct vring_walk {
    struct vring_seg *seg;
    unsigned count, max;
    struct vring_chain *chain;
};

/* Adds a descriptor's buffer. SK_EMSG: it breaks the rules, and the queue. */
int vring_walk_add(struct vring *vq, struct vring_walk *w, uint64_t addr, uint32_t len, uint16_t flags);
/* The table of an indirect descriptor that is the last of its chain: its entries in *entries. NULL: the queue broke. */
volatile void *vring_indirect_table(struct vring *vq, uint64_t addr, uint32_t len, uint16_t flags, uint32_t *entries);
/* The number of segments of a complete chain; none at all breaks the queue. */
int vring_walk_end(struct vring *vq, const struct vring_walk *w);

int64_t packed_init(struct vring *vq, const struct vring_config *cfg);
int packed_pop(struct vring *vq, struct vring_walk *w);
void packed_unpop(struct vring *vq, const struct vring_chain *chain);
void packed_push(struct vring *vq, uint32_t head, uint32_t written);
void packed_show(struct vring *vq);
bool packed_interrupt_due(struct vring *vq);
void packed_kick_disable(struct vring *vq);
bool packed_kick_enable(struct vring *vq);
uint32_t packed_base(const struct vring *vq);
uint32_t packed_used(const struct vring *vq);
/* The base of a queue with that used position and so many descriptors in flight. */
uint32_t packed_base_after(uint32_t used, uint32_t count, uint32_t num);
/* Of so many descriptors in flight from that used position on, those behind the first one do not show as used any more,
 * as they do when an earlier device side had returned them in a batch that it did not come to show. */
void packed_unshow(struct vring *vq, uint32_t used, uint32_t count);
int packed_again(struct vring *vq, struct vring_walk *w, uint32_t head, const struct virtq_pdesc *d);
struct virtq_pdesc packed_last(const struct vring *vq);
