/* SPDX-License-Identifier: Apache-2.0 */
#include "core/scenario_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

struct source {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    bool has_event;
    char *error;
    enum err err; /* of the first refusal */
};

static bool refuse(struct source *s, yaml_mark_t mark, const char *why)
{
    (void)snprintf(s->error, SCENARIO_ERROR_MAX, "line %zu: %s", mark.line + 1, why);
    s->err = ERR_MALFORMED;
    return false;
}

static bool is_plain(struct source *s)
{
    const yaml_event_t *e = &s->event;
    if (e->type == YAML_ALIAS_EVENT ||
        (e->type == YAML_SCALAR_EVENT &&
         (e->data.scalar.anchor != NULL || e->data.scalar.tag != NULL)) ||
        (e->type == YAML_SEQUENCE_START_EVENT &&
         (e->data.sequence_start.anchor != NULL || e->data.sequence_start.tag != NULL)) ||
        (e->type == YAML_MAPPING_START_EVENT &&
         (e->data.mapping_start.anchor != NULL || e->data.mapping_start.tag != NULL)))
        return refuse(s, e->start_mark, "anchors, aliases and tags are not supported here");
    if (e->type == YAML_SCALAR_EVENT &&
        strlen((const char *)e->data.scalar.value) != e->data.scalar.length)
        return refuse(s, e->start_mark, "a zero byte in a text");
    return true;
}

static bool next(struct source *s)
{
    if (s->has_event)
        yaml_event_delete(&s->event);
    s->has_event = yaml_parser_parse(&s->parser, &s->event) == 1;
    if (!s->has_event)
        return refuse(s, s->parser.problem_mark,
                      s->parser.problem == NULL ? "this is not YAML" : s->parser.problem);
    return is_plain(s);
}

static struct tree *tree_new(struct tree *parent, const char *key, const char *text, size_t line)
{
    struct tree *t = (struct tree *)calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->line = line;
    t->key = key == NULL ? NULL : strdup(key);
    t->text = text == NULL ? NULL : strdup(text);
    if ((key != NULL && t->key == NULL) || (text != NULL && t->text == NULL)) {
        tree_free(t);
        return NULL;
    }
    if (parent == NULL)
        return t;
    t->parent = parent;
    if (parent->last == NULL)
        parent->first = t;
    else
        parent->last->next = t;
    parent->last = t;
    return t;
}

static void one_free(struct tree *t)
{
    free(t->key);
    free(t->text);
    free(t);
}

void tree_free(struct tree *t)
{
    if (t == NULL)
        return;
    const struct tree *stop = t->parent;
    while (t != stop) { /* children first, without recursion */
        if (t->first != NULL) {
            struct tree *child = t->first;
            t->first = NULL;
            t = child;
            continue;
        }
        struct tree *following = t->next != NULL ? t->next : t->parent;
        one_free(t);
        t = following;
    }
}

static bool read_node(struct source *s, struct tree *parent, const char *key, size_t line,
                      unsigned depth, struct tree **ret);

static bool no_memory(struct source *s)
{
    (void)refuse(s, s->event.start_mark, "no memory");
    s->err = ERR_FULL;
    return false;
}

static bool read_list(struct source *s, struct tree *list, unsigned depth)
{
    for (;;) {
        if (!next(s))
            return false;
        if (s->event.type == YAML_SEQUENCE_END_EVENT)
            return true;
        if (!read_node(s, list, NULL, s->event.start_mark.line + 1, depth, NULL))
            return false;
    }
}

static bool read_map(struct source *s, struct tree *map, unsigned depth)
{
    for (;;) {
        if (!next(s))
            return false;
        if (s->event.type == YAML_MAPPING_END_EVENT)
            return true;
        if (s->event.type != YAML_SCALAR_EVENT)
            return refuse(s, s->event.start_mark, "a key is expected here");
        yaml_mark_t mark = s->event.start_mark;
        if (s->event.data.scalar.length >= SCENARIO_NAME_MAX)
            return refuse(s, mark, "this key is too long");
        char key[SCENARIO_NAME_MAX];
        memcpy(key, s->event.data.scalar.value, s->event.data.scalar.length + 1);
        const struct tree *twin = tree_find(map, key);
        if (twin != NULL) {
            s->err = tree_refuse(twin, s->error, "is there again at line %zu", mark.line + 1);
            return false;
        }
        if (!next(s) || !read_node(s, map, key, mark.line + 1, depth, NULL))
            return false;
    }
}

/* The node that the current event begins. */
static bool read_node(struct source *s, struct tree *parent, const char *key, size_t line,
                      unsigned depth, struct tree **ret)
{
    bool is_text = s->event.type == YAML_SCALAR_EVENT;
    if (depth >= TREE_DEPTH_MAX)
        return refuse(s, s->event.start_mark, "this is nested too deep");
    struct tree *t =
        tree_new(parent, key, is_text ? (const char *)s->event.data.scalar.value : NULL, line);
    if (t == NULL)
        return no_memory(s);
    if (ret != NULL)
        *ret = t;
    if (is_text)
        return true;
    t->kind = s->event.type == YAML_MAPPING_START_EVENT ? TREE_MAP : TREE_LIST;
    return t->kind == TREE_MAP ? read_map(s, t, depth + 1) : read_list(s, t, depth + 1);
}

static bool read_document(struct source *s, struct tree **ret)
{
    do {
        if (!next(s))
            return false;
    } while (s->event.type == YAML_STREAM_START_EVENT ||
             s->event.type == YAML_DOCUMENT_START_EVENT);
    if (s->event.type == YAML_STREAM_END_EVENT) { /* nothing but comments */
        *ret = tree_new(NULL, NULL, NULL, 1);
        if (*ret == NULL)
            return no_memory(s);
        (*ret)->kind = TREE_MAP;
        return true;
    }
    if (s->event.type != YAML_MAPPING_START_EVENT)
        return refuse(s, s->event.start_mark, "'key: value' lines are expected");
    if (!read_node(s, NULL, NULL, s->event.start_mark.line + 1, 0, ret))
        return false;
    do {
        if (!next(s))
            return false;
    } while (s->event.type == YAML_DOCUMENT_END_EVENT);
    if (s->event.type != YAML_STREAM_END_EVENT)
        return refuse(s, s->event.start_mark, "only one document is expected");
    return true;
}

enum err tree_parse(struct bytes text, struct tree **ret, char ret_error[SCENARIO_ERROR_MAX])
{
    if (text.len > SCENARIO_TEXT_BYTES_MAX) {
        (void)snprintf(ret_error, SCENARIO_ERROR_MAX, "a scenario has at most %d KiB",
                       SCENARIO_TEXT_BYTES_MAX / 1024);
        return ERR_FULL;
    }
    if (text.len > 0 && memchr(text.data, 0, text.len) != NULL) {
        (void)snprintf(ret_error, SCENARIO_ERROR_MAX, "there is a zero byte: this is no text");
        return ERR_MALFORMED;
    }
    struct source s = { .error = ret_error };
    if (yaml_parser_initialize(&s.parser) != 1) {
        (void)snprintf(ret_error, SCENARIO_ERROR_MAX, "no memory");
        return ERR_FULL;
    }
    static const uint8_t nothing[1];
    yaml_parser_set_input_string(&s.parser, text.len == 0 ? nothing : text.data, text.len);
    struct tree *root = NULL;
    bool ok = read_document(&s, &root);
    if (s.has_event)
        yaml_event_delete(&s.event);
    yaml_parser_delete(&s.parser);
    if (!ok) {
        tree_free(root);
        return s.err;
    }
    *ret = root;
    return OK;
}

struct tree *tree_find(const struct tree *map, const char *key)
{
    for (struct tree *t = map->first; t != NULL; t = t->next)
        if (t->key != NULL && strcmp(t->key, key) == 0)
            return t;
    return NULL;
}

size_t tree_child_count(const struct tree *t)
{
    size_t n = 0;
    for (const struct tree *c = t->first; c != NULL; c = c->next)
        n++;
    return n;
}

/* --- --set --- */

PRINTF_LIKE(3, 4)
static enum err set_refuse(char *error, const char *assignment, const char *format, ...)
{
    char why[SCENARIO_ERROR_MAX - 128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, sizeof why, format, args);
    va_end(args);
    (void)snprintf(error, SCENARIO_ERROR_MAX, "--set %.100s: %s", assignment, why);
    return ERR_MALFORMED;
}

static enum err set_no_memory(char *error, const char *assignment)
{
    (void)set_refuse(error, assignment, "no memory");
    return ERR_FULL;
}

static void list_children(const struct tree *map, char *ret, size_t capacity)
{
    size_t used = 0;
    ret[0] = '\0';
    for (const struct tree *c = map->first; c != NULL && used + 4 < capacity; c = c->next) {
        int n = snprintf(ret + used, capacity - used, "%s%s", used > 0 ? ", " : "",
                         c->key == NULL ? "?" : c->key);
        used += n > 0 ? (size_t)n : 0;
    }
}

static enum err set_leaf(struct tree *map, const char *key, const char *value,
                         const char *assignment, char *error)
{
    struct tree *t = tree_find(map, key);
    if (t == NULL) {
        t = tree_new(map, key, value, 0);
        return t != NULL ? OK : set_no_memory(error, assignment);
    }
    if (t->kind == TREE_MAP)
        return set_refuse(error, assignment, "'%s' has parts: say which one", key);
    char *copy = strdup(value);
    if (copy == NULL)
        return set_no_memory(error, assignment);
    while (t->first != NULL) { /* was a list */
        struct tree *child = t->first;
        t->first = child->next;
        child->parent = NULL;
        child->next = NULL;
        tree_free(child);
    }
    t->last = NULL;
    free(t->text);
    t->text = copy;
    t->kind = TREE_TEXT;
    t->line = 0;
    return OK;
}

/* path: what is left of it, zero-terminated. */
static enum err set_at(struct tree *map, const char *path, const char *value,
                       const char *assignment, char *error)
{
    const char *dot = strchr(path, '.');
    size_t len = dot == NULL ? strlen(path) : (size_t)(dot - path);
    if (len == 0 || len >= SCENARIO_NAME_MAX)
        return set_refuse(error, assignment,
                          "expected <key>=<value>, as in "
                          "groups.people.bots=30");
    char key[SCENARIO_NAME_MAX];
    memcpy(key, path, len);
    key[len] = '\0';
    if (dot == NULL)
        return set_leaf(map, key, value, assignment, error);
    if (strcmp(key, "*") == 0) {
        enum err e = OK;
        for (struct tree *c = map->first; c != NULL && e == OK; c = c->next)
            if (c->kind == TREE_MAP)
                e = set_at(c, dot + 1, value, assignment, error);
        return e;
    }
    struct tree *t = tree_find(map, key);
    if (t != NULL && t->kind == TREE_MAP)
        return set_at(t, dot + 1, value, assignment, error);
    char there[256], hint[TREE_HINT_MAX];
    list_children(map, there, sizeof there);
    return set_refuse(error, assignment, "the scenario has no '%s' here%s; it has: %s", key,
                      tree_hint(key, there, hint), there);
}

enum err tree_set(struct tree *root, const char *assignment, char ret_error[SCENARIO_ERROR_MAX])
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL || equals - assignment >= TREE_PATH_MAX)
        return set_refuse(ret_error, assignment,
                          "expected <key>=<value>, as in "
                          "groups.people.bots=30");
    char path[TREE_PATH_MAX];
    memcpy(path, assignment, (size_t)(equals - assignment));
    path[equals - assignment] = '\0';
    return set_at(root, path, equals + 1, assignment, ret_error);
}
