// SPDX-License-Identifier: MIT
/* See fpu.h. Documents: [SDM-1] 13 (XSAVE), 10.5 (FXSAVE); [SDM-2] CPUID leaf 0xd. */
#include "fpu.h"

#include "cpu.h"
#include "smp.h"

#include <kernel/log.h>
#include <string.h>

#define XCR0_X87    BIT(0)
#define XCR0_SSE    BIT(1)
#define XCR0_AVX    BIT(2)
#define XCR0_AVX512 FIELD(7, 5) /* opmask, ZMM_Hi256, Hi16_ZMM: all or none */
#define FXSAVE_FCW   0
#define FXSAVE_MXCSR 24
#define FXSAVE_ST0   32
#define FXSAVE_XMM0  160
#define XSAVE_BV     512

static enum { FPU_FXSAVE, FPU_XSAVE, FPU_XSAVEOPT } fpu_kind;
static uint64_t xcr0;
static bool tcg;

/* Who has an area's registers: 1 + processor, 0: nobody. In the area's last bytes, which XSAVE never reaches. BKL. */
static uint32_t *fpu_owner(struct fpu_state *fpu)
{
    return (uint32_t *)((char *)fpu + PAGE_SIZE) - 1;
}

static void xsave_init(void)
{
    struct cpuid_regs d = cpuid(0xd, 0);
    uint64_t supported = (uint64_t)d.edx << 32 | d.eax;
    cr4_write(cr4_read() | CR4_OSXSAVE);
    xcr0 = XCR0_X87 | XCR0_SSE | (supported & XCR0_AVX);
    if ((xcr0 & XCR0_AVX) && (supported & XCR0_AVX512) == XCR0_AVX512) {
        xcr0 |= XCR0_AVX512;
    }
    xcr_write(0, xcr0);
    /* ebx: bytes for what XCR0 enables now; 2,696 with AVX-512 in the standard layout. */
    if (cpuid(0xd, 0).ebx > fpu_state_pages() * PAGE_SIZE - sizeof(uint32_t)) {
        panic("this processor's XSAVE area has %u bytes; the kernel provides %u", cpuid(0xd, 0).ebx,
              fpu_state_pages() * (unsigned)PAGE_SIZE);
    }
    fpu_kind = cpuid(0xd, 1).eax & 1 ? FPU_XSAVEOPT : FPU_XSAVE;
}

void fpu_init(void)
{
    cr0_write((cr0_read() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
    cr4_write(cr4_read() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    tcg = cpu_is_tcg();
    /* QEMU 7.2's TCG takes CR4.OSXSAVE for reserved where leaf 0xd has no further features, and stops for good. */
    if (!(cpuid(1, 0).ecx & BIT(26)) || (tcg && !cpuid(0xd, 1).eax)) {
        return;
    }
    if (!xcr0) {
        xsave_init();
    }
    cr4_write(cr4_read() | CR4_OSXSAVE);
    xcr_write(0, xcr0);
}

uint64_t fpu_xcr0(void) { return xcr0; }

unsigned fpu_state_pages(void) { return 1; }

void fpu_state_init(struct fpu_state *fpu)
{
    uint8_t *area = (uint8_t *)fpu;
    const uint16_t fcw = 0x37f;
    const uint32_t mxcsr = 0x1f80;
    memcpy(area + FXSAVE_FCW, &fcw, sizeof(fcw));
    memcpy(area + FXSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
    /* XSTATE_BV = x87 and SSE: their images above are valid; others load their initial values. */
    memcpy(area + XSAVE_BV, &(uint64_t){ xcr0 & (XCR0_X87 | XCR0_SSE) }, 8);
}

static void fpu_save(struct fpu_state *fpu)
{
    switch (fpu_kind) {
    case FPU_FXSAVE:
        asm volatile("fxsave64 (%0)" : : "r"(fpu) : "memory");
        break;
    case FPU_XSAVE:
        asm volatile("xsave64 (%0)" : : "r"(fpu), "a"(UINT32_MAX), "d"(UINT32_MAX) : "memory");
        break;
    case FPU_XSAVEOPT:
        asm volatile("xsaveopt64 (%0)" : : "r"(fpu), "a"(UINT32_MAX), "d"(UINT32_MAX) : "memory");
        break;
    }
}

/* The x87 registers are those of `loaded` (may be NULL: unknown). QEMU 7.2's TCG, where any processor loads x87 registers,
 * clears IGNNE# of the first without a lock, in the word in which that one's VMRUN and #VMEXIT keep whether nested paging
 * is on: its next access goes through the wrong page tables. Nearly all states have the same x87 registers; those stay. */
static bool x87_stays(const struct fpu_state *next, const struct fpu_state *loaded)
{
    const char *a = (const char *)next, *b = (const char *)loaded;
    return tcg && fpu_kind != FPU_FXSAVE && loaded && memcmp(a, b, FXSAVE_MXCSR) == 0 &&
           memcmp(a + FXSAVE_ST0, b + FXSAVE_ST0, FXSAVE_XMM0 - FXSAVE_ST0) == 0;
}

static void fpu_load(const struct fpu_state *fpu, const struct fpu_state *loaded)
{
    if (x87_stays(fpu, loaded)) {
        asm volatile("xrstor64 (%0)" : : "r"(fpu), "a"(~(uint32_t)XCR0_X87), "d"(UINT32_MAX) : "memory");
        return;
    }
    /* AMD processors keep FOP, FIP and FDP over FXRSTOR unless an exception is pending: an FNINIT first keeps one
     * thread's pointers from the next. [APM-2 11.4.4.3] */
    asm volatile("fninit");
    if (fpu_kind == FPU_FXSAVE) {
        asm volatile("fxrstor64 (%0)" : : "r"(fpu) : "memory");
    } else {
        asm volatile("xrstor64 (%0)" : : "r"(fpu), "a"(UINT32_MAX), "d"(UINT32_MAX) : "memory");
    }
}

/* The owner's registers go to memory, and it is the owner no more. */
static void fpu_release(void *unused)
{
    struct cpu *cpu = cpu_this();
    (void)unused;
    if (cpu->fpu) {
        fpu_save(cpu->fpu);
        *fpu_owner(cpu->fpu) = 0;
        cpu->fpu = NULL;
    }
}

void fpu_switch(struct fpu_state *next)
{
    struct cpu *cpu = cpu_this();
    if (cpu->fpu == next) {
        return;
    }
    uint32_t owner = *fpu_owner(next);
    if (owner) { /* it ran there last */
        cpu_call(BIT(owner - 1), fpu_release, NULL);
    }
    const struct fpu_state *loaded = cpu->fpu;
    fpu_release(NULL);
    fpu_load(next, loaded);
    cpu->fpu = next;
    *fpu_owner(next) = cpu->index + 1;
}

void fpu_forget(struct fpu_state *fpu)
{
    uint32_t owner = *fpu_owner(fpu);
    if (owner) {
        cpus[owner - 1]->fpu = NULL;
        *fpu_owner(fpu) = 0;
    }
}
