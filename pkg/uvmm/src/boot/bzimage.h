// SPDX-License-Identifier: MIT
/* Linux kernel images: the setup header of the x86 boot protocol [kernel.org: Documentation/arch/x86/boot, "The
 * Linux/x86 Boot Protocol", 2.15; zero-page]. Pure: validates and plans, nothing is loaded. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Offsets in the file, and in the zero page (boot_params) into which the header is copied. */
#define BZ_SETUP_SECTS 0x1f1u
#define BZ_SYSSIZE 0x1f4u
#define BZ_BOOT_FLAG 0x1feu
#define BZ_JUMP 0x200u
#define BZ_HEADER 0x202u
#define BZ_VERSION 0x206u
#define BZ_TYPE_OF_LOADER 0x210u
#define BZ_LOADFLAGS 0x211u
#define BZ_RAMDISK_IMAGE 0x218u
#define BZ_RAMDISK_SIZE 0x21cu
#define BZ_CMD_LINE_PTR 0x228u
#define BZ_INITRD_ADDR_MAX 0x22cu
#define BZ_KERNEL_ALIGNMENT 0x230u
#define BZ_XLOADFLAGS 0x236u
#define BZ_CMDLINE_SIZE 0x238u
#define BZ_PAYLOAD_OFFSET 0x248u
#define BZ_PAYLOAD_LENGTH 0x24cu
#define BZ_SETUP_DATA 0x250u
#define BZ_PREF_ADDRESS 0x258u
#define BZ_INIT_SIZE 0x260u
#define BZ_HEADER_END 0x264u

#define BZ_ENTRY64 0x200u /* 64-bit entry, from the load address */

struct bzimage {
    uint64_t setup_size; /* bytes of the real-mode part; the protected-mode kernel begins behind it */
    uint64_t kernel_size;
    uint64_t header_end; /* the header is [BZ_SETUP_SECTS, header_end) */
    uint64_t pref_address, init_size, alignment;
    uint64_t initrd_max;  /* last byte that the initial ramdisk may occupy */
    uint32_t cmdline_max; /* characters without the terminating NUL */
};

/* Checks an image of `size` bytes, of which `data` holds at least the first min(size, BZ_PROBE). NULL, or what is wrong
 * with it. */
#define BZ_PROBE 0x400u
const char *bzimage_parse(const void *data, size_t size, struct bzimage *bz);

/* Where things go in RAM. */
struct bzplan {
    uint64_t load, initrd;
};
/* ram: bytes of RAM from address 0 up. NULL, or the reason (static text); *needed: bytes of RAM that would do. */
const char *bzimage_plan(const struct bzimage *bz, uint64_t ram, uint64_t initrd_size, struct bzplan *plan,
                         uint64_t *needed);
