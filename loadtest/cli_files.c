/* cli_files.c - files and results of the words. SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "core/compare.h"
#include "core/report_html.h"
#include "core/report_text.h"
#include "core/result.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

bool cli_parse_number(const char *text, uint64_t max, uint64_t *ret)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != '\0')
        return false;
    errno = 0;
    uint64_t n = strtoull(text, NULL, 10);
    if (errno == ERANGE || n > max)
        return false;
    *ret = n;
    return true;
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

static bool write_all(int fd, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno != EINTR)
            return false;
        text += MAX(n, (ssize_t)0);
        left -= (size_t)MAX(n, (ssize_t)0);
    }
    return true;
}

static bool write_in_place(const char *path, const char *text)
{
    bool to_stdout = strcmp(path, "-") == 0;
    FILE *f = to_stdout ? stdout : fopen(path, "we");
    bool ok = f != NULL && fputs(text, f) >= 0 && fflush(f) == 0;
    if (f != NULL && !to_stdout)
        ok = fclose(f) == 0 && ok;
    return ok;
}

/* mode: of the file that is replaced; 0: there is none. */
static bool write_and_rename(const char *path, mode_t mode, const char *text)
{
    char *temporary = NULL;
    check(asprintf(&temporary, "%s.tmp", path) > 0);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    bool ok;
    if (fd < 0 && mode != 0) {
        ok = write_in_place(path, text); /* a directory that takes no new files */
    } else {
        ok = fd >= 0 && write_all(fd, text) && (mode == 0 || fchmod(fd, mode) == 0) &&
             fsync(fd) == 0;
        if (fd >= 0)
            ok = close(fd) == 0 && ok;
        ok = ok && rename(temporary, path) == 0;
        if (!ok && fd >= 0) {
            int why = errno;
            (void)unlink(temporary);
            errno = why;
        }
    }
    free(temporary);
    return ok;
}

bool cli_write_file(const char *path, const char *text)
{
    struct stat st = { 0 };
    bool is_there = strcmp(path, "-") != 0 && stat(path, &st) == 0;
    char *real = is_there ? realpath(path, NULL) : NULL; /* a link goes on being one */
    bool in_place = strcmp(path, "-") == 0 || (is_there && !S_ISREG(st.st_mode));
    bool ok = in_place ? write_in_place(path, text)
                       : write_and_rename(real != NULL ? real : path,
                                          is_there ? st.st_mode & 0777 : 0, text);
    if (!ok)
        fprintf(stderr, "conclave-bot: %s: %s\n", strcmp(path, "-") == 0 ? "stdout" : path,
                strerror(errno));
    free(real);
    return ok;
}

bool cli_can_write(const char *path)
{
    struct stat st;
    if (path == NULL || strcmp(path, "-") == 0)
        return true;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        fprintf(stderr, "conclave-bot: %s: %s\n", path, strerror(EISDIR));
        return false;
    }
    if (access(path, W_OK) == 0)
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

bool cli_check_url(const char *option, const char *url, bool only_http)
{
    static const char *const SCHEMES[] = { "http", "https", "ws", "wss" };
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLU *parsed = curl_url();
    check(parsed != NULL);
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    (void)curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0);
    (void)curl_url_get(parsed, CURLUPART_HOST, &host, 0);
    (void)curl_url_get(parsed, CURLUPART_PORT, &port, 0);
    bool is_known = scheme == NULL && code != CURLUE_BAD_SCHEME;
    for (size_t i = 0; scheme != NULL && i < (only_http ? 2 : ARRAY_LEN(SCHEMES)); i++)
        is_known |= strcmp(scheme, SCHEMES[i]) == 0;
    bool ok = false;
    if (strstr(url, "://") == NULL || !is_known)
        (void)cli_usage_error("%s %s: it must begin with %s", option, url,
                              only_http ? "http:// or https://"
                                        : "http://, https://, ws:// or wss://");
    else if (code == CURLUE_BAD_PORT_NUMBER || (port != NULL && strcmp(port, "0") == 0))
        (void)cli_usage_error("%s %s: a port is a number from 1 to 65535", option, url);
    else if (code == CURLUE_NO_HOST || (code == CURLUE_OK && (host == NULL || *host == '\0')))
        (void)cli_usage_error("%s %s: it names no host", option, url);
    else if (code != CURLUE_OK)
        (void)cli_usage_error("%s %s: %s", option, url, curl_url_strerror(code));
    else
        ok = true;
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parsed);
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
             "The measurements of two to six results side by side; each is compared with the "
             "first.");
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
    if (exit_status == 0 && (text == NULL || !cli_write_file("-", text)))
        exit_status = RUN_USAGE;
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
    bool ok = text != NULL && cli_write_file("-", text);
    free(text);
    return ok ? 0 : RUN_USAGE;
}
