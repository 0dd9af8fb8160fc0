// SPDX-License-Identifier: MIT
/* The server's clients: which disk each gets, and their sessions (session.c). A client is a gate; whoever holds a
 * capability to it shares the session. When the last one is gone, its queues end, its memory is given back, and its
 * claim on the disk is free; the gate can be used again.
 *
 * Claims: two clients may not overlap on a disk unless both only read. A client claims its disk as soon as that is
 * found, in the order of the command line, and again when it comes back. */
#pragma once

#include "device.h"
#include "target.h"

enum client_state {
    CLIENT_SCANNING, /* the disk may still appear */
    CLIENT_MISSING,  /* all controllers are scanned, it is not there */
    CLIENT_BUSY,     /* another client has it */
    CLIENT_READY,    /* claimed and attached */
    CLIENT_UNUSED,   /* nobody holds its gate any more: the disk is free for others until somebody calls it */
    CLIENT_CLOSING,  /* the last holder is gone, requests are still in flight */
};

struct client {
    const struct client_options *options;
    enum client_state state;
    struct blk_target target;
    struct server_source gate;
    struct server_source kick[BLK_QUEUES];
    cap_t call[BLK_QUEUES];
    void *record[BLK_QUEUES]; /* mapped; NULL: none */
    cap_t changed;            /* signal of BLK_BIND_READY */
    cap_t lifeline;           /* gate of BLK_SET_LIFELINE */
    bool dynamic;             /* ends with its last holder */
    struct client *next_retired;
    bool lost;                        /* its namespace is not there any more */
    bool protected;                   /* the drive took writing away after the claim */
    bool uses;                        /* is counted by nvme_ctrl_use() */
    bool announced;                   /* the log line of its first use */
    bool wants_idle;                  /* was told SK_EAGAIN by an operation that needs idle queues */
    struct server_source limit_timer; /* of clients with limits */
    struct qos qos;
    struct blkdev blk;
};

/* Makes and binds the clients of the command line. Missing capabilities cost a line each. */
void clients_open(const struct options *options);
/* A controller has been scanned, or is not used. */
void clients_match(struct nvme_ctrl *const *ctrl, unsigned count, bool all_scanned);
/* Namespaces have come, gone, or changed. */
void clients_update(void);
/* A new session of a client whose disk is lost: looks for the disk as at first. The queues are idle. */
void client_find_again(struct client *c);
/* Raises the client's signal. */
void client_notify(struct client *c);
/* BLK_GET_STATUS: tries to claim again; SK_OK, SK_EAGAIN, SK_ENODEV, SK_EBUSY. */
int64_t client_status(struct client *c);
/* The block device as it is at the beginning of a session. It holds no memory. */
void client_attach(struct client *c);
/* A dynamic client whose disk is claimed; its gate is not handed out yet. SK_EAGAIN: the disk may still appear;
 * SK_ENODEV, SK_EBUSY, SK_EINVAL (the name fits several), SK_ENOMEM. All with a line. */
__attribute__((warn_unused_result)) int64_t client_create(const struct client_options *o, struct client **out);
/* A dynamic client's end: it holds nothing any more and has no claim. Safe inside its own handlers. */
void client_destroy(struct client *c);
/* The session of a client with a claim begins: its controller has to work. */
void client_use(struct client *c);
/* Session and claim end: others that wait for the disk get it. */
void client_unclaim(struct client *c);
/* The program ends: nobody can call the clients' gates any more, and their sessions end. */
void clients_stop(void);

/* The clients in the order of their making; NULL behind the last. */
struct client *client_at(unsigned i);
/* The controllers that they may have disks of; NULL behind the last. */
struct nvme_ctrl *client_ctrl(unsigned i);
/* Command: who has which disk (command.h). */
struct shell;
void clients_command(struct shell *sh, unsigned argc, char *const *argv);

/* session.c */
int64_t session_call(void *ctx, struct msg *request, struct msg *reply);
void session_unused(void *ctx);
/* Device callback: a queue broke or became idle. */
void session_changed(void *ctx);
/* Page fault at an address of a client's memory, which its owner has taken away: true if it was mended. */
struct utcb_fault;
bool client_fault(const struct utcb_fault *f);
