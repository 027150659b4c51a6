/* leg.h - one peer connection of a bot: ICE, DTLS, SRTP, and the streams in it.
 *
 *   offer -> answer (or offered -> answer) -> ICE checks -> DTLS -> sources send, sinks receive
 *
 * Pure. Owned by a bot. Look at leg->state and the times after each call.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_LEG_H
#define LOADTEST_LEG_H

#include "core/driver.h"
#include "core/layer_control.h"
#include "core/sink.h"
#include "core/source.h"
#include "core/srtp_session.h"
#include "rtc/ice_client.h"
#include "rtc/sdp_remote.h"
#include "rtc/twcc.h"

enum {
    LEG_SOURCES_MAX = 4, /* a voice and three layers of a camera */
    LEG_SINKS_MAX = 2 * SCENARIO_SLOTS_MAX,
    LEG_FEEDBACK_INTERVAL_US = 20000,
    LEG_REPORT_INTERVAL_US = 1000000,
    LEG_SDP_SIZE = SDP_ANSWER_SIZE_MAX,
};

enum leg_state {
    LEG_NEW,  /* no description of the other side yet */
    LEG_ICE,  /* checking */
    LEG_DTLS, /* handshaking */
    LEG_CONNECTED,
    LEG_FAILED, /* leg->failure says why */
};

struct leg_config {
    const struct bot_world *world;
    const struct group *group;
    unsigned index;     /* of the leg in its bot */
    unsigned bot_index; /* marks what is sent */
    uint64_t seed;
    enum leg_shape shape;
    const struct clip *clips[SCENARIO_LAYERS_MAX]; /* to publish; NULL: none. Ascending */
    unsigned layer_first;                          /* which of the group's layers clips[0] is */
    const struct audio_clip *audio;                /* to publish; NULL: a tone */
    struct measure *measure;
    /* Gets every packet received, in order of arrival; true: ask for a keyframe of it. NULL: nobody
     * wants them. */
    bool (*media)(void *data, const struct sink *from, const struct sink_packet *p, usec now);
    void *media_data;
};

/* The first DTLS of a server that was quicker than its answer to our ICE check. */
struct leg_early {
    struct net_addr from;
    size_t len;
    uint8_t datagram[1500];
};

struct leg {
    struct leg_config config;
    enum leg_state state;
    bool told;        /* the bot knows that it is connected */
    char failure[40]; /* stable: "no-answer", "dtls-timeout", … */
    char failure_text[BOT_ERROR_MAX];
    /* owned */
    struct ice_credentials local;
    struct ice_client ice;
    struct dtls *dtls;
    struct srtp_session *srtp;
    struct sdp_remote *remote;
    struct leg_echo *echo; /* leg_echo.h; instead of sources */
    struct source *sources[LEG_SOURCES_MAX];
    unsigned source_count;
    struct sink *sinks[LEG_SINKS_MAX];
    unsigned sink_count;
    struct twcc_recorder *twcc; /* and its arrivals behind it */
    struct leg_early *early;    /* NULL: none */
    /* derived */
    struct layer_control layers; /* of our camera */
    usec spared_until;           /* measured so far */
    bool sends;
    uint64_t random_state;
    uint16_t transport_seq;
    uint32_t rtcp_ssrc;                 /* of our feedback */
    uint32_t twcc_ssrc;                 /* one that the other side sends */
    usec rtt_us;                        /* newest known round trip; -1: none yet */
    usec described_at, ice_at, dtls_at; /* stages; USEC_NEVER: not yet */
    usec feedback_at, report_at;        /* next */
    usec first_packet_at, first_keyframe_at;
    char camera_mid[SDP_MID_MAX + 1], voice_mid[SDP_MID_MAX + 1];
    char address_text[NET_ADDR_TEXT_SIZE]; /* scratch of messages */
};

/* NULL without memory. */
struct leg *leg_new(const struct leg_config *config, usec now);
void leg_free(struct leg *l);

/* Each writes a description into w. ERR_FULL or what the description's parser says, with text in
 * leg->failure_text. */
MUST_USE enum err leg_write_offer(struct leg *l, struct writer *w);
MUST_USE enum err leg_on_answer(struct leg *l, struct bytes sdp, usec now);
MUST_USE enum err leg_on_offer(struct leg *l, struct bytes sdp, usec now, struct writer *w);

/* An interruption began or ended: told to the bot through this. */
typedef void leg_note(void *data, const struct interruption *i);

void leg_on_datagram(struct leg *l, const struct net_addr *from, uint8_t *datagram, size_t len,
                     usec now, struct outbound *out, leg_note *note, void *data);
void leg_tick(struct leg *l, usec now, struct outbound *out, leg_note *note, void *data);
usec leg_next_deadline(const struct leg *l);
/* close_notify and RTCP BYE, best effort. */
void leg_close(struct leg *l, usec now, struct outbound *out);

struct sink *leg_find_sink(const struct leg *l, const char *mid);
/* Whether the voice sounds (else comfort noise), and whether media flows at all. */
void leg_set_voice(struct leg *l, bool speaks);
void leg_set_sending(struct leg *l, bool sends, usec now);
/* The server says how far our camera is watched: layers above `max` stop, -1: all of them, and
 * those that are watched again begin at once, with a keyframe. */
void leg_set_demand(struct leg *l, int max, usec now);

#endif
