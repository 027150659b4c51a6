/* SPDX-License-Identifier: Apache-2.0 */
#include "core/live_view.h"

#include "core/text.h"
#include "core/text_canvas.h"

#include <assert.h>
#include <stdio.h>

#define LABEL_WIDTH     11
#define SERVER_LINES    3 /* at least, if there are any */
#define CPU_BAR         12
#define MEMORY_BAR      8
#define LOSS_BAD        0.01
#define LOSS_NOTABLE    0.001
#define CORE_NOTABLE    0.7 /* share of a core from which something is drawn as busy … */
#define CORE_BAD        0.9 /* … and as full */
#define LATENCY_NOTABLE 20000
#define LATENCY_BAD     100000

const char *live_phase_name(enum live_phase p)
{
    static const char *const names[] = { "ramp", "settle", "plateau", "leaving", "done" };
    static_assert(ARRAY_LEN(names) == LIVE_PHASE_COUNT, "a name for each phase");
    return (unsigned)p < LIVE_PHASE_COUNT ? names[p] : "unknown";
}

static double share_of(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static enum canvas_color level_color(double value, double notable, double bad)
{
    return value >= bad ? CANVAS_RED : value >= notable ? CANVAS_YELLOW : CANVAS_GREEN;
}

static void put_label(struct text_canvas *c, const char *label)
{
    canvas_color(c, CANVAS_DIM);
    canvas_put(c, label);
    canvas_color(c, CANVAS_PLAIN);
    canvas_column(c, LABEL_WIDTH);
}

static void put_colored(struct text_canvas *c, enum canvas_color color, const char *text)
{
    canvas_color(c, color);
    canvas_put(c, text);
    canvas_color(c, CANVAS_PLAIN);
}

static void put_title(struct text_canvas *c, const struct live_stats *s)
{
    put_colored(c, CANVAS_BOLD, s->scenario);
    canvas_put(c, s->target[0] == '\0' ? "" : " on ");
    canvas_put(c, s->target);
    unsigned seconds = (unsigned)MAX(s->seconds, 0.0);
    char clock[16];
    (void)snprintf(clock, sizeof clock, "%u:%02u:%02u", seconds / 3600 % 1000, seconds / 60 % 60,
                   seconds % 60);
    canvas_right(c, clock);
    canvas_newline(c);
    canvas_newline(c);
}

static unsigned bar_width(const struct text_canvas *c)
{
    return c->width <= 60 ? 10 : MIN(c->width - 50, 50);
}

static void put_phase(struct text_canvas *c, const struct live_stats *s)
{
    put_label(c, live_phase_name(s->phase));
    if (s->phase_length > 0) {
        canvas_bar(c, share_of(s->phase_seconds, s->phase_length), bar_width(c), CANVAS_BLUE);
        canvas_printf(c, "  %.0f of %.0f s", s->phase_seconds, s->phase_length);
    } else {
        canvas_printf(c, "%.0f s", s->phase_seconds);
    }
    canvas_newline(c);
}

static void put_bots(struct text_canvas *c, const struct live_stats *s)
{
    put_label(c, "bots");
    canvas_bar(c, share_of(s->bots_connected, s->bots_wanted), bar_width(c), CANVAS_GREEN);
    canvas_printf(c, "  %u of %u connected", s->bots_connected, s->bots_wanted);
    canvas_newline(c);
    put_label(c, "");
    canvas_printf(c, "%u joined   %u joining   ", s->bots_joined, s->bots_joining);
    canvas_color(c, s->bots_failed > 0 ? CANVAS_RED : CANVAS_PLAIN);
    canvas_printf(c, "%u failed", s->bots_failed);
    canvas_color(c, s->signaling_down > 0 ? CANVAS_YELLOW : CANVAS_PLAIN);
    canvas_printf(c, "   %u without signaling", s->signaling_down);
    canvas_color(c, CANVAS_PLAIN);
    canvas_newline(c);
    canvas_newline(c);
}

static void put_flow(struct text_canvas *c, const char *label, const struct live_flow *f)
{
    char rate[24];
    put_label(c, label);
    canvas_printf(c, "%10s packets/s   %10s   %15s packets",
                  figure_count(f->packets_per_second).text,
                  canvas_bit_rate(f->bytes_per_second * 8, rate, sizeof rate),
                  figure_count((double)f->packets_total).text);
    canvas_newline(c);
}

static void put_latency(struct text_canvas *c, const struct live_stats *s)
{
    put_label(c, "latency");
    if (!s->has_latency) {
        canvas_put(c, "-");
    } else {
        canvas_printf(c, "p50 %s   ", figure_of((double)s->latency_p50_us, UNIT_US).text);
        canvas_color(c, level_color((double)s->latency_p99_us, LATENCY_NOTABLE, LATENCY_BAD));
        canvas_printf(c, "p99 %s", figure_of((double)s->latency_p99_us, UNIT_US).text);
        canvas_color(c, CANVAS_PLAIN);
    }
    canvas_newline(c);
}

static void put_quality(struct text_canvas *c, const struct live_stats *s)
{
    put_latency(c, s);
    put_label(c, "loss");
    canvas_color(c, level_color(s->loss, LOSS_NOTABLE, LOSS_BAD));
    canvas_printf(c, "%.3f %%", s->loss * 100);
    canvas_color(c, CANVAS_PLAIN);
    canvas_printf(c, " now   %.3f %% since the start   ",
                  100 * share_of((double)s->lost_total, (double)s->expected_total));
    canvas_color(c, s->freezes > 0 ? CANVAS_RED : CANVAS_PLAIN);
    canvas_printf(c, "%llu freezes (+%u)", (unsigned long long)s->freezes_total, s->freezes);
    canvas_color(c, CANVAS_PLAIN);
    canvas_newline(c);
    canvas_newline(c);
}

static void put_server(struct text_canvas *c, const struct live_server *v, uint64_t memory_most,
                       bool is_first)
{
    put_label(c, is_first ? "servers" : "");
    canvas_put(c, v->name);
    canvas_column(c, LABEL_WIDTH + 14);
    if (!v->up) {
        put_colored(c, CANVAS_RED, "does not answer");
        canvas_newline(c);
        return;
    }
    canvas_bar(c, v->cpu_share, CPU_BAR, level_color(v->cpu_share, CORE_NOTABLE, CORE_BAD));
    canvas_printf(c, " %4.0f %% CPU   ", v->cpu_share * 100);
    canvas_bar(c, share_of((double)v->memory_bytes, (double)memory_most), MEMORY_BAR, CANVAS_BLUE);
    canvas_printf(c, " %s", figure_of((double)v->memory_bytes, UNIT_BYTES).text);
    canvas_newline(c);
}

static void put_servers(struct text_canvas *c, const struct live_stats *s, unsigned lines)
{
    unsigned count = MIN(s->server_count, (unsigned)LIVE_SERVERS_MAX);
    unsigned shown = count <= lines ? count : lines - 1;
    uint64_t most = 0;
    for (unsigned i = 0; i < count; i++)
        most = MAX(most, s->servers[i].memory_bytes);
    for (unsigned i = 0; i < shown; i++)
        put_server(c, &s->servers[i], most, i == 0);
    if (shown < count) {
        put_label(c, "");
        canvas_printf(c, "and %u more", count - shown);
        canvas_newline(c);
    }
}

static void put_tester(struct text_canvas *c, const struct live_stats *s)
{
    put_label(c, "tester");
    canvas_color(c, level_color(s->tester_thread_share, CORE_NOTABLE, CORE_BAD));
    canvas_printf(c, "%.0f %% CPU, busiest thread %.0f %%", s->tester_cpu_share * 100,
                  s->tester_thread_share * 100);
    canvas_color(c, CANVAS_PLAIN);
    canvas_printf(c, "   %s", figure_of((double)s->tester_memory_bytes, UNIT_BYTES).text);
    if (s->tester_saturated)
        put_colored(c, CANVAS_RED, "   SATURATED: what is lost may be lost here");
    canvas_newline(c);
}

size_t live_view_frame(const struct live_stats *s, const struct live_screen *screen, char *ret,
                       size_t capacity)
{
    static const unsigned fixed_lines = 13; /* all but the servers, with chaos */
    struct text_canvas c;
    canvas_begin(&c, screen->width == 0 ? 80 : screen->width,
                 screen->height == 0 ? 24 : screen->height, screen->has_color, ret, capacity);
    put_title(&c, s);
    put_phase(&c, s);
    put_bots(&c, s);
    put_flow(&c, "sent", &s->sent);
    put_flow(&c, "received", &s->received);
    put_quality(&c, s);
    put_tester(&c, s);
    if (s->chaos[0] != '\0') {
        put_label(&c, "chaos");
        canvas_put(&c, s->chaos);
        canvas_newline(&c);
    }
    put_servers(&c, s,
                c.height > fixed_lines + SERVER_LINES ? c.height - fixed_lines : SERVER_LINES);
    return canvas_end(&c);
}

static void put_line_servers(struct text_canvas *c, const struct live_stats *s)
{
    unsigned count = MIN(s->server_count, (unsigned)LIVE_SERVERS_MAX), down = 0;
    double cpu = 0;
    for (unsigned i = 0; i < count; i++) {
        down += !s->servers[i].up;
        cpu += s->servers[i].cpu_share;
    }
    if (count > 0)
        canvas_printf(c, ", servers %.0f %% CPU", cpu * 100);
    if (down > 0)
        canvas_printf(c, " (%u of %u down)", down, count);
}

size_t live_view_line(const struct live_stats *s, char *ret, size_t capacity)
{
    struct text_canvas c;
    char in[24], out[24];
    canvas_begin_line(&c, ret, capacity);
    canvas_printf(&c, "%6.0f s  %s: %u of %u bots", s->seconds, live_phase_name(s->phase),
                  s->bots_connected, s->bots_wanted);
    if (s->bots_failed > 0)
        canvas_printf(&c, " (%u failed)", s->bots_failed);
    if (s->signaling_down > 0)
        canvas_printf(&c, " (%u without signaling)", s->signaling_down);
    canvas_printf(&c, ", sent %s, received %s",
                  canvas_bit_rate(s->sent.bytes_per_second * 8, out, sizeof out),
                  canvas_bit_rate(s->received.bytes_per_second * 8, in, sizeof in));
    if (s->has_latency)
        canvas_printf(&c, ", latency p50 %s p99 %s",
                      figure_of((double)s->latency_p50_us, UNIT_US).text,
                      figure_of((double)s->latency_p99_us, UNIT_US).text);
    canvas_printf(&c, ", loss %.3f %%, freezes %llu", s->loss * 100,
                  (unsigned long long)s->freezes_total);
    put_line_servers(&c, s);
    canvas_printf(&c, ", tester %.0f %%%s", s->tester_cpu_share * 100,
                  s->tester_saturated ? " SATURATED" : "");
    if (s->chaos[0] != '\0') {
        canvas_put(&c, ", chaos: ");
        canvas_put(&c, s->chaos);
    }
    canvas_newline(&c);
    return canvas_end(&c);
}
