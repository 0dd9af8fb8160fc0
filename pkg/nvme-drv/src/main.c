// SPDX-License-Identifier: MIT
/* nvme-drv: NVMe controllers of a virtual bus as virtio block devices. Order of things: options, controllers on the
 * bus, clients' gates, then each controller's worker, and the event loop for ever. */
#include "client.h"
#include "command.h"
#include "factory.h"

#include <rt/guard.h>
#include <sk/env.h>

#define DEVICES_MAX 32u

static struct device *devices[DEVICES_MAX];
static struct nvme_ctrl *scanned[DEVICES_MAX]; /* controllers that are ready */
static unsigned device_count, scanned_count, finished_count;
static struct options options;

static void scan_finished(void)
{
    clients_match(scanned, scanned_count, true);
    factory_scanned();
    if (!sk_env_get("svr")) {
        log_info("NVMe[]: Capability 'svr' not found. No dynamic clients accepted.");
    }
}

static void device_ready(struct device *dev)
{
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
    log_info("NVMe[]: Starting device discovery.");
    cap_t bus = sk_env_get("vbus");

    if (bus) {
        device_count = device_scan(bus, &options, devices, DEVICES_MAX);
    } else {
        log_error("NVMe[]: There is no capability 'vbus': give the program a virtual bus of io, see vmm.start_io");
    }
    log_info("NVMe[]: All devices scanned.");
    for (unsigned i = 0; i < device_count; i++) {
        device_start(devices[i], device_ready);
    }
    if (device_count == 0) {
        scan_finished();
    }
    server_loop();
}
