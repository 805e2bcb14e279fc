/* SPDX-License-Identifier: Apache-2.0 */

/* OpenSSL moves the bytes through a BIO of ours, because its own one would raise SIGPIPE. It never
 * reads ahead: what it has not been asked for stays in the socket, where the loop sees it. */
#include "io/tls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "io/tls_context.h"

#define NAME_BYTES 80 /* of a certificate's name in a sentence */

struct tls_session {
    struct tls_context *context;
    SSL *ssl;
    int fd;
    bool wants_write, has_certificate;
    bool broken;           /* nothing may be sent any more, not even a goodbye */
    int io_errno;          /* of the socket, when the last operation failed there */
    int verify_error;      /* X509_V_..., of the certificate that was refused */
    char name[NAME_BYTES]; /* of that certificate */
    struct client_failure failure;
};

/* ---- the socket ---- */

static struct tls_session *session_of(BIO *bio) {
    return BIO_get_data(bio);
}

static int socket_result(BIO *bio, ssize_t n, bool writing) {
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        BIO_set_flags(bio, (writing ? BIO_FLAGS_WRITE : BIO_FLAGS_READ) | BIO_FLAGS_SHOULD_RETRY);
    } else if (n < 0) {
        session_of(bio)->io_errno = errno;
    }
    return (int)n;
}

static int socket_write(BIO *bio, const char *data, int len) {
    BIO_clear_retry_flags(bio);
    ssize_t n = send(session_of(bio)->fd, data, (size_t)len, MSG_NOSIGNAL);
    return socket_result(bio, n, true);
}

static int socket_read(BIO *bio, char *data, int size) {
    BIO_clear_retry_flags(bio);
    return socket_result(bio, recv(session_of(bio)->fd, data, (size_t)size, 0), false);
}

static long socket_control(BIO *bio, int command, long number, void *pointer) {
    return command == BIO_CTRL_FLUSH;
}

/* One for the whole process, as with OpenSSL's own; made once, and freed by OpenSSL's rules never.
 * There is one thread. */
static BIO_METHOD *socket_method(void) {
    static BIO_METHOD *method;
    if (method == NULL) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
        if (method == NULL) {
            abort(); /* out of memory, as in base/mem.h */
        }
        BIO_meth_set_write(method, socket_write);
        BIO_meth_set_read(method, socket_read);
        BIO_meth_set_ctrl(method, socket_control);
    }
    return method;
}

/* ---- what went wrong, in words ---- */

static void fail(struct tls_session *session, enum client_end end, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void fail(struct tls_session *session, enum client_end end, const char *format, ...) {
    char text[sizeof(session->failure.error.text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    session->failure = (struct client_failure){.end = end, .reason = REASON_TLS};
    error_say(&session->failure.error, -EPROTO, "%s", text);
}

/* What servers say when they miss a certificate of ours, by the version of the protocol. */
static bool is_about_our_certificate(int alert) {
    return alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_BAD_CERTIFICATE ||
           alert == SSL_AD_UNKNOWN_CA || alert == SSL_AD_CERTIFICATE_REQUIRED;
}

static void fail_by_alert(struct tls_session *session, int alert) {
    /* This one has no description in some versions. */
    const char *text = alert == SSL_AD_CERTIFICATE_REQUIRED ? "certificate required"
                                                            : SSL_alert_desc_string_long(alert);
    const char *hint = "";
    if (is_about_our_certificate(alert)) {
        hint = session->has_certificate ? " (it was shown our 'cert_file')"
                                        : " (it may want a certificate: 'cert_file', 'key_file')";
    }
    fail(session, CLIENT_ALIVE, "the server refused: %s%s", text, hint);
}

static void fail_by_certificate(struct tls_session *session) {
    bool name = session->verify_error == X509_V_ERR_HOSTNAME_MISMATCH ||
                session->verify_error == X509_V_ERR_IP_ADDRESS_MISMATCH;
    fail(session, CLIENT_ALIVE, "the server's certificate (%s) is not accepted: %s%s",
         session->name, X509_verify_cert_error_string(session->verify_error),
         name ? " ('server_name' names another)" : "");
}

static bool is_not_tls(int reason) {
    static const int reasons[] = {
        SSL_R_WRONG_VERSION_NUMBER,        SSL_R_HTTP_REQUEST,           SSL_R_BAD_RECORD_TYPE,
        SSL_R_RECORD_LENGTH_MISMATCH,      SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_UNEXPECTED_MESSAGE,
        SSL_R_BAD_PROTOCOL_VERSION_NUMBER,
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i] == reason) {
            return true;
        }
    }
    return false;
}

static void fail_by_queue(struct tls_session *session) {
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    const char *text = ERR_reason_error_string(code);
    if (session->verify_error != X509_V_OK) {
        fail_by_certificate(session);
    } else if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET) {
        fail_by_alert(session, reason - SSL_AD_REASON_OFFSET);
    } else if (ERR_GET_LIB(code) == ERR_LIB_SSL && is_not_tls(reason)) {
        fail(session, CLIENT_ALIVE, "what the server answers is not TLS (%s)", text);
    } else if (reason == SSL_R_UNSUPPORTED_PROTOCOL) {
        fail(session, CLIENT_ALIVE, "the server does not offer TLS 1.2 or newer");
    } else {
        fail(session, CLIENT_ALIVE, "%s", text != NULL ? text : "unknown error");
    }
}

/* Called for each certificate of the chain. What it is called is foreign text; the flags escape
 * what is not printable. */
static int on_verified(int ok, X509_STORE_CTX *store) {
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_session *session = SSL_get_app_data(ssl);
    if (ok == 1 || session->verify_error != X509_V_OK) {
        return ok;
    }
    session->verify_error = X509_STORE_CTX_get_error(store);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    BIO *out = BIO_new(BIO_s_mem());
    if (certificate != NULL && out != NULL) {
        X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
        int n = BIO_read(out, session->name, NAME_BYTES - 1);
        session->name[n > 0 ? n : 0] = '\0';
    }
    BIO_free(out);
    return ok;
}

/* ---- sessions ---- */

/* The name to check, and to say in the handshake when it is no address. */
static int set_name(struct tls_session *session, const char *name) {
    char *host = mem_strdup(name);
    X509_VERIFY_PARAM *param = SSL_get0_param(session->ssl);
    int ok = 1;
    host[strcspn(host, "%")] = '\0'; /* an address' zone */
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1) {
        size_t len = strlen(host);
        if (len > 0 && host[len - 1] == '.') {
            host[len - 1] = '\0';
        }
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
             SSL_set_tlsext_host_name(session->ssl, host) == 1;
    }
    ERR_clear_error();
    free(host);
    return ok == 1 ? 0 : -EINVAL;
}

static int prepare(struct tls_session *session, const struct tls_options *options,
                   const char *host) {
    session->ssl = SSL_new(session->context->ssl);
    BIO *bio = BIO_new(socket_method());
    if (session->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        return -ENOMEM;
    }
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_app_data(session->ssl, session);
    SSL_set_connect_state(session->ssl);
    SSL_set_verify(session->ssl, options->insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                   on_verified);
    return set_name(session, options->server_name != NULL ? options->server_name : host);
}

int tls_session_new(struct tls_contexts *contexts, const struct tls_options *options,
                    const char *host, int fd, struct tls_session **ret,
                    struct client_failure *failure) {
    /* As with libpq's files: ours, but about TLS. */
    struct client_failure ours = {.end = CLIENT_OURS, .reason = REASON_TLS};
    struct tls_session *session = mem_alloc(sizeof(*session));
    session->fd = fd;
    session->has_certificate = options->cert_file != NULL;
    int r = tls_context_get(contexts, options, &session->context, &ours.error);
    if (r == 0 && (r = prepare(session, options, host)) < 0) {
        error_say(&ours.error, r, "OpenSSL cannot prepare the handshake");
    }
    if (r < 0) {
        tls_session_free(session);
        *failure = ours;
        return r;
    }
    *ret = session;
    return 0;
}

/* Return: 0 at the end of the stream, or -1 with errno. */
static ssize_t operation_failed(struct tls_session *session, int result) {
    int error = SSL_get_error(session->ssl, result);
    session->wants_write = error == SSL_ERROR_WANT_WRITE;
    errno = EAGAIN;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return -1;
    }
    session->broken = true;
    bool end =
        error == SSL_ERROR_ZERO_RETURN || (error == SSL_ERROR_SYSCALL && session->io_errno == 0);
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
    end = end || (error == SSL_ERROR_SSL &&
                  ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING);
#endif
    if (!end && error == SSL_ERROR_SSL) {
        fail_by_queue(session);
    }
    errno = error == SSL_ERROR_SSL ? EPROTO : session->io_errno;
    ERR_clear_error();
    return end ? 0 : -1;
}

static void begin_operation(struct tls_session *session) {
    ERR_clear_error(); /* the queue is the thread's, and libpq's too */
    session->io_errno = 0;
    session->wants_write = false;
}

int tls_session_handshake(struct tls_session *session, struct client_failure *failure) {
    begin_operation(session);
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) {
        return 0;
    }
    ssize_t n = operation_failed(session, result);
    if (n < 0 && errno == EAGAIN) {
        return -EAGAIN;
    }
    if (n < 0 && errno == EPROTO) {
        *failure = session->failure;
        return -EPROTO;
    }
    struct client_failure lost = {0};
    int errno_value = n == 0 ? ECONNRESET : errno;
    client_failure_from_errno(&lost, errno_value);
    lost.error = (struct error){0};
    error_say(&lost.error, -errno_value, "the connection ended in the handshake: %s",
              n == 0 ? "closed by the server" : strerror(errno_value));
    *failure = lost;
    return -errno_value;
}

ssize_t tls_session_send(struct tls_session *session, const void *data, size_t len) {
    size_t sent = 0;
    begin_operation(session);
    int result = SSL_write_ex(session->ssl, data, len, &sent);
    if (result == 1) {
        return (ssize_t)sent;
    }
    if (operation_failed(session, result) == 0) {
        errno = EPIPE;
    }
    return -1;
}

ssize_t tls_session_receive(struct tls_session *session, void *data, size_t size) {
    size_t received = 0;
    begin_operation(session);
    int result = SSL_read_ex(session->ssl, data, size, &received);
    return result == 1 ? (ssize_t)received : operation_failed(session, result);
}

void tls_session_failure(const struct tls_session *session, struct client_failure *ret) {
    *ret = session->failure;
}

bool tls_session_wants_write(const struct tls_session *session) {
    return session->wants_write;
}

struct tls_session *tls_session_free(struct tls_session *session) {
    if (session != NULL) {
        if (session->ssl != NULL && !session->broken && SSL_is_init_finished(session->ssl)) {
            (void)SSL_shutdown(session->ssl);
        }
        SSL_free(session->ssl);
        ERR_clear_error();
        if (session->context != NULL) {
            tls_context_unref(session->context);
        }
        free(session);
    }
    return NULL;
}

void tls_release_buffers(void *ssl) {
    if (ssl != NULL) {
        SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    }
}
