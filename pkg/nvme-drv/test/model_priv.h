// SPDX-License-Identifier: MIT
// What the parts of the model share: model.c has registers and queues, model_admin.c and model_io.c the commands.
#pragma once

#include "model.h"
#include <abi/types.h>

/* Memory of the driver; ends the program for what is no device address. */
void *model_dev_ptr(uint64_t dev);
/* Moves a command's data, by its PRPs or SGL. Return: its status. */
uint16_t model_transfer(struct model *m, const struct nvme_sqe *e, uint8_t *data, uint32_t bytes, bool to_host);
bool model_ns_active(const struct model *m, uint32_t nsid);
/* Execute a command. Return: its status; *dw0: of its completion. */
uint16_t model_admin(struct model *m, const struct nvme_sqe *e, uint32_t *dw0);
uint16_t model_io(struct model *m, const struct nvme_sqe *e);
/* Writes a completion. */
void model_post(struct model *m, uint16_t sqid, uint16_t cid, uint16_t status, uint32_t dw0);
