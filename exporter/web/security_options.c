/* SPDX-License-Identifier: Apache-2.0 */

#include "web/security_options.h"

#include <string.h>

#include "base/mem.h"

const char *const web_client_auth_names[] = {
    [WEB_CLIENT_NONE] = "NoClientCert",
    [WEB_CLIENT_REQUEST] = "RequestClientCert",
    [WEB_CLIENT_REQUIRE_ANY] = "RequireAnyClientCert",
    [WEB_CLIENT_VERIFY_IF_GIVEN] = "VerifyClientCertIfGiven",
    [WEB_CLIENT_REQUIRE_AND_VERIFY] = "RequireAndVerifyClientCert",
    "RequireClientCert",
    NULL,
};

const char *const web_tls_version_names[] = {"TLS10", "TLS11", "TLS12", "TLS13", NULL};

/* In the order of the rows in tls_server.c. */
const char *const web_tls_suite_names[] = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    NULL,
};

const char *const web_tls_curve_names[] = {"X25519", "CurveP256", "CurveP384", "CurveP521", NULL};

static void free_pem(struct web_pem *pem) {
    if (pem->text != NULL) {
        explicit_bzero(pem->text, pem->length);
    }
    free(pem->text);
}

void web_security_options_deinit(struct web_security_options *options) {
    struct web_tls_options *tls = &options->tls;
    free_pem(&tls->certificate);
    free_pem(&tls->key);
    free_pem(&tls->client_ca);
    for (size_t i = 0; i < tls->n_allowed_sans; i++) {
        free(tls->allowed_sans[i]);
    }
    free(tls->allowed_sans);
    for (size_t i = 0; i < options->n_users; i++) {
        free(options->users[i].name);
        mem_free_secret(options->users[i].hash);
    }
    free(options->users);
    for (size_t i = 0; i < options->n_headers; i++) {
        free(options->headers[i].name);
        free(options->headers[i].value);
    }
    free(options->path);
    *options = (struct web_security_options){0};
}
