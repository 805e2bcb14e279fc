/* SPDX-License-Identifier: Apache-2.0 */

/* What waits for delivery: order, replacement, repetition, limits, what is on the disk. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_way.h"
#include "turn.h"
#include "base/mem.h"

static struct loop *loop;
static struct outbox *outbox;
static struct fake_way way;
static char news_text[1024];

static void take_news(void *userdata, enum outbox_news news, struct str group_key) {
    static const char letters[] = {[OUTBOX_STARTED] = 's',
                                   [OUTBOX_DELIVERED] = 'd',
                                   [OUTBOX_UNANSWERED] = 'u',
                                   [OUTBOX_REFUSED] = 'r',
                                   [OUTBOX_DROPPED] = 'x'};
    size_t len = strlen(news_text);
    (void)snprintf(news_text + len, sizeof(news_text) - len, "%c%.*s ", letters[news],
                   (int)group_key.len, group_key.data);
}

static void begin(struct outbox_options options) {
    struct outbox_way fake = fake_way_of(&way);
    options.loop = loop;
    options.receiver = "ops";
    options.channel = "email";
    options.news = take_news;
    options.first_wait_usec =
        options.first_wait_usec != 0 ? options.first_wait_usec : USEC_PER_MSEC;
    way = (struct fake_way){0};
    news_text[0] = '\0';
    outbox = outbox_new(&options);
    outbox_set_way(outbox, &fake);
}

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    begin((struct outbox_options){0});
    return 0;
}

static int tear_down(void **state) {
    outbox = outbox_free(outbox);
    loop = loop_free(loop);
    return 0;
}

static void begin_again(struct outbox_options options) {
    outbox = outbox_free(outbox);
    begin(options);
}

static struct notification *make(const char *key, size_t n_alerts, uint64_t id) {
    struct notification *notification = notification_new();
    notification->id = id;
    notification->receiver = str_of("ops");
    notification->group_key = arena_dup(&notification->arena, str_of(key));
    notification->alerts =
        arena_array(&notification->arena, n_alerts, sizeof(*notification->alerts));
    notification->n_alerts = n_alerts;
    return notification;
}

static void put(const char *key, size_t n_alerts) {
    outbox_put(outbox, make(key, n_alerts, n_alerts), true);
}

static void answer(enum channel_outcome outcome) {
    assert_true(turn_until(loop, &way.sent, way.sent + !way.under_way));
    assert_true(way.under_way);
    fake_answer(&way, outcome, 0);
    turn_until_quiet(loop);
}

static size_t queued(void) {
    return outbox_stats(outbox).queued;
}

static void one_after_another_the_oldest_first(void **state) {
    put("a", 1);
    put("b", 2);
    assert_int_equal(way.sent, 0); /* never inside put */
    turn_until_quiet(loop);
    assert_int_equal(way.sent, 1);
    assert_int_equal(queued(), 2);
    answer(CHANNEL_DELIVERED);
    assert_int_equal(way.sent, 2);
    answer(CHANNEL_DELIVERED);
    assert_string_equal(way.said, "a:1 b:2");
    assert_string_equal(news_text, "sa da sb db ");
    struct delivery_stats stats = outbox_stats(outbox);
    assert_int_equal(stats.sent, 2);
    assert_int_equal(stats.requests, 2);
    assert_int_equal(stats.errors, 0);
    assert_int_equal(stats.queued, 0);
}

static void the_newer_takes_the_place_of_the_older(void **state) {
    put("a", 1);
    put("b", 1);
    put("a", 3);
    assert_int_equal(queued(), 2);
    turn_until_quiet(loop);
    answer(CHANNEL_DELIVERED);
    answer(CHANNEL_DELIVERED);
    assert_string_equal(way.said, "a:3 b:1");
}

static void what_is_cancelled_is_never_sent(void **state) {
    put("a", 1);
    put("b", 1);
    outbox_cancel(outbox, str_of("a"));
    outbox_cancel(outbox, str_of("nothing"));
    assert_false(outbox_has(outbox, str_of("a")));
    assert_true(outbox_has(outbox, str_of("b")));
    turn_until_quiet(loop);
    assert_true(outbox_has(outbox, str_of("b"))); /* under way */
    outbox_cancel(outbox, str_of("b"));           /* too late */
    answer(CHANNEL_DELIVERED);
    assert_string_equal(way.said, "b:1");
}

static void a_failed_attempt_is_repeated(void **state) {
    put("a", 1);
    put("b", 1);
    turn_until_quiet(loop);
    answer(CHANNEL_RETRY);
    answer(CHANNEL_RETRY);
    answer(CHANNEL_DELIVERED);
    answer(CHANNEL_DELIVERED);
    assert_string_equal(way.said, "a:1 a:1 a:1 b:1");
    assert_string_equal(news_text, "sa ua sa ua sa da sb db ");
    assert_int_equal(outbox_stats(outbox).errors, 2);
}

static void newer_news_replaces_what_failed(void **state) {
    put("a", 1);
    turn_until_quiet(loop);
    put("a", 2);
    answer(CHANNEL_RETRY);
    answer(CHANNEL_DELIVERED);
    turn_until_quiet(loop);
    assert_string_equal(way.said, "a:1 a:2");
    assert_int_equal(queued(), 0);
}

static void one_that_fails_does_not_hold_up_the_others(void **state) {
    put("a", 1);
    put("b", 1);
    turn_until_quiet(loop);
    answer(CHANNEL_RETRY);
    answer(CHANNEL_RETRY);
    answer(CHANNEL_RETRY);
    answer(CHANNEL_DELIVERED);
    answer(CHANNEL_DELIVERED);
    assert_string_equal(way.said, "a:1 a:1 a:1 b:1 a:1");
}

static void waits_as_long_as_it_is_asked(void **state) {
    put("a", 1);
    turn_until_quiet(loop);
    fake_answer(&way, CHANNEL_RETRY, 100 * USEC_PER_MSEC);
    turn_for(loop, 60 * USEC_PER_MSEC);
    assert_int_equal(way.sent, 1);
    assert_true(turn_until(loop, &way.sent, 2));
}

static void what_is_refused_is_dropped(void **state) {
    put("a", 1);
    put("b", 1);
    turn_until_quiet(loop);
    answer(CHANNEL_REFUSED);
    answer(CHANNEL_DELIVERED);
    assert_string_equal(news_text, "sa ra sb db ");
    struct delivery_stats stats = outbox_stats(outbox);
    assert_int_equal(stats.dropped[DELIVERY_REFUSED], 1);
    assert_int_equal(stats.errors, 1);
    assert_int_equal(stats.sent, 1);
    assert_int_equal(stats.breaker->state, BREAKER_CLOSED);
}

static void a_breaker_keeps_away_from_who_does_not_answer(void **state) {
    put("a", 1);
    turn_until_quiet(loop);
    for (int i = 0; i < 5; i++) {
        answer(CHANNEL_RETRY);
    }
    assert_int_equal(outbox_stats(outbox).breaker->state, BREAKER_OPEN);
    turn_for(loop, 80 * USEC_PER_MSEC); /* longer than the back-off */
    assert_int_equal(way.sent, 5);
    assert_int_equal(queued(), 1);
}

static void the_oldest_make_place(void **state) {
    begin_again((struct outbox_options){.most_queued = 2});
    put("a", 1);
    put("b", 1);
    put("c", 1);
    assert_int_equal(queued(), 3); /* never inside put */
    turn_until_quiet(loop);
    assert_string_equal(news_text, "xa sb ");
    assert_int_equal(outbox_stats(outbox).dropped[DELIVERY_FULL], 1);
    begin_again((struct outbox_options){.most_bytes = 1500});
    for (char key[2] = "a"; key[0] <= 'j'; key[0]++) {
        put(key, 4);
    }
    turn_until_quiet(loop);
    assert_in_range(queued(), 1, 5);
    assert_int_equal(queued() + outbox_stats(outbox).dropped[DELIVERY_FULL], 10);
}

static void what_nobody_takes_is_given_up(void **state) {
    /* Given up before so many failures that the breaker keeps away for seconds. */
    begin_again((struct outbox_options){.oldest_usec = 30 * USEC_PER_MSEC,
                                        .first_wait_usec = 20 * USEC_PER_MSEC});
    put("a", 1);
    turn_until_quiet(loop);
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    while (outbox_stats(outbox).dropped[DELIVERY_EXPIRED] == 0 && loop_clock_usec() < deadline) {
        if (way.under_way) {
            fake_answer(&way, CHANNEL_RETRY, 0);
        }
        (void)loop_run_once(loop, USEC_PER_MSEC);
    }
    assert_int_equal(outbox_stats(outbox).dropped[DELIVERY_EXPIRED], 1);
    assert_int_equal(queued(), 0);
    assert_string_equal(news_text + strlen(news_text) - 3, "ra ");
}

static void waits_for_the_disk(void **state) {
    outbox_put(outbox, make("a", 1, 1), false);
    uint64_t mark = outbox_mark(outbox);
    outbox_put(outbox, make("b", 1, 2), false);
    turn_until_quiet(loop);
    assert_int_equal(way.sent, 0);
    outbox_saved(outbox, mark);
    assert_int_equal(way.sent, 0);
    turn_until_quiet(loop);
    answer(CHANNEL_DELIVERED);
    assert_string_equal(way.said, "a:1"); /* b is not there yet */
    put("c", 1);
    turn_until_quiet(loop);
    assert_string_equal(way.said, "a:1 c:1"); /* and holds up nobody */
    outbox_put(outbox, make("b", 3, 3), false);
    outbox_saved(outbox, mark + 1); /* of the one before */
    answer(CHANNEL_DELIVERED);
    assert_int_equal(way.sent, 2);
    outbox_saved(outbox, outbox_mark(outbox));
    answer(CHANNEL_DELIVERED);
    assert_string_equal(way.said, "a:1 c:1 b:3");
}

static void a_disk_that_stalls_does_not_keep_it_for_ever(void **state) {
    begin_again((struct outbox_options){.longest_unsaved_usec = 20 * USEC_PER_MSEC});
    outbox_put(outbox, make("a", 1, 1), false);
    turn_until_quiet(loop);
    assert_int_equal(way.sent, 0);
    assert_true(turn_until(loop, &way.sent, 1));
}

static void another_way_begins_anew(void **state) {
    struct fake_way other = {0};
    struct outbox_way fake = fake_way_of(&other);
    put("a", 1);
    turn_until_quiet(loop);
    for (int i = 0; i < 5; i++) {
        answer(CHANNEL_RETRY);
    }
    outbox_set_way(outbox, &fake);
    assert_true(way.freed);
    turn_until_quiet(loop);
    assert_int_equal(other.sent, 1); /* neither back-off nor breaker */
    fake = fake_way_of(&way);
    way = (struct fake_way){0};
    outbox_set_way(outbox, &fake); /* with one under way */
    assert_true(other.freed);
    turn_until_quiet(loop);
    assert_string_equal(way.said, "a:1");
}

static void comes_back_from_bytes(void **state) {
    struct strbuf bytes = {0};
    put("a", 1);
    put("b", 2);
    turn_until_quiet(loop); /* a is under way */
    outbox_pack(outbox, 1000, &bytes);
    begin_again((struct outbox_options){0});
    struct unpacker in = {strbuf_view(&bytes), false};
    assert_true(outbox_unpack(outbox, 2000, &in));
    assert_int_equal(in.rest.len, 0);
    turn_until_quiet(loop);
    answer(CHANNEL_DELIVERED);
    answer(CHANNEL_DELIVERED);
    assert_string_equal(way.said, "a:1 b:2");
    for (size_t len = 0; len < bytes.len; len++) {
        in = (struct unpacker){{bytes.data, len}, false};
        assert_false(outbox_unpack(outbox, 2000, &in));
        assert_int_equal(queued(), 0);
    }
    /* A day later nobody wants to know. */
    in = (struct unpacker){strbuf_view(&bytes), false};
    assert_true(outbox_unpack(outbox, 1000 + 24 * 3600 * 1000 - 60000, &in));
    assert_int_equal(queued(), 2);
    assert_int_equal(outbox_clear(outbox), 2);
    strbuf_deinit(&bytes);
}

static void shows_itself_as_metrics(void **state) {
    struct batch batch = {0};
    put("a", 1);
    turn_until_quiet(loop);
    answer(CHANNEL_DELIVERED);
    outbox_collect(outbox, &batch);
    assert_int_equal(batch.n_samples, 6 + DELIVERY_DROPS);
    struct str labels = batch_labels_text(&batch, batch.samples[0].labels);
    assert_string_equal(batch.samples[0].metric.name, "dbvitals_notifications_sent_total");
    assert_true(str_is(labels, "channel=\"email\",receiver=\"ops\""));
    assert_true(batch.samples[0].value > 0);
    labels = batch_labels_text(&batch, batch.samples[8].labels);
    assert_true(str_is(labels, "channel=\"email\",reason=\"expired\",receiver=\"ops\""));
    batch_deinit(&batch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(one_after_another_the_oldest_first),
        TEST(the_newer_takes_the_place_of_the_older),
        TEST(what_is_cancelled_is_never_sent),
        TEST(a_failed_attempt_is_repeated),
        TEST(newer_news_replaces_what_failed),
        TEST(one_that_fails_does_not_hold_up_the_others),
        TEST(waits_as_long_as_it_is_asked),
        TEST(what_is_refused_is_dropped),
        TEST(a_breaker_keeps_away_from_who_does_not_answer),
        TEST(the_oldest_make_place),
        TEST(what_nobody_takes_is_given_up),
        TEST(waits_for_the_disk),
        TEST(a_disk_that_stalls_does_not_keep_it_for_ever),
        TEST(another_way_begins_anew),
        TEST(comes_back_from_bytes),
        TEST(shows_itself_as_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
