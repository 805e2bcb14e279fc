/* SPDX-License-Identifier: Apache-2.0 */

#include "web/tls_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define MOST_CERTIFICATES 32
#define MOST_SAN_BYTES    1024

enum key_kind { ANY_KEY, ECDSA_KEY, RSA_KEY };

struct tls_server {
    unsigned references;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priorities;
    enum web_client_auth client_auth;
    char **allowed_sans; /* ours */
    size_t n_allowed_sans;
    enum key_kind key;
    int64_t expires;
    bool said_refused;
};

/* ---- what is agreed on ---- */

/* In the order of web_tls_suite_names. GnuTLS has no suites but sets of ciphers and key exchanges;
 * as our certificate has one kind of key, their product is exactly the list. */
static const struct suite {
    enum key_kind key; /* ANY_KEY: of TLS 1.3 */
    const char *cipher;
    bool cbc;
} suites[] = {
    {ANY_KEY, "AES-128-GCM"},         {ANY_KEY, "AES-256-GCM"},
    {ANY_KEY, "CHACHA20-POLY1305"},   {ECDSA_KEY, "AES-128-GCM"},
    {ECDSA_KEY, "AES-256-GCM"},       {ECDSA_KEY, "CHACHA20-POLY1305"},
    {ECDSA_KEY, "AES-128-CBC", true}, {ECDSA_KEY, "AES-256-CBC", true},
    {RSA_KEY, "AES-128-GCM"},         {RSA_KEY, "AES-256-GCM"},
    {RSA_KEY, "CHACHA20-POLY1305"},   {RSA_KEY, "AES-128-CBC", true},
    {RSA_KEY, "AES-256-CBC", true},
};

static const char *const versions[] = {"TLS1.0", "TLS1.1", "TLS1.2", "TLS1.3"};
static const char *const curves[] = {"X25519", "SECP256R1", "SECP384R1", "SECP521R1"};
enum { VERSION_12 = 2, VERSION_13 = 3 };

/* Those that old versions can use are worth nothing to newer ones. */
static void add_default_ciphers(const struct web_tls_options *options, struct strbuf *out) {
    strbuf_add_text(out, ":+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD");
    if (options->min_version < VERSION_12) {
        strbuf_add_text(out, ":+AES-128-CBC:+AES-256-CBC:+SHA1");
    }
}

static bool has_suite_for(const struct web_tls_options *options, enum key_kind key) {
    for (size_t i = 0; i < options->n_suites; i++) {
        if (suites[options->suites[i]].key == key) {
            return true;
        }
    }
    return false;
}

/* Versions before TLS 1.3 have the suites that are for our kind of key. TLS 1.3 has their ciphers,
 * too, as these cannot be kept apart, or those of all names when there are none for our key.
 * Return: whether there is a cipher for TLS 1.3. */
static bool add_ciphers(const struct web_tls_options *options, enum key_kind key, bool is_old,
                        struct strbuf *out) {
    bool cbc = false, aead = false;
    for (size_t i = 0; i < options->n_suites; i++) {
        const struct suite *suite = &suites[options->suites[i]];
        if (suite->key == key || suite->key == ANY_KEY || (!is_old && !suite->cbc)) {
            strbuf_printf(out, ":+%s", suite->cipher);
            cbc |= suite->cbc;
            aead |= !suite->cbc;
        }
    }
    strbuf_add_text(out, aead ? ":+AEAD" : "");
    strbuf_add_text(out, cbc ? ":+SHA1" : "");
    return aead;
}

/* The newest first. Return: whether there is any. */
static bool add_versions(const struct web_tls_options *options, bool is_new, bool is_old,
                         struct strbuf *out) {
    bool any = false;
    for (unsigned version = options->max_version + 1; version-- > options->min_version;) {
        if (version == VERSION_13 ? is_new : is_old) {
            strbuf_printf(out, ":+VERS-%s", versions[version]);
            any = true;
        }
    }
    return any;
}

static void add_curves(const struct web_tls_options *options, struct strbuf *out) {
    for (size_t i = 0; i < ARRAY_LEN(curves) && options->n_curves == 0; i++) {
        strbuf_printf(out, ":+GROUP-%s", curves[i]);
    }
    for (size_t i = 0; i < options->n_curves; i++) {
        strbuf_printf(out, ":+GROUP-%s", curves[options->curves[i]]);
    }
}

static int make_priorities(struct tls_server *tls, const struct web_tls_options *options,
                           struct error *err) {
    struct strbuf text = {0};
    bool is_new = true, is_old = true;
    strbuf_add_text(&text, "NONE:+CTYPE-X509:+COMP-NULL:+SIGN-ALL:+ECDHE-ECDSA:+ECDHE-RSA");
    if (options->n_suites == 0) {
        add_default_ciphers(options, &text);
    } else {
        is_old = has_suite_for(options, tls->key);
        is_new = add_ciphers(options, tls->key, is_old, &text);
    }
    bool any = add_versions(options, is_new, is_old, &text);
    add_curves(options, &text);
    strbuf_add_text(&text, options->client_order ? "" : ":%SERVER_PRECEDENCE");
    int r =
        any ? gnutls_priority_init(&tls->priorities, text.data, NULL) : GNUTLS_E_NO_CIPHER_SUITES;
    strbuf_deinit(&text);
    if (r < 0) {
        return error_set(err, -EINVAL, options->suites_at,
                         "none of these can be used with versions %s to %s and a certificate with "
                         "an %s key",
                         web_tls_version_names[options->min_version],
                         web_tls_version_names[options->max_version],
                         tls->key == RSA_KEY ? "RSA" : "ECDSA");
    }
    return 0;
}

/* ---- certificates ---- */

static gnutls_datum_t datum_of(const struct web_pem *pem) {
    return (gnutls_datum_t){(unsigned char *)pem->text, (unsigned)pem->length};
}

/* Knows the first certificate's kind of key and its end. */
static int examine(struct tls_server *tls, const struct web_pem *pem, struct error *err) {
    gnutls_x509_crt_t chain[MOST_CERTIFICATES];
    unsigned count = MOST_CERTIFICATES;
    gnutls_datum_t data = datum_of(pem);
    int r = gnutls_x509_crt_list_import(chain, &count, &data, GNUTLS_X509_FMT_PEM,
                                        GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (r <= 0) {
        return error_set(err, -EINVAL, pem->at, "the certificate cannot be used: %s",
                         r < 0 ? gnutls_strerror(r) : "there is none");
    }
    int algorithm = gnutls_x509_crt_get_pk_algorithm(chain[0], NULL);
    bool rsa = algorithm == GNUTLS_PK_RSA || algorithm == GNUTLS_PK_RSA_PSS;
    tls->key = rsa ? RSA_KEY : ECDSA_KEY;
    tls->expires = gnutls_x509_crt_get_expiration_time(chain[0]);
    for (int i = 0; i < r; i++) {
        gnutls_x509_crt_deinit(chain[i]);
    }
    return 0;
}

static int take_certificate(struct tls_server *tls, const struct web_tls_options *options,
                            struct error *err) {
    gnutls_datum_t certificate = datum_of(&options->certificate), key = datum_of(&options->key);
    int r = examine(tls, &options->certificate, err);
    if (r < 0) {
        return r;
    }
    r = gnutls_certificate_set_x509_key_mem(tls->credentials, &certificate, &key,
                                            GNUTLS_X509_FMT_PEM);
    if (r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH) {
        return error_set(err, -EINVAL, options->key.at,
                         "the key does not belong to the certificate");
    }
    return r < 0 ? error_set(err, -EINVAL, options->key.at, "the key cannot be used: %s",
                             gnutls_strerror(r))
                 : 0;
}

static int take_authorities(struct tls_server *tls, const struct web_pem *pem, struct error *err) {
    gnutls_datum_t data = datum_of(pem);
    int r = pem->text != NULL ? gnutls_certificate_set_x509_trust_mem(tls->credentials, &data,
                                                                      GNUTLS_X509_FMT_PEM)
                              : 1;
    if (r <= 0) {
        return error_set(err, -EINVAL, pem->at, "the clients' authorities cannot be used: %s",
                         r < 0 ? gnutls_strerror(r) : "there is no certificate");
    }
    return 0;
}

/* ---- clients ---- */

/* Return: whether the SAN at this index is one of those allowed; *ret_last behind the last one. */
static bool is_allowed_san(const struct tls_server *tls, gnutls_x509_crt_t certificate,
                           unsigned index, bool *ret_last) {
    char san[MOST_SAN_BYTES + 1] = "", address[INET6_ADDRSTRLEN];
    size_t size = MOST_SAN_BYTES;
    int type = gnutls_x509_crt_get_subject_alt_name(certificate, index, san, &size, NULL);
    struct str text = {san, size};
    *ret_last = type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE || index > MOST_SAN_BYTES;
    if (type == GNUTLS_SAN_IPADDRESS && (size == 4 || size == 16)) {
        inet_ntop(size == 4 ? AF_INET : AF_INET6, san, address, sizeof(address));
        text = str_of(address);
    } else if (type != GNUTLS_SAN_DNSNAME && type != GNUTLS_SAN_RFC822NAME &&
               type != GNUTLS_SAN_URI) {
        return false;
    }
    for (size_t i = 0; i < tls->n_allowed_sans; i++) {
        if (str_is(text, tls->allowed_sans[i])) {
            return true;
        }
    }
    return false;
}

static bool has_allowed_san(const struct tls_server *tls, gnutls_session_t session) {
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    gnutls_x509_crt_t certificate;
    bool found = false, last = false;
    if (count == 0 || gnutls_x509_crt_init(&certificate) < 0) {
        return false;
    }
    if (gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) >= 0) {
        for (unsigned i = 0; !found && !last; i++) {
            found = is_allowed_san(tls, certificate, i, &last);
        }
    }
    gnutls_x509_crt_deinit(certificate);
    return found;
}

/* The first one is said loudly: somebody is setting it up. The client hears only that it failed. */
static int refuse(struct tls_server *tls, gnutls_session_t session, const char *why) {
    log_line(tls->said_refused ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
             "web: refusing a client's certificate: %s", why);
    tls->said_refused = true;
    (void)gnutls_alert_send(session, GNUTLS_AL_FATAL, GNUTLS_A_BAD_CERTIFICATE);
    return GNUTLS_E_CERTIFICATE_ERROR;
}

static int verify_signature(struct tls_server *tls, gnutls_session_t session) {
    static unsigned char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st wanted = {.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = purpose};
    unsigned status = 0;
    gnutls_datum_t text = {0};
    int r = gnutls_certificate_verify_peers(session, &wanted, 1, &status);
    if (r < 0) {
        return refuse(tls, session, gnutls_strerror(r));
    }
    if (status == 0) {
        return 0;
    }
    r = gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
    r = refuse(tls, session, r == 0 ? (const char *)text.data : "it is not good");
    gnutls_free(text.data);
    return r;
}

static bool needs_certificate(const struct tls_server *tls) {
    return tls->client_auth == WEB_CLIENT_REQUIRE_ANY ||
           tls->client_auth == WEB_CLIENT_REQUIRE_AND_VERIFY;
}

/* Called in the handshake once the client has shown its certificate, or none. */
static int verify(gnutls_session_t session) {
    struct tls_server *tls = gnutls_db_get_ptr(session);
    unsigned count = 0;
    if ((gnutls_certificate_get_peers(session, &count) == NULL || count == 0) &&
        !needs_certificate(tls)) {
        return 0;
    }
    bool signature = tls->client_auth == WEB_CLIENT_VERIFY_IF_GIVEN ||
                     tls->client_auth == WEB_CLIENT_REQUIRE_AND_VERIFY;
    int r = signature ? verify_signature(tls, session) : 0;
    if (r == 0 && tls->n_allowed_sans > 0 && !has_allowed_san(tls, session)) {
        r = refuse(tls, session, "it has none of client_allowed_sans");
    }
    return r;
}

void tls_server_equip(struct tls_server *tls, void *session_pointer) {
    gnutls_session_t session = session_pointer;
    (void)gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
    (void)gnutls_priority_set(session, tls->priorities);
    if (tls->client_auth != WEB_CLIENT_NONE) {
        gnutls_certificate_server_set_request(
            session, needs_certificate(tls) ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
        /* The session's own pointer is the library's; we keep no sessions, so this one is free. */
        gnutls_db_set_ptr(session, tls);
        gnutls_session_set_verify_function(session, verify);
    }
}

/* ---- life ---- */

int tls_server_new(const struct web_tls_options *options, struct tls_server **ret,
                   struct error *err) {
    CLEANUP(tls_server_unrefp)
    struct tls_server *tls = mem_alloc(sizeof(*tls));
    tls->references = 1;
    tls->client_auth = options->client_auth;
    tls->allowed_sans = mem_array(options->n_allowed_sans + 1, sizeof(*tls->allowed_sans));
    for (size_t i = 0; i < options->n_allowed_sans; i++) {
        tls->allowed_sans[tls->n_allowed_sans++] = mem_strdup(options->allowed_sans[i]);
    }
    int r = gnutls_certificate_allocate_credentials(&tls->credentials);
    if (r < 0) {
        return error_say(err, -ENOMEM, "GnuTLS: %s", gnutls_strerror(r));
    }
    if ((r = take_certificate(tls, options, err)) < 0 ||
        (r = take_authorities(tls, &options->client_ca, err)) < 0 ||
        (r = make_priorities(tls, options, err)) < 0) {
        return r;
    }
    *ret = take_ptr(tls);
    return 0;
}

struct tls_server *tls_server_ref(struct tls_server *tls) {
    if (tls != NULL) {
        tls->references++;
    }
    return tls;
}

struct tls_server *tls_server_unref(struct tls_server *tls) {
    if (tls == NULL || --tls->references > 0) {
        return NULL;
    }
    if (tls->credentials != NULL) {
        gnutls_certificate_free_credentials(tls->credentials);
    }
    if (tls->priorities != NULL) {
        gnutls_priority_deinit(tls->priorities);
    }
    for (size_t i = 0; i < tls->n_allowed_sans; i++) {
        free(tls->allowed_sans[i]);
    }
    free(tls->allowed_sans);
    free(tls);
    return NULL;
}

int64_t tls_server_expires(const struct tls_server *tls) {
    return tls->expires;
}

static int give_none(gnutls_session_t session, const gnutls_datum_t *authorities, int n_authorities,
                     const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
                     gnutls_pcert_st **ret_chain, unsigned *ret_length, gnutls_privkey_t *ret_key) {
    return -1;
}

void *tls_server_no_certificate(void) {
    gnutls_certificate_retrieve_function2 *function = give_none;
    void *pointer;
    memcpy(&pointer, &function, sizeof(pointer)); /* a function's address as POSIX has it */
    return pointer;
}
