/* keys.h - the keys and the secret that all authd instances agree on.
 *
 * Each instance signs with its own P-256 key, from its data-dir. The public halves meet in the
 * Redis hash cc:auth:jwks, so that every instance serves all of them; a key whose instance has not
 * been seen for longer than its tokens can live is dropped. The server secret (stand-ins for
 * unknown users, refresh tokens) is made once, by whoever comes first, in cc:auth:secret.
 *
 * What has been learned stays in memory while Redis is away. Loop thread only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_IO_KEYS_H
#define AUTHD_IO_KEYS_H

#include "common/os/redis.h"
#include "core/call.h"

#include <uv.h>

struct keys;

/* Loads or makes <data_dir>/signing-key.pem and fills auth->key, kid and keys; keeps auth->keys and
 * auth->secret up to date from then on. auth and redis are borrowed and must outlive this.
 *
 * Errors come with one line for the operator in ret_why (KEYFILE_WHY_CAPACITY). */
MUST_USE enum err keys_start(uv_loop_t *loop, struct redis *redis, struct auth *auth,
                             const char *data_dir, char *ret_why, struct keys **ret);
/* Call when Redis has (re)connected: shares at once instead of at the next turn. */
void keys_on_connected(struct keys *k);
/* For admin_add_check(): the secret is known, and the other instances have had the time to learn
 * our key. */
bool keys_is_ready(void *keys, char *ret_why, size_t capacity);
/* Frees when the loop has closed the timer; the keys in auth are freed too. NULL is fine. */
void keys_stop(struct keys *k);

#endif
