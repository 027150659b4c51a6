/* A media thread with everything real: sockets of both backends, ICE, DTLS, SRTP (libsrtp's), and
 * two participants of whom one watches the other.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/thread.h"

#include "common/os/clock.h"
#include "common/os/random.h"
#include "core/negotiation.h"
#include "io/probe.h"
#include "io/sockaddr.h"
#include "rtc/demux.h"
#include "rtc/dtls.h"
#include "rtc/rtp.h"
#include "rtc/rtp_ext.h"
#include "rtc/stun.h"
#include "rtc/vp8.h"

#include <poll.h>
#include <setjmp.h>
#include <srtp2/srtp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE SECONDS(20)
#define ROOM     "default/test"

enum { PACKETS_PER_FRAME = 24, FRAMES = 20 };

struct person {
    char name[8];
    char ufrag[16], pwd[32];
    int fd;
    struct dtls_context *identity;
    struct dtls *dtls;
    srtp_t sender, receiver;
    struct negotiation_result *negotiated;
    bool is_checked;
    size_t packet_count; /* on `slot_ssrc`, in order */
    uint32_t slot_ssrc;
    uint16_t seq_last;
    size_t gap_count;
};

struct bed {
    struct media_thread *thread;
    struct dtls_context *identity;
    struct association_thread *associations;
    struct negotiation_scratch *scratch;
    struct person people[2];
    size_t connected_count;
};

static struct bed bed;

static char *read_offer(const char *fingerprint)
{
    static const char key[] = "a=fingerprint:sha-256 ";
    FILE *f = fopen(CALL_OFFER, "r");
    assert_non_null(f);
    char *text = calloc(1, SDP_TEXT_MAX);
    assert_true(fread(text, 1, SDP_TEXT_MAX - 1, f) > 0);
    assert_int_equal(fclose(f), 0);
    for (char *at = text; (at = strstr(at, key)) != NULL;) {
        at += sizeof key - 1;
        memcpy(at, fingerprint, strlen(fingerprint));
    }
    return text;
}

static struct dtls_fingerprint node_fingerprint(void)
{
    struct dtls_fingerprint f;
    assert_int_equal(dtls_fingerprint_parse(bytes_of_str("sha-256"),
                                            bytes_of_str(dtls_context_fingerprint(bed.identity)),
                                            &f),
                     OK);
    return f;
}

/* Posts, and waits until it comes back. */
static enum err run_command(struct command *c)
{
    struct inbox *inbox = thread_inbox(bed.thread);
    memcpy(c->room, ROOM, sizeof ROOM);
    assert_true(inbox_post(inbox, c));
    for (usec end = clock_now() + PATIENCE; clock_now() < end; usleep(500)) {
        struct event e;
        while (inbox_next_event(inbox, &e)) {
            if (e.kind == EVENT_COMMAND_DONE) {
                assert_ptr_equal(e.command, c);
                return e.err;
            }
            bed.connected_count +=
                e.kind == EVENT_TRANSPORT && e.transport == TRANSPORT_EVENT_CONNECTED;
        }
    }
    fail_msg("the command did not come back");
    return ERR_EXPIRED;
}

static void open_socket(struct person *p)
{
    struct net_addr bound[UDP_SOCKETS_MAX];
    struct sockaddr_in6 to;
    assert_int_equal(thread_bound(bed.thread, bound), 1);
    socklen_t len = sockaddr_write(&bound[0], &to);
    p->fd = socket(to.sin6_family, SOCK_DGRAM, 0);
    assert_true(p->fd >= 0);
    int bytes = 4 << 20;
    (void)setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    assert_int_equal(connect(p->fd, (struct sockaddr *)&to, len), 0);
}

static void enter(struct person *p)
{
    static struct command command;
    static uint8_t answer[SDP_ANSWER_SIZE_MAX];
    struct dtls_fingerprint f = node_fingerprint();
    struct negotiation_request q = { .source_count = SOURCE_COUNT,
                                     .allowed = SOURCES_ALL,
                                     .local_ufrag = p->ufrag,
                                     .local_pwd = p->pwd,
                                     .fingerprint = { .hash = SDP_SHA256, .len = 32 } };
    memcpy(q.fingerprint.value, f.hash, 32);
    memcpy(q.seed, p->name, sizeof p->name);
    for (unsigned i = 0; i < SOURCE_COUNT; i++) {
        q.sources[i].source = (enum source)i;
        (void)snprintf(q.sources[i].mid, sizeof q.sources[i].mid, "%u", i);
    }
    p->identity = dtls_context_new(clock_wall());
    p->negotiated = calloc(1, sizeof *p->negotiated);
    char *offer = read_offer(dtls_context_fingerprint(p->identity));
    q.offer = bytes_of_str(offer);
    struct writer w = writer_of(answer, sizeof answer);
    struct sdp_error error = { 0 };
    if (negotiate(&q, bed.scratch, p->negotiated, &w, &error) != OK)
        fail_msg("%s", error.text);
    free(offer);
    memset(&command, 0, sizeof command);
    command.kind = COMMAND_TRANSPORT_CREATE;
    command.transport = p->negotiated->params;
    memcpy(command.participant, p->name, sizeof p->name);
    assert_int_equal(run_command(&command), OK);
}

static srtp_t new_srtp(const struct dtls_keys *keys, const struct seal_master *m, bool is_out)
{
    uint8_t key[SEAL_KEY_MAX + SEAL_SALT_MAX];
    size_t key_len = seal_key_len(keys->profile);
    srtp_policy_t policy;
    srtp_t session;
    memcpy(key, m->key, key_len);
    memcpy(key + key_len, m->salt, seal_salt_len(keys->profile));
    memset(&policy, 0, sizeof policy);
    assert_int_equal(keys->profile, SEAL_AEAD_AES_128_GCM);
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    policy.ssrc.type = is_out ? ssrc_any_outbound : ssrc_any_inbound;
    policy.key = key;
    policy.window_size = 1024;
    assert_int_equal(srtp_create(&session, &policy), srtp_err_status_ok);
    return session;
}

static void transmit(struct person *p, struct bytes datagram)
{
    assert_int_equal(send(p->fd, datagram.data, datagram.len, 0), datagram.len);
}

static void on_dtls(struct person *p, struct bytes datagram)
{
    struct dtls_keys keys;
    if (p->dtls == NULL)
        return;
    dtls_receive(p->dtls, datagram, clock_now());
    for (struct bytes d; dtls_next_datagram(p->dtls, &d);)
        transmit(p, d);
    if (p->sender != NULL || dtls_state(p->dtls) != DTLS_CONNECTED)
        return;
    assert_int_equal(dtls_keys(p->dtls, &keys), OK);
    p->sender = new_srtp(&keys, &keys.local, true);
    p->receiver = new_srtp(&keys, &keys.remote, false);
}

static void on_rtp(struct person *p, uint8_t *data, size_t size)
{
    int len = (int)size;
    struct rtp_packet packet;
    assert_non_null(p->receiver);
    assert_int_equal(srtp_unprotect(p->receiver, data, &len), srtp_err_status_ok);
    assert_int_equal(rtp_parse(bytes_of(data, (size_t)len), &packet), OK);
    if (packet.ssrc != p->slot_ssrc || packet.payload.len == 0)
        return;
    p->gap_count += p->packet_count > 0 && packet.seq != (uint16_t)(p->seq_last + 1);
    p->seq_last = packet.seq;
    p->packet_count++;
}

static void on_datagram(struct person *p, uint8_t *data, size_t len)
{
    struct stun_message m;
    switch (demux_classify(bytes_of(data, len))) {
    case DEMUX_STUN:
        assert_int_equal(stun_parse(bytes_of(data, len), &m), OK);
        p->is_checked |=
            m.class == STUN_SUCCESS && stun_check_integrity(&m, bytes_of_str(p->pwd)) == OK;
        break;
    case DEMUX_DTLS:
        on_dtls(p, bytes_of(data, len));
        break;
    case DEMUX_RTP:
        on_rtp(p, data, len);
        break;
    default:
        break; /* RTCP: the core's tests look at that */
    }
}

/* Everything that is there for everybody; waits a little for the first. */
static void pump(void)
{
    struct pollfd fds[2];
    for (size_t i = 0; i < 2; i++)
        fds[i] = (struct pollfd){ .fd = bed.people[i].fd, .events = POLLIN };
    (void)poll(fds, 2, 5);
    for (size_t i = 0; i < 2; i++) {
        uint8_t data[2048];
        ssize_t n;
        while (bed.people[i].fd >= 0 &&
               (n = recv(bed.people[i].fd, data, sizeof data, MSG_DONTWAIT)) > 0)
            on_datagram(&bed.people[i], data, (size_t)n);
    }
}

#define PUMP_UNTIL(condition)                                                                      \
    do {                                                                                           \
        usec pump_end_ = clock_now() + PATIENCE;                                                   \
        while (!(condition)) {                                                                     \
            assert_true(clock_now() < pump_end_);                                                  \
            pump();                                                                                \
        }                                                                                          \
    } while (0)

static void connect_person(struct person *p)
{
    uint8_t packet[STUN_MESSAGE_MAX];
    char username[600];
    struct writer w = writer_of(packet, sizeof packet);
    (void)snprintf(username, sizeof username, "%s:%s", p->ufrag,
                   p->negotiated->params.remote_ufrag);
    struct stun_binding b = { .transaction = { .id = { 1, 2, 3 } },
                              .username = bytes_of_str(username),
                              .password = bytes_of_str(p->pwd),
                              .priority = 1,
                              .tie_breaker = 7,
                              .use_candidate = true };
    assert_int_equal(stun_write_request(&b, &w), OK);
    transmit(p, bytes_of(packet, writer_len(&w)));
    PUMP_UNTIL(p->is_checked);
    struct dtls_fingerprint f = node_fingerprint();
    p->dtls = dtls_new(p->identity, DTLS_CLIENT, &f, 1, clock_now());
    dtls_start(p->dtls, clock_now());
    for (struct bytes d; dtls_next_datagram(p->dtls, &d);)
        transmit(p, d);
    PUMP_UNTIL(p->sender != NULL);
}

static const struct media_params *media_of(const struct person *p, const char *mid)
{
    for (size_t i = 0; i < p->negotiated->params.media_count; i++) {
        if (strcmp(p->negotiated->params.media[i].mid, mid) == 0)
            return &p->negotiated->params.media[i];
    }
    fail_msg("no mid %s", mid);
    return NULL;
}

/* The viewer's first video slot gets the other's screen. */
static void watch(struct person *viewer, const struct person *publisher)
{
    static struct command command;
    memset(&command, 0, sizeof command);
    command.kind = COMMAND_SLOTS_SET;
    command.slots_set.version = 1;
    command.slots_set.slot_count = 1;
    struct slot_setting *s = &command.slots_set.slots[0];
    memcpy(s->mid, "8", 2);
    memcpy(s->participant, publisher->name, sizeof publisher->name);
    s->has_track = true;
    s->source = SOURCE_SCREEN;
    s->spatial_max = 2;
    memcpy(command.participant, viewer->name, sizeof viewer->name);
    assert_int_equal(run_command(&command), OK);
    viewer->slot_ssrc = media_of(viewer, "8")->ssrc;
}

static void send_packet(struct person *p, uint16_t seq, uint32_t timestamp, bool is_first,
                        bool is_last)
{
    uint8_t payload[1000] = { 0 }, body[128], packet[2048];
    struct writer w = writer_of(payload, sizeof payload);
    struct vp8_descriptor d = { .partition_start = is_first };
    vp8_write(&w, &d);
    if (is_first)
        writer_put(&w, bytes_of("\x10\x02\x00\x9d\x01\x2a\x80\x02\xe0\x01", 10));
    struct rtp_ext_values v = { .present = RTP_EXT_BIT(RTP_EXT_MID), .mid = bytes_of_str("2") };
    struct rtp_packet r = { .payload_type = media_of(p, "2")->payload_types[0],
                            .marker = is_last,
                            .seq = seq,
                            .timestamp = timestamp,
                            .ssrc = 0x5c4ee000,
                            .has_ext = true,
                            .payload = bytes_of(payload, sizeof payload) };
    struct writer bw = writer_of(body, sizeof body), out = writer_of(packet, sizeof packet);
    rtp_ext_write(&p->negotiated->params.ext, &v, &bw, &r.ext_profile, NULL);
    r.ext = bytes_of(body, writer_len(&bw));
    rtp_write(&out, &r);
    assert_false(bw.failed || out.failed);
    int len = (int)writer_len(&out);
    assert_int_equal(srtp_protect(p->sender, packet, &len), srtp_err_status_ok);
    transmit(p, bytes_of(packet, (size_t)len));
}

static uint64_t sends_of_many(const struct udp_counters *c)
{
    uint64_t sum = 0;
    for (size_t i = 1; i < UDP_SEGMENT_BUCKETS; i++)
        sum += atomic_load(&c->segments[i]);
    return sum;
}

static size_t freed_count;

static void free_with_user(struct command *c)
{
    free(c->user);
    free(c);
    freed_count++;
}

static void open_bed(enum udp_backend backend)
{
    static const uint8_t loopback[4] = { 127, 0, 0, 1 };
    struct net_addr listen = net_addr_ipv4(loopback, 0);
    struct udp_failure failure;
    memset(&bed, 0, sizeof bed);
    bed.identity = dtls_context_new(clock_wall());
    bed.scratch = calloc(1, sizeof *bed.scratch);
    const struct association_thread_config dtls = {
        .engine = { .dtls = bed.identity, .worker_count = 1, .participants_max = 8 }
    };
    assert_int_equal(association_thread_start(&dtls, &bed.associations), OK);
    struct thread_config config = { .cpu = -1,
                                    .backend = backend,
                                    .listen = &listen,
                                    .listen_count = 1,
                                    .gso = true,
                                    .free_command = free_with_user,
                                    .associations = association_thread_link(bed.associations, 0),
                                    .worker = { .participants_max = 8,
                                                .rooms_max = 4,
                                                .tracks_max = 32,
                                                .slots_max = 128,
                                                .encodings_max = 32,
                                                .cached_packets_max = 2048,
                                                .queue_max = 8192 } };
    random_bytes(config.worker.random, sizeof config.worker.random);
    if (thread_start(&config, &bed.thread, &failure) != OK)
        fail_msg("%s", failure.text);
    for (size_t i = 0; i < 2; i++) {
        struct person *p = &bed.people[i];
        (void)snprintf(p->name, sizeof p->name, "p_%zu", i);
        (void)snprintf(p->ufrag, sizeof p->ufrag, "ufrag%03zu", i);
        (void)snprintf(p->pwd, sizeof p->pwd, "password-of-24-letters-%zu", i);
        open_socket(p);
    }
}

static void close_bed(void)
{
    thread_stop(bed.thread);
    association_thread_stop(bed.associations);
    for (size_t i = 0; i < 2; i++) {
        struct person *p = &bed.people[i];
        if (p->sender != NULL && p->receiver != NULL) {
            (void)srtp_dealloc(p->sender);
            (void)srtp_dealloc(p->receiver);
        }
        dtls_free(p->dtls);
        dtls_context_free(p->identity);
        free(p->negotiated);
        close(p->fd);
    }
    dtls_context_free(bed.identity);
    free(bed.scratch);
}

static void what_one_publishes_the_other_gets(void **state)
{
    open_bed(*(enum udp_backend *)*state);
    struct person *publisher = &bed.people[0], *viewer = &bed.people[1];
    for (size_t i = 0; i < 2; i++) {
        enter(&bed.people[i]);
        connect_person(&bed.people[i]);
    }
    watch(viewer, publisher);
    assert_int_equal(bed.connected_count, 2);
    uint16_t seq = 100;
    for (uint32_t frame = 0; frame < FRAMES; frame++) {
        for (size_t i = 0; i < PACKETS_PER_FRAME; i++)
            send_packet(publisher, seq++, 3000 * frame, i == 0, i == PACKETS_PER_FRAME - 1);
        PUMP_UNTIL(viewer->packet_count >= (frame + 1) * PACKETS_PER_FRAME);
    }
    assert_int_equal(viewer->packet_count, FRAMES * PACKETS_PER_FRAME);
    assert_int_equal(viewer->gap_count, 0);
    const struct worker_stats *s = thread_worker_stats(bed.thread);
    const struct udp_counters *u = thread_udp_counters(bed.thread);
    assert_int_equal(stats_read(s, STAT_CONNECTED), 2);
    assert_true(stats_read(s, STAT_RTP_OUT) >= FRAMES * PACKETS_PER_FRAME);
    assert_int_equal(stats_read(s, STAT_DROP_AUTH), 0);
    assert_true(sends_of_many(u) > 0); /* what came together left together */
    assert_int_equal(atomic_load(&u->send_failed) + atomic_load(&u->send_again), 0);
    assert_true(thread_load(bed.thread, clock_now()) > 0);
    close_bed();
}

static void stopping_says_goodbye_to_everybody(void **state)
{
    open_bed(*(enum udp_backend *)*state);
    for (size_t i = 0; i < 2; i++) {
        enter(&bed.people[i]);
        connect_person(&bed.people[i]);
    }
    thread_stop(bed.thread);
    bed.thread = NULL;
    for (size_t i = 0; i < 2; i++)
        PUMP_UNTIL(dtls_state(bed.people[i].dtls) == DTLS_CLOSED);
    close_bed();
}

static void stopping_frees_commands_that_nobody_took(void **state)
{
    open_bed(*(enum udp_backend *)*state);
    for (size_t i = 0; i < 100; i++) {
        struct command *c = calloc(1, sizeof *c);
        c->kind = COMMAND_TRANSPORT_REMOVE;
        c->user = malloc(1);
        assert_true(inbox_post(thread_inbox(bed.thread), c));
    }
    freed_count = 0;
    close_bed();
    assert_int_equal(freed_count, 100);
}

#define BOTH(test)                                                                                 \
    { #test " (epoll)", test, NULL, NULL, &epoll },                                                \
    {                                                                                              \
#test " (uring)", test, NULL, NULL, &uring                                                 \
    }

int main(void)
{
    static enum udp_backend epoll = UDP_EPOLL, uring = UDP_URING;
    const struct CMUnitTest tests[] = {
        BOTH(what_one_publishes_the_other_gets),
        BOTH(stopping_says_goodbye_to_everybody),
        BOTH(stopping_frees_commands_that_nobody_took),
    };
    struct probe_result r;
    if (probe(PROBE_URING, &r) != OK) /* where io_uring is forbidden, its half is skipped */
        uring = UDP_EPOLL;
    if (srtp_init() != srtp_err_status_ok)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)srtp_shutdown();
    return failed;
}
