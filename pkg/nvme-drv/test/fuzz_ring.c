// SPDX-License-Identifier: MIT
// See fuzz_ring.h.
#include "fuzz_ring.h"

void *fuzz_at(uint64_t gpa)
{
    uint64_t off = gpa - GPA;

    return world_memory(off < WORLD_MEM_BYTES ? WORLD_RAM0 : WORLD_RAM1) + off % WORLD_MEM_BYTES;
}

static void ring_desc(struct ring *r, unsigned q, const struct piece *p, uint16_t flags, unsigned id)
{
    flags |= p->write ? VIRTQ_DESC_F_WRITE : 0;
    if (!r->packed) {
        struct virtq_desc *d = (struct virtq_desc *)fuzz_at(RING(q)) + r->next;

        r->next = (uint16_t)((r->next + 1) % NUM);
        *d = (struct virtq_desc){p->gpa, p->len, flags, r->next};
        return;
    }
    struct virtq_pdesc *d = (struct virtq_pdesc *)fuzz_at(RING(q)) + r->next;

    flags |= r->wrap ? VIRTQ_PDESC_F_AVAIL : VIRTQ_PDESC_F_USED;
    *d = (struct virtq_pdesc){p->gpa, p->len, (uint16_t)id, flags};
    if (++r->next == NUM) {
        r->next = 0;
        r->wrap = !r->wrap;
    }
}

/* The chain that begins there is available; packed: it is already. */
static void ring_show(struct ring *r, unsigned q, uint16_t head)
{
    if (!r->packed) {
        struct virtq_avail *a = fuzz_at(AVAIL(q));

        a->ring[r->avail++ % NUM] = head;
        a->idx = r->avail;
    }
}

void ring_chain(struct ring *r, unsigned q, const struct piece *p, unsigned n, unsigned id)
{
    uint16_t head = r->next;

    for (unsigned i = 0; i < n; i++) {
        ring_desc(r, q, &p[i], i + 1 < n ? VIRTQ_DESC_F_NEXT : 0, id);
    }
    ring_show(r, q, head);
}

void ring_indirect(struct ring *r, unsigned q, const struct piece *p, unsigned n, unsigned id)
{
    uint64_t table = TABLES + id % 16 * 0x100u;
    struct piece whole = {table, 16 * n, false};
    uint16_t head = r->next;

    for (unsigned i = 0; i < n; i++) {
        uint16_t flags = (p[i].write ? VIRTQ_DESC_F_WRITE : 0) | (i + 1 < n && !r->packed ? VIRTQ_DESC_F_NEXT : 0);

        if (r->packed) {
            ((struct virtq_pdesc *)fuzz_at(table))[i] = (struct virtq_pdesc){p[i].gpa, p[i].len, 0, flags};
        } else {
            ((struct virtq_desc *)fuzz_at(table))[i] =
                (struct virtq_desc){p[i].gpa, p[i].len, flags, (uint16_t)(i + 1)};
        }
    }
    ring_desc(r, q, &whole, VIRTQ_DESC_F_INDIRECT, id);
    ring_show(r, q, head);
}
