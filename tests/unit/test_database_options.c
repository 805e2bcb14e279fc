/* SPDX-License-Identifier: Apache-2.0 */

/* Which databases are visited. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/mem.h"
#include "sampler/database_options.h"

static void add(struct database_patterns *patterns, const char *pattern) {
    patterns->list[patterns->count++] = mem_strdup(pattern);
}

static void a_pattern_of_include_must_fit_and_none_of_exclude(void **state) {
    static const struct {
        const char *name;
        bool visited;
    } cases[] = {{"shop", true},       {"shop_2", true}, {"shop_test", false}, {"template1", false},
                 {"a/b", true},        {".a", true},     {"x", false},         {"xy", true},
                 {"A", false},         {"", false},      {"shop*", true},      {"a\xff", true},
                 {"a\xc3\xa9'=", true}};
    struct database_options options = {.given = true};
    add(&options.include, "shop*");
    add(&options.include, "a*");
    add(&options.include, ".a");
    add(&options.include, "x?");
    add(&options.include, "template[0-9]");
    add(&options.exclude, "*_test");
    add(&options.exclude, "template1");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (database_options_select(&options, cases[i].name) != cases[i].visited) {
            fail_msg("'%s'", cases[i].name);
        }
    }
    database_options_deinit(&options);
}

static void a_star_fits_every_name_and_no_pattern_none(void **state) {
    struct database_options options = {.given = true};
    assert_false(database_options_select(&options, "shop"));
    add(&options.include, "*");
    assert_true(database_options_select(&options, "shop"));
    assert_true(database_options_select(&options, "\n'\"= \\"));
    assert_true(database_options_select(&options, "\xff\xfe"));
    database_options_deinit(&options);
}

static void a_copy_is_equal_and_independent(void **state) {
    struct database_options options = {.given = true}, copy;
    add(&options.include, "*");
    add(&options.exclude, "a");
    add(&options.exclude, "b");
    database_options_copy(&options, &copy);
    assert_true(database_options_equal(&options, &copy));
    copy.exclude.list[1][0] = 'c';
    assert_false(database_options_equal(&options, &copy));
    assert_string_equal(options.exclude.list[1], "b");
    copy.exclude.list[1][0] = 'b';
    copy.given = false;
    assert_false(database_options_equal(&options, &copy));
    copy.given = true;
    add(&copy.include, "*");
    assert_false(database_options_equal(&options, &copy));
    assert_false(database_options_equal(&copy, &options));
    database_options_deinit(&copy);
    database_options_deinit(&options);
    database_options_deinit(&options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_of_include_must_fit_and_none_of_exclude),
        cmocka_unit_test(a_star_fits_every_name_and_no_pattern_none),
        cmocka_unit_test(a_copy_is_equal_and_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
