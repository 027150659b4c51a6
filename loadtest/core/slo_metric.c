/* SPDX-License-Identifier: Apache-2.0 */
#include "core/slo_metric.h"

#include "core/result.h"
#include "core/slo_metric_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Fewer values beyond a percentile than this say little about where it lies. */
static const double FEW = 5;

/* path: of what was not measured; its first key is what people call it. */
static enum err unmeasured(char ret_why[SLO_WHY_MAX], const char *path)
{
    (void)snprintf(ret_why, SLO_WHY_MAX, "the run has no %.*s that this could be measured on",
                   (int)strcspn(path, "."), path);
    return ERR_NOT_FOUND;
}

/* A number, which means something when the number at `other` is more than zero. */
static enum err read_number(metric *m, const json_t *result, double *ret, char *ret_why)
{
    if (m->other != NULL && !(result_number(result, m->other) > 0))
        return unmeasured(ret_why, m->path);
    double value = result_number(result, m->path);
    if (isnan(value))
        return slo_because(ret_why, "the result does not say");
    *ret = value * m->factor;
    return OK;
}

/* path of other, both counts. */
static enum err read_share(metric *m, const json_t *result, double *ret, char *ret_why)
{
    double part = result_number(result, m->path), whole = result_number(result, m->other);
    if (isnan(part) || !(whole > 0))
        return unmeasured(ret_why, m->path);
    *ret = part / whole;
    return OK;
}

static enum err read_percentile(metric *m, const json_t *result, double *ret, char *ret_why)
{
    double value = result_percentile(result, m->path, m->percentile);
    if (isnan(value))
        return unmeasured(ret_why, m->path);
    *ret = value * m->factor;
    return OK;
}

/* As read_percentile, over everybody who wanted to: who never got there took forever. */
static enum err read_join(metric *m, const json_t *result, double *ret, char *ret_why)
{
    struct histogram h;
    double failed = result_number(result, "joins.failed");
    if (!result_histogram(result, m->path, &h))
        return slo_because(ret_why, "nobody joined");
    double wanted = (double)h.count + (failed > 0 ? failed : 0);
    double rank = ceil(wanted * m->percentile / 100);
    if (rank > (double)h.count) {
        (void)snprintf(ret_why, SLO_WHY_MAX, "%.0f of %.0f joins failed, which is slower than this",
                       failed, wanted);
        return ERR_NOT_FOUND;
    }
    *ret = (double)histogram_percentile(&h, 100 * rank / (double)h.count);
    return OK;
}

/* The worse of two metrics; one of them is enough. */
static enum err read_worse(metric *m, const json_t *result, double *ret, char *ret_why)
{
    double a = 0, b = 0;
    enum err no_a = slo_metric_value(slo_metric_find(m->path), result, &a, ret_why);
    enum err no_b = slo_metric_value(slo_metric_find(m->other), result, &b, ret_why);
    if (no_a != OK && no_b != OK) {
        (void)snprintf(ret_why, SLO_WHY_MAX, "the run has neither audio nor video");
        return ERR_NOT_FOUND;
    }
    *ret = no_a != OK ? b : no_b != OK ? a : fmax(a, b);
    return OK;
}

static enum err read_errors(metric *m, const json_t *result, double *ret, char *ret_why)
{
    *ret = result_number(result, "errors.srtp_authentication") +
           result_number(result, "errors.srtp_replay") + result_number(result, "errors.malformed");
    return isnan(*ret) ? slo_because(ret_why, "the result does not say") : OK;
}

/* A sum or a rate over the servers says nothing if one of them was not seen at all. */
static enum err all_were_seen(const json_t *result, char *ret_why)
{
    const json_t *servers = json_object_get(result, "servers");
    for (size_t i = 0; i < json_array_size(servers); i++) {
        const json_t *server = json_array_get(servers, i);
        if (!isnan(result_number(server, "cpu_seconds")))
            continue;
        const char *note = result_text(server, "note", "");
        (void)snprintf(ret_why, SLO_WHY_MAX, "the run could not measure %s%s%s",
                       result_text(server, "name", "a server"), *note == '\0' ? "" : ": ", note);
        return ERR_NOT_FOUND;
    }
    return OK;
}

/* Sum over the servers of the number at `path`; other: only those that have this too. */
static enum err server_sum(const json_t *result, const char *path, const char *other, double *ret,
                           char *ret_why)
{
    const json_t *servers = json_object_get(result, "servers");
    size_t counted = 0;
    *ret = 0;
    if (all_were_seen(result, ret_why) != OK)
        return ERR_NOT_FOUND;
    for (size_t i = 0; i < json_array_size(servers); i++) {
        const json_t *server = json_array_get(servers, i);
        double value = result_number(server, path);
        if (other != NULL && isnan(result_number(server, other)))
            continue;
        if (isnan(value)) {
            (void)snprintf(ret_why, SLO_WHY_MAX, "the run could not measure %s",
                           result_text(server, "name", "a server"));
            return ERR_NOT_FOUND;
        }
        *ret += value;
        counted++;
    }
    return counted > 0 ? OK : slo_because(ret_why, "the run measured no server");
}

static enum err read_servers(metric *m, const json_t *result, double *ret, char *ret_why)
{
    return server_sum(result, m->path, m->other, ret, ret_why);
}

/* Of every server, also those that count no packets: what the bots received for the CPU of all. */
static enum err read_received_per_second(metric *m, const json_t *result, double *ret,
                                         char *ret_why)
{
    double packets = result_number(result, "audio.received.packets") +
                     result_number(result, "video.received.packets");
    double seconds = 0;
    enum err e = server_sum(result, m->path, m->other, &seconds, ret_why);
    if (e == OK && (!(seconds > 0) || !(packets > 0)))
        e = slo_because(ret_why, "the servers used no CPU time, or nothing was received");
    if (e == OK)
        *ret = packets / seconds;
    return e;
}

static enum err read_packets_per_second(metric *m, const json_t *result, double *ret, char *ret_why)
{
    double packets = 0, seconds = 0;
    enum err e = server_sum(result, m->path, m->path, &packets, ret_why);
    if (e == OK)
        e = server_sum(result, m->other, m->path, &seconds, ret_why);
    if (e == OK && !(seconds > 0))
        e = slo_because(ret_why, "the servers used no CPU time that could be measured");
    if (e == OK)
        *ret = packets / seconds;
    return e;
}

/* clang-format off */
#define LATENCY(p, percent, help_text) \
    { "latency_" p, UNIT_US, false, help_text, read_worse, "audio_latency_" p, "video_latency_" p }, \
    { "audio_latency_" p, UNIT_US, false, "the same, audio only", \
      read_percentile, "audio.latency_us", NULL, 1, percent }, \
    { "video_latency_" p, UNIT_US, false, "the same, video only", \
      read_percentile, "video.latency_us", NULL, 1, percent }

static const struct slo_metric METRICS[] = {
    { "loss", UNIT_SHARE, false, "packets that never arrived, also not as RTX; the worse of audio and video",
      read_worse, "audio_loss", "video_loss" },
    { "audio_loss", UNIT_SHARE, false, "the same, audio only",
      read_number, "audio.loss.after", "audio.loss.expected", 1 },
    { "video_loss", UNIT_SHARE, false, "the same, video only",
      read_number, "video.loss.after", "video.loss.expected", 1 },
    { "loss_before_rtx", UNIT_SHARE, false, "packets that did not arrive at first; the worse of audio and video",
      read_worse, "audio_loss_before_rtx", "video_loss_before_rtx" },
    { "audio_loss_before_rtx", UNIT_SHARE, false, "the same, audio only",
      read_number, "audio.loss.before", "audio.loss.expected", 1 },
    { "video_loss_before_rtx", UNIT_SHARE, false, "the same, video only",
      read_number, "video.loss.before", "video.loss.expected", 1 },
    LATENCY("p50", 50, "one way, sender to receiver, median; the worse of audio and video"),
    LATENCY("p90", 90, "the same, 90th percentile"),
    LATENCY("p99", 99, "the same, 99th percentile"),
    LATENCY("p99_9", 99.9, "the same, 99.9th percentile"),
    { "jitter_p99", UNIT_US, false, "interarrival jitter (RFC 3550), 99th percentile; the worse of audio and video",
      read_worse, "audio_jitter_p99", "video_jitter_p99" },
    { "audio_jitter_p99", UNIT_US, false, "the same, audio only",
      read_percentile, "audio.jitter_us", NULL, 1, 99 },
    { "video_jitter_p99", UNIT_US, false, "the same, video only",
      read_percentile, "video.jitter_us", NULL, 1, 99 },
    { "join_p50", UNIT_US, false, "start until media can flow, median; who failed to join counts as slowest",
      read_join, "joins.stages.total", NULL, 1, 50 },
    { "join_p90", UNIT_US, false, "the same, 90th percentile",
      read_join, "joins.stages.total", NULL, 1, 90 },
    { "join_p95", UNIT_US, false, "the same, 95th percentile",
      read_join, "joins.stages.total", NULL, 1, 95 },
    { "join_p99", UNIT_US, false, "the same, 99th percentile",
      read_join, "joins.stages.total", NULL, 1, 99 },
    { "first_packet_p95", UNIT_US, false, "DTLS connected until the first media packet, 95th percentile",
      read_percentile, "joins.stages.first_packet", NULL, 1, 95 },
    { "first_keyframe_p95", UNIT_US, false, "DTLS connected until the first keyframe, 95th percentile",
      read_percentile, "joins.stages.first_keyframe", NULL, 1, 95 },
    { "joined", UNIT_SHARE, true, "bots that joined, of those that should",
      read_share, "joins.joined", "joins.wanted" },
    { "heard", UNIT_SHARE, true, "pairs of listener and speaker that heard, of those that should",
      read_share, "audio.pairs.heard", "audio.pairs.expected" },
    { "heard_time", UNIT_SHARE, true, "time in which those who should be heard were heard",
      read_share, "audio.pairs.seconds_present", "audio.pairs.seconds_expected" },
    { "shown_time", UNIT_SHARE, true, "time in which those who should be seen were seen",
      read_share, "video.pairs.seconds_present", "video.pairs.seconds_expected" },
    { "tones", UNIT_SHARE, true, "decoded streams in which the right tone sounds",
      read_share, "audio.tones.right", "audio.tones.checked" },
    { "shown", UNIT_SHARE, true, "pairs of viewer and publisher that saw, of those that should",
      read_share, "video.pairs.shown", "video.pairs.expected" },
    { "speakers_shown", UNIT_SHARE, true, "time in which those who followed the speakers saw who spoke",
      read_share, "video.speakers.seconds_shown", "video.speakers.seconds_expected" },
    { "offers_per_join", UNIT_NONE, false, "session descriptions that began a negotiation, for each join",
      read_share, "joins.offers", "joins.started" },
    { "asked_layer", UNIT_SHARE, true, "slot time in which the layer that was asked for arrived",
      read_number, "video.asked_share", "video.loss.expected", 1 },
    { "onset_p95", UNIT_US, false, "somebody begins to talk until they are heard, 95th percentile",
      read_percentile, "audio.onset_ms", NULL, 1000, 95 },
    { "switch_p95", UNIT_US, false, "view asked until its first frame, 95th percentile",
      read_percentile, "video.switch_ms", NULL, 1000, 95 },
    { "freezes", UNIT_SHARE, false, "time in which video stood still (freeze_ratio is the same)",
      read_number, "video.freezes.ratio", "video.loss.expected", 1 },
    { "freeze_ratio", UNIT_SHARE, false, "time in which video stood still",
      read_number, "video.freezes.ratio", "video.loss.expected", 1 },
    { "freeze_longest", UNIT_US, false, "the longest time video stood still",
      read_number, "video.freezes.longest_ms", "video.loss.expected", 1000 },
    { "audio_gaps", UNIT_NONE, false, "how often somebody's audio stopped",
      read_number, "audio.gaps.count", "audio.loss.expected", 1 },
    { "audio_gap_longest", UNIT_US, false, "the longest time somebody's audio stopped",
      read_number, "audio.gaps.longest_ms", "audio.loss.expected", 1000 },
    { "resume_p50", UNIT_US, false, "chaos: signaling lost until it is back, median; nobody may be lost for good",
      slo_read_resume, NULL, NULL, 1000, 50 },
    { "resume_p95", UNIT_US, false, "the same, 95th percentile", slo_read_resume, NULL, NULL, 1000, 95 },
    { "resume_p99", UNIT_US, false, "the same, 99th percentile", slo_read_resume, NULL, NULL, 1000, 99 },
    { "resumed", UNIT_SHARE, true, "chaos: bots that lost signaling and came back, in the worst event",
      slo_read_chaos_share, "signaling.never", "signaling.lost" },
    { "media_untouched", UNIT_SHARE, true, "chaos: streams that nothing happened to, in the worst event",
      slo_read_chaos_share, "media.hit", "media.streams" },
    { "errors", UNIT_NONE, false, "packets that failed authentication, were replayed or malformed",
      read_errors, "errors" },
    { "server_cpu", UNIT_CORES, false, "CPU of all servers together, in cores",
      read_servers, "cpu_share" },
    { "server_memory", UNIT_BYTES, false, "memory of all servers together, at its peak",
      read_servers, "memory_bytes.peak" },
    { "packets_per_cpu_second", UNIT_NONE, true, "packets that media servers sent for each second of CPU",
      read_packets_per_second, "packets_out", "cpu_seconds" },
    { "received_per_cpu_second", UNIT_NONE, true, "packets that bots received for each second of CPU of all servers",
      read_received_per_second, "cpu_seconds" },
    { "tester_late_p99", UNIT_US, false, "how late the tester's own timers ran, 99th percentile",
      read_percentile, "tester.late_us", NULL, 1, 99 },
};
/* clang-format on */

const struct slo_metric *slo_metric_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(METRICS); i++) {
        if (strcmp(METRICS[i].name, name) == 0)
            return &METRICS[i];
    }
    return NULL;
}

const struct slo_metric *slo_metric_at(size_t index)
{
    check(index < ARRAY_LEN(METRICS));
    return &METRICS[index];
}

size_t slo_metric_count(void)
{
    return ARRAY_LEN(METRICS);
}

enum err slo_metric_value(const struct slo_metric *m, const json_t *result, double *ret,
                          char ret_why[SLO_WHY_MAX])
{
    double value = 0;
    char why[SLO_WHY_MAX] = "";
    enum err e = m->read(m, result, &value, why);
    if (e == OK)
        *ret = value;
    else
        (void)snprintf(ret_why, SLO_WHY_MAX, "%s", why);
    return e;
}

/* The one of two metrics that its value comes from. */
static metric *worse_of(metric *m, const json_t *result)
{
    char why[SLO_WHY_MAX];
    double a = 0, b = 0;
    metric *first = slo_metric_find(m->path), *second = slo_metric_find(m->other);
    if (slo_metric_value(first, result, &a, why) != OK)
        return second;
    return slo_metric_value(second, result, &b, why) == OK && b > a ? second : first;
}

/* The histogram of a percentile, and how many of its values are independent; false: none. */
static bool percentile_values(metric *m, const json_t *result, struct histogram *ret,
                              double *ret_count)
{
    if (m->read == slo_read_resume)
        slo_resume_times(result, ret);
    else if ((m->read != read_percentile && m->read != read_join) ||
             !result_histogram(result, m->path, ret))
        return false;
    *ret_count = (double)ret->count;
    if (m->path == NULL)
        return ret->count > 0;
    char sent_path[64];
    (void)snprintf(sent_path, sizeof sent_path, "%.*s.sent.packets", (int)strcspn(m->path, "."),
                   m->path);
    double sent = result_number(result, sent_path);
    if (sent > 0)
        *ret_count = fmin(sent, (double)ret->count);
    return true;
}

bool slo_metric_has_few(const struct slo_metric *m, const json_t *result)
{
    struct histogram h;
    double count;
    if (m->read == read_worse)
        m = worse_of(m, result);
    return percentile_values(m, result, &h, &count) && count * (1 - m->percentile / 100) < FEW;
}

bool slo_metric_interval(const struct slo_metric *m, const json_t *result, double z,
                         double *ret_low, double *ret_high)
{
    char why[SLO_WHY_MAX];
    double value, values;
    struct histogram h;
    if (m->read == read_worse)
        m = worse_of(m, result);
    if (slo_metric_value(m, result, &value, why) != OK ||
        !percentile_values(m, result, &h, &values))
        return false;
    double p = m->percentile / 100, side = 100 * z * sqrt(p * (1 - p) / values);
    double at_least = fmax(m->percentile - side, 0), at_most = fmin(m->percentile + side, 100);
    double low = (double)histogram_percentile(&h, at_least);
    low -= floor(low / (1 << HISTOGRAM_STEP_BITS)); /* the lower end of its bucket */
    *ret_low = fmin(low * m->factor, value);
    *ret_high = fmax((double)histogram_percentile(&h, at_most) * m->factor, value);
    return true;
}
