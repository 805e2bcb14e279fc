/* SPDX-License-Identifier: Apache-2.0 */

/* From an alert to a delivery: routes, the file on the disk, restarts, reloads. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actions/receivers.h"
#include "base/mem.h"
#include "fake_way.h"
#include "io/durable.h"
#include "turn.h"

#define MOST_WAYS 8

static char folder[] = "/tmp/test_receivers.XXXXXX";
static char *path;
static struct loop *loop;
static struct receivers *receivers;
static struct fake_way ways[MOST_WAYS];
static size_t n_ways;
static bool was_saved; /* the file was there when something was sent last */

static int make_folder(void **state) {
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state) {
    return rmdir(folder);
}

static void send_saved(void *channel, const struct notification *notification,
                       void (*done)(void *userdata, enum channel_outcome outcome, const char *why,
                                    uint64_t retry_after_usec),
                       void *userdata) {
    struct strbuf file = {0};
    struct str key = notification->group_key;
    was_saved = durable_read_now(path, 1 << 20, &file, NULL) == 0 &&
                memmem(file.data, file.len, key.data, key.len) != NULL;
    strbuf_deinit(&file);
    fake_send(channel, notification, done, userdata);
}

static struct outbox_way connect_way(void *userdata, const char *receiver,
                                     const struct channel_options *options) {
    assert_true(n_ways < MOST_WAYS);
    ways[n_ways] = (struct fake_way){0};
    return (struct outbox_way){send_saved, fake_free, &ways[n_ways++]};
}

static char *by_cluster[] = {(char[]){"cluster"}};
static struct channel_options ops_channels[] = {{.kind = CHANNEL_EMAIL, .send_resolved = true},
                                                {.kind = CHANNEL_EMAIL}};
static struct channel_options pager_channels[] = {{.kind = CHANNEL_PAGERDUTY}};
static char ops[] = "ops", pager[] = "pager";
static struct receiver_options all[] = {{ops, ops_channels, 1}, {pager, pager_channels, 1}};
static struct route_options route = {.group_by = by_cluster,
                                     .n_group_by = 1,
                                     .group_interval_usec = USEC_PER_SEC,
                                     .repeat_interval_usec = 3600 * USEC_PER_SEC};

static void apply(size_t n_receivers) {
    const struct notify_options options = {.receivers = all,
                                           .n_receivers = n_receivers,
                                           .routes = &route,
                                           .n_routes = n_receivers > 0};
    receivers_apply(receivers, &options);
}

static void begin(bool on_disk) {
    n_ways = 0;
    receivers = receivers_new(&(struct receivers_parts){.loop = loop,
                                                        .storage_path = on_disk ? folder : NULL,
                                                        .connect = connect_way,
                                                        .saved_soon_usec = USEC_PER_MSEC});
    apply(1);
}

static int set_up(void **state) {
    path = mem_printf("%s/notifications.state", folder);
    assert_int_equal(loop_new(&loop), 0);
    was_saved = false;
    route.n_matchers = 0;
    ops_channels[0].from = NULL;
    all[0].n_channels = 1;
    begin(true);
    return 0;
}

static int tear_down(void **state) {
    receivers = receivers_free(receivers);
    loop = loop_free(loop);
    (void)unlink(path);
    free(path);
    return 0;
}

static void tell(enum alert_event_kind kind, uint64_t id) {
    const struct label labels[] = {{str_of("alertname"), str_of("Down")},
                                   {str_of("cluster"), str_of("a")}};
    const struct label external[] = {{str_of("zone"), str_of("z")},
                                     {str_of("cluster"), str_of("no")}};
    int64_t now_ms = loop_now_ms(loop);
    const struct alert_view view = {.id = id,
                                    .state = ALERT_FIRING,
                                    .labels = labels,
                                    .n_labels = 2,
                                    .fired_ms = now_ms - 60000,
                                    .resolved_ms = kind == ALERT_EVENT_RESOLVED ? now_ms : 0,
                                    .valid_until_ms = now_ms + 240000,
                                    .query = str_of("up == 0")};
    receivers_event(receivers, &(struct alert_event){kind, 1, &view}, external, 2);
}

static void wait_for_sent(size_t way, int count) {
    assert_true(turn_until(loop, &ways[way].sent, count));
}

static void wait_for_quiet_disk(void) {
    turn_for(loop, 60 * USEC_PER_MSEC);
}

static void deliver(size_t way) {
    wait_for_sent(way, ways[way].sent + !ways[way].under_way);
    fake_answer(&ways[way], CHANNEL_DELIVERED, 0);
}

/* As a crash leaves it: nothing is written at the end. */
static void crash(void) {
    struct strbuf file = {0};
    assert_int_equal(durable_read_now(path, 1 << 20, &file, NULL), 0);
    receivers = receivers_free(receivers);
    assert_int_equal(durable_write_now(path, strbuf_view(&file), NULL), 0);
    strbuf_deinit(&file);
    begin(true);
}

static void is_on_the_disk_before_it_is_sent(void **state) {
    tell(ALERT_EVENT_FIRING, 1);
    turn_until_quiet(loop);
    wait_for_sent(0, 1);
    assert_true(was_saved);
    assert_string_equal(ways[0].said, "{}/ops:{cluster=\"a\"}:1");
    assert_int_equal(receivers_queued(receivers), 1);
    deliver(0);
    assert_int_equal(receivers_queued(receivers), 0);
}

static void a_restart_tells_nothing_twice(void **state) {
    tell(ALERT_EVENT_FIRING, 1);
    deliver(0);
    wait_for_quiet_disk();
    receivers = receivers_free(receivers);
    begin(true);
    tell(ALERT_EVENT_AGAIN, 1);
    turn_for(loop, 1200 * USEC_PER_MSEC); /* more than an interval */
    assert_int_equal(ways[0].sent, 0);
    tell(ALERT_EVENT_RESOLVED, 1);
    deliver(0);
    assert_string_equal(ways[0].said, "{}/ops:{cluster=\"a\"}:0");
}

static void a_crash_before_the_answer_sends_it_again(void **state) {
    tell(ALERT_EVENT_FIRING, 1);
    wait_for_sent(0, 1);
    uint64_t id = ways[0].last_id;
    crash();
    wait_for_sent(0, 1);
    assert_int_equal(ways[0].last_id, id); /* the receiver can tell that it is the same */
    deliver(0);
    wait_for_quiet_disk();
    crash();
    tell(ALERT_EVENT_AGAIN, 1);
    turn_for(loop, 20 * USEC_PER_MSEC);
    assert_int_equal(ways[0].sent, 0);
}

static void a_damaged_file_is_set_aside(void **state) {
    static const char *const contents[] = {"", "dbvitals notifications 2\n",
                                           "dbvitals notifications 1\nxxxxxxxx"};
    for (size_t i = 0; i <= ARRAY_LEN(contents); i++) {
        struct strbuf file = {0};
        tell(ALERT_EVENT_FIRING, i + 1);
        receivers = receivers_free(receivers);
        assert_int_equal(durable_read_now(path, 1 << 20, &file, NULL), 0);
        if (i < ARRAY_LEN(contents)) {
            strbuf_clear(&file);
            strbuf_add_text(&file, contents[i]);
        } else {
            file.data[file.len - 1] ^= 1;
        }
        assert_int_equal(durable_write_now(path, strbuf_view(&file), NULL), 0);
        strbuf_deinit(&file);
        begin(true);
        char *aside = mem_printf("%s.bad-1", path);
        assert_int_equal(unlink(aside), 0);
        free(aside);
        assert_int_equal(receivers_queued(receivers), 0);
    }
}

static void works_without_a_disk(void **state) {
    receivers = receivers_free(receivers);
    (void)unlink(path);
    begin(false);
    tell(ALERT_EVENT_FIRING, 1);
    deliver(0);
    assert_string_equal(ways[0].said, "{}/ops:{cluster=\"a\"}:1");
    assert_int_equal(access(path, F_OK), -1);
}

static void works_with_a_disk_that_fails(void **state) {
    receivers = receivers_free(receivers);
    (void)unlink(path);
    assert_int_equal(mkdir(path, 0700), 0); /* cannot be replaced by a file */
    begin(true);
    tell(ALERT_EVENT_FIRING, 1);
    deliver(0);
    receivers = receivers_free(receivers);
    char *aside = mem_printf("%s.new", path);
    (void)unlink(aside);
    free(aside);
    assert_int_equal(rmdir(path), 0);
}

static void a_reload_keeps_what_stays_the_same(void **state) {
    tell(ALERT_EVENT_FIRING, 1);
    wait_for_sent(0, 1);
    apply(2);
    assert_int_equal(n_ways, 2); /* only the new one */
    assert_true(ways[0].under_way);
    deliver(0);
    tell(ALERT_EVENT_AGAIN, 1);
    turn_for(loop, 20 * USEC_PER_MSEC);
    assert_int_equal(ways[0].sent, 1);
}

static void changed_options_make_another_way(void **state) {
    tell(ALERT_EVENT_FIRING, 1);
    wait_for_sent(0, 1);
    ops_channels[0].from = (char[]){"me@example.org"};
    apply(1);
    assert_true(ways[0].freed);
    wait_for_sent(1, 1);
    assert_string_equal(ways[1].said, "{}/ops:{cluster=\"a\"}:1");
    deliver(1);
}

static void a_receiver_that_goes_takes_its_queue_along(void **state) {
    tell(ALERT_EVENT_FIRING, 1);
    wait_for_sent(0, 1);
    apply(0);
    assert_true(ways[0].freed);
    assert_int_equal(receivers_queued(receivers), 0);
    turn_for(loop, 20 * USEC_PER_MSEC);
    apply(1); /* and comes back */
    tell(ALERT_EVENT_AGAIN, 1);
    wait_for_sent(1, 1);
}

static void a_receiver_that_went_while_we_were_away(void **state) {
    tell(ALERT_EVENT_FIRING, 1);
    wait_for_sent(0, 1);
    receivers = receivers_free(receivers);
    all[0].name = (char[]){"other"};
    begin(true);
    assert_int_equal(receivers_queued(receivers), 0);
    tell(ALERT_EVENT_AGAIN, 1);
    wait_for_sent(0, 1);
    assert_string_equal(ways[0].said, "{}/other:{cluster=\"a\"}:1");
    all[0].name = ops;
}

static void external_labels_can_be_routed(void **state) {
    struct matcher zone = {MATCH_EQUAL, {"zone", 4}, {"z", 1}, NULL};
    route.matchers = &zone;
    route.n_matchers = 1;
    apply(1);
    tell(ALERT_EVENT_FIRING, 1);
    deliver(0);
    assert_string_equal(ways[0].said, "{zone=\"z\"}/ops:{cluster=\"a\"}:1"); /* the alert's own */
}

static void channels_of_a_kind_are_numbered(void **state) {
    struct batch batch = {0};
    all[0].n_channels = 2;
    apply(1);
    assert_int_equal(n_ways, 2);
    tell(ALERT_EVENT_FIRING, 1);
    deliver(0);
    deliver(1);
    receivers_collect(receivers, &batch);
    struct str labels = batch_labels_text(&batch, batch.samples[9].labels);
    assert_true(str_is(labels, "channel=\"email#2\",receiver=\"ops\""));
    assert_int_equal((int)batch.samples[9].value, 1);
    batch_deinit(&batch);
}

static void nobody_to_tell_costs_nothing(void **state) {
    struct batch batch = {0};
    receivers = receivers_free(receivers);
    (void)unlink(path);
    receivers = receivers_new(
        &(struct receivers_parts){.loop = loop, .storage_path = folder, .connect = connect_way});
    apply(0);
    tell(ALERT_EVENT_FIRING, 1);
    turn_until_quiet(loop);
    receivers_collect(receivers, &batch);
    assert_int_equal(batch.n_samples, 0);
    receivers = receivers_free(receivers);
    assert_int_equal(access(path, F_OK), -1);
    batch_deinit(&batch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(is_on_the_disk_before_it_is_sent),
        TEST(a_restart_tells_nothing_twice),
        TEST(a_crash_before_the_answer_sends_it_again),
        TEST(a_damaged_file_is_set_aside),
        TEST(works_without_a_disk),
        TEST(works_with_a_disk_that_fails),
        TEST(a_reload_keeps_what_stays_the_same),
        TEST(changed_options_make_another_way),
        TEST(a_receiver_that_goes_takes_its_queue_along),
        TEST(a_receiver_that_went_while_we_were_away),
        TEST(external_labels_can_be_routed),
        TEST(channels_of_a_kind_are_numbered),
        TEST(nobody_to_tell_costs_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
