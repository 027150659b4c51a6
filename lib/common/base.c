/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const err_names[ERR_COUNT] = {
    [OK] = "ok",
    [ERR_TRUNCATED] = "truncated",
    [ERR_MALFORMED] = "malformed",
    [ERR_UNSUPPORTED] = "unsupported",
    [ERR_AUTH] = "auth",
    [ERR_BAD_STATE] = "bad-state",
    [ERR_FULL] = "full",
    [ERR_NOT_FOUND] = "not-found",
    [ERR_EXPIRED] = "expired",
    [ERR_SYSTEM] = "system",
};

const char *err_name(enum err e)
{
    check((unsigned)e < ERR_COUNT);
    return err_names[e];
}

void check_failed(const char *expr, const char *file, int line)
{
    (void)fprintf(stderr, "check failed: %s at %s:%d\n", expr, file, line);
    abort();
}
