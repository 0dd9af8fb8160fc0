// SPDX-License-Identifier: MIT
/* What Identify says, checked and in the driver's own terms. The data come from the device and are not trusted: every
 * number is bounded, text is made printable. */
#pragma once

#include "dptr.h"

#define IDENT_EVENTS_MAX 4u           /* requests for events at a time, also when the controller would take more */
#define IDENT_MAX_TRANSFER (1u << 20) /* bytes in one command, also where the controller would take more */

struct ident_ctrl {
    char serial[21];  /* without the blanks around it */
    char model[41];   /* 40 columns */
    char firmware[9]; /* 8 columns */
    uint16_t cntlid;
    uint32_t nn;
    uint8_t mdts;
    uint8_t abort_limit;   /* Abort commands at a time */
    uint32_t max_transfer; /* bytes */
    uint32_t shutdown_ms;  /* how long a shutdown may take */
    uint8_t event_limit;   /* requests for events at a time */
    uint8_t error_entries; /* of its error log, 0-based */
    bool ns_events;        /* tells when namespaces change */
    bool ns_attach;        /* has Namespace Attachment */
    enum dptr_kind dptr;
    bool vwc;               /* has a volatile write cache; from nvme_ctrl_start() on: and it is switched on */
    bool cache;             /* has one */
    bool dsm, write_zeroes; /* has these commands */
};

struct ident_ns {
    uint64_t blocks;
    uint64_t identity; /* a hash of NGUID, EUI64, UUID */
    uint32_t block_size;
    bool readonly;
    bool special;           /* commands need one of the next three (nvme_ns_special()) */
    bool protect, ref_tag;  /* with protection information; whose reference tag is the LBA */
    uint16_t metadata;      /* bytes per block, which go through a buffer of their own */
    uint32_t read_flags;    /* checks, for cdw12 of reads */
    bool zeroes_deallocate; /* Write Zeroes can deallocate */
    /* in blocks, 1: nothing special */
    uint32_t write_granularity, write_optimal, discard_granularity;
};

/* NULL, or why the controller cannot be used. */
const char *ident_ctrl_parse(const struct nvme_id_ctrl *id, struct ident_ctrl *out);
/* NULL, or why the namespace cannot be used. */
const char *ident_ns_parse(const struct nvme_id_ns *id, struct ident_ns *out);
/* The same of a page of namespace identification descriptors: only the NVM command set can be used. Goes into the
 * identity. */
const char *ident_descs_parse(const uint8_t page[4096], struct ident_ns *out);

/* A command's status in words, never NULL. */
const char *nvme_status_text(uint32_t status);
/* An I/O opcode in words. */
const char *nvme_opcode_text(uint8_t opcode);
