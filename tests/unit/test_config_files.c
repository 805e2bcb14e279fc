/* SPDX-License-Identifier: Apache-2.0 */

/* Configuration files: limits of reading, secrets, the way through a pipe, expansion, guesses, and
 * that the documentation has every key. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/quote.h"
#include "config/read_file.h"

struct fixture {
    char folder[64];
    char path[128];
};

static int setup(void **state) {
    struct fixture *fixture = mem_alloc(sizeof(*fixture));
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/dbvitals-files-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    static const char *const names[] = {"c.yml", "secret", "pg", "redis"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(fixture->path, sizeof(fixture->path), "%s/%s", fixture->folder, names[i]);
        unlink(fixture->path);
    }
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static const char *path_of(struct fixture *fixture, const char *name) {
    snprintf(fixture->path, sizeof(fixture->path), "%s/%s", fixture->folder, name);
    return fixture->path;
}

/* Return: the path. */
static const char *put(struct fixture *fixture, const char *name, const char *text, size_t length) {
    const char *path = path_of(fixture, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, length), length);
    close(fd);
    return path;
}

static const char *put_text(struct fixture *fixture, const char *name, const char *text) {
    return put(fixture, name, text, strlen(text));
}

static struct config_files *read_good(const char *path) {
    struct config_files *files = NULL;
    struct error err = {0};
    if (config_files_read(path, &files, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return files;
}

static void assert_unreadable(const char *path, int code, const char *part) {
    struct config_files *files = NULL;
    struct error err = {0};
    assert_int_equal(config_files_read(path, &files, &err), code);
    assert_null(files);
    if (strstr(err.text, part) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, part);
    }
}

static void says_which_file_is_missing_and_what_to_do(void **state) {
    assert_unreadable("/nonexistent/x.yml", -ENOENT,
                      "configuration file '/nonexistent/x.yml' does not exist (--config.file");
}

static void refuses_folders_and_devices(void **state) {
    assert_unreadable("/tmp", -EISDIR, "is a directory");
    assert_unreadable("/dev/zero", -EINVAL, "is neither a file nor a pipe");
}

static void says_who_may_not_read_a_file(void **state) {
    if (geteuid() != 0) {
        skip(); /* needs two users */
    }
    const char *path = put_text(*state, "c.yml", "targets: []\n");
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(seteuid(65534), 0);
    struct config_files *files = NULL;
    struct error err = {0};
    int r = config_files_read(path, &files, &err);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(r, -EACCES);
    assert_non_null(strstr(err.text, "may not be read by user id 65534"));
}

static void says_why_a_file_cannot_be_opened(void **state) {
    char first[] = "/tmp/dbvitals-loop-XXXXXX", second[64];
    assert_non_null(mkdtemp(first));
    snprintf(second, sizeof(second), "%s/loop", first);
    assert_int_equal(symlink(second, second), 0);
    assert_unreadable(second, -ELOOP, "cannot be opened: Too many levels of symbolic links");
    unlink(second);
    rmdir(first);
}

static void refuses_a_huge_file_without_reading_it(void **state) {
    const char *path = put_text(*state, "c.yml", "");
    assert_int_equal(truncate(path, (off_t)1 << 40), 0); /* sparse: reading it would take hours */
    assert_unreadable(path, -EFBIG, "is larger than 1048576 bytes");
}

static void reads_a_file_of_exactly_the_limit(void **state) {
    char *text = mem_alloc(CONFIG_MOST_BYTES + 1);
    memset(text, '#', CONFIG_MOST_BYTES + 1);
    config_files_free(read_good(put(*state, "c.yml", text, CONFIG_MOST_BYTES)));
    assert_unreadable(put(*state, "c.yml", text, CONFIG_MOST_BYTES + 1), -EFBIG, "is larger");
    free(text);
}

static void reads_a_pipe(void **state) {
    int ends[2];
    char path[64];
    struct config config;
    static const char text[] = "global: {interval: 7s}\n";
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], text, sizeof(text) - 1), sizeof(text) - 1);
    close(ends[1]);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    struct config_files *files = read_good(path);
    close(ends[0]);
    assert_int_equal(config_parse(files, &config, NULL), 0);
    assert_true(config.interval_usec == 7000000);
    config_deinit(&config);
    config_files_free(files);
}

static void bounds_what_comes_out_of_a_pipe(void **state) {
    int ends[2];
    char *text = NULL;
    char path[64], bytes[101] = {0};
    size_t length = 0;
    struct error err = {0};
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], bytes, sizeof(bytes)), sizeof(bytes));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    assert_int_equal(read_file(path, 100, &text, &length, &err), -EFBIG);
    assert_null(text);
    close(ends[0]);
    close(ends[1]);
}

static void an_error_keeps_its_place_after_the_files_are_gone(void **state) {
    struct config_files *files = NULL;
    struct config config;
    struct error err = {0};
    char expected[256];
    setenv("CASE_GONE", "x", 1);
    const char *path = put_text(*state, "c.yml", "global:\n  labels: {a: \"${CASE_GONE}\"}\n");
    files = read_good(path);
    unsetenv("CASE_GONE");
    assert_int_equal(config_parse(files, &config, &err), -EINVAL);
    config_files_free(files);
    snprintf(expected, sizeof(expected), "%s:2:15: environment variable 'CASE_GONE' is not set",
             path);
    assert_string_equal(err.text, expected);
}

/* The password of the only target. */
static void assert_password(const struct config_files *files, const char *password) {
    struct config config;
    struct error err = {0};
    if (config_parse(files, &config, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(config.n_targets, 1);
    assert_string_equal(config.targets[0].pg.password, password);
    config_deinit(&config);
}

#define ONE_TARGET(more) "targets: [{name: a, type: postgres, dsn: host=h, " more "}]\n"

static void reads_secrets_relative_to_the_configuration(void **state) {
    static const char *const contents[] = {"pw", "pw\n", "pw\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        put_text(*state, "secret", contents[i]);
        struct config_files *files =
            read_good(put_text(*state, "c.yml", ONE_TARGET("password_file: secret")));
        assert_password(files, "pw");
        config_files_free(files);
    }
}

static void certificates_lie_beside_the_configuration(void **state) {
    struct fixture *fixture = *state;
    struct config config;
    struct config_files *files = read_good(
        put_text(fixture, "c.yml",
                 "targets:\n  - {name: a, type: redis, url: \"rediss://h\", tls: {ca_file: ca.pem, "
                 "cert_file: /abs.pem, key_file: sub/key.pem}}\n"));
    assert_int_equal(config_parse(files, &config, NULL), 0);
    const struct tls_options *tls = &config.targets[0].redis.tls;
    char *ca = mem_printf("%s/ca.pem", fixture->folder);
    char *key = mem_printf("%s/sub/key.pem", fixture->folder);
    assert_string_equal(tls->ca_file, ca);
    assert_string_equal(tls->cert_file, "/abs.pem");
    assert_string_equal(tls->key_file, key);
    free(ca);
    free(key);
    config_deinit(&config);
    config_files_free(files);
}

static void keeps_inner_newlines_and_cuts_only_one(void **state) {
    put_text(*state, "secret", "a\nb\n\n");
    struct config_files *files =
        read_good(put_text(*state, "c.yml", ONE_TARGET("password_file: secret")));
    assert_password(files, "a\nb\n");
    config_files_free(files);
}

static void parsing_touches_no_disk(void **state) {
    struct fixture *fixture = *state;
    put_text(fixture, "secret", "pw");
    struct config_files *files =
        read_good(put_text(fixture, "c.yml", ONE_TARGET("password_file: secret")));
    unlink(path_of(fixture, "secret"));
    unlink(path_of(fixture, "c.yml"));
    assert_password(files, "pw");
    config_files_free(files);
}

static void a_secret_is_never_expanded_nor_read_as_yaml(void **state) {
    static const char secret[] = "${HOME} $$ 'x': [";
    put_text(*state, "secret", secret);
    struct config_files *files =
        read_good(put_text(*state, "c.yml", ONE_TARGET("password_file: secret")));
    assert_password(files, secret);
    config_files_free(files);
    setenv("CASE_SECRET", secret, 1);
    files = read_good(put_text(*state, "c.yml", ONE_TARGET("password: \"${CASE_SECRET}\"")));
    assert_password(files, secret);
    config_files_free(files);
    unsetenv("CASE_SECRET");
}

static void packed_files_come_out_as_they_went_in(void **state) {
    struct config_files *files, *copy = NULL;
    struct strbuf packed = {0}, again = {0};
    put_text(*state, "secret", "pw");
    files = read_good(put_text(*state, "c.yml", ONE_TARGET("password_file: secret")));
    config_files_pack(files, &packed);
    assert_true(packed.len <= CONFIG_MOST_PACKED);
    assert_int_equal(config_files_unpack(strbuf_view(&packed), &copy, NULL), 0);
    config_files_pack(copy, &again);
    assert_true(str_equal(strbuf_view(&packed), strbuf_view(&again)));
    assert_password(copy, "pw");
    config_files_free(files);
    config_files_free(copy);
    strbuf_deinit(&packed);
    strbuf_deinit(&again);
}

static void refuses_damaged_packs(void **state) {
    struct strbuf packed = {0};
    struct error err = {0};
    put_text(*state, "secret", "pw");
    struct config_files *copy = NULL, *files = read_good(put_text(
                                          *state, "c.yml", ONE_TARGET("password_file: secret")));
    config_files_pack(files, &packed);
    for (size_t length = 0; length < packed.len; length++) { /* cut anywhere */
        char *part = mem_dup(packed.data, length);
        assert_int_equal(config_files_unpack((struct str){part, length}, &copy, NULL), -EBADMSG);
        free(part);
    }
    for (size_t i = 0; i < packed.len; i++) { /* a byte turned over: refused or other text */
        packed.data[i] = (char)~packed.data[i];
        if (config_files_unpack(strbuf_view(&packed), &copy, NULL) == 0) {
            copy = config_files_free(copy);
        }
        packed.data[i] = (char)~packed.data[i];
    }
    strbuf_add_char(&packed, 'x');
    assert_int_equal(config_files_unpack(strbuf_view(&packed), &copy, &err), -EBADMSG);
    assert_string_equal(err.text, "what the worker read of the configuration is damaged");
    config_files_free(files);
    strbuf_deinit(&packed);
}

static void expansion_is_bounded(void **state) {
    char *big = mem_alloc(60 * 1024 + 1);
    struct strbuf text = {0};
    memset(big, 'x', 60 * 1024);
    setenv("CASE_BIG", big, 1);
    assert_unreadable(put_text(*state, "c.yml", ONE_TARGET("password: \"${CASE_BIG}${CASE_BIG}\"")),
                      -E2BIG, "longer than 65536 bytes");
    strbuf_add_text(&text, "targets:\n");
    for (unsigned i = 0; i < 200; i++) {
        strbuf_printf(&text,
                      "- {name: t%u, type: redis, url: 'redis://h', password: '${CASE_BIG}'}\n", i);
    }
    assert_unreadable(put(*state, "c.yml", text.data, text.len), -E2BIG,
                      "environment variable 'CASE_BIG' is too long");
    unsetenv("CASE_BIG");
    strbuf_deinit(&text);
    free(big);
}

static void takes_as_many_targets_as_allowed_and_no_more(void **state) {
    struct config config;
    struct strbuf text = {0};
    strbuf_add_text(&text, "targets:\n");
    for (unsigned i = 0; i < CONFIG_MOST_TARGETS; i++) {
        strbuf_printf(&text, "- {name: t%u, type: redis, url: 'redis://h:%u'}\n", i, 1000 + i);
    }
    struct config_files *files = read_good(put(*state, "c.yml", text.data, text.len));
    assert_int_equal(config_parse(files, &config, NULL), 0);
    assert_int_equal(config.n_targets, CONFIG_MOST_TARGETS);
    config_deinit(&config);
    config_files_free(files);
    strbuf_add_text(&text, "- {name: more, type: redis, url: 'redis://h'}\n");
    assert_unreadable(put(*state, "c.yml", text.data, text.len), -E2BIG,
                      "2001 targets are more than one daemon may have (2000)");
    strbuf_deinit(&text);
}

static void an_error_leaves_the_configuration_untouched(void **state) {
    struct config config = {.interval_usec = 42};
    setenv("CASE_GONE", "x", 1);
    struct config_files *files =
        read_good(put_text(*state, "c.yml", "global: {labels: {a: \"${CASE_GONE}\"}}\n"));
    unsetenv("CASE_GONE");
    assert_true(config_parse(files, &config, NULL) < 0);
    assert_true(config.interval_usec == 42);
    config_files_free(files);
}

static const char *const guess_variables[] = {"PGHOST",     "PGHOSTADDR", "PGPORT",   "PGUSER",
                                              "PGDATABASE", "PGSERVICE",  "REDIS_URL"};

static int clear_environment(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(guess_variables); i++) {
        unsetenv(guess_variables[i]);
    }
    return 0;
}

static const struct target_options *guessed(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->n_targets; i++) {
        if (strcmp(config->targets[i].name, name) == 0) {
            assert_true(config->targets[i].guessed);
            assert_false(config->targets[i].required);
            return &config->targets[i];
        }
    }
    return NULL;
}

static void assert_guess(const char *name, const char *instance, const char *dsn_part) {
    struct config config;
    char found[300];
    config_guess(&config);
    const struct target_options *target = guessed(&config, name);
    assert_non_null(target);
    target_options_instance(target, found, sizeof(found));
    assert_string_equal(found, instance);
    if (dsn_part != NULL && strstr(target->pg.dsn, dsn_part) == NULL) {
        fail_msg("'%s' is not in '%s'", dsn_part, target->pg.dsn);
    }
    config_deinit(&config);
}

static void guesses_the_servers_of_this_machine(void **state) {
    bool socket = access("/var/run/postgresql", X_OK) == 0;
    assert_guess("postgres", socket ? "/var/run/postgresql:5432" : "localhost:5432",
                 "dbname='postgres'");
    assert_guess("pgbouncer", socket ? "/var/run/postgresql:6432" : "localhost:6432",
                 "dbname='pgbouncer'");
    assert_guess("redis", "localhost:6379", NULL);
}

static void guesses_what_the_environment_names(void **state) {
    setenv("PGHOST", "db.example", 1);
    setenv("PGPORT", "5499", 1);
    setenv("PGDATABASE", "app", 1);
    setenv("REDIS_URL", "redis://u:pw@cache.example:6390", 1);
    assert_guess("postgres", "db.example:5499", NULL);
    assert_guess("pgbouncer", "db.example:6432", "dbname='pgbouncer'");
    assert_guess("redis", "cache.example:6390", NULL);
}

static void leaves_out_an_address_that_cannot_be_read(void **state) {
    struct config config;
    setenv("REDIS_URL", "http://x", 1);
    config_guess(&config);
    assert_int_equal(config.n_targets, 2);
    assert_null(guessed(&config, "redis"));
    config_deinit(&config);
}

static void quotes_foreign_text_within_bounds(void **state) {
    char out[QUOTE_SIZE], longest[200];
    memset(longest, 'a', sizeof(longest));
    assert_string_equal(quote(str_of("a\tb"), out), "'a?b'");
    assert_string_equal(quote(str_of(""), out), "''");
    assert_string_equal(quote(str_of("gr\xc3\xb6\xc3"), out), "'gr\xc3\xb6?'");
    quote((struct str){longest, sizeof(longest)}, out);
    assert_true(strlen(out) < QUOTE_SIZE);
    assert_string_equal(out + strlen(out) - 4, "...'");
}

/* The fallbacks of the keys are texts: they must say what the default policy says. */
static void a_breaker_without_keys_has_the_default_policy(void **state) {
    struct config config;
    struct error err = {0};
    CLEANUP(config_files_freep)
    struct config_files *files = read_good(put_text(*state, "c.yml", "breakers: [{name: a}]\n"));
    assert_int_equal(config_parse(files, &config, &err), 0);
    assert_int_equal(config.n_breakers, 1);
    const struct circuit_policy *policy = &config.breakers[0].policy;
    assert_memory_equal(policy, &circuit_policy_default, sizeof(*policy));
    config_deinit(&config);
}

static void documentation_has_every_key_with_its_default(void **state) {
    const char *path = getenv("DBVITALS_CONFIG_DOC");
    struct config_key key;
    struct error err = {0};
    char *text = NULL;
    size_t length = 0, count = 0;
    assert_non_null(path);
    assert_int_equal(read_file(path, 1024 * 1024, &text, &length, &err), 0);
    for (; config_keys(count, &key); count++) {
        char row[512];
        snprintf(row, sizeof(row), "| `%s` | %s | %s |", key.path, key.type,
                 key.fallback != NULL ? key.fallback : "");
        if (strstr(text, row) == NULL) {
            fail_msg("no row '%s' in %s", row, path);
        }
    }
    assert_true(count > 15);
    free(text);
}

/* The example with the comment signs taken off behind "targets: []". */
static void the_packaged_example_is_right_also_with_its_comments_taken_off(void **state) {
    struct fixture *fixture = *state;
    struct config config;
    struct strbuf text = {0};
    struct error err = {0};
    char *example = NULL;
    size_t length = 0;
    const char *path = getenv("DBVITALS_CONFIG_EXAMPLE");
    assert_non_null(path);
    config_files_free(read_good(path));
    assert_int_equal(read_file(path, 1024 * 1024, &example, &length, &err), 0);
    char *cut = strstr(example, "targets: []\n");
    assert_non_null(cut);
    strbuf_add(&text, example, (size_t)(cut - example));
    struct str rest = str_of(cut + strlen("targets: []\n"));
    while (rest.len != 0) {
        struct str line = str_cut(&rest, '\n');
        size_t skip = str_starts_with(line, "# ") ? 2 : str_starts_with(line, "#") ? 1 : 0;
        strbuf_add(&text, line.data + skip, line.len - skip);
        strbuf_add_char(&text, '\n');
    }
    put_text(fixture, "pg", "pw");
    put_text(fixture, "redis", "pw");
    setenv("CREDENTIALS_DIRECTORY", fixture->folder, 1);
    struct config_files *files = read_good(put(fixture, "c.yml", text.data, text.len));
    assert_int_equal(config_parse(files, &config, NULL), 0);
    assert_int_equal(config.n_targets, 7);
    unsetenv("CREDENTIALS_DIRECTORY");
    config_deinit(&config);
    config_files_free(files);
    strbuf_deinit(&text);
    free(example);
}

int main(void) {
#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define GUESS(test)      cmocka_unit_test_setup_teardown(test, clear_environment, clear_environment)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_which_file_is_missing_and_what_to_do),
        cmocka_unit_test(refuses_folders_and_devices),
        cmocka_unit_test(says_why_a_file_cannot_be_opened),
        WITH_FILES(says_who_may_not_read_a_file),
        WITH_FILES(refuses_a_huge_file_without_reading_it),
        WITH_FILES(reads_a_file_of_exactly_the_limit),
        cmocka_unit_test(reads_a_pipe),
        cmocka_unit_test(bounds_what_comes_out_of_a_pipe),
        WITH_FILES(an_error_keeps_its_place_after_the_files_are_gone),
        WITH_FILES(reads_secrets_relative_to_the_configuration),
        WITH_FILES(certificates_lie_beside_the_configuration),
        WITH_FILES(keeps_inner_newlines_and_cuts_only_one),
        WITH_FILES(parsing_touches_no_disk),
        WITH_FILES(a_secret_is_never_expanded_nor_read_as_yaml),
        WITH_FILES(packed_files_come_out_as_they_went_in),
        WITH_FILES(refuses_damaged_packs),
        WITH_FILES(expansion_is_bounded),
        WITH_FILES(takes_as_many_targets_as_allowed_and_no_more),
        WITH_FILES(an_error_leaves_the_configuration_untouched),
        GUESS(guesses_the_servers_of_this_machine),
        GUESS(guesses_what_the_environment_names),
        GUESS(leaves_out_an_address_that_cannot_be_read),
        cmocka_unit_test(quotes_foreign_text_within_bounds),
        WITH_FILES(the_packaged_example_is_right_also_with_its_comments_taken_off),
        cmocka_unit_test_setup_teardown(a_breaker_without_keys_has_the_default_policy, setup,
                                        teardown),
        cmocka_unit_test(documentation_has_every_key_with_its_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
