// SPDX-License-Identifier: MIT
/* Commands about controllers and namespaces: see admin.h.
 *
 * What needs the drive runs in the controller's worker (nvme_ctrl_request()): it has the scratch buffer, and may wait.
 * The command waits for it; meanwhile the controller counts it as a user, so that it is not shut down. */
#include "admin.h"

#include "command.h"
#include "ctrl_priv.h"
#include "device.h"
#include <abi/types.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ERRORS_MAX 64u /* the newest: what fits into a page */

/* --- which controller --------------------------------------------------------------------------------------------- */

static const char *ctrl_name(const struct nvme_ctrl *c)
{
    return c->id.serial[0] ? c->id.serial : c->hw->name;
}

/* By its serial number or its place. NULL: said so. */
static struct nvme_ctrl *ctrl_named(struct shell *sh, const char *name)
{
    struct device *dev;

    for (unsigned i = 0; (dev = device_at(i)); i++) {
        if (strcasecmp(dev->ctrl.id.serial, name) == 0 || strcasecmp(dev->name, name) == 0) {
            return &dev->ctrl;
        }
    }
    shell_printf(sh, "there is no controller '%s'; 'list' shows them\n", name);
    return NULL;
}

static bool nsid_given(struct shell *sh, const char *text, uint32_t *nsid)
{
    if (limit_parse(*text == 'n' ? text + 1 : text, NVME_NSID_MAX, nsid)) {
        return true;
    }
    shell_printf(sh, "'%s' is no namespace: a number from 1 on is needed\n", text);
    return false;
}

/* --- in the worker ------------------------------------------------------------------------------------------------ */

struct request {
    struct nvme_request base;
    struct shell *sh;
    uint32_t nsid;
    enum nvme_attach attach;
};

static void request_done(struct nvme_request *r)
{
    (void)r;
    command_wake();
}

/* Runs it in the worker and waits for its end. */
static void request_run(struct nvme_ctrl *c, struct request *r,
                        void (*run)(struct nvme_ctrl *c, struct nvme_request *r))
{
    if (c->state == CTRL_DEAD) {
        shell_printf(r->sh, "the controller %s is not used any more\n", ctrl_name(c));
        return;
    }
    r->base.run = run;
    r->base.done = request_done;
    nvme_ctrl_use(c);
    nvme_ctrl_request(c, &r->base);
    command_wait();
    nvme_ctrl_unuse(c);
}

/* True: the drive has done it. */
static bool succeeded(struct nvme_ctrl *c, struct shell *sh, int64_t err)
{
    if (err == SK_EIO) {
        shell_printf(sh, "%s refuses: %s (SCT %u, SC %#x)\n", ctrl_name(c), nvme_status_text(c->admin_status),
                     NVME_STATUS_SCT(c->admin_status), NVME_STATUS_SC(c->admin_status));
    } else if (err) {
        shell_printf(sh, "%s does not answer\n", ctrl_name(c));
    }
    return err == SK_OK;
}

/* --- identify ----------------------------------------------------------------------------------------------------- */

static void identify_ctrl(struct nvme_ctrl *c, struct nvme_request *base)
{
    struct shell *sh = container_of(base, struct request, base)->sh;
    const struct nvme_id_ctrl *id = c->scratch.mem;
    const struct ident_ctrl *o = &c->id;

    if (!succeeded(c, sh, ctrl_identify_page(c, NVME_CNS_CONTROLLER, 0, "Identify Controller"))) {
        return;
    }
    shell_printf(sh,
                 "serial number      %s\nmodel              %s\nfirmware           %s\n"
                 "PCI                %s, vendor %04x, subsystem vendor %04x\nversion            %u.%u.%u\n",
                 o->serial, o->model, o->firmware, c->hw->name, id->vid, id->ssvid,
                 (unsigned)field_get(NVME_VS_MJR, id->ver), (unsigned)field_get(NVME_VS_MNR, id->ver),
                 (unsigned)field_get(NVME_VS_TER, id->ver));
    shell_printf(sh,
                 "controller         %u\nnamespaces         up to %u\nlargest transfer   %u KiB (MDTS %u)\n"
                 "queues             %u of up to %u entries\nwrite cache        %s\n",
                 id->cntlid, id->nn, o->max_transfer >> 10, id->mdts, c->io_granted,
                 (unsigned)field_get(NVME_CAP_MQES, c->cap) + 1,
                 !o->cache ? "none"
                 : o->vwc  ? "on"
                           : "off");
    shell_printf(sh, "optional           OACS %#x, ONCS %#x, OAES %#x, SGLS %#x, LPA %#x, VWC %#x\n", id->oacs,
                 id->oncs, id->oaes, id->sgls, id->lpa, id->vwc);
}

static void identify_ns(struct nvme_ctrl *c, struct nvme_request *base)
{
    struct request *r = container_of(base, struct request, base);
    struct shell *sh = r->sh;
    const struct nvme_id_ns *id = c->scratch.mem;
    struct ident_ns info;

    if (!succeeded(c, sh, ctrl_identify_page(c, NVME_CNS_NAMESPACE, r->nsid, "Identify Namespace"))) {
        return;
    }
    if (id->nsze == 0) {
        shell_printf(sh, "NSID %u is not active\n", r->nsid);
        return;
    }
    const char *why = ident_ns_parse(id, &info);

    shell_printf(sh,
                 "size               %llu blocks, capacity %llu, used %llu\n"
                 "format             %u of %u, DPS %#x, features %#x, attributes %#x\n",
                 (unsigned long long)id->nsze, (unsigned long long)id->ncap, (unsigned long long)id->nuse,
                 (unsigned)field_get(NVME_FLBAS_FORMAT, id->flbas), id->nlbaf + 1u, id->dps, id->nsfeat, id->nsattr);
    for (unsigned i = 0; i <= min(id->nlbaf, 15u); i++) {
        shell_printf(sh, "  format %-2u        %u bytes, %u of metadata%s\n", i,
                     1u << min(field_get(NVME_LBAF_LBADS, id->lbaf[i]), 31ull),
                     (unsigned)field_get(NVME_LBAF_MS, id->lbaf[i]),
                     i == field_get(NVME_FLBAS_FORMAT, id->flbas) ? ", in use" : "");
    }
    if (why) {
        shell_printf(sh, "it is not used: %s\n", why);
    }
}

void admin_identify(struct shell *sh, unsigned argc, char *const *argv)
{
    struct nvme_ctrl *c = ctrl_named(sh, argv[1]);
    struct request r = {.sh = sh};

    if (c && (argc < 3 || nsid_given(sh, argv[2], &r.nsid))) {
        request_run(c, &r, argc < 3 ? identify_ctrl : identify_ns);
    }
}

/* --- logs --------------------------------------------------------------------------------------------------------- */

/* 128-bit numbers that do not fit show as the highest that does. */
static unsigned long long counter(const uint64_t value[2])
{
    return value[1] ? UINT64_MAX : value[0];
}

static void smart_run(struct nvme_ctrl *c, struct nvme_request *base)
{
    struct shell *sh = container_of(base, struct request, base)->sh;
    const struct nvme_smart *s = c->scratch.mem;

    if (!succeeded(c, sh, ctrl_log_page(c, NVME_LOG_SMART, sizeof(*s), true))) {
        return;
    }
    shell_printf(sh, "critical warning   %#x\n", s->warning);
    for (unsigned bit = 0; bit < 8; bit++) {
        if (s->warning >> bit & 1) {
            shell_printf(sh, "                   %s\n", nvme_warning_text(bit));
        }
    }
    shell_printf(sh,
                 "temperature        %d C\nspare              %u %% (threshold %u %%)\nused               %u %%\n"
                 "read, written      %llu, %llu x 512000 bytes\ncommands           %llu reads, %llu writes\n"
                 "busy               %llu minutes\n",
                 (s->temperature[0] | s->temperature[1] << 8) - 273, s->spare, s->spare_threshold, s->used,
                 counter(s->units_read), counter(s->units_written), counter(s->reads), counter(s->writes),
                 counter(s->busy_minutes));
    shell_printf(sh,
                 "power              %llu cycles, %llu hours, %llu unsafe shutdowns\n"
                 "errors             %llu of the media, %llu in the log\n",
                 counter(s->power_cycles), counter(s->power_hours), counter(s->unsafe_shutdowns),
                 counter(s->media_errors), counter(s->errors));
}

static void errors_run(struct nvme_ctrl *c, struct nvme_request *base)
{
    struct shell *sh = container_of(base, struct request, base)->sh;
    const struct nvme_error_entry *e = c->scratch.mem;
    unsigned count = min(c->id.error_entries + 1u, ERRORS_MAX), shown = 0;

    if (!succeeded(c, sh, ctrl_log_page(c, NVME_LOG_ERROR, count * (uint32_t)sizeof(*e), true))) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        uint32_t status = e[i].status >> 1;

        if (e[i].count == 0) {
            continue;
        }
        shown++;
        shell_printf(sh, "%llu: %s (SCT %u, SC %#x), queue %u, command %#x, NSID %u, LBA %llu, parameter %#x\n",
                     (unsigned long long)e[i].count, nvme_status_text(status), NVME_STATUS_SCT(status),
                     NVME_STATUS_SC(status), e[i].sqid, e[i].cid, e[i].nsid, (unsigned long long)e[i].lba,
                     e[i].location);
    }
    if (shown == 0) {
        shell_printf(sh, "no errors\n");
    }
}

static void simple(struct shell *sh, const char *name, void (*run)(struct nvme_ctrl *c, struct nvme_request *r))
{
    struct nvme_ctrl *c = ctrl_named(sh, name);
    struct request r = {.sh = sh};

    if (c) {
        request_run(c, &r, run);
    }
}

void admin_smart(struct shell *sh, unsigned argc, char *const *argv)
{
    (void)argc;
    simple(sh, argv[1], smart_run);
}
void admin_errors(struct shell *sh, unsigned argc, char *const *argv)
{
    (void)argc;
    simple(sh, argv[1], errors_run);
}

/* --- what changes something --------------------------------------------------------------------------------------- */

static void attach_run(struct nvme_ctrl *c, struct nvme_request *base)
{
    struct request *r = container_of(base, struct request, base);
    struct nvme_ctrl_list *list = c->scratch.mem;
    struct nvme_sqe sqe = {
        .opcode = NVME_ADMIN_NS_ATTACH,
        .nsid = r->nsid,
        .dptr = {c->scratch.dev, 0},
        .cdw10 = (uint32_t)field_prep(NVME_ATTACH_SEL, r->attach),
    };

    memset(list, 0, sizeof(*list));
    list->count = 1;
    list->id[0] = c->id.cntlid;
    if (succeeded(c, r->sh, ctrl_admin(c, &sqe, r->attach == NVME_ATTACH ? "Attaching" : "Detaching", NULL))) {
        ctrl_rescan(c, true); /* not every controller tells */
        shell_printf(r->sh, "NSID %u is %s\n", r->nsid, r->attach == NVME_ATTACH ? "attached" : "detached");
    }
}

void admin_attach(struct shell *sh, unsigned argc, char *const *argv)
{
    struct nvme_ctrl *c = ctrl_named(sh, argv[1]);
    struct request r = {.sh = sh, .attach = argv[0][0] == 'a' ? NVME_ATTACH : NVME_DETACH};

    (void)argc;
    if (!c || !nsid_given(sh, argv[2], &r.nsid)) {
        return;
    }
    if (!c->id.ns_attach && c->state != CTRL_DEAD) {
        shell_printf(sh, "%s has no namespace management\n", ctrl_name(c));
        return;
    }
    request_run(c, &r, attach_run);
}

static void rescan_run(struct nvme_ctrl *c, struct nvme_request *base)
{
    (void)base;
    ctrl_rescan(c, true);
}

void admin_rescan(struct shell *sh, unsigned argc, char *const *argv)
{
    struct device *dev;

    if (argc > 1) {
        simple(sh, argv[1], rescan_run);
        return;
    }
    for (unsigned i = 0; (dev = device_at(i)); i++) {
        struct request r = {.sh = sh};

        request_run(&dev->ctrl, &r, rescan_run);
    }
}

static void reset_run(struct nvme_ctrl *c, struct nvme_request *base)
{
    struct shell *sh = container_of(base, struct request, base)->sh;

    c->barren = 0; /* no fault of the controller */
    nvme_ctrl_recover(c);
    shell_printf(sh, "%s %s\n", ctrl_name(c), c->state == CTRL_READY ? "works again" : "is not used any more");
}

void admin_reset(struct shell *sh, unsigned argc, char *const *argv)
{
    (void)argc;
    simple(sh, argv[1], reset_run);
}

/* --- list --------------------------------------------------------------------------------------------------------- */

static void list_ns(struct shell *sh, const struct nvme_ns *ns)
{
    const struct ident_ns *o = &ns->info;

    if (!ns->live) {
        shell_printf(sh, "  n%u: gone\n", ns->nsid);
        return;
    }
    shell_printf(sh, "  n%u: %llu blocks of %u bytes%s\n", ns->nsid, (unsigned long long)o->blocks, o->block_size,
                 o->readonly ? ", write protected" : "");
    for (const struct nvme_part *p = ns->parts; p; p = p->next) {
        shell_printf(sh, "    n%u:%u: %llu blocks from %llu on, %s%s%s\n", ns->nsid, p->gpt.number,
                     (unsigned long long)(p->gpt.last - p->gpt.first + 1), (unsigned long long)p->gpt.first, p->uuid,
                     p->gpt.label[0] ? ", " : "", p->gpt.label);
    }
}

void admin_list(struct shell *sh, unsigned argc, char *const *argv)
{
    static const char *const state[] = {
        [CTRL_INIT] = "is being started", [CTRL_READY] = "works",        [CTRL_RESETTING] = "is being reset",
        [CTRL_OFF] = "is shut down",      [CTRL_DEAD] = "is not usable",
    };
    struct device *dev;
    unsigned i;

    (void)argc, (void)argv;
    for (i = 0; (dev = device_at(i)); i++) {
        struct nvme_ctrl *c = &dev->ctrl;

        shell_printf(sh, "%s at %s %s: %u queue pairs of %u, %u interrupts, %u users, %u resets, %u aborts\n",
                     ctrl_name(c), c->hw->name, state[c->state], c->io_count, c->io_granted, dev->vectors, c->users,
                     c->resets, c->aborts);
        for (unsigned k = 0; k < c->ns_count; k++) {
            list_ns(sh, c->ns[k]);
        }
    }
    if (i == 0) {
        shell_printf(sh, "there is no controller\n");
    }
}
