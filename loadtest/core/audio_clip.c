/* SPDX-License-Identifier: Apache-2.0 */
#include "core/audio_clip.h"

#include "core/media_file.h"

#include <stdlib.h>

/* Makes room for one more of `count` things. */
static bool grow(void **items, size_t item_size, size_t count, size_t *capacity)
{
    if (count < *capacity)
        return true;
    size_t more = MAX(*capacity * 2, (size_t)256);
    void *larger = realloc(*items, more * item_size);
    if (larger == NULL)
        return false;
    *items = larger;
    *capacity = more;
    return true;
}

static enum err add(struct audio_clip *c, struct bytes packet, size_t *capacity)
{
    unsigned samples = opus_packet_samples(packet);
    if (samples == 0)
        return OK; /* not Opus: left out */
    if (packet.len > AUDIO_CLIP_PACKET_MAX)
        return ERR_UNSUPPORTED;
    void *frames = c->frames;
    if (c->frame_count == AUDIO_CLIP_FRAMES_MAX ||
        !grow(&frames, sizeof *c->frames, c->frame_count, capacity))
        return ERR_FULL;
    c->frames = frames;
    c->frames[c->frame_count++] = (struct audio_frame){ .offset = (uint32_t)c->byte_count,
                                                        .len = (uint16_t)packet.len,
                                                        .samples = (uint16_t)samples };
    memcpy(c->bytes + c->byte_count, packet.data, packet.len);
    c->byte_count += packet.len;
    c->samples += samples;
    return OK;
}

static enum err read_packets(struct bytes file, struct ogg_opus_reader *r, struct audio_clip *c)
{
    enum err err = ogg_opus_open(r, file);
    if (err != OK)
        return err;
    c->bytes = malloc(MAX(file.len, (size_t)1)); /* packets are smaller than their pages */
    if (c->bytes == NULL || file.len > UINT32_MAX)
        return ERR_FULL;
    size_t capacity = 0;
    struct bytes packet;
    while (err == OK && (err = ogg_opus_next(r, &packet)) == OK)
        err = add(c, packet, &capacity);
    if (err != ERR_NOT_FOUND)
        return err;
    return c->frame_count > 0 ? OK : ERR_NOT_FOUND;
}

enum err audio_clip_parse(struct bytes file, struct audio_clip *ret)
{
    *ret = (struct audio_clip){ 0 };
    struct ogg_opus_reader *r = malloc(sizeof *r);
    if (r == NULL)
        return ERR_FULL;
    enum err err = read_packets(file, r, ret);
    free(r);
    if (err != OK)
        audio_clip_done(ret);
    return err;
}

void audio_clip_done(struct audio_clip *c)
{
    free(c->frames);
    free(c->bytes);
    *c = (struct audio_clip){ 0 };
}

struct bytes audio_clip_packet(const struct audio_clip *c, uint64_t index)
{
    const struct audio_frame *f = &c->frames[index % c->frame_count];
    return bytes_of(c->bytes + f->offset, f->len);
}

unsigned audio_clip_samples(const struct audio_clip *c, uint64_t index)
{
    return c->frames[index % c->frame_count].samples;
}
