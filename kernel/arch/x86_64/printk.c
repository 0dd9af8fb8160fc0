// SPDX-License-Identifier: MIT
/* Formatted kernel messages: collects characters in a small buffer on the stack and hands them to the console, so
 * that it works in any context and needs no lock on one processor. */
#include <kernel/arch.h>
#include <kernel/log.h>

struct sink {
    char buf[128];
    size_t len;
};

static void sink_flush(struct sink *s)
{
    console_write(s->buf, s->len);
    s->len = 0;
}

static void sink_put(struct sink *s, char c)
{
    s->buf[s->len++] = c;
    if (s->len == sizeof(s->buf)) {
        sink_flush(s);
    }
}

struct format {
    bool left, zero, precise;
    int width, precision, longs;
};

static void put_padded(struct sink *s, const struct format *f, const char *prefix, const char *text, int len)
{
    int plen = 0;
    while (prefix[plen]) {
        plen++;
    }
    int pad = f->width > len + plen ? f->width - len - plen : 0;
    for (int i = 0; !f->left && !f->zero && i < pad; i++) {
        sink_put(s, ' ');
    }
    for (int i = 0; i < plen; i++) {
        sink_put(s, prefix[i]);
    }
    for (int i = 0; !f->left && f->zero && i < pad; i++) {
        sink_put(s, '0');
    }
    for (int i = 0; i < len; i++) {
        sink_put(s, text[i]);
    }
    for (int i = 0; f->left && i < pad; i++) {
        sink_put(s, ' ');
    }
}

static void put_number(struct sink *s, const struct format *f, const char *prefix, uint64_t v, unsigned base, bool upper)
{
    char text[24];
    int n = sizeof(text);
    do {
        text[--n] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
        v /= base;
    } while (v);
    put_padded(s, f, prefix, text + n, (int)sizeof(text) - n);
}

static void put_string(struct sink *s, struct format *f, const char *text)
{
    int len = 0;
    text = text ? text : "(null)";
    while ((!f->precise || len < f->precision) && text[len]) {
        len++;
    }
    f->zero = false;
    put_padded(s, f, "", text, len);
}

static const char *parse_format(const char *p, struct format *f, va_list *ap)
{
    for (;; p++) {
        if (*p == '-') {
            f->left = true;
        } else if (*p == '0') {
            f->zero = true;
        } else {
            break;
        }
    }
    if (*p == '*') {
        f->width = va_arg(*ap, int);
        p++;
    }
    while (*p >= '0' && *p <= '9') {
        f->width = f->width * 10 + *p++ - '0';
    }
    if (*p == '.') {
        f->precise = true;
        p++;
        if (*p == '*') {
            f->precision = va_arg(*ap, int);
            p++;
        }
        while (*p >= '0' && *p <= '9') {
            f->precision = f->precision * 10 + *p++ - '0';
        }
    }
    while (*p == 'l' || *p == 'z') {
        f->longs++;
        p++;
    }
    return p;
}

static void put_conversion(struct sink *s, char c, struct format *f, va_list *ap)
{
    int64_t d;
    switch (c) {
    case 'd':
    case 'i':
        d = f->longs ? va_arg(*ap, int64_t) : va_arg(*ap, int);
        put_number(s, f, d < 0 ? "-" : "", d < 0 ? 0 - (uint64_t)d : (uint64_t)d, 10, false);
        break;
    case 'u':
        put_number(s, f, "", f->longs ? va_arg(*ap, uint64_t) : va_arg(*ap, uint32_t), 10, false);
        break;
    case 'x':
    case 'X':
        put_number(s, f, "", f->longs ? va_arg(*ap, uint64_t) : va_arg(*ap, uint32_t), 16, c == 'X');
        break;
    case 'p':
        put_number(s, f, "0x", (uint64_t)va_arg(*ap, void *), 16, false);
        break;
    case 's':
        put_string(s, f, va_arg(*ap, const char *));
        break;
    case 'c':
        sink_put(s, (char)va_arg(*ap, int));
        break;
    default:
        sink_put(s, c);
    }
}

void kvprintf(const char *fmt, va_list ap)
{
    struct sink s = { .len = 0 };
    va_list args;
    va_copy(args, ap);
    for (const char *p = fmt; *p; p++) {
        if (*p != '%') {
            sink_put(&s, *p);
            continue;
        }
        struct format f = { 0 };
        p = parse_format(p + 1, &f, &args);
        if (*p == '\0') {
            break;
        }
        put_conversion(&s, *p, &f, &args);
    }
    va_end(args);
    sink_flush(&s);
}

void kprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    kvprintf(fmt, ap);
    va_end(ap);
}
