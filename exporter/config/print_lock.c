/* SPDX-License-Identifier: Apache-2.0 */

/* The map `lock:` of a failover cluster as YAML. */
#include "config/print_yaml.h"

void print_lock(struct strbuf *out, const struct failover_lock_options *lock) {
    if (lock->n_endpoints == 0) {
        return;
    }
    strbuf_add_text(out, "    lock:\n      etcd: [");
    for (size_t i = 0; i < lock->n_endpoints; i++) {
        strbuf_add_text(out, i > 0 ? ", " : "");
        yaml_print_text(out, str_of(lock->endpoints[i]));
    }
    strbuf_add_text(out, "]\n      prefix: ");
    yaml_print_text(out, str_of(lock->prefix));
    yaml_print_duration(out, "\n      ttl", lock->ttl_usec);
    strbuf_add_char(out, '\n');
    if (lock->user != NULL) {
        strbuf_add_text(out, "      user: ");
        yaml_print_text(out, str_of(lock->user));
        strbuf_add_text(out, "\n      password: " PRINTED_SECRET "\n");
    }
    for (size_t i = 0; i < lock->n_endpoints; i++) {
        if (str_starts_with(str_of(lock->endpoints[i]), "https://")) {
            yaml_print_tls(out, "      tls", &lock->tls);
            break;
        }
    }
}
