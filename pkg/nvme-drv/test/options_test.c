// SPDX-License-Identifier: MIT
// The command line, and finding disks by name.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>

#include "../src/factory.h"
#include "../src/options.h"
#include "../src/target.h"
#include <abi/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char error[256];

static bool parse(struct options *o, const char *line)
{
    static char copy[512];
    static char *argv[64];
    int argc = 0;

    strcpy(copy, line);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
        argv[argc++] = p;
    }
    argv[argc] = NULL;
    error[0] = 0;
    return options_parse(o, argc, argv, error, sizeof(error));
}

static void test_good(void **state)
{
    struct options o;

    (void)state;
    assert_true(parse(&o, "rom/nvme-drv -v --client cl1 --device MYNVMECTLSN:n1 --ds-max 5"));
    assert_int_equal(o.level, LOG_INFO);
    assert_int_equal(o.client_count, 1);
    assert_string_equal(o.client[0].cap, "cl1");
    assert_string_equal(o.client[0].device, "MYNVMECTLSN:n1");
    assert_int_equal(o.client[0].ds_max, 5);
    assert_false(o.client[0].readonly);
    assert_true(
        parse(&o, "x --nosgl --client a --readonly --device A --client b --device=B --nomsi --packed --nomsix -vv"));
    assert_int_equal(o.level, LOG_DEBUG);
    assert_true(o.no_sgl && o.no_msi && o.no_msix && o.client[1].packed && !o.client[0].packed &&
                o.client[0].readonly && !o.client[1].readonly);
    assert_int_equal(o.client[1].ds_max, OPTIONS_DS_DEFAULT);
    assert_true(parse(&o, "x -q"));
    assert_int_equal(o.level, LOG_ERROR);
    assert_true(parse(&o, "x --io-timeout 500"));
    assert_int_equal(o.io_timeout_ms, 500);
    assert_true(
        parse(&o, "x --console --client a --device A --max-iops 20K --burst 100 --client b --device B --max-mbps 7"));
    assert_true(o.console && o.client[0].limit.iops == 20000 && o.client[0].limit.burst_ms == 100);
    assert_true(o.client[0].limit.mbps == 0 && o.client[1].limit.iops == 0 && o.client[1].limit.mbps == 7);
    assert_true(parse(&o, "x"));
    assert_int_equal(o.io_timeout_ms, 0);
    assert_int_equal(o.client_count, 0);
}

static void test_bad(void **state)
{
    static const struct {
        const char *line, *word;
    } bad[] = {
        {"x --clinet c", "--clinet"},
        {"x -z", "-z"},
        {"x -vz", "-z"},
        {"x --client", "--client"},
        {"x --device A", "--client NAME"},
        {"x --ds-max 3", "--client NAME"},
        {"x --readonly", "--client NAME"},
        {"x --max-iops 5", "--max-iops belongs to a client"},
        {"x --client a --device A --max-iops 0", "--max-iops 0"},
        {"x --client a --device A --max-iops 20M", "--max-iops 20M: operations per second"},
        {"x --client a --device A --max-iops many", "many"},
        {"x --client a --device A --max-mbps 1.5", "--max-mbps 1.5: MB (10^6 bytes)"},
        {"x --client a --device A --max-mbps", "--max-mbps"},
        {"x --client a --device A --max-iops 5 --burst 0", "--burst 0: milliseconds"},
        {"x --client a --device A --max-iops 5 --burst 11K", "--burst 11K"},
        {"x --client a --device A --burst 5", "--burst alone limits nothing"},
        {"x --client a", "--device"},
        {"x --client a --device A --device B", "exactly one"},
        {"x --client a --device A --ds-max 0", "--ds-max 0"},
        {"x --client a --device A --ds-max -1", "-1"},
        {"x --client a --device A --ds-max 17", "17"},
        {"x --client a --device A --ds-max 5x", "5x"},
        {"x --client a --device A --client a --device B", "twice"},
        {"x --io-timeout 9", "--io-timeout 9"},
        {"x --io-timeout 1s", "1s"},
        {"x --io-timeout 600001", "600000"},
        {"x stray", "stray"},
        {"x --client=", "name"},
    };
    struct options o;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(parse(&o, bad[i].line));
        assert_non_null(strstr(error, bad[i].word));
        assert_null(strchr(error, '\n'));
    }
}

static void test_too_many_clients(void **state)
{
    static char line[4096] = "x";
    static char names[64][8];
    char *argv[162] = {line};
    int argc = 1;
    struct options o;

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        snprintf(names[i], sizeof(names[i]), "c%u", i);
        argv[argc++] = "--client";
        argv[argc++] = names[i];
        argv[argc++] = "--device";
        argv[argc++] = "A";
    }
    assert_false(options_parse(&o, argc, argv, error, sizeof(error)));
    assert_non_null(strstr(error, "c32"));
}

static void test_factory_arguments(void **state)
{
    struct client_options c = {0};

    (void)state;
    assert_null(factory_arg(&c, "device=A=B:n1"));
    assert_null(factory_arg(&c, "ds-max=16"));
    assert_null(factory_arg(&c, "max-iops=3K"));
    assert_null(factory_arg(&c, "max-mbps=20"));
    assert_null(factory_arg(&c, "burst=7"));
    assert_true(c.limit.iops == 3000 && c.limit.mbps == 20 && c.limit.burst_ms == 7);
    assert_false(c.readonly);
    assert_null(factory_arg(&c, "read-only"));
    assert_null(factory_arg(&c, "packed"));
    assert_string_equal(c.device, "A=B:n1");
    assert_int_equal(c.ds_max, 16);
    assert_true(c.readonly);
    static const char *const bad[] = {"device=B",   "ds-max=0",  "ds-max=17",  "ds-max=",    "ds-max=-1",
                                      "ds-max=1x",  "readonly",  "",           "read-only ", "DEVICE=A",
                                      "max-iops=0", "max-iops=", "max-mbps=x", "burst=0",    "max=5"};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_non_null(factory_arg(&c, bad[i]));
    }
    c = (struct client_options){0};
    assert_non_null(factory_arg(&c, "device="));
}

/* --- targets --- */

static struct nvme_part parts[3];
static struct nvme_ns ns1, ns2, ns7;
static struct nvme_ns *ns_a[] = {&ns1, &ns2}, *ns_b[] = {&ns7};
static struct nvme_ctrl ca, cb;
static struct nvme_ctrl *const ctrls[] = {&ca, &cb};

static int setup(void **state)
{
    (void)state;
    ca = (struct nvme_ctrl){.state = CTRL_READY, .id.serial = "AAA", .ns = ns_a, .ns_count = 2};
    cb = (struct nvme_ctrl){.state = CTRL_READY, .id.serial = "B:n1", .ns = ns_b, .ns_count = 1};
    ns1 = (struct nvme_ns){
        .ctrl = &ca, .nsid = 1, .live = 1, .info = {.blocks = 1000, .block_size = 512}, .parts = &parts[0]};
    ns2 = (struct nvme_ns){
        .ctrl = &ca, .nsid = 2, .live = 1, .info = {.blocks = 500, .block_size = 4096, .readonly = true}};
    ns7 = (struct nvme_ns){
        .ctrl = &cb, .nsid = 7, .live = 1, .info = {.blocks = 50, .block_size = 512}, .parts = &parts[2]};
    memset(parts, 0, sizeof(parts));
    parts[0].gpt = (struct gpt_part){.number = 1, .first = 40, .last = 99, .label = "root"};
    parts[0].next = &parts[1];
    parts[1].gpt = (struct gpt_part){.number = 2, .first = 100, .last = 199, .label = "data"};
    parts[2].gpt = (struct gpt_part){.number = 1, .first = 10, .last = 19, .label = "data"};
    strcpy(parts[0].uuid, "AAAAAAAA-89AB-CDEF-0123-456789ABCDEF");
    strcpy(parts[1].uuid, "01234567-89AB-CDEF-0123-456789ABCDEF");
    strcpy(parts[2].uuid, "12345678-01"); /* of an MBR */
    return 0;
}

static void test_find(void **state)
{
    struct blk_target t;

    (void)state;
    assert_int_equal(target_find(ctrls, 2, "AAA:n2", &t), SK_OK);
    assert_ptr_equal(t.ns, &ns2);
    assert_true(t.readonly);
    assert_int_equal(t.blocks, 500);
    assert_string_equal(t.id, "AAA:n2");
    assert_int_equal(target_find(ctrls, 2, "B:n1:n7", &t), SK_OK);
    assert_ptr_equal(t.ns, &ns7);
    assert_int_equal(target_find(ctrls, 2, "root", &t), SK_OK);
    assert_int_equal(t.first, 40);
    assert_int_equal(t.blocks, 60);
    assert_string_equal(t.id, "AAA:n1:1");
    assert_int_equal(target_find(ctrls, 2, "01234567-89ab-cdef-0123-456789abcdef", &t), SK_OK);
    assert_int_equal(t.first, 100);
    assert_int_equal(target_find(ctrls, 2, "data", &t), SK_EEXIST);
    assert_int_equal(target_find(ctrls, 1, "data", &t), SK_OK);
    assert_int_equal(target_find(ctrls, 2, "AAA:n1:2", &t), SK_OK);
    assert_int_equal(t.first, 100);
    assert_int_equal(target_find(ctrls, 2, "B:n1:n7:1", &t), SK_OK);
    assert_int_equal(t.first, 10);
    assert_int_equal(target_find(ctrls, 2, "partuuid:01234567-89ab-CDEF-0123-456789abcdef", &t), SK_OK);
    assert_int_equal(t.first, 100);
    assert_int_equal(target_find(ctrls, 2, "PARTUUID:12345678-01", &t), SK_OK);
    assert_ptr_equal(t.ns, &ns7);
    assert_int_equal(target_find(ctrls, 2, "partlabel:root", &t), SK_OK);
    assert_int_equal(t.first, 40);
    assert_int_equal(target_find(ctrls, 2, "ROOT", &t), SK_OK);
    assert_int_equal(t.first, 40);
    strcpy(parts[1].gpt.label, "Root"); /* the exact one is meant */
    assert_int_equal(target_find(ctrls, 2, "Root", &t), SK_OK);
    assert_int_equal(t.first, 100);
    assert_int_equal(target_find(ctrls, 2, "partlabel:root", &t), SK_OK);
    assert_int_equal(t.first, 40);
    assert_int_equal(target_find(ctrls, 2, "rOOT", &t), SK_EEXIST);
}

/* Serial numbers in the other case, unless there is one that is written so; a disk behind two controllers. */
static void test_cases_and_paths(void **state)
{
    struct blk_target t;

    (void)state;
    assert_int_equal(target_find(ctrls, 2, "aaa:n1:2", &t), SK_OK);
    assert_string_equal(t.id, "AAA:n1:2");
    strcpy(cb.id.serial, "aAa");
    assert_int_equal(target_find(ctrls, 2, "aAa:n7", &t), SK_OK);
    assert_ptr_equal(t.ns, &ns7);
    strcpy(cb.id.serial, "AAA");
    ns7.nsid = 1;
    ns7.parts = &parts[0];
    assert_int_equal(target_find(ctrls, 2, "root", &t), SK_OK);
    assert_ptr_equal(t.ns, &ns1);
    assert_int_equal(target_find(ctrls, 2, "partuuid:01234567-89ab-CDEF-0123-456789abcdef", &t), SK_OK);
    strcpy(cb.id.serial, "BBB");
    assert_int_equal(target_find(ctrls, 2, "root", &t), SK_EEXIST);
}

/* 20 bytes: the place of the disk is in them whatever the serial number's length is. */
static void test_id(void **state)
{
    struct blk_target t;

    (void)state;
    strcpy(ca.id.serial, "ABCDEFGHIJKLMNOPQRST");
    assert_int_equal(target_find(ctrls, 2, "ABCDEFGHIJKLMNOPQRST:n2", &t), SK_OK);
    assert_string_equal(t.id, "DEFGHIJKLMNOPQRST:n2");
    assert_int_equal(target_find(ctrls, 2, "ABCDEFGHIJKLMNOPQRST:n1:2", &t), SK_OK);
    assert_string_equal(t.id, "FGHIJKLMNOPQRST:n1:2");
    strcpy(ca.id.serial, "A b");
    assert_int_equal(target_find(ctrls, 2, "a B:n1", &t), SK_OK);
}

/* Of any script. */
static void test_label_cases(void **state)
{
    struct blk_target t;

    (void)state;
    strcpy(parts[0].gpt.label, "Größe Łódź αω");
    assert_int_equal(target_find(ctrls, 2, "partlabel:GRÖßE łÓDŹ ΑΩ", &t), SK_OK);
    assert_int_equal(t.first, 40);
    assert_int_equal(target_find(ctrls, 2, "Größe Łódź", &t), SK_ENOENT);
    assert_int_equal(target_find(ctrls, 2, "Gr\xc3", &t), SK_ENOENT);
}

static void test_not_found(void **state)
{
    static const char *const bad[] = {"AAA:n3",
                                      "AAA",
                                      "AAA:n",
                                      "AAA:n1x",
                                      "AAA:1",
                                      ":n1",
                                      "AAA:n0",
                                      "AAA:n4294967297",
                                      "AAA:n1:3",
                                      "AAA:n2:1",
                                      "AAA:n1:0",
                                      "AAA:n1:1:1",
                                      "partlabel:",
                                      "partuuid:root",
                                      "partlabel:AAA:n1",
                                      "",
                                      "01234567-89ab-cdef-0123-456789abcdee",
                                      "AAA:n99999999999999999999999"};
    struct blk_target t;
    char list[40];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(target_find(ctrls, 2, bad[i], &t), SK_ENOENT);
    }
    ca.state = CTRL_DEAD;
    assert_int_equal(target_find(ctrls, 2, "AAA:n1", &t), SK_ENOENT);
    target_list(ctrls, 2, list, sizeof(list)); /* whole disks only */
    assert_string_equal(list, "B:n1:n7, and 1 more");
    target_list(ctrls, 0, list, sizeof(list));
    assert_string_equal(list, "no disk at all");
}

static void test_overlap(void **state)
{
    struct blk_target whole = {.ns = &ns1, .blocks = 1000}, a = {.ns = &ns1, .first = 40, .blocks = 60},
                      b = {.ns = &ns1, .first = 100, .blocks = 100}, other = {.ns = &ns2, .blocks = 500};

    (void)state;
    assert_true(target_overlap(&whole, &a));
    assert_true(target_overlap(&a, &whole));
    assert_false(target_overlap(&a, &b));
    assert_false(target_overlap(&b, &a));
    assert_false(target_overlap(&whole, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_too_many_clients),
        cmocka_unit_test(test_factory_arguments),
        cmocka_unit_test_setup(test_find, setup),
        cmocka_unit_test_setup(test_cases_and_paths, setup),
        cmocka_unit_test_setup(test_id, setup),
        cmocka_unit_test_setup(test_label_cases, setup),
        cmocka_unit_test_setup(test_not_found, setup),
        cmocka_unit_test_setup(test_overlap, setup),
    };

    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* for towlower(), which needs none in the program */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
