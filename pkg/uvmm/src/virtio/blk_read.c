// SPDX-License-Identifier: MIT
// Reading from a disk before the guest runs: see blk_read.h.
#include "blk_read.h"
#include "blk_priv.h"

#include "../log.h"
#include <inttypes.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <string.h>
#include <util/bits.h>
#include <virtio/blk.h>
#include <virtio/defs.h>

/* In the guest's RAM, which has at least 4 MiB: the split queue, a request's header and status, its data. */
#define BASE_GPA 0x100000ull
#define DESC_OFF 0x0000u
#define AVAIL_OFF 0x1000u
#define USED_OFF 0x2000u
#define HEADER_OFF 0x3000u
#define STATUS_OFF 0x3800u
#define DATA_OFF 0x10000u
#define DATA_BYTES (256u << 10)
#define AREA_BYTES (DATA_OFF + DATA_BYTES)
#define QUEUE_SIZE 4u
#define READ_NS (120 * BLK_SECOND_NS) /* longer than a block server tries */

static struct reader {
    struct blk *blk;
    uint8_t *area; /* at BASE_GPA */
    struct server_source call;
    cap_t kick;
    uint16_t next; /* index of the queue's next request */
} reader;

static void call_event(void *ctx)
{
    (void)ctx; /* read_wait() looks at the queue */
}

static struct blk *blk_find(const char *cap, size_t length)
{
    struct blk *b = blk_list;

    while (b && (strlen(b->cap_name) != length || strncmp(b->cap_name, cap, length) != 0)) {
        b = b->next;
    }
    return b;
}

static void request_put(struct reader *r, uint64_t off, uint32_t len)
{
    struct virtio_blk_req *h = (void *)(r->area + HEADER_OFF);
    struct virtq_desc *d = (void *)(r->area + DESC_OFF);
    struct virtq_avail *avail = (void *)(r->area + AVAIL_OFF);

    *h = (struct virtio_blk_req){.type = VIRTIO_BLK_T_IN, .sector = off / VIRTIO_BLK_SECTOR};
    d[0] = (struct virtq_desc){BASE_GPA + HEADER_OFF, sizeof(*h), VIRTQ_DESC_F_NEXT, 1};
    d[1] = (struct virtq_desc){BASE_GPA + DATA_OFF, len, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2};
    d[2] = (struct virtq_desc){BASE_GPA + STATUS_OFF, 1, VIRTQ_DESC_F_WRITE, 0};
    r->area[STATUS_OFF] = 0xff;
    avail->ring[r->next % QUEUE_SIZE] = 0;
    __atomic_store_n(&avail->idx, ++r->next, __ATOMIC_RELEASE); /* pairs with the server's read */
    sys_signal_raise(r->kick);
}

static bool read_wait(struct reader *r)
{
    const struct virtq_used *used = (const void *)(r->area + USED_OFF);
    uint64_t deadline = sys_now_ns() + READ_NS;

    while (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) != r->next) {
        if (!server_poll(deadline) || !r->blk->open || (r->blk->dev.status & VIRTIO_STATUS_NEEDS_RESET)) {
            return false;
        }
    }
    return r->area[STATUS_OFF] == VIRTIO_BLK_S_OK;
}

static int disk_read(void *ctx, uint64_t off, void *buf, size_t len)
{
    struct reader *r = ctx;

    for (size_t done = 0; done < len;) {
        uint32_t part = (uint32_t)min(len - done, (size_t)DATA_BYTES);

        request_put(r, off + done, part);
        if (!read_wait(r)) {
            log_error(LOG_BOOT,
                      "cannot read %u bytes at byte %" PRIu64 " of disk '%s': the block server's log says why", part,
                      off + done, r->blk->cap_name);
            return -1;
        }
        memcpy((uint8_t *)buf + done, r->area + DATA_OFF, part);
        done += part;
    }
    return 0;
}

/* Resets the device; waits for the requests of a guest that has been reset. */
static int64_t blk_idle(struct blk *b)
{
    uint64_t deadline = sys_now_ns() + READ_NS;
    int64_t err;

    do {
        err = blk_session_reset(b);
    } while (err == SK_EAGAIN && server_poll(deadline));
    return err;
}

/* Waits for the next server when the last one has ended. */
static int64_t blk_served(struct blk *b)
{
    uint64_t deadline = sys_now_ns() + READ_NS;

    while (b->server_lost && server_poll(deadline)) {
    }
    return b->server_lost ? SK_ETIMEDOUT : SK_OK;
}

static int64_t queue_start(struct reader *r)
{
    static const uint64_t num = QUEUE_SIZE, base = 0, enable = 1,
                          area[] = {BASE_GPA + DESC_OFF, BASE_GPA + AVAIL_OFF, BASE_GPA + USED_OFF};
    struct blk *b = r->blk;
    int64_t err = blk_served(b);

    err = err < 0 ? err : blk_idle(b);
    err = err < 0 ? err : blk_set_features(b, VIRTIO_F_VERSION_1);
    err = err < 0 ? err : blk_queue_call(b, BLK_SET_VRING_NUM, 0, &num, 1);
    err = err < 0 ? err : blk_queue_call(b, BLK_SET_VRING_ADDR, 0, area, 3);
    err = err < 0 ? err : blk_queue_call(b, BLK_SET_VRING_BASE, 0, &base, 1);
    err = err < 0 ? err : blk_queue_call_cap(b, BLK_SET_VRING_CALL, 0, r->call.cap, RIGHT_CALL);
    err = err < 0 ? err : blk_queue_call_cap(b, BLK_SET_VRING_KICK, 0, r->kick, RIGHT_BIND);
    return err < 0 ? err : blk_queue_call(b, BLK_SET_VRING_ENABLE, 0, &enable, 1);
}

static int64_t reader_start(struct reader *r)
{
    int64_t err = sys_signal_create(CAP_QUOTA);

    if (err < 0) {
        return err;
    }
    r->kick = (cap_t)err;
    err = server_signal(&r->call, CAP_NULL, call_event, NULL);
    return err < 0 ? err : queue_start(r);
}

static uint32_t block_size(const struct blk *b)
{
    uint32_t size;

    memcpy(&size, b->config + offsetof(struct virtio_blk_config, blk_size), sizeof(size));
    return is_pow2(size) && size >= VIRTIO_BLK_SECTOR && size <= 4096 ? size : VIRTIO_BLK_SECTOR;
}

int blk_read_open(const char *cap, size_t length, struct boot_disk *d)
{
    struct reader *r = &reader;
    uint64_t sectors;

    *r = (struct reader){.blk = blk_find(cap, length), .area = ram_ptr(BASE_GPA, AREA_BYTES)};
    if (!r->blk || !r->area) {
        log_error(LOG_BOOT,
                  r->area ? "cannot boot from disk '%.*s': the VM has no such disk; correct -k and -r, or give "
                            "it a disk of that name"
                          : "cannot boot from disk '%.*s': the VM has too little memory; give it at least mem = 64",
                  (int)length, cap);
        return -1;
    }
    memset(r->area, 0, AREA_BYTES);
    memcpy(&sectors, r->blk->config, sizeof(sectors)); /* the configuration begins with the capacity */
    *d = (struct boot_disk){.name = r->blk->cap_name,
                            .size = sectors * VIRTIO_BLK_SECTOR,
                            .block = block_size(r->blk),
                            .read = disk_read,
                            .ctx = r};
    int64_t err = reader_start(r);
    if (err < 0) {
        log_error(LOG_BOOT, "cannot boot from disk '%s': the block server refuses: %s", d->name, sk_strerror(err));
        blk_read_close(d);
        return -1;
    }
    return 0;
}

void blk_read_close(struct boot_disk *d)
{
    struct reader *r = d->ctx;

    (void)blk_idle(r->blk); /* an error has been reported */
    if (r->call.cap) {
        server_remove(&r->call);
    }
    if (r->kick) {
        sys_cap_drop(r->kick);
    }
    memset(r->area, 0, AREA_BYTES);
}
