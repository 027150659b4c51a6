/* web.c - see web.h. SPDX-License-Identifier: Apache-2.0 */
#include "web.h"

#include "common/base64url.h"
#include "common/map.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

struct entry {
    struct map_node by_path;
    char *path; /* "/assets/index-a1b2.js" */
    uint8_t *body;
    uint8_t *gzip;
    struct web_file file;
};

struct web {
    struct map files; /* owned */
    unsigned refs;
    size_t bytes;
};

const char *const web_headers[] = {
    "x-content-type-options:",
    "nosniff",
    "referrer-policy:",
    "no-referrer",
    "permissions-policy:",
    "camera=(self), microphone=(self), display-capture=(self)",
    NULL,
};

/* Only what may stand in a host and port, so that nothing can be added to the policy. */
static bool is_host(const char *host)
{
    size_t len = strlen(host);
    return len > 0 && len <= 255 &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") ==
               len;
}

void web_policy(const char *host, char ret[WEB_POLICY_CAPACITY])
{
    char sockets[600] = "";
    if (is_host(host))
        snprintf(sockets, sizeof(sockets), " ws://%s wss://%s", host, host);
    snprintf(ret, WEB_POLICY_CAPACITY,
             "default-src 'self'; connect-src 'self'%s; script-src 'self' 'wasm-unsafe-eval'; "
             "style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
             "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; object-src 'none'",
             sockets);
}

static const struct {
    const char *suffix, *type;
    bool is_text;
} types[] = {
    { ".html", "text/html; charset=utf-8", true },
    { ".js", "text/javascript; charset=utf-8", true },
    { ".mjs", "text/javascript; charset=utf-8", true },
    { ".css", "text/css; charset=utf-8", true },
    { ".json", "application/json", true },
    { ".map", "application/json", true },
    { ".webmanifest", "application/manifest+json", true },
    { ".svg", "image/svg+xml", true },
    { ".wasm", "application/wasm", true },
    { ".txt", "text/plain; charset=utf-8", true },
    { ".png", "image/png", false },
    { ".jpg", "image/jpeg", false },
    { ".webp", "image/webp", false },
    { ".ico", "image/x-icon", false },
    { ".woff2", "font/woff2", false },
    { ".mp3", "audio/mpeg", false },
    { ".ogg", "audio/ogg", false },
    { ".wav", "audio/wav", false },
};

static void describe(struct web_file *f, const char *path, bool *ret_is_text)
{
    f->type = "application/octet-stream";
    *ret_is_text = false;
    size_t len = strlen(path);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        size_t n = strlen(types[i].suffix);
        if (len > n && strcmp(path + len - n, types[i].suffix) == 0) {
            f->type = types[i].type;
            *ret_is_text = types[i].is_text;
        }
    }
    /* The bundler puts a hash of the contents into the names under /assets/. */
    bool is_hashed = strncmp(path, "/assets/", 8) == 0 && strchr(path + 8, '-') != NULL;
    f->cache = is_hashed ? "public, max-age=31536000, immutable" : "no-cache";
}

static void set_etag(struct web_file *f)
{
    uint8_t digest[32];
    unsigned len = 0;
    check(EVP_Digest(f->body.data, f->body.len, digest, &len, EVP_sha256(), NULL) == 1);
    char text[BASE64URL_CAPACITY(16)];
    base64url_write(text, bytes_of(digest, 16));
    snprintf(f->etag, sizeof(f->etag), "\"%s\"", text);
}

static void compress_file(struct entry *e)
{
    z_stream z = { 0 };
    if (e->file.body.len < 512 ||
        deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return;
    size_t capacity = deflateBound(&z, e->file.body.len);
    e->gzip = malloc(capacity);
    check(e->gzip != NULL);
    z.next_in = e->body;
    z.avail_in = (uInt)e->file.body.len;
    z.next_out = e->gzip;
    z.avail_out = (uInt)capacity;
    if (deflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out < e->file.body.len * 9 / 10)
        e->file.gzip = bytes_of(e->gzip, z.total_out);
    deflateEnd(&z);
}

static void entry_free(struct entry *e)
{
    free(e->path);
    free(e->body);
    free(e->gzip);
    free(e);
}

static bool read_all(int fd, uint8_t *ret, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = read(fd, ret + at, len - at);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static enum err add_file(struct web *w, int fd, const char *path, size_t size)
{
    if (size > WEB_FILE_BYTES_MAX || w->bytes + size > WEB_TOTAL_BYTES_MAX)
        return ERR_FULL;
    struct entry *e = calloc(1, sizeof(*e));
    check(e != NULL);
    e->path = strdup(path);
    e->body = malloc(size + 1);
    check(e->path != NULL && e->body != NULL);
    if (!read_all(fd, e->body, size)) {
        entry_free(e);
        return ERR_SYSTEM;
    }
    w->bytes += size;
    e->file.body = bytes_of(e->body, size);
    bool is_text;
    describe(&e->file, path, &is_text);
    set_etag(&e->file);
    if (is_text)
        compress_file(e);
    if (map_insert(&w->files, &e->by_path, e->path) != OK)
        entry_free(e);
    return OK;
}

/* O_NOFOLLOW: a symbolic link is not served, wherever it leads. */
static enum err add_directory(struct web *w, int fd, const char *prefix, unsigned depth)
{
    DIR *dir = depth > WEB_DEPTH_MAX ? NULL : fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return ERR_SYSTEM;
    }
    enum err result = OK;
    for (struct dirent *d; result == OK && (d = readdir(dir)) != NULL;) {
        if (d->d_name[0] == '.')
            continue;
        char path[1024];
        if (snprintf(path, sizeof(path), "%s/%s", prefix, d->d_name) >= (int)sizeof(path))
            continue;
        int child = openat(fd, d->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;
        if (child < 0)
            continue;
        if (fstat(child, &st) == 0 && S_ISDIR(st.st_mode)) {
            result = add_directory(w, child, path, depth + 1);
            continue;
        }
        if (S_ISREG(st.st_mode))
            result = add_file(w, child, path, (size_t)st.st_size);
        close(child);
    }
    closedir(dir);
    return result;
}

enum err web_new(const char *root, struct web **ret)
{
    struct web *w = calloc(1, sizeof(*w));
    check(w != NULL);
    w->refs = 1;
    map_init(&w->files, NULL);
    if (root != NULL) {
        int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        enum err e = fd < 0 ? ERR_NOT_FOUND : add_directory(w, fd, "", 0);
        if (e != OK) {
            web_unref(w);
            return e;
        }
    }
    *ret = w;
    return OK;
}

struct web *web_ref(struct web *w)
{
    w->refs++;
    return w;
}

void web_unref(struct web *w)
{
    if (w == NULL || --w->refs > 0)
        return;
    for (struct map_node *n = map_first(&w->files), *next; n != NULL; n = next) {
        next = map_next(&w->files, n);
        struct entry *e = container_of(n, struct entry, by_path);
        map_remove(&w->files, e->path);
        entry_free(e);
    }
    map_done(&w->files);
    free(w);
}

size_t web_count(const struct web *w)
{
    return w->files.len;
}

static bool is_room_path(const char *path)
{
    if (strncmp(path, "/r/", 3) != 0 || path[3] == 0)
        return false;
    return strchr(path + 3, '/') == NULL;
}

const struct web_file *web_find(const struct web *w, const char *path)
{
    if (strcmp(path, "/") == 0 || is_room_path(path))
        path = "/index.html";
    struct map_node *n = map_find(&w->files, path);
    return n == NULL ? NULL : &container_of(n, struct entry, by_path)->file;
}
