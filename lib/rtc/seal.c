/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/seal.h"

#include "rtc/seal_burst.h"
#include "rtc/seal_cipher.h"
#include "rtc/seal_keys.h"
#include "rtc/seal_streams.h"

#include <stdlib.h>

#define RTP_HEADER_LEN   12
#define REKEY_PACKET_MAX 2048 /* longer ones are opened with the newest keys only */
#define RTCP_CLEAR_LEN   8
#define RTCP_INDEX_LEN   4
#define RTCP_E_FLAG      0x80000000u
#define RTP_INDEX_END    (1ULL << 48)
#define RTCP_INDEX_END   (1ULL << 31)

struct sealer {
    enum seal_profile profile;
    size_t tag_len;
    uint64_t rtcp_index; /* of the last packet sealed */
    struct seal_cipher rtp, rtcp;
    struct seal_streams streams;
};

struct opener {
    enum seal_profile profile;
    size_t tag_len;
    struct seal_cipher rtp, rtcp;
    struct seal_streams streams;
    struct opener *old; /* owned: the keys before; or NULL */
};

size_t seal_rtp_header_len(struct bytes packet)
{
    if (packet.len < RTP_HEADER_LEN || packet.data[0] >> 6 != 2)
        return 0;
    size_t len = RTP_HEADER_LEN + 4 * (size_t)(packet.data[0] & 15);
    if ((packet.data[0] & 0x10) != 0) {
        if (packet.len < len + 4)
            return 0;
        len += 4 + 4 * (size_t)load_be16(packet.data + len + 2);
    }
    return len <= packet.len ? len : 0;
}

/* ---- outbound ---- */

static struct sealer *new_sealer(struct seal_memory *memory, const struct seal_engine *engine,
                                 enum seal_profile profile, const struct seal_session *session,
                                 size_t streams)
{
    struct sealer *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->profile = profile;
    s->tag_len = seal_rtp_overhead(profile);
    if (!seal_streams_init(&s->streams, memory, streams) ||
        !seal_cipher_init(&s->rtp, engine, profile, &session->rtp, SEAL_TO_SEAL_IN_BURSTS) ||
        !seal_cipher_init(&s->rtcp, engine, profile, &session->rtcp, SEAL_TO_SEAL)) {
        sealer_free(s);
        return NULL;
    }
    return s;
}

struct sealer *sealer_new_session(const struct seal_engine *engine, enum seal_profile profile,
                                  const struct seal_session *session, size_t streams)
{
    return new_sealer(NULL, engine, profile, session, streams);
}

struct sealer *sealer_new_in(struct seal_memory *memory, const struct seal_engine *engine,
                             enum seal_profile profile, const struct seal_master *master,
                             size_t streams)
{
    struct seal_session session;
    if (seal_session_derive(profile, master, &session) != OK)
        return NULL;
    struct sealer *s = new_sealer(memory, engine, profile, &session, streams);
    bytes_wipe(&session, sizeof session);
    return s;
}

struct sealer *sealer_new(const struct seal_engine *engine, enum seal_profile profile,
                          const struct seal_master *master, size_t streams)
{
    return sealer_new_in(NULL, engine, profile, master, streams);
}

void sealer_free(struct sealer *s)
{
    if (s == NULL)
        return;
    seal_cipher_done(&s->rtp);
    seal_cipher_done(&s->rtcp);
    seal_streams_done(&s->streams);
    free(s);
}

size_t sealer_memory(const struct sealer *s)
{
    return sizeof *s + seal_cipher_memory(&s->rtp) + seal_cipher_memory(&s->rtcp) +
           seal_streams_memory(&s->streams);
}

void sealer_forget(struct sealer *s, uint32_t ssrc)
{
    seal_streams_forget(&s->streams, ssrc);
}

/* AES-CM authenticates the rollover counter behind the packet; it isn't sent (RFC 3711 §4.2). */
static struct seal_unit rtp_unit(struct bytes clear, uint64_t index, uint8_t roc[4])
{
    store_be32(roc, (uint32_t)(index >> 16));
    return (struct seal_unit){
        .clear = clear,
        .trailer = bytes_of(roc, 4),
        .ssrc = load_be32(clear.data + 8),
        .index = index,
    };
}

/* Whether this packet may be sealed: then there is room for it, and its stream. */
static enum err find_stream(struct sealer *s, uint64_t index, struct bytes header,
                            size_t payload_len, const struct writer *out, struct seal_stream **ret)
{
    check(seal_rtp_header_len(header) == header.len);
    check(load_be16(header.data + 2) == (index & 0xffff));
    if (index >= RTP_INDEX_END)
        return ERR_EXPIRED;
    if (out->failed || writer_left(out) < header.len + payload_len + s->tag_len)
        return ERR_FULL;

    uint32_t ssrc = load_be32(header.data + 8);
    struct seal_stream *stream = seal_streams_find(&s->streams, ssrc);
    if (stream == NULL)
        stream = seal_streams_add(&s->streams, ssrc);
    if (stream == NULL)
        return ERR_FULL;
    *ret = stream;
    return seal_stream_is_replayed(stream, index) ? ERR_EXPIRED : OK;
}

static enum err seal_rtp(struct sealer *s, struct seal_burst *burst, uint64_t index,
                         struct bytes header, struct bytes payload, struct writer *out)
{
    struct seal_stream *stream;
    enum err e = find_stream(s, index, header, payload.len, out, &stream);
    if (e != OK)
        return e;
    uint8_t *at = out->at, *body = at + header.len, roc[4];
    if (at != header.data)
        memcpy(at, header.data, header.len);
    struct seal_unit unit = rtp_unit(bytes_of(at, header.len), index, roc);
    if (burst == NULL)
        e = seal_cipher_seal(&s->rtp, &unit, payload, body, body + payload.len);
    else
        seal_cipher_defer(&s->rtp, &unit, payload, body, seal_burst_add(burst));
    if (e != OK)
        return e;
    seal_stream_note(stream, index);
    out->at = body + payload.len + s->tag_len;
    return OK;
}

enum err sealer_rtp(struct sealer *s, uint64_t index, struct bytes header, struct bytes payload,
                    struct writer *out)
{
    return seal_rtp(s, NULL, index, header, payload, out);
}

enum err sealer_rtp_later(struct sealer *s, struct seal_burst *b, uint64_t index,
                          struct bytes header, struct bytes payload, struct writer *out)
{
    bool can_wait = s->rtp.burst != NULL && payload.len > 0;
    return seal_rtp(s, can_wait ? b : NULL, index, header, payload, out);
}

static struct seal_unit rtcp_unit(struct bytes clear, struct bytes index_word)
{
    return (struct seal_unit){
        .clear = clear,
        .trailer = index_word,
        .ssrc = load_be32(clear.data + 4),
        .index = load_be32(index_word.data) & ~RTCP_E_FLAG,
        .is_rtcp = true,
    };
}

/* Where tag and index word are in an SRTCP packet whose encrypted part ends at `end`. */
static uint8_t *rtcp_tag_at(const struct seal_cipher *c, uint8_t *end)
{
    return c->is_aead ? end : end + RTCP_INDEX_LEN;
}

static uint8_t *rtcp_index_at(const struct seal_cipher *c, uint8_t *end, size_t tag_len)
{
    return c->is_aead ? end + tag_len : end;
}

enum err sealer_rtcp(struct sealer *s, struct bytes packet, struct writer *out)
{
    if (packet.len < RTCP_CLEAR_LEN)
        return ERR_TRUNCATED;
    if (s->rtcp_index + 1 >= RTCP_INDEX_END)
        return ERR_EXPIRED;
    if (out->failed || writer_left(out) < packet.len + s->tag_len + RTCP_INDEX_LEN)
        return ERR_FULL;

    uint8_t *at = out->at, *end = at + packet.len;
    uint8_t *index_word = rtcp_index_at(&s->rtcp, end, s->tag_len);
    if (at != packet.data)
        memcpy(at, packet.data, RTCP_CLEAR_LEN);
    store_be32(index_word, RTCP_E_FLAG | (uint32_t)(s->rtcp_index + 1));
    struct seal_unit unit =
        rtcp_unit(bytes_of(at, RTCP_CLEAR_LEN), bytes_of(index_word, RTCP_INDEX_LEN));
    struct bytes body = bytes_of(packet.data + RTCP_CLEAR_LEN, packet.len - RTCP_CLEAR_LEN);
    enum err e =
        seal_cipher_seal(&s->rtcp, &unit, body, at + RTCP_CLEAR_LEN, rtcp_tag_at(&s->rtcp, end));
    if (e != OK)
        return e;
    s->rtcp_index++;
    out->at = end + s->tag_len + RTCP_INDEX_LEN;
    return OK;
}

/* ---- inbound ---- */

static struct opener *new_opener(struct seal_memory *memory, const struct seal_engine *engine,
                                 enum seal_profile profile, const struct seal_session *session,
                                 size_t streams)
{
    struct opener *o = calloc(1, sizeof *o);
    if (o == NULL)
        return NULL;
    o->profile = profile;
    o->tag_len = seal_rtp_overhead(profile);
    if (!seal_streams_init(&o->streams, memory, streams) ||
        !seal_cipher_init(&o->rtp, engine, profile, &session->rtp, SEAL_TO_OPEN) ||
        !seal_cipher_init(&o->rtcp, engine, profile, &session->rtcp, SEAL_TO_OPEN)) {
        opener_free(o);
        return NULL;
    }
    return o;
}

struct opener *opener_new_session(const struct seal_engine *engine, enum seal_profile profile,
                                  const struct seal_session *session, size_t streams)
{
    return new_opener(NULL, engine, profile, session, streams);
}

struct opener *opener_new_in(struct seal_memory *memory, const struct seal_engine *engine,
                             enum seal_profile profile, const struct seal_master *master,
                             size_t streams)
{
    struct seal_session session;
    if (seal_session_derive(profile, master, &session) != OK)
        return NULL;
    struct opener *o = new_opener(memory, engine, profile, &session, streams);
    bytes_wipe(&session, sizeof session);
    return o;
}

struct opener *opener_new(const struct seal_engine *engine, enum seal_profile profile,
                          const struct seal_master *master, size_t streams)
{
    return opener_new_in(NULL, engine, profile, master, streams);
}

void opener_free(struct opener *o)
{
    if (o == NULL)
        return;
    opener_free(o->old);
    seal_cipher_done(&o->rtp);
    seal_cipher_done(&o->rtcp);
    seal_streams_done(&o->streams);
    free(o);
}

size_t opener_memory(const struct opener *o)
{
    return sizeof *o + seal_cipher_memory(&o->rtp) + seal_cipher_memory(&o->rtcp) +
           seal_streams_memory(&o->streams);
}

void opener_succeed(struct opener *o, struct opener *old)
{
    opener_free(o->old);
    o->old = old;
    if (old != NULL) {
        opener_free(old->old);
        old->old = NULL;
    }
}

void opener_forget(struct opener *o, uint32_t ssrc)
{
    seal_streams_forget(&o->streams, ssrc);
    if (o->old != NULL)
        seal_streams_forget(&o->old->streams, ssrc);
}

static enum err open_rtp(struct opener *o, struct bytes packet, uint8_t *out,
                         struct opened_rtp *ret)
{
    if (packet.len < RTP_HEADER_LEN + o->tag_len)
        return ERR_TRUNCATED;
    if (packet.data[0] >> 6 != 2)
        return ERR_MALFORMED;
    size_t header_len = seal_rtp_header_len(bytes_of(packet.data, packet.len - o->tag_len));
    if (header_len == 0)
        return ERR_TRUNCATED;

    uint32_t ssrc = load_be32(packet.data + 8);
    struct seal_stream *stream = seal_streams_find(&o->streams, ssrc);
    uint64_t index = seal_stream_estimate(stream, load_be16(packet.data + 2));
    if (index >= RTP_INDEX_END || (stream != NULL && seal_stream_is_replayed(stream, index)))
        return ERR_EXPIRED;

    uint8_t roc[4];
    struct seal_unit unit = rtp_unit(bytes_of(packet.data, header_len), index, roc);
    size_t len = packet.len - o->tag_len;
    struct bytes body = bytes_of(packet.data + header_len, len - header_len);
    enum err e = seal_cipher_open(&o->rtp, &unit, body, out + header_len, packet.data + len);
    if (e != OK)
        return e;
    if (stream == NULL)
        stream = seal_streams_add(&o->streams, ssrc);
    if (stream == NULL)
        return ERR_FULL;
    seal_stream_note(stream, index);
    if (out != packet.data)
        memcpy(out, packet.data, header_len);
    *ret = (struct opened_rtp){ .len = len, .header_len = header_len, .index = index };
    return OK;
}

enum err opener_rtp(struct opener *o, struct bytes packet, uint8_t *out, struct opened_rtp *ret)
{
    uint8_t copy[REKEY_PACKET_MAX]; /* a failed attempt in place destroys the packet */
    if (o->old == NULL || packet.len > sizeof copy)
        return open_rtp(o, packet, out, ret);
    memcpy(copy, packet.data, packet.len);
    enum err e = open_rtp(o, packet, out, ret);
    if (e != ERR_AUTH)
        return e;
    if (out == packet.data)
        memcpy(out, copy, packet.len);
    return open_rtp(o->old, packet, out, ret);
}

static enum err open_rtcp(struct opener *o, struct bytes packet, uint8_t *out, size_t *ret_len)
{
    if (packet.len < RTCP_CLEAR_LEN + o->tag_len + RTCP_INDEX_LEN)
        return ERR_TRUNCATED;
    if (packet.data[0] >> 6 != 2)
        return ERR_MALFORMED;
    size_t len = packet.len - o->tag_len - RTCP_INDEX_LEN;
    const uint8_t *end = packet.data + len;
    const uint8_t *tag = o->rtcp.is_aead ? end : end + RTCP_INDEX_LEN;
    struct bytes index_word = bytes_of(o->rtcp.is_aead ? end + o->tag_len : end, RTCP_INDEX_LEN);
    if ((index_word.data[0] & 0x80) == 0)
        return ERR_UNSUPPORTED;

    struct seal_unit unit = rtcp_unit(bytes_of(packet.data, RTCP_CLEAR_LEN), index_word);
    struct seal_stream *stream = seal_streams_find(&o->streams, unit.ssrc);
    uint32_t index = (uint32_t)unit.index;
    if (stream != NULL && seal_stream_is_rtcp_replayed(stream, index))
        return ERR_EXPIRED;
    struct bytes body = bytes_of(packet.data + RTCP_CLEAR_LEN, len - RTCP_CLEAR_LEN);
    enum err e = seal_cipher_open(&o->rtcp, &unit, body, out + RTCP_CLEAR_LEN, tag);
    if (e != OK)
        return e;
    if (stream == NULL)
        stream = seal_streams_add(&o->streams, unit.ssrc);
    if (stream == NULL)
        return ERR_FULL;
    seal_stream_note_rtcp(stream, index);
    if (out != packet.data)
        memcpy(out, packet.data, RTCP_CLEAR_LEN);
    *ret_len = len;
    return OK;
}

enum err opener_rtcp(struct opener *o, struct bytes packet, uint8_t *out, size_t *ret_len)
{
    uint8_t copy[REKEY_PACKET_MAX];
    if (o->old == NULL || packet.len > sizeof copy)
        return open_rtcp(o, packet, out, ret_len);
    memcpy(copy, packet.data, packet.len);
    enum err e = open_rtcp(o, packet, out, ret_len);
    if (e != ERR_AUTH)
        return e;
    if (out == packet.data)
        memcpy(out, copy, packet.len);
    return open_rtcp(o->old, packet, out, ret_len);
}
