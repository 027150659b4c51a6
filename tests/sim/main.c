/* conclave-sim: whole rooms in one process on a virtual clock, from a seed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "script.h"
#include "seed_random.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char help[] =
    "Usage: conclave-sim [options]\n"
    "\n"
    "Bots, a media worker and bad networks on a virtual clock: a random room for each seed. The\n"
    "same seed is the same run, bit by bit.\n"
    "\n"
    "  --seed N      the first seed (1)\n"
    "  --count N     how many, one after the other (1)\n"
    "  --jobs N      so many at once (1)\n"
    "  --twice       each seed two times, and both must be the same\n"
    "  --quiet       only failures, and a summary\n"
    "  --verbose     what happens, and how it ends\n"
    "\n"
    "Exit status: 0, or 1 if a seed failed.\n";

struct cli {
    uint64_t seed, count;
    unsigned jobs;
    bool is_twice, is_quiet, is_verbose;
};

static void run_once(uint64_t seed, const struct script *script, bool is_verbose,
                     struct script_result *ret)
{
    seed_random(seed);
    script_run(script, seed, is_verbose, ret);
}

/* In a process of its own: what one seed breaks, others do not see. */
static int run_seed(const struct cli *c, uint64_t seed)
{
    struct script *script = malloc(sizeof *script);
    struct script_result result, again;
    check(script != NULL);
    script_make(script, seed);
    if (c->is_verbose)
        fputs(script->yaml, stderr);
    run_once(seed, script, c->is_verbose, &result);
    if (c->is_twice && result.failure[0] == '\0') {
        run_once(seed, script, false, &again);
        if (again.hash != result.hash)
            (void)snprintf(result.failure, sizeof result.failure,
                           "the second run was another one: hash %016llx",
                           (unsigned long long)again.hash);
    }
    bool is_ok = result.failure[0] == '\0';
    if (!is_ok || !c->is_quiet)
        printf("seed %llu: %s, %u bots (%u connected), %.1f s, %llu packets (%llu matched), hash "
               "%016llx%s%s\n",
               (unsigned long long)seed, is_ok ? "ok" : "FAILED", result.bots, result.connected,
               result.seconds, (unsigned long long)result.packets,
               (unsigned long long)result.matched, (unsigned long long)result.hash,
               is_ok ? "" : ": ", result.failure);
    free(script);
    return is_ok ? 0 : 1;
}

static void start_seed(const struct cli *c, uint64_t seed, pid_t *ret)
{
    fflush(stdout);
    *ret = fork();
    check(*ret >= 0);
    if (*ret == 0) {
        int status = run_seed(c, seed);
        fflush(stdout);
        exit(status);
    }
}

/* Waits for one, and says how it ended unless it said so itself. */
static bool reap(pid_t *running, const uint64_t *seeds, unsigned jobs)
{
    int status;
    pid_t pid = wait(&status);
    for (unsigned i = 0; i < jobs; i++) {
        if (running[i] != pid)
            continue;
        running[i] = 0;
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
            printf("seed %llu: FAILED: it ended with %s %d\n", (unsigned long long)seeds[i],
                   WIFEXITED(status) ? "status" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    return true;
}

enum { JOBS_MAX = 64 };

static uint64_t run_all(const struct cli *c)
{
    pid_t running[JOBS_MAX] = { 0 };
    uint64_t seeds[JOBS_MAX], failed = 0, next = 0;
    unsigned busy = 0;
    while (next < c->count || busy > 0) {
        for (unsigned i = 0; i < c->jobs && next < c->count; i++) {
            if (running[i] != 0)
                continue;
            seeds[i] = c->seed + next++;
            start_seed(c, seeds[i], &running[i]);
            busy++;
        }
        failed += !reap(running, seeds, c->jobs);
        busy--;
    }
    return failed;
}

static bool parse(struct cli *c, int argc, char **argv)
{
    static const struct option options[] = {
        { "seed", required_argument, NULL, 's' }, { "count", required_argument, NULL, 'c' },
        { "jobs", required_argument, NULL, 'j' }, { "twice", no_argument, NULL, 't' },
        { "quiet", no_argument, NULL, 'q' },      { "verbose", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },       { 0 }
    };
    for (int id; (id = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        uint64_t number = optarg == NULL ? 0 : strtoull(optarg, NULL, 10);
        if (id == 's')
            c->seed = number;
        else if (id == 'c')
            c->count = number;
        else if (id == 'j')
            c->jobs = (unsigned)MIN(MAX(number, 1), JOBS_MAX);
        else if (id == 't')
            c->is_twice = true;
        else if (id == 'q')
            c->is_quiet = true;
        else if (id == 'v')
            c->is_verbose = true;
        else
            return false;
    }
    return optind == argc;
}

int main(int argc, char **argv)
{
    struct cli c = { .seed = 1, .count = 1, .jobs = 1 };
    if (!parse(&c, argc, argv)) {
        fputs(help, stderr);
        return 64;
    }
    sim_prepare();
    if (c.count == 1 && !c.is_twice)
        return run_seed(&c, c.seed); /* a debugger follows it */
    uint64_t failed = run_all(&c);
    /* as cmocka says it, so that tools/test.py counts seeds */
    printf("[  PASSED  ] %llu test(s): seeds\n", (unsigned long long)(c.count - failed));
    if (failed > 0)
        printf("[  FAILED  ] %llu test(s): seeds\n", (unsigned long long)failed);
    return failed > 0;
}
