/* SPDX-License-Identifier: Apache-2.0 */

/* The figures of the last minute: windows, what empties them, and what is counted once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "sampler/summary.h"

#define SECOND ((uint64_t)1000 * 1000)

/* Two facts at a time of some second, found in that very round. */
static void note(struct summary_ring *ring, enum target_kind kind, double second, enum fact a,
                 int64_t value_a, enum fact b, int64_t value_b) {
    struct facts facts = {0};
    facts_set(&facts, a, value_a);
    facts_set(&facts, b, value_b);
    summary_note(ring, kind, (uint64_t)(second * (double)SECOND), &facts, &facts);
}

static void note_postgres(struct summary_ring *ring, double second, int64_t commits,
                          int64_t rollbacks) {
    note(ring, KIND_POSTGRES, second, FACT_COMMITS, commits, FACT_ROLLBACKS, rollbacks);
}

static struct summary look(const struct summary_ring *ring, enum target_kind kind, double second) {
    const struct facts none = {0};
    struct summary summary;
    summary_of(ring, kind, &none, (uint64_t)(second * (double)SECOND), &summary);
    return summary;
}

static void assert_near(double found, double wanted) {
    if (!(fabs(found - wanted) < 1e-9)) {
        fail_msg("%g is not %g", found, wanted);
    }
}

static void a_single_round_tells_nothing(void **state) {
    struct summary_ring ring = {0};
    assert_true(isnan(look(&ring, KIND_POSTGRES, 1).query_count));
    note_postgres(&ring, 5, 1000, 10);
    struct summary summary = look(&ring, KIND_POSTGRES, 5);
    assert_true(isnan(summary.query_count));
    assert_true(isnan(summary.throughput_qps));
    assert_true(isnan(summary.error_rate_percent));
    assert_true(isnan(summary.database_seconds));
}

static void transactions_are_commits_and_rollbacks(void **state) {
    struct summary_ring ring = {0};
    note_postgres(&ring, 5, 1000, 10);
    note_postgres(&ring, 10, 1090, 20);
    struct summary summary = look(&ring, KIND_POSTGRES, 12);
    assert_near(summary.query_count, 100);
    assert_near(summary.throughput_qps, 20);
    assert_near(summary.error_rate_percent, 10);
    assert_near(summary.database_seconds, 5);
    assert_true(isnan(summary.avg_latency_ms));
}

static void an_idle_server_has_no_rates_but_counts(void **state) {
    struct summary_ring ring = {0};
    note_postgres(&ring, 5, 1000, 10);
    note_postgres(&ring, 10, 1000, 10);
    struct summary summary = look(&ring, KIND_POSTGRES, 10);
    assert_near(summary.query_count, 0);
    assert_near(summary.throughput_qps, 0);
    assert_true(isnan(summary.error_rate_percent));
}

static void only_the_last_minute_counts_however_often_rounds_are(void **state) {
    static const double intervals[] = {0.1, 0.5, 1, 2.3, 3.9, 4.1, 5, 7, 10, 15, 30, 60.4};
    for (size_t i = 0; i < ARRAY_LEN(intervals); i++) {
        struct summary_ring ring = {0};
        double second = 100;
        /* Ten a second at first, then one: the first part must be forgotten. */
        for (; second < 400; second += intervals[i]) {
            note_postgres(&ring, second, (int64_t)(second * 10), 0);
        }
        double steady = second;
        for (; second < 800; second += intervals[i]) {
            note_postgres(&ring, second, (int64_t)(steady * 10 + second - steady), 0);
        }
        struct summary summary = look(&ring, KIND_POSTGRES, second);
        assert_in_range((uint64_t)summary.database_seconds, intervals[i] > 30 ? 30 : 45, 62);
        assert_true(fabs(summary.throughput_qps - 1) < 0.05);
    }
}

static void rounds_further_apart_than_a_minute_tell_nothing(void **state) {
    struct summary_ring ring = {0};
    note_postgres(&ring, 100, 1000, 0);
    note_postgres(&ring, 190, 2000, 0);
    assert_true(isnan(look(&ring, KIND_POSTGRES, 190).query_count));
}

static void what_is_older_than_a_minute_is_not_shown(void **state) {
    struct summary_ring ring = {0};
    note_postgres(&ring, 5, 1000, 0);
    note_postgres(&ring, 10, 1010, 0);
    assert_near(look(&ring, KIND_POSTGRES, 70).query_count, 10);
    assert_true(isnan(look(&ring, KIND_POSTGRES, 75).query_count));
}

static void a_counter_that_fell_empties_its_window_only(void **state) {
    struct summary_ring ring = {0};
    struct facts facts = {0};
    for (int i = 0; i < 4; i++) {
        facts_set(&facts, FACT_COMMITS, i < 3 ? 1000 + 10 * i : 5);
        facts_set(&facts, FACT_ROLLBACKS, 0);
        facts_set(&facts, FACT_QUERIES, 100 * i);
        facts_set(&facts, FACT_QUERY_TIME_USEC, 250000 * i);
        summary_note(&ring, KIND_POSTGRES, (uint64_t)(5 * i + 5) * SECOND, &facts, &facts);
    }
    struct summary summary = look(&ring, KIND_POSTGRES, 20);
    assert_true(isnan(summary.query_count));
    assert_near(summary.avg_latency_ms, 2.5);
    note_postgres(&ring, 25, 11, 0);
    summary = look(&ring, KIND_POSTGRES, 25);
    assert_near(summary.query_count, 6);
    assert_near(summary.database_seconds, 5);
    assert_true(isnan(summary.avg_latency_ms)); /* that round did not tell */
}

static void a_fall_between_replaced_points_is_seen(void **state) {
    struct summary_ring ring = {0};
    note_postgres(&ring, 10, 100, 0);
    note_postgres(&ring, 10.2, 105, 0);
    note_postgres(&ring, 10.4, 2, 0);
    note_postgres(&ring, 10.6, 400, 0);
    assert_near(look(&ring, KIND_POSTGRES, 11).query_count, 398);
}

static void a_restart_is_one_even_if_counters_grew(void **state) {
    struct summary_ring ring = {0};
    struct facts facts = {0};
    facts_set(&facts, FACT_CACHE_HITS, 10);
    facts_set(&facts, FACT_CACHE_MISSES, 10);
    facts_set(&facts, FACT_START_TIME_SECONDS, 1700000000);
    summary_note(&ring, KIND_REDIS, 5 * SECOND, &facts, &facts);
    facts_set(&facts, FACT_CACHE_HITS, 40);
    facts_set(&facts, FACT_START_TIME_SECONDS, 1700000001); /* rounding */
    summary_note(&ring, KIND_REDIS, 10 * SECOND, &facts, &facts);
    assert_near(look(&ring, KIND_REDIS, 10).hits, 30);
    facts_set(&facts, FACT_CACHE_HITS, 5000);
    facts_set(&facts, FACT_START_TIME_SECONDS, 1700000013);
    summary_note(&ring, KIND_REDIS, 15 * SECOND, &facts, &facts);
    assert_true(isnan(look(&ring, KIND_REDIS, 15).hits));
    facts_set(&facts, FACT_CACHE_HITS, 5001);
    summary_note(&ring, KIND_REDIS, 20 * SECOND, &facts, &facts);
    assert_near(look(&ring, KIND_REDIS, 20).hits, 1);
}

static void a_round_without_the_counter_is_a_gap(void **state) {
    struct summary_ring ring = {0};
    const struct facts none = {0};
    note_postgres(&ring, 5, 1000, 0);
    note_postgres(&ring, 10, 1010, 0);
    summary_note(&ring, KIND_POSTGRES, 15 * SECOND, &none, &none);
    assert_true(isnan(look(&ring, KIND_POSTGRES, 15).query_count));
    note_postgres(&ring, 20, 9000, 0);
    assert_true(isnan(look(&ring, KIND_POSTGRES, 20).query_count));
    note_postgres(&ring, 25, 9001, 0);
    assert_near(look(&ring, KIND_POSTGRES, 25).query_count, 1);
}

static void a_collector_that_was_not_due_is_no_gap_and_no_point(void **state) {
    struct summary_ring ring = {0};
    const struct facts none = {0};
    struct facts held = {0};
    facts_set(&held, FACT_COMMITS, 1000);
    facts_set(&held, FACT_ROLLBACKS, 0);
    summary_note(&ring, KIND_POSTGRES, 10 * SECOND, &held, &held);
    for (uint64_t second = 15; second < 40; second += 5) {
        summary_note(&ring, KIND_POSTGRES, second * SECOND, &none, &held);
    }
    facts_set(&held, FACT_COMMITS, 1300);
    summary_note(&ring, KIND_POSTGRES, 40 * SECOND, &held, &held);
    summary_note(&ring, KIND_POSTGRES, 45 * SECOND, &none, &held);
    struct summary summary = look(&ring, KIND_POSTGRES, 45);
    assert_near(summary.query_count, 300);
    assert_near(summary.throughput_qps, 10);
}

static void forgetting_leaves_nothing(void **state) {
    struct summary_ring ring = {0};
    note_postgres(&ring, 5, 1000, 0);
    note_postgres(&ring, 10, 1010, 0);
    summary_forget(&ring);
    note_postgres(&ring, 15, 1020, 0);
    assert_true(isnan(look(&ring, KIND_POSTGRES, 15).query_count));
}

static void a_pooler_tells_queries_and_latency_but_no_errors(void **state) {
    struct summary_ring ring = {0};
    struct facts facts = {0};
    struct summary summary;
    note(&ring, KIND_PGBOUNCER, 5, FACT_QUERIES, 100, FACT_QUERY_TIME_USEC, 1000000);
    note(&ring, KIND_PGBOUNCER, 10, FACT_QUERIES, 300, FACT_QUERY_TIME_USEC, 1300000);
    facts_set(&facts, FACT_POOL_CONNECTIONS, 12);
    facts_set(&facts, FACT_ACTIVE_CONNECTIONS, 3);
    facts_set(&facts, FACT_POOL_USAGE_PERMILLE, 600);
    summary_of(&ring, KIND_PGBOUNCER, &facts, 10 * SECOND, &summary);
    assert_near(summary.query_count, 200);
    assert_near(summary.avg_latency_ms, 1.5);
    assert_near(summary.throughput_qps, 40);
    assert_true(isnan(summary.error_rate_percent));
    assert_near(summary.total_connections, 12);
    assert_near(summary.active_connections, 3);
    assert_near(summary.utilization_percent, 60);
    assert_true(isnan(summary.hit_rate_percent));
}

static void a_cache_tells_hits_and_evictions_by_100_commands(void **state) {
    struct summary_ring ring = {0};
    struct facts facts = {0};
    struct summary summary;
    for (int64_t i = 1; i <= 2; i++) {
        facts_set(&facts, FACT_CACHE_HITS, 900 * i);
        facts_set(&facts, FACT_CACHE_MISSES, 100 * i);
        facts_set(&facts, FACT_EVICTED_KEYS, 30 * i);
        facts_set(&facts, FACT_COMMANDS, 2000 * i);
        summary_note(&ring, KIND_REDIS, (uint64_t)i * 5 * SECOND, &facts, &facts);
    }
    summary_of(&ring, KIND_REDIS, &facts, 10 * SECOND, &summary);
    assert_near(summary.hits, 900);
    assert_near(summary.misses, 100);
    assert_near(summary.hit_rate_percent, 90);
    assert_near(summary.eviction_rate_percent, 1.5);
    assert_true(isnan(summary.query_count));
    assert_true(isnan(summary.total_connections));
}

static void a_sentinel_has_none_of_this(void **state) {
    struct summary_ring ring = {0};
    note(&ring, KIND_SENTINEL, 5, FACT_CACHE_HITS, 1, FACT_CACHE_MISSES, 1);
    note(&ring, KIND_SENTINEL, 10, FACT_CACHE_HITS, 2, FACT_CACHE_MISSES, 2);
    assert_true(isnan(look(&ring, KIND_SENTINEL, 10).hits));
}

/* A member with transactions (or queries), of which some were rolled back, and a latency. */
static struct summary_member member(enum target_kind kind, const char *cluster, double queries,
                                    double rollbacks, double latency_ms, double connections) {
    struct summary_ring ring = {0};
    struct summary_member made = {.kind = kind, .cluster = cluster};
    const struct facts none = {0};
    summary_of(&ring, kind, &none, 0, &made.summary);
    made.summary.query_count = queries;
    made.summary.throughput_qps = queries / 60;
    made.summary.rollbacks = rollbacks;
    made.summary.timed_queries = isnan(latency_ms) ? (double)NAN : queries;
    made.summary.avg_latency_ms = latency_ms;
    made.summary.total_connections = connections;
    made.summary.active_connections = connections / 2;
    made.summary.utilization_percent = connections;
    return made;
}

#define UNKNOWN ((double)NAN)

static void totals_add_counts_and_weigh_latency(void **state) {
    const struct summary_member members[] = {
        member(KIND_POSTGRES, NULL, 600, 6, 1, 10),
        member(KIND_POSTGRES, "other", 200, 34, 5, 30),
        member(KIND_POSTGRES, NULL, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
    };
    struct summary total;
    summary_total(members, ARRAY_LEN(members), &total);
    assert_near(total.query_count, 800);
    assert_near(total.error_rate_percent, 5);
    assert_near(total.avg_latency_ms, 2);
    assert_near(total.throughput_qps, 800.0 / 60);
    assert_near(total.total_connections, 40);
    assert_near(total.active_connections, 20);
    assert_near(total.utilization_percent, 30);
    assert_true(isnan(total.hits));
}

static void a_poolers_traffic_counts_at_the_server_of_its_cluster(void **state) {
    const struct summary_member members[] = {
        member(KIND_PGBOUNCER, "orders", 900, UNKNOWN, 4, 20),
        member(KIND_POSTGRES, "orders", 400, 4, 1, 30),
        member(KIND_POSTGRES, "users", 100, 1, 2, 5),
    };
    struct summary total;
    summary_total(members, ARRAY_LEN(members), &total);
    assert_near(total.query_count, 500);
    assert_near(total.error_rate_percent, 1);
    assert_near(total.avg_latency_ms, (4.0 * 900 + 2.0 * 100) / 1000);
    assert_near(total.total_connections, 35);
    assert_near(total.utilization_percent, 30);
}

static void a_pooler_whose_server_is_not_known_counts_itself(void **state) {
    const struct summary_member members[] = {
        member(KIND_PGBOUNCER, "orders", 900, UNKNOWN, 4, 20),
        member(KIND_POSTGRES, "orders", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
        member(KIND_PGBOUNCER, NULL, 100, UNKNOWN, 1, 7),
        member(KIND_POSTGRES, NULL, 50, 5, UNKNOWN, 3),
    };
    struct summary total;
    summary_total(members, ARRAY_LEN(members), &total);
    assert_near(total.query_count, 1050);
    assert_near(total.error_rate_percent, 10); /* of what can fail: the 50 transactions */
    assert_near(total.total_connections, 30);
}

static void no_members_no_figures(void **state) {
    struct summary total;
    summary_total(NULL, 0, &total);
    assert_true(isnan(total.query_count) && isnan(total.avg_latency_ms) &&
                isnan(total.error_rate_percent) && isnan(total.hit_rate_percent) &&
                isnan(total.eviction_rate_percent) && isnan(total.utilization_percent));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_round_tells_nothing),
        cmocka_unit_test(transactions_are_commits_and_rollbacks),
        cmocka_unit_test(an_idle_server_has_no_rates_but_counts),
        cmocka_unit_test(only_the_last_minute_counts_however_often_rounds_are),
        cmocka_unit_test(rounds_further_apart_than_a_minute_tell_nothing),
        cmocka_unit_test(what_is_older_than_a_minute_is_not_shown),
        cmocka_unit_test(a_counter_that_fell_empties_its_window_only),
        cmocka_unit_test(a_fall_between_replaced_points_is_seen),
        cmocka_unit_test(a_restart_is_one_even_if_counters_grew),
        cmocka_unit_test(a_round_without_the_counter_is_a_gap),
        cmocka_unit_test(a_collector_that_was_not_due_is_no_gap_and_no_point),
        cmocka_unit_test(forgetting_leaves_nothing),
        cmocka_unit_test(a_pooler_tells_queries_and_latency_but_no_errors),
        cmocka_unit_test(a_cache_tells_hits_and_evictions_by_100_commands),
        cmocka_unit_test(a_sentinel_has_none_of_this),
        cmocka_unit_test(totals_add_counts_and_weigh_latency),
        cmocka_unit_test(a_poolers_traffic_counts_at_the_server_of_its_cluster),
        cmocka_unit_test(a_pooler_whose_server_is_not_known_counts_itself),
        cmocka_unit_test(no_members_no_figures),
    };
    return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}
