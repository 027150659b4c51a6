/* door_offer.h - what of a WHIP or WHEP offer is which track.
 *
 * Pure but for the memory of the parsed offer. SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_DOOR_OFFER_H
#define SIGNALD_CORE_DOOR_OFFER_H

#include "message.h"

#define DOOR_OFFER_WHY_MAX 192

/* The first audio and the first video m-line that send are microphone and camera; a viewer's offer
 * has at least one m-line that receives, and sends nothing.
 *
 * ret_sources  {mid: source}, owned by the caller; ret_mask: 1 << source of these
 *
 * OK, or ERR_MALFORMED with a sentence in ret_why that names the line. Whether the media node can
 * use the offer is for the node to say. */
MUST_USE enum err door_offer_read(struct bytes sdp, bool is_viewer, json_t **ret_sources,
                                  unsigned *ret_mask, char ret_why[DOOR_OFFER_WHY_MAX]);

#endif
