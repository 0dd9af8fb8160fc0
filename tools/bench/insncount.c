// SPDX-License-Identifier: MIT
/* QEMU plugin (API 1, QEMU 7.2): counts, for a system that runs in TCG with one execution thread, all instructions, those
 * executed inside guests (between VMRUN and the exit that ends it), guest entries and halts. At each marker of blkbench.c it
 * appends a line to log=FILE:  MARK id=.. insns=.. guest=.. vmrun=.. hlt=..
 *
 * Debian ships no header of the plugin API; what is used of it is declared here, from its documentation. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info_t qemu_info_t;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*qemu_plugin_vcpu_udata_cb_t)(unsigned, void *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, qemu_plugin_vcpu_tb_trans_cb_t);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, qemu_plugin_vcpu_udata_cb_t, enum qemu_plugin_cb_flags, void *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, enum qemu_plugin_op, void *, uint64_t);

#define EXPORT __attribute__((visibility("default")))
EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);
int qemu_plugin_version = 1;

static const uint8_t VMRUN[3] = {0x0f, 0x01, 0xd8};
static const uint8_t MARKER[3] = {0x0f, 0x1f, 0x80};

static uint64_t insns, guest, vmruns, halts, entered_at;
static uint64_t resume_address; /* where the host goes on after the VMRUN that was executed last */
static bool in_guest;
static FILE *out;

enum { SITES_MAX = 16 };
static uint64_t sites[SITES_MAX]; /* addresses behind VMRUN instructions */
static unsigned site_count;

static void leave_guest(void)
{
    if (in_guest) {
        guest += insns - entered_at;
        in_guest = false;
    }
}

static void on_vmrun(unsigned cpu, void *behind)
{
    (void)cpu;
    leave_guest();
    vmruns++;
    resume_address = (uintptr_t)behind;
    entered_at = insns;
    in_guest = true;
}

static void on_resume(unsigned cpu, void *address)
{
    (void)cpu;
    if ((uintptr_t)address == resume_address) {
        leave_guest();
    }
}

static void on_halt(unsigned cpu, void *unused)
{
    (void)cpu, (void)unused;
    halts++;
}

static void on_marker(unsigned cpu, void *id)
{
    uint64_t inside = guest + (in_guest ? insns - entered_at : 0);

    (void)cpu;
    fprintf(out, "MARK id=%u insns=%" PRIu64 " guest=%" PRIu64 " vmrun=%" PRIu64 " hlt=%" PRIu64 "\n", (unsigned)(uintptr_t)id, insns,
            inside, vmruns, halts);
    fflush(out);
}

static void add_site(uint64_t address)
{
    for (unsigned i = 0; i < site_count; i++) {
        if (sites[i] == address) {
            return;
        }
    }
    if (site_count < SITES_MAX) {
        sites[site_count++] = address;
    }
}

static void on_instruction(struct qemu_plugin_insn *insn)
{
    const uint8_t *code = qemu_plugin_insn_data(insn);
    size_t size = qemu_plugin_insn_size(insn);
    uint64_t address = qemu_plugin_insn_vaddr(insn);

    for (unsigned i = 0; i < site_count; i++) {
        if (sites[i] == address) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_resume, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)address);
        }
    }
    if (size == 7 && memcmp(code, MARKER, 3) == 0 && code[5] == 0x4b && code[6] == 0x4d) {
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_marker, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)(code[3] | code[4] << 8));
    } else if (size == 3 && memcmp(code, VMRUN, 3) == 0) {
        add_site(address + 3);
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_vmrun, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)(address + 3));
    } else if (size == 1 && code[0] == 0xf4) {
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_halt, QEMU_PLUGIN_CB_NO_REGS, NULL);
    }
    qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &insns, 1);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        on_instruction(qemu_plugin_tb_get_insn(tb, i));
    }
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "log=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        }
    }
    if (out == NULL) {
        fprintf(stderr, "insncount: give the plugin log=FILE, a file that can be written\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    return 0;
}
