/* run_seal.c - the cipher alone: packets of one publisher sealed for each viewer in turn, and
 * opened. No socket, no other thread; CPU time of the calling one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"
#include "machine.h"
#include "rig.h"

#include "rtc/seal_burst.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEAL_HEADER = 20, SEAL_ROOM = 1280, BURST_MAX = 64, TURNS_AT_ONCE = 20 };

struct sealing {
    struct seal_engine *engine;
    struct seal_burst *burst;
    struct sealer **sealers;
    struct opener *opener;
    size_t viewers;
    uint64_t index;
    uint8_t header[SEAL_HEADER], payload[SEAL_ROOM];
    uint8_t out[BURST_MAX][SEAL_ROOM];
};

static bool open_sealing(struct sealing *s, const struct bench_options *o)
{
    s->viewers = o->stage.viewers;
    s->engine = seal_engine_new(o->stage.seal);
    s->burst = seal_burst_new(s->engine);
    s->sealers = calloc(s->viewers, sizeof(struct sealer *));
    bool ok = s->engine != NULL && s->burst != NULL && s->sealers != NULL;
    struct dtls_keys keys;
    for (size_t i = 0; ok && i < s->viewers; i++) {
        rig_viewer_keys(i, o->stage.profile, &keys);
        s->sealers[i] = sealer_new(s->engine, o->stage.profile, &keys.local, 1);
        ok = s->sealers[i] != NULL;
    }
    rig_viewer_keys(0, o->stage.profile, &keys);
    s->opener = opener_new(s->engine, o->stage.profile, &keys.local, 1);
    store_be32(s->header, 0x90600000);
    store_be32(s->header + 8, 0x40000000);
    store_be32(s->header + 12, 0xbede0001);
    return ok && s->opener != NULL;
}

static void close_sealing(struct sealing *s)
{
    for (size_t i = 0; s->sealers != NULL && i < s->viewers; i++)
        sealer_free(s->sealers[i]);
    free(s->sealers);
    opener_free(s->opener);
    seal_burst_free(s->burst);
    seal_engine_free(s->engine);
}

/* One packet for everybody, `burst` of them at a time. */
static void seal_for_all(struct sealing *s, size_t payload_len, size_t burst)
{
    store_be16(s->header + 2, (uint16_t)++s->index);
    for (size_t i = 0; i < s->viewers; i++) {
        struct writer w = writer_of(s->out[i % burst], SEAL_ROOM);
        check(sealer_rtp_later(s->sealers[i], s->burst, s->index, bytes_of(s->header, SEAL_HEADER),
                               bytes_of(s->payload, payload_len), &w) == OK);
        if ((i + 1) % burst == 0)
            seal_burst_run(s->burst);
    }
    seal_burst_run(s->burst);
}

static double time_sealing(struct sealing *s, double seconds, size_t payload_len, size_t burst)
{
    double start = machine_cpu_seconds(CLOCK_THREAD_CPUTIME_ID), took = 0;
    size_t packets = 0;
    while (took < seconds) {
        for (size_t i = 0; i < TURNS_AT_ONCE; i++, packets += s->viewers)
            seal_for_all(s, payload_len, burst);
        took = machine_cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    }
    return took * 1e9 / (double)packets;
}

/* Of packets that were sealed before the clock ran. */
static double time_opening(struct sealing *s, double seconds, size_t payload_len)
{
    double took = 0;
    size_t packets = 0, len[BURST_MAX];
    while (took < seconds) {
        for (size_t i = 0; i < BURST_MAX; i++) {
            struct writer w = writer_of(s->out[i], SEAL_ROOM);
            store_be16(s->header + 2, (uint16_t)++s->index);
            check(sealer_rtp(s->sealers[0], s->index, bytes_of(s->header, SEAL_HEADER),
                             bytes_of(s->payload, payload_len), &w) == OK);
            len[i] = writer_len(&w);
        }
        double start = machine_cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
        for (size_t i = 0; i < BURST_MAX; i++) {
            struct opened_rtp opened;
            check(opener_rtp(s->opener, bytes_of(s->out[i], len[i]), s->out[i], &opened) == OK);
        }
        took += machine_cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
        packets += BURST_MAX;
    }
    return took * 1e9 / (double)packets;
}

static void add_case(json_t *cases, const char *what, size_t payload, size_t burst, double ns)
{
    json_array_append_new(cases, json_pack("{ss si si sf}", "what", what, "payload", (int)payload,
                                           "burst", (int)burst, "ns", ns));
}

json_t *bench_seal(const struct bench_options *o)
{
    static const size_t payloads[] = { 100, 1100 }, bursts[] = { 1, 2, 4, 8, 16, 64 };
    static struct sealing sealing;
    json_t *cases = json_array();
    if (!open_sealing(&sealing, o)) {
        fprintf(stderr, "bench: seal: no such engine, or no memory\n");
        close_sealing(&sealing);
        json_decref(cases);
        return NULL;
    }
    bool is_aead = o->stage.profile != SEAL_AES_CM_128_HMAC_SHA1_80;
    for (size_t p = 0; p < ARRAY_LEN(payloads); p++) {
        (void)time_sealing(&sealing, o->warm_up, payloads[p], 1);
        for (size_t b = 0; b < (is_aead ? 1 : ARRAY_LEN(bursts)); b++)
            add_case(cases, "seal", payloads[p], bursts[b],
                     time_sealing(&sealing, o->seconds, payloads[p], bursts[b]));
        add_case(cases, "open", payloads[p], 1, time_opening(&sealing, o->seconds, payloads[p]));
    }
    json_t *ret = json_pack(
        "{ss ss ss ss si so}", "what", "seal", "profile", seal_profile_name(o->stage.profile),
        "engine", seal_engine_name(sealing.engine), "code", seal_engine_code(sealing.engine),
        "viewers", (int)o->stage.viewers, "cases", cases);
    close_sealing(&sealing);
    return ret;
}
