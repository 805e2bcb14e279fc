/* SPDX-License-Identifier: Apache-2.0 */

/* Connection strings: what is read, what is refused, and that no password gets into a text. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "io/pg_options.h"
#include "io/pg_params.h"

static const char nasty[] = "p%40ss:/@#?'\"\\ word";

static void moves_the_password_of_a_uri_out(void **state) {
    struct pg_options options = {0};
    struct error err = {0};
    assert_int_equal(
        pg_options_parse(
            "postgresql://monitor:p%2540ss%3A%2F%40%23%3F%27%22%5C%20word@10.0.0.1:5433"
            "/postgres?sslmode=require",
            &options, &err),
        0);
    assert_string_equal(options.password, nasty);
    assert_null(strstr(options.dsn, "word"));
    assert_non_null(strstr(options.dsn, "host='10.0.0.1'"));
    assert_non_null(strstr(options.dsn, "sslmode='require'"));
    pg_options_deinit(&options);
}

static void moves_both_secrets_of_keywords_out(void **state) {
    struct pg_options options = {0};
    struct error err = {0};
    assert_int_equal(
        pg_options_parse("host=db password='p%40ss:/@#?\\'\"\\\\ word' sslpassword=keysecret",
                         &options, &err),
        0);
    assert_string_equal(options.password, nasty);
    assert_string_equal(options.key_password, "keysecret");
    assert_string_equal(options.dsn, "host='db'");
    pg_options_deinit(&options);
}

static void keeps_quotes_and_backslashes_of_other_values(void **state) {
    struct pg_options options = {0};
    struct pg_params params = {0};
    struct error err = {0};
    assert_int_equal(pg_options_parse("dbname='a\\'b\\\\c d' user=\"", &options, &err), 0);
    assert_int_equal(pg_params_load(&options, &params, &err), 0);
    assert_string_equal(pg_params_get(&params, "dbname"), "a'b\\c d");
    assert_string_equal(pg_params_get(&params, "user"), "\"");
    pg_params_deinit(&params);
    pg_options_deinit(&options);
}

/* libpq would take what looks like a connection string for one, where it is told to. */
static void another_database_wins_byte_by_byte(void **state) {
    static const char *const names[] = {"shop", "host=evil user='x'", "postgresql://evil/x",
                                        "a\"b'c\\d e", "\xc3\xa9t\xc3\xa9\xff"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct pg_options options = {0}, copy = {0};
        struct pg_params params = {0};
        assert_int_equal(pg_options_parse("host=db dbname=first", &options, NULL), 0);
        options.database = mem_strdup(names[i]);
        pg_options_copy(&options, &copy);
        assert_true(pg_options_equal(&options, &copy));
        assert_int_equal(pg_params_load(&copy, &params, NULL), 0);
        assert_string_equal(pg_params_get(&params, "dbname"), names[i]);
        assert_string_equal(pg_params_get(&params, "host"), "db");
        copy.database[0] = '#';
        assert_false(pg_options_equal(&options, &copy));
        pg_params_deinit(&params);
        pg_options_deinit(&options);
        pg_options_deinit(&copy);
    }
}

static void asks_for_no_kerberos_unless_told(void **state) {
    static const struct {
        const char *dsn, *mode;
    } cases[] = {{"", "disable"}, {"gssencmode=prefer", "prefer"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pg_options options = {0};
        struct pg_params params = {0};
        assert_int_equal(pg_options_parse(cases[i].dsn, &options, NULL), 0);
        assert_int_equal(pg_params_load(&options, &params, NULL), 0);
        assert_string_equal(pg_params_get(&params, "gssencmode"), cases[i].mode);
        pg_params_deinit(&params);
        pg_options_deinit(&options);
    }
}

static void refuses_with_a_sentence_and_without_the_secret(void **state) {
    static const struct {
        const char *dsn, *part;
    } cases[] = {
        {"host=a s3cret", "'=' is missing"},
        {"postgre://u:s3cret@h", "'=' is missing"},
        {"postgresql://u:p%s3cret@h/db", "two hex digits"},
        {"postgresql://u:x@s3cret@h/db", "more than one '@'"},
        {"postgresql://u:12/s3cret@h/db", "'/' stands before '@'"},
        {"host=a password='s3cret", "no closing quote"},
        {"postgresql://u:s3cret@[::1/db", "']'"},
        {"postgresql://u:x?y@s3cret@h/db", "more than one '@'"},
        {"postgresql://u:x@h/db?s3cret", "no '='"},
        {"password=my s3cret=1", "unknown parameter in"},
        {"postgresql://u:s3cret@h/db?sslmod=require", "did you mean 'sslmode'?"},
        {"hots=s3cret", "unknown parameter 'hots' in the connection string (did you mean 'host'?)"},
        {"host=a port=s3cret", "'port' must be a number"},
        {"host=a,b port=5432,70000", "'port' must be a number"},
        {"postgresql://u:s3cret:x@h:0/db", "'port' must be a number"},
        {"sslmode=s3cret", "'sslmode' must be"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pg_options options = {0};
        struct error err = {0};
        assert_int_equal(pg_options_parse(cases[i].dsn, &options, &err), -EINVAL);
        if (strstr(err.text, cases[i].part) == NULL || strstr(err.text, "s3cret") != NULL) {
            fail_msg("%s: %s", cases[i].dsn, err.text);
        }
        assert_null(options.dsn);
        assert_null(options.password);
    }
}

static void names_an_instance_as_it_was_written(void **state) {
    static const struct {
        const char *dsn, *instance;
    } cases[] = {
        {"postgresql://u@10.0.0.1:5433/db", "10.0.0.1:5433"},
        {"postgresql://u@db.example/x", "db.example:5432"},
        {"postgresql://u@[2001:db8::1]:5/x", "[2001:db8::1]:5"},
        {"host=/run/pg port=6432", "/run/pg:6432"},
        {"host=a,b port=1,2", "a:1"},
        {"host=a,b port=7", "a:7"},
        {"hostaddr=10.1.1.1", "10.1.1.1:5432"},
        {"", "/var/run/postgresql:5432"},
    };
    unsetenv("PGHOST");
    unsetenv("PGPORT");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pg_options options = {0};
        char out[64];
        assert_int_equal(pg_options_parse(cases[i].dsn, &options, NULL), 0);
        pg_options_instance(&options, out, sizeof(out));
        assert_string_equal(out, cases[i].instance);
        pg_options_deinit(&options);
    }
}

static void takes_what_is_missing_from_the_environment(void **state) {
    struct pg_options options = {0};
    struct pg_params params = {0};
    char out[64];
    setenv("PGHOST", "from-env", 1);
    setenv("PGPASSWORD", "secret-env", 1);
    assert_int_equal(pg_options_parse("port=77", &options, NULL), 0);
    assert_null(options.password);
    pg_options_instance(&options, out, sizeof(out));
    assert_string_equal(out, "from-env:77");
    assert_int_equal(pg_params_load(&options, &params, NULL), 0);
    assert_string_equal(pg_params_get(&params, "password"), "secret-env");
    unsetenv("PGHOST");
    unsetenv("PGPASSWORD");
    pg_params_deinit(&params);
    pg_options_deinit(&options);
}

static void sees_the_host_of_a_service_file(void **state) {
    char path[] = "/tmp/test-pg-service.XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "[orders]\nhost=service-host\nport=99\n";
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    setenv("PGSERVICEFILE", path, 1);
    setenv("PGSERVICE", "kept", 1);
    struct pg_options options = {0};
    struct pg_params params = {0};
    assert_int_equal(pg_options_parse("service=orders port=5", &options, NULL), 0);
    assert_int_equal(pg_params_load(&options, &params, NULL), 0);
    assert_string_equal(pg_params_get(&params, "host"), "service-host");
    assert_string_equal(pg_params_get(&params, "port"), "5");
    assert_string_equal(getenv("PGSERVICE"), "kept");
    pg_params_deinit(&params);
    pg_options_deinit(&options);

    unsetenv("PGSERVICE");
    unsetenv("PGSERVICEFILE");
    unlink(path);
}

static void compares_and_copies_everything(void **state) {
    struct pg_options a = {0}, b = {0};
    assert_int_equal(pg_options_parse("host=a password=x sslpassword=y", &a, NULL), 0);
    a.guard_timeout_usec = 5;
    pg_options_copy(&a, &b);
    assert_ptr_not_equal(a.password, b.password);
    assert_true(pg_options_equal(&a, &b));
    b.sql_ascii = true;
    assert_true(pg_options_equal(&a, &b));
    b.password[0] = 'z';
    assert_false(pg_options_equal(&a, &b));
    mem_free_secret(b.password);
    b.password = NULL;
    assert_false(pg_options_equal(&a, &b));
    pg_options_deinit(&a);
    pg_options_deinit(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_the_password_of_a_uri_out),
        cmocka_unit_test(moves_both_secrets_of_keywords_out),
        cmocka_unit_test(keeps_quotes_and_backslashes_of_other_values),
        cmocka_unit_test(another_database_wins_byte_by_byte),
        cmocka_unit_test(asks_for_no_kerberos_unless_told),
        cmocka_unit_test(refuses_with_a_sentence_and_without_the_secret),
        cmocka_unit_test(names_an_instance_as_it_was_written),
        cmocka_unit_test(takes_what_is_missing_from_the_environment),
        cmocka_unit_test(sees_the_host_of_a_service_file),
        cmocka_unit_test(compares_and_copies_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
