/* What is said about a scenario that is refused: where, why, and what may have been meant.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/scenario_tree.h"

#include <stdarg.h>
#include <stdio.h>

enum { WORD_MAX = 32 };

const char *tree_place(const struct tree *t, char ret[TREE_PATH_MAX])
{
    const struct tree *chain[TREE_DEPTH_MAX + 2];
    size_t count = 0;
    for (const struct tree *at = t; at->parent != NULL && count < ARRAY_LEN(chain); at = at->parent)
        chain[count++] = at;
    int used = t->line == 0 ? snprintf(ret, TREE_PATH_MAX, "--set ")
                            : snprintf(ret, TREE_PATH_MAX, "line %zu: ", t->line);
    bool is_start = true;
    while (count-- > 0 && used > 0 && used < TREE_PATH_MAX) {
        const char *key = chain[count]->key;
        if (key == NULL)
            continue; /* an item of a list: the line tells */
        used +=
            snprintf(ret + used, (size_t)(TREE_PATH_MAX - used), "%s%s", is_start ? "" : ".", key);
        is_start = false;
    }
    return ret;
}

enum err tree_refuse(const struct tree *at, char ret_error[SCENARIO_ERROR_MAX], const char *format,
                     ...)
{
    char place[TREE_PATH_MAX];
    (void)tree_place(at, place);
    size_t used = strnlen(place, sizeof place);
    memcpy(ret_error, place, used);
    if (used >= 2 && ret_error[used - 2] == ':')
        used -= 2; /* the root has no path: "line 7" */
    ret_error[used++] = ':';
    ret_error[used++] = ' ';
    va_list args;
    va_start(args, format);
    (void)vsnprintf(ret_error + used, SCENARIO_ERROR_MAX - used, format, args);
    va_end(args);
    return ERR_MALFORMED;
}

/* Edits from a to b: insert, delete, replace, or swap of neighbours (optimal string alignment). */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned row[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *now = row[i % 3];
        const unsigned *before = row[(i + 2) % 3], *two_before = row[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned cost = a[i - 1] == b[j - 1] ? 0 : 1;
            now[j] = MIN(MIN(before[j] + 1, now[j - 1] + 1), before[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = MIN(now[j], two_before[j - 2] + 1);
        }
    }
    return row[a_len % 3][b_len];
}

const char *tree_hint(const char *wrong, const char *words, char ret[TREE_HINT_MAX])
{
    size_t wrong_len = strlen(wrong);
    unsigned best = (unsigned)MAX(1, MIN(wrong_len / 2, 3)) + 1;
    ret[0] = '\0';
    if (wrong_len == 0 || wrong_len > WORD_MAX)
        return ret;
    while (*words != '\0') {
        size_t len = strcspn(words, ", ");
        if (len > 0 && len <= WORD_MAX) {
            unsigned d = distance(wrong, wrong_len, words, len);
            if (d > 0 && d < best) {
                best = d;
                (void)snprintf(ret, TREE_HINT_MAX, " (did you mean '%.*s'?)", (int)len, words);
            }
        }
        words += len;
        words += strspn(words, ", ");
    }
    return ret;
}
