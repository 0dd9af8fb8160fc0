// SPDX-License-Identifier: MIT
// Finds the end of a deflate stream [RFC 1951] by decoding its symbols; there is no output. Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum deflate_end { DEFLATE_DONE, DEFLATE_TRUNCATED, DEFLATE_BAD };

/* *used: bytes of the stream, when DONE. */
enum deflate_end deflate_skip(const uint8_t *data, size_t size, size_t *used);
