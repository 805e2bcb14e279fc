/* SPDX-License-Identifier: Apache-2.0 */

/* How full pools are: what is read of a PgBouncer's samples, and which pool speaks for all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/duration.h"
#include "circuits/pool_pressure.h"

static void nobody_uses_what_is_not_there(void **state) {
    struct circuit_pressure pressure = pool_pressure_of(NULL, 0, 0);
    assert_true(pressure.utilisation == 0);
    assert_int_equal(pressure.waiting, 0);
}

static void the_worst_pool_speaks(void **state) {
    const struct pool_state pools[] = {{2, 10, 3, 9}, {9, 10, 1, 0}, {5, 0, 4, 1}};
    struct circuit_pressure pressure = pool_pressure_of(pools, 3, 0);
    assert_true(pressure.utilisation == 0.9);
    assert_int_equal(pressure.waiting, 4);
    assert_int_equal(pressure.longest_wait_usec, USEC_PER_SEC);
    pressure = pool_pressure_of(pools + 2, 1, 0);
    assert_true(isnan(pressure.utilisation)); /* its size is not known */
}

static void a_queue_counts_with_its_own_wait(void **state) {
    const struct pool_state pools[] = {{0, 1, 10, 0}, {0, 1, 2, 5}, {0, 1, 3, 4}, {0, 1, 0, 0}};
    struct circuit_pressure pressure = pool_pressure_of(pools, 4, 2 * USEC_PER_SEC);
    assert_int_equal(pressure.waiting, 3); /* the ten have not waited long enough */
    assert_int_equal(pressure.longest_wait_usec, 4 * USEC_PER_SEC);
    pressure = pool_pressure_of(pools, 4, 60 * USEC_PER_SEC);
    assert_int_equal(pressure.waiting, 10); /* none has; somebody waits all the same */
    pressure = pool_pressure_of(pools + 3, 1, 0);
    assert_int_equal(pressure.waiting, 0);
}

static void add(struct batch *batch, const char *metric, const char *name1, const char *value1,
                const char *name2, const char *value2, double value) {
    const struct label labels[] = {{str_of(name1), str_of(value1)},
                                   {str_of(name2), str_of(value2)}};
    const struct batch_metric what = {metric, "Help.", METRIC_GAUGE, true};
    batch_add(batch, what, batch_add_labels(batch, labels, 2), value);
}

static void fill(struct store *store, struct store_source *source, double used, int64_t t_ms) {
    static const char active[] = "pgbouncer_pools_server_active_connections";
    static const char waiting[] = "pgbouncer_pools_client_waiting_connections";
    static const char wait[] = "pgbouncer_pools_client_maxwait_seconds";
    static const char size[] = "pgbouncer_databases_pool_size";
    struct batch batch = {0};
    struct store_feed *feed = store_feed_new(source, "test");
    add(&batch, active, "database", "shop", "user", "app", used);
    add(&batch, active, "database", "shop", "user", "batch", 1);
    add(&batch, active, "database", "pgbouncer", "user", "pgbouncer", 50);
    add(&batch, waiting, "database", "shop", "user", "batch", 7);
    add(&batch, wait, "database", "shop", "user", "batch", 3);
    add(&batch, size, "name", "shop", "host", "h", 8);
    add(&batch, size, "name", "pgbouncer", "host", "h", 2);
    store_feed_commit(feed, &batch, t_ms);
    store_publish(source);
    batch_deinit(&batch);
}

/* Also when a label of the target has the name of one of the pooler's. */
static void reads_the_pools_of_one_source(void **state) {
    for (int moved = 0; moved < 2; moved++) {
        const struct label extra = {str_of("database"), str_of("none")};
        struct store *store = store_new(&(struct store_options){0});
        struct store_source *one = store_source_new(
            store, &(struct source_labels){
                       .target = str_of("one"), .extra = &extra, .n_extra = (size_t)moved});
        struct store_source *two =
            store_source_new(store, &(struct source_labels){.target = str_of("two")});
        struct pool_state *pools;
        fill(store, one, 6, 1000);
        fill(store, two, 8, 1000);
        assert_int_equal(pool_pressure_read(store, one, &pools), 2);
        struct circuit_pressure pressure = pool_pressure_of(pools, 2, 0);
        assert_true(pressure.utilisation == 0.75);
        assert_int_equal(pressure.waiting, 7);
        assert_int_equal(pressure.longest_wait_usec, 3 * USEC_PER_SEC);
        free(pools);
        store_source_free(store, two, 2000);
        two = store_source_new(store, &(struct source_labels){.target = str_of("three")});
        assert_int_equal(pool_pressure_read(store, two, &pools), 0);
        free(pools);
        store_free(store);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_uses_what_is_not_there),
        cmocka_unit_test(the_worst_pool_speaks),
        cmocka_unit_test(a_queue_counts_with_its_own_wait),
        cmocka_unit_test(reads_the_pools_of_one_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
