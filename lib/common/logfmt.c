/* SPDX-License-Identifier: Apache-2.0 */
#include "common/logfmt.h"

#include "common/ids.h"

#include <math.h>
#include <stdio.h>

static const char *const level_names[] = { "debug", "info", "warn", "error" };

const char *log_level_name(enum log_level level)
{
    check((unsigned)level < ARRAY_LEN(level_names));
    return level_names[level];
}

enum err log_level_parse(const char *text, enum log_level *ret)
{
    for (unsigned i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return OK;
        }
    }
    return ERR_MALFORMED;
}

enum err log_format_parse(const char *text, enum log_format *ret)
{
    if (strcmp(text, "logfmt") == 0)
        *ret = LOG_FORMAT_LOGFMT;
    else if (strcmp(text, "json") == 0)
        *ret = LOG_FORMAT_JSON;
    else
        return ERR_MALFORMED;
    return OK;
}

/* Days since 1970-01-01 ↔ civil date, proleptic Gregorian (Hinnant's era arithmetic). */
static void civil_from_days(int64_t days, int *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2 ? 1 : 0));
}

static int64_t days_from_civil(int year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

void rfc3339_write(char ret[RFC3339_CAPACITY], wall_usec time)
{
    int64_t seconds = time / USEC_PER_SEC;
    int64_t micros = time % USEC_PER_SEC;
    if (micros < 0) {
        micros += USEC_PER_SEC;
        seconds--;
    }
    int64_t days = seconds / 86400;
    int64_t rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    int year;
    unsigned month, day;
    civil_from_days(days, &year, &month, &day);
    int n = snprintf(ret, RFC3339_CAPACITY, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", year, month, day,
                     (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60), (int)micros);
    check(n > 0 && n < RFC3339_CAPACITY);
}

/* Exactly `digits` decimal digits at *at, which moves on; -1 otherwise. */
static int take_number(const char **at, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static bool take_char(const char **at, const char *any_of)
{
    if (**at == '\0' || strchr(any_of, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

/* ".123456": at most microseconds count, more digits are dropped. False if no digit follows. */
static bool take_fraction(const char **at, int64_t *micros)
{
    int64_t scale = USEC_PER_SEC / 10;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9'; (*at)++, scale /= 10)
        *micros += (**at - '0') * scale;
    return *at != start;
}

static bool take_zone(const char **at, int64_t *offset_sec)
{
    if (take_char(at, "Zz"))
        return true;
    int64_t sign = **at == '-' ? -1 : 1;
    if (!take_char(at, "+-"))
        return false;
    int hours = take_number(at, 2);
    if (hours < 0 || hours > 23 || !take_char(at, ":"))
        return false;
    int minutes = take_number(at, 2);
    if (minutes < 0 || minutes > 59)
        return false;
    *offset_sec = sign * (hours * 3600 + minutes * 60);
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

enum err rfc3339_parse(const char *text, wall_usec *ret)
{
    const char *at = text;
    int year = take_number(&at, 4);
    if (year < 0 || !take_char(&at, "-"))
        return ERR_MALFORMED;
    int month = take_number(&at, 2);
    if (month < 1 || month > 12 || !take_char(&at, "-"))
        return ERR_MALFORMED;
    int day = take_number(&at, 2);
    if (day < 1 || day > days_of_month(year, month) || !take_char(&at, "Tt "))
        return ERR_MALFORMED;
    int hour = take_number(&at, 2);
    if (hour < 0 || hour > 23 || !take_char(&at, ":"))
        return ERR_MALFORMED;
    int minute = take_number(&at, 2);
    if (minute < 0 || minute > 59 || !take_char(&at, ":"))
        return ERR_MALFORMED;
    int second = take_number(&at, 2);
    if (second < 0 || second > 60)
        return ERR_MALFORMED;
    int64_t micros = 0, offset_sec = 0;
    if (take_char(&at, ".") && !take_fraction(&at, &micros))
        return ERR_MALFORMED;
    if (!take_zone(&at, &offset_sec) || *at != '\0')
        return ERR_MALFORMED;
    int64_t days = days_from_civil(year, (unsigned)month, (unsigned)day);
    int64_t seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset_sec;
    *ret = seconds * USEC_PER_SEC + micros;
    return OK;
}

/* One character of a quoted value; both formats use JSON's escapes, so either is one line. */
static void put_char(struct writer *w, uint32_t c, struct bytes raw)
{
    switch (c) {
    case '"':
        writer_put(w, bytes_of_str("\\\""));
        return;
    case '\\':
        writer_put(w, bytes_of_str("\\\\"));
        return;
    case '\n':
        writer_put(w, bytes_of_str("\\n"));
        return;
    case '\r':
        writer_put(w, bytes_of_str("\\r"));
        return;
    case '\t':
        writer_put(w, bytes_of_str("\\t"));
        return;
    default:
        break;
    }
    /* C1 controls and U+2028/9 end lines in some viewers. */
    if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029) {
        char escape[8];
        (void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
        writer_put(w, bytes_of_str(escape));
    } else {
        writer_put(w, raw);
    }
}

static void put_quoted(struct writer *w, struct bytes text)
{
    writer_u8(w, '"');
    while (text.len > 0) {
        uint32_t c = 0;
        size_t n = utf8_decode(text, &c);
        if (n == 0) {
            writer_put(w, bytes_of_str("\xef\xbf\xbd"));
            n = 1;
        } else {
            put_char(w, c, bytes_of(text.data, n));
        }
        text = bytes_of(text.data + n, text.len - n);
    }
    writer_u8(w, '"');
}

static bool is_plain(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return text.len > 0;
}

static void put_text(struct writer *w, struct bytes text, enum log_format format)
{
    if (format == LOG_FORMAT_LOGFMT && is_plain(text))
        writer_put(w, text);
    else
        put_quoted(w, text);
}

static void put_float(struct writer *w, double value, enum log_format format)
{
    char text[32];
    if (isfinite(value))
        (void)snprintf(text, sizeof text, "%.9g", value);
    else
        (void)snprintf(text, sizeof text, format == LOG_FORMAT_JSON ? "null" : "%f", value);
    writer_put(w, bytes_of_str(text));
}

static void put_value(struct writer *w, const struct kv *kv, enum log_format format)
{
    char number[32];
    switch (kv->kind) {
    case KV_TEXT:
        put_text(w, kv->text, format);
        return;
    case KV_FLOAT:
        put_float(w, kv->f64, format);
        return;
    case KV_UNSIGNED:
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)kv->u64);
        break;
    case KV_SIGNED:
        (void)snprintf(number, sizeof number, "%lld", (long long)kv->i64);
        break;
    case KV_BOOLEAN:
        (void)snprintf(number, sizeof number, "%s", kv->u64 != 0 ? "true" : "false");
        break;
    case KV_SECRET_LENGTH:
        (void)snprintf(number, sizeof number, "\"<secret %llu>\"", (unsigned long long)kv->u64);
        break;
    }
    writer_put(w, bytes_of_str(number));
}

static void put_pair(struct writer *w, const struct kv *kv, enum log_format format)
{
    if (format == LOG_FORMAT_JSON) {
        if (writer_len(w) > 1)
            writer_u8(w, ',');
        put_quoted(w, bytes_of_str(kv->key));
        writer_u8(w, ':');
    } else {
        if (writer_len(w) > 0)
            writer_u8(w, ' ');
        writer_put(w, bytes_of_str(kv->key));
        writer_u8(w, '=');
    }
    put_value(w, kv, format);
}

static const char truncated_logfmt[] = " truncated=true\n";
static const char truncated_json[] = ",\"truncated\":true}\n";

size_t logfmt_write(char *out, size_t capacity, const struct log_record *record,
                    enum log_format format)
{
    check(capacity >= 256);
    bool is_json = format == LOG_FORMAT_JSON;
    struct writer w = writer_of(out, capacity - sizeof truncated_json);
    char time[RFC3339_CAPACITY];
    rfc3339_write(time, record->time);
    const struct kv head[] = { KV_STR("ts", time), KV_STR("lvl", log_level_name(record->level)),
                               KV_STR("svc", record->service), KV_STR("evt", record->event) };
    if (is_json)
        writer_u8(&w, '{');
    size_t count = ARRAY_LEN(head) + record->kv_count;
    for (size_t i = 0; i < count && !w.failed; i++) {
        uint8_t *before = w.at;
        put_pair(&w, i < ARRAY_LEN(head) ? &head[i] : &record->kvs[i - ARRAY_LEN(head)], format);
        if (w.failed)
            w.at = before; /* whole pairs only, so the line stays valid */
    }
    const char *tail =
        w.failed ? (is_json ? truncated_json : truncated_logfmt) : (is_json ? "}\n" : "\n");
    size_t len = writer_len(&w), tail_len = strlen(tail);
    memcpy(out + len, tail, tail_len);
    return len + tail_len;
}
