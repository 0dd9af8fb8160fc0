// SPDX-License-Identifier: MIT
/* Messages of the VMM itself (stderr, one line each, "uvmm: " in front). Levels per class, set by -v, -q and -D. */
#pragma once

enum log_class { LOG_BOOT, LOG_CPU, LOG_IRQ, LOG_DEV, LOG_PCI, LOG_VIRTIO, LOG_CLASSES };
enum log_level { LOG_QUIET, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/* fmt without the final newline. The default level is LOG_WARN; -v shows LOG_INFO, -vv LOG_DEBUG, -vvv LOG_TRACE, -q
 * only errors. */
void log_print(enum log_class c, enum log_level l, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void log_level_set_all(enum log_level l);
/* "class=level" or "level" (all classes); names as in the enums, lower case. 0, or -1 when malformed. */
int log_level_parse(const char *spec);

#define log_error(c, ...) log_print(c, LOG_ERROR, __VA_ARGS__)
#define log_warn(c, ...) log_print(c, LOG_WARN, __VA_ARGS__)
#define log_info(c, ...) log_print(c, LOG_INFO, __VA_ARGS__)
#define log_debug(c, ...) log_print(c, LOG_DEBUG, __VA_ARGS__)
#define log_trace(c, ...) log_print(c, LOG_TRACE, __VA_ARGS__)
