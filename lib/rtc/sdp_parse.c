/* sdp_parse.c - session descriptions, line by line (RFC 8866).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp_parser.h"

#define MESSAGE_SIZE_DEFAULT 65536 /* RFC 8841 §6.1 */

static enum err bad_media(struct sdp_parser *p, const char *reason)
{
    return sdp_fail(p->error, ERR_MALFORMED, p->line, "m=: %s", reason);
}

static enum err add_formats(struct sdp_parser *p, struct bytes list)
{
    struct sdp_media *m = p->media;
    while (list.len > 0) {
        uint64_t payload_type;
        if (!sdp_number(sdp_cut(&list, ' '), 127, &payload_type))
            return bad_media(p, "payload type is not a number from 0 to 127");
        if (sdp_find_format(m, payload_type) != NULL)
            return bad_media(p, "payload type is listed twice");
        if (m->format_count == SDP_FORMATS_MAX)
            return sdp_fail(p->error, ERR_FULL, p->line, "m=: too many payload types");
        m->formats[m->format_count++].format =
            (struct format){ .payload_type = (uint8_t)payload_type, .channels = 1 };
    }
    return OK;
}

/* audio 9 UDP/TLS/RTP/SAVPF 111 63 */
static enum err on_media(struct sdp_parser *p, struct bytes value)
{
    if (p->sdp->media_count == SDP_MEDIA_MAX)
        return sdp_fail(p->error, ERR_FULL, p->line, "m=: too many m-lines");
    struct sdp_media *m = p->media = &p->sdp->media[p->sdp->media_count++];
    memset(m, 0, sizeof(*m));
    m->line = p->line;
    m->direction = p->sdp->direction;
    m->kind_text = sdp_cut(&value, ' ');
    struct bytes port = sdp_cut(&value, ' ');
    m->protocol = sdp_cut(&value, ' ');
    m->formats_text = value;
    uint64_t number;
    if (!sdp_is_token(m->kind_text, SDP_TOKEN_MAX))
        return bad_media(p, "no media type");
    if (!sdp_number(sdp_cut(&port, '/'), UINT16_MAX, &number))
        return bad_media(p, "port is not a number");
    m->port = (uint16_t)number;
    if (!sdp_is_token(m->protocol, SDP_TOKEN_MAX))
        return bad_media(p, "no protocol");
    if (!sdp_is_token(sdp_cut(&value, ' '), SDP_TOKEN_MAX))
        return bad_media(p, "no formats");
    m->kind = sdp_is(m->kind_text, "audio")   ? MEDIA_AUDIO
              : sdp_is(m->kind_text, "video") ? MEDIA_VIDEO
                                              : MEDIA_APPLICATION;
    m->known = m->kind != MEDIA_APPLICATION || sdp_is(m->kind_text, "application");
    m->is_rtp = m->kind != MEDIA_APPLICATION && (sdp_is(m->protocol, "UDP/TLS/RTP/SAVPF") ||
                                                 sdp_is(m->protocol, "TCP/TLS/RTP/SAVPF"));
    m->is_data = sdp_is(m->kind_text, "application") &&
                 (sdp_is(m->protocol, "UDP/DTLS/SCTP") || sdp_is(m->protocol, "TCP/DTLS/SCTP")) &&
                 sdp_is(m->formats_text, "webrtc-datachannel");
    m->max_message_size = MESSAGE_SIZE_DEFAULT;
    return m->is_rtp ? add_formats(p, m->formats_text) : OK;
}

static enum err on_line(struct sdp_parser *p, struct bytes line)
{
    if (line.len > SDP_LINE_MAX)
        return sdp_fail(p->error, ERR_FULL, p->line, "longer than %d bytes", SDP_LINE_MAX);
    if (line.len < 2 || line.data[1] != '=')
        return sdp_fail(p->error, ERR_MALFORMED, p->line, "not of the form <letter>=<value>");
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] < ' ' || line.data[i] == 0x7f)
            return sdp_fail(p->error, ERR_MALFORMED, p->line, "control character");
    struct bytes value = bytes_of(line.data + 2, line.len - 2);
    if (p->line == 1 && !sdp_is(line, "v=0"))
        return sdp_fail(p->error, ERR_MALFORMED, 1, "the first line is not v=0");
    if (line.data[0] == 'a')
        return sdp_on_attribute(p, value);
    return line.data[0] == 'm' ? on_media(p, value) : OK;
}

/* Brings the streams of a=simulcast to the front, in its order; of alternatives the first. */
static void order_rids(struct sdp_media *m)
{
    size_t placed = 0;
    for (int send = 1; send >= 0; send--) {
        struct bytes list = send ? m->simulcast_send : m->simulcast_recv;
        while (list.len > 0) {
            struct bytes alternatives = sdp_cut(&list, ';');
            struct bytes id = sdp_cut(&alternatives, ',');
            bool paused = id.len > 0 && id.data[0] == '~';
            if (paused)
                id = bytes_of(id.data + 1, id.len - 1);
            for (size_t i = placed; i < m->rid_count; i++) {
                if (m->rids[i].send != (send == 1) || !bytes_equal(m->rids[i].id, id))
                    continue;
                struct sdp_rid found = m->rids[i];
                memmove(&m->rids[placed + 1], &m->rids[placed], (i - placed) * sizeof(found));
                found.used = true;
                found.paused = paused;
                m->rids[placed++] = found;
                break;
            }
        }
    }
}

enum err sdp_parse(struct bytes text, struct sdp *ret, struct sdp_error *ret_error)
{
    if (text.len > SDP_TEXT_MAX)
        return sdp_fail(ret_error, ERR_FULL, 0, "the description is longer than %d bytes",
                        SDP_TEXT_MAX);
    if (text.len == 0)
        return sdp_fail(ret_error, ERR_MALFORMED, 0, "the description is empty");
    memset(ret, 0, offsetof(struct sdp, media));
    ret->media_count = 0;
    struct sdp_parser p = { .sdp = ret, .error = ret_error };
    while (text.len > 0) {
        struct bytes line = sdp_cut(&text, '\n');
        if (line.len > 0 && line.data[line.len - 1] == '\r')
            line.len--;
        p.line++;
        enum err e = on_line(&p, line);
        if (e != OK)
            return e;
    }
    for (size_t i = 0; i < ret->media_count; i++) {
        sdp_resolve_formats(&ret->media[i]);
        order_rids(&ret->media[i]);
    }
    return OK;
}
