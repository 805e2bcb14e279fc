/* SPDX-License-Identifier: Apache-2.0 */

/* Against a real PgBouncer's console. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/support/pg_harness.h"

static const char *stats_dsn(void) {
    return sandbox_value("SANDBOX_PGBOUNCER_DSN");
}

static const char *admin_dsn(void) {
    return sandbox_value("SANDBOX_PGBOUNCER_DSN_ADMIN");
}

static void tells_its_version(void **state) {
    struct harness h;
    harness_connect(&h, stats_dsn(), true);
    assert_true(h.hello.version >= 10500 && h.hello.version < 20000);
    assert_false(h.hello.pooler);
    assert_true(h.hello.connect_usec > 0);
    harness_end(&h);
}

static void answers_a_queue_of_shows_in_order(void **state) {
    struct harness h;
    harness_connect(&h, stats_dsn(), true);
    const struct answer *version = harness_submit(&h, "SHOW VERSION", true);
    const struct answer *pools = harness_submit(&h, "SHOW POOLS", false);
    const struct answer *lists = harness_submit(&h, "SHOW LISTS", true);
    client_flush(h.client);
    assert_false(version->done);
    harness_wait(&h, &lists->done);
    assert_true(version->done && pools->done);
    assert_memory_equal(value_of(version), "PgBouncer", 9);
    assert_true(table_column(pools->table, "cl_waiting") >= 0);
    assert_true(lists->table->n_rows > 5);
    harness_end(&h);
}

static void error_spoils_only_its_own_request(void **state) {
    struct harness h;
    harness_connect(&h, stats_dsn(), true);
    const struct answer *wrong = harness_submit(&h, "SHOW NONSENSE", true);
    const struct answer *denied = harness_submit(&h, "RELOAD", true);
    const struct answer *right = harness_submit(&h, "SHOW STATS", true);
    client_flush(h.client);
    harness_wait(&h, &right->done);
    assert_true(wrong->failed && denied->failed);
    assert_int_equal(wrong->failure.end, CLIENT_ALIVE);
    assert_false(wrong->failure.connection);
    assert_true(right->table->n_rows > 0);
    harness_end(&h);
}

static void stops_at_the_row_limit_and_goes_on(void **state) {
    struct harness h;
    harness_connect(&h, stats_dsn(), true);
    const struct answer *cut =
        harness_submit_limited(&h, "SHOW CONFIG", (struct table_limits){.max_rows = 3});
    const struct answer *whole = harness_submit(&h, "SHOW CONFIG", true);
    client_flush(h.client);
    harness_wait(&h, &whole->done);
    assert_true(cut->failed);
    assert_int_equal(cut->failure.reason, REASON_TOO_LARGE);
    assert_true(whole->table->n_rows > 3);
    harness_end(&h);
}

static void abandoned_queue_drains(void **state) {
    struct harness h;
    harness_connect(&h, stats_dsn(), true);
    const struct answer *first = harness_submit(&h, "SHOW CONFIG", true);
    const struct answer *second = harness_submit(&h, "SHOW CONFIG", true);
    client_flush(h.client);
    client_abandon(h.client, "no answer within 3s");
    assert_false(first->done);
    harness_wait(&h, &h.is_drained);
    assert_true(first->failed && second->failed);
    assert_int_equal(second->failure.end, CLIENT_SILENT);
    assert_int_equal(second->failure.reason, REASON_TIMEOUT);
    assert_string_equal(second->failure.error.text, "no answer within 3s");
    assert_memory_equal(value_of(harness_ask(&h, "SHOW VERSION", true)), "PgBouncer", 9);
    harness_end(&h);
}

static void may_be_freed_by_an_answer(void **state) {
    struct harness h;
    harness_connect(&h, stats_dsn(), true);
    struct answer *first = harness_submit(&h, "SHOW VERSION", true);
    const struct answer *second = harness_submit(&h, "SHOW VERSION", true);
    first->frees_client = true;
    client_flush(h.client);
    harness_wait(&h, &first->done);
    assert_true(second->failed);
    assert_int_equal(second->failure.end, CLIENT_OURS);
    assert_int_equal(second->failure.reason, REASON_CANCELED);
    harness_end(&h);
}

static void refuses_a_database_that_is_no_console(void **state) {
    struct harness h;
    const struct client_failure *failure =
        harness_connect_fails(&h, sandbox_value("SANDBOX_PGBOUNCER_DSN_APP"), true);
    assert_int_equal(failure->end, CLIENT_ALIVE);
    assert_int_equal(failure->reason, REASON_UNSUPPORTED);
    assert_non_null(strstr(failure->error.text, "'pgbouncer'"));
    harness_end(&h);
}

static void knows_a_wrong_password(void **state) {
    struct harness h;
    CLEANUP(mem_freep)
    char *dsn = mem_printf("host=127.0.0.1 port=%s user=stats dbname=pgbouncer password=wr0ng",
                           sandbox_value("SANDBOX_PGBOUNCER_PORT"));
    const struct client_failure *failure = harness_connect_fails(&h, dsn, true);
    assert_int_equal(failure->end, CLIENT_ALIVE);
    assert_int_equal(failure->reason, REASON_AUTH);
    assert_null(strstr(failure->error.text, "wr0ng"));
    harness_end(&h);
}

static void ended_by_a_shutdown(void **state) {
    struct harness h;
    harness_connect(&h, admin_dsn(), true);
    const struct answer *last = harness_submit(&h, "SHUTDOWN", true);
    client_flush(h.client);
    harness_wait(&h, &h.is_ended);
    assert_true(last->done);
    assert_int_equal(h.failure.end, CLIENT_GONE);
    assert_true(h.failure.connection);
    harness_end(&h);
    const struct client_failure *failure = harness_connect_fails(&h, stats_dsn(), true);
    assert_int_equal(failure->end, CLIENT_GONE);
    assert_int_equal(failure->reason, REASON_REFUSED);
    harness_end(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_its_version),
        cmocka_unit_test(answers_a_queue_of_shows_in_order),
        cmocka_unit_test(error_spoils_only_its_own_request),
        cmocka_unit_test(stops_at_the_row_limit_and_goes_on),
        cmocka_unit_test(abandoned_queue_drains),
        cmocka_unit_test(may_be_freed_by_an_answer),
        cmocka_unit_test(refuses_a_database_that_is_no_console),
        cmocka_unit_test(knows_a_wrong_password),
        /* the last one stops a server: not in a sandbox that others use as well */
        cmocka_unit_test(ended_by_a_shutdown),
    };
    sandbox_begin("primary,pgbouncer");
    int failed =
        _cmocka_run_group_tests("tests", tests, ARRAY_LEN(tests) - !sandbox_is_own(), NULL, NULL);
    sandbox_end();
    return failed;
}
