/* SPDX-License-Identifier: Apache-2.0 */
#include "core/echo.h"

#include "rtc/seq.h"

#include <stdlib.h>

enum { NAMED_PACKETS = 100, QUIET_US = 5000000 };

struct echo_kept {
    struct echo_packet packet;
    uint8_t *payload; /* owned; NULL: the place is empty */
};

void echo_init(struct echo *e, const struct echo *given, uint64_t random)
{
    *e = (struct echo){ .kind = given->kind,
                        .ssrc = given->ssrc,
                        .rtx_ssrc = given->rtx_ssrc,
                        .last_seq = (uint16_t)(random & 0x3fff),
                        .rtx_seq = (uint16_t)((random >> 16) & 0x3fff),
                        .last_timestamp = (uint32_t)(random >> 32),
                        .asked_at = USEC_NEVER };
    memcpy(e->mid, given->mid, sizeof e->mid);
}

void echo_done(struct echo *e)
{
    for (size_t i = 0; e->kept != NULL && i < ECHO_KEPT; i++)
        free(e->kept[i].payload);
    free(e->kept);
    e->kept = NULL;
}

static int64_t rate_of(const struct echo *e)
{
    return e->kind == MEDIA_VIDEO ? 90000 : 48000;
}

/* How far the echo's clock has moved since its newest packet. */
static uint32_t ticks_since(const struct echo *e, usec now)
{
    return (uint32_t)((now - e->last_at) * rate_of(e) / USEC_PER_SEC);
}

static bool is_another(const struct echo *e, const struct echo_input *in, usec now)
{
    if (!e->flowing || in->origin != e->origin ||
        abs(seq16_diff(in->seq, e->newest_seq)) > ECHO_SEQ_JUMP)
        return true;
    int64_t ticks = seq32_diff(in->timestamp + e->time_offset, e->last_timestamp);
    usec off = ticks * USEC_PER_SEC / rate_of(e) - (now - e->last_at);
    return off > ECHO_JUMP_US || off < -ECHO_JUMP_US;
}

static void begin_origin(struct echo *e, const struct echo_input *in, usec now)
{
    uint32_t step = e->started ? MAX(ticks_since(e, now), 1u) : 0;
    e->origin = in->origin;
    e->flowing = true;
    e->waiting = false;
    e->first_seq = e->newest_seq = in->seq;
    e->seq_offset = (uint16_t)(e->last_seq + 1 - in->seq);
    e->time_offset = e->last_timestamp + step - in->timestamp;
    e->named = NAMED_PACKETS;
}

static void keep(struct echo *e, const struct echo_packet *p)
{
    if (e->rtx_ssrc == 0)
        return;
    if (e->kept == NULL && (e->kept = calloc(ECHO_KEPT, sizeof *e->kept)) == NULL)
        return;
    struct echo_kept *k = &e->kept[p->seq & (ECHO_KEPT - 1)];
    uint8_t *copy = realloc(k->payload, MAX(p->payload.len, 1));
    if (copy == NULL)
        return;
    if (p->payload.len > 0)
        memcpy(copy, p->payload.data, p->payload.len);
    k->payload = copy;
    k->packet = *p;
    k->packet.payload = bytes_of(copy, p->payload.len);
}

bool echo_take(struct echo *e, const struct echo_input *in, usec now, struct echo_packet *ret)
{
    bool video = e->kind == MEDIA_VIDEO;
    if (e->waiting || is_another(e, in, now)) {
        if (video && !in->keyframe_start) {
            e->flowing = false;
            e->waiting = true;
            return false;
        }
        begin_origin(e, in, now);
    }
    if (seq16_newer(e->first_seq, in->seq))
        return false;
    if (seq16_newer(in->seq, e->newest_seq))
        e->newest_seq = in->seq;
    /* what is old enough to be mistaken for new cannot come any more */
    if (seq16_diff(e->newest_seq, e->first_seq) > ECHO_SEQ_JUMP * 2)
        e->first_seq = (uint16_t)(e->newest_seq - ECHO_SEQ_JUMP);
    if (in->keyframe_start)
        e->named = MAX(e->named, NAMED_PACKETS / 4u);
    *ret = (struct echo_packet){ .seq = (uint16_t)(in->seq + e->seq_offset),
                                 .timestamp = in->timestamp + e->time_offset,
                                 .marker = in->marker,
                                 .named = e->named > 0,
                                 .codec = in->codec,
                                 .payload = in->payload };
    e->named -= e->named > 0;
    if (!e->started || seq16_newer(ret->seq, e->last_seq)) {
        e->last_seq = ret->seq;
        e->last_timestamp = ret->timestamp;
        e->last_at = now;
    }
    e->started = true;
    e->packet_count++;
    e->octet_count += (uint32_t)in->payload.len;
    keep(e, ret);
    return true;
}

void echo_ask_keyframe(struct echo *e)
{
    e->asked = true;
}

bool echo_take_keyframe_wanted(struct echo *e, usec now)
{
    if (!e->asked && !e->waiting)
        return false;
    if (e->asked_at != USEC_NEVER && now - e->asked_at < ECHO_ASK_US)
        return false;
    e->asked = false;
    e->asked_at = now;
    return true;
}

bool echo_find_sent(const struct echo *e, uint16_t seq, struct echo_packet *ret)
{
    const struct echo_kept *k = e->kept == NULL ? NULL : &e->kept[seq & (ECHO_KEPT - 1)];
    if (k == NULL || k->payload == NULL || k->packet.seq != seq)
        return false;
    *ret = k->packet;
    return true;
}

bool echo_sender_info(const struct echo *e, usec now, wall_usec wall_minus_now,
                      struct rtcp_sender_info *ret)
{
    if (!e->started || now - e->last_at > QUIET_US)
        return false;
    *ret = (struct rtcp_sender_info){ .ssrc = e->ssrc,
                                      .ntp = ntp_of(now + wall_minus_now),
                                      .timestamp = e->last_timestamp + ticks_since(e, now),
                                      .packet_count = e->packet_count,
                                      .octet_count = e->octet_count };
    return true;
}
