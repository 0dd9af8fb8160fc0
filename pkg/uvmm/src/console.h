// SPDX-License-Identifier: MIT
/* The VM's console. Every console-like device (UART, virtio console) is a port; all ports write to the program's "log".
 * Input goes to the port that the guest wrote to last: the shell's prompt decides, so that console=hvc0 and
 * console=ttyS0 both work with both devices present. Output is collected and sent at a newline, when 256 bytes wait,
 * before the vcpu idles, and at the end of the VM. One thread. */
#pragma once

#include <stddef.h>

struct console_port {
    /* Input is there and this port is the current one. The port takes it with console_read, now or when the guest has
     * room. */
    void (*input_ready)(void *ctx);
    void *ctx;
    struct console_port *next;
};

/* Adds a port (its memory stays the caller's and must live as long as the program). The first one is current at the
 * start. */
void console_port_add(struct console_port *p);
/* Output of the guest; makes p the current port (input that waits is announced to it). */
void console_write(struct console_port *p, const void *buf, size_t len);
/* Takes up to max bytes of input; 0 when there is none or p is not the current port. */
size_t console_read(struct console_port *p, void *buf, size_t max);
/* Sends collected output now. */
void console_flush(void);
