/* SPDX-License-Identifier: Apache-2.0 */

/* Which value of a parameter is in force, and what a restart keeps of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/macros.h"
#include "base/pack.h"
#include "rules/parameters.h"

#define LAG   "replication_lag_seconds"
#define OTHER "pool_waiting_clients"
#define OWN   "orders_in_queue"

static char lag[] = LAG, own[] = OWN, orders_1[] = "orders-1", orders_2[] = "orders-2";

static void configure(struct parameters *parameters) {
    const struct parameter_setting settings[] = {
        {.name = own, .target = orders_1, .value = 100},
        {.name = lag, .target = orders_2, .value = 30},
        {.name = lag, .value = 10},
    };
    parameters_configure(parameters, settings, ARRAY_LEN(settings));
}

static void change(struct parameters *parameters, const char *name, const char *target,
                   double value, int64_t now_ms) {
    const struct parameter_change one = {str_of(name), str_of(target), false, value};
    assert_int_equal(parameters_change(parameters, &one, now_ms, NULL), 0);
}

static void reset(struct parameters *parameters, const char *name, const char *target) {
    const struct parameter_change one = {
        .name = str_of(name), .target = str_of(target), .reset = true};
    assert_int_equal(parameters_change(parameters, &one, 0, NULL), 0);
}

static double get(const struct parameters *parameters, const char *name, const char *target) {
    double value = -1;
    return parameters_get(parameters, str_of(name), target, &value) ? value : -1;
}

static void the_target_counts_before_all_and_the_change_before_the_file(void **state) {
    CLEANUP(parameters_freep)
    struct parameters *parameters = parameters_new();
    assert_true(get(parameters, LAG, "orders-1") == 5); /* the table's */
    configure(parameters);
    assert_true(get(parameters, LAG, "orders-1") == 10);
    assert_true(get(parameters, LAG, "orders-2") == 30);
    assert_true(get(parameters, LAG, NULL) == 10);
    change(parameters, LAG, "", 7, 1000);
    assert_true(get(parameters, LAG, "orders-1") == 7);
    assert_true(get(parameters, LAG, "orders-2") == 30); /* somebody meant just this one */
    change(parameters, LAG, "orders-2", 60, 2000);
    assert_true(get(parameters, LAG, "orders-2") == 60);
    reset(parameters, LAG, "orders-2");
    reset(parameters, LAG, "");
    reset(parameters, LAG, "");
    assert_true(get(parameters, LAG, "orders-1") == 10);
    assert_true(get(parameters, LAG, "orders-2") == 30);
    parameters_configure(parameters, NULL, 0);
    assert_true(get(parameters, LAG, "orders-2") == 5);
}

static void a_users_own_name_has_values_only_where_somebody_gave_one(void **state) {
    CLEANUP(parameters_freep)
    struct parameters *parameters = parameters_new();
    configure(parameters);
    assert_true(get(parameters, OWN, "orders-1") == 100);
    assert_true(get(parameters, OWN, "orders-2") == -1);
    assert_true(get(parameters, OWN, NULL) == -1);
    change(parameters, OWN, "", 0, 1);
    assert_true(get(parameters, OWN, "orders-2") == 0);
}

static void lists_names_and_targets_each_once_and_in_order(void **state) {
    CLEANUP(parameters_freep)
    struct parameters *parameters = parameters_new();
    size_t bundled = parameters_names(parameters);
    configure(parameters);
    change(parameters, OWN, "", 1, 1);
    change(parameters, LAG, "orders-2", 1, 1);
    change(parameters, LAG, "orders-1", 1, 1);
    change(parameters, LAG, "a", 1, 1);
    assert_int_equal(parameters_names(parameters), bundled + 1);
    for (size_t i = 1; i < parameters_names(parameters); i++) {
        assert_true(strcmp(parameters_name(parameters, i - 1).name,
                           parameters_name(parameters, i).name) < 0);
    }
    const char *target = parameters_next_target(parameters, str_of(LAG), NULL);
    assert_string_equal(target, "a");
    target = parameters_next_target(parameters, str_of(LAG), target);
    assert_string_equal(target, "orders-1");
    target = parameters_next_target(parameters, str_of(LAG), target);
    assert_string_equal(target, "orders-2");
    assert_null(parameters_next_target(parameters, str_of(LAG), target));
    assert_null(parameters_next_target(parameters, str_of(OTHER), NULL));
    reset(parameters, OWN, "");
    parameters_configure(parameters, NULL, 0);
    assert_int_equal(parameters_names(parameters), bundled);
}

static void changes_are_bounded(void **state) {
    CLEANUP(parameters_freep)
    struct parameters *parameters = parameters_new();
    struct strbuf many = {0}, body = {0};
    struct error err = {0};
    pack_u64(&body, PARAMETERS_MOST_CHANGES);
    for (int i = 0; i < PARAMETERS_MOST_CHANGES; i++) {
        char target[16];
        (void)snprintf(target, sizeof(target), "t%05d", i);
        pack_str(&body, str_of(LAG));
        pack_str(&body, str_of(target));
        pack_double(&body, 1);
        pack_i64(&body, 1);
    }
    strbuf_add_text(&many, "dbvitals parameters 1\n");
    pack_u64(&many, crc32c(body.data, body.len));
    strbuf_add_str(&many, strbuf_view(&body));
    assert_int_equal(parameters_load(parameters, strbuf_view(&many), &err), 0);
    const struct parameter_change more = {str_of(OTHER), str_of(""), false, 1};
    assert_int_equal(parameters_change(parameters, &more, 1, &err), -E2BIG);
    change(parameters, LAG, "t00007", 3, 1); /* one that is there may still change */
    assert_true(get(parameters, LAG, "t00007") == 3);
    reset(parameters, LAG, "t00000");
    assert_int_equal(parameters_change(parameters, &more, 1, &err), 0);
    strbuf_deinit(&many);
    strbuf_deinit(&body);
}

static void save_some(struct strbuf *out) {
    CLEANUP(parameters_freep)
    struct parameters *parameters = parameters_new();
    configure(parameters);
    change(parameters, LAG, "", 7, 1000);
    change(parameters, LAG, "orders-1", 0.1, 2000);
    change(parameters, OWN, "gone", 3, 3000);
    parameters_save(parameters, out);
}

static void a_restart_keeps_the_changes_and_not_the_configuration(void **state) {
    CLEANUP(parameters_freep)
    struct parameters *parameters = parameters_new();
    struct strbuf bytes = {0};
    struct error err = {0};
    save_some(&bytes);
    assert_int_equal(parameters_load(parameters, strbuf_view(&bytes), &err), 0);
    assert_true(get(parameters, LAG, "orders-1") == 0.1);
    assert_true(get(parameters, LAG, "orders-2") == 7);
    assert_true(get(parameters, OWN, "gone") == 3);
    assert_int_equal(parameters_changed(parameters, str_of(LAG), "orders-1")->changed_ms, 2000);
    assert_null(parameters_configured(parameters, str_of(LAG), NULL));
    strbuf_deinit(&bytes);
}

static void assert_refused(struct str bytes, const char *what, size_t at) {
    CLEANUP(parameters_freep)
    struct parameters *parameters = parameters_new();
    struct error err = {0};
    change(parameters, LAG, "", 8, 1);
    if (parameters_load(parameters, bytes, &err) != -EINVAL || err.text[0] == '\0') {
        fail_msg("%s at %zu is taken for good", what, at);
    }
    assert_true(get(parameters, LAG, NULL) == 8); /* as before */
}

static void damaged_states_are_refused_whole(void **state) {
    struct strbuf bytes = {0};
    save_some(&bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        assert_refused((struct str){bytes.data, i}, "a cut", i);
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes.data[i] = (char)(bytes.data[i] ^ (1 << bit));
            assert_refused(strbuf_view(&bytes), "a flipped bit", i);
            bytes.data[i] = (char)(bytes.data[i] ^ (1 << bit));
        }
    }
    strbuf_add_char(&bytes, 'x');
    assert_refused(strbuf_view(&bytes), "a longer one", bytes.len);
    assert_refused(str_of("dbvitals parameters 2\n12345678"), "another version", 0);
    strbuf_deinit(&bytes);
}

/* A right checksum over what we would never write. */
static void assert_body_refused(const char *name, struct str target, double value) {
    struct strbuf bytes = {0}, body = {0};
    pack_u64(&body, 1);
    pack_str(&body, str_of(name));
    pack_str(&body, target);
    pack_double(&body, value);
    pack_i64(&body, 1);
    strbuf_add_text(&bytes, "dbvitals parameters 1\n");
    pack_u64(&bytes, crc32c(body.data, body.len));
    strbuf_add_str(&bytes, strbuf_view(&body));
    assert_refused(strbuf_view(&bytes), name, 0);
    strbuf_deinit(&bytes);
    strbuf_deinit(&body);
}

static void what_is_never_written_is_refused_too(void **state) {
    assert_body_refused("Bad name", str_of(""), 1);
    assert_body_refused("", str_of(""), 1);
    assert_body_refused(LAG, (struct str){"a\0b", 3}, 1);
    assert_body_refused(LAG, str_of(""), (double)INFINITY);
    assert_body_refused(LAG, str_of(""), (double)NAN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_target_counts_before_all_and_the_change_before_the_file),
        cmocka_unit_test(a_users_own_name_has_values_only_where_somebody_gave_one),
        cmocka_unit_test(lists_names_and_targets_each_once_and_in_order),
        cmocka_unit_test(changes_are_bounded),
        cmocka_unit_test(a_restart_keeps_the_changes_and_not_the_configuration),
        cmocka_unit_test(damaged_states_are_refused_whole),
        cmocka_unit_test(what_is_never_written_is_refused_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
