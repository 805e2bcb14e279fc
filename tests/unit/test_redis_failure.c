/* SPDX-License-Identifier: Apache-2.0 */

/* What error replies mean, and that none of them brings a password into a log. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/macros.h"
#include "io/redis_failure.h"

static const struct example {
    const char *text;
    enum client_reason reason;
    const char *state;
    bool usable; /* as the answer to PING */
} examples[] = {
    {"NOAUTH Authentication required.", REASON_AUTH, "NOAUT", false},
    {"WRONGPASS invalid username-password pair or user is disabled.", REASON_AUTH, "WRONG", false},
    {"ERR invalid password", REASON_AUTH, "ERR", false},
    {"DENIED Redis is running in protected mode because ...", REASON_AUTH, "DENIE", false},
    {"ERR max number of clients reached", REASON_CONNECTIONS, "ERR", false},
    {"ERR max number of clients + cluster connections reached", REASON_CONNECTIONS, "ERR", false},
    {"NOPERM User monitor has no permissions to run the 'config|get' command", REASON_PERMISSION,
     "NOPER", true},
    {"LOADING Redis is loading the dataset in memory", REASON_STARTING, "LOADI", true},
    {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
     REASON_QUERY, "MASTE", true},
    {"BUSY Redis is busy running a script.", REASON_QUERY, "BUSY", true},
    {"MISCONF Redis is configured to save RDB snapshots", REASON_QUERY, "MISCO", true},
    {"ERR unknown command 'CONFIG'", REASON_UNSUPPORTED, "ERR", true},
    {"ERR unknown subcommand 'HISTOGRAM'. Try LATENCY HELP.", REASON_UNSUPPORTED, "ERR", true},
    {"ERR Unknown subcommand or wrong number of arguments for 'x'", REASON_UNSUPPORTED, "ERR",
     true},
    {"ERR syntax error", REASON_QUERY, "ERR", true},
    {"", REASON_QUERY, "", true},
};

static void knows_what_errors_mean(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct client_failure failure;
        redis_failure_from_text(str_of(examples[i].text), "hunter2", &failure);
        assert_int_equal(failure.end, CLIENT_ALIVE);
        assert_false(failure.connection);
        assert_string_equal(failure.sqlstate, examples[i].state);
        if (failure.reason != examples[i].reason ||
            redis_failure_is_usable(&failure) != examples[i].usable) {
            fail_msg("%s: %s", examples[i].text, client_reason_names[failure.reason]);
        }
        assert_true(error_is_set(&failure.error));
        if (examples[i].text[0] != '\0') {
            assert_string_equal(failure.error.text, examples[i].text);
        }
    }
}

static void never_repeats_a_password(void **state) {
    static const struct {
        const char *text, *password;
    } leaks[] = {
        {"ERR unknown command `AUTH`, with args beginning with: `hunter2` ", "hunter2"},
        {"ERR unknown command 'AUTH', with args beginning with: 'hun' ", "hunter2"},
        {"ERR wrong password 'hunter2'", "hunter2"},
        {"hunter2 is wrong", "hunter2"},
        {"hunter2", "hunter2"},
        {"ERR wrong password 'hunter'", "hunter2-and-much-more-of-it"},
        {"ERR hun", "hun"},
    };
    for (size_t i = 0; i < ARRAY_LEN(leaks); i++) {
        struct client_failure failure;
        redis_failure_from_text(str_of(leaks[i].text), leaks[i].password, &failure);
        assert_null(strstr(failure.error.text, "hun"));
        assert_null(strstr(failure.sqlstate, "hun"));
        assert_true(error_is_set(&failure.error));
    }
}

static void survives_hostile_texts(void **state) {
    char text[4096];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(i * 7);
    }
    for (size_t len = 0; len < sizeof(text); len += 13) {
        struct client_failure failure;
        redis_failure_from_text((struct str){text, len}, NULL, &failure);
        for (const char *at = failure.error.text; *at != '\0'; at++) {
            assert_true((unsigned char)*at >= ' ' && *at != 0x7f);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_errors_mean),
        cmocka_unit_test(never_repeats_a_password),
        cmocka_unit_test(survives_hostile_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
