// SPDX-License-Identifier: MIT
/* nvme-drv: NVMe controllers of a virtual bus as virtio block devices. Order of things: options, controllers on the
 * bus, clients' gates, then each controller's worker, and the event loop for ever. */
#include "client.h"
#include "command.h"
#include "factory.h"

#include <rt/guard.h>
#include <rt/stop.h>
#include <sk/env.h>
#include <stdlib.h>

#define DEVICES_MAX 32u

static struct device *devices[DEVICES_MAX];
static struct nvme_ctrl *scanned[DEVICES_MAX]; /* controllers that are ready */
static unsigned device_count, scanned_count, finished_count;
static struct server_source stop; /* raised when the program shall end */
static bool stopping;
static struct options options;

static void scan_finished(void)
{
    clients_match(scanned, scanned_count, true);
    factory_scanned();
    if (!sk_env_get("svr")) {
        log_info("NVMe[]: Capability 'svr' not found. No dynamic clients accepted.");
    }
}

/* The program ends when nothing keeps the controllers from being off. */
static void stop_finish(void)
{
    for (unsigned i = 0; i < device_count; i++) {
        if (devices[i]->ctrl.state != CTRL_OFF && devices[i]->ctrl.state != CTRL_DEAD) {
            return;
        }
    }
    log_info("NVMe[]: NVMe driver ends.");
    exit(0);
}

static void stop_event(void *ctx)
{
    (void)ctx;
    if (stopping) {
        return;
    }
    stopping = true;
    clients_stop();
    for (unsigned i = 0; i < device_count; i++) {
        nvme_ctrl_stop(&devices[i]->ctrl);
    }
    stop_finish();
}

static void device_ready(struct device *dev)
{
    dev->known = true;
    finished_count++;
    if (dev->ctrl.state != CTRL_DEAD) {
        scanned[scanned_count++] = &dev->ctrl;
    }
    if (finished_count == device_count) {
        scan_finished();
    } else {
        clients_match(scanned, scanned_count, false);
    }
}

static void device_changed(struct device *dev)
{
    if (!dev->known) {
        device_ready(dev);
    }
    if (dev->ctrl.ns_changed) {
        dev->ctrl.ns_changed = false;
        clients_update();
    }
    if (stopping) {
        stop_finish();
    }
}

int main(int argc, char **argv)
{
    char error[256];

    if (!options_parse(&options, argc, argv, error, sizeof(error))) {
        log_error("nvme-drv: %s", error);
        return 1;
    }
    log_level = options.level;
    log_info("NVMe[]: NVMe driver says hello.");
    rt_fault_hook = client_fault;
    clients_open(&options);
    if (sk_env_get("svr") && !factory_open(sk_env_get("svr"))) {
        return 1;
    }
    command_open(options.console);
    int64_t err = server_signal(&stop, CAP_NULL, stop_event, NULL);

    if (err < 0 || (err = rt_stop_signal(stop.cap)) < 0) {
        log_error("NVMe[]: Asking for notice when the program shall end: %s", sk_strerror(err));
    }
    log_info("NVMe[]: Starting device discovery.");
    cap_t bus = sk_env_get("vbus");

    if (bus) {
        device_count = device_scan(bus, &options, devices, DEVICES_MAX);
    } else {
        log_error("NVMe[]: There is no capability 'vbus': give the program a virtual bus of io, see vmm.start_io");
    }
    log_info("NVMe[]: All devices scanned.");
    for (unsigned i = 0; i < device_count; i++) {
        device_start(devices[i], device_changed);
    }
    if (device_count == 0) {
        scan_finished();
    }
    server_loop();
}
