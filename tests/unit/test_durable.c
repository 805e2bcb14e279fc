/* SPDX-License-Identifier: Apache-2.0 */

/* Files that are replaced as a whole: never half, the newest contents last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/durable.h"
#include "turn.h"

struct seen {
    int calls, failures;
    char text[256];
};

static char folder[] = "/tmp/test_durable.XXXXXX";
static char *path;
static struct loop *loop;
static struct worker_pool *pool;

static int make_folder(void **state) {
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state) {
    return rmdir(folder);
}

static int set_up(void **state) {
    path = mem_printf("%s/state", folder);
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, NULL);
    return 0;
}

static int tear_down(void **state) {
    pool = worker_pool_free(pool);
    loop = loop_free(loop);
    char *half = mem_printf("%s.new", path); /* of a worker that was ended */
    unlink(half);
    unlink(path);
    free(half);
    free(path);
    return 0;
}

static void written(void *userdata, const struct error *err) {
    struct seen *seen = userdata;
    seen->calls++;
    seen->failures += error_is_set(err);
    snprintf(seen->text, sizeof(seen->text), "%s", err->text);
}

static struct durable_file *open_file(struct seen *seen, const char *where) {
    return durable_file_new(&(struct durable_options){
        .loop = loop, .pool = pool, .path = where, .written = written, .userdata = seen});
}

static void write_text(struct durable_file *file, const char *text) {
    struct strbuf contents = {0};
    strbuf_add_text(&contents, text);
    durable_file_write(file, &contents);
    assert_int_equal(contents.len, 0);
    assert_null(contents.data);
}

static void assert_contents(const char *expected) {
    struct strbuf found = {0};
    assert_int_equal(durable_read_now(path, 1000, &found, NULL), 0);
    assert_true(str_is(strbuf_view(&found), expected));
    strbuf_deinit(&found);
}

static bool exists(const char *name) {
    return access(name, F_OK) == 0;
}

/* ---- what blocks ---- */

static void what_is_written_is_read_again(void **state) {
    assert_int_equal(durable_write_now(path, (struct str){"a\0b", 3}, NULL), 0);
    struct strbuf found = {0};
    assert_int_equal(durable_read_now(path, 3, &found, NULL), 0);
    assert_int_equal(found.len, 3);
    assert_memory_equal(found.data, "a\0b", 3);
    strbuf_deinit(&found);
    assert_int_equal(durable_write_now(path, str_of("shorter"), NULL), 0);
    assert_int_equal(durable_write_now(path, str_of(""), NULL), 0);
    assert_contents("");
}

static void nobody_else_may_read_it(void **state) {
    struct stat info;
    assert_int_equal(durable_write_now(path, str_of("secret"), NULL), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void nothing_is_left_beside_it(void **state) {
    char *temporary = mem_printf("%s.new", path);
    assert_int_equal(durable_write_now(path, str_of("a"), NULL), 0);
    assert_false(exists(temporary));
    /* What a crash left there is written over. */
    FILE *file = fopen(temporary, "we");
    assert_non_null(file);
    fputs("half of something much longer", file);
    fclose(file);
    assert_int_equal(durable_write_now(path, str_of("b"), NULL), 0);
    assert_contents("b");
    assert_false(exists(temporary));
    free(temporary);
}

/* As a worker that is being killed while we write for the last time. */
static void who_still_writes_does_not_write_into_it(void **state) {
    char *temporary = mem_printf("%s.new", path);
    FILE *other = fopen(temporary, "we");
    assert_non_null(other);
    assert_int_equal(durable_write_now(path, str_of("ours"), NULL), 0);
    fputs("the other's, which is longer", other);
    fclose(other);
    assert_contents("ours");
    free(temporary);
}

static void a_failed_write_leaves_the_old_contents(void **state) {
    struct error err = {0};
    char *temporary = mem_printf("%s.new", path);
    assert_int_equal(durable_write_now(path, str_of("old"), NULL), 0);
    assert_int_equal(mkdir(temporary, 0700), 0);
    assert_true(durable_write_now(path, str_of("new"), &err) < 0);
    assert_non_null(strstr(err.text, path));
    rmdir(temporary);
    assert_contents("old");
    free(temporary);
}

static void a_missing_file_is_no_error_text(void **state) {
    struct strbuf found = {0};
    struct error err = {0};
    assert_int_equal(durable_read_now(path, 1000, &found, &err), -ENOENT);
    assert_false(error_is_set(&err));
}

static void what_is_too_long_or_no_file_is_not_read(void **state) {
    struct strbuf found = {0};
    struct error err = {0};
    assert_int_equal(durable_write_now(path, str_of("12345"), NULL), 0);
    assert_int_equal(durable_read_now(path, 4, &found, &err), -EFBIG);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(found.len, 0);
    err = (struct error){0};
    assert_int_equal(durable_read_now(folder, 1000, &found, &err), -EINVAL);
    char *link_name = mem_printf("%s/link", folder);
    assert_int_equal(symlink(path, link_name), 0);
    assert_int_equal(durable_read_now(link_name, 1000, &found, NULL), -ELOOP);
    unlink(link_name);
    free(link_name);
    strbuf_deinit(&found);
}

static void what_is_bad_is_kept_under_another_name(void **state) {
    char names[2][PATH_MAX];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(durable_write_now(path, str_of(i == 0 ? "first" : "second"), NULL), 0);
        assert_int_equal(durable_set_aside(path, names[i], NULL), 0);
        assert_false(exists(path));
    }
    assert_string_not_equal(names[0], names[1]);
    struct strbuf found = {0};
    assert_int_equal(durable_read_now(names[0], 1000, &found, NULL), 0);
    assert_true(str_is(strbuf_view(&found), "first"));
    strbuf_deinit(&found);
    unlink(names[0]);
    unlink(names[1]);
    struct error err = {0};
    assert_int_equal(durable_set_aside(path, names[0], &err), -ENOENT);
    assert_non_null(strstr(err.text, path));
}

/* ---- by a worker ---- */

static void a_worker_writes_it(void **state) {
    struct seen seen = {0};
    struct durable_file *file = open_file(&seen, path);
    assert_false(durable_file_busy(file));
    write_text(file, "a");
    assert_int_equal(seen.calls, 0);
    assert_true(durable_file_busy(file));
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.failures, 0);
    assert_false(durable_file_busy(file));
    assert_contents("a");
    durable_file_free(file);
}

static void of_several_that_wait_the_newest_is_written(void **state) {
    struct seen seen = {0};
    struct durable_file *file = open_file(&seen, path);
    for (int i = 0; i < 10; i++) {
        char text[24];
        snprintf(text, sizeof(text), "version %d", i);
        write_text(file, text);
    }
    assert_true(turn_until(loop, &seen.calls, 2));
    turn_until_quiet(loop);
    assert_int_equal(seen.calls, 2);
    assert_contents("version 9");
    durable_file_free(file);
}

static void a_failure_is_told_and_the_next_one_tried(void **state) {
    struct seen seen = {0};
    char *nowhere = mem_printf("%s/nowhere/state", folder);
    struct durable_file *file = open_file(&seen, nowhere);
    write_text(file, "a");
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.failures, 1);
    assert_non_null(strstr(seen.text, nowhere));
    char *made = mem_printf("%s/nowhere", folder);
    assert_int_equal(mkdir(made, 0700), 0);
    write_text(file, "b");
    assert_true(turn_until(loop, &seen.calls, 2));
    assert_int_equal(seen.failures, 1);
    assert_int_equal(unlink(nowhere), 0);
    rmdir(made);
    durable_file_free(file);
    free(made);
    free(nowhere);
}

/* Its worker goes on; the pool waits for it or ends it. */
static void it_may_be_freed_while_it_is_written(void **state) {
    struct seen seen = {0};
    struct durable_file *file = open_file(&seen, path);
    write_text(file, "a");
    write_text(file, "b");
    durable_file_free(file);
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    while (!exists(path) && loop_clock_usec() < deadline) {
        loop_run_once(loop, 10 * USEC_PER_MSEC);
    }
    assert_contents("a");
    assert_int_equal(seen.calls, 0);
}

static void it_may_be_freed_after_the_pool_has_gone(void **state) {
    struct seen seen = {0};
    struct durable_file *file = open_file(&seen, path);
    write_text(file, "a");
    pool = worker_pool_free(pool);
    assert_false(durable_file_busy(file));
    durable_file_free(file);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read_again),
        TEST(nobody_else_may_read_it),
        TEST(nothing_is_left_beside_it),
        TEST(who_still_writes_does_not_write_into_it),
        TEST(a_failed_write_leaves_the_old_contents),
        TEST(a_missing_file_is_no_error_text),
        TEST(what_is_too_long_or_no_file_is_not_read),
        TEST(what_is_bad_is_kept_under_another_name),
        TEST(a_worker_writes_it),
        TEST(of_several_that_wait_the_newest_is_written),
        TEST(a_failure_is_told_and_the_next_one_tried),
        TEST(it_may_be_freed_while_it_is_written),
        TEST(it_may_be_freed_after_the_pool_has_gone),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
