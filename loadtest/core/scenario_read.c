/* The tree of a scenario's file, key by key into the struct.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/scenario_check.h"
#include "core/scenario_value.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAMES_MAX = 700 };

struct reading {
    struct scenario *s;
    char *error;
};

static void apply_defaults(enum scenario_part part, void *base)
{
    for (size_t i = 0; i < scenario_keys[part].count; i++) {
        const struct scenario_key *key = &scenario_keys[part].keys[i];
        char why[VALUE_WHY_MAX];
        if (key->kind == VALUE_NETWORK || key->kind == VALUE_GROUP)
            *(int *)((char *)base + key->offset) = -1;
        else if (key->def != NULL && key->kind != VALUE_LAYERS)
            check(value_read(key, key->def, base, why));
    }
}

/* "wifi, mobile" of the networks or groups that there are. */
static void list_names(const struct scenario *s, enum value_kind kind, char *ret)
{
    size_t used = 0, count = kind == VALUE_NETWORK ? s->network_count : s->group_count;
    ret[0] = '\0';
    for (size_t i = 0; i < count && used < NAMES_MAX; i++) {
        const char *name = kind == VALUE_NETWORK ? s->networks[i].name : s->groups[i].name;
        int n = snprintf(ret + used, NAMES_MAX - used, "%s, ", name);
        used += n > 0 ? (size_t)n : 0;
    }
    if (used < NAMES_MAX)
        (void)snprintf(ret + used, NAMES_MAX - used, "%s", kind == VALUE_NETWORK ? "none" : "all");
}

static enum err read_reference(const struct reading *r, const struct tree *t, enum value_kind kind,
                               int *field)
{
    const struct scenario *s = r->s;
    *field = -1;
    if (strcmp(t->text, kind == VALUE_NETWORK ? "none" : "all") == 0)
        return OK;
    unsigned count = kind == VALUE_NETWORK ? s->network_count : s->group_count;
    for (unsigned i = 0; i < count; i++)
        if (strcmp(t->text, kind == VALUE_NETWORK ? s->networks[i].name : s->groups[i].name) == 0) {
            *field = (int)i;
            return OK;
        }
    char names[NAMES_MAX], hint[TREE_HINT_MAX];
    list_names(s, kind, names);
    return tree_refuse(t, r->error, "there is no %s '%.60s'%s; there are: %s",
                       kind == VALUE_NETWORK ? "network" : "group", t->text,
                       tree_hint(t->text, names, hint), names);
}

/* A list of plain items as "a,b,c". */
static enum err join_list(const struct reading *r, const struct tree *list, char *ret,
                          size_t capacity)
{
    size_t used = 0;
    ret[0] = '\0';
    for (const struct tree *c = list->first; c != NULL; c = c->next) {
        if (c->kind != TREE_TEXT || strlen(c->text) + used + 2 > capacity)
            return tree_refuse(c, r->error, "expected: %s", value_kind_help(VALUE_LAYERS));
        used += (size_t)snprintf(ret + used, capacity - used, "%s%s", used > 0 ? "," : "", c->text);
    }
    return OK;
}

static enum err read_value(const struct reading *r, const struct tree *t,
                           const struct scenario_key *key, void *base)
{
    char joined[SCENARIO_NAME_MAX], why[VALUE_WHY_MAX];
    const char *text = t->text;
    if (t->kind == TREE_LIST && key->kind == VALUE_LAYERS) {
        enum err e = join_list(r, t, joined, sizeof joined);
        if (e != OK)
            return e;
        text = joined;
    } else if (t->kind != TREE_TEXT) {
        return tree_refuse(t, r->error, "has %s; expected: %s",
                           t->kind == TREE_LIST ? "a list" : "keys of its own",
                           value_kind_help(key->kind));
    }
    if (key->kind == VALUE_NETWORK || key->kind == VALUE_GROUP)
        return read_reference(r, t, key->kind, (int *)((char *)base + key->offset));
    return value_read(key, text, base, why) ? OK : tree_refuse(t, r->error, "%s", why);
}

static enum err must_be_map(const struct reading *r, const struct tree *t)
{
    if (t->kind == TREE_MAP || (t->kind == TREE_TEXT && t->text[0] == '\0'))
        return OK;
    return tree_refuse(t, r->error, "keys of its own are expected here, indented");
}

/* All values of one part; what has parts of its own is only looked at. */
static enum err read_values(const struct reading *r, const struct tree *map,
                            enum scenario_part part, void *base)
{
    enum err e = must_be_map(r, map);
    for (const struct tree *t = map->first; t != NULL && e == OK; t = t->next) {
        const struct scenario_key *key = scenario_key_find(part, t->key);
        if (key == NULL) {
            char names[NAMES_MAX], hint[TREE_HINT_MAX];
            scenario_key_names(part, names, sizeof names);
            return tree_refuse(t, r->error, "unknown key%s; the keys here are: %s",
                               tree_hint(t->key, names, hint), names);
        }
        e = key->kind == VALUE_PART || key->kind == VALUE_PARTS ? must_be_map(r, t)
                                                                : read_value(r, t, key, base);
    }
    return e;
}

static enum err read_name(const struct reading *r, const struct tree *t,
                          char ret[SCENARIO_NAME_MAX])
{
    if (!is_scenario_name(t->key) || strcmp(t->key, "none") == 0 || strcmp(t->key, "all") == 0)
        return tree_refuse(t, r->error, "a name has %s, and is not 'none' or 'all'",
                           value_kind_help(VALUE_NAME));
    memcpy(ret, t->key, strlen(t->key) + 1);
    return OK;
}

static enum err read_network(const struct reading *r, const struct tree *map, struct network *n)
{
    apply_defaults(PART_PATH, &n->up);
    apply_defaults(PART_PATH, &n->down);
    enum err e = read_values(r, map, PART_NETWORK, n);
    const struct tree *both = tree_find(map, "both"), *up = tree_find(map, "up"),
                      *down = tree_find(map, "down");
    if (e == OK && both != NULL)
        e = read_values(r, both, PART_PATH, &n->up);
    if (e == OK && both != NULL)
        e = read_values(r, both, PART_PATH, &n->down);
    if (e == OK && up != NULL)
        e = read_values(r, up, PART_PATH, &n->up);
    if (e == OK && down != NULL)
        e = read_values(r, down, PART_PATH, &n->down);
    return e;
}

/* A part with a name, at `base`: its name comes first in each of these structs. */
static_assert(offsetof(struct group, name) == 0 && offsetof(struct network, name) == 0 &&
                  offsetof(struct chaos, name) == 0 && offsetof(struct storm, name) == 0,
              "read_parts() writes the name at the start");

static enum err read_one(const struct reading *r, const struct tree *t, enum scenario_part part,
                         void *base)
{
    enum err e = read_name(r, t, (char *)base);
    if (e != OK)
        return e;
    if (part == PART_NETWORK)
        return read_network(r, t, (struct network *)base);
    apply_defaults(part, base);
    return read_values(r, t, part, base);
}

/* All of `groups`, `networks`, …: into an array of structs of `size` bytes. */
static enum err read_parts(const struct reading *r, const struct tree *root, const char *key,
                           enum scenario_part part, void *array, size_t size, unsigned max,
                           unsigned *ret_count)
{
    const struct tree *parts = tree_find(root, key);
    if (parts == NULL)
        return OK;
    for (const struct tree *t = parts->first; t != NULL; t = t->next) {
        if (*ret_count == max) {
            (void)tree_refuse(t, r->error, "there are at most %u of these", max);
            return ERR_FULL;
        }
        enum err e = read_one(r, t, part, (char *)array + *ret_count * size);
        if (e != OK)
            return e;
        ++*ret_count;
    }
    return OK;
}

/* Networks before the groups that name them, groups before the storms. */
static enum err read_all(const struct reading *r, const struct tree *root)
{
    struct scenario *s = r->s;
    apply_defaults(PART_SCENARIO, s);
    enum err e = read_values(r, root, PART_SCENARIO, s);
    if (e == OK)
        e = read_parts(r, root, "networks", PART_NETWORK, s->networks, sizeof s->networks[0],
                       SCENARIO_NETWORKS_MAX, &s->network_count);
    if (e == OK)
        e = read_parts(r, root, "groups", PART_GROUP, s->groups, sizeof s->groups[0],
                       SCENARIO_GROUPS_MAX, &s->group_count);
    if (e == OK)
        e = read_parts(r, root, "chaos", PART_CHAOS, s->chaos, sizeof s->chaos[0],
                       SCENARIO_CHAOS_MAX, &s->chaos_count);
    if (e == OK)
        e = read_parts(r, root, "storms", PART_STORM, s->storms, sizeof s->storms[0],
                       SCENARIO_STORMS_MAX, &s->storm_count);
    return e == OK ? scenario_check(s, root, r->error) : e;
}

enum err scenario_parse(struct bytes text, const char *const *overrides, size_t override_count,
                        struct scenario **ret, char ret_error[SCENARIO_ERROR_MAX])
{
    struct tree *root = NULL;
    enum err e = tree_parse(text, &root, ret_error);
    for (size_t i = 0; i < override_count && e == OK; i++)
        e = tree_set(root, overrides[i], ret_error);
    struct reading r = { .error = ret_error };
    if (e == OK) {
        r.s = (struct scenario *)calloc(1, sizeof *r.s);
        if (r.s == NULL)
            (void)snprintf(ret_error, SCENARIO_ERROR_MAX, "no memory");
        e = r.s == NULL ? ERR_FULL : read_all(&r, root);
    }
    tree_free(root);
    if (e == OK)
        *ret = r.s;
    else
        scenario_free(r.s);
    return e;
}
