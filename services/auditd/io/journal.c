/* journal.c - the log on disk.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/journal.h"

#include "common/os/clock.h"
#include "common/os/keyfile.h"
#include "common/os/log.h"
#include "common/os/random.h"
#include "io/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME    "lock"
#define BUFFER_BYTES ((size_t)BATCH_EVENTS_MAX * LINE_BYTES_MAX)

struct journal {
    /* given */
    struct journal_options options;
    /* owned */
    int dir_fd;
    int lock_fd;
    int fd; /* the current segment, opened for appending */
    struct seen *seen;
    uint8_t *buffer; /* BUFFER_BYTES */
    /* derived */
    struct chain chain;
    uint64_t bytes; /* of the current segment */
    uint64_t records;
    uint64_t verified_from;
    bool is_failing;
};

static enum err explain(char *why, enum err err, const char *what, const char *path)
{
    snprintf(why, JOURNAL_WHY_CAPACITY, "%s %s: %s", what, path, strerror(errno));
    return err;
}

static enum err write_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_SYSTEM;
        data += n;
        len -= (size_t)n;
    }
    return OK;
}

/* Begins the next segment: its header is on disk before anything refers to it. */
static enum err segment_begin(struct journal *j, wall_usec now)
{
    struct chain next = j->chain;
    char name[SEGMENT_NAME_CAPACITY];
    uint8_t header[512];
    struct writer w = writer_of(header, sizeof(header));
    chain_write_header(&next, now, &w);
    check(!w.failed);
    segment_name_write(next.segment, name);
    int fd = openat(j->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return ERR_SYSTEM;
    if (write_all(fd, header, writer_len(&w)) != OK || fsync(fd) != 0 || fsync(j->dir_fd) != 0) {
        int saved = errno;
        close(fd);
        unlinkat(j->dir_fd, name, 0);
        errno = saved;
        return ERR_SYSTEM;
    }
    if (j->fd >= 0)
        close(j->fd);
    j->fd = fd;
    j->chain = next;
    j->bytes = writer_len(&w);
    j->records = 0;
    log_info("segment.started", KV_U64("segment", next.segment), KV_U64("first", next.seq + 1));
    return OK;
}

/* Undoes a write that may have succeeded in part. */
static void roll_back(struct journal *j)
{
    int saved = errno;
    if (ftruncate(j->fd, (off_t)j->bytes) != 0)
        log_error("segment.rollback-failed", KV_STR("why", strerror(errno)));
    errno = saved;
}

static enum err append(struct journal *j, const struct event *events, size_t count, wall_usec now)
{
    check(count > 0 && count <= BATCH_EVENTS_MAX);
    if (segment_is_due(&j->options.policy, j->bytes, j->records, j->chain.created, now)) {
        enum err err = segment_begin(j, now);
        if (err != OK)
            return err;
    }
    struct chain next = j->chain;
    struct writer w = writer_of(j->buffer, BUFFER_BYTES);
    for (size_t i = 0; i < count; i++)
        chain_write_record(&next, bytes_of(events[i].canonical, events[i].canonical_len), &w);
    check(!w.failed);
    if (write_all(j->fd, j->buffer, writer_len(&w)) != OK || fdatasync(j->fd) != 0) {
        roll_back(j);
        return ERR_SYSTEM;
    }
    j->chain = next;
    j->bytes += writer_len(&w);
    j->records += count;
    for (size_t i = 0; i < count; i++)
        seen_add(j->seen, events[i].id);
    return OK;
}

enum err journal_append(struct journal *j, const struct event *events, size_t count, wall_usec now)
{
    enum err err = append(j, events, count, now);
    j->is_failing = err != OK;
    return err;
}

/* Recovery */

static void on_recovered_record(const struct chain *chain, struct bytes event, void *data)
{
    struct journal *j = data;
    json_t *json = json_loadb((const char *)event.data, event.len, 0, NULL);
    const char *id = json_string_value(json_object_get(json, "id"));
    if (id != NULL && uuid_is_valid(id) && !seen_has(j->seen, id))
        seen_add(j->seen, id);
    json_decref(json);
}

static enum err segment_recover(struct journal *j, uint64_t number, bool is_first,
                                struct segment_report *report, char *why)
{
    const struct segment_reader reader = {
        .chain = &j->chain, .is_first = is_first, .on_record = on_recovered_record, .data = j
    };
    enum err err = segment_file_read(j->dir_fd, number, &reader, report);
    if (err != OK)
        return explain(why, err, "segment in", j->options.dir);
    if (report->fault != CHAIN_FINE) {
        snprintf(why, JOURNAL_WHY_CAPACITY, "segment %" PRIu64 " line %" PRIu64 ": %s", number,
                 report->line, chain_fault_text(report->fault));
        return ERR_MALFORMED;
    }
    if (is_first)
        j->verified_from = j->chain.seq - report->records + 1;
    return OK;
}

/* Records what recovery has cut off. It was never acknowledged, so the stream still has it. */
static enum err cut_record(struct journal *j, uint64_t bytes)
{
    char id[UUID_CAPACITY], text[24];
    random_uuid7(id);
    snprintf(text, sizeof(text), "%" PRIu64, bytes);
    const struct event_own own = { .id = id,
                                   .time = clock_wall(),
                                   .type = "audit.recovered",
                                   .instance = j->options.instance,
                                   .keys = { "bytes_cut" },
                                   .values = { text } };
    struct event event;
    enum err err = event_write_own(&own, &event);
    if (err != OK)
        return err;
    err = append(j, &event, 1, clock_wall());
    event_clear(&event);
    return err;
}

static enum err segment_reopen(struct journal *j, uint64_t number,
                               const struct segment_report *report, char *why)
{
    char name[SEGMENT_NAME_CAPACITY];
    segment_name_write(number, name);
    j->fd = openat(j->dir_fd, name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (j->fd < 0)
        return explain(why, ERR_SYSTEM, "open", name);
    j->bytes = report->bytes_whole;
    j->records = report->records;
    if (report->bytes_torn == 0)
        return OK;
    log_warn("segment.recovered", KV_U64("segment", number), KV_U64("seq", j->chain.seq),
             KV_U64("bytes_cut", report->bytes_torn));
    if (ftruncate(j->fd, (off_t)j->bytes) != 0 || fsync(j->fd) != 0)
        return explain(why, ERR_SYSTEM, "truncate", name);
    enum err err = cut_record(j, report->bytes_torn);
    return err == OK ? OK : explain(why, err, "append to", name);
}

/* A file whose header was never finished holds nothing: it is as if it had not been begun. */
static bool is_stillborn(struct journal *j, uint64_t number)
{
    struct chain ignored;
    chain_init_unknown(&ignored);
    const struct segment_reader reader = { .chain = &ignored, .is_first = true };
    struct segment_report report;
    return segment_file_read(j->dir_fd, number, &reader, &report) == OK && report.line == 0;
}

/* Where recovery begins to read: so far back that the last SEEN_IDS_MAX ids are known again, and
 * one segment before the last in any case. An unreadable header is left to the reading itself. */
static size_t recovery_start(struct journal *j, const uint64_t *numbers, size_t count)
{
    uint64_t last = 0, first = 0;
    if (count < 2 || segment_file_first(j->dir_fd, numbers[count - 1], &last) != OK)
        return count < 2 ? 0 : count - 2;
    size_t start = count - 2;
    while (start > 0 && segment_file_first(j->dir_fd, numbers[start], &first) == OK &&
           last - first < SEEN_IDS_MAX)
        start--;
    return start;
}

static enum err recover(struct journal *j, char *why)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    if (segment_files_list(j->dir_fd, &numbers, &count) != OK)
        return explain(why, ERR_SYSTEM, "list", j->options.dir);
    if (count > 0 && is_stillborn(j, numbers[count - 1])) {
        char name[SEGMENT_NAME_CAPACITY];
        segment_name_write(numbers[--count], name);
        log_warn("segment.discarded", KV_STR("name", name));
        unlinkat(j->dir_fd, name, 0);
    }
    enum err err = OK;
    if (count == 0) {
        char id[ID_CAPACITY];
        random_id(id, "c_");
        chain_init(&j->chain, id);
        j->verified_from = 1;
        err = segment_begin(j, clock_wall());
        if (err != OK)
            explain(why, err, "create a segment in", j->options.dir);
    }
    struct segment_report report = { 0 };
    size_t start = recovery_start(j, numbers, count);
    for (size_t i = start; err == OK && i < count; i++) {
        err = segment_recover(j, numbers[i], i == start, &report, why);
        if (err == OK && i + 1 < count && report.bytes_torn > 0) {
            snprintf(why, JOURNAL_WHY_CAPACITY, "segment %" PRIu64 ": cut off", numbers[i]);
            err = ERR_MALFORMED;
        }
    }
    if (err == OK && count > 0)
        err = segment_reopen(j, numbers[count - 1], &report, why);
    free(numbers);
    return err;
}

static enum err directory_lock(struct journal *j, char *why)
{
    const char *dir = j->options.dir;
    enum err err = keyfile_directory(dir, why);
    if (err != OK)
        return err;
    j->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->dir_fd < 0)
        return explain(why, ERR_SYSTEM, "open", dir);
    j->lock_fd = openat(j->dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->lock_fd < 0)
        return explain(why, ERR_SYSTEM, "open the lock in", dir);
    if (flock(j->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        snprintf(why, JOURNAL_WHY_CAPACITY, "%s belongs to another auditd that is running", dir);
        return ERR_BAD_STATE;
    }
    return OK;
}

enum err journal_open(const struct journal_options *options, char ret_why[JOURNAL_WHY_CAPACITY],
                      struct journal **ret)
{
    struct journal *j = calloc(1, sizeof(*j));
    check(j != NULL);
    *j = (struct journal){ .options = *options, .dir_fd = -1, .lock_fd = -1, .fd = -1 };
    j->seen = calloc(1, sizeof(*j->seen));
    j->buffer = malloc(BUFFER_BYTES);
    check(j->seen != NULL && j->buffer != NULL);
    chain_init_unknown(&j->chain);
    enum err err = directory_lock(j, ret_why);
    if (err == OK)
        err = recover(j, ret_why);
    if (err == OK)
        *ret = j;
    else
        journal_close(j);
    return err;
}

void journal_close(struct journal *j)
{
    if (j == NULL)
        return;
    const int fds[] = { j->fd, j->lock_fd, j->dir_fd };
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(j->seen);
    free(j->buffer);
    free(j);
}

bool journal_has(const struct journal *j, const char *id)
{
    return seen_has(j->seen, id);
}

const struct chain *journal_chain(const struct journal *j)
{
    return &j->chain;
}

uint64_t journal_verified_from(const struct journal *j)
{
    return j->verified_from;
}

bool journal_is_ready(void *data, char *ret_why, size_t capacity)
{
    const struct journal *j = data;
    if (j->is_failing)
        snprintf(ret_why, capacity, "cannot write to %s", j->options.dir);
    return !j->is_failing;
}
