/* Requests of signald to a node: any text is refused or parsed into values within their limits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct request r;
    char why[REQUEST_WHY_MAX];
    enum err e = request_parse(bytes_of(data, size), &r, why);
    check((e == OK) == (why[0] == 0));
    check(memchr(r.id, 0, sizeof r.id) != NULL && memchr(r.reply, 0, sizeof r.reply) != NULL);
    check(memchr(r.room, 0, sizeof r.room) != NULL);
    check(r.source_count <= SOURCES_COUNT_MAX && r.slot_count <= TRANSPORT_MEDIA_MAX);
    if (e == OK) {
        check(r.id[0] != 0 && strncmp(r.reply, "cc:signald:", 11) == 0);
        check(r.sdp.len <= SDP_TEXT_MAX && (r.allowed & ~SOURCES_ALL) == 0);
        for (size_t i = 0; i < r.slot_count; i++)
            check(r.slots[i].mid[0] != 0 && r.slots[i].spatial_max <= 2);
    }
    request_done(&r);
    return 0;
}
