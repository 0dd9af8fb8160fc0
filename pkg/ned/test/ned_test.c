// SPDX-License-Identifier: MIT
/* ned's Lua API against a fake system: the tutorial's script and our vmm.lua, and one bad script per message. */
#include "../src/ned.h"
#include "os_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct luax_error err;

static lua_State *start(void)
{
    os_fake_reset();
    lua_State *l = ned_state_new(0, &err);
    if (l == NULL) {
        fail_msg("%s", err.line);
    }
    assert_int_equal(luaL_dostring(l, "package.path = '" NED_SRC "/pkg/uvmm/configs/?.lua'"), LUA_OK);
    return l;
}

static bool run(lua_State *l, const char *text)
{
    lua_settop(l, 0);
    return luax_run_chunk(l, "test.ned", text, strlen(text), 0, 0, &err);
}

/* Runs text, expects success, and returns the trace; every capability must be gone afterwards. */
static const char *good(const char *text)
{
    lua_State *l = start();

    if (!run(l, text)) {
        fail_msg("%s\n%s", err.line, err.trace);
    }
    lua_close(l);
    assert_int_equal(os_fake_live, 0);
    return os_fake_trace;
}

static void bad(const char *text, const char *message)
{
    lua_State *l = start();

    assert_false(run(l, text));
    if (strstr(err.line, message) == NULL) {
        fail_msg("got '%s', expected '%s'", err.line, message);
    }
    lua_close(l);
    assert_int_equal(os_fake_live, 0);
}

#define HEAD "local L4 = require 'L4'; local l = L4.default_loader; local vmm = require 'vmm'\n"

static const char tutorial[] =
    HEAD "local nvmecl = l:new_channel();\n"
         "local io_busses = { nvme = 1, }\n"
         "vmm.start_io(io_busses, 'rom/nvme.vbus -v');\n"
         "l:start({ caps = { vbus = io_busses.nvme, cl1 = nvmecl:svr() }, log = { 'nvme', 'g' }, },\n"
         "  'rom/nvme-drv' .. ' -v' .. ' --client cl1');\n"
         "vmm.start_vm({ id = 1, mem = 128, mon = false, rd = 'rom/rd', fdt = 'rom/virt-pc.dtb',\n"
         "  bootargs = 'console=hvc0 rdinit=/bin/sh', kernel = 'rom/bzImage', log = L4.Env.log,\n"
         "  ext_caps = { qdrv = nvmecl, },\n\n});\n";

static const char tutorial_trace[] =
    "log io red\n"
    "create rom/io kmem 0 prio 0\narg <rom/io>\narg <rom/nvme.vbus>\narg <-v>\narg <rom/nvme.vbus>\n"
    "cap icu type 10 rights 0x3f\ncap iommu type 11 rights 0x3f\ncap ioport type 12 rights 0x3f\n"
    "cap nvme type 8 rights 0x10\ncap sigma0 type 2 rights 0x3f\nenv SKERRY_EPOCH=1795350896\nenv "
    "SKERRY_RSDP=0xf1234\nstart\n"
    "log nvme g\n"
    "create rom/nvme-drv kmem 0 prio 0\narg <rom/nvme-drv>\narg <-v>\narg <--client>\narg <cl1>\n"
    "cap cl1 type 8 rights 0x10\ncap vbus type 8 rights 0x8\nenv SKERRY_EPOCH=1795350896\nenv "
    "SKERRY_RSDP=0xf1234\nstart\n"
    "mem 134217728 align 2097152 flags 3\n"
    "create rom/uvmm kmem 0 prio 0\narg <rom/uvmm>\narg <-drom/virt-pc.dtb>\n"
    "arg <-cconsole=hvc0 rdinit=/bin/sh>\narg <-rrom/rd>\narg <-krom/bzImage>\n"
    "cap qdrv type 8 rights 0x8\ncap ram type 2 rights 0x7\nenv SKERRY_EPOCH=1795350896\nenv "
    "SKERRY_RSDP=0xf1234\nstart\n";

static void test_tutorial(void **state)
{
    char folder[] = "/tmp/ned-test-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(mkdir("rom", 0755), 0);
    FILE *f = fopen("rom/nvme.vbus", "w");
    assert_non_null(f);
    fclose(f);
    setenv("SKERRY_RSDP", "0xf1234", 1);
    setenv("SKERRY_EPOCH", "1795350896", 1);
    assert_string_equal(good(tutorial), tutorial_trace);
    unsetenv("SKERRY_RSDP");
    unsetenv("SKERRY_EPOCH");
    unlink("rom/nvme.vbus");
    rmdir("rom");
    rmdir(folder);
}

static void test_io_files(void **state)
{
    (void)state;
    /* a file that is not there is named to io only if nothing else is */
    good(HEAD
         "local b = { a = 1, b = l:new_channel() }; vmm.start_io(b, 'rom/all.vbus'); assert(b.a:info() == 'gate')");
    assert_non_null(strstr(os_fake_trace, "arg <rom/all.vbus>\ncap a "));
    good(HEAD "vmm.start_io({ a = 1 }, '-v')");
    assert_non_null(strstr(os_fake_trace, "arg <-v>\narg <rom/a.vbus>\ncap a "));
}

static void test_disk(void **state)
{
    (void)state;
    good(HEAD
         "local c = l:new_channel(); local d = L4.cast(L4.Proto.Factory, c):create(0, 'device=S:n1', 'read-only')\n"
         "assert(d:info() == 'gate')");
    assert_non_null(strstr(os_fake_trace, "disk <device=S:n1> <read-only>\n"));
    bad(HEAD "l:new_channel():create(0, 'device=GONE', 'ds-max=2')",
        "cannot create a disk (device=GONE, ds-max=2): there is no such disk (SK_ENODEV); the server's log");
    bad(HEAD "l:new_channel():create(0, 7)", "argument 1 of the disk is a number");
    bad(HEAD "L4.Env.sigma0:create(0, 'device=S:n1')", "is no block server");
    bad(HEAD "l:new_channel():create(0, ('x'):rep(200))", "longer than 159");
}

static void test_control(void **state)
{
    (void)state;
    good(HEAD "local text, ok = L4.cast(L4.Proto.Factory, l:new_channel()):control('clients')\n"
              "assert(text == 'an answer\\n' and ok == true)\n"
              "text, ok = l:new_channel():control('nonsense'); assert(ok == false)");
    assert_non_null(strstr(os_fake_trace, "control <clients>\ncontrol <nonsense>\n"));
    bad(HEAD "l:new_channel():control('busy')", "test.ned:2: cannot run the server's command 'busy': ");
    bad(HEAD "l:new_channel():control(3)", "control(): the command: string is needed");
    bad(HEAD "l:new_channel():control(('x'):rep(512))", "longer than 511");
    bad(HEAD "L4.Env.sigma0:control('x')", "is no channel to a server");
}

static void test_stat(void **state)
{
    (void)state;
    os_fake_answer =
        "client 7\ndisk my disk\ndepth 2\nread.ops 12\nread.histogram.1024 3\nclient b\nnamespace S:n1\nread.ops 13\n";
    good(HEAD "local s = L4.cast(L4.Proto.Factory, l:new_channel()):stat()\n"
              "assert(#s == 2 and s[1].client == '7' and s[1].disk == 'my disk' and s[1].depth == 2)\n"
              "assert(s[1].read.ops == 12 and s[1].read.histogram[1024] == 3 and s[2].client == 'b')\n"
              "assert(#s.namespaces == 1 and s.namespaces[1].read.ops == 13)\n"
              "l:new_channel():stat('7')");
    assert_non_null(strstr(os_fake_trace, "control <counters >\ncontrol <counters 7>\n"));
    os_fake_answer = "there is no client 'x'\n";
    bad(HEAD "l:new_channel():stat('x')", "test.ned:2: stat(): the server says: there is no client 'x'");
    os_fake_answer = "not lines of ours\n";
    bad(HEAD "l:new_channel():stat()", "test.ned:2: stat(): a channel is no block server");
    os_fake_answer = "an answer\n";
}

static void test_wait(void **state)
{
    (void)state;
    good(HEAD "local t = l:start({}, 'rom/x'); assert(t:state() == 'running')\n"
              "local code, why = t:wait(); assert(code == 7 and why == 'exited with 7')\n"
              "assert(t:state() == 'exited'); t:kill(); t:stop(7); t:stop(); L4.reset(); L4.poweroff()");
    assert_non_null(strstr(os_fake_trace, "reset\npoweroff\n"));
}

static void test_exit_handler(void **state)
{
    lua_State *l = start();

    (void)state;
    assert_true(run(l, HEAD "l:start({}, 'rom/x'):exit_handler(function(code) ended = code end)"));
    assert_int_equal(ned_watch_pending(), 1);
    os_event();
    assert_int_equal(ned_watch_pending(), 0);
    lua_getglobal(l, "ended");
    assert_int_equal(lua_tointeger(l, -1), 7);
    lua_close(l);
    assert_int_equal(os_fake_live, 0);
}

static void test_exit_handler_error(void **state)
{
    lua_State *l = start();

    (void)state;
    assert_true(run(l, HEAD "l:start({}, 'rom/x'):exit_handler(function(code) error('oops') end)"));
    os_event();
    assert_int_equal(ned_watch_pending(), 0);
    lua_close(l);
    assert_int_equal(os_fake_live, 0);
}

static void test_api(void **state)
{
    (void)state;
    good(HEAD "assert(L4.Info.arch() == 'amd64' and not L4.Info.words_bigendian())\n"
              "assert(L4.Info.Kip.str():match('Skerry'))\n"
              "local s0 = L4.cast(L4.Proto.Factory, L4.Env.sigma0):create(L4.Proto.Sigma0)\n"
              "assert(s0 == L4.Env.sigma0 and L4.Env.nothing == nil)\n"
              "local ds = L4.Env.user_factory:create(L4.Proto.Dataspace, 4096, 0, 12):m('rws')\n"
              "local sub = L4.Env.user_factory:create(L4.Proto.Factory, 1 << 20)\n"
              "local log = L4.Env.log_fab:create(L4.Proto.Log, 'tag', 'blue')\n"
              "local ll = L4.Loader.new{ mem = sub }\n"
              "ll:startv({ log = log, caps = { ds = ds, rom = L4.Env.rom } }, 'rom/x', 'a b', 3, { HOME = '/' })\n"
              "ll:start({ log = log, scheduler = vmm.new_sched(20, 1) }, 'rom/y', { A = 1 })");
    assert_non_null(strstr(os_fake_trace, "arg <a b>\narg <3>\ncap ds type 2 rights 0x7\nenv HOME=/\nstart"));
    assert_non_null(strstr(os_fake_trace, "create rom/y kmem 0 prio 30 cpus 1\narg <rom/y>\nenv A=1\nstart"));
}

static void test_consoles(void **state)
{
    (void)state;
    good(HEAD "l.log_fab = l:new_channel()\n"
              "l:start({ log = L4.Env.log, caps = { cons = l.log_fab:svr() } }, 'rom/cons')\n"
              "l:start({ log = l.log_fab:create(L4.Proto.Log, 'one', 'r') }, 'rom/x')\n"
              "l:start({ log = { 'two', 'g' } }, 'rom/x')\n"
              "l:start({}, 'rom/x')\n"
              "l:start({ log = L4.Env.user_factory:create(L4.Proto.Log, 'three', 'b') }, 'rom/x')\n"
              "vmm.start_vm{ id = 4, mem = 16, kernel = 'k' }\n"
              "l.log_fab = nil");
    assert_non_null(strstr(os_fake_trace, "cap cons type 8 rights 0x10\n"));
    assert_non_null(strstr(os_fake_trace, "console one r\n"));
    assert_non_null(strstr(os_fake_trace, "console two g\n"));
    assert_non_null(strstr(os_fake_trace, "console x \n"));
    assert_non_null(strstr(os_fake_trace, "log three b\n"));
    assert_non_null(strstr(os_fake_trace, "console vm4 w\n"));
}

static void test_vm_keys(void **state)
{
    (void)state;
    good(HEAD "vmm.start_vm{ mem = 16, kernel = 'k', name = 'web', prio = 5, cpus = 5, ram_base = 0x100000,\n"
              "ram_align = 28, ext_args = { '-v', '-q' }, net = l:new_channel(), net_caps = { a = l:new_channel() } }");
    assert_string_equal(
        os_fake_trace,
        "mem 16777216 align 268435456 flags 3\nlog web w\ncreate rom/uvmm kmem 0 prio 15 cpus 5\narg <rom/uvmm>\n"
        "arg <-kk>\narg <-b0x100000>\narg <--cpus=2>\narg <-v>\narg <-q>\ncap a type 8 rights 0x8\n"
        "cap net type 8 rights 0x8\ncap ram type 2 rights 0x7\nstart\n");
    good(HEAD "local c = l:new_channel(); local t = vmm.start_vm{ kernel = 'k', ext_caps = { qdrv = c } }\n"
              "t:wait(); vmm.start_vm{ kernel = 'k', ext_caps = { qdrv = c } }"); /* the first one's is free again */
    good(HEAD
         "vmm.start_vm{ mem = 64 / 4, kernel = 'k', cpus = 2 ^ 2 - 1 }"); /* whole numbers that Lua keeps as floats */
    assert_non_null(strstr(os_fake_trace, "mem 16777216 align"));
    assert_non_null(strstr(os_fake_trace, "arg <--cpus=2>"));
}

static void test_script_errors(void **state)
{
    (void)state;
    bad("local x = = 3", "test.ned:1: unexpected symbol near '='");
    bad("\nfoo.bar = 1", "test.ned:2: attempt to index a nil value (global 'foo')");
    bad("require 'nothing'", "module 'nothing' not found");
    bad("error({})", "table:");
}

static void test_missing_script(void **state)
{
    lua_State *l = start();

    (void)state;
    assert_false(luax_run_file(l, "rom/no.ned", &err));
    assert_string_equal(err.line,
                        "cannot open rom/no.ned: No such file or directory (is 'module no.ned' in the entry of "
                        "modules.list?)");
    lua_close(l);
}

static void test_start_errors(void **state)
{
    (void)state;
    bad(HEAD "l:start({ cap = {} }, 'rom/x')", "test.ned:2: start 'x': unknown key 'cap' (known: caps,");
    bad(HEAD "l:start({ caps = { a = 1 } }, 'rom/x')", "test.ned:2: start 'x': caps.a is a number");
    bad(HEAD "l:start({ caps = 1 }, 'rom/x')", "test.ned:2: start 'x': caps: table is needed");
    bad(HEAD "l:start(nil, 'rom/x')", "test.ned:2: start 'x': a table is needed");
    bad(HEAD "l:start({}, '')", "test.ned:2: start: the command is empty");
    bad(HEAD "l:start({}, nil)", "test.ned:2: start: the command: string is needed");
    bad(HEAD "l:start({ log = 3 }, 'rom/x')", "test.ned:2: start 'x': log is");
    bad(HEAD "l:start({ log = { 'a', 'b', 'c' } }, 'rom/x')", "test.ned:2: start 'x': log has only");
    bad(HEAD "l:start({ scheduler = 3 }, 'rom/x')", "test.ned:2: start 'x': scheduler is no scheduler");
    bad(HEAD "l:startv({}, 'rom/x', {}, 'y')", "test.ned:2: start 'x': argument 1 is a table");
    bad(HEAD "L4.Loader.new{ foo = 1 }", "test.ned:2: L4.Loader.new: unknown key 'foo'");
    bad(HEAD "L4.Env.user_factory:create(L4.Proto.Rm)", "test.ned:2: create(): a factory cannot create L4.Proto.Rm");
    bad(HEAD "L4.Env.log:m('q')", "test.ned:2: rights 'q': unknown letter 'q'");
    bad(HEAD "L4.Env.icu:svr()", "test.ned:2: svr(): L4.Env.icu is no channel");
    bad(HEAD "L4.Env.user_factory:create(L4.Proto.Dataspace, 0)", "the size must be positive");
    bad(HEAD "L4.Env.user_factory:create(L4.Proto.Dataspace, 4096, 0, 4097)", "no power of two");
    bad(HEAD "vmm.new_sched(-30)", "priority -20 is outside");
    bad(HEAD "vmm.new_sched(30, 2)", "none of the processors 0x2 exists");
    bad(HEAD "l:start({ cpus = 2 }, 'rom/x')", "start 'x': none of the processors 0x2 exists (there are 0x1)");
    bad(HEAD "l:start({ cpus = 'a' }, 'rom/x')", "start 'x': processors");
    bad(HEAD "local c = l:new_channel(); c:drop(); c:m('r')", "the capability has been dropped");
}

static void test_vm_errors(void **state)
{
    (void)state;
    bad(HEAD "vmm.start_vm{ kernal = 'x' }", "test.ned:2: start_vm: unknown key 'kernal' (known: bootargs, cpus,");
    bad(HEAD "vmm.start_vm{ kernel = 3 }", "test.ned:2: start_vm: kernel must be of type string, not integer");
    bad(HEAD "vmm.start_vm{ mem = 'lots' }",
        "test.ned:2: start_vm: mem must be of type integer or capability, not string");
    bad(HEAD "vmm.start_vm{ prio = 1.5 }", "test.ned:2: start_vm: prio must be of type integer, not float");
    bad(HEAD "vmm.start_vm{ prio = 256 }", "test.ned:2: start_vm: prio is 0 to 255, not 256");
    bad(HEAD "vmm.start_vm{ cpus = 0 }",
        "test.ned:2: start_vm: cpus is a mask of processors, a bit for each, and 0 is none");
    bad(HEAD "vmm.start_vm{ ext_args = { '-v', 3 } }", "test.ned:2: start_vm: ext_args[2] must be of type string, not");
    bad(HEAD "vmm.start_vm{ ext_caps = { qdrv = 1 } }",
        "start_vm: ext_caps.qdrv must be of type capability, not number");
    bad(HEAD "vmm.start_vm{ vbus = L4.Env.log }", "test.ned:2: start_vm: vbus: devices cannot be passed through");
    bad(HEAD "vmm.start_vm{ mem = -3 }", "test.ned:2: start_vm: mem is a number of MiB from 1 to");
    bad(HEAD "vmm.start_vm{ fdt = { 'a', 3 } }", "test.ned:2: start_vm: fdt[2] must be of type string, not number");
    bad(HEAD "vmm.start_vm{ mem = 1 << 44 }", "test.ned:2: start_vm: mem is a number of MiB from 1 to");
    bad(HEAD "vmm.start_vm{ cpus = -1 }",
        "test.ned:2: start_vm: cpus is a mask of processors, a bit for each, and -1 is none");
    bad(HEAD "vmm.start_vm{ rd = '' }", "test.ned:2: start_vm: rd is empty; leave the key out, or name one");
    bad(HEAD "vmm.start_vm{ fdt = { 'a', '' } }", "test.ned:2: start_vm: fdt[2] is empty; leave it out");
    bad(HEAD "local c = l:new_channel(); vmm.start_vm{ name = 'web', kernel = 'k', ext_caps = { qdrv = c } }\n"
             "vmm.start_vm{ kernel = 'k', ext_caps = { qdrv1 = c } }",
        "test.ned:3: start_vm: ext_caps.qdrv1 is in use by the VM web; give each VM a channel of its own");
    bad(HEAD "vmm.start_vm{ fdt = { [2] = 'a' } }", "test.ned:2: start_vm: fdt is a list with nil in it; leave out");
    bad(HEAD "vmm.start_vm{ fdt = { base = 'a' } }",
        "test.ned:2: start_vm: fdt is a list of files; it has no key 'base'");
    bad(HEAD "vmm.start_vm{ ext_args = { nil, '-v' } }", "test.ned:2: start_vm: ext_args is a list with nil in it");
    bad(HEAD "vmm.start_vm{ bootargs = 'a\\0b' }", "test.ned:2: start 'uvmm': argument 1 (-ca");
    bad(HEAD "vmm.start_vm{ bootargs = ('x'):rep(5000) }",
        "has 5002 characters, more than 3500, or a NUL among them; shorten it");
    bad(HEAD "vmm.start_vm{ log = L4.Env.rom }", "test.ned:2: start 'uvmm': log is no console but L4.Env.rom; give {");
    bad(HEAD "vmm.start_vm{ ext_args = { v = 'x' } }",
        "test.ned:2: start_vm: ext_args is a list of options; it has no key 'v'");
    bad(HEAD "vmm.start_vm{ ext_caps = { L4.Env.log } }",
        "test.ned:2: start_vm: ext_caps[1] has no name; write ext_caps = {");
    bad(HEAD "vmm.start_vm{ log = L4.Env.icu }", "test.ned:2: start 'uvmm': log is no console but L4.Env.icu; give {");
    bad(HEAD "vmm.start_vm{ scheduler = L4.Env.icu }", "test.ned:2: start 'uvmm': scheduler is no scheduler");
    bad(HEAD "vmm.start_vm{ ram_align = 70 }", "test.ned:2: start_vm: mem = 16: alignment 70 is no power of two");
    bad(HEAD "vmm.start_vm(3)", "test.ned:2: start_vm: a table of options is needed");
    bad(HEAD "vmm.start_vm{ ext_caps = { ram = L4.Env.log } }",
        "test.ned:2: start_vm: ext_caps.ram: the name is taken");
    bad(HEAD "vmm.start_io(3)", "test.ned:2: start_io: a table of virtual buses is needed");
    bad(HEAD "vmm.start_io({ icu = 1 })", "test.ned:2: start_io: 'icu' cannot be the name");
}

static void test_missing_program(void **state)
{
    lua_State *l = start();

    (void)state;
    os_fake_create_error = SK_ENOENT;
    assert_false(run(l, HEAD "l:start({}, 'rom/nope')"));
    assert_string_equal(err.line, "test.ned:2: cannot start 'rom/nope': there is no such file (is 'module nope' in the "
                                  "entry of modules.list?)");
    lua_close(l);
    assert_int_equal(os_fake_live, 0);
}

static void test_no_memory(void **state)
{
    lua_State *l = start();

    (void)state;
    os_fake_mem_error = SK_ENOMEM;
    assert_false(run(l, HEAD "vmm.start_vm{ mem = 4096 }"));
    assert_non_null(
        strstr(err.line,
               "test.ned:2: start_vm: mem = 4096: cannot allocate 4194304 KiB of memory: it failed; 4096 KiB allowed"));
    lua_close(l);
    assert_int_equal(os_fake_live, 0);
}

/* The RAM of a VM that ended is garbage, but not collected yet: the next VM gets it all the same. */
static void test_memory_of_ended_vms(void **state)
{
    lua_State *l = start();

    (void)state;
    os_fake_mem_max = 8;
    if (!run(l, HEAD "for i = 1, 20 do vmm.start_vm{ mem = 64, kernel = 'k', bootargs = '' } end")) {
        fail_msg("%s", err.line);
    }
    assert_null(strstr(os_fake_trace, "arg <-c>"));
    lua_close(l);
    assert_int_equal(os_fake_live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tutorial),     cmocka_unit_test(test_io_files),
        cmocka_unit_test(test_disk),         cmocka_unit_test(test_control),
        cmocka_unit_test(test_stat),         cmocka_unit_test(test_wait),
        cmocka_unit_test(test_exit_handler), cmocka_unit_test(test_exit_handler_error),
        cmocka_unit_test(test_api),          cmocka_unit_test(test_consoles),
        cmocka_unit_test(test_vm_keys),      cmocka_unit_test(test_script_errors),
        cmocka_unit_test(test_start_errors), cmocka_unit_test(test_missing_script),
        cmocka_unit_test(test_vm_errors),    cmocka_unit_test(test_missing_program),
        cmocka_unit_test(test_no_memory),    cmocka_unit_test(test_memory_of_ended_vms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
