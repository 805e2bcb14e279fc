/* SPDX-License-Identifier: Apache-2.0 */

/* Replies become what a collector's table expects, and replies of another form are refused. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "sampler/shape.h"

static struct tree text(const char *value) {
    return (struct tree){.type = TREE_TEXT, .text = str_of(value)};
}

static struct tree list(const struct tree *items, size_t count) {
    return (struct tree){.type = TREE_LIST, .items = items, .n_items = count};
}

static int shape(enum shape form, const struct client_reply *reply, struct arena *arena,
                 struct answer *ret, struct error *err) {
    struct query query = {.text = "ASK", .shape = form};
    query.record = form == SHAPE_RECORDS ? "db" : form == SHAPE_WORDS ? "name value" : NULL;
    struct shape_cache cache = {0};
    return shape_answer(&query, reply, &cache, arena, ret, err);
}

static void pairs_of_a_table_take_its_first_two_columns(void **state) {
    (void)state;
    struct arena arena = {0};
    struct answer answer;
    const struct str columns[] = {str_of("key"), str_of("value"), str_of("default")};
    const struct str cells[] = {str_of("max_client_conn"), str_of("200"), str_of("100"),
                                str_of("pool_mode"),       {NULL, 0},     str_of("session")};
    const struct table table = {columns, cells, 3, 2};
    assert_int_equal(
        shape(SHAPE_PAIRS, &(struct client_reply){.table = &table}, &arena, &answer, NULL), 0);
    assert_int_equal(answer.table->n_rows, 1);
    assert_true(str_is(answer.table->columns[0], "max_client_conn"));
    assert_true(str_is(table_cell(answer.table, 0, 0), "200"));
    assert_null(table_cell(answer.table, 0, 1).data);
    arena_deinit(&arena);
}

static void pairs_of_a_flat_list(void **state) {
    (void)state;
    struct arena arena = {0};
    struct answer answer;
    const struct tree items[] = {text("maxmemory"), text("0"), text("odd one out")};
    const struct tree tree = list(items, 3);
    assert_int_equal(
        shape(SHAPE_PAIRS, &(struct client_reply){.tree = &tree}, &arena, &answer, NULL), 0);
    assert_int_equal(answer.table->n_columns, 1);
    assert_true(str_is(table_cell(answer.table, 0, 0), "0"));
    arena_deinit(&arena);
}

static void rows_of_maps_have_every_column_that_one_of_them_has(void **state) {
    (void)state;
    struct arena arena = {0};
    struct answer answer;
    const struct tree first[] = {text("name"), text("cache"), text("flags"), text("master")};
    const struct tree second[] = {text("flags"), text("s_down"), text("quorum"), text("2")};
    const struct tree maps[] = {list(first, 4), list(second, 4)};
    const struct tree tree = list(maps, 2);
    assert_int_equal(
        shape(SHAPE_ROWS, &(struct client_reply){.tree = &tree}, &arena, &answer, NULL), 0);
    assert_int_equal(answer.table->n_rows, 2);
    assert_int_equal(answer.table->n_columns, 3);
    assert_int_equal(table_column(answer.table, "quorum"), 2);
    assert_null(table_cell(answer.table, 0, 2).data);
    assert_null(table_cell(answer.table, 1, 0).data);
    assert_true(str_is(table_cell(answer.table, 1, 1), "s_down"));
    arena_deinit(&arena);
}

static void maps_with_too_many_fields_are_refused(void **state) {
    (void)state;
    struct arena arena = {0};
    struct answer answer;
    struct error err = {0};
    struct tree items[400];
    char names[200][8];
    for (size_t i = 0; i < 200; i++) {
        snprintf(names[i], sizeof(names[i]), "f%zu", i);
        items[2 * i] = text(names[i]);
        items[2 * i + 1] = text("x");
    }
    const struct tree map = list(items, 400), tree = list(&map, 1);
    assert_int_equal(
        shape(SHAPE_ROWS, &(struct client_reply){.tree = &tree}, &arena, &answer, &err), -E2BIG);
    assert_string_equal(err.text, "reply has more than 128 columns");
    arena_deinit(&arena);
}

static void records_of_info(void **state) {
    (void)state;
    struct arena arena = {0};
    struct answer answer;
    const struct tree tree =
        text("# Keyspace\r\ndb0:keys=3,expires=1\r\ndb15:keys=1,expires=0\r\n");
    assert_int_equal(
        shape(SHAPE_RECORDS, &(struct client_reply){.tree = &tree}, &arena, &answer, NULL), 0);
    assert_int_equal(answer.table->n_rows, 2);
    assert_true(str_is(table_cell(answer.table, 1, 0), "15"));
    arena_deinit(&arena);
}

static void lines_of_words_are_rows_with_the_columns_of_the_query(void **state) {
    (void)state;
    struct arena arena = {0};
    struct answer answer;
    const struct tree tree = text("MemTotal:       16384 kB\n\nalone\n\tlast\t7");
    assert_int_equal(
        shape(SHAPE_WORDS, &(struct client_reply){.tree = &tree}, &arena, &answer, NULL), 0);
    assert_int_equal(answer.table->n_columns, 2);
    assert_int_equal(answer.table->n_rows, 4);
    assert_true(str_is(table_cell(answer.table, 0, 0), "MemTotal:"));
    assert_true(str_is(table_cell(answer.table, 0, 1), "16384"));
    assert_null(table_cell(answer.table, 1, 0).data);
    assert_true(str_is(table_cell(answer.table, 2, 0), "alone"));
    assert_null(table_cell(answer.table, 2, 1).data);
    assert_true(str_is(table_cell(answer.table, 3, 0), "last"));
    assert_true(str_is(table_cell(answer.table, 3, 1), "7"));
    arena_deinit(&arena);
}

static void pairs_of_words_when_the_query_names_them(void **state) {
    (void)state;
    struct arena arena = {0};
    struct answer answer;
    struct shape_cache cache = {0};
    struct error err = {0};
    const struct query query = {.text = "/proc/stat", .shape = SHAPE_PAIRS, .record = "name value"};
    const struct tree tree = text("ctxt 12 13\nbtime 5\n");
    assert_int_equal(
        shape_answer(&query, &(struct client_reply){.tree = &tree}, &cache, &arena, &answer, &err),
        0);
    assert_int_equal(answer.table->n_rows, 1);
    assert_true(str_is(answer.table->columns[1], "btime"));
    assert_true(str_is(table_cell(answer.table, 0, 0), "12"));
    arena_deinit(&arena);
}

static void refuses_replies_of_another_form(void **state) {
    (void)state;
    struct arena arena = {0};
    struct answer answer;
    struct error err = {0};
    const struct tree number = {.type = TREE_INTEGER, .text = str_of("1"), .integer = 1};
    const struct table narrow = {.columns = (const struct str[]){str_of("a")}, .n_columns = 1};
    struct client_reply tree_reply = {.tree = &number}, table_reply = {.table = &narrow};
    assert_int_equal(shape(SHAPE_PAIRS, &tree_reply, &arena, &answer, &err), -EPROTO);
    assert_string_equal(err.text, "the answer to 'ASK' has an unexpected form");
    assert_int_equal(shape(SHAPE_ROWS, &tree_reply, &arena, &answer, NULL), -EPROTO);
    assert_int_equal(shape(SHAPE_RECORDS, &tree_reply, &arena, &answer, NULL), -EPROTO);
    assert_int_equal(shape(SHAPE_RECORDS, &table_reply, &arena, &answer, NULL), -EPROTO);
    assert_int_equal(shape(SHAPE_PAIRS, &table_reply, &arena, &answer, NULL), -EPROTO);
    assert_int_equal(shape(SHAPE_TREE, &table_reply, &arena, &answer, NULL), -EPROTO);
    arena_deinit(&arena);
}

static void one_reply_is_taken_apart_once(void **state) {
    (void)state;
    struct arena arena = {0};
    struct shape_cache cache = {0};
    struct answer first, second;
    const struct tree tree = text("role:master\r\n");
    struct query query = {.text = "INFO ALL", .shape = SHAPE_PAIRS};
    struct client_reply reply = {.tree = &tree};
    assert_int_equal(shape_answer(&query, &reply, &cache, &arena, &first, NULL), 0);
    assert_int_equal(shape_answer(&query, &reply, &cache, &arena, &second, NULL), 0);
    assert_ptr_equal(first.table, second.table);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_of_a_table_take_its_first_two_columns),
        cmocka_unit_test(pairs_of_a_flat_list),
        cmocka_unit_test(rows_of_maps_have_every_column_that_one_of_them_has),
        cmocka_unit_test(maps_with_too_many_fields_are_refused),
        cmocka_unit_test(records_of_info),
        cmocka_unit_test(lines_of_words_are_rows_with_the_columns_of_the_query),
        cmocka_unit_test(pairs_of_words_when_the_query_names_them),
        cmocka_unit_test(refuses_replies_of_another_form),
        cmocka_unit_test(one_reply_is_taken_apart_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
