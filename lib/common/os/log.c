/* SPDX-License-Identifier: Apache-2.0 */
#include "common/os/log.h"

#include "common/os/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* Event names are few literals; two that collide share a limit, which is harmless. */
#define EVENT_SLOTS 256

struct event_slot {
    usec window_start;
    unsigned count;
    unsigned suppressed;
};

static struct {
    const char *service;
    _Atomic int level;
    _Atomic int format;
    _Atomic int fd;
    pthread_mutex_t lock; /* of the slots */
    struct event_slot slots[EVENT_SLOTS];
} sink = { .service = "conclave",
           .level = LOG_LEVEL_INFO,
           .format = LOG_FORMAT_LOGFMT,
           .fd = STDERR_FILENO,
           .lock = PTHREAD_MUTEX_INITIALIZER };

void log_init(const char *service, enum log_level level, enum log_format format)
{
    sink.service = service;
    sink.level = (int)level;
    sink.format = (int)format;
}

void log_set_fd(int fd)
{
    sink.fd = fd;
}

bool log_is_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&sink.level, memory_order_relaxed);
}

static size_t slot_of(const char *event)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *event != '\0'; event++)
        hash = (hash ^ (uint8_t)*event) * 16777619u;
    return hash % EVENT_SLOTS;
}

/* False: over the limit, counted. Otherwise how many were left out since the last line. */
static bool is_admitted(const char *event, unsigned *ret_suppressed)
{
    usec now = clock_now();
    check(pthread_mutex_lock(&sink.lock) == 0);
    struct event_slot *slot = &sink.slots[slot_of(event)];
    if (now - slot->window_start >= USEC_PER_SEC) {
        slot->window_start = now;
        slot->count = 0;
    }
    bool admitted = slot->count < LOG_BURST;
    *ret_suppressed = 0;
    if (admitted) {
        slot->count++;
        *ret_suppressed = slot->suppressed;
        slot->suppressed = 0;
    } else {
        slot->suppressed++;
    }
    check(pthread_mutex_unlock(&sink.lock) == 0);
    return admitted;
}

void log_emit(enum log_level level, const char *event, const struct kv *kvs, size_t kv_count)
{
    check(kv_count >= 1 && kv_count <= 32);
    unsigned suppressed;
    if (!is_admitted(event, &suppressed))
        return;
    struct kv all[33];
    size_t n = 0;
    if (suppressed > 0)
        all[n++] = KV_U64("suppressed", suppressed);
    memcpy(all + n, kvs + 1, (kv_count - 1) * sizeof *kvs);
    n += kv_count - 1;
    char line[LOG_LINE_MAX];
    const struct log_record record = { .time = clock_wall(),
                                       .level = level,
                                       .service = sink.service,
                                       .event = event,
                                       .kvs = all,
                                       .kv_count = n };
    size_t len = logfmt_write(line, sizeof line, &record, (enum log_format)sink.format);
    /* One write: lines of threads do not mix. A log that cannot be written is lost, not waited for.
     */
    ssize_t written = write(sink.fd, line, len);
    (void)written;
}
