// SPDX-License-Identifier: MIT
/* Writing and reading messages in the UTCB. Words are appended and taken in order; a string is a length word and
 * its bytes, padded to words. A reader never passes the end of the message: it returns 0, "" or CAP_NULL and sets
 * `bad`, which the server checks once with msg_end(). Taken strings are copied (the UTCB is overwritten by the
 * next operation).
 *
 * Client:  struct msg m; msg_begin(&m, ROM_OPEN); msg_put_str(&m, name); msg_recv_caps(&m, 1);
 *          int64_t err = msg_call(&m, gate, DEADLINE_NEVER);      // status of the reply, or the call's error
 *          uint64_t size = msg_get(&m); cap_t mem = msg_get_cap(&m); if ((err = msg_end(&m))) ...
 * Server:  see sk/server.h. */
#pragma once

#include <abi/syscall.h>
#include <abi/utcb.h>
#include <stdbool.h>
#include <stddef.h>

struct msg {
    uint32_t op;      /* request's operation; for a reply the status as uint32_t */
    uint32_t words;   /* written so far, or in the received message */
    uint32_t caps;
    uint32_t pos, cap_pos; /* reading position */
    bool bad;
};

void msg_begin(struct msg *m, uint32_t op);          /* start a request, or with the status: a reply */
void msg_put(struct msg *m, uint64_t v);
void msg_put_bytes(struct msg *m, const void *data, size_t len);
void msg_put_str(struct msg *m, const char *s);
void msg_put_cap(struct msg *m, cap_t cap, uint32_t rights);
/* How many capabilities the reply may bring (default 0). */
void msg_recv_caps(struct msg *m, unsigned max);
/* Sends and waits; then m is the reply, ready to be read. Returns the call's error or the reply's status.
 * Capabilities of a reply with an error status are dropped. SK_EMSG if a put did not fit. */
__attribute__((warn_unused_result)) int64_t msg_call(struct msg *m, cap_t gate, uint64_t deadline);
/* The same, of a call whose reply is only a status. */
__attribute__((warn_unused_result)) int64_t msg_call_status(struct msg *m, cap_t gate, uint64_t deadline);
/* The same, of a call whose reply brings one capability behind `skip` words: the capability, or an error. */
__attribute__((warn_unused_result)) int64_t msg_call_cap(struct msg *m, cap_t gate, unsigned skip, uint64_t deadline);

uint64_t msg_get(struct msg *m);
/* Copies at most max bytes; returns the length (bad if longer than max). */
size_t msg_get_bytes(struct msg *m, void *buf, size_t max);
/* Copies a string and terminates it; bad if it does not fit or holds a NUL. */
void msg_get_str(struct msg *m, char *buf, size_t size);
/* Ownership passes to the caller. */
cap_t msg_get_cap(struct msg *m);
/* Drops capabilities not taken. SK_EMSG if anything was bad or is left over, else SK_OK. */
__attribute__((warn_unused_result)) int64_t msg_end(struct msg *m);
