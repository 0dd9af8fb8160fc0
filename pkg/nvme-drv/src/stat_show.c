// SPDX-License-Identifier: MIT
/* Commands: stat (tables for people) and counters (lines "key value" for programs). Both show every client, then every
 * namespace with the sum of its clients', also of those that are gone. */
#include "stat_show.h"

#include "client.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one block of either output is about. */
struct subject {
    const char *what; /* "client" or "namespace" */
    const char *name, *disk;
    const struct stat *stat;
    const struct client_options *options; /* NULL: a namespace */
};

/* --- all there are --- */

static void sum_namespace(const struct nvme_ns *ns, struct stat *sum)
{
    *sum = (struct stat){0};
    if (ns->past) {
        stat_add(sum, ns->past);
    }
    for (unsigned i = 0; client_at(i); i++) {
        if (client_at(i)->target.ns == ns) {
            stat_add(sum, &client_at(i)->qos.stat);
        }
    }
}

static void each_client(struct shell *sh, const char *only, void (*fn)(struct shell *sh, const struct subject *s))
{
    for (unsigned i = 0; client_at(i); i++) {
        const struct client *c = client_at(i);

        if (!only || strcmp(only, c->options->cap) == 0) {
            fn(sh, &(struct subject){"client", c->options->cap, c->target.ns ? c->target.id : c->options->device,
                                     &c->qos.stat, c->options});
        }
    }
}

static void each_namespace(struct shell *sh, void (*fn)(struct shell *sh, const struct subject *s))
{
    static struct stat sum;
    char name[48];

    for (unsigned i = 0; client_ctrl(i); i++) {
        const struct nvme_ctrl *c = client_ctrl(i);

        for (unsigned k = 0; k < c->ns_count; k++) {
            sum_namespace(c->ns[k], &sum);
            (void)snprintf(name, sizeof(name), "%s:n%u", c->id.serial, c->ns[k]->nsid);
            fn(sh, &(struct subject){"namespace", name, name, &sum, NULL});
        }
    }
}

static struct client *find(struct shell *sh, const char *name)
{
    for (unsigned i = 0; client_at(i); i++) {
        if (strcmp(client_at(i)->options->cap, name) == 0) {
            return client_at(i);
        }
    }
    shell_printf(sh, "there is no client '%s'; clients lists them\n", name);
    return NULL;
}

/* --- stat --- */

static uint64_t us(uint64_t ns)
{
    return (ns + 500) / 1000;
}

static void show_limits(struct shell *sh, const struct client_options *o)
{
    if (o->limit.iops) {
        shell_printf(sh, ", at most %u op/s", o->limit.iops);
    }
    if (o->limit.mbps) {
        shell_printf(sh, ", at most %u MB/s", o->limit.mbps);
    }
}

static void show_ops(struct shell *sh, const struct stat *s)
{
    shell_printf(sh, "            ops          bytes errors   mean us      p50      p95      p99      max\n");
    for (unsigned k = 0; k < STAT_KINDS; k++) {
        const struct stat_op *op = &s->op[k];

        if (op->ops) {
            shell_printf(sh, "%-8s%7" PRIu64 " %14" PRIu64 " %6" PRIu64, stat_kind_text[k], op->ops, op->bytes,
                         op->errors);
            shell_printf(sh, " %9" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 "\n",
                         us(op->sum_ns / op->ops), us(stat_quantile(op, 500)), us(stat_quantile(op, 950)),
                         us(stat_quantile(op, 990)), us(op->max_ns));
        }
    }
}

static void show(struct shell *sh, const struct subject *s)
{
    shell_printf(sh, "%s %s%s%s: depth %u, at most %u, %" PRIu64 " retries", s->what, s->name, s->options ? " on " : "",
                 s->options ? s->disk : "", s->stat->depth, s->stat->max_depth, s->stat->retries);
    if (s->options && (s->options->limit.iops || s->options->limit.mbps)) {
        show_limits(sh, s->options);
        shell_printf(sh, ", held back %" PRIu64 " ms", s->stat->limited_ns / 1000000);
    }
    shell_printf(sh, "\n");
    show_ops(sh, s->stat);
}

/* A row for each power of two that anything fell into. */
static void show_histogram(struct shell *sh, const struct stat *s)
{
    shell_printf(sh, "   us below     read    write    flush  discard   zeroes    other\n");
    for (unsigned i = 0; i < STAT_BUCKETS; i += i ? 4 : 1) {
        uint64_t count[STAT_KINDS] = {0}, any = 0;

        for (unsigned k = 0; k < STAT_KINDS; k++) {
            for (unsigned b = i; b < STAT_BUCKETS && b < i + (i ? 4 : 1); b++) {
                count[k] += s->op[k].bucket[b];
            }
            any |= count[k];
        }
        if (any) {
            shell_printf(sh, "%11" PRIu64, stat_bucket_end(i ? i + 3 : 0) / 1000);
            for (unsigned k = 0; k < STAT_KINDS; k++) {
                shell_printf(sh, " %8" PRIu64, count[k]);
            }
            shell_printf(sh, "\n");
        }
    }
}

static void reset_all(void)
{
    for (unsigned i = 0; client_at(i); i++) {
        stat_reset(&client_at(i)->qos.stat);
    }
    for (unsigned i = 0; client_ctrl(i); i++) {
        for (unsigned k = 0; k < client_ctrl(i)->ns_count; k++) {
            free(client_ctrl(i)->ns[k]->past);
            client_ctrl(i)->ns[k]->past = NULL;
        }
    }
}

void stat_command(struct shell *sh, unsigned argc, char *const *argv)
{
    if (argc == 1) {
        each_client(sh, NULL, show);
        each_namespace(sh, show);
    } else if (argc == 2 && strcmp(argv[1], "reset") == 0) {
        reset_all();
    } else if (argc == 3 && strcmp(argv[2], "reset") != 0) {
        shell_printf(sh, "stat %s is followed by reset or nothing\n", argv[1]);
    } else {
        struct client *c = find(sh, argv[1]);

        if (c && argc == 3) {
            stat_reset(&c->qos.stat);
        } else if (c) {
            each_client(sh, argv[1], show);
            show_histogram(sh, &c->qos.stat);
        }
    }
}

/* --- counters --- */

static void list_op(struct shell *sh, const char *kind, const struct stat_op *op)
{
    const struct {
        const char *name;
        uint64_t value;
    } list[] = {
        {"ops", op->ops},
        {"bytes", op->bytes},
        {"errors", op->errors},
        {"mean_ns", op->ops ? op->sum_ns / op->ops : 0},
        {"p50_ns", stat_quantile(op, 500)},
        {"p95_ns", stat_quantile(op, 950)},
        {"p99_ns", stat_quantile(op, 990)},
        {"max_ns", op->max_ns},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
        shell_printf(sh, "%s.%s %" PRIu64 "\n", kind, list[i].name, list[i].value);
    }
    for (unsigned i = 0; i < STAT_BUCKETS; i++) {
        if (op->bucket[i]) {
            shell_printf(sh, "%s.histogram.%" PRIu64 " %" PRIu64 "\n", kind, stat_bucket_end(i), op->bucket[i]);
        }
    }
}

static void list(struct shell *sh, const struct subject *s)
{
    shell_printf(sh, "%s %s\ndisk %s\ndepth %u\nmax_depth %u\n", s->what, s->name, s->disk, s->stat->depth,
                 s->stat->max_depth);
    shell_printf(sh, "retries %" PRIu64 "\nlimited_ns %" PRIu64 "\n", s->stat->retries, s->stat->limited_ns);
    for (unsigned k = 0; k < STAT_KINDS; k++) {
        list_op(sh, stat_kind_text[k], &s->stat->op[k]);
    }
}

void counters_command(struct shell *sh, unsigned argc, char *const *argv)
{
    if (argc == 1) {
        each_client(sh, NULL, list);
        each_namespace(sh, list);
    } else if (find(sh, argv[1])) {
        each_client(sh, argv[1], list);
    }
}

void stat_keep(const struct client *c)
{
    struct nvme_ns *ns = c->target.ns;

    if (ns && !ns->past) {
        ns->past = calloc(1, sizeof(*ns->past)); /* without memory they are lost, no more */
    }
    if (ns && ns->past) {
        stat_add(ns->past, &c->qos.stat);
    }
}
