/* SPDX-License-Identifier: Apache-2.0 */

/* The kernel as a server: what a client promises holds for it too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "host_folder.h"
#include "io/host_client.h"
#include "turn.h"

#define TIMEOUT (4 * USEC_PER_SEC)

static struct host_folder folder;
static struct loop *loop;
static struct host_probe *probe;
static struct client *client;
static struct arena arena;
static int n_ready, n_drained, n_ended;

static void ready(void *userdata, const struct client_hello *hello) {
    n_ready++;
    assert_int_equal(hello->version, 0);
}

static void drained(void *userdata) {
    n_drained++;
}

static void ended(void *userdata, const struct client_failure *failure) {
    n_ended++;
}

static int hanging_statvfs(const char *path, struct statvfs *ret) {
    while (strstr(path, "/stuck") != NULL) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    *ret = (struct statvfs){.f_frsize = 4096, .f_blocks = 10};
    return 0;
}

static int set_up(void **state) {
    static const struct client_events events = {.ready = ready, .drained = drained, .ended = ended};
    static const struct host_probe_ops ops = {.statvfs = hanging_statvfs};
    host_folder_init(&folder);
    assert_int_equal(loop_new(&loop), 0);
    n_ready = n_drained = n_ended = 0;
    probe = host_probe_new(loop, &ops);
    client = host_client_new(loop, probe, &folder.options, TIMEOUT, &events);
    return 0;
}

static int tear_down(void **state) {
    client = client_free(client);
    probe = host_probe_free(probe);
    loop = loop_free(loop);
    host_folder_deinit(&folder);
    arena_deinit(&arena);
    return 0;
}

struct seen {
    int calls;
    struct client_reply reply;
    struct client_failure failure;
    bool frees;
};

static void done(void *userdata, const struct client_reply *reply,
                 const struct client_failure *failure) {
    struct seen *seen = userdata;
    seen->calls++;
    assert_true((reply == NULL) != (failure == NULL));
    if (reply != NULL) {
        seen->reply = *reply;
    } else {
        seen->failure = *failure;
    }
    if (seen->frees) {
        client = client_free(client);
    }
}

static void submit(const char *text, struct seen *seen) {
    client_submit(
        client,
        &(struct client_request){
            .text = text, .constant = true, .arena = &arena, .done = done, .userdata = seen});
}

static void open_it(void) {
    client_open(client);
    assert_int_equal(n_ready, 0);
    assert_true(turn_until(loop, &n_ready, 1));
    assert_int_equal(client->state, CLIENT_READY);
}

static void ask(const char *text, struct seen *seen) {
    *seen = (struct seen){0};
    submit(text, seen);
    client_flush(client);
    assert_int_equal(seen->calls, 0);
    assert_true(turn_until(loop, &seen->calls, 1));
}

static struct str cell(const struct seen *seen, const char *column) {
    int place = table_column(seen->reply.table, column);
    assert_true(place >= 0);
    return table_cell(seen->reply.table, 0, (size_t)place);
}

static void a_file_is_a_text(void **state) {
    struct seen seen;
    host_folder_write(&folder, "proc/stat", "btime 5\n");
    open_it();
    ask("/proc/stat", &seen);
    assert_int_equal(seen.reply.tree->type, TREE_TEXT);
    assert_true(str_is(seen.reply.tree->text, "btime 5\n"));
}

static void folders_are_tables_here_and_by_a_worker(void **state) {
    struct seen seen;
    host_folder_write(&folder, "proc/pressure/io", "some total=1\n");
    host_folder_write(&folder, "sys/class/net/eth0/mtu", "1500\n");
    open_it();
    ask("/proc/pressure/*", &seen);
    assert_true(str_is(cell(&seen, "text"), "some total=1"));
    ask("/sys/class/net/* mtu", &seen);
    assert_true(str_is(cell(&seen, "name"), "eth0"));
    assert_true(str_is(cell(&seen, "mtu"), "1500"));
}

static void file_systems_are_a_table(void **state) {
    struct seen seen;
    host_folder_write(&folder, "proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
    open_it();
    ask(HOST_STATVFS, &seen);
    assert_true(str_is(cell(&seen, "size"), "40960"));
}

static void system_calls_have_words(void **state) {
    struct seen seen;
    struct utsname name;
    double seconds;
    assert_int_equal(uname(&name), 0);
    open_it();
    ask("uname", &seen);
    assert_true(str_is(cell(&seen, "nodename"), name.nodename));
    assert_true(str_is(cell(&seen, "release"), name.release));
    ask("time", &seen);
    assert_true(str_to_double(cell(&seen, "seconds"), &seconds));
    double now = (double)loop_now_ms(loop) / 1000;
    assert_true(seconds <= now && seconds > now - 60);
}

static void what_the_kernel_lacks_is_unsupported(void **state) {
    static const char *const questions[] = {"/proc/vmstat", "/etc/passwd", "nonsense"};
    open_it();
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        struct seen seen;
        ask(questions[i], &seen);
        assert_int_equal(seen.failure.reason, REASON_UNSUPPORTED);
        assert_false(seen.failure.connection);
        assert_non_null(strstr(seen.failure.error.text, questions[i]));
    }
    assert_int_equal(n_ended, 0);
}

static void many_are_answered_in_their_order(void **state) {
    struct seen seen[20] = {0};
    host_folder_write(&folder, "proc/loadavg", "1 2 3\n");
    open_it();
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        submit("/proc/loadavg", &seen[i]);
    }
    turn_until_quiet(loop);
    assert_int_equal(seen[0].calls, 0); /* nothing goes without a flush */
    client_flush(client);
    turn_until_quiet(loop);
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        assert_int_equal(seen[i].calls, 1);
    }
}

static void what_hangs_is_given_up_and_the_rest_is_answered(void **state) {
    struct seen seen;
    host_folder_write(&folder, "proc/1/mountinfo",
                      "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / /stuck rw - nfs4 n:/ rw\n");
    open_it();
    uint64_t begin = loop_clock_usec();
    ask(HOST_STATVFS, &seen);
    assert_true(loop_clock_usec() - begin < TIMEOUT);
    assert_int_equal(seen.reply.table->n_rows, 2);
    assert_int_equal(host_probe_hanging(probe), 1);
}

static void abandoning_answers_everything_and_drains_at_once(void **state) {
    struct seen slow = {0}, unsent = {0}, next;
    host_folder_write(&folder, "proc/1/mountinfo", "2 1 0:9 / /stuck rw - nfs4 n:/ rw\n");
    host_folder_write(&folder, "proc/loadavg", "1 2 3\n");
    open_it();
    submit(HOST_STATVFS, &slow);
    client_flush(client);
    submit("/proc/loadavg", &unsent);
    client_abandon(client, "no answer within 3s");
    assert_int_equal(client->state, CLIENT_DRAINING);
    assert_int_equal(slow.calls + unsent.calls, 0);
    assert_true(turn_until(loop, &n_drained, 1));
    assert_int_equal(slow.calls, 1);
    assert_int_equal(unsent.calls, 1);
    assert_int_equal(slow.failure.end, CLIENT_SILENT);
    assert_string_equal(slow.failure.error.text, "no answer within 3s");
    assert_int_equal(client->state, CLIENT_READY);
    ask("/proc/loadavg", &next);
    assert_non_null(next.reply.tree);
    assert_int_equal(slow.calls, 1);
}

static void freeing_answers_what_is_open(void **state) {
    struct seen slow = {0}, unsent = {0};
    host_folder_write(&folder, "proc/1/mountinfo", "2 1 0:9 / /stuck rw - nfs4 n:/ rw\n");
    open_it();
    submit(HOST_STATVFS, &slow);
    client_flush(client);
    submit("/proc/loadavg", &unsent);
    client = client_free(client);
    assert_int_equal(slow.calls, 1);
    assert_int_equal(unsent.calls, 1);
    assert_int_equal(slow.failure.reason, REASON_CANCELED);
    turn_until_quiet(loop);
    assert_int_equal(slow.calls, 1);
}

static void may_be_freed_inside_an_answer(void **state) {
    static const char *const questions[] = {"/proc/loadavg", "/sys/class/net/* mtu"};
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        struct seen first = {.frees = true}, second = {0};
        if (i > 0) {
            assert_int_equal(tear_down(state), 0);
            assert_int_equal(set_up(state), 0);
        }
        host_folder_write(&folder, "proc/loadavg", "1 2 3\n");
        host_folder_write(&folder, "proc/1/mountinfo", "2 1 0:9 / /stuck rw - nfs4 n:/ rw\n");
        open_it();
        submit(questions[i], &first);
        submit(HOST_STATVFS, &second);
        client_flush(client);
        assert_true(turn_until(loop, &first.calls, 1));
        assert_null(client);
        turn_until_quiet(loop);
        assert_int_equal(first.calls, 1);
        assert_int_equal(second.calls, 1);
        assert_int_equal(second.failure.reason, REASON_CANCELED);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_a_text),
        TEST(folders_are_tables_here_and_by_a_worker),
        TEST(file_systems_are_a_table),
        TEST(system_calls_have_words),
        TEST(what_the_kernel_lacks_is_unsupported),
        TEST(many_are_answered_in_their_order),
        TEST(what_hangs_is_given_up_and_the_rest_is_answered),
        TEST(abandoning_answers_everything_and_drains_at_once),
        TEST(freeing_answers_what_is_open),
        TEST(may_be_freed_inside_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
