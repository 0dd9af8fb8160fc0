// SPDX-License-Identifier: MIT
/* The virtual processors: state pages, threads, run loops (vcpu.c), the VM lock (vm_lock.c) and the exit handlers
 * (exits.c).
 *
 * vcpu 0 is run by the main thread, which serves the program's gates and signals too; each other vcpu has a thread of
 * its own, at the same priority, which takes the events of that vcpu: its kick and its timer. A thread holds the VM
 * lock from the end of a guest run or wait to the next; under it fall all fields here and everything that device models
 * have, the C library included. A vcpu's state page is its thread's alone while `outside`: others ask by requests and a
 * kick.
 *
 *   RUNNING --HLT--> HALTED --interrupt, NMI, unhalt--> RUNNING
 *   any --INIT--> WAIT_SIPI --start-up message--> RUNNING     (vcpu 0 starts RUNNING, the others in WAIT_SIPI)
 */
#pragma once

#include "smp.h"

#include <abi/vcpu.h>
#include <sk/server.h>
#include <sk/thread.h>
#include <stdbool.h>

enum vcpu_activity { VCPU_RUNNING, VCPU_HALTED, VCPU_WAIT_SIPI };

struct vcpu {
    unsigned index;
    struct vcpu_state *state;
    cap_t cap;
    struct sk_thread thread; /* not for vcpu 0 */
    struct server_source kick, timer;
    enum vcpu_activity activity;
    bool outside; /* its thread is in the guest or waits, without the lock */
    bool kicked;  /* the kick signal is raised and not yet taken */
    bool parked;  /* its thread has seen that the VM does not run */
    bool nmi_pending;
    bool unhalt; /* ends HLT, or the next one (KVM's KICK_CPU) */
    bool init_request;
    int startup_request; /* vector, -1: none */
    uint64_t exits[VCPU_EXIT_REASON_COUNT];
    uint64_t entries, signals, injected, waits;
};

extern struct vcpu vcpus[VCPUS_MAX];
extern __thread struct vcpu *cpu; /* the calling thread's: &vcpus[vcpu_this] */

/* Makes the guest space; before guest RAM and devices. */
int guest_setup(void);
/* Makes `count` vcpus in reset state and the threads of all but the first, which wait. */
int vcpus_setup(unsigned count);
/* The guest's TSC starts at 0 on all vcpus. */
void tsc_start(void);
/* All vcpus and the requests to them as after power-on; while they are parked. */
void vcpus_reset(void);
/* Runs all vcpus until vm_end was called, on the main thread, which holds the VM lock before and after. Then the others
 * are parked, and the call may be repeated. Returns the program's exit code. */
int vcpus_run(void);

/* --- vm_lock.c --- */
int vm_lock_init(void);
void vm_lock(void);
void vm_unlock(void);

/* The name of an enum vcpu_exit_reason. */
const char *vcpu_exit_name(unsigned reason);

/* --- exits.c --- */
/* Handles the exit in the state page; the guest's progress (rip) included. */
void exit_handle(void);
/* Queues an exception for the next entry; with an error code of 0 if it has one. */
void vcpu_inject_exception(unsigned vector, bool error_code);
#define EXCP_UD 6u
#define EXCP_GP 13u

/* --- vm_end.c --- */
bool vm_ended(void);
/* What follows a reset by the guest, and a crash. */
void vm_end_policy(bool restart_on_reset, bool restart_on_crash);
/* Shall the VM that has ended start again? Then it counts as not ended from here on. */
bool vm_restarts(void);
/* Before each further start: waits, longer each time, when the VM has crashed soon after its last starts. False: the
 * monitor has ended it meanwhile. */
bool vm_start_again(void);
/* 0: by the guest's wish; 1: crash. */
int vm_exit_code(void);
/* Ends the VM as crashed and prints the processor's state. */
void vm_crash(const char *why);
