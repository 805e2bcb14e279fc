/* SPDX-License-Identifier: Apache-2.0 */

/* The keys of the web configuration file. */
#include "config/keys_web.h"

#include "base/macros.h"
#include "web/security_options.h"

#define PATH_MOST   4095
#define HEADER_MOST 4096

static const struct key file_keys[WEB_KEY_COUNT] = {
    [WEB_KEY_TLS] = {"tls_server_config", KEY_MAP,
                     .help = "The certificate, and what is demanded of clients. Empty: no TLS."},
    [WEB_KEY_HTTP] = {"http_server_config", KEY_MAP, .help = "How answers look."},
    [WEB_KEY_USERS] = {"basic_auth_users", KEY_MAP,
                       .help = "Names and bcrypt hashes of passwords, of cost 16 at most. Without "
                               "any everybody may ask."},
    [WEB_KEY_RATE_LIMIT] = {"rate_limit", KEY_MAP,
                            .help = "Ignored with a line in the log: there is none here."},
};

static const struct key tls_keys[WEB_TLS_KEY_COUNT] = {
    [WEB_TLS_KEY_CERT] = {"cert", KEY_SECRET, .help = "The certificate and its chain (PEM)."},
    [WEB_TLS_KEY_CERT_FILE] = {"cert_file", KEY_PATH, 0, 0, PATH_MOST,
                               .help = "File that holds it. Relative paths begin at the folder of "
                                       "the web configuration file."},
    [WEB_TLS_KEY_KEY] = {"key", KEY_SECRET, .help = "Its private key (PEM, without passphrase)."},
    [WEB_TLS_KEY_KEY_FILE] = {"key_file", KEY_PATH, 0, 0, PATH_MOST, .help = "File that holds it."},
    [WEB_TLS_KEY_CLIENT_CA] = {"client_ca", KEY_SECRET,
                               .help = "Certificates (PEM) of the authorities that clients' "
                                       "certificates must come from."},
    [WEB_TLS_KEY_CLIENT_CA_FILE] = {"client_ca_file", KEY_PATH, 0, 0, PATH_MOST,
                                    .help = "File that holds them."},
    [WEB_TLS_KEY_CLIENT_AUTH_TYPE] = {"client_auth_type", KEY_CHOICE,
                                      .choices = web_client_auth_names, .fallback = "NoClientCert",
                                      .help = "What is demanded of clients. Only "
                                              "RequireAndVerifyClientCert keeps strangers out."},
    [WEB_TLS_KEY_CLIENT_ALLOWED_SANS] = {"client_allowed_sans", KEY_LIST,
                                         .help = "A client's certificate must have one of these "
                                                 "names (DNS, IP, mail address or URI), letter by "
                                                 "letter."},
    [WEB_TLS_KEY_MIN_VERSION] = {"min_version", KEY_CHOICE, .choices = web_tls_version_names,
                                 .fallback = "TLS12", .help = "The oldest version of TLS."},
    [WEB_TLS_KEY_MAX_VERSION] = {"max_version", KEY_CHOICE, .choices = web_tls_version_names,
                                 .fallback = "TLS13", .help = "The newest version of TLS."},
    [WEB_TLS_KEY_CIPHER_SUITES] = {"cipher_suites", KEY_LIST, .inherits = "those with AEAD",
                                   .help = "Go's names of suites, the best first. TLS 1.3, too, "
                                           "uses only ciphers of these."},
    [WEB_TLS_KEY_PREFER_SERVER_CIPHER_SUITES] = {"prefer_server_cipher_suites", KEY_BOOL,
                                                 .fallback = "true",
                                                 .help = "Whether our order counts, or the "
                                                         "client's."},
    [WEB_TLS_KEY_CURVE_PREFERENCES] = {"curve_preferences", KEY_LIST,
                                       .inherits = "[X25519, CurveP256, CurveP384, CurveP521]",
                                       .help = "Curves for the exchange of keys, the best first."},
};

static const struct key http_keys[WEB_HTTP_KEY_COUNT] = {
    [WEB_HTTP_KEY_HTTP2] = {"http2", KEY_BOOL, .inherits = "false",
                            .help = "Ignored, with a line in the log when it is true: we speak "
                                    "HTTP/1.1."},
    [WEB_HTTP_KEY_HEADERS] = {"headers", KEY_MAP, .help = "Headers of every answer."},
};

static const char *const frame_options[] = {"deny", "sameorigin", NULL};
static const char *const type_options[] = {"nosniff", NULL};

static const struct key header_keys[WEB_HEADER_COUNT] = {
    [WEB_HEADER_CONTENT_SECURITY_POLICY] = {"Content-Security-Policy", KEY_TEXT, KEY_MAY_BE_EMPTY,
                                            .most = HEADER_MOST,
                                            .help = "Where pages may load from. Ours need only "
                                                    "what they hold."},
    [WEB_HEADER_X_FRAME_OPTIONS] = {"X-Frame-Options", KEY_CHOICE, .choices = frame_options,
                                    .help = "Who may show our pages in a frame."},
    [WEB_HEADER_X_CONTENT_TYPE_OPTIONS] = {"X-Content-Type-Options", KEY_CHOICE,
                                           .choices = type_options, .help = "Always sent."},
    [WEB_HEADER_X_XSS_PROTECTION] = {"X-XSS-Protection", KEY_TEXT, KEY_MAY_BE_EMPTY,
                                     .most = HEADER_MOST, .help = "For old browsers."},
    [WEB_HEADER_STRICT_TRANSPORT_SECURITY] = {"Strict-Transport-Security", KEY_TEXT,
                                              KEY_MAY_BE_EMPTY, .most = HEADER_MOST,
                                              .help = "That browsers should never again ask this "
                                                      "host without TLS."},
};

const struct key_section key_section_web_file = {"", file_keys, WEB_KEY_COUNT};
const struct key_section key_section_web_tls = {"tls_server_config", tls_keys, WEB_TLS_KEY_COUNT};
const struct key_section key_section_web_http = {"http_server_config", http_keys,
                                                 WEB_HTTP_KEY_COUNT};
const struct key_section key_section_web_headers = {"http_server_config.headers", header_keys,
                                                    WEB_HEADER_COUNT};

bool config_web_keys(size_t index, struct config_key *ret) {
    static const struct key_section *const sections[] = {
        &key_section_web_file, &key_section_web_tls, &key_section_web_http,
        &key_section_web_headers};
    return config_keys_of(sections, ARRAY_LEN(sections), index, ret);
}
