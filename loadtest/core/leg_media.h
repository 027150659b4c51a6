/* leg_media.h - the RTP half of a leg, shared by the leg_*.c files only: streams as the
 * descriptions have them, packets out, packets in, feedback both ways.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_LEG_MEDIA_H
#define LOADTEST_LEG_MEDIA_H

#include "core/leg.h"

uint64_t leg_random(struct leg *l);
const char *leg_candidate_text(struct leg *l);

/* Takes `remote` (heap), which leg->remote becomes. Starts ICE the first time. */
enum err leg_set_remote(struct leg *l, struct sdp_remote *remote, usec now);

/* Makes sources and sinks fit leg->remote. False without memory. */
bool leg_media_update(struct leg *l, usec now);
void leg_media_start(struct leg *l, usec now);
void leg_media_on_rtp(struct leg *l, uint8_t *packet, size_t len, usec now, leg_note *note,
                      void *data);
void leg_media_on_rtcp(struct leg *l, uint8_t *packet, size_t len, usec now, struct outbound *out);
void leg_media_tick(struct leg *l, usec now, struct outbound *out, leg_note *note, void *data);
usec leg_media_deadline(const struct leg *l);

/* A round trip to the server was measured: it paces what is asked for again. */
void leg_on_round_trip(struct leg *l, usec rtt_us);

void leg_on_verdict(struct leg *l, struct sink *s, int speaker, enum ear_verdict verdict,
                    unsigned tone);

/* leg_send.c */
/* Seals what was written at `at` (outbound_reserve()) and sends it. False: it could not be. */
bool leg_seal_and_send(struct leg *l, uint8_t *at, size_t len, struct outbound *out);
void leg_send_due(struct leg *l, usec now, struct outbound *out);
void leg_send_rtx(struct leg *l, struct source *s, uint16_t seq, usec now, struct outbound *out);
void leg_send_rtcp(struct leg *l, const uint8_t *compound, size_t len, struct outbound *out);

#endif
