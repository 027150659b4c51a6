/* search.h - looks for the most bots that hold an objective: which number to try next, and when it
 * is known.
 *
 * Pure. Doubles until it fails, then halves the interval down to the resolution. A step that fails
 * is made once more before it counts: one unlucky run is not a limit. A saturated tester ends the
 * search, for more bots would say nothing about the server.
 *
 *     search_init(&s, &config);
 *     while (search_next(&s, &bots))
 *         search_on_result(&s, run(bots));
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SEARCH_H
#define LOADTEST_SEARCH_H

#include "common/base.h"

struct search_config {
    unsigned min, max; /* 1 <= min <= max */
    unsigned start;    /* the first to try; 0: min. Moved into min..max */
    unsigned multiple; /* only multiples of this are tried, as with many rooms; 0: 1 */
    double resolution; /* done when the limit is known to this share of it; 0: 0.05 */
};

enum search_outcome { SEARCH_PASSED, SEARCH_FAILED, SEARCH_SATURATED };

enum search_state {
    SEARCH_RUNNING,
    SEARCH_FOUND,          /* best holds; a little more does not */
    SEARCH_NONE_PASSED,    /* not even min holds; best is 0 */
    SEARCH_MAX_PASSED,     /* max holds: the limit is beyond */
    SEARCH_TESTER_LIMITED, /* best holds; the tester can do no more */
};
const char *search_state_name(enum search_state s); /* "found", …, "tester-limited" */

/* Plain data. */
struct search {
    struct search_config config;
    enum search_state state;
    unsigned best;   /* the most that passed; 0: none yet */
    unsigned worst;  /* the fewest that failed; 0: none yet */
    unsigned trying; /* what search_next() says */
    bool is_repeat;  /* of a step that failed */
};

void search_init(struct search *s, const struct search_config *config);
/* The number to run with; the same until a result came. False: it is over, see state and best. */
bool search_next(const struct search *s, unsigned *ret_bots);
/* What came of it. Only while search_next() says true. */
void search_on_result(struct search *s, enum search_outcome outcome);

#endif
