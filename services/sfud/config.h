/* config.h - the options of sfud (docs/cluster.md).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CONFIG_H
#define SFUD_CONFIG_H

#include "common/os/config.h"
#include "io/candidates.h"
#include "io/probe.h"
#include "rtc/seal_engine.h"

struct sfud_config {
    struct config_common common;
    uint64_t workers;    /* after sfud_config_load(): at least 1 */
    uint64_t media_port; /* 0: any free port for each worker */
    const char *media_listen;
    struct config_strings public_ip;
    bool media_tcp;
    uint64_t media_tcp_port; /* announced; 0: the real one */
    usec playout_delay_max;  /* 0: off */
    usec pass_window;
    const char *io_text;
    enum probe_wish io;
    const char *seal_text;
    enum seal_choice seal;
    const char *region;
    struct config *owner; /* of all texts; config_free() */
};

/* As config_load(); explains on stderr what is wrong. */
enum config_next sfud_config_load(int argc, char *const *argv, struct sfud_config *ret);

/* How many cores this process may use: its affinity, and its control group's quota rounded up. */
size_t sfud_core_count(void);
/* The same without the quota. */
size_t sfud_affinity_count(void);

#endif
