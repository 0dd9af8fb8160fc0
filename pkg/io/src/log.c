// SPDX-License-Identifier: MIT
// io's messages: see log.h.
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

enum io_level io_verbosity = IO_WARN;

void io_log(enum io_level level, const char *fmt, ...)
{
    static const char *const prefix[] = {"error: ", "warning: ", "", ""};
    char line[1024];
    va_list ap;

    if (level > io_verbosity) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    printf("%s%s\n", prefix[level], line);
    fflush(stdout);
}
