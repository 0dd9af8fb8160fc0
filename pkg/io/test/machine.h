// SPDX-License-Identifier: MIT
/* A PCI machine for host tests: functions with a config space, writable bits per byte, and device memory for MSI-X
 * tables. Writes to read-only bits are ignored, as hardware does. */
#pragma once

#include "../src/pci.h"

#define MACHINE_FUNCTIONS 64

struct machine_function {
    struct pci_addr addr;
    uint8_t cfg[256];
    uint8_t writable[256];
    unsigned resets;
};

extern struct machine_function machine_function[MACHINE_FUNCTIONS];
extern unsigned machine_count;
extern uint32_t machine_memory[16384]; /* what map() returns, whatever the address */
extern uint64_t machine_mapped;        /* the address mapped last */
extern unsigned machine_waited_ms;
extern char machine_log[16384];

extern const struct pci_hw machine_hw;

void machine_reset(void);
struct machine_function *machine_add(uint8_t bus, uint8_t dev, uint8_t fn, uint32_t id, uint32_t class_rev);
void machine_bridge(struct machine_function *f, uint8_t secondary);
/* size 0x4000 etc.; flags: the BAR's low bits. */
void machine_bar(struct machine_function *f, unsigned bar, uint64_t base, uint64_t size, unsigned flags);
void machine_set(struct machine_function *f, unsigned reg, unsigned width, uint32_t value);
uint32_t machine_get(const struct machine_function *f, unsigned reg, unsigned width);
/* Puts a capability at pos, linked to next. */
void machine_cap(struct machine_function *f, unsigned pos, unsigned id, unsigned next);
/* An NVMe controller as QEMU 7.2 has it: BAR0 16 KiB 64-bit, MSI-X 65 entries at 0x2000, PBA 0x3000, FLR. */
struct machine_function *machine_nvme(uint8_t dev);
