/* SPDX-License-Identifier: Apache-2.0 */

/* What is made of files of certificates, and what stays when they cannot be used. The certificates
 * are those of nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/tls_context.h"

static const char first_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbzCCARWgAwIBAgIUfEmUT8FEDhE6Ovwp7HD1eSZgWNkwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBYTAgFw0yNjExMjExMzE2MjJaGA8yMTI2MTAyODEzMTYyMlow\n"
    "DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMlI6ghSPclP\n"
    "Bm8/+TokkyNrRw5owj9s6zqRTe5Ie0YuATqrEsBgaNS+I0hORaR9vv9RMh5x2Q2b\n"
    "85xXbZNDixSjUzBRMB0GA1UdDgQWBBQzhKy5ZCOmrNwwOrYE0LBjsfzQwDAfBgNV\n"
    "HSMEGDAWgBQzhKy5ZCOmrNwwOrYE0LBjsfzQwDAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0gAMEUCIQDgpcU7nTy25ahBhRA4ArtYYkXr+4ILAG5bRjYvHPOw\n"
    "cQIgXRIA4YgP8pqlG+pCXxiSeuIfHI7PKlbhl7fTTB4Rs1M=\n"
    "-----END CERTIFICATE-----\n";

static const char first_key[] = "-----BEGIN PRIVATE KEY-----\n"
                                "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggQMgCf7uiUKUmHmZ\n"
                                "JtzsJ6HnX09OJUL0I5rBucR1aC2hRANCAATJSOoIUj3JTwZvP/k6JJMja0cOaMI/\n"
                                "bOs6kU3uSHtGLgE6qxLAYGjUviNITkWkfb7/UTIecdkNm/OcV22TQ4sU\n"
                                "-----END PRIVATE KEY-----\n";

static const char second_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBcDCCARWgAwIBAgIUNjtri6IrxXN0xFbFqTl8s+uk7wwwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBYjAgFw0yNjExMjExMzE2MjJaGA8yMTI2MTAyODEzMTYyMlow\n"
    "DDEKMAgGA1UEAwwBYjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIefkX0mvT/p\n"
    "H3oHE5sXOQVzhfaf5rDNMXqy7apMpeGY/RYPNw3TZbhIi2VB/SeWUa/ld69x+yle\n"
    "Ac8A20vsncyjUzBRMB0GA1UdDgQWBBS2YZ+ftNpBCqqvxtx+sfj2koQlhzAfBgNV\n"
    "HSMEGDAWgBS2YZ+ftNpBCqqvxtx+sfj2koQlhzAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0kAMEYCIQDWvD+b24qxdEyFeRauombKT28xmQv17iwUAW/6LZ/s\n"
    "JgIhANHe8KWKZo0ewtvVGa3WYhq3VnLRCz4dRFuf0fjA4ubk\n"
    "-----END CERTIFICATE-----\n";

static const char second_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUGnkjmRQGv7W42hU\n"
    "FxVH9vusy4UXOGC0PHOLS12cghyhRANCAASHn5F9Jr0/6R96BxObFzkFc4X2n+aw\n"
    "zTF6su2qTKXhmP0WDzcN02W4SItlQf0nllGv5XevcfspXgHPANtL7J3M\n"
    "-----END PRIVATE KEY-----\n";

static char folder[] = "/tmp/tls-context-test-XXXXXX";

/* Contexts, the files that they are of, and what was said about them. */
struct bench {
    struct tls_contexts *contexts;
    struct tls_options options;
    unsigned n_kept, n_written;
    char kept[256];
};

static void note_kept(void *userdata, const struct error *why) {
    struct bench *bench = userdata;
    bench->n_kept++;
    snprintf(bench->kept, sizeof(bench->kept), "%s", why->text);
}

static int set_up(void **state) {
    static struct bench bench;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    bench = (struct bench){.options = {.enabled = true,
                                       .ca_file = mem_printf("%s/ca.pem", folder),
                                       .cert_file = mem_printf("%s/cert.pem", folder),
                                       .key_file = mem_printf("%s/key.pem", folder)}};
    bench.contexts = tls_contexts_new(note_kept, &bench);
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    struct bench *bench = *state;
    bench->contexts = tls_contexts_free(bench->contexts);
    (void)unlink(bench->options.ca_file);
    (void)unlink(bench->options.cert_file);
    (void)unlink(bench->options.key_file);
    tls_options_deinit(&bench->options);
    int r = rmdir(folder);
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    return r;
}

/* Replaces a file by another one, so that it differs in more than its time. */
static void put(struct bench *bench, const char *path, const char *text, size_t length) {
    char *fresh = mem_printf("%s.%u", path, bench->n_written++);
    FILE *file = fopen(fresh, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(fresh, path), 0);
    free(fresh);
}

static void put_all(struct bench *bench, const char *authority, const char *certificate,
                    const char *key) {
    put(bench, bench->options.ca_file, authority, strlen(authority));
    put(bench, bench->options.cert_file, certificate, strlen(certificate));
    put(bench, bench->options.key_file, key, strlen(key));
}

static struct tls_context *get(struct bench *bench) {
    struct tls_context *context = NULL;
    struct error err = {0};
    assert_int_equal(tls_context_get(bench->contexts, &bench->options, &context, &err), 0);
    assert_false(error_is_set(&err));
    return context;
}

static void refuses(struct bench *bench, const char *why) {
    struct tls_context *context = NULL;
    struct error err = {0};
    assert_true(tls_context_get(bench->contexts, &bench->options, &context, &err) < 0);
    assert_null(context);
    if (strstr(err.text, why) == NULL) {
        fail_msg("'%s' is not about '%s'", err.text, why);
    }
}

static void equal_files_are_read_once(void **state) {
    struct bench *bench = *state;
    put_all(bench, first_certificate, first_certificate, first_key);
    struct tls_context *one = get(bench), *two = get(bench);
    assert_ptr_equal(one, two);
    tls_context_unref(one);
    tls_context_unref(two);
    assert_int_equal(tls_contexts_count(bench->contexts), 1);
    tls_contexts_trim(bench->contexts);
    assert_int_equal(tls_contexts_count(bench->contexts), 0);
}

static void renewed_files_are_read_while_older_connections_keep_theirs(void **state) {
    struct bench *bench = *state;
    put_all(bench, first_certificate, first_certificate, first_key);
    struct tls_context *older = get(bench);
    put_all(bench, second_certificate, second_certificate, second_key);
    struct tls_context *newer = get(bench);
    assert_ptr_not_equal(older, newer);
    assert_int_equal(tls_contexts_count(bench->contexts), 1);
    assert_int_equal(bench->n_kept, 0);
    tls_context_unref(older);
    tls_context_unref(newer);
}

static void half_a_file_keeps_what_was_read_before_and_is_told_once(void **state) {
    struct bench *bench = *state;
    put_all(bench, first_certificate, first_certificate, first_key);
    struct tls_context *good = get(bench);
    const char *const paths[] = {bench->options.ca_file, bench->options.cert_file,
                                 bench->options.key_file};
    const char *const texts[] = {first_certificate, first_certificate, first_key};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        put(bench, paths[i], texts[i], strlen(texts[i]) / 2);
        struct tls_context *kept = get(bench), *again = get(bench);
        assert_ptr_equal(kept, good);
        assert_ptr_equal(again, good);
        assert_int_equal(bench->n_kept, i + 1);
        assert_non_null(strstr(bench->kept, paths[i]));
        tls_context_unref(kept);
        tls_context_unref(again);
        put(bench, paths[i], texts[i], strlen(texts[i]));
        tls_context_unref(good);
        good = get(bench);
        assert_int_equal(bench->n_kept, i + 1);
    }
    tls_context_unref(good);
    assert_int_equal(tls_contexts_count(bench->contexts), 1);
}

static void a_key_that_is_not_yet_renewed_keeps_the_old_pair(void **state) {
    struct bench *bench = *state;
    put_all(bench, first_certificate, first_certificate, first_key);
    struct tls_context *good = get(bench);
    put(bench, bench->options.cert_file, second_certificate, strlen(second_certificate));
    struct tls_context *kept = get(bench);
    assert_ptr_equal(kept, good);
    assert_int_equal(bench->n_kept, 1);
    put(bench, bench->options.key_file, second_key, strlen(second_key));
    struct tls_context *fresh = get(bench);
    assert_ptr_not_equal(fresh, good);
    tls_context_unref(good);
    tls_context_unref(kept);
    tls_context_unref(fresh);
}

static void files_that_are_gone_keep_what_was_read_before(void **state) {
    struct bench *bench = *state;
    put_all(bench, first_certificate, first_certificate, first_key);
    struct tls_context *good = get(bench);
    (void)unlink(bench->options.ca_file);
    (void)unlink(bench->options.cert_file);
    (void)unlink(bench->options.key_file);
    struct tls_context *kept = get(bench);
    assert_ptr_equal(kept, good);
    assert_int_equal(bench->n_kept, 1);
    assert_non_null(strstr(bench->kept, "cannot be opened"));
    tls_context_unref(good);
    tls_context_unref(kept);
}

static void without_an_older_one_bad_files_are_an_error(void **state) {
    struct bench *bench = *state;
    put_all(bench, first_certificate, first_certificate, second_key);
    refuses(bench, "key values mismatch");
    put_all(bench, "nothing\n", first_certificate, first_key);
    refuses(bench, "holds no certificate");
    (void)unlink(bench->options.ca_file);
    refuses(bench, "cannot be opened");
    assert_int_equal(bench->n_kept, 0);
    assert_int_equal(tls_contexts_count(bench->contexts), 0);
}

/* Otherwise fewer authorities would be trusted than the file is going to name. */
static void half_a_certificate_after_a_whole_one_is_an_error(void **state) {
    struct bench *bench = *state;
    put_all(bench, first_certificate, first_certificate, first_key);
    char *text = mem_printf("%s%.200s", first_certificate, second_certificate);
    put(bench, bench->options.ca_file, text, strlen(text));
    refuses(bench, "is damaged or not complete");
    free(text);
    text = mem_printf("%s\na comment\n%s\nanother one\n", first_certificate, second_certificate);
    put(bench, bench->options.ca_file, text, strlen(text));
    tls_context_unref(get(bench));
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(equal_files_are_read_once),
        TEST(renewed_files_are_read_while_older_connections_keep_theirs),
        TEST(half_a_file_keeps_what_was_read_before_and_is_told_once),
        TEST(a_key_that_is_not_yet_renewed_keeps_the_old_pair),
        TEST(files_that_are_gone_keep_what_was_read_before),
        TEST(without_an_older_one_bad_files_are_an_error),
        TEST(half_a_certificate_after_a_whole_one_is_an_error),
    };
    return cmocka_run_group_tests_name("tls_context", tests, NULL, NULL);
}
