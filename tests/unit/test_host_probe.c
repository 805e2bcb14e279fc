/* SPDX-License-Identifier: Apache-2.0 */

/* File systems that hang: each is asked once and shown, the others do not notice. The hanging ones
 * are made of a stand-in for statvfs(), which waits in the worker until it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "host_folder.h"
#include "io/host_mounts.h"
#include "io/host_probe.h"
#include "turn.h"

#define PATIENCE (300 * USEC_PER_MSEC)
#define LONG     (10 * USEC_PER_SEC)

/* Shared with the workers. */
struct shared {
    volatile int released; /* what hangs goes on */
    volatile int asked;    /* calls of statvfs() */
};

static struct shared *shared;
static struct host_folder folder;
static struct loop *loop;
static struct host_probe *probe;
static struct arena arena;

struct seen {
    int calls;
    struct client_failure failure;
    const struct table *table;
};

static int fake_statvfs(const char *path, struct statvfs *ret) {
    (void)__atomic_add_fetch(&shared->asked, 1, __ATOMIC_RELAXED);
    while (strstr(path, "/stuck") != NULL && shared->released == 0) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    *ret = (struct statvfs){.f_frsize = 4096, .f_blocks = 10};
    return 0;
}

static int set_up(void **state) {
    static const struct host_probe_ops ops = {.statvfs = fake_statvfs};
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    host_folder_init(&folder);
    assert_int_equal(loop_new(&loop), 0);
    probe = host_probe_new(loop, &ops);
    return 0;
}

static int tear_down(void **state) {
    probe = host_probe_free(probe);
    loop = loop_free(loop);
    host_folder_deinit(&folder);
    arena_deinit(&arena);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    return munmap(shared, sizeof(*shared));
}

static void done(void *userdata, const struct str *words, const struct client_failure *failure) {
    struct seen *seen = userdata;
    seen->calls++;
    if (failure != NULL) {
        seen->failure = *failure;
    } else {
        assert_int_equal(host_mounts_table(*words, &arena, &seen->table, NULL), 0);
    }
}

static struct host_ask *ask(const char *text, uint64_t deadline_usec, struct seen *seen) {
    *seen = (struct seen){0};
    return host_probe_ask(probe, &(struct host_probe_request){
                                     .text = text,
                                     .options = &folder.options,
                                     .patience_usec = PATIENCE,
                                     .deadline_usec = loop_clock_usec() + deadline_usec,
                                     .done = done,
                                     .userdata = seen,
                                 });
}

/* Mounts "/" and one for each name. */
static void mount_all(const char *const *names, size_t count) {
    struct strbuf text = {0};
    strbuf_add_text(&text, "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
    for (size_t i = 0; i < count; i++) {
        strbuf_printf(&text, "2 1 8:2 / /%s rw - nfs4 nas:/v rw\n", names[i]);
    }
    host_folder_write(&folder, "proc/1/mountinfo", text.data);
    strbuf_deinit(&text);
}

static bool is_hanging(const struct seen *seen, size_t row) {
    size_t column = (size_t)table_column(seen->table, "error");
    return str_is(table_cell(seen->table, row, column), HOST_MOUNT_HANGS);
}

static void tells_all_when_nothing_hangs(void **state) {
    static const char *const names[] = {"a", "b"};
    struct seen seen;
    mount_all(names, 2);
    assert_non_null(ask(HOST_STATVFS, LONG, &seen));
    assert_int_equal(seen.calls, 0);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.table->n_rows, 3);
    assert_int_equal(shared->asked, 3);
    assert_int_equal(host_probe_hanging(probe), 0);
}

static void goes_around_what_hangs_and_asks_it_no_more(void **state) {
    static const char *const names[] = {"a", "stuck1", "b", "stuck2", "c"};
    struct seen seen;
    mount_all(names, 5);
    (void)ask(HOST_STATVFS, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.table->n_rows, 6);
    for (size_t row = 0; row < 6; row++) {
        assert_int_equal(is_hanging(&seen, row), row == 2 || row == 4);
    }
    assert_int_equal(host_probe_hanging(probe), 2);
    assert_int_equal(shared->asked, 6);
    /* Three more rounds ask the others alone, and need no patience. */
    for (int round = 0; round < 3; round++) {
        (void)ask(HOST_STATVFS, LONG, &seen);
        assert_true(turn_until(loop, &seen.calls, 1));
        assert_int_equal(seen.table->n_rows, 6);
        assert_true(is_hanging(&seen, 2));
        assert_false(is_hanging(&seen, 3));
        assert_int_equal(shared->asked, 6 + 4 * (round + 1));
    }
    assert_int_equal(host_probe_hanging(probe), 2);
}

static void asks_again_what_answers_again(void **state) {
    static const char *const names[] = {"stuck"};
    struct seen seen;
    mount_all(names, 1);
    (void)ask(HOST_STATVFS, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_true(is_hanging(&seen, 1));
    shared->released = 1;
    uint64_t until = loop_clock_usec() + LONG;
    while (host_probe_hanging(probe) > 0 && loop_clock_usec() < until) {
        (void)loop_run_once(loop, PATIENCE);
    }
    assert_int_equal(host_probe_hanging(probe), 0);
    (void)ask(HOST_STATVFS, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.table->n_rows, 2);
    assert_false(is_hanging(&seen, 1));
}

/* Counts file systems that hang up to the limit, whatever is asked then. */
static void so_many_hang_and_no_more(void **state) {
    const char *names[HOST_MOST_HANGING + 4];
    char text[HOST_MOST_HANGING + 4][16];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(text[i], sizeof(text[i]), "stuck%zu", i);
        names[i] = text[i];
    }
    struct seen seen;
    mount_all(names, ARRAY_LEN(names));
    (void)ask(HOST_STATVFS, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(host_probe_hanging(probe), HOST_MOST_HANGING);
    assert_int_equal(seen.table->n_rows, 1 + HOST_MOST_HANGING); /* the rest was not asked */
    assert_int_equal(shared->asked, 1 + HOST_MOST_HANGING);
    for (int i = 0; i < 3; i++) {
        assert_null(ask(HOST_STATVFS, LONG, &seen));
    }
    turn_until_quiet(loop);
    assert_int_equal(shared->asked, 1 + HOST_MOST_HANGING);
    /* Files of drivers are asked all the same. */
    assert_non_null(ask("/sys/class/net/* mtu", LONG, &seen));
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_false(error_is_set(&seen.failure.error));
}

static void the_deadline_ends_the_search(void **state) {
    static const char *const names[] = {"a", "stuck1", "stuck2", "stuck3", "stuck4"};
    struct seen seen;
    mount_all(names, 5);
    (void)ask(HOST_STATVFS, PATIENCE * 3 / 2, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_true(seen.table->n_rows >= 3 && seen.table->n_rows <= 4);
    assert_false(is_hanging(&seen, 1));
    assert_true(is_hanging(&seen, 2));
}

static void says_why_there_is_no_answer(void **state) {
    struct seen seen;
    (void)ask(HOST_STATVFS, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_string_equal(seen.failure.error.text, "No such file or directory");
}

static void a_cancelled_ask_is_not_answered(void **state) {
    static const char *const names[] = {"stuck"};
    struct seen seen, next;
    mount_all(names, 1);
    struct host_ask *asked = ask(HOST_STATVFS, LONG, &seen);
    uint64_t until = loop_clock_usec() + LONG;
    while (shared->asked < 2 && loop_clock_usec() < until) {
        (void)loop_run_once(loop, USEC_PER_MSEC);
    }
    turn_until_quiet(loop);
    host_ask_cancel(asked);
    turn_until_quiet(loop);
    assert_int_equal(seen.calls, 0);
    /* What it hung in is known nevertheless. */
    assert_int_equal(host_probe_hanging(probe), 1);
    (void)ask(HOST_STATVFS, LONG, &next);
    assert_true(turn_until(loop, &next.calls, 1));
    assert_int_equal(shared->asked, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(tells_all_when_nothing_hangs),    TEST(goes_around_what_hangs_and_asks_it_no_more),
        TEST(asks_again_what_answers_again),   TEST(so_many_hang_and_no_more),
        TEST(the_deadline_ends_the_search),    TEST(says_why_there_is_no_answer),
        TEST(a_cancelled_ask_is_not_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
