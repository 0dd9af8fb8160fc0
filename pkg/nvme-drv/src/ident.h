// SPDX-License-Identifier: MIT
/* What Identify says, checked and in the driver's own terms. The data come from the device and are not trusted: every
 * number is bounded, text is made printable. */
#pragma once

#include "dptr.h"

#define IDENT_MAX_TRANSFER (1u << 20) /* bytes in one command, also where the controller would take more */

struct ident_ctrl {
    char serial[21];  /* up to the first blank */
    char model[41];   /* 40 columns */
    char firmware[9]; /* 8 columns */
    uint16_t cntlid;
    uint32_t nn;
    uint8_t mdts;
    uint8_t abort_limit;   /* Abort commands at a time */
    uint32_t max_transfer; /* bytes */
    enum dptr_kind dptr;
    bool vwc;
    bool dsm, write_zeroes; /* has these commands */
};

struct ident_ns {
    uint64_t blocks;
    uint32_t block_size;
    bool readonly;
    bool zeroes_deallocate; /* Write Zeroes can deallocate */
    /* in blocks, 1: nothing special */
    uint32_t write_granularity, write_optimal, discard_granularity;
};

/* NULL, or why the controller cannot be used. */
const char *ident_ctrl_parse(const struct nvme_id_ctrl *id, struct ident_ctrl *out);
/* NULL, or why the namespace cannot be used. */
const char *ident_ns_parse(const struct nvme_id_ns *id, struct ident_ns *out);

/* A command's status in words, never NULL. */
const char *nvme_status_text(uint32_t status);
/* An I/O opcode in words. */
const char *nvme_opcode_text(uint8_t opcode);
