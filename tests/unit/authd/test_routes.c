/* test_routes.c - the HTTP API against a store in memory.
 *
 * The SRP client's half is in test_api.py; here a known verifier (v = g^x) is played from both
 * sides only as far as the routes care: right and wrong proofs. SPDX-License-Identifier: Apache-2.0
 */
#include "common/base64url.h"
#include "core/routes.h"
#include "memory_store.h"

#include <openssl/ec.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW (SECONDS(1790000000))

static struct auth auth;
static struct memory_store store;
static struct http_response response;
static struct audit_note notes[CALL_NOTES_MAX];
static size_t note_count;
static uint8_t random_counter;
static bool is_https; /* of the requests that follow */

static const char registration[] =
    "{\"username\":\"Ada\",\"display_name\":\"Ada L\",\"salt\":\"AAAAAAAAAAAAAAAAAAAAAA\","
    "\"verifier\":\"Ag\",\"group\":\"3072\",\"kdf\":{\"name\":\"argon2id\",\"memory_kib\":19456,"
    "\"iterations\":2,\"parallelism\":1}}";

static int set_up(void **state)
{
    auth = (struct auth){ .issuer = "conclave",
                          .access_ttl = SECONDS(900),
                          .refresh_ttl = SECONDS(86400),
                          .guest_ttl = SECONDS(7200),
                          .turn_ttl = SECONDS(3600),
                          .has_guests = true,
                          .throttle_scale = 1,
                          .has_secret = true };
    auth.key = EVP_EC_gen("P-256");
    check(token_kid_write(auth.key, auth.kid) == OK);
    check(token_keys_of(auth.key, auth.kid, &auth.keys) == OK);
    memory_store_init(&store, NOW);
    return 0;
}

static int tear_down(void **state)
{
    memory_store_done(&store);
    http_response_clear(&response);
    token_keys_free(auth.keys);
    EVP_PKEY_free(auth.key);
    return 0;
}

/* One request, start to end; returns the status. header is "Name: value", lines of it, or NULL. */
static int ask(enum http_method method, const char *path, const char *body, const char *header)
{
    struct http_request request = { .method = method,
                                    .path = path,
                                    .client_address = "192.0.2.7",
                                    .request_id = "r",
                                    .wall = store.now };
    char text[4096], *save = NULL;
    request.is_https = is_https;
    if (body != NULL)
        request.body = bytes_of_str(body);
    snprintf(text, sizeof(text), "%s", header == NULL ? "" : header);
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *colon = strstr(line, ": ");
        check(colon != NULL);
        *colon = 0;
        request.headers[request.header_count++] = (struct http_field){ line, colon + 2 };
    }
    uint8_t random[CALL_RANDOM_LEN];
    memset(random, ++random_counter, sizeof(random));
    struct call call;
    http_response_clear(&response);
    response = (struct http_response){ 0 };
    call_init(&call, &request, &response, random);
    auth_start(&auth, &call);
    while (call.next != NULL) {
        memory_store_perform(&store, &call.op, &call.reply);
        auth_resume(&auth, &call);
    }
    memcpy(notes, call.notes, sizeof(notes));
    note_count = call.note_count;
    call_done(&call);
    return response.status;
}

static int post(const char *path, const char *body)
{
    return ask(HTTP_METHOD_POST, path, body, NULL);
}

static json_t *answer(void)
{
    json_t *json = json_loadb(response.body, response.body_len, 0, NULL);
    assert_non_null(json);
    return json;
}

/* The member `key` of the last answer, as text in a buffer of its own. */
static const char *member(const char *key)
{
    static char text[2048];
    json_t *json = answer();
    const char *value = json_string_value(json_object_get(json, key));
    snprintf(text, sizeof(text), "%s", value == NULL ? "" : value);
    json_decref(json);
    return text;
}

static void assert_error(const char *error)
{
    assert_string_equal(member("error"), error);
}

static void registering_works_once_per_name(void **state)
{
    assert_int_equal(post("/v1/register", registration), 201);
    assert_string_equal(notes[0].type, "account.created");
    assert_string_equal(notes[0].actor_name, "ada");
    assert_int_equal(post("/v1/register", registration), 409);
    assert_error("username-taken");
    assert_int_equal(note_count, 0);
}

static void bad_registrations_are_named(void **state)
{
    assert_int_equal(post("/v1/register", "{}"), 400);
    assert_error("bad-username");
    assert_int_equal(post("/v1/register", "{\"username\":\"ada\"}"), 400);
    assert_error("bad-verifier");
    assert_int_equal(post("/v1/register", "{\"username\":\"ada\",\"display_name\":\"\\n\"}"), 400);
    assert_error("bad-name");
    assert_int_equal(post("/v1/register", "[]"), 400);
    assert_error("bad-request");
    assert_int_equal(post("/v1/register", "{\"username\":\"a\",\"username\":\"b\"}"), 400);
    assert_error("bad-request");
}

/* Everything that a client sees of a login's first step, but the values. */
static void login_shape(const char *username, char *ret, size_t capacity)
{
    char body[128];
    snprintf(body, sizeof(body), "{\"username\":\"%s\",\"A\":\"BQ\"}", username);
    assert_int_equal(post("/v1/login/start", body), 200);
    json_t *json = answer();
    const char *key;
    json_t *value;
    size_t at = 0;
    json_object_foreach(json, key, value)
    {
        at += (size_t)snprintf(ret + at, capacity - at, "%s:%zu ", key,
                               json_is_string(value) ? json_string_length(value)
                                                     : json_object_size(value));
    }
    json_decref(json);
}

static void unknown_user_looks_like_a_known_one(void **state)
{
    char known[256], unknown[256];
    assert_int_equal(post("/v1/register", registration), 201);
    memset(store.op_counts, 0, sizeof(store.op_counts));
    login_shape("ada", known, sizeof(known));
    size_t ops[STORE_OP_COUNT];
    memcpy(ops, store.op_counts, sizeof(ops));
    memset(store.op_counts, 0, sizeof(store.op_counts));
    login_shape("nobody", unknown, sizeof(unknown));
    assert_string_equal(known, unknown);
    assert_memory_equal(ops, store.op_counts, sizeof(ops));
}

static void unknown_user_always_has_the_same_salt(void **state)
{
    char salt[64];
    assert_int_equal(post("/v1/login/start", "{\"username\":\"nobody\",\"A\":\"BQ\"}"), 200);
    snprintf(salt, sizeof(salt), "%s", member("salt"));
    assert_int_equal(post("/v1/login/start", "{\"username\":\"Nobody\",\"A\":\"BQ\"}"), 200);
    assert_string_equal(salt, member("salt"));
    assert_int_equal(post("/v1/login/start", "{\"username\":\"nobodx\",\"A\":\"BQ\"}"), 200);
    assert_string_not_equal(salt, member("salt"));
}

static void wrong_proof_fails_alike_for_known_and_unknown(void **state)
{
    const char *const names[] = { "ada", "nobody" };
    assert_int_equal(post("/v1/register", registration), 201);
    for (size_t i = 0; i < 2; i++) {
        char body[256];
        snprintf(body, sizeof(body), "{\"username\":\"%s\",\"A\":\"BQ\"}", names[i]);
        assert_int_equal(post("/v1/login/start", body), 200);
        snprintf(body, sizeof(body),
                 "{\"login\":\"%s\",\"M1\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
                 member("login"));
        assert_int_equal(post("/v1/login/finish", body), 401);
        assert_error("bad-credentials");
        assert_string_equal(notes[0].type, "session.login-failed");
        assert_string_equal(notes[0].actor_name, names[i]);
        assert_int_equal(post("/v1/login/finish", body), 401);
        assert_error("login-expired");
    }
}

/* The M1 that the last login expects, as its record in the store says. */
static void login_body(char ret[512])
{
    char login[64];
    snprintf(login, sizeof(login), "%s", member("login"));
    for (size_t i = 0; i < store.count; i++) {
        if (strstr(store.entries[i].key, login) == NULL)
            continue;
        json_t *record = json_loads(store.entries[i].value, 0, NULL);
        snprintf(ret, 512, "{\"login\":\"%s\",\"M1\":\"%s\"}", login,
                 json_string_value(json_object_get(record, "M1")));
        json_decref(record);
        return;
    }
    fail_msg("%s is not in the store", login);
}

static void sign_with(const char *curve)
{
    EVP_PKEY_free(auth.key);
    auth.key = EVP_EC_gen(curve);
    assert_non_null(auth.key);
}

static void what_got_no_tokens_is_not_recorded_as_a_session(void **state)
{
    char body[512], token[256];
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\"}"), 201);
    snprintf(token, sizeof(token), "{\"refresh_token\":\"%s\"}", member("refresh_token"));
    assert_int_equal(post("/v1/register", registration), 201);
    sign_with("P-384"); /* which ES256 cannot use */
    assert_int_equal(post("/v1/login/start", "{\"username\":\"ada\",\"A\":\"BQ\"}"), 200);
    login_body(body);
    assert_int_equal(post("/v1/login/finish", body), 500);
    assert_int_equal(note_count, 0);
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\"}"), 500);
    assert_int_equal(note_count, 0);
    assert_int_equal(post("/v1/token", token), 500);
    assert_int_equal(note_count, 0);
    sign_with("P-256");
    assert_int_equal(post("/v1/login/start", "{\"username\":\"ada\",\"A\":\"BQ\"}"), 200);
    login_body(body);
    assert_int_equal(post("/v1/login/finish", body), 200);
    assert_string_equal(notes[0].type, "session.login");
}

static void zero_client_number_is_refused(void **state)
{
    assert_int_equal(post("/v1/login/start", "{\"username\":\"ada\",\"A\":\"AA\"}"), 400);
    assert_error("bad-request");
}

static void login_expires(void **state)
{
    char body[256];
    assert_int_equal(post("/v1/login/start", "{\"username\":\"ada\",\"A\":\"BQ\"}"), 200);
    snprintf(body, sizeof(body), "{\"login\":\"%s\",\"M1\":\"AA\"}", member("login"));
    store.now += LOGIN_TTL + 1;
    assert_int_equal(post("/v1/login/finish", body), 401);
    assert_error("login-expired");
}

static void too_many_logins_wait(void **state)
{
    int status = 200;
    for (int i = 0; i < 11; i++)
        status = post("/v1/login/start", "{\"username\":\"ada\",\"A\":\"BQ\"}");
    assert_int_equal(status, 429);
    assert_error("rate-limited");
    assert_string_equal(http_response_get_header(&response, "Retry-After"), "6");
    assert_int_equal(post("/v1/login/start", "{\"username\":\"bob\",\"A\":\"BQ\"}"), 200);
    store.now += SECONDS(6);
    assert_int_equal(post("/v1/login/start", "{\"username\":\"ada\",\"A\":\"BQ\"}"), 200);
}

static void refresh_with(const char *token, int status)
{
    char body[512];
    snprintf(body, sizeof(body), "{\"refresh_token\":\"%s\"}", token);
    assert_int_equal(post("/v1/token", body), status);
}

static void refresh_rotates_and_reuse_revokes(void **state)
{
    char first[256], second[256], third[256];
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\"}"), 201);
    assert_string_equal(notes[0].type, "guest.created");
    snprintf(first, sizeof(first), "%s", member("refresh_token"));
    refresh_with(first, 200);
    snprintf(second, sizeof(second), "%s", member("refresh_token"));
    assert_string_not_equal(first, second);
    /* the answer was lost: the same again */
    refresh_with(first, 200);
    assert_string_equal(second, member("refresh_token"));
    refresh_with(second, 200);
    snprintf(third, sizeof(third), "%s", member("refresh_token"));
    assert_string_equal(notes[0].type, "session.refreshed");
    /* two generations old: somebody else has it */
    refresh_with(first, 401);
    assert_error("refresh-reused");
    assert_string_equal(notes[0].type, "session.reuse-detected");
    refresh_with(third, 401);
    assert_error("refresh-expired");
}

static void lost_answer_is_forgiven_for_a_short_time_only(void **state)
{
    char first[256];
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\"}"), 201);
    snprintf(first, sizeof(first), "%s", member("refresh_token"));
    refresh_with(first, 200);
    store.now += REFRESH_GRACE + 1;
    refresh_with(first, 401);
    assert_error("refresh-reused");
}

static void guests_session_has_its_own_life_which_a_refresh_renews(void **state)
{
    char token[256];
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\",\"cookie\":true}"), 201);
    assert_non_null(strstr(http_response_get_header(&response, "Set-Cookie"), "Max-Age=7200;"));
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\"}"), 201);
    for (int i = 0; i < 2; i++) {
        snprintf(token, sizeof(token), "%s", member("refresh_token"));
        store.now += auth.guest_ttl - SECONDS(1);
        refresh_with(token, 200);
    }
    snprintf(token, sizeof(token), "%s", member("refresh_token"));
    store.now += auth.guest_ttl + SECONDS(1);
    refresh_with(token, 401);
    assert_error("refresh-expired");
}

static void forged_refresh_token_revokes_nothing(void **state)
{
    char first[256], forged[256];
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\"}"), 201);
    snprintf(first, sizeof(first), "%s", member("refresh_token"));
    memcpy(forged, first, sizeof(forged));
    forged[25] = forged[25] == 'x' ? 'y' : 'x';
    refresh_with(forged, 401);
    assert_error("refresh-expired");
    refresh_with(first, 200);
}

static void cookie_carries_the_refresh_token_instead_of_the_body(void **state)
{
    is_https = true;
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\",\"cookie\":true}"), 201);
    is_https = false;
    assert_string_equal(member("refresh_token"), "");
    const char *cookie = http_response_get_header(&response, "Set-Cookie");
    assert_non_null(cookie);
    assert_non_null(strstr(cookie, "HttpOnly"));
    assert_non_null(strstr(cookie, "SameSite=Strict"));
    assert_non_null(strstr(cookie, "Path=/v1"));
    assert_non_null(strstr(cookie, "; Secure"));
    char header[256];
    snprintf(header, sizeof(header), "Cookie: %.*s", (int)strcspn(cookie, ";"), cookie);
    assert_int_equal(ask(HTTP_METHOD_POST, "/v1/token", NULL, header), 200);
    assert_string_equal(member("refresh_token"), "");
    cookie = http_response_get_header(&response, "Set-Cookie");
    assert_null(strstr(cookie, "; Secure"));
    snprintf(header, sizeof(header), "Cookie: %.*s", (int)strcspn(cookie, ";"), cookie);
    assert_int_equal(ask(HTTP_METHOD_POST, "/v1/logout", NULL, header), 204);
    assert_string_equal(notes[0].type, "session.logout");
    assert_non_null(strstr(http_response_get_header(&response, "Set-Cookie"), "Max-Age=0"));
    assert_int_equal(ask(HTTP_METHOD_POST, "/v1/token", NULL, header), 401);
}

static void me_ends_with_the_session(void **state)
{
    char header[2100], body[512];
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\"}"), 201);
    snprintf(header, sizeof(header), "Authorization: Bearer %s", member("access_token"));
    snprintf(body, sizeof(body), "{\"refresh_token\":\"%s\"}", member("refresh_token"));
    assert_int_equal(ask(HTTP_METHOD_GET, "/v1/me", NULL, header), 200);
    assert_int_equal(post("/v1/logout", body), 204);
    assert_int_equal(ask(HTTP_METHOD_GET, "/v1/me", NULL, header), 401);
    assert_error("session-ended");
    assert_int_equal(ask(HTTP_METHOD_GET, "/v1/me", NULL, NULL), 401);
    assert_error("bad-token");
}

static void expired_access_token_says_so(void **state)
{
    char header[2100];
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\"}"), 201);
    snprintf(header, sizeof(header), "Authorization: Bearer %s", member("access_token"));
    store.now += auth.access_ttl + SECONDS(120);
    assert_int_equal(ask(HTTP_METHOD_GET, "/v1/ice-servers", NULL, header), 401);
    assert_error("token-expired");
}

static void ice_servers_need_a_token_and_no_store(void **state)
{
    const char *urls[] = { "stun:turn.example:3478", "turn:turn.example:3478?transport=udp" };
    auth.turn_urls = urls;
    auth.turn_url_count = 2;
    auth.turn_secret = bytes_of_str("0123456789abcdef");
    char header[2100];
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\"}"), 201);
    snprintf(header, sizeof(header), "Authorization: Bearer %s", member("access_token"));
    store.is_away = true;
    assert_int_equal(ask(HTTP_METHOD_GET, "/v1/ice-servers", NULL, header), 200);
    json_t *json = answer();
    json_t *servers = json_object_get(json, "ice_servers");
    assert_int_equal(json_array_size(servers), 2);
    assert_null(json_object_get(json_array_get(servers, 0), "credential"));
    assert_non_null(json_object_get(json_array_get(servers, 1), "credential"));
    json_decref(json);
}

static void store_that_is_away_is_unavailable_but_keys_are_served(void **state)
{
    store.is_away = true;
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\"}"), 503);
    assert_error("unavailable");
    assert_non_null(http_response_get_header(&response, "Retry-After"));
    assert_int_equal(post("/v1/login/start", "{\"username\":\"ada\",\"A\":\"BQ\"}"), 503);
    assert_int_equal(ask(HTTP_METHOD_GET, "/.well-known/jwks.json", NULL, NULL), 200);
    auth.has_secret = false;
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\"}"), 503);
    assert_int_equal(ask(HTTP_METHOD_GET, "/.well-known/jwks.json", NULL, NULL), 200);
}

static void guests_can_be_turned_off(void **state)
{
    auth.has_guests = false;
    assert_int_equal(post("/v1/guests", "{\"name\":\"Grace\"}"), 403);
    assert_error("guests-disabled");
}

static void other_origins_are_refused(void **state)
{
    assert_int_equal(
        ask(HTTP_METHOD_POST, "/v1/guests", "{\"name\":\"G\"}", "Sec-Fetch-Site: cross-site"), 403);
    assert_error("cross-origin");
    assert_int_equal(
        ask(HTTP_METHOD_POST, "/v1/guests", "{\"name\":\"G\"}", "Sec-Fetch-Site: same-origin"),
        201);
    assert_null(http_response_get_header(&response, "Access-Control-Allow-Origin"));
}

/* Browsers that say nothing of the site, and pages that are not what they say. */
static void an_origin_that_is_not_the_host_is_refused(void **state)
{
    static const struct {
        const char *headers;
        int status;
    } cases[] = {
        { "Origin: https://meet.example.org\nHost: meet.example.org", 201 },
        { "Origin: https://evil.example\nHost: meet.example.org", 403 },
        { "Origin: null\nHost: meet.example.org", 403 },
        { "Origin: https://meet.example.org\nHost: 10.0.0.7:7883\nSec-Fetch-Site: same-origin",
          201 },
        { "Origin: https://app.example.org\nHost: meet.example.org\nSec-Fetch-Site: same-site",
          403 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(ask(HTTP_METHOD_POST, "/v1/guests", "{\"name\":\"G\"}", cases[i].headers),
                         cases[i].status);
        assert_null(http_response_get_header(&response, "Access-Control-Allow-Origin"));
    }
    assert_int_equal(ask(HTTP_METHOD_OPTIONS, "/v1/guests", NULL, cases[4].headers), 405);
}

static void allowed_origins_may_ask_and_read(void **state)
{
    static const char *const list[] = { "https://app.example.org" };
    static const char page[] =
        "Origin: https://app.example.org\nHost: meet.example.org\nSec-Fetch-Site: same-site";
    auth.allowed_origins = list;
    auth.allowed_origin_count = 1;
    assert_int_equal(ask(HTTP_METHOD_OPTIONS, "/v1/guests", NULL, page), 204);
    assert_string_equal(http_response_get_header(&response, "Access-Control-Allow-Origin"),
                        list[0]);
    assert_string_equal(http_response_get_header(&response, "Access-Control-Allow-Headers"),
                        "Authorization, Content-Type");
    assert_non_null(
        strstr(http_response_get_header(&response, "Access-Control-Allow-Methods"), "POST"));
    assert_null(http_response_get_header(&response, "Access-Control-Allow-Credentials"));
    assert_int_equal(ask(HTTP_METHOD_POST, "/v1/guests", "{\"name\":\"G\"}", page), 201);
    assert_string_equal(http_response_get_header(&response, "Access-Control-Allow-Origin"),
                        list[0]);
    assert_string_equal(http_response_get_header(&response, "Vary"), "Origin");
    /* Errors, too, and of paths that are none. */
    assert_int_equal(ask(HTTP_METHOD_GET, "/v1/nothing", NULL, page), 404);
    assert_string_equal(http_response_get_header(&response, "Access-Control-Allow-Origin"),
                        list[0]);
    assert_int_equal(ask(HTTP_METHOD_POST, "/v1/guests", "{\"name\":\"G\"}",
                         "Origin: https://evil.example\nHost: meet.example.org"),
                     403);
    assert_null(http_response_get_header(&response, "Access-Control-Allow-Origin"));
}

/* SameSite=Strict would still send it from a neighbour of the same site. */
static void allowed_origins_neither_get_nor_use_the_cookie(void **state)
{
    static const char *const list[] = { "https://app.example.org" };
    char headers[700];
    assert_int_equal(post("/v1/guests", "{\"name\":\"G\",\"cookie\":true}"), 201);
    char cookie[400];
    snprintf(cookie, sizeof(cookie), "%s", http_response_get_header(&response, "Set-Cookie"));
    cookie[strcspn(cookie, ";")] = 0;
    auth.allowed_origins = list;
    auth.allowed_origin_count = 1;
    snprintf(headers, sizeof(headers), "Origin: %s\nHost: meet.example.org\nCookie: %s", list[0],
             cookie);
    assert_int_equal(ask(HTTP_METHOD_POST, "/v1/token", "{}", headers), 401);
    assert_int_equal(
        ask(HTTP_METHOD_POST, "/v1/guests", "{\"name\":\"G\",\"cookie\":true}", headers), 201);
    assert_null(http_response_get_header(&response, "Set-Cookie"));
    assert_true(strlen(member("refresh_token")) > 0);
    snprintf(headers, sizeof(headers), "Cookie: %s", cookie);
    assert_int_equal(ask(HTTP_METHOD_POST, "/v1/token", "{}", headers), 200);
}

static void unknown_paths_and_methods_are_refused(void **state)
{
    assert_int_equal(post("/v1/nothing", "{}"), 404);
    assert_error("not-found");
    assert_string_equal(member("request_id"), "r");
    assert_int_equal(ask(HTTP_METHOD_GET, "/v1/register", NULL, NULL), 405);
    assert_error("method-not-allowed");
    assert_string_equal(member("request_id"), "r");
    assert_int_equal(ask(HTTP_METHOD_POST, "/v1/guests", "name=Grace", "Content-Type: text/plain"),
                     415);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(registering_works_once_per_name),
        TEST(bad_registrations_are_named),
        TEST(unknown_user_looks_like_a_known_one),
        TEST(unknown_user_always_has_the_same_salt),
        TEST(wrong_proof_fails_alike_for_known_and_unknown),
        TEST(what_got_no_tokens_is_not_recorded_as_a_session),
        TEST(zero_client_number_is_refused),
        TEST(login_expires),
        TEST(too_many_logins_wait),
        TEST(refresh_rotates_and_reuse_revokes),
        TEST(lost_answer_is_forgiven_for_a_short_time_only),
        TEST(guests_session_has_its_own_life_which_a_refresh_renews),
        TEST(forged_refresh_token_revokes_nothing),
        TEST(cookie_carries_the_refresh_token_instead_of_the_body),
        TEST(me_ends_with_the_session),
        TEST(expired_access_token_says_so),
        TEST(ice_servers_need_a_token_and_no_store),
        TEST(store_that_is_away_is_unavailable_but_keys_are_served),
        TEST(guests_can_be_turned_off),
        TEST(other_origins_are_refused),
        TEST(an_origin_that_is_not_the_host_is_refused),
        TEST(allowed_origins_may_ask_and_read),
        TEST(allowed_origins_neither_get_nor_use_the_cookie),
        TEST(unknown_paths_and_methods_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
