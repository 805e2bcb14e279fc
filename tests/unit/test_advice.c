/* SPDX-License-Identifier: Apache-2.0 */

/* Which target is fit for what: a cluster of two PostgreSQL servers, their poolers, and Redis. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fake_sampler.h"
#include "web/advice.h"

#define NOW    ((uint64_t)100 * 1000 * 1000)
#define SECOND ((uint64_t)1000 * 1000)

static char orders[] = "orders", other_cluster[] = "other";

struct world {
    struct sampler sampler;
    struct fake_target *primary, *replica;
    struct advice advice; /* of the last question */
};

static struct fake_target *add(struct world *w, const char *name, enum target_kind kind,
                               const char *instance, enum server_role role) {
    struct fake_target *fake = fake_sampler_add(&w->sampler, name, kind, instance);
    fake->options.cluster = orders;
    fake->options.timeout_usec = 3 * SECOND;
    fake->view.last_round_usec = NOW - SECOND;
    fake->view.standing.role = role;
    fake->view.standing.since_usec = SECOND;
    return fake;
}

static struct fake_target *add_postgres(struct world *w, const char *name, const char *instance,
                                        enum server_role role) {
    struct fake_target *fake = add(w, name, KIND_POSTGRES, instance, role);
    fake->view.standing.system_identifier = 7;
    fake->view.standing.timeline = 1;
    fake->view.standing.start_seconds = (int64_t)w->sampler.n_targets;
    return fake;
}

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof(*w));
    w->primary = add_postgres(w, "orders-1", "10.0.0.1:5432", ROLE_PRIMARY);
    w->replica = add_postgres(w, "orders-2", "10.0.0.2:5432", ROLE_REPLICA);
    w->replica->view.lag_seconds = 0.5;
    w->replica->view.lag_bytes = 4096;
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    free(*state);
    return 0;
}

static struct advice_question question_of(const char *text) {
    struct advice_question question;
    struct str rest = str_of(text);
    assert_true(advice_question_init(str_cut(&rest, ' '), &question));
    while (rest.len > 0) {
        struct str value = str_cut(&rest, ' ');
        struct str name = str_cut(&value, '=');
        struct error err = {0};
        if (advice_question_set(&question, name, value, &err) < 0) {
            fail_msg("%s", err.text);
        }
    }
    return question;
}

static bool fit(struct world *w, struct fake_target *target, const char *text) {
    struct advice_question question = question_of(text);
    advice_give(&w->sampler, &target->view, &question, NOW, &w->advice);
    assert_true((w->advice.cause == ADVICE_FIT) == (w->advice.weight > 0));
    assert_true(w->advice.text[0] != '\0');
    return w->advice.cause == ADVICE_FIT;
}

static void fails_with(struct fake_target *target, enum client_reason reason) {
    target->view.health = TARGET_DOWN;
    target->view.facts = (struct facts){0};
    target->view.lag_seconds = target->view.lag_bytes = (double)NAN;
    target->view.last_failure = (struct client_failure){.reason = reason};
    error_say(&target->view.last_failure.error, -1, "it said nothing");
}

static void each_role_is_fit_for_what_it_is(void **state) {
    struct world *w = *state;
    static const struct {
        const char *word;
        bool primary, replica;
    } cases[] = {
        {"primary", true, false}, {"replica", false, true},    {"read-only", true, true},
        {"health", true, true},   {"writable", true, false},   {"leader", true, false},
        {"master", true, false},  {"read-write", true, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fit(w, w->primary, cases[i].word), cases[i].primary);
        assert_int_equal(fit(w, w->replica, cases[i].word), cases[i].replica);
    }
}

static void a_read_only_primary_takes_no_writes(void **state) {
    struct world *w = *state;
    w->primary->view.standing.read_only = true;
    assert_false(fit(w, w->primary, "writable"));
    assert_non_null(strstr(w->advice.text, "default_transaction_read_only"));
    assert_true(fit(w, w->primary, "primary"));
    assert_true(fit(w, w->primary, "read-only"));
}

static void lag_is_limited_in_time_and_bytes(void **state) {
    struct world *w = *state;
    static const struct {
        const char *text;
        bool fit;
    } cases[] = {
        {"replica lag=500ms", true}, {"replica lag=400ms", false},     {"replica lag=1s", true},
        {"replica lag=4kB", true},   {"replica lag=4095", false},      {"replica lag=4KiB", true},
        {"replica lag=0", false},    {"replica lag=1s lag=1", false},  {"read-only lag=0", false},
        {"health lag=0", true},      {"replica lag=1MB lag=5s", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fit(w, w->replica, cases[i].text), cases[i].fit);
    }
    assert_true(fit(w, w->primary, "read-only lag=0"));
}

static void lag_that_is_not_known_is_over_every_limit(void **state) {
    struct world *w = *state;
    w->replica->view.lag_seconds = w->replica->view.lag_bytes = (double)NAN;
    assert_false(fit(w, w->replica, "replica lag=1h"));
    assert_false(fit(w, w->replica, "replica lag=1GB"));
    assert_int_equal(w->advice.cause, ADVICE_LAG);
    assert_true(fit(w, w->replica, "replica"));
}

static void a_replica_that_is_down_or_stale_or_new_is_not_fit(void **state) {
    struct world *w = *state;
    w->replica->view.last_round_usec = NOW - 10 * SECOND;
    assert_true(fit(w, w->replica, "replica"));
    w->replica->view.last_round_usec = NOW - 10 * SECOND - 1;
    assert_false(fit(w, w->replica, "replica"));
    assert_int_equal(w->advice.cause, ADVICE_STALE);
    assert_false(w->advice.fresh);
    w->replica->view.last_round_usec = NOW;
    for (int reason = 0; reason < REASON_COUNT; reason++) {
        fails_with(w->replica, (enum client_reason)reason);
        assert_false(fit(w, w->replica, "replica"));
        assert_false(fit(w, w->replica, "health"));
        assert_int_equal(w->advice.cause, ADVICE_DOWN);
        assert_true(w->advice.fresh);
    }
    w->replica->view.health = TARGET_PENDING;
    assert_false(fit(w, w->replica, "replica"));
    assert_int_equal(w->advice.cause, ADVICE_PENDING);
    assert_false(w->advice.fresh);
}

static void slow_rounds_of_a_long_timeout_are_not_stale(void **state) {
    struct world *w = *state;
    w->replica->options.timeout_usec = 20 * SECOND;
    w->replica->view.last_round_usec = NOW - 25 * SECOND;
    assert_true(fit(w, w->replica, "replica"));
}

/* A monitor that is cut off would else take a living primary out. */
static void a_primary_out_of_our_reach_stays_the_primary(void **state) {
    struct world *w = *state;
    static const enum client_reason ours[] = {REASON_TIMEOUT, REASON_UNREACHABLE, REASON_DNS,
                                              REASON_AUTH, REASON_LOCAL};
    static const enum client_reason gone[] = {REASON_REFUSED, REASON_SHUTDOWN, REASON_STARTING,
                                              REASON_CLOSED};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        fails_with(w->primary, ours[i]);
        assert_true(fit(w, w->primary, "primary"));
        assert_true(fit(w, w->primary, "writable"));
        assert_true(fit(w, w->primary, "read-only"));
        assert_false(fit(w, w->primary, "primary strict"));
        assert_false(fit(w, w->primary, "health"));
    }
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        fails_with(w->primary, gone[i]);
        assert_false(fit(w, w->primary, "primary"));
        assert_false(fit(w, w->primary, "read-only"));
    }
    w->primary->view.health = TARGET_UP;
    w->primary->view.last_round_usec = 1;
    assert_true(fit(w, w->primary, "primary"));
    assert_false(w->advice.fresh);
    assert_false(fit(w, w->primary, "primary strict"));
}

static void a_replaced_primary_is_never_one_again(void **state) {
    struct world *w = *state;
    fails_with(w->primary, REASON_TIMEOUT);
    w->replica->view.standing.role = ROLE_PRIMARY;
    w->replica->view.standing.timeline = 2;
    assert_false(fit(w, w->primary, "primary"));
    assert_non_null(strstr(w->advice.text, "'orders-2' is the primary"));
    assert_true(fit(w, w->replica, "primary"));
    w->primary->view.health = TARGET_UP; /* it comes back and thinks it still is */
    assert_false(fit(w, w->primary, "primary"));
    assert_false(fit(w, w->primary, "writable"));
    assert_true(fit(w, w->replica, "writable"));
    fails_with(w->replica, REASON_REFUSED); /* and when the new one dies */
    assert_false(fit(w, w->primary, "primary"));
    assert_false(fit(w, w->replica, "primary"));
}

/* Whatever the two say, in every state that two members may be in. */
static void at_most_one_member_is_the_primary(void **state) {
    struct world *w = *state;
    static const enum client_reason reasons[] = {REASON_TIMEOUT, REASON_REFUSED};
    unsigned n_both_live = 0;
    for (unsigned bits = 0; bits < 1U << 8; bits++) {
        struct fake_target *members[] = {w->primary, w->replica};
        for (unsigned i = 0; i < 2; i++) {
            unsigned mine = bits >> (4 * i);
            struct target_view *view = &members[i]->view;
            view->standing.role = ROLE_PRIMARY;
            view->standing.timeline = 1 + (mine & 1);
            view->standing.since_usec = SECOND + (mine >> 1 & 1);
            view->health = TARGET_UP;
            if ((mine >> 2 & 1) != 0) {
                fails_with(members[i], reasons[mine >> 3 & 1]);
            }
        }
        bool first = fit(w, w->primary, "primary"), second = fit(w, w->replica, "primary");
        assert_false(first && second);
        if (w->primary->view.health == TARGET_UP && w->replica->view.health == TARGET_UP) {
            assert_true(first || second);
            n_both_live++;
        }
    }
    assert_true(n_both_live > 0);
}

static void two_addresses_of_one_server_are_no_rivals(void **state) {
    struct world *w = *state;
    struct fake_target *address = add_postgres(w, "orders-vip", "10.0.0.9:5432", ROLE_PRIMARY);
    address->view.standing.start_seconds = w->primary->view.standing.start_seconds;
    assert_true(fit(w, w->primary, "primary"));
    assert_true(fit(w, address, "primary"));
}

static void primaries_of_other_systems_do_not_compete(void **state) {
    struct world *w = *state;
    struct fake_target *shard = add_postgres(w, "orders-3", "10.0.0.3:5432", ROLE_PRIMARY);
    shard->view.standing.system_identifier = 8;
    shard->view.standing.timeline = 5;
    assert_true(fit(w, w->primary, "primary"));
    shard->view.standing.system_identifier = 7;
    assert_false(fit(w, w->primary, "primary"));
    shard->options.cluster = other_cluster;
    assert_true(fit(w, w->primary, "primary"));
}

static void the_primary_takes_reads_when_no_replica_can(void **state) {
    struct world *w = *state;
    const char *question = "replica lag=5s fallback=primary";
    assert_false(fit(w, w->primary, question));
    assert_true(fit(w, w->replica, question));
    w->replica->view.lag_seconds = 6;
    assert_false(fit(w, w->replica, question));
    assert_true(fit(w, w->primary, question));
    assert_false(fit(w, w->primary, "replica lag=5s"));
    w->replica->view.lag_seconds = 1;
    assert_false(fit(w, w->primary, question));
    fails_with(w->replica, REASON_TIMEOUT);
    assert_true(fit(w, w->primary, question));
    assert_int_equal(w->advice.weight, 100); /* its lag limit is no business of the primary's */
    fails_with(w->primary, REASON_TIMEOUT);  /* we are cut off: reads go on */
    assert_true(fit(w, w->primary, question));
    fails_with(w->primary, REASON_REFUSED);
    assert_false(fit(w, w->primary, question));
}

static void replicas_of_other_clusters_do_not_help(void **state) {
    struct world *w = *state;
    w->replica->options.cluster = other_cluster;
    assert_true(fit(w, w->primary, "replica fallback=primary"));
    w->primary->options.cluster = w->replica->options.cluster = NULL;
    assert_true(fit(w, w->primary, "replica fallback=primary"));
}

static void a_pooler_has_the_role_of_the_server_on_its_machine(void **state) {
    struct world *w = *state;
    struct fake_target *one = add(w, "pool-1", KIND_PGBOUNCER, "10.0.0.1:6432", ROLE_UNKNOWN);
    struct fake_target *two = add(w, "pool-2", KIND_PGBOUNCER, "10.0.0.2:6432", ROLE_UNKNOWN);
    const char *reads = "replica lag=5s fallback=primary";
    assert_true(fit(w, one, "primary"));
    assert_string_equal(w->advice.role, "primary");
    assert_false(fit(w, one, reads));
    assert_true(fit(w, two, reads));
    assert_false(fit(w, two, "writable"));
    facts_set(&two->view.facts, FACT_PAUSED, 1);
    assert_false(fit(w, two, reads));
    assert_int_equal(w->advice.cause, ADVICE_PAUSED);
    assert_false(fit(w, two, "health"));
    assert_true(
        fit(w, one, reads)); /* the replica's pooler is closed, so the primary's takes over */
    facts_set(&two->view.facts, FACT_PAUSED, 0);
    fails_with(w->replica, REASON_REFUSED);
    assert_false(fit(w, two, reads));
    assert_true(fit(w, two, "health"));
    facts_set(&one->view.facts, FACT_PAUSED, 1);
    assert_false(fit(w, one, "primary")); /* paused is never our side alone */
    fails_with(one, REASON_TIMEOUT);
    assert_true(fit(w, one, "primary"));
    assert_false(fit(w, one, "primary strict"));
    fails_with(one, REASON_REFUSED);
    assert_false(fit(w, one, "primary"));
}

static void a_pooler_without_one_server_beside_it_has_no_role(void **state) {
    struct world *w = *state;
    struct fake_target *pool = add(w, "pool", KIND_PGBOUNCER, "10.0.0.3:6432", ROLE_UNKNOWN);
    assert_false(fit(w, pool, "primary"));
    assert_int_equal(w->advice.cause, ADVICE_ROLE);
    assert_true(fit(w, pool, "health"));
    strcpy(pool->view.instance, "127.0.0.1:6432");
    strcpy(w->primary->view.instance, "/run/postgresql:5432");
    assert_true(fit(w, pool, "primary"));
    strcpy(w->replica->view.instance, "localhost:5433");
    assert_false(fit(w, pool, "primary")); /* which of the two? */
}

static void masters_of_a_redis_cluster_do_not_compete(void **state) {
    struct world *w = *state;
    struct fake_target *one = add(w, "cache-1", KIND_REDIS, "10.0.0.1:6379", ROLE_PRIMARY);
    struct fake_target *two = add(w, "cache-2", KIND_REDIS, "[fd00::2]:6379", ROLE_PRIMARY);
    assert_true(fit(w, one, "primary"));
    assert_true(fit(w, two, "writable"));
    fails_with(one, REASON_TIMEOUT);
    assert_false(fit(w, one, "primary")); /* the other one may have replaced it */
    two->view.standing.role = ROLE_REPLICA;
    assert_true(fit(w, one, "primary"));
    two->view.lag_seconds = 30; /* its link is down */
    assert_false(fit(w, two, "replica lag=5s"));
}

static void the_weight_falls_with_lag_and_load(void **state) {
    struct world *w = *state;
    struct fake_target *host = add(w, "host-1", KIND_HOST, "db2", ROLE_UNKNOWN);
    host->options.cluster = NULL;
    host->view.standing.cpu_busy_ratio = 0.9;
    struct facts *facts = &w->replica->view.facts;
    assert_true(fit(w, w->replica, "replica lag=5s"));
    assert_int_equal(w->advice.weight, 90);
    assert_true(fit(w, w->replica, "replica lag=8KiB"));
    assert_int_equal(w->advice.weight, 50);
    assert_true(fit(w, w->replica, "replica"));
    assert_int_equal(w->advice.weight, 100);
    facts_set(facts, FACT_MAX_CONNECTIONS, 103);
    facts_set(facts, FACT_RESERVED_CONNECTIONS, 3);
    facts_set(facts, FACT_CLIENT_BACKENDS, 75);
    assert_true(fit(w, w->replica, "replica"));
    assert_int_equal(w->advice.weight, 80);
    strcpy(w->replica->view.instance, "db2:5432");
    assert_true(fit(w, w->replica, "replica"));
    assert_int_equal(w->advice.weight, 48);
    w->replica->view.standing.usual_round_seconds = 0.1;
    w->replica->view.standing.last_round_seconds = 3;
    assert_true(fit(w, w->replica, "replica"));
    assert_int_equal(w->advice.weight, 10);
    host->view.last_round_usec = 1; /* what it said once does not count */
    assert_true(fit(w, w->replica, "replica"));
    assert_int_equal(w->advice.weight, 16);
}

static void a_host_counts_for_its_cluster_and_its_machine(void **state) {
    struct world *w = *state;
    struct fake_target *host = add(w, "host-1", KIND_HOST, "monitor", ROLE_UNKNOWN);
    host->view.standing.cpu_busy_ratio = 1;
    assert_true(fit(w, w->primary, "primary"));
    assert_int_equal(w->advice.weight, 20);
    host->options.cluster = NULL;
    assert_true(fit(w, w->primary, "primary"));
    assert_int_equal(w->advice.weight, 100);
    strcpy(w->primary->view.instance, "/run/postgresql:5432");
    assert_true(fit(w, w->primary, "primary"));
    assert_int_equal(w->advice.weight, 20);
}

static void mistakes_in_a_question_are_said(void **state) {
    (void)state;
    static const struct {
        const char *name, *value, *text;
    } cases[] = {
        {"lag", "5 s", "lag should be a time such as 5s or a size such as 16MB"},
        {"lag", "", "lag should be a time such as 5s or a size such as 16MB"},
        {"lag", "-1", "lag should be a time such as 5s or a size such as 16MB"},
        {"lag", "MB", "lag should be a time such as 5s or a size such as 16MB"},
        {"lags", "5s", "there is no parameter 'lags' here (did you mean 'lag'?)"},
        {"fallback", "replica", "fallback can only be 'primary'"},
        {"strict", "perhaps", "strict should be yes or no"},
        {"", "", "there is no parameter '' here: lag, fallback, strict, drain, weight"},
    };
    struct advice_question question = question_of("replica");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        assert_true(advice_question_set(&question, str_of(cases[i].name), str_of(cases[i].value),
                                        &err) < 0);
        assert_string_equal(err.text, cases[i].text);
    }
    assert_false(advice_question_init(str_of("replicas"), &question));
    assert_string_equal(advice_suggest(str_of("replicas")), "replica");
    assert_null(advice_suggest(str_of("something")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_role_is_fit_for_what_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_read_only_primary_takes_no_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lag_is_limited_in_time_and_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lag_that_is_not_known_is_over_every_limit, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_replica_that_is_down_or_stale_or_new_is_not_fit, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(slow_rounds_of_a_long_timeout_are_not_stale, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_primary_out_of_our_reach_stays_the_primary, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_replaced_primary_is_never_one_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(at_most_one_member_is_the_primary, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_addresses_of_one_server_are_no_rivals, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(primaries_of_other_systems_do_not_compete, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_primary_takes_reads_when_no_replica_can, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(replicas_of_other_clusters_do_not_help, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pooler_has_the_role_of_the_server_on_its_machine, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_pooler_without_one_server_beside_it_has_no_role, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(masters_of_a_redis_cluster_do_not_compete, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_weight_falls_with_lag_and_load, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_host_counts_for_its_cluster_and_its_machine, set_up,
                                        tear_down),
        cmocka_unit_test(mistakes_in_a_question_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
