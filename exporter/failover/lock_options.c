/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/lock_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static char *copy_text(const char *text) {
    return text != NULL ? mem_strdup(text) : NULL;
}

static bool same_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void failover_lock_options_deinit(struct failover_lock_options *options) {
    for (size_t i = 0; i < options->n_endpoints; i++) {
        free(options->endpoints[i]);
    }
    free(options->endpoints);
    free(options->prefix);
    tls_options_deinit(&options->tls);
    free(options->user);
    free(options->password);
    *options = (struct failover_lock_options){0};
}

void failover_lock_options_copy(const struct failover_lock_options *from,
                                struct failover_lock_options *ret) {
    *ret = (struct failover_lock_options){
        .n_endpoints = from->n_endpoints,
        .prefix = copy_text(from->prefix),
        .ttl_usec = from->ttl_usec,
        .user = copy_text(from->user),
        .password = copy_text(from->password),
    };
    if (from->n_endpoints > 0) {
        ret->endpoints = mem_array(from->n_endpoints, sizeof(*ret->endpoints));
    }
    for (size_t i = 0; i < from->n_endpoints; i++) {
        ret->endpoints[i] = mem_strdup(from->endpoints[i]);
    }
    tls_options_copy(&from->tls, &ret->tls);
}

bool failover_lock_options_equal(const struct failover_lock_options *a,
                                 const struct failover_lock_options *b) {
    bool equal = a->n_endpoints == b->n_endpoints && a->ttl_usec == b->ttl_usec &&
                 same_text(a->prefix, b->prefix) && same_text(a->user, b->user) &&
                 same_text(a->password, b->password) && tls_options_equal(&a->tls, &b->tls);
    for (size_t i = 0; equal && i < a->n_endpoints; i++) {
        equal = strcmp(a->endpoints[i], b->endpoints[i]) == 0;
    }
    return equal;
}
