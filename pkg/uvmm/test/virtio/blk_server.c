// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "blk_server.h"

#include <proto/blk.h>
#include <sk/env.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

struct block_server srv;
struct driver drv;
unsigned slot;

static int64_t reply(int64_t status, unsigned words)
{
    return (int64_t)TAG((uint32_t)status, words, 0);
}

static int64_t get_config(uint64_t *mr)
{
    uint64_t off = mr[0], size = mr[1];

    if (!range_ok(off, size, CONFIG)) {
        return reply(SK_ERANGE, 0);
    }
    mr[0] = size;
    memset(&mr[1], 0, align_up(size, 8));
    memcpy(&mr[1], srv.config + off, size);
    mr[1 + align_up(size, 8) / 8] = 7;
    return reply(SK_OK, (unsigned)(2 + align_up(size, 8) / 8));
}

static int64_t set_vring(enum blk_op op, struct server_queue *q, const uint64_t *mr)
{
    cap_t cap = sk_utcb()->send_cap[0];

    switch (op) {
    case BLK_SET_VRING_NUM:
        q->num = mr[1];
        break;
    case BLK_SET_VRING_ADDR:
        memcpy(q->addr, &mr[1], sizeof(q->addr));
        break;
    case BLK_SET_VRING_BASE:
        q->base = mr[1];
        break;
    case BLK_SET_VRING_KICK:
        assert_int_equal(sk_utcb()->send_rights[0], RIGHT_BIND);
        q->kick = cap;
        break;
    case BLK_SET_VRING_CALL:
        assert_int_equal(sk_utcb()->send_rights[0], RIGHT_CALL);
        q->call = cap;
        break;
    default:
        q->enabled = mr[1];
    }
    return reply(SK_OK, 0);
}

static int64_t dispatch(enum blk_op op, uint64_t *mr)
{
    switch (op) {
    case BLK_GET_STATUS:
        mr[0] = srv.device_status;
        mr[1] = 1;
        return reply(srv.status, srv.status < 0 ? 0 : 2);
    case BLK_BIND_READY:
        srv.ready = sk_utcb()->send_cap[0];
        srv.begun = true;
        return reply(SK_OK, 0);
    case BLK_GET_FEATURES:
        mr[0] = OFFERED;
        return reply(SK_OK, 1);
    case BLK_SET_FEATURES:
        srv.features = mr[0];
        return reply(SK_OK, 0);
    case BLK_GET_QUEUE_NUM:
        mr[0] = srv.queues;
        mr[1] = 256;
        return reply(SK_OK, 2);
    case BLK_GET_CONFIG:
        return get_config(mr);
    case BLK_SET_CONFIG:
        assert_int_equal(mr[0], 32);
        assert_int_equal(mr[1], 1);
        srv.config[32] = (uint8_t)mr[2];
        return reply(SK_OK, 0);
    case BLK_ADD_MEM_REG:
        assert_int_equal(mr[0], 0);
        assert_int_equal(mr[1], FAKE_RAM);
        assert_int_equal(sk_utcb()->send_cap[0], 40);
        assert_int_equal(sk_utcb()->send_rights[0], RIGHT_R | RIGHT_W);
        srv.regions++;
        return reply(SK_OK, 0);
    case BLK_GET_VRING_BASE:
        assert_in_range(mr[0], 0, VIRTIO_QUEUES_MAX - 1);
        if (srv.busy > 0) {
            srv.busy--;
            return reply(SK_EAGAIN, 0);
        }
        srv.queue[mr[0]] = (struct server_queue){0};
        mr[0] = 5;
        return reply(SK_OK, 1);
    case BLK_SET_LIFELINE:
        assert_int_equal(sk_utcb()->send_cap[0], FAKE_LIFELINE);
        assert_int_equal(sk_utcb()->send_rights[0], RIGHT_CALL);
        srv.lifelines++;
        return reply(SK_OK, 0);
    case BLK_SET_INFLIGHT:
        assert_int_equal(sk_utcb()->send_cap[0], FAKE_RECORD);
        assert_int_equal(mr[1], mr[0] * 8192);
        return reply(SK_OK, 0);
    case BLK_RESET:
        srv.resets++;
        srv.features = 0;
        memset(srv.queue, 0, sizeof(srv.queue));
        return reply(SK_OK, 0);
    default:
        assert_in_range(op, BLK_SET_VRING_NUM, BLK_SET_VRING_ENABLE);
        assert_in_range(mr[0], 0, VIRTIO_QUEUES_MAX - 1);
        return set_vring(op, &srv.queue[mr[0]], mr);
    }
}

static int64_t server(uint64_t tag, uint64_t deadline)
{
    if (srv.dead) {
        return SK_EGONE;
    }
    if (!srv.bound) {
        fake.now = deadline;
        return SK_ETIMEDOUT;
    }
    srv.calls++;
    if (TAG_LABEL(tag) == (uint64_t)srv.next_op) {
        srv.next_op = 0;
        srv.begun = false;
        srv.regions = 0;
    }
    if (!srv.begun && TAG_LABEL(tag) != BLK_BIND_READY) {
        return reply(SK_EGONE, 0);
    }
    if (TAG_LABEL(tag) == (uint64_t)srv.fail_op) {
        return reply(srv.fail_with, 0);
    }
    return dispatch((enum blk_op)TAG_LABEL(tag), sk_utcb()->mr);
}

int setup(void **state)
{
    (void)state;
    fake_init();
    memset(&srv, 0, sizeof(srv));
    srv.bound = true;
    srv.queues = 1;
    srv.config[1] = 0x50; // 20480 sectors
    srv.config[34] = 1;
    fake.node_cap = FAKE_GATE;
    fake.server = server;
    assert_int_equal(pci_host_create(), SK_OK);
    slot = 1;
    return 0;
}

/* A device lives as long as its program: here the test frees it. It begins with its struct pci_dev. */
int teardown(void **state)
{
    (void)state;
    free(pci_host_dev(slot));
    blk_list = NULL;
    return 0;
}

int probe(void)
{
    return virtio_blk_type.probe(NULL, 0, "disk");
}

void start(void)
{
    assert_int_equal(probe(), SK_OK);
    driver_find(&drv, slot);
    assert_true(driver_features(&drv, VERSION_1 | 1ull << 29 | 1ull << 11));
    driver_msix(&drv, 2);
    common_write(&drv, 16, 2, 0);
    driver_queue(&drv, 0, 128, 0x1000, 0x2000, 0x3000);
    driver_ok(&drv);
    assert_int_equal(common_read(&drv, 20, 1), 15);
}

void start_with(uint64_t features)
{
    assert_int_equal(probe(), SK_OK);
    driver_find(&drv, slot);
    assert_true(driver_features(&drv, features));
    driver_msix(&drv, 2);
    driver_queue(&drv, 0, 128, 0x1000, 0x2000, 0x3000);
    driver_ok(&drv);
}
