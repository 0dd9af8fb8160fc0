// SPDX-License-Identifier: MIT
/* Fuzz target: clients that are hostile in every respect, against the driver from its session protocol down to the
 * model controller, which misbehaves as well. The input is a string of steps: messages with any words and capabilities,
 * rings in both formats that are set up by the rules or not, requests of any shape, records of an earlier server,
 * garbage anywhere in the shared memory, kicks, interrupts, completions late and in another order, time-outs, resets,
 * namespaces that change, kernel calls that fail, clients that go; also while the controller is being reset.
 *
 * Besides what the sanitizers, the model (each device address is one that the driver may use) and the world (nothing is
 * used or given back twice, nothing is touched that was taken away) find: in the end every request ends, nothing is
 * held, and no block outside the clients' partitions has changed. */
#include "../src/client.h"
#include "fuzz_input.h"
#include "fuzz_ring.h"
#include "world.h"
#include <proto/blk.h>
#include <sk/env.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define BLOCKS 256u
#define PART_FIRST 16u /* two of them */
#define PART_STEP 120u
#define PART_BLOCKS 100u
#define CLIENTS 2u
static struct model *model;
static struct client *client[CLIENTS]; /* NULL: none */
static struct ring ring[CLIENTS][BLK_QUEUES];
static unsigned posted;

/* --- messages --- */

static struct msg request;

static void request_begin(uint32_t op)
{
    msg_begin(&request, op);
}

static void request_cap(cap_t cap)
{
    sk_utcb()->recv_cap[request.caps++] = cap;
}

/* As the server library does it: what the handler did not take goes. */
static int64_t request_send(unsigned k)
{
    struct msg reply, m = {.op = request.op, .words = request.words, .caps = request.caps};
    cap_t caps[UTCB_CAPS];

    memcpy(caps, sk_utcb()->recv_cap, sizeof(caps));
    msg_begin(&reply, SK_OK);
    int64_t err = session_call(client[k], &m, &reply);

    while (m.cap_pos < m.caps) {
        sys_cap_drop(caps[m.cap_pos++]);
    }
    return err;
}

static void send_numbers(unsigned k, uint32_t op, uint64_t a, uint64_t b)
{
    request_begin(op);
    msg_put(&request, a);
    msg_put(&request, b);
    (void)request_send(k);
}

static cap_t any_cap(void)
{
    unsigned kind = pick(WORLD_MEMS + 2);

    return kind < WORLD_MEMS ? world_memory_cap((enum world_mem)kind) : world_signal_cap();
}

static uint64_t any_word(void)
{
    unsigned kind = take(1);

    switch (kind >> 4) {
    case 0:
        return UINT64_MAX - (kind & 15);
    case 1:
        return GPA + (kind & 15) * 0x1000u;
    case 2:
        return RING(kind & 3) + (kind >> 2 & 3) * 0x400u;
    case 3:
        return (kind & 15) * 0x1000u;
    case 4:
        return model && client[0] ? client[0]->blk.offered & ~(1ull << take(1) % 64) : 0;
    case 5:
        return (uint64_t)take(4) << 32 | take(4);
    case 6:
        return kind & 1 ? VRING_BASE_PACKED : take(4);
    case 7:
        return take(2);
    default:
        return kind & 7;
    }
}

/* Messages that any words will hardly make up. */
static void step_special(unsigned k)
{
    uint8_t byte = (uint8_t)pick(3);

    if (pick(2)) {
        send_numbers(k, BLK_REM_MEM_REG, GPA + pick(2) * WORLD_MEM_BYTES, WORLD_MEM_BYTES);
        return;
    }
    request_begin(BLK_SET_CONFIG);
    msg_put(&request, offsetof(struct virtio_blk_config, writeback));
    msg_put_bytes(&request, &byte, 1);
    (void)request_send(k);
}

static void step_message(unsigned k)
{
    if (pick(4) == 0) {
        step_special(k);
        return;
    }
    request_begin(BLK_GET_STATUS + pick(BLK_SET_LIFELINE - BLK_GET_STATUS + 3));
    unsigned words = pick(8), caps = words >> 1 & 1;

    if (words == 7) {
        request.op = PROTO_ID;
    }
    for (words = words > 4 ? words - 4 : words; words > 0; words--) {
        msg_put(&request, any_word());
    }
    for (caps = pick(8) ? caps : 3; caps > 0; caps--) {
        request_cap(any_cap());
    }
    (void)request_send(k);
}

/* --- by the rules --- */

static void step_memory(unsigned k)
{
    for (unsigned i = 0; i < 2; i++) {
        request_begin(BLK_ADD_MEM_REG);
        msg_put(&request, GPA + i * WORLD_MEM_BYTES);
        msg_put(&request, WORLD_MEM_BYTES);
        msg_put(&request, 0);
        request_cap(world_memory_cap(i ? WORLD_RAM1 : WORLD_RAM0));
        (void)request_send(k);
    }
}

static void queue_signal(unsigned k, uint32_t op, unsigned q)
{
    request_begin(op);
    msg_put(&request, q);
    request_cap(world_signal_cap());
    (void)request_send(k);
}

static void queue_record(unsigned k, unsigned q)
{
    request_begin(BLK_SET_INFLIGHT);
    msg_put(&request, q);
    msg_put(&request, q * INFLIGHT_BYTES);
    request_cap(world_memory_cap(WORLD_RECORDS));
    (void)request_send(k);
}

/* A new queue, or one that goes on after a restart of the server (again). */
static void step_queue(unsigned k, bool again)
{
    unsigned q = pick(BLK_QUEUES), how = take(1);
    struct ring *r = &ring[k][q];

    if (!again) {
        *r = (struct ring){.wrap = true, .packed = client[k]->blk.features & VIRTIO_F_RING_PACKED};
        memset(fuzz_at(RING(q)), 0, 0x1000);
        memset(world_memory(WORLD_RECORDS) + q * INFLIGHT_BYTES, 0, 4);
    }
    send_numbers(k, BLK_SET_VRING_NUM, q, NUM);
    request_begin(BLK_SET_VRING_ADDR);
    msg_put(&request, q);
    msg_put(&request, RING(q));
    msg_put(&request, AVAIL(q));
    msg_put(&request, USED(q));
    (void)request_send(k);
    send_numbers(k, BLK_SET_VRING_BASE, q, r->packed ? VRING_BASE_PACKED : VRING_BASE_SPLIT);
    if (how & 1 || again) {
        queue_record(k, q);
    }
    queue_signal(k, BLK_SET_VRING_CALL, q);
    queue_signal(k, BLK_SET_VRING_KICK, q);
    send_numbers(k, BLK_SET_VRING_ENABLE, q, 1);
}

static void step_session(unsigned k)
{
    unsigned drop = take(1);

    request_begin(BLK_BIND_READY);
    request_cap(world_signal_cap());
    (void)request_send(k);
    request_begin(BLK_SET_FEATURES);
    msg_put(&request, client[k]->blk.offered & ~(drop & 1 ? VIRTIO_F_EVENT_IDX : 0) &
                          ~(drop & 2 ? VIRTIO_F_RING_PACKED : 0) & ~(drop & 4 ? VIRTIO_F_INDIRECT_DESC : 0) &
                          ~(drop & 8 ? VIRTIO_BLK_F_CONFIG_WCE | VIRTIO_BLK_F_FLUSH : 0));
    (void)request_send(k);
    step_memory(k);
    step_queue(k, false);
}

/* --- requests --- */

static uint32_t any_type(void)
{
    static const uint32_t type[] = {VIRTIO_BLK_T_IN,      VIRTIO_BLK_T_OUT,          VIRTIO_BLK_T_FLUSH,
                                    VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_T_GET_ID};
    unsigned i = take(1);

    return i % 8 < ARRAY_SIZE(type) ? type[i % 8] : i;
}

static void range_fill(uint64_t gpa)
{
    uint32_t r[4] = {take(1), 0, take(1) & 127, take(1) & 3};

    memcpy(fuzz_at(gpa), r, sizeof(r));
}

static void step_request(unsigned k)
{
    unsigned q = pick(BLK_QUEUES), slot = posted++ % 64, shape = take(1), n = 0;
    uint32_t type = any_type();
    bool ranges = type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES;
    bool in = type != VIRTIO_BLK_T_OUT && !ranges;
    struct virtio_blk_req header = {.type = type, .sector = take(1) & 127};
    struct piece p[8] = {{HEADERS + slot * 16, 16, false}};

    memcpy(fuzz_at(p[0].gpa), &header, sizeof(header));
    for (n = 1; n <= (shape & 3); n++) {
        p[n] = (struct piece){DATA + take(2) % (RAM_END - DATA - 0x2000), 512u * (1 + pick(15)), in};
        if (ranges) {
            p[n] = (struct piece){RANGES + slot * 64 + n * 16, 16, false};
            range_fill(p[n].gpa);
        } else if (shape & 4) {
            p[n].gpa &= ~511ull;
        } else if (shape & 8) {
            p[n].len -= pick(16);
        }
    }
    p[n++] = (struct piece){STATUS + slot, 1, true};
    if (shape & 16) {
        ring_indirect(&ring[k][q], q, p, n, posted);
    } else {
        ring_chain(&ring[k][q], q, p, n, posted);
    }
}

/* --- what else may happen --- */

static void step_garbage(void)
{
    uint64_t gpa = GPA + take(3) % (2 * WORLD_MEM_BYTES - 8);

    for (unsigned n = 1 + pick(8); n > 0; n--) {
        *(uint8_t *)fuzz_at(gpa++) = (uint8_t)take(1);
    }
}

/* What an earlier server may have left, or nobody. */
static void step_record(void)
{
    unsigned q = pick(2), slot = take(1);
    struct inflight *r = (void *)(world_memory(WORLD_RECORDS) + q * INFLIGHT_BYTES);

    r->version = pick(8) ? INFLIGHT_VERSION : take(1);
    r->num = pick(8) ? NUM : take(1);
    r->used = pick(2) ? r->used : take(2);
    r->shown = pick(2) ? r->used : take(2);
    r->slot[slot].state = take(1) % 4;
    r->slot[slot].head = pick(2) ? 0x10000u | pick(NUM) : any_word();
    r->slot[slot].desc =
        (struct virtq_pdesc){.addr = TABLES + pick(16) * 0x100u, .len = 16 * pick(8), .flags = take(1)};
}

static void step_misbehave(void)
{
    switch (pick(12)) {
    case 0:
        model->wrong_cid = !model->wrong_cid;
        break;
    case 1:
        model->duplicate = !model->duplicate;
        break;
    case 2:
        model->bad_phase = !model->bad_phase;
        break;
    case 3:
        model->drop_io = pick(4);
        break;
    case 4:
        model->fatal_io = pick(3);
        break;
    case 5:
        model->fail_status = (uint16_t)take(2);
        model->fail_lba = take(2) % BLOCKS;
        model->fail_times = pick(8);
        break;
    case 6:
        model->all_ones = pick(4) == 0;
        break;
    case 7:
        model->no_irq = !model->no_irq;
        break;
    case 8:
        model->fail_resets = pick(4);
        break;
    case 9:
        model->drop_admin = pick(4) == 0;
        break;
    case 10:
        model->abort_works = !model->abort_works;
        break;
    default:
        model->never_stops = pick(8) == 0;
        break;
    }
}

static void step_namespace(void)
{
    struct model_ns *ns = &model->ns[0];

    if (pick(2)) {
        ns->detached = !ns->detached;
    } else {
        ns->blocks = BLOCKS - pick(8) * 16u;
    }
    model_ns_notice(model, 1);
}

static void client_gone(unsigned k)
{
    session_unused(client[k]);
    client[k] = NULL;
}

static void client_come(unsigned k)
{
    static const char *const device[CLIENTS] = {"MODEL1:n1:1", "MODEL1:n1:2"};
    unsigned how = take(1);
    struct client_options o = {.device = device[k], .ds_max = 3, .readonly = how & 1, .packed = how & 2};

    if (how & 4) {
        o.limit = (struct limit_options){.iops = 100, .mbps = 1, .burst_ms = 10};
    }
    if (client_create(&o, &client[k])) {
        client[k] = NULL;
    }
}

static void kick(unsigned k)
{
    struct server_source *s = &client[k]->kick[pick(BLK_QUEUES)];

    if (s->magic) {
        s->event(s->ctx);
    }
}

static void time_passes(void)
{
    model->now += (uint64_t)take(2) * 1000000;
    (void)model_check(model);
    world_run();
}

/* A step of a client. */
static void step_client(unsigned k, unsigned what)
{
    if (!client[k]) {
        client_come(k);
        return;
    }
    switch (what) {
    case 0:
        client_gone(k);
        break;
    case 1:
    case 2:
        step_session(k);
        break;
    case 3:
        step_queue(k, pick(2));
        break;
    case 4:
    case 5:
        step_message(k);
        break;
    case 6:
    case 7:
        kick(k);
        break;
    default:
        step_request(k);
        break;
    }
}

static void step(void)
{
    unsigned what = take(1);

    if (what < 160) {
        step_client(what % CLIENTS, what / CLIENTS % 12);
    } else if (what < 180) {
        (void)model_interrupt(model);
    } else if (what < 190) {
        model->hold = what & 1;
        model_release(model, what & 2);
    } else if (what < 205) {
        time_passes();
    } else if (what < 220) {
        step_garbage();
    } else if (what < 230) {
        step_record();
    } else if (what < 240) {
        step_misbehave();
    } else if (what < 245) {
        step_namespace();
    } else {
        world_fail_after(1 + pick(4));
    }
}

/* The worker waits for the controller: events are handled. */
static void meanwhile(struct model *m)
{
    (void)m;
    if (input.left > 0 && (pick(4) == 0)) {
        step_client(pick(CLIENTS), pick(12));
    }
}

/* --- begin and end --- */

static void disk_fill(uint8_t *disk)
{
    for (unsigned i = 0; i < BLOCKS * 512; i++) {
        disk[i] = (uint8_t)(i / 512 + i * 7);
    }
    memset(disk, 0, 512);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t where[2] = {PART_FIRST + i * PART_STEP, PART_BLOCKS};

        disk[446 + 16 * i + 4] = 0x83;
        memcpy(disk + 446 + 16 * i + 8, where, sizeof(where));
    }
    disk[510] = 0x55;
    disk[511] = 0xaa;
}

static uint8_t disk_before[BLOCKS * 512];

static void disk_check(const uint8_t *disk)
{
    for (unsigned b = 0; b < BLOCKS; b++) {
        bool outside = b < PART_FIRST || (b - PART_FIRST) % PART_STEP >= PART_BLOCKS;

        if (outside && memcmp(disk + b * 512, disk_before + b * 512, 512) != 0) {
            (void)fprintf(stderr, "block %u is in no partition and has changed\n", b);
            abort();
        }
    }
}

static void begin(void)
{
    unsigned how = take(1);
    int64_t err;

    model = model_new(BLOCKS);
    model->id.sgls = how & 3;
    model->id.mdts = how & 4 ? 1 : 7;
    model->queues_granted = 1 + (how >> 3 & 3);
    model->vectors = 1 + (how >> 5 & 3);
    model->id.vwc = how & 128 ? 7 : 0;
    memcpy(model->ns[0].data, disk_before, sizeof(disk_before));
    world_begin(model);
    static struct nvme_ctrl *known; /* the driver keeps the list */

    known = model_start(model, &err);

    nvme_ctrl_unuse(known);
    clients_match(&known, 1, true);
    model->meanwhile = meanwhile;
    model->slow_admin = how & 64;
    model->reachable = world_reachable;
}

static void end(void)
{
    for (unsigned k = 0; k < CLIENTS; k++) {
        if (client[k]) {
            client_gone(k);
        }
    }
    world_fail_after(0);
    for (unsigned i = 0; client_at(0) && i < 1000; i++) {
        model_release(model, false);
        (void)model_interrupt(model);
        model->now += 1000000000;
        model_timeout(model);
        world_run();
    }
    if (client_at(0) || world_holds()) {
        (void)fprintf(stderr, "%s, %u capabilities and mappings are held\n",
                      client_at(0) ? "a client's requests do not end" : "clients are gone", world_holds());
        abort();
    }
    clients_match(NULL, 0, true);
    model_stop(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input.at = data;
    input.left = size;
    begin();
    while (input.left > 0) {
        step();
    }
    end();
    disk_check(model->ns[0].data);
    model_free(model);
    return 0;
}

/* The log is formatted, too, and goes nowhere. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    log_level = LOG_DEBUG;
    disk_fill(disk_before);
    return !freopen("/dev/null", "w", stdout);
}
