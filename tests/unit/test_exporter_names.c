/* SPDX-License-Identifier: Apache-2.0 */

/* What the usual exporters say about their scrapes, said of our rounds. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <string.h>

#include "sampler/exporter_names.h"

static const struct batch_sample *find(const struct batch *batch, const char *name,
                                       enum metric_suffix suffix) {
    for (size_t i = 0; i < batch->n_samples; i++) {
        const struct batch_sample *sample = &batch->samples[i];
        if (strcmp(sample->metric.name, name) == 0 && sample->suffix == suffix) {
            return sample;
        }
    }
    return NULL;
}

static void assert_labels(const struct batch *batch, const struct batch_sample *sample,
                          const char *expected) {
    assert_true(str_is(batch_labels_text(batch, sample->labels), expected));
}

static void a_redis_that_is_up_has_no_error(void **state) {
    struct target_view view = {
        .health = TARGET_UP, .rounds = 4, .last_round_seconds = 0.25, .all_rounds_seconds = 1.5};
    struct batch batch = {0};
    exporter_names_add_round(&view, KIND_REDIS, 0.125, &batch);
    const struct batch_sample *error = find(&batch, "redis_exporter_last_scrape_error", 0);
    assert_true(error->value == 0);
    assert_labels(&batch, error, "");
    assert_true(find(&batch, "redis_exporter_scrapes_total", 0)->value == 4);
    assert_true(find(&batch, "redis_exporter_last_scrape_duration_seconds", 0)->value == 0.25);
    assert_true(find(&batch, "redis_exporter_last_scrape_connect_time_seconds", 0)->value == 0.125);
    const char *all = "redis_exporter_scrape_duration_seconds";
    assert_true(find(&batch, all, SUFFIX_SUM)->value == 1.5);
    assert_true(find(&batch, all, SUFFIX_COUNT)->value == 4);
    assert_null(find(&batch, all, SUFFIX_NONE));
    batch_deinit(&batch);
}

static void a_sentinel_that_is_down_has_the_reason_as_a_label(void **state) {
    struct target_view view = {.health = TARGET_DOWN, .last_failure = {.reason = REASON_REFUSED}};
    struct batch batch = {0};
    exporter_names_add_round(&view, KIND_SENTINEL, NAN, &batch);
    const struct batch_sample *error = find(&batch, "redis_exporter_last_scrape_error", 0);
    assert_true(error->value == 1);
    assert_labels(&batch, error, "err=\"refused\"");
    assert_null(find(&batch, "redis_exporter_last_scrape_connect_time_seconds", 0));
    batch_deinit(&batch);
}

static void postgres_tells_rounds_and_collectors(void **state) {
    struct target_view view = {.health = TARGET_DOWN, .rounds = 7, .last_round_seconds = 3};
    struct collector_view good = {.collector = collector_find(KIND_POSTGRES, "settings"),
                                  .seconds = 0.5};
    struct collector_view bad = {.collector = collector_find(KIND_POSTGRES, "slots")};
    struct batch batch = {0};
    error_say(&bad.failure.error, -EIO, "no right");
    exporter_names_add_round(&view, KIND_POSTGRES, 0.125, &batch);
    assert_true(find(&batch, "pg_exporter_last_scrape_error", 0)->value == 1);
    assert_true(find(&batch, "pg_exporter_last_scrape_duration_seconds", 0)->value == 3);
    assert_true(find(&batch, "pg_exporter_scrapes_total", 0)->value == 7);
    assert_int_equal(batch.n_samples, 3);
    exporter_names_add_collector(&good, KIND_POSTGRES, &batch);
    assert_true(batch.samples[3].value == 1 && batch.samples[4].value == 0.5);
    assert_labels(&batch, &batch.samples[3], "collector=\"settings\"");
    exporter_names_add_collector(&bad, KIND_POSTGRES, &batch);
    assert_true(batch.samples[5].value == 0);
    assert_labels(&batch, &batch.samples[5], "collector=\"slots\"");
    batch_deinit(&batch);
}

static void the_exporter_of_pgbouncer_says_nothing(void **state) {
    struct target_view view = {.health = TARGET_UP};
    struct collector_view run = {.collector = collector_find(KIND_PGBOUNCER, "pools")};
    struct batch batch = {0};
    exporter_names_add_round(&view, KIND_PGBOUNCER, 0.1, &batch);
    exporter_names_add_collector(&run, KIND_PGBOUNCER, &batch);
    assert_int_equal(batch.n_samples, 0);
    batch_deinit(&batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_redis_that_is_up_has_no_error),
        cmocka_unit_test(a_sentinel_that_is_down_has_the_reason_as_a_label),
        cmocka_unit_test(postgres_tells_rounds_and_collectors),
        cmocka_unit_test(the_exporter_of_pgbouncer_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
