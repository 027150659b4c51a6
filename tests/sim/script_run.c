/* script_run.c - one script, played and judged. SPDX-License-Identifier: Apache-2.0 */
#include "script.h"

#include "core/bot_private.h"

#include <stdio.h>
#include <stdlib.h>

#define STILL   SECONDS(1)  /* pictures that are this old do not move */
#define SILENCE MILLIS(600) /* comfort noise comes every 400 ms */
#define SETTLED SECONDS(5)  /* who is connected for less is given time */
#define SWITCH  SECONDS(3)  /* a layer that has only just begun is given so long */
#define GONE    SECONDS(2)  /* after the last has left */

struct run {
    const struct script *script;
    struct sim sim;
    struct judge *judge;
    bool is_muted[SIM_BOTS_MAX][2];
    bool is_verbose;
    /* of the viewers' slots, SWITCH before the end: another layer than should be */
    bool had_wrong_layer[SIM_BOTS_MAX][SIM_SLOTS_MAX];
};

/* --- events --- */

static void play(struct run *r, const struct script_event *e)
{
    struct sim *s = &r->sim;
    struct bot *b = s->bots[e->bot].bot;
    bool is_here = bot_state(b) == BOT_CONNECTED;
    switch (e->kind) {
    case SCRIPT_START:
        sim_start_bot(s, e->bot);
        break;
    case SCRIPT_NETWORK:
        sim_set_network(s, e->bot, &e->network);
        break;
    case SCRIPT_LOSE_KEYFRAMES:
        judge_lose_keyframes(r->judge, e->bot, e->share);
        break;
    case SCRIPT_REJOIN:
        if (is_here)
            sim_rejoin(s, e->bot);
        break;
    case SCRIPT_LEAVE:
        sim_leave(s, e->bot);
        break;
    case SCRIPT_CUT:
        if (is_here && s->bots[e->bot].socket != 0)
            sim_cut(s, e->bot);
        break;
    case SCRIPT_VIEW:
        sim_look(s, e->bot, e->random);
        break;
    case SCRIPT_MUTE:
    case SCRIPT_UNMUTE:
        sim_mute(s, e->bot, e->what, e->kind == SCRIPT_MUTE);
        break;
    }
}

static void describe(const struct run *r, const struct script_event *e)
{
    static const char *const names[] = { "start", "network", "lose keyframes", "rejoin", "leave",
                                         "cut",   "view",    "mute",           "unmute" };
    fprintf(stderr, "%10.6f bot %u: %s", (double)e->at / 1e6, e->bot, names[e->kind]);
    const struct network_path *paths[] = { &e->network.up, &e->network.down };
    for (unsigned i = 0; i < 2 && e->kind == SCRIPT_NETWORK; i++)
        fprintf(stderr, "%s loss %.3f burst %.3f delay %d+%d ms rate %u k reorder %.3f twice %.3f",
                i == 0 ? "" : " | down", paths[i]->loss, paths[i]->burst_enter,
                (int)(paths[i]->delay_us / 1000), (int)(paths[i]->jitter_us / 1000),
                (unsigned)(paths[i]->rate_bps / 1000), paths[i]->reorder, paths[i]->duplicate);
    fprintf(stderr, "\n");
    (void)r;
}

static void check_bounds(struct run *r)
{
    const char *why = sim_node_unbounded(r->sim.node);
    if (why != NULL)
        judge_fail(r->judge, "%s", why);
}

static void run_until(struct run *r, usec at)
{
    while (r->sim.now < at && judge_failure(r->judge) == NULL) {
        sim_run(&r->sim, MIN(at - r->sim.now, MILLIS(500)));
        check_bounds(r);
    }
}

/* --- the end: all is well again --- */

static struct sink *sink_of(const struct bot *b, const char *mid)
{
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        struct sink *s = b->legs[i] == NULL ? NULL : leg_find_sink(b->legs[i], mid);
        if (s != NULL)
            return s;
    }
    return NULL;
}

static bool is_settled(const struct run *r, const struct bot *b)
{
    return b->state == BOT_CONNECTED && b->connected_at < r->sim.now - SETTLED;
}

static const struct bot *publisher_of(const struct run *r, const struct sim_slot *slot)
{
    struct sim_server *server = (struct sim_server *)&r->sim.server;
    const struct sim_member *m = sim_server_find(server, slot->publisher);
    int index = m == NULL ? -1 : bot_index_of_name(m->name);
    return index < 0 ? NULL : r->sim.bots[index].bot;
}

/* The layer that should be seen: what was asked for, or the best that the publisher's uplink
 * carries. That nobody watches it is no reason, for this viewer does. -1: none is sent. */
static int layer_due(const struct bot *publisher, const struct sim_slot *slot)
{
    int due = -1;
    unsigned index = 0;
    const struct leg *l = publisher->legs[0];
    for (unsigned i = 0; l != NULL && i < l->source_count; i++) {
        const struct source *s = l->sources[i];
        for (unsigned k = 0; k < source_layer_count(s); k++, index++) {
            if (index <= slot->layer && index < l->layers.active && l->sends)
                due = (int)(s->layer + k);
        }
    }
    return due;
}

static bool has_wrong_layer(const struct run *r, const struct bot *viewer,
                            const struct sim_slot *slot)
{
    const struct bot *publisher = publisher_of(r, slot);
    const struct sink *sink = sink_of(viewer, slot->mid);
    return slot->kind == MEDIA_VIDEO && publisher != NULL && is_settled(r, publisher) &&
           sink != NULL && sink->has_sender && sink->last_layer != layer_due(publisher, slot);
}

static void check_slot(struct run *r, const struct bot *viewer, const struct sim_slot *slot)
{
    const struct bot *publisher = publisher_of(r, slot);
    if (publisher == NULL || !is_settled(r, publisher))
        return;
    const struct sink *sink = sink_of(viewer, slot->mid);
    bool is_video = slot->kind == MEDIA_VIDEO;
    const char *what = is_video ? "picture" : "sound";
    unsigned index = bot_index(publisher), from = bot_index(viewer);
    if (sink == NULL) {
        judge_fail(r->judge, "bot %u: no stream for mid %s", from, slot->mid);
        return;
    }
    usec at = is_video ? sink->last_frame_at : sink->last_packet_at;
    if (!sink->started || at == USEC_NEVER)
        judge_fail(r->judge, "bot %u never got a %s of bot %u in mid %s", from, what, index,
                   slot->mid);
    else if (at < r->sim.now - (is_video ? STILL : SILENCE))
        judge_fail(r->judge, "bot %u: the last %s of bot %u came %.3f s ago (mid %s)", from, what,
                   index, (double)(r->sim.now - at) / 1e6, slot->mid);
    else if (sink->has_sender && sink->last_sender != index)
        judge_fail(r->judge, "bot %u gets a %s of bot %u, not of %u (mid %s)", from, what,
                   sink->last_sender, index, slot->mid);
}

static void look_at_layers(struct run *r)
{
    for (unsigned i = 0; i < r->sim.bot_count; i++) {
        const struct bot *b = r->sim.bots[i].bot;
        const struct sim_member *m = sim_server_named(&r->sim.server, bot_name(b));
        for (size_t k = 0; m != NULL && k < m->slot_count; k++)
            r->had_wrong_layer[i][k] = has_wrong_layer(r, b, &m->slots[k]);
    }
}

static void check_layer(struct run *r, const struct bot *viewer, const struct sim_slot *slot,
                        bool had_wrong_layer)
{
    if (!had_wrong_layer || !has_wrong_layer(r, viewer, slot))
        return;
    const struct bot *publisher = publisher_of(r, slot);
    judge_fail(r->judge, "bot %u sees layer %u of bot %u, not %d (mid %s, asked for %u)",
               bot_index(viewer), sink_of(viewer, slot->mid)->last_layer, bot_index(publisher),
               layer_due(publisher, slot), slot->mid, slot->layer);
}

static void check_healed(struct run *r, struct script_result *ret)
{
    for (unsigned i = 0; i < r->sim.bot_count; i++) {
        const struct bot *b = r->sim.bots[i].bot;
        if (r->script->leaves[i])
            continue;
        const struct sim_member *m = sim_server_named(&r->sim.server, bot_name(b));
        ret->connected += b->state == BOT_CONNECTED;
        for (size_t k = 0; m != NULL && is_settled(r, b) && k < m->slot_count; k++) {
            if (m->slots[k].publisher[0] == '\0')
                continue;
            check_slot(r, b, &m->slots[k]);
            check_layer(r, b, &m->slots[k], r->had_wrong_layer[i][k]);
        }
    }
}

static void check_nothing_left(struct run *r)
{
    for (unsigned i = 0; i < r->sim.bot_count; i++) {
        if (bot_state(r->sim.bots[i].bot) != BOT_LEFT)
            sim_leave(&r->sim, i);
    }
    sim_run(&r->sim, GONE + SECONDS(31)); /* those whose signaling was cut when they left */
    const char *why = sim_node_leaks(r->sim.node);
    if (why != NULL)
        judge_fail(r->judge, "everybody has left, but %s", why);
}

static void show_state(struct run *r)
{
    for (unsigned i = 0; i < r->sim.bot_count; i++) {
        const struct bot *b = r->sim.bots[i].bot;
        fprintf(stderr, "bot %u: state %d %s\n", i, (int)b->state, b->failure.error);
        for (unsigned k = 0; b->legs[0] != NULL && k < b->legs[0]->sink_count; k++) {
            const struct sink *s = b->legs[0]->sinks[k];
            fprintf(stderr, "    mid %s %s %08x: publisher %d, last sender %d layer %d, %s\n",
                    s->mid, s->kind == MEDIA_VIDEO ? "video" : "audio", s->ssrc, s->publisher,
                    s->has_sender ? s->last_sender : -1, s->last_layer,
                    s->started ? "started" : "never started");
        }
    }
}

void script_run(const struct script *script, uint64_t seed, bool is_verbose,
                struct script_result *ret)
{
    struct run *r = calloc(1, sizeof *r);
    check(r != NULL);
    *r = (struct run){ .script = script, .is_verbose = is_verbose };
    *ret = (struct script_result){ .bots = script->bot_count,
                                   .seconds = (double)script->duration / 1e6 };
    sim_init(&r->sim, script->yaml, seed);
    r->judge = judge_new(&r->sim);
    usec start = r->sim.now;
    for (size_t i = 0; i < script->event_count; i++) {
        run_until(r, start + script->events[i].at);
        if (judge_failure(r->judge) != NULL)
            break;
        if (is_verbose)
            describe(r, &script->events[i]);
        play(r, &script->events[i]);
    }
    run_until(r, start + script->duration - SWITCH);
    look_at_layers(r);
    run_until(r, start + script->duration);
    if (judge_failure(r->judge) == NULL)
        check_healed(r, ret);
    if (is_verbose)
        show_state(r);
    if (judge_failure(r->judge) == NULL)
        check_nothing_left(r);
    ret->hash = judge_hash(r->judge);
    ret->matched = judge_matched(r->judge);
    ret->packets = r->sim.datagrams_up + r->sim.datagrams_down;
    if (judge_failure(r->judge) != NULL)
        (void)snprintf(ret->failure, sizeof ret->failure, "%s", judge_failure(r->judge));
    judge_free(r->judge);
    sim_done(&r->sim);
    free(r);
}
