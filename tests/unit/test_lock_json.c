/* SPDX-License-Identifier: Apache-2.0 */

/* What monitors leave for each other. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/macros.h"
#include "failover/lock_json.h"

#define GOOD                                                                                       \
    "\"id\":\"f-1\",\"candidate\":\"b\",\"old_primary\":\"a\",\"holder\":\"m-1\",\"t\":"           \
    "1700000000000"

static struct failover_lock_plan read_plan(const char *text) {
    struct failover_lock_plan plan;
    memset(&plan, 0x55, sizeof(plan));
    lock_plan_read(str_of(text), &plan);
    return plan;
}

static void reads_the_plan_that_it_wrote(void **state) {
    struct failover_lock_plan plan = {.readable = true,
                                      .id = "f-1",
                                      .candidate = "größer \"b\"",
                                      .old_primary = "a\\",
                                      .holder = "m-1",
                                      .began_ms = 1700000000123};
    struct strbuf out = {0};
    lock_plan_write(&out, &plan);
    struct failover_lock_plan back = read_plan(out.data);
    assert_memory_equal(&back, &plan, sizeof(plan));
    assert_null(strstr(out.data, "outcome"));
    strbuf_clear(&out);
    lock_name_copy(plan.outcome, sizeof(plan.outcome), str_of("failed"));
    lock_plan_write(&out, &plan);
    back = read_plan(out.data);
    assert_memory_equal(&back, &plan, sizeof(plan));
    strbuf_deinit(&out);
}

static void knows_a_plan_that_it_cannot_read(void **state) {
    static const char *const texts[] = {
        "",
        "null",
        "[]",
        "{}",
        "{" GOOD,
        "{" GOOD ",\"outcome\":1}",
        "{" GOOD ",\"outcome\":\"\"}",
        "{" GOOD ",\"outcome\":\"0123456789012345678901234567890123456789\"}",
        "{" GOOD ",\"id\":\"f-2\"}",
        "{\"id\":\"\",\"candidate\":\"b\",\"old_primary\":\"a\",\"holder\":\"m\",\"t\":1}",
        "{\"id\":\"f\\u0000x\",\"candidate\":\"b\",\"old_primary\":\"a\",\"holder\":\"m\",\"t\":1}",
        "{\"id\":\"f\\n\",\"candidate\":\"b\",\"old_primary\":\"a\",\"holder\":\"m\",\"t\":1}",
        "{\"id\":\"f\",\"candidate\":[],\"old_primary\":\"a\",\"holder\":\"m\",\"t\":1}",
        "{\"id\":\"f\",\"candidate\":\"b\",\"old_primary\":\"a\",\"holder\":\"m\",\"t\":-1}",
        "{\"id\":\"f\",\"candidate\":\"b\",\"old_primary\":\"a\",\"holder\":\"m\",\"t\":1e300}",
        "{\"id\":\"f\",\"candidate\":\"b\",\"old_primary\":\"a\",\"holder\":\"m\"}",
    };
    assert_true(read_plan("{" GOOD "}").readable);
    assert_true(read_plan("{" GOOD ",\"more\":[1,2]}").readable);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct failover_lock_plan plan = read_plan(texts[i]);
        assert_false(plan.readable);
        assert_int_equal(plan.id[0], 0);
    }
}

static void takes_a_name_whole_or_not_at_all(void **state) {
    char text[FAILOVER_LOCK_NAME_SIZE + 200], name[FAILOVER_LOCK_NAME_SIZE + 1];
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(text, sizeof(text),
                   "{\"id\":\"%s\",\"candidate\":\"b\",\"old_primary\":\"a\","
                   "\"holder\":\"m\",\"t\":1}",
                   name);
    assert_false(read_plan(text).readable);
    name[FAILOVER_LOCK_NAME_SIZE - 1] = '\0';
    (void)snprintf(text, sizeof(text),
                   "{\"id\":\"%s\",\"candidate\":\"b\",\"old_primary\":\"a\","
                   "\"holder\":\"m\",\"t\":1}",
                   name);
    assert_true(read_plan(text).readable);
    assert_string_equal(read_plan(text).id, name);
}

static void takes_maintenance_that_it_cannot_read_for_endless(void **state) {
    static const char *const texts[] = {"", "{}", "{\"until\":5}",
                                        "{\"until\":\"5\",\"who\":\"me\"}",
                                        "{\"until\":0,\"who\":\"me\"}"};
    struct failover_lock_maintenance found = {.until_ms = 1700000000000, .who = "me"}, back;
    struct strbuf out = {0};
    lock_maintenance_write(&out, &found, 1600000000000);
    assert_string_equal(out.data, "{\"until\":1700000000000,\"who\":\"me\",\"t\":1600000000000}");
    lock_maintenance_read(strbuf_view(&out), &back);
    assert_memory_equal(&back, &found, sizeof(found));
    strbuf_deinit(&out);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        lock_maintenance_read(str_of(texts[i]), &back);
        assert_true(back.until_ms == INT64_MAX);
        assert_string_equal(back.who, "?");
    }
}

static void cuts_names_at_characters(void **state) {
    char out[6];
    lock_name_copy(out, sizeof(out), str_of("a\nbc"));
    assert_string_equal(out, "a?bc");
    lock_name_copy(out, sizeof(out), str_of("abcdé"));
    assert_string_equal(out, "abcd");
    lock_name_copy(out, sizeof(out), str_of("a\xff\x7f\xc3"));
    assert_string_equal(out, "a???");
    assert_true(lock_name_fits("é", 3));
    assert_false(lock_name_fits("é", 2));
    assert_false(lock_name_fits("", 2));
    assert_false(lock_name_fits(NULL, 2));
    assert_false(lock_name_fits("\xff", 20));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_plan_that_it_wrote),
        cmocka_unit_test(knows_a_plan_that_it_cannot_read),
        cmocka_unit_test(takes_a_name_whole_or_not_at_all),
        cmocka_unit_test(takes_maintenance_that_it_cannot_read_for_endless),
        cmocka_unit_test(cuts_names_at_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
