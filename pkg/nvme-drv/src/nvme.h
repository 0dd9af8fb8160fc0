// SPDX-License-Identifier: MIT
/* NVM Express: controller registers, queue entries, Identify data, as far as the driver uses them.
 *
 * Documents: [NVMe-1.4] NVM Express Base Specification, revision 1.4; where 2.0 split it, the same definitions stand in
 * [NVMe-2.0] (base) and the NVM command set specification. Everything is little endian. test/regs_test.c has a second
 * table of all offsets and fields, typed from the specification on its own. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <util/bits.h>

typedef struct { uint16_t off; } reg32_t;
typedef struct { uint16_t off; } reg64_t;

/* --- controller registers [NVMe-1.4 3.1] --- */
#define NVME_CAP    ((reg64_t){ 0x00 }) /* Controller Capabilities [3.1.1] */
#define NVME_CAP_MQES   FIELD(15, 0)  /* 0-based */
#define NVME_CAP_CQR    BIT(16)
#define NVME_CAP_AMS    FIELD(18, 17)
#define NVME_CAP_TO     FIELD(31, 24) /* in 500 ms */
#define NVME_CAP_DSTRD  FIELD(35, 32) /* doorbell stride: 4 << DSTRD bytes */
#define NVME_CAP_NSSRS  BIT(36)
#define NVME_CAP_CSS    FIELD(44, 37)
#define NVME_CAP_MPSMIN FIELD(51, 48) /* page size: 4096 << MPSMIN bytes */
#define NVME_CAP_MPSMAX FIELD(55, 52)
#define NVME_VS     ((reg32_t){ 0x08 }) /* Version [3.1.2] */
#define NVME_VS_MJR     FIELD(31, 16)
#define NVME_VS_MNR     FIELD(15, 8)
#define NVME_VS_TER     FIELD(7, 0)
#define NVME_INTMS  ((reg32_t){ 0x0c }) /* Interrupt Mask Set [3.1.3] */
#define NVME_INTMC  ((reg32_t){ 0x10 }) /* Interrupt Mask Clear [3.1.4] */
#define NVME_CC     ((reg32_t){ 0x14 }) /* Controller Configuration [3.1.5] */
#define NVME_CC_EN      BIT(0)
#define NVME_CC_CSS     FIELD(6, 4)
#define NVME_CC_MPS     FIELD(10, 7)
#define NVME_CC_AMS     FIELD(13, 11)
#define NVME_CC_SHN     FIELD(15, 14)
#define NVME_CC_SHN_NORMAL 1u
#define NVME_CC_IOSQES  FIELD(19, 16) /* log2 of the entry size */
#define NVME_CC_IOCQES  FIELD(23, 20)
#define NVME_CSTS   ((reg32_t){ 0x1c }) /* Controller Status [3.1.6] */
#define NVME_CSTS_RDY   BIT(0)
#define NVME_CSTS_CFS   BIT(1)
#define NVME_CSTS_SHST  FIELD(3, 2)
#define NVME_CSTS_SHST_COMPLETE 2u
#define NVME_CSTS_NSSRO BIT(4)
#define NVME_CSTS_PP    BIT(5)
#define NVME_AQA    ((reg32_t){ 0x24 }) /* Admin Queue Attributes [3.1.8] */
#define NVME_AQA_ASQS   FIELD(11, 0)  /* 0-based */
#define NVME_AQA_ACQS   FIELD(27, 16) /* 0-based */
#define NVME_ASQ    ((reg64_t){ 0x28 }) /* Admin Submission Queue Base Address [3.1.9] */
#define NVME_ACQ    ((reg64_t){ 0x30 }) /* Admin Completion Queue Base Address [3.1.10] */
#define NVME_DOORBELLS 0x1000u          /* [3.1.24, 3.1.25] */

/* Doorbell of queue y: SQ tail, CQ head. stride = 4 << CAP.DSTRD */
#define NVME_SQ_DOORBELL(y, stride) (NVME_DOORBELLS + (2u * (y)) * (stride))
#define NVME_CQ_DOORBELL(y, stride) (NVME_DOORBELLS + (2u * (y) + 1) * (stride))

#define NVME_ALL_ONES 0xffffffffu /* what reads give when the device is gone */

/* --- submission queue entry [NVMe-1.4 4.2] --- */
struct nvme_sqe {
    uint8_t opcode;
    uint8_t flags; /* FUSE and PSDT */
    uint16_t cid;
    uint32_t nsid;
    uint32_t cdw2, cdw3;
    uint64_t mptr;
    uint64_t dptr[2]; /* PRP1, PRP2; or one SGL descriptor */
    uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
#define NVME_SQE_FUSE FIELD(1, 0)
#define NVME_SQE_PSDT FIELD(7, 6) /* 0 PRP, 1 SGL with a flat metadata buffer */
_Static_assert(sizeof(struct nvme_sqe) == 64, "nvme_sqe layout");
_Static_assert(offsetof(struct nvme_sqe, flags) == 1, "nvme_sqe layout");
_Static_assert(offsetof(struct nvme_sqe, cid) == 2, "nvme_sqe layout");
_Static_assert(offsetof(struct nvme_sqe, nsid) == 4, "nvme_sqe layout");
_Static_assert(offsetof(struct nvme_sqe, mptr) == 16, "nvme_sqe layout");
_Static_assert(offsetof(struct nvme_sqe, dptr) == 24, "nvme_sqe layout");
_Static_assert(offsetof(struct nvme_sqe, cdw10) == 40, "nvme_sqe layout");
_Static_assert(offsetof(struct nvme_sqe, cdw12) == 48, "nvme_sqe layout");
_Static_assert(offsetof(struct nvme_sqe, cdw15) == 60, "nvme_sqe layout");

/* --- completion queue entry [NVMe-1.4 4.6] --- */
struct nvme_cqe {
    uint32_t dw0;
    uint32_t dw1;
    uint16_t sqhd;
    uint16_t sqid;
    uint16_t cid;
    uint16_t status; /* phase and status field */
};
#define NVME_CQE_P   BIT(0)
#define NVME_CQE_SC  FIELD(8, 1)
#define NVME_CQE_SCT FIELD(11, 9)
#define NVME_CQE_CRD FIELD(13, 12)
#define NVME_CQE_M   BIT(14)
#define NVME_CQE_DNR BIT(15)
_Static_assert(sizeof(struct nvme_cqe) == 16, "nvme_cqe layout");
_Static_assert(offsetof(struct nvme_cqe, sqhd) == 8, "nvme_cqe layout");
_Static_assert(offsetof(struct nvme_cqe, sqid) == 10, "nvme_cqe layout");
_Static_assert(offsetof(struct nvme_cqe, cid) == 12, "nvme_cqe layout");
_Static_assert(offsetof(struct nvme_cqe, status) == 14, "nvme_cqe layout");

/* --- SGL descriptor [NVMe-1.4 4.4] --- */
struct nvme_sgl {
    uint64_t addr;
    uint32_t len;
    uint8_t _rsvd[3];
    uint8_t type; /* 7:4 type, 3:0 subtype (0: address) */
};
#define NVME_SGL_DATA_BLOCK   0x00
#define NVME_SGL_LAST_SEGMENT 0x30
_Static_assert(sizeof(struct nvme_sgl) == 16, "nvme_sgl layout");
_Static_assert(offsetof(struct nvme_sgl, len) == 8, "nvme_sgl layout");
_Static_assert(offsetof(struct nvme_sgl, type) == 15, "nvme_sgl layout");

/* --- opcodes --- */
enum nvme_admin_opcode { /* [NVMe-1.4 5, figure 139] */
    NVME_ADMIN_DELETE_SQ = 0x00,
    NVME_ADMIN_CREATE_SQ = 0x01,
    NVME_ADMIN_GET_LOG_PAGE = 0x02,
    NVME_ADMIN_DELETE_CQ = 0x04,
    NVME_ADMIN_CREATE_CQ = 0x05,
    NVME_ADMIN_IDENTIFY = 0x06,
    NVME_ADMIN_ABORT = 0x08,
    NVME_ADMIN_SET_FEATURES = 0x09,
    NVME_ADMIN_GET_FEATURES = 0x0a,
    NVME_ADMIN_ASYNC_EVENT = 0x0c,
    NVME_ADMIN_NS_ATTACH = 0x15,
};
enum nvme_io_opcode { /* [NVMe-1.4 6, figure 346] */
    NVME_IO_FLUSH = 0x00,
    NVME_IO_WRITE = 0x01,
    NVME_IO_READ = 0x02,
    NVME_IO_WRITE_ZEROES = 0x08,
    NVME_IO_DATASET_MGMT = 0x09,
};

/* Create I/O Completion Queue [5.3], Submission Queue [5.4] */
#define NVME_CREATE_QID   FIELD(15, 0)  /* cdw10 */
#define NVME_CREATE_QSIZE FIELD(31, 16) /* cdw10, 0-based */
#define NVME_CREATE_PC    BIT(0)        /* cdw11: physically contiguous */
#define NVME_CREATE_IEN   BIT(1)        /* cdw11, CQ: interrupts enabled */
#define NVME_CREATE_IV    FIELD(31, 16) /* cdw11, CQ: interrupt vector */
#define NVME_CREATE_CQID  FIELD(31, 16) /* cdw11, SQ */
/* Identify [5.15] */
#define NVME_CNS_NAMESPACE   0x00
#define NVME_CNS_CONTROLLER  0x01
#define NVME_CNS_ACTIVE_LIST 0x02
#define NVME_CNS_NS_DESCS    0x03 /* [5.15.2.4], from version 1.3 on */
#define NVME_VS_1_3 0x00010300u
#define NVME_NIDT_CSI 0x04 /* [NVMe-2.0 5.17.2.4]: one byte, the namespace's command set */
#define NVME_CSI_NVM 0x00
#define NVME_CSI_KV  0x01
#define NVME_CSI_ZNS 0x02
/* Get Log Page [5.14] */
#define NVME_LOG_LID   FIELD(7, 0)   /* cdw10 */
#define NVME_LOG_RAE   BIT(15)       /* cdw10: retain the asynchronous event */
#define NVME_LOG_NUMDL FIELD(31, 16) /* cdw10: dwords, 0-based; the upper half, cdw11, stays 0 */
enum nvme_log {
    NVME_LOG_ERROR = 0x01,
    NVME_LOG_SMART = 0x02,
    NVME_LOG_CHANGED_NS = 0x04, /* 1024 NSIDs, ascending, then 0; or 0xffffffff alone: more than that */
};
#define NVME_NSID_ALL 0xffffffffu
/* Asynchronous Event Request [5.2]: dw0 of its completion */
#define NVME_EVENT_TYPE FIELD(2, 0)
#define NVME_EVENT_INFO FIELD(15, 8)
#define NVME_EVENT_LOG  FIELD(23, 16)
enum nvme_event_type { NVME_EVENT_ERROR = 0, NVME_EVENT_SMART = 1, NVME_EVENT_NOTICE = 2 };
#define NVME_NOTICE_NS_CHANGED 0x00u
/* Namespace Attachment [5.19]: the data are a list of controllers */
#define NVME_ATTACH_SEL FIELD(3, 0) /* cdw10 */
enum nvme_attach { NVME_ATTACH = 0, NVME_DETACH = 1 };
struct nvme_ctrl_list { /* [4.10] */
    uint16_t count;
    uint16_t id[2047];
};
_Static_assert(sizeof(struct nvme_ctrl_list) == 4096, "nvme_ctrl_list layout");
_Static_assert(offsetof(struct nvme_ctrl_list, id) == 2, "nvme_ctrl_list layout");
/* Set Features [5.21] */
#define NVME_FEAT_WRITE_CACHE 0x06 /* [5.21.1.6] cdw11 and dw0 */
#define NVME_WRITE_CACHE_WCE BIT(0)
#define NVME_FEAT_NUM_QUEUES 0x07 /* [5.21.1.7] cdw11 and dw0: NSQ 15:0, NCQ 31:16, 0-based */
#define NVME_NUM_QUEUES_NSQ FIELD(15, 0)
#define NVME_NUM_QUEUES_NCQ FIELD(31, 16)
#define NVME_FEAT_ASYNC_EVENT 0x0b /* [5.21.1.11] cdw11 */
#define NVME_ASYNC_SMART FIELD(7, 0) /* critical warnings, the bits as in the log */
#define NVME_ASYNC_NS    BIT(8)      /* namespace attribute notices */
/* Read [6.9], Write [6.15]: cdw10 and cdw11 are the LBA, cdw12: */
#define NVME_RW_NLB FIELD(15, 0) /* 0-based */
#define NVME_RW_FUA BIT(30)
#define NVME_RW_PRACT BIT(29)       /* the controller makes, or checks and removes, protection information [8.3] */
#define NVME_RW_CHECK_GUARD BIT(28) /* PRCHK */
#define NVME_RW_CHECK_APP   BIT(27)
#define NVME_RW_CHECK_REF   BIT(26)
/* Write Zeroes [6.16]: as Write, and cdw12: */
#define NVME_WZ_DEAC BIT(25) /* may deallocate */
/* Dataset Management [6.7]: cdw10 and cdw11 */
#define NVME_DSM_NR FIELD(7, 0) /* ranges, 0-based */
#define NVME_DSM_AD BIT(2)      /* deallocate */
struct nvme_dsm_range {
    uint32_t cattr;
    uint32_t blocks;
    uint64_t lba;
};
#define NVME_DSM_RANGES 256u
_Static_assert(sizeof(struct nvme_dsm_range) == 16, "nvme_dsm_range layout");
_Static_assert(offsetof(struct nvme_dsm_range, blocks) == 4, "nvme_dsm_range layout");
_Static_assert(offsetof(struct nvme_dsm_range, lba) == 8, "nvme_dsm_range layout");

/* --- Identify Controller [NVMe-1.4 5.15.2.2, figure 247] --- */
struct nvme_id_ctrl {
    uint16_t vid;
    uint16_t ssvid;
    char sn[20];
    char mn[40];
    char fr[8];
    uint8_t _rsvd0[77 - 72];
    uint8_t mdts;
    uint16_t cntlid;
    uint32_t ver;
    uint32_t rtd3r; /* in us: how long it takes to wake up, and */
    uint32_t rtd3e; /* to shut down; 0: not said */
    uint32_t oaes;
    uint8_t _rsvd1[256 - 96];
    uint16_t oacs;
    uint8_t acl;
    uint8_t aerl; /* 0-based */
    uint8_t frmw;
    uint8_t lpa;
    uint8_t elpe; /* 0-based */
    uint8_t _rsvd2[512 - 263];
    uint8_t sqes;
    uint8_t cqes;
    uint16_t maxcmd;
    uint32_t nn;
    uint16_t oncs;
    uint16_t fuses;
    uint8_t fna;
    uint8_t vwc;
    uint16_t awun;
    uint16_t awupf;
    uint8_t _rsvd3[536 - 530];
    uint32_t sgls;
    uint8_t _rsvd4[4096 - 540];
};
#define NVME_OAES_NS BIT(8) /* namespace attribute notices */
#define NVME_OACS_NS BIT(3) /* Namespace Management and Attachment */
#define NVME_SQES_MIN FIELD(3, 0) /* CQES alike */
#define NVME_SQES_MAX FIELD(7, 4)
#define NVME_ONCS_DSM BIT(2)
#define NVME_ONCS_WRITE_ZEROES BIT(3)
#define NVME_VWC_PRESENT BIT(0)
#define NVME_SGLS_SUPPORT FIELD(1, 0) /* 0 no, 1 yes, 2 yes with dword alignment */
_Static_assert(sizeof(struct nvme_id_ctrl) == 4096, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, ssvid) == 2, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, sn) == 4, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, mn) == 24, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, fr) == 64, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, mdts) == 77, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, cntlid) == 78, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, ver) == 80, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, rtd3r) == 84, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, rtd3e) == 88, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, oaes) == 92, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, oacs) == 256, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, acl) == 258, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, aerl) == 259, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, frmw) == 260, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, lpa) == 261, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, elpe) == 262, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, sqes) == 512, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, cqes) == 513, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, maxcmd) == 514, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, nn) == 516, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, oncs) == 520, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, fuses) == 522, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, fna) == 524, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, vwc) == 525, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, awun) == 526, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, awupf) == 528, "nvme_id_ctrl layout");
_Static_assert(offsetof(struct nvme_id_ctrl, sgls) == 536, "nvme_id_ctrl layout");

/* --- Identify Namespace [NVMe-1.4 5.15.2.1, figure 245] --- */
struct nvme_id_ns {
    uint64_t nsze; /* in blocks */
    uint64_t ncap;
    uint64_t nuse;
    uint8_t nsfeat;
    uint8_t nlbaf; /* 0-based */
    uint8_t flbas;
    uint8_t mc;
    uint8_t dpc;
    uint8_t dps;
    uint8_t _rsvd0[33 - 30];
    uint8_t dlfeat;
    uint8_t _rsvd1[64 - 34];
    uint16_t npwg; /* all 0-based, in blocks */
    uint16_t npwa;
    uint16_t npdg;
    uint16_t npda;
    uint16_t nows;
    uint8_t _rsvd4[99 - 74];
    uint8_t nsattr;
    uint8_t _rsvd2[104 - 100];
    uint8_t nguid[16]; /* 0: none */
    uint8_t eui64[8];  /* 0: none */
    uint32_t lbaf[16];
    uint8_t _rsvd3[4096 - 192];
};
#define NVME_NSFEAT_OPTPERF BIT(4) /* NPWG to NOWS are valid */
#define NVME_DLFEAT_DEAC    BIT(3) /* Write Zeroes can deallocate */
#define NVME_FLBAS_FORMAT   FIELD(3, 0)
#define NVME_FLBAS_EXTENDED BIT(4) /* metadata is transferred at the end of each block */
#define NVME_DPS_TYPE       FIELD(2, 0) /* 0: no protection information */
#define NVME_NSATTR_WP      BIT(0) /* currently write protected */
#define NVME_LBAF_MS        FIELD(15, 0)
#define NVME_LBAF_LBADS     FIELD(23, 16) /* log2 of the block size */
_Static_assert(sizeof(struct nvme_id_ns) == 4096, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, ncap) == 8, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, nuse) == 16, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, nsfeat) == 24, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, nlbaf) == 25, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, flbas) == 26, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, mc) == 27, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, dpc) == 28, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, dps) == 29, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, dlfeat) == 33, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, npwg) == 64, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, npwa) == 66, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, npdg) == 68, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, npda) == 70, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, nows) == 72, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, nsattr) == 99, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, nguid) == 104, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, eui64) == 120, "nvme_id_ns layout");
_Static_assert(offsetof(struct nvme_id_ns, lbaf) == 128, "nvme_id_ns layout");

/* --- log pages [NVMe-1.4 5.14.1] --- */
struct nvme_error_entry { /* [5.14.1.1, figure 193] */
    uint64_t count; /* 0: no entry */
    uint16_t sqid;  /* 0xffff: of no command */
    uint16_t cid;
    uint16_t status; /* as in a completion, the phase means nothing */
    uint16_t location;
    uint64_t lba;
    uint32_t nsid;
    uint8_t vendor;
    uint8_t trtype;
    uint8_t _rsvd0[32 - 30];
    uint64_t specific;
    uint16_t transport;
    uint8_t _rsvd1[64 - 42];
};
_Static_assert(sizeof(struct nvme_error_entry) == 64, "nvme_error_entry layout");
_Static_assert(offsetof(struct nvme_error_entry, sqid) == 8, "nvme_error_entry layout");
_Static_assert(offsetof(struct nvme_error_entry, cid) == 10, "nvme_error_entry layout");
_Static_assert(offsetof(struct nvme_error_entry, status) == 12, "nvme_error_entry layout");
_Static_assert(offsetof(struct nvme_error_entry, location) == 14, "nvme_error_entry layout");
_Static_assert(offsetof(struct nvme_error_entry, lba) == 16, "nvme_error_entry layout");
_Static_assert(offsetof(struct nvme_error_entry, nsid) == 24, "nvme_error_entry layout");
_Static_assert(offsetof(struct nvme_error_entry, vendor) == 28, "nvme_error_entry layout");
_Static_assert(offsetof(struct nvme_error_entry, trtype) == 29, "nvme_error_entry layout");
_Static_assert(offsetof(struct nvme_error_entry, specific) == 32, "nvme_error_entry layout");
_Static_assert(offsetof(struct nvme_error_entry, transport) == 40, "nvme_error_entry layout");

struct nvme_smart { /* [5.14.1.2, figure 194] */
    uint8_t warning;
    uint8_t temperature[2]; /* in K */
    uint8_t spare;          /* in percent, as the next two */
    uint8_t spare_threshold;
    uint8_t used;
    uint8_t _rsvd0[32 - 6];
    uint64_t units_read[2]; /* in 1000 x 512 bytes; this and the next nine: 128 bits */
    uint64_t units_written[2];
    uint64_t reads[2];
    uint64_t writes[2];
    uint64_t busy_minutes[2];
    uint64_t power_cycles[2];
    uint64_t power_hours[2];
    uint64_t unsafe_shutdowns[2];
    uint64_t media_errors[2];
    uint64_t errors[2]; /* entries of the error log in the drive's life */
    uint8_t _rsvd1[512 - 192];
};
#define NVME_SMART_SPARE       BIT(0)
#define NVME_SMART_TEMPERATURE BIT(1)
#define NVME_SMART_RELIABILITY BIT(2)
#define NVME_SMART_READ_ONLY   BIT(3)
#define NVME_SMART_BACKUP      BIT(4)
#define NVME_SMART_PMR         BIT(5)
_Static_assert(sizeof(struct nvme_smart) == 512, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, temperature) == 1, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, spare) == 3, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, spare_threshold) == 4, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, used) == 5, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, units_read) == 32, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, units_written) == 48, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, reads) == 64, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, writes) == 80, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, busy_minutes) == 96, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, power_cycles) == 112, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, power_hours) == 128, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, unsafe_shutdowns) == 144, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, media_errors) == 160, "nvme_smart layout");
_Static_assert(offsetof(struct nvme_smart, errors) == 176, "nvme_smart layout");

#define NVME_NSID_MAX 0xfffffffeu /* highest valid NSID [NVMe-1.4 6.1.2]; 0xffffffff: all */
