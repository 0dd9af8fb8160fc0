// SPDX-License-Identifier: MIT
/* From the boot loader's modules to the first thread of the root task.
 *
 * The first module is the root program. Its segments, its stack and its struct boot_info are copied to RAM that is
 * taken from the free RAM before the rest becomes memory objects; each is mapped with no more rights than it needs. The
 * root task gets capabilities to everything, from slot CAP_LOADER_SLOTS on. Failures here stop the machine: there
 * is nobody to report them to. */
#include <kernel/boot.h>
#include <kernel/core.h>
#include <kernel/elf.h>
#include <kernel/log.h>
#include <kernel/quota.h>

#define ROOT_PRIORITY 128
#define ROOT_STACK_SIZE (256 * 1024ull)
#define ROOT_STACK_TOP 0x00007ffff0000000ull /* a page is left free on both sides */
#define ROOT_UTCB 0x00007ffff0100000ull
#define ROOT_INFO 0x00007ffff0200000ull
#define DEVICE_RIGHTS RIGHT_ALL

struct boot {
    const struct boot_params *params;
    struct {
        uint64_t base, size;
    } ram[BOOT_MAX_MEMORY]; /* what is still free */
    struct quota *quota;
    struct task *task;
    struct boot_info *info; /* kernel's view */
    uint64_t info_size;
};

static void *boot_need(void *p, const char *what)
{
    if (p == NULL) {
        panic("boot: no kernel memory for %s; give the machine more RAM", what);
    }
    return p;
}

/* Takes size bytes from the end of the smallest free range that holds them. */
static paddr_t boot_ram_take(struct boot *b, uint64_t size, const char *what)
{
    unsigned best = BOOT_MAX_MEMORY;

    for (unsigned i = 0; i < b->params->ram_count; i++) {
        if (b->ram[i].size >= size && (best == BOOT_MAX_MEMORY || b->ram[i].size < b->ram[best].size)) {
            best = i;
        }
    }
    if (best == BOOT_MAX_MEMORY) {
        panic("boot: no %lu KiB of free RAM for %s; give the machine more RAM", size / 1024, what);
    }
    b->ram[best].size -= size;
    return (paddr_t){b->ram[best].base + b->ram[best].size};
}

static cap_t boot_grant(struct boot *b, struct object *o, uint32_t rights)
{
    cap_t slot;

    if (captable_reserve(b->task->caps, 1, &slot) != SK_OK) {
        panic("boot: no room in the root task's capability table");
    }
    o->permanent = true;
    captable_fill(b->task->caps, slot, o, rights);
    return slot;
}

static cap_t boot_grant_memory(struct boot *b, paddr_t base, uint64_t size, uint32_t flags, uint32_t rights)
{
    struct memory *m = boot_need(memory_create_root(b->quota, base, size, flags), "memory objects");

    return boot_grant(b, &m->obj, rights);
}

/* Maps fresh zeroed RAM into the root task; returns the kernel's view of it. */
static void *boot_map_ram(struct boot *b, uint64_t va, uint64_t size, uint32_t rights, const char *what)
{
    paddr_t pa = boot_ram_take(b, size, what);
    struct memory *m = boot_need(memory_create_root(b->quota, pa, size, 0), what);
    int err = space_map_memory(&b->task->space, m, 0, size, va, rights);

    if (err != SK_OK) {
        panic("boot: mapping %s at %lx failed with error %d", what, va, err);
    }
    __builtin_memset(phys_to_virt(pa), 0, size);
    return phys_to_virt(pa);
}

static void boot_load_program(struct boot *b, struct elf_image *image)
{
    const uint8_t *file = phys_to_virt(b->params->module[0].base);
    const char *why;

    if (elf_parse(file, b->params->module[0].size, ROOT_STACK_TOP - ROOT_STACK_SIZE - PAGE_SIZE, image, &why) !=
        SK_OK) {
        panic("boot: the first module (%s) cannot be the root task: %s", b->params->module[0].cmdline, why);
    }
    for (unsigned i = 0; i < image->count; i++) {
        const struct elf_segment *s = &image->segment[i];
        uint64_t va = align_down(s->va, PAGE_SIZE), end = align_up(s->va + s->mem_size, PAGE_SIZE);
        char *to = boot_map_ram(b, va, end - va, s->rights, "the root program");

        __builtin_memcpy(to + (s->va - va), file + s->offset, s->file_size);
    }
}

/* --- struct boot_info ---------------------------------------------------------------------------------------- */

static size_t str_len(const char *s)
{
    size_t n = 0;

    while (s[n] != '\0') {
        n++;
    }
    return n;
}

/* Length of the file name that begins a module's command line, and where its last path component begins. */
static size_t module_name(const char *cmdline, size_t *start)
{
    size_t n = 0;

    *start = 0;
    for (; cmdline[n] != '\0' && cmdline[n] != ' '; n++) {
        if (cmdline[n] == '/') {
            *start = n + 1;
        }
    }
    return n - *start;
}

static uint64_t boot_info_size(const struct boot_params *p)
{
    uint64_t size = sizeof(struct boot_info);

    for (unsigned i = 0; i < p->module_count; i++) {
        size += 2 * (str_len(p->module[i].cmdline) + 1);
    }
    return size;
}

static uint32_t boot_info_add_string(struct boot_info *info, const char *s, size_t len)
{
    uint32_t off = info->size - (uint32_t)sizeof(*info);

    __builtin_memcpy(info->strings + off, s, len);
    info->strings[off + len] = '\0';
    info->size += (uint32_t)len + 1;
    return off;
}

static void boot_add_modules(struct boot *b)
{
    const struct boot_params *p = b->params;
    struct boot_info *info = b->info;

    for (unsigned i = 0; i < p->module_count; i++) {
        uint64_t size = p->module[i].size, pages = align_up(size, PAGE_SIZE);
        const char *cmdline = p->module[i].cmdline;
        size_t start, len = module_name(cmdline, &start);

        if (size == 0) {
            kprintf("kernel: boot module %s is empty and left out\n", cmdline);
            continue;
        }
        struct boot_module *m = &info->module[info->module_count++];
        __builtin_memset((char *)phys_to_virt(p->module[i].base) + size, 0, pages - size);
        m->cap = boot_grant_memory(b, p->module[i].base, pages, 0, RIGHT_R | RIGHT_X | RIGHT_CTRL);
        m->size = size;
        m->name = boot_info_add_string(info, cmdline + start, len);
        m->cmdline = boot_info_add_string(info, cmdline, str_len(cmdline));
    }
    info->cmdline = info->module[0].cmdline;
}

static void boot_add_memory(struct boot *b)
{
    struct boot_info *info = b->info;

    for (unsigned i = 0; i < b->params->ram_count; i++) {
        paddr_t base = {b->ram[i].base};
        uint64_t size = b->ram[i].size;

        if (size != 0) {
            info->memory[info->memory_count++] = (struct boot_memory){
                .cap = boot_grant_memory(b, base, size, 0, RIGHT_ALL), .base = base.v, .size = size};
        }
    }
    info->device_memory_size = phys_limit();
    info->device_memory = boot_grant_memory(b, (paddr_t){0}, phys_limit(), MEM_DEVICE, DEVICE_RIGHTS);
}

static void boot_fill_info(struct boot *b)
{
    const struct boot_params *p = b->params;
    struct boot_info *info = b->info;

    info->magic = BOOT_INFO_MAGIC;
    info->utcb = ROOT_UTCB;
    info->size = sizeof(*info);
    info->irqctl = boot_grant(b, boot_need(irqctl_create(b->quota), "objects"), RIGHT_ALL);
    info->dmactl = boot_grant(b, boot_need(dmactl_create(b->quota), "objects"), RIGHT_ALL);
    info->ioport = boot_grant(b, boot_need(ioport_create_root(b->quota), "objects"), RIGHT_ALL);
    info->console = boot_grant(b, boot_need(console_create(b->quota), "objects"), RIGHT_ALL);
    info->machine = boot_grant(b, boot_need(machine_create(b->quota), "objects"), RIGHT_ALL);
    info->rsdp = p->rsdp;
    info->ram_bytes = p->ram_bytes;
    info->kernel_bytes = p->kernel_bytes;
    info->module_bytes = p->module_bytes;
    info->fb_base = p->fb.base;
    info->fb_pitch = p->fb.pitch;
    info->fb_width = p->fb.width;
    info->fb_height = p->fb.height;
    info->fb_bpp = p->fb.bpp;
    boot_add_modules(b);
    boot_add_memory(b);
}

/* ------------------------------------------------------------------------------------------------------------------ */

static void boot_make_task(struct boot *b)
{
    uint64_t total, used;

    kpage_stat(&total, &used);
    b->quota = quota_create_root(total - used, UINT8_MAX);
    b->task = boot_need(task_create(b->quota), "the root task");
    for (unsigned i = 0; i < b->params->ram_count; i++) {
        b->ram[i].base = b->params->ram[i].base.v;
        b->ram[i].size = b->params->ram[i].size;
    }
}

static struct thread *boot_make_thread(struct boot *b)
{
    struct thread *t;
    int err = thread_create(b->quota, b->task, ROOT_UTCB, ROOT_PRIORITY, &t);

    if (err != SK_OK) {
        panic("boot: making the root thread failed with error %d", err);
    }
    size_t start, len = module_name(b->params->module[0].cmdline, &start);
    __builtin_memcpy(t->name, b->params->module[0].cmdline + start, len < sizeof(t->name) ? len : sizeof(t->name));
    t->is_root = true;
    for (cap_t slot = CAP_TASK; slot <= CAP_QUOTA; slot++) {
        if (captable_reserve_at(b->task->caps, slot) != SK_OK) {
            panic("boot: no room in the root task's capability table");
        }
    }
    captable_fill(b->task->caps, CAP_TASK, &b->task->space.obj, RIGHT_ALL);
    captable_fill(b->task->caps, CAP_THREAD, &t->obj, RIGHT_ALL);
    captable_fill(b->task->caps, CAP_QUOTA, &b->quota->obj, RIGHT_ALL);
    return t;
}

void core_init(void)
{
    static struct boot boot;
    struct boot *b = &boot;
    struct elf_image image;

    b->params = boot_params();
    if (b->params->module_count == 0) {
        panic("boot: no boot modules; the first one must be the root program (moe)");
    }
    assert(fpu_state_pages() == 1);
    sched_init();
    boot_make_task(b);
    boot_load_program(b, &image);
    boot_map_ram(b, ROOT_STACK_TOP - ROOT_STACK_SIZE, ROOT_STACK_SIZE, RIGHT_R | RIGHT_W, "the root stack");
    b->info_size = align_up(boot_info_size(b->params), PAGE_SIZE);
    b->info = boot_map_ram(b, ROOT_INFO, b->info_size, RIGHT_R, "the boot information");
    struct thread *t = boot_make_thread(b);
    boot_fill_info(b);
    thread_start(t, image.entry, ROOT_STACK_TOP, ROOT_INFO);
}
