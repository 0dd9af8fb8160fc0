// SPDX-License-Identifier: MIT
/* The virtio console [virtio-1.2 5.3]: one port, queue 0 to the guest, queue 1 from the guest; no MULTIPORT. It is a
 * port of the VM's console (console.h).
 *
 * To the guest: a chain is filled with the input that waits, as soon as both are there. While the guest has no buffer,
 * input stays where it comes from. From the guest: everything is written out before the chain is returned, at most
 * TX_BUDGET bytes at a time; a guest that queues more gets on with it in between (the signal `more` continues). The
 * interrupt for returned chains comes when none has been returned for TX_QUIET_NS, if the driver still waits for it
 * then: Linux polls after each line and would only count interrupts, until it gives up the vector as one that nobody
 * handles. */

#include "../console.h"
#include "../device.h"
#include "../gmem.h"
#include "../log.h"
#include "../timer.h"
#include "virtio.h"
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <util/bits.h>
#include <virtio/vring.h>

#define RX 0u
#define TX 1u
#define QUEUE_SIZE 128u
#define SEGMENTS QUEUE_SIZE
#define PIECE 256u
#define TX_BUDGET 65536u
#define TX_QUIET_NS 4000000ull
#define CLASS_COMMUNICATION_OTHER 0x078000u

#define VIRTIO_CONSOLE_F_EMERG_WRITE (1ull << 2)

/* [virtio-1.2 5.3.4] */
struct virtio_console_config {
    uint16_t cols, rows;
    uint32_t max_nr_ports;
    uint32_t emerg_wr;
};
_Static_assert(offsetof(struct virtio_console_config, cols) == 0, "virtio_console_config layout");
_Static_assert(offsetof(struct virtio_console_config, rows) == 2, "virtio_console_config layout");
_Static_assert(offsetof(struct virtio_console_config, max_nr_ports) == 4, "virtio_console_config layout");
_Static_assert(offsetof(struct virtio_console_config, emerg_wr) == 8, "virtio_console_config layout");

static struct {
    bool present;
    struct virtio_dev dev;
    struct console_port port;
    struct gmem mem;
    struct vring ring[2];
    struct server_source more;
    struct vtimer tx_quiet; /* set: chains have been returned, ... */
    bool tx_busy;           /* ... also since it was set */
    /* The chain being written out: segment `at` of `count`, from byte `off` of it; count 0: none. */
    struct {
        struct vring_seg seg[SEGMENTS];
        unsigned count, at;
        uint32_t off;
        uint32_t head;
    } tx;
} con;

static void queue_broken(unsigned q, const char *why)
{
    log_info(LOG_VIRTIO, "%s: queue %u: %s: the device needs a reset by its driver", con.dev.pci.name, q, why);
    virtio_broken(&con.dev);
}

static bool queue_usable(unsigned q)
{
    return con.dev.queue[q].started && !(con.dev.status & VIRTIO_STATUS_NEEDS_RESET);
}

/* --- from the guest --- */

static void tx_quiet(void *ctx)
{
    (void)ctx;
    if (con.tx_busy) {
        con.tx_busy = false;
        vtimer_set(&con.tx_quiet, clock_now_ns() + TX_QUIET_NS, tx_quiet, NULL);
    } else if (queue_usable(TX) && vring_interrupt_due(&con.ring[TX])) {
        virtio_queue_interrupt(&con.dev, TX);
    }
}

static void tx_show(void)
{
    vring_show(&con.ring[TX]);
    con.tx_busy = con.tx_quiet.deadline_ns != VTIMER_NEVER;
    if (!con.tx_busy) {
        vtimer_set(&con.tx_quiet, clock_now_ns() + TX_QUIET_NS, tx_quiet, NULL);
    }
}

/* Takes the next chain. False: none. */
static bool tx_next(void)
{
    struct vring_chain chain;
    int n = vring_pop(&con.ring[TX], con.tx.seg, SEGMENTS, &chain);

    if (n < 0) {
        queue_broken(TX, vring_error(&con.ring[TX]));
    }
    if (n <= 0) {
        return false;
    }
    con.tx.count = chain.readable;
    con.tx.at = 0;
    con.tx.off = 0;
    con.tx.head = chain.head;
    return true;
}

/* Writes out a piece of the current chain, and returns the chain when it is through. Bytes written, at least 1. */
static uint32_t tx_piece(void)
{
    uint8_t buf[PIECE];
    uint32_t n = 1;

    if (con.tx.at < con.tx.count) {
        const struct vring_seg *s = &con.tx.seg[con.tx.at];

        n = min(s->len - con.tx.off, PIECE);
        if (ram_read(s->gpa + con.tx.off, buf, n) < 0) {
            queue_broken(TX, "buffer outside memory");
            return n;
        }
        console_write(&con.port, buf, n);
        con.tx.off += n;
        if (con.tx.off == s->len) {
            con.tx.at++;
            con.tx.off = 0;
        }
    }
    if (con.tx.at >= con.tx.count) {
        con.tx.count = 0;
        vring_push(&con.ring[TX], con.tx.head, 0);
    }
    return n;
}

static void tx_run(void)
{
    uint32_t budget = TX_BUDGET;

    while (budget && queue_usable(TX)) {
        if (!con.tx.count && !tx_next()) {
            break;
        }
        budget -= min(budget, tx_piece());
    }
    if (!queue_usable(TX)) {
        return;
    }
    tx_show();
    if (budget == 0 || vring_kick_enable(&con.ring[TX])) {
        sys_signal_raise(con.more.cap);
    }
}

static void more_event(void *ctx)
{
    (void)ctx;
    tx_run();
}

/* --- to the guest --- */

/* Spreads n bytes over the writable segments. False: one of them is not in memory. */
static bool rx_fill(const struct vring_seg *seg, unsigned count, const uint8_t *buf, size_t n)
{
    for (unsigned i = 0; i < count && n; i++) {
        size_t part = min((size_t)seg[i].len, n);

        if (ram_write(seg[i].gpa, buf, part) < 0) {
            return false;
        }
        buf += part;
        n -= part;
    }
    return true;
}

static size_t rx_room(const struct vring_seg *seg, unsigned count)
{
    size_t room = 0;

    for (unsigned i = 0; i < count; i++) {
        room += seg[i].len;
    }
    return min(room, (size_t)PIECE);
}

enum rx_result { RX_FILLED, RX_NO_INPUT, RX_NO_BUFFER, RX_BROKEN };

/* Fills one chain. */
static enum rx_result rx_one(void)
{
    struct vring_seg seg[SEGMENTS];
    struct vring_chain chain;
    uint8_t buf[PIECE];
    int n = vring_pop(&con.ring[RX], seg, SEGMENTS, &chain);

    if (n < 0) {
        queue_broken(RX, vring_error(&con.ring[RX]));
        return RX_BROKEN;
    }
    if (n == 0) {
        return RX_NO_BUFFER;
    }
    size_t got = console_read(&con.port, buf, rx_room(seg + chain.readable, chain.writable));
    if (!got && chain.writable) {
        vring_unpop(&con.ring[RX], &chain);
        return RX_NO_INPUT;
    }
    if (!rx_fill(seg + chain.readable, chain.writable, buf, got)) {
        queue_broken(RX, "buffer outside memory");
        return RX_BROKEN;
    }
    vring_push(&con.ring[RX], chain.head, (uint32_t)got);
    return RX_FILLED;
}

static void rx_run(void)
{
    enum rx_result r = RX_NO_INPUT;

    if (!queue_usable(RX)) {
        return;
    }
    do {
        r = rx_one();
    } while (r == RX_FILLED || (r == RX_NO_BUFFER && vring_kick_enable(&con.ring[RX])));
    if (r != RX_BROKEN && vring_publish(&con.ring[RX])) {
        virtio_queue_interrupt(&con.dev, RX);
    }
}

static void input_ready(void *ctx)
{
    (void)ctx;
    rx_run();
}

/* --- virtio_ops --- */

static int con_queue_start(struct virtio_dev *d, unsigned q)
{
    const struct virtio_queue *vq = &d->queue[q];
    struct vring_config cfg = {
        .num = vq->size, .desc = vq->desc, .avail = vq->driver, .used = vq->device, .features = d->accepted};
    int64_t err = vring_init(&con.ring[q], &con.mem, &cfg);

    if (err < 0) {
        log_info(LOG_VIRTIO, "%s: setting up queue %u: %s", d->pci.name, q, sk_strerror(err));
        return (int)err;
    }
    if (q == RX) {
        rx_run(); // input may have come before the driver
    }
    return SK_OK;
}

static void con_notify(struct virtio_dev *d, unsigned q)
{
    (void)d;
    if (q == RX) {
        rx_run();
    } else {
        tx_run();
    }
}

static int con_reset(struct virtio_dev *d)
{
    (void)d;
    con.tx.count = 0;
    vtimer_cancel(&con.tx_quiet);
    console_flush();
    return SK_OK;
}

/* emerg_wr: a character for a guest that has no queue yet [virtio-1.2 5.3.4]. */
static void con_config_write(struct virtio_dev *d, unsigned off, unsigned width, uint32_t value)
{
    char c = (char)value;

    (void)d, (void)width;
    if (off == offsetof(struct virtio_console_config, emerg_wr)) {
        console_write(&con.port, &c, 1);
    }
}

static const struct virtio_ops con_ops = {
    .queue_start = con_queue_start,
    .notify = con_notify,
    .reset = con_reset,
    .config_write = con_config_write,
};

static int con_create(const char *name, bool mmio)
{
    static const struct virtio_console_config config = {.max_nr_ports = 1};
    const struct virtio_info info = {
        .name = name,
        .id = VIRTIO_ID_CONSOLE,
        .class_code = CLASS_COMMUNICATION_OTHER,
        .features = VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_CONSOLE_F_EMERG_WRITE,
        .queue_count = 2,
        .queue_size = QUEUE_SIZE,
        .config = &config,
        .config_size = sizeof(config),
        .ops = &con_ops,
        .mmio = mmio,
    };
    int64_t err = virtio_memory_table(&con.mem);

    if (!err) {
        err = server_signal(&con.more, CAP_NULL, more_event, NULL);
    }
    if (err < 0) {
        return (int)err;
    }
    con.port.input_ready = input_ready;
    con.tx_quiet.deadline_ns = VTIMER_NEVER;
    err = virtio_dev_add(&con.dev, &info);
    if (err < 0) {
        server_remove(&con.more);
        return (int)err;
    }
    con.present = true;
    console_port_add(&con.port);
    return SK_OK;
}

static int con_probe(const void *fdt, int node, const char *name)
{
    if (con.present) {
        log_error(LOG_VIRTIO, "device tree node %s: there can be only one virtio console: remove one of the two nodes",
                  name);
        return SK_EEXIST;
    }
    bool mmio = virtio_node_mmio(fdt, node);
    int err = mmio ? SK_OK : virtio_bus_check(name);
    if (err) {
        return err;
    }
    err = con_create(name, mmio);
    if (err) {
        log_error(LOG_VIRTIO, "%s: making the virtio console: %s", name, sk_strerror(err));
    }
    return err;
}

/* The PCI bus resets its devices. */
const struct device_type virtio_console_type = {.compatible = "skerry,virtio-console", .probe = con_probe};
const struct device_type virtio_console_mmio_type = {
    .compatible = "skerry,virtio-console-mmio", .probe = con_probe, .reset = virtio_mmio_reset};
