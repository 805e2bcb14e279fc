/* SPDX-License-Identifier: Apache-2.0 */

/* synchronous_standby_names, as PostgreSQL's own grammar has it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "failover/sync_names.h"

static const struct {
    const char *text;
    enum sync_rule rule;
    size_t quorum;
    const char *names; /* with '|' between them */
} good[] = {
    {"", SYNC_OFF, 0, ""},
    {" \t\n", SYNC_OFF, 0, ""},
    {"a", SYNC_FIRST, 1, "a"},
    {"a, b ,c", SYNC_FIRST, 1, "a|b|c"},
    {"*", SYNC_FIRST, 1, "*"},
    {"2 (a, b, c)", SYNC_FIRST, 2, "a|b|c"},
    {"FIRST 2 (a,b)", SYNC_FIRST, 2, "a|b"},
    {"first 1(a)", SYNC_FIRST, 1, "a"},
    {"ANY 2 (s1, \"s 2\", *)", SYNC_ANY, 2, "s1|s 2|*"},
    {"any 1 (\"a\"\"b\")", SYNC_ANY, 1, "a\"b"},
    {"\"any\", \"first\"", SYNC_FIRST, 1, "any|first"},
    {"12, 13", SYNC_FIRST, 1, "12|13"},
    {"1 (2, 3)", SYNC_FIRST, 1, "2|3"},
    {"_x$1, \xc3\xa4", SYNC_FIRST, 1, "_x$1|\xc3\xa4"},
    {"\"a,b(\"", SYNC_FIRST, 1, "a,b("},
};

static void reads_what_postgresql_reads(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct sync_names names;
        struct error err = {0};
        char joined[256] = "";
        assert_int_equal(sync_names_read(str_of(good[i].text), &names, &err), 0);
        assert_int_equal(names.rule, good[i].rule);
        assert_int_equal(names.quorum, good[i].quorum);
        for (size_t k = 0; k < names.n_names; k++) {
            size_t len = strlen(joined);
            snprintf(joined + len, sizeof(joined) - len, "%s%s", k > 0 ? "|" : "", names.names[k]);
        }
        assert_string_equal(joined, good[i].names);
    }
}

static void refuses_what_postgresql_refuses(void **state) {
    static const char *const bad[] = {
        ",",
        "a,",
        "a b",
        "ANY",
        "ANY (a)",
        "ANY 1",
        "ANY 1 a",
        "1 (a",
        "1 (a))",
        "FIRST 1 ()",
        "FIRST 0 (a)",
        "any, b",
        "\"a",
        "a-b",
        "2 (a) b",
        "-1 (a)",
        "a;",
        "()",
        "(a)",
        "1 ((a))",
        "first",
        "a,,b",
        "ANY 99999999999999999999 (a)",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct sync_names names = {.quorum = 77};
        struct error err = {0};
        assert_int_equal(sync_names_read(str_of(bad[i]), &names, &err), -EINVAL);
        assert_true(error_is_set(&err));
        assert_int_equal(names.quorum, 77);
    }
}

static void what_does_not_fit_is_refused(void **state) {
    struct strbuf text = {0};
    struct sync_names names;
    strbuf_add_text(&text, "n0");
    for (int i = 1; i < SYNC_MOST_NAMES; i++) {
        strbuf_printf(&text, ", n%d", i);
    }
    assert_int_equal(sync_names_read(strbuf_view(&text), &names, NULL), 0);
    assert_int_equal(names.n_names, SYNC_MOST_NAMES);
    strbuf_add_text(&text, ", more");
    assert_int_equal(sync_names_read(strbuf_view(&text), &names, NULL), -E2BIG);
    strbuf_clear(&text);
    for (int i = 0; i < SYNC_NAME_SIZE; i++) {
        strbuf_add_char(&text, 'x');
    }
    assert_int_equal(sync_names_read(strbuf_view(&text), &names, NULL), -E2BIG);
    text.len--;
    assert_int_equal(sync_names_read(strbuf_view(&text), &names, NULL), 0);
    strbuf_deinit(&text);
}

/* Every beginning of every text, and every byte replaced: nothing is read beyond. */
static void any_bytes_are_read_or_refused(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char bytes[64];
        size_t len = strlen(good[i].text);
        struct sync_names names;
        for (size_t k = 0; k <= len; k++) {
            char *copy = strndup(good[i].text, k);
            (void)sync_names_read((struct str){copy, k}, &names, NULL);
            free(copy);
        }
        for (size_t k = 0; k < len * 256; k++) {
            memcpy(bytes, good[i].text, len);
            bytes[k / 256] = (char)(k % 256);
            if (sync_names_read((struct str){bytes, len}, &names, NULL) == 0) {
                assert_true(names.n_names <= SYNC_MOST_NAMES);
            }
        }
    }
}

static void the_first_place_counts(void **state) {
    struct sync_names names;
    assert_int_equal(sync_names_read(str_of("a, B, *"), &names, NULL), 0);
    assert_int_equal(sync_names_place(&names, "A"), 1);
    assert_int_equal(sync_names_place(&names, "b"), 2);
    assert_int_equal(sync_names_place(&names, "walreceiver"), 3);
    assert_int_equal(sync_names_read(str_of("a"), &names, NULL), 0);
    assert_int_equal(sync_names_place(&names, "ab"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_postgresql_reads),
        cmocka_unit_test(refuses_what_postgresql_refuses),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(any_bytes_are_read_or_refused),
        cmocka_unit_test(the_first_place_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
