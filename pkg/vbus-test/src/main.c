// SPDX-License-Identifier: MIT
/* A client of io that checks every operation of proto/vbus.h with QEMU's edu device.
 *
 * Registers of edu in BAR 0 (QEMU documentation, docs/specs/edu): 0x00 identification 0x010000ed, 0x04 answers the
 * inverse of what was written, 0x24 interrupt status, 0x60 raises bits of it, 0x64 clears them, 0x80 DMA source, 0x88
 * destination, 0x90 count, 0x98 command (1 start, 2 from the device to memory); the device's buffer is at 0x40000. */
#include <proto/vbus.h>
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EDU_ID 0x010000edu
#define EDU_REG_LIVE 0x04
#define EDU_REG_RAISE 0x60
#define EDU_REG_CLEAR 0x64
#define EDU_REG_SRC 0x80
#define EDU_REG_DST 0x88
#define EDU_REG_COUNT 0x90
#define EDU_REG_CMD 0x98
#define EDU_DMA_START 1u
#define EDU_DMA_TO_MEMORY 2u
#define EDU_BUFFER 0x40000u
#define SECOND_NS 1000000000ull

static unsigned checks, failed;
static volatile uint8_t *edu;
static cap_t vbus;
static unsigned interrupts;

static void check(bool ok, const char *what, int64_t got)
{
    checks++;
    if (!ok) {
        failed++;
        printf("failed: %s (%lld: %s)\n", what, (long long)got, sk_strerror(got));
    }
}

static void edu_write(unsigned reg, uint64_t v)
{
    if (reg >= EDU_REG_SRC) {
        *(volatile uint64_t *)(volatile void *)(edu + reg) = v;
    } else {
        *(volatile uint32_t *)(volatile void *)(edu + reg) = (uint32_t)v;
    }
}

static uint32_t edu_read(unsigned reg)
{
    return *(volatile uint32_t *)(volatile void *)(edu + reg);
}

/* A request with up to four words and a signal; m is the reply. */
static int64_t request(struct msg *m, uint32_t op, unsigned n, const uint64_t *words, cap_t signal)
{
    msg_begin(m, op);
    for (unsigned i = 0; i < n; i++) {
        msg_put(m, words[i]);
    }
    if (signal != CAP_NULL) {
        msg_put_cap(m, signal, RIGHT_BIND | RIGHT_CALL);
    }
    msg_recv_caps(m, UTCB_CAPS);
    return msg_call(m, vbus, DEADLINE_NEVER);
}

/* The same where only the status counts. */
static int64_t status(uint32_t op, unsigned n, const uint64_t *words, cap_t signal)
{
    struct msg m;
    int64_t err = request(&m, op, n, words, signal);

    return err < 0 ? err : msg_end(&m);
}
#define STATUS(op, signal, ...)                                                                                        \
    status(op, sizeof((uint64_t[]){__VA_ARGS__}) / 8, (const uint64_t[]){__VA_ARGS__}, signal)

static void test_description(void)
{
    struct msg m;
    struct vbus_device d = {0};
    int64_t err = request(&m, VBUS_INFO, 0, NULL, CAP_NULL);
    uint64_t features = msg_get(&m), lines = msg_get(&m), msis = msg_get(&m), devices = msg_get(&m);

    check(err == SK_OK && msg_end(&m) == SK_OK, "info", err);
    check(features == VBUS_FEATURE_MSI && lines >= 16 && msis == 1 && devices == 1, "info's values", (int64_t)devices);
    err = request(&m, VBUS_DEVICE, 1, (const uint64_t[]){0}, CAP_NULL);
    check(err == SK_OK && msg_get_bytes(&m, &d, sizeof d) == sizeof d && msg_end(&m) == SK_OK, "device", err);
    check(d.vendor == 0x1234 && d.device == 0x11e8 && d.msi_count == 1 && d.bar_size[0] == 1 << 20, "device's values",
          d.vendor);
    check(STATUS(VBUS_DEVICE, CAP_NULL, 1) == SK_ENOENT, "a device that is not there", 0);
    check(STATUS(VBUS_DEVICE, CAP_NULL, UINT64_MAX) == SK_ENOENT, "device number -1", 0);
    check(status(VBUS_DEVICE, 0, NULL, CAP_NULL) == SK_EMSG, "a request that is too short", 0);
    check(STATUS(PROTO_VBUS + 99, CAP_NULL, 0) == SK_ENOSYS, "an unknown operation", 0);
}

static void test_config(void)
{
    struct msg m;
    int64_t err = request(&m, VBUS_CFG_READ, 3, (const uint64_t[]){0, 0, 4}, CAP_NULL);

    check(err == SK_OK && msg_get(&m) == 0x11e81234 && msg_end(&m) == SK_OK, "config read", err);
    err = request(&m, VBUS_CFG_READ, 3, (const uint64_t[]){0, 4, 2}, CAP_NULL);
    check(err == SK_OK && (msg_get(&m) & 4) == 0 && msg_end(&m) == SK_OK, "bus mastering is off at first", err);
    check(STATUS(VBUS_CFG_READ, CAP_NULL, 0, 2, 4) == SK_ERANGE, "misaligned config read", 0);
    check(STATUS(VBUS_CFG_READ, CAP_NULL, 0, 4096, 1) == SK_ERANGE, "config read behind the end", 0);
    check(STATUS(VBUS_CFG_WRITE, CAP_NULL, 0, 0x10, 4, 0) == SK_EPERM, "BAR write", 0);
    check(STATUS(VBUS_CFG_WRITE, CAP_NULL, 0, 4, 2, 2) == SK_OK, "Command write", 0);
}

static bool test_bar(void)
{
    struct msg m;
    int64_t err = request(&m, VBUS_BAR, 2, (const uint64_t[]){0, 0}, CAP_NULL);
    uint64_t size = msg_get(&m), parts = msg_get(&m), off = msg_get(&m), len = msg_get(&m);
    cap_t memory = msg_get_cap(&m);

    check(err == SK_OK && msg_end(&m) == SK_OK, "BAR 0", err);
    if (err < 0) {
        return false;
    }
    check(size == 1 << 20 && parts == 1 && off == 0 && len == 1 << 20, "BAR 0's values", (int64_t)size);
    edu = vm_map(memory, 0, len, RIGHT_R | RIGHT_W, &err);
    check(edu != NULL, "mapping BAR 0", err);
    check(STATUS(VBUS_BAR, CAP_NULL, 0, 1) == SK_ENOENT, "a BAR that is not there", 0);
    check(STATUS(VBUS_BAR, CAP_NULL, 0, 6) == SK_ENOENT, "BAR 6", 0);
    if (edu != NULL) {
        check(edu_read(0) == EDU_ID, "the device's identification", edu_read(0));
        edu_write(EDU_REG_LIVE, 0x12345678);
        check(edu_read(EDU_REG_LIVE) == ~0x12345678u, "the device's liveness register", edu_read(EDU_REG_LIVE));
    }
    return edu != NULL;
}

static void count_interrupt(void *ctx)
{
    (void)ctx;
    interrupts++;
    edu_write(EDU_REG_CLEAR, edu_read(0x24));
}

/* Raises the device's interrupt; true if it came. */
static bool interrupt_comes(uint64_t wait_ns)
{
    unsigned before = interrupts;
    uint64_t end = sys_now_ns() + wait_ns;

    edu_write(EDU_REG_RAISE, 1);
    while (interrupts == before && server_poll(end)) {
    }
    return interrupts != before;
}

static void test_msi(void)
{
    struct server_source signal;
    struct msg m;
    int64_t err = server_signal(&signal, CAP_NULL, count_interrupt, NULL);

    check(err == SK_OK, "a signal", err);
    /* An MSI is a write to memory: the device must be bus master. */
    check(STATUS(VBUS_CFG_WRITE, CAP_NULL, 0, 4, 2, 6) == SK_OK, "bus mastering on", 0);
    check(STATUS(VBUS_MSI_BIND, signal.cap, 0, 1, 0) == SK_ERANGE, "an MSI beyond num_msis", 0);
    check(STATUS(VBUS_MSI_BIND, signal.cap, 0, 0, 1) == SK_ERANGE, "a message that the device lacks", 0);
    err = request(&m, VBUS_MSI_BIND, 3, (const uint64_t[]){0, 0, 0}, signal.cap);
    check(err == SK_OK && (msg_get(&m) >> 20) == 0xfee && msg_get(&m) != 0 && msg_get(&m) == 0, "MSI bind", err);
    err = msg_end(&m);
    check(err == SK_OK, "MSI bind's reply", err);
    check(STATUS(VBUS_MSI_BIND, signal.cap, 0, 0, 0) == SK_EBUSY, "binding an MSI twice", 0);
    for (unsigned i = 0; i < 3; i++) {
        check(interrupt_comes(SECOND_NS), "an MSI arrives", i);
    }
    check(STATUS(VBUS_MSI_UNBIND, CAP_NULL, 0, 0) == SK_OK, "MSI unbind", 0);
    check(STATUS(VBUS_MSI_UNBIND, CAP_NULL, 0, 0) == SK_ENOENT, "MSI unbind twice", 0);
    check(!interrupt_comes(SECOND_NS / 20), "no MSI arrives when unbound", 0);
    edu_write(EDU_REG_CLEAR, 0xffffffff);
    server_remove(&signal);
}

static cap_t intx_signal;

static void intx_event(void *ctx)
{
    count_interrupt(ctx);
    sys_signal_ack(intx_signal);
}

static void test_intx(void)
{
    struct server_source signal;
    struct msg m;
    int64_t err = server_signal(&signal, CAP_NULL, intx_event, NULL);

    intx_signal = signal.cap;
    check(err == SK_OK, "a signal", err);
    err = request(&m, VBUS_INTX_BIND, 1, (const uint64_t[]){0}, signal.cap);
    check(err == SK_OK && msg_get(&m) != 0 && msg_get(&m) == 1 && msg_get(&m) <= 1, "INTx bind", err);
    err = msg_end(&m);
    check(err == SK_OK, "INTx bind's reply", err);
    for (unsigned i = 0; i < 3; i++) {
        check(interrupt_comes(SECOND_NS), "an INTx interrupt arrives", i);
    }
    server_remove(&signal);
}

/* Waits until edu's DMA has ended; it takes 100 ms there. */
static bool dma(uint64_t src, uint64_t dst, uint64_t count, uint32_t command)
{
    uint64_t end = sys_now_ns() + 5 * SECOND_NS;

    edu_write(EDU_REG_SRC, src);
    edu_write(EDU_REG_DST, dst);
    edu_write(EDU_REG_COUNT, count);
    edu_write(EDU_REG_CMD, command);
    while ((edu_read(EDU_REG_CMD) & EDU_DMA_START) != 0) {
        if (sys_now_ns() > end) {
            return false;
        }
        sys_thread_yield();
    }
    return true;
}

static void test_dma(void)
{
    struct msg m;
    int64_t err = request(&m, VBUS_DMA_SPACE, 1, (const uint64_t[]){0}, CAP_NULL);
    uint64_t kind = msg_get(&m);
    cap_t space = msg_get_cap(&m), memory;

    check(err == SK_OK && msg_end(&m) == SK_OK && kind <= DMA_REMAPPED, "DMA space", err);
    char *buffer = vm_alloc(8192, &memory, &err);
    check(buffer != NULL, "memory", err);
    if (buffer == NULL) {
        return;
    }
    struct sys_result r = sys_map(space, memory, 0, 8192, MAP_ANY, RIGHT_R | RIGHT_W);
    check(r.value == SK_OK, "mapping memory for the device", r.value);
    strcpy(buffer, "carried by the device");
    check(dma(r.extra, EDU_BUFFER, 64, EDU_DMA_START), "DMA to the device", 0);
    check(dma(EDU_BUFFER, r.extra + 4096, 64, EDU_DMA_START | EDU_DMA_TO_MEMORY), "DMA to memory", 0);
    check(strcmp(buffer + 4096, buffer) == 0, "the device copied", 0);
    check(STATUS(VBUS_CFG_WRITE, CAP_NULL, 0, 4, 2, 2) == SK_OK, "bus mastering off", 0);
    memset(buffer + 4096, 0, 64);
    check(dma(EDU_BUFFER, r.extra + 4096, 64, EDU_DMA_START | EDU_DMA_TO_MEMORY), "DMA that is not allowed", 0);
    check(buffer[4096] == 0, "a device that is no bus master does not write", 0);
    check(STATUS(VBUS_RESET, CAP_NULL, 0) == SK_ENODEV, "reset of a device that has none", 0);
}

/* As many mappings as the kernel takes: that must not be at io's cost. */
static void test_dma_exhaustion(void)
{
    const size_t size = 4 << 20;
    struct msg m;
    int64_t err = request(&m, VBUS_DMA_SPACE, 1, (const uint64_t[]){0}, CAP_NULL);
    cap_t space, memory;
    uint64_t start = 0, n = 0;

    (void)msg_get(&m);
    space = msg_get_cap(&m);
    check(err == SK_OK && msg_end(&m) == SK_OK, "DMA space", err);
    char *buffer = vm_alloc(size, &memory, &err);
    check(buffer != NULL, "memory", err);
    for (err = SK_OK; buffer != NULL && err == SK_OK && n < size / PAGE_SIZE; n++) {
        struct sys_result r = sys_map(space, memory, n * PAGE_SIZE, PAGE_SIZE, MAP_ANY, RIGHT_R | RIGHT_W);

        err = r.value;
        start = n == 0 ? r.extra : start;
    }
    check(err == SK_ENOMEM && n > 300, "mappings until the quota is used up", (int64_t)n);
    check(STATUS(VBUS_CFG_WRITE, CAP_NULL, 0, 4, 2, 2) == SK_OK, "io goes on", 0);
    err = sys_unmap(space, start, size);
    check(err == SK_OK, "unmapping", err);
}

static uint64_t random_word(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    /* mostly small numbers, which get further than large ones */
    return (*seed & 0x700) != 0 ? *seed >> 32 & 7 : *seed;
}

/* Requests of random length with random words: io must answer each, and serve on as before. */
static void test_garbage(void)
{
    struct server_source signal;
    uint64_t seed = 0x9e3779b97f4a7c15, words[8];
    unsigned refused = 0;
    int64_t err = server_signal(&signal, CAP_NULL, intx_event, NULL);

    check(err == SK_OK, "a signal", err);
    intx_signal = signal.cap;
    for (unsigned i = 0; i < 5000; i++) {
        unsigned op = PROTO_VBUS + (unsigned)(random_word(&seed) % 12), n = (unsigned)(random_word(&seed) % 8);
        for (unsigned k = 0; k < n; k++) {
            words[k] = random_word(&seed);
        }
        refused += status(op, n, words, random_word(&seed) % 4 == 0 ? signal.cap : CAP_NULL) < 0;
    }
    check(refused > 1000, "garbage is refused", refused);
    server_remove(&signal);
    err = STATUS(VBUS_MSI_UNBIND, CAP_NULL, 0, 0);
    check(err == SK_OK || err == SK_ENOENT, "MSI unbind after garbage", err);
    check(STATUS(VBUS_CFG_WRITE, CAP_NULL, 0, 4, 2, 2) == SK_OK, "Command write after garbage", 0);
    check(edu_read(0) == EDU_ID, "the device after garbage", edu_read(0));
}

/* Clears bits of a device's Command register under its driver, and sets them again after a while, or never. */
static int command_clear(unsigned device, unsigned bits, unsigned ms)
{
    struct msg m;
    int64_t err = request(&m, VBUS_CFG_READ, 3, (const uint64_t[]){device, 4, 2}, CAP_NULL);
    uint64_t old = msg_get(&m);

    if (err == SK_OK && (err = msg_end(&m)) == SK_OK) {
        err = STATUS(VBUS_CFG_WRITE, CAP_NULL, device, 4, 2, old & ~(uint64_t)bits);
    }
    printf("vbus-test: command register %#lx without %#x: %s\n", old, bits, sk_strerror(err));
    if (ms > 0 && err == SK_OK) {
        struct sys_result r = sys_wait(sys_now_ns() + ms * 1000000ull);

        err = r.value == SK_ETIMEDOUT ? STATUS(VBUS_CFG_WRITE, CAP_NULL, device, 4, 2, old) : r.value;
        printf("vbus-test: command register as before: %s\n", sk_strerror(err));
    }
    return err != SK_OK;
}

int main(int argc, char **argv)
{
    vbus = sk_env_get("vbus");
    if (vbus == CAP_NULL) {
        printf("vbus-test: no capability 'vbus'\n");
        return 2;
    }
    if (argc == 5 && strcmp(argv[1], "--clear") == 0) {
        return command_clear((unsigned)atoi(argv[2]), (unsigned)strtoul(argv[3], NULL, 0), (unsigned)atoi(argv[4]));
    }
    test_description();
    test_config();
    if (test_bar()) {
        test_msi();
        test_intx();
        test_dma();
        test_dma_exhaustion();
        test_garbage();
    }
    printf("vbus-test: %u checks, %u failed\n", checks, failed);
    return failed != 0;
}
