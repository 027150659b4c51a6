/* SPDX-License-Identifier: Apache-2.0 */
#include "core/measure.h"

#include "core/bot.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { STAGE_TOTAL = STAGE_COUNT };
static_assert((int)STAGE_TOTAL < (int)MEASURE_STAGES_MAX,
              "a histogram for each stage and the total");

static const char *const stage_names[MEASURE_STAGES_MAX] = {
    [STAGE_TOKEN] = "token",
    [STAGE_TCP] = "tcp",
    [STAGE_TLS] = "tls",
    [STAGE_WEBSOCKET] = "websocket",
    [STAGE_JOIN] = "join",
    [STAGE_ICE] = "ice",
    [STAGE_DTLS] = "dtls",
    [STAGE_FIRST_PACKET] = "first_packet",
    [STAGE_FIRST_KEYFRAME] = "first_keyframe",
    [STAGE_TOTAL] = "total",
};

/* What to do with each counter and histogram of one set by means of another. */
struct operation {
    void (*counter)(uint64_t *to, uint64_t from);
    void (*histogram)(struct histogram *to, const struct histogram *from);
};

static void add_counter(uint64_t *to, uint64_t from)
{
    *to += from;
}

/* A late packet takes back what was counted as lost, so a difference may be below zero. */
static void subtract_counter(uint64_t *to, uint64_t from)
{
    *to -= MIN(*to, from);
}

static const struct operation addition = { add_counter, histogram_add };
static const struct operation subtraction = { subtract_counter, histogram_subtract };

static void apply_to_media(const struct operation *op, struct measure_media *to,
                           const struct measure_media *from)
{
    static const size_t counters[] = {
#define AT(field) offsetof(struct measure_media, field)
        AT(sent_packets), AT(sent_bytes),      AT(received_packets), AT(received_bytes),
        AT(sent_frames),  AT(received_frames), AT(expected),         AT(lost_before),
        AT(recovered),    AT(reordered),       AT(duplicated),       AT(rtx_sent),
        AT(rtx_received), AT(gap_count),       AT(gap_us),           AT(watched_us),
#undef AT
    };
    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        op->counter((uint64_t *)((char *)to + counters[i]),
                    *(const uint64_t *)((const char *)from + counters[i]));
    op->histogram(&to->gaps, &from->gaps);
    op->histogram(&to->latency, &from->latency);
    op->histogram(&to->jitter, &from->jitter);
}

static void apply_to_counters(const struct operation *op, struct measure *to,
                              const struct measure *from)
{
    static const size_t counters[] = {
#define AT(field) offsetof(struct measure, field)
        AT(join_started),
        AT(join_done),
        AT(join_failed),
        AT(tones_checked),
        AT(tones_right),
        AT(tones_wrong),
        AT(tones_silent),
        AT(wrong_audio),
        AT(wrong_video),
        AT(keyframes_received),
        AT(nack_sent),
        AT(pli_sent),
        AT(transport_cc_sent),
        AT(receiver_reports_sent),
        AT(nack_received),
        AT(pli_received),
        AT(fir_received),
        AT(transport_cc_received),
        AT(remb_received),
        AT(srtp_authentication),
        AT(srtp_replay),
        AT(malformed),
        AT(layers_told),
        AT(layers_changed),
        AT(speaker_s_expected),
        AT(speaker_s_shown),
        AT(offers),
        AT(spared_us),
        AT(spared_bytes),
#undef AT
    };
    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        op->counter((uint64_t *)((char *)to + counters[i]),
                    *(const uint64_t *)((const char *)from + counters[i]));
    for (size_t i = 0; i < MEASURE_SCORES; i++)
        op->counter(&to->quality_told[i], from->quality_told[i]);
    for (size_t i = 0; i < CODEC_COUNT; i++) {
        op->counter(&to->codec_packets[i], from->codec_packets[i]);
        op->counter(&to->codec_keyframes[i], from->codec_keyframes[i]);
    }
    for (size_t asked = 0; asked < MEASURE_LAYERS_MAX; asked++) {
        for (size_t got = 0; got < MEASURE_LAYERS_MAX; got++)
            op->counter(&to->layer_us[asked][got], from->layer_us[asked][got]);
    }
}

/* The counter of an error by its name, a new one if need be. When all are taken the last one counts
 * what is left over. */
static uint64_t *signal_error_count(struct measure *m, const char *error)
{
    const size_t last = MEASURE_SIGNAL_ERRORS_MAX - 1;
    char name[sizeof(m->signal_errors[0].error)];
    (void)snprintf(name, sizeof(name), "%s", error);
    for (size_t i = 0; i < last; i++) {
        if (m->signal_errors[i].error[0] == 0)
            memcpy(m->signal_errors[i].error, name, sizeof(name));
        if (strcmp(m->signal_errors[i].error, name) == 0)
            return &m->signal_errors[i].count;
    }
    (void)snprintf(m->signal_errors[last].error, sizeof(name), "others");
    return &m->signal_errors[last].count;
}

static void apply(const struct operation *op, struct measure *to, const struct measure *from)
{
    apply_to_media(op, &to->audio, &from->audio);
    apply_to_media(op, &to->video, &from->video);
    for (size_t i = 0; i < MEASURE_STAGES_MAX; i++)
        op->histogram(&to->stages[i], &from->stages[i]);
    op->histogram(&to->switch_ms, &from->switch_ms);
    op->histogram(&to->onset_ms, &from->onset_ms);
    apply_to_counters(op, to, from);
    for (size_t i = 0; i < MEASURE_SIGNAL_ERRORS_MAX; i++) {
        if (from->signal_errors[i].count > 0)
            op->counter(signal_error_count(to, from->signal_errors[i].error),
                        from->signal_errors[i].count);
    }
}

void measure_add(struct measure *to, const struct measure *from)
{
    apply(&addition, to, from);
}

void measure_subtract(struct measure *to, const struct measure *earlier)
{
    apply(&subtraction, to, earlier);
}

void measure_signal_error(struct measure *m, const char *error)
{
    (*signal_error_count(m, error[0] == 0 ? "unknown" : error))++;
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

/* 0 of nothing. */
static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

/* { first_key: first, second_key: second } */
static json_t *two(const char *first_key, uint64_t first, const char *second_key, uint64_t second)
{
    return json_pack("{so so}", first_key, number(first), second_key, number(second));
}

static json_t *loss_to_json(const struct measure_media *m)
{
    uint64_t lost_after = m->lost_before - MIN(m->lost_before, m->recovered);
    return json_pack("{so so so sf sf so so}", "expected", number(m->expected), "lost_before_rtx",
                     number(m->lost_before), "recovered", number(m->recovered), "before",
                     share(m->lost_before, m->expected), "after", share(lost_after, m->expected),
                     "reordered", number(m->reordered), "duplicated", number(m->duplicated));
}

/* Audio's gaps; video's freezes. */
static json_t *gaps_to_json(const struct measure_media *m)
{
    uint64_t longest = m->gaps.count == 0 ? 0 : m->gaps.max;
    return json_pack("{so sf so so}", "count", number(m->gap_count), "total_ms",
                     (double)m->gap_us / USEC_PER_MS, "longest_ms", number(longest), "ms",
                     histogram_to_json(&m->gaps));
}

/* What audio and video have alike. */
static json_t *media_to_json(const struct measure_media *m)
{
    return json_pack("{so so so so so}", "sent",
                     two("packets", m->sent_packets, "bytes", m->sent_bytes), "received",
                     two("packets", m->received_packets, "bytes", m->received_bytes), "latency_us",
                     histogram_to_json(&m->latency), "jitter_us", histogram_to_json(&m->jitter),
                     "loss", loss_to_json(m));
}

static json_t *audio_to_json(const struct measure *m)
{
    json_t *audio = media_to_json(&m->audio);
    json_object_set_new(audio, "gaps", gaps_to_json(&m->audio));
    json_object_set_new(audio, "onset_ms", histogram_to_json(&m->onset_ms));
    json_object_set_new(audio, "tones",
                        json_pack("{so so so so s[]}", "checked", number(m->tones_checked), "right",
                                  number(m->tones_right), "wrong", number(m->tones_wrong), "silent",
                                  number(m->tones_silent), "examples"));
    return audio;
}

/* [ { "asked_height": 360, "seconds": { "180": 3.2, "360": 580.1 } } ] */
static json_t *layers_to_json(const struct measure *m, const uint16_t heights[MEASURE_LAYERS_MAX])
{
    json_t *layers = json_array();
    for (size_t asked = 0; asked < MEASURE_LAYERS_MAX; asked++) {
        json_t *seconds = json_object();
        uint64_t total = 0;
        for (size_t got = 0; got < MEASURE_LAYERS_MAX; got++) {
            char key[8];
            (void)snprintf(key, sizeof(key), "%u", heights[got]);
            total += m->layer_us[asked][got];
            if (heights[got] != 0)
                json_object_set_new(seconds, key,
                                    json_real((double)m->layer_us[asked][got] / USEC_PER_SEC));
        }
        if (m->layer_us[asked][MEASURE_LAYER_NONE] > 0)
            json_object_set_new(
                seconds, "0",
                json_real((double)m->layer_us[asked][MEASURE_LAYER_NONE] / USEC_PER_SEC));
        if (heights[asked] != 0 && total > 0)
            json_array_append_new(
                layers, json_pack("{si sO}", "asked_height", heights[asked], "seconds", seconds));
        json_decref(seconds);
    }
    return layers;
}

/* Null when nobody watched anything. */
static json_t *asked_share_to_json(const struct measure *m)
{
    uint64_t total = 0, as_asked = 0;
    for (size_t asked = 0; asked < MEASURE_LAYERS_MAX; asked++) {
        as_asked += m->layer_us[asked][asked];
        for (size_t got = 0; got < MEASURE_LAYERS_MAX; got++)
            total += m->layer_us[asked][got];
    }
    return total == 0 ? json_null() : json_real(share(as_asked, total));
}

static json_t *codecs_to_json(const struct measure *m)
{
    static const struct {
        enum codec codec;
        const char *key;
    } keys[] = {
        { CODEC_VP8, "vp8" }, { CODEC_VP9, "vp9" }, { CODEC_H264, "h264" }, { CODEC_AV1, "av1" }
    };
    json_t *codecs = json_object();
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        uint64_t packets = m->codec_packets[keys[i].codec];
        if (packets > 0)
            json_object_set_new(codecs, keys[i].key,
                                two("packets_received", packets, "keyframes_received",
                                    m->codec_keyframes[keys[i].codec]));
    }
    return codecs;
}

/* Layers that nobody watched, and that their publishers did not send. */
static json_t *dynacast_to_json(const struct measure *m)
{
    return json_pack("{so so sf so}", "events", number(m->layers_told), "changes",
                     number(m->layers_changed), "spared_layer_seconds",
                     (double)m->spared_us / USEC_PER_SEC, "spared_bytes", number(m->spared_bytes));
}

/* { "0": 3, … "5": 117 } */
static json_t *quality_to_json(const struct measure *m)
{
    json_t *quality = json_object();
    for (size_t i = 0; i < MEASURE_SCORES; i++) {
        char key[8];
        (void)snprintf(key, sizeof(key), "%zu", i);
        json_object_set_new(quality, key, number(m->quality_told[i]));
    }
    return quality;
}

static json_t *video_to_json(const struct measure *m, const uint16_t heights[MEASURE_LAYERS_MAX])
{
    const struct measure_media *v = &m->video;
    json_t *video = media_to_json(v);
    json_object_set_new(video, "frames",
                        two("sent", v->sent_frames, "received", v->received_frames));
    json_object_set_new(video, "rtx", two("sent", v->rtx_sent, "received", v->rtx_received));
    json_t *freezes = gaps_to_json(v);
    json_object_set_new(freezes, "ratio", json_real(share(v->gap_us, v->watched_us)));
    json_object_set_new(freezes, "watched_ms", json_real((double)v->watched_us / USEC_PER_MS));
    json_object_set_new(video, "freezes", freezes);
    json_object_set_new(video, "layers", layers_to_json(m, heights));
    json_object_set_new(video, "asked_share", asked_share_to_json(m));
    json_object_set_new(video, "keyframes_received", number(m->keyframes_received));
    json_object_set_new(video, "switch_ms", histogram_to_json(&m->switch_ms));
    json_object_set_new(video, "codecs", codecs_to_json(m));
    json_object_set_new(video, "dynacast", dynacast_to_json(m));
    json_object_set_new(
        video, "speakers",
        two("seconds_expected", m->speaker_s_expected, "seconds_shown", m->speaker_s_shown));
    return video;
}

static json_t *feedback_to_json(const struct measure *m)
{
    return json_pack("{s{so so so so} s{so so so so so}}", "sent", "nack", number(m->nack_sent),
                     "pli", number(m->pli_sent), "transport_cc", number(m->transport_cc_sent),
                     "receiver_reports", number(m->receiver_reports_sent), "received", "nack",
                     number(m->nack_received), "pli", number(m->pli_received), "fir",
                     number(m->fir_received), "transport_cc", number(m->transport_cc_received),
                     "remb", number(m->remb_received));
}

static json_t *errors_to_json(const struct measure *m)
{
    json_t *signaling = json_array();
    for (size_t i = 0; i < MEASURE_SIGNAL_ERRORS_MAX; i++) {
        if (m->signal_errors[i].count > 0)
            json_array_append_new(signaling,
                                  json_pack("{ss so}", "error", m->signal_errors[i].error, "count",
                                            number(m->signal_errors[i].count)));
    }
    return json_pack("{so so so so}", "srtp_authentication", number(m->srtp_authentication),
                     "srtp_replay", number(m->srtp_replay), "malformed", number(m->malformed),
                     "signaling", signaling);
}

static json_t *stages_to_json(const struct measure *m)
{
    json_t *stages = json_object();
    for (size_t i = 0; i < MEASURE_STAGES_MAX; i++) {
        if (stage_names[i] != NULL)
            json_object_set_new(stages, stage_names[i], histogram_to_json(&m->stages[i]));
    }
    return stages;
}

/* Sets or completes the object at `key`; what others have put there stays. */
static void merge_new(json_t *result, const char *key, json_t *more)
{
    json_t *there = json_object_get(result, key);
    if (json_is_object(there))
        json_object_update(there, more);
    else
        json_object_set(result, key, more);
    json_decref(more);
}

void measure_to_json(const struct measure *m, const uint16_t heights[MEASURE_LAYERS_MAX],
                     json_t *result)
{
    merge_new(result, "joins",
              json_pack("{so so so}", "stages", stages_to_json(m), "started",
                        number(m->join_started), "offers", number(m->offers)));
    merge_new(result, "audio", audio_to_json(m));
    merge_new(result, "video", video_to_json(m, heights));
    merge_new(result, "feedback", feedback_to_json(m));
    merge_new(result, "quality", quality_to_json(m));
    merge_new(result, "errors", errors_to_json(m));
}
