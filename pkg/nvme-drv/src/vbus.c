// SPDX-License-Identifier: MIT
// The virtual bus: see vbus.h.
#include "vbus.h"

#include <sk/msg.h>
#include <sk/sys.h>
#include <sk/vm.h>

#define PCI_COMMAND 0x04u
#define PCI_INTERRUPT_LINE 0x3cu
#define BAR_PARTS_MAX UTCB_CAPS

int64_t vbus_info(cap_t bus, struct vbus_info *info)
{
    struct msg m;

    msg_begin(&m, VBUS_INFO);
    int64_t err = msg_call(&m, bus, DEADLINE_NEVER);

    if (err < 0) {
        return err;
    }
    info->features = (uint32_t)msg_get(&m);
    info->irqs = (uint32_t)msg_get(&m);
    info->msis = (uint32_t)msg_get(&m);
    info->devices = (uint32_t)msg_get(&m);
    return msg_end(&m);
}

int64_t vbus_device(cap_t bus, uint32_t index, struct vbus_device *dev)
{
    struct msg m;

    msg_begin(&m, VBUS_DEVICE);
    msg_put(&m, index);
    int64_t err = msg_call(&m, bus, DEADLINE_NEVER);

    if (err < 0) {
        return err;
    }
    m.bad |= msg_get_bytes(&m, dev, sizeof(*dev)) != sizeof(*dev);
    return msg_end(&m);
}

static int64_t config_read(cap_t bus, uint32_t index, unsigned reg, unsigned width, uint64_t *value)
{
    struct msg m;

    msg_begin(&m, VBUS_CFG_READ);
    msg_put(&m, index);
    msg_put(&m, reg);
    msg_put(&m, width);
    int64_t err = msg_call(&m, bus, DEADLINE_NEVER);

    *value = err < 0 ? 0 : msg_get(&m);
    return err < 0 ? err : msg_end(&m);
}

bool vbus_same_line(cap_t bus, uint32_t a, uint32_t b)
{
    uint64_t line_a, line_b;

    return config_read(bus, a, PCI_INTERRUPT_LINE, 1, &line_a) == SK_OK &&
           config_read(bus, b, PCI_INTERRUPT_LINE, 1, &line_b) == SK_OK && line_a == line_b;
}

int64_t vbus_command(cap_t bus, uint32_t index, uint16_t set, uint16_t clear)
{
    struct msg m;
    uint64_t value;
    int64_t err = config_read(bus, index, PCI_COMMAND, 2, &value);

    if (err < 0) {
        return err;
    }
    value = (value | set) & ~(uint64_t)clear;
    msg_begin(&m, VBUS_CFG_WRITE);
    msg_put(&m, index);
    msg_put(&m, PCI_COMMAND);
    msg_put(&m, 2);
    msg_put(&m, value);
    err = msg_call(&m, bus, DEADLINE_NEVER);
    return err < 0 ? err : msg_end(&m);
}

int64_t vbus_map_bar(cap_t bus, uint32_t index, unsigned bar, volatile void **regs, uint64_t *size)
{
    struct msg m;
    uint64_t off[BAR_PARTS_MAX], len[BAR_PARTS_MAX];
    int64_t result = SK_ENOENT;

    msg_begin(&m, VBUS_BAR);
    msg_put(&m, index);
    msg_put(&m, bar);
    msg_recv_caps(&m, BAR_PARTS_MAX);
    int64_t err = msg_call(&m, bus, DEADLINE_NEVER);

    if (err < 0) {
        return err;
    }
    (void)msg_get(&m);
    uint64_t parts = msg_get(&m);

    for (uint64_t i = 0; i < parts && i < BAR_PARTS_MAX; i++) {
        off[i] = msg_get(&m);
        len[i] = msg_get(&m);
    }
    cap_t caps[BAR_PARTS_MAX] = {0};

    for (uint64_t i = 0; i < parts && i < BAR_PARTS_MAX; i++) {
        caps[i] = msg_get_cap(&m);
    }
    err = parts > BAR_PARTS_MAX ? SK_EMSG : msg_end(&m);
    for (uint64_t i = 0; i < parts && i < BAR_PARTS_MAX; i++) {
        if (!err && off[i] == 0 && caps[i] && result == SK_ENOENT) {
            *regs = vm_map(caps[i], 0, len[i], RIGHT_R | RIGHT_W, &result);
            *size = len[i];
            result = *regs ? SK_OK : result;
        }
        sys_cap_drop(caps[i]); /* the mapping keeps the memory */
    }
    return err < 0 ? err : result;
}

int64_t vbus_dma_space(cap_t bus, uint32_t index, cap_t *space)
{
    struct msg m;

    msg_begin(&m, VBUS_DMA_SPACE);
    msg_put(&m, index);
    /* the word is its kind: the address that SYS_MAP grants is right in either case */
    int64_t res = msg_call_cap(&m, bus, 1, DEADLINE_NEVER);
    if (res < 0) {
        return res;
    }
    *space = (cap_t)res;
    return SK_OK;
}

int64_t vbus_msi_bind(cap_t bus, uint32_t index, uint32_t msi, uint32_t own, cap_t signal, uint64_t *addr,
                      uint32_t *data)
{
    struct msg m;

    msg_begin(&m, VBUS_MSI_BIND);
    msg_put(&m, index);
    msg_put(&m, msi);
    msg_put(&m, own);
    msg_put_cap(&m, signal, RIGHT_BIND | RIGHT_CALL);
    int64_t err = msg_call(&m, bus, DEADLINE_NEVER);

    if (err < 0) {
        return err;
    }
    *addr = msg_get(&m);
    *data = (uint32_t)msg_get(&m);
    (void)msg_get(&m); /* MSI-X or MSI */
    return msg_end(&m);
}

int64_t vbus_intx_bind(cap_t bus, uint32_t index, cap_t signal, uint32_t *line, uint32_t *level, uint32_t *low)
{
    struct msg m;

    msg_begin(&m, VBUS_INTX_BIND);
    msg_put(&m, index);
    msg_put_cap(&m, signal, RIGHT_BIND | RIGHT_CALL);
    int64_t err = msg_call(&m, bus, DEADLINE_NEVER);

    if (err < 0) {
        return err;
    }
    *line = (uint32_t)msg_get(&m);
    *level = (uint32_t)msg_get(&m);
    *low = (uint32_t)msg_get(&m);
    return msg_end(&m);
}
