/* SPDX-License-Identifier: Apache-2.0 */

#include "io/tls_context.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/mem.h"
#include "io/tls_file.h"

enum { CA, CERTIFICATE, KEY, FILE_COUNT };

/* One with n_users == 0 stays in the list: the next connection wants it. */
struct entry {
    struct tls_context context;
    struct entry *next;
    struct tls_options options; /* server_name does not count */
    struct tls_stamp stamps[FILE_COUNT];
    struct tls_stamp refused[FILE_COUNT]; /* the newest ones that could not be used */
    bool has_refused;
    unsigned n_users;
    bool outdated; /* out of the list; the last user frees it */
};

struct tls_contexts {
    struct entry *first; /* at most one for the same files */
    void (*kept)(void *userdata, const struct error *why);
    void *userdata;
};

/* OpenSSL's reason for the last error, for sentences about files. */
static const char *last_reason(void) {
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text != NULL ? text : "unknown error";
}

/* Return: the file's text as a BIO, with *ret_text to be wiped after it, or NULL and *err. */
static BIO *open_file(const char *path, char **ret_text, size_t *ret_length, struct error *err) {
    if (tls_file_read(path, ret_text, ret_length, err) < 0) {
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(*ret_text, (int)*ret_length);
    if (bio == NULL) {
        abort(); /* out of memory, as in base/mem.h */
    }
    return bio;
}

static void close_file(BIO *bio, char *text, size_t length) {
    BIO_free(bio);
    explicit_bzero(text, length);
    free(text);
}

/* A question on the terminal would be asked of nobody. */
static int no_passphrase(char *out, int size, int writing, void *userdata) {
    return -1;
}

/* After the last certificate that could be read: half a one is no end, and trusting what comes
 * before it would be trusting something else than what the file is going to say. */
static int check_end(const char *path, struct error *err) {
    unsigned long code = ERR_peek_last_error();
    if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
        return 0;
    }
    return error_say(err, -EINVAL, "'%.150s' is damaged or not complete: %s", path, last_reason());
}

static int add_authorities(SSL_CTX *ssl, BIO *bio, const char *path, struct error *err) {
    size_t count = 0;
    X509 *certificate;
    while ((certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        count += X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), certificate) == 1;
        X509_free(certificate);
    }
    int r = check_end(path, err);
    return r < 0 || count > 0
               ? r
               : error_say(err, -EINVAL, "'%.150s' holds no certificate (PEM)", path);
}

static int use_certificate(SSL_CTX *ssl, BIO *bio, const char *path, struct error *err) {
    X509 *certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    if (certificate == NULL) {
        return error_say(err, -EINVAL, "'%.150s' holds no certificate (PEM)", path);
    }
    int ok = SSL_CTX_use_certificate(ssl, certificate);
    X509_free(certificate);
    if (ok != 1) {
        return error_say(err, -EINVAL, "certificate in '%.150s': %s", path, last_reason());
    }
    while ((certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(ssl, certificate) != 1) {
            X509_free(certificate);
        }
    }
    return check_end(path, err);
}

static int use_key(SSL_CTX *ssl, BIO *bio, const char *path, struct error *err) {
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    if (key == NULL) {
        return error_say(err, -EINVAL, "'%.150s' holds no private key (PEM, without passphrase)",
                         path);
    }
    int ok = SSL_CTX_use_PrivateKey(ssl, key);
    EVP_PKEY_free(key);
    return ok == 1 ? 0
                   : error_say(err, -EINVAL, "private key in '%.150s': %s", path, last_reason());
}

/* Whether the system has its certificates one by one, under names that OpenSSL looks up when it
 * needs one: that costs no memory, unlike its file with all of them (1.6-2.8 MB). */
static bool has_hashed_folder(void) {
    const char *path = getenv(X509_get_default_cert_dir_env());
    DIR *folder = opendir(path != NULL ? path : X509_get_default_cert_dir());
    bool found = false;
    for (const struct dirent *entry; folder != NULL && !found && (entry = readdir(folder));) {
        found = strlen(entry->d_name) == 10 && strspn(entry->d_name, "0123456789abcdef") == 8 &&
                entry->d_name[8] == '.';
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return found;
}

static void trust_system(SSL_CTX *ssl) {
    if (getenv(X509_get_default_cert_file_env()) == NULL && has_hashed_folder()) {
        SSL_CTX_set_default_verify_dir(ssl);
    } else {
        SSL_CTX_set_default_verify_paths(ssl);
    }
}

static int load(SSL_CTX *ssl, const char *path,
                int (*use)(SSL_CTX *ssl, BIO *bio, const char *path, struct error *err),
                struct error *err) {
    char *text = NULL;
    size_t length = 0;
    BIO *bio = open_file(path, &text, &length, err);
    if (bio == NULL) {
        return -EINVAL;
    }
    int r = use(ssl, bio, path, err);
    close_file(bio, text, length);
    return r;
}

static int load_files(SSL_CTX *ssl, const struct tls_options *options, struct error *err) {
    int r = 0;
    if (!options->insecure_skip_verify && options->ca_file == NULL) {
        trust_system(ssl);
    } else if (!options->insecure_skip_verify) {
        r = load(ssl, options->ca_file, add_authorities, err);
    }
    if (r == 0 && options->cert_file != NULL) {
        r = load(ssl, options->cert_file, use_certificate, err);
    }
    if (r == 0 && options->key_file != NULL) {
        r = load(ssl, options->key_file, use_key, err);
    }
    if (r == 0 && options->cert_file != NULL && SSL_CTX_check_private_key(ssl) != 1) {
        r = error_say(err, -EINVAL,
                      "'%.100s' is not the private key of the certificate in '%.100s'",
                      options->key_file != NULL ? options->key_file : "", options->cert_file);
    }
    return r;
}

static void entry_free(struct entry *entry) {
    SSL_CTX_free(entry->context.ssl);
    tls_options_deinit(&entry->options);
    free(entry);
}

/* Takes it out of the list; who uses it goes on. */
static void drop(struct entry **at) {
    struct entry *entry = *at;
    *at = entry->next;
    entry->outdated = true;
    if (entry->n_users == 0) {
        entry_free(entry);
    }
}

/* Return: where the entry for these files is, or NULL. */
static struct entry **find(struct tls_contexts *contexts, const struct tls_options *options) {
    for (struct entry **at = &contexts->first; *at != NULL; at = &(*at)->next) {
        if (tls_options_same_files(&(*at)->options, options)) {
            return at;
        }
    }
    return NULL;
}

static bool same_stamps(const struct tls_stamp *a, const struct tls_stamp *b) {
    bool same = true;
    for (size_t i = 0; i < FILE_COUNT; i++) {
        same = same && tls_stamp_equal(&a[i], &b[i]);
    }
    return same;
}

static SSL_CTX *make(const struct tls_options *options, struct error *err) {
    SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());
    if (ssl == NULL) {
        error_say(err, -ENOMEM, "OpenSSL: %s", last_reason());
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    if (load_files(ssl, options, err) < 0) {
        SSL_CTX_free(ssl);
        return NULL;
    }
    return ssl;
}

/* The entry stays although its files have changed. */
static void keep(const struct tls_contexts *contexts, struct entry *entry,
                 const struct tls_stamp *stamps, const struct error *why) {
    if (!entry->has_refused || !same_stamps(entry->refused, stamps)) {
        entry->has_refused = true;
        memcpy(entry->refused, stamps, sizeof(entry->refused));
        if (contexts->kept != NULL) {
            contexts->kept(contexts->userdata, why);
        }
    }
}

/* Reads the files; *at, if not NULL, is what was read of them before. Return: NULL with *err when
 * they cannot be used and never could. */
static struct entry *renew(struct tls_contexts *contexts, struct entry **at,
                           const struct tls_options *options, const struct tls_stamp *stamps,
                           struct error *err) {
    struct error why = {0};
    ERR_clear_error(); /* the queue is the thread's, and libpq's too */
    SSL_CTX *ssl = make(options, at != NULL ? &why : err);
    ERR_clear_error();
    if (ssl == NULL && at != NULL) {
        keep(contexts, *at, stamps, &why);
        return *at;
    }
    if (ssl == NULL) {
        return NULL;
    }
    if (at != NULL) {
        drop(at);
    }
    struct entry *entry = mem_alloc(sizeof(*entry));
    entry->context.ssl = ssl;
    entry->next = contexts->first;
    tls_options_copy(options, &entry->options);
    memcpy(entry->stamps, stamps, sizeof(entry->stamps));
    contexts->first = entry;
    return entry;
}

int tls_context_get(struct tls_contexts *contexts, const struct tls_options *options,
                    struct tls_context **ret, struct error *err) {
    struct tls_stamp stamps[FILE_COUNT] = {
        /* Before they are read: a change in between is seen next time. */
        [CA] = tls_file_stamp(options->ca_file),
        [CERTIFICATE] = tls_file_stamp(options->cert_file),
        [KEY] = tls_file_stamp(options->key_file),
    };
    struct entry **at = find(contexts, options);
    struct entry *entry = at != NULL && same_stamps((*at)->stamps, stamps)
                              ? *at
                              : renew(contexts, at, options, stamps, err);
    if (entry == NULL) {
        return -EINVAL;
    }
    entry->n_users++;
    *ret = &entry->context;
    return 0;
}

void tls_context_unref(struct tls_context *context) {
    struct entry *entry = container_of(context, struct entry, context);
    if (--entry->n_users == 0 && entry->outdated) {
        entry_free(entry);
    }
}

struct tls_contexts *tls_contexts_new(void (*kept)(void *userdata, const struct error *why),
                                      void *userdata) {
    struct tls_contexts *contexts = mem_alloc(sizeof(*contexts));
    contexts->kept = kept;
    contexts->userdata = userdata;
    return contexts;
}

void tls_contexts_trim(struct tls_contexts *contexts) {
    for (struct entry **at = &contexts->first; *at != NULL;) {
        if ((*at)->n_users == 0) {
            drop(at);
        } else {
            at = &(*at)->next;
        }
    }
}

size_t tls_contexts_count(const struct tls_contexts *contexts) {
    size_t count = 0;
    for (const struct entry *entry = contexts->first; entry != NULL; entry = entry->next) {
        count++;
    }
    return count;
}

struct tls_contexts *tls_contexts_free(struct tls_contexts *contexts) {
    if (contexts != NULL) {
        while (contexts->first != NULL) {
            drop(&contexts->first);
        }
        free(contexts);
    }
    return NULL;
}
