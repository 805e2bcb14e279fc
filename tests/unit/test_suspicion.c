/* SPDX-License-Identifier: Apache-2.0 */

/* How many failures of which kind make a primary lost. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/duration.h"
#include "base/macros.h"
#include "failover/suspicion.h"

#define T0       ((uint64_t)1000 * USEC_PER_SEC)
#define INTERVAL (500 * USEC_PER_MSEC)

struct suspicion_case {
    const char *probes; /* a alive, g gone, k gone while a kept connection is open, s silent, o
                           ours; one each half second */
    enum suspicion_state state; /* half a second after the last */
};

static void failures_of_one_kind_add_up(void **state) {
    static const struct suspicion_case cases[] = {
        {"", SUSPICION_NONE},       {"a", SUSPICION_NONE},      {"g", SUSPICION_RISING},
        {"gg", SUSPICION_RISING},   {"ggg", SUSPICION_GONE},    {"aaggg", SUSPICION_GONE},
        {"sss", SUSPICION_SILENT},  {"ssg", SUSPICION_RISING},  {"ssgg", SUSPICION_RISING},
        {"ssggg", SUSPICION_GONE},  {"ggs", SUSPICION_SILENT},  {"gsg", SUSPICION_RISING},
        {"ggag", SUSPICION_RISING}, {"ggog", SUSPICION_RISING}, {"ggo", SUSPICION_VOID},
        {"gggo", SUSPICION_VOID},   {"ggga", SUSPICION_NONE},   {"kkk", SUSPICION_SILENT},
        {"kkg", SUSPICION_RISING},  {"ggk", SUSPICION_SILENT},  {"oggg", SUSPICION_GONE},
        {"gggs", SUSPICION_SILENT}, {"sssg", SUSPICION_RISING},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct suspicion suspicion;
        uint64_t now = T0;
        suspicion_init(&suspicion, &(struct suspicion_options){3, INTERVAL});
        for (const char *probe = cases[i].probes; *probe != '\0'; probe++, now += INTERVAL) {
            enum client_end end = *probe == 'a'   ? CLIENT_ALIVE
                                  : *probe == 's' ? CLIENT_SILENT
                                  : *probe == 'o' ? CLIENT_OURS
                                                  : CLIENT_GONE;
            suspicion_add(&suspicion, end, *probe == 'k', now);
        }
        if (suspicion_state(&suspicion, now) != cases[i].state) {
            fail_msg("%s: %d", cases[i].probes, suspicion_state(&suspicion, now));
        }
    }
}

/* Many failures at once are not many: a server may be back within the window. */
static void time_counts_as_well(void **state) {
    struct suspicion suspicion;
    suspicion_init(&suspicion, &(struct suspicion_options){3, INTERVAL});
    for (int i = 0; i < 50; i++) {
        suspicion_add(&suspicion, CLIENT_GONE, false, T0 + (uint64_t)i);
    }
    assert_int_equal(suspicion_state(&suspicion, T0 + 3 * INTERVAL - 1), SUSPICION_RISING);
    assert_int_equal(suspicion_state(&suspicion, T0 + 3 * INTERVAL), SUSPICION_GONE);
}

static void remembers_the_first_failure_and_the_last_answer(void **state) {
    struct suspicion suspicion;
    suspicion_init(&suspicion, &(struct suspicion_options){3, INTERVAL});
    suspicion_add(&suspicion, CLIENT_ALIVE, false, T0);
    suspicion_add(&suspicion, CLIENT_SILENT, false, T0 + 1);
    suspicion_add(&suspicion, CLIENT_GONE, false, T0 + 2);
    assert_int_equal(suspicion.answered_usec, T0);
    assert_int_equal(suspicion.first_usec, T0 + 1);
    assert_int_equal(suspicion.counted_since_usec, T0 + 2);
    suspicion_add(&suspicion, CLIENT_ALIVE, false, T0 + 3);
    assert_int_equal(suspicion.first_usec, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_of_one_kind_add_up),
        cmocka_unit_test(time_counts_as_well),
        cmocka_unit_test(remembers_the_first_failure_and_the_last_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
