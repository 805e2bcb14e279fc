/* SPDX-License-Identifier: Apache-2.0 */

/* The table builder: copies, NULL cells, unfinished rows, limits. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/table.h"

static const struct table_limits generous = {
    .max_rows = 100, .max_columns = 10, .max_bytes = 10000};

static void add_cells(struct table_builder *builder, const char *const *cells, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(table_builder_cell(builder, str_of(cells[i]), NULL), 0);
    }
}

static void columns_are_found_by_name_and_cells_by_place(void **state) {
    struct arena arena = {0};
    struct table_builder builder = {.arena = &arena, .limits = generous};
    char name[] = "a";
    assert_int_equal(table_builder_column(&builder, str_of(name), NULL), 0);
    assert_int_equal(table_builder_column(&builder, str_of("b"), NULL), 0);
    name[0] = '?';
    add_cells(&builder, (const char *const[]){"1", "2", NULL, ""}, 4);
    const struct table *table = table_builder_end(&builder);
    assert_int_equal(table->n_columns, 2);
    assert_int_equal(table->n_rows, 2);
    assert_int_equal(table_column(table, "a"), 0);
    assert_int_equal(table_column(table, "b"), 1);
    assert_int_equal(table_column(table, "c"), -1);
    assert_true(str_is(table_cell(table, 0, 1), "2"));
    assert_null(table_cell(table, 1, 0).data);
    assert_non_null(table_cell(table, 1, 1).data);
    arena_deinit(&arena);
}

static void an_unfinished_row_is_dropped(void **state) {
    struct arena arena = {0};
    struct table_builder builder = {.arena = &arena, .limits = generous};
    table_builder_column(&builder, str_of("a"), NULL);
    table_builder_column(&builder, str_of("b"), NULL);
    add_cells(&builder, (const char *const[]){"1", "2", "3"}, 3);
    assert_int_equal(table_builder_end(&builder)->n_rows, 1);
    arena_deinit(&arena);
}

static void the_builder_is_empty_afterwards(void **state) {
    struct arena arena = {0};
    struct table_builder builder = {.arena = &arena, .limits = generous};
    table_builder_column(&builder, str_of("a"), NULL);
    add_cells(&builder, (const char *const[]){"1"}, 1);
    table_builder_end(&builder);
    const struct table *empty = table_builder_end(&builder);
    assert_int_equal(empty->n_columns, 0);
    assert_int_equal(empty->n_rows, 0);
    table_builder_deinit(&builder);
    arena_deinit(&arena);
}

static void every_limit_is_named_when_it_is_reached(void **state) {
    struct arena arena = {0};
    struct table_builder builder = {.arena = &arena,
                                    .limits = {.max_rows = 2, .max_columns = 2, .max_bytes = 110}};
    struct error rows = {0}, columns = {0}, none = {0};
    assert_int_equal(table_builder_cell(&builder, str_of("x"), &none), -E2BIG);
    assert_int_equal(table_builder_column(&builder, str_of("a"), NULL), 0);
    assert_int_equal(table_builder_column(&builder, str_of("b"), NULL), 0);
    assert_int_equal(table_builder_column(&builder, str_of("c"), &columns), -E2BIG);
    assert_string_equal(columns.text, "reply has more than 2 columns");
    /* Six places of 16 bytes each, two letters of the names: twelve bytes are left. */
    assert_int_equal(table_builder_cell(&builder, str_of("12345678"), NULL), 0);
    add_cells(&builder, (const char *const[]){"", NULL, ""}, 3);
    assert_int_equal(table_builder_cell(&builder, str_of(""), &rows), -E2BIG);
    assert_string_equal(rows.text, "reply has more than 2 rows");
    assert_int_equal(table_builder_end(&builder)->n_rows, 2);
    arena_deinit(&arena);
}

static void empty_cells_count_too(void **state) {
    struct arena arena = {0};
    struct table_builder builder = {
        .arena = &arena, .limits = {.max_rows = 1000, .max_columns = 1, .max_bytes = 1000}};
    struct error err = {0};
    size_t count = 0;
    table_builder_column(&builder, str_of("a"), NULL);
    while (table_builder_cell(&builder, (struct str){0}, &err) == 0) {
        count++;
    }
    assert_string_equal(err.text, "reply is larger than 1000 bytes");
    assert_in_range(count, 40, 1000 / sizeof(struct str));
    table_builder_deinit(&builder);
    arena_deinit(&arena);
}

static void tables_of_one_arena_have_a_limit_together(void **state) {
    struct arena arena = {0};
    struct error err = {0};
    size_t count = 0;
    int r = 0;
    while (r == 0 && count < 200) {
        struct table_builder builder = {
            .arena = &arena,
            .limits = {
                .max_rows = 10, .max_columns = 1, .max_bytes = 1000, .max_arena_bytes = 10000}};
        r = table_builder_column(&builder, str_of("a"), &err);
        if (r == 0 && (r = table_builder_cell(&builder, str_of("123456789"), &err)) == 0) {
            table_builder_end(&builder);
            count++;
        }
        table_builder_deinit(&builder);
    }
    assert_int_equal(r, -E2BIG);
    assert_string_equal(err.text, "the replies are larger than 10000 bytes together");
    assert_in_range(count, 40, 150);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_found_by_name_and_cells_by_place),
        cmocka_unit_test(an_unfinished_row_is_dropped),
        cmocka_unit_test(the_builder_is_empty_afterwards),
        cmocka_unit_test(every_limit_is_named_when_it_is_reached),
        cmocka_unit_test(empty_cells_count_too),
        cmocka_unit_test(tables_of_one_arena_have_a_limit_together),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
