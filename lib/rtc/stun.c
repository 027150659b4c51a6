/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/stun.h"

#include "rtc/hmac_sha1.h"

#define MAGIC_COOKIE       0x2112a442u
#define FINGERPRINT_XOR    0x5354554eu
#define ATTR_HEADER_LEN    4
#define INTEGRITY_ATTR_LEN (ATTR_HEADER_LEN + HMAC_SHA1_LEN)
#define USERNAME_LEN_MAX   513 /* RFC 8489 §14.3 */
#define FAMILY_IPV4        1
#define FAMILY_IPV6        2

enum attribute {
    ATTR_MAPPED_ADDRESS = 0x0001,
    ATTR_USERNAME = 0x0006,
    ATTR_MESSAGE_INTEGRITY = 0x0008,
    ATTR_ERROR_CODE = 0x0009,
    ATTR_UNKNOWN_ATTRIBUTES = 0x000a,
    ATTR_REALM = 0x0014,
    ATTR_NONCE = 0x0015,
    ATTR_MESSAGE_INTEGRITY_SHA256 = 0x001c,
    ATTR_XOR_MAPPED_ADDRESS = 0x0020,
    ATTR_PRIORITY = 0x0024,
    ATTR_USE_CANDIDATE = 0x0025,
    ATTR_SOFTWARE = 0x8022,
    ATTR_FINGERPRINT = 0x8028,
    ATTR_ICE_CONTROLLED = 0x8029,
    ATTR_ICE_CONTROLLING = 0x802a,
    ATTR_COMPREHENSION_OPTIONAL = 0x8000,
};

/* CRC-32 of ITU V.42, four bits at a time: messages are a hundred bytes. */
static uint32_t crc32_update(uint32_t crc, struct bytes b)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    for (size_t i = 0; i < b.len; i++) {
        crc ^= b.data[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return crc;
}

static uint32_t fingerprint_of(struct bytes message)
{
    return (crc32_update(0xffffffffu, message) ^ 0xffffffffu) ^ FINGERPRINT_XOR;
}

/* HMAC over the message up to the attribute, with the header's length reaching to its end. */
static void integrity_of(struct bytes message, struct bytes key, uint8_t ret[HMAC_SHA1_LEN])
{
    uint8_t head[STUN_HEADER_LEN];
    memcpy(head, message.data, sizeof head);
    store_be16(head + 2, (uint16_t)(message.len - STUN_HEADER_LEN + INTEGRITY_ATTR_LEN));
    struct bytes parts[2] = {
        bytes_of(head, sizeof head),
        bytes_of(message.data + STUN_HEADER_LEN, message.len - STUN_HEADER_LEN),
    };
    struct hmac_sha1 hmac;
    hmac_sha1_init(&hmac, key);
    hmac_sha1_sum(&hmac, parts, 2, ret);
    bytes_wipe(&hmac, sizeof hmac);
}

/* Port and IP are XORed with the cookie and, for IPv6, the transaction id that follows it. */
static void xor_address(struct net_addr *a, const uint8_t *cookie, size_t ip_len)
{
    a->port ^= (uint16_t)(MAGIC_COOKIE >> 16);
    for (size_t i = 0; i < ip_len; i++)
        a->ip[i] ^= cookie[i];
}

static enum err parse_xor_mapped(struct bytes value, struct stun_message *m)
{
    if (value.len < 4)
        return ERR_MALFORMED;
    uint8_t family = value.data[1];
    size_t ip_len = family == FAMILY_IPV4 ? 4 : 16;
    if ((family != FAMILY_IPV4 && family != FAMILY_IPV6) || value.len != 4 + ip_len)
        return ERR_MALFORMED;
    struct net_addr a = { .port = load_be16(value.data + 2) };
    memcpy(a.ip, value.data + 4, ip_len);
    xor_address(&a, m->packet.data + 4, ip_len);
    m->mapped = family == FAMILY_IPV4 ? net_addr_ipv4(a.ip, a.port) : net_addr_ipv6(a.ip, a.port);
    return OK;
}

static enum err parse_error_code(struct bytes value, struct stun_message *m)
{
    if (value.len < 4)
        return ERR_MALFORMED;
    unsigned class = value.data[2] & 7, number = value.data[3];
    if (class < 3 || class > 6 || number > 99)
        return ERR_MALFORMED;
    m->error_code = (uint16_t)(class * 100 + number);
    m->reason = bytes_of(value.data + 4, value.len - 4);
    return OK;
}

static enum err parse_role(struct bytes value, bool *role, struct stun_message *m)
{
    if (value.len != 8)
        return ERR_MALFORMED;
    if (!m->ice_controlled && !m->ice_controlling) {
        m->tie_breaker = load_be64(value.data);
        *role = true;
    }
    return OK;
}

static void note_unknown(uint16_t type, struct stun_message *m)
{
    if (type < ATTR_COMPREHENSION_OPTIONAL && m->unknown_required_count < STUN_UNKNOWN_MAX)
        m->unknown_required[m->unknown_required_count++] = type;
}

/* One attribute in front of MESSAGE-INTEGRITY, or MESSAGE-INTEGRITY itself. */
static enum err parse_attribute(uint16_t type, struct bytes value, struct stun_message *m)
{
    switch (type) {
    case ATTR_USERNAME:
        if (value.len > USERNAME_LEN_MAX)
            return ERR_MALFORMED;
        if (m->username.data == NULL)
            m->username = value;
        return OK;
    case ATTR_MESSAGE_INTEGRITY:
        if (value.len != HMAC_SHA1_LEN)
            return ERR_MALFORMED;
        m->has_integrity = true;
        m->integrity_offset = (uint16_t)(value.data - ATTR_HEADER_LEN - m->packet.data);
        return OK;
    case ATTR_ERROR_CODE:
        return m->error_code == 0 ? parse_error_code(value, m) : OK;
    case ATTR_XOR_MAPPED_ADDRESS:
        return net_addr_is_set(&m->mapped) ? OK : parse_xor_mapped(value, m);
    case ATTR_PRIORITY:
        if (value.len != 4)
            return ERR_MALFORMED;
        if (!m->has_priority)
            m->priority = load_be32(value.data);
        m->has_priority = true;
        return OK;
    case ATTR_USE_CANDIDATE:
        m->use_candidate = true;
        return OK;
    case ATTR_ICE_CONTROLLED:
        return parse_role(value, &m->ice_controlled, m);
    case ATTR_ICE_CONTROLLING:
        return parse_role(value, &m->ice_controlling, m);
    case ATTR_SOFTWARE:
        if (m->software.data == NULL)
            m->software = value;
        return OK;
    case ATTR_MAPPED_ADDRESS:
    case ATTR_UNKNOWN_ATTRIBUTES:
    case ATTR_REALM:
    case ATTR_NONCE:
    case ATTR_MESSAGE_INTEGRITY_SHA256:
        return OK; /* known, of no use to ICE */
    default:
        note_unknown(type, m);
        return OK;
    }
}

static enum err parse_fingerprint(struct bytes value, struct stun_message *m)
{
    if (value.len != 4 || value.data + 4 != m->packet.data + m->packet.len)
        return ERR_MALFORMED; /* it must be last */
    size_t before = (size_t)(value.data - ATTR_HEADER_LEN - m->packet.data);
    if (load_be32(value.data) != fingerprint_of(bytes_of(m->packet.data, before)))
        return ERR_MALFORMED;
    m->has_fingerprint = true;
    return OK;
}

static enum err parse_attributes(struct stun_message *m)
{
    struct reader r =
        reader_of(bytes_of(m->packet.data + STUN_HEADER_LEN, m->packet.len - STUN_HEADER_LEN));
    while (reader_left(&r) > 0) {
        uint16_t type = reader_u16(&r);
        uint16_t len = reader_u16(&r);
        struct bytes value = reader_take(&r, len);
        (void)reader_take(&r, (size_t)(-len & 3));
        if (r.failed)
            return ERR_MALFORMED;
        if (value.data == NULL) /* empty, but there */
            value.data = r.at;
        enum err e = OK;
        if (type == ATTR_FINGERPRINT)
            e = parse_fingerprint(value, m);
        else if (!m->has_integrity)
            e = parse_attribute(type, value, m);
        if (e != OK)
            return e;
    }
    return OK;
}

enum err stun_parse(struct bytes packet, struct stun_message *ret)
{
    if (packet.len < STUN_HEADER_LEN)
        return ERR_TRUNCATED;
    uint16_t type = load_be16(packet.data);
    size_t len = load_be16(packet.data + 2);
    if ((type & 0xc000) != 0 || (len & 3) != 0)
        return ERR_MALFORMED;
    if (load_be32(packet.data + 4) != MAGIC_COOKIE)
        return ERR_UNSUPPORTED;
    if (packet.len != STUN_HEADER_LEN + len)
        return packet.len < STUN_HEADER_LEN + len ? ERR_TRUNCATED : ERR_MALFORMED;

    /* The class bits C1 and C0 sit at 0x100 and 0x010, inside the method's bits. */
    struct stun_message m = {
        .packet = packet,
        .class = (enum stun_class)(((type >> 7) & 2) | ((type >> 4) & 1)),
        .method = (uint16_t)(((type >> 2) & 0xf80) | ((type >> 1) & 0x070) | (type & 0x00f)),
    };
    memcpy(m.transaction.id, packet.data + 8, STUN_TRANSACTION_LEN);
    enum err e = parse_attributes(&m);
    if (e == OK)
        *ret = m;
    return e;
}

enum err stun_check_integrity(const struct stun_message *m, struct bytes key)
{
    if (!m->has_integrity)
        return ERR_AUTH;
    uint8_t mac[HMAC_SHA1_LEN];
    integrity_of(bytes_of(m->packet.data, m->integrity_offset), key, mac);
    const uint8_t *theirs = m->packet.data + m->integrity_offset + ATTR_HEADER_LEN;
    return bytes_equal_secret(bytes_of(mac, sizeof mac), bytes_of(theirs, sizeof mac)) ? OK
                                                                                       : ERR_AUTH;
}

struct bytes stun_username_local(struct bytes username)
{
    const uint8_t *colon = username.len == 0 ? NULL : memchr(username.data, ':', username.len);
    return colon == NULL ? (struct bytes){ 0 }
                         : bytes_of(username.data, (size_t)(colon - username.data));
}

struct bytes stun_username_remote(struct bytes username)
{
    const uint8_t *colon = username.len == 0 ? NULL : memchr(username.data, ':', username.len);
    return colon == NULL ? (struct bytes){ 0 }
                         : bytes_of(colon + 1, (size_t)(username.data + username.len - colon - 1));
}

/* ---- writing: a message is everything from `start` of out ---- */

static struct writer begin(struct writer *out, enum stun_class class,
                           const struct stun_transaction *t)
{
    struct writer w = writer_of(out->at, out->failed ? 0 : writer_left(out));
    uint16_t type = (uint16_t)(((class & 2u) << 7) | ((class & 1u) << 4) | STUN_METHOD_BINDING);
    writer_u16(&w, type);
    writer_u16(&w, 0); /* length: set_len() */
    writer_u32(&w, MAGIC_COOKIE);
    writer_put(&w, bytes_of(t->id, STUN_TRANSACTION_LEN));
    return w;
}

static void set_len(struct writer *w, size_t more)
{
    if (!w->failed)
        store_be16(w->start + 2, (uint16_t)(writer_len(w) - STUN_HEADER_LEN + more));
}

static void put_attribute(struct writer *w, enum attribute type, struct bytes value)
{
    static const uint8_t zeros[4];
    writer_u16(w, (uint16_t)type);
    writer_u16(w, (uint16_t)value.len);
    writer_put(w, value);
    writer_put(w, bytes_of(zeros, (size_t)(-value.len & 3)));
}

static void put_u32(struct writer *w, enum attribute type, uint32_t v)
{
    uint8_t b[4];
    store_be32(b, v);
    put_attribute(w, type, bytes_of(b, sizeof b));
}

static void put_xor_mapped(struct writer *w, const struct net_addr *mapped)
{
    uint8_t b[20] = { 0, mapped->family == NET_IPV4 ? FAMILY_IPV4 : FAMILY_IPV6 };
    size_t ip_len = mapped->family == NET_IPV4 ? 4 : 16;
    if (w->failed)
        return;
    struct net_addr a = *mapped;
    xor_address(&a, w->start + 4, ip_len);
    store_be16(b + 2, a.port);
    memcpy(b + 4, a.ip, ip_len);
    put_attribute(w, ATTR_XOR_MAPPED_ADDRESS, bytes_of(b, 4 + ip_len));
}

/* Adds MESSAGE-INTEGRITY (unless password is empty) and FINGERPRINT, and moves out forward. */
static enum err finish(struct writer *w, struct bytes password, struct writer *out)
{
    if (password.len > 0 && !w->failed) {
        uint8_t mac[HMAC_SHA1_LEN];
        integrity_of(bytes_of(w->start, writer_len(w)), password, mac);
        put_attribute(w, ATTR_MESSAGE_INTEGRITY, bytes_of(mac, sizeof mac));
    }
    set_len(w, 8);
    if (!w->failed)
        put_u32(w, ATTR_FINGERPRINT, fingerprint_of(bytes_of(w->start, writer_len(w))));
    if (w->failed) {
        out->failed = true;
        return ERR_FULL;
    }
    out->at = w->at;
    return OK;
}

enum err stun_write_request(const struct stun_binding *b, struct writer *out)
{
    check(b->username.len <= USERNAME_LEN_MAX);
    struct writer w = begin(out, STUN_REQUEST, &b->transaction);
    put_attribute(&w, ATTR_USERNAME, b->username);
    put_u32(&w, ATTR_PRIORITY, b->priority);
    uint8_t tie[8];
    store_be64(tie, b->tie_breaker);
    put_attribute(&w, b->controlled ? ATTR_ICE_CONTROLLED : ATTR_ICE_CONTROLLING,
                  bytes_of(tie, sizeof tie));
    if (b->use_candidate)
        put_attribute(&w, ATTR_USE_CANDIDATE, (struct bytes){ 0 });
    return finish(&w, b->password, out);
}

enum err stun_write_success(const struct stun_transaction *t, const struct net_addr *mapped,
                            struct bytes password, struct writer *out)
{
    check(net_addr_is_set(mapped));
    struct writer w = begin(out, STUN_SUCCESS, t);
    put_xor_mapped(&w, mapped);
    return finish(&w, password, out);
}

static const char *reason_of(uint16_t code)
{
    switch (code) {
    case STUN_BAD_REQUEST:
        return "Bad Request";
    case STUN_UNAUTHENTICATED:
        return "Unauthenticated";
    case STUN_UNKNOWN_ATTRIBUTE:
        return "Unknown Attribute";
    case STUN_ROLE_CONFLICT:
        return "Role Conflict";
    default:
        return "Server Error";
    }
}

enum err stun_write_error(const struct stun_message *request, uint16_t code, struct bytes password,
                          struct writer *out)
{
    check(code >= 300 && code <= 699);
    struct writer w = begin(out, STUN_ERROR, &request->transaction);
    uint8_t value[4 + 32] = { 0, 0, (uint8_t)(code / 100), (uint8_t)(code % 100) };
    struct bytes reason = bytes_of_str(reason_of(code));
    check(reason.len <= sizeof value - 4);
    memcpy(value + 4, reason.data, reason.len);
    put_attribute(&w, ATTR_ERROR_CODE, bytes_of(value, 4 + reason.len));

    if (code == STUN_UNKNOWN_ATTRIBUTE) {
        uint8_t types[2 * STUN_UNKNOWN_MAX];
        for (size_t i = 0; i < request->unknown_required_count; i++)
            store_be16(types + 2 * i, request->unknown_required[i]);
        put_attribute(&w, ATTR_UNKNOWN_ATTRIBUTES,
                      bytes_of(types, 2 * (size_t)request->unknown_required_count));
    }
    return finish(&w, password, out);
}

enum err stun_write_indication(const struct stun_transaction *t, struct writer *out)
{
    struct writer w = begin(out, STUN_INDICATION, t);
    return finish(&w, (struct bytes){ 0 }, out);
}
