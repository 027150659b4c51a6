/* SPDX-License-Identifier: Apache-2.0 */
#include "core/scenario_keys.h"

#include <stdio.h>

#define DAY (24.0 * 3600 * 1000000)

#define S(field) offsetof(struct scenario, field)
static const struct scenario_key of_scenario[] = {
    { "name", VALUE_NAME, S(name), "unnamed", 0, 0, "Names the run in reports." },
    { "description", VALUE_TEXT, S(description), "", 0, 0, "What it is for, in a sentence." },
    { "rooms", VALUE_COUNT, S(rooms), "1", 1, SCENARIO_BOTS_MAX,
      "Rooms, all alike: each has all groups." },
    { "room-prefix", VALUE_NAME, S(room_prefix), NULL, 0, 0,
      "Rooms are named `<prefix>-<n>`. Without it: `load-<random>-<n>`, so that runs do not "
      "meet." },
    { "joins", VALUE_PER_SECOND, S(joins_per_second), "20/s", 0.01, 100000,
      "How fast bots join at the start: the ramp." },
    { "join-timeout", VALUE_DURATION, S(join_timeout_us), "20s", 100e3, DAY,
      "From a bot's start to its connected media; what takes longer is a failed join." },
    { "settle", VALUE_DURATION, S(settle_us), "3s", 0, DAY,
      "Between the last join and the measuring: the warm-up." },
    { "duration", VALUE_DURATION, S(duration_us), "30s", 1e6, 30 * DAY,
      "Of the plateau, which is what is measured." },
    { "slo", VALUE_TEXT, S(slo), "", 0, 0,
      "Objectives that decide the exit status: `loss<0.5%,latency_p99<50ms`. `--slo` replaces "
      "them." },
    { "groups", VALUE_PARTS, 0, NULL, 0, 0, "Bots that behave alike, by name. At least one." },
    { "networks", VALUE_PARTS, 0, NULL, 0, 0, "Kinds of bad networks, by name." },
    { "chaos", VALUE_PARTS, 0, NULL, 0, 0, "What is done to the servers meanwhile, by name." },
    { "storms", VALUE_PARTS, 0, NULL, 0, 0, "What many bots do at once, by name." },
};
#undef S

#define G(field) offsetof(struct group, field)
static const struct scenario_key of_group[] = {
    { "bots", VALUE_COUNT, G(bots), "1", 1, SCENARIO_BOTS_MAX, "How many, in each room." },
    { "talk", VALUE_TALK, G(talk), "never", 0, 0,
      "The microphone: `never` none; `muted` published and muted; `turns` open, and `talkers` of "
      "them have a voice; `always` a voice all the time." },
    { "talkers", VALUE_COUNT, G(talkers), "1", 1, SCENARIO_BOTS_MAX,
      "With `talk: turns`: how many of the group (per room) have a voice at any time." },
    { "turn", VALUE_DURATION, G(turn_us), "3s", 200e3, DAY,
      "With `talk: turns`: how long until the next ones speak." },
    { "video", VALUE_VIDEO, G(video), "off", 0, 0,
      "The camera's codec; `mixed`: VP8, VP9, H.264 and AV1 by turns, bot after bot." },
    { "layers", VALUE_LAYERS, G(layers), "[180, 360, 720]", 0, 0,
      "Heights of the layers, ascending; the built-in clips have 180, 360 and 720. One: no "
      "simulcast. With `scalability` as many as its spatial layers; without this key the lowest." },
    { "scalability", VALUE_SCALABILITY, G(scalability), "off", 0, 0,
      "Sends the layers of VP9 or AV1 in one stream (SVC), in this pattern of WebRTC-SVC. `off`: "
      "simulcast. Layers refer to each other as their descriptors say, not as the clips were "
      "encoded: servers are tested by it, decoders are not." },
    { "dependency-descriptor", VALUE_BOOL, G(dependency_descriptor), "no", 0, 0,
      "Sends the dependency descriptor with video. With `scalability`: `yes`, unless it says `no` "
      "with VP9." },
    { "video-file", VALUE_TEXT, G(video_file), "", 0, 0,
      "A clip to send instead of the built-in ones: IVF, or H.264 in Annex B. It is one layer." },
    { "audio-file", VALUE_TEXT, G(audio_file), "", 0, 0,
      "A recording (Ogg Opus) to send instead of the bot's tone." },
    { "audio-slots", VALUE_COUNT, G(audio_slots), "4", 0, SCENARIO_SLOTS_MAX,
      "Voices that it can receive at once." },
    { "video-slots", VALUE_COUNT, G(video_slots), "9", 0, SCENARIO_SLOTS_MAX,
      "Cameras that it can receive at once." },
    { "watch", VALUE_WATCH, G(watch), "all", 0, SCENARIO_SLOTS_MAX,
      "Cameras that it asks for, at most `video-slots`. `all`: as many." },
    { "watch-size", VALUE_SIZE, G(watch_width), "320x180", 1, 16384,
      "The size it asks for: of all, or of the first `watch-large`." },
    { "watch-large", VALUE_COUNT, G(watch_large), "0", 0, SCENARIO_SLOTS_MAX,
      "How many are asked for at `watch-size`; the others at `thumb-size`. 0: all." },
    { "thumb-size", VALUE_SIZE, G(thumb_width), "320x180", 1, 16384,
      "With `watch-large`: the size of the others." },
    { "watch-speakers", VALUE_BOOL, G(watch_speakers), "no", 0, 0,
      "Asks for those first whom the server named as speakers last." },
    { "scroll", VALUE_DURATION, G(scroll_us), "0", 100e3, DAY,
      "Turns to another page of cameras every so often. 0: never." },
    { "listen", VALUE_SHARE, G(listen_share), "10%", 0, 0,
      "Of the received audio: how much is decoded, to hear whose tone it is. Costs CPU here." },
    { "record", VALUE_TEXT, G(record_dir), "", 0, 0,
      "A directory into which each bot writes what it receives." },
    { "echo", VALUE_BOOL, G(echo), "no", 0, 0,
      "Sends back the first camera and voice that it receives." },
    { "stay", VALUE_DURATION, G(stay_us), "0", 100e3, 30 * DAY,
      "Leaves after this time, the mean of an exponential distribution. 0: stays to the end." },
    { "away", VALUE_DURATION, G(away_us), "5s", 0, 30 * DAY,
      "With `stay`: mean time until it joins again." },
    { "network", VALUE_NETWORK, G(network), "none", 0, 0,
      "The name of one of `networks`. `none`: what the machine has." },
};
#undef G

static const struct scenario_key of_network[] = {
    { "both", VALUE_PART, 0, NULL, 0, 0, "Both directions. What `up` and `down` say counts more." },
    { "up", VALUE_PART, offsetof(struct network, up), NULL, 0, 0, "From the bot." },
    { "down", VALUE_PART, offsetof(struct network, down), NULL, 0, 0, "To the bot." },
};

#define P(field) offsetof(struct network_path, field)
static const struct scenario_key of_path[] = {
    { "loss", VALUE_SHARE, P(loss), "0", 0, 0, "Independent loss of packets." },
    { "burst-loss", VALUE_SHARE, P(burst_loss), "100%", 0, 0,
      "Loss in the bad state of a Gilbert-Elliott model." },
    { "burst-enter", VALUE_SHARE, P(burst_enter), "0", 0, 0,
      "Chance with each packet that the bad state begins. 0: it never does." },
    { "burst-leave", VALUE_SHARE, P(burst_leave), "0", 0, 0,
      "Chance with each packet that it ends: bursts last 1 / this packets." },
    { "delay", VALUE_DURATION, P(delay_us), "0", 0, 10e6, "One way." },
    { "jitter", VALUE_DURATION, P(jitter_us), "0", 0, 10e6,
      "Added to the delay, evenly from 0 to this. Packets stay in order." },
    { "rate", VALUE_RATE, P(rate_bps), "unlimited", 8000, 1e11, "What the line carries." },
    { "queue", VALUE_DURATION_32, P(queue_us_max), "200ms", 1e3, 10e6,
      "With `rate`: how long packets queue for the line before more are dropped." },
    { "reorder", VALUE_SHARE, P(reorder), "0", 0, 0,
      "Packets that travel longer by `reorder-by`, so that others overtake them." },
    { "reorder-by", VALUE_DURATION_32, P(reorder_us), "20ms", 1e3, 10e6,
      "With `reorder`: how much longer." },
    { "duplicate", VALUE_SHARE, P(duplicate), "0", 0, 0, "Packets that arrive twice." },
};
#undef P

#define C(field) offsetof(struct chaos, field)
static const struct scenario_key of_chaos[] = {
    { "at", VALUE_DURATION, C(at_us), "0", 0, 30 * DAY, "After the plateau began." },
    { "run", VALUE_TEXT, C(run), "", 0, 0, "A shell command." },
    { "undo-after", VALUE_DURATION, C(undo_after_us), "0", 1e3, 30 * DAY,
      "When `undo` is run, after `run` was." },
    { "undo", VALUE_TEXT, C(undo), "", 0, 0, "A shell command that makes it good again." },
};
#undef C

#define T(field) offsetof(struct storm, field)
static const struct scenario_key of_storm[] = {
    { "at", VALUE_DURATION, T(at_us), "0", 0, 30 * DAY, "After the plateau began." },
    { "group", VALUE_GROUP, T(group), "all", 0, 0, "Whose bots: the name of a group, or `all`." },
    { "share", VALUE_SHARE, T(share), "100%", 0, 0, "How many of them." },
    { "rejoin", VALUE_BOOL, T(rejoin), "no", 0, 0,
      "`yes`: they leave and join again. `no`: their signaling connection is cut and resumed." },
};
#undef T

const struct scenario_keys scenario_keys[PART_COUNT] = {
    [PART_SCENARIO] = { of_scenario, ARRAY_LEN(of_scenario), "", "The whole" },
    [PART_GROUP] = { of_group, ARRAY_LEN(of_group), "groups.<name>", "A group of bots" },
    [PART_NETWORK] = { of_network, ARRAY_LEN(of_network), "networks.<name>", "A network" },
    [PART_PATH] = { of_path, ARRAY_LEN(of_path), "networks.<name>.up",
                    "One direction of a network (`both`, `up`, `down`)" },
    [PART_CHAOS] = { of_chaos, ARRAY_LEN(of_chaos), "chaos.<name>", "Something done to servers" },
    [PART_STORM] = { of_storm, ARRAY_LEN(of_storm), "storms.<name>", "Something bots do at once" },
};

const struct scenario_key *scenario_key_find(enum scenario_part part, const char *name)
{
    for (size_t i = 0; i < scenario_keys[part].count; i++)
        if (strcmp(scenario_keys[part].keys[i].name, name) == 0)
            return &scenario_keys[part].keys[i];
    return NULL;
}

void scenario_key_names(enum scenario_part part, char *ret, size_t capacity)
{
    size_t used = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < scenario_keys[part].count && used < capacity; i++) {
        int n = snprintf(ret + used, capacity - used, "%s%s", i == 0 ? "" : ", ",
                         scenario_keys[part].keys[i].name);
        used += n > 0 ? (size_t)n : 0;
    }
}

const char *value_kind_help(enum value_kind kind)
{
    static const char *const help[VALUE_KIND_COUNT] = {
        [VALUE_NAME] = "letters, digits, '-' and '_', at most 63",
        [VALUE_TEXT] = "a text of at most 511 bytes",
        [VALUE_COUNT] = "a whole number",
        [VALUE_WATCH] = "a whole number, or all",
        [VALUE_DURATION] = "a duration like 200ms, 1.5s or 2min",
        [VALUE_DURATION_32] = "a duration like 200ms or 1.5s",
        [VALUE_SHARE] = "a share like 1% or 0.5%",
        [VALUE_RATE] = "a rate like 2mbps, 500kbps, 64000bps or unlimited",
        [VALUE_PER_SECOND] = "a frequency like 10/s or 30/min",
        [VALUE_SIZE] = "a size like 640x360",
        [VALUE_BOOL] = "yes or no",
        [VALUE_TALK] = "never, muted, turns, always",
        [VALUE_VIDEO] = "vp8, vp9, h264, av1, mixed, off",
        [VALUE_SCALABILITY] = "off, L1T1, L1T2, L1T3, L2T1, L2T3, L2T3_KEY, L3T1, L3T3, L3T3_KEY",
        [VALUE_LAYERS] = "one to three heights, ascending, like [180, 360, 720]",
        [VALUE_NETWORK] = "the name of a network, or none",
        [VALUE_GROUP] = "the name of a group, or all",
        [VALUE_PART] = "keys of its own",
        [VALUE_PARTS] = "names, each with keys of its own",
    };
    return help[kind];
}
