/* SPDX-License-Identifier: Apache-2.0 */

/* Files of the kernel: read whole or not at all, and folders of them as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "host_folder.h"
#include "io/host_read.h"

static struct host_folder folder;
static struct strbuf text;
static struct arena arena;

static int set_up(void **state) {
    host_folder_init(&folder);
    return 0;
}

static int tear_down(void **state) {
    host_folder_deinit(&folder);
    strbuf_deinit(&text);
    text = (struct strbuf){0};
    arena_deinit(&arena);
    return 0;
}

static int read_name(const char *name, size_t most) {
    char *path = mem_printf("%s/%s", folder.path, name);
    int r = host_read_file(path, most, &text);
    free(path);
    return r;
}

static void reads_a_file_behind_what_is_there(void **state) {
    host_folder_write(&folder, "a", "12345");
    strbuf_add_text(&text, "x");
    assert_int_equal(read_name("a", 5), 0);
    assert_true(str_is(strbuf_view(&text), "x12345"));
}

static void what_cannot_be_read_leaves_nothing(void **state) {
    host_folder_write(&folder, "a", "12345");
    host_folder_write(&folder, "folder/b", "");
    char *path = mem_printf("%s/pipe", folder.path);
    assert_int_equal(mkfifo(path, 0600), 0);
    free(path);
    strbuf_add_text(&text, "x");
    assert_int_equal(read_name("a", 4), -E2BIG);
    assert_int_equal(read_name("missing", 5), -ENOENT);
    assert_int_equal(read_name("folder", 5), -EINVAL);
    assert_int_equal(read_name("pipe", 5), -EINVAL); /* and does not wait for a writer */
    assert_true(str_is(strbuf_view(&text), "x"));
}

static void only_a_pattern_is_a_tree(void **state) {
    struct host_tree tree;
    assert_false(host_tree_parse("/proc/stat", &tree));
    assert_false(host_tree_parse("statvfs", &tree));
    assert_false(host_tree_parse("/*", &tree));
    assert_true(host_tree_parse("/proc/pressure/*", &tree));
    assert_true(str_is(tree.folder, "/proc/pressure"));
    assert_int_equal(tree.n_files, 0);
    assert_true(host_tree_parse("/sys/class/net/* mtu statistics/rx_nohandler", &tree));
    assert_int_equal(tree.n_files, 2);
    assert_true(str_is(tree.files[1], "statistics/rx_nohandler"));
}

static const struct table *table_of(const char *question) {
    struct host_tree tree;
    const struct table *table = NULL;
    struct error err = {0};
    strbuf_clear(&text);
    assert_true(host_tree_parse(question, &tree));
    assert_int_equal(host_read_tree(&folder.options, &tree, &text), 0);
    assert_int_equal(host_tree_table(&tree, strbuf_view(&text), &arena, &table, &err), 0);
    return table;
}

static void entries_are_rows_and_their_files_columns(void **state) {
    host_folder_write(&folder, "sys/class/net/eth0/mtu", "1500\n");
    host_folder_write(&folder, "sys/class/net/eth0/statistics/rx", "7 \n\n");
    host_folder_write(&folder, "sys/class/net/bonding_masters", "bond0\n");
    const struct table *table = table_of("/sys/class/net/* mtu speed statistics/rx");
    assert_int_equal(table->n_rows, 1); /* a file has no files below it */
    assert_int_equal(table->n_columns, 4);
    assert_true(str_is(table->columns[2], "speed"));
    assert_true(str_is(table_cell(table, 0, 0), "eth0"));
    assert_true(str_is(table_cell(table, 0, 1), "1500"));
    assert_null(table_cell(table, 0, 2).data);
    assert_true(str_is(table_cell(table, 0, 3), "7"));
}

static void entries_may_be_files_themselves(void **state) {
    host_folder_write(&folder, "proc/pressure/cpu", "some total=1\nfull total=2\n");
    host_folder_write(&folder, "proc/pressure/.hidden", "x");
    const struct table *table = table_of("/proc/pressure/*");
    assert_int_equal(table->n_rows, 1);
    assert_true(str_is(table_cell(table, 0, 1), "some total=1\nfull total=2"));
}

static void a_folder_that_is_not_there_has_no_rows(void **state) {
    const struct table *table = table_of("/proc/pressure/*");
    assert_int_equal(table->n_rows, 0);
    assert_int_equal(table->n_columns, 2);
}

static void an_empty_file_is_not_a_missing_one(void **state) {
    host_folder_write(&folder, "sys/class/net/eth0/ifalias", "\n");
    const struct table *table = table_of("/sys/class/net/* ifalias mtu");
    assert_non_null(table_cell(table, 0, 1).data);
    assert_int_equal(table_cell(table, 0, 1).len, 0);
    assert_null(table_cell(table, 0, 2).data);
}

static void fields_that_were_cut_off_are_no_row(void **state) {
    static const char fields[] = "eth0\0=1500\0eth1\0=15";
    struct host_tree tree;
    const struct table *table;
    assert_true(host_tree_parse("/sys/class/net/* mtu", &tree));
    assert_int_equal(
        host_tree_table(&tree, (struct str){fields, sizeof(fields) - 1}, &arena, &table, NULL), 0);
    assert_int_equal(table->n_rows, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reads_a_file_behind_what_is_there),  TEST(what_cannot_be_read_leaves_nothing),
        TEST(only_a_pattern_is_a_tree),           TEST(entries_are_rows_and_their_files_columns),
        TEST(entries_may_be_files_themselves),    TEST(a_folder_that_is_not_there_has_no_rows),
        TEST(an_empty_file_is_not_a_missing_one), TEST(fields_that_were_cut_off_are_no_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
