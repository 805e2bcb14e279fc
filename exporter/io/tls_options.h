/* SPDX-License-Identifier: Apache-2.0 */

/* How a connection is secured: plain values. */
#pragma once

#include <stdbool.h>

struct tls_options {
    bool enabled;
    char *ca_file;             /* certificates to trust instead of the system's, or NULL */
    char *cert_file;           /* our certificate and its chain, for servers that ask; or NULL */
    char *key_file;            /* its private key; NULL without cert_file */
    char *server_name;         /* what the server's certificate must be for; NULL: the host */
    bool insecure_skip_verify; /* any certificate will do */
};

void tls_options_deinit(struct tls_options *options);
void tls_options_copy(const struct tls_options *from, struct tls_options *ret);
bool tls_options_equal(const struct tls_options *a, const struct tls_options *b);

/* Whether both can use the same certificates, for whatever server. */
bool tls_options_same_files(const struct tls_options *a, const struct tls_options *b);
