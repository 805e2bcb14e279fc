/* SPDX-License-Identifier: Apache-2.0 */

/* INFO taken apart: pairs and records, from proper servers and from hostile ones. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "io/redis_info.h"

static const struct table_limits wide = {
    .max_rows = 1000, .max_columns = 1000, .max_bytes = 1000000};

static const char sample[] =
    "# Server\r\n"
    "redis_version:7.0.15\r\n"
    "os:Linux 5.1, x86\r\n"
    "executable:/usr/bin/redis-server\r\n"
    "config_file:\r\n"
    "\r\n"
    "# Replication\r\n"
    "role:master\r\n"
    "slave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0\r\n"
    "slave1:ip=10.0.0.3,port=6379,state=online,offset=2\r\n"
    "slave_repl_offset:123\r\n"
    "# Commandstats\r\n"
    "cmdstat_get:calls=3,usec=6,usec_per_call=2.00\r\n"
    "cmdstat_config|get:calls=1,usec=2,usec_per_call=2.00,failed_calls=1\r\n"
    "# Errorstats\r\n"
    "errorstat_ERR:count=3\r\n"
    "# Latencystats\r\n"
    "latency_percentiles_usec_get:p50=1.003,p99=2.0\r\n"
    "# Keyspace\r\n"
    "db0:keys=1,expires=0,avg_ttl=0,subexpiry=0\r\n";

struct reply {
    struct arena arena;
    const struct table *table;
    struct error error;
};

static int pairs(struct str info, const struct table_limits *limits, struct reply *ret) {
    *ret = (struct reply){0};
    return redis_info_pairs(info, limits, &ret->arena, &ret->table, &ret->error);
}

static int records(struct str info, const char *record, const struct table_limits *limits,
                   struct reply *ret) {
    *ret = (struct reply){0};
    return redis_info_records(info, record, limits, &ret->arena, &ret->table, &ret->error);
}

static void assert_cell(const struct table *table, size_t row, const char *column,
                        const char *expected) {
    int at = table_column(table, column);
    assert_true(at >= 0);
    assert_true(row < table->n_rows);
    struct str cell = table_cell(table, row, (size_t)at);
    if (expected == NULL) {
        assert_null(cell.data);
    } else {
        assert_true(str_is(cell, expected));
    }
}

static void reads_pairs_in_their_order(void **state) {
    struct reply reply;
    assert_int_equal(pairs(str_of(sample), &wide, &reply), 0);
    assert_int_equal(reply.table->n_rows, 1);
    assert_true(str_is(reply.table->columns[0], "redis_version"));
    assert_true(str_is(reply.table->columns[1], "os"));
    assert_cell(reply.table, 0, "redis_version", "7.0.15");
    assert_cell(reply.table, 0, "os", "Linux 5.1, x86");
    assert_cell(reply.table, 0, "executable", "/usr/bin/redis-server");
    assert_cell(reply.table, 0, "config_file", "");
    assert_cell(reply.table, 0, "slave_repl_offset", "123");
    arena_deinit(&reply.arena);
}

static void counts_the_first_of_equal_names(void **state) {
    struct reply reply;
    assert_int_equal(pairs(str_of("a:1\nb:2\na:3\nb:\nc:4:5\n"), &wide, &reply), 0);
    assert_int_equal(reply.table->n_columns, 3);
    assert_cell(reply.table, 0, "a", "1");
    assert_cell(reply.table, 0, "b", "2");
    assert_cell(reply.table, 0, "c", "4:5");
    arena_deinit(&reply.arena);
}

static void reads_records_with_the_columns_of_all(void **state) {
    struct reply reply;
    assert_int_equal(records(str_of(sample), "slave", &wide, &reply), 0);
    assert_int_equal(reply.table->n_rows, 2);
    assert_int_equal(reply.table->n_columns, 6);
    assert_cell(reply.table, 0, "key", "0");
    assert_cell(reply.table, 0, "lag", "0");
    assert_cell(reply.table, 1, "key", "1");
    assert_cell(reply.table, 1, "ip", "10.0.0.3");
    assert_cell(reply.table, 1, "lag", NULL);
    arena_deinit(&reply.arena);

    assert_int_equal(records(str_of(sample), "cmdstat_", &wide, &reply), 0);
    assert_int_equal(reply.table->n_rows, 2);
    assert_cell(reply.table, 1, "key", "config|get");
    assert_cell(reply.table, 1, "usec_per_call", "2.00");
    assert_cell(reply.table, 0, "failed_calls", NULL);
    arena_deinit(&reply.arena);

    assert_int_equal(records(str_of(sample), "latency_percentiles_usec_", &wide, &reply), 0);
    assert_cell(reply.table, 0, "key", "get");
    assert_cell(reply.table, 0, "p50", "1.003");
    arena_deinit(&reply.arena);

    assert_int_equal(records(str_of(sample), "errorstat_", &wide, &reply), 0);
    assert_cell(reply.table, 0, "key", "ERR");
    assert_cell(reply.table, 0, "count", "3");
    arena_deinit(&reply.arena);
}

static void gives_no_row_where_there_is_no_record(void **state) {
    struct reply reply;
    assert_int_equal(records(str_of(sample), "os", &wide, &reply), 0);
    assert_int_equal(reply.table->n_rows, 0);
    arena_deinit(&reply.arena);
    assert_int_equal(records(str_of("os1:Linux 5.1, x86\n"), "os", &wide, &reply), 0);
    assert_int_equal(reply.table->n_rows, 0);
    arena_deinit(&reply.arena);
}

static void survives_hostile_lines(void **state) {
    static const char text[] = ":\n::\n:x\nname\n#:x\n\r\n\r\r\nx\0y:1\0\2\n"
                               "r:=1,,=,a=,=,b==2,a=3,key=4,c\nr1:,a=1,\nr2:key=9,a=\nlast:no end";
    struct str info = {text, sizeof(text) - 1};
    struct reply reply;
    assert_int_equal(pairs(info, &wide, &reply), 0);
    assert_cell(reply.table, 0, "last", "no end");
    assert_int_equal(table_column(reply.table, "name"), -1);
    assert_int_equal(table_column(reply.table, ""), -1);
    arena_deinit(&reply.arena);
    assert_int_equal(records(info, "r", &wide, &reply), 0);
    assert_int_equal(reply.table->n_rows, 2);
    assert_cell(reply.table, 0, "key", "1");
    assert_cell(reply.table, 0, "a", "1");
    assert_cell(reply.table, 1, "key", "2"); /* a field of this name does not replace it */
    assert_cell(reply.table, 1, "a", "");
    arena_deinit(&reply.arena);
}

static void accepts_an_empty_text(void **state) {
    struct reply reply;
    assert_int_equal(pairs((struct str){0}, &wide, &reply), 0);
    assert_int_equal(reply.table->n_columns, 0);
    assert_int_equal(reply.table->n_rows, 0);
    arena_deinit(&reply.arena);
    assert_int_equal(records((struct str){"", 0}, "db", &wide, &reply), 0);
    assert_int_equal(reply.table->n_rows, 0);
    arena_deinit(&reply.arena);
}

static void reads_every_beginning_of_a_text(void **state) {
    for (size_t len = 0; len < sizeof(sample); len++) {
        struct reply reply;
        assert_int_equal(pairs((struct str){sample, len}, &wide, &reply), 0);
        assert_true(reply.table->n_rows <= 1);
        arena_deinit(&reply.arena);
        assert_int_equal(records((struct str){sample, len}, "db", &wide, &reply), 0);
        arena_deinit(&reply.arena);
    }
}

static void refuses_what_is_over_a_limit(void **state) {
    struct reply reply;
    struct table_limits narrow = wide;
    narrow.max_columns = 3;
    assert_int_equal(pairs(str_of(sample), &narrow, &reply), -E2BIG);
    assert_int_equal(reply.error.code, -E2BIG);
    assert_null(reply.table);
    arena_deinit(&reply.arena);
    struct table_limits short_one = wide;
    short_one.max_rows = 1;
    assert_int_equal(records(str_of(sample), "slave", &short_one, &reply), -E2BIG);
    arena_deinit(&reply.arena);
    struct table_limits small = wide;
    small.max_bytes = 20;
    assert_int_equal(pairs(str_of(sample), &small, &reply), -E2BIG);
    arena_deinit(&reply.arena);
}

static void refuses_more_empty_cells_than_the_text_is_worth(void **state) {
    struct strbuf text = {0};
    strbuf_add_text(&text, "db0:");
    for (int i = 0; i < 900; i++) {
        strbuf_printf(&text, "f%d=,", i);
    }
    strbuf_add_char(&text, '\n');
    for (int i = 0; i < 900; i++) {
        strbuf_printf(&text, "db%d:f0=\n", i + 1);
    }
    struct reply reply;
    assert_int_equal(records(strbuf_view(&text), "db", &wide, &reply), -E2BIG);
    assert_non_null(strstr(reply.error.text, "larger than"));
    arena_deinit(&reply.arena);
    strbuf_deinit(&text);
}

static void counts_lines_that_repeat_a_name(void **state) {
    struct strbuf text = {0};
    for (size_t i = 0; i < wide.max_columns; i++) {
        strbuf_add_text(&text, "a:1\r\n");
    }
    struct reply reply;
    assert_int_equal(pairs(strbuf_view(&text), &wide, &reply), 0);
    arena_deinit(&reply.arena);
    strbuf_add_text(&text, "a:1\r\n");
    assert_int_equal(pairs(strbuf_view(&text), &wide, &reply), -E2BIG);
    assert_string_equal(reply.error.text, "reply has more than 1000 lines");
    arena_deinit(&reply.arena);
    strbuf_deinit(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_pairs_in_their_order),
        cmocka_unit_test(counts_the_first_of_equal_names),
        cmocka_unit_test(reads_records_with_the_columns_of_all),
        cmocka_unit_test(gives_no_row_where_there_is_no_record),
        cmocka_unit_test(survives_hostile_lines),
        cmocka_unit_test(accepts_an_empty_text),
        cmocka_unit_test(reads_every_beginning_of_a_text),
        cmocka_unit_test(refuses_what_is_over_a_limit),
        cmocka_unit_test(counts_lines_that_repeat_a_name),
        cmocka_unit_test(refuses_more_empty_cells_than_the_text_is_worth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
