// SPDX-License-Identifier: MIT
// Boot loaders' configuration files.
#include "../../src/boot/bootcfg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct bootcfg c;

/* The shape of what grub-mkconfig writes. */
static const char grub[] =
    "### BEGIN /etc/grub.d/00_header ###\n"
    "if [ -s $prefix/grubenv ]; then\n  load_env\nfi\n"
    "if [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\nelse\n   set default=\"%s\"\nfi\n"
    "function load_video {\n  if [ x$feature = xy ]; then\n    insmod all_video\n  fi\n}\n"
    "menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-{1}' {\n"
    "\tload_video\n\tif [ x$grub_platform = xxen ]; then insmod gzio; fi\n"
    "\techo\t'Loading Linux 6.1.0 ...'\n"
    "\tlinux\t/boot/vmlinuz-6.1.0 root=UUID=11-22 ro  quiet $vt_handoff \"a b\" # end\n"
    "\tinitrd\t/boot/ucode.img /boot/initrd.img-6.1.0\n"
    "}\n"
    "submenu 'Advanced options' $menuentry_id_option 'x' {\n"
    "\tmenuentry 'Old' {\n\t\tlinux /boot/vmlinuz-5 old\n\t\tinitrd /boot/initrd-5\n\t}\n"
    "\tmenuentry 'Older' {\n\t\tlinux /boot/vmlinuz-4 older\n\t}\n"
    "}\n"
    "menuentry --class x \"Third\" --unrestricted --id=z --id > {\n  linux ($root)/third single\n}\n";

static const char *grub_with(const char *number)
{
    static char text[sizeof(grub) + 64];
    const char *at = strstr(grub, "%s");
    size_t head = (size_t)(at - grub);

    memcpy(text, grub, head);
    strcpy(text + head, number);
    strcat(text, at + 2);
    return bootcfg_grub(text, "Third", &c);
}

static void test_grub_default(void **state)
{
    (void)state;
    assert_null(grub_with("0"));
    assert_string_equal(c.kernel, "/boot/vmlinuz-6.1.0");
    assert_string_equal(c.cmdline, "root=UUID=11-22 ro quiet \"a b\"");
    assert_int_equal(c.initrds, 2);
    assert_string_equal(c.initrd[0], "/boot/ucode.img");
    assert_string_equal(c.initrd[1], "/boot/initrd.img-6.1.0");
    assert_null(grub_with("${other}")); /* nobody sets it: the first */
    assert_string_equal(c.kernel, "/boot/vmlinuz-6.1.0");
    assert_null(grub_with("${saved_entry}"));
    assert_string_equal(c.kernel, "/third");
}

/* By title and id, in menus, as GRUB_DEFAULT may have them. */
static void test_grub_names(void **state)
{
    static const char *const name[][2] = {
        {"gnulinux-simple-{1}", "/boot/vmlinuz-6.1.0"},
        {"Debian GNU/Linux", "/boot/vmlinuz-6.1.0"},
        {"Debian", "/boot/vmlinuz-6.1.0"},
        {"debian", "/boot/vmlinuz-6.1.0"},
        {"x>Older", "/boot/vmlinuz-4"},
        {"1>1", "/boot/vmlinuz-4"},
        {"1>Old", "/boot/vmlinuz-5"},
        {"Advanced options>7", "/boot/vmlinuz-5"},
        {"Older", "/boot/vmlinuz-6.1.0"},
        {"Third", "/third"},
        {">>", "/third"},
        {"2>0", "/third"},
        {"02", "/third"},
        {"2x", "/boot/vmlinuz-6.1.0"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(name) / sizeof(*name); i++) {
        assert_null(grub_with(name[i][0]));
        assert_string_equal(c.kernel, name[i][1]);
    }
}

static void test_grub_environment(void **state)
{
    char saved[BOOTCFG_SAVED], longest[BOOTCFG_SAVED + 20] = "saved_entry=";

    (void)state;
    bootcfg_grubenv("# GRUB Environment Block\nnext_entry=\nsaved_entry=a>b c\n#####", saved);
    assert_string_equal(saved, "a>b c");
    bootcfg_grubenv("xsaved_entry=a\nsaved_entr", saved);
    assert_string_equal(saved, "");
    memset(longest + 12, 'a', BOOTCFG_SAVED);
    bootcfg_grubenv(longest, saved);
    assert_string_equal(saved, "");
    longest[BOOTCFG_SAVED + 11] = '\0';
    bootcfg_grubenv(longest, saved);
    assert_int_equal(strlen(saved), BOOTCFG_SAVED - 1);
}

/* Menus in menus, a file's worth of them, take no longer than the file. */
static void test_grub_deep(void **state)
{
    static char text[1 << 20];

    (void)state;
    for (size_t i = 0; i + 10 < sizeof(text); i += 10) {
        memcpy(text + i, "submenu {\n", 10);
    }
    assert_string_equal(bootcfg_grub(text, "", &c), "it has no menu entry");
}

static void test_grub_other_entries(void **state)
{
    (void)state;
    assert_null(grub_with("1")); /* a submenu's first entry */
    assert_string_equal(c.kernel, "/boot/vmlinuz-5");
    assert_string_equal(c.cmdline, "old");
    assert_int_equal(c.initrds, 1);
    assert_null(grub_with("2"));
    assert_string_equal(c.kernel, "/third");
    assert_int_equal(c.initrds, 0);
    assert_null(grub_with("3")); /* not there: the first, as in GRUB */
    assert_string_equal(c.kernel, "/boot/vmlinuz-6.1.0");
}

static void test_grub_bad(void **state)
{
    char longest[3000] = "menuentry x {\n linux /k ";

    (void)state;
    assert_string_equal(bootcfg_grub("", "", &c), "it has no menu entry");
    assert_string_equal(bootcfg_grub("linux /k\n", "", &c), "it has no menu entry");
    assert_string_equal(bootcfg_grub("menuentry x {\n}\nlinux /k\n", "", &c), "its default entry has no linux line");
    assert_string_equal(bootcfg_grub("menuentry x {\nlinux\n}", "", &c), "its linux line has no path that can be used");
    assert_string_equal(bootcfg_grub("menuentry x {\nlinux $k\n}", "", &c),
                        "its linux line has no path that can be used");
    assert_string_equal(bootcfg_grub("menuentry x {\nlinux (hd0)/k\n}", "", &c),
                        "its linux line has no path that can be used");
    assert_string_equal(bootcfg_grub("menuentry x {\nlinux /k\ninitrd /1 /2 /3 /4 /5\n}", "", &c),
                        "it names more than four initial ramdisks");
    for (unsigned i = 0; i < 500; i++) {
        strcat(longest, "word ");
    }
    assert_string_equal(bootcfg_grub(longest, "", &c), "its command line is longer than 2047 characters");
    assert_null(bootcfg_grub("menuentry x {\nlinux /k \f \v a\n", "", &c)); /* no blanks, and no end of the text */
    assert_string_equal(c.cmdline, "\f \v a");
    assert_null(bootcfg_grub("}}}\nmenuentry x {\nlinux /k 'unclosed {", "", &c));
    assert_string_equal(c.cmdline, "\"unclosed {\"");
}

static void test_extlinux(void **state)
{
    static const char text[] =
        "DEFAULT second\nTIMEOUT 5\n# comment\nlabel first\n  kernel ../a\nLABEL second\r\n"
        "  MENU LABEL x\n  LINUX vmlinuz\r\n  INITRD /ucode,initrd.img\n  APPEND root=/dev/vda1 ro\n"
        "label third\n kernel /c\n";

    (void)state;
    assert_null(bootcfg_extlinux(text, "/boot/extlinux", &c));
    assert_string_equal(c.kernel, "/boot/extlinux/vmlinuz");
    assert_string_equal(c.cmdline, "root=/dev/vda1 ro");
    assert_int_equal(c.initrds, 2);
    assert_string_equal(c.initrd[0], "/ucode");
    assert_string_equal(c.initrd[1], "/boot/extlinux/initrd.img");
    assert_null(bootcfg_extlinux("label a\nkernel /a\nlabel b\nkernel /b\n", "", &c));
    assert_string_equal(c.kernel, "/a");
    assert_string_equal(bootcfg_extlinux("default x\nlabel a\nkernel /a\n", "", &c),
                        "it has no such label as its default");
    assert_string_equal(bootcfg_extlinux("label a\nappend x\n", "", &c), "its default label has no kernel");
    assert_string_equal(bootcfg_extlinux("label a\nkernel k\n", "", &c), "a kernel's path is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grub_default), cmocka_unit_test(test_grub_other_entries),
        cmocka_unit_test(test_grub_names),   cmocka_unit_test(test_grub_environment),
        cmocka_unit_test(test_grub_deep),    cmocka_unit_test(test_grub_bad),
        cmocka_unit_test(test_extlinux),
    };

    return cmocka_run_group_tests_name("uvmm-bootcfg", tests, NULL, NULL);
}
