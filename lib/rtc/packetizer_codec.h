/* packetizer_codec.h - what each codec adds to packetizer.c and depacketizer.c; theirs only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_PACKETIZER_CODEC_H
#define RTC_PACKETIZER_CODEC_H

#include "rtc/depacketizer.h"
#include "rtc/packetizer.h"

/* Writes the payload at p->at and p->done, and moves them behind it. OK, ERR_MALFORMED, or
 * ERR_NOT_FOUND: there is no more, nothing was written. */
MUST_USE enum err packetizer_step_h264(struct packetizer *p, struct writer *w);
MUST_USE enum err packetizer_step_av1(struct packetizer *p, struct writer *w);

/* As depacketizer_add(), without its stickiness and without ERR_FULL, which d->out knows. */
MUST_USE enum err depacketizer_add_h264(struct depacketizer *d, struct bytes payload);
MUST_USE enum err depacketizer_add_av1(struct depacketizer *d, struct bytes payload);

#endif
