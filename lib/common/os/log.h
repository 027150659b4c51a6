/* log.h - the log: one event, one line, stderr. For io and main; cores return events instead.
 *
 *     log_info("transport.connected", KV_STR("room", id), KV_U64("rtt_us", rtt));
 *
 * Event names are noun.past-verb literals and the unit of rate limiting: more than LOG_BURST of one
 * name in a second are counted, and the next line of that name carries suppressed=<count>.
 * Thread-safe: a line is one write(2). This sink is the library's only global.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_LOG_H
#define COMMON_OS_LOG_H

#include "common/base.h"
#include "common/logfmt.h"

#define LOG_LINE_MAX 4096
#define LOG_BURST    50

/* Before this: info, logfmt, service "conclave". service is borrowed for the process's life.
 * Callable again (SIGHUP). */
void log_init(const char *service, enum log_level level, enum log_format format);
/* Where lines go; 2 unless told. For tests. */
void log_set_fd(int fd);

bool log_is_enabled(enum log_level level);
/* Use the macros. kvs[0] is skipped. */
void log_emit(enum log_level level, const char *event, const struct kv *kvs, size_t kv_count);

#define log_at(level, event, ...)                                                                  \
    do {                                                                                           \
        if (log_is_enabled(level)) {                                                               \
            const struct kv log_kvs_[] = { { 0 }, ##__VA_ARGS__ };                                 \
            log_emit((level), (event), log_kvs_, ARRAY_LEN(log_kvs_));                             \
        }                                                                                          \
    } while (0)

#define log_debug(event, ...) log_at(LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...)  log_at(LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...)  log_at(LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) log_at(LOG_LEVEL_ERROR, event, ##__VA_ARGS__)

#endif
