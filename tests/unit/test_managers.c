/* SPDX-License-Identifier: Apache-2.0 */

/* Other managers, by what they leave on a server. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/macros.h"
#include "failover/answer.h"
#include "failover/managers.h"

static const char *found(enum manager_clue clue, const char *text) {
    struct str clues[CLUES] = {0};
    clues[clue] = str_of(text);
    return managers_find(clues);
}

static void nothing_is_nobody(void **state) {
    struct str clues[CLUES] = {0};
    assert_null(managers_find(clues));
    assert_null(found(CLUE_LIBRARY, "pg_stat_statements"));
    assert_null(found(CLUE_ROLE, "repmgr"));
    assert_null(found(CLUE_LIBRARY, "repmgr_like"));
}

static void each_clue_is_enough(void **state) {
    for (size_t i = 0; i < n_managers; i++) {
        for (size_t k = 0; k < ARRAY_LEN(managers[i].clues); k++) {
            if (managers[i].clues[k].text != NULL) {
                assert_string_equal(found(managers[i].clues[k].clue, managers[i].clues[k].text),
                                    managers[i].name);
            }
        }
    }
}

static void each_clue_is_asked_for(void **state) {
    for (size_t i = 0; i < n_managers; i++) {
        for (size_t k = 0; k < ARRAY_LEN(managers[i].clues); k++) {
            const char *text = managers[i].clues[k].text;
            bool whole = text != NULL && managers[i].clues[k].clue != CLUE_LIBRARY;
            assert_true(!whole || strstr(facts_postgres_text, text) != NULL);
        }
    }
    for (size_t i = 0; i < CLUES; i++) {
        assert_non_null(strstr(facts_postgres_text, manager_clue_columns[i]));
    }
}

static void clues_are_found_among_others(void **state) {
    assert_string_equal(found(CLUE_APPLICATION, "Patroni heartbeat\nother"), "Patroni");
    assert_string_equal(found(CLUE_LIBRARY, "pg_stat_statements, repmgr"), "repmgr");
    assert_string_equal(found(CLUE_LIBRARY, "auto_explain,pgautofailover,x"), "pg_auto_failover");
    assert_string_equal(found(CLUE_ROLE, "a\nrds_superuser"), "Amazon RDS");
}

/* As Patroni 3.0.2 and repmgr 5.3.3 (which has no daemon without its library) were seen on their
 * primaries and replicas; Patroni's servers keep its settings when it is gone. */
static void real_ones_are_known(void **state) {
    static const struct {
        enum manager_clue clue;
        const char *text, *name;
    } seen[] = {
        {CLUE_APPLICATION, "Patroni", "Patroni"},
        {CLUE_SETTING, "command line", "Patroni"},
        {CLUE_APPLICATION, "repmgr", "repmgr"},
        {CLUE_LIBRARY, "repmgr", "repmgr"},
    };
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        assert_string_equal(found(seen[i].clue, seen[i].text), seen[i].name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_nobody),      cmocka_unit_test(each_clue_is_enough),
        cmocka_unit_test(each_clue_is_asked_for), cmocka_unit_test(clues_are_found_among_others),
        cmocka_unit_test(real_ones_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
