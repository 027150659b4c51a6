/* fuzz_job.c - what an agent is sent: a job, stripped and parsed as an agent does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "io/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    json_t *json = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL);
    struct job_error error = { 0 };
    struct job job;
    if (json == NULL)
        return 0;
    job_strip(json);
    if (job_parse(json, &job, &error) == OK) {
        const struct run_options *o = &job.options;
        check(o->url != NULL && o->driver != NULL && o->run_id != NULL && !o->without_bots);
        check(o->bot_count > 0 && o->server_count == 0 && o->cluster == NULL && o->source == NULL);
        check(o->bot_first + o->bot_count <= scenario_bot_count(job.scenario));
        for (unsigned i = 0; i < job.scenario->chaos_count; i++)
            check(strcmp(job.scenario->chaos[i].run, ":") == 0);
        (void)job_uses_files(&job);
        job_done(&job);
    } else {
        check(error.id != NULL && error.message[0] != '\0');
    }
    json_decref(json);
    return 0;
}
