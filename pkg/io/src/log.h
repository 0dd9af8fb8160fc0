// SPDX-License-Identifier: MIT
// io's messages: one line each, to standard output, whole lines at once.
#pragma once

enum io_level { IO_ERROR, IO_WARN, IO_INFO, IO_DEBUG };

/* Messages up to this level are shown: IO_WARN by default, one more for each -v. */
extern enum io_level io_verbosity;

__attribute__((format(printf, 2, 3))) void io_log(enum io_level level, const char *fmt, ...);
