/* store.h - the seam between authd's decisions and where accounts live.
 *
 * Pure: types only. The core says which operation it wants (struct store_op), somebody performs it
 * (io/store.c on Redis; the tests' memory_store.c) and hands back a struct store_reply.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_CORE_STORE_H
#define AUTHD_CORE_STORE_H

#include "common/base.h"
#include "common/bytes.h"
#include "core/session.h"
#include "core/throttle.h"

#include <assert.h>

enum store_op_kind {
    STORE_USER_ADD,       /* key username, value record: OK, ERR_BAD_STATE if the name is taken */
    STORE_USER_GET,       /* key username: OK and the record, ERR_NOT_FOUND */
    STORE_LOGIN_PUT,      /* key login id, value, ttl: OK */
    STORE_LOGIN_TAKE,     /* key login id: OK and the value, which is gone then; ERR_NOT_FOUND */
    STORE_SESSION_PUT,    /* key sid, value record, hash, ttl: OK */
    STORE_SESSION_GET,    /* key sid: OK and the record, ERR_NOT_FOUND */
    STORE_SESSION_ROTATE, /* key sid, hash shown, next_hash, ttls: OK, the record and `rotation`;
                           * ERR_NOT_FOUND */
    STORE_SESSION_REVOKE, /* key sid: OK and the record that was there, ERR_NOT_FOUND */
    STORE_THROTTLE,       /* charge: OK, or ERR_FULL and retry_after */
    STORE_OP_COUNT,
};

#define STORE_KEY_CAPACITY 80
static_assert(STORE_KEY_CAPACITY > USERNAME_LEN_MAX && STORE_KEY_CAPACITY > ID_CAPACITY,
              "every key fits");

struct store_op {
    enum store_op_kind kind;
    char key[STORE_KEY_CAPACITY];
    char *value; /* owned by the call; JSON text */
    char hash[REFRESH_HASH_CAPACITY];
    char next_hash[REFRESH_HASH_CAPACITY];
    usec ttl;
    usec guest_ttl; /* STORE_SESSION_ROTATE: in place of ttl if the record is a guest's */
    struct throttle_charge charge;
};

/* Besides the errors above: ERR_SYSTEM, the store is away or did not answer in time. */
struct store_reply {
    enum err err;
    struct bytes value; /* borrowed for auth_resume() */
    enum session_rotation rotation;
    usec retry_after;
};

#endif
