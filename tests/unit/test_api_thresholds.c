/* SPDX-License-Identifier: Apache-2.0 */

/* Parameters of rules over HTTP: who may see them, who may change them, and every mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/macros.h"
#include "tests/support/json_check.h"
#include "tests/support/web_fixture.h"

#define NOBODY 65534

static char folder[64], control[96], control_address[128];
static struct parameters *parameters;
static struct web_change_result outcome;
static struct web_parameter_change last;
static unsigned n_changes;

static bool knows(void *userdata, struct str name) {
    for (size_t i = 0; i < parameters_names(parameters); i++) {
        if (str_is(name, parameters_name(parameters, i).name)) {
            return true;
        }
    }
    return str_is(name, "read_by_a_rule");
}

static void change(void *userdata, const struct web_parameter_change *wanted,
                   void (*done)(void *done_userdata, const struct web_change_result *result),
                   void *done_userdata) {
    last = *wanted;
    n_changes++;
    if (!outcome.refused) {
        assert_int_equal(parameters_change(parameters, &wanted->change, 1700000000000, NULL), 0);
    }
    done(done_userdata, &outcome);
}

static int set_up(void **state) {
    int r = web_fixture_set_up(state);
    struct web_fixture *f = *state;
    (void)snprintf(folder, sizeof(folder), "/tmp/dbvitals-control-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(control, sizeof(control), "%s/" WEB_CONTROL_SOCKET, folder);
    (void)snprintf(control_address, sizeof(control_address), "unix:%s", control);
    parameters = parameters_new();
    outcome = (struct web_change_result){.persistent = true};
    n_changes = 0;
    f->options.control_path = control;
    f->sources.parameters = parameters;
    f->sources.keeps_parameters = true;
    f->sources.actions.knows_parameter = knows;
    f->sources.actions.change_parameter = change;
    web_fixture_start(f);
    return r;
}

static int tear_down(void **state) {
    int r = web_fixture_tear_down(state);
    parameters = parameters_free(parameters);
    return access(control, F_OK) == 0 || rmdir(folder) < 0 ? -1 : r; /* the socket is gone */
}

static int ask(struct web_fixture *f, const char *line, const char *body) {
    web_reply_deinit(&f->reply);
    web_client_ask(f->loop, control_address, line, NULL, body, &f->reply);
    if (!json_check(strbuf_view(&f->reply.body))) {
        fail_msg("%s: no JSON: %s", line, web_fixture_body(f));
    }
    return f->reply.status;
}

static void assert_answer(struct web_fixture *f, const char *line, const char *body, int status,
                          const char *part) {
    int found = ask(f, line, body);
    if (found != status || strstr(web_fixture_body(f), part) == NULL) {
        fail_msg("%s %s: %d %s", line, body != NULL ? body : "", found, web_fixture_body(f));
    }
}

#define LAG "/api/v1/parameters/replication_lag_seconds"

static void a_change_counts_at_once_and_is_told_with_who_made_it(void **state) {
    struct web_fixture *f = *state;
    assert_answer(f, "PUT " LAG, "{\"value\": 7.5}", 200,
                  "{\"name\":\"replication_lag_seconds\",\"target\":null,\"configured\":null,"
                  "\"changed\":7.5,\"changed_at\":\"2023-11-14T22:13:20Z\",\"value\":7.5,"
                  "\"previous\":5,\"persistent\":true,\"reason\":null,\"others\":[]}");
    assert_int_equal(last.uid, geteuid());
    assert_int_equal(last.pid, getpid());
    assert_answer(f, "PUT " LAG, "{\"value\": \"1m\", \"target\": \"orders-1\"}", 200,
                  "\"target\":\"orders-1\",\"configured\":null,\"changed\":60");
    assert_answer(f, "PUT " LAG, "{\"value\": 1}", 200, "\"others\":[\"orders-1\"]");
    assert_answer(f, "DELETE " LAG "?target=orders-1", NULL, 200, "\"value\":1,\"previous\":60");
    assert_answer(f, "DELETE " LAG, "{}", 200, "\"value\":5,\"previous\":1");
    assert_answer(f, "PUT /api/v1/parameters/read_by_a_rule", "{\"value\": -1}", 200,
                  "\"value\":-1,\"previous\":null");
    assert_int_equal(n_changes, 6);
}

static void says_when_a_restart_will_forget_it(void **state) {
    struct web_fixture *f = *state;
    outcome = (struct web_change_result){.reason = "the disk is full"};
    assert_answer(f, "PUT " LAG, "{\"value\": 7}", 200,
                  "\"persistent\":false,\"reason\":\"the disk is full\"");
    outcome = (struct web_change_result){.refused = true, .reason = "too many"};
    assert_answer(f, "PUT " LAG, "{\"value\": 7}", 400, "\"error\":\"too many\"");
}

static void lists_them_all_or_those_of_a_target(void **state) {
    struct web_fixture *f = *state;
    char name[] = "replication_lag_seconds", target[] = "orders-1";
    const struct parameter_setting configured = {.name = name, .target = target, .value = 30};
    parameters_configure(parameters, &configured, 1);
    assert_int_equal(web_fixture_get(f, "/api/v1/parameters", NULL), 200);
    const char *body = web_fixture_body(f);
    assert_true(json_check(str_of(body)));
    assert_non_null(strstr(body, "{\"persistent\":true,\"parameters\":[{\"name\":"));
    assert_non_null(strstr(body,
                           "\"default\":5,\"configured\":null,\"changed\":null,\"changed_at\":"
                           "null,\"value\":5,\"targets\":[{\"target\":\"orders-1\",\"configured\":"
                           "30,\"changed\":null,\"changed_at\":null,\"value\":30}]}"));
    assert_non_null(strstr(body, "redis_hit_ratio"));
    assert_int_equal(web_fixture_get(f, "/api/v1/parameters?target=cache-1", NULL), 200);
    body = web_fixture_body(f);
    assert_null(strstr(body, "replication_lag_seconds"));
    assert_non_null(strstr(body, "\"targets\":[{\"target\":\"cache-1\","));
    assert_int_equal(web_fixture_get(f, "/api/v1/parameters/redis_hit_ratio", NULL), 200);
    assert_null(strstr(web_fixture_body(f), "redis_memory_ratio"));
    assert_int_equal(web_fixture_get(f, "/api/v1/parameters?target=x", NULL), 404);
    assert_int_equal(web_fixture_get(f, "/api/v1/parameters/redis_hit_rate", NULL), 404);
    assert_non_null(strstr(web_fixture_body(f), "did you mean 'redis_hit_ratio'"));
}

static void changes_over_tcp_are_refused_with_what_to_do(void **state) {
    struct web_fixture *f = *state;
    static const char *const lines[] = {"PUT " LAG, "DELETE " LAG, "POST /-/reload"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_int_equal(web_fixture_ask(f, lines[i], NULL, "{\"value\": 7}"), 403);
        assert_true(json_check(strbuf_view(&f->reply.body)));
    }
    assert_int_equal(web_fixture_ask(f, "PUT " LAG, NULL, "{\"value\": 7}"), 403);
    assert_non_null(strstr(web_fixture_body(f), "dbvitals set"));
    assert_non_null(strstr(web_fixture_body(f), control));
    assert_int_equal(n_changes, 0);
    f->reload_at_once = true;
    assert_answer(f, "POST /-/reload", "", 200, "ok"); /* the socket needs no flag for it */
}

static void every_mistake_has_a_sentence(void **state) {
    struct web_fixture *f = *state;
    static const struct {
        const char *line, *body;
        int status;
        const char *part;
    } rows[] = {
        {"PUT " LAG, NULL, 400, "the body needs a value"},
        {"PUT " LAG, "{\"target\": \"orders-1\"}", 400, "the body needs a value"},
        {"PUT " LAG, "value=5", 400, "the body is no JSON"},
        {"PUT " LAG, "[5]", 400, "should be an object"},
        {"PUT " LAG, "{\"value\": [5]}", 400, "a number or a text"},
        {"PUT " LAG, "{\"value\": null}", 400, "a number or a text"},
        {"PUT " LAG, "{\"value\": -5}", 400, "must not be negative"},
        {"PUT " LAG, "{\"value\": \"NaN\"}", 400, "number"},
        {"PUT " LAG, "{\"value\": 1e999}", 400, "JSON"},
        {"PUT " LAG, "{\"value\": \"5MiB\"}", 400, "a duration such as"},
        {"PUT " LAG, "{\"valeu\": 5}", 400, "\\\"valeu\\\" does not belong"},
        {"PUT " LAG, "{\"value\": 5, \"target\": 5}", 400, "is no text"},
        {"PUT " LAG, "{\"value\": 5, \"target\": \"orders-2\"}", 404, "there is no target"},
        {"PUT " LAG, "{\"value\": 5, \"target\": \"orders-1\\u0000\"}", 404, "no target"},
        {"PUT " LAG, "{\"value\": 5, \"target\": \"cache-1\"}", 400, "one of postgres targets"},
        {"PUT /api/v1/parameters/redis_hit_ratio", "{\"value\": 70}", 400, "80 % is written 0.8"},
        {"PUT /api/v1/parameters/replication_lag", "{\"value\": 5}", 404, "no rule reads it"},
        {"PUT /api/v1/parameters/redis_hit_rati", "{\"value\": 5}", 404, "redis_hit_ratio"},
        {"PUT /api/v1/parameters/A%20b", "{\"value\": 5}", 404, "there is no parameter"},
        {"PUT /api/v1/parameters", "{\"value\": 5}", 405, "GET, HEAD"},
        {"POST " LAG, "{\"value\": 5}", 405, "PUT, DELETE"},
        {"DELETE " LAG "?target=a%00b", NULL, 404, "there is no target"},
        {"DELETE " LAG "?target=orders-2", NULL, 404, "there is no target"},
        {"DELETE " LAG "?target=cache-1", NULL, 400, "one of postgres targets"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_answer(f, rows[i].line, rows[i].body, rows[i].status, rows[i].part);
    }
    assert_int_equal(n_changes, 0);
    /* What a target left behind that is gone can still be taken away. */
    const struct parameter_change left = {str_of("replication_lag_seconds"), str_of("gone"), false,
                                          9};
    assert_int_equal(parameters_change(parameters, &left, 1, NULL), 0);
    assert_answer(f, "DELETE " LAG "?target=gone", NULL, 200, "\"previous\":9");
    assert_answer(f, "DELETE " LAG "?target=gone", NULL, 404, "there is no target");
}

/* In a child: who may not even open the socket, and who could but is not trusted. */
static int ask_as_nobody(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char answer[512] = "";
    size_t len = 0;
    memcpy(address.sun_path, control, strlen(control));
    if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0) {
        return 1;
    }
    alarm(20);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        return errno == EACCES ? 2 : 3;
    }
    static const char request[] = "DELETE " LAG " HTTP/1.1\r\nHost: x\r\n\r\n";
    (void)!send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
    for (ssize_t n = 1; n > 0 && len < sizeof(answer) - 1; len += (size_t)(n > 0 ? n : 0)) {
        n = read(fd, answer + len, sizeof(answer) - 1 - len);
    }
    return strstr(answer, " 403 ") != NULL && strstr(answer, "own user") != NULL ? 4 : 5;
}

static int run_as_nobody(struct loop *loop) {
    uint64_t end = loop_clock_usec() + 15 * USEC_PER_SEC;
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        _exit(ask_as_nobody());
    }
    while (waitpid(child, &status, WNOHANG) == 0 && loop_clock_usec() < end) {
        (void)loop_run_once(loop, 10 * USEC_PER_MSEC);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void other_users_are_kept_out_twice(void **state) {
    struct web_fixture *f = *state;
    struct stat info;
    assert_int_equal(lstat(control, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(run_as_nobody(f->loop), 2); /* by the mode of the file */
    assert_int_equal(chmod(control, 0666), 0);
    assert_int_equal(run_as_nobody(f->loop), 4); /* by who they are */
    assert_int_equal(n_changes, 0);
    assert_answer(f, "GET " LAG, NULL, 200, "\"value\":5");
}

static void a_live_socket_is_never_taken_over_and_a_stale_one_is(void **state) {
    struct web_fixture *f = *state;
    struct web *second = NULL;
    struct error err = {0};
    assert_int_equal(web_new(&f->options, &f->sources, &second, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, "another daemon uses the same storage folder"));
    assert_answer(f, "PUT " LAG, "{\"value\": 7}", 200, "7");
    /* As kill -9 leaves it: a file that nobody listens on. */
    char path[128];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(path, sizeof(path), "%s/stale.sock", folder);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    f->options.control_path = path;
    assert_int_equal(web_new(&f->options, &f->sources, &second, &err), 0);
    web_free(second);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_daemon_without_the_socket_still_serves(void **state) {
    struct web_fixture *f = *state;
    struct web *second = NULL;
    struct error err = {0};
    char path[300] = "/tmp/";
    memset(path + strlen(path), 'x', 200);
    f->options.control_path = path; /* longer than a socket's path may be */
    assert_int_equal(web_new(&f->options, &f->sources, &second, &err), 0);
    struct web_reply reply = {0};
    web_client_ask(f->loop, web_address(second), "PUT " LAG, NULL, "{\"value\": 7}", &reply);
    assert_int_equal(reply.status, 403);
    assert_non_null(strstr(strbuf_view(&reply.body).data, "--storage.path"));
    web_reply_deinit(&reply);
    web_free(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_change_counts_at_once_and_is_told_with_who_made_it),
        TEST(says_when_a_restart_will_forget_it),
        TEST(lists_them_all_or_those_of_a_target),
        TEST(changes_over_tcp_are_refused_with_what_to_do),
        TEST(every_mistake_has_a_sentence),
        TEST(other_users_are_kept_out_twice),
        TEST(a_live_socket_is_never_taken_over_and_a_stale_one_is),
        TEST(a_daemon_without_the_socket_still_serves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
