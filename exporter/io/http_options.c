/* SPDX-License-Identifier: Apache-2.0 */

#include "io/http_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static char *copy_text(const char *text) {
    return text != NULL ? mem_strdup(text) : NULL;
}

static bool same_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void http_options_deinit(struct http_options *options) {
    for (size_t i = 0; i < options->n_headers; i++) {
        free(options->headers[i].name);
        mem_free_secret(options->headers[i].value);
    }
    free(options->headers);
    mem_free_secret(options->url);
    free(options->user);
    mem_free_secret(options->password);
    free(options->scheme);
    mem_free_secret(options->credentials);
    tls_options_deinit(&options->tls);
    *options = (struct http_options){0};
}

void http_options_copy(const struct http_options *from, struct http_options *ret) {
    *ret = (struct http_options){
        .url = copy_text(from->url),
        .user = copy_text(from->user),
        .password = copy_text(from->password),
        .scheme = copy_text(from->scheme),
        .credentials = copy_text(from->credentials),
        .headers = mem_array(from->n_headers + 1, sizeof(*from->headers)),
        .n_headers = from->n_headers,
        .timeout_usec = from->timeout_usec,
    };
    tls_options_copy(&from->tls, &ret->tls);
    for (size_t i = 0; i < from->n_headers; i++) {
        ret->headers[i].name = mem_strdup(from->headers[i].name);
        ret->headers[i].value = mem_strdup(from->headers[i].value);
    }
}

bool http_options_equal(const struct http_options *a, const struct http_options *b) {
    bool same = same_text(a->url, b->url) && same_text(a->user, b->user) &&
                same_text(a->password, b->password) && same_text(a->scheme, b->scheme) &&
                same_text(a->credentials, b->credentials) && a->n_headers == b->n_headers &&
                a->timeout_usec == b->timeout_usec && tls_options_equal(&a->tls, &b->tls);
    for (size_t i = 0; same && i < a->n_headers; i++) {
        same = same_text(a->headers[i].name, b->headers[i].name) &&
               same_text(a->headers[i].value, b->headers[i].value);
    }
    return same;
}

void http_options_instance(const struct http_options *options, char *out, size_t size) {
    const char *url = options->url != NULL ? options->url : "";
    const char *scheme = strstr(url, "://");
    const char *host = scheme != NULL ? scheme + strlen("://") : url;
    snprintf(out, size, "%.*s", (int)strcspn(host, "/?#"), host);
}
