// SPDX-License-Identifier: MIT
// Message levels and output of the VMM's own lines.
#include "log.h"
#include "console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const class_names[LOG_CLASSES] = {"boot", "cpu", "irq", "dev", "pci", "virtio"};
static const char *const level_names[] = {"quiet", "error", "warn", "info", "debug", "trace"};
static enum log_level levels[LOG_CLASSES] = {LOG_WARN, LOG_WARN, LOG_WARN, LOG_WARN, LOG_WARN, LOG_WARN};

void log_level_set_all(enum log_level l)
{
    for (unsigned i = 0; i < LOG_CLASSES; i++) {
        levels[i] = l;
    }
}

static int name_find(const char *const *names, unsigned n, const char *s, size_t len)
{
    for (unsigned i = 0; i < n; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], s, len) == 0) {
            return (int)i;
        }
    }
    return -1;
}

int log_level_parse(const char *spec)
{
    const char *eq = strchr(spec, '=');
    const char *level = eq != NULL ? eq + 1 : spec;
    int l = name_find(level_names, sizeof(level_names) / sizeof(level_names[0]), level, strlen(level));

    if (l < 0) {
        return -1;
    }
    if (eq == NULL || (eq - spec == 3 && memcmp(spec, "all", 3) == 0)) {
        log_level_set_all((enum log_level)l);
        return 0;
    }
    int c = name_find(class_names, LOG_CLASSES, spec, (size_t)(eq - spec));
    if (c < 0) {
        return -1;
    }
    levels[c] = (enum log_level)l;
    return 0;
}

void log_print(enum log_class c, enum log_level l, const char *fmt, ...)
{
    char line[480];
    va_list ap;

    if (l > levels[c]) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    console_flush();
    fprintf(stderr, "uvmm: %s\n", line);
}
