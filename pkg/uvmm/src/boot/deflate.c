// SPDX-License-Identifier: MIT
/* Codes are decoded by one table look-up per symbol: an entry for every value of the next FAST bits has symbol and
 * length; longer codes, which are rare, are followed bit by bit by the canonical counts [RFC 1951 3.2.2]. Bits beyond
 * the end read as 0 and are noticed afterwards. */
#include "deflate.h"

#include <stdbool.h>
#include <string.h>

#define CODE_BITS 15u
#define FAST 10u
#define LITERALS 288u
#define DISTANCES 32u
#define END_OF_BLOCK 256u
#define BAD 0xffffu

struct code {
    uint16_t fast[1u << FAST]; /* symbol << 4 | length; 0: longer */
    uint16_t count[CODE_BITS + 1], symbol[LITERALS];
};

struct stream {
    const uint8_t *p;
    size_t size, at;
    uint64_t bits;
    unsigned have;
    size_t past; /* zero bytes that were put behind the end */
    struct code lit, dist;
};

static void refill(struct stream *s)
{
    while (s->have <= 56) {
        if (s->at < s->size) {
            s->bits |= (uint64_t)s->p[s->at++] << s->have;
        } else {
            s->past++;
        }
        s->have += 8;
    }
}

static unsigned bits_take(struct stream *s, unsigned n)
{
    if (s->have < n) {
        refill(s);
    }
    unsigned v = (unsigned)(s->bits & ((1ull << n) - 1));
    s->bits >>= n;
    s->have -= n;
    return v;
}

/* Has anything been used that was not there? */
static bool beyond(const struct stream *s)
{
    return s->past > s->have / 8;
}

static unsigned reverse(unsigned v, unsigned bits)
{
    unsigned r = 0;

    for (; bits > 0; bits--, v >>= 1) {
        r = r << 1 | (v & 1);
    }
    return r;
}

/* False: the lengths are no code. Incomplete ones are allowed, as a code of one distance is. */
static bool code_build(struct code *c, const uint8_t *length, unsigned n)
{
    uint16_t offset[CODE_BITS + 2] = {0}, next[CODE_BITS + 2] = {0};
    int left = 1;

    memset(c, 0, sizeof(*c));
    for (unsigned i = 0; i < n; i++) {
        c->count[length[i]]++;
    }
    c->count[0] = 0;
    for (unsigned len = 1; len <= CODE_BITS; len++) {
        left = left * 2 - c->count[len];
        if (left < 0) {
            return false;
        }
        offset[len + 1] = (uint16_t)(offset[len] + c->count[len]);
        next[len + 1] = (uint16_t)((next[len] + c->count[len]) << 1);
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned len = length[i];
        if (len == 0) {
            continue;
        }
        c->symbol[offset[len]++] = (uint16_t)i;
        for (unsigned f = reverse(next[len]++, len); len <= FAST && f < 1u << FAST; f += 1u << len) {
            c->fast[f] = (uint16_t)(i << 4 | len);
        }
    }
    return true;
}

static unsigned symbol_slow(struct stream *s, const struct code *c)
{
    int code = 0, first = 0, index = 0;

    for (unsigned len = 1; len <= CODE_BITS; len++) {
        code |= (int)bits_take(s, 1);
        int count = c->count[len];
        if (code - count < first) {
            return c->symbol[index + (code - first)];
        }
        index += count;
        first = (first + count) << 1;
        code <<= 1;
    }
    return BAD;
}

static unsigned symbol_take(struct stream *s, const struct code *c)
{
    if (s->have < CODE_BITS) {
        refill(s);
    }
    unsigned e = c->fast[s->bits & ((1u << FAST) - 1)];
    if (e == 0) {
        return symbol_slow(s, c);
    }
    s->bits >>= e & 15;
    s->have -= e & 15;
    return e >> 4;
}

/* Extra bits of lengths and distances [RFC 1951 3.2.5]. */
static unsigned length_extra(unsigned symbol)
{
    return symbol < 265 || symbol == 285 ? 0 : (symbol - 261) / 4;
}

static bool block_skip(struct stream *s)
{
    unsigned sym;

    while (!beyond(s) && (sym = symbol_take(s, &s->lit)) != END_OF_BLOCK) {
        if (sym < END_OF_BLOCK) {
            continue;
        }
        if (sym > 285) {
            return false;
        }
        (void)bits_take(s, length_extra(sym));
        unsigned dist = symbol_take(s, &s->dist);
        if (dist > 29) {
            return false;
        }
        (void)bits_take(s, dist < 4 ? 0 : dist / 2 - 1);
    }
    return true;
}

static bool stored_skip(struct stream *s)
{
    (void)bits_take(s, s->have % 8);
    unsigned len = bits_take(s, 16), inverse = bits_take(s, 16);

    if (beyond(s)) {
        return true;
    }
    if (len != (~inverse & 0xffff)) {
        return false;
    }
    for (; len > 0 && !beyond(s); len--) {
        (void)bits_take(s, 8);
    }
    return true;
}

static void fixed_codes(struct stream *s)
{
    uint8_t length[LITERALS];

    memset(length, 8, 144);
    memset(length + 144, 9, 112);
    memset(length + 256, 7, 24);
    memset(length + 280, 8, 8);
    (void)code_build(&s->lit, length, LITERALS);
    memset(length, 5, 30);
    (void)code_build(&s->dist, length, 30);
}

/* The run-length code of the code lengths [RFC 1951 3.2.7]. */
static bool lengths_read(struct stream *s, uint8_t *length, unsigned total)
{
    unsigned n = 0;

    while (n < total && !beyond(s)) {
        unsigned sym = symbol_take(s, &s->lit), run = 1;
        uint8_t value = 0;
        if (sym < 16) {
            value = (uint8_t)sym;
        } else if (sym == 16) {
            if (n == 0) {
                return false;
            }
            value = length[n - 1];
            run = 3 + bits_take(s, 2);
        } else if (sym <= 18) {
            run = sym == 17 ? 3 + bits_take(s, 3) : 11 + bits_take(s, 7);
        } else {
            return false;
        }
        if (run > total - n) {
            return false;
        }
        memset(length + n, value, run);
        n += run;
    }
    return true;
}

static bool dynamic_codes(struct stream *s)
{
    static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint8_t length[LITERALS + DISTANCES] = {0};
    unsigned lits = 257 + bits_take(s, 5), dists = 1 + bits_take(s, 5), codes = 4 + bits_take(s, 4);

    for (unsigned i = 0; i < codes; i++) {
        length[order[i]] = (uint8_t)bits_take(s, 3);
    }
    if (lits > 286 || dists > 30 || !code_build(&s->lit, length, 19)) {
        return beyond(s);
    }
    memset(length, 0, sizeof(length));
    if (!lengths_read(s, length, lits + dists)) {
        return beyond(s);
    }
    return beyond(s) || (code_build(&s->lit, length, lits) && code_build(&s->dist, length + lits, dists));
}

enum deflate_end deflate_skip(const uint8_t *data, size_t size, size_t *used)
{
    static struct stream s; /* too large for a stack */
    bool last = false, ok = true;

    s = (struct stream){.p = data, .size = size};
    while (!last && ok && !beyond(&s)) {
        last = bits_take(&s, 1) != 0;
        unsigned type = bits_take(&s, 2);
        if (type == 0) {
            ok = stored_skip(&s);
        } else if (type == 1) {
            fixed_codes(&s);
            ok = block_skip(&s);
        } else {
            ok = type == 2 && dynamic_codes(&s) && block_skip(&s);
        }
    }
    if (beyond(&s)) {
        return DEFLATE_TRUNCATED;
    }
    *used = s.at - (s.have / 8 - s.past);
    return ok ? DEFLATE_DONE : DEFLATE_BAD;
}
