// SPDX-License-Identifier: MIT
/* ramblk: disks in memory, served by the block protocol (proto/blk.h) as nvme-drv serves those of an NVMe controller.
 */
#include "options.h"
#include "session.h"

#include <rt/guard.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <util/bits.h>

static struct options options;
static struct session *sessions[OPTIONS_CLIENTS_MAX];
static cap_t fault_page; /* replaces memory that a client took away */

static uint8_t *take_memory(size_t size)
{
    return vm_alloc(size, NULL, NULL);
}

/* A fault in memory that its owner has taken away: zeros from now on, which the ring code finds broken. */
static bool fault_mend(const struct utcb_fault *f)
{
    for (unsigned i = 0; f->vector == 14 && fault_page && i < options.client_count; i++) {
        const struct gmem *mem = &sessions[i]->mem;

        for (unsigned k = 0; k < mem->count; k++) {
            if (range_ok(f->address - (uintptr_t)mem->region[k].host, 1, mem->region[k].size)) {
                uint64_t page = align_down(f->address, PAGE_SIZE);

                return sys_map(CAP_TASK, fault_page, 0, PAGE_SIZE, page, RIGHT_R | RIGHT_W).value >= 0;
            }
        }
    }
    return false;
}

/* Fills the disk from f; what the image does not fill stays zero. */
static bool image_read(const struct client_options *o, struct disk *d, FILE *f)
{
    uint64_t off = 0, len;

    while (off < d->size) {
        uint8_t *at = disk_at(d, off, &len);
        size_t n = fread(at, 1, len, f);

        if (n == 0) {
            break;
        }
        off += n;
    }
    if (ferror(f)) {
        printf("ramblk: --client %s: reading %s failed\n", o->cap, o->image);
        return false;
    }
    return true;
}

static bool disk_make(const struct client_options *o, struct disk *d)
{
    FILE *f = o->image ? fopen(o->image, "rb") : NULL;
    struct stat st = {0};
    uint64_t size = o->size;

    if (o->image && (!f || fstat(fileno(f), &st) != 0)) {
        printf("ramblk: --client %s: there is no file %s: add it to the modules, and name it rom/FILE\n", o->cap,
               o->image);
        return false;
    }
    if (size == 0) {
        size = align_up((uint64_t)st.st_size, VIRTIO_BLK_SECTOR);
    }
    if (size == 0 || (uint64_t)st.st_size > size) {
        printf("ramblk: --client %s: %s has %llu bytes, the disk %llu: give a --size that holds it\n", o->cap, o->image,
               (unsigned long long)st.st_size, (unsigned long long)size);
        return false;
    }
    if (!disk_create(d, size, take_memory)) {
        printf("ramblk: --client %s: there is no memory for %llu KiB: give it a smaller --size, or the machine more "
               "memory\n",
               o->cap, (unsigned long long)size >> 10);
        return false;
    }
    bool ok = !f || image_read(o, d, f);

    if (f) {
        (void)fclose(f);
    }
    return ok;
}

static struct session *client_open(const struct client_options *o)
{
    struct session *s = calloc(1, sizeof(*s));
    cap_t cap = sk_env_get(o->cap);

    if (!s || !disk_make(o, &s->disk)) {
        return NULL;
    }
    s->name = o->cap;
    s->disk.readonly = o->readonly;
    (void)snprintf(s->disk.id, sizeof(s->disk.id), "ramblk:%.*s", VIRTIO_BLK_ID_BYTES - 7, o->cap);
    int64_t err = cap ? session_open(s, cap) : SK_ECAP;

    if (err < 0) {
        printf("ramblk: --client %s: serving its gate: %s; give the program a channel's :svr() by that name\n", o->cap,
               sk_strerror(err));
        return NULL;
    }
    if (options.verbose) {
        printf("ramblk: %s: a disk of %llu KiB%s%s%s\n", o->cap, (unsigned long long)s->disk.size >> 10,
               o->image ? " with " : "", o->image ? o->image : "", o->readonly ? ", read-only" : "");
    }
    return s;
}

int main(int argc, char **argv)
{
    char error[256];

    if (!options_parse(&options, argc, argv, error, sizeof(error))) {
        printf("ramblk: %s\n", error);
        return 1;
    }
    for (unsigned i = 0; i < options.client_count; i++) {
        sessions[i] = client_open(&options.client[i]);
        if (!sessions[i]) {
            return 1;
        }
    }
    void *page = vm_alloc(PAGE_SIZE, &fault_page, NULL);

    (void)page; /* stays mapped; without it a client that takes memory away ends the program */
    rt_fault_hook = fault_mend;
    for (bool more = false;;) {
        (void)server_poll(more ? 0 : DEADLINE_NEVER);
        more = false;
        for (unsigned i = 0; i < options.client_count; i++) {
            more |= session_work(sessions[i]);
        }
    }
}
