// SPDX-License-Identifier: MIT
// The far side of the console: the program's log, or a test.
#pragma once

#include <stddef.h>

struct console_backend {
    void (*write)(const void *buf, size_t len);
    size_t (*read)(void *buf, size_t max); /* never blocks */
};

void console_backend_set(const struct console_backend *b);
/* The backend has input: the current port is told. */
void console_input_arrived(void);
/* Connects the console to the "log" capability. */
int console_log_connect(void);
