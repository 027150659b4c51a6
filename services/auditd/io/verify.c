/* verify.c - checking a whole log.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/verify.h"

#include "core/chain.h"
#include "io/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>

struct verification {
    struct chain chain;
    const char *expect_head;
    bool has_expected;
};

static void head_compare(struct verification *v, const struct chain *chain)
{
    char head[CHAIN_HEAD_CHARS];
    if (v->expect_head == NULL || v->has_expected)
        return;
    chain_head_write(chain, head);
    v->has_expected = strcasecmp(head, v->expect_head) == 0;
}

static void on_record(const struct chain *chain, struct bytes event, void *data)
{
    head_compare(data, chain);
}

static int broken(FILE *out, uint64_t segment, uint64_t line, const char *why)
{
    fprintf(out, "broken: segment %" PRIu64 " line %" PRIu64 ": %s\n", segment, line, why);
    return 1;
}

static bool is_in_use(int dir_fd)
{
    int fd = openat(dir_fd, "lock", O_RDONLY | O_CLOEXEC);
    bool in_use = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (fd >= 0)
        close(fd);
    return in_use;
}

/* 0, or what verify_directory() returns. */
static int segment_verify(int dir_fd, struct verification *v, uint64_t number, bool may_be_torn,
                          FILE *out)
{
    const struct segment_reader reader = { .chain = &v->chain, .on_record = on_record, .data = v };
    struct segment_report report;
    if (number != v->chain.segment + 1)
        return broken(out, v->chain.segment + 1, 0, "is missing");
    if (segment_file_read(dir_fd, number, &reader, &report) != OK) {
        fprintf(out, "error: segment %" PRIu64 ": %s\n", number, strerror(errno));
        return 2;
    }
    if (report.fault != CHAIN_FINE)
        return broken(out, number, report.line, chain_fault_text(report.fault));
    if (report.bytes_torn > 0 && !may_be_torn)
        return broken(out, number, report.line + 1, "is cut off");
    if (report.line == 0)
        return broken(out, number, 1, "has no header");
    if (report.records == 0)
        head_compare(v, &v->chain);
    return 0;
}

static int directory_verify(int dir_fd, struct verification *v, FILE *out)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    bool in_use = is_in_use(dir_fd);
    if (segment_files_list(dir_fd, &numbers, &count) != OK) {
        fprintf(out, "error: %s\n", strerror(errno));
        return 2;
    }
    int status = count > 0 ? 0 : broken(out, 1, 0, "is missing");
    for (size_t i = 0; status == 0 && i < count; i++)
        status = segment_verify(dir_fd, v, numbers[i], in_use && i + 1 == count, out);
    free(numbers);
    if (status != 0)
        return status;
    char head[CHAIN_HEAD_CHARS];
    chain_head_write(&v->chain, head);
    if (v->expect_head != NULL && !v->has_expected) {
        fprintf(out,
                "broken: head %s is not in the log: its end was cut off, or it is another log\n",
                v->expect_head);
        return 1;
    }
    fprintf(out, "intact: %" PRIu64 " events in %zu segments, head %s\n", v->chain.seq, count,
            head);
    return 0;
}

int verify_directory(const char *dir, const char *expect_head, FILE *out)
{
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        fprintf(out, "error: %s: %s\n", dir, strerror(errno));
        return 2;
    }
    struct verification v = { .expect_head = expect_head };
    chain_init_unknown(&v.chain);
    int status = directory_verify(dir_fd, &v, out);
    close(dir_fd);
    return status;
}
