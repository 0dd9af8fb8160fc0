// SPDX-License-Identifier: MIT
/* uart: one more serial port, as a raw log with input [proto/log.h]: for cons (a second terminal), for a guest or a
 * monitor. One gate, "svr", for whoever has it; who bound last has the input. */
#include "options.h"
#include "uart16550.h"

#include <abi/syscall.h>
#include <proto/log.h>
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <stdio.h>
#include <util/bits.h>

static struct uart16550 uart;
static struct options options;
static struct server_source gate, irq;
static cap_t ports, reader; /* reader: the signal for input */

static uint8_t port_in(void *ctx, unsigned reg)
{
    (void)ctx;
    return (uint8_t)sys_port_in(ports, options.port + reg, 1).extra;
}

static void port_out(void *ctx, unsigned reg, uint8_t value)
{
    (void)ctx;
    (void)!sys_port_out(ports, options.port + reg, 1, value);
}

static uint64_t now(void *ctx)
{
    (void)ctx;
    return sys_now_ns();
}

static void irq_event(void *ctx)
{
    (void)ctx;
    if (uart16550_interrupt(&uart) && reader != CAP_NULL) {
        sys_signal_raise(reader);
    }
}

static int64_t do_write(struct msg *request)
{
    char data[LOG_WRITE_MAX];
    size_t len = msg_get_bytes(request, data, sizeof(data));
    int64_t err = msg_end(request);

    if (err >= 0) {
        uart16550_write(&uart, data, len);
    }
    return err;
}

static int64_t do_read(struct msg *request, struct msg *reply)
{
    char data[LOG_WRITE_MAX];
    uint64_t max = msg_get(request);
    int64_t err = msg_end(request);

    if (err < 0) {
        return err;
    }
    size_t n = uart16550_read(&uart, data, min(max, (uint64_t)sizeof(data)));
    msg_begin(reply, SK_OK);
    msg_put_bytes(reply, data, n);
    return SK_OK;
}

static int64_t do_bind(struct msg *request)
{
    cap_t signal = msg_get_cap(request);
    int64_t err = msg_end(request);

    if (err < 0) {
        sys_cap_drop(signal);
        return err;
    }
    if (reader != CAP_NULL) {
        sys_cap_drop(reader);
    }
    reader = signal;
    sys_signal_raise(reader); /* input may have come before */
    return SK_OK;
}

static int64_t call(void *ctx, struct msg *request, struct msg *reply)
{
    (void)ctx;
    switch (request->op) {
    case PROTO_ID:
        return PROTO_LOG;
    case LOG_WRITE:
        return do_write(request);
    case LOG_READ:
        return do_read(request, reply);
    case LOG_BIND_INPUT:
        return do_bind(request);
    case LOG_FLUSH:
        return msg_end(request);
    default:
        return SK_ENOSYS;
    }
}

static int fail(const char *what, int64_t err, const char *remedy)
{
    printf("uart: %s: %s; %s\n", what, sk_strerror(err), remedy);
    return 1;
}

/* Of all ports only the device's are kept. */
static int ports_take(void)
{
    cap_t all = sk_env_get("ioport");
    int64_t err = all == CAP_NULL ? SK_ENOENT : sys_port_derive(CAP_QUOTA, all, options.port, UART_PORTS);

    if (err < 0) {
        return fail("taking its I/O ports", err, "pass ioport = L4.Env.ioport");
    }
    ports = (cap_t)err;
    sys_cap_drop(all);
    struct sys_result r = sys_port_in(ports, options.port, 1);
    if (r.value < 0) {
        return fail("reading its ports", r.value, "the first serial port is the kernel's: take another (--port 0x2f8)");
    }
    return 0;
}

static int irq_take(void)
{
    cap_t icu = sk_env_get("icu");
    int64_t err = server_signal(&irq, CAP_NULL, irq_event, NULL);

    err = err < 0 ? err : icu == CAP_NULL ? SK_ENOENT : sys_irq_bind(icu, options.irq, IRQ_FIRMWARE, irq.cap);
    if (err < 0) {
        return fail("binding its interrupt", err, "pass icu = L4.Env.icu, and the line that is the port's (--irq)");
    }
    sys_cap_drop(icu);
    return 0;
}

int main(int argc, char **argv)
{
    char error[160];
    int64_t err =
        sk_env_get("svr") == CAP_NULL ? SK_ENOENT : server_gate(&gate, sk_env_get("svr"), call, NULL, NULL, 1);

    if (err < 0) {
        return fail("serving the capability 'svr'", err, "pass a channel's :svr() by that name");
    }
    if (!options_parse(&options, argc, argv, error, sizeof(error))) {
        printf("uart: %s\n", error);
        return 2;
    }
    uart = (struct uart16550){.in = port_in, .out = port_out, .now_ns = now};
    if (ports_take() != 0 || irq_take() != 0) {
        return 1;
    }
    if (!uart16550_init(&uart, options.baud)) {
        printf("uart: there is no 16550 at port 0x%x; with QEMU each -serial option makes one (0x3f8, 0x2f8, ...)\n",
               options.port);
        return 1;
    }
    server_loop();
}
