// SPDX-License-Identifier: MIT
// A system for ned's host tests: see os_fake.h.
#include "os_fake.h"
#include "../src/os.h"

#include <proto/prog.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char os_fake_trace[16384];
unsigned os_fake_live;
int64_t os_fake_create_error, os_fake_mem_error;
unsigned os_fake_mem_max;

const char *os_fake_answer = "an answer\n";

struct object {
    unsigned type;
    uint32_t rights;
    bool live;
};
static struct object objects[4096];
static cap_t next_cap = 100;

static const struct {
    const char *name;
    unsigned type;
} environment[] = {{"log", OBJ_GATE},   {"rom", OBJ_GATE},     {"mem", OBJ_GATE},      {"loader", OBJ_GATE},
                   {"icu", OBJ_IRQCTL}, {"iommu", OBJ_DMACTL}, {"ioport", OBJ_IOPORT}, {"sigma0", OBJ_MEMORY}};

struct os_watch {
    void (*fn)(void *ctx);
    void *ctx;
};
static struct os_watch watches[8];
static unsigned program_state = PROG_RUNNING;

__attribute__((format(printf, 1, 2))) static void trace(const char *fmt, ...)
{
    size_t used = strlen(os_fake_trace);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(os_fake_trace + used, sizeof os_fake_trace - used, fmt, ap);
    va_end(ap);
}

static int64_t new_object(unsigned type, uint32_t rights)
{
    cap_t cap = next_cap++;

    if (cap >= sizeof objects / sizeof objects[0]) {
        abort();
    }
    objects[cap] = (struct object){type, rights, true};
    os_fake_live++;
    return cap;
}

void os_fake_reset(void)
{
    os_fake_trace[0] = 0;
    os_fake_live = 0;
    os_fake_create_error = os_fake_mem_error = 0;
    os_fake_mem_max = 0;
    next_cap = 100;
    program_state = PROG_RUNNING;
    memset(watches, 0, sizeof watches);
    memset(objects, 0, sizeof objects);
    for (unsigned i = 0; i < sizeof environment / sizeof environment[0]; i++) {
        uint32_t rights = environment[i].type == OBJ_GATE ? RIGHT_CALL : RIGHT_ALL;
        objects[16 + i] = (struct object){environment[i].type, rights, true};
    }
}

bool os_env_at(unsigned i, const char **name, cap_t *cap)
{
    if (i >= sizeof environment / sizeof environment[0]) {
        return false;
    }
    *name = environment[i].name;
    *cap = 16 + i;
    return true;
}

const char *os_strerror(int64_t err)
{
    return err == SK_ENOENT ? "there is no such thing" : "it failed";
}
const char *os_version(void)
{
    return "Skerry test";
}
unsigned os_cpus(void)
{
    return 1;
}

int64_t os_cap_info(cap_t cap, unsigned *type, uint32_t *rights)
{
    if (!objects[cap].live) {
        return SK_ECAP;
    }
    *type = objects[cap].type;
    *rights = objects[cap].rights;
    return SK_OK;
}

int64_t os_cap_copy(cap_t cap, uint32_t rights)
{
    return objects[cap].live ? new_object(objects[cap].type, objects[cap].rights & rights) : SK_ECAP;
}

void os_cap_drop(cap_t cap)
{
    if (!objects[cap].live) {
        abort(); /* dropped twice */
    }
    objects[cap].live = false;
    os_fake_live--;
}

int64_t os_gate_create(void)
{
    return new_object(OBJ_GATE, RIGHT_ALL);
}

int64_t os_block_create(cap_t server, const char *const *args, unsigned count)
{
    (void)server;
    trace("disk");
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(args[i], "device=GONE") == 0) {
            return SK_ENODEV;
        }
        trace(" <%s>", args[i]);
    }
    trace("\n");
    return new_object(OBJ_GATE, RIGHT_CALL);
}

static unsigned memory_live(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        n += objects[i].live && objects[i].type == OBJ_MEMORY;
    }
    return n;
}

int64_t os_mem_alloc(cap_t mem, uint64_t size, uint64_t align, uint32_t flags)
{
    (void)mem;
    if (os_fake_mem_error != 0) {
        return os_fake_mem_error;
    }
    if (os_fake_mem_max != 0 && memory_live() >= os_fake_mem_max) {
        return SK_ENOMEM;
    }
    trace("mem %llu align %llu flags %u\n", (unsigned long long)size, (unsigned long long)align, flags);
    return new_object(OBJ_MEMORY, RIGHT_R | RIGHT_W | RIGHT_X);
}

int64_t os_mem_sub(cap_t mem, uint64_t bytes)
{
    (void)mem;
    trace("allowance %llu\n", (unsigned long long)bytes);
    return new_object(OBJ_GATE, RIGHT_CALL);
}

int64_t os_mem_stat(cap_t mem, uint64_t *allowed, uint64_t *used, uint64_t *free_bytes)
{
    (void)mem;
    *allowed = 4096 * 1024;
    *used = 1024;
    *free_bytes = 2048;
    return SK_OK;
}

int64_t os_control(cap_t server, const char *line, char **text, size_t *len, bool *understood)
{
    (void)server;
    *text = NULL;
    *len = 0;
    if (strcmp(line, "busy") == 0) {
        return SK_EBUSY;
    }
    trace("control <%s>\n", line);
    *understood = strcmp(line, "nonsense") != 0;
    *text = strdup(os_fake_answer);
    *len = strlen(os_fake_answer);
    return SK_OK;
}

int64_t os_log_create(cap_t loader, const char *tag, const char *colour)
{
    (void)loader;
    trace("log %s %s\n", tag, colour);
    return new_object(OBJ_GATE, RIGHT_CALL);
}

int64_t os_console_create(cap_t factory, const char *name, const char *colour)
{
    if (!objects[factory].live) {
        return SK_ECAP;
    }
    trace("console %s %s\n", name, colour);
    return new_object(OBJ_GATE, RIGHT_CALL);
}

int64_t os_program_create(cap_t loader, const char *path, uint64_t kmem, unsigned priority, uint64_t cpus, cap_t log,
                          cap_t mem)
{
    if (os_fake_create_error != 0) {
        return os_fake_create_error;
    }
    if (!objects[loader].live || !objects[log].live || !objects[mem].live) {
        abort();
    }
    trace("create %s kmem %llu prio %u", path, (unsigned long long)kmem, priority);
    if (cpus != 0) {
        trace(" cpus %llx", (unsigned long long)cpus);
    }
    trace("\n");
    return new_object(OBJ_GATE, RIGHT_CALL);
}

int64_t os_program_arg(cap_t program, const char *arg)
{
    (void)program;
    trace("arg <%s>\n", arg);
    return SK_OK;
}

int64_t os_program_env(cap_t program, const char *assignment)
{
    (void)program;
    trace("env %s\n", assignment);
    return SK_OK;
}

int64_t os_program_cap(cap_t program, const char *name, cap_t cap, uint32_t rights)
{
    (void)program;
    trace("cap %s type %u rights 0x%x\n", name, objects[cap].type, objects[cap].rights & rights);
    return SK_OK;
}

int64_t os_program_start(cap_t program)
{
    (void)program;
    trace("start\n");
    return SK_OK;
}

int64_t os_program_status(cap_t program, struct os_program_status *status)
{
    (void)program;
    status->state = program_state;
    status->exit_code = 7;
    snprintf(status->reason, sizeof status->reason, "exited with 7");
    return SK_OK;
}

int64_t os_program_stop(cap_t program, uint64_t limit_ms)
{
    (void)program;
    trace("stop %lu\n", limit_ms);
    return SK_OK;
}

int64_t os_machine_end(bool off)
{
    trace("%s\n", off ? "poweroff" : "reset");
    return SK_OK;
}

int64_t os_program_kill(cap_t program)
{
    (void)program;
    trace("kill\n");
    return SK_OK;
}

struct os_watch *os_watch_begin(cap_t program, void (*fn)(void *ctx), void *ctx, int64_t *err)
{
    (void)program;
    for (unsigned i = 0; i < sizeof watches / sizeof watches[0]; i++) {
        if (watches[i].fn == NULL) {
            watches[i] = (struct os_watch){fn, ctx};
            return &watches[i];
        }
    }
    *err = SK_ENOMEM;
    return NULL;
}

void os_watch_end(struct os_watch *watch)
{
    watch->fn = NULL;
}

/* The one event there is: all programs end. */
void os_event(void)
{
    program_state = PROG_EXITED;
    for (unsigned i = 0; i < sizeof watches / sizeof watches[0]; i++) {
        if (watches[i].fn != NULL) {
            watches[i].fn(watches[i].ctx);
        }
    }
}
