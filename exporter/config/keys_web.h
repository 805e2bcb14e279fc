/* SPDX-License-Identifier: Apache-2.0 */

/* The keys of the web configuration file, whose names are those of Prometheus' exporters. */
#pragma once

#include "config/keys.h"

enum { WEB_KEY_TLS, WEB_KEY_HTTP, WEB_KEY_USERS, WEB_KEY_RATE_LIMIT, WEB_KEY_COUNT };
extern const struct key_section key_section_web_file;

/* Each text is followed by the file that may hold it instead. */
enum {
    WEB_TLS_KEY_CERT,
    WEB_TLS_KEY_CERT_FILE,
    WEB_TLS_KEY_KEY,
    WEB_TLS_KEY_KEY_FILE,
    WEB_TLS_KEY_CLIENT_CA,
    WEB_TLS_KEY_CLIENT_CA_FILE,
    WEB_TLS_KEY_CLIENT_AUTH_TYPE,
    WEB_TLS_KEY_CLIENT_ALLOWED_SANS,
    WEB_TLS_KEY_MIN_VERSION,
    WEB_TLS_KEY_MAX_VERSION,
    WEB_TLS_KEY_CIPHER_SUITES,
    WEB_TLS_KEY_PREFER_SERVER_CIPHER_SUITES,
    WEB_TLS_KEY_CURVE_PREFERENCES,
    WEB_TLS_KEY_COUNT
};
extern const struct key_section key_section_web_tls;

enum { WEB_HTTP_KEY_HTTP2, WEB_HTTP_KEY_HEADERS, WEB_HTTP_KEY_COUNT };
extern const struct key_section key_section_web_http;

enum {
    WEB_HEADER_CONTENT_SECURITY_POLICY,
    WEB_HEADER_X_FRAME_OPTIONS,
    WEB_HEADER_X_CONTENT_TYPE_OPTIONS,
    WEB_HEADER_X_XSS_PROTECTION,
    WEB_HEADER_STRICT_TRANSPORT_SECURITY,
    WEB_HEADER_COUNT
};
extern const struct key_section key_section_web_headers;

/* As config_keys(), for these. */
bool config_web_keys(size_t index, struct config_key *ret);
