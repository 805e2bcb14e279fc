/* SPDX-License-Identifier: Apache-2.0 */

/* Values as YAML, for `check-config`. */
#pragma once

#include "config/config.h"

#define PRINTED_SECRET "<secret>"

/* A scalar, quoted where it has to be; dollars are doubled, so that nothing is expanded. */
void yaml_print_text(struct strbuf *out, struct str text);

/* "key: 1m30s"; key may begin with what stands before it. */
void yaml_print_duration(struct strbuf *out, const char *key, uint64_t usec);

/* "key: {ca_file: ...}" and a line's end. */
void yaml_print_tls(struct strbuf *out, const char *key, const struct tls_options *tls);

/* "key: [[/program, word], ...]"; key may begin with what stands before it. */
void yaml_print_commands(struct strbuf *out, const char *key, const struct hook_commands *commands);

/* The map `hooks:` of a failover cluster. */
void print_hooks(struct strbuf *out, const struct hook_options *hooks);

/* The map `lock:` of a failover cluster; nothing without one. */
void print_lock(struct strbuf *out, const struct failover_lock_options *lock);

/* The whole section `failover:`; nothing when there are no clusters. */
void print_failover(struct strbuf *out, const struct failover_options *list, size_t count);

/* The whole section `notify:`. */
void print_notify(struct strbuf *out, const struct notify_options *notify);

/* What a target of type breakers has of its own, without its address. */
void print_app(struct strbuf *out, const struct app_options *app);

/* The whole section `breakers:`; nothing without any. */
void print_breakers(struct strbuf *out, const struct circuit_options *breakers, size_t count);
