/* limits.h - every number sfud is sized by, with its reason. What a worker may hold is allocated
 * once, at start, from these; reaching one is ERR_FULL or a counted drop, never an allocation.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_LIMITS_H
#define SFUD_LIMITS_H

#include_next <limits.h> /* system headers that mean the C library's find this one first */

#include "rtc/sdp.h"

enum {
    /* Names. A room is "<org>/<name>" (63 + 1 + 128 bytes), a participant "p_" and 16 digits. */
    ROOM_KEY_MAX = 199,
    PARTICIPANT_KEY_MAX = 63,

    /* Per worker: a node of 8 workers is designed for 5,000 participants; one room that fits a node
     * lands on one worker for now, so one worker takes a whole room of 1,000. */
    WORKER_PARTICIPANTS_MAX = 1024,
    WORKER_ROOMS_MAX = 1024,
    /* m-lines over all participants: 4 sent and 13 received each is the default layout. */
    WORKER_TRACKS_MAX = WORKER_PARTICIPANTS_MAX * 4,
    WORKER_SLOTS_MAX = WORKER_PARTICIPANTS_MAX * 16,
    /* Streams that really flow (a camera has 3). Few of a room's members have everything on. */
    WORKER_ENCODINGS_MAX = WORKER_PARTICIPANTS_MAX * 4,
    /* Payloads kept to answer NACKs: 64 Ki x 1.5 KiB = 96 MiB, touched only as it is used; about
     * 250 are held per publishing camera (1 s of 2 Mbit/s). */
    WORKER_CACHED_PACKETS_MAX = 65536,
    /* Packets waiting between receive and flush, over all viewers of one pass. When three quarters
     * are taken worker_wants_flush() says so: 256 datagrams to 500 viewers each. */
    WORKER_QUEUE_MAX = 131072,

    /* One pass. The I/O backend hands in at most this many datagrams before worker_pass_end(). */
    PASS_DATAGRAMS_MAX = 256,
    /* A UDP payload that fits every path we care about; more is not cached and not forwarded. */
    DATAGRAM_SIZE_MAX = 1500,
    /* What a forwarded packet has beside its payload: RTP header 12, extensions about 20, tag 16.
     */
    PACKET_OVERHEAD = 48,

    /* Per participant. */
    TRANSPORT_MEDIA_MAX = SDP_MEDIA_MAX,
    TRACK_ENCODINGS_MAX = 3, /* rids q, h, f */
    SOURCES_COUNT_MAX = 4,

    /* slots.set names of tracks not here yet are kept in the slot itself. */
    SPEAKERS_MAX = 8, /* listed in one speakers event */
    SCORES_MAX = 8,   /* in one quality event; a room may need several */

    /* DTLS, on a thread of its own. Datagrams on their way to it, per worker: as many as a pass
     * brings in; and what each ring between them holds: some passes. 1.8 KiB each. */
    ASSOCIATION_QUEUE_MAX = PASS_DATAGRAMS_MAX,
    ASSOCIATION_RING_MAX = 1024,
    /* Of one participant: a handshake has a dozen, repetitions included; more is a flood. */
    ASSOCIATION_DATAGRAMS_PER_SEC = 32,
    ASSOCIATION_DATAGRAMS_BURST = 64,
    /* The same with data channels: what data_rooms.h lets somebody send, and one acknowledgement
     * for every second packet of what others send. */
    ASSOCIATION_DATA_PER_SEC = 1500,
    ASSOCIATION_DATA_BURST = 3000,
    /* Handshakes that OpenSSL holds state of (60 KiB each, 200 with fragments): a core completes
     * 500 in a second, and each takes two round trips. More wait for their turn. */
    HANDSHAKES_RUNNING_MAX = 256,
    /* Datagrams given to handshakes in one turn, 1 to 2 ms of CPU each; associations that are up
     * have their turn in between. */
    HANDSHAKE_STEPS_PER_TURN = 8,
    HANDSHAKE_INPUTS_MAX = 8, /* datagrams one of them may have waiting */
    /* All that one of them may send: certificates of 16 KiB, thrice. */
    HANDSHAKE_BYTES_MAX = 48 * 1024,

    /* Answers to commands and transport changes not yet taken by worker_next_event(). */
    WORKER_EVENTS_MAX = 4096,

    /* One UDP GSO send: the kernel takes up to 64 segments and 64 KiB. */
    OUTBOX_SEGMENTS_MAX = 64,
    OUTBOX_SEND_BYTES_MAX = 65000,
    OUTBOX_SCRATCH_BYTES = 256 * 1024,    /* suggested; at least OUTBOX_SCRATCH_BYTES_MIN */
    OUTBOX_SCRATCH_BYTES_MIN = 64 * 1024, /* one whole GSO send */
    OUTBOX_SENDS_MAX = 512,               /* suggested */

    /* ICE-TCP, per worker. Every participant of a worker may have come by TCP; while they connect
     * browsers open one for each pair of addresses, and keep the best. */
    TCP_CONNECTIONS_MAX = 1024,
    /* Of one IPv4 address or IPv6 /64: an office of 60 behind one NAT, four each while they
     * connect. One address cannot take more than a quarter of the table. */
    TCP_ADDRESS_CONNECTIONS_MAX = 256,
    TCP_FRAME_SIZE_MAX = DATAGRAM_SIZE_MAX, /* participants send what would fit UDP as well */
    /* One read: 40 ms of a camera of 3 Mbit/s; a turn of the thread is far shorter. */
    TCP_RECEIVE_BYTES = 16 * 1024,
    /* What waits beyond the kernel's own buffer: a keyframe of 1080p, half a second of 2 Mbit/s.
     * More would only be late. */
    TCP_SEND_BYTES = 128 * 1024,
    TCP_KERNEL_SEND_BYTES = 64 * 1024, /* SO_SNDBUF: the kernel doubles it */
    TCP_ACCEPTS_PER_PASS = 16,
    TCP_FRAMES_PER_PASS = 64, /* a quarter of a pass: UDP comes first */
};

/* Times in microseconds. */
#define TRANSPORT_CONNECT_TIMEOUT             SECONDS(30) /* created, never connected: browsers give up too */
#define TRANSPORT_UNCHECKED_TIME              SECONDS(10) /* no check for so long: the agent sends none */
#define TRANSPORT_UNCHECKED_DISCONNECTED_TIME SECONDS(15) /* … then it is disconnected later */
#define TRANSPORT_DISCONNECTED_TIME           SECONDS(5) /* no authenticated packet: event disconnected */
#define TRANSPORT_FAILED_TIME                 SECONDS(30) /* … event failed, removed (RFC 7675 consent) */
#define PATH_SILENT_TIME                      MILLIS(500) /* nothing authenticated: what we sent may be lost, too */
#define PATH_CHOICE_TIME                      SECONDS(2) /* from their first word on a new path to its nomination */
#define HANDSHAKE_WAIT_TIME                   SECONDS(20) /* for a turn; then the participant gave up, too */
#define RESTART_INTERVAL_MIN                  SECONDS(5) /* DTLS restarts on the participant's own wish */
#define REKEY_TIME                            SECONDS(3) /* what was sealed with the keys before may come */
#define KEYFRAME_INTERVAL_MIN                 MILLIS(200) /* requests per encoding, all askers together */
#define KEYFRAME_RETRY_TIME                                                                        \
    MILLIS(350)                      /* asked, none came: lost, or too soon (browsers: 300 ms)     \
                                      */
#define KEYFRAME_RETRIES_MAX      20 /* then wait until somebody asks again, or waits */
#define KEYFRAME_WAITERS_INTERVAL SECONDS(2)  /* looking for slots that wait and nobody asks for */
#define ENCODING_SILENT_TIME      SECONDS(1)  /* a layer that pauses is not active any more … */
#define ENCODING_SILENT_BESIDE    MILLIS(500) /* … or, while smaller layers of the camera go on */
#define ENCODING_FORGET_TIME      SECONDS(60) /* its memory goes back to the pool */
#define RTCP_REPORT_INTERVAL      SECONDS(1)  /* SR and RR; well below 5 % of any call */
#define RTCP_FIRST_REPORT_TIME    MILLIS(200) /* lip sync wants a sender report soon */
#define SPEAKERS_INTERVAL_MIN     MILLIS(250) /* at most 4 events a second (protocol.md) … */
#define SPEAKERS_INTERVAL_NEW     MILLIS(100) /* … but slots wait for a new voice */
#define SPEAKER_TICK              MILLIS(50)
#define PACKET_CACHE_TIME         MILLIS(1000)
/* Dynacast. Turning a layer on costs a keyframe, and a picture that comes late. */
#define DEMAND_LOWER_TIME      SECONDS(5)  /* upper layers that nobody watches are stopped */
#define DEMAND_NONE_TIME       SECONDS(15) /* … and the whole track */
#define DEMAND_REPEAT_TIME     SECONDS(5)  /* told again if it has no effect, each time later */
#define DEMAND_REPEAT_TIME_MAX SECONDS(80)
/* Statistics. */
#define QUALITY_INTERVAL SECONDS(2) /* scores at most this often (protocol.md) */
#define QUALITY_REPEAT_TIME                                                                        \
    SECONDS(30) /* what is not perfect is told again: events may be lost                           \
                 */
#define QUALITY_WARM_UP_TIME    SECONDS(8)  /* the estimate has to grow first */
#define QUALITY_GATHER_TIME     MILLIS(200) /* scores of a room that go into one event */
#define FREEZE_TIME             MILLIS(500) /* people notice */
#define FREEZE_LOOK_INTERVAL    MILLIS(250)
#define TCP_FIRST_CHECK_TIME    SECONDS(5)  /* open to validated: browsers check at once */
#define TCP_USED_CHECK_INTERVAL SECONDS(10) /* does a transport still have the address? */

#endif
