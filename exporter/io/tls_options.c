/* SPDX-License-Identifier: Apache-2.0 */

#include "io/tls_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static char *copy_text(const char *text) {
    return text != NULL ? mem_strdup(text) : NULL;
}

static bool same_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void tls_options_deinit(struct tls_options *options) {
    free(options->ca_file);
    free(options->cert_file);
    free(options->key_file);
    free(options->server_name);
    *options = (struct tls_options){0};
}

void tls_options_copy(const struct tls_options *from, struct tls_options *ret) {
    *ret = (struct tls_options){
        .enabled = from->enabled,
        .ca_file = copy_text(from->ca_file),
        .cert_file = copy_text(from->cert_file),
        .key_file = copy_text(from->key_file),
        .server_name = copy_text(from->server_name),
        .insecure_skip_verify = from->insecure_skip_verify,
    };
}

bool tls_options_same_files(const struct tls_options *a, const struct tls_options *b) {
    return same_text(a->ca_file, b->ca_file) && same_text(a->cert_file, b->cert_file) &&
           same_text(a->key_file, b->key_file) &&
           a->insecure_skip_verify == b->insecure_skip_verify;
}

bool tls_options_equal(const struct tls_options *a, const struct tls_options *b) {
    return a->enabled == b->enabled && same_text(a->server_name, b->server_name) &&
           tls_options_same_files(a, b);
}
