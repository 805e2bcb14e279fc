/* SPDX-License-Identifier: Apache-2.0 */

/* What members say, from rows and texts. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/duration.h"
#include "base/macros.h"
#include "failover/answer.h"

static struct arena arena;

static int tear_down(void **state) {
    arena_deinit(&arena);
    arena = (struct arena){0};
    return 0;
}

struct pair {
    const char *name, *value; /* NULL: SQL NULL */
};

static const struct table *row_of(const struct pair *pairs, size_t n) {
    struct table_builder builder = {
        .arena = &arena, .limits = {.max_rows = 10, .max_columns = 100, .max_bytes = 100000}};
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(table_builder_column(&builder, str_of(pairs[i].name), NULL), 0);
    }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(table_builder_cell(&builder, str_of(pairs[i].value), NULL), 0);
    }
    const struct table *table = table_builder_end(&builder);
    table_builder_deinit(&builder);
    return table;
}

static void a_primary_tells_timeline_position_and_slots(void **state) {
    static const struct pair pairs[] = {
        {"recovering", "f"}, {"timeline", "0000001F"}, {"written", "50331976"},
        {"received", NULL},  {"replayed", NULL},       {"slots", "a,b"},
        {"pid", NULL},       {"address", "10.0.0.1"},  {"port", "5433"},
        {"timeout", "60"},   {"delay", "0"},
    };
    struct member_answer answer;
    assert_int_equal(answer_read_postgres(row_of(pairs, ARRAY_LEN(pairs)), &answer, NULL), 0);
    assert_false(answer.in_recovery);
    assert_int_equal(answer.timeline, 31);
    assert_int_equal(answer.position, 50331976);
    assert_string_equal(answer.slots, "a,b,");
    assert_string_equal(answer.address, "10.0.0.1");
    assert_int_equal(answer.port, 5433);
}

static void a_primary_tells_for_whom_it_waits(void **state) {
    static const struct pair pairs[] = {
        {"recovering", "f"},
        {"sync_names", "FIRST 1 (a, b)"},
        {"standbys", "a\t10.0.0.2\ts1\tsync\nb c\t\t\tpotential\nd\t::1\t\tquorum"},
    };
    struct member_answer answer;
    assert_int_equal(answer_read_postgres(row_of(pairs, ARRAY_LEN(pairs)), &answer, NULL), 0);
    assert_string_equal(answer.sync_names, "FIRST 1 (a, b)");
    assert_int_equal(answer.n_standbys, 3);
    assert_string_equal(answer.standbys[0].name, "a");
    assert_string_equal(answer.standbys[0].address, "10.0.0.2");
    assert_string_equal(answer.standbys[0].slot, "s1");
    assert_true(answer.standbys[0].synchronous);
    assert_string_equal(answer.standbys[1].name, "b c");
    assert_false(answer.standbys[1].synchronous);
    assert_true(answer.standbys[2].synchronous);
    assert_false(answer.sync_cut);
}

static void what_is_too_long_to_prove_anything_says_so(void **state) {
    struct strbuf lines = {0};
    struct member_answer answer;
    for (int i = 0; i <= ANSWER_MOST_STANDBYS; i++) {
        strbuf_printf(&lines, "%ss%d\t\t\tasync", i > 0 ? "\n" : "", i);
    }
    const struct pair many[] = {{"recovering", "f"}, {"standbys", lines.data}};
    assert_int_equal(answer_read_postgres(row_of(many, 2), &answer, NULL), 0);
    assert_true(answer.sync_cut);
    assert_int_equal(answer.n_standbys, ANSWER_MOST_STANDBYS);
    strbuf_clear(&lines);
    for (int i = 0; i < ANSWER_MOST_SYNC_NAMES; i++) {
        strbuf_add_char(&lines, 'x');
    }
    const struct pair longer[] = {{"recovering", "f"}, {"sync_names", lines.data}};
    assert_int_equal(answer_read_postgres(row_of(longer, 2), &answer, NULL), 0);
    assert_true(answer.sync_cut);
    strbuf_deinit(&lines);
}

static void facts_are_read(void **state) {
    static const struct pair pairs[] = {
        {"roles", "rds_superuser"}, {"promotes", "t"}, {"promote", "f"}};
    static const struct pair old[] = {{"roles", NULL}, {"promotes", "f"}, {"promote", NULL}};
    static const struct tree counted[] = {{.type = TREE_TEXT},
                                          {.type = TREE_INTEGER, .integer = 3}};
    static const struct tree listening = {.type = TREE_LIST, .items = counted, .n_items = 2};
    static const struct tree none = {.type = TREE_LIST};
    struct member_facts facts;
    assert_int_equal(facts_read_postgres(row_of(pairs, 3), &facts, NULL), 0);
    assert_string_equal(facts.manager, "Amazon RDS");
    assert_int_equal(facts.promote, PROMOTE_MISSING);
    assert_int_equal(facts_read_postgres(row_of(old, 3), &facts, NULL), 0);
    assert_null(facts.manager);
    assert_int_equal(facts.promote, PROMOTE_UNSUPPORTED);
    assert_int_equal(facts_read_redis(&listening, &facts, NULL), 0);
    assert_string_equal(facts.manager, "Sentinel");
    assert_int_equal(facts_read_redis(&none, &facts, NULL), -EPROTO);
}

static void a_replica_tells_its_receiver(void **state) {
    static const struct pair pairs[] = {
        {"recovering", "t"},     {"timeline", NULL},      {"received", "9000000000"},
        {"replayed", "8999"},    {"paused", "t"},         {"pid", "77"},
        {"status", "streaming"}, {"received_tli", "3"},   {"slot_name", "s1"},
        {"age", "1.5"},          {"timeout", "5"},        {"delay", "300"},
        {"sender_host", "db-1"}, {"sender_port", "5432"},
    };
    struct member_answer answer;
    assert_int_equal(answer_read_postgres(row_of(pairs, ARRAY_LEN(pairs)), &answer, NULL), 0);
    assert_true(answer.in_recovery);
    assert_int_equal(answer.receiver, RECEIVER_STREAMING);
    assert_int_equal(answer.timeline, 3);
    assert_true(answer.received == 9000000000u && answer.replayed == 8999);
    assert_true(answer.paused && answer.has_message_age);
    assert_int_equal(answer.message_age_usec, 1500 * USEC_PER_MSEC);
    assert_int_equal(answer.receiver_timeout_usec, 5 * USEC_PER_SEC);
    assert_int_equal(answer.apply_delay_usec, 300 * USEC_PER_SEC);
    assert_string_equal(answer.sender_host, "db-1");
    assert_int_equal(answer.sender_port, 5432);
    assert_string_equal(answer.slot, "s1");
}

static enum receiver_state receiver_of(const char *pid, const char *status) {
    const struct pair pairs[] = {{"recovering", "t"}, {"pid", pid}, {"status", status}};
    struct member_answer answer;
    assert_int_equal(answer_read_postgres(row_of(pairs, ARRAY_LEN(pairs)), &answer, NULL), 0);
    assert_false(answer.has_message_age);
    return answer.receiver;
}

static void a_receiver_that_may_not_be_seen_is_not_known(void **state) {
    assert_int_equal(receiver_of(NULL, NULL), RECEIVER_NONE);
    assert_int_equal(receiver_of("1", NULL), RECEIVER_UNKNOWN);
    assert_int_equal(receiver_of("1", "starting"), RECEIVER_NONE);
    assert_int_equal(receiver_of("1", "streaming"), RECEIVER_STREAMING);
}

static void rows_without_a_role_are_refused(void **state) {
    static const struct pair nothing[] = {{"recovering", NULL}};
    static const struct pair other[] = {{"something", "t"}};
    struct member_answer answer;
    struct error err = {0};
    assert_int_equal(answer_read_postgres(row_of(nothing, 1), &answer, &err), -EPROTO);
    assert_int_equal(answer_read_postgres(row_of(other, 1), &answer, &err), -EPROTO);
}

static void numbers_that_are_none_are_unknown(void **state) {
    static const struct pair pairs[] = {
        {"recovering", "t"}, {"received", "-5"},  {"age", "NaN"},
        {"delay", "x"},      {"timeout", "1e30"},
    };
    struct member_answer answer;
    assert_int_equal(answer_read_postgres(row_of(pairs, ARRAY_LEN(pairs)), &answer, NULL), 0);
    assert_int_equal(answer.received, 0);
    assert_false(answer.has_message_age);
    assert_int_equal(answer.apply_delay_usec, 0);
    assert_int_equal(answer.receiver_timeout_usec, 0);
}

static int read_info(const char *text, struct member_answer *ret) {
    const struct tree tree = {.type = TREE_TEXT, .text = str_of(text)};
    struct error err = {0};
    return answer_read_redis(&tree, &arena, ret, &err);
}

static void a_redis_primary_tells_its_offset(void **state) {
    struct member_answer answer;
    assert_int_equal(read_info("# Replication\r\nrole:master\r\nmaster_replid:abc\r\n"
                               "master_repl_offset:77\r\n",
                               &answer),
                     0);
    assert_false(answer.in_recovery);
    assert_int_equal(answer.position, 77);
    assert_string_equal(answer.system, "abc");
}

static void a_redis_replica_tells_its_link(void **state) {
    struct member_answer answer;
    assert_int_equal(read_info("role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\n"
                               "master_link_status:up\r\nmaster_sync_in_progress:1\r\n"
                               "slave_read_repl_offset:12\r\nslave_repl_offset:11\r\n"
                               "slave_priority:0\r\nmaster_replid:abc\r\n",
                               &answer),
                     0);
    assert_true(answer.in_recovery && answer.syncing && answer.no_priority);
    assert_int_equal(answer.receiver, RECEIVER_STREAMING);
    assert_true(answer.received == 12 && answer.replayed == 11);
    assert_string_equal(answer.sender_host, "10.0.0.1");
    assert_int_equal(answer.sender_port, 6379);
    assert_int_equal(read_info("role:slave\r\nmaster_link_status:down\r\n", &answer), 0);
    assert_int_equal(answer.receiver, RECEIVER_NONE);
}

static void a_redis_without_a_role_is_refused(void **state) {
    struct member_answer answer;
    const struct tree list = {.type = TREE_LIST};
    assert_int_equal(read_info("role:sentinel\r\n", &answer), -EPROTO);
    assert_int_equal(answer_read_redis(&list, &arena, &answer, NULL), -EPROTO);
}

static void identities_are_read(void **state) {
    static const struct pair pairs[] = {{"system_identifier", "7001"}, {"read_only", "on"}};
    const struct tree tree = {.type = TREE_TEXT,
                              .text = str_of("run_id:ff00\r\nredis_mode:cluster\r\n")};
    struct member_identity identity;
    assert_int_equal(identity_read_postgres(row_of(pairs, 2), &identity, NULL), 0);
    assert_string_equal(identity.system, "7001");
    assert_true(identity.read_only);
    assert_int_equal(identity_read_redis(&tree, &arena, &identity, NULL), 0);
    assert_string_equal(identity.run_id, "ff00");
    assert_true(identity.clustered);
}

int main(void) {
#define CASE(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_primary_tells_timeline_position_and_slots),
        CASE(a_primary_tells_for_whom_it_waits),
        CASE(what_is_too_long_to_prove_anything_says_so),
        CASE(facts_are_read),
        CASE(a_replica_tells_its_receiver),
        CASE(a_receiver_that_may_not_be_seen_is_not_known),
        CASE(rows_without_a_role_are_refused),
        CASE(numbers_that_are_none_are_unknown),
        CASE(a_redis_primary_tells_its_offset),
        CASE(a_redis_replica_tells_its_link),
        CASE(a_redis_without_a_role_is_refused),
        CASE(identities_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
