/* conclave-bot: the load tester and headless client. This file: words, options, files.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    int (*fn)(int argc, char **argv);
    const char *help;
} words[] = {
    { "run", cli_run, "run a scenario against a server, report, judge" },
    { "client", cli_client, "one participant: publishes, records, echoes" },
    { "compare", cli_compare, "two or more results side by side" },
    { "report", cli_report, "a result as text, or as a page (--html)" },
    { "slo-metrics", cli_slo_metrics, "what --slo can judge" },
    { "agent", cli_agent, "run parts of load tests for a coordinator (run --agents)" },
    { "relay", cli_relay, "a bad network between clients and a server (UDP)" },
    { "job", cli_job, NULL },
};

static int usage(FILE *out, int exit_status)
{
    fprintf(out,
            "conclave-bot %s: participants that are real down to the cipher.\n\n"
            "Usage: conclave-bot <word> [options]; each word has --help\n\n",
            CONCLAVE_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (words[i].help != NULL)
            fprintf(out, "  %-12s %s\n", words[i].word, words[i].help);
    }
    fprintf(
        out,
        "\nScenarios are YAML files: docs/loadtest.md. Exit status of run: 0 passed, 1 failed,\n"
        "2 the tester was saturated, 64 usage, 69 nobody could join, 130 interrupted.\n");
    return exit_status;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr, RUN_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return usage(stdout, 0);
    if (strcmp(argv[1], "--version") == 0) {
        printf("conclave-bot %s\n", CONCLAVE_VERSION);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(argv[1], words[i].word) == 0)
            return words[i].fn(argc - 1, argv + 1);
    }
    fprintf(stderr, "conclave-bot: no word '%s'; see conclave-bot --help\n", argv[1]);
    return RUN_USAGE;
}
