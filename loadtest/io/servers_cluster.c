/* SPDX-License-Identifier: Apache-2.0 */
#include "io/servers.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKEND_MAX 16

static void copy_word(const char *from, char *ret, size_t capacity)
{
    size_t len = strcspn(from, " \t\r\n\"'#");
    (void)snprintf(ret, capacity, "%.*s", (int)len, from);
}

/* "http://<admin-listen>/metrics" of a daemon's configuration; false: it has none. */
static bool find_metrics_url(const char *dir, const char *name, char *ret, size_t capacity)
{
    static const char key[] = "admin-listen:";
    char path[PATH_MAX], line[512], address[128] = "";
    (void)snprintf(path, sizeof path, "%s/etc/%s.yaml", dir, name);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            copy_word(line + strlen(key) + strspn(line + strlen(key), " \t\"'"), address,
                      sizeof address);
    (void)fclose(f);
    (void)snprintf(ret, capacity, "http://%s/metrics", address);
    return address[0] != '\0';
}

/* What the last start said: "… evt=io.chosen backend=uring …". */
static bool find_io_backend(const char *dir, const char *name, char ret[BACKEND_MAX])
{
    static const char event[] = " evt=io.chosen ", key[] = " backend=";
    char path[PATH_MAX], *line = NULL;
    size_t capacity = 0;
    (void)snprintf(path, sizeof path, "%s/log/%s.log", dir, name);
    FILE *f = fopen(path, "re");
    ret[0] = '\0';
    if (f == NULL)
        return false;
    while (getline(&line, &capacity, f) > 0) {
        const char *backend = strstr(line, event) == NULL ? NULL : strstr(line, key);
        if (backend != NULL)
            copy_word(backend + strlen(key), ret, BACKEND_MAX);
    }
    free(line);
    (void)fclose(f);
    return ret[0] != '\0';
}

/* pid_file: <dir>/run/<name>.pid */
static enum err add_service(struct servers *s, const char *dir, const char *pid_file)
{
    char name[LIVE_NAME_MAX], url[160], backend[BACKEND_MAX];
    const char *base = strrchr(pid_file, '/') + 1;
    (void)snprintf(name, sizeof name, "%.*s", (int)(strlen(base) - strlen(".pid")), base);
    bool has_url = find_metrics_url(dir, name, url, sizeof url);
    bool is_media = strncmp(name, "sfud", 4) == 0 && find_io_backend(dir, name, backend);
    const struct server_config config = { .name = name,
                                          .metrics_url = has_url ? url : NULL,
                                          .pid_file = pid_file,
                                          .io_backend = is_media ? backend : NULL };
    return servers_add(s, &config);
}

enum err servers_add_cluster(struct servers *s, const char *dir, char ret_error[SERVERS_ERROR_MAX])
{
    char pattern[PATH_MAX];
    glob_t found;
    (void)snprintf(pattern, sizeof pattern, "%s/run/*.pid", dir);
    int result = glob(pattern, 0, NULL, &found);
    if (result != 0) {
        (void)snprintf(ret_error, SERVERS_ERROR_MAX, "no running cluster in %s (no %s)", dir,
                       "run/*.pid");
        return ERR_NOT_FOUND;
    }
    enum err e = OK;
    for (size_t i = 0; i < found.gl_pathc && e == OK; i++)
        e = add_service(s, dir, found.gl_pathv[i]);
    globfree(&found);
    if (e != OK)
        (void)snprintf(ret_error, SERVERS_ERROR_MAX, "more than %d services to watch in %s",
                       LIVE_SERVERS_MAX, dir);
    return e;
}
