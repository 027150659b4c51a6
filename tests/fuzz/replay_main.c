/* replay_main.c - runs a fuzz harness over the files and directories given as arguments.
 *
 * Stands in for libFuzzer in ordinary builds, so that seeds and past crashes are tests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t replayed;

static void replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
        (void)fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    size_t len = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(len + (len == 0)); /* exact, so that ASan sees every overrun */
    check(data != NULL && fread(data, 1, len, f) == len);
    (void)fclose(f);
    (void)LLVMFuzzerTestOneInput(data, len);
    free(data);
    replayed++;
}

static void replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        (void)fprintf(stderr, "no such file: %s\n", path);
        exit(1);
    }
    if (!S_ISDIR(st.st_mode)) {
        replay_file(path);
        return;
    }
    DIR *dir = opendir(path);
    check(dir != NULL);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char child[4096];
        if (e->d_name[0] == '.')
            continue;
        check((size_t)snprintf(child, sizeof child, "%s/%s", path, e->d_name) < sizeof child);
        replay(child);
    }
    (void)closedir(dir);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    (void)printf("replayed %zu inputs\n", replayed);
    return replayed > 0 ? 0 : 1;
}
