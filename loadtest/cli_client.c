/* cli_client.c - `conclave-bot client`: one participant in a room that exists, or is made by it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "core/clip.h"
#include "core/recording.h"
#include "core/result.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "Usage: conclave-bot client --room NAME [options]\n"
    "\n"
    "One participant without a screen: publishes, records, echoes; says at its end what it saw\n"
    "and heard.\n"
    "\n"
    "Where to\n"
    "  --url URL         of the servers; http(s)://, or ws(s):// (http://localhost:8080)\n"
    "  --room NAME       the room\n"
    "  --name NAME       the name that others see (client)\n"
    "  --token TOKEN     instead of a guest's\n"
    "  --driver NAME     what kind of server it is: conclave, janus (conclave)\n"
    "  --ca FILE         trust this certificate authority (PEM)\n"
    "  --insecure        trust any certificate\n"
    "\n"
    "What it does\n"
    "  --publish WHAT    camera: FILE.ivf (VP8, VP9, AV1), FILE.h264 (Annex B), in a loop; or\n"
    "                    pattern, pattern:vp9 (vp8, vp9, h264, av1), in three layers; off (off)\n"
    "  --audio WHAT      microphone: FILE.opus (Ogg Opus), in a loop; tone; off (off)\n"
    "  --echo            sends back the voice and camera of who published first\n"
    "  --record DIR      writes each stream received into a file there: .ivf, .h264, .ogg\n"
    "  --view N          cameras to receive, 0 to 32 (4)\n"
    "  --size WxH        at which size (1280x720)\n"
    "  --duration TIME   how long: 30s, 5min; 0: until Ctrl-C (30s)\n"
    "  --json FILE       what it saw and heard; - is stdout\n"
    "\n"
    "In parentheses: what holds without it.\n"
    "Exit status: 0, or 64 usage, 69 it could not join, 130 interrupted before its time.\n";

enum option_id {
    OPT_URL = 256,
    OPT_ROOM,
    OPT_NAME,
    OPT_TOKEN,
    OPT_DRIVER,
    OPT_CA,
    OPT_INSECURE,
    OPT_PUBLISH,
    OPT_AUDIO,
    OPT_ECHO,
    OPT_RECORD,
    OPT_VIEW,
    OPT_SIZE,
    OPT_DURATION,
    OPT_JSON,
    OPT_HELP,
};

static const struct option long_options[] = {
    { "url", required_argument, NULL, OPT_URL },
    { "room", required_argument, NULL, OPT_ROOM },
    { "name", required_argument, NULL, OPT_NAME },
    { "token", required_argument, NULL, OPT_TOKEN },
    { "driver", required_argument, NULL, OPT_DRIVER },
    { "ca", required_argument, NULL, OPT_CA },
    { "insecure", no_argument, NULL, OPT_INSECURE },
    { "publish", required_argument, NULL, OPT_PUBLISH },
    { "audio", required_argument, NULL, OPT_AUDIO },
    { "echo", no_argument, NULL, OPT_ECHO },
    { "record", required_argument, NULL, OPT_RECORD },
    { "view", required_argument, NULL, OPT_VIEW },
    { "size", required_argument, NULL, OPT_SIZE },
    { "duration", required_argument, NULL, OPT_DURATION },
    { "json", required_argument, NULL, OPT_JSON },
    { "help", no_argument, NULL, OPT_HELP },
    { 0 },
};

struct client {
    struct run_options options;
    const char *room, *name, *publish, *audio, *record, *view, *size, *duration, *json_path;
    bool echo;
    json_t *streams; /* what it received, filled by its one bot */
};

static const char **text_option(struct client *c, int id)
{
    switch (id) {
    case OPT_URL:
        return &c->options.url;
    case OPT_ROOM:
        return &c->room;
    case OPT_NAME:
        return &c->name;
    case OPT_TOKEN:
        return &c->options.token;
    case OPT_CA:
        return &c->options.ca_file;
    case OPT_PUBLISH:
        return &c->publish;
    case OPT_AUDIO:
        return &c->audio;
    case OPT_RECORD:
        return &c->record;
    case OPT_VIEW:
        return &c->view;
    case OPT_SIZE:
        return &c->size;
    case OPT_DURATION:
        return &c->duration;
    case OPT_JSON:
        return &c->json_path;
    default:
        return NULL;
    }
}

/* -1: go on. */
static int parse(struct client *c, int argc, char **argv)
{
    for (int id; (id = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        const char **text = text_option(c, id);
        if (text != NULL)
            *text = optarg;
        else if (id == OPT_INSECURE)
            c->options.insecure = true;
        else if (id == OPT_ECHO)
            c->echo = true;
        else if (id == OPT_DRIVER && (c->options.driver = driver_find(optarg)) == NULL)
            return cli_usage_error("--driver %s: there are %s", optarg, driver_names);
        else if (id == OPT_HELP) {
            fputs(help, stdout);
            return 0;
        } else if (id != OPT_DRIVER)
            return cli_usage_error("see conclave-bot client --help");
    }
    if (optind != argc)
        return cli_usage_error("%s: what is that? (see conclave-bot client --help)", argv[optind]);
    if (c->room == NULL || c->room[0] == '\0')
        return cli_usage_error("client wants a --room");
    if (c->name[0] == '\0')
        return cli_usage_error("--name must not be empty");
    if (!cli_check_url("--url", c->options.url, false))
        return RUN_USAGE;
    if (c->echo && (strcmp(c->publish, "off") != 0 || strcmp(c->audio, "off") != 0))
        return cli_usage_error("--echo sends back others' media: it has no --publish and --audio");
    return -1;
}

/* --- the scenario: one bot --- */

static bool keep(char *to, size_t size, const char *text, const char *option)
{
    if (strlen(text) < size) {
        memcpy(to, text, strlen(text) + 1);
        return true;
    }
    (void)cli_usage_error("%s: longer than %zu bytes", option, size - 1);
    return false;
}

/* The codec and size of a file are what the room is told. */
static bool publish_file(const char *path, struct group *g)
{
    size_t len;
    char *file = cli_read_file(path, &len);
    if (file == NULL)
        return false;
    struct clip clip = { 0 };
    enum err err = clip_parse(bytes_of(file, len), 30, &clip);
    g->video = VIDEO_ONE;
    g->codec = clip.codec;
    g->layer_count = 1;
    g->layers[0] = clip.height;
    clip_done(&clip);
    free(file);
    if (err != OK)
        (void)cli_usage_error("--publish %s: %s (it must be IVF with VP8, VP9 or AV1, or H.264 "
                              "Annex B, with a keyframe)",
                              path, err_name(err));
    return err == OK && keep(g->video_file, sizeof g->video_file, path, "--publish");
}

/* "--set groups.client.video-slots: '99' is out of range": in the words of this command. */
static void explain(const char *error)
{
    static const struct {
        const char *key, *option;
    } keys[] = { { "--set duration", "--duration" },
                 { "--set groups.client.video-slots", "--view" },
                 { "--set groups.client.watch-size", "--size" },
                 { "--set groups.client.video", "--publish" } };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        size_t len = strlen(keys[i].key);
        if (strncmp(error, keys[i].key, len) == 0 && error[len] == ':') {
            (void)cli_usage_error("%s%s", keys[i].option, error + len);
            return;
        }
    }
    (void)cli_usage_error("%s", error);
}

/* Everything of the command line that is a scenario's: its parser checks it. */
static struct scenario *new_scenario(const struct client *c)
{
    static const char yaml[] = "name: client\n"
                               "join-timeout: 20s\n"
                               "settle: 0s\n"
                               "groups:\n"
                               "  client:\n"
                               "    audio-slots: 8\n"
                               "    listen: 0%\n";
    const char *codec = strncmp(c->publish, "pattern:", 8) == 0 ? c->publish + 8
                        : strcmp(c->publish, "pattern") == 0    ? "vp8"
                                                                : NULL;
    bool until_stopped = strcmp(c->duration, "0") == 0;
    char sets[6][64] = { "" };
    const char *overrides[ARRAY_LEN(sets)];
    size_t count = 0;
    snprintf(sets[count++], sizeof sets[0], "duration=%s", until_stopped ? "1s" : c->duration);
    snprintf(sets[count++], sizeof sets[0], "groups.client.video-slots=%s", c->view);
    if (strcmp(c->view, "0") != 0)
        snprintf(sets[count++], sizeof sets[0], "groups.client.watch-size=%s", c->size);
    if (codec != NULL)
        snprintf(sets[count++], sizeof sets[0], "groups.client.video=%s", codec);
    if (strcmp(c->audio, "off") != 0)
        snprintf(sets[count++], sizeof sets[0], "groups.client.talk=always");
    for (size_t i = 0; i < count; i++)
        overrides[i] = sets[i];
    struct scenario *s = NULL;
    char error[SCENARIO_ERROR_MAX];
    if (scenario_parse(bytes_of_str(yaml), overrides, count, &s, error) != OK) {
        explain(error);
        return NULL;
    }
    if (until_stopped)
        s->duration_us = SECONDS(10 * 365 * 86400LL);
    return s;
}

/* Now, and not when the first packet comes: a recording that cannot be written is no surprise for
 * the end. */
static bool make_directory(const char *path)
{
    char part[SCENARIO_TEXT_MAX];
    for (size_t i = 1; i <= strlen(path) && i < sizeof part; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        (void)mkdir(part, 0777); /* what matters is whether it is there in the end */
    }
    if (access(path, W_OK | X_OK) == 0)
        return true;
    (void)cli_usage_error("--record %s: %s", path, strerror(errno));
    return false;
}

static bool fill_scenario(const struct client *c, struct scenario *s)
{
    struct group *g = &s->groups[0];
    g->echo = c->echo;
    bool ok = keep(s->room, sizeof s->room, c->room, "--room") &&
              keep(s->participant, sizeof s->participant, c->name, "--name");
    if (c->record != NULL)
        ok = ok && keep(g->record_dir, sizeof g->record_dir, c->record, "--record") &&
             make_directory(c->record);
    if (strcmp(c->audio, "tone") != 0 && strcmp(c->audio, "off") != 0)
        ok = ok && keep(g->audio_file, sizeof g->audio_file, c->audio, "--audio");
    if (strcmp(c->publish, "off") != 0 && g->video == VIDEO_OFF)
        ok = ok && publish_file(c->publish, g);
    return ok;
}

/* --- the end --- */

static void collect_streams(struct bot *bot, void *data)
{
    struct client *c = data;
    for (unsigned i = 0; i < bot_recording_count(bot); i++) {
        struct bot_recording r = bot_recording_at(bot, i);
        const struct recording_stats *s = r.stats;
        json_t *stream = json_pack(
            "{ss ss ss sI sI sI sI sI sI si si si sf}", "publisher", r.publisher, "source",
            r.source, "codec", codec_name(r.codec), "packets", (json_int_t)s->packets, "bytes",
            (json_int_t)s->bytes, "lost", (json_int_t)s->lost, "frames", (json_int_t)s->frames,
            "frames_dropped", (json_int_t)s->frames_dropped, "keyframes", (json_int_t)s->keyframes,
            "width", (int)s->width, "height", (int)s->height, "tone_hz", (int)r.tone_hz, "seconds",
            (double)(s->last_at - s->first_at) / 1e6);
        if (stream != NULL && r.path != NULL)
            json_object_set_new(stream, "file", json_string(r.path));
        if (stream != NULL)
            json_array_append_new(c->streams, stream);
    }
}

static void print_stream(const json_t *stream)
{
    char size[24] = "";
    long long width = json_integer_value(json_object_get(stream, "width"));
    long long tone = json_integer_value(json_object_get(stream, "tone_hz"));
    if (width > 0)
        snprintf(size, sizeof size, "%lldx%lld", width,
                 json_integer_value(json_object_get(stream, "height")));
    else if (tone > 0)
        snprintf(size, sizeof size, "%lld Hz", tone);
    printf("  %-20s %-12s %-5s %8.1f s %8lld packets %5lld lost %7lld frames  %-10s %s\n",
           result_text(stream, "publisher", ""), result_text(stream, "source", ""),
           result_text(stream, "codec", ""), result_number(stream, "seconds"),
           json_integer_value(json_object_get(stream, "packets")),
           json_integer_value(json_object_get(stream, "lost")),
           json_integer_value(json_object_get(stream, "frames")), size,
           result_text(stream, "file", ""));
}

static void print_failures(const json_t *result)
{
    size_t i;
    json_t *failure;
    json_array_foreach(json_object_get(json_object_get(result, "joins"), "failures"), i, failure)
    {
        fprintf(stderr, "conclave-bot: %s: %s (%s)\n", result_text(failure, "stage", ""),
                result_text(failure, "message", ""), result_text(failure, "error", ""));
    }
}

static void print_summary(const struct client *c, const json_t *result)
{
    printf("%s in room %s, %.1f s. Sent %.0f packets of video, %.0f of audio. Received:\n", c->name,
           c->room, result_number(result, "seconds.plateau"),
           result_number(result, "video.sent.packets"),
           result_number(result, "audio.sent.packets"));
    size_t i;
    json_t *stream;
    json_array_foreach(c->streams, i, stream) print_stream(stream);
    if (json_array_size(c->streams) == 0)
        printf("  nothing\n");
}

static bool write_json(const struct client *c)
{
    if (c->json_path == NULL)
        return true;
    json_t *all = json_pack("{ss ss sO}", "room", c->room, "name", c->name, "streams", c->streams);
    char *text = all == NULL ? NULL : json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    bool ok = text != NULL && cli_write_file(c->json_path, text);
    free(text);
    json_decref(all);
    return ok;
}

static int run(struct client *c, const struct scenario *s)
{
    char error[RUN_ERROR_MAX] = "";
    json_t *result = NULL;
    enum run_exit status = run_scenario(s, &c->options, &result, error);
    if (result == NULL) {
        (void)cli_usage_error("%s", error);
        return (int)status;
    }
    print_failures(result);
    bool joined = result_number(result, "joins.joined") > 0;
    if (joined && (c->json_path == NULL || strcmp(c->json_path, "-") != 0))
        print_summary(c, result);
    json_decref(result);
    bool wrote = write_json(c);
    if (!joined)
        return RUN_UNREACHABLE;
    if (status == RUN_INTERRUPTED && strcmp(c->duration, "0") != 0)
        return RUN_INTERRUPTED;
    return wrote ? 0 : RUN_USAGE;
}

int cli_client(int argc, char **argv)
{
    struct client c = { .options = { .url = "http://localhost:8080",
                                     .driver = &driver_conclave,
                                     .threads = 1,
                                     .quiet = true },
                        .name = "client",
                        .publish = "off",
                        .audio = "off",
                        .view = "4",
                        .size = "1280x720",
                        .duration = "30s" };
    int exit_status = parse(&c, argc, argv);
    if (exit_status >= 0)
        return exit_status;
    struct scenario *s = new_scenario(&c);
    exit_status = RUN_USAGE;
    if (s != NULL && fill_scenario(&c, s)) {
        c.streams = json_array();
        c.options.each_bot = collect_streams;
        c.options.each_bot_data = &c;
        exit_status = run(&c, s);
        json_decref(c.streams);
    }
    scenario_free(s);
    return exit_status;
}
