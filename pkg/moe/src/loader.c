// SPDX-License-Identifier: MIT
/* Makes a program from an ELF file of rom/.
 *
 * What is not writable is mapped from the boot module itself; the rest is copied into memory of the program's account.
 * No mapping is writable and executable (lib/elf refuses such files, the kernel such mappings). Below the stack
 * nothing is mapped. */
#include "moe.h"

#include <elf/image.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <string.h>
#include <util/bits.h>

#define ROM_PREFIX "rom/"

struct load {
    struct program_image *image;
    const struct image_params *params;
    const struct boot_module *module;
    const char *file; /* mapped */
    struct elf_image elf;
};

static int64_t map_run(const struct program_image *im, const struct run *r, uint64_t va, uint32_t rights)
{
    return sys_map(im->task, r->cap, 0, r->size, va, rights).value;
}

static uint32_t segment_rights(const struct elf_segment *s)
{
    return RIGHT_R | (s->flags & ELF_W ? RIGHT_W : 0) | (s->flags & ELF_X ? RIGHT_X : 0);
}

static int64_t segment_share(const struct load *l, const struct elf_segment *s)
{
    uint64_t start = align_down(s->vaddr, PAGE_SIZE), end = align_up(s->vaddr + s->mem_size, PAGE_SIZE);

    return sys_map(l->image->task, l->module->cap, align_down(s->offset, PAGE_SIZE), end - start, start,
                   segment_rights(s))
        .value;
}

/* Copies a segment into its run, through a mapping of ours. */
static int64_t segment_fill(const struct load *l, const struct elf_segment *s, const struct run *r)
{
    int64_t err = SK_OK;
    char *p = vm_map(r->cap, 0, r->size, RIGHT_R | RIGHT_W, &err);

    if (!p) {
        return err;
    }
    memcpy(p + s->vaddr % PAGE_SIZE, l->file + s->offset, s->file_size);
    vm_unmap(p, r->size);
    return SK_OK;
}

static int64_t segment_copy(const struct load *l, const struct elf_segment *s, struct run **run)
{
    uint64_t start = align_down(s->vaddr, PAGE_SIZE), end = align_up(s->vaddr + s->mem_size, PAGE_SIZE);
    int64_t err = run_alloc(l->params->account, end - start, 0, 0, true, run);

    if (err >= 0) {
        err = segment_fill(l, s, *run);
    }
    return err < 0 ? err : map_run(l->image, *run, start, segment_rights(s));
}

static int64_t load_segments(struct load *l)
{
    int64_t err = SK_OK;

    for (unsigned i = 0; i < l->elf.segment_count && err >= 0; i++) {
        const struct elf_segment *s = &l->elf.segment[i];
        bool share = !(s->flags & ELF_W) && s->mem_size == s->file_size;
        err = share ? segment_share(l, s) : segment_copy(l, s, &l->image->segment[i]);
    }
    return err;
}

static int64_t make_objects(struct program_image *im, const struct image_params *p)
{
    int64_t cap = sys_quota_create_on(CAP_QUOTA, p->kernel_bytes, p->priority, p->cpus);

    if (cap < 0) {
        return cap;
    }
    im->quota = (cap_t)cap;
    cap = sys_task_create(im->quota);
    if (cap < 0) {
        return cap;
    }
    im->task = (cap_t)cap;
    cap = sys_thread_create(im->quota, im->task, PROGRAM_UTCB, p->priority);
    if (cap < 0) {
        return cap;
    }
    im->thread = (cap_t)cap;
    uint64_t name = 0;
    memcpy(&name, p->name, strnlen(p->name, sizeof(name)));
    return sys_thread_set(im->thread, THREAD_NAME, name);
}

static int64_t make_memory(struct program_image *im, const struct image_params *p)
{
    int64_t err = run_alloc(p->account, PROGRAM_STACK, 0, 0, true, &im->stack);

    if (err >= 0) {
        err = map_run(im, im->stack, PROGRAM_STACK_TOP - PROGRAM_STACK, RIGHT_R | RIGHT_W);
    }
    if (err >= 0) {
        err = run_alloc(p->account, sizeof(struct sk_env), 0, 0, true, &im->env);
    }
    if (err >= 0) {
        err = map_run(im, im->env, PROGRAM_ENV, RIGHT_R);
    }
    return err;
}

static int64_t build(struct load *l)
{
    struct program_image *im = l->image;
    int64_t err = make_objects(im, l->params);

    if (err >= 0) {
        err = load_segments(l);
    }
    if (err >= 0) {
        err = make_memory(im, l->params);
    }
    im->entry = l->elf.entry;
    im->phdr_vaddr = l->elf.phdr_vaddr;
    im->phdr_count = l->elf.phdr_count;
    im->phdr_size = l->elf.phdr_size;
    if (err < 0) {
        moe_log("%s cannot be loaded: %s (%lu KiB of kernel memory, priority %u)", l->params->path, sk_strerror(err),
                l->params->kernel_bytes >> 10, l->params->priority);
    }
    return err;
}

static int64_t load_file(struct load *l)
{
    const char *why = elf_image_open(&l->elf, l->file, l->module->size, PROGRAM_FREE);

    if (why) {
        moe_log("%s is no program that can be started: %s", l->params->path, why);
        return SK_EINVAL;
    }
    int64_t err = build(l);
    if (err < 0) {
        image_destroy(l->image);
    }
    return err;
}

int64_t image_load(struct program_image *im, const struct image_params *p)
{
    struct load l = {.image = im, .params = p};
    int64_t err = SK_OK;

    *im = (struct program_image){0};
    bool in_rom = strncmp(p->path, ROM_PREFIX, strlen(ROM_PREFIX)) == 0;
    l.module = in_rom ? rom_find(p->path + strlen(ROM_PREFIX)) : NULL;
    if (!l.module) {
        moe_log("there is no %s: add \"module %s\" to the entry in modules.list", p->path,
                in_rom ? p->path + strlen(ROM_PREFIX) : p->path);
        return SK_ENOENT;
    }
    if (l.module->size == 0) {
        moe_log("%s is no program that can be started: the file is empty", p->path);
        return SK_EINVAL;
    }
    l.file = vm_map(l.module->cap, 0, l.module->size, RIGHT_R, &err);
    if (!l.file) {
        moe_log("%s cannot be read: %s", p->path, sk_strerror(err));
        return err;
    }
    err = load_file(&l);
    vm_unmap((void *)l.file, l.module->size);
    return err;
}

static void free_run(struct run **r)
{
    if (*r) {
        /* A device may still write to it: it then becomes an ordinary run, which the sweep takes later. */
        if (run_free(*r) < 0) {
            (*r)->internal = false;
        }
        *r = NULL;
    }
}

static void drop(cap_t *cap)
{
    if (*cap != CAP_NULL) {
        sys_cap_drop(*cap);
        *cap = CAP_NULL;
    }
}

void image_destroy(struct program_image *im)
{
    if (im->quota != CAP_NULL) {
        sys_obj_destroy(im->quota); /* takes task, threads and all that the program made */
    }
    drop(&im->thread);
    drop(&im->task);
    drop(&im->quota);
    for (unsigned i = 0; i < ARRAY_SIZE(im->segment); i++) {
        free_run(&im->segment[i]);
    }
    free_run(&im->stack);
    free_run(&im->env);
}
