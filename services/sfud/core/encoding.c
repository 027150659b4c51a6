/* SPDX-License-Identifier: Apache-2.0 */
#include "core/encoding.h"

void encoding_init(struct encoding *e, handle self, handle track, uint8_t layer, uint32_t ssrc,
                   const struct format *format)
{
    size_t head = offsetof(struct encoding, ring);
    memset(e, 0, head);
    e->self = self;
    e->track = track;
    e->layer = layer;
    e->ssrc = ssrc;
    e->clock_rate = format->clock_rate;
    e->is_video = codec_kind(format->codec) == MEDIA_VIDEO;
    e->has_nack = e->is_video && (format->feedback & RTCP_FB_NACK) != 0;
    e->has_pli = (format->feedback & RTCP_FB_NACK_PLI) != 0;
    e->has_fir = (format->feedback & RTCP_FB_CCM_FIR) != 0;
    nack_init(&e->nack);
    receive_stats_init(&e->stats, format->clock_rate);
    if (e->is_video)
        packet_cache_init(&e->cache, e->ring, ENCODING_CACHE_COUNT);
    else
        e->history = (struct red_history){ 0 };
}

static void give_payload(struct pool *payloads, void *owner)
{
    struct cached_payload *payload = owner;
    pool_give(payloads, payload->self);
}

void encoding_expire(struct encoding *e, struct pool *payloads, usec before)
{
    if (!e->is_video)
        return;
    for (void *owner; (owner = packet_cache_expire(&e->cache, before)) != NULL;)
        give_payload(payloads, owner);
}

void encoding_restart(struct encoding *e, struct pool *payloads)
{
    usec rtt = e->nack.rtt_us;
    encoding_expire(e, payloads, USEC_NEVER);
    if (e->is_video) {
        packet_cache_init(&e->cache, e->ring, ENCODING_CACHE_COUNT);
        e->unwrapper = (struct seq_unwrapper){ 0 };
    } else {
        e->history = (struct red_history){ 0 };
    }
    nack_init(&e->nack);
    nack_set_rtt(&e->nack, rtt);
    e->layers = (struct layer_reader){ 0 };
}

int64_t encoding_on_packet(struct encoding *e, uint16_t seq, bool keyframe_start, usec now)
{
    if (keyframe_start) {
        keyframe_request_done(&e->keyframe);
        e->keyframe_at = now;
    }
    if (e->has_nack)
        return nack_on_packet(&e->nack, seq, keyframe_start, now);
    return seq_unwrap16(&e->unwrapper, seq);
}

struct cached_frame encoding_cached_frame(const struct cached_packet *p)
{
    const struct cached_payload *payload = p->owner;
    return (struct cached_frame){ .layers = &payload->layers,
                                  .descriptor = &payload->descriptor,
                                  .depdesc = bytes_of(payload->data + p->payload.len,
                                                      payload->depdesc_len),
                                  .payload_type = payload->payload_type,
                                  .has_orientation = payload->has_orientation,
                                  .video_orientation = payload->video_orientation };
}

bool encoding_cache(struct encoding *e, struct pool *payloads, const struct cached_packet *p,
                    const struct cached_frame *frame)
{
    check(e->is_video);
    if (packet_cache_find(&e->cache, p->seq) != NULL)
        return false;
    if (p->payload.len == 0 || p->payload.len > DATAGRAM_SIZE_MAX)
        return true;
    handle h;
    struct cached_payload *payload = pool_take(payloads, &h);
    if (payload == NULL)
        return true; /* forwarded all the same; a NACK for it will go unanswered */
    payload->self = h;
    memcpy(payload->data, p->payload.data, p->payload.len);
    payload->layers = *frame->layers;
    payload->descriptor = *frame->descriptor;
    payload->payload_type = frame->payload_type;
    payload->has_orientation = frame->has_orientation;
    payload->video_orientation = frame->video_orientation;
    payload->depdesc_len = 0;
    if (frame->depdesc.len <= UINT8_MAX && frame->depdesc.len > 0 &&
        p->payload.len + frame->depdesc.len <= DATAGRAM_SIZE_MAX) {
        memcpy(payload->data + p->payload.len, frame->depdesc.data, frame->depdesc.len);
        payload->depdesc_len = (uint8_t)frame->depdesc.len;
    }
    struct cached_packet copy = *p;
    copy.payload.data = payload->data;
    copy.owner = payload;
    void *evicted = packet_cache_put(&e->cache, &copy);
    if (evicted != NULL)
        give_payload(payloads, evicted);
    return true;
}
