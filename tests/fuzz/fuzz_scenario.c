/* fuzz_scenario.c - a text as a scenario: parse, deal out the bots, let them speak, scale, and send
 * through its networks. Lines that start with "#--set " are overrides.
 *
 * Agents get scenarios over the network.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "core/netem.h"

#include <stdlib.h>

enum { SETS_MAX = 8, SET_SIZE = 300 };

static char sets[SETS_MAX][SET_SIZE];
static const char *set_list[SETS_MAX];

static size_t read_sets(const uint8_t *data, size_t len)
{
    static const char mark[] = "#--set ";
    size_t count = 0;
    for (size_t at = 0; at < len && count < SETS_MAX;) {
        const uint8_t *end = (const uint8_t *)memchr(data + at, '\n', len - at);
        size_t line = end == NULL ? len - at : (size_t)(end - data) - at;
        size_t skip = sizeof mark - 1;
        if (line > skip && line - skip < SET_SIZE && memcmp(data + at, mark, skip) == 0) {
            memcpy(sets[count], data + at + skip, line - skip);
            sets[count][line - skip] = '\0';
            set_list[count] = sets[count];
            count++;
        }
        at += line + 1;
    }
    return count;
}

static void check_groups(const struct scenario *s)
{
    for (unsigned i = 0; i < s->group_count; i++) {
        const struct group *g = &s->groups[i];
        check(g->bots > 0 && g->watch <= g->video_slots && g->watch_large <= g->watch);
        check(g->video_slots <= SCENARIO_SLOTS_MAX && g->audio_slots <= SCENARIO_SLOTS_MAX);
        check((g->video == VIDEO_OFF) == (g->layer_count == 0));
        check(g->network < (int)s->network_count);
        check(g->listen_share >= 0 && g->listen_share <= 1);
        if (g->talk != TALK_TURNS || g->bots > 200)
            continue;
        unsigned talkers = 0;
        for (unsigned m = 0; m < g->bots; m++) {
            struct bot_place place = { .room = s->rooms - 1, .group = i, .member = m };
            talkers += scenario_talks(s, place, SECONDS(12345));
        }
        check(talkers == g->talkers);
    }
}

static void check_places(const struct scenario *s)
{
    unsigned count = scenario_bot_count(s);
    check(count > 0 && count <= SCENARIO_BOTS_MAX);
    for (unsigned i = 0; i < count; i += 1 + count / 50) {
        struct bot_place place = scenario_place(s, i);
        check(place.room < s->rooms && place.group < s->group_count);
        check(place.member < s->groups[place.group].bots);
    }
    check(scenario_place(s, count - 1).room == s->rooms - 1);
}

static void run_network(const struct network_path *path)
{
    struct netem *n = netem_new(path, 1);
    static const uint8_t payload[1200];
    const struct netem_tag tag = { 0 };
    struct netem_datagram d;
    check(n != NULL);
    for (unsigned i = 0; i < 100; i++) {
        (void)netem_push(n, bytes_of(payload, i * 12), &tag, MILLIS(i));
        while (netem_pop(n, MILLIS(i), &d))
            check(d.len <= sizeof payload && d.due <= MILLIS(i));
    }
    while (netem_in_flight(n) > 0)
        check(netem_pop(n, netem_next_deadline(n), &d));
    netem_free(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char error[SCENARIO_ERROR_MAX];
    memset(error, 'x', sizeof error);
    struct scenario *s = NULL;
    size_t set_count = read_sets(data, len);
    if (scenario_parse(bytes_of(data, len), set_list, set_count, &s, error) != OK) {
        check(s == NULL && error[0] != 'x' && memchr(error, 0, sizeof error) != NULL);
        return 0;
    }
    check(s->duration_us > 0 && s->joins_per_second > 0 && s->rooms > 0);
    check_groups(s);
    check_places(s);
    for (unsigned i = 0; i < s->network_count; i++) {
        run_network(&s->networks[i].up);
        run_network(&s->networks[i].down);
    }
    unsigned wanted = 1 + (unsigned)(len * 7919 % 3000);
    scenario_scale(s, wanted);
    check_groups(s);
    check_places(s);
    scenario_free(s);
    return 0;
}
