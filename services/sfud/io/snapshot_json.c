/* SPDX-License-Identifier: Apache-2.0 */
#include "io/snapshot_json.h"

#include "core/layer_filter.h"

static const char *state_name(const struct transport_snapshot *s)
{
    static const char *const names[] = { "new", "ice", "dtls", "connected", "failed" };
    check((unsigned)s->state < ARRAY_LEN(names));
    return s->is_disconnected ? "disconnected" : names[s->state];
}

static void put(json_t *o, const char *key, json_t *value)
{
    (void)json_object_set_new(o, key, value);
}

static void put_count(json_t *o, const char *key, uint64_t n)
{
    put(o, key, json_integer((json_int_t)MIN(n, (uint64_t)INT64_MAX)));
}

static void put_text(json_t *o, const char *key, const char *text)
{
    put(o, key, text == NULL ? json_null() : json_string(text));
}

/* Microseconds as milliseconds; less than nothing is not known. */
static void put_ms(json_t *o, const char *key, usec us)
{
    put(o, key, us < 0 ? json_null() : json_real((double)us / 1000));
}

static void put_ratio(json_t *o, const char *key, uint32_t permille)
{
    put(o, key, json_real((double)permille / 1000));
}

/* null, if it is a word for "none". */
static void put_layer(json_t *o, const char *key, int layer, int none)
{
    put(o, key, layer == none ? json_null() : json_integer(layer));
}

static const char *kind_name(enum media_kind kind)
{
    return kind == MEDIA_AUDIO ? "audio" : "video";
}

/* ---- transport */

static json_t *path_json(const struct transport_snapshot *s)
{
    char text[NET_ADDR_TEXT_SIZE];
    json_t *o = json_object();
    if (!net_addr_is_set(&s->address)) {
        json_decref(o);
        return json_null();
    }
    put_text(o, "protocol", s->address.protocol == NET_TCP ? "tcp" : "udp");
    put_text(o, "address", net_addr_format(&s->address, text));
    return o;
}

static json_t *join_json(const struct transport_snapshot *s)
{
    json_t *o = json_object();
    put_ms(o, "check_ms", s->check_us);
    put_ms(o, "dtls_ms", s->dtls_us);
    put_ms(o, "media_ms", s->media_us);
    return o;
}

static json_t *direction_json(const struct transport_snapshot *s, enum packet_direction d)
{
    json_t *o = json_object();
    put_count(o, "packets", s->packets[d]);
    put_count(o, "bytes", s->bytes[d]);
    put_count(o, "bps", s->bps[d]);
    put_ratio(o, "loss", d == PACKET_IN ? s->loss_in_permille : s->loss_out_permille);
    put_ms(o, "jitter_ms", d == PACKET_IN ? s->jitter_in_us : s->jitter_out_us);
    return o;
}

static json_t *bandwidth_json(const struct transport_snapshot *s)
{
    json_t *o = json_object();
    put(o, "controlled", json_boolean(s->is_controlled));
    put(o, "feedback", json_boolean(s->bwe.has_feedback));
    put_count(o, "estimate_bps", s->bwe.estimate_bps);
    put_count(o, "demand_bps", s->demand_bps);
    put_count(o, "allocated_bps", s->allocated_bps);
    put_count(o, "audio_bps", s->audio_bps);
    put_count(o, "sent_bps", s->bwe.sent_bps);
    put_count(o, "acked_bps", s->bwe.acked_bps);
    put_ms(o, "queue_ms", MAX(s->bwe.queue_us, 0));
    put_text(o, "usage", bwe_usage_name(s->bwe.usage));
    put_count(o, "probes", s->bwe.probe_count);
    put_count(o, "probes_reached", s->bwe.probe_reached_count);
    put_count(o, "probes_failed", s->bwe.probe_failed_count);
    put_count(o, "probe_bytes", s->bwe.probe_bytes);
    put_count(o, "overuses", s->bwe.overuse_count);
    put_count(o, "loss_cuts", s->bwe.loss_cut_count);
    put_count(o, "silences", s->bwe.silence_count);
    return o;
}

static json_t *transport_json(const struct transport_snapshot *s)
{
    json_t *o = json_object();
    put_text(o, "state", state_name(s));
    put_layer(o, "score", s->score, QUALITY_UNKNOWN);
    put_ms(o, "age_ms", s->age_us);
    put_text(o, "suite", s->suite);
    put(o, "path", path_json(s));
    put(o, "join", join_json(s));
    put_ms(o, "rtt_ms", s->rtt_us);
    put_ms(o, "playout_delay_ms", s->playout_us);
    put(o, "in", direction_json(s, PACKET_IN));
    put(o, "out", direction_json(s, PACKET_OUT));
    put(o, "bandwidth", bandwidth_json(s));
    return o;
}

/* ---- tracks and slots */

static json_t *encoding_json(unsigned layer, const struct encoding_snapshot *s)
{
    json_t *o = json_object();
    put_count(o, "layer", layer);
    put(o, "active", json_boolean(s->is_active));
    put_count(o, "ssrc", s->ssrc);
    put_count(o, "bps", s->bps);
    put_count(o, "packets", s->packets);
    put_count(o, "bytes", s->bytes);
    put_count(o, "lost", s->lost);
    put_count(o, "nacked", s->nacked);
    put_count(o, "recovered", s->recovered);
    put_count(o, "keyframe_requests", s->keyframe_requests);
    put_ms(o, "jitter_ms", s->jitter_us);
    put_layer(o, "spatial_layers", s->spatial_layers, 0);
    put_layer(o, "temporal_layers", s->temporal_layers, 0);
    return o;
}

static json_t *track_json(const struct track_snapshot *s)
{
    json_t *o = json_object(), *encodings = json_array();
    put_text(o, "mid", s->mid);
    put_text(o, "source", source_name(s->source));
    put_text(o, "kind", kind_name(s->kind));
    put(o, "muted", json_boolean(s->muted));
    put(o, "allowed", json_boolean(s->allowed));
    put_count(o, "layers", s->layer_count);
    put_count(o, "slots", s->slot_count);
    if (s->kind == MEDIA_VIDEO) {
        put_layer(o, "wanted_layer", s->wanted, -1);
        put_layer(o, "told_layer", s->told, -1);
    }
    for (unsigned i = 0; i < s->layer_count; i++) {
        if (s->encodings[i].is_known)
            (void)json_array_append_new(encodings, encoding_json(i, &s->encodings[i]));
    }
    put(o, "encodings", encodings);
    return o;
}

static json_t *wish_json(const struct slot_snapshot *s)
{
    json_t *o = json_object();
    if (!s->has_wish) {
        json_decref(o);
        return json_null();
    }
    put_text(o, "participant", s->wish_participant);
    put_text(o, "source", source_name(s->wish_source));
    put(o, "here", json_boolean(s->has_track));
    put_count(o, "spatial_max", s->wanted_spatial);
    put_count(o, "priority", s->priority);
    return o;
}

static json_t *layers_json(int8_t layer, uint8_t spatial, uint8_t temporal)
{
    json_t *o = json_object();
    put_layer(o, "layer", layer, -1);
    put_layer(o, "spatial", spatial, LAYER_NONE);
    put_layer(o, "temporal", temporal, LAYER_NONE);
    return o;
}

static json_t *target_json(const struct slot_snapshot *s)
{
    json_t *o = json_object();
    if (!s->has_target || s->is_paused) {
        json_decref(o);
        return json_null();
    }
    put_count(o, "spatial", s->target_spatial);
    put_count(o, "temporal", s->target_temporal);
    put_count(o, "bps", s->target_bps);
    return o;
}

static json_t *slot_json(const struct slot_snapshot *s)
{
    json_t *o = json_object();
    put_text(o, "mid", s->mid);
    put_text(o, "kind", kind_name(s->kind));
    put(o, "shows", wish_json(s));
    put(o, "flowing", json_boolean(s->is_flowing));
    put(o, "waiting", json_boolean(s->is_waiting));
    if (s->kind == MEDIA_VIDEO) {
        put(o, "paused", json_boolean(s->is_paused));
        put(o, "target", target_json(s));
        put(o, "current", layers_json(s->layer, s->spatial, s->temporal));
        put_count(o, "resent", s->resent);
        put_count(o, "keyframe_requests", s->keyframe_requests);
        put_count(o, "freezes", s->freezes);
        put_ms(o, "playout_delay_ms", s->playout_us);
    }
    put_count(o, "switches", s->switches);
    put_count(o, "bps", s->bps);
    put_count(o, "packets", s->packets);
    put_ratio(o, "loss", s->loss_permille);
    put_ms(o, "jitter_ms", s->jitter_us);
    return o;
}

/* ---- whole answers */

json_t *snapshot_json_room(const char *room, const struct room_snapshot *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->count; i++) {
        json_t *o = transport_json(&s->participants[i]);
        put_text(o, "participant", s->participants[i].participant);
        (void)json_array_append_new(list, o);
    }
    return json_pack("{s:s, s:I, s:o}", "room", room, "total", (json_int_t)s->participant_count,
                     "participants", list);
}

json_t *snapshot_json_participant(const char *room, const struct participant_snapshot *s)
{
    json_t *tracks = json_array(), *slots = json_array();
    for (size_t i = 0; i < s->track_count; i++)
        (void)json_array_append_new(tracks, track_json(&s->tracks[i]));
    for (size_t i = 0; i < s->slot_count; i++)
        (void)json_array_append_new(slots, slot_json(&s->slots[i]));
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "room", room, "participant",
                     s->transport.participant, "transport", transport_json(&s->transport), "tracks",
                     tracks, "slots", slots);
}
