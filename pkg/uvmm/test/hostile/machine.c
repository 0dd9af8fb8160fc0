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

struct idt_entry {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, _rsvd;
};

static uint64_t page_table[6][512] __attribute__((aligned(4096)));
static struct idt_entry idt[256] __attribute__((aligned(16)));

void tables_make(void)
{
    uint64_t base = (uint64_t)(uintptr_t)stubs;

    page_table[0][0] = (uint64_t)(uintptr_t)page_table[1] | 3;
    for (unsigned i = 0; i < 4; i++) {
        page_table[1][i] = (uint64_t)(uintptr_t)page_table[2 + i] | 3;
        for (unsigned j = 0; j < 512; j++) {
            page_table[2 + i][j] = ((uint64_t)i * 512 + j) << 21 | 0x83;
        }
    }
    for (unsigned i = 0; i < 256; i++) {
        uint64_t at = base + 16 * i;

        idt[i] =
            (struct idt_entry){(uint16_t)at, CODE_SELECTOR, 0, 0x8e, (uint16_t)(at >> 16), (uint32_t)(at >> 32), 0};
    }
    tables_load(page_table[0], idt);
}
