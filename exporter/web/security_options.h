/* SPDX-License-Identifier: Apache-2.0 */

/* Who may ask over HTTP and how the way there is secured: plain values, as the web configuration
 * file says them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define WEB_MOST_USERS   256
#define WEB_MOST_SANS    256
#define WEB_MOST_SUITES  32
#define WEB_MOST_CURVES  8
#define WEB_MOST_HEADERS 8
/* A hash takes twice as long with each step; this many take seconds. */
#define WEB_MOST_BCRYPT_COST 16

/* As in Go's crypto/tls, whose names the file has. */
enum web_client_auth {
    WEB_CLIENT_NONE,
    WEB_CLIENT_REQUEST,         /* asked for, and whatever comes is fine */
    WEB_CLIENT_REQUIRE_ANY,     /* there must be one, by whomever it is signed */
    WEB_CLIENT_VERIFY_IF_GIVEN, /* need not be, but must be good if it is */
    WEB_CLIENT_REQUIRE_AND_VERIFY,
};
/* NULL-terminated, as the others below. "RequireClientCert", an old name, stands last. */
extern const char *const web_client_auth_names[];

extern const char *const web_tls_version_names[]; /* "TLS10" to "TLS13", "TLS12" is index 2 */
extern const char *const web_tls_suite_names[];
extern const char *const web_tls_curve_names[];

/* Certificates or a key, as PEM. */
struct web_pem {
    char *text; /* NULL: not given */
    size_t length;
    struct position at; /* for what is found wrong with it */
};

struct web_tls_options {
    bool enabled;
    struct web_pem certificate, key, client_ca;
    enum web_client_auth client_auth;
    char **allowed_sans; /* a client's certificate must have one of them */
    size_t n_allowed_sans;
    unsigned min_version, max_version;     /* indexes of web_tls_version_names */
    unsigned char suites[WEB_MOST_SUITES]; /* indexes of web_tls_suite_names, best first */
    size_t n_suites;                       /* 0: ours */
    unsigned char curves[WEB_MOST_CURVES]; /* indexes of web_tls_curve_names, best first */
    size_t n_curves;                       /* 0: ours */
    bool client_order;                     /* of suites and curves; else ours */
    struct position suites_at;
};

struct web_user {
    char *name;
    char *hash; /* bcrypt */
};

struct web_header {
    char *name, *value;
};

struct web_security_options {
    char *path; /* of the file; positions borrow it */
    struct web_tls_options tls;
    struct web_user *users; /* none: everybody may ask */
    size_t n_users;
    struct web_header headers[WEB_MOST_HEADERS]; /* of every answer */
    size_t n_headers;
};

/* A zeroed one is fine. */
void web_security_options_deinit(struct web_security_options *options);
