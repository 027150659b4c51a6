/* bot_media.h - what a bot does with received media besides measuring it: records it, sends it
 * back. Shared by the bot_*.c files only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_BOT_MEDIA_H
#define LOADTEST_BOT_MEDIA_H

#include "core/bot_private.h"
#include "core/recording.h"

enum {
    BOT_TAPES_MAX = 256,
    BOT_FLUSH_US = 1000000,  /* what was received is in its file this much later */
    BOT_FLUSH_BYTES = 65536, /* or as soon as so much waits */
    BOT_ACTIONS_SPARED = 16, /* of an outbound, for all that is not a file */
};

/* One stream of a publisher, whichever slots it came in. */
struct tape {
    struct recording *recording;
    char publisher_id[64], publisher[BOT_NAME_MAX], source[16];
    char *path; /* NULL: it is listened to, not kept */
    /* where it came from last: only compared */
    const struct sink *sink;
    usec mapped_at;
    uint32_t ssrc;
    struct ear *ear;  /* of a headless client's audio */
    unsigned tone_hz; /* heard last; 0: none */
};

struct bot_media {
    struct tape tapes[BOT_TAPES_MAX];
    size_t tape_count;
    usec flush_at; /* USEC_NEVER: nothing waits */
    bool records, listens, ended;
    char echo_id[64]; /* publisher whose media is sent back; "": nobody */
};

/* NULL state unless the group records or echoes, or the bot is a headless client. False without
 * memory. */
bool bot_media_init(struct bot *b);
void bot_media_done(struct bot *b);

/* leg_config.media; data is the bot. */
bool bot_media_on_packet(void *data, const struct sink *from, const struct sink_packet *p,
                         usec now);
void bot_media_tick(struct bot *b, usec now, struct outbound *out);
usec bot_media_deadline(const struct bot *b);
/* The bot leaves for good: files are ended. */
void bot_media_end(struct bot *b, usec now, struct outbound *out);

/* Who is echoed: the first who publishes, as long as they do. "": nobody is. */
const char *bot_media_echo_id(struct bot *b);

#endif
