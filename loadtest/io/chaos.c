/* SPDX-License-Identifier: Apache-2.0 */
#include "io/chaos.h"

#include "common/ids.h"
#include "common/os/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_DEFAULT SECONDS(60)
#define GRACE_DEFAULT   SECONDS(10)

enum job_state { JOB_WAITS, JOB_RUNS, JOB_ENDED, JOB_NEVER };

/* A command, or its undo. */
struct job {
    struct step *step;
    const char *text; /* given */
    enum job_state state;
    usec began, ended;
    bool is_killed;  /* by us: it took too long */
    int exit_status; /* -1: it did not exit by itself */
    /* owned */
    uv_timer_t timer; /* until it starts, then until it is killed */
    uv_process_t process;
    uv_pipe_t output;
    bool has_output;                     /* the pipe is open */
    char captured[CHAOS_OUTPUT_MAX * 2]; /* the newer half is kept when it is full */
    size_t captured_len;
    char buffer[1024];
};

/* What belongs to one entry of scenario->chaos. */
struct step {
    struct chaos_runner *runner;
    unsigned index;
    struct job command, undo;
    bool has_undo;
};

struct chaos_runner {
    /* given */
    uv_loop_t *loop;
    struct chaos_options options;
    /* owned */
    struct step steps[SCENARIO_CHAOS_MAX];
    unsigned count;
    unsigned handles; /* that are not closed yet */
    bool is_started, is_finishing, is_finished;
    const struct job *latest;
    void (*on_finished)(void *data);
    void *finish_data;
};

static void go_on(struct chaos_runner *r);

static const struct chaos *chaos_of(const struct step *s)
{
    return &s->runner->options.scenario->chaos[s->index];
}

static void tell(struct job *j, bool is_end)
{
    struct chaos_runner *r = j->step->runner;
    bool is_undo = j == &j->step->undo;
    enum chaos_moment moment = is_undo ? (is_end ? CHAOS_UNDO_ENDED : CHAOS_UNDO_BEGAN)
                                       : (is_end ? CHAOS_ENDED : CHAOS_BEGAN);
    r->latest = j;
    if (r->options.on_event != NULL)
        r->options.on_event(j->step->index, moment, is_end ? j->ended : j->began, r->options.data);
}

static void capture(struct job *j, const char *data, size_t len)
{
    if (len > CHAOS_OUTPUT_MAX) {
        data += len - CHAOS_OUTPUT_MAX;
        len = CHAOS_OUTPUT_MAX;
    }
    if (j->captured_len + len > sizeof j->captured) {
        size_t kept = CHAOS_OUTPUT_MAX;
        memmove(j->captured, j->captured + j->captured_len - kept, kept);
        j->captured_len = kept;
    }
    memcpy(j->captured + j->captured_len, data, len);
    j->captured_len += len;
}

static void on_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *ret)
{
    struct job *j = handle->data;
    *ret = uv_buf_init(j->buffer, sizeof j->buffer);
}

static void on_closed(uv_handle_t *handle)
{
    struct job *j = handle->data;
    j->step->runner->handles--;
    go_on(j->step->runner);
}

static void close_output(struct job *j)
{
    if (!j->has_output)
        return;
    j->has_output = false;
    uv_close((uv_handle_t *)&j->output, on_closed);
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct job *j = stream->data;
    if (n > 0)
        capture(j, buffer->base, (size_t)n);
    else if (n < 0)
        close_output(j);
}

/* What it has written before it exited, which the loop may not have read yet. The pipe itself stays
 * open: what the command has left in the background may go on writing. */
static void drain_output(struct job *j)
{
    uv_os_fd_t fd;
    ssize_t n;
    if (!j->has_output || uv_fileno((uv_handle_t *)&j->output, &fd) != 0)
        return;
    for (int i = 0; i < 1024 && (n = read(fd, j->buffer, sizeof j->buffer)) > 0; i++)
        capture(j, j->buffer, (size_t)n);
}

static void job_end(struct job *j, enum job_state state, int exit_status)
{
    j->state = state;
    j->exit_status = exit_status;
    j->ended = clock_now();
    (void)uv_timer_stop(&j->timer);
    tell(j, true);
}

static void on_exit_of_job(uv_process_t *process, int64_t status, int term_signal)
{
    struct job *j = process->data;
    drain_output(j);
    uv_close((uv_handle_t *)process, on_closed);
    if (term_signal != 0 && !j->is_killed) {
        char text[64];
        int n = snprintf(text, sizeof text, "ended by signal %d\n", term_signal);
        capture(j, text, (size_t)n);
    }
    job_end(j, JOB_ENDED, term_signal != 0 ? -1 : (int)status);
    go_on(j->step->runner);
}

static void on_too_long(uv_timer_t *timer)
{
    struct job *j = timer->data;
    if (j->state != JOB_RUNS || j->process.pid <= 0)
        return;
    char text[64];
    int n = snprintf(text, sizeof text, "killed after %.1f s\n",
                     (double)(clock_now() - j->began) / 1e6);
    capture(j, text, (size_t)n);
    j->is_killed = true;
    (void)kill(-j->process.pid, SIGKILL);
}

static void timer_set(struct job *j, usec delay, uv_timer_cb callback)
{
    uint64_t ms = (uint64_t)(MAX(delay, (usec)0) + USEC_PER_MS - 1) / (uint64_t)USEC_PER_MS;
    check(uv_timer_start(&j->timer, callback, ms, 0) == 0);
}

/* stdout and stderr of the command are one pipe. Returns its end for the command, or an error of
 * libuv's. */
static int open_output(struct job *j)
{
    struct chaos_runner *r = j->step->runner;
    uv_file ends[2];
    int result = uv_pipe(ends, UV_NONBLOCK_PIPE, 0);
    if (result != 0)
        return result;
    check(uv_pipe_init(r->loop, &j->output, 0) == 0);
    j->output.data = j;
    j->has_output = true;
    r->handles++;
    check(uv_pipe_open(&j->output, ends[0]) == 0);
    check(uv_read_start((uv_stream_t *)&j->output, on_buffer, on_output) == 0);
    return ends[1];
}

static int spawn(struct job *j)
{
    struct chaos_runner *r = j->step->runner;
    char *args[] = { "/bin/sh", "-c", (char *)j->text, NULL };
    int output = open_output(j);
    if (output < 0)
        return output;
    uv_stdio_container_t stdio[] = {
        { .flags = UV_IGNORE },
        { .flags = UV_INHERIT_FD, .data.fd = output },
        { .flags = UV_INHERIT_FD, .data.fd = output },
    };
    const uv_process_options_t options = { .exit_cb = on_exit_of_job,
                                           .file = args[0],
                                           .args = args,
                                           .flags = UV_PROCESS_DETACHED,
                                           .stdio_count = (int)ARRAY_LEN(stdio),
                                           .stdio = stdio };
    j->process.data = j;
    r->handles++;
    int result = uv_spawn(r->loop, &j->process, &options);
    if (result != 0)
        uv_close((uv_handle_t *)&j->process, on_closed);
    (void)close(output);
    return result;
}

static void job_start(struct job *j)
{
    check(j->state == JOB_WAITS);
    j->state = JOB_RUNS;
    j->began = clock_now();
    tell(j, false);
    int result = spawn(j);
    if (result == 0) {
        timer_set(j, j->step->runner->options.timeout, on_too_long);
        return;
    }
    const char *why = uv_strerror(result);
    capture(j, why, strlen(why));
    close_output(j);
    job_end(j, JOB_ENDED, -1);
}

static void on_undo_time(uv_timer_t *timer)
{
    struct job *j = timer->data;
    if (j->state == JOB_WAITS)
        job_start(j);
}

static void on_time(uv_timer_t *timer)
{
    struct job *j = timer->data;
    struct step *s = j->step;
    if (s->runner->is_finishing || j->state != JOB_WAITS)
        return;
    job_start(j);
    if (s->has_undo)
        timer_set(&s->undo, chaos_of(s)->undo_after_us, on_undo_time);
}

static void job_init(struct job *j, struct step *s, const char *text)
{
    *j = (struct job){ .step = s, .text = text, .exit_status = -1 };
    check(uv_timer_init(s->runner->loop, &j->timer) == 0);
    j->timer.data = j;
    s->runner->handles++;
}

enum err chaos_new(uv_loop_t *loop, const struct chaos_options *options, struct chaos_runner **ret)
{
    if (options->scenario->chaos_count > 0 && !options->is_allowed)
        return ERR_AUTH;
    struct chaos_runner *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ERR_SYSTEM;
    r->loop = loop;
    r->options = *options;
    if (r->options.timeout == 0)
        r->options.timeout = TIMEOUT_DEFAULT;
    if (r->options.finish_grace == 0)
        r->options.finish_grace = GRACE_DEFAULT;
    r->count = options->scenario->chaos_count;
    for (unsigned i = 0; i < r->count; i++) {
        struct step *s = &r->steps[i];
        const struct chaos *c = &options->scenario->chaos[i];
        s->runner = r;
        s->index = i;
        s->has_undo = c->undo[0] != '\0' && c->undo_after_us > 0;
        job_init(&s->command, s, c->run);
        job_init(&s->undo, s, c->undo);
    }
    *ret = r;
    return OK;
}

void chaos_start(struct chaos_runner *r)
{
    check(!r->is_started);
    r->is_started = true;
    for (unsigned i = 0; i < r->count && !r->is_finishing; i++)
        timer_set(&r->steps[i].command, r->options.scenario->chaos[i].at_us, on_time);
}

/* True: nothing of this step is left to be done. Undoes what it may. */
static bool step_finish(struct step *s)
{
    if (s->command.state == JOB_WAITS)
        s->command.state = JOB_NEVER;
    if (s->command.state == JOB_NEVER || !s->has_undo)
        s->undo.state = JOB_NEVER;
    if (s->command.state == JOB_RUNS)
        return false;
    if (s->undo.state == JOB_WAITS)
        job_start(&s->undo);
    return s->undo.state == JOB_NEVER || s->undo.state == JOB_ENDED;
}

static void close_job(struct job *j)
{
    if (!uv_is_closing((uv_handle_t *)&j->timer))
        uv_close((uv_handle_t *)&j->timer, on_closed);
    close_output(j);
}

/* While finishing: undo, then close, then tell. */
static void go_on(struct chaos_runner *r)
{
    bool is_done = true;
    if (!r->is_finishing || r->is_finished)
        return;
    for (unsigned i = 0; i < r->count; i++)
        is_done &= step_finish(&r->steps[i]);
    if (!is_done)
        return;
    for (unsigned i = 0; i < r->count; i++) {
        close_job(&r->steps[i].command);
        close_job(&r->steps[i].undo);
    }
    if (r->handles > 0)
        return;
    r->is_finished = true;
    if (r->on_finished != NULL)
        r->on_finished(r->finish_data);
}

void chaos_finish(struct chaos_runner *r, void (*on_finished)(void *data), void *data)
{
    check(!r->is_finishing);
    r->is_finishing = true;
    r->on_finished = on_finished;
    r->finish_data = data;
    for (unsigned i = 0; i < r->count; i++) {
        struct job *j = &r->steps[i].command;
        usec left = r->options.timeout - (clock_now() - j->began);
        if (j->state == JOB_RUNS && !j->is_killed)
            timer_set(j, MIN(left, r->options.finish_grace), on_too_long);
    }
    go_on(r);
}

void chaos_free(struct chaos_runner *r)
{
    if (r == NULL)
        return;
    check(r->is_finished);
    free(r);
}

/* The last lines, cut at a whole character; anything but UTF-8 is replaced. */
static json_t *output_json(const struct job *j, const struct job *undo)
{
    char text[2 * CHAOS_OUTPUT_MAX + 64] = "";
    size_t len = 0;
    const struct job *both[] = { j, undo };
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        size_t kept = MIN(both[i]->captured_len, (size_t)CHAOS_OUTPUT_MAX);
        if (kept > 0)
            memcpy(text + len, both[i]->captured + both[i]->captured_len - kept, kept);
        len += kept;
    }
    if (undo->state == JOB_ENDED && undo->exit_status != 0)
        len += (size_t)snprintf(text + len, sizeof text - len, "undo: exit status %d\n",
                                undo->exit_status);
    for (size_t i = 0; i < len; i++) {
        bool is_control = (unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t';
        text[i] = is_control ? ' ' : text[i];
    }
    size_t start = 0;
    while (start < len && ((unsigned char)text[start] & 0xc0) == 0x80)
        start++;
    if (!utf8_is_valid(bytes_of(text + start, len - start)))
        for (size_t i = start; i < len; i++)
            text[i] = (unsigned char)text[i] >= 0x80 ? '?' : text[i];
    return json_stringn(text + start, len - start);
}

bool chaos_times(const struct chaos_runner *r, unsigned index, usec *ret_began, usec *ret_over)
{
    check(index < r->count);
    const struct step *s = &r->steps[index];
    const struct job *last = s->has_undo ? &s->undo : &s->command;
    if (s->command.state != JOB_RUNS && s->command.state != JOB_ENDED)
        return false;
    *ret_began = s->command.began;
    *ret_over = last->state == JOB_ENDED ? last->ended : 0;
    return true;
}

json_t *chaos_to_json(const struct chaos_runner *r, unsigned index, usec zero)
{
    usec began, over;
    if (!chaos_times(r, index, &began, &over))
        return NULL;
    const struct step *s = &r->steps[index];
    int status = s->command.exit_status;
    return json_pack("{ss ss sf so so so}", "name", chaos_of(s)->name, "kind", "command", "at_s",
                     (double)(began - zero) / 1e6, "until_s",
                     over == 0 ? json_null() : json_real((double)(over - zero) / 1e6),
                     "exit_status", status < 0 ? json_null() : json_integer(status), "output",
                     output_json(&s->command, &s->undo));
}

void chaos_describe(const struct chaos_runner *r, usec now, char *ret, size_t capacity)
{
    const struct job *j = r->latest;
    if (j == NULL) {
        ret[0] = '\0';
        return;
    }
    const struct step *s = j->step;
    bool is_undo = j == &s->undo, runs = j->state == JOB_RUNS;
    bool is_in_effect = !is_undo && s->undo.state == JOB_WAITS && s->has_undo;
    const char *what = is_undo        ? (runs ? "being undone after" : "undone after")
                       : runs         ? "running for"
                       : is_in_effect ? "in effect for"
                                      : "done, took";
    usec until = runs || is_in_effect ? now : j->ended;
    (void)snprintf(ret, capacity, "%s: %s %.1f s%s", chaos_of(s)->name, what,
                   (double)(until - s->command.began) / 1e6,
                   !runs && j->exit_status != 0 ? " (failed)" : "");
}
