// SPDX-License-Identifier: MIT
/* vmtest: a root program that tests guests and vcpus on the real kernel. It creates a guest with small pieces of code
 * (guest16.S, guest64.S) for each test and is its VMM. One line per test on the console, then
 *     vmtest: N passed, M failed, K skipped
 * and the machine ends by QEMU's isa-debug-exit (status 1: all passed, 3: failures) or by a reset.
 *
 * Guest memory: RAM_SIZE at guest-physical 0, code at CODE, DATA for results, IDT, GDT, stack below STACK; in long mode the first
 * GiB is mapped one to one by 2 MiB pages. */
#pragma once

#include <sk/sys.h>
#include <stdbool.h>
#include <stddef.h>

#define RAM_SIZE 0x40000u
#define CODE     0x1000u
#define DATA     0x3000u
#define IDT      0x4000u
#define GDT      0x5000u
#define STACK    0x8000u
#define PML4     0x10000u
#define PDPT     0x11000u
#define PD       0x12000u
#define HOLE     0x30000000u /* in the guest's page table, without memory behind */

struct vm {
    cap_t guest, vcpu, ram;
    struct vcpu_state *s;
    uint8_t *mem; /* guest RAM in the VMM */
};

/* A piece of guest code: CODE16 or CODE64 in guest*.S. */
#define GUEST_CODE(name) extern const uint8_t name[], name##_end[]

/* --- checks: the first failure ends the test ------------------------------------------------------------------- */
void say(const char *text);
void say_hex(uint64_t v);
void say_number(unsigned v);
void check_failed(const char *file, int line, const char *what, uint64_t have, uint64_t want);
#define CHECK_EQ(have, want) \
    do { \
        uint64_t _have = (uint64_t)(have), _want = (uint64_t)(want); \
        if (_have != _want) { \
            check_failed(__FILE__, __LINE__, #have " == " #want, _have, _want); \
            return; \
        } \
    } while (0)
#define CHECK(x) CHECK_EQ(!!(x), 1)
/* Runs until an exit for the VMM and checks its reason. */
#define CHECK_EXIT(vm, want) \
    do { \
        CHECK_EQ(sys_vcpu_run((vm)->vcpu).value, VCPU_EXIT); \
        CHECK_EQ((vm)->s->exit.reason, want); \
    } while (0)
/* For calls whose result does not matter here. */
static inline void ignore(int64_t result) { (void)result; }
void test_skip(const char *why);

/* QEMU's TCG, which leaves out parts of SVM. */
bool on_tcg(void);
/* Does the program's command line hold this word? no-triple-fault: for Bochs, which stops itself at one. */
bool option(const char *word);

/* --- the machine --------------------------------------------------------------------------------------------------- */
extern const struct boot_info *boot;
/* Memory of the machine for a test: pages at consecutive physical addresses; the VMM's to destroy. */
cap_t mem_take(uint64_t size, uint64_t align);
/* Maps it into this program, at an address of its own; unmapped when the memory dies. */
void *mem_map(cap_t mem, uint64_t size);
/* A second thread. It must end by sys_thread_exit(). wait_in_guest(), there: until the main thread is in its guest. */
void wait_in_guest(void);
cap_t thread_run(void (*entry)(uint64_t arg), uint64_t arg, unsigned priority);
/* A signal bound to the calling (main) thread. */
cap_t signal_make(uint64_t label);

/* --- guests ---------------------------------------------------------------------------------------------------------- */
void vm_open(struct vm *vm);
void vm_close(struct vm *vm);
/* Puts code at CODE and sets real mode, or 64-bit mode with the segments and tables of the head comment. */
void vm_load16(struct vm *vm, const uint8_t *code, const uint8_t *end);
void vm_load64(struct vm *vm, const uint8_t *code, const uint8_t *end);
#define VM_LOAD16(vm, name) vm_load16(vm, name, name##_end)
#define VM_LOAD64(vm, name) vm_load64(vm, name, name##_end)
/* IDT entry for a vector; handler: address in the guest. */
void vm_set_gate(struct vm *vm, unsigned vector, uint64_t handler);
/* Steps over the instruction of the exit. */
void vm_skip(struct vm *vm, unsigned len);
/* Before the run of a guest that only the host's interrupts end: with the option "no-if-0" it runs with IF = 1. (Bochs
 * 2.7 holds the host's interrupts back while a guest runs with IF = 0, whatever external-interrupt exiting says.) */
void vm_endless(struct vm *vm);
/* Runs the guest, interrupted by timer, until its register counter has grown by more; its last SYS_VCPU_RUN's result. However
 * slow the machine is. */
struct sys_result vm_run_until(struct vm *vm, cap_t timer, enum vcpu_gpr counter, uint64_t more);
static inline uint64_t vm_data(const struct vm *vm, unsigned index)
{
    return *(const volatile uint64_t *)(vm->mem + DATA + index * 8);
}

struct test {
    const char *name;
    void (*run)(struct vm *vm);
};
extern const struct test tests_state[], tests_exit[], tests_event[], tests_life[];

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
