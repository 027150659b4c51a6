/* --help and --print-config. SPDX-License-Identifier: Apache-2.0 */
#include "common/os/config_private.h"

#include <string.h>

#define HELP_COLUMN 30
#define HELP_WIDTH  96

static const char *placeholder(const struct config_option *o)
{
    switch (o->type) {
    case CONFIG_UINT:
    case CONFIG_DOUBLE:
        return " N";
    case CONFIG_BOOL:
        return "[=true|false]";
    case CONFIG_DURATION:
        return " TIME";
    case CONFIG_STRINGS:
    case CONFIG_NETWORKS:
        return " A,B,…";
    case CONFIG_ADDRESS:
        return " ADDRESS:PORT";
    case CONFIG_STRING:
    case CONFIG_NAME:
        break;
    }
    return " TEXT";
}

static void print_wrapped(FILE *out, const char *text)
{
    size_t at = HELP_COLUMN;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (at + len > HELP_WIDTH && at > HELP_COLUMN) {
            (void)fprintf(out, "\n%*s", HELP_COLUMN, "");
            at = HELP_COLUMN;
        }
        (void)fprintf(out, "%.*s ", (int)len, text);
        at += len + 1;
        text += len;
        text += strspn(text, " ");
    }
    (void)fputc('\n', out);
}

/* Columns, not bytes: "…" is three bytes. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80 ? 1 : 0;
    return width;
}

static void print_option(const struct config_row *row, FILE *out)
{
    const struct config_option *o = &row->option;
    char head[128];
    (void)snprintf(head, sizeof head, "  --%s%s", o->key, o->choices != NULL ? "" : placeholder(o));
    size_t width = width_of(head);
    (void)fputs(head, out);
    if (o->choices != NULL) {
        (void)fprintf(out, " %s", o->choices);
        width += 1 + strlen(o->choices);
    }
    if (width + 2 > HELP_COLUMN)
        (void)fprintf(out, "\n%*s", HELP_COLUMN, "");
    else
        (void)fprintf(out, "%*s", (int)(HELP_COLUMN - width), "");
    print_wrapped(out, o->help);
    (void)fprintf(out, "%*s", HELP_COLUMN, "");
    if (o->fallback != NULL && o->fallback[0] != '\0')
        (void)fprintf(out, "default %s, ", o->fallback);
    (void)fprintf(out, "env %s\n", row->env_name);
}

static const char *group_of(const struct config_row *row)
{
    return row->option.group == NULL ? "General" : row->option.group;
}

/* Whether a row before this one has printed the group already. */
static bool is_first_of_group(const struct config *c, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(group_of(&c->rows[i]), group_of(&c->rows[index])) == 0)
            return false;
    return true;
}

void config_print_help(const struct config *c, FILE *out)
{
    (void)fprintf(out,
                  "%s %s - %s\n\nUsage: %s [--config FILE] [options]\n\n"
                  "Every option is a key of the YAML file, an environment variable, or a flag;\n"
                  "the later wins.\n\n",
                  c->spec->daemon, CONCLAVE_VERSION, c->spec->summary, c->spec->daemon);
    (void)fprintf(out,
                  "  --config FILE               The YAML file (env CONCLAVE_CONFIG).\n"
                  "  --check-config              Check the values of all options%s,\n"
                  "                              then exit. Not checked: Redis, other daemons,\n"
                  "                              whether addresses are free.\n"
                  "  --print-config              Print what is in effect, then exit.\n"
                  "  --version                   Print the version, then exit.\n"
                  "  --help                      Print this, then exit.\n",
                  c->spec->check_files == NULL ? "" : ", files and directories");
    for (size_t i = 0; i < c->row_count; i++) {
        if (!is_first_of_group(c, i))
            continue;
        (void)fprintf(out, "\n%s:\n", group_of(&c->rows[i]));
        for (size_t k = i; k < c->row_count; k++)
            if (strcmp(group_of(&c->rows[k]), group_of(&c->rows[i])) == 0)
                print_option(&c->rows[k], out);
    }
}

/* A YAML double-quoted scalar, with the password of a URL hidden. */
static void print_quoted(const char *text, FILE *out)
{
    const char *scheme = strstr(text, "://");
    const char *at = scheme == NULL ? NULL : strrchr(text, '@');
    const char *colon = at == NULL ? NULL : memchr(scheme + 3, ':', (size_t)(at - scheme - 3));
    (void)fputc('"', out);
    for (const char *p = text; *p != '\0'; p++) {
        if (colon != NULL && p == colon + 1) {
            (void)fputs("***", out);
            p = at;
        }
        if (*p == '"' || *p == '\\')
            (void)fprintf(out, "\\%c", *p);
        else if ((unsigned char)*p < 0x20)
            (void)fprintf(out, "\\x%02x", (unsigned)(unsigned char)*p);
        else
            (void)fputc(*p, out);
    }
    (void)fputc('"', out);
}

static void print_list(const char *text, FILE *out)
{
    (void)fputc('[', out);
    for (bool is_first = true; *text != '\0'; is_first = false) {
        char item[1024];
        text += strspn(text, " ");
        size_t len = strcspn(text, ",");
        (void)snprintf(item, sizeof item, "%.*s", (int)len, text);
        if (!is_first)
            (void)fputs(", ", out);
        print_quoted(item, out);
        text += text[len] == ',' ? len + 1 : len;
    }
    (void)fputc(']', out);
}

static bool is_list(const struct config_option *o)
{
    return o->type == CONFIG_STRINGS || o->type == CONFIG_NETWORKS;
}

static bool is_text(const struct config_option *o)
{
    return o->type == CONFIG_STRING || o->type == CONFIG_ADDRESS || o->type == CONFIG_NAME;
}

void config_print_values(const struct config *c, FILE *out)
{
    for (size_t i = 0; i < c->row_count; i++) {
        const struct config_row *row = &c->rows[i];
        if (row->text == NULL) {
            (void)fprintf(out, "# %s: (not set)\n", row->option.key);
            continue;
        }
        (void)fprintf(out, "%s: ", row->option.key);
        if (row->option.secret)
            (void)fputs("\"***\"", out);
        else if (is_list(&row->option))
            print_list(row->text, out);
        else if (is_text(&row->option))
            print_quoted(row->text, out);
        else
            (void)fputs(row->text, out);
        (void)fprintf(out, "  # %s\n", row->origin);
    }
}
