/* cli_files.c - files and results of the words. SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "core/compare.h"
#include "core/report_html.h"
#include "core/report_text.h"
#include "core/result.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cli_usage_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("conclave-bot: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return RUN_USAGE;
}

bool cli_has_colour(FILE *f)
{
    const char *no = getenv("NO_COLOR");
    return isatty(fileno(f)) && (no == NULL || no[0] == '\0');
}

char *cli_read_file(const char *path, size_t *ret_len)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char *text = NULL;
    size_t len = 0, capacity = 0;
    for (size_t n = 1; f != NULL && n > 0; len += n) {
        if (len + 1 >= capacity) {
            capacity = MAX((size_t)65536, capacity * 2);
            char *more = realloc(text, capacity);
            check(more != NULL);
            text = more;
        }
        n = fread(text + len, 1, capacity - len - 1, f);
    }
    bool failed = f == NULL || ferror(f);
    if (failed)
        fprintf(stderr, "conclave-bot: %s: %s\n", path, strerror(errno));
    if (f != NULL && f != stdin)
        (void)fclose(f);
    if (failed) {
        free(text);
        return NULL;
    }
    text[len] = '\0';
    if (ret_len != NULL)
        *ret_len = len;
    return text;
}

bool cli_write_file(const char *path, const char *text)
{
    bool to_stdout = strcmp(path, "-") == 0;
    FILE *f = to_stdout ? stdout : fopen(path, "we");
    bool ok = f != NULL && fputs(text, f) >= 0 && fflush(f) == 0;
    if (f != NULL && !to_stdout)
        ok = fclose(f) == 0 && ok;
    if (!ok)
        fprintf(stderr, "conclave-bot: %s: %s\n", path, strerror(errno));
    return ok;
}

bool cli_can_write(const char *path)
{
    if (path == NULL || strcmp(path, "-") == 0 || access(path, W_OK) == 0)
        return true;
    bool is_new = errno == ENOENT;
    const char *slash = strrchr(path, '/');
    char *directory =
        slash == NULL ? strdup(".") : strndup(path, (size_t)MAX(slash - path, (ptrdiff_t)1));
    bool ok = is_new && directory != NULL && access(directory, W_OK) == 0;
    if (!ok)
        fprintf(stderr, "conclave-bot: %s: %s\n", path, strerror(errno));
    free(directory);
    return ok;
}

json_t *cli_read_result(const char *path)
{
    char *text = cli_read_file(path, NULL);
    if (text == NULL)
        return NULL;
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    free(text);
    if (json == NULL) {
        fprintf(stderr, "conclave-bot: %s:%d: %s\n", path, error.line, error.text);
        return NULL;
    }
    if (strcmp(result_text(json, "schema", ""), RESULT_SCHEMA) != 0) {
        fprintf(stderr, "conclave-bot: %s is not a result (schema %s)\n", path, RESULT_SCHEMA);
        json_decref(json);
        return NULL;
    }
    return json;
}

int cli_compare(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
        puts("Usage: conclave-bot compare A.json B.json […]\n\n"
             "The measurements of two to six results side by side; each is compared with the first.");
        return 0;
    }
    if (argc < 3 || argc - 1 > COMPARE_MAX)
        return cli_usage_error("compare wants two to %d results (JSON)", COMPARE_MAX);
    struct compare_run runs[COMPARE_MAX] = { 0 };
    json_t *results[COMPARE_MAX] = { 0 };
    size_t count = 0;
    int exit_status = 0;
    for (int i = 1; i < argc && exit_status == 0; i++, count++) {
        results[count] = cli_read_result(argv[i]);
        runs[count] = (struct compare_run){ .name = argv[i], .result = results[count] };
        exit_status = results[count] == NULL ? RUN_USAGE : 0;
    }
    struct compare_options options = { .colour = cli_has_colour(stdout) };
    char *text = exit_status == 0 ? compare_text(runs, count, &options) : NULL;
    if (text != NULL)
        fputs(text, stdout);
    free(text);
    for (size_t i = 0; i < COMPARE_MAX; i++)
        json_decref(results[i]);
    return exit_status;
}

int cli_report(int argc, char **argv)
{
    static const struct option options[] = { { "html", required_argument, NULL, 'h' },
                                             { "help", no_argument, NULL, '?' + 128 },
                                             { 0 } };
    const char *html = NULL;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'h') {
            html = optarg;
            continue;
        }
        puts("Usage: conclave-bot report RESULT.json [--html FILE]\n\n"
             "Prints a result as text, or writes it as a page that needs nothing else.");
        return c == '?' ? RUN_USAGE : 0;
    }
    if (optind + 1 != argc)
        return cli_usage_error("report wants one result (JSON)");
    json_t *result = cli_read_result(argv[optind]);
    if (result == NULL)
        return RUN_USAGE;
    struct report_text_options text_options = { .colour = cli_has_colour(stdout) };
    char *text = html != NULL ? report_html(result) : report_text(result, &text_options);
    bool ok = text != NULL && cli_write_file(html != NULL ? html : "-", text);
    free(text);
    json_decref(result);
    return ok ? 0 : RUN_USAGE;
}

int cli_slo_metrics(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    char *text = slo_metrics_help();
    if (text != NULL)
        fputs(text, stdout);
    free(text);
    return 0;
}
