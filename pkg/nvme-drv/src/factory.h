// SPDX-License-Identifier: MIT
/* Dynamic clients: the `svr` gate (proto/blk_factory.h). */
#pragma once

#include "options.h"
#include <abi/types.h>

/* One argument of a request, which stays in use. NULL, or what is wrong with it. */
const char *factory_arg(struct client_options *o, const char *text);

/* Serves the gate. False: it cannot, a line says why. */
bool factory_open(cap_t gate);
/* All devices have been looked at. */
void factory_scanned(void);
