/* fuzz_driver_janus.c - what a Janus may say to the bot client's driver, line by line; between the
 * lines time passes and wishes change. SPDX-License-Identifier: Apache-2.0 */
#include "../unit/loadtest/janus_bot.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void forget_notes(struct bot *b)
{
    char *text;
    while ((text = janus_bot_take(b)) != NULL)
        free(text);
}

static void look_at_all(struct bot *b, uint16_t height, usec now)
{
    struct wanted wanted[ARRAY_LEN(b->publishers)];
    for (size_t i = 0; i < b->publisher_count; i++)
        wanted[i] = (struct wanted){ .publisher = &b->publishers[i], .height = height };
    driver_janus.view(b, wanted, b->publisher_count, now, NULL);
    forget_notes(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bot *b = janus_bot_new(size % 2 == 0 ? 4 : 0);
    usec now = 0;
    driver_janus.on_open(b, now, NULL);
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t len = end == NULL ? size - at : (size_t)(end - data) - at;
        driver_janus.on_text(b, bytes_of(data + at, len), now, NULL);
        forget_notes(b);
        if (len % 4 == 0)
            look_at_all(b, (uint16_t)(len * 8), now);
        now += MILLIS(150);
        if (driver_janus.next_deadline(b) <= now)
            driver_janus.tick(b, now, NULL);
        forget_notes(b);
        at += len + 1;
    }
    driver_janus.leave(b, now, NULL);
    janus_bot_free(b);
    return 0;
}
