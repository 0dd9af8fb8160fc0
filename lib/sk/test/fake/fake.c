// SPDX-License-Identifier: MIT
// The fake kernel.
#include "fake.h"

#include <sk/init.h>
#include <string.h>

struct fake fake;

void fake_reset(void)
{
    const struct sk_start start = { .utcb = &fake.utcb, .free_start = 0x100000, .free_end = 0x200000 };

    memset(&fake, 0, sizeof(fake));
    fake.next_cap = CAP_LOADER_SLOTS;
    sk_init(&start);
}

void fake_event(uint64_t tag, uint64_t label)
{
    fake.event[fake.event_count].tag = tag;
    fake.event[fake.event_count++].label = label;
}

bool fake_dropped(cap_t cap)
{
    for (unsigned i = 0; i < fake.drops; i++) {
        if (fake.dropped[i] == cap) {
            return true;
        }
    }
    return false;
}

int64_t sk_thread_handlers(cap_t thread)
{
    return (int64_t)thread;
}

void sk_fault_stack_set(void *top)
{
    (void)top;
}

static struct sys_result fake_call(uint64_t tag)
{
    fake.call_tag = tag;
    fake.recv_max = fake.utcb.recv_max;
    if (fake.on_call) {
        fake.on_call(tag);
    }
    return (struct sys_result){ fake.call_result, 0 };
}

static struct sys_result fake_wait(void)
{
    fake.recv_max = fake.utcb.recv_max;
    if (fake.event_pos == fake.event_count) {
        return (struct sys_result){ SK_EAGAIN, 0 };
    }
    uint64_t tag = fake.event[fake.event_pos].tag, label = fake.event[fake.event_pos].label;
    fake.event_pos++;
    return (struct sys_result){ (int64_t)tag, label };
}

static int64_t fake_bind(uint64_t cap, uint64_t thread, uint64_t label, uint64_t flags)
{
    fake.last_bound_cap = cap;
    fake.bound_label = label;
    fake.bound_flags = flags;
    fake.unbinds += thread == CAP_NULL;
    return SK_OK;
}

static int64_t fake_drop(uint64_t cap)
{
    fake.dropped[fake.drops++ % 64] = (cap_t)cap;
    return SK_OK;
}

static int64_t fake_map(uint64_t addr, uint64_t size)
{
    fake.mapped_addr = addr;
    fake.mapped_size = size;
    return fake.map_result;
}

struct sys_result sys_invoke(enum sys_nr nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                             uint64_t a5)
{
    struct sys_result r = { SK_OK, 0 };

    (void)a5;
    switch (nr) {
    case SYS_CALL: return fake_call(a1);
    case SYS_WAIT: return fake_wait();
    case SYS_REPLY:
        fake.reply_tag = a0;
        fake.replies++;
        r.value = fake.reply_result;
        fake.reply_result = SK_OK;
        break;
    case SYS_CAP_DROP: r.value = fake_drop(a0); break;
    case SYS_CAP_COPY:
    case SYS_GATE_CREATE:
    case SYS_SIGNAL_CREATE: r.value = fake.create_result < 0 ? fake.create_result : (int64_t)fake.next_cap++; break;
    case SYS_GATE_BIND:
    case SYS_SIGNAL_BIND: r.value = fake_bind(a0, a1, a2, nr == SYS_GATE_BIND ? a3 : 0); break;
    case SYS_MAP: r.value = fake_map(a4, a3); break;
    case SYS_UNMAP: fake.unmapped_addr = a1; break;
    default: break;
    }
    return r;
}
