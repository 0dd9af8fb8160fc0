// SPDX-License-Identifier: MIT
/* The definitions of nvme.h against a second table that was typed on its own from the figures of NVM Express Base
 * Specification 1.4: register offsets (figure 68), their fields, queue entries and Identify data in bytes and bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../src/nvme.h"

static void reg(unsigned got, unsigned spec)
{
    assert_int_equal(got, spec);
}
static void fld(uint64_t got, unsigned hi, unsigned lo)
{
    uint64_t want = 0;

    for (unsigned i = lo; i <= hi; i++) {
        want |= 1ull << i;
    }
    assert_true(got == want);
}

static void test_registers(void **state)
{
    (void)state;
    reg(NVME_CAP.off, 0x0), reg(NVME_VS.off, 0x8), reg(NVME_INTMS.off, 0xc), reg(NVME_INTMC.off, 0x10);
    reg(NVME_CC.off, 0x14), reg(NVME_CSTS.off, 0x1c), reg(NVME_AQA.off, 0x24), reg(NVME_ASQ.off, 0x28);
    reg(NVME_ACQ.off, 0x30);
    /* 1000h + 2y * (4 << DSTRD), 1000h + (2y + 1) * (4 << DSTRD) */
    reg(NVME_SQ_DOORBELL(0, 4), 4096), reg(NVME_CQ_DOORBELL(0, 4), 4100), reg(NVME_SQ_DOORBELL(3, 4), 4096 + 24);
    reg(NVME_CQ_DOORBELL(3, 4), 4096 + 28), reg(NVME_SQ_DOORBELL(2, 16), 4096 + 64);
    reg(NVME_CQ_DOORBELL(2, 16), 4096 + 80);
}

static void test_register_fields(void **state)
{
    (void)state;
    fld(NVME_CAP_MQES, 15, 0), fld(NVME_CAP_CQR, 16, 16), fld(NVME_CAP_AMS, 18, 17), fld(NVME_CAP_TO, 31, 24);
    fld(NVME_CAP_DSTRD, 35, 32), fld(NVME_CAP_NSSRS, 36, 36), fld(NVME_CAP_CSS, 44, 37), fld(NVME_CAP_MPSMIN, 51, 48);
    fld(NVME_CAP_MPSMAX, 55, 52), fld(NVME_VS_MJR, 31, 16), fld(NVME_VS_MNR, 15, 8), fld(NVME_VS_TER, 7, 0);
    fld(NVME_CC_EN, 0, 0), fld(NVME_CC_CSS, 6, 4), fld(NVME_CC_MPS, 10, 7), fld(NVME_CC_AMS, 13, 11);
    fld(NVME_CC_SHN, 15, 14), fld(NVME_CC_IOSQES, 19, 16), fld(NVME_CC_IOCQES, 23, 20);
    fld(NVME_CSTS_RDY, 0, 0), fld(NVME_CSTS_CFS, 1, 1), fld(NVME_CSTS_SHST, 3, 2), fld(NVME_CSTS_NSSRO, 4, 4);
    fld(NVME_CSTS_PP, 5, 5), fld(NVME_AQA_ASQS, 11, 0), fld(NVME_AQA_ACQS, 27, 16);
}

static void test_queue_entries(void **state)
{
    (void)state;
    /* figure 104: CDW0 opcode 07:00, FUSE 09:08, PSDT 15:14, CID 31:16; NSID bytes 4; MPTR 16; DPTR 24; CDW10 40 */
    reg(offsetof(struct nvme_sqe, opcode), 0), fld(NVME_SQE_FUSE << 8, 9, 8), fld(NVME_SQE_PSDT << 8, 15, 14);
    reg(offsetof(struct nvme_sqe, cid), 2), reg(offsetof(struct nvme_sqe, nsid), 4);
    reg(offsetof(struct nvme_sqe, mptr), 16), reg(offsetof(struct nvme_sqe, dptr), 24);
    reg(offsetof(struct nvme_sqe, cdw10), 40), reg(offsetof(struct nvme_sqe, cdw11), 44);
    reg(offsetof(struct nvme_sqe, cdw12), 48), reg(offsetof(struct nvme_sqe, cdw13), 52);
    reg(offsetof(struct nvme_sqe, cdw14), 56), reg(offsetof(struct nvme_sqe, cdw15), 60);
    /* figures 121 to 124: DW2 SQHD 15:0, SQID 31:16; DW3 CID 15:0, P 16, SC 24:17, SCT 27:25, CRD 29:28, M 30, DNR 31
     */
    reg(offsetof(struct nvme_cqe, sqhd), 8), reg(offsetof(struct nvme_cqe, sqid), 10);
    reg(offsetof(struct nvme_cqe, cid), 12), reg(offsetof(struct nvme_cqe, status), 14);
    fld(NVME_CQE_P << 16, 16, 16), fld(NVME_CQE_SC << 16, 24, 17), fld(NVME_CQE_SCT << 16, 27, 25);
    fld(NVME_CQE_CRD << 16, 29, 28), fld(NVME_CQE_M << 16, 30, 30), fld(NVME_CQE_DNR << 16, 31, 31);
    /* figures 112 to 118 */
    reg(offsetof(struct nvme_sgl, addr), 0), reg(offsetof(struct nvme_sgl, len), 8),
        reg(offsetof(struct nvme_sgl, type), 15);
    reg(NVME_SGL_DATA_BLOCK, 0), reg(NVME_SGL_LAST_SEGMENT, 3 << 4);
}

static void test_commands(void **state)
{
    (void)state;
    reg(NVME_ADMIN_DELETE_SQ, 0), reg(NVME_ADMIN_CREATE_SQ, 1), reg(NVME_ADMIN_GET_LOG_PAGE, 2);
    reg(NVME_ADMIN_DELETE_CQ, 4), reg(NVME_ADMIN_CREATE_CQ, 5), reg(NVME_ADMIN_IDENTIFY, 6), reg(NVME_ADMIN_ABORT, 8);
    reg(NVME_ADMIN_SET_FEATURES, 9), reg(NVME_ADMIN_GET_FEATURES, 10);
    reg(NVME_IO_FLUSH, 0), reg(NVME_IO_WRITE, 1), reg(NVME_IO_READ, 2);
    reg(NVME_IO_WRITE_ZEROES, 8), reg(NVME_IO_DATASET_MGMT, 9);
    fld(NVME_CREATE_QID, 15, 0), fld(NVME_CREATE_QSIZE, 31, 16), fld(NVME_CREATE_PC, 0, 0), fld(NVME_CREATE_IEN, 1, 1);
    fld(NVME_CREATE_IV, 31, 16), fld(NVME_CREATE_CQID, 31, 16), fld(NVME_RW_NLB, 15, 0), fld(NVME_RW_FUA, 30, 30);
    reg(NVME_CNS_NAMESPACE, 0), reg(NVME_CNS_CONTROLLER, 1), reg(NVME_CNS_ACTIVE_LIST, 2), reg(NVME_FEAT_NUM_QUEUES, 7);
    /* figures 361 to 366 (ranges), 394 */
    fld(NVME_WZ_DEAC, 25, 25), fld(NVME_DSM_NR, 7, 0), fld(NVME_DSM_AD, 2, 2), reg(NVME_DSM_RANGES, 256);
    reg(offsetof(struct nvme_dsm_range, cattr), 0), reg(offsetof(struct nvme_dsm_range, blocks), 4);
    reg(offsetof(struct nvme_dsm_range, lba), 8), reg(sizeof(struct nvme_dsm_range), 16);
    /* figure 244 and its list of descriptors; 5.21.1.6; figure 374 (PRINFO) */
    reg(NVME_CNS_NS_DESCS, 3), reg(NVME_NIDT_CSI, 4), reg(NVME_CSI_NVM, 0), reg(NVME_CSI_KV, 1), reg(NVME_CSI_ZNS, 2);
    reg(NVME_VS_1_3, 1 << 16 | 3 << 8), reg(NVME_FEAT_WRITE_CACHE, 6), fld(NVME_WRITE_CACHE_WCE, 0, 0);
    fld(NVME_RW_PRACT, 29, 29), fld(NVME_RW_CHECK_GUARD, 28, 28), fld(NVME_RW_CHECK_APP, 27, 27);
    fld(NVME_RW_CHECK_REF, 26, 26);
    fld(NVME_NUM_QUEUES_NSQ, 15, 0), fld(NVME_NUM_QUEUES_NCQ, 31, 16);
    /* 3.1.5, 3.1.6: SHN 01b normal; SHST 10b complete */
    reg(field_prep(NVME_CC_SHN, NVME_CC_SHN_NORMAL), 0x4000);
    reg(field_prep(NVME_CSTS_SHST, NVME_CSTS_SHST_COMPLETE), 0x8);
}

static void test_logs_and_events(void **state)
{
    (void)state;
    reg(NVME_ADMIN_ASYNC_EVENT, 12), reg(NVME_ADMIN_NS_ATTACH, 21), reg(NVME_FEAT_ASYNC_EVENT, 11);
    /* figures 186 (Get Log Page), 146 to 149 (events), 294 (feature 0Bh) */
    fld(NVME_LOG_LID, 7, 0), fld(NVME_LOG_RAE, 15, 15), fld(NVME_LOG_NUMDL, 31, 16);
    reg(NVME_LOG_ERROR, 1), reg(NVME_LOG_SMART, 2), reg(NVME_LOG_CHANGED_NS, 4), reg(NVME_NSID_ALL, 0xffffffff);
    fld(NVME_EVENT_TYPE, 2, 0), fld(NVME_EVENT_INFO, 15, 8), fld(NVME_EVENT_LOG, 23, 16);
    reg(NVME_EVENT_ERROR, 0), reg(NVME_EVENT_SMART, 1), reg(NVME_EVENT_NOTICE, 2), reg(NVME_NOTICE_NS_CHANGED, 0);
    fld(NVME_ASYNC_SMART, 7, 0), fld(NVME_ASYNC_NS, 8, 8);
    /* 5.19 (attachment), 4.10 (controller list) */
    fld(NVME_ATTACH_SEL, 3, 0), reg(NVME_ATTACH, 0), reg(NVME_DETACH, 1);
    reg(offsetof(struct nvme_ctrl_list, count), 0), reg(offsetof(struct nvme_ctrl_list, id[1]), 4);
    /* figure 193: error information */
    reg(offsetof(struct nvme_error_entry, count), 0), reg(offsetof(struct nvme_error_entry, sqid), 8);
    reg(offsetof(struct nvme_error_entry, cid), 10), reg(offsetof(struct nvme_error_entry, status), 12);
    reg(offsetof(struct nvme_error_entry, location), 14), reg(offsetof(struct nvme_error_entry, lba), 16);
    reg(offsetof(struct nvme_error_entry, nsid), 24), reg(offsetof(struct nvme_error_entry, vendor), 28);
    reg(offsetof(struct nvme_error_entry, trtype), 29), reg(offsetof(struct nvme_error_entry, specific), 32);
    reg(offsetof(struct nvme_error_entry, transport), 40), reg(sizeof(struct nvme_error_entry), 64);
    /* figure 194: SMART; the 128-bit numbers by their last byte */
    reg(offsetof(struct nvme_smart, warning), 0), reg(offsetof(struct nvme_smart, temperature), 1);
    reg(offsetof(struct nvme_smart, spare), 3), reg(offsetof(struct nvme_smart, spare_threshold), 4);
    reg(offsetof(struct nvme_smart, used), 5), reg(offsetof(struct nvme_smart, units_read), 47 - 15);
    reg(offsetof(struct nvme_smart, units_written), 63 - 15), reg(offsetof(struct nvme_smart, reads), 79 - 15);
    reg(offsetof(struct nvme_smart, writes), 95 - 15), reg(offsetof(struct nvme_smart, busy_minutes), 111 - 15);
    reg(offsetof(struct nvme_smart, power_cycles), 127 - 15), reg(offsetof(struct nvme_smart, power_hours), 143 - 15);
    reg(offsetof(struct nvme_smart, unsafe_shutdowns), 159 - 15);
    reg(offsetof(struct nvme_smart, media_errors), 175 - 15), reg(offsetof(struct nvme_smart, errors), 191 - 15);
    reg(sizeof(struct nvme_smart), 512);
    fld(NVME_SMART_SPARE, 0, 0), fld(NVME_SMART_TEMPERATURE, 1, 1), fld(NVME_SMART_RELIABILITY, 2, 2);
    fld(NVME_SMART_READ_ONLY, 3, 3), fld(NVME_SMART_BACKUP, 4, 4), fld(NVME_SMART_PMR, 5, 5);
}

static void test_identify(void **state)
{
    (void)state;
    /* figure 247, first byte of each field */
    reg(offsetof(struct nvme_id_ctrl, vid), 0), reg(offsetof(struct nvme_id_ctrl, ssvid), 2);
    reg(offsetof(struct nvme_id_ctrl, sn), 4), reg(offsetof(struct nvme_id_ctrl, mn), 24);
    reg(offsetof(struct nvme_id_ctrl, fr), 64), reg(offsetof(struct nvme_id_ctrl, mdts), 77);
    reg(offsetof(struct nvme_id_ctrl, cntlid), 78), reg(offsetof(struct nvme_id_ctrl, ver), 80);
    reg(offsetof(struct nvme_id_ctrl, oacs), 256), reg(offsetof(struct nvme_id_ctrl, acl), 258);
    reg(offsetof(struct nvme_id_ctrl, aerl), 259), reg(offsetof(struct nvme_id_ctrl, sqes), 512);
    reg(offsetof(struct nvme_id_ctrl, rtd3r), 84), reg(offsetof(struct nvme_id_ctrl, rtd3e), 88);
    reg(offsetof(struct nvme_id_ctrl, oaes), 92), reg(offsetof(struct nvme_id_ctrl, frmw), 260);
    reg(offsetof(struct nvme_id_ctrl, lpa), 261), reg(offsetof(struct nvme_id_ctrl, elpe), 262);
    fld(NVME_OAES_NS, 8, 8), fld(NVME_OACS_NS, 3, 3);
    reg(offsetof(struct nvme_id_ctrl, cqes), 513), reg(offsetof(struct nvme_id_ctrl, maxcmd), 514);
    reg(offsetof(struct nvme_id_ctrl, nn), 516), reg(offsetof(struct nvme_id_ctrl, oncs), 520);
    reg(offsetof(struct nvme_id_ctrl, fuses), 522), reg(offsetof(struct nvme_id_ctrl, fna), 524);
    reg(offsetof(struct nvme_id_ctrl, vwc), 525), reg(offsetof(struct nvme_id_ctrl, awun), 526);
    reg(offsetof(struct nvme_id_ctrl, awupf), 528), reg(offsetof(struct nvme_id_ctrl, sgls), 536);
    reg(sizeof(((struct nvme_id_ctrl *)0)->sn), 23 - 4 + 1), reg(sizeof(((struct nvme_id_ctrl *)0)->mn), 63 - 24 + 1);
    reg(sizeof(((struct nvme_id_ctrl *)0)->fr), 71 - 64 + 1);
    fld(NVME_SQES_MIN, 3, 0), fld(NVME_SQES_MAX, 7, 4), fld(NVME_VWC_PRESENT, 0, 0), fld(NVME_SGLS_SUPPORT, 1, 0);
    fld(NVME_ONCS_DSM, 2, 2), fld(NVME_ONCS_WRITE_ZEROES, 3, 3);
    /* figure 245 */
    reg(offsetof(struct nvme_id_ns, nsze), 0), reg(offsetof(struct nvme_id_ns, ncap), 8);
    reg(offsetof(struct nvme_id_ns, nuse), 16), reg(offsetof(struct nvme_id_ns, nsfeat), 24);
    reg(offsetof(struct nvme_id_ns, nlbaf), 25), reg(offsetof(struct nvme_id_ns, flbas), 26);
    reg(offsetof(struct nvme_id_ns, mc), 27), reg(offsetof(struct nvme_id_ns, dpc), 28);
    reg(offsetof(struct nvme_id_ns, dps), 29), reg(offsetof(struct nvme_id_ns, dlfeat), 33);
    reg(offsetof(struct nvme_id_ns, npwg), 64), reg(offsetof(struct nvme_id_ns, npwa), 66);
    reg(offsetof(struct nvme_id_ns, npdg), 68), reg(offsetof(struct nvme_id_ns, npda), 70);
    reg(offsetof(struct nvme_id_ns, nows), 72);
    reg(offsetof(struct nvme_id_ns, nguid), 119 - 15), reg(offsetof(struct nvme_id_ns, eui64), 127 - 7);
    fld(NVME_NSFEAT_OPTPERF, 4, 4), fld(NVME_DLFEAT_DEAC, 3, 3);
    reg(offsetof(struct nvme_id_ns, nsattr), 99), reg(offsetof(struct nvme_id_ns, lbaf), 128);
    reg(offsetof(struct nvme_id_ns, lbaf[15]), 188);
    fld(NVME_FLBAS_FORMAT, 3, 0), fld(NVME_FLBAS_EXTENDED, 4, 4), fld(NVME_DPS_TYPE, 2, 0), fld(NVME_NSATTR_WP, 0, 0);
    fld(NVME_LBAF_MS, 15, 0), fld(NVME_LBAF_LBADS, 23, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registers),     cmocka_unit_test(test_register_fields),
        cmocka_unit_test(test_queue_entries), cmocka_unit_test(test_commands),
        cmocka_unit_test(test_identify),      cmocka_unit_test(test_logs_and_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
