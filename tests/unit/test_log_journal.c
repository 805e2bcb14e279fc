/* SPDX-License-Identifier: Apache-2.0 */

/* Entries as the journal receives them, and what happens while it is not there. */

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
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_journal.h"
#include "base/mem.h"

/* A socket that stands in for the journal's, and a pipe for stderr. */
struct world {
    char folder[64], path[80];
    int journal, saved_stderr, reader;
    char text[8192];
};

static void listen_again(struct world *world) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", world->path);
    world->journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(world->journal, (struct sockaddr *)&address, sizeof(address)), 0);
}

static int set_up(void **state) {
    struct world *world = mem_alloc(sizeof(*world));
    int ends[2];
    strcpy(world->folder, "/tmp/test_log_journal.XXXXXX");
    if (mkdtemp(world->folder) == NULL || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        return -1;
    }
    snprintf(world->path, sizeof(world->path), "%s/socket", world->folder);
    listen_again(world);
    fflush(stderr);
    world->saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    world->reader = ends[0];
    log_set_level(LOG_LEVEL_INFO);
    log_scope_clear();
    *state = world;
    return log_open_journal(world->path);
}

static int tear_down(void **state) {
    struct world *world = *state;
    log_set_format(LOG_FORMAT_LOGFMT);
    dup2(world->saved_stderr, STDERR_FILENO);
    close(world->saved_stderr);
    close(world->reader);
    close(world->journal);
    unlink(world->path);
    rmdir(world->folder);
    free(world);
    return 0;
}

/* The next entry, or "". Its length goes to *ret_len. */
static const char *received(struct world *world, size_t *ret_len) {
    ssize_t n = recv(world->journal, world->text, sizeof(world->text) - 1, 0);
    *ret_len = n > 0 ? (size_t)n : 0;
    world->text[*ret_len] = '\0';
    return world->text;
}

static const char *on_stderr(struct world *world) {
    ssize_t n = read(world->reader, world->text, sizeof(world->text) - 1);
    world->text[n > 0 ? n : 0] = '\0';
    return world->text;
}

static void an_entry_has_priority_identifier_and_message(void **state) {
    struct world *world = *state;
    size_t len;
    log_warn("target '%s': went \"down\"", "a");
    assert_string_equal(received(world, &len), "PRIORITY=4\nSYSLOG_IDENTIFIER=dbvitals\n"
                                               "MESSAGE=target 'a': went \"down\"\n");
    assert_string_equal(on_stderr(world), "");
}

static void priorities_are_those_of_syslog(void **state) {
    struct world *world = *state;
    static const char *const priorities[] = {"PRIORITY=3\n", "PRIORITY=4\n", "PRIORITY=6\n",
                                             "PRIORITY=7\n"};
    size_t len;
    log_set_level(LOG_LEVEL_DEBUG);
    for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
        log_line((enum log_level)level, "x");
        assert_memory_equal(received(world, &len), priorities[level], strlen(priorities[level]));
    }
    log_set_level(LOG_LEVEL_WARN);
    log_info("hidden");
    received(world, &len);
    assert_int_equal(len, 0);
}

static void the_scope_is_fields(void **state) {
    struct world *world = *state;
    size_t len;
    log_scope_set("round_id", "1f");
    log_scope_target("orders-1");
    log_info("x");
    assert_non_null(strstr(received(world, &len), "\nROUND_ID=1f\nTARGET=orders-1\n"));
    log_scope_clear();
    log_scope_set("request_id", "r1");
    log_info("x");
    const char *entry = received(world, &len);
    assert_non_null(strstr(entry, "\nREQUEST_ID=r1\n"));
    assert_null(strstr(entry, "TARGET"));
    log_scope_clear();
}

static void a_text_of_several_lines_cannot_make_fields(void **state) {
    struct world *world = *state;
    size_t len;
    static const char expected[] = "PRIORITY=3\nSYSLOG_IDENTIFIER=dbvitals\n"
                                   "MESSAGE\n\x0e\0\0\0\0\0\0\0a\nPRIORITY=0\nb\n";
    log_error("a\nPRIORITY=0\nb");
    const char *entry = received(world, &len);
    assert_int_equal(len, sizeof(expected) - 1);
    assert_memory_equal(entry, expected, len);
}

static void a_journal_that_is_restarted_is_found_again(void **state) {
    struct world *world = *state;
    size_t len;
    close(world->journal);
    unlink(world->path);
    uint64_t dropped = log_dropped_lines();
    log_info("nobody there");
    assert_non_null(strstr(on_stderr(world), "level=info msg=\"nobody there\"\n"));
    assert_int_equal(log_dropped_lines(), dropped);
    listen_again(world);
    log_info("again");
    assert_non_null(strstr(received(world, &len), "MESSAGE=again\n"));
    assert_string_equal(on_stderr(world), "");
}

static void a_journal_that_does_not_read_costs_entries_not_time(void **state) {
    struct world *world = *state;
    uint64_t before = log_dropped_lines();
    unsigned sent = 0;
    while (log_dropped_lines() == before && sent < 100000) {
        log_info("entry %u", sent++);
    }
    assert_int_equal(log_dropped_lines(), before + 1);
    assert_string_equal(on_stderr(world), "");
    size_t len;
    received(world, &len);
    log_info("again");
    assert_int_equal(log_dropped_lines(), before + 1);
}

static void without_a_journal_it_cannot_be_opened(void **state) {
    struct world *world = *state;
    struct log_journal journal;
    char path[256];
    snprintf(path, sizeof(path), "%s/none", world->folder);
    assert_int_equal(log_journal_open(&journal, path), -ENOENT);
    assert_int_equal(log_journal_open(&journal, world->folder), -ECONNREFUSED);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(log_journal_open(&journal, path), -ENAMETOOLONG);
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD(an_entry_has_priority_identifier_and_message),
        WORLD(priorities_are_those_of_syslog),
        WORLD(the_scope_is_fields),
        WORLD(a_text_of_several_lines_cannot_make_fields),
        WORLD(a_journal_that_is_restarted_is_found_again),
        WORLD(a_journal_that_does_not_read_costs_entries_not_time),
        WORLD(without_a_journal_it_cannot_be_opened),
    };
    return cmocka_run_group_tests_name("log_journal", tests, NULL, NULL);
}
