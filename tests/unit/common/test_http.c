/* SPDX-License-Identifier: Apache-2.0 */
#include "common/http.h"

#include "fail_alloc.h"
#include "unit.h"

static const struct http_route routes[] = {
    { HTTP_METHOD_GET, "/v1/orgs/{org}/users/{user}", NULL, 0, "user.get" },
    { HTTP_METHOD_GET, "/v1/orgs/{org}/users/me", NULL, 0, "user.me" },
    { HTTP_METHOD_PUT, "/v1/orgs/{org}/users/{user}", NULL, 0, "user.put" },
    { HTTP_METHOD_POST, "/v1/orgs", NULL, 0, "org.post" },
    { HTTP_METHOD_GET, "/files/{path*}", NULL, 0, "files" },
    { HTTP_METHOD_GET, "/", NULL, 0, "root" },
};

static char allow[HTTP_ALLOW_CAPACITY];
static struct http_request request;

static enum err find(enum http_method method, const char *path, const char **ret_tag)
{
    const struct http_route *route;
    request = (struct http_request){ .method = method, .path = path };
    enum err e = http_route_find(routes, ARRAY_LEN(routes), &request, &route, allow);
    if (e == OK)
        *ret_tag = route->tag;
    return e;
}

static void route_is_found_with_its_parameters(void **state)
{
    (void)state;
    const char *tag;
    assert_int_equal(find(HTTP_METHOD_GET, "/v1/orgs/acme/users/ada%20l", &tag), OK);
    assert_string_equal(tag, "user.get");
    assert_string_equal(http_request_param(&request, "org"), "acme");
    assert_string_equal(http_request_param(&request, "user"), "ada l");
    assert_string_equal(http_request_param(&request, "nothing"), "");
    assert_int_equal(find(HTTP_METHOD_GET, "/v1/orgs/acme/users/me", &tag), OK);
    assert_string_equal(tag, "user.me");
    assert_int_equal(find(HTTP_METHOD_GET, "/files/a/b%2Fc", &tag), OK);
    assert_string_equal(http_request_param(&request, "path"), "a/b/c");
    assert_int_equal(find(HTTP_METHOD_GET, "/files/", &tag), OK);
    assert_string_equal(http_request_param(&request, "path"), "");
    assert_int_equal(find(HTTP_METHOD_GET, "/", &tag), OK);
    assert_string_equal(tag, "root");
}

static void head_is_served_by_get(void **state)
{
    (void)state;
    const char *tag;
    assert_int_equal(find(HTTP_METHOD_HEAD, "/v1/orgs/acme/users/me", &tag), OK);
    assert_true(request.is_head);
    assert_int_equal(request.method, HTTP_METHOD_GET);
}

static void path_without_a_route_is_not_found(void **state)
{
    (void)state;
    static const char *const paths[] = { "",
                                         "x",
                                         "/v1",
                                         "/v1/orgs/",
                                         "/v1/orgs/acme",
                                         "/v1/orgs//users/me",
                                         "/v1/orgs/a/users/b/",
                                         "//",
                                         "/files",
                                         "/v1/orgsx" };
    const char *tag;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        assert_int_equal(find(HTTP_METHOD_GET, paths[i], &tag), ERR_NOT_FOUND);
}

static void wrong_method_tells_the_right_ones(void **state)
{
    (void)state;
    const char *tag;
    assert_int_equal(find(HTTP_METHOD_DELETE, "/v1/orgs/acme/users/me", &tag), ERR_UNSUPPORTED);
    assert_string_equal(allow, "GET, HEAD, PUT");
    struct http_response r = { 0 };
    http_route_refuse(&r, ERR_UNSUPPORTED, allow);
    assert_int_equal(r.status, 405);
    assert_string_equal(http_response_get_header(&r, "allow"), "GET, HEAD, PUT");
    http_response_clear(&r);
}

static void hidden_slashes_zeros_and_bad_escapes_are_malformed(void **state)
{
    (void)state;
    const char *tag;
    static const char *const users[] = { "a%2Fb", "a%00", "a%", "a%4", "a%zz" };
    for (size_t i = 0; i < ARRAY_LEN(users); i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/v1/orgs/acme/users/%s", users[i]);
        assert_int_equal(find(HTTP_METHOD_GET, path, &tag), ERR_MALFORMED);
    }
    char long_path[2000] = "/v1/orgs/acme/users/";
    memset(long_path + strlen(long_path), 'x', 1000);
    assert_int_equal(find(HTTP_METHOD_GET, long_path, &tag), ERR_MALFORMED);
}

static void problem_has_the_documented_members(void **state)
{
    (void)state;
    struct http_response r = { 0 };
    http_response_problem_with(&r, 409, "room-full",
                               json_pack("{si ss}", "limit", 10, "error", "x"), "Room %s is full.",
                               "lobby");
    assert_int_equal(r.status, 409);
    assert_string_equal(http_response_get_header(&r, "Content-Type"), "application/problem+json");
    assert_string_equal(r.body,
                        "{\"type\":\"urn:conclave:error:room-full\",\"error\":\"room-full\","
                        "\"title\":\"Conflict\",\"status\":409,\"detail\":\"Room lobby is full.\","
                        "\"limit\":10}");
    http_response_clear(&r);
}

static void bodies_must_be_json_objects(void **state)
{
    (void)state;
    json_t *json;
    struct http_request r = { .body = bytes_of_str("{\"a\":1}") };
    assert_int_equal(http_request_json(&r, &json), OK);
    json_decref(json);
    r.headers[0] = (struct http_field){ "content-type", "application/json; charset=utf-8" };
    r.header_count = 1;
    assert_int_equal(http_request_json(&r, &json), OK);
    json_decref(json);
    r.headers[0].value = "application/x-www-form-urlencoded";
    assert_int_equal(http_request_json(&r, &json), ERR_UNSUPPORTED);
    r.header_count = 0;
    static const char *const bad[] = { "", "[]", "{", "{\"a\":1,\"a\":2}", "{\"a\":\"\xff\"}" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        r.body = bytes_of_str(bad[i]);
        assert_int_equal(http_request_json(&r, &json), ERR_MALFORMED);
    }
}

static void headers_cookies_and_numbers_are_read(void **state)
{
    (void)state;
    struct http_request r = { .headers = { { "AUTHORIZATION", "bearer  abc.d " },
                                           { "Cookie", "x=1; conclave_refresh=t0k3n ;y=2" } },
                              .header_count = 2,
                              .query = { { "limit", "50" }, { "bad", "5x" } },
                              .query_count = 2 };
    uint64_t n;
    assert_true(bytes_equal(http_request_bearer(&r), bytes_of_str("abc.d")));
    assert_true(bytes_equal(http_request_cookie(&r, "conclave_refresh"), bytes_of_str("t0k3n")));
    assert_true(bytes_equal(http_request_cookie(&r, "y"), bytes_of_str("2")));
    assert_int_equal(http_request_cookie(&r, "refresh").len, 0);
    assert_int_equal(http_request_query_u64(&r, "limit", 10, 1, 100, &n), OK);
    assert_int_equal(n, 50);
    assert_int_equal(http_request_query_u64(&r, "absent", 10, 1, 100, &n), OK);
    assert_int_equal(n, 10);
    assert_int_equal(http_request_query_u64(&r, "limit", 10, 1, 49, &n), ERR_MALFORMED);
    assert_int_equal(http_request_query_u64(&r, "bad", 10, 1, 100, &n), ERR_MALFORMED);
}

static void respond(void *data)
{
    (void)data;
    struct http_response r = { 0 };
    http_response_header(&r, "ETag", "\"1\"");
    http_response_problem_with(&r, 400, "bad-request", json_pack("{ss}", "field", "name"), "No.");
    assert_true(r.status == 400 || r.status == 500);
    http_response_bytes(&r, 200, "text/plain", bytes_of_str("hello"));
    assert_true(r.status == 200 || r.status == 500);
    http_response_clear(&r);
}

static void response_without_memory_is_a_bare_500(void **state)
{
    (void)state;
    assert_in_range(fail_alloc_each(respond, NULL), 10, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(route_is_found_with_its_parameters),
        cmocka_unit_test(head_is_served_by_get),
        cmocka_unit_test(path_without_a_route_is_not_found),
        cmocka_unit_test(wrong_method_tells_the_right_ones),
        cmocka_unit_test(hidden_slashes_zeros_and_bad_escapes_are_malformed),
        cmocka_unit_test(problem_has_the_documented_members),
        cmocka_unit_test(bodies_must_be_json_objects),
        cmocka_unit_test(headers_cookies_and_numbers_are_read),
        cmocka_unit_test(response_without_memory_is_a_bare_500),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
