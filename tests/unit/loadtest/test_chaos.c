/* Commands are run by a real shell. SPDX-License-Identifier: Apache-2.0 */
#include "io/chaos.h"

#include "common/os/clock.h"

#include "redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static uv_loop_t loop;
static struct scenario scenario;
static struct chaos_runner *runner;
static char directory[64];
static char told[256]; /* "0b0e0u0d": what happened, in order */

static void on_event(unsigned index, enum chaos_moment moment, usec now, void *data)
{
    size_t len = strlen(told);
    (void)snprintf(told + len, sizeof told - len, "%u%c", index, "beud"[moment]);
    assert_true(now > 0 && now <= clock_now());
}

static int set_up(void **state)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    scenario = (struct scenario){ 0 };
    told[0] = '\0';
    (void)snprintf(directory, sizeof directory, "/tmp/conclave-chaos-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static void add(usec at, const char *run, usec undo_after, const char *undo)
{
    struct chaos *c = &scenario.chaos[scenario.chaos_count++];
    *c = (struct chaos){ .at_us = at, .undo_after_us = undo_after };
    (void)snprintf(c->name, sizeof c->name, "step-%u", scenario.chaos_count);
    (void)snprintf(c->run, sizeof c->run, "cd %s; %s", directory, run);
    if (undo != NULL)
        (void)snprintf(c->undo, sizeof c->undo, "cd %s; %s", directory, undo);
}

static usec zero;

static void start(usec timeout, usec grace)
{
    const struct chaos_options options = { .scenario = &scenario,
                                           .is_allowed = true,
                                           .timeout = timeout,
                                           .finish_grace = grace,
                                           .on_event = on_event };
    assert_int_equal(chaos_new(&loop, &options, &runner), OK);
    zero = clock_now();
    chaos_start(runner);
}

static bool is_set(void *data)
{
    return *(bool *)data;
}

static void set(void *data)
{
    *(bool *)data = true;
}

static void finish(void)
{
    bool is_finished = false;
    chaos_finish(runner, set, &is_finished);
    loop_until(&loop, is_set, &is_finished, 5000);
}

static int tear_down(void **state)
{
    char command[96];
    chaos_free(runner);
    runner = NULL;
    loop_finish(&loop);
    (void)snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

static bool exists(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static bool is_there(void *data)
{
    return exists(data);
}

static bool is_told(void *data)
{
    return strstr(told, data) != NULL;
}

static json_t *report(unsigned index)
{
    json_t *json = chaos_to_json(runner, index, zero);
    assert_non_null(json);
    return json;
}

static double number(const json_t *json, const char *key)
{
    assert_true(json_is_number(json_object_get(json, key)));
    return json_number_value(json_object_get(json, key));
}

static const char *text(const json_t *json, const char *key)
{
    assert_true(json_is_string(json_object_get(json, key)));
    return json_string_value(json_object_get(json, key));
}

static void commands_run_only_if_allowed(void **state)
{
    add(0, "touch ran", 0, NULL);
    struct chaos_options options = { .scenario = &scenario };
    assert_int_equal(chaos_new(&loop, &options, &runner), ERR_AUTH);
    scenario.chaos_count = 0;
    assert_int_equal(chaos_new(&loop, &options, &runner), OK);
    chaos_start(runner);
    finish();
    assert_false(exists("ran"));
}

static void command_runs_at_its_time_and_is_undone_after_its_delay(void **state)
{
    char line[96];
    add(MILLIS(100), "touch on; echo hello; echo oops >&2; exit 3", MILLIS(300),
        "rm on; echo undone");
    start(0, 0);
    chaos_describe(runner, clock_now(), line, sizeof line);
    assert_string_equal(line, "");
    loop_until(&loop, is_told, "0e", 3000);
    assert_true(exists("on"));
    chaos_describe(runner, clock_now(), line, sizeof line);
    assert_non_null(strstr(line, "step-1: in effect for 0."));
    loop_until(&loop, is_told, "0d", 3000);
    assert_false(exists("on"));
    finish();
    assert_string_equal(told, "0b0e0u0d");
    json_t *json = report(0);
    assert_string_equal(text(json, "name"), "step-1");
    assert_string_equal(text(json, "kind"), "command");
    assert_true(number(json, "at_s") >= 0.099 && number(json, "at_s") < 0.3);
    assert_true(number(json, "until_s") >= number(json, "at_s") + 0.295);
    assert_true(number(json, "exit_status") == 3);
    assert_string_equal(text(json, "output"), "hello\noops\nundone\n");
    json_decref(json);
}

static void what_is_not_undone_is_undone_at_the_end(void **state)
{
    add(0, "touch on", SECONDS(600), "rm on");
    add(SECONDS(600), "touch never", SECONDS(1), "touch never-undone");
    start(0, 0);
    loop_until(&loop, is_told, "0e", 3000);
    assert_true(exists("on"));
    finish();
    assert_false(exists("on") || exists("never") || exists("never-undone"));
    assert_string_equal(told, "0b0e0u0d");
    assert_null(chaos_to_json(runner, 1, zero));
}

static void command_that_hangs_is_killed_with_its_children(void **state)
{
    add(0, "(sleep 1; touch survived) & touch begun; sleep 60", 0, NULL);
    start(MILLIS(300), 0);
    loop_until(&loop, is_told, "0e", 3000);
    loop_for(&loop, 1000);
    finish();
    assert_true(exists("begun"));
    assert_false(exists("survived"));
    json_t *json = report(0);
    assert_true(json_is_null(json_object_get(json, "exit_status")));
    assert_non_null(strstr(text(json, "output"), "killed after 0."));
    json_decref(json);
}

static void command_that_runs_at_the_end_gets_its_grace_and_is_undone(void **state)
{
    add(0, "touch on; sleep 60", SECONDS(600), "rm on");
    start(0, MILLIS(200));
    loop_until(&loop, is_there, "on", 3000);
    usec began = clock_now();
    finish();
    assert_true(clock_now() - began >= MILLIS(195) && clock_now() - began < SECONDS(3));
    assert_false(exists("on"));
}

static void output_is_bounded_and_its_end_is_kept(void **state)
{
    add(0, "seq 1 20000; printf 'last\\033\\377'", 0, NULL);
    start(0, 0);
    loop_until(&loop, is_told, "0e", 5000);
    finish();
    json_t *json = report(0);
    const char *output = text(json, "output");
    assert_true(strlen(output) <= CHAOS_OUTPUT_MAX);
    assert_non_null(strstr(output, "\n19999\n20000\nlast ?"));
    json_decref(json);
}

static void command_may_leave_something_in_the_background(void **state)
{
    add(0, "(sleep 1; echo later; touch later) & echo now", 0, NULL);
    start(0, 0);
    loop_until(&loop, is_told, "0e", 900);
    json_t *json = report(0);
    assert_string_equal(text(json, "output"), "now\n");
    json_decref(json);
    loop_until(&loop, is_there, "later", 3000);
    finish();
}

static void stdin_is_empty_and_signals_are_told(void **state)
{
    add(0, "cat; kill -TERM $$", 0, NULL);
    start(0, 0);
    loop_until(&loop, is_told, "0e", 3000);
    finish();
    json_t *json = report(0);
    assert_true(json_is_null(json_object_get(json, "exit_status")));
    assert_string_equal(text(json, "output"), "ended by signal 15\n");
    json_decref(json);
}

static void failed_undo_is_told(void **state)
{
    add(0, "true", MILLIS(1), "exit 4");
    start(0, 0);
    loop_until(&loop, is_told, "0d", 3000);
    finish();
    json_t *json = report(0);
    assert_non_null(strstr(text(json, "output"), "undo: exit status 4"));
    json_decref(json);
}

#define with_shell(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        with_shell(commands_run_only_if_allowed),
        with_shell(command_runs_at_its_time_and_is_undone_after_its_delay),
        with_shell(what_is_not_undone_is_undone_at_the_end),
        with_shell(command_that_hangs_is_killed_with_its_children),
        with_shell(command_that_runs_at_the_end_gets_its_grace_and_is_undone),
        with_shell(output_is_bounded_and_its_end_is_kept),
        with_shell(command_may_leave_something_in_the_background),
        with_shell(stdin_is_empty_and_signals_are_told),
        with_shell(failed_undo_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
