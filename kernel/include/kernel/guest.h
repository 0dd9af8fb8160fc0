// SPDX-License-Identifier: MIT
/* Guests and their vcpus. A guest that dies kills its vcpus; its page table goes when the last one has let go of it.
 * BKL guards all fields. */
#pragma once

#include <kernel/memory.h>
#include <kernel/vm.h>

struct guest {
    struct space space; /* first; holds the object */
    struct guest_arch arch;
    struct list vcpus; /* vcpu.guest_node */
};
static inline struct guest *guest_of(struct object *o) { return container_of(o, struct guest, space.obj); }

struct vcpu {
    struct object obj;
    struct guest *guest; /* reference */
    struct list guest_node;
    struct thread *runner; /* IN_GUEST with this vcpu; NULL: nobody */
    struct vcpu_arch *arch; /* in pages[0] */
    void *pages[VM_VCPU_PAGES_MAX];
    struct vcpu_state *state;   /* kernel's view of the state page */
    struct mapping state_map;   /* in the VMM's task */
};
static inline struct vcpu *vcpu_of(struct object *o) { return container_of(o, struct vcpu, obj); }
