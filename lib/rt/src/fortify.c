// SPDX-License-Identifier: MIT
/* What archives built against glibc with _FORTIFY_SOURCE and its stack protector call (Debian's liblua5.4.a and
 * libfdt.a), in terms of musl. The checks of the buffer sizes stay: a violation ends the program. */
#include "rt_priv.h"

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

int __fprintf_chk(FILE *f, int flag, const char *format, ...)
{
    va_list args;

    (void)flag;
    va_start(args, format);
    int res = vfprintf(f, format, args);
    va_end(args);
    return res;
}

void __longjmp_chk(jmp_buf env, int value)
{
    longjmp(env, value);
}
