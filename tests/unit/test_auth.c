/* SPDX-License-Identifier: Apache-2.0 */

/* Basic authentication in front of a real web: who is let in, what is hashed how often, who waits,
 * and who may change something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "tests/support/web_fixture.h"
#include "web/auth.h"
#include "web/pages.h"

/* "secret" and "admin", of the lowest cost. */
static char prom[] = "prom", root[] = "root", policy[] = "Content-Security-Policy",
            policy_value[] = "default-src 'self'", frames[] = "X-Content-Type-Options",
            nosniff[] = "nosniff", path[] = "web.yml";
static char secret_hash[] = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
static char admin_hash[] = "$2b$04$zyxwvutsrqponmlkjihgfu63xXAqrFBEsfaiUYpc1t.BlmVSNijti";
/* Takes longer than the test turns the loop for other things. */
static char slow_hash[] = "$2y$14$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

static struct web_user users[] = {{prom, secret_hash}, {root, admin_hash}};
static struct web_user slow_users[] = {{prom, slow_hash}};

#define PROM  "Authorization: Basic cHJvbTpzZWNyZXQ=\r\n" /* prom:secret */
#define ROOT  "Authorization: Basic cm9vdDphZG1pbg==\r\n" /* root:admin */
#define WRONG "Authorization: Basic cHJvbTp3cm9uZw==\r\n" /* prom:wrong */

static struct web_security_options security = {.path = path, .users = users, .n_users = 2};

static int set_up(void **state) {
    int r = web_fixture_set_up(state);
    struct web_fixture *f = *state;
    security.users = users;
    security.n_users = 2;
    security.n_headers = 0;
    if (r == 0) {
        f->options.security = &security;
        f->reload_at_once = true;
        web_fixture_start(f);
    }
    return r;
}

static uint64_t hashed(const struct web_fixture *f) {
    return auth_numbers(f->web->auth).hashed;
}

static void asks_for_a_password_everywhere(void **state) {
    struct web_fixture *f = *state;
    static const char *const paths[] = {"/metrics", "/healthz", "/", "/nothing", "/api/v1/query"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        assert_int_equal(web_fixture_get(f, paths[i], NULL), 401);
        assert_string_equal(web_reply_header(&f->reply, "WWW-Authenticate"), "Basic");
    }
    assert_int_equal(hashed(f), 0);
}

static void lets_in_who_knows_the_password_and_hashes_once(void **state) {
    struct web_fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(web_fixture_get(f, "/healthz", PROM), 200);
    }
    assert_int_equal(hashed(f), 1);
    assert_int_equal(web_fixture_get(f, "/metrics", ROOT), 200);
    assert_int_equal(hashed(f), 2);
    assert_int_equal(web_fixture_get(f, "/healthz", "authorization: bAsIc cHJvbTpzZWNyZXQ=\r\n"),
                     200);
    assert_int_equal(auth_numbers(f->web->auth).refused, 0);
}

static void wrong_names_are_as_dear_as_wrong_passwords(void **state) {
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_get(f, "/healthz", WRONG), 401);
    assert_int_equal(hashed(f), 1);
    /* nobody:secret */
    assert_int_equal(
        web_fixture_get(f, "/healthz", "Authorization: Basic bm9ib2R5OnNlY3JldA==\r\n"), 401);
    assert_int_equal(hashed(f), 2);
    assert_int_equal(web_fixture_get(f, "/healthz", WRONG), 401);
    assert_int_equal(hashed(f), 2);
    /* root:secret */
    assert_int_equal(web_fixture_get(f, "/healthz", "Authorization: Basic cm9vdDpzZWNyZXQ=\r\n"),
                     401);
}

static void what_is_no_credential_is_not_hashed(void **state) {
    struct web_fixture *f = *state;
    static const char *const headers[] = {
        "Authorization: \r\n",
        "Authorization: Basic\r\n",
        "Authorization: Basic \r\n",
        "Authorization: Bearer cHJvbTpzZWNyZXQ=\r\n",
        "Authorization: Basic cHJvbTpzZWNyZXQ\r\n",
        "Authorization: Basic cHJv*TpzZWNyZXQ=\r\n",
        "Authorization: Basic ====\r\n",
        "Authorization: Basic cHJvbQ==\r\n",             /* prom */
        "Authorization: Basic cHJvbTpzZWNyZXQAeA==\r\n", /* prom:secret, a zero byte, x */
        "Authorization: Basic cHJvbTpzZWNyZXQ= x\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        if (web_fixture_get(f, "/healthz", headers[i]) != 401) {
            fail_msg("let in: %s", headers[i]);
        }
    }
    assert_int_equal(hashed(f), 0);
}

static void a_body_is_not_read_before(void **state) {
    struct web_fixture *f = *state;
    struct web_client client;
    web_client_open(&client, f->loop, web_address(f->web));
    web_client_send_text(&client, "POST /api/v1/query HTTP/1.1\r\nHost: x\r\n"
                                  "Content-Length: 100000\r\n\r\n");
    assert_true(web_client_wait_text(&client, "HTTP/1.1 401", 1));
    web_client_close(&client);
    /* And it is, whole, once the password was found good. */
    assert_int_equal(web_fixture_ask(f, "POST /api/v1/format_query",
                                     PROM "Content-Type: application/x-www-form-urlencoded\r\n",
                                     "query=a+%2Bb"),
                     200);
    assert_non_null(strstr(web_fixture_body(f), "a + b"));
    assert_int_equal(hashed(f), 1);
}

static void users_and_headers_change_at_once(void **state) {
    struct web_fixture *f = *state;
    struct error err = {0};
    assert_int_equal(web_fixture_get(f, "/healthz", PROM), 200);
    security.users = users + 1;
    security.n_users = 1;
    security.headers[0] = (struct web_header){policy, policy_value};
    security.headers[1] = (struct web_header){frames, nosniff};
    security.n_headers = 2;
    assert_int_equal(web_secure(f->web, &security, &err), 0);
    assert_int_equal(web_fixture_get(f, "/healthz", PROM), 401);
    assert_int_equal(web_fixture_get(f, "/healthz", ROOT), 200);
    assert_string_equal(web_reply_header(&f->reply, "Content-Security-Policy"), policy_value);
    const char *first = strstr(f->reply.head.data, "X-Content-Type-Options");
    assert_non_null(first);
    assert_null(strstr(first + 1, "X-Content-Type-Options"));
    security.n_users = 0;
    assert_int_equal(web_secure(f->web, &security, &err), 0);
    assert_int_equal(web_fixture_get(f, "/healthz", NULL), 200);
}

static void tls_is_not_switched_on_meanwhile(void **state) {
    struct web_fixture *f = *state;
    struct error err = {0};
    security.tls.enabled = true;
    assert_true(web_secure(f->web, &security, &err) < 0);
    security.tls.enabled = false;
    assert_non_null(strstr(err.text, "restart"));
    assert_int_equal(web_fixture_get(f, "/healthz", PROM), 200);
}

static void open_all(struct web_fixture *f, struct web_client *clients, size_t count,
                     const char *const *credentials, size_t n_credentials) {
    for (size_t i = 0; i < count; i++) {
        char text[512];
        web_client_open(&clients[i], f->loop, web_address(f->web));
        snprintf(text, sizeof(text), "GET /healthz HTTP/1.1\r\nHost: x\r\n%s\r\n",
                 credentials[i % n_credentials]);
        web_client_send_text(&clients[i], text);
    }
}

static void many_with_the_same_password_wait_for_one_hash(void **state) {
    struct web_fixture *f = *state;
    static const char *const credentials[] = {PROM};
    struct web_client clients[20];
    open_all(f, clients, ARRAY_LEN(clients), credentials, 1);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        assert_true(web_client_wait_text(&clients[i], "HTTP/1.1 200", 1));
        web_client_close(&clients[i]);
    }
    assert_int_equal(hashed(f), 1);
}

/* prom:0 to prom:9 */
static const char *const guesses[] = {
    "Authorization: Basic cHJvbTow\r\n", "Authorization: Basic cHJvbTox\r\n",
    "Authorization: Basic cHJvbToy\r\n", "Authorization: Basic cHJvbToz\r\n",
    "Authorization: Basic cHJvbTo0\r\n", "Authorization: Basic cHJvbTo1\r\n",
    "Authorization: Basic cHJvbTo2\r\n", "Authorization: Basic cHJvbTo3\r\n",
    "Authorization: Basic cHJvbTo4\r\n", "Authorization: Basic cHJvbTo5\r\n",
};

static void an_address_that_guesses_gets_503_and_others_go_on(void **state) {
    struct web_fixture *f = *state;
    struct error err = {0};
    assert_int_equal(web_fixture_get(f, "/healthz", PROM), 200);
    struct web_client clients[ARRAY_LEN(guesses)];
    security.users = slow_users;
    security.n_users = 1;
    assert_int_equal(web_secure(f->web, &security, &err), 0);
    open_all(f, clients, ARRAY_LEN(guesses), guesses, ARRAY_LEN(guesses));
    assert_true(web_client_wait_text(&clients[8], "HTTP/1.1 503", 1));
    assert_true(web_client_wait_text(&clients[9], "Retry-After: 1", 1));
    assert_int_equal(auth_numbers(f->web->auth).busy, 2);
    assert_int_equal(hashed(f), 1);
    /* The loop is free meanwhile. */
    assert_int_equal(web_fixture_get(f, "/healthz", NULL), 401);
    /* Those who hang up, and the end of the web, while hashes are being made: nothing leaks. */
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        web_client_close(&clients[i]);
    }
    loop_run_once(f->loop, 10000);
}

#define RELOAD "POST /-/reload"

static void only_administrators_change_something_and_only_with_json(void **state) {
    static const char *const admins[] = {"root"};
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_ask(f, RELOAD, ROOT, ""), 403);
    web_set_admins(f->web, admins, 1);
    assert_int_equal(web_fixture_ask(f, RELOAD, PROM, ""), 403);
    assert_non_null(strstr(web_fixture_body(f), "user 'prom' may change nothing"));
    assert_int_equal(web_fixture_ask(f, RELOAD, PROM "Content-Type: application/json\r\n", ""),
                     403);
    assert_int_equal(web_fixture_ask(f, RELOAD, ROOT, ""), 415);
    assert_int_equal(web_fixture_ask(f, RELOAD, ROOT "Content-Type: text/plain\r\n", ""), 415);
    assert_int_equal(web_fixture_ask(f, RELOAD, ROOT "Content-Type: application/jsonx\r\n", ""),
                     415);
    assert_int_equal(web_fixture_ask(f, RELOAD, ROOT "Content-Type: application/json\r\n", ""),
                     200);
    assert_int_equal(
        web_fixture_ask(f, RELOAD, ROOT "Content-Type: Application/JSON; charset=utf-8\r\n", ""),
        200);
    assert_int_equal(web_fixture_ask(f, RELOAD, "Content-Type: application/json\r\n", ""), 401);
    web_set_admins(f->web, NULL, 0);
    assert_int_equal(web_fixture_ask(f, RELOAD, ROOT "Content-Type: application/json\r\n", ""),
                     403);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, web_fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(asks_for_a_password_everywhere),
        TEST(lets_in_who_knows_the_password_and_hashes_once),
        TEST(wrong_names_are_as_dear_as_wrong_passwords),
        TEST(what_is_no_credential_is_not_hashed),
        TEST(a_body_is_not_read_before),
        TEST(users_and_headers_change_at_once),
        TEST(tls_is_not_switched_on_meanwhile),
        TEST(many_with_the_same_password_wait_for_one_hash),
        TEST(an_address_that_guesses_gets_503_and_others_go_on),
        TEST(only_administrators_change_something_and_only_with_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
