// SPDX-License-Identifier: MIT
/* The IPC side: the factory [proto/cons.h] on the capability "cons", a log gate [proto/log.h] per console, and the
 * terminal, which is the program's own "log". */
#pragma once

#include "mux.h"

#include <stdint.h>

extern const struct mux_ops server_ops;

/* Takes the factory's gate; nothing else may be called before. SK_ENOENT: there is no "cons". */
int64_t server_open(void);
/* Takes the terminal's input. */
int64_t server_bind_input(void);
