// SPDX-License-Identifier: MIT
/* What archives built against glibc with _FORTIFY_SOURCE and its stack protector call (Debian's liblua5.4.a,
 * libfdt.a and libext2fs.a), in terms of musl. The checks of the buffer sizes stay: a violation ends the program. */
#include "rt_priv.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void *__memcpy_chk(void *dst, const void *src, size_t n, size_t dst_size);
void *__memmove_chk(void *dst, const void *src, size_t n, size_t dst_size);
void *__memset_chk(void *dst, int c, size_t n, size_t dst_size);
char *__strcpy_chk(char *dst, const char *src, size_t dst_size);
int __snprintf_chk(char *dst, size_t n, int flag, size_t dst_size, const char *format, ...);
int __vsnprintf_chk(char *dst, size_t n, int flag, size_t dst_size, const char *format, va_list args);
int __fprintf_chk(FILE *f, int flag, const char *format, ...);
int __vfprintf_chk(FILE *f, int flag, const char *format, va_list args);
char *__strcat_chk(char *dst, const char *src, size_t dst_size);
char *__stpcpy_chk(char *dst, const char *src, size_t dst_size);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int fcntl64(int fd, int command, ...);
_Noreturn void __longjmp_chk(jmp_buf env, int value);

static void check(size_t n, size_t dst_size, const char *function)
{
    if (n > dst_size) {
        rt_log_format("%s: %s() would overrun its buffer: %zu bytes into %zu\n", rt_program_name(), function, n,
                      dst_size);
        __builtin_trap();
    }
}

void *__memcpy_chk(void *dst, const void *src, size_t n, size_t dst_size)
{
    check(n, dst_size, "memcpy");
    return memcpy(dst, src, n);
}

void *__memmove_chk(void *dst, const void *src, size_t n, size_t dst_size)
{
    check(n, dst_size, "memmove");
    return memmove(dst, src, n);
}

void *__memset_chk(void *dst, int c, size_t n, size_t dst_size)
{
    check(n, dst_size, "memset");
    return memset(dst, c, n);
}

char *__strcpy_chk(char *dst, const char *src, size_t dst_size)
{
    check(strlen(src) + 1, dst_size, "strcpy");
    return strcpy(dst, src);
}

char *__stpcpy_chk(char *dst, const char *src, size_t dst_size)
{
    check(strlen(src) + 1, dst_size, "stpcpy");
    return stpcpy(dst, src);
}

char *__strcat_chk(char *dst, const char *src, size_t dst_size)
{
    check(strlen(dst) + strlen(src) + 1, dst_size, "strcat");
    return strcat(dst, src);
}

int __vsnprintf_chk(char *dst, size_t n, int flag, size_t dst_size, const char *format, va_list args)
{
    (void)flag;
    check(n, dst_size, "vsnprintf");
    return vsnprintf(dst, n, format, args);
}

int __snprintf_chk(char *dst, size_t n, int flag, size_t dst_size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int res = __vsnprintf_chk(dst, n, flag, dst_size, format, args);
    va_end(args);
    return res;
}

int __vfprintf_chk(FILE *f, int flag, const char *format, va_list args)
{
    (void)flag;
    return vfprintf(f, format, args);
}

int __fprintf_chk(FILE *f, int flag, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int res = __vfprintf_chk(f, flag, format, args);
    va_end(args);
    return res;
}

/* Without a mode: files are not created. */
int __open_2(const char *path, int flags)
{
    return open(path, flags);
}

int __open64_2(const char *path, int flags)
{
    return open(path, flags);
}

int fcntl64(int fd, int command, ...)
{
    va_list args;

    va_start(args, command);
    long arg = va_arg(args, long);
    va_end(args);
    return fcntl(fd, command, arg);
}

void __longjmp_chk(jmp_buf env, int value)
{
    longjmp(env, value);
}
