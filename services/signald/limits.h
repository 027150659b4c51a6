/* limits.h - every limit of signald, with its reason.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_LIMITS_H
#define SIGNALD_LIMITS_H

#include "common/base.h"

#include <assert.h>

/* One text frame: an offer with 64 slots is about 150 KB. */
#define MESSAGE_BYTES_MAX 262144
/* A socket that does not take its messages: room events of a large room for some seconds. */
#define SOCKET_QUEUE_BYTES_MAX (1024 * 1024)
/* Sockets of one process: file descriptors, and one map entry each. */
#define SOCKETS_MAX 20000

/* A client has this long for join or resume. */
#define HELLO_TIMEOUT SECONDS(10)
/* verify + subscribe + place + create (2 tries of 2 s) + join, with room to spare. */
#define JOIN_TIMEOUT SECONDS(12)
/* Own joined event not seen after this: something was lost, read the room again. */
#define CATCH_UP_TIMEOUT MILLIS(500)
#define RESUME_WINDOW    SECONDS(30)
/* By WHIP or WHEP: the node says "disconnected" when it has heard nothing for 5 s, and within 25 s
 * more whether that ended or the media failed. If neither has come by then, the word was lost. */
#define DOOR_SILENCE_MAX SECONDS(27)
/* Who only watches may be that quiet while all is well: checks come every 4 to 6 s (RFC 7675 §5.1),
 * reports every 2.5 to 7.5 s. Shown as not connected only so long after the node's word. */
#define DOOR_VIEWER_PATIENCE SECONDS(5)
/* A reaper gives the owner this much longer before it removes a detached participant. */
#define REAP_GRACE SECONDS(5)
/* A signald must be seen gone for this long (its key lives 5 s) before its people are detached. */
#define REAP_GONE SECONDS(6)
/* A media node's key must be seen away for this long before its participants count as lost. The key
 * lives 5 s and is written every second, so the node has then been silent for 8 to 9 s. Four looks:
 * a hiccup of one side does not cut off everybody. Only while our own link to Redis is up
 * throughout. */
#define NODE_LOST SECONDS(4)
/* Sooner if a participant says that nothing arrives from it (believed for so long), and so many
 * looks in a row, a second apart, show either that nobody listens to its requests at Redis (its
 * process has ended: the kernel closes its sockets at once), or the same heartbeat (its machine has
 * gone; a healthy one may be seen twice). A false alarm costs little: who joins elsewhere keeps the
 * old media until the new are there. */
#define NODE_DOUBT            SECONDS(10)
#define NODE_DEAF_LOOKS_MIN   2
#define NODE_SILENT_LOOKS_MIN 3
/* The same for a node that we have not seen since our link came up: after an outage it may need up
 * to 2 s of backoff and 2 s for a connection, twice, before its key is back. */
#define NODE_LOST_UNSEEN SECONDS(10)
#define RETRY_AFTER      MILLIS(1000)
/* A room may be found on a lost node, and be moved by others meanwhile, this often in one join. */
#define PLACE_ATTEMPTS_MAX 4
/* Draining sockets are told over this time, so that not everybody resumes in one instant. */
#define DRAIN_SPREAD      SECONDS(2)
#define PING_PERIOD_SEC   15
#define SILENCE_LIMIT_SEC 30

/* Refused tokens of one address are recorded this often: the audit log only grows, and strangers
 * must not be able to fill it. */
#define REFUSED_AUDIT_PERIOD SECONDS(10)

/* Messages of one socket. */
#define MESSAGES_PER_SEC 50
#define MESSAGES_BURST   100
/* Refused messages before the socket is closed with 4429. */
#define EXCESS_PER_SEC 10
#define EXCESS_BURST   200

#define VIEW_ENTRIES_MAX 64
#define SLOTS_MAX        160
/* Link headers of one answer, some 250 bytes each. */
#define ICE_URLS_MAX        8
#define SOURCES_MAX         16
#define MID_BYTES_MAX       16
#define CHAT_CHARS_MAX      4000
#define CHAT_HISTORY_MAX    100
#define CHAT_ID_MAX         31
#define DIMENSION_MAX       16384
#define PARTICIPANT_ID_MAX  31
#define INSTANCE_ID_MAX     127
#define ROOM_WIRE_CHARS_MAX 64
/* <org>/<name> */
#define ROOM_ID_MAX 135
/* Events kept while a snapshot is under way; beyond, another snapshot is read. */
#define ROOM_WAITING_MAX 512
#define NODES_MAX        256
/* Recompute slots of a busy room at most this often. */
#define SLOTS_PERIOD    MILLIS(50)
#define SPEAKERS_PERIOD MILLIS(200)
/* Requests to a node that must arrive are repeated this often, one second apart. */
#define NODE_ATTEMPTS_MAX 30

static_assert(ROOM_ID_MAX > ROOM_WIRE_CHARS_MAX + 64, "an org and a name fit");

#endif
