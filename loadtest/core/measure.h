/* measure.h - what bots measured: counters and histograms, one set per thread, added up at the end.
 *
 * Everything here grows only; an interval is the difference of two copies (measure_subtract). Times
 * in microseconds unless named otherwise. Plain data, 300 KiB.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_MEASURE_H
#define LOADTEST_MEASURE_H

#include "core/histogram.h"
#include "rtc/codec.h"

enum {
    MEASURE_STAGES_MAX = 10,
    MEASURE_LAYERS_MAX = 4,
    MEASURE_LAYER_NONE = 3 /* nothing came */,
    MEASURE_SCORES = 6, /* 0 lost … 5 perfect */
    MEASURE_SIGNAL_ERRORS_MAX = 24
};

struct measure_media {
    uint64_t sent_packets, sent_bytes;         /* RTP payloads, without retransmissions */
    uint64_t received_packets, received_bytes; /* the same */
    uint64_t sent_frames, received_frames;     /* video */
    uint64_t expected;                         /* packets, by sequence numbers */
    uint64_t lost_before;                      /* of those, not there in time without RTX */
    uint64_t recovered;                        /* … and then by RTX */
    uint64_t reordered, duplicated;
    uint64_t rtx_sent, rtx_received;
    uint64_t gap_count, gap_us; /* audio gaps; video freezes */
    uint64_t watched_us;        /* stream time that gaps are part of */
    struct histogram gaps;      /* ms */
    struct histogram latency;   /* one way, send to receive */
    struct histogram jitter;    /* RFC 3550, once a second per stream */
};

struct measure {
    struct measure_media audio, video;
    struct histogram stages[MEASURE_STAGES_MAX]; /* by enum join_stage; last: total */
    uint64_t offers;                             /* descriptions that began a negotiation */
    uint64_t join_started, join_done, join_failed;

    /* audio heard, decoded from samples */
    uint64_t tones_checked, tones_right, tones_wrong, tones_silent;
    struct histogram onset_ms;         /* a turn has begun → its voice arrives at a listener */
    uint64_t wrong_audio, wrong_video; /* packets of somebody else than signaling says */

    uint64_t keyframes_received;
    /* dynacast: what the server said of our own cameras, and what was not sent because of it */
    uint64_t layers_told, layers_changed, spared_us, spared_bytes;
    uint64_t quality_told[MEASURE_SCORES]; /* how often the server said which score of somebody */
    uint64_t codec_packets[CODEC_COUNT], codec_keyframes[CODEC_COUNT];
    uint64_t speaker_s_expected, speaker_s_shown;              /* seconds in which somebody spoke */
    struct histogram switch_ms;                                /* view asked → first frame */
    uint64_t layer_us[MEASURE_LAYERS_MAX][MEASURE_LAYERS_MAX]; /* [asked][received] by index */

    uint64_t nack_sent, pli_sent, transport_cc_sent, receiver_reports_sent;
    uint64_t nack_received, pli_received, fir_received, transport_cc_received, remb_received;

    uint64_t srtp_authentication, srtp_replay, malformed;
    struct {
        char error[40];
        uint64_t count;
    } signal_errors[MEASURE_SIGNAL_ERRORS_MAX]; /* error "": unused */
};

void measure_add(struct measure *to, const struct measure *from);
/* to -= earlier: the same set at an earlier time. */
void measure_subtract(struct measure *to, const struct measure *earlier);
void measure_signal_error(struct measure *m, const char *error);

/* Fills "audio" (without pairs), "video" (without pairs), "feedback", "errors" and the "stages" of
 * "joins" of the result (docs/loadtest-result.schema.json); heights: of the layers, ascending. */
void measure_to_json(const struct measure *m, const uint16_t heights[MEASURE_LAYERS_MAX],
                     json_t *result);

#endif
