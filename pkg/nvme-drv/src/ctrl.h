// SPDX-License-Identifier: MIT
/* One NVMe controller: bring-up, admin commands, namespaces and their queues, time-outs and recovery.
 *
 * Two contexts, never at the same time (the program has one thread):
 * - the worker: nvme_ctrl_start() and nvme_ctrl_recover() run step by step, and wait for admin completions and register
 *   changes in hw->ops->wait(). In the program it is a fiber with its own stack, so that a slow or dead
 *   controller delays nobody.
 * - events: nvme_ctrl_interrupt() at each interrupt, nvme_ctrl_check() at the deadline given to hw->ops->arm(). They
 *   set `wake` when the worker has to run on.
 *
 * States:  CTRL_INIT --start--> CTRL_READY <--> CTRL_RESETTING (a command timed out, or CSTS.CFS)
 *               \__________________|__________________/--> CTRL_DEAD: gives errors for everything from now on
 *           CTRL_READY --the last user has gone--> CTRL_OFF --a user comes--> CTRL_READY
 * I/O may be submitted in CTRL_READY only.
 *
 * Power (power.c): users are counted. A controller without one is shut down in an orderly way, so that the machine can
 * be switched off; after the start it waits NVME_IDLE_NS for the first one.
 *
 * Namespaces (ns_list.c, event.c): they may come, go, and change their size at any time. Each that was found once has a
 * struct nvme_ns for good.
 *
 * Time-outs (recover.c): an I/O command that has not ended within io_timeout_ns is aborted; if it still has not ended
 * after the same time again (NVME_ABORT_NS at most), or when CSTS shows that the controller is gone or in a fatal
 * state, the controller is reset, its queues are made again and what was in flight is sent again: the clients see
 * latency only. A command that was sent too often ends as NVME_STATUS_LOST; a controller that cannot be reset in
 * NVME_RESET_TRIES, or had to be reset NVME_BARREN_RESETS times without completing anything in between, is dead. */
#pragma once

#include "fair.h"
#include "ident.h"
#include <gpt/gpt.h>

#define NVME_ADMIN_ENTRIES 32u
#define NVME_IO_ENTRIES 257u /* of a pair for one client queue: blkdev.h */
#define NVME_SHARED_PAIRS 4u /* with fewer than these even one client shares them */
#define NVME_ADMIN_TIMEOUT_NS (5 * 1000000000ull)
#define NVME_IO_TIMEOUT_NS (30 * 1000000000ull) /* unless io_timeout_ns says something else */
#define NVME_ABORT_NS (5 * 1000000000ull)
#define NVME_HEALTH_NS 1000000000ull /* with commands in flight, CSTS is looked at this often */
#define NVME_IDLE_NS (10 * 1000000000ull)
#define NVME_RESET_TRIES 3u
#define NVME_BARREN_RESETS 6u
#define NVME_NS_MAX 16384u
#define NVME_IO_QUEUES_MAX 64u
#define NVME_META_BYTES 65536u

enum ctrl_state { CTRL_INIT, CTRL_READY, CTRL_RESETTING, CTRL_OFF, CTRL_DEAD };

struct nvme_part {
    struct gpt_part gpt;      /* of an MBR: number, first and last count */
    char uuid[GPT_GUID_TEXT]; /* as text: of a GPT its GUID, of an MBR signature and number */
    struct nvme_part *next;
};

struct stat;

struct nvme_ns {
    struct nvme_ctrl *ctrl;
    struct nvme_queue *queue;
    uint32_t nsid;
    uint32_t max_transfer; /* bytes in one command: MDTS, and 65536 blocks; a multiple of the block size */
    uint32_t live;         /* its edition, or 0 when it is gone: what a client knows must be equal (ns_list.c) */
    uint32_t edition;
    struct ident_ns info;
    struct stat *past;       /* of clients that are gone; NULL: none */
    bool listed, unscanned;  /* while the list of namespaces is compared; its partition table is to be read */
    struct nvme_part *parts; /* usable partitions in the order of the table */
};

/* Something for the worker to do with a controller that works, or is dead. done() may go on from there in any way. */
struct nvme_request {
    void (*run)(struct nvme_ctrl *c, struct nvme_request *r);
    void (*done)(struct nvme_request *r);
};

struct nvme_ctrl {
    struct nvme_hw *hw;
    enum ctrl_state state;
    bool wake;                    /* event to worker: run on */
    bool reset_wanted;            /* event to worker: nvme_ctrl_recover() */
    bool stopping;                /* event to worker: shut down for good */
    unsigned pairs_wanted;        /* event to worker: nvme_pool_fill() */
    struct nvme_request *request; /* event to worker */
    unsigned users;               /* clients with a session */
    uint64_t idle_at_ns;          /* when it is shut down if there are still no users; UINT64_MAX: there are */
    bool no_sgl;                  /* option --nosgl */
    uint64_t io_timeout_ns;       /* option --io-timeout; 0: NVME_IO_TIMEOUT_NS */
    uint64_t armed_ns;            /* the next time-out check; UINT64_MAX: none is coming */
    uint64_t cap;
    uint32_t doorbell_stride;
    struct ident_ctrl id;
    struct nvme_queue admin;
    uint32_t admin_status;  /* of the last command that ctrl_admin() ran to its end */
    struct nvme_queue **io; /* queue pairs 1..io_count */
    unsigned io_count;
    unsigned io_granted;
    struct nvme_ns **ns;
    unsigned ns_count;
    uint32_t resets, aborts; /* in all */
    uint32_t aborting;       /* Abort commands in flight */
    uint32_t barren;         /* resets since something was completed */
    uint64_t completed;      /* I/O completions at the last reset */
    struct fair fair;        /* its clients */
    bool rescan;             /* event to worker: look at all namespaces */
    bool ns_changed;         /* namespaces came, went, changed; for the program, which clears it */
    struct {                 /* event.c */
        uint32_t dw0[IDENT_EVENTS_MAX];
        unsigned count;               /* events in dw0, not looked at yet */
        unsigned out, wanted;         /* requests with the controller, and how many there shall be */
        unsigned recent;              /* events since second_ns */
        uint64_t second_ns, pause_ns; /* no requests before pause_ns */
        uint8_t warning;              /* SMART warnings that were logged */
    } event;
    struct nvme_dma meta;    /* for separate metadata: zeros to write, then the same to read into; or nothing */
    struct nvme_dma scratch; /* 64 KiB for Identify data and partition tables */
};

#define NVME_SCRATCH_BYTES 65536u

/* Worker: reset, enable, Identify, the first I/O queue pair, partition tables. hw->ops->vector() must have
 * given out vector 0 for the admin queue. On an error (SK_E*) a line has been logged and the state is CTRL_DEAD. */
__attribute__((warn_unused_result)) int64_t nvme_ctrl_start(struct nvme_ctrl *c);
/* Worker, when reset_wanted is set: resets the controller and creates its queues again. */
void nvme_ctrl_recover(struct nvme_ctrl *c);

/* Worker, in its loop: have events asked for something? Then it is to be done. */
bool nvme_ctrl_has_work(struct nvme_ctrl *c);
void nvme_ctrl_work(struct nvme_ctrl *c);
/* When there will be work even if nothing wakes the worker. */
static inline uint64_t nvme_ctrl_work_at(const struct nvme_ctrl *c)
{
    if (c->state != CTRL_READY) {
        return UINT64_MAX;
    }
    return c->event.out < c->event.wanted ? min(c->idle_at_ns, c->event.pause_ns) : c->idle_at_ns;
}

/* A client's session begins, ends: requests are only served in between. Events. */
void nvme_ctrl_use(struct nvme_ctrl *c);
void nvme_ctrl_unuse(struct nvme_ctrl *c);
/* Event: runs it in the worker as soon as may be. One at a time, and only for a user. */
void nvme_ctrl_request(struct nvme_ctrl *c, struct nvme_request *r);
/* The program ends: when the users are gone the controller is shut down and stays so (CTRL_OFF or CTRL_DEAD). */
void nvme_ctrl_stop(struct nvme_ctrl *c);

/* What a read, write or write zeroes needs on a namespace with metadata, once its LBA and length are filled in. */
void nvme_ns_special(const struct nvme_ns *ns, struct nvme_sqe *sqe);
static inline void nvme_ns_finish(const struct nvme_ns *ns, struct nvme_sqe *sqe)
{
    if (ns->info.special) {
        nvme_ns_special(ns, sqe);
    }
}

/* Event: completions of all queues with that vector. */
void nvme_ctrl_interrupt(struct nvme_ctrl *c, uint16_t vector);
/* Event: looks for commands past their deadline and for parked ones whose time has come. */
void nvme_ctrl_check(struct nvme_ctrl *c);

/* After commands were put: makes sure that time-outs are watched. */
static inline void nvme_ctrl_arm(struct nvme_ctrl *c, uint64_t deadline_ns)
{
    if (deadline_ns < c->armed_ns) {
        c->armed_ns = deadline_ns;
        c->hw->ops->arm(c->hw, deadline_ns);
    }
}
/* The same for commands put just now. */
static inline void nvme_ctrl_watch(struct nvme_ctrl *c, uint64_t now_ns)
{
    nvme_ctrl_arm(c, now_ns + min(c->io_timeout_ns, NVME_HEALTH_NS));
}

/* Worker: the content of the partition table of ns (ns.c), in place of an older one. */
void nvme_ns_scan(struct nvme_ns *ns);
/* A bit of SMART's critical warning in words. */
const char *nvme_warning_text(unsigned bit);
