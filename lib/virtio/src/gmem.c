// SPDX-License-Identifier: MIT
// Guest memory table: see virtio/gmem.h.
#include <abi/types.h>
#include <string.h>
#include <util/bits.h>
#include <virtio/gmem.h>

int64_t gmem_add(struct gmem *m, const struct gmem_region *r)
{
    unsigned i = 0;

    if (r->size == 0 || r->gpa > UINT64_MAX - (r->size - 1)) {
        return SK_EINVAL;
    }
    while (i < m->count && m->region[i].gpa < r->gpa) {
        i++;
    }
    if (i > 0 && r->gpa - m->region[i - 1].gpa < m->region[i - 1].size) {
        return SK_EEXIST;
    }
    if (i < m->count && m->region[i].gpa - r->gpa < r->size) {
        return SK_EEXIST;
    }
    if (m->count == GMEM_MAX_REGIONS) {
        return SK_ENOMEM;
    }
    memmove(&m->region[i + 1], &m->region[i], (m->count - i) * sizeof(m->region[0]));
    m->region[i] = *r;
    m->count++;
    return SK_OK;
}

int64_t gmem_remove(struct gmem *m, uint64_t gpa, uint64_t size, struct gmem_region *out)
{
    for (unsigned i = 0; i < m->count; i++) {
        if (m->region[i].gpa == gpa && m->region[i].size == size) {
            *out = m->region[i];
            m->count--;
            memmove(&m->region[i], &m->region[i + 1], (m->count - i) * sizeof(m->region[0]));
            return SK_OK;
        }
    }
    return SK_ENOENT;
}

/* The longest run of memory at gpa, at most *len bytes; NULL: none. */
static void *gmem_run(const struct gmem *m, uint64_t gpa, size_t *len)
{
    const struct gmem_region *r = gmem_find(m, gpa, 1);

    if (!r) {
        return NULL;
    }
    *len = min((uint64_t)*len, r->size - (gpa - r->gpa));
    return r->host + (gpa - r->gpa);
}

bool gmem_read(const struct gmem *m, uint64_t gpa, void *buf, size_t len)
{
    for (size_t n; len > 0; gpa += n, len -= n, buf = (char *)buf + n) {
        n = len;
        void *p = gmem_run(m, gpa, &n);

        if (!p) {
            return false;
        }
        memcpy(buf, p, n);
    }
    return true;
}

bool gmem_write(const struct gmem *m, uint64_t gpa, const void *buf, size_t len)
{
    for (size_t n; len > 0; gpa += n, len -= n, buf = (const char *)buf + n) {
        n = len;
        void *p = gmem_run(m, gpa, &n);

        if (!p) {
            return false;
        }
        memcpy(p, buf, n);
    }
    return true;
}
