/* segment_file.c - reading segments.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/segment_file.h"

#include "core/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool number_push(uint64_t **list, size_t *count, uint64_t number)
{
    uint64_t *grown = realloc(*list, (*count + 1) * sizeof(**list));
    if (grown == NULL)
        return false;
    grown[(*count)++] = number;
    *list = grown;
    return true;
}

enum err segment_files_list(int dir_fd, uint64_t **ret, size_t *ret_count)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return ERR_SYSTEM;
    }
    uint64_t *list = NULL, number;
    size_t count = 0;
    bool fine = true;
    const struct dirent *entry;
    while (fine && (entry = readdir(dir)) != NULL)
        if (segment_name_parse(entry->d_name, &number))
            fine = number_push(&list, &count, number);
    closedir(dir);
    if (!fine) {
        free(list);
        return ERR_SYSTEM;
    }
    if (count > 0)
        qsort(list, count, sizeof(*list), by_number);
    *ret = list;
    *ret_count = count;
    return OK;
}

static enum chain_fault line_read(const struct segment_reader *reader, struct bytes line,
                                  uint64_t number, struct segment_report *report)
{
    if (report->line == 1) {
        enum chain_fault fault = reader->is_first ? chain_adopt_header(reader->chain, line)
                                                  : chain_read_header(reader->chain, line);
        return fault == CHAIN_FINE && reader->chain->segment != number ? CHAIN_WRONG_SEGMENT
                                                                       : fault;
    }
    struct bytes event = { 0 };
    enum chain_fault fault = chain_read_record(reader->chain, line, &event);
    if (fault != CHAIN_FINE)
        return fault;
    report->records++;
    if (reader->on_record != NULL)
        reader->on_record(reader->chain, event, reader->data);
    return CHAIN_FINE;
}

static FILE *segment_open(int dir_fd, uint64_t number)
{
    char name[SEGMENT_NAME_CAPACITY];
    segment_name_write(number, name);
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (file == NULL && fd >= 0)
        close(fd);
    return file;
}

enum err segment_file_read(int dir_fd, uint64_t number, const struct segment_reader *reader,
                           struct segment_report *ret)
{
    FILE *file = segment_open(dir_fd, number);
    if (file == NULL)
        return ERR_SYSTEM;
    struct segment_report report = { .fault = CHAIN_FINE };
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len = 0;
    while (report.fault == CHAIN_FINE && (len = getline(&line, &capacity, file)) > 0) {
        if (line[len - 1] != '\n') {
            report.bytes_torn = (uint64_t)len;
            break;
        }
        report.line++;
        report.fault = line_read(reader, bytes_of(line, (size_t)len - 1), number, &report);
        report.bytes_whole += (uint64_t)len;
    }
    bool is_broken = ferror(file) != 0;
    free(line);
    fclose(file);
    if (is_broken)
        return ERR_SYSTEM;
    *ret = report;
    return OK;
}

enum err segment_file_first(int dir_fd, uint64_t number, uint64_t *ret)
{
    FILE *file = segment_open(dir_fd, number);
    if (file == NULL)
        return ERR_SYSTEM;
    char line[512];
    struct chain chain;
    enum err err = ERR_MALFORMED;
    if (fgets(line, sizeof(line), file) != NULL && strchr(line, '\n') != NULL &&
        chain_adopt_header(&chain, bytes_of(line, strlen(line) - 1)) == CHAIN_FINE) {
        *ret = chain.seq + 1;
        err = OK;
    }
    fclose(file);
    return err;
}
