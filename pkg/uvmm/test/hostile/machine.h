// SPDX-License-Identifier: MIT
/* A guest kernel without a system below it: entry.S and machine.c with guest_main() and interrupt() of one's own make a
 * bzImage by the template bare-guest (rules.mk). entry.S has set up a stack, page tables (the first 4 GiB, identity)
 * and the descriptor tables of tables_make(); interrupts are off. */
#pragma once

#include <stdint.h>

#define CODE_SELECTOR 0x10 /* of entry.S */

static inline void out8(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline void out16(uint16_t port, uint16_t v)
{
    __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}
static inline void out32(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint32_t in8(uint16_t port)
{
    uint8_t v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint32_t in16(uint16_t port)
{
    uint16_t v;

    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint32_t in32(uint16_t port)
{
    uint32_t v;

    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

/* Undoes what garbage may have left: divisor latch, loopback, interrupts. */
void serial_init(void);
void put(const char *s);
void put_number(uint64_t v);
/* The number behind `name=` on the command line, else `other`. */
uint64_t option(const char *line, const char *name, uint64_t other);

/* entry.S: 256 stubs, of 16 bytes each; the instructions of the functions below. */
extern const char stubs[], wrmsr_insn[], rdmsr_insn[];
void wrmsr_write(uint32_t index, uint64_t value);
uint32_t rdmsr_read(uint32_t index);
/* Loads a page table and an IDT of 4096 bytes; for tables_make(), which entry.S calls. */
void tables_load(const void *root, const void *idt);
void tables_make(void);

/* The guest's own. interrupt(): frame is vector, perhaps an error code, rip, ...; returns how many bytes to drop below
 * the frame: 8, or 16 with an error code. */
uint64_t interrupt(uint64_t *frame);
_Noreturn void guest_main(const uint8_t *boot_params);
