// SPDX-License-Identifier: MIT
/* Asynchronous events [NVMe-1.4 5.2]: requests for them are kept with the controller, and what they bring is done by
 * the worker. Reading the log page that belongs to an event arms that kind of event again.
 *
 * A controller that reports without end is asked less often: EVENTS_PER_S. */
#include "ctrl_priv.h"

#include "log.h"
#include <abi/types.h>
#include <string.h>

#define EVENTS_PER_S 16u
#define SECOND_NS 1000000000ull

int64_t ctrl_event_config(struct nvme_ctrl *c)
{
    struct nvme_sqe sqe = {
        .opcode = NVME_ADMIN_SET_FEATURES,
        .cdw10 = NVME_FEAT_ASYNC_EVENT,
        .cdw11 = (uint32_t)NVME_ASYNC_SMART | (c->id.ns_events ? (uint32_t)NVME_ASYNC_NS : 0),
    };
    int64_t err = ctrl_admin(c, &sqe, "Asking for events", NULL);

    c->event.count = 0;
    c->event.wanted = err ? 0 : c->id.event_limit;
    return err == SK_EIO ? SK_OK : err; /* it works without them */
}

/* --- requests --- */

static void event_done(struct nvme_cmd *cmd, uint32_t status, uint32_t dw0)
{
    struct nvme_ctrl *c = cmd->ctx;

    c->event.out--;
    if (status & NVME_STATUS_LOST) {
        return; /* a reset: they are sent again behind it */
    }
    if (NVME_STATUS_CODE(status) != 0) {
        c->event.wanted = c->event.out + c->event.count; /* it does not take so many */
        return;
    }
    c->event.dw0[c->event.count++] = dw0;
    ctrl_wake(c);
}

static void event_request(struct nvme_ctrl *c)
{
    struct nvme_sqe *sqe;
    struct nvme_cmd *cmd = nvme_queue_get(&c->admin, &sqe);

    if (!cmd) {
        c->event.wanted = c->event.out; /* only after many time-outs of admin commands; a reset mends it */
        return;
    }
    sqe->opcode = NVME_ADMIN_ASYNC_EVENT;
    cmd->done = event_done;
    cmd->ctx = c;
    c->event.out++;
    nvme_queue_put(&c->admin, cmd, ctrl_now(c));
}

/* What is in dw0 counts, too: more may come while the worker waits for a log page. */
static bool requests_missing(const struct nvme_ctrl *c)
{
    return c->event.out + c->event.count < c->event.wanted;
}

static void events_request(struct nvme_ctrl *c)
{
    uint64_t now = ctrl_now(c);

    if (now >= c->event.second_ns + SECOND_NS) {
        c->event.second_ns = now;
        c->event.recent = 0;
    }
    if (c->event.recent >= EVENTS_PER_S) {
        c->event.pause_ns = c->event.second_ns + SECOND_NS;
        return;
    }
    while (requests_missing(c)) {
        event_request(c);
    }
    nvme_queue_ring(&c->admin);
}

bool ctrl_events_wanted(struct nvme_ctrl *c)
{
    return c->state == CTRL_READY &&
           (c->event.count > 0 || c->rescan || (requests_missing(c) && ctrl_now(c) >= c->event.pause_ns));
}

/* --- what they say --- */

static const char *error_text(uint64_t info)
{
    static const char *const text[] = {
        "write to an invalid doorbell", "invalid value of a doorbell", "diagnostic failure",
        "persistent internal error",    "transient internal error",    "firmware cannot be loaded",
    };

    return info < ARRAY_SIZE(text) ? text[info] : "unknown error";
}

static void error_event(struct nvme_ctrl *c, uint64_t info)
{
    const struct nvme_error_entry *e = c->scratch.mem;
    bool has = ctrl_log_page(c, NVME_LOG_ERROR, sizeof(*e), false) == SK_OK && e->count != 0;

    log_error("NVMe[%s]: The drive reports: %s%s%s", c->id.serial, error_text(info), has ? "; last error: " : "",
              has ? nvme_status_text(e->status >> 1) : "");
}

const char *nvme_warning_text(unsigned bit)
{
    static const char *const text[] = {
        "its spare capacity is low",
        "its temperature is outside its limits",
        "it has become unreliable",
        "its media are read-only now",
        "the backup of its volatile memory has failed",
        "its persistent memory region is unreliable",
    };

    return bit < ARRAY_SIZE(text) ? text[bit] : "it is in a critical state";
}

static void smart_event(struct nvme_ctrl *c)
{
    const struct nvme_smart *s = c->scratch.mem;

    if (ctrl_log_page(c, NVME_LOG_SMART, sizeof(*s), false)) {
        return;
    }
    uint8_t warning = s->warning, fresh = warning & (uint8_t)~c->event.warning;

    for (unsigned bit = 0; bit < 8; bit++) {
        if (fresh >> bit & 1) {
            log_warn("NVMe[%s]: The drive warns: %s (critical warning %#x, %d C, spare %u %%, used %u %%)",
                     c->id.serial, nvme_warning_text(bit), warning, (s->temperature[0] | s->temperature[1] << 8) - 273,
                     s->spare, s->used);
        }
    }
    if (c->event.warning & ~warning) {
        log_info("NVMe[%s]: The drive takes a warning back (critical warning %#x)", c->id.serial, warning);
    }
    c->event.warning = warning;
}

void ctrl_rescan(struct nvme_ctrl *c, bool all)
{
    uint32_t changed[1024];
    bool known = !all && ctrl_log_page(c, NVME_LOG_CHANGED_NS, sizeof(changed), false) == SK_OK;

    c->rescan = false;
    memcpy(changed, c->scratch.mem, sizeof(changed));
    if (ctrl_namespaces(c, known ? changed : NULL) == SK_OK) {
        ctrl_scan_tables(c);
    }
}

static void event_handle(struct nvme_ctrl *c, uint32_t dw0)
{
    uint64_t type = field_get(NVME_EVENT_TYPE, dw0), info = field_get(NVME_EVENT_INFO, dw0),
             page = field_get(NVME_EVENT_LOG, dw0);

    c->event.recent++;
    if (type == NVME_EVENT_ERROR) {
        error_event(c, info);
    } else if (type == NVME_EVENT_SMART) {
        smart_event(c);
    } else if (type == NVME_EVENT_NOTICE && info == NVME_NOTICE_NS_CHANGED) {
        ctrl_rescan(c, false);
    } else {
        int64_t err = ctrl_log_page(c, (uint8_t)page, 512, false); /* arms it again */

        log_info("NVMe[%s]: Event of type %u, information %u (log page %u%s)", c->id.serial, (unsigned)type,
                 (unsigned)info, (unsigned)page, err ? ", which cannot be read" : "");
    }
}

void ctrl_events(struct nvme_ctrl *c)
{
    while (c->event.count > 0 && c->state == CTRL_READY) {
        event_handle(c, c->event.dw0[--c->event.count]);
    }
    if (c->rescan && c->state == CTRL_READY) {
        ctrl_rescan(c, true);
    }
    if (c->state == CTRL_READY) {
        events_request(c);
    }
}
