// SPDX-License-Identifier: MIT
// Formatted text without floating point: see README.md.
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct out {
    char *text;
    size_t size, len; /* len counts what does not fit, too */
};

struct spec {
    bool left, zero, alternate;
    int width, precision; /* precision -1: none */
    unsigned bytes;       /* of an integer */
};

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size) {
        o->text[o->len] = c;
    }
    o->len++;
}

static void pad(struct out *o, char c, int n)
{
    for (; n > 0; n--) {
        put(o, c);
    }
}

static void put_field(struct out *o, const struct spec *s, const char *text, int len)
{
    pad(o, ' ', s->left ? 0 : s->width - len);
    for (int i = 0; i < len; i++) {
        put(o, text[i]);
    }
    pad(o, ' ', s->left ? s->width - len : 0);
}

/* sign: "", "-" or "0x" */
static void put_number(struct out *o, const struct spec *s, uint64_t value, unsigned base, bool upper, const char *sign)
{
    char digits[24];
    int n = 0, signs = (int)strlen(sign);

    for (uint64_t v = value; v > 0; v /= base) {
        digits[n++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
    }
    int zeros = (s->precision >= 0 ? s->precision : s->zero && !s->left ? s->width - signs : 1) - n;

    zeros = zeros > 0 ? zeros : s->precision < 0 && n == 0 ? 1 : 0;
    pad(o, ' ', s->left ? 0 : s->width - signs - zeros - n);
    for (int i = 0; i < signs; i++) {
        put(o, sign[i]);
    }
    pad(o, '0', zeros);
    for (int i = n; i > 0; i--) {
        put(o, digits[i - 1]);
    }
    pad(o, ' ', s->left ? s->width - signs - zeros - n : 0);
}

/* The argument as its type has it; smaller ones than int come as int. */
static uint64_t cut(uint64_t value, unsigned bytes, bool is_signed)
{
    unsigned shift = 64 - 8 * bytes;

    return is_signed ? (uint64_t)((int64_t)(value << shift) >> shift) : value << shift >> shift;
}

static const char *number(const char *f, int *value)
{
    for (*value = 0; *f >= '0' && *f <= '9' && *value < 10000; f++) {
        *value = *value * 10 + (*f - '0');
    }
    return f;
}

static const char *flags(const char *f, struct spec *s)
{
    *s = (struct spec){.precision = -1, .bytes = sizeof(int)};
    for (;; f++) {
        if (*f == '-') {
            s->left = true;
        } else if (*f == '0') {
            s->zero = true;
        } else if (*f == '#') {
            s->alternate = true;
        } else {
            return f;
        }
    }
}

static const char *length(const char *f, struct spec *s)
{
    switch (*f) {
    case 'h':
        s->bytes = f[1] == 'h' ? 1 : 2;
        return f + (f[1] == 'h' ? 2 : 1);
    case 'l':
        s->bytes = 8;
        return f + (f[1] == 'l' ? 2 : 1);
    case 'z':
    case 'j':
    case 't':
        s->bytes = 8;
        return f + 1;
    default:
        return f;
    }
}

/* False: no conversion that is known. */
static bool convert(struct out *o, const struct spec *s, char kind, va_list *args)
{
    const char *text;
    char c;
    uint64_t v;

    switch (kind) {
    case '%':
        put(o, '%');
        return true;
    case 'c':
        c = (char)va_arg(*args, int);
        put_field(o, s, &c, 1);
        return true;
    case 's':
        text = va_arg(*args, const char *);
        text = text ? text : "(null)";
        put_field(o, s, text, (int)(s->precision >= 0 ? strnlen(text, (size_t)s->precision) : strlen(text)));
        return true;
    case 'd':
    case 'i':
        v = cut(va_arg(*args, uint64_t), s->bytes, true);
        put_number(o, s, (int64_t)v < 0 ? -v : v, 10, false, (int64_t)v < 0 ? "-" : "");
        return true;
    case 'u':
        put_number(o, s, cut(va_arg(*args, uint64_t), s->bytes, false), 10, false, "");
        return true;
    case 'x':
    case 'X':
        v = cut(va_arg(*args, uint64_t), s->bytes, false);
        put_number(o, s, v, 16, kind == 'X', s->alternate && v ? kind == 'X' ? "0X" : "0x" : "");
        return true;
    case 'p':
        put_number(o, s, va_arg(*args, uint64_t), 16, false, "0x");
        return true;
    default:
        return false;
    }
}

/* Integers are taken as eight bytes: on x86-64 each takes so many, the upper ones of a smaller type are not defined. */
/* One directive, behind its '%'; returns what follows it. */
static const char *directive(struct out *o, const char *f, va_list *args)
{
    const char *begin = f;
    struct spec s;

    f = flags(f, &s);
    if (*f == '*') {
        s.width = va_arg(*args, int);
        s.left = s.left || s.width < 0;
        s.width = s.width < 0 ? -s.width : s.width;
        f++;
    } else {
        f = number(f, &s.width);
    }
    if (*f == '.' && f[1] == '*') {
        s.precision = va_arg(*args, int);
        f += 2;
    } else if (*f == '.') {
        f = number(f + 1, &s.precision);
    }
    f = length(f, &s);
    if (*f && convert(o, &s, *f, args)) {
        return f + 1;
    }
    put(o, '%');
    return begin;
}

int vsnprintf(char *text, size_t size, const char *format, va_list list)
{
    struct out o = {.text = text, .size = size};
    va_list args;

    va_copy(args, list);
    while (*format) {
        if (*format == '%') {
            format = directive(&o, format + 1, &args);
        } else {
            put(&o, *format++);
        }
    }
    va_end(args);
    if (size > 0) {
        text[o.len < size ? o.len : size - 1] = '\0';
    }
    return (int)o.len;
}

int snprintf(char *text, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, size, format, args);
    va_end(args);
    return n;
}
