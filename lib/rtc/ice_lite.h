/* ice_lite.h - the ICE-lite agent of one transport, one component (RFC 8445, RFC 7675).
 *
 * Pure: no socket, clock, randomness or allocation. We are always the controlled, lite side: the
 * participant sends checks, we authenticate and answer them, remember which of its addresses are
 * valid, and follow its nomination. Checks are the consent to send (RFC 7675), address by address:
 * 30 s without one and an address is valid no more; without any address the transport is dead.
 *
 * Restart keeps media flowing: ice_lite_restart() adds new credentials beside the old ones; the
 * first check authenticated with the new ones retires the old ones; media stays where it is until
 * an address of the new generation is nominated, and what still comes from the old addresses is
 * taken for ICE_OVERLAP_TIME after that. While a restart is pending the transport lives, with
 * addresses or without, for ICE_CONSENT_TIMEOUT from when it was asked for.
 *
 * A participant whose NAT gives it another address checks from there, and not all of them nominate
 * again: an address that is checked takes the place of a selected one that has been silent for
 * ICE_SILENT_TIME.
 *
 * Whoever can listen could send a recorded check again, from anywhere. So the newest transactions
 * are remembered: a copy of one is answered, as the copy of a request must be, and changes nothing.
 *
 * Rules for the caller: DTLS and SRTP are accepted only from addresses for which
 * ice_lite_is_valid() is true; media is sent to ice_lite_selected(); DTLS answers go where the DTLS
 * came from.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_ICE_LITE_H
#define RTC_ICE_LITE_H

#include "rtc/stun.h"

#define ICE_UFRAG_MAX       32 /* of ours and of theirs; RFC 8839 allows 256, nobody uses more */
#define ICE_PWD_MAX         128
#define ICE_UFRAG_LEN       8  /* of the ones we make: 48 bits */
#define ICE_PWD_LEN         24 /* 144 bits; RFC 8445 wants 128 */
#define ICE_RANDOM_LEN      (ICE_UFRAG_LEN + ICE_PWD_LEN)
#define ICE_REMOTE_MAX      8  /* remote addresses remembered; the stalest makes room */
#define ICE_SEEN_MAX        32 /* transactions remembered: a browser's last minute */
#define ICE_CONSENT_TIMEOUT SECONDS(30)
#define ICE_OVERLAP_TIME    SECONDS(3) /* old addresses after a restart: what is on its way */
#define ICE_SILENT_TIME     SECONDS(7) /* consent is asked for every 4 to 6 s (RFC 7675 §5.1) */

/* Zero-terminated text. */
struct ice_credentials {
    char ufrag[ICE_UFRAG_MAX + 1];
    char pwd[ICE_PWD_MAX + 1];
};

enum ice_event {
    ICE_EVENT_NONE,
    ICE_EVENT_VALIDATED, /* `from` of this request is a valid address for the first time */
    ICE_EVENT_SELECTED,  /* ice_lite_selected() changed (its address may be new and valid, too;
                          * from tick: or there is none) */
    ICE_EVENT_REPEATED,  /* a copy of a check that came before: says nothing of its sender */
    ICE_EVENT_EXPIRED,   /* consent is gone; from tick only, once; close the transport */
};

struct ice_remote {
    struct net_addr addr;
    usec checked_at;   /* last authenticated check */
    usec nominated_at; /* last check with USE-CANDIDATE; USEC_NEVER: none yet */
    usec expires_at;   /* its consent, or its overlap if that ends earlier */
    uint32_t priority; /* PRIORITY of its last check */
    uint8_t generation;
};

/* Embedded in a transport, owned by its worker. Fields are for reading (statistics). */
struct ice_lite {
    /* given */
    struct ice_credentials local;
    struct ice_credentials next;          /* during a restart; ufrag "" otherwise */
    char remote_ufrag[ICE_UFRAG_MAX + 1]; /* "" = not checked */
    char next_remote_ufrag[ICE_UFRAG_MAX + 1];
    /* derived */
    struct ice_remote remotes[ICE_REMOTE_MAX];
    uint8_t remote_count;
    int8_t selected; /* index into remotes, or -1 */
    uint8_t generation;
    bool expired;
    usec started_at;             /* init or restart: a check must come in ICE_CONSENT_TIMEOUT */
    uint32_t seen[ICE_SEEN_MAX]; /* of transaction ids, a ring */
    uint32_t seen_count;
    uint64_t request_count;
    uint64_t rejected_count; /* authentication, format, role */
};

/* Credentials from caller's randomness (uniform bytes). Characters of RFC 8839 ice-char. */
void ice_credentials_make(const uint8_t random[ICE_RANDOM_LEN], struct ice_credentials *ret);

/* local         copied; ufrag 4+ and pwd 22+ characters (our own: checked)
 * remote_ufrag  copied; empty = accept any. ERR_UNSUPPORTED if longer than ICE_UFRAG_MAX. */
MUST_USE enum err ice_lite_init(struct ice_lite *ice, const struct ice_credentials *local,
                                struct bytes remote_ufrag, usec now);

/* Begins an ICE restart; a second one before the first is used replaces it, but does not live
 * longer: who only asks for restarts and never checks is gone in time. ERR_UNSUPPORTED as above. */
MUST_USE enum err ice_lite_restart(struct ice_lite *ice, const struct ice_credentials *next,
                                   struct bytes remote_ufrag, usec now);

/* Handles one parsed Binding request or indication that came from `from`.
 *
 * request   result of stun_parse(); class STUN_REQUEST or STUN_INDICATION
 * response  what to send back to `from` is appended; nothing appended = send nothing. Room for
 *           STUN_MESSAGE_MAX is always enough
 * ret       written only on OK
 *
 * OK; or the reason of refusal, where `response` may hold an error response all the same:
 * ERR_AUTH (401, or 400 without credentials), ERR_UNSUPPORTED (420 or another method or class),
 * ERR_BAD_STATE (487 role conflict; or expired), ERR_MALFORMED (400), ERR_FULL (response full). */
MUST_USE enum err ice_lite_receive(struct ice_lite *ice, const struct stun_message *request,
                                   const struct net_addr *from, usec now, struct writer *response,
                                   enum ice_event *ret);

/* An authenticated packet (SRTP, SRTCP) came from there. It says no less than a check does that the
 * participant is there, and not every agent goes on checking (those of RFC 5245 send indications):
 * it renews the consent of its address, to the second. */
void ice_lite_on_authentic(struct ice_lite *ice, const struct net_addr *from, usec now);

/* Whether a check came then or later. */
bool ice_lite_is_checked(const struct ice_lite *ice, usec since);

/* When ice_lite_tick() wants to be called; USEC_NEVER once expired. */
usec ice_lite_deadline(const struct ice_lite *ice);
/* Forgets addresses without consent. NONE, SELECTED (the selected address went; the nominated one
 * that is alive takes its place, or none) or EXPIRED. Which are valid may change with NONE, too. */
enum ice_event ice_lite_tick(struct ice_lite *ice, usec now);

/* Has this address passed an authenticated check, and is its consent fresh as of the last tick?
 * Cost: at most ICE_REMOTE_MAX comparisons. */
bool ice_lite_is_valid(const struct ice_lite *ice, const struct net_addr *addr);
/* New credentials wait for their first check. */
bool ice_lite_is_restarting(const struct ice_lite *ice);
/* The nominated address, or NULL before nomination and when its consent is gone. Valid until the
 * next call that changes ice. */
const struct net_addr *ice_lite_selected(const struct ice_lite *ice);
/* Does this ufrag (of the current or the pending generation) belong to us? */
bool ice_lite_has_ufrag(const struct ice_lite *ice, struct bytes ufrag);

enum ice_candidate_type { ICE_HOST = 126, ICE_PRFLX = 110, ICE_SRFLX = 100, ICE_RELAY = 0 };
/* RFC 8445 §5.1.2.1. local_preference: higher is preferred; component 1 = RTP. */
uint32_t ice_candidate_priority(enum ice_candidate_type type, uint16_t local_preference,
                                uint8_t component);

#endif
