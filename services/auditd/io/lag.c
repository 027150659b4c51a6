/* lag.c - two scripts over XINFO.
 *
 * Redis counts the entries ever added, and for a group those read (entries-read). What was removed
 * from the front is `added - length`; if that is more than was read, the difference was lost.
 * Entries-read may be stale after a restart of Redis or a failover, so it counts only while no
 * delivered entry is left at the front, and it is put right whenever everything has been delivered.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/lag.h"

#include <inttypes.h>
#include <stdio.h>

#define LUA_FIND_GROUP                                                                             \
    "local function fields(list)\n"                                                                \
    "  local t = {}\n"                                                                             \
    "  for i = 1, #list, 2 do t[list[i]] = list[i + 1] end\n"                                      \
    "  return t\n"                                                                                 \
    "end\n"                                                                                        \
    "local s, g = fields(redis.call('XINFO', 'STREAM', KEYS[1])), nil\n"                           \
    "for _, list in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do\n"                           \
    "  local t = fields(list)\n"                                                                   \
    "  if t.name == ARGV[1] then g = t end\n"                                                      \
    "end\n"                                                                                        \
    "if not g then return redis.error_reply('NOGROUP no such group') end\n"                        \
    "local last, read = g['last-delivered-id'], g['entries-read']\n"                               \
    "if last == '0-0' then read = 0 end\n"                                                         \
    "local function settle(count)\n"                                                               \
    "  redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], last, 'ENTRIESREAD', count)\n"              \
    "end\n"

/* KEYS[1] stream · ARGV[1] group → { undelivered or -1, pending, lost, last delivered, first } */
static struct redis_script inspect = REDIS_SCRIPT(
    LUA_FIND_GROUP
    "local function is_before(a, b)\n"
    "  local a_ms, a_n = a:match('(%d+)-(%d+)')\n"
    "  local b_ms, b_n = b:match('(%d+)-(%d+)')\n"
    "  a_ms, a_n, b_ms, b_n = tonumber(a_ms), tonumber(a_n), tonumber(b_ms), tonumber(b_n)\n"
    "  return a_ms < b_ms or (a_ms == b_ms and a_n < b_n)\n"
    "end\n"
    "local added, length = s['entries-added'], s.length\n"
    "local first = s['first-entry'] and s['first-entry'][1] or '-'\n"
    "local undelivered, lost = -1, 0\n"
    "if last == s['last-generated-id'] then\n"
    "  undelivered = 0\n"
    "  if added and read ~= added then settle(added) end\n"
    "elseif added and read then\n"
    "  if first == '-' or is_before(last, first) then\n"
    "    undelivered = length\n"
    "    lost = math.max(added - length - read, 0)\n"
    "  else\n"
    "    undelivered = math.min(math.max(added - read, 0), length)\n"
    "  end\n"
    "end\n"
    "return { undelivered, g.pending, lost, last, first }\n");

/* KEYS[1] stream · ARGV[1] group · ARGV[2] how many were lost */
static struct redis_script forget =
    REDIS_SCRIPT(LUA_FIND_GROUP "if read then settle(read + tonumber(ARGV[2])) end\n"
                                "return 1\n");

void lag_inspect(struct redis *redis, const char *stream, const char *group,
                 redis_callback *callback, void *data)
{
    const struct bytes key = bytes_of_str(stream), arg = bytes_of_str(group);
    redis_eval(redis, &inspect, &key, 1, &arg, 1, callback, data);
}

static bool copy_id(const redisReply *reply, char ret[STREAM_ID_CAPACITY])
{
    const char *text = redis_reply_text(reply);
    return text != NULL && snprintf(ret, STREAM_ID_CAPACITY, "%s", text) < STREAM_ID_CAPACITY;
}

enum err lag_read(const redisReply *reply, struct lag *ret)
{
    struct lag lag = { 0 };
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 5)
        return ERR_MALFORMED;
    for (size_t i = 0; i < 3; i++)
        if (reply->element[i]->type != REDIS_REPLY_INTEGER || reply->element[i]->integer < -1)
            return ERR_MALFORMED;
    if (!copy_id(reply->element[3], lag.after) || !copy_id(reply->element[4], lag.before))
        return ERR_MALFORMED;
    lag.is_known = reply->element[0]->integer >= 0;
    lag.undelivered = lag.is_known ? (uint64_t)reply->element[0]->integer : 0;
    lag.pending = (uint64_t)MAX(reply->element[1]->integer, 0);
    lag.lost = (uint64_t)MAX(reply->element[2]->integer, 0);
    *ret = lag;
    return OK;
}

void lag_settle(struct redis *redis, const char *stream, const char *group, const struct lag *lag,
                redis_callback *callback, void *data)
{
    char lost[24];
    snprintf(lost, sizeof(lost), "%" PRIu64, lag->lost);
    const struct bytes key = bytes_of_str(stream);
    const struct bytes args[] = { bytes_of_str(group), bytes_of_str(lost) };
    redis_eval(redis, &forget, &key, 1, args, ARRAY_LEN(args), callback, data);
}
