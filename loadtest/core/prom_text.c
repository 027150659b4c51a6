/* SPDX-License-Identifier: Apache-2.0 */
#include "core/prom_text.h"

#include <math.h>
#include <stdlib.h>

#define NUMBER_MAX 64 /* characters of a value or a timestamp */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct reader *r)
{
    while (reader_left(r) > 0 && is_blank(*r->at))
        r->at++;
}

static bool take_char(struct reader *r, char c)
{
    if (reader_left(r) == 0 || *r->at != (uint8_t)c)
        return false;
    r->at++;
    return true;
}

static bool is_name_char(uint8_t c, bool is_first, bool is_label)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c == ':' && !is_label))
        return true;
    return !is_first && c >= '0' && c <= '9';
}

/* Empty: there is none. */
static struct bytes take_name(struct reader *r, bool is_label)
{
    const uint8_t *start = r->at;
    while (reader_left(r) > 0 && is_name_char(*r->at, r->at == start, is_label))
        r->at++;
    return bytes_of(start, start == NULL ? 0 : (size_t)(r->at - start));
}

/* What is between quotes, still escaped. */
static bool take_quoted(struct reader *r, struct bytes *ret)
{
    if (!take_char(r, '"'))
        return false;
    const uint8_t *start = r->at;
    while (reader_left(r) > 0 && *r->at != '"') {
        if (*r->at == '\\' && reader_left(r) > 1)
            r->at++;
        r->at++;
    }
    *ret = bytes_of(start, (size_t)(r->at - start));
    return take_char(r, '"');
}

/* name="value", and the comma after it. False: no more labels, or not a label. */
static bool take_label(struct reader *r, struct bytes *ret_name, struct bytes *ret_value)
{
    skip_blanks(r);
    *ret_name = take_name(r, true);
    skip_blanks(r);
    if (ret_name->len == 0 || !take_char(r, '='))
        return false;
    skip_blanks(r);
    if (!take_quoted(r, ret_value))
        return false;
    skip_blanks(r);
    return reader_left(r) == 0 || *r->at == '}' || take_char(r, ',');
}

/* r is behind the opening brace; ends behind the closing one. */
static bool take_labels(struct reader *r, struct bytes *ret)
{
    const uint8_t *start = r->at;
    struct bytes name, value;
    for (;;) {
        skip_blanks(r);
        const uint8_t *end = r->at;
        if (take_char(r, '}')) {
            *ret = bytes_of(start, (size_t)(end - start));
            return true;
        }
        if (!take_label(r, &name, &value))
            return false;
    }
}

static struct bytes take_word(struct reader *r)
{
    skip_blanks(r);
    const uint8_t *start = r->at;
    while (reader_left(r) > 0 && !is_blank(*r->at))
        r->at++;
    return bytes_of(start, start == NULL ? 0 : (size_t)(r->at - start));
}

static bool parse_word(const char *text, double *ret)
{
    const char *word = text + (text[0] == '+' || text[0] == '-');
    if (strcasecmp(word, "nan") == 0)
        *ret = NAN;
    else if (strcasecmp(word, "inf") == 0 || strcasecmp(word, "infinity") == 0)
        *ret = text[0] == '-' ? -INFINITY : INFINITY;
    else
        return false;
    return true;
}

static bool parse_number(struct bytes word, double *ret)
{
    char text[NUMBER_MAX + 1];
    if (word.len == 0 || word.len > NUMBER_MAX)
        return false;
    memcpy(text, word.data, word.len);
    text[word.len] = '\0';
    if (parse_word(text, ret))
        return true;
    if (strspn(text, "0123456789+-.eE") != word.len)
        return false;
    char *end;
    double value = strtod(text, &end);
    if (end != text + word.len)
        return false;
    *ret = value;
    return true;
}

static enum err parse_line(struct bytes line, struct prom_sample *ret)
{
    struct reader r = reader_of(line);
    struct prom_sample s = { 0 };
    double timestamp;
    skip_blanks(&r);
    s.name = take_name(&r, false);
    if (s.name.len == 0)
        return ERR_MALFORMED;
    skip_blanks(&r);
    if (take_char(&r, '{') && !take_labels(&r, &s.labels))
        return ERR_MALFORMED;
    if (!parse_number(take_word(&r), &s.value))
        return ERR_MALFORMED;
    struct bytes stamp = take_word(&r);
    if (stamp.len > 0 && !parse_number(stamp, &timestamp))
        return ERR_MALFORMED;
    skip_blanks(&r);
    if (reader_left(&r) > 0)
        return ERR_MALFORMED;
    *ret = s;
    return OK;
}

static struct bytes next_line(struct bytes *left)
{
    const uint8_t *end = memchr(left->data, '\n', left->len);
    size_t len = end == NULL ? left->len : (size_t)(end - left->data);
    struct bytes line = bytes_of(left->data, len);
    size_t used = end == NULL ? len : len + 1;
    *left = bytes_of(left->data + used, left->len - used);
    return line;
}

static bool is_comment_or_empty(struct bytes line)
{
    size_t i = 0;
    while (i < line.len && is_blank(line.data[i]))
        i++;
    return i == line.len || line.data[i] == '#';
}

enum err prom_text_next(struct prom_text *t, struct prom_sample *ret)
{
    while (t->left.len > 0) {
        struct bytes line = next_line(&t->left);
        if (!is_comment_or_empty(line))
            return parse_line(line, ret);
    }
    return ERR_NOT_FOUND;
}

bool prom_sample_is(const struct prom_sample *s, const char *name)
{
    return bytes_equal(s->name, bytes_of_str(name));
}

/* \\ \" \n; any other backslash stands for itself. */
static enum err unescape(struct bytes from, char *ret, size_t capacity)
{
    size_t len = 0;
    for (size_t i = 0; i < from.len; i++) {
        char c = (char)from.data[i];
        char next = c == '\\' && i + 1 < from.len ? (char)from.data[i + 1] : '\0';
        if (next == '\\' || next == '"' || next == 'n') {
            c = next == 'n' ? '\n' : next;
            i++;
        }
        if (c == '\0')
            return ERR_MALFORMED;
        if (len + 1 >= capacity)
            return ERR_FULL;
        ret[len++] = c;
    }
    ret[len] = '\0';
    return OK;
}

enum err prom_sample_label(const struct prom_sample *s, const char *label, char *ret,
                           size_t capacity)
{
    check(capacity > 0);
    ret[0] = '\0';
    struct reader r = reader_of(s->labels);
    struct bytes name, value, want = bytes_of_str(label);
    while (take_label(&r, &name, &value)) {
        if (!bytes_equal(name, want))
            continue;
        enum err e = unescape(value, ret, capacity);
        if (e != OK)
            ret[0] = '\0';
        return e;
    }
    return ERR_NOT_FOUND;
}
