/* resume_token.h - what proves that a participant is somebody's:
 * base64url(room|participant|secret).
 *
 * The room keeps only the hash of the secret, so any signald can check one. What opens a WebSocket
 * again is not what is in the URL of a WHIP session: the purpose goes into the hash.
 *
 * Pure but for SHA-256. SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_RESUME_TOKEN_H
#define SIGNALD_CORE_RESUME_TOKEN_H

#include "../limits.h"
#include "common/base.h"
#include "common/base64url.h"
#include "common/ids.h"

enum token_purpose { TOKEN_FOR_RESUME, TOKEN_FOR_DOOR };

#define RESUME_SECRET_LEN 24
#define RESUME_TOKEN_TEXT_MAX                                                                      \
    (ROOM_ID_MAX + PARTICIPANT_ID_MAX + BASE64URL_CAPACITY(RESUME_SECRET_LEN) + 4)
#define RESUME_TOKEN_CAPACITY BASE64URL_CAPACITY(RESUME_TOKEN_TEXT_MAX)
#define RESUME_HASH_CAPACITY  65

struct resume_token {
    char room_id[ROOM_ID_MAX + 1]; /* <org>/<name> */
    char org[ORG_NAME_BYTES_MAX + 1];
    char room[ROOM_WIRE_CHARS_MAX + 1];
    char participant[PARTICIPANT_ID_MAX + 1];
    char hash[RESUME_HASH_CAPACITY]; /* hex SHA-256 */
};

/* ret, ret_hash: zero terminated; ret is a secret. */
void resume_token_write(enum token_purpose purpose, const char *room_id, const char *participant,
                        const uint8_t random[RESUME_SECRET_LEN], char ret[RESUME_TOKEN_CAPACITY],
                        char ret_hash[RESUME_HASH_CAPACITY]);
/* Whether it has the form of a token; whether it is good is for the room to say. OK or
 * ERR_MALFORMED. */
MUST_USE enum err resume_token_read(enum token_purpose purpose, const char *text,
                                    struct resume_token *ret);

#endif
