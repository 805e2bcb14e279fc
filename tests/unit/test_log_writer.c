/* SPDX-License-Identifier: Apache-2.0 */

/* The process that writes log files: what arrives, what is opened anew, what is counted. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/log_writer.h"

#define PATIENCE_MSEC 10000

struct place {
    char folder[64], path[80], errors[80];
    struct log_writer_options options;
};

static int set_up(void **state) {
    struct place *place = mem_alloc(sizeof(*place));
    strcpy(place->folder, "/tmp/test_log_writer.XXXXXX");
    if (mkdtemp(place->folder) == NULL) {
        return -1;
    }
    snprintf(place->path, sizeof(place->path), "%s/log", place->folder);
    snprintf(place->errors, sizeof(place->errors), "%s/errors", place->folder);
    place->options = (struct log_writer_options){{place->path, 0, 7}, {place->errors, 0, 7}};
    log_set_level(LOG_LEVEL_INFO);
    log_set_format(LOG_FORMAT_LOGFMT);
    *state = place;
    return 0;
}

static int tear_down(void **state) {
    struct place *place = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", place->folder);
    int r = system(command);
    free(place);
    return r;
}

static const char *content(const char *path) {
    static char text[1 << 20];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return "";
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void rest(void) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void wait_for_text(const char *path, const char *text) {
    for (int waited = 0; strstr(content(path), text) == NULL; waited++) {
        assert_true(waited < PATIENCE_MSEC);
        rest();
    }
}

static struct log_writer *start(const struct place *place) {
    struct log_writer *writer = NULL;
    struct error err = {0};
    assert_int_equal(log_writer_new(&place->options, &writer, &err), 0);
    return writer;
}

static void everything_is_written_before_it_ends(void **state) {
    struct place *place = *state;
    struct log_writer *writer = start(place);
    for (int i = 0; i < 3000; i++) {
        log_info("line %d", i);
    }
    log_error("wrong");
    uint64_t dropped = log_dropped_lines();
    log_writer_free(writer);
    const char *text = content(place->path);
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_int_equal(lines + dropped, 3001);
    assert_non_null(strstr(text, "msg=\"line 0\"\n"));
    assert_non_null(strstr(text, "level=error msg=\"wrong\"\n"));
}

static void errors_stand_in_a_file_of_their_own_as_well(void **state) {
    struct place *place = *state;
    struct log_writer *writer = start(place);
    log_info("fine");
    log_warn("strange");
    log_error("wrong");
    log_writer_free(writer);
    const char *text = content(place->errors);
    assert_non_null(strstr(text, "msg=\"wrong\"\n"));
    assert_null(strstr(text, "fine"));
    assert_null(strstr(text, "strange"));
}

static void a_renamed_file_is_left_when_asked(void **state) {
    struct place *place = *state;
    struct log_writer *writer = start(place);
    char moved[128];
    struct stat status;
    snprintf(moved, sizeof(moved), "%s.moved", place->path);
    log_info("before");
    wait_for_text(place->path, "before");
    assert_int_equal(rename(place->path, moved), 0);
    log_writer_reopen(writer);
    for (int waited = 0; stat(place->path, &status) < 0; waited++) {
        assert_true(waited < PATIENCE_MSEC);
        rest();
    }
    log_info("after");
    log_writer_free(writer);
    assert_null(strstr(content(moved), "after"));
    assert_non_null(strstr(content(place->path), "after"));
}

/* The writer is the only child of this test. */
static pid_t find_child(void) {
    char path[64];
    int pid = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%d", &pid) != 1) {
            pid = 0;
        }
        fclose(file);
    }
    return pid;
}

static void another_one_goes_on_when_it_was_killed(void **state) {
    struct place *place = *state;
    struct log_writer *writer = start(place);
    log_info("before");
    wait_for_text(place->path, "before");
    pid_t child = find_child();
    if (child == 0) {
        log_writer_free(writer);
        skip(); /* a kernel that does not tell children */
    }
    kill(child, SIGKILL);
    for (int waited = 0; find_child() == child; waited++) {
        assert_true(waited < PATIENCE_MSEC);
        log_writer_check(writer);
        rest();
    }
    log_info("after");
    log_writer_check(writer);
    wait_for_text(place->path, "after");
    log_writer_free(writer);
}

static void signals_to_the_whole_group_do_not_end_it(void **state) {
    struct place *place = *state;
    struct log_writer *writer = start(place);
    pid_t child = find_child();
    if (child != 0) {
        kill(child, SIGTERM);
        kill(child, SIGINT);
        kill(child, SIGHUP);
        kill(child, SIGUSR1);
    }
    log_info("still there");
    log_writer_free(writer);
    assert_non_null(strstr(content(place->path), "still there"));
}

static void a_full_disk_is_counted(void **state) {
    struct place *place = *state;
    place->options.all.path = "/dev/full";
    struct log_writer *writer = start(place);
    log_info("one");
    log_error("two");
    for (int waited = 0; log_writer_lost_lines(writer) < 2; waited++) {
        assert_true(waited < PATIENCE_MSEC);
        rest();
    }
    assert_int_equal(log_writer_lost_lines(writer), 2);
    log_writer_free(writer);
    assert_non_null(strstr(content(place->errors), "two"));
}

static void a_path_that_cannot_be_written_is_an_error(void **state) {
    struct place *place = *state;
    struct log_writer *writer = NULL;
    struct error err = {0};
    place->options.errors.path = "/nowhere/errors";
    assert_int_equal(log_writer_new(&place->options, &writer, &err), -ENOENT);
    assert_string_equal(err.text, "log file '/nowhere/errors' cannot be written: No such file or "
                                  "directory");
    assert_null(writer);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(everything_is_written_before_it_ends),
        PLACED(errors_stand_in_a_file_of_their_own_as_well),
        PLACED(a_renamed_file_is_left_when_asked),
        PLACED(another_one_goes_on_when_it_was_killed),
        PLACED(signals_to_the_whole_group_do_not_end_it),
        PLACED(a_full_disk_is_counted),
        PLACED(a_path_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests_name("log_writer", tests, NULL, NULL);
}
