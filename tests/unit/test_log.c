/* SPDX-License-Identifier: Apache-2.0 */

/* Log lines as they arrive at the reader of stderr. */

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
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"

/* stderr leads into a pipe during a test. */
static struct {
    int saved, reader;
    char text[65536 + 1];
} capture;

static int begin_capture(void **state) {
    int pipe_fds[2];
    fflush(stderr);
    capture.saved = dup(STDERR_FILENO);
    if (capture.saved < 0 || pipe2(pipe_fds, O_CLOEXEC) != 0 ||
        fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK) != 0) {
        return -1;
    }
    dup2(pipe_fds[1], STDERR_FILENO);
    close(pipe_fds[1]);
    capture.reader = pipe_fds[0];
    log_set_level(LOG_LEVEL_INFO);
    log_set_format(LOG_FORMAT_LOGFMT);
    log_scope_clear();
    return 0;
}

static int end_capture(void **state) {
    dup2(capture.saved, STDERR_FILENO);
    close(capture.saved);
    close(capture.reader);
    return 0;
}

static const char *captured(void) {
    ssize_t len = read(capture.reader, capture.text, sizeof(capture.text) - 1);
    capture.text[len > 0 ? len : 0] = '\0';
    return capture.text;
}

static void logfmt_has_time_level_and_message(void **state) {
    log_info("target '%s': went \"down\"", "a");
    const char *line = captured();
    unsigned year, ms;
    assert_int_equal(sscanf(line, "time=%4u-%*2u-%*2uT%*2u:%*2u:%*2u.%3uZ ", &year, &ms), 2);
    assert_string_equal(strchr(line, ' '), " level=info msg=\"target 'a': went \\\"down\\\"\"\n");
}

static void the_level_hides_what_is_below_it(void **state) {
    log_debug("hidden");
    assert_string_equal(captured(), "");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("shown");
    assert_non_null(strstr(captured(), "level=debug msg=\"shown\""));
    log_set_level(LOG_LEVEL_ERROR);
    log_warn("hidden");
    assert_string_equal(captured(), "");
    assert_int_equal(log_get_level(), LOG_LEVEL_ERROR);
}

static void an_errno_is_explained_and_passed_on(void **state) {
    assert_int_equal(log_error_errno(-ENOENT, "cannot read '%s'", "x"), -ENOENT);
    assert_non_null(strstr(captured(), "cannot read 'x': No such file or directory\""));
    assert_int_equal(log_warn_errno(-4000, "odd"), -4000);
    assert_non_null(strstr(captured(), "odd: unknown error"));
}

static void json_lines_carry_the_scope(void **state) {
    log_set_format(LOG_FORMAT_JSON);
    log_scope_set("request_id", "r\"1");
    log_error("a\nb");
    assert_non_null(strstr(captured(), "\"level\":\"error\",\"msg\":\"a\\nb\","
                                       "\"request_id\":\"r\\\"1\"}\n"));
    log_scope_clear();
    log_error("c");
    assert_non_null(strstr(captured(), "\"msg\":\"c\"}\n"));
}

static void lines_name_the_target_of_their_scope(void **state) {
    log_scope_set("round_id", "1f");
    log_scope_target("orders-1");
    log_info("a");
    assert_non_null(strstr(captured(), " msg=\"a\" round_id=\"1f\" target=\"orders-1\"\n"));
    log_set_format(LOG_FORMAT_JSON);
    log_info("b");
    assert_non_null(strstr(captured(), "\"round_id\":\"1f\",\"target\":\"orders-1\"}\n"));
    log_scope_clear();
    log_info("c");
    assert_null(strstr(captured(), "orders-1"));
}

static void a_long_scope_value_is_cut(void **state) {
    char value[200];
    memset(value, 'v', sizeof(value));
    value[199] = '\0';
    log_scope_set("round_id", value);
    log_info("x");
    const char *at = strstr(captured(), " round_id=\"");
    assert_non_null(at);
    assert_int_equal(strspn(at + strlen(" round_id=\""), "v"), 63);
}

static void long_messages_are_cut_but_lines_stay_whole(void **state) {
    static const char *const parts[] = {"x", "\x01", "\xe2\x82\xac", "\""};
    for (int format = LOG_FORMAT_LOGFMT; format <= LOG_FORMAT_CONSOLE; format++) {
        log_set_format((enum log_format)format);
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            char text[9000] = "";
            size_t len = 0;
            while (len < 8000) {
                len += (size_t)sprintf(text + len, "%s", parts[i]);
            }
            log_info("%s", text);
            const char *line = captured();
            assert_in_range(strlen(line), 1000, 4096);
            assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
            if (format == LOG_FORMAT_JSON) {
                assert_string_equal(line + strlen(line) - 3, "\"}\n");
            } else if (format == LOG_FORMAT_LOGFMT) {
                assert_int_equal(line[strlen(line) - 2], '"');
            }
        }
    }
}

static void the_console_shows_no_control_characters(void **state) {
    log_set_format(LOG_FORMAT_CONSOLE);
    log_info("a\033[31mb\x9b"
             "c\xc2\x9b"
             "d\xc3\xa4\n");
    assert_non_null(strstr(captured(), " info  a [31mb?c d\xc3\xa4 \n"));
}

static void a_full_pipe_drops_lines_and_counts_them(void **state) {
    uint64_t before = log_dropped_lines();
    unsigned sent = 0;
    while (log_dropped_lines() == before && sent < 100000) {
        log_info("line %u", sent++);
    }
    assert_int_equal(log_dropped_lines(), before + 1);
    const char *text = captured();
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_int_equal(lines, sent - 1);
    log_info("again");
    assert_non_null(strstr(captured(), "again"));
}

static void names_follow_the_enums(void **state) {
    assert_string_equal(log_level_names[LOG_LEVEL_ERROR], "error");
    assert_string_equal(log_level_names[LOG_LEVEL_DEBUG], "debug");
    assert_null(log_level_names[LOG_LEVEL_DEBUG + 1]);
    assert_string_equal(log_format_names[LOG_FORMAT_CONSOLE], "console");
    assert_string_equal(log_format_names[LOG_FORMAT_JOURNAL], "journal");
    assert_null(log_format_names[LOG_FORMAT_JOURNAL + 1]);
}

#define CAPTURED(test) cmocka_unit_test_setup_teardown(test, begin_capture, end_capture)

int main(void) {
    const struct CMUnitTest tests[] = {
        CAPTURED(logfmt_has_time_level_and_message),
        CAPTURED(the_level_hides_what_is_below_it),
        CAPTURED(an_errno_is_explained_and_passed_on),
        CAPTURED(json_lines_carry_the_scope),
        CAPTURED(lines_name_the_target_of_their_scope),
        CAPTURED(a_long_scope_value_is_cut),
        CAPTURED(long_messages_are_cut_but_lines_stay_whole),
        CAPTURED(the_console_shows_no_control_characters),
        CAPTURED(a_full_pipe_drops_lines_and_counts_them),
        cmocka_unit_test(names_follow_the_enums),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
