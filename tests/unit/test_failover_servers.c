/* SPDX-License-Identifier: Apache-2.0 */

/* The actions of a failover on real servers: a PostgreSQL and a Redis replica are promoted, a
 * PgBouncer is paused and led to the new primary. The tests go on from what those before have left.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "base/duration.h"
#include "base/mem.h"
#include "failover/confirm.h"
#include "failover/pool_switch.h"
#include "failover/promotion.h"
#include "failover/repoint_redis.h"
#include "tests/support/pg_harness.h"
#include "turn.h"

static struct loop *loop;
static struct worker_pool *workers;
static struct resolver *resolver;
static struct pg_options pg;
static struct redis_options redis;
static int ends;
static enum promotion_end last_end;
static bool last_succeeded;
static size_t last_failed;
static struct confirm_result last;
static char last_text[1024];

static void keep_text(struct str text) {
    snprintf(last_text, sizeof(last_text), "%.*s", (int)text.len, text.data);
    ends++;
}

static void promotion_ended(void *userdata, enum promotion_end end, struct str text) {
    last_end = end;
    keep_text(text);
}

static void confirm_ended(void *userdata, const struct confirm_result *result) {
    last = *result;
    keep_text(result->text);
}

static void pool_ended(void *userdata, bool succeeded, struct str text) {
    last_succeeded = succeeded;
    keep_text(text);
}

static void repoint_ended(void *userdata, size_t failed, struct str text) {
    last_failed = failed;
    keep_text(text);
}

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    workers = worker_pool_new(loop, &(struct worker_options){0});
    resolver = resolver_new(loop, workers);
    ends = 0;
    last_text[0] = '\0';
    return 0;
}

static int tear_down(void **state) {
    pg_options_deinit(&pg);
    pg = (struct pg_options){0};
    redis_options_deinit(&redis);
    redis = (struct redis_options){0};
    resolver = resolver_free(resolver);
    workers = worker_pool_free(workers);
    loop = loop_free(loop);
    return 0;
}

static struct contact_options postgres_at(const char *dsn) {
    struct error err = {0};
    pg_options_deinit(&pg);
    if (pg_options_parse(dsn, &pg, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return (struct contact_options){
        .kind = CONTACT_POSTGRES, .loop = loop, .resolver = resolver, .pg = &pg};
}

static struct contact_options redis_at(const char *url) {
    struct error err = {0};
    redis_options_deinit(&redis);
    if (redis_options_parse(url, 6379, &redis, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return (struct contact_options){
        .kind = CONTACT_REDIS, .loop = loop, .resolver = resolver, .redis = &redis};
}

static void wait_end(void) {
    assert_true(turn_until(loop, &ends, 1));
    ends = 0;
}

static void check_text(const char *part) {
    if (strstr(last_text, part) == NULL) {
        fail_msg("'%s' is not in '%s'", part, last_text);
    }
}

static struct promotion *ready_promotion(const struct contact_options *contact, uint64_t deadline) {
    struct promotion *promotion = promotion_new(&(struct promotion_options){
        .contact = *contact, .deadline_usec = deadline, .ended = promotion_ended});
    uint64_t until = loop_clock_usec() + 10 * USEC_PER_SEC;
    while (!promotion_is_ready(promotion) && loop_clock_usec() < until) {
        (void)loop_run_once(loop, 10 * USEC_PER_MSEC);
    }
    assert_true(promotion_is_ready(promotion));
    return promotion;
}

static void promote(const struct contact_options *contact, uint64_t deadline) {
    struct promotion *promotion = ready_promotion(contact, deadline);
    promotion_start(promotion);
    wait_end();
    promotion_free(promotion);
}

/* From promotion_start() to the confirmation, over one connection. */
static void promote_and_confirm(const struct contact_options *contact, const char *what) {
    struct promotion *promotion = ready_promotion(contact, 0);
    uint64_t begun = loop_clock_usec();
    promotion_start(promotion);
    wait_end();
    uint64_t answered = loop_clock_usec();
    if (last_end != PROMOTION_SUCCEEDED) {
        fail_msg("%s", last_text);
    }
    struct confirm *confirm = confirm_new(&(struct confirm_options){
        .contact = *contact,
        .taken = promotion_take_contact(promotion),
        .ended = confirm_ended,
    });
    promotion_free(promotion);
    wait_end();
    printf("# %s: answered after %.2f ms, confirmed after %.2f ms: %s\n", what,
           (double)(answered - begun) / 1000, (double)(loop_clock_usec() - begun) / 1000,
           last_text);
    assert_true(last.confirmed);
    confirm_free(confirm);
}

static void confirm(const struct contact_options *contact, uint64_t deadline) {
    struct confirm *made = confirm_new(&(struct confirm_options){
        .contact = *contact, .deadline_usec = deadline, .ended = confirm_ended});
    wait_end();
    confirm_free(made);
}

static void switch_pool(enum pool_switch_kind kind, const char *database, uint64_t deadline) {
    const struct contact_options contact =
        postgres_at(sandbox_value("SANDBOX_PGBOUNCER_DSN_ADMIN"));
    uint64_t begun = loop_clock_usec();
    struct pool_switch *pool = pool_switch_new(&(struct pool_switch_options){
        .contact = contact,
        .kind = kind,
        .databases = &database,
        .n_databases = 1,
        .deadline_usec = deadline,
        .ended = pool_ended,
    });
    wait_end();
    printf("# pool: %.2f ms: %s\n", (double)(loop_clock_usec() - begun) / 1000, last_text);
    pool_switch_free(pool);
}

static void value_is(const char *dsn, const char *statement, const char *expected) {
    CLEANUP(mem_freep)
    char *value = admin_at(dsn, statement);
    assert_string_equal(value, expected);
}

static const char *replica_super(void) {
    return sandbox_value("SANDBOX_REPLICA_DSN_SUPER");
}

/* ---- PgBouncer, in front of the primary ---- */

static void a_pause_waits_for_transactions_and_is_undone(void **state) {
    const char *app = sandbox_value("SANDBOX_PGBOUNCER_DSN_APP");
    PGconn *client = PQconnectdb(app);
    PQclear(PQexec(client, "BEGIN"));
    PQclear(PQexec(client, "SELECT 1"));
    switch_pool(POOL_SWITCH_PAUSE, "shop", 300 * USEC_PER_MSEC);
    assert_false(last_succeeded);
    check_text("PAUSE \"shop\": no answer within 300ms");
    switch_pool(POOL_SWITCH_RESUME, "shop", 0);
    assert_true(last_succeeded);
    PQclear(PQexec(client, "COMMIT"));
    assert_int_equal(PQstatus(client), CONNECTION_OK);
    value_is(app, "SELECT 1", "1");
    switch_pool(POOL_SWITCH_PAUSE, "shop", 0);
    assert_true(last_succeeded);
    switch_pool(POOL_SWITCH_RELEASE, "shop", 0);
    assert_true(last_succeeded);
    PGresult *result = PQexec(client, "SELECT 1"); /* it was held back, and not disconnected */
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    PQclear(result);
    PQfinish(client);
}

static void resuming_what_is_not_paused_succeeds(void **state) {
    switch_pool(POOL_SWITCH_RESUME, "shop", 0);
    assert_true(last_succeeded);
}

static void an_unknown_database_is_a_failure(void **state) {
    switch_pool(POOL_SWITCH_MOVE, "nowhere \"else\"", 0);
    assert_false(last_succeeded);
    check_text("no such database: nowhere \"else\"");
}

/* ---- PostgreSQL ---- */

static void wait_for(const char *dsn, const char *statement, const char *expected) {
    uint64_t until = loop_clock_usec() + 10 * USEC_PER_SEC;
    for (;;) {
        CLEANUP(mem_freep)
        char *value = admin_at(dsn, statement);
        if (strcmp(value, expected) == 0) {
            return;
        }
        if (loop_clock_usec() >= until) {
            fail_msg("%s: '%s'", statement, value);
        }
    }
}

static void wait_for_right(const char *expected) {
    wait_for(replica_super(),
             "SELECT has_function_privilege('monitor', 'pg_promote(boolean, "
             "integer)', 'EXECUTE')",
             expected);
}

static void without_the_right_it_fails_and_nothing_happens(void **state) {
    free(admin("REVOKE EXECUTE ON FUNCTION pg_promote FROM monitor"));
    wait_for_right("f");
    const struct contact_options contact = postgres_at(sandbox_value("SANDBOX_REPLICA_DSN"));
    promote(&contact, 0);
    assert_int_equal(last_end, PROMOTION_FAILED);
    check_text("permission denied for function pg_promote (42501)");
    confirm(&contact, 200 * USEC_PER_MSEC);
    assert_false(last.confirmed);
    assert_string_equal(last_text, "it takes no writes after 200ms: it is in recovery");
}

static void a_replica_is_promoted_and_takes_writes(void **state) {
    free(admin("GRANT EXECUTE ON FUNCTION pg_promote TO monitor"));
    wait_for_right("t");
    const struct contact_options contact = postgres_at(sandbox_value("SANDBOX_REPLICA_DSN"));
    sandbox_run("stop primary kill");
    promote_and_confirm(&contact, "PostgreSQL");
    assert_int_equal(last.timeline, 2);
    assert_true(last.position > 0);
    assert_false(last.commits_wait);
    value_is(replica_super(), "CREATE TABLE written AS SELECT 1", "");
}

static void one_that_is_promoted_already_fails(void **state) {
    const struct contact_options contact = postgres_at(sandbox_value("SANDBOX_REPLICA_DSN"));
    promote(&contact, 0);
    assert_int_equal(last_end, PROMOTION_FAILED);
    check_text("recovery is not in progress (55000)");
}

static void set_on_replica(const char *setting) {
    CLEANUP(mem_freep)
    char *statement = mem_printf("ALTER SYSTEM %s", setting);
    free(admin_at(replica_super(), statement));
    free(admin_at(replica_super(), "SELECT pg_reload_conf()"));
}

static void commits_that_would_wait_are_told(void **state) {
    static const struct {
        const char *names;
        bool wait;
    } cases[] = {
        {"ghost", true}, {"ANY 1 (ghost)", true}, {"FIRST 0012 (ghost, 2)", true}, {"", false}};
    const struct contact_options contact = postgres_at(sandbox_value("SANDBOX_REPLICA_DSN"));
    set_on_replica("SET synchronous_commit = on");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(mem_freep)
        char *setting = mem_printf("SET synchronous_standby_names = '%s'", cases[i].names);
        set_on_replica(setting);
        wait_for(replica_super(), "SHOW synchronous_standby_names", cases[i].names);
        confirm(&contact, 0);
        assert_true(last.confirmed);
        assert_int_equal(last.commits_wait, cases[i].wait);
    }
    set_on_replica("SET synchronous_commit = off");
}

static void read_only_sessions_are_not_writes(void **state) {
    const struct contact_options contact = postgres_at(sandbox_value("SANDBOX_REPLICA_DSN"));
    set_on_replica("SET default_transaction_read_only = on");
    wait_for(replica_super(), "SHOW default_transaction_read_only", "on");
    confirm(&contact, 200 * USEC_PER_MSEC);
    assert_false(last.confirmed);
    check_text("default_transaction_read_only is on");
    PGconn *super = PQconnectdb(replica_super());
    PQclear(PQexec(super, "SET default_transaction_read_only = off"));
    PQclear(PQexec(super, "ALTER SYSTEM RESET default_transaction_read_only"));
    PQclear(PQexec(super, "SELECT pg_reload_conf()"));
    PQfinish(super);
    confirm(&contact, 0);
    assert_true(last.confirmed);
}

/* ---- PgBouncer, to the new primary ---- */

static void write_pool_file(void) {
    CLEANUP(mem_freep)
    char *command = mem_printf("sed -i 's/port=%s /port=%s /' '%s/pgbouncer/pgbouncer.ini'",
                               sandbox_value("SANDBOX_PRIMARY_PORT"),
                               sandbox_value("SANDBOX_REPLICA_PORT"), sandbox_value("SANDBOX_DIR"));
    assert_int_equal(system(command), 0);
}

static void clients_get_to_the_new_primary(void **state) {
    const char *app = sandbox_value("SANDBOX_PGBOUNCER_DSN_APP");
    char place[64];
    snprintf(place, sizeof(place), "'shop' leads to 127.0.0.1:%s",
             sandbox_value("SANDBOX_REPLICA_PORT"));
    write_pool_file();
    switch_pool(POOL_SWITCH_MOVE, "shop", 0);
    assert_true(last_succeeded);
    check_text(place);
    value_is(app, "SELECT inet_server_port()", sandbox_value("SANDBOX_REPLICA_PORT"));
    value_is(app, "INSERT INTO items VALUES (4711, 'x', 1) RETURNING id", "4711");
}

static void a_kill_ends_idle_clients_too(void **state) {
    PGconn *client = PQconnectdb(sandbox_value("SANDBOX_PGBOUNCER_DSN_APP"));
    PQclear(PQexec(client, "SELECT 1"));
    assert_int_equal(PQstatus(client), CONNECTION_OK);
    switch_pool(POOL_SWITCH_MOVE, "shop", 0);
    assert_true(last_succeeded);
    PQclear(PQexec(client, "SELECT 1"));
    assert_int_equal(PQstatus(client), CONNECTION_BAD);
    PQfinish(client);
}

/* ---- Redis ---- */

static const char *old_url(void) {
    static char url[64];
    snprintf(url, sizeof(url), "redis://127.0.0.1:%s", sandbox_value("SANDBOX_REDIS_PORT"));
    return url;
}

struct told {
    struct client *client;
    const struct str *words;
    size_t n_words;
    struct arena arena;
    int done;
};

static void told_done(void *userdata, const struct client_reply *reply,
                      const struct client_failure *failure) {
    struct told *told = userdata;
    if (failure != NULL) {
        fail_msg("%s", failure->error.text);
    }
    told->done++;
}

static void told_ready(void *userdata, const struct client_hello *hello) {
    struct told *told = userdata;
    client_submit(told->client, &(struct client_request){.words = told->words,
                                                         .n_words = told->n_words,
                                                         .arena = &told->arena,
                                                         .done = told_done,
                                                         .userdata = told});
    client_flush(told->client);
}

static void told_ended(void *userdata, const struct client_failure *failure) {
    fail_msg("%s", failure->error.text);
}

static void replicate(const char *url, const char *host, const char *port) {
    const struct str words[] = {str_of("REPLICAOF"), str_of(host), str_of(port)};
    struct told told = {.words = words, .n_words = ARRAY_LEN(words)};
    const struct client_events events = {
        .ready = told_ready, .ended = told_ended, .userdata = &told};
    (void)redis_at(url);
    told.client = redis_client_new(loop, resolver, NULL, &redis, &events);
    client_open(told.client);
    assert_true(turn_until(loop, &told.done, 1));
    client_free(told.client);
    arena_deinit(&told.arena);
}

/* Silence says nothing: this one has arrived, and is done once the server goes on. */
static void an_unanswered_promotion_may_have_been_done(void **state) {
    const char *url = sandbox_value("SANDBOX_REDIS_REPLICA_DSN");
    const struct contact_options contact = redis_at(url);
    struct promotion *promotion = ready_promotion(&contact, 200 * USEC_PER_MSEC);
    sandbox_run("pause redis-replica");
    promotion_start(promotion);
    wait_end();
    assert_int_equal(last_end, PROMOTION_UNKNOWN);
    sandbox_run("resume redis-replica");
    promotion_free(promotion);
    confirm(&contact, 0);
    assert_true(last.confirmed);
    replicate(url, "127.0.0.1", sandbox_value("SANDBOX_REDIS_PORT"));
}

static void a_redis_replica_is_promoted(void **state) {
    const struct contact_options contact = redis_at(sandbox_value("SANDBOX_REDIS_REPLICA_DSN"));
    promote_and_confirm(&contact, "Redis");
}

static void repoint_old(void) {
    struct redis_options new_one = {0}, old_one = {0};
    struct error err = {0};
    assert_int_equal(redis_options_parse(old_url(), 6379, &old_one, &err), 0);
    assert_int_equal(
        redis_options_parse(sandbox_value("SANDBOX_REDIS_REPLICA_DSN"), 6379, &new_one, &err), 0);
    const struct repoint_member replica = {.name = "cache-1", .redis = &old_one};
    struct repoint_redis *repoint = repoint_redis_new(&(struct repoint_options){
        .contact = {.loop = loop, .resolver = resolver},
        .primary = {.name = "cache-2", .redis = &new_one},
        .host = "127.0.0.1",
        .port = new_one.port,
        .replicas = &replica,
        .n_replicas = 1,
        .ended = repoint_ended,
    });
    wait_end();
    repoint_redis_free(repoint);
    redis_options_deinit(&new_one);
    redis_options_deinit(&old_one);
}

static void a_master_is_not_made_a_replica(void **state) {
    repoint_old();
    assert_int_equal(last_failed, 1);
    check_text("cache-1: is no replica by its own account, left alone");
    const struct contact_options contact = redis_at(old_url());
    confirm(&contact, 0);
    assert_true(last.confirmed);
}

static void a_replica_follows_the_new_primary(void **state) {
    char expected[96];
    replicate(old_url(), "127.0.0.1", "1");
    snprintf(expected, sizeof(expected),
             "cache-1: follows 127.0.0.1:%s; cache-2: configuration "
             "written",
             sandbox_value("SANDBOX_REDIS_REPLICA_PORT"));
    for (int i = 0; i < 2; i++) { /* and may be repeated */
        repoint_old();
        assert_int_equal(last_failed, 0);
        assert_string_equal(last_text, expected);
    }
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_pause_waits_for_transactions_and_is_undone),
        CASE(resuming_what_is_not_paused_succeeds),
        CASE(an_unknown_database_is_a_failure),
        CASE(without_the_right_it_fails_and_nothing_happens),
        CASE(a_replica_is_promoted_and_takes_writes),
        CASE(one_that_is_promoted_already_fails),
        CASE(commits_that_would_wait_are_told),
        CASE(read_only_sessions_are_not_writes),
        CASE(clients_get_to_the_new_primary),
        CASE(a_kill_ends_idle_clients_too),
        CASE(an_unanswered_promotion_may_have_been_done),
        CASE(a_redis_replica_is_promoted),
        CASE(a_master_is_not_made_a_replica),
        CASE(a_replica_follows_the_new_primary),
    };
    unsetenv("DBVITALS_SANDBOX"); /* what is promoted here is nobody else's */
    sandbox_begin("replica,pgbouncer,redis-replica");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sandbox_end();
    return failed;
}
