/* SPDX-License-Identifier: Apache-2.0 */

/* The names that services use: what they mean for each kind of server. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sampler/service.h"

static const struct batch_sample *find(const struct batch *batch, const char *name) {
    for (size_t i = 0; i < batch->n_samples; i++) {
        if (strcmp(batch->samples[i].metric.name, name) == 0) {
            return &batch->samples[i];
        }
    }
    return NULL;
}

static void reserved_connections_are_not_for_applications(void **state) {
    (void)state;
    struct facts facts = {0};
    double usage;
    facts_set(&facts, FACT_CLIENT_BACKENDS, 48);
    facts_set(&facts, FACT_MAX_CONNECTIONS, 100);
    facts_set(&facts, FACT_RESERVED_CONNECTIONS, 4);
    assert_true(service_pool_usage_percent(KIND_POSTGRES, &facts, &usage));
    assert_true(usage == 50.0);
}

static void no_sample_where_nothing_may_connect(void **state) {
    (void)state;
    struct facts facts = {0};
    double usage;
    facts_set(&facts, FACT_CLIENT_BACKENDS, 1);
    assert_false(service_pool_usage_percent(KIND_POSTGRES, &facts, &usage));
    facts_set(&facts, FACT_MAX_CONNECTIONS, 3);
    facts_set(&facts, FACT_RESERVED_CONNECTIONS, 3);
    assert_false(service_pool_usage_percent(KIND_POSTGRES, &facts, &usage));
}

static void the_worst_pool_counts(void **state) {
    (void)state;
    struct facts facts = {0};
    struct batch batch = {0};
    facts_set(&facts, FACT_POOL_USAGE_PERMILLE, 855);
    facts_set(&facts, FACT_WAITING_CONNECTIONS, 7);
    facts_set(&facts, FACT_ACTIVE_CONNECTIONS, 3);
    service_metrics_add(KIND_PGBOUNCER, &facts, (struct batch_labels){0}, &batch);
    assert_true(find(&batch, "db_pool_usage_percent")->value == 85.5);
    assert_true(find(&batch, "db_pool_waiting_connections")->value == 7);
    assert_true(find(&batch, "db_active_connections")->value == 3);
    assert_int_equal(batch.n_samples, 3);
    batch_deinit(&batch);
}

static void postgres_has_no_waiting_connections(void **state) {
    (void)state;
    struct facts facts = {0};
    struct batch batch = {0};
    facts_set(&facts, FACT_WAITING_CONNECTIONS, 7);
    facts_set(&facts, FACT_ACTIVE_CONNECTIONS, 3);
    service_metrics_add(KIND_POSTGRES, &facts, (struct batch_labels){0}, &batch);
    assert_null(find(&batch, "db_pool_waiting_connections"));
    assert_non_null(find(&batch, "db_active_connections"));
    batch_deinit(&batch);
}

static void a_cache_tells_hits_and_misses_as_counters(void **state) {
    (void)state;
    struct facts facts = {0};
    struct batch batch = {0};
    facts_set(&facts, FACT_CACHE_HITS, 10);
    facts_set(&facts, FACT_CACHE_MISSES, 0);
    service_metrics_add(KIND_REDIS, &facts, (struct batch_labels){0}, &batch);
    assert_int_equal(find(&batch, "cache_hits_total")->metric.type, METRIC_COUNTER);
    assert_true(find(&batch, "cache_hits_total")->value == 10);
    assert_true(find(&batch, "cache_misses_total")->value == 0);
    batch_deinit(&batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserved_connections_are_not_for_applications),
        cmocka_unit_test(no_sample_where_nothing_may_connect),
        cmocka_unit_test(the_worst_pool_counts),
        cmocka_unit_test(postgres_has_no_waiting_connections),
        cmocka_unit_test(a_cache_tells_hits_and_misses_as_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
