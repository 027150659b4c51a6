/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err parse_line(const char *line, struct trace_frame *ret)
{
    char *end;
    unsigned long size = strtoul(line, &end, 10);
    if (end == line || size == 0 || size > TRACE_FRAME_SIZE_MAX)
        return ERR_MALFORMED;
    *ret = (struct trace_frame){ .size = (uint32_t)size, .is_keyframe = strchr(end, 'K') != NULL };
    return OK;
}

enum err trace_load(const char *path, struct trace *ret)
{
    char line[64];
    enum err err = OK;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return ERR_SYSTEM;
    ret->count = 0;
    while (err == OK && fgets(line, sizeof line, f) != NULL) {
        if (ret->count == TRACE_FRAMES_MAX)
            err = ERR_FULL;
        else
            err = parse_line(line, &ret->frames[ret->count++]);
    }
    (void)fclose(f);
    if (err == OK && (ret->count == 0 || !ret->frames[0].is_keyframe))
        err = ERR_MALFORMED;
    return err;
}
