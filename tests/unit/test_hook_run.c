/* SPDX-License-Identifier: Apache-2.0 */

/* The commands of a step: real small programs, what they see, and what becomes of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "failover/hook_run.h"
#include "turn.h"

#define SHORT (150 * USEC_PER_MSEC)

struct seen {
    int calls;
    bool good;
    struct strbuf text;
    struct hook_run **free_run; /* in done() */
};

static struct loop *loop;
static struct processes *processes;
static struct hook_options options;
static struct hook_event event;
static struct hook_run *run;
static char folder[64], program[96], told[96];

static void write_program(const char *text) {
    int fd = open(program, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0700);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

static void add(enum hook_event_kind kind, const char *path, const char *word) {
    struct hook_commands *commands = &options.commands[kind];
    commands->list = mem_resize(commands->list, commands->count + 1, sizeof(struct hook_command));
    char **words = mem_array(3, sizeof(char *));
    words[0] = mem_strdup(path);
    words[1] = mem_strdup(word);
    commands->list[commands->count++].words = words;
}

static int set_up(void **state) {
    (void)snprintf(folder, sizeof(folder), "/tmp/dbvitals-run-XXXXXX");
    if (mkdtemp(folder) == NULL || loop_new(&loop) < 0) {
        return -1;
    }
    (void)snprintf(program, sizeof(program), "%s/hook", folder);
    (void)snprintf(told, sizeof(told), "%s/told", folder);
    processes = processes_new(loop, 0);
    options = (struct hook_options){.timeout_usec = 10 * USEC_PER_SEC,
                                    .fence_timeout_usec = 10 * USEC_PER_SEC};
    event = (struct hook_event){.kind = HOOK_POST, .cluster = "orders", .failover_id = "7"};
    *state = mem_alloc(sizeof(struct seen));
    return 0;
}

static int tear_down(void **state) {
    struct seen *seen = *state;
    run = hook_run_free(run);
    processes = processes_free(processes);
    loop = loop_free(loop);
    hook_options_deinit(&options);
    strbuf_deinit(&seen->text);
    free(seen);
    (void)unlink(program);
    (void)unlink(told);
    return rmdir(folder);
}

static void done(void *userdata, bool good, const char *text) {
    struct seen *seen = userdata;
    seen->calls++;
    seen->good = good;
    strbuf_clear(&seen->text);
    strbuf_add_text(&seen->text, text);
    if (seen->free_run != NULL) {
        *seen->free_run = hook_run_free(*seen->free_run);
    }
}

static void begin(struct seen *seen, enum hook_event_kind kind) {
    event.kind = kind;
    run = hook_run_new(loop, processes,
                       &(struct hook_run_request){
                           .options = &options, .event = &event, .done = done, .userdata = seen});
    assert_int_equal(seen->calls, 0);
}

static void run_all(struct seen *seen, enum hook_event_kind kind) {
    begin(seen, kind);
    assert_true(turn_until(loop, &seen->calls, 1));
    turn_for(loop, USEC_PER_MSEC);
    assert_int_equal(seen->calls, 1);
}

static void read_told(char *out, size_t size) {
    int fd = open(told, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, size - 1) : 0;
    out[n > 0 ? n : 0] = '\0';
    if (fd >= 0) {
        (void)close(fd);
    }
}

static void expect_told(const char *text) {
    char found[4096];
    read_told(found, sizeof(found));
    assert_string_equal(found, text);
}

static void assert_in_text(const struct seen *seen, const char *part) {
    if (strstr(seen->text.data, part) == NULL) {
        print_message("no '%s' in: %s\n", part, seen->text.data);
        fail();
    }
}

/* Writes its word beside itself; ends with it when it is a number. */
#define NOTES                                                                                      \
    "#!/bin/sh\n"                                                                                  \
    "echo \"$1\" >> \"${0%/*}/told\"\n"                                                            \
    "case $1 in [0-9]*) exit \"$1\";; esac\n"

static void an_empty_list_is_success(void **state) {
    struct seen *seen = *state;
    options.user = mem_strdup("no-such-user"); /* whom nobody needs */
    run_all(seen, HOOK_POST);
    assert_true(seen->good);
    assert_string_equal(seen->text.data != NULL ? seen->text.data : "", "");
}

static void commands_run_one_after_another(void **state) {
    struct seen *seen = *state;
    write_program("#!/bin/sh\necho \"begin $1\" >> \"${0%/*}/told\"\nsleep 0.05\n"
                  "echo \"end $1\" >> \"${0%/*}/told\"\n");
    add(HOOK_PRE, program, "a");
    add(HOOK_PRE, program, "b");
    add(HOOK_POST, program, "another event's");
    run_all(seen, HOOK_PRE);
    assert_true(seen->good);
    expect_told("begin a\nend a\nbegin b\nend b\n");
}

static void the_event_is_in_the_environment(void **state) {
    struct seen *seen = *state;
    write_program("#!/bin/sh\nenv | grep ^DBVITALS | sort > \"${0%/*}/told\"\n");
    event.old_primary = "orders-1";
    event.old_primary_addr = "10.0.0.1:5432";
    event.new_primary = "orders 2; $(id)";
    event.new_primary_addr = "[::1]:5432";
    event.lsn = "0/5000060";
    event.timeline = "3";
    event.reason = "gone";
    event.evidence = "not here";
    event.dry_run = true;
    add(HOOK_FENCE, program, "");
    run_all(seen, HOOK_FENCE);
    assert_true(seen->good);
    expect_told("DBVITALS_CLUSTER=orders\nDBVITALS_DRY_RUN=1\nDBVITALS_EVENT=fence\n"
                "DBVITALS_FAILOVER_ID=7\nDBVITALS_LSN=0/5000060\n"
                "DBVITALS_NEW_PRIMARY=orders 2; $(id)\nDBVITALS_NEW_PRIMARY_ADDR=[::1]:5432\n"
                "DBVITALS_OLD_PRIMARY=orders-1\nDBVITALS_OLD_PRIMARY_ADDR=10.0.0.1:5432\n"
                "DBVITALS_REASON=gone\nDBVITALS_TIMELINE=3\n");
}

static void what_is_not_known_is_empty(void **state) {
    struct seen *seen = *state;
    write_program("#!/bin/sh\necho \"<${DBVITALS_LSN-unset}> $DBVITALS_DRY_RUN\" "
                  "> \"${0%/*}/told\"\n");
    add(HOOK_POOL, program, "");
    run_all(seen, HOOK_POOL);
    expect_told("<> 0\n");
}

static void the_event_stands_on_standard_input(void **state) {
    struct seen *seen = *state;
    char found[4096];
    write_program("#!/bin/sh\nexec cat > \"${0%/*}/told\"\n");
    event.reason = "a \"quote\"";
    event.evidence = "two\nlines";
    add(HOOK_FAILED, program, "");
    run_all(seen, HOOK_FAILED);
    read_told(found, sizeof(found));
    assert_string_equal(found,
                        "{\"event\":\"failed\",\"cluster\":\"orders\",\"failover_id\":\"7\","
                        "\"old_primary\":null,\"old_primary_addr\":null,\"new_primary\":null,"
                        "\"new_primary_addr\":null,\"lsn\":null,\"timeline\":null,"
                        "\"reason\":\"a \\\"quote\\\"\",\"dry_run\":false,"
                        "\"evidence\":\"two\\nlines\"}\n");
}

static void the_first_failure_ends_what_leads_to_a_promotion(void **state) {
    struct seen *seen = *state;
    write_program(NOTES);
    add(HOOK_FENCE, program, "a");
    add(HOOK_FENCE, program, "3");
    add(HOOK_FENCE, program, "b");
    run_all(seen, HOOK_FENCE);
    assert_false(seen->good);
    expect_told("a\n3\n");
    assert_in_text(seen, "/hook: it succeeded, it took 0.");
    assert_in_text(seen, "/hook: it ended with exit code 3, it took 0.");
}

static void what_follows_a_promotion_has_its_turn_anyway(void **state) {
    struct seen *seen = *state;
    write_program(NOTES);
    add(HOOK_POST, program, "3");
    add(HOOK_POST, "/nonexistent/hook", "");
    add(HOOK_POST, program, "b");
    run_all(seen, HOOK_POST);
    assert_false(seen->good);
    expect_told("3\nb\n");
    assert_in_text(seen, "/nonexistent/hook: it is not run: ");
}

static void one_that_says_so_is_tried_three_times(void **state) {
    struct seen *seen = *state;
    write_program(NOTES);
    add(HOOK_PRE, program, "75");
    run_all(seen, HOOK_PRE);
    assert_false(seen->good);
    expect_told("75\n75\n75\n");
    assert_in_text(seen, "exit code 75, it took 0.");
    assert_in_text(seen, "; it is tried again\n");
}

static void a_second_attempt_may_succeed(void **state) {
    struct seen *seen = *state;
    write_program("#!/bin/sh\n[ -e \"${0%/*}/told\" ] && exit 0\necho x > \"${0%/*}/told\"\n"
                  "exit 75\n");
    add(HOOK_FENCE, program, "");
    run_all(seen, HOOK_FENCE);
    assert_true(seen->good);
}

static void a_promotion_is_never_tried_again(void **state) {
    struct seen *seen = *state;
    write_program(NOTES);
    add(HOOK_PROMOTE, program, "75");
    run_all(seen, HOOK_PROMOTE);
    assert_false(seen->good);
    expect_told("75\n");
}

static void attempts_end_with_the_time_of_the_command(void **state) {
    struct seen *seen = *state;
    write_program(NOTES);
    options.timeout_usec = USEC_PER_SEC / 2;
    add(HOOK_POST, program, "75");
    run_all(seen, HOOK_POST);
    assert_false(seen->good);
    expect_told("75\n");
}

static void who_takes_too_long_is_stopped(void **state) {
    struct seen *seen = *state;
    write_program("#!/bin/sh\necho begun\nexec sleep 60\n");
    options.fence_timeout_usec = SHORT;
    add(HOOK_FENCE, program, "");
    run_all(seen, HOOK_FENCE);
    assert_false(seen->good);
    assert_in_text(seen, "it was stopped after ");
    assert_in_text(seen, "\n  begun\n");
}

static void what_others_may_write_is_not_run(void **state) {
    struct seen *seen = *state;
    write_program(NOTES);
    assert_int_equal(chmod(program, 0707), 0);
    add(HOOK_FENCE, program, "a");
    run_all(seen, HOOK_FENCE);
    assert_false(seen->good);
    expect_told("");
    assert_in_text(seen, "others may write to");
}

static void an_unknown_user_runs_nothing(void **state) {
    struct seen *seen = *state;
    write_program(NOTES);
    options.user = mem_strdup("no-such-user");
    add(HOOK_POST, program, "a");
    run_all(seen, HOOK_POST);
    assert_false(seen->good);
    expect_told("");
    assert_in_text(seen, "no hook is run: there is no user 'no-such-user'\n");
}

static void commands_run_as_the_user(void **state) {
    struct seen *seen = *state;
    if (geteuid() != 0) { /* it is refused then, which the other tests of users show */
        return;
    }
    options.user = mem_strdup("nobody");
    add(HOOK_POST, "/usr/bin/id", "-un");
    add(HOOK_POST, "/usr/bin/printenv", "USER");
    run_all(seen, HOOK_POST);
    assert_true(seen->good);
    assert_in_text(seen, "/usr/bin/id: it succeeded");
    assert_in_text(seen, "\n  nobody\n/usr/bin/printenv: ");
}

static void output_becomes_text(void **state) {
    struct seen *seen = *state;
    write_program("#!/bin/sh\nprintf 'a\\377b\\001\\033[2J\\302\\200\\303\\244\\tc\\nd\\n'\n");
    add(HOOK_POST, program, "");
    run_all(seen, HOOK_POST);
    assert_true(seen->good);
    assert_in_text(seen, "\n  a\xef\xbf\xbd"
                         "b??[2J?\xc3\xa4\tc\n  d\n");
    assert_true(str_is_utf8(strbuf_view(&seen->text)));
}

static void output_is_limited_over_all_commands(void **state) {
    struct seen *seen = *state;
    write_program("#!/bin/sh\nhead -c 50000 /dev/zero | tr '\\0' \"$1\"\n");
    add(HOOK_POST, program, "x");
    add(HOOK_POST, program, "y");
    add(HOOK_POST, program, "z");
    run_all(seen, HOOK_POST);
    assert_true(seen->good);
    assert_true(seen->text.len < HOOK_MOST_OUTPUT_BYTES + 1024);
    assert_true(seen->text.len > HOOK_MOST_OUTPUT_BYTES);
    assert_in_text(seen, "yyy\n  (there was more)\n");
    assert_null(strstr(seen->text.data, "zz"));
}

static void nothing_is_told_after_it_was_freed(void **state) {
    struct seen *seen = *state;
    write_program("#!/bin/sh\ntrap 'echo well >> \"${0%/*}/told\"; exit 0' TERM\n"
                  "echo on > \"${0%/*}/told\"\nwhile :; do sleep 0.01; done\n");
    add(HOOK_FENCE, program, "");
    begin(seen, HOOK_FENCE);
    char found[64] = "";
    for (int i = 0; i < 1000 && found[0] == '\0'; i++) {
        turn_for(loop, USEC_PER_MSEC);
        read_told(found, sizeof(found));
    }
    run = hook_run_free(run);
    for (int i = 0; i < 1000 && processes_running(processes) > 0; i++) {
        (void)loop_run_once(loop, 10 * USEC_PER_MSEC);
    }
    assert_int_equal(processes_running(processes), 0);
    assert_int_equal(seen->calls, 0);
    expect_told("on\nwell\n");
}

static void it_may_be_freed_before_it_begins_and_while_it_tells(void **state) {
    struct seen *seen = *state;
    write_program(NOTES);
    add(HOOK_POST, program, "a");
    begin(seen, HOOK_POST);
    run = hook_run_free(run);
    turn_for(loop, 20 * USEC_PER_MSEC);
    expect_told("");
    seen->free_run = &run;
    begin(seen, HOOK_POST);
    assert_true(turn_until(loop, &seen->calls, 1));
    assert_null(run);
    seen->calls = 0;
    begin(seen, HOOK_PRE); /* an empty list, told by the deferred call */
    assert_true(turn_until(loop, &seen->calls, 1));
    assert_null(run);
}

static void the_end_of_all_processes_is_a_failure(void **state) {
    struct seen *seen = *state;
    write_program("#!/bin/sh\nexec sleep 60\n");
    add(HOOK_POST, program, "a");
    add(HOOK_POST, program, "b");
    begin(seen, HOOK_POST);
    for (int i = 0; i < 1000 && processes_running(processes) == 0; i++) {
        (void)loop_run_once(loop, USEC_PER_MSEC);
    }
    processes = processes_free(processes);
    assert_int_equal(seen->calls, 1);
    assert_false(seen->good);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(an_empty_list_is_success),
        CASE(commands_run_one_after_another),
        CASE(the_event_is_in_the_environment),
        CASE(what_is_not_known_is_empty),
        CASE(the_event_stands_on_standard_input),
        CASE(the_first_failure_ends_what_leads_to_a_promotion),
        CASE(what_follows_a_promotion_has_its_turn_anyway),
        CASE(one_that_says_so_is_tried_three_times),
        CASE(a_second_attempt_may_succeed),
        CASE(a_promotion_is_never_tried_again),
        CASE(attempts_end_with_the_time_of_the_command),
        CASE(who_takes_too_long_is_stopped),
        CASE(what_others_may_write_is_not_run),
        CASE(an_unknown_user_runs_nothing),
        CASE(commands_run_as_the_user),
        CASE(output_becomes_text),
        CASE(output_is_limited_over_all_commands),
        CASE(nothing_is_told_after_it_was_freed),
        CASE(it_may_be_freed_before_it_begins_and_while_it_tells),
        CASE(the_end_of_all_processes_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
