/* The tables of docs/loadtest-scenarios.md are those of the parser. To write them anew:
 * CONCLAVE_WRITE_DOCS=1 build/tests/unit/loadtest/test_loadtest_scenario_docs
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/scenario_value.h"

#include <stdio.h>
#include <stdlib.h>

#define MARK "<!-- generated: keys -->\n"
#define END  "<!-- end -->"

static void write_rows(FILE *out, const struct scenario_keys *part)
{
    (void)fprintf(out, "| key | value | range | default | what |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < part->count; i++) {
        const struct scenario_key *key = &part->keys[i];
        char range[VALUE_RANGE_MAX];
        bool has_default = key->def != NULL && key->def[0] != '\0';
        (void)fprintf(out, "| `%s` | %s | %s | %s%s%s | %s |\n", key->name,
                      value_kind_help(key->kind), value_range(key, range), has_default ? "`" : "",
                      has_default ? key->def : "", has_default ? "`" : "", key->help);
    }
}

static char *make_tables(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    for (size_t i = 0; i < PART_COUNT; i++) {
        const struct scenario_keys *part = &scenario_keys[i];
        if (part->where[0] == '\0')
            (void)fprintf(out, "\n### %s\n\n", part->help);
        else
            (void)fprintf(out, "\n### %s: `%s`\n\n", part->help, part->where);
        write_rows(out, part);
    }
    (void)fprintf(out, "\n");
    (void)fclose(out);
    return text;
}

static char *read_page(void)
{
    FILE *file = fopen(PAGE, "re");
    assert_non_null(file);
    char *text = (char *)calloc(1, 256 * 1024);
    assert_non_null(text);
    assert_true(fread(text, 1, 256 * 1024 - 1, file) > 0);
    (void)fclose(file);
    return text;
}

static void the_page_has_every_key(void **state)
{
    char *page = read_page(), *tables = make_tables();
    char *start = strstr(page, MARK), *end = strstr(page, END);
    assert_true(start != NULL && end != NULL && start < end);
    start += strlen(MARK);
    size_t len = (size_t)(end - start);
    bool is_same = len == strlen(tables) && memcmp(start, tables, len) == 0;
    if (!is_same && getenv("CONCLAVE_WRITE_DOCS") != NULL) {
        FILE *file = fopen(PAGE, "we");
        assert_non_null(file);
        (void)fprintf(file, "%.*s%s%s", (int)(start - page), page, tables, end);
        (void)fclose(file);
        is_same = true;
    }
    free(page);
    free(tables);
    if (!is_same)
        fail_msg("docs/loadtest-scenarios.md is stale; run this test with CONCLAVE_WRITE_DOCS=1");
}

static void the_example_of_the_page_can_be_run(void **state)
{
    char *page = read_page(), error[SCENARIO_ERROR_MAX];
    char *start = strstr(page, "```yaml\n"), *end = start == NULL ? NULL : strstr(start, "\n```\n");
    assert_true(start != NULL && end != NULL);
    start += strlen("```yaml\n");
    struct scenario *s = NULL;
    if (scenario_parse(bytes_of(start, (size_t)(end - start)), NULL, 0, &s, error) != OK)
        fail_msg("%s", error);
    assert_int_equal(scenario_bot_count(s), 82);
    scenario_free(s);
    free(page);
}

static void every_key_can_be_found_by_its_name(void **state)
{
    for (enum scenario_part part = 0; part < PART_COUNT; part++)
        for (size_t i = 0; i < scenario_keys[part].count; i++) {
            const struct scenario_key *key = &scenario_keys[part].keys[i];
            assert_ptr_equal(scenario_key_find(part, key->name), key);
            assert_true(strlen(key->help) > 5 && key->help[strlen(key->help) - 1] == '.');
        }
    assert_null(scenario_key_find(PART_GROUP, "bot"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_every_key),
        cmocka_unit_test(the_example_of_the_page_can_be_run),
        cmocka_unit_test(every_key_can_be_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
