/* ice_client.h - the full-ICE agent of a client: one component, one UDP socket (RFC 8445, 7675).
 *
 * Pure: no socket, clock or allocation; randomness is a seed given at init, and the same seed,
 * calls and times give the same bytes. The other end of ice_lite.h; used by the load tester, which
 * meets lite servers, full agents that answer, and full agents that offer.
 *
 * Only host candidates, all behind one socket, so a pair is a remote address and its rank is the
 * remote priority. Every transmission is a transaction of its own (which keeps round trips true);
 * repeats back off from 100 ms, sooner than the 500 ms of RFC 8445 §14.3, as browsers do.
 *
 * Nomination. Controlling: the first pair checked is nominated with its first check, so that a lite
 * server is connected in one round trip; if it stays silent while another pair works, that one is
 * nominated. Controlled: of the nominated pairs that answer us, the one of the highest priority.
 *
 * The caller's loop: at ice_client_deadline() call ice_client_tick(), then ice_client_next_check()
 * until it says false; do the same after ice_client_receive() and ice_client_add_candidate(), which
 * may make a check due at once. Rules for DTLS and SRTP are those of ice_lite.h: accept them from
 * addresses for which ice_client_is_valid(), send to ice_client_selected().
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_ICE_CLIENT_H
#define RTC_ICE_CLIENT_H

#include "rtc/ice_lite.h"

#define ICE_CLIENT_PAIR_MAX         16         /* signalled and peer-reflexive */
#define ICE_CLIENT_SENT_MAX         4          /* unanswered checks remembered of each pair */
#define ICE_CLIENT_PACE             MILLIS(10) /* Ta: between any two checks */
#define ICE_CLIENT_RETRY_MIN        MILLIS(100)
#define ICE_CLIENT_RETRY_MAX        MILLIS(1600)
#define ICE_CLIENT_CONNECT_TIMEOUT  SECONDS(10) /* unless configured */
#define ICE_CLIENT_CONSENT_INTERVAL SECONDS(5)  /* times 0.8 to 1.2, RFC 7675 §5.1 */

enum ice_client_event {
    ICE_CLIENT_EVENT_NONE,
    ICE_CLIENT_EVENT_SELECTED, /* ice_client_selected() is set or changed */
    ICE_CLIENT_EVENT_FAILED,   /* nothing selected in time; from tick only, once */
    ICE_CLIENT_EVENT_EXPIRED,  /* 30 s without consent; from tick only, once */
};

enum ice_client_state {
    ICE_CLIENT_CONNECTING,
    ICE_CLIENT_CONNECTED,
    ICE_CLIENT_FAILED,
    ICE_CLIENT_EXPIRED,
};

struct ice_client_config {
    const struct ice_credentials *local; /* copied; made by ice_credentials_make() */
    struct bytes remote_ufrag;           /* copied; of the other side's description */
    struct bytes remote_pwd;
    enum net_family family; /* the only one our socket can send to; NET_NONE: it can do both */
    bool controlled;        /* the role to begin with: true if they offered and are not lite */
    usec connect_timeout;   /* 0: ICE_CLIENT_CONNECT_TIMEOUT */
    uint64_t seed;          /* random; transaction ids, tie-breaker and jitter come from it */
};

/* A check that may still be answered. */
struct ice_client_sent {
    usec at; /* USEC_NEVER: none, or answered */
    struct stun_transaction transaction;
    bool controlled; /* our role in it */
    bool nominates;  /* it carried USE-CANDIDATE */
};

struct ice_client_pair {
    struct net_addr addr;
    uint32_t priority; /* of the remote candidate */
    usec due_at;       /* next check; USEC_NEVER: none */
    uint16_t attempts; /* checks since the last reason to begin anew */
    bool triggered;    /* goes before all others */
    bool valid;        /* an authenticated check or answer came from it */
    bool succeeded;    /* it answered a check of ours */
    bool nominated;    /* by the other side, while we are controlled */
    uint8_t sent_next; /* index into sent: the oldest */
    struct ice_client_sent sent[ICE_CLIENT_SENT_MAX];
};

/* Embedded in the owner's transport; 3 KiB. Fields are for reading (reports). */
struct ice_client {
    /* given */
    struct ice_credentials local;
    struct ice_credentials remote;
    enum net_family family;
    usec connect_deadline;
    /* derived */
    enum ice_client_state state;
    bool controlled; /* our role now */
    int8_t nominee;  /* controlling: index of the pair our checks nominate, or -1 */
    int8_t selected; /* index into pairs, or -1 */
    uint8_t pair_count;
    struct ice_client_pair pairs[ICE_CLIENT_PAIR_MAX];
    uint64_t tie_breaker;
    uint64_t random_state;
    usec paced_until; /* no check before */
    usec started_at;
    usec selected_at;        /* first selection; USEC_NEVER: none yet */
    usec consented_at;       /* last answer of the selected pair */
    struct net_addr mapped;  /* how the other side sees us: XOR-MAPPED-ADDRESS of the last answer */
    int64_t rtt_us;          /* of the last answered check; -1: none yet */
    int64_t rtt_us_min;      /* the shortest so far; -1: none yet */
    uint32_t check_count;    /* sent */
    uint32_t success_count;  /* of them, answered with success */
    uint32_t request_count;  /* received */
    uint32_t rejected_count; /* of them, refused; as ice_lite counts */
    uint16_t last_error_code; /* of the last error response to a check, believable or not; 0 none */
    uint16_t role_change_count;
};

/* OK; ERR_UNSUPPORTED if a remote credential is longer than ICE_UFRAG_MAX or ICE_PWD_MAX,
 * ERR_MALFORMED if it is empty; ice is then not usable. Copies everything. */
MUST_USE enum err ice_client_init(struct ice_client *ice, const struct ice_client_config *config,
                                  usec now);

/* Takes up a remote candidate of component 1, at any time; one known already (or learned as
 * peer-reflexive) gets the new priority. Its check is due at once, paced.
 *
 * OK; ERR_UNSUPPORTED (not UDP, no port, no host, link-local, or a family the socket cannot send
 * to: skip it), ERR_FULL, ERR_BAD_STATE (failed or expired). */
MUST_USE enum err ice_client_add_candidate(struct ice_client *ice, const struct net_addr *addr,
                                           uint32_t priority, usec now);

/* Handles one parsed STUN message that came from `from`: request, response or indication.
 *
 * response  what to send back to `from` is appended; nothing appended = send nothing. Room for
 *           STUN_MESSAGE_MAX is always enough
 * ret       NONE or SELECTED; written only on OK
 *
 * OK; or the reason why nothing changed. Requests, perhaps with an error response: as
 * ice_lite_receive(), where ERR_FULL also is a new address beyond ICE_CLIENT_PAIR_MAX (500).
 * Responses: ERR_NOT_FOUND (not to a check of ours, from elsewhere, or too late), ERR_AUTH
 * (MESSAGE-INTEGRITY missing or wrong, so also most 400 and 401: see last_error_code),
 * ERR_UNSUPPORTED (an attribute we had to know, or an error other than 487). The checks go on. */
MUST_USE enum err ice_client_receive(struct ice_client *ice, const struct stun_message *m,
                                     const struct net_addr *from, usec now, struct writer *response,
                                     enum ice_client_event *ret);

/* When tick and next_check want to be called; may be in the past. USEC_NEVER once failed or
 * expired. */
usec ice_client_deadline(const struct ice_client *ice);
enum ice_client_event ice_client_tick(struct ice_client *ice, usec now);

/* Appends the next due check to out, which needs room for STUN_MESSAGE_MAX, and says where to send
 * it; false, and nothing written, if none is due now. Cost: one HMAC-SHA1. */
bool ice_client_next_check(struct ice_client *ice, usec now, struct writer *out,
                           struct net_addr *ret_to);

/* Has this address passed an authenticated check, theirs or ours? */
bool ice_client_is_valid(const struct ice_client *ice, const struct net_addr *addr);
/* Where to send media, or NULL while connecting. Valid until the next call that changes ice. */
const struct net_addr *ice_client_selected(const struct ice_client *ice);

static_assert(sizeof(struct ice_client) < 4096, "thousands of bots have one each");

#endif
