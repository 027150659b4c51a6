/* logfmt.h - one log record as one line of logfmt or JSON.
 *
 * Pure: values in, text out. Keys are ours (letters, digits, _ and .), values may be anything: they
 * are escaped so that no value can forge a second line, key or event. Invalid UTF-8 becomes U+FFFD.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_LOGFMT_H
#define COMMON_LOGFMT_H

#include "common/base.h"
#include "common/bytes.h"

/* What a reader should do: error = a human must act, warn = degraded but handled,
 * info = lifecycle, debug = off in production. */
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum kv_kind { KV_TEXT, KV_UNSIGNED, KV_SIGNED, KV_FLOAT, KV_BOOLEAN, KV_SECRET_LENGTH };

/* One key and value; borrows both. Made by the macros below. */
struct kv {
    const char *key;
    enum kv_kind kind;
    struct bytes text;
    uint64_t u64;
    int64_t i64;
    double f64;
};

/* NULL prints as an empty string. */
static inline struct kv kv_str(const char *key, const char *value)
{
    return (struct kv){ .key = key,
                        .kind = KV_TEXT,
                        .text = value == NULL ? (struct bytes){ 0 } : bytes_of_str(value) };
}

#define KV_STR(k, v)   kv_str((k), (v))
#define KV_BYTES(k, v) ((struct kv){ .key = (k), .kind = KV_TEXT, .text = (v) })
#define KV_U64(k, v)   ((struct kv){ .key = (k), .kind = KV_UNSIGNED, .u64 = (uint64_t)(v) })
#define KV_I64(k, v)   ((struct kv){ .key = (k), .kind = KV_SIGNED, .i64 = (int64_t)(v) })
#define KV_F64(k, v)   ((struct kv){ .key = (k), .kind = KV_FLOAT, .f64 = (double)(v) })
#define KV_BOOL(k, v)  ((struct kv){ .key = (k), .kind = KV_BOOLEAN, .u64 = (v) ? 1 : 0 })
#define KV_ERR(k, v)   kv_str((k), err_name(v))
/* Prints only how long it is: key="<secret 32>". v is a struct bytes. */
#define KV_SECRET(k, v) ((struct kv){ .key = (k), .kind = KV_SECRET_LENGTH, .u64 = (v).len })

struct log_record {
    wall_usec time;
    enum log_level level;
    const char *service;
    const char *event;
    const struct kv *kvs;
    size_t kv_count;
};

/* Writes `ts=… lvl=… svc=… evt=… key=value…\n` (or the JSON object) and returns its length without
 * a terminating zero. A line that does not fit ends with truncated=true and is still one valid
 * line. capacity must be at least 256. */
size_t logfmt_write(char *out, size_t capacity, const struct log_record *record,
                    enum log_format format);

/* "2026-08-21T10:11:12.123456Z" and a terminating zero. */
#define RFC3339_CAPACITY 32
void rfc3339_write(char ret[RFC3339_CAPACITY], wall_usec time);
/* The reverse; fraction optional, zone Z or ±hh:mm. ERR_MALFORMED. */
MUST_USE enum err rfc3339_parse(const char *text, wall_usec *ret);

const char *log_level_name(enum log_level level);
MUST_USE enum err log_level_parse(const char *text, enum log_level *ret);
MUST_USE enum err log_format_parse(const char *text, enum log_format *ret);

#endif
