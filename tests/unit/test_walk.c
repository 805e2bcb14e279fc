/* SPDX-License-Identifier: Apache-2.0 */

/* The second connection of a target: when it is made and closed, what is asked there in which
 * order, and that whatever goes wrong there costs nothing else. The clients are fakes; the main
 * one is served by itself, the second one does what the test says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/duration.h"
#include "base/log.h"
#include "fake_client.h"
#include "sampler/private.h"
#include "sampler/walk.h"
#include "sampler/walk_databases.h"
#include "store/store.h"
#include "turn.h"

#define INTERVAL ((uint64_t)60 * USEC_PER_MSEC)
#define TIMEOUT  ((uint64_t)30 * USEC_PER_MSEC)
#define SLOW     ((uint64_t)200 * USEC_PER_MSEC)
#define PATIENCE ((uint64_t)10 * USEC_PER_SEC)

struct fixture {
    struct loop *loop;
    struct store *store;
    struct sampler *sampler;
    struct fake_clients clients;
    struct target_options options;
    int rounds;     /* that have ended */
    bool is_silent; /* the main connection, and whoever wants to take its place */
    size_t seen;    /* clients that await_second() has returned or passed */
};

static struct client *make_client(void *userdata, const struct target_options *target,
                                  const struct client_events *events) {
    struct fixture *f = userdata;
    struct client *client = fake_client_new(&f->clients, events);
    struct fake_client *fake = container_of(client, struct fake_client, client);
    const struct pg_options *pg = &target->pg;
    snprintf(fake->database, sizeof(fake->database), "%s", pg->database ? pg->database : "");
    fake->statement_timeout_usec = pg->statement_timeout_usec;
    fake->sql_ascii = pg->sql_ascii;
    assert_true(f->clients.n_alive <= 2);
    assert_true(pg->guard_timeout_usec == target->timeout_usec);
    return client;
}

static void round_ended(void *userdata, const struct target_view *target) {
    struct fixture *f = userdata;
    (void)target;
    f->rounds++;
}

static struct collector_settings *settings_of(struct fixture *f, const char *name) {
    size_t i = 0;
    while (collector_list[i]->kind != KIND_POSTGRES || strcmp(collector_list[i]->name, name) != 0) {
        i++;
    }
    return &f->options.collectors[i];
}

static void enable(struct fixture *f, const char *name, uint64_t interval_usec,
                   uint64_t timeout_usec) {
    struct collector_settings *settings = settings_of(f, name);
    settings->enabled = true;
    settings->interval_usec = interval_usec;
    settings->timeout_usec = timeout_usec;
}

static void want_databases(struct fixture *f) {
    f->options.databases.given = true;
    f->options.databases.include.list[0] = mem_strdup("*");
    f->options.databases.include.count = 1;
}

static void make(struct fixture *f, size_t most_series) {
    assert_int_equal(loop_new(&f->loop), 0);
    f->store = store_new(&(struct store_options){.max_series_per_source = most_series});
    f->clients.loop = f->loop;
    target_options_init(&f->options, KIND_POSTGRES);
    f->options.name = mem_strdup("orders");
    assert_int_equal(pg_options_parse("host=127.0.0.1 dbname=first", &f->options.pg, NULL), 0);
    f->options.interval_usec = INTERVAL;
    f->options.timeout_usec = TIMEOUT;
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        f->options.collectors[i].enabled = collector_list[i]->kind == KIND_POSTGRES &&
                                           (collector_list[i]->flags & COLLECTOR_VITAL) != 0;
    }
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    log_set_level(LOG_LEVEL_ERROR);
    make(f, 0);
    *state = f;
    return 0;
}

static int set_up_with_little_room(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    log_set_level(LOG_LEVEL_ERROR);
    make(f, 1000);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    sampler_free(f->sampler);
    assert_int_equal(f->clients.n_alive, 0);
    assert_true(f->clients.most_alive <= 2);
    store_free(f->store);
    target_options_deinit(&f->options);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void begin(struct fixture *f) {
    f->sampler = sampler_new(f->loop, NULL, f->store,
                             &(struct sampler_options){
                                 .round_ended = round_ended,
                                 .make_client = make_client,
                                 .userdata = f,
                             });
    sampler_apply(f->sampler, &f->options, 1);
}

static const struct target_view *view(const struct fixture *f) {
    return sampler_target(f->sampler, 0);
}

static const struct collector_view *collector(const struct fixture *f, const char *name) {
    for (size_t i = 0; i < sampler_target_collectors(view(f)); i++) {
        const struct collector_view *found = sampler_target_collector(view(f), i);
        if (strcmp(found->collector->name, name) == 0) {
            return found;
        }
    }
    fail_msg("no collector %s", name);
    return NULL;
}

static struct walk_numbers numbers(const struct fixture *f) {
    return walk_numbers(((const struct target *)view(f))->walk);
}

/* ---- what the server says ---- */

static const struct table nothing = {0};

static bool is_second(const struct fake_client *client) {
    return client->statement_timeout_usec != 0;
}

/* Serves the main connection. */
static void turn(struct fixture *f) {
    (void)loop_run_once(f->loop, USEC_PER_MSEC);
    for (size_t i = 0; i < f->clients.n_made && !f->is_silent; i++) {
        struct fake_client *client = f->clients.list[i];
        struct fake_request *request;
        if (client == NULL || is_second(client)) {
            continue;
        }
        if (client->client.state == CLIENT_CONNECTING) {
            fake_ready(client);
        }
        if (client->client.state == CLIENT_DRAINING) {
            fake_drained(client);
        }
        while ((client = f->clients.list[i]) != NULL && (request = fake_next(client)) != NULL) {
            if (client->n_requests > FAKE_MOST_REQUESTS - 8) {
                client->n_requests = 0; /* all of them are answered */
                client->requests[client->n_requests++] = *request;
                request = client->requests;
            }
            fake_answer_table(request, &nothing);
        }
    }
}

#define TURN_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        uint64_t deadline = loop_clock_usec() + PATIENCE;                                          \
        while (!(condition) && loop_clock_usec() < deadline) {                                     \
            turn(f);                                                                               \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static void turn_rounds(struct fixture *f, int count) {
    int until = f->rounds + count;
    TURN_UNTIL(f, f->rounds >= until);
}

static struct fake_client *newest_second(struct fixture *f) {
    for (size_t i = f->clients.n_made; i > f->seen; i--) {
        struct fake_client *client = f->clients.list[i - 1];
        if (client != NULL && is_second(client)) {
            return client;
        }
    }
    return NULL;
}

/* The next connection of the walk, which still waits for the server. */
static struct fake_client *await_second(struct fixture *f) {
    TURN_UNTIL(f, newest_second(f) != NULL);
    struct fake_client *client = newest_second(f);
    f->seen = f->clients.n_made;
    assert_int_equal(client->client.state, CLIENT_CONNECTING);
    return client;
}

static bool second_is_closed(const struct fixture *f) {
    for (size_t i = 0; i < f->clients.n_made; i++) {
        if (f->clients.list[i] != NULL && is_second(f->clients.list[i])) {
            return false;
        }
    }
    return true;
}

/* There is exactly one open question, and it is this one. */
static struct fake_request *question(struct fake_client *client, const char *part) {
    struct fake_request *request = fake_next(client);
    size_t open = 0;
    for (size_t i = 0; i < client->n_requests; i++) {
        open += !client->requests[i].answered;
    }
    assert_int_equal(open, 1);
    if (strstr(request->request.text, part) == NULL) {
        fail_msg("not '%s': %s", part, request->request.text);
    }
    return request;
}

static const char *const list_columns[] = {"datname", "own", "may_connect", "has_room"};

/* Words of "name flags", flags as o(wn), n(o right), l(imit). */
static void answer_list(struct fake_client *client, const char *const *entries) {
    struct str columns[4], cells[4 * 64];
    struct table table = {.columns = columns, .cells = cells, .n_columns = 4};
    for (size_t i = 0; i < 4; i++) {
        columns[i] = str_of(list_columns[i]);
    }
    for (; *entries != NULL; entries++, table.n_rows++) {
        const char *flags = strrchr(*entries, ' ');
        struct str *row = &cells[4 * table.n_rows];
        row[0] = (struct str){*entries, (size_t)(flags - *entries)};
        row[1] = str_of(strchr(flags, 'o') != NULL ? "t" : "f");
        row[2] = str_of(strchr(flags, 'n') == NULL ? "t" : "f");
        row[3] = str_of(strchr(flags, 'l') == NULL ? "t" : "f");
    }
    fake_answer_table(question(client, "may_connect"), &table);
}

#define LIST(client, ...) answer_list(client, (const char *const[]){__VA_ARGS__, NULL})

/* So many tables of a database. */
static void answer_tables(struct fake_client *client, const char *database, size_t count) {
    const struct str columns[] = {str_of("datname"), str_of("relname"), str_of("seq_scan")};
    struct str *cells = mem_array(3 * count, sizeof(*cells));
    char(*names)[24] = mem_array(count, sizeof(*names));
    struct table table = {columns, cells, 3, count};
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "t%zu", i);
        cells[3 * i] = str_of(database);
        cells[3 * i + 1] = str_of(names[i]);
        cells[3 * i + 2] = str_of("7");
    }
    fake_answer_table(question(client, "FROM pg_catalog.pg_stat_user_tables"), &table);
    free(cells);
    free(names);
}

static void answer_size(struct fake_client *client) {
    const struct str columns[] = {str_of("datname"), str_of("bytes")};
    const struct str cells[] = {str_of("first"), str_of("123")};
    struct table table = {columns, cells, 2, 1};
    fake_answer_table(question(client, "pg_database_size"), &table);
}

static const struct series *size_of(const struct fixture *f) {
    return store_find(view(f)->source, "pg_database_size_bytes", "datname=\"first\"");
}

static const struct series *scans_of(const struct fixture *f, const char *database,
                                     unsigned table) {
    char labels[128];
    snprintf(labels, sizeof(labels), "datname=\"%s\",relname=\"t%u\"", database, table);
    return store_find(view(f)->source, "pg_stat_user_tables_seq_scan", labels);
}

/* ---- slow collectors ---- */

static void a_slow_collector_has_a_connection_of_its_own(void **state) {
    struct fixture *f = *state;
    enable(f, "database_size", 3 * INTERVAL, SLOW);
    begin(f);
    struct fake_client *second = await_second(f);
    assert_true(f->rounds >= 1);
    assert_string_equal(second->database, "");
    assert_true(second->statement_timeout_usec == SLOW);
    fake_ready(second);
    turn_rounds(f, 1);
    assert_null(size_of(f));
    answer_size(second);
    assert_true(second_is_closed(f));
    turn_rounds(f, 1);
    assert_non_null(size_of(f));
    assert_int_equal(collector(f, "database_size")->samples, 1);
    assert_int_equal(view(f)->failed_rounds, 0);
    assert_false(numbers(f).visits);
    assert_true(numbers(f).known);
    await_second(f); /* and again, an interval later */
}

static void without_slow_collectors_there_is_one_connection(void **state) {
    struct fixture *f = *state;
    enable(f, "database_size", 0, 0);
    enable(f, "user_tables", 0, 0);
    begin(f);
    turn_rounds(f, 4);
    assert_int_equal(f->clients.n_made, 1);
    assert_true(collector(f, "user_tables")->last_ms != 0);
}

static void statements_run_one_after_another(void **state) {
    struct fixture *f = *state;
    enable(f, "database_size", 3 * INTERVAL, SLOW);
    enable(f, "settings", 3 * INTERVAL, SLOW);
    begin(f);
    struct fake_client *second = await_second(f);
    fake_ready(second);
    fake_answer_table(question(second, "pg_settings"), &nothing);
    answer_size(second);
    assert_true(second_is_closed(f));
}

static void a_statement_that_misses_its_deadline_fails_alone(void **state) {
    struct fixture *f = *state;
    enable(f, "settings", 20 * INTERVAL, TIMEOUT);
    enable(f, "database_size", 20 * INTERVAL, SLOW);
    begin(f);
    struct fake_client *second = await_second(f);
    fake_ready(second);
    question(second, "pg_settings");
    TURN_UNTIL(f, second->client.state == CLIENT_DRAINING);
    turn_rounds(f, 3); /* one statement at a time: nothing is asked while it may still run */
    assert_null(fake_next(second));
    assert_int_equal(collector(f, "settings")->failure.reason, REASON_TIMEOUT);
    assert_int_equal(view(f)->health, TARGET_UP);
    assert_int_equal(view(f)->failed_rounds, 0);
    fake_drained(second);
    answer_size(second);
    turn_rounds(f, 1);
    assert_non_null(size_of(f));
    assert_int_equal(view(f)->failed_collectors, 1);
}

/* ---- where connections go ---- */

static void a_silent_main_connection_takes_the_place(void **state) {
    struct fixture *f = *state;
    enable(f, "database_size", 3 * INTERVAL, SLOW);
    begin(f);
    fake_ready(await_second(f));
    f->is_silent = true;
    TURN_UNTIL(f, view(f)->health == TARGET_DOWN);
    assert_true(second_is_closed(f));
    TURN_UNTIL(f, f->clients.n_alive == 2); /* the probe */
    f->is_silent = false;
    TURN_UNTIL(f, view(f)->health == TARGET_UP);
    struct fake_client *second = await_second(f);
    fake_ready(second);
    question(second, "pg_database_size");
}

static void what_a_walk_found_ends_when_the_server_is_down(void **state) {
    struct fixture *f = *state;
    want_databases(f);
    enable(f, "user_tables", 1000 * INTERVAL, 0);
    begin(f);
    struct fake_client *second = await_second(f);
    fake_ready(second);
    LIST(second, "first o");
    answer_tables(second, "first", 2);
    turn_rounds(f, 1);
    assert_non_null(scans_of(f, "first", 1));
    f->is_silent = true;
    TURN_UNTIL(f, view(f)->health == TARGET_DOWN);
    assert_null(scans_of(f, "first", 1));
    f->is_silent = false;
    fake_ready(await_second(f)); /* asked anew, whatever the interval is */
}

static void a_lost_connection_fails_what_was_asked(void **state) {
    struct fixture *f = *state;
    enable(f, "settings", 20 * INTERVAL, SLOW);
    enable(f, "database_size", 20 * INTERVAL, SLOW);
    begin(f);
    struct fake_client *second = await_second(f);
    fake_ready(second);
    question(second, "pg_settings");
    fake_end(second, CLIENT_GONE, REASON_SHUTDOWN);
    turn_rounds(f, 1);
    assert_int_equal(collector(f, "settings")->failure.reason, REASON_SHUTDOWN);
    second = await_second(f); /* the other one is still due */
    fake_ready(second);
    answer_size(second);
    assert_true(second_is_closed(f));
}

static void a_refused_connection_fails_what_was_due(void **state) {
    struct fixture *f = *state;
    want_databases(f);
    enable(f, "user_tables", 4 * INTERVAL, 0);
    enable(f, "database_size", 4 * INTERVAL, SLOW);
    begin(f);
    fake_end(await_second(f), CLIENT_ALIVE, REASON_CONNECTIONS);
    int rounds = f->rounds;
    turn_rounds(f, 1);
    assert_int_equal(collector(f, "database_size")->failure.reason, REASON_CONNECTIONS);
    assert_int_equal(collector(f, "user_tables")->failure.reason, REASON_CONNECTIONS);
    assert_int_equal(view(f)->failed_collectors, 2);
    struct fake_client *second = await_second(f);
    assert_true(f->rounds - rounds >= 3);
    fake_ready(second);
    LIST(second, "first o");
    answer_size(second);
    answer_tables(second, "first", 1);
    turn_rounds(f, 1);
    assert_int_equal(view(f)->failed_collectors, 0);
}

/* ---- databases ---- */

static void databases_are_visited_one_after_another(void **state) {
    static const char odd[] = "a'b \"c\"= \\\xc3\xbc";
    struct fixture *f = *state;
    want_databases(f);
    f->options.databases.exclude.list[0] = mem_strdup("x*");
    f->options.databases.exclude.count = 1;
    enable(f, "user_tables", 10 * INTERVAL, 0);
    enable(f, "database_size", 10 * INTERVAL, SLOW);
    begin(f);
    struct fake_client *second = await_second(f);
    fake_ready(second);
    LIST(second, "zoo -", "first o", "xeno -", "a'b \"c\"= \\\xc3\xbc -");
    answer_size(second);
    answer_tables(second, "first", 1);
    second = await_second(f);
    assert_string_equal(second->database, odd);
    assert_true(second->statement_timeout_usec == SLOW);
    fake_ready(second);
    answer_tables(second, "odd", 2);
    second = await_second(f);
    assert_string_equal(second->database, "zoo");
    fake_ready(second);
    answer_tables(second, "zoo", 3);
    assert_true(second_is_closed(f));
    turn_rounds(f, 1);
    assert_non_null(scans_of(f, "first", 0));
    assert_non_null(scans_of(f, "odd", 1));
    assert_non_null(scans_of(f, "zoo", 2));
    assert_int_equal(collector(f, "user_tables")->samples, 3 + 6);
    assert_int_equal(numbers(f).databases, 3);
    assert_int_equal(numbers(f).failed, 0);
}

static void visits_are_spread(void **state) {
    struct fixture *f = *state;
    want_databases(f);
    enable(f, "user_tables", 3 * USEC_PER_SEC, 0);
    begin(f);
    struct fake_client *second = await_second(f);
    uint64_t start = loop_clock_usec();
    fake_ready(second);
    LIST(second, "first o", "b -", "c -", "d -");
    answer_tables(second, "first", 1);
    for (size_t i = 1; i <= 3; i++) {
        second = await_second(f);
        assert_true(loop_clock_usec() - start >= i * 95 * USEC_PER_MSEC);
        fake_ready(second);
        answer_tables(second, second->database, 1);
        assert_true(second_is_closed(f));
    }
}

static void a_database_that_refuses_costs_only_itself(void **state) {
    struct fixture *f = *state;
    want_databases(f);
    enable(f, "user_tables", 3 * INTERVAL, 0);
    begin(f);
    for (int walk = 0; walk < 2; walk++) {
        struct fake_client *second = await_second(f);
        fake_ready(second);
        LIST(second, "first o", "gone -", "limited l", "locked n", "zoo -");
        answer_tables(second, "first", 1);
        second = await_second(f);
        if (walk == 0) { /* the second time it backs off */
            assert_string_equal(second->database, "gone");
            fake_end(second, CLIENT_ALIVE, REASON_UNSUPPORTED);
            second = await_second(f);
        }
        assert_string_equal(second->database, "zoo");
        fake_ready(second);
        answer_tables(second, "zoo", 1);
        turn_rounds(f, 1);
        assert_non_null(scans_of(f, "zoo", 0));
        assert_int_equal(numbers(f).databases, 5);
        assert_int_equal(numbers(f).failed, 3);
        assert_int_equal(view(f)->failed_collectors, 0);
    }
}

static void one_silent_database_is_passed_by_and_a_second_one_is_waited_for(void **state) {
    struct fixture *f = *state;
    want_databases(f);
    enable(f, "user_tables", 10 * INTERVAL, 0);
    begin(f);
    struct fake_client *second = await_second(f);
    fake_ready(second);
    LIST(second, "first o", "hangs -", "hangs2 -", "zoo -");
    answer_tables(second, "first", 1);
    assert_string_equal(await_second(f)->database, "hangs");
    second = await_second(f);
    assert_string_equal(second->database, "hangs2");
    turn_rounds(f, 5);
    assert_int_equal(second->client.state, CLIENT_CONNECTING);
    assert_null(newest_second(f));
    fake_ready(second);
    answer_tables(second, "hangs2", 1);
    second = await_second(f);
    assert_string_equal(second->database, "zoo");
    fake_ready(second);
    answer_tables(second, "zoo", 1);
    turn_rounds(f, 1);
    assert_non_null(scans_of(f, "hangs2", 0));
    assert_int_equal(numbers(f).failed, 1);
    assert_int_equal(view(f)->failed_rounds, 0);
}

static void a_second_connection_that_hangs_is_kept(void **state) {
    struct fixture *f = *state;
    enable(f, "database_size", 2 * INTERVAL, SLOW);
    begin(f);
    struct fake_client *second = await_second(f);
    turn_rounds(f, 6);
    assert_int_equal(second->client.state, CLIENT_CONNECTING);
    assert_null(newest_second(f));
    assert_int_equal(collector(f, "database_size")->failure.reason, REASON_TIMEOUT);
    assert_int_equal(view(f)->failed_rounds, 0);
    fake_ready(second);
    if (!second_is_closed(f)) { /* it may be due again by now */
        answer_size(second);
    }
    second = await_second(f);
    fake_ready(second);
    answer_size(second);
    turn_rounds(f, 1);
    assert_non_null(size_of(f));
}

static void what_was_found_in_a_database_stands_for_two_intervals(void **state) {
    struct fixture *f = *state;
    int64_t good_ms = 0;
    want_databases(f);
    enable(f, "user_tables", 3 * INTERVAL, 0);
    begin(f);
    for (int walk = 0; walk == 0 || scans_of(f, "zoo", 0) != NULL; walk++) {
        assert_true(walk < 10);
        struct fake_client *second = await_second(f);
        fake_ready(second);
        LIST(second, "first o", "zoo -");
        answer_tables(second, "first", 1);
        if (walk == 0) {
            second = await_second(f);
            fake_ready(second);
            answer_tables(second, "zoo", 1);
        } else if (walk == 1) { /* later it backs off */
            fake_end(await_second(f), CLIENT_ALIVE, REASON_AUTH);
        }
        turn_rounds(f, 1);
        good_ms = walk == 0 ? view(f)->last_round_ms : good_ms;
    }
    assert_true(view(f)->last_round_ms - good_ms >= (int64_t)(2 * 3 * INTERVAL / USEC_PER_MSEC));
    assert_non_null(scans_of(f, "first", 0));
    assert_int_equal(numbers(f).failed, 1);
}

static void one_database_may_fail_and_its_series_alone_end(void **state) {
    struct fixture *f = *state;
    want_databases(f);
    enable(f, "user_tables", 4 * INTERVAL, 0);
    begin(f);
    for (int walk = 0; walk < 2; walk++) {
        struct fake_client *second = await_second(f);
        fake_ready(second);
        LIST(second, "first o", "zoo -");
        answer_tables(second, "first", 1);
        second = await_second(f);
        fake_ready(second);
        if (walk == 0) {
            answer_tables(second, "zoo", 1);
        } else {
            struct client_failure failure =
                fake_failure(CLIENT_ALIVE, REASON_LOCK, false, "held by somebody");
            fake_fail(question(second, "pg_stat_user_tables"), &failure);
        }
        turn_rounds(f, 1);
        assert_non_null(scans_of(f, "first", 0));
        assert_int_equal(scans_of(f, "zoo", 0) != NULL, walk == 0);
    }
    const struct client_failure *failure = &collector(f, "user_tables")->failure;
    assert_int_equal(failure->reason, REASON_LOCK);
    assert_string_equal(failure->error.text, "database 'zoo': held by somebody");
    assert_int_equal(view(f)->failed_collectors, 1);
    assert_int_equal(numbers(f).failed, 0);
}

static void a_dropped_database_ends_with_the_next_list(void **state) {
    struct fixture *f = *state;
    want_databases(f);
    enable(f, "user_tables", 4 * INTERVAL, 0);
    begin(f);
    struct fake_client *second = await_second(f);
    fake_ready(second);
    LIST(second, "dropped -", "first o", "zoo -");
    answer_tables(second, "first", 1);
    for (int i = 0; i < 2; i++) {
        second = await_second(f);
        fake_ready(second);
        answer_tables(second, second->database, 2);
    }
    turn_rounds(f, 1);
    assert_non_null(scans_of(f, "dropped", 1));
    second = await_second(f);
    fake_ready(second);
    LIST(second, "first o", "zoo -");
    answer_tables(second, "first", 1);
    turn_rounds(f, 1);
    assert_null(scans_of(f, "dropped", 1));
    assert_non_null(scans_of(f, "zoo", 1));
}

static void texts_that_are_no_utf8_are_asked_for_without_conversion(void **state) {
    struct fixture *f = *state;
    struct client_failure failure = fake_failure(CLIENT_ALIVE, REASON_QUERY, false, "bytes");
    snprintf(failure.sqlstate, sizeof(failure.sqlstate), "22021");
    want_databases(f);
    enable(f, "user_tables", 20 * INTERVAL, 0);
    begin(f);
    struct fake_client *second = await_second(f);
    fake_ready(second);
    LIST(second, "first o", "latin -");
    answer_tables(second, "first", 1);
    second = await_second(f);
    assert_false(second->sql_ascii);
    fake_ready(second);
    fake_fail(question(second, "pg_stat_user_tables"), &failure);
    second = await_second(f);
    assert_string_equal(second->database, "latin");
    assert_true(second->sql_ascii);
    fake_ready(second);
    fake_fail(question(second, "pg_stat_user_tables"), &failure); /* once is enough */
    assert_true(second_is_closed(f));
    turn_rounds(f, 1);
    assert_int_equal(collector(f, "user_tables")->failure.reason, REASON_QUERY);
}

static void databases_share_the_room_for_series(void **state) {
    struct fixture *f = *state;
    want_databases(f);
    enable(f, "user_tables", 2 * INTERVAL, 0);
    begin(f);
    /* 1000 places, of which 800 are for tables: 100 small ones leave 700 for the other two. */
    for (int walk = 0; walk < 3; walk++) {
        struct fake_client *second = await_second(f);
        fake_ready(second);
        LIST(second, "first o", "large -", "small -");
        answer_tables(second, "first", 600);
        second = await_second(f);
        fake_ready(second);
        answer_tables(second, "large", 900);
        second = await_second(f);
        fake_ready(second);
        answer_tables(second, "small", 99);
        turn_rounds(f, 1);
        assert_true(store_source_series(view(f)->source) <= 1000);
    }
    /* With the count of tables each wants one more. */
    assert_non_null(scans_of(f, "small", 98));
    assert_non_null(scans_of(f, "first", 348));
    assert_null(scans_of(f, "first", 349));
    assert_non_null(scans_of(f, "large", 348));
    assert_null(scans_of(f, "large", 349));
}

/* ---- reload and removal ---- */

static void apply(struct fixture *f) {
    sampler_apply(f->sampler, &f->options, 1);
}

static void tables_move_between_rounds_and_walk(void **state) {
    struct fixture *f = *state;
    enable(f, "user_tables", 3 * INTERVAL, 0);
    begin(f);
    turn_rounds(f, 2);
    want_databases(f);
    apply(f);
    struct fake_client *second = await_second(f);
    fake_ready(second);
    LIST(second, "first o", "zoo -");
    answer_tables(second, "first", 1);
    second = await_second(f);
    fake_ready(second);
    database_options_deinit(&f->options.databases);
    apply(f);
    assert_true(second_is_closed(f));
    turn_rounds(f, 2);
    assert_null(scans_of(f, "first", 0));
    assert_int_equal(f->clients.n_alive, 1);
    assert_int_equal(view(f)->failed_collectors, 0);
}

static void other_labels_ask_everything_again(void **state) {
    struct fixture *f = *state;
    want_databases(f);
    enable(f, "user_tables", 1000 * INTERVAL, 0);
    begin(f);
    for (int time = 0; time < 2; time++) {
        struct fake_client *second = await_second(f);
        fake_ready(second);
        LIST(second, "first o", "zoo -");
        answer_tables(second, "first", 1);
        second = await_second(f);
        fake_ready(second);
        answer_tables(second, "zoo", 1);
        turn_rounds(f, 1);
        assert_non_null(scans_of(f, "zoo", 0));
        if (time == 0) {
            f->options.cluster = mem_strdup("shop");
            apply(f);
        }
    }
    assert_non_null(scans_of(f, "first", 0));
}

static void what_did_not_change_keeps_its_series(void **state) {
    struct fixture *f = *state;
    want_databases(f);
    enable(f, "user_tables", 1000 * INTERVAL, 0);
    begin(f);
    struct fake_client *second = await_second(f);
    fake_ready(second);
    LIST(second, "first o", "zoo -");
    answer_tables(second, "first", 1);
    second = await_second(f);
    fake_ready(second);
    answer_tables(second, "zoo", 1);
    turn_rounds(f, 1);
    f->options.required = false;
    apply(f);
    turn_rounds(f, 2);
    assert_non_null(scans_of(f, "first", 0));
    assert_non_null(scans_of(f, "zoo", 0));
}

static void a_target_may_go_at_every_stage_of_a_walk(void **state) {
    struct fixture *f = *state;
    want_databases(f);
    enable(f, "user_tables", 2 * INTERVAL, TIMEOUT);
    for (int stage = 0; stage < 8; stage++) {
        f->clients.n_made = f->seen = 0;
        f->rounds = 0;
        begin(f);
        struct fake_client *second = await_second(f);
        if (stage >= 1) {
            fake_ready(second);
        }
        if (stage >= 2) {
            LIST(second, "first o", "zoo -");
        }
        if (stage == 3) {
            TURN_UNTIL(f, second->client.state == CLIENT_DRAINING);
        }
        if (stage >= 4) {
            answer_tables(second, "first", 1);
        }
        if (stage >= 5) {
            second = await_second(f);
        }
        if (stage >= 6) {
            fake_ready(second);
        }
        if (stage >= 7) {
            answer_tables(second, "zoo", 1);
        }
        sampler_apply(f->sampler, NULL, 0);
        assert_int_equal(f->clients.n_alive, 0);
        turn_until_quiet(f->loop);
        f->sampler = sampler_free(f->sampler);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CASE(a_slow_collector_has_a_connection_of_its_own),
        CASE(without_slow_collectors_there_is_one_connection),
        CASE(statements_run_one_after_another),
        CASE(a_statement_that_misses_its_deadline_fails_alone),
        CASE(a_silent_main_connection_takes_the_place),
        CASE(what_a_walk_found_ends_when_the_server_is_down),
        CASE(a_lost_connection_fails_what_was_asked),
        CASE(a_refused_connection_fails_what_was_due),
        CASE(databases_are_visited_one_after_another),
        CASE(visits_are_spread),
        CASE(a_database_that_refuses_costs_only_itself),
        CASE(one_silent_database_is_passed_by_and_a_second_one_is_waited_for),
        CASE(a_second_connection_that_hangs_is_kept),
        CASE(what_was_found_in_a_database_stands_for_two_intervals),
        CASE(one_database_may_fail_and_its_series_alone_end),
        CASE(a_dropped_database_ends_with_the_next_list),
        CASE(texts_that_are_no_utf8_are_asked_for_without_conversion),
        cmocka_unit_test_setup_teardown(databases_share_the_room_for_series,
                                        set_up_with_little_room, tear_down),
        CASE(tables_move_between_rounds_and_walk),
        CASE(other_labels_ask_everything_again),
        CASE(what_did_not_change_keeps_its_series),
        CASE(a_target_may_go_at_every_stage_of_a_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
