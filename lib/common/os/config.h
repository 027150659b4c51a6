/* config.h - options of a daemon: declared in one table, set by file < environment < flags.
 *
 * A key `redis-url` is `redis-url: …` in YAML (or `redis:` with `url: …` under it),
 * CONCLAVE_REDIS_URL in the environment, and `--redis-url …` or `--redis-url=…` on the command line
 * (`--flag` alone is true for a bool, `--no-flag` false). Unknown keys and bad values are refused,
 * with the place
 * ("conclave.yaml:3:1: unknown key 'redis-ulr' (did you mean 'redis-url'?)") and exit code 64.
 * The file is named by --config or CONCLAVE_CONFIG; there is no other search path.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_CONFIG_H
#define COMMON_OS_CONFIG_H

#include "common/base.h"
#include "common/logfmt.h"

#include <stdio.h>

struct config_strings {
    const char **items;
    size_t count;
};

/* Names go into keys, channels, metrics and CLIENT SETNAME as they are. */
#define CONFIG_NAME_MAX 64

enum config_type {
    CONFIG_STRING,   /* const char **; NULL if there is no default and nothing set it */
    CONFIG_UINT,     /* uint64_t *; min..max */
    CONFIG_BOOL,     /* bool *; true false yes no on off 1 0 */
    CONFIG_DOUBLE,   /* double * */
    CONFIG_DURATION, /* usec *; "500ms" "10s" "5m" "24h" "7d"; only 0 needs no unit */
    CONFIG_STRINGS,  /* struct config_strings *; a YAML list, or "a,b,c" */
    CONFIG_ADDRESS,  /* const char **; checked with net_address_parse() */
    CONFIG_NETWORKS, /* struct config_strings *; each checked with net_cidr_is_valid() */
    CONFIG_NAME,     /* const char **; up to CONFIG_NAME_MAX of a-z A-Z 0-9 . _ - */
};

struct config_option {
    const char *key; /* lower case words joined by '-' */
    enum config_type type;
    const char *fallback; /* as it would be written in the environment; NULL = unset/zero/empty */
    const char *help;     /* one sentence, with the unit */
    const char *group;    /* heading in --help; NULL = "General" */
    void *ret;            /* of the type above; written by config_load() */
    bool secret;          /* --print-config and errors do not show it */
    uint64_t min, max;    /* CONFIG_UINT; max 0 = no limit. CONFIG_DURATION: microseconds */
    const char *choices;  /* CONFIG_STRING: "a|b|c"; NULL = any */
};

/* The options that every daemon has: redis-url, log-level, log-format, admin-listen, instance-id.
 */
struct config_common {
    const char *redis_url; /* redis://[user:password@]host[:port][/db] or unix:///path[?db=n] */
    enum log_level log_level;
    enum log_format log_format;
    const char *admin_listen; /* "" = no admin port */
    const char *instance_id;  /* unset: <daemon>-<hostname>-<4 random> */
    /* private: texts before they become enums */
    const char *log_level_text;
    const char *log_format_text;
};

struct config_spec {
    const char *daemon;                  /* "sfud" */
    const char *summary;                 /* one line for --help */
    const char *admin_listen_default;    /* "127.0.0.1:9101" */
    const struct config_option *options; /* without the common ones */
    size_t option_count;
    struct config_common *common;
    /* Checks what spans options, after all were set. Returns false and writes one line (without a
     * newline) if it makes no sense. NULL = nothing to check. */
    bool (*validate)(void *data, char *ret_why, size_t capacity);
    /* The same for --check-config only: the files and directories that a start would use. */
    bool (*check_files)(void *data, char *ret_why, size_t capacity);
    void *data;
};

/* What main() does next. */
enum config_next {
    CONFIG_RUN,
    CONFIG_EXIT_OK,    /* --help, --version, --check-config, --print-config: exit 0 */
    CONFIG_EXIT_USAGE, /* explained on err: exit 64 (EX_USAGE) */
};

/* Owns every text that was put into the destinations. */
struct config;

/* environment  NULL-terminated NAME=value, as environ. An unknown CONCLAVE_ name is refused if it
 *              looks like a misspelt one of ours and ignored otherwise: daemons share environments,
 *              and Kubernetes adds CONCLAVE_SIGNALD_PORT and the like by itself
 * out, err     stdout and stderr, or something else in tests
 * ret          config_free() it after the last use of any option; NULL unless CONFIG_RUN
 *
 * For SIGHUP: load again into another set of destinations and take over what can change. */
enum config_next config_load(const struct config_spec *spec, int argc, char *const *argv,
                             char *const *environment, FILE *out, FILE *err, struct config **ret);
void config_free(struct config *config);

/* "500ms" → 500000. Only 0 needs no unit. ERR_MALFORMED. */
MUST_USE enum err config_parse_duration(const char *text, usec *ret);

#endif
