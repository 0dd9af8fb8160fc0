// SPDX-License-Identifier: MIT
// Messages: see log.h.
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum log_level log_level = LOG_WARN;

void log_line(enum log_level level, const char *fmt, ...)
{
    char buf[768];
    va_list ap;

    if (level > log_level) {
        return;
    }
    va_start(ap, fmt);
    int n = vsnprintf(buf, sizeof(buf) - 1, fmt, ap);
    va_end(ap);
    if (n < 0) {
        return;
    }
    if (n > (int)sizeof(buf) - 2) {
        n = sizeof(buf) - 2;
    }
    buf[n++] = '\n';
    /* a log that is gone must not stop the service */
    ssize_t done = write(STDOUT_FILENO, buf, (size_t)n);
    (void)done;
}
