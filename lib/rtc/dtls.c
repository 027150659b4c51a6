/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/dtls.h"

#include "rtc/dtls_context.h"
#include "rtc/dtls_settled.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#define FLIGHT_MAX        8    /* datagrams; ours take 1 or 2 */
#define DATA_MAX          2048 /* of one record, not kept */
#define RECORD_HEADER_LEN 13
#define RECORD_CCS        20
#define RECORD_HANDSHAKE  22
#define EXPORTER_LABEL    "EXTRACTOR-dtls_srtp"

/* The datagrams of our last flight, on the heap. They stay until the next flight replaces them, so
 * that a lost one can be sent again. */
struct flight {
    uint8_t *data[FLIGHT_MAX];
    uint16_t len[FLIGHT_MAX];
    uint8_t count;
    uint8_t next;     /* to be sent */
    bool is_complete; /* what OpenSSL writes now begins a new one */
};

/* Application data on its way in or out, in order. */
struct parcel {
    struct parcel *next;
    size_t len;
    uint8_t data[];
};

struct parcels {
    struct parcel *first, *last;
    struct parcel *taken; /* the last one handed out: its view lives */
    size_t count;
};

struct dtls {
    /* given */
    struct dtls_context *context;
    enum dtls_role role;
    struct dtls_fingerprint expected[DTLS_FINGERPRINTS_MAX];
    size_t expected_count;
    /* owned */
    SSL *ssl; /* NULL once settled */
    struct flight flight;
    struct dtls_settled settled; /* without ssl */
    struct parcels data_out, data_in;
    /* derived */
    enum dtls_state state;
    enum err failure;
    bool is_kept;       /* data is wanted */
    bool is_sending;    /* what OpenSSL writes now is data */
    struct bytes input; /* the datagram at hand, only inside dtls_receive() */
    usec give_up_at;
    usec retransmit_at; /* USEC_NEVER: no flight waits for an answer */
    usec interval;
    usec connected_at;
    usec repeated_at; /* final flight, on the peer's behalf */
    usec settle_at;   /* connected: when the SSL goes */
    struct dtls_counters counters;
};

size_t dtls_memory(void)
{
    return sizeof(struct dtls);
}

static void flight_clear(struct flight *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->data[i]);
    *f = (struct flight){ 0 };
}

static bool parcels_push(struct parcels *p, const uint8_t *data, size_t len)
{
    struct parcel *new = p->count < DTLS_DATA_MAX ? malloc(sizeof *new + len) : NULL;
    if (new == NULL)
        return false;
    *new = (struct parcel){ .len = len };
    memcpy(new->data, data, len);
    if (p->last != NULL)
        p->last->next = new;
    else
        p->first = new;
    p->last = new;
    p->count++;
    return true;
}

static bool parcels_pop(struct parcels *p, struct bytes *ret)
{
    free(p->taken);
    p->taken = p->first;
    if (p->taken == NULL)
        return false;
    p->first = p->taken->next;
    if (p->first == NULL)
        p->last = NULL;
    p->count--;
    *ret = bytes_of(p->taken->data, p->taken->len);
    return true;
}

static void parcels_clear(struct parcels *p)
{
    struct bytes dropped;
    while (parcels_pop(p, &dropped))
        continue;
}

/* ---- BIO: one read is one datagram, one write is one datagram ---- */

/* In the flight, which begins anew if it is complete. */
static void keep_for_sending(struct dtls *d, const uint8_t *datagram, size_t len)
{
    struct flight *f = &d->flight;
    if (f->is_complete)
        flight_clear(f);
    bool fits = len > 0 && len <= DTLS_MTU && f->count < FLIGHT_MAX;
    uint8_t *copy = fits ? malloc(len) : NULL;
    if (copy == NULL) {
        d->counters.dropped_count++; /* like a network that loses it */
        return;
    }
    memcpy(copy, datagram, len);
    f->data[f->count] = copy;
    f->len[f->count++] = (uint16_t)len;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct dtls *d = BIO_get_data(bio);
    if (len <= 0)
        return len;
    if (!d->is_sending || len > DTLS_MTU)
        keep_for_sending(d, (const uint8_t *)data, (size_t)len);
    else if (!parcels_push(&d->data_out, (const uint8_t *)data, (size_t)len))
        d->counters.dropped_count++;
    return len;
}

static int bio_read(BIO *bio, char *out, int capacity)
{
    struct dtls *d = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (d->input.len == 0 || capacity <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t len = MIN(d->input.len, (size_t)capacity);
    memcpy(out, d->input.data, len);
    d->input = (struct bytes){ 0 };
    return (int)len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return DTLS_MTU;
    default:
        return 0;
    }
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *dtls_bio_method_new(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "datagram queue");
    if (m == NULL)
        return NULL;
    if (BIO_meth_set_write(m, bio_write) != 1 || BIO_meth_set_read(m, bio_read) != 1 ||
        BIO_meth_set_ctrl(m, bio_ctrl) != 1 || BIO_meth_set_create(m, bio_create) != 1) {
        BIO_meth_free(m);
        return NULL;
    }
    return m;
}

/* ---- life ---- */

/* OpenSSL would repeat flights by the wall clock of the machine. An hour never comes within
 * DTLS_HANDSHAKE_TIMEOUT: repetition is ours. */
static unsigned never_in_microseconds(SSL *ssl, unsigned previous)
{
    return 3600u * 1000000u;
}

static bool attach_ssl(struct dtls *d)
{
    d->ssl = SSL_new(d->context->ssl);
    BIO *bio = BIO_new(d->context->bio_method);
    if (d->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, d);
    SSL_set_bio(d->ssl, bio, bio); /* takes bio */
    SSL_set_app_data(d->ssl, d);
    (void)SSL_set_mtu(d->ssl, DTLS_MTU);
    DTLS_set_timer_cb(d->ssl, never_in_microseconds);
    if (d->role == DTLS_SERVER)
        SSL_set_accept_state(d->ssl);
    else
        SSL_set_connect_state(d->ssl);
    return true;
}

struct dtls *dtls_new(struct dtls_context *c, enum dtls_role role,
                      const struct dtls_fingerprint *expected, size_t count, usec now)
{
    check(count >= 1 && count <= DTLS_FINGERPRINTS_MAX);
    struct dtls *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    d->context = c;
    d->role = role;
    memcpy(d->expected, expected, count * sizeof *expected);
    d->expected_count = count;
    d->give_up_at = now + DTLS_HANDSHAKE_TIMEOUT;
    d->retransmit_at = d->settle_at = USEC_NEVER;
    d->interval = DTLS_RETRANSMIT_MIN;
    if (!attach_ssl(d)) {
        dtls_free(d);
        d = NULL;
    }
    ERR_clear_error();
    return d;
}

void dtls_free(struct dtls *d)
{
    if (d == NULL)
        return;
    SSL_free(d->ssl);
    flight_clear(&d->flight);
    dtls_settled_done(&d->settled);
    parcels_clear(&d->data_out);
    parcels_clear(&d->data_in);
    bytes_wipe(d, sizeof *d);
    free(d);
}

/* ---- handshake ---- */

int dtls_verify_certificate(X509_STORE_CTX *store, void *unused)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct dtls *d = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get0_cert(store);
    for (size_t i = 0; cert != NULL && i < d->expected_count; i++) {
        if (dtls_fingerprint_matches(&d->expected[i], cert)) {
            X509_STORE_CTX_set_error(store, X509_V_OK);
            return 1;
        }
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

static void fail(struct dtls *d, enum err why)
{
    d->state = DTLS_FAILED;
    d->failure = why;
    d->retransmit_at = d->settle_at = USEC_NEVER;
}

/* What the first entry of OpenSSL's error queue means to us. */
static enum err reason_of_error(void)
{
    unsigned long code = ERR_peek_error();
    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
        return ERR_SYSTEM;
    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return ERR_MALFORMED;
    switch (ERR_GET_REASON(code)) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return ERR_AUTH;
    default:
        return ERR_MALFORMED;
    }
}

static enum seal_profile selected_profile(const struct dtls *d)
{
    const SRTP_PROTECTION_PROFILE *p = SSL_get_selected_srtp_profile(d->ssl);
    return p == NULL ? SEAL_NONE : (enum seal_profile)p->id;
}

static void on_handshake_done(struct dtls *d, usec now)
{
    d->retransmit_at = USEC_NEVER;
    if (seal_key_len(selected_profile(d)) == 0) {
        (void)SSL_shutdown(d->ssl);
        fail(d, ERR_UNSUPPORTED);
        return;
    }
    d->state = DTLS_CONNECTED;
    d->connected_at = now;
    d->repeated_at = now;
    d->settle_at = now + DTLS_SETTLE_TIME;
}

static bool is_waiting(const struct dtls *d, int result)
{
    int e = SSL_get_error(d->ssl, result);
    return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

static void handshake(struct dtls *d, usec now)
{
    int result = SSL_do_handshake(d->ssl);
    if (result == 1)
        on_handshake_done(d, now);
    else if (!is_waiting(d, result))
        fail(d, reason_of_error());
}

static void keep_data(struct dtls *d, struct bytes data)
{
    d->counters.data_count++;
    if (d->is_kept && !parcels_push(&d->data_in, data.data, data.len))
        d->counters.dropped_count++;
}

/* Reads until the datagram is used up: alerts are seen here. */
static void read_data(struct dtls *d)
{
    while (d->state == DTLS_CONNECTED) {
        uint8_t data[DATA_MAX];
        int result = SSL_read(d->ssl, data, DATA_MAX);
        if (result > 0) {
            keep_data(d, bytes_of(data, (size_t)result));
        } else if (is_waiting(d, result)) {
            return;
        } else if (SSL_get_error(d->ssl, result) == SSL_ERROR_ZERO_RETURN) {
            d->state = DTLS_CLOSED;
        } else {
            fail(d, reason_of_error());
        }
    }
}

/* Lets OpenSSL work; true if it wrote a flight. */
static bool pump(struct dtls *d, usec now)
{
    ERR_clear_error();
    d->flight.is_complete = true;
    if (d->state == DTLS_HANDSHAKING)
        handshake(d, now);
    if (d->state == DTLS_CONNECTED)
        read_data(d);
    ERR_clear_error();
    bool wrote = !d->flight.is_complete;
    if (wrote && d->state == DTLS_HANDSHAKING) {
        d->interval = DTLS_RETRANSMIT_MIN;
        d->retransmit_at = now + d->interval;
    }
    return wrote;
}

/* Without an SSL. */
static void read_settled(struct dtls *d)
{
    uint8_t memory[DATA_MAX];
    struct bytes rest = d->input, content;
    if (rest.len > sizeof memory)
        return;
    while (d->state == DTLS_CONNECTED) {
        switch (dtls_settled_read(&d->settled, &rest, memory, &content)) {
        case DTLS_SETTLED_NONE:
            ERR_clear_error();
            return;
        case DTLS_SETTLED_DATA:
            keep_data(d, content);
            break;
        case DTLS_SETTLED_CLOSE:
            d->state = DTLS_CLOSED;
            break;
        case DTLS_SETTLED_FATAL:
            fail(d, ERR_MALFORMED);
            break;
        }
    }
    ERR_clear_error();
}

/* Frees the SSL of an association that has been connected for a while: the keys are exported, the
 * final flight is kept. A goodbye that nobody gets tells where its records end. Without memory the
 * SSL just stays. */
static void settle(struct dtls *d)
{
    struct flight last = d->flight;
    d->settle_at = USEC_NEVER;
    ERR_clear_error();
    d->flight = (struct flight){ 0 };
    (void)SSL_shutdown(d->ssl);
    struct flight goodbye = d->flight;
    d->flight = last;
    if (goodbye.count == 1 && dtls_settled_init(&d->settled, d->ssl, d->role == DTLS_SERVER,
                                                bytes_of(goodbye.data[0], goodbye.len[0]))) {
        if (d->role == DTLS_CLIENT) /* the server has answered it */
            flight_clear(&d->flight);
        SSL_free(d->ssl);
        d->ssl = NULL;
    }
    flight_clear(&goodbye);
    ERR_clear_error();
}

void dtls_start(struct dtls *d, usec now)
{
    if (d->role == DTLS_CLIENT && d->state == DTLS_HANDSHAKING)
        (void)pump(d, now);
}

/* The server's last flight has no timer: it is repeated when the client repeats its own. OpenSSL
 * does that for a client that renumbers its records; a client that repeats whole datagrams, as ours
 * does, looks like a replay to it. */
static void repeat_final_flight(struct dtls *d, uint8_t record_type, usec now)
{
    if (d->role != DTLS_SERVER || d->state != DTLS_CONNECTED || d->flight.count == 0)
        return;
    if (record_type != RECORD_CCS && record_type != RECORD_HANDSHAKE)
        return;
    if (now - d->connected_at > DTLS_HANDSHAKE_TIMEOUT ||
        now - d->repeated_at < DTLS_RETRANSMIT_MIN / 2)
        return;
    d->repeated_at = now;
    d->flight.next = 0;
    d->counters.retransmit_count++;
}

static bool is_dtls(struct bytes datagram)
{
    return datagram.len >= RECORD_HEADER_LEN && datagram.data[0] >= 20 && datagram.data[0] <= 63;
}

void dtls_receive(struct dtls *d, struct bytes datagram, usec now)
{
    d->counters.datagrams_received++;
    if (!is_dtls(datagram) || d->state == DTLS_CLOSED || d->state == DTLS_FAILED) {
        d->counters.dropped_count++;
        return;
    }
    bool was_connected = d->state == DTLS_CONNECTED;
    d->input = datagram;
    bool wrote = false;
    if (d->ssl != NULL)
        wrote = pump(d, now);
    else
        read_settled(d);
    d->input = (struct bytes){ 0 };
    if (was_connected && !wrote)
        repeat_final_flight(d, datagram.data[0], now);
}

usec dtls_deadline(const struct dtls *d)
{
    switch (d->state) {
    case DTLS_HANDSHAKING:
        return MIN(d->give_up_at, d->retransmit_at);
    case DTLS_CONNECTED:
        return d->settle_at;
    default:
        return USEC_NEVER;
    }
}

void dtls_tick(struct dtls *d, usec now)
{
    if (d->state == DTLS_CONNECTED && now >= d->settle_at)
        settle(d);
    if (d->state != DTLS_HANDSHAKING)
        return;
    if (now >= d->give_up_at) {
        fail(d, ERR_EXPIRED);
    } else if (now >= d->retransmit_at) {
        d->flight.next = 0;
        d->interval = MIN(2 * d->interval, DTLS_RETRANSMIT_MAX);
        d->retransmit_at = now + d->interval;
        d->counters.retransmit_count++;
    }
}

bool dtls_next_datagram(struct dtls *d, struct bytes *ret)
{
    struct flight *f = &d->flight;
    if (f->next == f->count) {
        bool any = parcels_pop(&d->data_out, ret);
        d->counters.datagrams_sent += any;
        return any;
    }
    *ret = bytes_of(f->data[f->next], f->len[f->next]);
    f->next++;
    d->counters.datagrams_sent++;
    return true;
}

void dtls_keep(struct dtls *d)
{
    d->is_kept = true;
}

bool dtls_has_room(const struct dtls *d)
{
    return d->data_out.count < DTLS_DATA_MAX;
}

static bool send_settled(struct dtls *d, struct bytes data)
{
    uint8_t record[DTLS_DATA_LEN_MAX + DTLS_SETTLED_OVERHEAD];
    size_t len = dtls_settled_write(&d->settled, false, data, record);
    return len > 0 && parcels_push(&d->data_out, record, len);
}

static bool send_by_ssl(struct dtls *d, struct bytes data)
{
    d->is_sending = true;
    int result = SSL_write(d->ssl, data.data, (int)data.len);
    d->is_sending = false;
    return result == (int)data.len;
}

enum err dtls_send(struct dtls *d, struct bytes data)
{
    if (d->state != DTLS_CONNECTED || !d->is_kept)
        return ERR_BAD_STATE;
    if (data.len == 0 || data.len > DTLS_DATA_LEN_MAX || !dtls_has_room(d))
        return ERR_FULL;
    ERR_clear_error();
    bool ok = d->ssl == NULL ? send_settled(d, data) : send_by_ssl(d, data);
    ERR_clear_error();
    return ok ? OK : ERR_SYSTEM;
}

bool dtls_next_data(struct dtls *d, struct bytes *ret)
{
    return parcels_pop(&d->data_in, ret);
}

void dtls_close(struct dtls *d)
{
    ERR_clear_error();
    d->flight.is_complete = true;
    if (d->state == DTLS_CONNECTED && d->ssl == NULL) {
        uint8_t record[2 + DTLS_SETTLED_OVERHEAD];
        size_t len = dtls_settled_write(&d->settled, true, bytes_of(NULL, 0), record);
        keep_for_sending(d, record, len);
    } else if (d->state == DTLS_CONNECTED) {
        (void)SSL_shutdown(d->ssl);
    }
    ERR_clear_error();
    if (d->state != DTLS_FAILED)
        d->state = DTLS_CLOSED;
    d->settle_at = USEC_NEVER;
}

/* ---- queries ---- */

enum dtls_state dtls_state(const struct dtls *d)
{
    return d->state;
}

enum err dtls_failure(const struct dtls *d)
{
    return d->failure;
}

struct dtls_counters dtls_counters(const struct dtls *d)
{
    return d->counters;
}

enum err dtls_keys(const struct dtls *d, struct dtls_keys *ret)
{
    if (d->state != DTLS_CONNECTED || d->ssl == NULL)
        return ERR_BAD_STATE;
    /* RFC 5764 §4.2: client key | server key | client salt | server salt. */
    enum seal_profile profile = selected_profile(d);
    size_t key_len = seal_key_len(profile), salt_len = seal_salt_len(profile);
    uint8_t material[2 * (SEAL_KEY_MAX + SEAL_SALT_MAX)];
    if (SSL_export_keying_material(d->ssl, material, 2 * (key_len + salt_len), EXPORTER_LABEL,
                                   strlen(EXPORTER_LABEL), NULL, 0, 0) != 1) {
        ERR_clear_error();
        return ERR_SYSTEM;
    }
    struct seal_master client = { 0 }, server = { 0 };
    memcpy(client.key, material, key_len);
    memcpy(server.key, material + key_len, key_len);
    memcpy(client.salt, material + 2 * key_len, salt_len);
    memcpy(server.salt, material + 2 * key_len + salt_len, salt_len);
    bool is_client = d->role == DTLS_CLIENT;
    *ret = (struct dtls_keys){ .profile = profile,
                               .local = is_client ? client : server,
                               .remote = is_client ? server : client };
    bytes_wipe(material, sizeof material);
    bytes_wipe(&client, sizeof client);
    bytes_wipe(&server, sizeof server);
    return OK;
}
