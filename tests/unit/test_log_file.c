/* SPDX-License-Identifier: Apache-2.0 */

/* Log files: when they are renamed, what is kept, and what a full disk costs. */

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
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "base/log_file.h"
#include "base/mem.h"

#define DAY ((int64_t)86400)

/* A scratch folder; a test may look for log, log.1 ... in it. */
struct place {
    char folder[64], path[80];
    struct log_file file;
};

static int set_up(void **state) {
    struct place *place = mem_alloc(sizeof(*place));
    strcpy(place->folder, "/tmp/test_log_file.XXXXXX");
    if (mkdtemp(place->folder) == NULL) {
        return -1;
    }
    snprintf(place->path, sizeof(place->path), "%s/log", place->folder);
    place->file.fd = -1;
    *state = place;
    return 0;
}

static int tear_down(void **state) {
    struct place *place = *state;
    char command[128];
    log_file_close(&place->file);
    snprintf(command, sizeof(command), "rm -rf %s", place->folder);
    int r = system(command);
    free(place);
    return r;
}

static void open_file(struct place *place, uint64_t max_bytes, unsigned keep, int64_t now_s) {
    const struct log_file_options options = {place->path, max_bytes, keep};
    assert_int_equal(log_file_open(&place->file, &options, now_s), 0);
}

/* What is in log (number 0) or log.<number>; NULL: there is no such file. */
static const char *content(const struct place *place, unsigned number) {
    static char text[4096];
    char path[128];
    snprintf(path, sizeof(path), number == 0 ? "%s" : "%s.%u", place->path, number);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return NULL;
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static uint64_t put(struct place *place, const char *lines, int64_t now_s) {
    return log_file_write(&place->file, str_of(lines), now_s);
}

static void a_file_is_due_when_it_is_full_or_its_day_is_over(void **state) {
    static const struct {
        struct log_file file;
        uint64_t more;
        int64_t now_s;
        bool due;
    } cases[] = {
        {{{"x", 100, 7}, 3, true, 90, 20000, 0}, 10, 20000 * DAY, false},
        {{{"x", 100, 7}, 3, true, 91, 20000, 0}, 10, 20000 * DAY, true},
        {{{"x", 100, 7}, 3, true, 91, 20000, 0}, 10, 20000 * DAY + DAY - 1, true},
        {{{"x", 100, 7}, 3, true, 50, 20000, 0}, 10, 20000 * DAY + DAY - 1, false},
        {{{"x", 100, 7}, 3, true, 50, 20000, 0}, 10, 20001 * DAY, true},
        /* left to others */
        {{{"x", 0, 7}, 3, true, 1 << 30, 20000, 0}, 10, 20001 * DAY, false},
        /* the clock was set back */
        {{{"x", 100, 7}, 3, true, 50, 20000, 0}, 10, 19999 * DAY, false},
        /* nothing in it: a line may be longer than a file */
        {{{"x", 100, 7}, 3, true, 0, 20000, 0}, 200, 20001 * DAY, false},
        /* no regular file */
        {{{"x", 100, 7}, 3, false, 91, 20000, 0}, 10, 20001 * DAY, false},
        /* the last rename failed */
        {{{"x", 100, 7}, 3, true, 91, 20000, 20000 * DAY + 60}, 10, 20000 * DAY + 59, false},
        {{{"x", 100, 7}, 3, true, 91, 20000, 20000 * DAY + 60}, 10, 20000 * DAY + 60, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(log_file_is_due(&cases[i].file, cases[i].more, cases[i].now_s),
                         cases[i].due);
    }
}

static void lines_are_appended_to_what_is_there(void **state) {
    struct place *place = *state;
    struct stat status;
    open_file(place, 0, 7, 1000);
    assert_int_equal(put(place, "one\n", 1000), 0);
    log_file_close(&place->file);
    open_file(place, 0, 7, 1000);
    assert_int_equal(put(place, "two\nthree\n", 1000), 0);
    assert_string_equal(content(place, 0), "one\ntwo\nthree\n");
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode & 0137, 0);
}

static void a_full_file_is_renamed_and_the_oldest_goes(void **state) {
    struct place *place = *state;
    open_file(place, 10, 2, 1000);
    put(place, "1aaa\n2aaa\n", 1000);
    assert_null(content(place, 1));
    put(place, "3aaa\n", 1000);
    assert_string_equal(content(place, 0), "3aaa\n");
    assert_string_equal(content(place, 1), "1aaa\n2aaa\n");
    /* several files' worth at once, and a line that is longer than a file */
    put(place, "4aaa\n5aaa\n6aaa\na line of some length\n7aaa\n", 1000);
    assert_string_equal(content(place, 0), "7aaa\n");
    assert_string_equal(content(place, 1), "a line of some length\n");
    assert_string_equal(content(place, 2), "5aaa\n6aaa\n");
    assert_null(content(place, 3));
}

static void without_old_files_it_begins_anew(void **state) {
    struct place *place = *state;
    open_file(place, 10, 0, 1000);
    put(place, "1aaa\n2aaa\n3aaa\n", 1000);
    assert_string_equal(content(place, 0), "3aaa\n");
    assert_null(content(place, 1));
}

static void a_new_day_begins_a_new_file(void **state) {
    struct place *place = *state;
    open_file(place, 1000, 7, 5 * DAY);
    put(place, "monday\n", 5 * DAY + 10);
    put(place, "monday night\n", 6 * DAY - 1);
    put(place, "tuesday\n", 6 * DAY);
    put(place, "thursday\n", 8 * DAY);
    assert_string_equal(content(place, 2), "monday\nmonday night\n");
    assert_string_equal(content(place, 1), "tuesday\n");
    assert_string_equal(content(place, 0), "thursday\n");
}

static void a_file_of_another_day_is_renamed_after_a_restart(void **state) {
    struct place *place = *state;
    int fd = open(place->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const struct timespec times[] = {{5 * DAY, 0}, {5 * DAY, 0}};
    assert_int_equal(write(fd, "old\n", 4), 4);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    open_file(place, 1000, 7, 6 * DAY);
    put(place, "new\n", 6 * DAY);
    assert_string_equal(content(place, 0), "new\n");
    assert_string_equal(content(place, 1), "old\n");
}

static void a_renamed_file_is_left_when_asked(void **state) {
    struct place *place = *state;
    char moved[128];
    open_file(place, 0, 7, 1000);
    put(place, "one\n", 1000);
    snprintf(moved, sizeof(moved), "%s.1", place->path);
    assert_int_equal(rename(place->path, moved), 0);
    put(place, "two\n", 1000);
    assert_string_equal(content(place, 1), "one\ntwo\n");
    assert_int_equal(log_file_reopen(&place->file, 1000), 0);
    put(place, "three\n", 1000);
    assert_string_equal(content(place, 0), "three\n");
    assert_string_equal(content(place, 1), "one\ntwo\n");
}

static void a_file_that_cannot_be_reopened_goes_on(void **state) {
    struct place *place = *state;
    char moved[128];
    open_file(place, 0, 7, 1000);
    put(place, "one\n", 1000);
    snprintf(moved, sizeof(moved), "%s.1", place->path);
    assert_int_equal(rename(place->path, moved), 0);
    assert_int_equal(mkdir(place->path, 0700), 0);
    assert_int_equal(log_file_reopen(&place->file, 1000), -EISDIR);
    assert_int_equal(put(place, "two\n", 1000), 0);
    assert_string_equal(content(place, 1), "one\ntwo\n");
}

static void a_file_that_cannot_be_renamed_goes_on_growing(void **state) {
    struct place *place = *state;
    char folder[128];
    open_file(place, 10, 1, 1000);
    snprintf(folder, sizeof(folder), "%s.1", place->path);
    assert_int_equal(mkdir(folder, 0700), 0); /* no file can replace a folder */
    assert_int_equal(put(place, "1aaa\n2aaa\n3aaa\n4aaa\n", 1000), 0);
    assert_string_equal(content(place, 0), "1aaa\n2aaa\n3aaa\n4aaa\n");
    assert_int_equal(rmdir(folder), 0);
    put(place, "5aaa\n", 1030); /* it tries again after a while */
    assert_null(content(place, 1));
    put(place, "6aaa\n", 1061);
    assert_string_equal(content(place, 0), "6aaa\n");
    assert_string_equal(content(place, 1), "1aaa\n2aaa\n3aaa\n4aaa\n5aaa\n");
}

static void a_removed_or_cut_file_is_noticed(void **state) {
    struct place *place = *state;
    open_file(place, 10, 7, 1000);
    put(place, "1aaa\n2aaa\n", 1000);
    assert_int_equal(truncate(place->path, 0), 0);
    put(place, "3aaa\n", 1000);
    assert_null(content(place, 1));
    assert_string_equal(content(place, 0), "3aaa\n");
    assert_int_equal(unlink(place->path), 0);
    put(place, "4aaa\n", 1000);
    assert_string_equal(content(place, 0), "4aaa\n");
}

static void a_full_device_loses_lines_and_is_never_renamed(void **state) {
    struct place *place = *state;
    const struct log_file_options options = {"/dev/full", 10, 7};
    assert_int_equal(log_file_open(&place->file, &options, 1000), 0);
    assert_int_equal(put(place, "one\ntwo\n", 1000), 2);
    assert_int_equal(put(place, "three\n", 1000 + DAY), 1);
    assert_int_equal(access("/dev/full", W_OK), 0);
}

/* The limit on the size of files stands in for a disk that fills up in the middle of a line. */
static void half_a_line_is_taken_back(void **state) {
    struct place *place = *state;
    struct rlimit saved;
    open_file(place, 0, 7, 1000);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &saved), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){12, saved.rlim_max}), 0);
    uint64_t lost = put(place, "1aaa\n2aaa\n3aaa\n4aaa\n", 1000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &saved), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(lost, 2);
    assert_string_equal(content(place, 0), "1aaa\n2aaa\n");
    assert_int_equal(put(place, "5aaa\n", 1000), 0);
    assert_string_equal(content(place, 0), "1aaa\n2aaa\n5aaa\n");
}

static void what_cannot_be_opened_says_so(void **state) {
    struct place *place = *state;
    struct log_file file;
    const struct log_file_options folder = {place->folder, 0, 7}, nowhere = {"/nowhere/log", 0, 7};
    assert_int_equal(log_file_open(&file, &folder, 1000), -EISDIR);
    assert_int_equal(log_file_open(&file, &nowhere, 1000), -ENOENT);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_due_when_it_is_full_or_its_day_is_over),
        PLACED(lines_are_appended_to_what_is_there),
        PLACED(a_full_file_is_renamed_and_the_oldest_goes),
        PLACED(without_old_files_it_begins_anew),
        PLACED(a_new_day_begins_a_new_file),
        PLACED(a_file_of_another_day_is_renamed_after_a_restart),
        PLACED(a_renamed_file_is_left_when_asked),
        PLACED(a_file_that_cannot_be_reopened_goes_on),
        PLACED(a_file_that_cannot_be_renamed_goes_on_growing),
        PLACED(a_removed_or_cut_file_is_noticed),
        PLACED(a_full_device_loses_lines_and_is_never_renamed),
        PLACED(half_a_line_is_taken_back),
        PLACED(what_cannot_be_opened_says_so),
    };
    return cmocka_run_group_tests_name("log_file", tests, NULL, NULL);
}
