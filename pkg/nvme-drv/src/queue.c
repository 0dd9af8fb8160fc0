// SPDX-License-Identifier: MIT
// Queue pairs: see queue.h.
#include "queue.h"

#include "ident.h"
#include "log.h"
#include <abi/types.h>
#include <stdlib.h>
#include <string.h>

/* As the controller expects them after a reset. */
static void rings_clear(struct nvme_queue *q)
{
    q->sq_tail = q->sq_rung = q->cq_head = 0;
    q->phase = 1;
    memset((void *)q->cq, 0, q->cq_mem.size);
}

static void queue_clear(struct nvme_queue *q)
{
    rings_clear(q);
    q->in_flight = 0;
    q->retry_at_ns = UINT64_MAX;
    for (uint16_t i = 0; i < q->entries - 1; i++) {
        q->cmd[i].next_free = i + 2 < q->entries ? (uint16_t)(i + 1) : NVME_LIST_NONE;
        q->cmd[i].busy = false;
    }
    q->free_slot = 0;
    for (uint16_t i = 0; i < NVME_LIST_PAGES; i++) {
        q->list_next[i] = i + 1u < NVME_LIST_PAGES ? (uint16_t)(i + 1) : NVME_LIST_NONE;
    }
    q->free_list = q->list_mem.mem ? 0 : NVME_LIST_NONE;
}

int64_t nvme_queue_init(struct nvme_queue *q, struct nvme_hw *hw, uint16_t qid, uint16_t entries, bool lists,
                        uint32_t doorbell_stride, uint64_t timeout_ns)
{
    *q = (struct nvme_queue){
        .hw = hw,
        .qid = qid,
        .entries = entries,
        .timeout_ns = timeout_ns,
        .sq_doorbell = NVME_SQ_DOORBELL(qid, doorbell_stride),
        .cq_doorbell = NVME_CQ_DOORBELL(qid, doorbell_stride),
    };
    q->cmd = calloc(entries - 1u, sizeof(*q->cmd));
    if (!q->cmd || hw->ops->dma_alloc(hw, entries * sizeof(struct nvme_sqe), &q->sq_mem) ||
        hw->ops->dma_alloc(hw, entries * sizeof(struct nvme_cqe), &q->cq_mem) ||
        (lists && hw->ops->dma_alloc(hw, (size_t)NVME_LIST_PAGES * NVME_PAGE_SIZE, &q->list_mem))) {
        nvme_queue_destroy(q);
        return SK_ENOMEM;
    }
    q->sq = q->sq_mem.mem;
    q->cq = q->cq_mem.mem;
    queue_clear(q);
    return SK_OK;
}

void nvme_queue_destroy(struct nvme_queue *q)
{
    struct nvme_dma *mem[] = {&q->sq_mem, &q->cq_mem, &q->list_mem};

    for (unsigned i = 0; i < ARRAY_SIZE(mem); i++) {
        if (mem[i]->mem) {
            q->hw->ops->dma_free(q->hw, mem[i]);
            mem[i]->mem = NULL;
        }
    }
    free(q->cmd);
    q->cmd = NULL;
    q->entries = 0;
}

static void cmd_release(struct nvme_queue *q, struct nvme_cmd *cmd)
{
    if (cmd->list != NVME_LIST_NONE) {
        nvme_list_free(q, cmd->list);
    }
    cmd->generation = (cmd->generation + 1) & 0x3f;
    cmd->next_free = q->free_slot;
    q->free_slot = (uint16_t)(cmd - q->cmd);
}

static void cmd_end(struct nvme_queue *q, struct nvme_cmd *cmd, uint32_t status, uint32_t dw0)
{
    cmd->busy = false;
    q->in_flight--;
    cmd_release(q, cmd);
    cmd->done(cmd, status, dw0);
}

void nvme_queue_reset(struct nvme_queue *q)
{
    for (uint16_t i = 0; i + 1 < q->entries; i++) {
        if (q->cmd[i].busy) {
            cmd_end(q, &q->cmd[i], NVME_STATUS_LOST, 0);
        }
    }
    queue_clear(q);
}

struct nvme_cmd *nvme_queue_get(struct nvme_queue *q, struct nvme_sqe **sqe)
{
    if (q->free_slot == NVME_LIST_NONE) {
        return NULL;
    }
    struct nvme_cmd *cmd = &q->cmd[q->free_slot];

    q->free_slot = cmd->next_free;
    cmd->list = cmd->bounce = NVME_LIST_NONE;
    cmd->sqe = (struct nvme_sqe){.cid = (uint16_t)((cmd - q->cmd) | cmd->generation << 10)};
    *sqe = &cmd->sqe;
    return cmd;
}

void nvme_queue_unget(struct nvme_queue *q, struct nvme_cmd *cmd)
{
    cmd_release(q, cmd);
}

static void cmd_send(struct nvme_queue *q, struct nvme_cmd *cmd, uint64_t now_ns)
{
    q->sq[q->sq_tail] = cmd->sqe;
    q->sq_tail = q->sq_tail + 1 == q->entries ? 0 : (uint16_t)(q->sq_tail + 1);
    cmd->deadline_ns = now_ns + q->timeout_ns;
    cmd->parked = cmd->aborted = false;
}

void nvme_queue_put(struct nvme_queue *q, struct nvme_cmd *cmd, uint64_t now_ns)
{
    cmd->opcode = cmd->sqe.opcode;
    cmd->tries = 0;
    cmd->busy = true;
    q->in_flight++;
    cmd_send(q, cmd, now_ns);
}

void nvme_queue_ring(struct nvme_queue *q)
{
    if (q->sq_rung != q->sq_tail) {
        q->sq_rung = q->sq_tail;
        __atomic_thread_fence(__ATOMIC_RELEASE); /* entries first; pairs with the controller's fetch */
        q->hw->ops->write32(q->hw, q->sq_doorbell, q->sq_tail);
    }
}

/* --- commands that are sent again --- */

/* Completions with the old identifier are strays from now on. */
static void cmd_park(struct nvme_queue *q, struct nvme_cmd *cmd, uint64_t until_ns)
{
    cmd->generation = (cmd->generation + 1) & 0x3f;
    cmd->parked = true;
    cmd->deadline_ns = until_ns;
    q->retry_at_ns = min(q->retry_at_ns, until_ns);
}

/* True: the failed command gets another chance. One that the driver itself had aborted does whatever its status says.
 */
static bool cmd_retry(struct nvme_queue *q, struct nvme_cmd *cmd, uint32_t status)
{
    bool own_abort = cmd->aborted && NVME_STATUS_CODE(status) == NVME_SC_ABORTED;

    if (!q->repeat || cmd->tries >= NVME_TRIES_MAX || (NVME_STATUS_DNR(status) && !own_abort)) {
        return false;
    }
    uint64_t delay = NVME_RETRY_NS << 2 * cmd->tries;

    cmd->tries++;
    log_info("NVMe[%s]: queue %u: %s at LBA %llu failed: %s (SCT %u, SC %#x); trying again in %u ms", q->hw->name,
             q->qid, nvme_opcode_text(cmd->opcode), (unsigned long long)cmd->lba, nvme_status_text(status),
             NVME_STATUS_SCT(status), NVME_STATUS_SC(status), (unsigned)(delay / 1000000));
    cmd_park(q, cmd, q->hw->ops->now_ns(q->hw) + delay);
    return true;
}

void nvme_queue_again(struct nvme_queue *q, struct nvme_cmd *cmd, uint64_t now_ns)
{
    cmd->sqe.cid = (uint16_t)((cmd - q->cmd) | cmd->generation << 10);
    q->repeated++;
    cmd_send(q, cmd, now_ns);
}

void nvme_queue_rewind(struct nvme_queue *q)
{
    uint16_t slot = 0;

    for (struct nvme_cmd *cmd; (cmd = nvme_queue_next(q, &slot));) {
        if (!cmd->parked) {
            cmd->tries = (uint8_t)(cmd->tries + (cmd->aborted ? 2 : 1)); /* others may only have been near */
            cmd_park(q, cmd, 0);
        }
    }
    rings_clear(q);
}

void nvme_queue_replay(struct nvme_queue *q, uint64_t now_ns)
{
    uint16_t slot = 0;

    q->retry_at_ns = UINT64_MAX;
    for (struct nvme_cmd *cmd; (cmd = nvme_queue_next(q, &slot));) {
        if (cmd->tries > NVME_TRIES_MAX) {
            cmd_end(q, cmd, NVME_STATUS_LOST, 0);
        } else if (cmd->parked) { /* not one that done() has just put */
            nvme_queue_again(q, cmd, now_ns);
        }
    }
    nvme_queue_ring(q);
}

struct nvme_cmd *nvme_queue_next(struct nvme_queue *q, uint16_t *slot)
{
    while (q->in_flight > 0 && *slot + 1 < q->entries) {
        struct nvme_cmd *cmd = &q->cmd[(*slot)++];

        if (cmd->busy) {
            return cmd;
        }
    }
    return NULL;
}

/* --- completions --- */

static void queue_stray(struct nvme_queue *q, uint16_t cid)
{
    if (q->strays++ == 0) {
        log_error("NVMe[%s]: queue %u: completion for command %#x, which is not in flight; ignored (further ones are "
                  "only counted)",
                  q->hw->name, q->qid, cid);
    }
}

static void queue_complete(struct nvme_queue *q, uint16_t cid, uint16_t status, uint32_t dw0)
{
    uint16_t slot = cid & NVME_SLOT_MASK;
    struct nvme_cmd *cmd = &q->cmd[slot];

    if (slot + 1 >= q->entries || !cmd->busy || cid >> 10 != cmd->generation) {
        queue_stray(q, cid);
        return;
    }
    q->completed++;
    if (NVME_STATUS_CODE(status >> 1) == 0 || !cmd_retry(q, cmd, status >> 1)) {
        cmd_end(q, cmd, status >> 1, dw0);
    }
}

bool nvme_queue_process(struct nvme_queue *q)
{
    uint16_t n = 0;

    while (n < q->entries) { /* a broken controller must not keep us here */
        volatile struct nvme_cqe *e = &q->cq[q->cq_head];
        uint16_t status = __atomic_load_n(&e->status, __ATOMIC_ACQUIRE);

        if ((status & NVME_CQE_P) != q->phase) {
            break;
        }
        uint16_t cid = e->cid;
        uint32_t dw0 = e->dw0;

        n++;
        if (++q->cq_head == q->entries) {
            q->cq_head = 0;
            q->phase ^= 1;
        }
        queue_complete(q, cid, status, dw0);
    }
    if (n > 0) {
        q->hw->ops->write32(q->hw, q->cq_doorbell, q->cq_head);
    }
    return n > 0;
}

uint16_t nvme_list_get(struct nvme_queue *q)
{
    uint16_t page = q->free_list;

    if (page != NVME_LIST_NONE) {
        q->free_list = q->list_next[page];
        q->list_next[page] = NVME_LIST_NONE;
    }
    return page;
}

void nvme_list_free(struct nvme_queue *q, uint16_t first)
{
    while (first != NVME_LIST_NONE) {
        uint16_t next = q->list_next[first];

        q->list_next[first] = q->free_list;
        q->free_list = first;
        first = next;
    }
}
