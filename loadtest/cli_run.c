/* cli_run.c - `conclave-bot run`: options, the search for a limit, what is written at the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "core/report_html.h"
#include "core/report_text.h"
#include "core/result.h"
#include "core/search.h"
#include "io/coordinator.h"
#include "io/proc_stat.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: conclave-bot run SCENARIO.yaml [options]\n"
    "\n"
    "Where to\n"
    "  --url URL             of the servers; http(s)://, or ws(s):// (http://localhost:8080)\n"
    "  --driver NAME         what kind of server it is: conclave, janus (conclave)\n"
    "  --token TOKEN         for all bots, instead of a guest's for each\n"
    "  --ca FILE             trust this certificate authority (PEM)\n"
    "  --insecure            trust any certificate\n"
    "  --source IP           send media from this address\n"
    "\n"
    "What\n"
    "  --set KEY=VALUE       change the scenario: --set groups.people.bots=30 (repeatable)\n"
    "  --chaos               allow the scenario's commands against the servers to run\n"
    "  --slo TERMS           objectives: loss<0.5%,latency_p99<5ms (conclave-bot slo-metrics)\n"
    "  --search [MIN:]MAX    find the most bots that hold the objectives\n"
    "\n"
    "Who watches\n"
    "  --cluster DIR         the servers of a `./dev run` cluster with data in DIR\n"
    "  --server NAME=WHERE   a server: URL of its /metrics, or the pid of its process "
    "(repeatable)\n"
    "  --prometheus ADDR     serve live figures here: 127.0.0.1:9464\n"
    "\n"
    "What is left\n"
    "  --json FILE           the result (docs/loadtest-result.schema.json)\n"
    "  --html FILE           the result as a page\n"
    "  --quiet               no live view\n"
    "\n"
    "How\n"
    "  --threads N           threads of this process; 0 is one per CPU (0)\n"
    "  --agents A,B,…        run on these machines (conclave-bot agent), host:port\n"
    "  --agent-key FILE      the key that they share\n"
    "  --any-clock           even if their clocks are too far off for one-way latency\n"
    "  --seed N              for the same dice; 0 is random (0)\n"
    "\n"
    "In parentheses: what holds without it.\n";

struct run_cli {
    struct run_options options;
    const char *scenario_path;
    const char *sets[64];
    size_t set_count;
    const char *slo_text, *json_path, *html_path;
    const char *agents, *agent_key;
    char *key; /* read from agent_key */
    bool any_clock;
    unsigned scale; /* of the search; 0: as the scenario is written */
    unsigned search_min, search_max;
    struct slo slo;
};

enum option_id {
    OPT_URL = 256,
    OPT_DRIVER,
    OPT_TOKEN,
    OPT_CA,
    OPT_INSECURE,
    OPT_SOURCE,
    OPT_SET,
    OPT_CHAOS,
    OPT_SLO,
    OPT_SEARCH,
    OPT_CLUSTER,
    OPT_SERVER,
    OPT_PROMETHEUS,
    OPT_JSON,
    OPT_HTML,
    OPT_QUIET,
    OPT_THREADS,
    OPT_AGENTS,
    OPT_AGENT_KEY,
    OPT_ANY_CLOCK,
    OPT_SEED,
    OPT_HELP,
};

static const struct option options[] = {
    { "url", required_argument, NULL, OPT_URL },
    { "driver", required_argument, NULL, OPT_DRIVER },
    { "token", required_argument, NULL, OPT_TOKEN },
    { "ca", required_argument, NULL, OPT_CA },
    { "insecure", no_argument, NULL, OPT_INSECURE },
    { "source", required_argument, NULL, OPT_SOURCE },
    { "set", required_argument, NULL, OPT_SET },
    { "chaos", no_argument, NULL, OPT_CHAOS },
    { "slo", required_argument, NULL, OPT_SLO },
    { "search", required_argument, NULL, OPT_SEARCH },
    { "cluster", required_argument, NULL, OPT_CLUSTER },
    { "server", required_argument, NULL, OPT_SERVER },
    { "prometheus", required_argument, NULL, OPT_PROMETHEUS },
    { "json", required_argument, NULL, OPT_JSON },
    { "html", required_argument, NULL, OPT_HTML },
    { "quiet", no_argument, NULL, OPT_QUIET },
    { "threads", required_argument, NULL, OPT_THREADS },
    { "agents", required_argument, NULL, OPT_AGENTS },
    { "agent-key", required_argument, NULL, OPT_AGENT_KEY },
    { "any-clock", no_argument, NULL, OPT_ANY_CLOCK },
    { "seed", required_argument, NULL, OPT_SEED },
    { "help", no_argument, NULL, OPT_HELP },
    { 0 },
};

/* "sfud=http://127.0.0.1:9082/metrics", "janus=4711"; returns an exit status. */
static int add_server(struct run_cli *c, const char *text)
{
    const char *where = strchr(text, '=');
    uint64_t pid = 0;
    struct proc_stat stat;
    if (where == NULL || where == text)
        return cli_usage_error("--server wants NAME=URL or NAME=PID, not %s", text);
    if (c->options.server_count == RUN_SERVERS_MAX)
        return cli_usage_error("too many --server");
    bool is_pid = cli_parse_number(where + 1, 1 << 30, &pid) && pid > 0;
    if (is_pid && proc_stat_read((pid_t)pid, &stat) != OK)
        return cli_usage_error("--server %s: no process of this machine has that pid", text);
    if (!is_pid && strncmp(where + 1, "http", 4) != 0)
        return cli_usage_error("--server wants NAME=URL or NAME=PID, not %s", text);
    if (!is_pid && !cli_check_url("--server", where + 1, true))
        return RUN_USAGE;
    unsigned i = c->options.server_count++;
    c->options.servers[i].name = strndup(text, (size_t)(where - text));
    if (is_pid)
        c->options.servers[i].pid = (int)pid;
    else
        c->options.servers[i].metrics_url = strdup(where + 1);
    return 0;
}

static bool parse_search(struct run_cli *c, const char *text)
{
    uint64_t min = 0, max;
    const char *colon = strchr(text, ':');
    char first[16] = "";
    if (colon != NULL) {
        if ((size_t)(colon - text) >= sizeof first)
            return false;
        memcpy(first, text, (size_t)(colon - text));
        if (!cli_parse_number(first, SCENARIO_BOTS_MAX, &min) || min < 1)
            return false;
    }
    if (!cli_parse_number(colon == NULL ? text : colon + 1, SCENARIO_BOTS_MAX, &max) ||
        max < MAX(min, 1))
        return false;
    c->search_min = (unsigned)(colon == NULL ? MIN(max, 2) : min);
    c->search_max = (unsigned)max;
    return true;
}

/* Options whose value is taken as it is; false: not one of them. */
static bool take_text(struct run_cli *c, int id)
{
    const struct {
        int id;
        const char **to;
    } texts[] = { { OPT_URL, &c->options.url },
                  { OPT_TOKEN, &c->options.token },
                  { OPT_CA, &c->options.ca_file },
                  { OPT_SOURCE, &c->options.source },
                  { OPT_SLO, &c->slo_text },
                  { OPT_CLUSTER, &c->options.cluster },
                  { OPT_JSON, &c->json_path },
                  { OPT_HTML, &c->html_path },
                  { OPT_AGENTS, &c->agents },
                  { OPT_AGENT_KEY, &c->agent_key },
                  { OPT_PROMETHEUS, &c->options.prometheus } };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].id == id) {
            *texts[i].to = optarg;
            return true;
        }
    }
    return false;
}

static int take_option(struct run_cli *c, int id)
{
    uint64_t n = 0;
    if (take_text(c, id))
        return 0;
    switch (id) {
    case OPT_DRIVER:
        c->options.driver = driver_find(optarg);
        if (c->options.driver == NULL)
            return cli_usage_error("--driver %s: there are %s", optarg, driver_names);
        return 0;
    case OPT_INSECURE:
        c->options.insecure = true;
        return 0;
    case OPT_CHAOS:
        c->options.allow_chaos = true;
        return 0;
    case OPT_ANY_CLOCK:
        c->any_clock = true;
        return 0;
    case OPT_QUIET:
        c->options.quiet = true;
        return 0;
    case OPT_SET:
        if (c->set_count == ARRAY_LEN(c->sets))
            return cli_usage_error("too many --set");
        c->sets[c->set_count++] = optarg;
        return 0;
    case OPT_SEARCH:
        return parse_search(c, optarg)
                   ? 0
                   : cli_usage_error("--search wants MAX or MIN:MAX bots, 1 to %d, "
                                     "not %s",
                                     SCENARIO_BOTS_MAX, optarg);
    case OPT_SERVER:
        return add_server(c, optarg);
    case OPT_THREADS:
        if (!cli_parse_number(optarg, 64, &n))
            return cli_usage_error("--threads wants 0 to 64, not %s", optarg);
        c->options.threads = (unsigned)n;
        return 0;
    case OPT_SEED:
        return cli_parse_number(optarg, UINT64_MAX, &c->options.seed)
                   ? 0
                   : cli_usage_error("--seed wants a number from 0 to 2^64-1, not %s", optarg);
    default:
        return cli_usage_error("see conclave-bot run --help");
    }
}

/* What the coordinator will ask: their number and names are for it to judge. */
static bool check_agents(const char *agents)
{
    char url[512];
    for (const char *at = agents; *at != '\0'; at += strspn(at, ",")) {
        size_t len = strcspn(at, ",");
        (void)snprintf(url, sizeof url, "http://%.*s", (int)MIN(len, sizeof url), at);
        if (!cli_check_url("--agents", url, true))
            return false;
        at += len;
    }
    return true;
}

/* -1: go on. */
static int parse(struct run_cli *c, int argc, char **argv)
{
    *c = (struct run_cli){ .options = { .url = "http://localhost:8080",
                                        .driver = &driver_conclave } };
    for (int id; (id = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (id == OPT_HELP) {
            fputs(help, stdout);
            return 0;
        }
        int exit_status = take_option(c, id);
        if (exit_status != 0)
            return exit_status;
    }
    if (optind + 1 != argc)
        return cli_usage_error("run wants one scenario (see conclave-bot run --help)");
    c->scenario_path = argv[optind];
    if ((c->agents == NULL) != (c->agent_key == NULL))
        return cli_usage_error("--agents and --agent-key go together");
    if (c->agents != NULL && !check_agents(c->agents))
        return RUN_USAGE;
    if (c->agents != NULL && c->options.source != NULL)
        return cli_usage_error("--source is for each machine to say: conclave-bot agent --source");
    if (!cli_check_url("--url", c->options.url, false))
        return RUN_USAGE;
    return -1;
}

static int read_slo(struct run_cli *c, const struct scenario *s)
{
    const char *text = c->slo_text != NULL ? c->slo_text : s->slo;
    char error[SLO_ERROR_MAX];
    if (text[0] == '\0') {
        if (c->search_max > 0)
            return cli_usage_error("--search wants objectives: --slo, or slo: in the scenario");
        return 0;
    }
    if (slo_parse(text, &c->slo, error) != OK)
        return cli_usage_error("--slo: %s", error);
    c->options.slo = &c->slo;
    return 0;
}

static bool write_outputs(const struct run_cli *c, const json_t *result)
{
    bool ok = true;
    if (c->json_path != NULL) {
        char *text = json_dumps(result, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
        ok = text != NULL && cli_write_file(c->json_path, text);
        free(text);
    }
    if (c->html_path != NULL) {
        char *page = report_html(result);
        ok = page != NULL && cli_write_file(c->html_path, page) && ok;
        free(page);
    }
    struct report_text_options text_options = { .colour = cli_has_colour(stdout) };
    char *text = report_text(result, &text_options);
    if (c->json_path == NULL || strcmp(c->json_path, "-") != 0)
        ok = text != NULL && cli_write_file("-", text) && ok;
    free(text);
    return ok;
}

static enum run_exit run_on_agents(struct run_cli *c, const struct scenario *s, json_t **ret,
                                   char *error)
{
    struct coordinator_options with = { .agents = c->agents,
                                        .key = c->key,
                                        .any_clock = c->any_clock,
                                        .run = &c->options,
                                        .sets = c->sets,
                                        .set_count = c->set_count,
                                        .scale = c->scale };
    return coordinator_run(s, &with, ret, error);
}

static enum run_exit run_once(struct run_cli *c, const struct scenario *s, json_t **ret)
{
    char error[RUN_ERROR_MAX] = "";
    enum run_exit exit_status = c->agents != NULL ? run_on_agents(c, s, ret, error)
                                                  : run_scenario(s, &c->options, ret, error);
    if (*ret == NULL)
        fprintf(stderr, "conclave-bot: %s\n", error);
    return exit_status;
}

/* --- the search --- */

static void add_step(json_t *steps, unsigned bots, enum run_exit exit_status, const json_t *result)
{
    const char *why =
        result_text(json_array_get(json_object_get(result, "verdict_reasons"), 0), "", "");
    json_array_append_new(steps, json_pack("{si sb ss sf}", "bots", (int)bots, "passed",
                                           (int)(exit_status == RUN_PASSED), "why", why, "seconds",
                                           result_number(result, "seconds.total")));
    fprintf(stderr, "search: %u bots: %s %s\n", bots,
            exit_status == RUN_PASSED      ? "held"
            : exit_status == RUN_SATURATED ? "tester saturated"
                                           : "broke",
            why);
}

static enum run_exit search(struct run_cli *c, struct scenario *s, json_t **ret)
{
    struct search search;
    struct search_config config = { .min = c->search_min,
                                    .max = c->search_max,
                                    .multiple =
                                        s->rooms > 1 ? scenario_bot_count(s) / s->rooms : 1 };
    search_init(&search, &config);
    json_t *steps = json_array(), *best = NULL, *last = NULL;
    enum run_exit exit_status = RUN_PASSED;
    unsigned bots;
    while (search_next(&search, &bots)) {
        json_t *result = NULL;
        scenario_scale(s, bots);
        c->scale = bots;
        exit_status = run_once(c, s, &result);
        if (result == NULL || exit_status == RUN_INTERRUPTED) {
            json_decref(last);
            last = result;
            break;
        }
        add_step(steps, bots, exit_status, result);
        search_on_result(&search, exit_status == RUN_PASSED      ? SEARCH_PASSED
                                  : exit_status == RUN_SATURATED ? SEARCH_SATURATED
                                                                 : SEARCH_FAILED);
        json_t **keep = exit_status == RUN_PASSED ? &best : &last;
        json_decref(*keep);
        *keep = result;
    }
    *ret = best != NULL ? json_incref(best) : json_incref(last);
    if (*ret != NULL)
        json_object_set_new(*ret, "search",
                            json_pack("{ss si ss so}", "metric", "bots", "best", (int)search.best,
                                      "state", search_state_name(search.state), "steps", steps));
    else
        json_decref(steps);
    json_decref(best);
    json_decref(last);
    return best != NULL ? RUN_PASSED : exit_status;
}

int cli_run(int argc, char **argv)
{
    static struct run_cli c;
    int exit_status = parse(&c, argc, argv);
    if (exit_status >= 0)
        return exit_status;
    if (!cli_can_write(c.json_path) || !cli_can_write(c.html_path))
        return RUN_USAGE;
    size_t len = 0;
    char *yaml = cli_read_file(c.scenario_path, &len);
    if (yaml == NULL)
        return RUN_USAGE;
    size_t key_len = 0;
    if (c.agent_key != NULL && (c.key = cli_read_key(c.agent_key, &key_len)) == NULL) {
        free(yaml);
        return RUN_USAGE;
    }
    struct scenario *s = NULL;
    char error[SCENARIO_ERROR_MAX];
    if (scenario_parse(bytes_of(yaml, len), c.sets, c.set_count, &s, error) != OK)
        exit_status = cli_usage_error("%s: %s", c.scenario_path, error);
    else
        exit_status = read_slo(&c, s);
    json_t *result = NULL;
    if (exit_status == 0) {
        c.options.scenario_text = yaml;
        exit_status = (int)(c.search_max > 0 ? search(&c, s, &result) : run_once(&c, s, &result));
        if (result != NULL && !write_outputs(&c, result))
            exit_status = exit_status == 0 ? RUN_USAGE : exit_status;
    }
    json_decref(result);
    scenario_free(s);
    free(yaml);
    free(c.key);
    for (unsigned i = 0; i < c.options.server_count; i++) {
        free(c.options.servers[i].name);
        free(c.options.servers[i].metrics_url);
    }
    return exit_status;
}
