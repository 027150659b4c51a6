/* recording.h - one received stream on its way into a file: packets in as they arrive, a file's
 * bytes out.
 *
 * Packets are put in order (packet_order.h); a hole that stays is given up. Of video only whole
 * frames are written, and after a lost one nothing until the next keyframe: what is in the file
 * decodes. Time in the file is RTP time; where the stream changes its origin (recording_switch())
 * or jumps, the clock tells how much passed.
 *
 * Pure. One thread owns a recording.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_RECORDING_H
#define LOADTEST_RECORDING_H

#include "core/media_file.h"
#include "core/packet_order.h"

enum {
    RECORDING_FRAME_MAX = 1 << 20, /* bytes of one frame */
    RECORDING_ASK_US = 1000000,    /* between two wishes for a keyframe */
    RECORDING_JUMP_US = 5000000,   /* RTP time may differ from the clock by this */
    RECORDING_FILE_NAME_SIZE = 200,
};

struct recording;

struct recording_stats {
    uint64_t packets, bytes; /* in order; bytes of payloads */
    uint64_t lost;           /* never came, or too late */
    uint64_t frames;         /* written; audio: packets */
    uint64_t frames_dropped; /* video: began, and cannot be decoded */
    uint64_t keyframes;
    uint16_t width, height; /* of the newest keyframe that says so; 0: unknown */
    usec first_at, last_at; /* first and newest packet */
};

/* codec: CODEC_OPUS or a video codec. serial: any number (of an Ogg stream). NULL without memory,
 * or for another codec. */
struct recording *recording_new(enum codec codec, uint32_t serial);
void recording_free(struct recording *r);

/* The packets that follow come from elsewhere: numbers and times have nothing to do with those
 * before. What waits behind a hole is written as far as it can be. */
void recording_switch(struct recording *r, usec now);
void recording_on_packet(struct recording *r, const struct ordered_packet *p, usec now);
/* Gives up holes that are due; deadline USEC_NEVER: none. */
void recording_tick(struct recording *r, usec now);
usec recording_deadline(const struct recording *r);
/* Nothing can be written until a keyframe comes, and this was not said within RECORDING_ASK_US. */
bool recording_take_keyframe_wanted(struct recording *r, usec now);
/* What waits, and the last page of an Ogg file. Nothing may follow. */
void recording_end(struct recording *r, usec now);

/* Bytes that wait to be appended to the file. */
size_t recording_output_len(const struct recording *r);
/* Takes them: a heap block to free(), NULL if there are none. */
uint8_t *recording_take_output(struct recording *r, size_t *ret_len);

enum codec recording_codec(const struct recording *r);
const struct recording_stats *recording_stats_of(const struct recording *r);

/* "Ada_Lovelace-camera-vp8-20261121T140312Z.ivf": publisher is any text of the network; what a
 * file name should not have becomes '_'. number 0: none is appended. */
void recording_file_name(const char *publisher, const char *source, enum codec codec,
                         wall_usec began, unsigned number, char ret[RECORDING_FILE_NAME_SIZE]);

#endif
