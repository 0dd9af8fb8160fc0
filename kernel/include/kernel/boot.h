// SPDX-License-Identifier: MIT
/* What boot (api/boot.c) needs of the objects to make the first task; system calls use the same functions. */
#pragma once

#include <kernel/ipc.h>

/* A task charged to q; NULL: the quota is used up. */
must_check struct task *task_create(struct quota *q);
/* A stopped thread charged to q. SK_EINVAL, SK_ERANGE, SK_EEXIST (UTCB address), SK_ENOMEM. */
must_check int thread_create(struct quota *q, struct task *task, uint64_t utcb_va, uint8_t priority,
                             struct thread **out);
/* (Re)starts it. ip must be a user address. */
void thread_start(struct thread *t, uint64_t ip, uint64_t sp, uint64_t arg);

/* The objects of which there is one. NULL: no quota left. */
must_check struct object *irqctl_create(struct quota *q);
must_check struct object *dmactl_create(struct quota *q);
must_check struct object *console_create(struct quota *q);
must_check struct object *machine_create(struct quota *q);
must_check struct object *ioport_create_root(struct quota *q);
