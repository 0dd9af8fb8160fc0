// SPDX-License-Identifier: MIT
// Loads a Linux guest into RAM and sets the vcpu up for its 64-bit entry.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vcpu_state;

struct boot_file {
    const char *name;
    const void *data;
    size_t size;
    bool allocated; /* by malloc(), not mapped */
};

/* rd->data NULL: no ramdisk. 0, or -1 after one line that says what is wrong. */
int linux_boot_load(const struct boot_file *kernel, const struct boot_file *rd, const char *cmdline, uint64_t rsdp,
                    struct vcpu_state *s);
