/* config_private.h - shared by the config_*.c files only. SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_CONFIG_PRIVATE_H
#define COMMON_OS_CONFIG_PRIVATE_H

#include "common/os/config.h"

#define CONFIG_ENV_CAPACITY   80
#define CONFIG_WHERE_CAPACITY 512

/* One option and what is known about its value. */
struct config_row {
    struct config_option option;
    char env_name[CONFIG_ENV_CAPACITY];
    const char *text;   /* the value as written; lists joined by ','; NULL = unset */
    const char *origin; /* "default", "file", "environment", "flag" */
};

struct config_text {
    struct config_text *next;
    char text[];
};

struct config {
    const struct config_spec *spec;
    struct config_row *rows;
    size_t row_count;
    struct config_text *texts; /* every copied text */
    const char ***lists;       /* item arrays of CONFIG_STRINGS */
    size_t list_count;
    FILE *err;
    const char *file; /* --config */
};

char *config_copy(struct config *c, const char *text, size_t len);
struct config_row *config_find(struct config *c, const char *key);
/* The key that was probably meant, or NULL. */
const char *config_suggest(const struct config *c, const char *key);
/* Converts and stores; says why not on c->err. `where` is the place that set it. */
bool config_set(struct config *c, struct config_row *row, const char *text, const char *where,
                const char *origin);
bool config_read_yaml(struct config *c, const char *path);
void config_print_help(const struct config *c, FILE *out);
void config_print_values(const struct config *c, FILE *out);
void config_unknown(struct config *c, const char *where, const char *key, const char *prefix);

#endif
