/* SPDX-License-Identifier: Apache-2.0 */

/* The log of records: in order, on the disk before its owner goes on, and honest about damage. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/mem.h"
#include "io/durable.h"
#include "io/record_log.h"
#include "turn.h"

static char folder[] = "/tmp/test_record_log.XXXXXX";
static char *path;
static struct loop *loop;
static struct worker_pool *pool;
static struct record_log *record_log;
static struct strbuf seen; /* records as they are read, "a|b|" */
static int written, failed;
static char why[256];

static int make_folder(void **state) {
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state) {
    return rmdir(folder);
}

static int set_up(void **state) {
    path = mem_printf("%s/log", folder);
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, NULL);
    written = failed = 0;
    return 0;
}

static int tear_down(void **state) {
    record_log = record_log_free(record_log);
    pool = worker_pool_free(pool);
    loop = loop_free(loop);
    strbuf_deinit(&seen);
    unlink(path);
    free(path);
    return 0;
}

static void read_record(void *userdata, struct str bytes) {
    strbuf_add_str(&seen, bytes);
    strbuf_add_char(&seen, '|');
}

static int open_log(struct error *err) {
    const struct record_log_options options = {.loop = loop, .pool = pool, .path = path};
    record_log = record_log_free(record_log);
    strbuf_clear(&seen);
    return record_log_open(&options, read_record, NULL, &record_log, err);
}

static void assert_seen(const char *expected) {
    assert_true(str_is(strbuf_view(&seen), expected));
}

static void note_written(void *userdata, const struct error *err) {
    written++;
    failed += error_is_set(err);
    snprintf(why, sizeof(why), "%s", err->text);
}

static void append(const char *text) {
    assert_int_equal(record_log_append(record_log, str_of(text), note_written, NULL), 0);
}

static void wait_for(int count) {
    uint64_t deadline = loop_clock_usec() + 20 * USEC_PER_SEC;
    while (written < count && loop_clock_usec() < deadline) {
        (void)loop_run_once(loop, 10 * USEC_PER_MSEC);
    }
    assert_int_equal(written, count);
}

static void records_are_read_in_their_order(void **state) {
    assert_int_equal(open_log(NULL), 0);
    append("a");
    assert_int_equal(written, 0); /* never from inside */
    append("");
    append("longer");
    assert_true(record_log_busy(record_log));
    wait_for(3);
    assert_int_equal(failed, 0);
    assert_false(record_log_busy(record_log));
    append("last");
    wait_for(4);
    assert_int_equal(open_log(NULL), 0);
    assert_seen("a||longer|last|");
    append("and on");
    wait_for(5);
    assert_int_equal(open_log(NULL), 0);
    assert_seen("a||longer|last|and on|");
}

static uint64_t size_of_file(void) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (uint64_t)info.st_size;
}

static void write_three(void) {
    assert_int_equal(open_log(NULL), 0);
    append("one");
    append("two");
    append("three");
    wait_for(3);
}

/* Cut anywhere, what is whole is there and the log can be gone on with. */
static void a_torn_tail_is_dropped(void **state) {
    static const char *const left[] = {"", "one|", "one|two|", "one|two|three|"};
    write_three();
    struct strbuf whole = {0};
    assert_int_equal(durable_read_now(path, 1000, &whole, NULL), 0);
    for (size_t length = 0; length <= whole.len; length++) {
        size_t records = (length >= 19) + (length >= 30) + (length >= 43);
        record_log = record_log_free(record_log);
        assert_int_equal(durable_write_now(path, (struct str){whole.data, length}, NULL), 0);
        assert_int_equal(open_log(NULL), 0);
        assert_seen(left[records]);
        written = 0;
        append("x");
        wait_for(1);
        assert_int_equal(failed, 0);
        assert_int_equal(open_log(NULL), 0);
        assert_true(seen.len == strlen(left[records]) + 2);
    }
    assert_int_equal(whole.len, 43);
    strbuf_deinit(&whole);
}

/* Every bit of the file: the log is refused, or (in a length) it looks torn, but no record is ever
 * read that was not written. */
static void no_flipped_bit_is_believed(void **state) {
    write_three();
    struct strbuf whole = {0};
    unsigned refused = 0;
    assert_int_equal(durable_read_now(path, 1000, &whole, NULL), 0);
    for (size_t bit = 0; bit < whole.len * 8; bit++) {
        struct error err = {0};
        whole.data[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(durable_write_now(path, strbuf_view(&whole), NULL), 0);
        int r = open_log(&err);
        whole.data[bit / 8] ^= (char)(1 << bit % 8);
        assert_true(r == 0 || r == -EBADMSG);
        assert_true(seen.len <= 14);
        assert_memory_equal(seen.data != NULL ? seen.data : "", "one|two|three|", seen.len);
        refused += r < 0;
    }
    assert_true(refused > whole.len * 6);
    strbuf_deinit(&whole);
}

static void a_failed_write_leaves_nothing_behind(void **state) {
    assert_int_equal(open_log(NULL), 0);
    append("one");
    wait_for(1);
    /* As if a write had been cut off by a full disk. */
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "\x05\0\0\0junk", 8), 8);
    close(fd);
    append("two");
    wait_for(2);
    assert_int_equal(failed, 0);
    assert_int_equal(open_log(NULL), 0);
    assert_seen("one|two|");
}

static void a_trial_leaves_nothing_behind(void **state) {
    assert_int_equal(open_log(NULL), 0);
    assert_int_equal(record_log_try(record_log, note_written, NULL), 0);
    assert_int_equal(record_log_try(record_log, note_written, NULL), -EBUSY);
    append("one");
    wait_for(2);
    assert_int_equal(record_log_try(record_log, note_written, NULL), 0);
    wait_for(3);
    assert_int_equal(size_of_file(), 8 + 8 + 3);
    append("two");
    wait_for(4);
    assert_int_equal(failed, 0);
    assert_int_equal(open_log(NULL), 0);
    assert_seen("one|two|");
}

static void a_trial_says_what_is_wrong(void **state) {
    write_three();
    assert_int_equal(truncate(path, 20), 0);
    assert_int_equal(record_log_try(record_log, note_written, NULL), 0);
    wait_for(4);
    assert_int_equal(failed, 1);
    assert_non_null(strstr(why, "somebody else has changed it"));
}

/* What a crash leaves of a trial: its beginning, or all of it. */
static void what_is_left_of_a_trial_is_a_torn_tail(void **state) {
    static const size_t lengths[] = {1, 4, 8, 100, 4096};
    char left[4096] = {0, 0, 4, 0};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        written = 0;
        (void)unlink(path);
        assert_int_equal(open_log(NULL), 0);
        append("one");
        wait_for(1);
        int fd = open(path, O_WRONLY | O_APPEND);
        assert_int_equal(write(fd, left, lengths[i]), (ssize_t)lengths[i]);
        close(fd);
        assert_int_equal(open_log(NULL), 0);
        assert_seen("one|");
    }
}

static void a_file_that_somebody_has_cut_is_not_gone_on_with(void **state) {
    write_three();
    assert_int_equal(truncate(path, 20), 0);
    append("four");
    wait_for(4);
    assert_int_equal(failed, 1);
    assert_non_null(strstr(why, "somebody else has changed it"));
    assert_int_equal(size_of_file(), 20);
}

static void a_folder_that_is_gone_is_an_error(void **state) {
    free(path);
    path = mem_printf("%s/none/log", folder);
    assert_int_equal(open_log(NULL), 0);
    append("one");
    wait_for(1);
    assert_int_equal(failed, 1);
    assert_non_null(strstr(why, "No such file"));
}

static void what_is_too_long_is_refused_at_once(void **state) {
    char *text = mem_alloc(RECORD_LOG_MOST_RECORD + 1);
    assert_int_equal(open_log(NULL), 0);
    struct str record = {text, RECORD_LOG_MOST_RECORD + 1};
    assert_int_equal(record_log_append(record_log, record, note_written, NULL), -EFBIG);
    record.len--;
    int n = 0;
    while (record_log_append(record_log, record, note_written, NULL) == 0) {
        n++;
    }
    assert_int_equal(n, 63);
    wait_for(n);
    assert_int_equal(failed, 0);
    free(text);
}

static int replaced_code = 1;

static void note_replaced(void *userdata, const struct error *err) {
    replaced_code = error_is_set(err) ? err->code : 0;
    note_written(userdata, err);
}

static int replace(const char *a, const char *b) {
    struct strbuf contents = {0};
    record_log_add(&contents, str_of(a));
    record_log_add(&contents, str_of(b));
    int r = record_log_replace(record_log, &contents, note_replaced, NULL);
    strbuf_deinit(&contents);
    return r;
}

static void what_comes_while_it_is_replaced_is_in_the_new_file(void **state) {
    struct stat info;
    write_three();
    assert_int_equal(replace("first", "second"), 0);
    assert_int_equal(replace("x", "y"), -EBUSY);
    assert_int_equal(record_log_try(record_log, note_written, NULL), -EBUSY);
    append("third");
    assert_true(record_log_busy(record_log));
    wait_for(5);
    assert_int_equal(failed, 0);
    assert_int_equal(record_log_bytes(record_log), size_of_file());
    append("fourth");
    wait_for(6);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(open_log(NULL), 0);
    assert_seen("first|second|third|fourth|");
}

static void a_file_that_somebody_has_changed_is_not_replaced(void **state) {
    write_three();
    assert_int_equal(truncate(path, 20), 0);
    assert_int_equal(replace("first", "second"), 0);
    wait_for(4);
    assert_int_equal(replaced_code, -EIO);
    assert_non_null(strstr(why, "somebody else has changed it"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(replace("first", "second"), 0);
    wait_for(5);
    assert_int_equal(replaced_code, -EIO);
    assert_int_equal(access(path, F_OK), -1);
    append("four"); /* it made one, which is not the one that it knows */
    wait_for(6);
    assert_int_equal(failed, 3);
}

/* As by a writer that hangs in the kernel: whoever holds the lock may still be at work. */
static void while_another_one_is_at_it_nothing_is_replaced(void **state) {
    write_three();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(replace("first", "second"), 0);
    append("four");
    wait_for(5);
    assert_int_equal(failed, 2);
    assert_non_null(strstr(why, "an earlier write hangs"));
    close(fd);
    append("five");
    wait_for(6);
    assert_int_equal(failed, 2);
    assert_int_equal(open_log(NULL), 0);
    assert_seen("one|two|three|five|");
}

static void what_a_crash_left_beside_it_is_removed(void **state) {
    char *left = mem_printf("%s.new", path);
    write_three();
    assert_int_equal(durable_write_now(left, str_of("junk"), NULL), 0);
    assert_int_equal(open_log(NULL), 0);
    assert_seen("one|two|three|");
    assert_int_equal(access(left, F_OK), -1);
    free(left);
}

static void may_be_freed_while_it_writes(void **state) {
    assert_int_equal(open_log(NULL), 0);
    append("one");
    append("two");
    record_log = record_log_free(record_log);
    turn_until_quiet(loop);
    assert_int_equal(written, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(records_are_read_in_their_order),
        TEST(a_torn_tail_is_dropped),
        TEST(no_flipped_bit_is_believed),
        TEST(a_failed_write_leaves_nothing_behind),
        TEST(a_trial_leaves_nothing_behind),
        TEST(a_trial_says_what_is_wrong),
        TEST(what_is_left_of_a_trial_is_a_torn_tail),
        TEST(a_file_that_somebody_has_cut_is_not_gone_on_with),
        TEST(a_folder_that_is_gone_is_an_error),
        TEST(what_is_too_long_is_refused_at_once),
        TEST(what_comes_while_it_is_replaced_is_in_the_new_file),
        TEST(a_file_that_somebody_has_changed_is_not_replaced),
        TEST(while_another_one_is_at_it_nothing_is_replaced),
        TEST(what_a_crash_left_beside_it_is_removed),
        TEST(may_be_freed_while_it_writes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
