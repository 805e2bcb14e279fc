/* SPDX-License-Identifier: Apache-2.0 */

/* The web configuration file: a table of what is refused, where and why; what the rest means; the
 * way through a pipe; and that the documentation has every key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/mem.h"
#include "config/keys_web.h"
#include "config/read_file.h"
#include "config/web_file.h"
#include "tests/unit/pems.h"
#include "web/web.h"

#define HASH "$2y$10$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ.fW7zEJv8I8C8e"
#define PAIR "cert_file: a.crt, key_file: a.key"

static char folder[] = "/tmp/dbvitals-web-file-XXXXXX";

static const struct {
    const char *name, *text;
} files[] = {
    {"a.crt", pem_first_certificate},
    {"a.key", pem_first_key},
    {"b.crt", pem_second_certificate},
    {"b.key", pem_second_key},
    {"r.crt", pem_rsa_certificate},
    {"r.key", pem_rsa_key},
    {"empty", ""},
    {"text", "no PEM\n"},
};

static void put(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state) {
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        put(files[i].name, files[i].text);
    }
    return chdir(folder);
}

static int tear_down(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        unlink(files[i].name);
    }
    unlink("w.yml");
    return rmdir(folder);
}

/* Reads, carries through a pipe, parses, and checks. Return: 0 or negative errno. */
static int load(const char *text, struct web_security_options *ret, struct web_file_notes *notes,
                char *message, size_t size) {
    CLEANUP(web_file_freep)
    struct web_file *file = NULL;
    CLEANUP(web_file_freep)
    struct web_file *copy = NULL;
    struct strbuf packed = {0};
    struct error err = {0};
    int64_t expires;
    put("w.yml", text);
    int r = web_file_read("w.yml", &file, &err);
    if (r == 0) {
        web_file_pack(file, &packed);
        assert_true(packed.len <= WEB_FILE_MOST_PACKED);
        assert_int_equal(web_file_unpack(strbuf_view(&packed), &copy, &err), 0);
        strbuf_deinit(&packed);
        r = web_file_parse(copy, ret, notes, &err);
        assert_int_equal(r, 0); /* it was parsed already */
        r = web_check_security(ret, &expires, &err);
        if (r < 0) {
            error_format(&err, message, size);
            web_security_options_deinit(ret);
            return r;
        }
    }
    error_format(&err, message, size);
    return r;
}

static const struct {
    const char *text, *error; /* error: how it begins */
} refused[] = {
    {"[]", "w.yml:1:1: a web configuration is a map"},
    {"tls_server_confg: {}",
     "w.yml:1:1: unknown key 'tls_server_confg' (did you mean 'tls_server_config'?)"},
    {"tls_server_config: {cert_fiel: x}",
     "w.yml:1:21: unknown key 'cert_fiel' (did you mean 'cert_file'?)"},
    {"tls_server_config: [a]", "w.yml:1:20: 'tls_server_config' should be a map, found a list"},
    {"tls_server_config: {cert_file: a.crt}", "w.yml:1:20: 'key_file' is missing"},
    {"tls_server_config:\n  key_file: a.key", "w.yml:2:3: 'cert_file' is missing"},
    {"tls_server_config: {client_auth_type: RequireAnyClientCert}",
     "w.yml:1:20: 'cert_file' is missing"},
    {"tls_server_config: {cert_file: none.crt, key_file: a.key}",
     "w.yml:1:32: 'cert_file' 'none.crt' does not exist"},
    {"tls_server_config: {cert_file: a.crt, key_file: none.key}",
     "w.yml:1:49: 'key_file' 'none.key' does not exist"},
    {"tls_server_config: {cert_file: a.crt, key_file: .}",
     "w.yml:1:49: 'key_file' '.' is a directory"},
    {"tls_server_config: {cert_file: a.crt, cert: x, key_file: a.key}",
     "w.yml:1:32: both 'cert' and 'cert_file' are given"},
    {"tls_server_config: {cert_file: a.crt, key_file: b.key}",
     "w.yml:1:49: the key does not belong to the certificate"},
    {"tls_server_config: {cert_file: a.crt, key_file: r.key}", "w.yml:1:49: the key"},
    {"tls_server_config: {cert_file: empty, key_file: a.key}",
     "w.yml:1:32: the certificate cannot be used"},
    {"tls_server_config: {cert_file: text, key_file: a.key}",
     "w.yml:1:32: the certificate cannot be used"},
    {"tls_server_config: {cert_file: a.key, key_file: a.key}",
     "w.yml:1:32: the certificate cannot be used"},
    {"tls_server_config: {cert_file: a.crt, key_file: a.crt}",
     "w.yml:1:49: the key cannot be used"},
    {"tls_server_config: {" PAIR ", client_auth_type: RequireAndVerify}",
     "w.yml:1:74: unknown client_auth_type 'RequireAndVerify'"},
    {"tls_server_config: {" PAIR ", client_auth_type: RequireAndVerifyClientCert}",
     "w.yml:1:74: 'RequireAndVerifyClientCert' needs 'client_ca_file'"},
    {"tls_server_config: {" PAIR ", client_auth_type: VerifyClientCertIfGiven}",
     "w.yml:1:74: 'VerifyClientCertIfGiven' needs 'client_ca_file'"},
    {"tls_server_config: {" PAIR ", client_ca_file: b.crt}",
     "w.yml:1:72: authorities for clients mean nothing without"},
    {"tls_server_config: {" PAIR ", client_ca_file: text, client_auth_type: "
     "RequireAndVerifyClientCert}",
     "w.yml:1:72: the clients' authorities cannot be used"},
    {"tls_server_config: {" PAIR ", client_allowed_sans: [a]}",
     "w.yml:1:77: 'client_allowed_sans' needs a 'client_auth_type'"},
    {"tls_server_config: {" PAIR ", client_allowed_sans: [a], client_auth_type: "
     "RequestClientCert}",
     "w.yml:1:77: 'client_allowed_sans' needs a 'client_auth_type'"},
    {"tls_server_config: {" PAIR ", min_version: TLS1.2}",
     "w.yml:1:69: unknown min_version 'TLS1.2' (did you mean 'TLS12'?)"},
    {"tls_server_config: {" PAIR ", min_version: TLS13, max_version: TLS12}",
     "w.yml:1:89: 'max_version' is older than 'min_version'"},
    {"tls_server_config: {" PAIR ", max_version: TLS11}",
     "w.yml:1:69: 'max_version' is older than 'min_version'"},
    {"tls_server_config: {" PAIR ", cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}",
     "w.yml:1:72: unknown cipher_suites 'TLS_RSA_WITH_RC4_128_SHA'"},
    {"tls_server_config: {" PAIR ", cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]}",
     "w.yml:1:71: none of these can be used with versions TLS12 to TLS13 and a certificate with "
     "an ECDSA key"},
    {"tls_server_config: {" PAIR ", max_version: TLS12, cipher_suites: [TLS_AES_128_GCM_SHA256]}",
     "w.yml:1:91: none of these can be used with versions TLS12 to TLS12"},
    {"tls_server_config: {" PAIR ", curve_preferences: [P256]}",
     "w.yml:1:76: unknown curve_preferences 'P256'"},
    {"tls_server_config: {" PAIR ", prefer_server_cipher_suites: perhaps}",
     "w.yml:1:85: 'prefer_server_cipher_suites' should be true or false"},
    {"http_server_config: {http3: true}", "w.yml:1:22: unknown key 'http3'"},
    {"http_server_config: {headers: {Server: x}}", "w.yml:1:32: unknown key 'Server'"},
    {"http_server_config: {headers: {X-Frame-Options: allow}}",
     "w.yml:1:49: unknown X-Frame-Options 'allow'; known are deny, sameorigin"},
    {"http_server_config: {headers: {X-XSS-Protection: \"1\\r\\nSet-Cookie: a=b\"}}",
     "w.yml:1:50: 'X-XSS-Protection' holds a character that a header cannot"},
    {"basic_auth_users: [a]", "w.yml:1:19: 'basic_auth_users' should be a map"},
    {"basic_auth_users:\n  prom: hunter2", "w.yml:2:9: the password of user 'prom' is no bcrypt"},
    {"basic_auth_users: {prom: }", "w.yml:1:26: the password of user 'prom' is no bcrypt"},
    {"basic_auth_users: {prom: [a]}",
     "w.yml:1:26: the password of user 'prom' should be a bcrypt hash, found a list"},
    {"basic_auth_users: {\"a:b\": " HASH "}", "w.yml:1:20: 'a:b' can be no user"},
    {"basic_auth_users: {\"\": " HASH "}", "w.yml:1:20: '' can be no user"},
    {"basic_auth_users: {a: " HASH ", a: " HASH "}", "w.yml:1:"},
    {"basic_auth_users: {a: \"$2y$17$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ.fW7zEJv8I8C8e\"}",
     "w.yml:1:23: the password of user 'a' is a bcrypt hash of cost 17, which takes too long"},
};

static void says_what_is_wrong_and_where(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct web_security_options options = {0};
        char message[512] = "";
        if (load(refused[i].text, &options, NULL, message, sizeof(message)) >= 0) {
            fail_msg("accepted: %s", refused[i].text);
        }
        if (strncmp(message, refused[i].error, strlen(refused[i].error)) != 0) {
            fail_msg("%s\n  wanted: %s\n  found: %s", refused[i].text, refused[i].error, message);
        }
        assert_null(strstr(message, "hunter2"));
        assert_null(strstr(message, "abcdefghij"));
    }
}

static const char *const accepted[] = {
    "",
    "# nothing\n",
    "tls_server_config:\n",
    "tls_server_config: {}\nbasic_auth_users: {}\nhttp_server_config: {}\n",
    "tls_server_config: {" PAIR "}",
    "tls_server_config: {cert_file: r.crt, key_file: r.key}",
    "tls_server_config: {" PAIR ", min_version: TLS10, max_version: TLS10}",
    "tls_server_config: {" PAIR ", min_version: TLS13, max_version: TLS13}",
    "tls_server_config: {" PAIR ", client_auth_type: RequestClientCert}",
    "tls_server_config: {" PAIR ", client_auth_type: RequireClientCert}",
    "tls_server_config: {" PAIR ", client_auth_type: RequireAnyClientCert, "
    "client_allowed_sans: [a, 10.0.0.1]}",
    "tls_server_config: {" PAIR ", client_auth_type: VerifyClientCertIfGiven, "
    "client_ca_file: b.crt}",
    "tls_server_config: {" PAIR ", cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA]}",
    "tls_server_config: {" PAIR ", cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]}",
    "tls_server_config: {" PAIR ", curve_preferences: [CurveP521, X25519]}",
    "rate_limit: {interval: 1s, burst: 20}",
};

static void takes_the_rest(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
        struct web_security_options options;
        char message[512] = "";
        if (load(accepted[i], &options, NULL, message, sizeof(message)) < 0) {
            fail_msg("%s\n  refused: %s", accepted[i], message);
        }
        web_security_options_deinit(&options);
    }
}

static void means_what_it_says(void **state) {
    struct web_security_options options;
    struct web_file_notes notes;
    char message[512] = "";
    const char *text = "tls_server_config:\n"
                       "  cert_file: a.crt\n"
                       "  key_file: a.key\n"
                       "  client_ca_file: b.crt\n"
                       "  client_auth_type: RequireAndVerifyClientCert\n"
                       "  client_allowed_sans: [prometheus.example.org, 10.0.0.1]\n"
                       "  max_version: TLS12\n"
                       "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n"
                       "  prefer_server_cipher_suites: false\n"
                       "http_server_config:\n"
                       "  http2: true\n"
                       "  headers: {X-Frame-Options: deny, X-XSS-Protection: ''}\n"
                       "basic_auth_users: {prom: " HASH "}\n"
                       "rate_limit: {burst: 1}\n";
    assert_int_equal(load(text, &options, &notes, message, sizeof(message)), 0);
    const struct web_tls_options *tls = &options.tls;
    assert_true(tls->enabled);
    assert_string_equal(tls->certificate.text, pem_first_certificate);
    assert_string_equal(tls->key.text, pem_first_key);
    assert_string_equal(tls->client_ca.text, pem_second_certificate);
    assert_int_equal(tls->client_auth, WEB_CLIENT_REQUIRE_AND_VERIFY);
    assert_int_equal(tls->n_allowed_sans, 2);
    assert_string_equal(tls->allowed_sans[1], "10.0.0.1");
    assert_string_equal(web_tls_version_names[tls->min_version], "TLS12");
    assert_string_equal(web_tls_version_names[tls->max_version], "TLS12");
    assert_int_equal(tls->n_suites, 1);
    assert_string_equal(web_tls_suite_names[tls->suites[0]],
                        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    assert_true(tls->client_order);
    assert_int_equal(options.n_headers, 1);
    assert_string_equal(options.headers[0].value, "deny");
    assert_int_equal(options.n_users, 1);
    assert_string_equal(options.users[0].hash, HASH);
    assert_true(notes.http2);
    assert_true(notes.rate_limit);
    web_security_options_deinit(&options);
    assert_int_equal(load("", &options, &notes, message, sizeof(message)), 0);
    assert_false(options.tls.enabled);
    assert_false(notes.http2);
    web_security_options_deinit(&options);
}

static void takes_certificates_that_stand_in_the_file(void **state) {
    struct web_security_options options;
    struct strbuf text = {0};
    char message[512] = "";
    strbuf_add_text(&text, "tls_server_config:\n  cert: |\n");
    struct str parts[] = {str_of(pem_first_certificate), str_of(pem_first_key)};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        strbuf_add_text(&text, i == 1 ? "  key: |\n" : "");
        while (parts[i].len > 0) {
            struct str line = str_cut(&parts[i], '\n');
            strbuf_printf(&text, "    %.*s\n", (int)line.len, line.data);
        }
    }
    assert_int_equal(load(text.data, &options, NULL, message, sizeof(message)), 0);
    assert_string_equal(options.tls.key.text, pem_first_key);
    web_security_options_deinit(&options);
    strbuf_deinit(&text);
}

static void a_missing_file_is_named(void **state) {
    struct web_file *file;
    struct error err = {0};
    assert_true(web_file_read("none.yml", &file, &err) < 0);
    assert_string_equal(err.text, "web configuration file 'none.yml' does not exist");
}

static void what_came_damaged_through_the_pipe_is_refused(void **state) {
    CLEANUP(web_file_freep)
    struct web_file *file = NULL;
    struct strbuf packed = {0};
    struct error err = {0};
    put("w.yml", "tls_server_config: {" PAIR "}");
    assert_int_equal(web_file_read("w.yml", &file, &err), 0);
    web_file_pack(file, &packed);
    for (size_t len = 0; len < packed.len; len++) {
        struct web_file *copy = NULL;
        struct error why = {0};
        assert_true(web_file_unpack((struct str){packed.data, len}, &copy, &why) < 0);
    }
    strbuf_deinit(&packed);
}

static void documentation_has_every_key_with_its_default(void **state) {
    const char *path = getenv("DBVITALS_CONFIG_DOC");
    struct config_key key;
    struct error err = {0};
    char *text = NULL;
    size_t length = 0, count = 0;
    assert_non_null(path);
    assert_int_equal(read_file(path, 1024 * 1024, &text, &length, &err), 0);
    for (; config_web_keys(count, &key); count++) {
        char row[768];
        snprintf(row, sizeof(row), "| `%s` | %s | %s | %s |", key.path, key.type,
                 key.fallback != NULL ? key.fallback : "", key.help);
        if (strstr(text, row) == NULL) {
            fail_msg("no row '%s' in %s", row, path);
        }
    }
    assert_true(count > 15);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_wrong_and_where),
        cmocka_unit_test(takes_the_rest),
        cmocka_unit_test(means_what_it_says),
        cmocka_unit_test(takes_certificates_that_stand_in_the_file),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(what_came_damaged_through_the_pipe_is_refused),
        cmocka_unit_test(documentation_has_every_key_with_its_default),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
