// SPDX-License-Identifier: MIT
// Shared by the files of lib/rt.
#pragma once

#include <abi/utcb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* entry.S */
void rt_syscall_entry(void);
void rt_fault_entry(void);
extern const char rt_guard_start[], rt_guard_end[], rt_guard_failed[], rt_trap[];

/* start.c: what the program was started as; never NULL. */
extern const char *rt_program_path;
const char *rt_program_name(void);

/* Serves one Linux system call; returns what Linux would: the result or -errno. Called by entry.S. */
int64_t rt_linux_call(uint64_t nr, const uint64_t arg[6]);
/* Called by entry.S on the fault stack; returns the registers to resume with. */
struct utcb_fault *rt_fault_handle(void);

/* The calling thread's UTCB is the program's: what lib/rt does with it in a system call must not show. */
struct rt_utcb_save {
    uint64_t mr[UTCB_WORDS];
    uint32_t send_cap[UTCB_CAPS], send_rights[UTCB_CAPS], recv_max, recv_cap[UTCB_CAPS];
};
void rt_utcb_save(struct rt_utcb_save *save);
void rt_utcb_restore(const struct rt_utcb_save *save);

/* log.c: all but rt_log_emit keep the UTCB. Return bytes or -errno. */
int64_t rt_log_write(const void *data, size_t len);
int64_t rt_log_read(void *buf, size_t max);
void rt_log_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void rt_exit(int64_t code);

/* memory.c: anonymous memory, page-aligned, zeroed. NULL: none left. */
void *rt_memory_map(size_t size);
/* -EINVAL: not a range that rt_memory_map() returned, or a part that cannot be given back alone. */
int64_t rt_memory_unmap(void *addr, size_t size);

/* file.c: results as of the Linux call. */
int64_t rt_file_open(const char *path, int flags);
int64_t rt_file_close(int fd);
int64_t rt_file_read(int fd, void *buf, size_t size);
int64_t rt_file_pread(int fd, void *buf, size_t size, uint64_t off);
int64_t rt_file_seek(int fd, int64_t off, int whence);
struct stat;
int64_t rt_file_stat(int fd, struct stat *st);
/* A private copy of a part of a file, for mmap. */
int64_t rt_file_map(int fd, size_t size, uint64_t off);
/* Maps rom/name for reading; NULL if there is none. Uses the UTCB. */
const void *rt_rom_map(const char *path, size_t *size);
