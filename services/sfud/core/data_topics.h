/* data_topics.h - the topics of a room: what its participants' channels are about.
 *
 * A topic is there while somebody holds it, who opened a channel for it or sends in one. Whoever
 * else is in the room may be given a channel of each: so a room has no more topics than a
 * participant has places for them, and no participant holds them all (data_rooms.h).
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_DATA_TOPICS_H
#define SFUD_CORE_DATA_TOPICS_H

#include "common/base.h"
#include "common/bytes.h"

enum {
    DATA_LABEL_MAX = 64, /* bytes */
    /* Of a room. Each may take a stream of our parity at every participant, of SCTP_STREAMS / 2:
     * a few are left for those that are being closed. */
    DATA_TOPICS_MAX = 24,
};

/* Channels of the same label and manner are of one topic. */
struct data_topic {
    bool is_reliable, is_ordered;
    uint8_t label[DATA_LABEL_MAX];
    size_t label_len;
};

/* What of the label is over DATA_LABEL_MAX is cut. */
struct data_topic data_topic_of(struct bytes label, bool is_reliable, bool is_ordered);
bool data_topic_equals(const struct data_topic *a, const struct data_topic *b);

/* Zero is empty. */
struct data_topics {
    struct {
        struct data_topic topic;
        unsigned holder_count; /* 0: free */
    } at[DATA_TOPICS_MAX];
};

/* One more holds it. ERR_FULL: it is new, and there are DATA_TOPICS_MAX. */
MUST_USE enum err data_topics_hold(struct data_topics *t, const struct data_topic *topic);
/* One of those who hold it does no more. */
void data_topics_release(struct data_topics *t, const struct data_topic *topic);
bool data_topics_has(const struct data_topics *t, const struct data_topic *topic);

#endif
