/* leg_echo.h - the streams of a leg that send back what a bot receives (echo.h). Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_LEG_ECHO_H
#define LOADTEST_LEG_ECHO_H

#include "core/echo.h"
#include "core/leg_media.h"

struct leg_echo {
    struct echo voice, camera;
};

/* The m-line `m`, which we send on, carries the echo of its kind. False without memory. */
bool leg_echo_open(struct leg *l, const struct sdp_remote_media *m, uint32_t ssrc,
                   uint32_t rtx_ssrc);
void leg_echo_free(struct leg_echo *e);

/* Sends it back. True: ask whose it is for a keyframe. */
bool leg_echo_packet(struct leg *l, const struct sink *from, const struct sink_packet *p, usec now,
                     struct outbound *out);

/* Who receives the echo: PLI or FIR, NACK of one packet, our reports. */
void leg_echo_on_pli(struct leg *l, uint32_t ssrc);
void leg_echo_on_nack(struct leg *l, uint32_t ssrc, uint16_t seq, usec now, struct outbound *out);
/* Appends sender reports; false: there is nothing to report. */
bool leg_echo_write_reports(struct leg *l, usec now, struct writer *w);

#endif
