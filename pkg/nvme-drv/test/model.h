// SPDX-License-Identifier: MIT
/* A model of an NVMe controller for tests on the host: registers, queues, admin and I/O commands on memory disks. It
 * decodes PRPs and SGLs on its own and can misbehave in the ways that a driver must survive. Device addresses are host
 * addresses plus MODEL_DEV, so that mixing them up faults.
 *
 * Commands run when their doorbell is written (or in model_release() while `hold` is set); interrupts are pending until
 * model_interrupt() or the driver's wait(). Time stands still but for wait(). */
#pragma once

#include "../src/blkdev.h"

#define MODEL_DEV 0x100000000000ull
#define MODEL_QUEUES 9u
#define MODEL_NS 4u
#define MODEL_HELD 4096u

struct model_ns {
    uint8_t *data;
    uint64_t blocks;
    uint32_t block_size;
    uint16_t metadata;
    uint8_t dps, csi;
    bool extended; /* metadata within the blocks */
    bool write_protected, detached;
    uint8_t uuid;
    uint8_t dlfeat, nsfeat;
    uint16_t npwg, npdg, nows;
};

struct model_sq {
    uint64_t base;
    uint32_t entries, head, tail;
    uint16_t cq;
};
struct model_cq {
    uint64_t base;
    uint32_t entries, tail, head;
    uint16_t phase, vector;
};

struct model {
    struct nvme_hw hw; /* first */
    struct nvme_ctrl *ctrl;
    uint64_t now;
    uint64_t armed; /* deadline of the time-out check, 0: none */
    uint64_t cap;
    uint32_t cc, csts, aqa;
    uint64_t asq, acq;
    struct model_sq sq[MODEL_QUEUES];
    struct model_cq cq[MODEL_QUEUES];
    struct model_ns ns[MODEL_NS];  /* NSID = index + 1; data == NULL: inactive */
    uint16_t next_vector, vectors; /* vectors available */
    uint32_t irq;                  /* pending, a bit per vector */
    struct nvme_id_ctrl id;
    unsigned queues_granted;
    /* events */
    uint32_t event_config, event_masked, event_pending[8], changed[8];
    uint16_t aer[256];
    unsigned aer_count, changed_count, events, log_reads[8];
    struct nvme_smart smart;
    struct nvme_error_entry error;
    bool event_flood; /* misbehaviour: each request for an event gets one at once */
    /* misbehaviour */
    bool all_ones, never_ready, never_stops, fatal, hold, wrong_cid, duplicate, bad_phase, no_irq, drop_admin;
    bool never_shut;      /* a shutdown does not end */
    unsigned drop_io;     /* that many I/O commands are never answered */
    unsigned fatal_io;    /* at that many I/O commands the controller fails fatally (CSTS.CFS) */
    bool abort_works;     /* Abort ends commands that were dropped */
    unsigned fail_resets; /* that many times the controller does not become ready */
    uint16_t fail_status; /* status field without phase for I/O that touches fail_lba */
    uint64_t fail_lba;
    unsigned fail_times;       /* so often; 0: always */
    uint8_t fail_admin_opcode; /* with fail_admin set */
    bool fail_admin;
    bool cache_off; /* the write cache is switched off */
    bool lied;      /* told of the end of commands that had not ended: after that it may ... */
    bool (*reachable)(const void *p, size_t size); /* ... find memory gone; NULL: it does not */
    /* changes a page of Identify or a log before it is sent; NULL: it does not */
    void (*forge)(struct model *m, const struct nvme_sqe *e, uint8_t *page);
    bool slow_admin;                    /* admin commands are answered while the driver waits, not before */
    void (*meanwhile)(struct model *m); /* what happens while the driver's worker waits; NULL: nothing */
    /* what happened */
    unsigned sq_doorbells, cq_doorbells, reads, writes, flushes, fua_writes, zeroes, deac, deallocates, isolated,
        enables, lists, max_bytes;
    unsigned dma_live, aborts, shutdowns, shut_queues; /* queues that were left at a shutdown */
    struct {
        uint16_t sqid;
        struct nvme_sqe sqe;
    } held[MODEL_HELD];
    unsigned held_count;
    struct {
        uint16_t sqid, cid;
    } dropped[256];
    unsigned dropped_count;
};

/* A controller with 512-byte blocks on NSID 1, SGL, MDTS 512 KiB, volatile write cache. */
struct model *model_new(uint64_t blocks);
void model_add_ns(struct model *m, unsigned nsid, uint64_t blocks, uint32_t block_size);
void model_free(struct model *m);
/* Creates and starts a driver instance; frees it. */
struct nvme_ctrl *model_start(struct model *m, int64_t *err);
void model_stop(struct model *m);
/* Frees what the driver instance holds, but not itself. */
void model_clear(struct model *m);
/* Reports an event, when it may; a change of that namespace. */
void model_event(struct model *m, uint32_t dw0);
void model_ns_notice(struct model *m, uint32_t nsid);
/* Executes commands that were held back; newest first if reverse. */
void model_release(struct model *m, bool reverse);
/* Delivers pending interrupts to the driver. True if there were any. */
bool model_interrupt(struct model *m);
/* Lets time pass to the next time-out check and runs it, and a recovery that it asks for. False: none is coming. */
bool model_check(struct model *m);
/* That and interrupts until nothing is in flight any more. */
void model_timeout(struct model *m);
