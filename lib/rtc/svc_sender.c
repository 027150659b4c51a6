/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/svc_sender.h"

void svc_sender_init(struct svc_sender *s, const struct depdesc_pattern *pattern, uint16_t number)
{
    check(pattern->spatial_count <= SVC_SPATIAL_MAX && pattern->name[0] == 'L');
    *s = (struct svc_sender){ .pattern = pattern, .next_number = number };
}

static const struct depdesc_pattern_template *template_of(const struct svc_sender *s,
                                                          uint32_t place)
{
    return &s->pattern->templates[depdesc_pattern_frame(s->pattern, place)];
}

static bool refers_below(const struct depdesc_pattern_template *t)
{
    return t->spatial > 0 && (t->references[0] == 1 || t->references[1] == 1);
}

/* Upper layers refer to lower ones in keyframes only. */
static bool is_key_mode(const struct depdesc_pattern *p)
{
    return p->spatial_count > 1 && !refers_below(&p->templates[p->turn[1]]);
}

static void start_over(struct svc_sender *s)
{
    s->started = true;
    s->picture = 0;
    s->untold = 0;
    s->layers = s->pattern->spatial_count; /* without a mask all are there */
    memset(s->has_chain, 0, sizeof s->has_chain);
    memset(s->memory, 0, sizeof s->memory);
}

/* How many layers this picture has. The mask must be told anew when that changes. */
static void choose_layers(struct svc_sender *s, unsigned wanted, bool may_rise)
{
    unsigned layers = wanted > s->layers && !may_rise ? s->layers : wanted;
    if (layers == s->layers)
        return;
    s->layers = (uint8_t)layers;
    s->untold = (uint8_t)((1u << layers) - 1);
}

/* Where the layer was not sent, it begins again with what its keyframe has. */
static uint8_t template_index_of(const struct svc_sender *s, uint32_t place, unsigned spatial)
{
    const struct depdesc_pattern *p = s->pattern;
    const struct depdesc_pattern_template *t = template_of(s, place);
    for (unsigned i = 0; i < 2 && spatial > 0; i++) {
        unsigned back = t->references[i];
        if (back > 1 && !s->memory[(place - back) % SVC_MEMORY].was_sent)
            return p->key[spatial];
    }
    return depdesc_pattern_frame(p, place);
}

static void add_references(const struct svc_sender *s, uint32_t place, struct svc_frame *f)
{
    const struct depdesc_pattern_template *t = &s->pattern->templates[f->template_index];
    unsigned count = s->pattern->spatial_count;
    for (unsigned i = 0; i < 2 && t->references[i] > 0; i++) {
        uint32_t from = place - t->references[i];
        check(s->memory[from % SVC_MEMORY].was_sent);
        uint16_t back = (uint16_t)(f->number - s->memory[from % SVC_MEMORY].number);
        f->custom.references[f->custom.reference_count++] = back;
        f->custom.has_references |= back != t->references[i];
        if (from / count == place / count)
            f->inter_layer = true;
        else
            f->back = (uint8_t)(place / count - from / count);
    }
}

static void add_chains(const struct svc_sender *s, struct svc_frame *f)
{
    const struct depdesc_pattern_template *t = &s->pattern->templates[f->template_index];
    for (unsigned c = 0; c < s->pattern->chain_count && c < s->layers; c++) {
        if (s->has_chain[c])
            f->custom.chains[c] = (uint8_t)(f->number - s->chain[c]);
        f->custom.has_chains |= f->custom.chains[c] != t->chains[c];
    }
}

/* A frame of the lowest temporal layer is of its own layer's chain, and of that of each layer whose
 * frame in this picture is the next of that chain. */
static void follow_chains(struct svc_sender *s, uint32_t place, const struct svc_frame *f)
{
    const struct depdesc_pattern *p = s->pattern;
    for (unsigned c = f->spatial; c < p->chain_count && f->temporal == 0; c++) {
        bool is_of_it = c == f->spatial || template_of(s, place + 1)->chains[c] == 1;
        if (!is_of_it)
            continue;
        s->has_chain[c] = true;
        s->chain[c] = f->number;
        s->untold &= (uint8_t) ~(1u << c);
    }
}

/* Every target of the frame's layer with a higher temporal layer can be entered here. */
static bool is_switching_up(const struct depdesc_pattern *p,
                            const struct depdesc_pattern_template *t)
{
    const char *own = t->dtis + t->spatial * p->temporal_count;
    for (unsigned i = t->temporal + 1u; i < p->temporal_count; i++)
        if (own[i] != 'S')
            return false;
    return t->temporal + 1u < p->temporal_count;
}

/* had: layers of the picture before, 0 if it does not count. */
static void add_frame(struct svc_sender *s, unsigned spatial, unsigned had, struct svc_frame *f)
{
    const struct depdesc_pattern *p = s->pattern;
    uint32_t place = s->picture * p->spatial_count + spatial;
    *f = (struct svc_frame){ .number = s->next_number++,
                             .template_index = template_index_of(s, place, spatial),
                             .spatial = (uint8_t)spatial,
                             .layers = s->layers,
                             .counts_layers = spatial == 0 && had != s->layers,
                             .is_key = s->picture == 0,
                             .starts_all = s->picture == 0 && spatial == 0,
                             .ends_picture = spatial + 1 == s->layers };
    const struct depdesc_pattern_template *t = &p->templates[f->template_index];
    f->temporal = t->temporal;
    f->switching_up = is_switching_up(p, t);
    f->for_upper = spatial + 1 < p->spatial_count &&
                   refers_below(&p->templates[depdesc_pattern_frame(p, place + 1)]);
    f->told_layers = s->untold != 0 ? s->layers : 0;
    add_references(s, place, f);
    add_chains(s, f);
    follow_chains(s, place, f);
    s->memory[place % SVC_MEMORY].was_sent = true;
    s->memory[place % SVC_MEMORY].number = f->number;
}

unsigned svc_sender_picture(struct svc_sender *s, bool wants_key, unsigned layers,
                            struct svc_frame ret_frames[SVC_SPATIAL_MAX])
{
    const struct depdesc_pattern *p = s->pattern;
    layers = MIN(MAX(layers, 1u), (unsigned)p->spatial_count);
    bool rises = s->started && layers > s->layers;
    if (!s->started || wants_key || (rises && is_key_mode(p)))
        start_over(s);
    unsigned had = s->picture == 0 ? 0 : s->layers;
    bool is_lowest = template_of(s, s->picture * p->spatial_count)->temporal == 0;
    choose_layers(s, layers, is_lowest);
    for (unsigned i = 0; i < p->spatial_count; i++) {
        if (i < s->layers)
            add_frame(s, i, had, &ret_frames[i]);
        else
            s->memory[(s->picture * p->spatial_count + i) % SVC_MEMORY].was_sent = false;
    }
    s->picture++;
    return s->layers;
}

void svc_frame_write_depdesc(struct writer *w, const struct depdesc_pattern *pattern,
                             const struct svc_frame *f, bool is_first, bool is_last, uint16_t width,
                             uint16_t height)
{
    depdesc_pattern_write(
        w, &(struct depdesc_pattern_packet){ .pattern = pattern,
                                             .template_index = f->template_index,
                                             .start_of_frame = is_first,
                                             .end_of_frame = is_last,
                                             .with_structure = f->starts_all && is_first,
                                             .frame_number = f->number,
                                             .width = width,
                                             .height = height,
                                             .active_layers = is_first ? f->told_layers : 0,
                                             .custom = &f->custom });
}
