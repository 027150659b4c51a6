/* collect_groups.c - measurements by group of the scenario. SPDX-License-Identifier: Apache-2.0 */
#include "io/collect.h"

#include <stdlib.h>
#include <string.h>

struct collected_groups *collect_groups_new(const struct scenario *s)
{
    struct collected_groups *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    g->scenario = s;
    g->groups = calloc(MAX(s->group_count, 1u), sizeof *g->groups);
    if (g->groups == NULL) {
        free(g);
        return NULL;
    }
    return g;
}

void collect_groups_free(struct collected_groups *g)
{
    if (g == NULL)
        return;
    free(g->groups);
    free(g);
}

void collect_group(struct bot *b, void *data)
{
    struct collected_groups *g = data;
    const struct measure *m = bot_measure(b);
    g->bots[bot_group_index(b)]++;
    for (size_t i = 0; i < g->seen_count; i++) {
        if (g->seen[i] == m)
            return;
    }
    check(g->seen_count < COLLECT_MEASURES_MAX); /* groups times threads */
    g->seen[g->seen_count++] = m;
    measure_add(&g->groups[bot_group_index(b)], m);
}

void collect_heights(const struct scenario *s, uint16_t ret[MEASURE_LAYERS_MAX])
{
    memset(ret, 0, MEASURE_LAYERS_MAX * sizeof ret[0]);
    for (unsigned i = 0; i < s->group_count && ret[0] == 0; i++) {
        for (unsigned k = 0; s->groups[i].video != VIDEO_OFF && k < s->groups[i].layer_count; k++)
            ret[k] = s->groups[i].layers[k];
    }
}

json_t *collect_groups_json(struct collected_groups *before, struct collected_groups *after)
{
    json_t *ret = json_array();
    if (before == NULL || after == NULL)
        return ret;
    uint16_t heights[MEASURE_LAYERS_MAX];
    collect_heights(after->scenario, heights);
    for (unsigned i = 0; i < after->scenario->group_count; i++) {
        json_t *all = json_object();
        measure_subtract(&after->groups[i], &before->groups[i]);
        measure_to_json(&after->groups[i], heights, all);
        json_array_append_new(
            ret, json_pack("{ss si sO sO sO}", "name", after->scenario->groups[i].name, "bots",
                           (int)after->bots[i], "joins", json_object_get(all, "joins"), "audio",
                           json_object_get(all, "audio"), "video", json_object_get(all, "video")));
        json_decref(all);
    }
    return ret;
}
