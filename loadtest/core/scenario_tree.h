/* scenario_tree.h - a scenario's YAML as a small tree that knows its lines, and --set on it.
 *
 * Pure (libyaml over memory). Anchors, tags, several documents and keys that are there twice are
 * refused: whoever reads a scenario sees all of it. Bounded: SCENARIO_TEXT_BYTES_MAX of text,
 * TREE_DEPTH_MAX levels.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SCENARIO_TREE_H
#define LOADTEST_SCENARIO_TREE_H

#include "core/scenario.h"

enum {
    SCENARIO_TEXT_BYTES_MAX = 256 * 1024,
    TREE_DEPTH_MAX = 8,
    TREE_PATH_MAX = 256,
};

enum tree_kind { TREE_TEXT, TREE_MAP, TREE_LIST };

/* Owned by its parent; the root by the caller: tree_free(). */
struct tree {
    enum tree_kind kind;
    char *key;   /* NULL: the root, or an item of a list */
    char *text;  /* TREE_TEXT */
    size_t line; /* from 1; 0: from --set */
    struct tree *parent;
    struct tree *first, *last, *next;
};

/* A file of nothing but comments is an empty map. ret_error as scenario_parse(). OK,
 * ERR_MALFORMED, ERR_FULL (too long, too deep, or no memory). */
MUST_USE enum err tree_parse(struct bytes text, struct tree **ret,
                             char ret_error[SCENARIO_ERROR_MAX]);
void tree_free(struct tree *t);

/* "groups.people.bots=30": replaces a value, or adds one to a part that is there; groups and the
 * like are not made this way. '*' stands for every part: "groups.*.network=mobile". */
MUST_USE enum err tree_set(struct tree *root, const char *assignment,
                           char ret_error[SCENARIO_ERROR_MAX]);

/* The child of a map, or NULL. */
struct tree *tree_find(const struct tree *map, const char *key);
size_t tree_child_count(const struct tree *t);

/* "line 7: groups.people.video" or "--set groups.people.video"; returns ret. */
const char *tree_place(const struct tree *t, char ret[TREE_PATH_MAX]);

/* Writes "<place>: <sentence>" and returns ERR_MALFORMED. */
enum err tree_refuse(const struct tree *at, char ret_error[SCENARIO_ERROR_MAX], const char *format,
                     ...) PRINTF_LIKE(3, 4);

/* " (did you mean 'vp8'?)" if one of the words is near, else "". Words: "vp8, vp9, h264". */
enum { TREE_HINT_MAX = 96 };
const char *tree_hint(const char *wrong, const char *words, char ret[TREE_HINT_MAX]);

#endif
