/* SPDX-License-Identifier: Apache-2.0 */
#include "core/scenario_check.h"

#include "core/scenario_value.h"
#include "rtc/depdesc_pattern.h"

#include <stdio.h>

/* What is being looked at, and the first thing that was wrong with it. */
struct examiner {
    const struct tree *map;
    char *error;
    enum err err;
};

/* Refuses at the key if it was written, else at the part. */
static void refuse_key(struct examiner *x, const char *key, const char *why)
{
    const struct tree *t = tree_find(x->map, key);
    if (x->err == OK)
        x->err = tree_refuse(t == NULL ? x->map : t, x->error, "%s", why);
}

/* The key has no meaning unless `holds`. */
static void needs(struct examiner *x, const char *key, bool holds, const char *why)
{
    if (!holds && tree_find(x->map, key) != NULL)
        refuse_key(x, key, why);
}

/* The lowest heights that there are clips of, one for each spatial layer. */
static void take_lowest(struct group *g, unsigned count)
{
    static const uint16_t heights[SCENARIO_LAYERS_MAX] = { 180, 360, 720 };
    check(count <= SCENARIO_LAYERS_MAX);
    memcpy(g->layers, heights, sizeof g->layers);
    g->layer_count = count;
}

/* All layers in one stream. */
static void check_scalability(struct examiner *x, struct group *g)
{
    const struct depdesc_pattern *p = depdesc_pattern_find(g->scalability);
    if (p == NULL)
        return;
    char why[VALUE_WHY_MAX];
    if (g->video != VIDEO_ONE || (g->codec != CODEC_VP9 && g->codec != CODEC_AV1))
        refuse_key(x, "scalability",
                   "is for cameras with layers in one stream ('video: vp9' or "
                   "'video: av1')");
    if (g->video_file[0] != '\0')
        refuse_key(x, "scalability", "is for the built-in clips, not for a 'video-file'");
    if (g->layer_count == 0)
        take_lowest(g, p->spatial_count);
    (void)snprintf(why, sizeof why, "are %u, but the spatial layers of %s are %u", g->layer_count,
                   p->name, p->spatial_count);
    if (g->layer_count != p->spatial_count)
        refuse_key(x, "layers", why);
    for (unsigned i = 1; i < g->layer_count; i++)
        if (g->layers[i] != 2 * g->layers[i - 1])
            refuse_key(x, "layers", "of one stream are each twice as high as the one below");
    if (tree_find(x->map, "dependency-descriptor") == NULL)
        g->dependency_descriptor = true;
    if (!g->dependency_descriptor && g->codec == CODEC_AV1)
        refuse_key(x, "dependency-descriptor", "is what tells the layers of AV1 apart");
}

/* Built-in clips have three sizes (loadtest/clips); a file has one, so it is one layer. */
static void check_layers(struct examiner *x, struct group *g)
{
    const struct scenario_key *layers = scenario_key_find(PART_GROUP, "layers");
    bool has_file = g->video_file[0] != '\0';
    char why[VALUE_WHY_MAX];
    if (g->layer_count == 0)
        check(value_read(layers, has_file ? "720" : layers->def, g, why));
    if (has_file && g->layer_count > 1)
        refuse_key(x, "layers", "are more than one, but 'video-file' is one");
    for (unsigned i = 0; i < g->layer_count && !has_file; i++)
        if (g->layers[i] != 180 && g->layers[i] != 360 && g->layers[i] != 720)
            refuse_key(x, "layers", "the built-in clips have the heights 180, 360 and 720");
}

static void check_sending(struct examiner *x, struct group *g)
{
    needs(x, "talkers", g->talk == TALK_TURNS, "is for 'talk: turns'");
    needs(x, "turn", g->talk == TALK_TURNS, "is for 'talk: turns'");
    if (g->talk == TALK_TURNS && g->talkers > g->bots)
        refuse_key(x, "talkers", "are more than the bots of the group");
    bool has_camera = g->video != VIDEO_OFF;
    needs(x, "layers", has_camera, "is for groups with a camera ('video: vp8')");
    needs(x, "dependency-descriptor", has_camera, "is for groups with a camera ('video: vp8')");
    needs(x, "scalability", has_camera || g->scalability[0] == '\0',
          "is for groups with a camera ('video: vp9')");
    needs(x, "video-file", g->video == VIDEO_ONE,
          "is for groups with a camera of one codec ('video: vp8')");
    needs(x, "audio-file", g->talk == TALK_TURNS || g->talk == TALK_ALWAYS,
          "is for groups with a voice ('talk: always')");
    if (has_camera) {
        check_scalability(x, g);
        check_layers(x, g);
    }
}

static void check_receiving(struct examiner *x, struct group *g)
{
    if (g->watch == SCENARIO_WATCH_ALL)
        g->watch = g->video_slots;
    if (g->watch > g->video_slots)
        refuse_key(x, "watch", "are more cameras than there are video-slots");
    if (g->watch_large > g->watch)
        refuse_key(x, "watch-large", "are more cameras than it watches ('watch')");
    needs(x, "watch-size", g->watch > 0, "is for groups that watch cameras");
    needs(x, "scroll", g->watch > 0 || g->scroll_us == 0, "is for groups that watch cameras");
    needs(x, "watch-speakers", g->watch > 0 || !g->watch_speakers,
          "is for groups that watch cameras");
    needs(x, "thumb-size", g->watch_large > 0, "is for groups with 'watch-large'");
    needs(x, "listen", g->audio_slots > 0 || g->listen_share == 0,
          "is for groups that have audio-slots");
    if (g->echo && g->audio_slots == 0 && g->video_slots == 0)
        refuse_key(x, "echo", "needs something to send back: audio-slots or video-slots");
}

static enum err check_group(const struct tree *map, struct group *g, char *error)
{
    struct examiner x = { .map = map, .error = error };
    check_sending(&x, g);
    check_receiving(&x, g);
    needs(&x, "away", g->stay_us > 0, "is for groups that leave ('stay')");
    return x.err;
}

static enum err check_path(const struct tree *map, const char *direction,
                           const struct network_path *p, char *error)
{
    /* What was wrong is in the direction's own map, or in 'both'. */
    const struct tree *own = tree_find(map, direction), *both = tree_find(map, "both");
    struct examiner x = { .map = own != NULL ? own : both != NULL ? both : map, .error = error };
    if (p->burst_enter > 0 && p->burst_leave == 0)
        refuse_key(&x, "burst-enter", "needs 'burst-leave': else a burst never ends");
    needs(&x, "burst-loss", p->burst_enter > 0, "is for networks with 'burst-enter'");
    needs(&x, "burst-leave", p->burst_enter > 0, "is for networks with 'burst-enter'");
    needs(&x, "queue", p->rate_bps > 0, "is for networks with a 'rate'");
    needs(&x, "reorder-by", p->reorder > 0, "is for networks with 'reorder'");
    return x.err;
}

static enum err check_chaos(const struct scenario *s, const struct tree *map, const struct chaos *c,
                            char *error)
{
    struct examiner x = { .map = map, .error = error };
    if (c->run[0] == '\0')
        refuse_key(&x, "run", "says nothing; expected: a shell command ('run: ./dev …')");
    if ((c->undo_after_us > 0) != (c->undo[0] != '\0'))
        refuse_key(&x, c->undo[0] == '\0' ? "undo-after" : "undo",
                   "'undo' and 'undo-after' go together");
    if (c->at_us >= s->duration_us)
        refuse_key(&x, "at", "is after the end of the plateau ('duration')");
    else if (c->at_us + c->undo_after_us > s->duration_us)
        refuse_key(&x, "undo-after", "is after the end of the plateau ('duration')");
    return x.err;
}

static enum err check_storm(const struct scenario *s, const struct tree *map, const struct storm *t,
                            char *error)
{
    struct examiner x = { .map = map, .error = error };
    if (t->at_us >= s->duration_us)
        refuse_key(&x, "at", "is after the end of the plateau ('duration')");
    if (t->share == 0)
        refuse_key(&x, "share", "is nobody");
    return x.err;
}

static enum err check_count(const struct scenario *s, const struct tree *root, char *error)
{
    struct examiner x = { .map = root, .error = error };
    uint64_t per_room = 0;
    for (unsigned i = 0; i < s->group_count; i++)
        per_room += s->groups[i].bots;
    if (s->group_count == 0)
        refuse_key(&x, "groups", "there are no bots: 'groups' needs at least one");
    else if (per_room * s->rooms > SCENARIO_BOTS_MAX)
        refuse_key(&x, "groups", "rooms × bots are more than 100000");
    return x.err;
}

/* The tree's child of this name: it was read from there. */
static const struct tree *part_of(const struct tree *root, const char *parts, const char *name)
{
    const struct tree *map = tree_find(root, parts);
    const struct tree *part = map == NULL ? NULL : tree_find(map, name);
    check(part != NULL);
    return part;
}

enum err scenario_check(struct scenario *s, const struct tree *root,
                        char ret_error[SCENARIO_ERROR_MAX])
{
    enum err e = check_count(s, root, ret_error);
    for (unsigned i = 0; i < s->network_count && e == OK; i++) {
        const struct tree *map = part_of(root, "networks", s->networks[i].name);
        e = check_path(map, "up", &s->networks[i].up, ret_error);
        if (e == OK)
            e = check_path(map, "down", &s->networks[i].down, ret_error);
    }
    for (unsigned i = 0; i < s->group_count && e == OK; i++)
        e = check_group(part_of(root, "groups", s->groups[i].name), &s->groups[i], ret_error);
    for (unsigned i = 0; i < s->chaos_count && e == OK; i++)
        e = check_chaos(s, part_of(root, "chaos", s->chaos[i].name), &s->chaos[i], ret_error);
    for (unsigned i = 0; i < s->storm_count && e == OK; i++)
        e = check_storm(s, part_of(root, "storms", s->storms[i].name), &s->storms[i], ret_error);
    return e;
}
