// SPDX-License-Identifier: MIT
// Validation of a bzImage's header, and the placement of kernel and ramdisk.
#include "bzimage.h"

#include <string.h>
#include <util/bits.h>

#define SECTOR 512u
#define VERSION_MIN 0x020cu /* xloadflags, so the 64-bit entry, came with 2.12 */
#define LOADED_HIGH BIT(0)
#define XLF_KERNEL_64 BIT(0)
#define BELOW_4G 0xffffffffull
#define MIB (1ull << 20)

static uint64_t field(const uint8_t *p, unsigned off, unsigned size)
{
    uint64_t v = 0;

    memcpy(&v, p + off, size);
    return v;
}

static const char *check_magic(const uint8_t *p, size_t size)
{
    if (size < BZ_HEADER_END || field(p, BZ_BOOT_FLAG, 2) != 0xaa55 || memcmp(p + BZ_HEADER, "HdrS", 4) != 0) {
        return "it is not a Linux bzImage (no boot header)";
    }
    if (field(p, BZ_VERSION, 2) < VERSION_MIN) {
        return "its boot protocol is older than 2.12";
    }
    if ((field(p, BZ_LOADFLAGS, 1) & LOADED_HIGH) == 0) {
        return "it is a zImage, which loads below 1 MiB; build a bzImage";
    }
    if ((field(p, BZ_XLOADFLAGS, 2) & XLF_KERNEL_64) == 0) {
        return "it has no 64-bit entry; a 64-bit kernel is needed";
    }
    return NULL;
}

static const char *check_sizes(const uint8_t *p, size_t size, struct bzimage *bz)
{
    uint64_t sects = field(p, BZ_SETUP_SECTS, 1);
    uint64_t declared = field(p, BZ_SYSSIZE, 4) * 16;
    uint64_t payload = field(p, BZ_PAYLOAD_OFFSET, 4), payload_len = field(p, BZ_PAYLOAD_LENGTH, 4);

    bz->setup_size = ((sects != 0 ? sects : 4) + 1) * SECTOR;
    if (bz->setup_size >= size) {
        return "the file ends inside its setup part: it is truncated";
    }
    bz->kernel_size = size - bz->setup_size;
    /* Rounding of syssize may exceed the file by up to 15 bytes. */
    if (declared == 0 || declared > bz->kernel_size + 15) {
        return "the file is shorter than its header says: it is truncated";
    }
    if (bz->kernel_size <= BZ_ENTRY64 || !range_ok(payload, payload_len, bz->kernel_size)) {
        return "its header is corrupt (payload outside the file)";
    }
    if (bz->init_size < payload_len) {
        return "its header is corrupt (init_size is smaller than the payload)";
    }
    return NULL;
}

const char *bzimage_parse(const void *data, size_t size, struct bzimage *bz)
{
    const uint8_t *p = data;
    const char *err = check_magic(p, size);

    memset(bz, 0, sizeof(*bz));
    if (err != NULL) {
        return err;
    }
    bz->header_end = BZ_HEADER + field(p, BZ_JUMP + 1, 1);
    bz->pref_address = field(p, BZ_PREF_ADDRESS, 8);
    bz->init_size = field(p, BZ_INIT_SIZE, 4);
    bz->alignment = field(p, BZ_KERNEL_ALIGNMENT, 4);
    bz->initrd_max = field(p, BZ_INITRD_ADDR_MAX, 4);
    bz->cmdline_max = (uint32_t)field(p, BZ_CMDLINE_SIZE, 4);
    if (bz->header_end < BZ_HEADER_END || bz->header_end > 0x290) {
        return "its header is corrupt (size)";
    }
    if (!is_pow2(bz->alignment) || bz->alignment < 4096 || bz->alignment > 1024 * MIB) {
        return "its header is corrupt (alignment)";
    }
    if (bz->pref_address < MIB || bz->pref_address > BELOW_4G || (bz->pref_address & 0xfff) != 0) {
        return "its header is corrupt (preferred address)";
    }
    return check_sizes(p, size, bz);
}

const char *bzimage_plan(const struct bzimage *bz, uint64_t ram, uint64_t initrd_size, struct bzplan *plan,
                         uint64_t *needed)
{
    uint64_t size = max(bz->init_size, bz->kernel_size);
    uint64_t rd = align_up(initrd_size, 4096);

    /* No lower, though it may be relocatable: Linux moves itself up to this address before it unpacks. */
    plan->load = bz->pref_address;
    *needed = align_up(plan->load + size + rd, MIB);
    if (!range_ok(plan->load, size, ram)) {
        return "the kernel does not fit into its RAM";
    }
    if (initrd_size == 0) {
        plan->initrd = 0;
        return NULL;
    }
    if (rd > ram) {
        return "the ramdisk is larger than its RAM";
    }
    uint64_t top = min(ram, bz->initrd_max + 1);
    if (rd > top || align_down(top - rd, 4096) < plan->load + size) {
        return "kernel and ramdisk together do not fit into its RAM";
    }
    plan->initrd = align_down(top - rd, 4096);
    return NULL;
}
