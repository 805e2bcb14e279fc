/* SPDX-License-Identifier: Apache-2.0 */

/* Attempts of channels against servers that the test itself plays, and what becomes of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fake_server.h"
#include "actions/channel.h"
#include "base/log.h"
#include "base/mem.h"
#include "told_group.h"

static struct loop *loop;
static struct worker_pool *pool;
static struct resolver *resolver;
static struct transfers *transfers;
static struct processes *processes;
static struct channel *channel;
static struct channel_options options;
static struct notification *notification;
static int listen_fd;
static uint16_t port;
static char url[128];

static struct {
    int calls;
    enum channel_outcome outcome;
    char why[1000];
    uint64_t retry_after_usec;
} seen;

static int set_up(void **state) {
    log_set_level(LOG_LEVEL_ERROR);
    memset(&seen, 0, sizeof(seen));
    options = (struct channel_options){0};
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, NULL);
    resolver = resolver_new(loop, pool);
    transfers = transfers_new(loop, resolver);
    processes = processes_new(loop, 0);
    notification = told_down();
    listen_fd = fake_listen(&port);
    return 0;
}

static int tear_down(void **state) {
    channel = channel_free(channel);
    notification = notification_free(notification);
    processes = processes_free(processes);
    transfers = transfers_free(transfers);
    (void)close(listen_fd);
    resolver = resolver_free(resolver);
    pool = worker_pool_free(pool);
    loop = loop_free(loop);
    return 0;
}

static void begin(enum channel_kind kind, const char *scheme, const char *path) {
    (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%u%s", scheme, port, path);
    options.kind = kind;
    options.http.url = url;
    channel = channel_new(&(struct channel_parts){.loop = loop,
                                                  .transfers = transfers,
                                                  .processes = processes,
                                                  .mailers = pool,
                                                  .external_url = str_of("http://me:9719")},
                          "ops", &options);
}

static void done(void *userdata, enum channel_outcome outcome, const char *why,
                 uint64_t retry_after_usec) {
    seen.calls++;
    seen.outcome = outcome;
    seen.retry_after_usec = retry_after_usec;
    (void)snprintf(seen.why, sizeof(seen.why), "%s", why);
}

static void send_it(void) {
    int calls = seen.calls;
    channel_send(channel, notification, done, NULL);
    assert_int_equal(seen.calls, calls);
}

static void wait_for(int calls, enum channel_outcome outcome, const char *why) {
    assert_true(turn_until(loop, &seen.calls, calls));
    assert_string_equal(seen.why, why);
    assert_string_equal(channel_outcome_names[seen.outcome], channel_outcome_names[outcome]);
}

/* ---- http ---- */

/* Reads the request, whose body ends with a brace, and answers. */
static void answer(int fd, const char *text, struct strbuf *ret_request) {
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    size_t whole = SIZE_MAX;
    while (ret_request->len < whole && loop_clock_usec() < deadline) {
        char *room = strbuf_reserve(ret_request, 4096);
        ssize_t n = recv(fd, room, 4096, 0);
        if (n <= 0) {
            (void)loop_run_once(loop, USEC_PER_MSEC);
            continue;
        }
        ret_request->len += (size_t)n;
        ret_request->data[ret_request->len] = '\0';
        const char *end = strstr(ret_request->data, "\r\n\r\n");
        const char *length = strstr(ret_request->data, "Content-Length: ");
        if (end != NULL && length != NULL) {
            whole = (size_t)(end + 4 - ret_request->data) + strtoul(length + 16, NULL, 10);
        }
    }
    assert_int_equal(ret_request->len, whole);
    assert_true(fake_say(loop, fd, text));
}

static void posts_with_credentials_and_key(void **state) {
    struct http_header headers[] = {{(char[]){"X-Token"}, (char[]){"t0ken"}}};
    options.http.headers = headers;
    options.http.n_headers = 1;
    options.http.scheme = (char[]){"Token"};
    options.http.credentials = (char[]){"abc"};
    begin(CHANNEL_WEBHOOK, "http", "/hook?a=b");
    send_it();
    int fd = fake_accept(loop, listen_fd);
    struct strbuf request = {0};
    answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &request);
    wait_for(1, CHANNEL_DELIVERED, "");
    static const char *const expected[] = {
        "POST /hook?a=b HTTP/1.1\r\n",
        "\r\nX-Token: t0ken\r\n",
        "\r\nContent-Type: application/json\r\n",
        "\r\nIdempotency-Key: 0000000000000abc\r\n",
        "\r\nAuthorization: Token abc\r\n",
        "\r\n\r\n{\"receiver\":\"ops\",",
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        if (strstr(request.data, expected[i]) == NULL) {
            fail_msg("'%s' is not in: %s", expected[i], request.data);
        }
    }
    strbuf_deinit(&request);
    (void)close(fd);
}

static void an_answers_status_decides(void **state) {
    static const struct {
        const char *answer;
        enum channel_outcome outcome;
        const char *why;
        uint64_t retry_after_usec;
    } cases[] = {
        {"HTTP/1.1 204 No\r\n\r\n", CHANNEL_DELIVERED, "", 0},
        {"HTTP/1.1 202 No\r\nContent-Length: 3\r\n\r\nyes", CHANNEL_DELIVERED, "", 0},
        {"HTTP/1.1 301 No\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
         CHANNEL_REFUSED, "it answered 301", 0},
        {"HTTP/1.1 400 No\r\nContent-Length: 13\r\n\r\nbad\r\n\x01payload", CHANNEL_REFUSED,
         "it answered 400: bad   payload", 0},
        {"HTTP/1.1 404 No\r\nContent-Length: 27\r\n\r\nno s3cr3t-s3cr3t-s3cr3t her",
         CHANNEL_REFUSED, "it answered 404: no *** her", 0},
        {"HTTP/1.1 401 No\r\nContent-Length: 12\r\n\r\nnot hunter22", CHANNEL_REFUSED,
         "it answered 401: not ***", 0},
        {"HTTP/1.1 408 No\r\nContent-Length: 0\r\n\r\n", CHANNEL_RETRY, "it answered 408", 0},
        {"HTTP/1.1 429 No\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n", CHANNEL_RETRY,
         "it answered 429", 30 * USEC_PER_SEC},
        {"HTTP/1.1 429 No\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n", CHANNEL_RETRY,
         "it answered 429", 86400 * USEC_PER_SEC},
        {"HTTP/1.1 500 No\r\nRetry-After: soon\r\nContent-Length: 4\r\n\r\noops", CHANNEL_RETRY,
         "it answered 500: oops", 0},
        {"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", CHANNEL_RETRY, "it answered 503", 0},
    };
    options.http.user = (char[]){"me"};
    options.http.password = (char[]){"hunter22"};
    begin(CHANNEL_WEBHOOK, "http", "/services/s3cr3t-s3cr3t-s3cr3t");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf request = {0};
        send_it();
        int fd = fake_accept(loop, listen_fd);
        answer(fd, cases[i].answer, &request);
        (void)shutdown(fd, SHUT_WR);
        wait_for((int)i + 1, cases[i].outcome, cases[i].why);
        assert_int_equal(seen.retry_after_usec, cases[i].retry_after_usec);
        strbuf_deinit(&request);
        (void)close(fd);
    }
}

/* What it says after "200" changes nothing, however much it is; a refusal is shown in part. */
static void long_answers_are_cut(void **state) {
    static const struct {
        const char *head;
        enum channel_outcome outcome;
        size_t why_len;
    } cases[] = {{"HTTP/1.1 200 OK\r\n\r\n", CHANNEL_DELIVERED, 0},
                 {"HTTP/1.1 400 No\r\n\r\n", CHANNEL_REFUSED, 17 + 200 + 3}};
    begin(CHANNEL_WEBHOOK, "http", "/");
    char *much = mem_alloc(200001);
    memset(much, 'x', 200000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf request = {0};
        send_it();
        int fd = fake_accept(loop, listen_fd);
        answer(fd, cases[i].head, &request);
        (void)fake_say(loop, fd, much);
        assert_true(turn_until(loop, &seen.calls, (int)i + 1));
        assert_int_equal(seen.outcome, cases[i].outcome);
        assert_int_equal(strlen(seen.why), cases[i].why_len);
        strbuf_deinit(&request);
        (void)close(fd);
    }
    free(much);
}

static void no_answer_is_tried_again_and_names_no_secret(void **state) {
    options.http.timeout_usec = 100 * USEC_PER_MSEC;
    begin(CHANNEL_SLACK, "http", "/services/T000/B000/s3cr3ts3cr3ts3cr3t");
    send_it();
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.outcome, CHANNEL_RETRY);
    assert_string_equal(seen.why, "no answer from '127.0.0.1' by the deadline");
    (void)close(listen_fd);
    listen_fd = -1;
    send_it();
    assert_true(turn_until(loop, &seen.calls, 2));
    assert_int_equal(seen.outcome, CHANNEL_RETRY);
    assert_null(strstr(seen.why, "s3cr3t"));
}

static void a_freed_channel_is_silent(void **state) {
    begin(CHANNEL_WEBHOOK, "http", "/");
    send_it();
    channel = channel_free(channel);
    turn_for(loop, 20 * USEC_PER_MSEC);
    assert_int_equal(seen.calls, 0);
}

/* ---- mail ---- */

/* A dialogue: what the server says, and what then must be the beginning of the client's line. */
struct said {
    const char *reply, *then;
};

/* Return: the next line of the client, or all up to a line with a dot. */
static void read_line(int fd, struct strbuf *line, bool mail) {
    uint64_t deadline = loop_clock_usec() + 5 * USEC_PER_SEC;
    const char *end = mail ? "\r\n.\r\n" : "\n";
    strbuf_clear(line);
    while (loop_clock_usec() < deadline) {
        char byte;
        ssize_t n = recv(fd, &byte, 1, 0);
        if (n == 1) {
            strbuf_add_char(line, byte);
            size_t len = strlen(end);
            if (line->len >= len && memcmp(line->data + line->len - len, end, len) == 0) {
                return;
            }
        } else if (n == 0) {
            return;
        } else {
            (void)loop_run_once(loop, USEC_PER_MSEC);
        }
    }
}

static void play(const struct said *said, size_t count, struct strbuf *mail) {
    struct strbuf line = {0};
    int fd = fake_accept(loop, listen_fd);
    assert_true(fd >= 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(fake_say(loop, fd, said[i].reply));
        if (said[i].then == NULL) {
            continue;
        }
        bool is_mail = strcmp(said[i].then, "the mail") == 0;
        read_line(fd, is_mail && mail != NULL ? mail : &line, is_mail);
        if (!is_mail && !str_starts_with(strbuf_view(&line), said[i].then)) {
            fail_msg("'%s' and not '%s'", strbuf_view(&line).data, said[i].then);
        }
    }
    turn_for(loop, 20 * USEC_PER_MSEC);
    strbuf_deinit(&line);
    (void)close(fd);
}

#define HELLO                                                                                      \
    {"220 me\r\n", "EHLO "}, {                                                                     \
        "250-me\r\n250 8BITMIME\r\n", "MAIL FROM:<me@example.org>"                                 \
    }

static char sender[] = "dbvitals <me@example.org>";
static char *both[] = {(char[]){"A <a@example.org>"}, (char[]){"b@example.org"}};

static void begin_mail(void) {
    options.from = sender;
    options.to = both;
    options.n_to = 2;
    begin(CHANNEL_EMAIL, "smtp", "");
}

static void a_mail_is_sent(void **state) {
    static const struct said said[] = {
        HELLO,
        {"250 ok\r\n", "RCPT TO:<a@example.org>"},
        {"250 ok\r\n", "RCPT TO:<b@example.org>"},
        {"250 ok\r\n", "DATA"},
        {"354 go\r\n", "the mail"},
        {"250 taken\r\n", NULL},
    };
    struct strbuf mail = {0};
    begin_mail();
    send_it();
    play(said, ARRAY_LEN(said), &mail);
    wait_for(1, CHANNEL_DELIVERED, "");
    static const char *const expected[] = {
        "From: dbvitals <me@example.org>\r\n",
        "To: A <a@example.org>,\r\n b@example.org\r\n",
        "Subject: [FIRING:1] PostgresDown (orders, orders-1)\r\n",
        "Date: Fri, 02 Jan 2026 03:05:10 +0000\r\n",
        "Message-ID: <dbvitals.0000000000000abc@example.org>\r\n",
        "In-Reply-To: <group.",
        "Auto-Submitted: auto-generated\r\n",
        "Importance: high\r\n",
        "Mime-Version: 1.0\r\n",
        "Content-Type: multipart/alternative; boundary=",
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
        "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        if (strstr(mail.data, expected[i]) == NULL) {
            fail_msg("'%s' is not in: %s", expected[i], mail.data);
        }
    }
    assert_null(strstr(mail.data, "multipart/mixed"));
    strbuf_deinit(&mail);
}

static void nothing_in_a_mail_becomes_a_header(void **state) {
    static const struct said said[] = {
        HELLO,
        {"250 ok\r\n", "RCPT TO:<a@example.org>"},
        {"250 ok\r\n", "RCPT TO:<b@example.org>"},
        {"250 ok\r\n", "DATA"},
        {"354 go\r\n", "the mail"},
        {"250 taken\r\n", NULL},
    };
    struct strbuf mail = {0};
    notification = notification_free(notification);
    notification = told_hostile();
    begin_mail();
    send_it();
    play(said, ARRAY_LEN(said), &mail);
    wait_for(1, CHANNEL_DELIVERED, "");
    char *end = strstr(mail.data, "\r\n\r\n");
    assert_non_null(end);
    *end = '\0';
    assert_null(strcasestr(mail.data, "\nBcc:"));
    assert_non_null(strstr(mail.data, "Subject: =?utf-8?B?"));
    for (const char *line = mail.data; line != NULL; line = strchr(line + 1, '\n')) {
        assert_true(strcspn(line + 1, "\n") < 100);
    }
    const char *html = strstr(end + 1, "text/html");
    assert_non_null(html);
    assert_null(strstr(html, "<script>"));
    assert_non_null(strstr(html, "&lt;script&gt;"));
    assert_null(strstr(html, "javascript:"));
    strbuf_deinit(&mail);
}

static void who_is_served_is_not_told_twice(void **state) {
    static const struct said first[] = {
        HELLO,
        {"250 ok\r\n", "RCPT TO:<a@example.org>"},
        {"250 ok\r\n", "RCPT TO:<b@example.org>"},
        {"451 come back later\r\n", "DATA"},
        {"354 go\r\n", "the mail"},
        {"250 taken\r\n", NULL},
    };
    static const struct said second[] = {
        HELLO,
        {"250 ok\r\n", "RCPT TO:<b@example.org>"},
        {"250 ok\r\n", "DATA"},
        {"354 go\r\n", "the mail"},
        {"250 taken\r\n", NULL},
    };
    begin_mail();
    send_it();
    play(first, ARRAY_LEN(first), NULL);
    wait_for(1, CHANNEL_RETRY, "the mail server answered 451 come back later");
    send_it();
    play(second, ARRAY_LEN(second), NULL);
    wait_for(2, CHANNEL_DELIVERED, "");
    send_it(); /* told again, it is for all */
    static const struct said third[] = {HELLO, {"421-bye\r\n421 bye\r\n", NULL}};
    play(third, ARRAY_LEN(third), NULL);
    wait_for(3, CHANNEL_RETRY, "the mail server answered 421-bye 421 bye");
}

static void a_mail_servers_words_decide(void **state) {
    static const struct {
        struct said said[8];
        enum channel_outcome outcome;
        const char *why;
    } cases[] = {
        {{{"554 no\r\n", NULL}}, CHANNEL_REFUSED, "the mail server answered 554 no"},
        {{{"421 later\r\n", NULL}}, CHANNEL_RETRY, "the mail server answered 421 later"},
        {{HELLO, {"550 who?\r\n", NULL}}, CHANNEL_REFUSED, "the mail server answered 550 who?"},
        {{HELLO, {"452 full\r\n", NULL}}, CHANNEL_RETRY, "the mail server answered 452 full"},
        {{HELLO,
          {"250 ok\r\n", "RCPT TO:<a@example.org>"},
          {"550 no a\r\n", "RCPT TO:<b@example.org>"},
          {"550 no b\r\n", NULL}},
         CHANNEL_REFUSED,
         "the mail server answered 550 no b"},
        {{HELLO,
          {"250 ok\r\n", "RCPT TO:<a@example.org>"},
          {"450 later a\r\n", "RCPT TO:<b@example.org>"},
          {"550 no b\r\n", NULL}},
         CHANNEL_RETRY,
         "the mail server answered 550 no b"},
        {{HELLO,
          {"250 ok\r\n", "RCPT TO:<a@example.org>"},
          {"250 ok\r\n", "RCPT TO:<b@example.org>"},
          {"550 no b\r\n", "DATA"},
          {"354 go\r\n", "the mail"},
          {"250 taken\r\n", NULL}},
         CHANNEL_DELIVERED,
         ""},
        {{HELLO,
          {"250 ok\r\n", "RCPT TO:<a@example.org>"},
          {"250 ok\r\n", "RCPT TO:<b@example.org>"},
          {"250 ok\r\n", "DATA"},
          {"354 go\r\n", "the mail"},
          {"554 spam\r\n", NULL}},
         CHANNEL_REFUSED,
         "the mail server answered 554 spam"},
        {{HELLO,
          {"250 ok\r\n", "RCPT TO:<a@example.org>"},
          {"250 ok\r\n", "RCPT TO:<b@example.org>"},
          {"250 ok\r\n", "DATA"},
          {"354 go\r\n", "the mail"},
          {"451 disk\r\n", NULL}},
         CHANNEL_RETRY,
         "the mail server answered 451 disk"},
    };
    begin_mail();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t count = 0;
        while (count < ARRAY_LEN(cases[i].said) && cases[i].said[count].reply != NULL) {
            count++;
        }
        notification->id++;
        send_it();
        play(cases[i].said, count, NULL);
        wait_for((int)i + 1, cases[i].outcome, cases[i].why);
    }
}

static void tls_that_is_required_is_waited_for(void **state) {
    static const struct said said[] = {{"220 me\r\n", "EHLO "}, {"250 me\r\n", NULL}};
    begin_mail();
    options.require_tls = true;
    send_it();
    play(said, ARRAY_LEN(said), NULL);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.outcome, CHANNEL_RETRY);
    assert_string_equal(seen.why, "STARTTLS not supported.");
}

static void no_address_becomes_a_command(void **state) {
    char *to[] = {(char[]){"a@example.org>\r\nRCPT TO:<x@example.org"}};
    begin_mail();
    options.to = to;
    options.n_to = 1;
    send_it();
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_string_equal(seen.why, "no mail can have such addresses or headers");
}

/* ---- commands ---- */

static void begin_command(char **words) {
    options.command = words;
    options.http.timeout_usec = 5 * USEC_PER_SEC;
    begin(CHANNEL_EXEC, "http", "");
}

static void a_command_gets_body_and_variables(void **state) {
    char *words[] = {
        (char[]){"/bin/sh"},
        (char[]){"-c"},
        (char[]){"cat; echo; env | grep DBVITALS_ | sort; test \"$1\" = '$(id)'; exit 64"},
        (char[]){"sh"},
        (char[]){"$(id)"},
        NULL};
    assert_int_equal(setenv("DBVITALS_PASSWORD", "hunter22", 1), 0);
    begin_command(words);
    send_it();
    wait_for(1, CHANNEL_REFUSED, "it ended with exit code 64");
}

static void an_exit_code_decides(void **state) {
    static const struct {
        const char *script;
        enum channel_outcome outcome;
        const char *why;
    } cases[] = {
        {"exit 0", CHANNEL_DELIVERED, ""},
        {"exit 75", CHANNEL_RETRY, "it ended with exit code 75"},
        {"exit 1", CHANNEL_REFUSED, "it ended with exit code 1"},
        {"kill -9 $$", CHANNEL_RETRY, "signal 9 ended it"},
        {"test $DBVITALS_STATUS/$DBVITALS_RECEIVER/$DBVITALS_EVENT = firing/ops/alert",
         CHANNEL_DELIVERED, ""},
        {"test $DBVITALS_IDEMPOTENCY_KEY/$DBVITALS_ALERT_COUNT = 0000000000000abc/1",
         CHANNEL_DELIVERED, ""},
        {"test \"$DBVITALS_TITLE\" = '[FIRING:1] PostgresDown (orders, orders-1)'",
         CHANNEL_DELIVERED, ""},
        {"test \"$DBVITALS_GROUP_KEY\" = '{}:{cluster=\"orders\"}'", CHANNEL_DELIVERED, ""},
        {"test -z \"$DBVITALS_PASSWORD\"", CHANNEL_DELIVERED, ""},
        {"grep -q '^{\"receiver\":\"ops\",.*}$'", CHANNEL_DELIVERED, ""},
    };
    char script[200];
    char *words[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, script, NULL};
    assert_int_equal(setenv("DBVITALS_PASSWORD", "hunter22", 1), 0);
    begin_command(words);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)snprintf(script, sizeof(script), "%s", cases[i].script);
        send_it();
        wait_for((int)i + 1, cases[i].outcome, cases[i].why);
    }
}

static void a_missing_command_is_no_way(void **state) {
    char *words[] = {(char[]){"/nonexistent/page"}, NULL};
    begin_command(words);
    send_it();
    wait_for(1, CHANNEL_REFUSED, "it cannot be started: No such file or directory");
}

static void a_slow_command_is_tried_again(void **state) {
    char *words[] = {(char[]){"/bin/sleep"}, (char[]){"60"}, NULL};
    begin_command(words);
    options.http.timeout_usec = 50 * USEC_PER_MSEC;
    send_it();
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.outcome, CHANNEL_RETRY);
    assert_true(str_starts_with(str_of(seen.why), "it was stopped after "));
}

static void hostile_texts_do_not_hurt_a_command(void **state) {
    char *words[] = {(char[]){"/bin/sh"}, (char[]){"-c"},
                     (char[]){"test \"${DBVITALS_ALERT_NAME#</td>}\" != \"$DBVITALS_ALERT_NAME\""},
                     NULL};
    notification = notification_free(notification);
    notification = told_hostile();
    begin_command(words);
    send_it();
    wait_for(1, CHANNEL_DELIVERED, "");
}

static void without_processes_a_command_waits(void **state) {
    char *words[] = {(char[]){"/bin/true"}, NULL};
    processes = processes_free(processes);
    begin_command(words);
    send_it();
    wait_for(1, CHANNEL_RETRY, "no commands are run here");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(posts_with_credentials_and_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answers_status_decides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_answers_are_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_answer_is_tried_again_and_names_no_secret, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_freed_channel_is_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_mail_is_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_in_a_mail_becomes_a_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_served_is_not_told_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_mail_servers_words_decide, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tls_that_is_required_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_address_becomes_a_command, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_command_gets_body_and_variables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_exit_code_decides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_command_is_no_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_command_is_tried_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_texts_do_not_hurt_a_command, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_processes_a_command_waits, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
