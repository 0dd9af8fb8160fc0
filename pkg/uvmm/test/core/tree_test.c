// SPDX-License-Identifier: MIT
// Device trees: overlays, merging, and what does not go together.
#include "../../src/device_tree.h"

#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ROOM 4096

static char base[ROOM], more[ROOM];

/* fdt_setprop_string() is a macro that -Wconversion does not like. */
static void string_set(char *fdt, int at, const char *prop, const char *value)
{
    assert_int_equal(fdt_setprop(fdt, at, prop, value, (int)strlen(value) + 1), 0);
}

/* Root with these paths of nodes, each with a compatible string. */
static void tree(char *fdt, const char *node, const char *compatible)
{
    assert_int_equal(fdt_create_empty_tree(fdt, ROOM), 0);
    int at = fdt_add_subnode(fdt, 0, node);
    assert_true(at > 0);
    string_set(fdt, at, "compatible", compatible);
}

static const char *string_at(const char *path, const char *prop)
{
    int node = fdt_path_offset(base, path);

    return node < 0 ? NULL : fdt_getprop(base, node, prop, NULL);
}

static void test_merge(void **state)
{
    (void)state;
    tree(base, "disk", "skerry,virtio-blk");
    string_set(base, fdt_path_offset(base, "/disk"), "status", "okay");
    tree(more, "disk", "skerry,virtio-blk-mmio");
    int at = fdt_add_subnode(more, 0, "rng");
    string_set(more, at, "compatible", "skerry,virtio-rng");
    assert_true(fdt_add_subnode(more, fdt_path_offset(more, "/rng"), "inner") > 0);
    assert_null(device_tree_add(base, more));
    assert_string_equal(string_at("/disk", "compatible"), "skerry,virtio-blk-mmio");
    assert_string_equal(string_at("/disk", "status"), "okay");
    assert_string_equal(string_at("/rng", "compatible"), "skerry,virtio-rng");
    assert_true(fdt_path_offset(base, "/rng/inner") > 0);
    assert_null(device_tree_check(base, fdt_totalsize(base)));
}

/* Devices come in the base's order, then those on top as they came. */
static void test_order(void **state)
{
    static const char *const wanted[] = {"b1", "b2", "m1", "m2", "n1"};
    struct device_tree t = {base, 2};
    int node[DEVICE_NODES_MAX];

    (void)state;
    tree(base, "b2", "x");
    assert_true(fdt_add_subnode(base, 0, "b1") > 0);
    tree(more, "m2", "x");
    assert_true(fdt_add_subnode(more, 0, "m1") > 0);
    assert_null(device_tree_add(base, more));
    tree(more, "n1", "x");
    assert_null(device_tree_add(base, more));
    assert_int_equal(device_tree_order(&t, node), 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_string_equal(fdt_get_name(base, node[i], NULL), wanted[i]);
    }
}

static void overlay(const char *target)
{
    assert_int_equal(fdt_create_empty_tree(more, ROOM), 0);
    int at = fdt_add_subnode(more, 0, "fragment@0");
    string_set(more, at, "target-path", target);
    at = fdt_add_subnode(more, fdt_path_offset(more, "/fragment@0"), "__overlay__");
    string_set(more, at, "status", "disabled");
}

static void test_overlay(void **state)
{
    (void)state;
    tree(base, "disk", "skerry,virtio-blk");
    overlay("/disk");
    assert_null(device_tree_add(base, more));
    assert_string_equal(string_at("/disk", "status"), "disabled");
    assert_true(fdt_path_offset(base, "/fragment@0") < 0);
    overlay("/no-such-node");
    assert_non_null(strstr(device_tree_add(base, more), "targets"));
}

static void test_overlay_alone(void **state)
{
    (void)state;
    overlay("/disk");
    assert_true(device_tree_is_overlay(more));
    tree(base, "disk", "skerry,virtio-blk");
    assert_false(device_tree_is_overlay(base));
    assert_int_equal(fdt_delprop(more, fdt_path_offset(more, "/fragment@0"), "target-path"), 0);
    assert_non_null(strstr(device_tree_add(base, more), "target-path"));
}

/* A processor counts like a device: whatever its status is but okay, it is not there. */
static void test_cpus(void **state)
{
    static const char *const status[] = {NULL, "okay", "disabled", "fail"};

    (void)state;
    tree(base, "cpus", "x");
    for (unsigned i = 0; i < 4; i++) {
        int at = fdt_add_subnode(base, fdt_path_offset(base, "/cpus"), (const char *const[]){"a", "b", "c", "d"}[i]);
        string_set(base, at, "device_type", "cpu");
        if (status[i] != NULL) {
            string_set(base, at, "status", status[i]);
        }
    }
    assert_int_equal(device_tree_cpus(base), 2);
}

static void test_no_room(void **state)
{
    (void)state;
    tree(base, "disk", "skerry,virtio-blk");
    assert_int_equal(fdt_pack(base), 0);
    tree(more, "rng", "skerry,virtio-rng");
    assert_non_null(device_tree_add(base, more));
}

static void test_too_deep(void **state)
{
    char path[128] = "";

    (void)state;
    tree(base, "disk", "skerry,virtio-blk");
    assert_int_equal(fdt_create_empty_tree(more, ROOM), 0);
    for (int i = 0; i < 20; i++) {
        assert_true(fdt_add_subnode(more, i == 0 ? 0 : fdt_path_offset(more, path), "n") > 0);
        strcat(path, "/n");
    }
    assert_non_null(strstr(device_tree_add(base, more), "deeper"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),   cmocka_unit_test(test_order),    cmocka_unit_test(test_overlay),
        cmocka_unit_test(test_no_room), cmocka_unit_test(test_too_deep), cmocka_unit_test(test_overlay_alone),
        cmocka_unit_test(test_cpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
