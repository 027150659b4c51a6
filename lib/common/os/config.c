/* Defaults, file, environment, flags, in that order. SPDX-License-Identifier: Apache-2.0 */
#include "common/os/config.h"

#include "common/ids.h"
#include "common/os/config_private.h"
#include "common/os/random.h"
#include "common/os/redis.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENV_PREFIX   "CONCLAVE_"
#define COMMON_COUNT 5

char *config_copy(struct config *c, const char *text, size_t len)
{
    struct config_text *t = malloc(sizeof *t + len + 1);
    check(t != NULL);
    memcpy(t->text, text, len);
    t->text[len] = '\0';
    t->next = c->texts;
    c->texts = t;
    return t->text;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    for (struct config_text *t = c->texts, *next; t != NULL; t = next) {
        next = t->next;
        free(t);
    }
    for (size_t i = 0; i < c->list_count; i++)
        free(c->lists[i]);
    free(c->lists);
    free(c->rows);
    free(c);
}

struct config_row *config_find(struct config *c, const char *key)
{
    for (size_t i = 0; i < c->row_count; i++)
        if (strcmp(c->rows[i].option.key, key) == 0)
            return &c->rows[i];
    return NULL;
}

/* Levenshtein distance, one row of the matrix; long texts are far from everything. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], b_len = strlen(b);
    if (b_len >= ARRAY_LEN(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

const char *config_suggest(const struct config *c, const char *key)
{
    const char *best = NULL;
    size_t best_distance = MIN(strlen(key) / 3, 3) + 1;
    for (size_t i = 0; i < c->row_count; i++) {
        size_t d = distance(key, c->rows[i].option.key);
        if (d < best_distance) {
            best = c->rows[i].option.key;
            best_distance = d;
        }
    }
    return best;
}

void config_unknown(struct config *c, const char *where, const char *key, const char *prefix)
{
    const char *meant = config_suggest(c, key);
    (void)fprintf(c->err, "%s: unknown key '%s%s'", where, prefix, key);
    if (meant != NULL)
        (void)fprintf(c->err, " (did you mean '%s%s'?)", prefix, meant);
    (void)fputc('\n', c->err);
}

static void env_name_write(const char *key, char ret[CONFIG_ENV_CAPACITY])
{
    int n = snprintf(ret, CONFIG_ENV_CAPACITY, ENV_PREFIX "%s", key);
    check(n > 0 && n < CONFIG_ENV_CAPACITY);
    for (char *p = ret; *p != '\0'; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

static void rows_add(struct config *c, const struct config_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check(config_find(c, options[i].key) == NULL);
        check(options[i].ret != NULL && options[i].help != NULL);
        struct config_row *row = &c->rows[c->row_count++];
        row->option = options[i];
        env_name_write(options[i].key, row->env_name);
    }
}

static bool set_default(struct config *c, struct config_row *row)
{
    switch (row->option.type) {
    case CONFIG_STRING:
    case CONFIG_ADDRESS:
    case CONFIG_NAME:
        *(const char **)row->option.ret = NULL;
        break;
    case CONFIG_UINT:
        *(uint64_t *)row->option.ret = 0;
        break;
    case CONFIG_BOOL:
        *(bool *)row->option.ret = false;
        break;
    case CONFIG_DOUBLE:
        *(double *)row->option.ret = 0;
        break;
    case CONFIG_DURATION:
        *(usec *)row->option.ret = 0;
        break;
    case CONFIG_STRINGS:
    case CONFIG_NETWORKS:
        *(struct config_strings *)row->option.ret = (struct config_strings){ 0 };
        break;
    }
    return row->option.fallback == NULL ||
           config_set(c, row, row->option.fallback, "default", "default");
}

static struct config *config_new(const struct config_spec *spec, FILE *err)
{
    struct config_common *m = spec->common;
    const struct config_option common[COMMON_COUNT] = {
        { .key = "redis-url",
          .type = CONFIG_STRING,
          .fallback = "redis://127.0.0.1:6379",
          .help = "Redis: redis://[user:password@]host[:port][/db] or unix:///path.",
          .group = "Common",
          .ret = &m->redis_url },
        { .key = "log-level",
          .type = CONFIG_STRING,
          .fallback = "info",
          .help = "What is logged.",
          .choices = "debug|info|warn|error",
          .group = "Common",
          .ret = &m->log_level_text },
        { .key = "log-format",
          .type = CONFIG_STRING,
          .fallback = "logfmt",
          .help = "One line per event on stderr.",
          .choices = "logfmt|json",
          .group = "Common",
          .ret = &m->log_format_text },
        { .key = "admin-listen",
          .type = CONFIG_ADDRESS,
          .fallback = spec->admin_listen_default,
          .help =
              "Where /healthz, /readyz and /metrics are served, and by sfud /v1/rooms and what is "
              "below, packets.pcap too. Without authentication; empty = nowhere.",
          .group = "Common",
          .ret = &m->admin_listen },
        { .key = "instance-id",
          .type = CONFIG_NAME,
          .help =
              "Name of this process in the cluster, up to 64 of a-z A-Z 0-9 . _ -; unset = a new "
              "one at each start.",
          .group = "Common",
          .ret = &m->instance_id },
    };
    struct config *c = calloc(1, sizeof *c);
    check(c != NULL);
    c->spec = spec;
    c->err = err;
    c->rows = calloc(spec->option_count + COMMON_COUNT, sizeof *c->rows);
    check(c->rows != NULL);
    rows_add(c, spec->options, spec->option_count);
    rows_add(c, common, COMMON_COUNT);
    for (size_t i = 0; i < c->row_count; i++)
        check(set_default(c, &c->rows[i]));
    return c;
}

/* The rest of "NAME=value" if it starts with NAME=. */
static const char *value_of(const char *pair, const char *name)
{
    size_t len = strlen(name);
    return strncmp(pair, name, len) == 0 && pair[len] == '=' ? pair + len + 1 : NULL;
}

static void key_of_env(const char *pair, char *ret, size_t capacity)
{
    size_t n = 0;
    for (const char *p = pair + strlen(ENV_PREFIX); *p != '\0' && *p != '=' && n + 1 < capacity;
         p++)
        ret[n++] = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
    ret[n] = '\0';
}

static bool read_environment_pair(struct config *c, const char *pair)
{
    for (size_t i = 0; i < c->row_count; i++) {
        const char *value = value_of(pair, c->rows[i].env_name);
        if (value != NULL)
            return config_set(c, &c->rows[i], value, c->rows[i].env_name, "environment");
    }
    char key[64];
    key_of_env(pair, key, sizeof key);
    const char *meant = config_suggest(c, key);
    if (meant == NULL || strcmp(key, "config") == 0)
        return true;
    (void)fprintf(c->err, "%.*s: unknown (did you mean '%s'?)\n", (int)strcspn(pair, "="), pair,
                  config_find(c, meant)->env_name);
    return false;
}

static bool read_environment(struct config *c, char *const *environment)
{
    bool ok = true;
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++)
        if (strncmp(environment[i], ENV_PREFIX, strlen(ENV_PREFIX)) == 0)
            ok = read_environment_pair(c, environment[i]) && ok;
    return ok;
}

/* What the flags ask for besides options. */
struct wishes {
    bool help, version, check, print;
};

static bool take_wish(const char *name, struct wishes *w)
{
    const struct {
        const char *name;
        bool *flag;
    } all[] = { { "help", &w->help },
                { "version", &w->version },
                { "check-config", &w->check },
                { "print-config", &w->print } };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (strcmp(name, all[i].name) == 0) {
            *all[i].flag = true;
            return true;
        }
    }
    return false;
}

static bool is_bool_word(const char *text)
{
    static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "1", "0" };
    for (size_t i = 0; text != NULL && i < ARRAY_LEN(words); i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

struct flags {
    int argc;
    char *const *argv;
    int at;
};

/* Sets one option from --name[=value]. */
static bool set_flag(struct config *c, struct flags *f, const char *name, const char *value)
{
    char where[CONFIG_WHERE_CAPACITY];
    (void)snprintf(where, sizeof where, "--%s", name);
    struct config_row *row = config_find(c, name);
    if (row == NULL && value == NULL && strncmp(name, "no-", 3) == 0) {
        row = config_find(c, name + 3);
        if (row != NULL && row->option.type == CONFIG_BOOL)
            return config_set(c, row, "false", where, "flag");
        row = NULL;
    }
    if (row == NULL) {
        config_unknown(c, "command line", name, "--");
        return false;
    }
    const char *following = f->at + 1 < f->argc ? f->argv[f->at + 1] : NULL;
    bool is_bool = row->option.type == CONFIG_BOOL;
    if (value == NULL && (is_bool ? is_bool_word(following) : following != NULL)) {
        value = following;
        f->at++;
    }
    if (value == NULL && is_bool)
        value = "true";
    if (value == NULL) {
        (void)fprintf(c->err, "%s: a value is missing\n", where);
        return false;
    }
    return config_set(c, row, value, where, "flag");
}

/* Reads the command line. is_first: only --config and the wishes; then only the options. */
static bool read_flags(struct config *c, int argc, char *const *argv, bool is_first,
                       struct wishes *wishes)
{
    struct wishes ignored;
    bool ok = true;
    struct flags f = { .argc = argc, .argv = argv, .at = 1 };
    for (; f.at < argc; f.at++) {
        const char *arg = argv[f.at];
        char name[128];
        size_t len = strcspn(arg, "=");
        const char *value = arg[len] == '=' ? arg + len + 1 : NULL;
        if (strcmp(arg, "-h") == 0)
            arg = "--help", len = 6;
        if (strncmp(arg, "--", 2) != 0 || len <= 2 || len - 2 >= sizeof name) {
            if (!is_first) {
                (void)fprintf(c->err, "command line: unexpected '%s'\n", arg);
                ok = false;
            }
            continue;
        }
        memcpy(name, arg + 2, len - 2);
        name[len - 2] = '\0';
        if (strcmp(name, "config") == 0) {
            if (value == NULL && f.at + 1 < argc)
                value = argv[++f.at];
            if (value == NULL) {
                (void)fprintf(c->err, "--config: a file name is missing\n");
                return false;
            }
            c->file = value;
        } else if (take_wish(name, is_first ? wishes : &ignored)) {
            continue;
        } else if (!is_first) {
            ok = set_flag(c, &f, name, value) && ok;
        }
    }
    return ok;
}

/* <daemon>-<host>-<4 random>: two on one host, or one that restarts, are never the same. */
static void instance_id_make(struct config *c, struct config_common *m)
{
    char host[48] = "host", text[CONFIG_NAME_MAX + 1], id[ID_CAPACITY];
    (void)gethostname(host, sizeof host - 1);
    for (char *p = host; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && *p != '.')
            *p = '-';
    random_id(id, "");
    id[4] = '\0';
    int n = snprintf(text, sizeof text, "%.10s-%.47s-%s", c->spec->daemon, host, id);
    check(n > 0 && (size_t)n < sizeof text);
    m->instance_id = config_copy(c, text, (size_t)n);
}

static bool finish_common(struct config *c)
{
    struct config_common *m = c->spec->common;
    check(log_level_parse(m->log_level_text, &m->log_level) == OK);
    check(log_format_parse(m->log_format_text, &m->log_format) == OK);
    struct redis_address address;
    if (redis_url_parse(m->redis_url, &address) != OK) {
        (void)fprintf(c->err, "bad value for 'redis-url': expected redis://[user:password@]host"
                              "[:port][/db] or unix:///path\n");
        return false;
    }
    if (m->admin_listen == NULL)
        m->admin_listen = "";
    if (m->instance_id == NULL || m->instance_id[0] == '\0')
        instance_id_make(c, m);
    return true;
}

static bool check_files(struct config *c)
{
    char why[512] = "";
    if (c->spec->check_files == NULL || c->spec->check_files(c->spec->data, why, sizeof why))
        return true;
    (void)fprintf(c->err, "%s\n", why);
    return false;
}

static bool load_all(struct config *c, int argc, char *const *argv, char *const *environment)
{
    bool ok = c->file == NULL || config_read_yaml(c, c->file);
    ok = read_environment(c, environment) && ok;
    ok = read_flags(c, argc, argv, false, NULL) && ok;
    if (!ok || !finish_common(c))
        return false;
    char why[512] = "";
    if (c->spec->validate != NULL && !c->spec->validate(c->spec->data, why, sizeof why)) {
        (void)fprintf(c->err, "%s\n", why);
        return false;
    }
    return true;
}

enum config_next config_load(const struct config_spec *spec, int argc, char *const *argv,
                             char *const *environment, FILE *out, FILE *err, struct config **ret)
{
    *ret = NULL;
    struct config *c = config_new(spec, err);
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
        const char *file = value_of(environment[i], ENV_PREFIX "CONFIG");
        if (file != NULL && file[0] != '\0')
            c->file = file;
    }
    struct wishes wishes = { 0 };
    enum config_next next = CONFIG_EXIT_OK;
    if (!read_flags(c, argc, argv, true, &wishes)) {
        next = CONFIG_EXIT_USAGE;
    } else if (wishes.help) {
        config_print_help(c, out);
    } else if (wishes.version) {
        (void)fprintf(out, "%s %s\n", spec->daemon, CONCLAVE_VERSION);
    } else if (!load_all(c, argc, argv, environment)) {
        next = CONFIG_EXIT_USAGE;
    } else if (wishes.print) {
        config_print_values(c, out);
    } else if (wishes.check && !check_files(c)) {
        next = CONFIG_EXIT_USAGE;
    } else if (wishes.check) {
        (void)fprintf(out, "%s: configuration is fine\n", spec->daemon);
    } else {
        next = CONFIG_RUN;
    }
    if (next == CONFIG_RUN)
        *ret = c;
    else
        config_free(c);
    return next;
}
