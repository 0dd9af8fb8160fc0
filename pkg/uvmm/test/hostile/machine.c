// SPDX-License-Identifier: MIT
// See machine.h.
#include "machine.h"

#define SERIAL 0x3f8

static void put_char(char c)
{
    for (unsigned i = 0; i < 1000 && !(in8(SERIAL + 5) & 0x20); i++) {
    }
    out8(SERIAL, (uint8_t)c);
}

void put(const char *s)
{
    while (*s) {
        put_char(*s++);
    }
}

void put_number(uint64_t v)
{
    char buf[21];
    unsigned i = sizeof(buf) - 1;

    buf[i] = '\0';
    do {
        buf[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    put(buf + i);
}

void serial_init(void)
{
    out8(SERIAL + 3, 3);
    out8(SERIAL + 1, 0);
    out8(SERIAL + 2, 7);
    out8(SERIAL + 4, 3);
}

uint64_t option(const char *line, const char *name, uint64_t other)
{
    for (; *line; line++) {
        unsigned i = 0;

        while (name[i] && line[i] == name[i]) {
            i++;
        }
        if (!name[i] && line[i] == '=') {
            uint64_t v = 0;

            for (line += i + 1; *line >= '0' && *line <= '9'; line++) {
                v = v * 10 + (uint64_t)(*line - '0');
            }
            return v;
        }
    }
    return other;
}
