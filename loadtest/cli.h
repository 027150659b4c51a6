/* cli.h - the words of conclave-bot. Each gets its own argv (argv[0] is the word) and returns the
 * exit status of the program.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_CLI_H
#define LOADTEST_CLI_H

#include "io/run.h"

int cli_run(int argc, char **argv);
int cli_compare(int argc, char **argv);
int cli_report(int argc, char **argv);
int cli_slo_metrics(int argc, char **argv);
int cli_client(int argc, char **argv);
int cli_agent(int argc, char **argv);
int cli_relay(int argc, char **argv);
int cli_job(int argc, char **argv);

/* --- shared by them --- */

/* A whole file, zero-terminated, to free(); NULL: explained on stderr. "-" is stdin. */
char *cli_read_file(const char *path, size_t *ret_len);
/* The key of agents, to free(); NULL: explained on stderr. */
char *cli_read_key(const char *path, size_t *ret_len);
/* Writes or replaces a file: it is there as a whole, or as it was before. What is no file (a pipe,
 * a device, and "-": stdout) is written as it comes. False: explained on stderr. */
bool cli_write_file(const char *path, const char *text);
/* Whether cli_write_file() may succeed later; says why not. NULL and "-" are fine. */
bool cli_can_write(const char *path);
/* Whether the URL is one of a server: ws(s) too unless only_http. Explained on stderr if not;
 * option: what it was given to. */
bool cli_check_url(const char *option, const char *url, bool only_http);
/* A result, a new reference; NULL: explained on stderr. */
json_t *cli_read_result(const char *path);
/* Colour on this stream: a terminal, and NO_COLOR is not set. */
bool cli_has_colour(FILE *f);
/* Decimal digits and nothing else: no sign, no space, no overflow. False: no number up to max. */
bool cli_parse_number(const char *text, uint64_t max, uint64_t *ret);
/* "conclave-bot: …" on stderr; returns RUN_USAGE. */
int cli_usage_error(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
