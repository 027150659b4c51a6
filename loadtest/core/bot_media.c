/* bot_media.c - recordings and echo of what a bot receives. SPDX-License-Identifier: Apache-2.0 */
#include "core/bot_media.h"

#include "core/leg_echo.h"

#include <stdio.h>
#include <stdlib.h>

bool bot_media_init(struct bot *b)
{
    const struct group *g = b->group;
    bool client = b->config.world->scenario->participant[0] != '\0';
    if (g->record_dir[0] == '\0' && !g->echo && !client)
        return true;
    b->media = calloc(1, sizeof *b->media);
    if (b->media == NULL)
        return false;
    b->media->flush_at = USEC_NEVER;
    b->media->listens = client;
    b->media->records = g->record_dir[0] != '\0' || client;
    return true;
}

void bot_media_done(struct bot *b)
{
    struct bot_media *m = b->media;
    for (size_t i = 0; m != NULL && i < m->tape_count; i++) {
        recording_free(m->tapes[i].recording);
        ear_free(m->tapes[i].ear);
        free(m->tapes[i].path);
    }
    free(m);
    b->media = NULL;
}

/* --- tapes --- */

static bool is_path_taken(const struct bot_media *m, const char *path)
{
    for (size_t i = 0; i < m->tape_count; i++) {
        if (m->tapes[i].path != NULL && strcmp(m->tapes[i].path, path) == 0)
            return true;
    }
    return false;
}

/* The only bot of a scenario writes into the directory itself, others into one of their own. */
static char *new_path(const struct bot *b, const struct tape *t, enum codec codec, usec now)
{
    const struct bot_world *w = b->config.world;
    char own[2 * BOT_NAME_MAX] = "", *path = NULL;
    if (scenario_bot_count(w->scenario) > 1)
        snprintf(own, sizeof own, "%s/bot-%u/", b->room, b->config.index);
    for (unsigned number = 0; path == NULL && number < BOT_TAPES_MAX; number++) {
        char file[RECORDING_FILE_NAME_SIZE];
        recording_file_name(t->publisher, t->source, codec, now + w->wall_minus_now, number, file);
        if (asprintf(&path, "%s/%s%s", b->group->record_dir, own, file) < 0)
            return NULL;
        if (is_path_taken(b->media, path)) {
            free(path);
            path = NULL;
        }
    }
    return path;
}

/* Cut between characters: what is not UTF-8 cannot be in JSON. */
static void copy_name(char *to, size_t size, const char *name)
{
    size_t len = strlen(name);
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((uint8_t)name[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(to, name, len);
    to[len] = '\0';
}

static struct tape *new_tape(struct bot *b, const struct sink *from, enum codec codec, usec now)
{
    struct bot_media *m = b->media;
    struct recording *r =
        m->tape_count == BOT_TAPES_MAX ? NULL : recording_new(codec, (uint32_t)bot_random(b));
    if (r == NULL)
        return NULL;
    struct tape t = {
        .recording = r, .sink = from, .mapped_at = from->mapped_at, .ssrc = from->ssrc
    };
    snprintf(t.publisher_id, sizeof t.publisher_id, "%s", from->publisher_id);
    snprintf(t.source, sizeof t.source, "%s", from->source);
    copy_name(t.publisher, sizeof t.publisher, bot_publisher_name(b, from->publisher_id));
    if (codec == CODEC_OPUS && m->listens)
        t.ear = ear_new();
    if (b->group->record_dir[0] != '\0')
        t.path = new_path(b, &t, codec, now);
    m->tapes[m->tape_count] = t;
    return &m->tapes[m->tape_count++];
}

static struct tape *find_tape(struct bot *b, const struct sink *from, enum codec codec)
{
    for (size_t i = 0; i < b->media->tape_count; i++) {
        struct tape *t = &b->media->tapes[i];
        if (recording_codec(t->recording) == codec &&
            strcmp(t->publisher_id, from->publisher_id) == 0 &&
            strcmp(t->source, from->source) == 0)
            return t;
    }
    return NULL;
}

static void hear(struct tape *t, const struct sink_packet *p)
{
    unsigned tone = 0;
    if (t->ear != NULL && ear_hear(t->ear, p->payload, &tone) == EAR_TONE)
        t->tone_hz = tone_hz(tone);
}

static bool record(struct bot *b, const struct sink *from, const struct sink_packet *p, usec now)
{
    struct tape *t = find_tape(b, from, p->codec);
    if (t == NULL && (t = new_tape(b, from, p->codec, now)) == NULL)
        return false;
    if (t->sink != from || t->mapped_at != from->mapped_at || t->ssrc != from->ssrc) {
        recording_switch(t->recording, now);
        t->sink = from;
        t->mapped_at = from->mapped_at;
        t->ssrc = from->ssrc;
    }
    struct ordered_packet ordered = { .seq = p->rtp->seq,
                                      .timestamp = p->rtp->timestamp,
                                      .marker = p->rtp->marker,
                                      .keyframe_start = p->keyframe_start,
                                      .payload = p->payload };
    recording_on_packet(t->recording, &ordered, now);
    hear(t, p);
    return recording_take_keyframe_wanted(t->recording, now);
}

/* --- files --- */

static bool flush_tape(struct tape *t, struct outbound *out)
{
    if (recording_output_len(t->recording) == 0)
        return true;
    if (out->action_count + BOT_ACTIONS_SPARED >= OUTBOUND_ACTIONS_MAX)
        return false;
    size_t len;
    char *text = (char *)recording_take_output(t->recording, &len);
    char *path = t->path == NULL ? NULL : strdup(t->path);
    if (path == NULL) {
        free(text);
        return true;
    }
    struct action *a = outbound_action(out, ACTION_FILE);
    a->url = path;
    a->text = text;
    a->text_len = len;
    return true;
}

static void flush(struct bot *b, size_t at_least, usec now, struct outbound *out)
{
    struct bot_media *m = b->media;
    bool waits = false;
    for (size_t i = 0; i < m->tape_count; i++) {
        size_t len = recording_output_len(m->tapes[i].recording);
        bool done = len == 0 || (len >= at_least && flush_tape(&m->tapes[i], out));
        waits = waits || !done;
    }
    if (!waits)
        m->flush_at = USEC_NEVER;
    else if (m->flush_at == USEC_NEVER || now >= m->flush_at)
        m->flush_at = now + BOT_FLUSH_US;
}

void bot_media_tick(struct bot *b, usec now, struct outbound *out)
{
    struct bot_media *m = b->media;
    if (m == NULL || m->ended)
        return;
    for (size_t i = 0; i < m->tape_count; i++)
        recording_tick(m->tapes[i].recording, now);
    if (now >= m->flush_at)
        flush(b, 1, now, out);
}

usec bot_media_deadline(const struct bot *b)
{
    const struct bot_media *m = b->media;
    if (m == NULL || m->ended)
        return USEC_NEVER;
    usec at = m->flush_at;
    for (size_t i = 0; i < m->tape_count; i++)
        at = MIN(at, recording_deadline(m->tapes[i].recording));
    return at;
}

void bot_media_end(struct bot *b, usec now, struct outbound *out)
{
    struct bot_media *m = b->media;
    if (m == NULL || m->ended)
        return;
    for (size_t i = 0; i < m->tape_count; i++) {
        recording_end(m->tapes[i].recording, now);
        if (!flush_tape(&m->tapes[i], out))
            out->dropped++;
    }
    m->ended = true;
}

unsigned bot_recording_count(const struct bot *b)
{
    return b->media == NULL ? 0 : (unsigned)b->media->tape_count;
}

struct bot_recording bot_recording_at(const struct bot *b, unsigned index)
{
    check(index < bot_recording_count(b));
    const struct tape *t = &b->media->tapes[index];
    return (struct bot_recording){ .publisher = t->publisher,
                                   .source = t->source,
                                   .path = t->path,
                                   .codec = recording_codec(t->recording),
                                   .tone_hz = t->tone_hz,
                                   .stats = recording_stats_of(t->recording) };
}

/* --- echo --- */

const char *bot_media_echo_id(struct bot *b)
{
    struct bot_media *m = b->media;
    if (m == NULL || !b->group->echo)
        return "";
    if (m->echo_id[0] != '\0' && bot_publisher_find(b, m->echo_id) != NULL)
        return m->echo_id;
    const struct known_publisher *first = NULL;
    for (size_t i = 0; i < b->publisher_count; i++) {
        const struct known_publisher *k = &b->publishers[i];
        if (first == NULL || k->since < first->since)
            first = k;
    }
    snprintf(m->echo_id, sizeof m->echo_id, "%s", first == NULL ? "" : first->publisher.id);
    return m->echo_id;
}

static struct leg *echoing_leg(const struct bot *b)
{
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        if (b->legs[i] != NULL && b->legs[i]->echo != NULL && b->legs[i]->state == LEG_CONNECTED)
            return b->legs[i];
    }
    return NULL;
}

static bool send_back(struct bot *b, const struct sink *from, const struct sink_packet *p, usec now)
{
    struct leg *l = echoing_leg(b);
    const char *usual = from->kind == MEDIA_VIDEO ? "camera" : "microphone";
    if (l == NULL || strcmp(from->publisher_id, bot_media_echo_id(b)) != 0 ||
        strcmp(from->source, usual) != 0)
        return false;
    return leg_echo_packet(l, from, p, now, b->out);
}

/* Signaling and media are not in step: a stamp tells of somebody who was here before, or is
 * already. */
static bool is_of_another(const struct sink *s, const struct sink_packet *p)
{
    return p->has_stamp && s->publisher >= 0 &&
           p->stamp.sender != (s->publisher & ((1 << STAMP_SENDER_BITS) - 1));
}

bool bot_media_on_packet(void *data, const struct sink *from, const struct sink_packet *p, usec now)
{
    struct bot *b = data;
    if (b->media->ended || !from->mapped || from->publisher_id[0] == '\0' || is_of_another(from, p))
        return false;
    bool wants_keyframe = b->media->records && record(b, from, p, now);
    if (b->group->echo && b->out != NULL)
        wants_keyframe = send_back(b, from, p, now) || wants_keyframe;
    if (b->out != NULL)
        flush(b, BOT_FLUSH_BYTES, now, b->out);
    return wants_keyframe;
}
