// SPDX-License-Identifier: MIT
/* The real machine: see hw.h.
 *
 * Config space is reached by ECAM where the MCFG table and the kernel allow it (4 KiB per function; each bus is mapped
 * at its first use), else by mechanism #1 through the ports 0xcf8-0xcff (segment 0, 256 bytes). [PCI-3.0 3.2.2.3.2] */
#include "hw.h"
#include "log.h"

#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

#define CONFIG_ADDRESS 0xcf8u
#define CONFIG_DATA 0xcfcu
#define CONFIG_PORTS 8
#define CONFIG_ENABLE 0x80000000u
#define ECAM_BUS_SIZE (1u << 20)

/* Maps device memory [phys, phys + size), page-aligned; NULL and *err. */
static void *map_device(const struct hw *hw, uint64_t phys, size_t size, uint32_t rights, int64_t *err)
{
    int64_t cap = hw->sigma0 == CAP_NULL ? SK_ECAP : sys_mem_derive(CAP_QUOTA, hw->sigma0, phys, size, rights);

    if (cap < 0) {
        *err = cap;
        return NULL;
    }
    void *va = vm_map((cap_t)cap, 0, size, rights, err);
    sys_cap_drop((cap_t)cap);
    return va;
}

static void *hw_map(void *ctx, uint64_t phys, size_t size)
{
    int64_t err;
    void *va = map_device(ctx, phys, size, RIGHT_R | RIGHT_W, &err);

    if (va == NULL) {
        io_log(IO_WARN, "pci: cannot map device registers at 0x%llx: %s", (unsigned long long)phys, sk_strerror(err));
    }
    return va;
}

static int64_t hw_read_memory(void *ctx, uint64_t phys, void *buf, size_t len)
{
    uint64_t first = align_down(phys, PAGE_SIZE);
    int64_t err;

    if (phys > UINT64_MAX - len - PAGE_SIZE) {
        return SK_ERANGE;
    }
    size_t size = align_up(phys + len, PAGE_SIZE) - first;
    char *va = map_device(ctx, first, size, RIGHT_R, &err);
    if (va == NULL) {
        return err;
    }
    memcpy(buf, va + (phys - first), len);
    vm_unmap(va, size);
    return SK_OK;
}

static const struct acpi_ecam *find_ecam(const struct hw *hw, uint16_t segment, uint8_t bus)
{
    for (unsigned i = 0; i < hw->acpi.ecam_count; i++) {
        const struct acpi_ecam *e = &hw->acpi.ecam[i];
        if (e->segment == segment && e->first_bus <= bus && bus <= e->last_bus) {
            return e;
        }
    }
    return NULL;
}

/* The mapped config space of a bus, or NULL where only ports are left. */
static uint8_t *ecam_bus(struct hw *hw, struct pci_addr a)
{
    const struct acpi_ecam *e = a.segment == 0 ? find_ecam(hw, 0, a.bus) : NULL;
    int64_t err;

    if (hw->ecam[a.bus] == NULL && e != NULL && !hw->ecam_refused) {
        uint64_t phys = e->base + (uint64_t)a.bus * ECAM_BUS_SIZE;
        hw->ecam[a.bus] = map_device(hw, phys, ECAM_BUS_SIZE, RIGHT_R | RIGHT_W, &err);
        if (hw->ecam[a.bus] == NULL) {
            hw->ecam_refused = true;
            io_log(IO_WARN, "pci: cannot map config space at 0x%llx: %s; using the I/O ports instead",
                   (unsigned long long)phys, sk_strerror(err));
        }
    }
    return hw->ecam[a.bus];
}

static uint32_t config_address(struct pci_addr a, unsigned reg)
{
    return CONFIG_ENABLE | (uint32_t)a.bus << 16 | (uint32_t)a.devfn << 8 | (reg & 0xfc);
}

static uint32_t port_read(const struct hw *hw, struct pci_addr a, unsigned reg, unsigned width)
{
    if (a.segment == 0 && reg < 256 && sys_port_out(hw->ioport, CONFIG_ADDRESS, 4, config_address(a, reg)) == SK_OK) {
        struct sys_result r = sys_port_in(hw->ioport, CONFIG_DATA + (reg & 3), width);
        if (r.value == SK_OK) {
            return (uint32_t)r.extra;
        }
    }
    return 0xffffffffu >> (32 - 8 * width);
}

static void port_write(const struct hw *hw, struct pci_addr a, unsigned reg, unsigned width, uint32_t value)
{
    if (a.segment == 0 && reg < 256 && sys_port_out(hw->ioport, CONFIG_ADDRESS, 4, config_address(a, reg)) == SK_OK &&
        sys_port_out(hw->ioport, CONFIG_DATA + (reg & 3), width, value) == SK_OK) {
        return;
    }
    io_log(IO_ERROR, "pci: config write to register 0x%x failed", reg);
}

static uint32_t hw_cfg_read(void *ctx, struct pci_addr a, unsigned reg, unsigned width)
{
    volatile uint8_t *p = ecam_bus(ctx, a);

    if (p == NULL) {
        return port_read(ctx, a, reg, width);
    }
    p += (unsigned)a.devfn * 4096u + reg;
    switch (width) {
    case 1:
        return *p;
    case 2:
        return *(volatile uint16_t *)(volatile void *)p;
    default:
        return *(volatile uint32_t *)(volatile void *)p;
    }
}

static void hw_cfg_write(void *ctx, struct pci_addr a, unsigned reg, unsigned width, uint32_t value)
{
    volatile uint8_t *p = ecam_bus(ctx, a);

    if (p == NULL) {
        port_write(ctx, a, reg, width, value);
        return;
    }
    p += (unsigned)a.devfn * 4096u + reg;
    switch (width) {
    case 1:
        *p = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)(volatile void *)p = (uint16_t)value;
        break;
    default:
        *(volatile uint32_t *)(volatile void *)p = value;
    }
}

static unsigned hw_cfg_size(void *ctx, struct pci_addr a)
{
    return ecam_bus(ctx, a) != NULL ? 4096 : 256;
}

static void hw_wait_ms(void *ctx, unsigned ms)
{
    const struct hw *hw = ctx;

    /* Nobody serves this gate: the call ends when its time is over. */
    (void)!sys_call(hw->nap_gate, TAG(0, 0, 0), sys_now_ns() + ms * 1000000ull);
}

static void read_acpi(struct hw *hw)
{
    const struct acpi_memory memory = {hw_read_memory, hw, malloc, free};
    const char *text = getenv("SKERRY_RSDP");
    uint64_t rsdp = text != NULL ? strtoull(text, NULL, 0) : 0;
    int64_t err = rsdp != 0 ? acpi_read(&memory, rsdp, &hw->acpi) : SK_ENOENT;

    if (err < 0) {
        io_log(IO_WARN, "acpi: no usable tables (RSDP at 0x%llx, capability 'sigma0' %s): %s; only I/O ports are left",
               (unsigned long long)rsdp, hw->sigma0 == CAP_NULL ? "missing" : "present", sk_strerror(err));
        return;
    }
    io_log(IO_INFO, "acpi: %u config space window(s), %u interrupt override(s)%s", hw->acpi.ecam_count,
           hw->acpi.override_count, hw->acpi.bad_tables != 0 ? ", damaged tables left out" : "");
}

/* Keeps only the config ports. */
static void take_ports(struct hw *hw)
{
    cap_t all = sk_env_get("ioport");

    if (all != CAP_NULL) {
        int64_t cap = sys_port_derive(CAP_QUOTA, all, CONFIG_ADDRESS, CONFIG_PORTS);
        sys_cap_drop(all);
        if (cap > 0) {
            hw->ioport = (cap_t)cap;
        } else {
            io_log(IO_WARN, "pci: cannot use the config ports: %s", sk_strerror(cap));
        }
    }
}

int64_t hw_init(struct hw *hw)
{
    *hw = (struct hw){.ops = {hw_cfg_read, hw_cfg_write, hw_cfg_size, hw_map, hw_wait_ms, hw},
                      .sigma0 = sk_env_get("sigma0")};
    int64_t gate = sys_gate_create(CAP_QUOTA);

    if (gate < 0) {
        return gate;
    }
    hw->nap_gate = (cap_t)gate;
    take_ports(hw);
    read_acpi(hw);
    if (hw->ioport == CAP_NULL && find_ecam(hw, 0, 0) == NULL) {
        io_log(IO_ERROR, "pci: no way to config space: no capability 'ioport', and no MCFG table with 'sigma0'; "
                         "vmm.start_io passes both");
        return SK_ENODEV;
    }
    return SK_OK;
}

void hw_scan(struct hw *hw, struct pci *pci)
{
    bool other_segments = false;

    pci->hw = &hw->ops;
    pci_scan(pci, 0, 0);
    for (unsigned i = 0; i < hw->acpi.ecam_count; i++) {
        other_segments |= hw->acpi.ecam[i].segment != 0;
    }
    if (other_segments) {
        io_log(IO_WARN, "pci: devices on PCI segments other than 0 are not used");
    }
}
