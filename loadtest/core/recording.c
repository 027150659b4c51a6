/* SPDX-License-Identifier: Apache-2.0 */
#include "core/recording.h"

#include "core/frame_size.h"
#include "rtc/depacketizer.h"
#include "rtc/seq.h"

#include <stdlib.h>

enum { OUTPUT_MIN = 16384, AUDIO_RATE = 48000, VIDEO_RATE = 90000 };

struct recording {
    /* given */
    enum codec codec;
    /* owned */
    struct packet_order order;
    uint8_t *frame; /* RECORDING_FRAME_MAX; video, from the first packet on */
    uint8_t *output;
    size_t output_len, output_capacity;
    /* the file */
    struct video_file video;
    struct ogg_opus_writer audio;
    bool has_time, rebase; /* rebase: the clock says what the next timestamp is */
    uint32_t time_offset;  /* file's RTP time - packets' RTP time */
    uint32_t last_time;    /* in the file */
    usec last_time_at;
    /* video: the frame that is being put together */
    struct depacketizer cutter;
    bool open, waiting; /* waiting: for a keyframe */
    bool open_keyframe;
    uint32_t open_timestamp;
    usec asked_at;
    struct recording_stats stats;
};

static bool is_video(enum codec codec)
{
    return codec == CODEC_VP8 || codec == CODEC_VP9 || codec == CODEC_H264 || codec == CODEC_AV1;
}

struct recording *recording_new(enum codec codec, uint32_t serial)
{
    if (codec != CODEC_OPUS && !is_video(codec))
        return NULL;
    struct recording *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->codec = codec;
    r->video.codec = codec;
    r->audio.serial = serial;
    r->audio.channels = 2;
    r->waiting = codec != CODEC_OPUS;
    r->asked_at = USEC_NEVER;
    r->stats.first_at = r->stats.last_at = USEC_NEVER;
    packet_order_init(&r->order);
    if (r->waiting && (r->frame = malloc(RECORDING_FRAME_MAX)) == NULL) {
        free(r);
        return NULL;
    }
    return r;
}

void recording_free(struct recording *r)
{
    if (r == NULL)
        return;
    packet_order_done(&r->order);
    free(r->frame);
    free(r->output);
    free(r);
}

/* --- the file --- */

/* Room for `size` bytes behind what waits; NULL without memory. */
static uint8_t *output_room(struct recording *r, size_t size)
{
    size_t needed = r->output_len + size;
    if (needed > r->output_capacity) {
        size_t capacity = MAX(MAX(needed, r->output_capacity * 2), (size_t)OUTPUT_MIN);
        uint8_t *more = realloc(r->output, capacity);
        if (more == NULL)
            return NULL;
        r->output = more;
        r->output_capacity = capacity;
    }
    return r->output + r->output_len;
}

/* The file's RTP time of a packet's. */
static uint32_t file_time(struct recording *r, uint32_t timestamp, usec now)
{
    int64_t rate = r->codec == CODEC_OPUS ? AUDIO_RATE : VIDEO_RATE;
    if (r->has_time) {
        usec passed = now - r->last_time_at;
        int64_t ticks = seq32_diff(timestamp + r->time_offset, r->last_time);
        usec difference = ticks * USEC_PER_SEC / rate - passed;
        if (r->rebase || difference > RECORDING_JUMP_US || difference < -RECORDING_JUMP_US) {
            uint32_t step = (uint32_t)MAX(passed * rate / USEC_PER_SEC, 1);
            r->time_offset = r->last_time + step - timestamp;
        }
    }
    r->has_time = true;
    r->rebase = false;
    uint32_t time = timestamp + r->time_offset;
    r->last_time = time;
    r->last_time_at = now;
    return time;
}

static void write_audio(struct recording *r, const struct ordered_packet *p, usec now)
{
    size_t size = p->payload.len + OGG_OPUS_OVERHEAD_MAX + OGG_OPUS_FILL_SIZE;
    uint8_t *at = output_room(r, size);
    if (at == NULL)
        return;
    struct writer w = writer_of(at, size);
    ogg_opus_write(&r->audio, p->payload, file_time(r, p->timestamp, now), &w);
    if (w.failed || writer_len(&w) == 0)
        return;
    r->output_len += writer_len(&w);
    r->stats.frames++;
}

static void write_frame(struct recording *r, struct bytes frame, usec now)
{
    size_t size = frame.len + VIDEO_FILE_OVERHEAD_MAX;
    uint8_t *at = output_room(r, size);
    if (at == NULL)
        return;
    struct writer w = writer_of(at, size);
    video_file_write(&r->video, frame, r->stats.width, r->stats.height,
                     file_time(r, r->open_timestamp, now), &w);
    if (w.failed)
        return;
    r->output_len += writer_len(&w);
    r->stats.frames++;
    r->stats.keyframes += r->open_keyframe;
}

/* --- frames --- */

static void drop_frame(struct recording *r)
{
    r->stats.frames_dropped += r->open;
    r->open = false;
    r->waiting = true;
}

static void end_frame(struct recording *r, usec now)
{
    struct bytes frame;
    if (!r->open)
        return;
    if (depacketizer_end(&r->cutter, &frame) != OK) {
        drop_frame(r);
        return;
    }
    r->open = false;
    if (r->open_keyframe)
        (void)frame_size(r->codec, frame, &r->stats.width, &r->stats.height);
    write_frame(r, frame, now);
}

static void begin_frame(struct recording *r, const struct ordered_packet *p)
{
    r->open = true;
    r->open_keyframe = p->keyframe_start;
    r->open_timestamp = p->timestamp;
    r->waiting = false;
    depacketizer_begin(&r->cutter, r->codec, r->frame, RECORDING_FRAME_MAX);
}

static void take_video(struct recording *r, const struct ordered_packet *p, bool gap, usec now)
{
    if (gap)
        drop_frame(r);
    if (r->open && p->timestamp != r->open_timestamp)
        end_frame(r, now); /* its sender sets no markers */
    if (r->waiting && !p->keyframe_start)
        return;
    if (!r->open)
        begin_frame(r, p);
    if (depacketizer_add(&r->cutter, p->payload) != OK)
        drop_frame(r);
    else if (p->marker)
        end_frame(r, now);
}

static void drain(struct recording *r, usec now)
{
    struct ordered_packet p;
    bool gap;
    while (packet_order_next(&r->order, now, &p, &gap)) {
        r->stats.packets++;
        r->stats.bytes += p.payload.len;
        if (r->codec == CODEC_OPUS)
            write_audio(r, &p, now);
        else
            take_video(r, &p, gap, now);
    }
    r->stats.lost = r->order.lost;
}

/* --- what happens --- */

void recording_switch(struct recording *r, usec now)
{
    packet_order_flush(&r->order);
    drain(r, now);
    r->rebase = true;
    if (r->codec != CODEC_OPUS)
        drop_frame(r);
}

void recording_on_packet(struct recording *r, const struct ordered_packet *p, usec now)
{
    if (r->stats.first_at == USEC_NEVER)
        r->stats.first_at = now;
    r->stats.last_at = now;
    packet_order_put(&r->order, p, now);
    drain(r, now);
}

void recording_tick(struct recording *r, usec now)
{
    if (now >= r->order.deadline)
        drain(r, now);
}

usec recording_deadline(const struct recording *r)
{
    return r->order.deadline;
}

bool recording_take_keyframe_wanted(struct recording *r, usec now)
{
    if (!r->waiting || (r->asked_at != USEC_NEVER && now - r->asked_at < RECORDING_ASK_US))
        return false;
    r->asked_at = now;
    return true;
}

void recording_end(struct recording *r, usec now)
{
    packet_order_flush(&r->order);
    drain(r, now);
    uint8_t *at =
        r->codec == CODEC_OPUS && r->audio.started ? output_room(r, OGG_OPUS_OVERHEAD_MAX) : NULL;
    if (at == NULL)
        return;
    struct writer w = writer_of(at, OGG_OPUS_OVERHEAD_MAX);
    ogg_opus_write_end(&r->audio, &w);
    r->output_len += w.failed ? 0 : writer_len(&w);
}

size_t recording_output_len(const struct recording *r)
{
    return r->output_len;
}

uint8_t *recording_take_output(struct recording *r, size_t *ret_len)
{
    uint8_t *output = r->output_len == 0 ? NULL : r->output;
    *ret_len = r->output_len;
    if (output == NULL)
        return NULL;
    r->output = NULL;
    r->output_len = r->output_capacity = 0;
    return output;
}

enum codec recording_codec(const struct recording *r)
{
    return r->codec;
}

const struct recording_stats *recording_stats_of(const struct recording *r)
{
    return &r->stats;
}
