/* run_clips.c - the clips of a run. SPDX-License-Identifier: Apache-2.0 */
#include "io/run_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX_BYTES = 512 << 20 };

static const enum codec codecs[] = { CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1 };
static const uint16_t heights[] = { 180, 360, 720 };

struct run_clips {
    const struct scenario *scenario;
    struct clip builtin[ARRAY_LEN(codecs)][ARRAY_LEN(heights)];
    struct clip files[SCENARIO_GROUPS_MAX]; /* frame_count 0: none */
    uint8_t *bytes[SCENARIO_GROUPS_MAX];    /* what they are views of */
    struct audio_clip audio[SCENARIO_GROUPS_MAX];
};

static uint8_t *read_file(const char *path, size_t *ret_len, char *error)
{
    FILE *f = fopen(path, "re");
    uint8_t *data = NULL;
    size_t capacity = 0, len = 0;
    while (f != NULL) {
        if (len == capacity) {
            capacity = MAX((size_t)1 << 20, capacity * 2);
            uint8_t *more = capacity > FILE_MAX_BYTES ? NULL : realloc(data, capacity);
            if (more == NULL) {
                errno = EFBIG;
                break;
            }
            data = more;
        }
        size_t n = fread(data + len, 1, capacity - len, f);
        len += n;
        if (n == 0 && !ferror(f)) {
            (void)fclose(f);
            *ret_len = len;
            return data;
        }
        if (n == 0)
            break;
    }
    snprintf(error, RUN_ERROR_MAX, "%s: %s", path, strerror(errno));
    if (f != NULL)
        (void)fclose(f);
    free(data);
    return NULL;
}

static bool load_file(struct run_clips *c, unsigned group, char *error)
{
    const char *path = c->scenario->groups[group].video_file;
    size_t len = 0;
    c->bytes[group] = read_file(path, &len, error);
    if (c->bytes[group] == NULL)
        return false;
    enum err err = clip_parse(bytes_of(c->bytes[group], len), 30, &c->files[group]);
    if (err == OK)
        return true;
    snprintf(error, RUN_ERROR_MAX,
             "%s: %s (it must be IVF with VP8, VP9 or AV1, or H.264 Annex B, with a keyframe)",
             path, err_name(err));
    return false;
}

static bool load_audio(struct run_clips *c, unsigned group, char *error)
{
    const char *path = c->scenario->groups[group].audio_file;
    size_t len = 0;
    uint8_t *data = read_file(path, &len, error);
    if (data == NULL)
        return false;
    enum err err = audio_clip_parse(bytes_of(data, len), &c->audio[group]);
    free(data);
    if (err != OK)
        snprintf(error, RUN_ERROR_MAX, "%s: %s (it must be Ogg Opus, as `opusenc` makes it)", path,
                 err_name(err));
    return err == OK;
}

struct run_clips *run_clips_new(const struct scenario *s, char *error)
{
    struct run_clips *c = calloc(1, sizeof *c);
    check(c != NULL);
    c->scenario = s;
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        for (size_t k = 0; k < ARRAY_LEN(heights); k++)
            check(clip_builtin(codecs[i], heights[k], &c->builtin[i][k]) == OK);
    }
    for (unsigned i = 0; i < s->group_count; i++) {
        const struct group *g = &s->groups[i];
        if ((g->video_file[0] != '\0' && !load_file(c, i, error)) ||
            (g->audio_file[0] != '\0' && !load_audio(c, i, error))) {
            run_clips_free(c);
            return NULL;
        }
    }
    return c;
}

void run_clips_free(struct run_clips *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        for (size_t k = 0; k < ARRAY_LEN(heights); k++)
            clip_done(&c->builtin[i][k]);
    }
    for (size_t i = 0; i < SCENARIO_GROUPS_MAX; i++) {
        clip_done(&c->files[i]);
        free(c->bytes[i]);
        audio_clip_done(&c->audio[i]);
    }
    free(c);
}

const struct audio_clip *run_clips_audio(const struct run_clips *c, const struct group *g)
{
    const struct audio_clip *audio = &c->audio[g - c->scenario->groups];
    return audio->frame_count > 0 ? audio : NULL;
}

const struct clip *run_clips_find(const struct run_clips *c, const struct group *g,
                                  enum codec codec, uint16_t height)
{
    size_t group = (size_t)(g - c->scenario->groups);
    if (c->files[group].frame_count > 0)
        return &c->files[group];
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        for (size_t k = 0; codecs[i] == codec && k < ARRAY_LEN(heights); k++) {
            if (heights[k] >= height || k + 1 == ARRAY_LEN(heights))
                return &c->builtin[i][k];
        }
    }
    return NULL;
}
