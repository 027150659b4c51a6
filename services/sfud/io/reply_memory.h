/* reply_memory.h - answers kept for a while, so that a request that is repeated gets the same one.
 *
 * Time is a parameter. Control thread only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_REPLY_MEMORY_H
#define SFUD_IO_REPLY_MEMORY_H

#include "common/map.h"

#define REPLY_MEMORY_TIME SECONDS(10) /* signald repeats once, after 2 s */
enum { REPLY_MEMORY_MAX = 16384 };    /* beyond: the oldest is forgotten early */

struct remembered;

struct reply_memory {
    struct map by_id;
    struct remembered *oldest, *newest;
};

void reply_memory_init(struct reply_memory *m, const uint8_t hash_key[16]);
void reply_memory_done(struct reply_memory *m);

enum reply_seen {
    REPLY_NEW,      /* remembered from now on, without an answer */
    REPLY_PENDING,  /* its answer is on the way */
    REPLY_ANSWERED, /* *ret_reply is the answer */
};

/* Looks a request's id up, and enters it if it is new. ret_reply is borrowed until the next call.
 */
enum reply_seen reply_memory_see(struct reply_memory *m, const char *id, usec now,
                                 const char **ret_reply);
/* Keeps a copy of the answer, if the id is still known. */
void reply_memory_answer(struct reply_memory *m, const char *id, const char *reply);

#endif
