/* SPDX-License-Identifier: Apache-2.0 */

/* Redis URLs. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "io/redis_client.h"

#define DEFAULT_PORT 6379

static bool same(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static const struct good {
    const char *url, *host, *socket_path;
    uint16_t port;
    const char *user, *password, *instance;
    bool tls;
} good[] = {
    {"redis://localhost", "localhost", NULL, 6379, NULL, NULL, "localhost:6379"},
    {"redis://localhost/", "localhost", NULL, 6379, NULL, NULL, "localhost:6379"},
    {"redis://10.0.0.3:7000/0", "10.0.0.3", NULL, 7000, NULL, NULL, "10.0.0.3:7000"},
    {"redis://db:65535/15", "db", NULL, 65535, NULL, NULL, "db:65535"},
    {"redis://[::1]:6380", "::1", NULL, 6380, NULL, NULL, "[::1]:6380"},
    {"redis://[fe80::1%25eth0]", "fe80::1%eth0", NULL, 6379, NULL, NULL, "[fe80::1%eth0]:6379"},
    {"redis://monitor@db", "db", NULL, 6379, "monitor", NULL, "db:6379"},
    {"redis://:secret@db", "db", NULL, 6379, NULL, "secret", "db:6379"},
    {"redis://monitor:secret@db:1", "db", NULL, 1, "monitor", "secret", "db:1"},
    {"redis://:@db", "db", NULL, 6379, NULL, NULL, "db:6379"},
    {"redis://u%40x:p%40%3a%2F%25%41@db", "db", NULL, 6379, "u@x", "p@:/%A", "db:6379"},
    {"redis://u:p@ss@db", "db", NULL, 6379, "u", "p@ss", "db:6379"},
    {"redis://u:p/a?s:s#w@db:7/1", "db", NULL, 7, "u", "p/a?s:s#w", "db:7"},
    {"redis://u:%2541@db", "db", NULL, 6379, "u", "%41", "db:6379"},
    {"rediss://db", "db", NULL, 6379, NULL, NULL, "db:6379", .tls = true},
    {"rediss://u:p@[::1]:6380/0", "::1", NULL, 6380, "u", "p", "[::1]:6380", .tls = true},
    {"unix:///run/redis.sock", NULL, "/run/redis.sock", 6379, NULL, NULL, "/run/redis.sock"},
    {"unix:///run/a@b/s%20s", NULL, "/run/a@b/s s", 6379, NULL, NULL, "/run/a@b/s s"},
    {"unix://u:p@/run/s", NULL, "/run/s", 6379, "u", "p", "/run/s"},
    {"unix://:p%40/x@y@/run/s", NULL, "/run/s", 6379, NULL, "p@/x@y", "/run/s"},
    {"unix://@/run/s", NULL, "/run/s", 6379, NULL, NULL, "/run/s"},
};

static void reads_urls(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct redis_options options;
        struct error error = {0};
        if (redis_options_parse(good[i].url, DEFAULT_PORT, &options, &error) != 0) {
            fail_msg("%s: %s", good[i].url, error.text);
        }
        char instance[128];
        redis_options_instance(&options, instance, sizeof(instance));
        if (!same(options.host, good[i].host) || !same(options.socket_path, good[i].socket_path) ||
            options.port != good[i].port || !same(options.user, good[i].user) ||
            !same(options.password, good[i].password) || !same(instance, good[i].instance) ||
            options.tls.enabled != good[i].tls) {
            fail_msg("%s", good[i].url);
        }
        redis_options_deinit(&options);
    }
}

static const struct bad {
    const char *url, *word; /* of the error */
} bad[] = {
    {"", "redis://"},
    {"localhost:6379", "redis://"},
    {"http://localhost", "redis://"},
    {"redis:/localhost", "redis://"},
    {"rediss:/localhost", "rediss://"},
    {"rediss://", "host is missing"},
    {"rediss://db?secret=1", "parameters"},
    {"rediss://u:secret%@db", "password"},
    {"redis://", "host is missing"},
    {"redis://:6379", "host is missing"},
    {"redis://:secret@", "host is missing"},
    {"redis://db:0", "port"},
    {"redis://db:65536", "port"},
    {"redis://db:", "port"},
    {"redis://db:secret", "port"},
    {"redis://db:+1", "port"},
    {"redis://::1", "brackets"},
    {"redis://[::1", "']'"},
    {"redis://[::1]6379", "':'"},
    {"redis://[]", "host is missing"},
    {"redis://db/secret", "database number"},
    {"redis://db?secret=1", "parameters"},
    {"redis://db/0?secret", "parameters"},
    {"redis://d b", "host name"},
    {"redis://d%2fb", "host name"},
    {"redis://u:secret%@db", "password"},
    {"redis://u:secret%4@db", "password"},
    {"redis://u:secret%4g@db", "password"},
    {"redis://u:secret%00@db", "password"},
    {"redis://u%zz:secret@db", "user name"},
    {"redis://u:secret@d%xxb", "host"},
    {"unix://", "absolute path"},
    {"unix://run/redis.sock", "absolute path"},
    {"unix://u:secret@run/s", "absolute path"},
    {"unix:///run/%xx", "socket path"},
    {"unix:///"
     "0123456789012345678901234567890123456789012345678901234567890123456789"
     "0123456789012345678901234567890123456789012345678901234567890123456789",
     "too long"},
};

static void refuses_other_urls_with_a_sentence_without_secrets(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct redis_options options = {.port = 4711};
        struct error error = {0};
        assert_int_equal(redis_options_parse(bad[i].url, DEFAULT_PORT, &options, &error), -EINVAL);
        if (strstr(error.text, bad[i].word) == NULL || strstr(error.text, "secret") != NULL) {
            fail_msg("%s: %s", bad[i].url, error.text);
        }
        assert_int_equal(options.port, 4711); /* untouched */
    }
}

static void copies_and_compares(void **state) {
    static const char *const urls[] = {
        "redis://u:p@db:1", "redis://u:p@db:2", "redis://u:p@other:1", "redis://v:p@db:1",
        "redis://u:q@db:1", "redis://u@db:1",   "unix://u:p@/db",      "rediss://u:p@db:1",
    };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        for (size_t j = 0; j < ARRAY_LEN(urls); j++) {
            struct redis_options a, b, copy;
            assert_int_equal(redis_options_parse(urls[i], DEFAULT_PORT, &a, NULL), 0);
            assert_int_equal(redis_options_parse(urls[j], DEFAULT_PORT, &b, NULL), 0);
            redis_options_copy(&a, &copy);
            assert_true(redis_options_equal(&a, &copy));
            assert_int_equal(redis_options_equal(&copy, &b), i == j);
            copy.sentinel = true;
            assert_false(redis_options_equal(&a, &copy));
            redis_options_deinit(&a);
            redis_options_deinit(&b);
            redis_options_deinit(&copy);
        }
    }
}

static void cuts_a_long_instance(void **state) {
    struct redis_options options;
    assert_int_equal(redis_options_parse("redis://localhost:6379", 1, &options, NULL), 0);
    char out[6];
    redis_options_instance(&options, out, sizeof(out));
    assert_string_equal(out, "local");
    redis_options_instance(&options, out, 0);
    assert_string_equal(out, "local");
    redis_options_deinit(&options);
}

static void deinitialises_nothing(void **state) {
    struct redis_options options = {0};
    redis_options_deinit(&options);
    assert_null(options.host);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_urls),
        cmocka_unit_test(refuses_other_urls_with_a_sentence_without_secrets),
        cmocka_unit_test(copies_and_compares),
        cmocka_unit_test(cuts_a_long_instance),
        cmocka_unit_test(deinitialises_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
