/* SPDX-License-Identifier: Apache-2.0 */
#include "io/coordinator_private.h"

#include "core/live_json.h"
#include "io/terminal.h"

#include <unistd.h>

enum { LINE_INTERVAL = 5 };

/* The observer knows of the run and the servers, the machines of the bots. */
static void sum_up(const struct coordinator *c, struct live_stats *ret)
{
    static struct live_stats one;
    live_from_json(job_process_live(c->observer), ret);
    for (unsigned i = 0; i < c->count; i++) {
        live_from_json(c->machines[i].live, &one);
        live_add(ret, &one);
    }
    ret->bots_wanted = scenario_bot_count(c->scenario);
}

void coordinator_show(struct coordinator *c)
{
    static struct live_stats live;
    if (job_process_live(c->observer) == NULL)
        return;
    sum_up(c, &live);
    if (c->exporter != NULL)
        exporter_update(c->exporter, &live);
    if (c->options->run->quiet)
        return;
    if (c->has_terminal) {
        static char frame[LIVE_VIEW_BYTES_MAX];
        struct live_screen screen = terminal_screen(STDERR_FILENO);
        terminal_write(STDERR_FILENO, frame, live_view_frame(&live, &screen, frame, sizeof frame));
    } else if (c->poll_count % LINE_INTERVAL == 0) {
        char line[LIVE_LINE_BYTES_MAX];
        terminal_write(STDERR_FILENO, line, live_view_line(&live, line, sizeof line));
    }
}
