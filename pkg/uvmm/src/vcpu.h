// SPDX-License-Identifier: MIT
/* The virtual processor: its state page, the run loop and the exit handlers (exits.c). One thread, one vcpu. */
#pragma once

#include <abi/vcpu.h>

#define VCPUS 1u
#include <stdbool.h>

struct vcpu {
    struct vcpu_state *state;
    cap_t cap;
    bool halted; /* HLT: waits for an interrupt */
    bool nmi_pending;
    uint64_t exits[VCPU_EXIT_REASON_COUNT];
    uint64_t entries, signals, injected;
};

extern struct vcpu cpu;

/* Makes the guest space; before guest RAM and devices. */
int guest_setup(void);
/* Makes the vcpu in reset state. */
int vcpu_setup(void);
/* Runs until vm_end was called; returns the program's exit code. */
int vcpu_loop(void);

/* --- exits.c --- */
/* Handles the exit in the state page; the guest's progress (rip) included. */
void exit_handle(void);
/* Queues an exception for the next entry; with an error code of 0 if it has one. */
void vcpu_inject_exception(unsigned vector, bool error_code);
#define EXCP_UD 6u
#define EXCP_GP 13u

/* --- vm_end.c --- */
bool vm_ended(void);
/* 0: by the guest's wish; 1: crash. */
int vm_exit_code(void);
/* Ends the VM as crashed and prints the processor's state. */
void vm_crash(const char *why);
