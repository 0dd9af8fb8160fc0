// SPDX-License-Identifier: MIT
/* A lock between the threads of one program. Free or taken without a kernel call; a thread that has to wait sleeps in
 * the kernel, whatever the priorities, and takes no event of its own meanwhile: a call that it has taken still waits
 * for its reply. Not recursive. Who unlocks lets the longest waiting thread try, but may be faster itself. */
#pragma once

#include <abi/types.h>
#include <stdbool.h>

/* word: 0 free, 1 held, 2 held and somebody may sleep. Zeroed and without signal the lock is not usable. */
struct sk_mutex {
    uint32_t word;
    cap_t signal; /* bound to no thread: sleepers wait for it by SYS_SIGNAL_WAIT */
};

__attribute__((warn_unused_result)) int64_t sk_mutex_init(struct sk_mutex *m);
void sk_mutex_lock(struct sk_mutex *m);
void sk_mutex_unlock(struct sk_mutex *m);
/* For assertions: does any thread hold it? */
bool sk_mutex_held(const struct sk_mutex *m);
