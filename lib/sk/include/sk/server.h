// SPDX-License-Identifier: MIT
/* The event loop of a server: one wait, handlers by label. One thread at a time: a program of several threads has a lock
 * around everything here but server_wait() and server_loop(). */
#pragma once

#include <sk/msg.h>

struct server_source;

/* A gate's handler gets the request opened for reading and must return the status; it may have begun a reply with
 * msg_begin(reply, SK_OK) and put results. The loop sends it. SERVER_NO_REPLY: the handler replied itself or lets
 * the caller fail. */
typedef int64_t (*server_call_fn)(void *ctx, struct msg *request, struct msg *reply);
typedef void (*server_event_fn)(void *ctx);
#define SERVER_NO_REPLY INT64_MIN

struct server_source {
    cap_t cap;              /* gate or signal, owned by the source */
    server_call_fn call;    /* gates */
    server_event_fn event;  /* signals; gates: the last client has gone (may be NULL) */
    void *ctx;
    uint64_t magic;         /* checks labels */
};

/* Creates a gate (cap == CAP_NULL) or takes cap (needs RIGHT_BIND), and binds it to the calling thread.
 * recv_caps: most capabilities that a request may carry, for the whole thread (the maximum is kept). */
__attribute__((warn_unused_result)) int64_t server_gate(struct server_source *s, cap_t cap, server_call_fn call,
                                                        server_event_fn unused, void *ctx, unsigned recv_caps);
/* Creates a signal (CAP_NULL) or takes one, bound to the calling thread. */
__attribute__((warn_unused_result)) int64_t server_signal(struct server_source *s, cap_t cap, server_event_fn event,
                                                          void *ctx);
/* Gives up the server's own right to call the gate, so that `unused` comes when the last client is gone: a gate that
 * the server created counts as used until then. For after the clients' capabilities have been handed out. SK_ESLOTS,
 * SK_ENOMEM: nothing has changed. */
__attribute__((warn_unused_result)) int64_t server_release_calls(struct server_source *s);
/* Makes and sends a reply of one capability to s's gate (CALL), then server_release_calls(s). Returns SERVER_NO_REPLY
 * for the handler to return, or an error with nothing sent. If the caller is gone, `unused` comes. */
__attribute__((warn_unused_result)) int64_t server_reply_handover(struct server_source *s, struct msg *reply);
/* Unbinds and drops the capability. Events already pending for it are ignored. Must be called before s's memory
 * goes away. Safe inside its own handler. */
void server_remove(struct server_source *s);

/* From now on the source's events come to this thread (CAP_THREAD or an sk_thread's), pending ones too. */
__attribute__((warn_unused_result)) int64_t server_move(struct server_source *s, cap_t thread);

/* Handles events for ever. */
_Noreturn void server_loop(void);
/* Handles one event if it comes before the deadline: true if it did. 0 polls. */
bool server_poll(uint64_t deadline);
/* server_poll() in two parts, for programs of several threads: only the second needs their lock. Between them the calling
 * thread may use its UTCB for nothing. */
struct server_event {
    uint64_t tag, label;
};
bool server_wait(uint64_t deadline, struct server_event *e);
void server_handle(const struct server_event *e);
/* For threads that wait by other means (SYS_VCPU_RUN): handles the event that came with this label. */
void server_dispatch_signal(uint64_t label);
