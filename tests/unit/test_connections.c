/* SPDX-License-Identifier: Apache-2.0 */

/* Deadlines and order of a server's connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web/connections.h"

#define SECOND ((uint64_t)1000 * 1000)

static struct connection_list make_list(struct connection *connections, size_t count) {
    struct connection_list list = {.silence_usec = 30 * SECOND};
    for (size_t i = 0; i < count; i++) {
        connections[i] = (struct connection){0};
        connection_list_add(&list, &connections[i], i * SECOND);
    }
    return list;
}

static void the_longest_idle_one_makes_room(void **state) {
    struct connection connections[3];
    struct connection_list list = make_list(connections, 3);
    assert_ptr_equal(connection_dispensable(&list, 10 * SECOND), &connections[0]);
    connection_enter(&list, &connections[0], CONNECTION_READING, 5 * SECOND);
    assert_ptr_equal(connection_dispensable(&list, 10 * SECOND), &connections[1]);
    connection_close(&list, &connections[1]);
    assert_ptr_equal(connection_dispensable(&list, 10 * SECOND), &connections[2]);
    connection_enter(&list, &connections[0], CONNECTION_IDLE, 6 * SECOND);
    connection_list_remove(&list, &connections[2]);
    assert_ptr_equal(connection_dispensable(&list, 10 * SECOND), &connections[0]);
}

static void without_an_idle_one_the_slowest_makes_room(void **state) {
    struct connection connections[3];
    struct connection_list list = make_list(connections, 3);
    connection_enter(&list, &connections[0], CONNECTION_ANSWERING, 10 * SECOND);
    connection_enter(&list, &connections[1], CONNECTION_READING, 11 * SECOND);
    connection_enter(&list, &connections[2], CONNECTION_READING, 12 * SECOND);
    assert_null(connection_dispensable(&list, 12 * SECOND - 1));
    assert_ptr_equal(connection_dispensable(&list, 12 * SECOND), &connections[1]);
    assert_ptr_equal(connection_dispensable(&list, 20 * SECOND), &connections[1]);
    connection_close(&list, &connections[1]);
    assert_ptr_equal(connection_dispensable(&list, 20 * SECOND), &connections[2]);
    connection_close(&list, &connections[2]);
    assert_null(connection_dispensable(&list, 15 * SECOND - 1));
    assert_ptr_equal(connection_dispensable(&list, 15 * SECOND), &connections[0]);
}

static void a_young_connection_need_not_make_room(void **state) {
    struct connection connections[1];
    struct connection_list list = make_list(connections, 1);
    assert_null(connection_dispensable(&list, CONNECTION_GRACE_USEC - 1));
    assert_non_null(connection_dispensable(&list, CONNECTION_GRACE_USEC));
}

static void each_phase_has_its_limit(void **state) {
    struct connection connections[1];
    struct connection_list list = make_list(connections, 1);
    assert_false(connection_is_late(&list, &connections[0], 60 * SECOND));
    assert_true(connection_is_late(&list, &connections[0], 60 * SECOND + 1));
    connection_enter(&list, &connections[0], CONNECTION_READING, 100 * SECOND);
    assert_false(connection_is_late(&list, &connections[0], 130 * SECOND));
    assert_true(connection_is_late(&list, &connections[0], 130 * SECOND + 1));
    connection_enter(&list, &connections[0], CONNECTION_ANSWERING, 200 * SECOND);
    assert_false(connection_is_late(&list, &connections[0], 320 * SECOND));
    assert_true(connection_is_late(&list, &connections[0], 320 * SECOND + 1));
}

static void counts_stay_right(void **state) {
    struct connection connections[3];
    struct connection_list list = make_list(connections, 3);
    connection_close(&list, &connections[1]);
    connection_close(&list, &connections[1]);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.closing, 1);
    connection_list_remove(&list, &connections[1]);
    connection_list_remove(&list, &connections[0]);
    connection_list_remove(&list, &connections[2]);
    assert_int_equal(list.count, 0);
    assert_int_equal(list.closing, 0);
    assert_null(list.first);
    assert_null(list.last);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_idle_one_makes_room),
        cmocka_unit_test(without_an_idle_one_the_slowest_makes_room),
        cmocka_unit_test(a_young_connection_need_not_make_room),
        cmocka_unit_test(each_phase_has_its_limit),
        cmocka_unit_test(counts_stay_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
