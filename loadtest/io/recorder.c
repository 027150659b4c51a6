/* See recorder.h. SPDX-License-Identifier: Apache-2.0 */
#include "io/recorder.h"

#include "common/list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct recording {
    struct list_link link;
    FILE *file;
    char path[];
};

struct recorder {
    struct list open; /* struct recording, the one written to last first */
    size_t count;
};

struct recorder *recorder_new(void)
{
    struct recorder *r = calloc(1, sizeof *r);
    if (r != NULL)
        list_init(&r->open);
    return r;
}

static void close_recording(struct recorder *r, struct recording *x)
{
    list_remove(&x->link);
    r->count--;
    (void)fclose(x->file);
    free(x);
}

void recorder_free(struct recorder *r)
{
    if (r == NULL)
        return;
    while (!list_is_empty(&r->open))
        close_recording(r, container_of(list_first(&r->open), struct recording, link));
    free(r);
}

static void make_directories(const char *path)
{
    char *copy = strdup(path);
    for (char *slash = copy == NULL ? NULL : strchr(copy + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(copy, 0777); /* what matters is whether the file can be opened */
        *slash = '/';
    }
    free(copy);
}

static FILE *open_file(const char *path)
{
    FILE *file = fopen(path, "ae");
    if (file == NULL && errno == ENOENT) {
        make_directories(path);
        file = fopen(path, "ae");
    }
    return file;
}

static struct recording *find(struct recorder *r, const char *path)
{
    for (struct list_link *l = r->open.head.next; l != &r->open.head; l = l->next) {
        struct recording *x = container_of(l, struct recording, link);
        if (strcmp(x->path, path) == 0)
            return x;
    }
    size_t size = strlen(path) + 1;
    struct recording *x = malloc(sizeof *x + size);
    if (x == NULL)
        return NULL;
    memcpy(x->path, path, size);
    x->file = open_file(path);
    if (x->file == NULL) {
        free(x);
        return NULL;
    }
    if (r->count == RECORDER_OPEN_MAX)
        close_recording(r, container_of(r->open.head.prev, struct recording, link));
    r->count++;
    list_link_init(&x->link);
    return x;
}

enum err recorder_append(struct recorder *r, const char *path, struct bytes data)
{
    struct recording *x = find(r, path);
    if (x == NULL)
        return ERR_SYSTEM;
    list_remove(&x->link);
    list_push_front(&r->open, &x->link);
    return fwrite(data.data, 1, data.len, x->file) == data.len ? OK : ERR_SYSTEM;
}
