/* calls.h - HTTP requests to several machines at the same time, waited for together.
 *
 * For a program that has nothing else to do meanwhile. Connections are kept from one round to the
 * next. One thread uses a caller.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_CALLS_H
#define LOADTEST_IO_CALLS_H

#include "common/base.h"

#include <jansson.h>

enum { CALL_URL_MAX = 400, CALL_ERROR_MAX = 256 };

struct caller;

struct call {
    /* given */
    const char *method; /* "GET", "POST", "DELETE" */
    char url[CALL_URL_MAX];
    const char *body; /* JSON, borrowed; NULL: none */
    /* filled by calls_perform() */
    int status;                 /* 0: no answer, and error says why */
    bool is_refused;            /* nobody listens there */
    json_t *answer;             /* NULL if it was not JSON; json_decref() it */
    char error[CALL_ERROR_MAX]; /* of libcurl, or the "detail" of a problem document; "" if 2xx */
    char error_id[64];          /* its "error" */
    wall_usec began, ended;
};

/* bearer: copied. NULL without memory. */
struct caller *caller_new(const char *bearer);
void caller_free(struct caller *c);

/* Returns when all have an answer or have failed, after some `timeout` at the latest. */
void calls_perform(struct caller *c, struct call *calls, size_t count, usec timeout);

#endif
