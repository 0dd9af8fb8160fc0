// SPDX-License-Identifier: MIT
/* Messages in the UTCB. While a request is being built, cap_pos holds the number of capabilities that the reply may
 * bring; when a message is read, it counts those taken. */
#include <sk/env.h>
#include <sk/msg.h>
#include <sk/sys.h>
#include <string.h>

void msg_begin(struct msg *m, uint32_t op)
{
    *m = (struct msg){.op = op};
}

void msg_put(struct msg *m, uint64_t v)
{
    if (m->words >= UTCB_WORDS) {
        m->bad = true;
        return;
    }
    sk_utcb()->mr[m->words++] = v;
}

void msg_put_bytes(struct msg *m, const void *data, size_t len)
{
    size_t words = len / 8 + (len % 8 != 0);
    uint64_t *mr = sk_utcb()->mr;

    if (m->words >= UTCB_WORDS || words > UTCB_WORDS - m->words - 1) {
        m->bad = true;
        return;
    }
    mr[m->words++] = len;
    if (words == 0) {
        return;
    }
    mr[m->words + words - 1] = 0; /* no stale bytes in the padding */
    memcpy(&mr[m->words], data, len);
    m->words += (uint32_t)words;
}

void msg_put_str(struct msg *m, const char *s)
{
    msg_put_bytes(m, s, strlen(s));
}

void msg_put_cap(struct msg *m, cap_t cap, uint32_t rights)
{
    if (m->caps >= UTCB_CAPS) {
        m->bad = true;
        return;
    }
    sk_utcb()->send_cap[m->caps] = cap;
    sk_utcb()->send_rights[m->caps] = rights;
    m->caps++;
}

void msg_recv_caps(struct msg *m, unsigned max)
{
    m->cap_pos = max;
}

static void drop_caps(struct msg *m)
{
    while (m->cap_pos < m->caps) {
        sys_cap_drop(sk_utcb()->recv_cap[m->cap_pos++]);
    }
}

int64_t msg_call(struct msg *m, cap_t gate, uint64_t deadline)
{
    if (m->bad) {
        return SK_EMSG;
    }
    sk_utcb()->recv_max = m->cap_pos;
    int64_t tag = sys_call(gate, TAG(m->op, m->words, m->caps), deadline);
    if (tag < 0) {
        msg_begin(m, (uint32_t)tag);
        return tag;
    }
    msg_begin(m, TAG_LABEL(tag));
    m->words = TAG_WORDS(tag);
    m->caps = TAG_CAPS(tag);
    int32_t status = (int32_t)m->op;
    if (status < 0) {
        drop_caps(m);
    }
    return status;
}

uint64_t msg_get(struct msg *m)
{
    if (m->pos >= m->words) {
        m->bad = true;
        return 0;
    }
    return sk_utcb()->mr[m->pos++];
}

/* The bytes of the next field, NULL (and bad) if they are not all there. */
static const char *take_bytes(struct msg *m, size_t *len)
{
    uint64_t n = msg_get(m);
    uint64_t words = n / 8 + (n % 8 != 0);
    const char *data = (const char *)&sk_utcb()->mr[m->pos];

    *len = 0;
    if (m->bad || words > m->words - m->pos) {
        m->bad = true;
        return NULL;
    }
    m->pos += (uint32_t)words;
    *len = n;
    return data;
}

size_t msg_get_bytes(struct msg *m, void *buf, size_t max)
{
    size_t len;
    const char *data = take_bytes(m, &len);

    if (!data) {
        return 0;
    }
    if (len > max) {
        m->bad = true;
        len = max;
    }
    memcpy(buf, data, len);
    return len;
}

void msg_get_str(struct msg *m, char *buf, size_t size)
{
    size_t len;
    const char *data = take_bytes(m, &len);

    buf[0] = '\0';
    if (!data) {
        return;
    }
    if (len >= size || memchr(data, '\0', len)) {
        m->bad = true;
        return;
    }
    memcpy(buf, data, len);
    buf[len] = '\0';
}

cap_t msg_get_cap(struct msg *m)
{
    if (m->cap_pos >= m->caps) {
        m->bad = true;
        return CAP_NULL;
    }
    return sk_utcb()->recv_cap[m->cap_pos++];
}

int64_t msg_end(struct msg *m)
{
    if (m->cap_pos < m->caps || m->pos < m->words) {
        m->bad = true;
    }
    drop_caps(m);
    m->pos = m->words;
    return m->bad ? SK_EMSG : SK_OK;
}

int64_t msg_call_status(struct msg *m, cap_t gate, uint64_t deadline)
{
    int64_t err = msg_call(m, gate, deadline);

    return err < 0 ? err : msg_end(m);
}

int64_t msg_call_cap(struct msg *m, cap_t gate, unsigned skip, uint64_t deadline)
{
    msg_recv_caps(m, 1);
    int64_t err = msg_call(m, gate, deadline);
    if (err < 0) {
        return err;
    }
    for (unsigned i = 0; i < skip; i++) {
        (void)msg_get(m);
    }
    cap_t cap = msg_get_cap(m);
    err = msg_end(m);
    if (err == SK_OK) {
        return cap;
    }
    if (cap != CAP_NULL) {
        sys_cap_drop(cap);
    }
    return err;
}
