/* negotiation.h - a participant's offer becomes transport_params for the worker and an answer.
 *
 * Pure; runs on the control thread. Deterministic: the same request gives the same result, and the
 * SSRCs of a slot depend only on `seed` and its mid, so a later offer with more m-lines leaves the
 * slots that exist as they are.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_NEGOTIATION_H
#define SFUD_CORE_NEGOTIATION_H

#include "core/command.h"

struct negotiation_source {
    char mid[SDP_MID_MAX + 1];
    enum source source;
};

struct negotiation_request {
    struct bytes offer; /* SDP text, borrowed for the call */
    struct negotiation_source sources[SOURCES_COUNT_MAX];
    size_t source_count;
    uint32_t allowed;    /* SOURCE_BIT mask of the grant */
    bool takes_data;     /* false for a later offer if the first had no data channels */
    bool data_allowed;   /* to send, by the grant */
    uint8_t seed[16];    /* random, kept by control as long as the participant lives */
    uint64_t session_id; /* of the answer's o= line; the same for later answers */
    /* Ours; the same for later answers until the participant restarts ICE. */
    const char *local_ufrag;
    const char *local_pwd;
    /* A later offer: the participant's credentials as we know them, and fresh ones of ours for when
     * the offer has others, which is an ICE restart (RFC 8839 §4.4.1.1). NULL for the first. */
    const char *known_ufrag, *known_pwd;
    const char *next_ufrag, *next_pwd;
    struct sdp_fingerprint fingerprint;
    const struct sdp_candidate *candidates;
    size_t candidate_count;
};

struct negotiation_slot {
    char mid[SDP_MID_MAX + 1];
    enum media_kind kind;
};

struct negotiation_result {
    struct transport_params params; /* its local credentials are those of the answer */
    char remote_pwd[SDP_PWD_MAX +
                    1]; /* beside params.remote_ufrag: to be known as the next offer's */
    bool is_restart;    /* the answer carries next_ufrag and next_pwd */
    struct negotiation_slot slots[TRANSPORT_MEDIA_MAX];
    size_t slot_count;
};

/* Scratch of negotiate(): about 400 KiB, one per control thread. */
struct negotiation_scratch {
    struct sdp offer;
    struct negotiated negotiated;
    struct sdp_slot slots[SDP_MEDIA_MAX];
    char tracks[SDP_MEDIA_MAX][SDP_ID_MAX + 1];
};

/* Decides over an offer.
 *
 * ret, ret_answer  written only on OK; the answer is not zero terminated
 *
 * OK; ERR_MALFORMED, ERR_UNSUPPORTED or ERR_FULL with ret_error filled: reply `bad-sdp`. A source
 * whose mid is not a publishing m-line of its kind is ERR_MALFORMED; a publishing m-line without a
 * source is answered, but nothing from it is forwarded. */
MUST_USE enum err negotiate(const struct negotiation_request *request,
                            struct negotiation_scratch *scratch, struct negotiation_result *ret,
                            struct writer *ret_answer, struct sdp_error *ret_error);

#endif
