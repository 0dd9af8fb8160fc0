// SPDX-License-Identifier: MIT
/* What the PCI and virtio code stands on, as far as their tests need it: bus, interrupts, guest memory, console, kernel
 * and server loop. One global state; fake_init() starts afresh. */
#pragma once

#include "../../src/bus.h"
#include <abi/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_RAM (1u << 20) /* guest memory from 0 */
#define FAKE_RECORDS 4
#define FAKE_SIGNALS 64u
#define FAKE_CAPS 100u /* signals are FAKE_CAPS.. */
#define FAKE_GATE 50u
#define FAKE_LIFELINE 51u
#define FAKE_RECORD 52u

struct fake_range {
    bool mmio;
    uint64_t first, size;
    const struct bus_ops *ops;
    void *ctx;
};

struct fake_doorbell {
    unsigned port;
    cap_t signal;
};

struct sk_thread;
struct server_source;

struct fake {
    struct fake_range range[64];
    unsigned ranges;
    struct {
        uint64_t address;
        uint32_t data;
        unsigned count;
    } msi;
    bool line[32];
    uint16_t present; /* power_present_set() */
    uint8_t *ram;
    unsigned logs; /* messages printed */
    char log[512]; /* the last one */
    /* console */
    char out[1 << 18];
    size_t out_len;
    char in[4096];
    size_t in_len;
    struct console_port *port;
    /* kernel */
    uint64_t now;
    cap_t signals; /* made so far */
    bool raised[FAKE_SIGNALS];
    struct server_source *source[FAKE_SIGNALS];
    struct server_source *gate; /* made by server_gate() */
    struct sk_thread *thread;   /* made and not destroyed */
    cap_t timer;                /* sys_signal_timer() */
    uint64_t timer_ns;
    void *record;                /* of the latest vm_alloc(), */
    void *records[FAKE_RECORDS]; /* and all of them */
    unsigned record_count;
    struct fake_doorbell doorbell[32];
    unsigned doorbells;
    bool doorbells_refused;
    int timeout_len;                                    /* of the node's skerry,server-timeout, 0: none */
    cap_t node_cap;                                     /* what device_node_cap() gives */
    int64_t (*server)(uint64_t tag, uint64_t deadline); /* behind FAKE_GATE */
    bool (*poll)(void); /* in server_poll() while nothing is raised: true if it raised something */
};
extern struct fake fake;

void fake_init(void);
/* Time passes, and timers of the devices fire. */
void fake_wait(uint64_t ns);
/* Handles raised signals that have a source, until there are none. */
void fake_events(void);
/* An OUT by the guest: doorbell or bus, as the kernel would have it. */
void fake_out(uint16_t port, unsigned width, uint32_t value);
cap_t fake_doorbell_at(unsigned port);
void fake_input(const char *s);

/* Configuration mechanism #1. */
uint32_t cfg_read(unsigned slot, unsigned off, unsigned width);
void cfg_write(unsigned slot, unsigned off, unsigned width, uint32_t value);

/* A driver's view of a virtio device: found by its capabilities, as a guest does. */
struct driver {
    unsigned slot;
    uint32_t common, isr, config, msix, pba; /* addresses */
    uint16_t notify;
    uint32_t multiplier;
    unsigned msix_cap, window;
};
void driver_find(struct driver *d, unsigned slot);
uint32_t common_read(const struct driver *d, unsigned off, unsigned width);
void common_write(const struct driver *d, unsigned off, unsigned width, uint32_t value);
/* Reset up to FEATURES_OK with these features; true if the device took them. */
bool driver_features(const struct driver *d, uint64_t features);
void driver_queue(const struct driver *d, unsigned q, unsigned size, uint64_t desc, uint64_t avail, uint64_t used);
void driver_ok(const struct driver *d);
/* Enables MSI-X: vector v sends data 0x40 + v to 0xfee00000. */
void driver_msix(const struct driver *d, unsigned vectors);
