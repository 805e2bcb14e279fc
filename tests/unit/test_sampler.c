/* SPDX-License-Identifier: Apache-2.0 */

/* A target through its bad days: connections that are refused, silent, late, lost in the middle, or
 * old; rounds that end at every stage; reloads and removals while something is under way. The
 * clients are fakes, so each step happens exactly when the test says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/duration.h"
#include "base/log.h"
#include "fake_client.h"
#include "sampler/sampler.h"
#include "sampler/target.h"
#include "store/store.h"
#include "turn.h"

#define INTERVAL ((uint64_t)300 * USEC_PER_MSEC)
#define TIMEOUT  ((uint64_t)100 * USEC_PER_MSEC)

struct fixture {
    struct loop *loop;
    struct store *store;
    struct sampler *sampler;
    struct fake_clients clients;
    struct target_options options;
    int rounds; /* that have ended */
    uint64_t age_usec;
};

static struct client *make_client(void *userdata, const struct target_options *target,
                                  const struct client_events *events) {
    struct fixture *f = userdata;
    (void)target;
    return fake_client_new(&f->clients, events);
}

static void round_ended(void *userdata, const struct target_view *target) {
    struct fixture *f = userdata;
    (void)target;
    f->rounds++;
}

/* A Sentinel asks INFO, and for each primary three commands more that follow from an answer. */
static void begin(struct fixture *f) {
    f->sampler = sampler_new(f->loop, NULL, f->store,
                             &(struct sampler_options){
                                 .round_ended = round_ended,
                                 .make_client = make_client,
                                 .userdata = f,
                                 .connection_age_usec = f->age_usec,
                             });
    sampler_apply(f->sampler, &f->options, 1);
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    log_set_level(LOG_LEVEL_ERROR);
    assert_int_equal(loop_new(&f->loop), 0);
    f->store = store_new(&(struct store_options){0});
    f->clients.loop = f->loop;
    target_options_init(&f->options, KIND_SENTINEL);
    f->options.name = mem_strdup("watch");
    f->options.redis.host = mem_strdup("127.0.0.1");
    f->options.redis.port = 26379;
    f->options.interval_usec = INTERVAL;
    f->options.timeout_usec = TIMEOUT;
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    sampler_free(f->sampler);
    assert_int_equal(f->clients.n_alive, 0);
    store_free(f->store);
    target_options_deinit(&f->options);
    loop_free(f->loop);
    free(f);
    return 0;
}

static const struct target_view *view(const struct fixture *f) {
    return sampler_target(f->sampler, 0);
}

/* ---- what the server says ---- */

static const struct tree info = {
    TREE_TEXT, {"redis_version:7.0.15\r\nsentinel_masters:1\r\n", 42}, 0, NULL, 0};

static const struct tree pairs[] = {
    {TREE_TEXT, {"name", 4}, 0, NULL, 0}, {TREE_TEXT, {"orders", 6}, 0, NULL, 0},
    {TREE_TEXT, {"ip", 2}, 0, NULL, 0},   {TREE_TEXT, {"10.0.0.1", 8}, 0, NULL, 0},
    {TREE_TEXT, {"port", 4}, 0, NULL, 0}, {TREE_TEXT, {"6379", 4}, 0, NULL, 0},
};
static const struct tree primary = {TREE_LIST, {NULL, 0}, 0, pairs, 6};
static const struct tree primaries = {TREE_LIST, {NULL, 0}, 0, &primary, 1};
static const struct tree nothing = {TREE_LIST, {NULL, 0}, 0, NULL, 0};

static void answer_next(struct fake_client *client) {
    struct fake_request *request = fake_next(client);
    assert_non_null(request);
    if (strncmp(request->text, "INFO", 4) == 0) {
        fake_answer(request, &info);
    } else {
        fake_answer(request,
                    strcmp(request->text, "SENTINEL MASTERS") == 0 ? &primaries : &nothing);
    }
}

static void answer_all(struct fake_client *client) {
    while (fake_next(client) != NULL) {
        answer_next(client);
    }
}

/* ---- what the test waits for ---- */

/* The newest client that was made, once there are so many. */
static struct fake_client *await_client(struct fixture *f, size_t count) {
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    while (f->clients.n_made < count && loop_clock_usec() < deadline) {
        (void)loop_run_once(f->loop, USEC_PER_MSEC);
    }
    assert_int_equal(f->clients.n_made, count);
    assert_non_null(f->clients.list[count - 1]);
    return f->clients.list[count - 1];
}

static void await_rounds(struct fixture *f, int count) {
    assert_true(turn_until(f->loop, &f->rounds, count));
    assert_int_equal(f->rounds, count);
}

static void await_question(struct fixture *f, struct fake_client *client) {
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    while (fake_next(client) == NULL && loop_clock_usec() < deadline) {
        (void)loop_run_once(f->loop, USEC_PER_MSEC);
    }
    assert_non_null(fake_next(client));
}

/* The first round, and a connection that has served it. */
static struct fake_client *come_up(struct fixture *f) {
    begin(f);
    struct fake_client *client = await_client(f, 1);
    fake_ready(client);
    answer_all(client);
    assert_int_equal(f->rounds, 1);
    assert_int_equal(view(f)->health, TARGET_UP);
    return client;
}

static const struct collector_view *masters(const struct fixture *f) {
    for (size_t i = 0; i < sampler_target_collectors(view(f)); i++) {
        const struct collector_view *found = sampler_target_collector(view(f), i);
        if (strcmp(found->collector->name, "masters") == 0) {
            return found;
        }
    }
    return NULL;
}

/* ---- rounds ---- */

static void one_connection_serves_all_rounds(void **state) {
    struct fixture *f = *state;
    struct fake_client *client = come_up(f);
    for (int round = 2; round <= 4; round++) {
        await_question(f, client);
        answer_all(client);
        assert_int_equal(f->rounds, round);
    }
    assert_int_equal(f->clients.n_made, 1);
    assert_int_equal(view(f)->failed_rounds, 0);
    assert_int_equal(masters(f)->failure.error.code, 0);
}

static void a_refusal_ends_the_round_at_once(void **state) {
    struct fixture *f = *state;
    begin(f);
    fake_end(await_client(f, 1), CLIENT_GONE, REASON_REFUSED);
    assert_int_equal(f->rounds, 1);
    assert_int_equal(view(f)->health, TARGET_DOWN);
    assert_int_equal(view(f)->last_failure.reason, REASON_REFUSED);
    assert_int_equal(f->clients.n_alive, 0);
}

static void a_late_connection_starts_a_round_by_itself(void **state) {
    struct fixture *f = *state;
    begin(f);
    struct fake_client *client = await_client(f, 1);
    await_rounds(f, 1);
    assert_int_equal(view(f)->last_failure.reason, REASON_TIMEOUT);
    fake_ready(client);
    await_question(f, client);
    answer_all(client);
    assert_int_equal(f->rounds, 2);
    assert_int_equal(view(f)->health, TARGET_UP);
    assert_int_equal(f->clients.n_made, 1);
}

static void a_silent_server_is_drained_and_used_again(void **state) {
    struct fixture *f = *state;
    struct fake_client *client = come_up(f);
    await_question(f, client);
    await_rounds(f, 2);
    assert_int_equal(view(f)->health, TARGET_DOWN);
    assert_int_equal(client->client.state, CLIENT_DRAINING);
    fake_drained(client);
    await_question(f, client);
    answer_all(client);
    assert_int_equal(f->rounds, 3);
    assert_int_equal(view(f)->health, TARGET_UP);
    assert_int_equal(f->clients.n_made, 1);
}

static void two_silent_connections_are_the_most_and_one_stays(void **state) {
    struct fixture *f = *state;
    struct fake_client *first = come_up(f);
    await_question(f, first);
    await_rounds(f, 2);
    struct fake_client *second = await_client(f, 2);
    await_rounds(f, 5);
    assert_int_equal(f->clients.n_made, 2);
    fake_drained(first);
    fake_ready(second);
    await_rounds(f, 5);
    struct fake_client *left = f->clients.list[0] != NULL ? first : second;
    await_question(f, left);
    answer_all(left);
    assert_int_equal(f->rounds, 6);
    assert_int_equal(view(f)->health, TARGET_UP);
    assert_int_equal(f->clients.n_alive, 1);
    assert_int_equal(f->clients.most_alive, 2);
}

static void a_refusal_says_more_than_a_silent_connection(void **state) {
    struct fixture *f = *state;
    struct fake_client *silent = come_up(f);
    await_question(f, silent);
    await_rounds(f, 2);
    assert_int_equal(view(f)->last_failure.reason, REASON_TIMEOUT);
    fake_end(await_client(f, 2), CLIENT_GONE, REASON_REFUSED);
    await_rounds(f, 3);
    assert_int_equal(view(f)->last_failure.reason, REASON_REFUSED);
    assert_int_equal(silent->client.state, CLIENT_DRAINING);
    struct fake_client *third = await_client(f, 3);
    fake_drained(silent);
    answer_all(silent);
    assert_int_equal(f->rounds, 4);
    assert_int_equal(view(f)->health, TARGET_UP);
    assert_false(error_is_set(&view(f)->last_failure.error));
    assert_int_equal(third->client.state, CLIENT_CONNECTING);
}

/* ---- connections that end ---- */

static void a_connection_lost_before_the_first_answer_is_made_again_once(void **state) {
    struct fixture *f = *state;
    struct fake_client *client = come_up(f);
    await_question(f, client);
    fake_end(client, CLIENT_GONE, REASON_CLOSED);
    assert_int_equal(f->rounds, 1);
    struct fake_client *second = await_client(f, 2);
    fake_ready(second);
    fake_end(second, CLIENT_GONE, REASON_CLOSED);
    assert_int_equal(f->rounds, 2);
    assert_int_equal(view(f)->health, TARGET_DOWN);
    assert_int_equal(view(f)->last_failure.reason, REASON_CLOSED);
    assert_int_equal(f->clients.n_alive, 0);
}

static void what_came_before_the_end_of_the_connection_counts(void **state) {
    struct fixture *f = *state;
    struct fake_client *client = come_up(f);
    await_question(f, client);
    answer_next(client);
    fake_end(client, CLIENT_GONE, REASON_CLOSED);
    assert_int_equal(f->rounds, 2);
    assert_int_equal(view(f)->health, TARGET_UP);
    assert_int_equal(view(f)->failed_collectors, 1);
    assert_int_equal(masters(f)->failure.reason, REASON_CLOSED);
    fake_end(await_client(f, 2), CLIENT_GONE, REASON_REFUSED);
    assert_int_equal(f->rounds, 3);
    assert_int_equal(view(f)->health, TARGET_DOWN);
}

static void a_connection_lost_between_answer_and_follow_ups_fails_the_collector(void **state) {
    struct fixture *f = *state;
    struct fake_client *client = come_up(f);
    await_question(f, client);
    answer_next(client);
    answer_next(client);
    assert_string_equal(fake_next(client)->text, "SENTINEL SENTINELS orders");
    answer_next(client);
    fake_end(client, CLIENT_GONE, REASON_CLOSED);
    assert_int_equal(f->rounds, 2);
    assert_int_equal(view(f)->health, TARGET_UP);
    assert_int_equal(masters(f)->failure.reason, REASON_CLOSED);
    struct fake_client *second = await_client(f, 2);
    fake_ready(second);
    answer_all(second);
    assert_int_equal(f->rounds, 3);
    assert_int_equal(view(f)->failed_collectors, 0);
}

static void silence_after_the_answer_fails_the_collector(void **state) {
    struct fixture *f = *state;
    struct fake_client *client = come_up(f);
    await_question(f, client);
    answer_next(client);
    answer_next(client);
    await_rounds(f, 2);
    assert_int_equal(view(f)->health, TARGET_UP);
    assert_int_equal(view(f)->failed_collectors, 1);
    assert_int_equal(masters(f)->failure.reason, REASON_TIMEOUT);
}

static void a_round_does_not_wait_for_an_end_that_is_never_told(void **state) {
    struct fixture *f = *state;
    struct fake_client *client = come_up(f);
    struct client_failure failure = fake_failure(CLIENT_GONE, REASON_SHUTDOWN, true, "last word");
    await_question(f, client);
    answer_next(client);
    fake_fail(fake_next(client), &failure);
    assert_int_equal(f->rounds, 1);
    await_rounds(f, 2);
    assert_int_equal(view(f)->health, TARGET_UP);
    assert_int_equal(masters(f)->failure.reason, REASON_SHUTDOWN);
    client = await_client(f, 2);
    fake_ready(client);
    fake_fail(fake_next(client), &failure);
    fake_fail(fake_next(client), &failure);
    await_rounds(f, 3);
    assert_int_equal(view(f)->health, TARGET_DOWN);
    assert_int_equal(view(f)->last_failure.reason, REASON_SHUTDOWN);
}

/* The schedule alone would be too slow for await_client(). */
static void an_idle_connection_that_ends_is_news(void **state) {
    struct fixture *f = *state;
    f->options.interval_usec = 60 * USEC_PER_SEC;
    fake_end(come_up(f), CLIENT_GONE, REASON_CLOSED);
    fake_end(await_client(f, 2), CLIENT_GONE, REASON_REFUSED);
    assert_int_equal(f->rounds, 2);
    assert_int_equal(view(f)->health, TARGET_DOWN);
}

/* One that answers the first question and hangs up, for ever. */
static void a_server_that_hangs_up_after_each_answer_makes_no_storm(void **state) {
    struct fixture *f = *state;
    begin(f);
    uint64_t end = loop_clock_usec() + 10 * INTERVAL;
    size_t served = 0;
    while (loop_clock_usec() < end) {
        if (served < f->clients.n_made && f->clients.list[f->clients.n_made - 1] != NULL) {
            struct fake_client *client = f->clients.list[f->clients.n_made - 1];
            served = f->clients.n_made;
            fake_ready(client);
            answer_next(client);
            fake_end(client, CLIENT_GONE, REASON_CLOSED);
        }
        (void)loop_run_once(f->loop, USEC_PER_MSEC);
    }
    /* A few more than the schedule has: the first news are quick. */
    assert_in_range(f->rounds, 5, 16);
}

/* ---- the breaker ---- */

static void an_open_breaker_asks_one_question_until_it_is_answered(void **state) {
    struct fixture *f = *state;
    begin(f);
    for (size_t i = 1; i <= 5; i++) {
        fake_end(await_client(f, i), CLIENT_GONE, REASON_REFUSED);
    }
    assert_int_equal(view(f)->breaker->state, BREAKER_OPEN);
    struct fake_client *client = await_client(f, 6);
    fake_ready(client);
    assert_int_equal(client->n_requests, 1);
    assert_string_equal(client->requests[0].text, "INFO ALL");
    answer_next(client);
    assert_int_equal(f->rounds, 5);
    assert_string_equal(fake_next(client)->text, "SENTINEL MASTERS");
    answer_all(client);
    assert_int_equal(f->rounds, 6);
    assert_int_equal(view(f)->health, TARGET_UP);
    assert_int_equal(view(f)->breaker->state, BREAKER_CLOSED);
    assert_int_equal(view(f)->failed_collectors, 0);
}

static void a_probe_whose_connection_ends_is_a_bad_round(void **state) {
    struct fixture *f = *state;
    begin(f);
    for (size_t i = 1; i <= 5; i++) {
        fake_end(await_client(f, i), CLIENT_GONE, REASON_REFUSED);
    }
    struct fake_client *client = await_client(f, 6);
    fake_ready(client);
    fake_end(client, CLIENT_GONE, REASON_CLOSED);
    fake_end(await_client(f, 7), CLIENT_GONE, REASON_REFUSED);
    assert_int_equal(f->rounds, 6);
    assert_int_equal(view(f)->breaker->state, BREAKER_OPEN);
    assert_int_equal(view(f)->last_failure.reason, REASON_REFUSED);
}

/* ---- age: so small here that each round finds its connection too old ---- */

static void an_old_connection_serves_until_the_new_one_answers(void **state) {
    struct fixture *f = *state;
    f->age_usec = 1;
    struct fake_client *old = come_up(f);
    struct fake_client *new = await_client(f, 2);
    assert_non_null(fake_next(old));
    fake_ready(new);
    answer_all(old);
    assert_int_equal(f->rounds, 2);
    await_question(f, new);
    assert_null(f->clients.list[0]);
    answer_all(new);
    assert_int_equal(f->rounds, 3);
    assert_int_equal(view(f)->failed_rounds, 0);
    assert_int_equal(f->clients.most_alive, 2);
}

static void an_old_connection_that_cannot_be_renewed_stays(void **state) {
    struct fixture *f = *state;
    f->age_usec = 1;
    struct fake_client *old = come_up(f);
    for (size_t round = 2; round <= 4; round++) {
        fake_end(await_client(f, round), CLIENT_ALIVE, REASON_CONNECTIONS);
        answer_all(old);
        assert_int_equal(f->rounds, round);
    }
    assert_int_equal(view(f)->failed_rounds, 0);
    assert_int_equal(view(f)->health, TARGET_UP);
}

static void an_old_connection_that_ends_hands_over_to_the_new_one(void **state) {
    struct fixture *f = *state;
    f->age_usec = 1;
    struct fake_client *old = come_up(f);
    struct fake_client *new = await_client(f, 2);
    fake_ready(new);
    fake_end(old, CLIENT_GONE, REASON_CLOSED);
    assert_non_null(fake_next(new));
    answer_all(new);
    assert_int_equal(f->rounds, 2);
    assert_int_equal(view(f)->failed_rounds, 0);
}

static void a_silent_renewal_harms_nobody(void **state) {
    struct fixture *f = *state;
    f->age_usec = 1;
    struct fake_client *old = come_up(f);
    await_client(f, 2);
    answer_all(old);
    for (int round = 3; round <= 4; round++) {
        await_question(f, old);
        answer_all(old);
        assert_int_equal(f->rounds, round);
    }
    assert_int_equal(view(f)->failed_rounds, 0);
    assert_int_equal(f->clients.n_made, 2);
}

/* ---- reload and removal ---- */

static void apply(struct fixture *f) {
    sampler_apply(f->sampler, &f->options, 1);
}

static void another_address_is_connected_to_at_once(void **state) {
    struct fixture *f = *state;
    f->options.interval_usec = 60 * USEC_PER_SEC;
    come_up(f);
    for (uint16_t i = 1; i <= 3; i++) {
        f->options.redis.port = (uint16_t)(26379 + i);
        apply(f);
        assert_int_equal(f->clients.n_alive, 0);
        await_client(f, 1 + i);
    }
    fake_ready(f->clients.list[3]);
    answer_all(f->clients.list[3]);
    assert_int_equal(f->rounds, 2);
    assert_int_equal(view(f)->health, TARGET_UP);
    assert_non_null(strstr(view(f)->instance, "26382"));
}

static void labels_may_change_in_the_middle_of_a_round(void **state) {
    struct fixture *f = *state;
    struct fake_client *client = come_up(f);
    await_question(f, client);
    answer_next(client);
    f->options.cluster = mem_strdup("shop");
    apply(f);
    answer_all(client);
    assert_int_equal(f->rounds, 2);
    assert_int_equal(view(f)->health, TARGET_UP);
    assert_non_null(store_find(view(f)->source, "redis_sentinel_masters", ""));
    assert_int_equal(f->clients.n_made, 1);
}

static void another_timeout_renews_the_connection(void **state) {
    struct fixture *f = *state;
    come_up(f);
    f->options.timeout_usec = 2 * TIMEOUT;
    apply(f);
    struct fake_client *new = await_client(f, 2);
    answer_all(f->clients.list[0]);
    fake_ready(new);
    await_question(f, new);
    assert_int_equal(f->clients.n_alive, 1);
}

static void a_target_may_go_in_any_state(void **state) {
    struct fixture *f = *state;
    for (int stage = 0; stage < 7; stage++) {
        f->clients.n_made = 0;
        f->rounds = 0;
        begin(f);
        struct fake_client *client = await_client(f, 1);
        if (stage >= 1) {
            fake_ready(client);
        }
        for (int i = 0; stage >= 2 && stage < 5 && i < stage - 1; i++) {
            answer_next(client);
        }
        if (stage >= 5) {
            await_rounds(f, 1);
        }
        if (stage == 6) {
            await_client(f, 2);
        }
        sampler_apply(f->sampler, NULL, 0);
        assert_int_equal(f->clients.n_alive, 0);
        assert_int_equal(sampler_targets(f->sampler), 0);
        turn_until_quiet(f->loop);
        f->sampler = sampler_free(f->sampler);
    }
}

static void a_paused_server_may_be_replaced_while_it_drains(void **state) {
    struct fixture *f = *state;
    struct fake_client *client = come_up(f);
    await_question(f, client);
    await_rounds(f, 2);
    f->options.redis.port = 26380;
    apply(f);
    struct fake_client *second = await_client(f, 2);
    assert_int_equal(f->clients.n_alive, 1);
    fake_ready(second);
    answer_all(second);
    assert_int_equal(view(f)->health, TARGET_UP);
}

static size_t count_phases(struct fixture *f, size_t n_targets) {
    struct target_options options[SCHEDULE_MOST_IN_STEP + 1];
    char names[SCHEDULE_MOST_IN_STEP + 1][32];
    size_t phases = 0;
    assert_true(n_targets <= ARRAY_LEN(options));
    for (size_t i = 0; i < n_targets; i++) {
        snprintf(names[i], sizeof(names[i]), "watch-%zu", i);
        options[i] = f->options;
        options[i].name = names[i];
    }
    sampler_apply(f->sampler, options, n_targets);
    for (size_t i = 0; i < n_targets; i++) {
        /* A view is its target. */
        const struct target *target = (const struct target *)sampler_target(f->sampler, i);
        bool is_new = true;
        for (size_t k = 0; k < i; k++) {
            const struct target *other = (const struct target *)sampler_target(f->sampler, k);
            is_new &= other->schedule.phase_usec != target->schedule.phase_usec;
        }
        phases += is_new;
    }
    return phases;
}

static void a_handful_of_targets_is_sampled_in_step_and_a_fleet_is_not(void **state) {
    struct fixture *f = *state;
    begin(f);
    assert_int_equal(count_phases(f, SCHEDULE_MOST_IN_STEP), 1);
    assert_true(count_phases(f, SCHEDULE_MOST_IN_STEP + 1) > SCHEDULE_MOST_IN_STEP / 2);
    assert_int_equal(count_phases(f, 2), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CASE(one_connection_serves_all_rounds),
        CASE(a_refusal_ends_the_round_at_once),
        CASE(a_late_connection_starts_a_round_by_itself),
        CASE(a_silent_server_is_drained_and_used_again),
        CASE(two_silent_connections_are_the_most_and_one_stays),
        CASE(a_refusal_says_more_than_a_silent_connection),
        CASE(a_connection_lost_before_the_first_answer_is_made_again_once),
        CASE(what_came_before_the_end_of_the_connection_counts),
        CASE(a_connection_lost_between_answer_and_follow_ups_fails_the_collector),
        CASE(silence_after_the_answer_fails_the_collector),
        CASE(a_round_does_not_wait_for_an_end_that_is_never_told),
        CASE(an_idle_connection_that_ends_is_news),
        CASE(a_server_that_hangs_up_after_each_answer_makes_no_storm),
        CASE(an_open_breaker_asks_one_question_until_it_is_answered),
        CASE(a_probe_whose_connection_ends_is_a_bad_round),
        CASE(an_old_connection_serves_until_the_new_one_answers),
        CASE(an_old_connection_that_cannot_be_renewed_stays),
        CASE(an_old_connection_that_ends_hands_over_to_the_new_one),
        CASE(a_silent_renewal_harms_nobody),
        CASE(another_address_is_connected_to_at_once),
        CASE(labels_may_change_in_the_middle_of_a_round),
        CASE(another_timeout_renews_the_connection),
        CASE(a_target_may_go_in_any_state),
        CASE(a_handful_of_targets_is_sampled_in_step_and_a_fleet_is_not),
        CASE(a_paused_server_may_be_replaced_while_it_drains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
