/* SPDX-License-Identifier: Apache-2.0 */

/* Where members are. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "failover/places.h"

static struct cluster_addresses place_of(const char *instance) {
    struct cluster_addresses place;
    place_read(instance, &place);
    return place;
}

static void reads_instances(void **state) {
    static const struct {
        const char *instance, *host;
        uint16_t port;
    } cases[] = {
        {"10.0.0.1:5432", "10.0.0.1", 5432}, {"[fe80::1]:6379", "fe80::1", 6379},
        {"/run/pg:5433", "/run/pg", 5433},   {"/run/redis.sock", "/run/redis.sock", 0},
        {"db-1:70000", "db-1:70000", 0},     {"", "", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cluster_addresses place = place_of(cases[i].instance);
        assert_string_equal(place.host, cases[i].host);
        assert_int_equal(place.port, cases[i].port);
        assert_int_equal(place.n_texts, 0);
    }
}

static void tells_what_is_here(void **state) {
    static const char *const here[] = {"127.0.0.1:1", "[::1]:1", "localhost:1", "/run:1"};
    for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
        struct cluster_addresses place = place_of(here[i]);
        assert_true(place_is_local(&place));
        assert_false(place_is_name(&place));
    }
    struct cluster_addresses far = place_of("192.0.2.1:5432"), name = place_of("db.example:5432");
    assert_false(place_is_local(&far));
    assert_false(place_is_name(&far));
    assert_false(place_is_local(&name));
    assert_true(place_is_name(&name));
}

static void takes_the_addresses_of_a_name(void **state) {
    struct cluster_addresses place = place_of("db.example:5432");
    struct resolve_answer answer = {.n_addresses = 2};
    assert_true(resolve_literal("192.0.2.7", 5432, &answer.addresses[0]));
    assert_true(resolve_literal("127.0.0.1", 5432, &answer.addresses[1]));
    place_take(&place, &answer);
    assert_int_equal(place.n_texts, 2);
    assert_string_equal(place.texts[0], "192.0.2.7");
    assert_true(place_is_local(&place));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_instances),
        cmocka_unit_test(tells_what_is_here),
        cmocka_unit_test(takes_the_addresses_of_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
