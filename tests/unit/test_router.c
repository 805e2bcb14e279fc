/* SPDX-License-Identifier: Apache-2.0 */

/* Which routes take an alert, and how its group is called. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actions/router.h"

#define MATCHERS(...)                                                                              \
    .matchers = (struct matcher[]){__VA_ARGS__},                                                   \
    .n_matchers = sizeof((struct matcher[]){__VA_ARGS__}) / sizeof(struct matcher)

static const struct matcher critical = {MATCH_EQUAL, {"severity", 8}, {"critical", 8}, NULL};
static const struct matcher no_lag = {MATCH_NOT_REGEX, {"alertname", 9}, {"Lag.*", 5}, NULL};
static const struct matcher without_team = {MATCH_EQUAL, {"team", 4}, {"", 0}, NULL};

static char *cluster[] = {(char[]){"cluster"}, (char[]){"severity"}};

/* 0 pages, 1 goes on, 2 has the rest. */
static struct router *make_router(struct receiver_options *receivers,
                                  const struct route_options *routes, size_t n_routes) {
    receivers[0].name = (char[]){"pager"};
    receivers[1].name = (char[]){"ops"};
    return router_new(&(struct notify_options){.receivers = receivers,
                                               .n_receivers = 2,
                                               .routes = (struct route_options *)(uintptr_t)routes,
                                               .n_routes = n_routes});
}

static struct router *three_routes(void) {
    struct receiver_options receivers[2] = {0};
    const struct route_options routes[] = {
        {MATCHERS(critical, no_lag), .receiver = 0, .group_by = cluster, .n_group_by = 1,
         .group_interval_usec = 5000000},
        {MATCHERS(without_team), .receiver = 1, .group_by_all = true, .go_on = true},
        {.receiver = 1, .group_by = cluster, .n_group_by = 2},
    };
    return make_router(receivers, routes, 3);
}

static void the_first_that_fits_takes_it(void **state) {
    static const struct {
        struct label labels[3];
        size_t n_labels;
        size_t expected[3], n_expected;
    } cases[] = {
        {{{{"alertname", 9}, {"Down", 4}}, {{"severity", 8}, {"critical", 8}}}, 2, {0}, 1},
        {{{{"alertname", 9}, {"LagHigh", 7}}, {{"severity", 8}, {"critical", 8}}}, 2, {1, 2}, 2},
        {{{{"alertname", 9}, {"Down", 4}}, {{"severity", 8}, {"warning", 7}}}, 2, {1, 2}, 2},
        {{{{"alertname", 9}, {"Down", 4}}, {{"team", 4}, {"db", 2}}}, 2, {2}, 1},
        {{{{"alertname", 9}, {"Down", 4}}}, 0, {1, 2}, 2}, /* no labels at all */
    };
    CLEANUP(router_freep)
    struct router *router = three_routes();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t routes[3];
        assert_int_equal(router_match(router, cases[i].labels, cases[i].n_labels, routes),
                         cases[i].n_expected);
        assert_memory_equal(routes, cases[i].expected, cases[i].n_expected * sizeof(size_t));
    }
}

static void may_take_nothing(void **state) {
    struct receiver_options receivers[2] = {0};
    const struct route_options routes[] = {{MATCHERS(critical)}};
    size_t found[1];
    CLEANUP(router_freep)
    struct router *router = make_router(receivers, routes, 1);
    const struct label label = {str_of("severity"), str_of("warning")};
    assert_int_equal(router_match(router, &label, 1, found), 0);
    CLEANUP(router_freep)
    struct router *empty = make_router(receivers, routes, 0);
    assert_int_equal(router_match(empty, &label, 1, found), 0);
}

static void assert_key(const struct router *router, size_t route, const char *expected) {
    const struct label labels[] = {{str_of("alertname"), str_of("Down")},
                                   {str_of("cluster"), str_of("a\"b\\\n")},
                                   {str_of("empty"), str_of("")}};
    struct label group[3];
    struct strbuf key = {0};
    size_t n = router_group_labels(&router->routes[route], labels, 3, group);
    router_group_key(&router->routes[route], group, n, &key);
    assert_string_equal(key.data, expected);
    strbuf_deinit(&key);
}

static void groups_are_called_after_route_and_labels(void **state) {
    CLEANUP(router_freep)
    struct router *router = three_routes();
    assert_key(router, 0,
               "{severity=\"critical\",alertname!~\"Lag.*\"}/pager:{cluster=\"a\\\"b\\\\\\n\"}");
    assert_key(router, 1, "{team=\"\"}/ops:{alertname=\"Down\", cluster=\"a\\\"b\\\\\\n\"}");
    assert_key(router, 2, "{}/ops:{cluster=\"a\\\"b\\\\\\n\"}");
    assert_int_equal(router->routes[0].group_interval_ms, 5000);
}

static void a_route_is_the_same_when_others_come(void **state) {
    struct receiver_options receivers[2] = {0};
    const struct route_options before[] = {{.receiver = 0}, {MATCHERS(critical), .receiver = 1}};
    const struct route_options after[] = {
        {MATCHERS(no_lag), .receiver = 1},
        {.receiver = 0, .group_by = cluster, .n_group_by = 1, .group_wait_usec = 1},
        {MATCHERS(critical), .receiver = 1},
    };
    CLEANUP(router_freep)
    struct router *old = make_router(receivers, before, 2);
    CLEANUP(router_freep)
    struct router *new = make_router(receivers, after, 3);
    assert_int_equal(router_find(new, old->routes[0].identity), 1);
    assert_int_equal(router_find(new, old->routes[1].identity), 2);
    assert_int_equal(router_find(old, new->routes[0].identity), 2);
}

static void equal_routes_are_numbered(void **state) {
    struct receiver_options receivers[2] = {0};
    const struct route_options routes[] = {{.go_on = true}, {.go_on = true}, {.receiver = 0}};
    CLEANUP(router_freep)
    struct router *router = make_router(receivers, routes, 3);
    assert_true(str_is(router->routes[0].identity, "{}/pager"));
    assert_true(str_is(router->routes[1].identity, "{}/pager#2"));
    assert_true(str_is(router->routes[2].identity, "{}/pager#3"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_fits_takes_it),
        cmocka_unit_test(may_take_nothing),
        cmocka_unit_test(groups_are_called_after_route_and_labels),
        cmocka_unit_test(a_route_is_the_same_when_others_come),
        cmocka_unit_test(equal_routes_are_numbered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
