// SPDX-License-Identifier: MIT
/* The virtio block device [virtio-1.2 5.2] as a front-end of a block server (proto/blk.h): the server works on the
 * queues in guest memory; this file only carries registers, features and configuration across, and connects the
 * signals:
 *
 *     guest's notification --(kernel doorbell)--> kick signal --> server
 *     server --> call signal --> this thread --> MSI-X or INTx
 *     server --> state signal --> this thread: configuration changed, device broken
 *
 * The calls to the server are in blk_session.c.
 *
 * Start of the VM: the server may not be there yet, or may still look for its disk. The probe waits for it, says so
 * after WAIT_SAY_NS, and in the end the VM starts without the disk. A disk that does not exist is known at once.
 *
 * A server that ends: see blk_lost.c. */

#include "../device.h"
#include "../log.h"
#include "../smp.h"
#include "blk_priv.h"
#include <libfdt.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>
#include <virtio/blk.h>

#define WAIT_SAY_NS (4 * BLK_SECOND_NS)
#define WAIT_SERVER_NS (20 * BLK_SECOND_NS) /* for a server that takes calls */
#define WAIT_DISK_NS (90 * BLK_SECOND_NS)   /* for its decision: drives may take long to start */
#define CLASS_STORAGE_SCSI 0x010000u
#define CONFIG_LONGEST 96u /* more than any version of struct virtio_blk_config has */
#define CONFIG_NUM_QUEUES ((unsigned)offsetof(struct virtio_blk_config, num_queues))

/* The device type's own bits, and those of the transport that work through a proxy: the ring formats are the server's
 * business. NOTIFICATION_DATA would be lost in a doorbell, ACCESS_PLATFORM is not implemented. */
#define FEATURES_PASSED                                                                                                \
    (FIELD(23, 0) | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER |           \
     VIRTIO_F_RING_RESET)

struct blk *blk_list;

static struct blk *blk_of(struct virtio_dev *d)
{
    return container_of(d, struct blk, dev);
}

static int blk_reset(struct virtio_dev *d)
{
    return (int)blk_session_reset(blk_of(d));
}

static int blk_queue_reset(struct virtio_dev *d, unsigned q)
{
    return (int)blk_session_queue_stop(blk_of(d), q);
}

/* What the server was not ready for before. True: it was a reset of the device. */
static bool resets_continue(struct blk *b)
{
    if (b->dev.resetting) {
        if (blk_reset(&b->dev) != SK_EAGAIN) {
            virtio_reset_done(&b->dev);
        }
        return true;
    }
    for (unsigned q = 0; q < b->queue_count; q++) {
        if (b->dev.queue[q].resetting && blk_queue_reset(&b->dev, q) != SK_EAGAIN) {
            virtio_queue_reset_done(&b->dev, q);
        }
    }
    return false;
}

/* --- events --- */

static void call_event(void *ctx)
{
    struct blk_queue *q = ctx;

    virtio_queue_interrupt(&q->blk->dev, (unsigned)(q - q->blk->queue));
}

/* Queues beyond ours, one for each vcpu, are not shown. */
static void blk_config_clamp(struct blk *b, uint8_t *config)
{
    uint16_t queues;

    if (b->config_size >= CONFIG_NUM_QUEUES + sizeof(queues)) {
        memcpy(&queues, config + CONFIG_NUM_QUEUES, sizeof(queues));
        queues = (uint16_t)min((unsigned)queues, b->queue_count);
        memcpy(config + CONFIG_NUM_QUEUES, &queues, sizeof(queues));
    }
}

static void config_refresh(struct blk *b)
{
    uint8_t config[VIRTIO_CONFIG_MAX] = {0};

    if (blk_config_read(b, config, b->config_size) >= 0) {
        blk_config_clamp(b, config);
        virtio_config_update(&b->dev, config);
    }
}

static void state_event(void *ctx)
{
    struct blk *b = ctx;
    uint8_t status = 0;

    if (b->server_lost) {
        blk_lost_event(b);
        return;
    }
    if (!b->open) { // still in the probe, which asks by itself
        return;
    }
    if (resets_continue(b)) {
        return;
    }
    int64_t err = blk_status(b, sys_now_ns() + BLK_CALL_NS, &status);
    if (blk_means_lost(err)) {
        blk_server_lost(b, err);
    } else if (err == SK_ENODEV) {
        log_error(LOG_VIRTIO, "%s: the disk behind '%s' is gone", b->name, b->cap_name);
        virtio_broken(&b->dev);
    } else if (err >= 0 && (status & VIRTIO_STATUS_NEEDS_RESET)) {
        virtio_broken(&b->dev);
    } else if (err >= 0) {
        config_refresh(b);
    }
}

/* --- virtio_ops --- */

static int blk_features_ok(struct virtio_dev *d, uint64_t features)
{
    struct blk *b = blk_of(d);
    int64_t err = b->server_lost ? SK_OK : blk_set_features(b, features); // the next server gets them

    if (err < 0) {
        log_info(LOG_VIRTIO, "%s: the block server refused the features 0x%llx: %s", b->name,
                 (unsigned long long)features, sk_strerror(err));
    }
    return (int)err;
}

static int blk_queue_start(struct virtio_dev *d, unsigned q)
{
    struct blk *b = blk_of(d);

    blk_record(b, q)->version = 0; /* a new queue */
    int64_t err = b->server_lost ? blk_lost_queue_start(b, q) : blk_session_queue_start(b, q);

    if (err < 0) {
        return (int)err;
    }
    virtio_doorbell_set(d, q, b->queue[q].kick);
    return SK_OK;
}

/* Every started queue has a doorbell: not reached, but for one whose doorbell was taken away in between. */
static void blk_notify(struct virtio_dev *d, unsigned q)
{
    sys_signal_raise(blk_of(d)->queue[q].kick);
}

/* Only the writeback byte can be written, and only with the feature [virtio-1.2 5.2.5]. */
static void blk_config_write(struct virtio_dev *d, unsigned off, unsigned width, uint32_t value)
{
    struct blk *b = blk_of(d);
    uint8_t byte = (uint8_t)value;

    if (off != CONFIG_WRITEBACK || width != 1 || !(d->accepted & VIRTIO_BLK_F_CONFIG_WCE)) {
        return;
    }
    if (b->server_lost || blk_set_writeback(b, byte) >= 0) { // the next server gets it
        d->config[CONFIG_WRITEBACK] = byte;
    }
}

static const struct virtio_ops blk_ops = {
    .features_ok = blk_features_ok,
    .queue_start = blk_queue_start,
    .notify = blk_notify,
    .reset = blk_reset,
    .queue_reset = blk_queue_reset,
    .config_write = blk_config_write,
};

/* --- start --- */

/* Asks once, and waits for an answer until the deadline. SK_EAGAIN: ask again. */
static int64_t blk_ask(struct blk *b, uint64_t deadline)
{
    uint8_t status;
    int64_t err = SK_OK;

    if (!b->bound) {
        err = blk_bind_state(b, deadline);
        err = err < 0 ? err : blk_bound(b);
    }
    err = err < 0 ? err : blk_status(b, deadline, &status);
    if (err == SK_EGONE) { // the server has ended; there may be another one
        b->bound = false;
        return SK_EAGAIN;
    }
    return err == SK_EAGAIN && !server_poll(deadline) ? SK_ETIMEDOUT : err;
}

/* Waits for a server that takes calls and has decided about the disk. SK_ETIMEDOUT: it did not come in time. */
static int64_t blk_wait_ready(struct blk *b)
{
    uint64_t start = sys_now_ns(), wait = WAIT_SAY_NS;

    for (;;) {
        int64_t err = blk_ask(b, start + wait);
        uint64_t longest = b->bound ? WAIT_DISK_NS : WAIT_SERVER_NS;

        if (err == SK_EAGAIN) {
            continue;
        }
        if (err != SK_ETIMEDOUT || wait == longest) {
            return err;
        }
        log_warn(LOG_VIRTIO, "%s: waiting for %s behind '%s'", b->name, b->bound ? "the disk" : "the block server",
                 b->cap_name);
        wait = longest;
    }
}

static int64_t blk_limits(struct blk *b)
{
    struct msg m;
    int64_t err;

    msg_begin(&m, BLK_GET_FEATURES);
    err = blk_call(b, &m);
    if (err < 0) {
        return err;
    }
    b->features = msg_get(&m);
    err = msg_end(&m);
    if (err < 0) {
        return err;
    }
    msg_begin(&m, BLK_GET_QUEUE_NUM);
    err = blk_call(b, &m);
    if (err < 0) {
        return err;
    }
    b->queue_count = (unsigned)min(msg_get(&m), (uint64_t)vcpu_count);
    b->queue_size = (uint16_t)min(msg_get(&m), (uint64_t)VIRTQ_MAX_SIZE);
    err = msg_end(&m);
    if (err >= 0 && (b->queue_count == 0 || b->queue_size == 0 || !(b->features & VIRTIO_F_VERSION_1))) {
        return SK_EMSG;
    }
    return err;
}

/* How long the server's configuration structure is depends on its version. */
static int64_t blk_config_init(struct blk *b)
{
    int64_t err = SK_ERANGE;

    for (b->config_size = CONFIG_LONGEST; b->config_size >= sizeof(uint64_t); b->config_size -= 4) {
        err = blk_config_read(b, b->config, b->config_size);
        if (err != SK_ERANGE) {
            break;
        }
    }
    if (err >= 0) {
        blk_config_clamp(b, b->config);
    }
    return err;
}

static int64_t blk_signals(struct blk *b)
{
    for (unsigned i = 0; i < b->queue_count; i++) {
        struct blk_queue *q = &b->queue[i];
        int64_t err = sys_signal_create(CAP_QUOTA);

        if (err < 0) {
            return err;
        }
        q->blk = b;
        q->kick = (cap_t)err;
        err = server_signal(&q->call, CAP_NULL, call_event, q);
        if (err < 0) {
            return err;
        }
    }
    return SK_OK;
}

static void blk_signals_drop(struct blk *b)
{
    for (unsigned i = 0; i < b->queue_count; i++) {
        if (b->queue[i].call.cap) {
            server_remove(&b->queue[i].call);
        }
        if (b->queue[i].kick) {
            sys_cap_drop(b->queue[i].kick);
        }
    }
    server_remove(&b->lifeline);
    blk_lost_drop(b);
    server_remove(&b->state);
}

static int64_t blk_record_make(struct blk *b)
{
    int64_t err = SK_ENOMEM;

    b->record = vm_alloc(b->queue_count * INFLIGHT_BYTES, &b->record_cap, &err);
    return b->record ? SK_OK : err;
}

static int64_t blk_device_add(struct blk *b)
{
    const struct virtio_info info = {
        .name = b->name,
        .id = VIRTIO_ID_BLOCK,
        .class_code = CLASS_STORAGE_SCSI,
        .features = b->features & FEATURES_PASSED,
        .queue_count = b->queue_count,
        .queue_size = b->queue_size,
        .config = b->config,
        .config_size = b->config_size,
        .ops = &blk_ops,
        .mmio = b->mmio,
    };

    return virtio_dev_add(&b->dev, &info);
}

/* The session, up to the shared memory. A server that ends meanwhile need not be the last one. */
static int64_t blk_open(struct blk *b)
{
    for (;;) {
        int64_t err = blk_wait_ready(b);

        err = err < 0 ? err : blk_limits(b);
        err = err < 0 ? err : blk_config_init(b);
        err = err < 0 ? err : blk_begin(b);
        if (err != SK_EGONE) {
            return err;
        }
        b->server_lost = b->bound = false;
    }
}

/* Everything that makes the session and the device. On an error nothing is left but what the server keeps. */
static int64_t blk_start(struct blk *b)
{
    int64_t err = server_signal(&b->state, CAP_NULL, state_event, b);

    if (err < 0) {
        return err;
    }
    err = blk_open(b);
    err = err < 0 ? err : blk_signals(b);
    err = err < 0 ? err : blk_lost_init(b);
    err = err < 0 ? err : blk_record_make(b);
    err = err < 0 ? err : blk_device_add(b);
    if (err < 0) {
        blk_signals_drop(b);
        b->open = false;
    }
    return err;
}

/* Why there is no disk. The VM starts without it in any case. */
static void blk_report(const struct blk *b, int64_t err)
{
    const char *why = sk_strerror(err), *remedy = "";

    if (err == SK_ENODEV) {
        why = "the block server has found no such disk";
        remedy = ": check serial number, namespace or partition in its --device option";
    } else if (err == SK_EBUSY) {
        why = "another client has this disk";
        remedy = ": give each disk to one client only";
    } else if (err == SK_ENOSYS || err == SK_ETYPE || err == SK_ERIGHTS) {
        why = "what it names is no block server";
        remedy = ": give it the client's side of the gate that the server has as its --client";
    } else if (err == SK_ETIMEDOUT) {
        why = "the block server has not answered for too long";
        remedy = ": check that it runs and has the server's side of this gate as its --client";
    }
    log_error(LOG_VIRTIO, "%s: no disk behind '%s': %s; the VM starts without it%s", b->name, b->cap_name, why, remedy);
}

/* How long a guest waits for the next server when its own has ended. */
static bool node_patience(const void *fdt, int node, const char *name, uint64_t *ns)
{
    int len = 0;
    const fdt32_t *seconds = fdt_getprop(fdt, node, "skerry,server-timeout", &len);

    if (seconds && len != sizeof(*seconds)) {
        log_error(LOG_BOOT,
                  "device tree node %s: skerry,server-timeout must be one number of seconds, for example <60>", name);
        return false;
    }
    *ns = seconds ? fdt32_to_cpu(*seconds) * BLK_SECOND_NS : BLK_PATIENCE_NS;
    return true;
}

static int blk_probe(const void *fdt, int node, const char *name)
{
    cap_t gate = device_node_cap(fdt, node, DEVICE_CAP);
    struct blk *b;
    uint64_t patience_ns;

    if (!node_patience(fdt, node, name, &patience_ns)) {
        return SK_EINVAL;
    }
    if (!gate) {
        return SK_ENODEV;
    }
    bool mmio = virtio_node_mmio(fdt, node);
    if (!mmio && virtio_bus_check(name) != SK_OK) {
        return SK_ENOENT;
    }
    b = calloc(1, sizeof(*b));
    if (!b) {
        log_error(LOG_VIRTIO, "%s: no memory for the device (%zu bytes)", name, sizeof(*b));
        return SK_ENOMEM;
    }
    b->name = name;
    b->cap_name = fdt_getprop(fdt, node, DEVICE_CAP, NULL);
    b->gate = gate;
    b->mmio = mmio;
    b->patience_ns = patience_ns;
    int64_t err = blk_start(b);
    if (err < 0) {
        blk_report(b, err);
        free(b);
        return SK_ENODEV;
    }
    struct blk **end = &blk_list;

    while (*end) {
        end = &(*end)->next;
    }
    *end = b;
    return SK_OK;
}

/* The PCI bus resets its devices. */
const struct device_type virtio_blk_type = {.compatible = "skerry,virtio-blk", .needs_cap = true, .probe = blk_probe};
const struct device_type virtio_blk_mmio_type = {
    .compatible = "skerry,virtio-blk-mmio", .needs_cap = true, .probe = blk_probe, .reset = virtio_mmio_reset};
