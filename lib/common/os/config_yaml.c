/* The file: YAML with flat keys, or one level of nesting joined by '-'.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/os/config_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define LIST_TEXT_MAX 8192

struct source {
    struct config *c;
    const char *path;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    bool has_event;
};

static void where_write(const struct source *s, yaml_mark_t mark, char ret[CONFIG_WHERE_CAPACITY])
{
    (void)snprintf(ret, CONFIG_WHERE_CAPACITY, "%s:%zu:%zu", s->path, mark.line + 1,
                   mark.column + 1);
}

static bool refuse(struct source *s, yaml_mark_t mark, const char *why)
{
    char where[CONFIG_WHERE_CAPACITY];
    where_write(s, mark, where);
    (void)fprintf(s->c->err, "%s: %s\n", where, why);
    return false;
}

static bool next(struct source *s)
{
    if (s->has_event)
        yaml_event_delete(&s->event);
    s->has_event = yaml_parser_parse(&s->parser, &s->event) == 1;
    if (!s->has_event)
        return refuse(s, s->parser.problem_mark,
                      s->parser.problem == NULL ? "not YAML" : s->parser.problem);
    if (s->event.type == YAML_ALIAS_EVENT)
        return refuse(s, s->event.start_mark, "aliases are not supported here");
    return true;
}

static const char *scalar(const struct source *s)
{
    return (const char *)s->event.data.scalar.value;
}

/* A zero byte would silently cut the value. */
static bool is_text(struct source *s)
{
    if (strlen(scalar(s)) == s->event.data.scalar.length)
        return true;
    return refuse(s, s->event.start_mark, "a zero byte in a value");
}

static bool read_list(struct source *s, const struct config_row *row, char ret[LIST_TEXT_MAX])
{
    size_t len = 0;
    ret[0] = '\0';
    if (row->option.type != CONFIG_STRINGS && row->option.type != CONFIG_NETWORKS)
        return refuse(s, s->event.start_mark, "a list is not expected here");
    for (;;) {
        if (!next(s))
            return false;
        if (s->event.type == YAML_SEQUENCE_END_EVENT)
            return true;
        if (s->event.type != YAML_SCALAR_EVENT || !is_text(s))
            return refuse(s, s->event.start_mark, "a list holds plain values only");
        if (strchr(scalar(s), ',') != NULL)
            return refuse(s, s->event.start_mark, "a list item cannot contain a comma");
        size_t n = strlen(scalar(s));
        if (len + n + 2 > LIST_TEXT_MAX)
            return refuse(s, s->event.start_mark, "this list is too long");
        if (len > 0)
            ret[len++] = ',';
        memcpy(ret + len, scalar(s), n + 1);
        len += n;
    }
}

static bool read_value(struct source *s, const char *key, yaml_mark_t key_mark)
{
    char where[CONFIG_WHERE_CAPACITY];
    where_write(s, key_mark, where);
    struct config_row *row = config_find(s->c, key);
    if (row == NULL) {
        config_unknown(s->c, where, key, "");
        return false;
    }
    if (row->origin != NULL && strcmp(row->origin, "file") == 0)
        return refuse(s, key_mark, "this key is here twice");
    where_write(s, s->event.start_mark, where);
    if (s->event.type == YAML_SCALAR_EVENT)
        return is_text(s) && config_set(s->c, row, scalar(s), where, "file");
    char list[LIST_TEXT_MAX];
    return read_list(s, row, list) && config_set(s->c, row, list, where, "file");
}

/* Keys and values up to the end of the mapping; prefix is NULL at the top. */
static bool read_mapping(struct source *s, const char *prefix)
{
    for (;;) {
        if (!next(s))
            return false;
        if (s->event.type == YAML_MAPPING_END_EVENT)
            return true;
        if (s->event.type != YAML_SCALAR_EVENT)
            return refuse(s, s->event.start_mark, "expected a key");
        char key[256];
        yaml_mark_t mark = s->event.start_mark;
        int n = snprintf(key, sizeof key, "%s%s%s", prefix == NULL ? "" : prefix,
                         prefix == NULL ? "" : "-", scalar(s));
        if (n < 0 || (size_t)n >= sizeof key)
            return refuse(s, mark, "this key is too long");
        if (!next(s))
            return false;
        bool ok;
        if (s->event.type != YAML_MAPPING_START_EVENT)
            ok = read_value(s, key, mark);
        else if (prefix == NULL)
            ok = read_mapping(s, key);
        else
            ok = refuse(s, mark, "keys nest one level deep only");
        if (!ok)
            return false;
    }
}

static bool read_document(struct source *s)
{
    do {
        if (!next(s))
            return false;
    } while (s->event.type == YAML_STREAM_START_EVENT ||
             s->event.type == YAML_DOCUMENT_START_EVENT);
    if (s->event.type == YAML_STREAM_END_EVENT)
        return true; /* nothing but comments */
    if (s->event.type != YAML_MAPPING_START_EVENT)
        return refuse(s, s->event.start_mark, "expected 'key: value' lines");
    if (!read_mapping(s, NULL))
        return false;
    do {
        if (!next(s))
            return false;
    } while (s->event.type == YAML_DOCUMENT_END_EVENT);
    if (s->event.type != YAML_STREAM_END_EVENT)
        return refuse(s, s->event.start_mark, "only one document is expected");
    return true;
}

bool config_read_yaml(struct config *c, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)fprintf(c->err, "%s: cannot open: %s\n", path, strerror(errno));
        return false;
    }
    struct source s = { .c = c, .path = path };
    bool ok = yaml_parser_initialize(&s.parser) == 1;
    if (ok) {
        yaml_parser_set_input_file(&s.parser, file);
        ok = read_document(&s);
        if (s.has_event)
            yaml_event_delete(&s.event);
        yaml_parser_delete(&s.parser);
    }
    (void)fclose(file);
    return ok;
}
