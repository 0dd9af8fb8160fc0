// SPDX-License-Identifier: MIT
/* Threads with thread-local storage in the C library's layout: [TLS image][thread control block], FS at the block
 * [psABI x86-64 and "ELF Handling For Thread-Local Storage", variant II]. The block is a copy of the main thread's
 * (locale, stack canary) that points to itself. Layout of one thread's memory, lowest first: stack, TLS, block,
 * stack of the fault handler. */
#include <elf.h>
#include <sk/env.h>
#include <sk/init.h>
#include <sk/sys.h>
#include <sk/thread.h>
#include <sk/vm.h>
#include <string.h>
#include <sys/auxv.h>
#include <util/bits.h>

#define TCB_COPY_BYTES 256u /* at least musl's struct pthread */
#define STACK_DEFAULT (64u << 10)
#define FAULT_STACK (24u << 10)

static const Elf64_Phdr *tls_header(void)
{
    const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
    unsigned long n = getauxval(AT_PHNUM);

    for (unsigned long i = 0; ph && i < n; i++) {
        if (ph[i].p_type == PT_TLS) {
            return &ph[i];
        }
    }
    return NULL;
}

static uint64_t tls_bytes(const Elf64_Phdr *ph)
{
    return ph ? align_up(ph->p_memsz, max(ph->p_align, (Elf64_Xword)16)) : 0;
}

/* Fills the thread's TLS and control block below the end of its memory; returns the block. */
static char *tls_make(char *end, const Elf64_Phdr *ph)
{
    char *tcb = (char *)align_down((uint64_t)end - TCB_COPY_BYTES, ph ? max(ph->p_align, (Elf64_Xword)64) : 64);
    char *self;

    __asm__("mov %%fs:0, %0" : "=r"(self));
    memcpy(tcb, self, TCB_COPY_BYTES);
    memcpy(tcb, &tcb, sizeof(tcb));
    if (ph) {
        memcpy(tcb - tls_bytes(ph), (const void *)ph->p_vaddr, ph->p_filesz);
    }
    return tcb;
}

static void thread_main(struct sk_thread *t)
{
    sk_utcb_set(t->utcb);
    sk_fault_stack_set((char *)t->stack + t->stack_size);
    t->utcb->fault_armed = 1;
    t->entry(t->arg);
    sys_thread_exit(0);
}

static int64_t thread_memory(struct sk_thread *t, size_t stack_size)
{
    const Elf64_Phdr *ph = tls_header();
    int64_t err = SK_ENOMEM;

    t->stack_size = align_up(
        (stack_size ? stack_size : STACK_DEFAULT) + tls_bytes(ph) + 2 * TCB_COPY_BYTES + FAULT_STACK, PAGE_SIZE);
    t->stack = vm_alloc(t->stack_size, NULL, &err);
    if (!t->stack) {
        return err;
    }
    t->utcb = vm_reserve(PAGE_SIZE, PAGE_SIZE);
    if (!t->utcb) {
        return SK_ENOMEM;
    }
    t->tls = (uint64_t)tls_make((char *)t->stack + t->stack_size - FAULT_STACK, ph);
    /* As after a call instruction: 8 bytes off a multiple of 16. */
    t->sp = align_down(t->tls - tls_bytes(ph), 16) - 8;
    return SK_OK;
}

static int64_t thread_setup(struct sk_thread *t, const char *name, unsigned priority)
{
    uint64_t packed = 0;
    int64_t err = sys_thread_create(CAP_QUOTA, CAP_TASK, (uint64_t)t->utcb, priority);

    if (err < 0) {
        return err;
    }
    t->cap = (cap_t)err;
    memcpy(&packed, name, strnlen(name, sizeof(packed)));
    err = sys_thread_set(t->cap, THREAD_NAME, packed);
    if (err >= 0) {
        err = sys_thread_set(t->cap, THREAD_FS_BASE, t->tls);
    }
    if (err >= 0) {
        err = sk_thread_handlers(t->cap);
    }
    return err;
}

int64_t sk_thread_create(struct sk_thread *t, const char *name, unsigned priority, size_t stack_size,
                         void (*entry)(void *), void *arg)
{
    *t = (struct sk_thread){.entry = entry, .arg = arg};
    int64_t err = thread_memory(t, stack_size);

    if (err >= 0) {
        err = thread_setup(t, name, priority);
    }
    if (err >= 0) {
        err = sys_thread_start(t->cap, (uint64_t)thread_main, t->sp, (uint64_t)t);
    }
    if (err < 0) {
        sk_thread_destroy(t);
    }
    return err;
}

void sk_thread_destroy(struct sk_thread *t)
{
    if (t->cap != CAP_NULL) {
        sys_obj_destroy(t->cap);
        sys_cap_drop(t->cap);
    }
    if (t->utcb) {
        vm_release(t->utcb, PAGE_SIZE);
    }
    if (t->stack) {
        vm_unmap(t->stack, t->stack_size);
    }
    *t = (struct sk_thread){0};
}
