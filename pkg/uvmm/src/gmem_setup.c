// SPDX-License-Identifier: MIT
// Maps the RAM capabilities: up to GMEM_HOLE_START from guest-physical 0 on, the rest from 4 GiB on.
#include "gmem_priv.h"
#include "log.h"

#include <inttypes.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <util/bits.h>

#define HOLE_END (4ull << 30)
#define SUPERPAGE (2ull << 20)

static int region_map(cap_t ram, cap_t guest, uint64_t off, uint64_t size, uint64_t gpa)
{
    int64_t err = 0;
    struct ram_region r = {.gpa = gpa, .size = size, .cap = ram, .cap_off = off};

    r.host = vm_map(ram, off, size, RIGHT_R | RIGHT_W, &err);
    if (r.host == NULL) {
        log_error(LOG_BOOT, "cannot map %" PRIu64 " MiB of guest RAM into uvmm: %s", size >> 20, sk_strerror(err));
        return (int)err;
    }
    err = sys_map(guest, ram, off, size, gpa, RIGHT_R | RIGHT_W | RIGHT_X).value;
    if (err < 0) {
        log_error(LOG_BOOT,
                  "cannot map %" PRIu64 " MiB of guest RAM at 0x%" PRIx64
                  " of the guest: %s; give the VM more kernel memory",
                  size >> 20, gpa, sk_strerror(err));
        return (int)err;
    }
    return ram_region_add(&r);
}

/* Maps a piece at *gpa and behind the hole; *gpa is then the first address for the next. */
static int piece_map(cap_t ram, cap_t guest, uint64_t *gpa)
{
    struct sys_result info = sys_mem_info(ram);

    if (info.value < 0 || (info.extra & MEM_DEVICE) != 0) {
        log_error(LOG_BOOT,
                  "the capability \"ram\" is not memory (%s); give a memory object, as vmm.start_vm's mem = MiB does",
                  info.value < 0 ? sk_strerror(info.value) : "it is device memory");
        return SK_ETYPE;
    }
    uint64_t size = (uint64_t)info.value & ~(PAGE_SIZE - 1);
    uint64_t low = *gpa < GMEM_HOLE_START ? min(size, GMEM_HOLE_START - *gpa) : size;
    int err = region_map(ram, guest, 0, low, *gpa);

    *gpa += low;
    if (err == 0 && size > low) {
        err = region_map(ram, guest, low, size - low, HOLE_END);
        *gpa = HOLE_END + size - low;
    }
    return err;
}

/* With a gap, so that nothing of the guest lies in two objects; in large pages where the objects allow it. */
static uint64_t next_piece(uint64_t gpa)
{
    gpa = align_up(gpa + PAGE_SIZE, SUPERPAGE);
    return gpa >= GMEM_HOLE_START && gpa < HOLE_END ? HOLE_END : gpa;
}

int ram_setup(const cap_t *pieces, unsigned count, cap_t guest)
{
    uint64_t gpa = 0;
    int err = 0;

    for (unsigned i = 0; i < count && err == 0; i++) {
        err = piece_map(pieces[i], guest, &gpa);
        gpa = next_piece(gpa);
    }
    return err;
}
