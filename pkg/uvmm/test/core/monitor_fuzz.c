// SPDX-License-Identifier: MIT
/* Fuzz target: what is typed at the monitor, and the guest that it looks at. The input is struct state, text up to a
 * zero byte, and what stands in the guest's memory from TABLES on: page tables, a stack, code, rings. */
#include "../../src/log.h"
#include "../../src/log_client.h"
#include "../../src/monitor/monitor.h"
#include "../../src/timer.h"
#include "../../src/vcpu.h"
#include "../../src/virtio/virtio.h"
#include "fakes.h"

#include <stdlib.h>
#include <string.h>

#define RAM (64u << 10)
#define TABLES 0x1000u

struct state {
    uint64_t cr0, cr3, cr4, efer, rip, rsp, ss_base;
    uint64_t driver, device, accepted; /* of a virtio queue */
    uint16_t cs_attr, queue_size;
    uint8_t cpl, started;
    uint8_t unused[2];
};

struct vcpu vcpus[VCPUS_MAX];
static struct vcpu_state page;
static struct virtio_dev dev = {.queue_count = 1, .pci.name = "fuzz"};

void clock_stop(void) {}
void clock_go(void) {}
bool vm_ended(void)
{
    return fake_ended != 0;
}
const char *vcpu_exit_name(unsigned reason)
{
    (void)reason;
    return "exit";
}
cap_t sk_env_get(const char *name)
{
    (void)name;
    return CAP_NULL;
}
const char *sk_strerror(int64_t err)
{
    (void)err;
    return "error";
}
int64_t log_client_open(struct log_client *c, cap_t cap, server_event_fn event, void *ctx)
{
    (void)c, (void)cap, (void)event, (void)ctx;
    abort(); /* there is no capability "mon" */
}
size_t log_client_read(const struct log_client *c, void *buf, size_t max)
{
    (void)c, (void)buf, (void)max;
    abort();
}
void log_client_write(const struct log_client *c, const void *data, size_t len)
{
    (void)c;
    if (len > 0 && memchr(data, 0, len) != NULL) {
        abort();
    }
}
const struct virtio_dev *virtio_dev_next(const struct virtio_dev *d)
{
    return d == NULL ? &dev : NULL;
}
struct pci_dev *pci_host_dev(unsigned slot)
{
    return slot == 0 ? &dev.pci : NULL;
}
uint32_t pci_cfg_get(const struct pci_dev *d, unsigned off, unsigned size)
{
    (void)d, (void)off, (void)size;
    return 0;
}
bool pci_msix_enabled(const struct pci_dev *d)
{
    (void)d;
    return false;
}

static void state_set(const struct state *s)
{
    page = (struct vcpu_state){.cr0 = s->cr0, .cr3 = s->cr3, .cr4 = s->cr4, .efer = s->efer, .rip = s->rip};
    page.gpr[GPR_RSP] = s->rsp;
    page.ss.base = s->ss_base;
    page.cs.attr = s->cs_attr;
    page.cpl = s->cpl;
    page.valid = UINT32_MAX; /* the kernel is not asked */
    vcpus[0] = (struct vcpu){.state = &page};
    dev.queue[0] = (struct virtio_queue){
        .driver = s->driver, .device = s->device, .size = s->queue_size, .started = s->started & 1};
    dev.accepted = s->accepted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct log_client console;
    static char key[] = {MONITOR_KEY};
    struct state s;

    if (size < sizeof(s)) {
        return 0;
    }
    memcpy(&s, data, sizeof(s));
    data += sizeof(s);
    size -= sizeof(s);
    size_t len = strnlen((const char *)data, size), text_len = len;
    char *text = malloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        text[i] = data[i] == MONITOR_KEY ? ' ' : (char)data[i]; /* all of it is the monitor's */
    }
    len += len < size; /* the zero byte */
    log_level_set_all(LOG_QUIET);
    fake_machine(RAM);
    memcpy(fake_ram() + TABLES, data + len, size - len < RAM - TABLES ? size - len : RAM - TABLES);
    state_set(&s);
    monitor_reset();
    if (monitor_init(true) != 0) {
        abort();
    }
    monitor_console_set(&console);
    (void)monitor_filter(key, 1);
    if (monitor_filter(text, text_len) != 0) {
        abort();
    }
    (void)monitor_serve();
    (void)monitor_filter(key, 1);
    free(text);
    return 0;
}
