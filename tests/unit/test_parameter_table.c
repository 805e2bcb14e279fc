/* SPDX-License-Identifier: Apache-2.0 */

/* The table of parameters, and their values as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macros.h"
#include "rules/parameter_table.h"

static void the_table_is_in_order_and_finds_each_of_its_rows(void **state) {
    size_t count = 0;
    for (const struct parameter *row = parameter_table; row->name != NULL; row++, count++) {
        assert_true(parameter_is_name(str_of(row->name)));
        assert_ptr_equal(parameter_find(str_of(row->name)), row);
        assert_true(row == parameter_table || strcmp(row[-1].name, row->name) < 0);
        assert_int_equal(parameter_check(str_of(row->name), row->fallback, NULL), 0);
        assert_true(strlen(row->help) > 10 && row->help[strlen(row->help) - 1] == '.');
    }
    assert_true(count > 30);
    assert_null(parameter_find(str_of("")));
    assert_null(parameter_find(str_of("replication_lag")));
    assert_null(parameter_find(str_of("zzz")));
}

/* Who reads a name knows the unit; a user's own name has no other place for it. */
static void names_end_as_their_unit(void **state) {
    for (const struct parameter *row = parameter_table; row->name != NULL; row++) {
        struct strbuf longer = {0};
        strbuf_printf(&longer, "my_%s", row->name);
        assert_int_equal(parameter_unit_of(strbuf_view(&longer)), row->unit);
        assert_int_equal(parameter_unit_of(str_of(row->name)), row->unit);
        strbuf_deinit(&longer);
    }
    assert_int_equal(parameter_unit_of(str_of("_bytes")), PARAMETER_NUMBER);
}

static void knows_names_from_other_words(void **state) {
    char longest[PARAMETER_NAME_MOST + 2] = "";
    memset(longest, 'a', PARAMETER_NAME_MOST);
    assert_true(parameter_is_name(str_of(longest)));
    longest[PARAMETER_NAME_MOST] = 'a';
    assert_false(parameter_is_name(str_of(longest)));
    assert_true(parameter_is_name(str_of("_a9")));
    static const char *const others[] = {"", "9a", "A", "a-b", "a b", "a.b", "\xc3\xa4"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_false(parameter_is_name(str_of(others[i])));
    }
    assert_string_equal(parameter_suggest(str_of("replication_lag_second")),
                        "replication_lag_seconds");
    assert_null(parameter_suggest(str_of("orders_in_queue")));
}

static void assert_reads(const char *name, const char *text, double wanted) {
    double value = -1;
    struct error err = {0};
    if (parameter_parse(str_of(name), str_of(text), &value, &err) < 0) {
        fail_msg("%s: %s: %s", name, text, err.text);
    }
    assert_true(fabs(value - wanted) < 1e-9);
}

static void reads_numbers_durations_and_sizes_where_they_belong(void **state) {
    assert_reads("replication_lag_seconds", "5", 5);
    assert_reads("replication_lag_seconds", "0.25", 0.25);
    assert_reads("replication_lag_seconds", "1m30s", 90);
    assert_reads("replication_lag_seconds", "500ms", 0.5);
    assert_reads("replication_lag_bytes", "16MiB", 16777216);
    assert_reads("replication_lag_bytes", "1e6", 1000000);
    assert_reads("postgres_freeze_age", "1e9", 1e9);
    assert_reads("pool_utilisation_ratio", "1", 1);
    assert_reads("my_wait_seconds", "2h", 7200);
    assert_reads("my_number", "-3", -3);
    assert_reads("my_ratio", "12", 12); /* of what the user means */
}

static void refuses(const char *name, const char *text, const char *why) {
    double value = 42;
    struct error err = {0};
    assert_int_equal(parameter_parse(str_of(name), str_of(text), &value, &err), -EINVAL);
    assert_true(value == 42);
    if (strstr(err.text, why) == NULL) {
        fail_msg("%s: %s: '%s' does not say '%s'", name, text, err.text, why);
    }
}

static void refuses_what_cannot_be_meant(void **state) {
    refuses("replication_lag_seconds", "5MiB", "a duration such as");
    refuses("replication_lag_bytes", "5s", "a size such as");
    refuses("postgres_freeze_age", "5s", "a number");
    refuses("pool_utilisation_ratio", "80", "80 % is written 0.8");
    refuses("pool_utilisation_ratio", "80%", "a number such as 0.8");
    refuses("replication_lag_seconds", "-1", "not be negative");
    refuses("my_number", "", "a number");
    refuses("my_number", "1 2", "a number");
    static const char *const never[] = {"NaN", "nan", "Inf", "-Inf", "1e999", "infinity"};
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        refuses("my_number", never[i], "number");
    }
}

static void assert_writes(const char *name, double value, const char *wanted) {
    struct strbuf out = {0};
    double again;
    parameter_format(str_of(name), value, &out);
    assert_string_equal(out.data, wanted);
    assert_int_equal(parameter_parse(str_of(name), strbuf_view(&out), &again, NULL), 0);
    assert_true(again == value);
    strbuf_deinit(&out);
}

static void writes_values_as_people_do(void **state) {
    assert_writes("replication_lag_seconds", 5, "5s");
    assert_writes("replication_lag_seconds", 0.1, "100ms");
    assert_writes("replication_lag_seconds", 0, "0");
    assert_writes("replication_lag_seconds", 0.00025, "0.00025");
    assert_writes("postgres_vacuum_age_seconds", 604800, "1w");
    assert_writes("replication_slot_wal_bytes", 10737418240.0, "10GiB");
    assert_writes("replication_slot_wal_bytes", 1000, "1000");
    assert_writes("pool_utilisation_ratio", 0.85, "0.85");
    assert_writes("my_number", -2.5, "-2.5");
}

static void documentation_has_every_parameter_with_its_default(void **state) {
    const char *path = getenv("DBVITALS_RULES_DOC");
    static char text[128 * 1024];
    assert_non_null(path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    assert_in_range(length, 1, sizeof(text) - 2);
    for (const struct parameter *one = parameter_table; one->name != NULL; one++) {
        struct strbuf row = {0};
        strbuf_printf(&row, "\n| `%s` | %s | ", one->name, one->types != NULL ? one->types : "all");
        parameter_format(str_of(one->name), one->fallback, &row);
        strbuf_printf(&row, " | %s |\n", one->help);
        if (strstr(text, row.data) == NULL) {
            fail_msg("no row '%s' in %s", row.data, path);
        }
        strbuf_deinit(&row);
    }
}

static void knows_the_type_of_its_targets(void **state) {
    const struct parameter *lag = parameter_find(str_of("replication_lag_seconds"));
    assert_true(parameter_fits(lag, "postgres"));
    assert_false(parameter_fits(lag, "redis"));
    assert_true(parameter_fits(parameter_find(str_of("round_seconds")), "sentinel"));
    const struct parameter *hits = parameter_find(str_of("redis_hit_ratio"));
    assert_true(parameter_fits(hits, "redis") && parameter_fits(hits, "sentinel"));
    assert_false(parameter_fits(hits, "host") || parameter_fits(hits, "sent"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_in_order_and_finds_each_of_its_rows),
        cmocka_unit_test(names_end_as_their_unit),
        cmocka_unit_test(knows_names_from_other_words),
        cmocka_unit_test(reads_numbers_durations_and_sizes_where_they_belong),
        cmocka_unit_test(refuses_what_cannot_be_meant),
        cmocka_unit_test(writes_values_as_people_do),
        cmocka_unit_test(documentation_has_every_parameter_with_its_default),
        cmocka_unit_test(knows_the_type_of_its_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
