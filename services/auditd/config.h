/* config.h - what an operator can set (docs/operations.md).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITD_CONFIG_H
#define AUDITD_CONFIG_H

#include "common/os/config.h"

/* Texts are owned by the struct config that auditd_config_load() returned. */
struct auditd_config {
    struct config_common common;
    const char *listen;
    const char *data_dir;
    const char *jwks_url;
    const char *token_issuer;
    struct config_strings trusted_proxies;
    uint64_t segment_bytes_max;
    usec segment_age_max;
};

enum config_next auditd_config_load(int argc, char *const *argv, char *const *environment,
                                    struct auditd_config *ret, struct config **ret_owner);

#endif
