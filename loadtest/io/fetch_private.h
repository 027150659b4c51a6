/* fetch_private.h - what fetch.c and fetcher.c share. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_FETCH_PRIVATE_H
#define LOADTEST_IO_FETCH_PRIVATE_H

#include "common/list.h"
#include "io/fetch.h"

#include <curl/curl.h>

struct fetch {
    struct list_link link; /* fetcher->waiting or ->active */
    struct fetcher *fetcher;
    CURL *easy;
    struct curl_slist *headers;
    char *body; /* of the POST, or NULL */
    size_t body_len;
    bool is_running, is_too_big;
    uint8_t *answer;
    size_t answer_len, answer_capacity;
    fetch_done_fn done;
    void *owner;
};

struct fetcher {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer; /* of curl */
    uv_timer_t soon;  /* starts what waits */
    const char *ca_file;
    bool insecure, is_closing;
    unsigned concurrency, running;
    usec timeout;
    size_t body_max;
    unsigned handles; /* not closed yet */
    void (*on_closed)(void *data);
    void *close_data;
    struct list waiting, active;
    struct list polls; /* struct poll of fetcher.c */
    size_t count;
};

/* Starts what waits, from the loop. */
void fetcher_wake(struct fetcher *f);
/* Tells the owner and ends x. */
void fetch_finish(struct fetch *x, CURLcode code);

#endif
