/* SPDX-License-Identifier: Apache-2.0 */

/* Target options: defaults, copies, comparison. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <cmocka.h>

#include "base/duration.h"
#include "base/mem.h"
#include "base/str.h"
#include "sampler/target_options.h"

/* A target with everything that a configuration can say. */
static void make(struct target_options *options, enum target_kind kind, const char *address) {
    target_options_init(options, kind);
    options->name = mem_strdup("orders-1");
    options->cluster = mem_strdup("orders");
    options->job = mem_strdup("databases");
    options->labels[0] = (struct target_label){mem_strdup("site"), mem_strdup("ams1")};
    options->labels[1] = (struct target_label){mem_strdup("tier"), mem_strdup("gold")};
    options->n_labels = 2;
    options->databases.include.list[0] = mem_strdup("*");
    options->databases.include.count = 1;
    if (kind == KIND_POSTGRES || kind == KIND_PGBOUNCER) {
        assert_int_equal(pg_options_parse(address, &options->pg, NULL), 0);
    } else if (kind == KIND_HOST) {
        options->host.procfs = mem_strdup(address);
    } else if (kind == KIND_BREAKERS) {
        options->app.http.url = mem_strdup(address);
        options->app.breakers = mem_array(1, sizeof(*options->app.breakers));
        options->app.breakers[0] =
            (struct app_item){mem_strdup("a"), .pointers = {NULL, mem_strdup("/b")}};
        options->app.n_breakers = 1;
        options->app.words = mem_array(1, sizeof(*options->app.words));
        options->app.words[0] = (struct app_word){mem_strdup("up"), APP_CLOSED};
        options->app.n_words = 1;
        options->app.pattern = mem_strdup("*");
    } else {
        assert_int_equal(redis_options_parse(address, 6379, &options->redis, NULL), 0);
    }
}

static size_t first_of_kind(enum target_kind kind) {
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        if (collector_list[i]->kind == kind) {
            return i;
        }
    }
    fail_msg("no collector of this kind");
    return 0;
}

static void every_collector_has_a_place(void **state) {
    size_t count = 0;
    for (; collector_list[count] != NULL; count++) {
        size_t n_options = 0;
        const struct option *option = collector_list[count]->options;
        for (; option != NULL && option->name != NULL; option++) {
            n_options++;
        }
        assert_true(n_options <= COLLECTOR_MOST_OPTIONS);
    }
    assert_true(count > 0);
    assert_true(count <= TARGET_MOST_COLLECTORS);
}

static void defaults_come_from_the_collectors_tables(void **state) {
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct target_options options;
        target_options_init(&options, (enum target_kind)kind);
        assert_true(options.required);
        assert_false(options.guessed);
        assert_true(options.interval_usec == 5 * USEC_PER_SEC);
        assert_true(options.timeout_usec == 3 * USEC_PER_SEC);
        assert_true(options.pg.guard_timeout_usec == 3 * USEC_PER_SEC);
        assert_int_equal(options.redis.sentinel, kind == KIND_SENTINEL);
        for (size_t i = 0; collector_list[i] != NULL; i++) {
            const struct collector *collector = collector_list[i];
            const struct collector_settings *settings = &options.collectors[i];
            bool ours = collector->kind == (enum target_kind)kind;
            bool on = (collector->flags & COLLECTOR_OFF) == 0;
            assert_int_equal(settings->enabled, ours && on);
            assert_true(settings->interval_usec == (ours ? collector->interval_usec : 0));
            assert_true(settings->timeout_usec == 0);
        }
        target_options_deinit(&options);
    }
}

/* As a text again, so that each fallback is compared with what was made of it. */
static void option_fallbacks_become_values(void **state) {
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        struct target_options options;
        const struct option *option = collector_list[i]->options;
        target_options_init(&options, collector_list[i]->kind);
        for (size_t o = 0; option != NULL && option[o].name != NULL; o++) {
            const struct option_value *value = &options.collectors[i].options[o];
            uint64_t number = 0;
            switch (option[o].type) {
            case OPTION_BOOL:
                assert_int_equal(value->number, strcmp(option[o].fallback, "true") == 0);
                break;
            case OPTION_UNSIGNED:
                assert_true(str_to_uint64(str_of(option[o].fallback), &number));
                assert_true(value->number == number);
                break;
            case OPTION_DURATION:
                assert_int_equal(duration_parse(str_of(option[o].fallback), &number, NULL), 0);
                assert_true(value->number == number);
                break;
            case OPTION_TEXT:
                assert_string_equal(value->text, option[o].fallback);
                break;
            }
        }
        target_options_deinit(&options);
    }
}

static void a_zeroed_one_may_be_deinitialised(void **state) {
    struct target_options options = {0};
    target_options_deinit(&options);
    target_options_deinit(&options);
    assert_null(options.name);
}

static void a_copy_is_equal_and_independent(void **state) {
    static const struct {
        enum target_kind kind;
        const char *address;
    } cases[] = {{KIND_POSTGRES, "postgresql://u:pw@h:1/d"},
                 {KIND_REDIS, "redis://u:pw@h:1"},
                 {KIND_HOST, "pw"},
                 {KIND_BREAKERS, "pw"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct target_options options, copy;
        make(&options, cases[i].kind, cases[i].address);
        target_options_copy(&options, &copy);
        assert_int_equal(target_options_compare(&options, &copy), 0);
        assert_string_equal(copy.name, "orders-1");
        assert_ptr_not_equal(copy.name, options.name);
        target_options_deinit(&options);
        assert_string_equal(copy.cluster, "orders");
        assert_string_equal(copy.job, "databases");
        assert_string_equal(copy.labels[1].value, "gold");
        assert_string_equal(copy.databases.include.list[0], "*");
        const char *kept[] = {copy.pg.password, copy.redis.password, copy.host.procfs,
                              copy.app.http.url};
        assert_string_equal(kept[i], "pw");
        target_options_deinit(&copy);
    }
}

static void tells_applications_apart(void **state) {
    struct target_options a, b;
    make(&a, KIND_BREAKERS, "http://a/x");
    make(&b, KIND_BREAKERS, "http://a/x");
    assert_int_equal(target_options_compare(&a, &b), 0);
    b.app.words[0].state = APP_OPEN;
    assert_int_equal(target_options_compare(&a, &b), TARGET_CONNECTION);
    b.app.words[0].state = APP_CLOSED;
    b.app.breakers[0].pointers[1][1] = 'c';
    assert_int_equal(target_options_compare(&a, &b), TARGET_CONNECTION);
    b.app.breakers[0].pointers[1][1] = 'b';
    b.app.format = APP_ENVOY;
    assert_int_equal(target_options_compare(&a, &b), TARGET_CONNECTION);
    target_options_deinit(&a);
    target_options_deinit(&b);
}

static void tells_connections_apart(void **state) {
    struct target_options a, b;
    make(&a, KIND_POSTGRES, "postgresql://u:pw@h:1/d");
    make(&b, KIND_POSTGRES, "postgresql://u:other@h:1/d");
    assert_int_equal(target_options_compare(&a, &b), TARGET_CONNECTION);
    target_options_deinit(&b);
    make(&b, KIND_POSTGRES, "postgresql://u:pw@h:2/d");
    assert_int_equal(target_options_compare(&a, &b), TARGET_CONNECTION);
    target_options_deinit(&b);
    make(&b, KIND_PGBOUNCER, "postgresql://u:pw@h:1/d");
    assert_true((target_options_compare(&a, &b) & TARGET_CONNECTION) != 0);
    target_options_deinit(&b);
    target_options_deinit(&a);
    make(&a, KIND_REDIS, "redis://h");
    make(&b, KIND_REDIS, "redis://h:6380");
    assert_int_equal(target_options_compare(&a, &b), TARGET_CONNECTION);
    target_options_deinit(&a);
    target_options_deinit(&b);
    make(&a, KIND_HOST, "/host/proc");
    make(&b, KIND_HOST, "/proc");
    assert_int_equal(target_options_compare(&a, &b), TARGET_CONNECTION);
    target_options_deinit(&a);
    target_options_init(&a, KIND_HOST);
    assert_false((target_options_compare(&a, &b) & TARGET_CONNECTION) != 0);
    target_options_deinit(&a);
    target_options_deinit(&b);
}

static void replace(char **text, const char *with) {
    free(*text);
    *text = with != NULL ? mem_strdup(with) : NULL;
}

static void tells_labels_apart(void **state) {
    struct target_options a, b;
    make(&a, KIND_REDIS, "redis://h");
    target_options_copy(&a, &b);
    replace(&b.cluster, NULL);
    assert_int_equal(target_options_compare(&a, &b), TARGET_LABELS);
    replace(&b.cluster, "orders");
    assert_int_equal(target_options_compare(&a, &b), 0);
    replace(&b.job, "redis");
    assert_int_equal(target_options_compare(&a, &b), TARGET_LABELS);
    replace(&b.job, "databases");
    replace(&b.labels[1].value, "silver");
    assert_int_equal(target_options_compare(&a, &b), TARGET_LABELS);
    replace(&b.labels[1].value, "gold");
    replace(&b.labels[0].name, "place");
    assert_int_equal(target_options_compare(&a, &b), TARGET_LABELS);
    target_options_deinit(&a);
    target_options_deinit(&b);
}

static void tells_schedules_apart(void **state) {
    struct target_options a, b;
    make(&a, KIND_REDIS, "redis://h");
    target_options_copy(&a, &b);
    size_t i = first_of_kind(KIND_REDIS);
    b.interval_usec++;
    assert_int_equal(target_options_compare(&a, &b), TARGET_SCHEDULE);
    b.interval_usec--;
    b.required = !b.required;
    assert_int_equal(target_options_compare(&a, &b), TARGET_SCHEDULE);
    b.required = a.required;
    b.collectors[i].enabled = !b.collectors[i].enabled;
    assert_int_equal(target_options_compare(&a, &b), TARGET_SCHEDULE);
    b.collectors[i].enabled = a.collectors[i].enabled;
    b.collectors[i].timeout_usec = 7;
    assert_int_equal(target_options_compare(&a, &b), TARGET_SCHEDULE);
    b.collectors[i].timeout_usec = 0;
    b.collectors[i].options[0].number++;
    assert_int_equal(target_options_compare(&a, &b), TARGET_SCHEDULE);
    b.collectors[i].options[0].number--;
    b.databases.given = true;
    assert_int_equal(target_options_compare(&a, &b), TARGET_SCHEDULE);
    b.databases.given = false;
    assert_int_equal(target_options_compare(&a, &b), 0);
    target_options_deinit(&a);
    target_options_deinit(&b);
}

static void instance_is_the_address_as_written(void **state) {
    static const struct {
        enum target_kind kind;
        const char *address, *instance;
    } cases[] = {
        {KIND_POSTGRES, "postgresql://u@db.example:5433/d", "db.example:5433"},
        {KIND_PGBOUNCER, "host=::1 port=6432", "[::1]:6432"},
        {KIND_REDIS, "redis://cache.example:6380", "cache.example:6380"},
        {KIND_REDIS, "redis://[::1]", "[::1]:6379"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct target_options options;
        char instance[64], small[5];
        make(&options, cases[i].kind, cases[i].address);
        target_options_instance(&options, instance, sizeof(instance));
        assert_string_equal(instance, cases[i].instance);
        target_options_instance(&options, small, sizeof(small));
        assert_int_equal(strnlen(small, sizeof(small)), 4);
        target_options_deinit(&options);
    }
}

static void a_host_is_named_by_its_kernel(void **state) {
    struct target_options options;
    struct utsname name;
    char instance[288];
    target_options_init(&options, KIND_HOST);
    target_options_instance(&options, instance, sizeof(instance));
    assert_int_equal(uname(&name), 0);
    assert_string_equal(instance, name.nodename);
    target_options_deinit(&options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_collector_has_a_place),
        cmocka_unit_test(defaults_come_from_the_collectors_tables),
        cmocka_unit_test(option_fallbacks_become_values),
        cmocka_unit_test(a_zeroed_one_may_be_deinitialised),
        cmocka_unit_test(a_copy_is_equal_and_independent),
        cmocka_unit_test(tells_applications_apart),
        cmocka_unit_test(tells_connections_apart),
        cmocka_unit_test(tells_labels_apart),
        cmocka_unit_test(tells_schedules_apart),
        cmocka_unit_test(instance_is_the_address_as_written),
        cmocka_unit_test(a_host_is_named_by_its_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
