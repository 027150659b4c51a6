/* fuzz_dtls.c - datagrams into a server's handshake: foreign ones, and those of a real client that
 * may be cut, changed, repeated or lost on the way.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/dtls.h"

#include <openssl/err.h>

struct ends {
    struct dtls *server;
    struct dtls *client;
    usec now;
};

static struct dtls_context *shared_context(void)
{
    static struct dtls_context *context;
    if (context == NULL)
        context = dtls_context_new(0);
    check(context != NULL);
    return context;
}

/* Carries one datagram, changed as the two bytes say: position and XOR mask. */
static void carry(struct ends *ends, bool to_server, uint8_t position, uint8_t mask)
{
    struct bytes datagram;
    uint8_t copy[DTLS_MTU];
    if (!dtls_next_datagram(to_server ? ends->client : ends->server, &datagram))
        return;
    memcpy(copy, datagram.data, datagram.len);
    copy[position * datagram.len / 256] ^= mask;
    dtls_receive(to_server ? ends->server : ends->client, bytes_of(copy, datagram.len), ends->now);
}

/* Data, sealed by one end; what the other has got so far is taken. */
static void talk(struct ends *ends, bool is_server, struct bytes chunk)
{
    struct dtls *from = is_server ? ends->server : ends->client;
    struct bytes got;
    enum err err = dtls_send(from, bytes_of(chunk.data, MIN(chunk.len, DTLS_DATA_LEN_MAX)));
    check((err == ERR_BAD_STATE) == (dtls_state(from) != DTLS_CONNECTED));
    while (dtls_next_data(is_server ? ends->client : ends->server, &got))
        check(got.len > 0 && got.len <= DTLS_DATA_LEN_MAX);
}

static void step(struct ends *ends, struct reader *r)
{
    uint8_t op = reader_u8(r);
    struct bytes lost;
    switch (op % 7) {
    case 0:
        dtls_receive(ends->server, fuzz_take_chunk(r), ends->now);
        break;
    case 1:
    case 2:
        carry(ends, op % 7 == 1, 0, 0);
        break;
    case 3: {
        uint8_t position = reader_u8(r);
        carry(ends, true, position, reader_u8(r));
        break;
    }
    case 4:
        (void)dtls_next_datagram(ends->client, &lost);
        break;
    case 5:
        ends->now += MILLIS(50) * (op / 7);
        dtls_tick(ends->server, ends->now);
        dtls_tick(ends->client, ends->now);
        break;
    default:
        if (op >= 128)
            talk(ends, op >= 192, fuzz_take_chunk(r));
        else
            (void)dtls_next_datagram(ends->server, &lost);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct dtls_context *context = shared_context();
    struct dtls_fingerprint own;
    check(dtls_fingerprint_parse(bytes_of_str("sha-256"),
                                 bytes_of_str(dtls_context_fingerprint(context)), &own) == OK);
    struct ends ends = { .server = dtls_new(context, DTLS_SERVER, &own, 1, 0),
                         .client = dtls_new(context, DTLS_CLIENT, &own, 1, 0) };
    check(ends.server != NULL && ends.client != NULL);
    dtls_keep(ends.server);
    dtls_keep(ends.client);
    dtls_start(ends.client, 0);
    struct reader r = reader_of(bytes_of(data, len));
    while (!r.failed && reader_left(&r) > 0)
        step(&ends, &r);
    struct dtls_keys keys;
    check(dtls_keys(ends.server, &keys) != OK || dtls_state(ends.server) == DTLS_CONNECTED);
    check((dtls_failure(ends.server) == OK) == (dtls_state(ends.server) != DTLS_FAILED));
    check(ERR_peek_error() == 0);
    dtls_free(ends.server);
    dtls_free(ends.client);
    return 0;
}
