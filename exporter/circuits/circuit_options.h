/* SPDX-License-Identifier: Apache-2.0 */

/* What the configuration says about the breakers that are kept for applications. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "breaker/circuit.h"
#include "io/hook_commands.h"

#define CIRCUITS_MOST 500

/* What the breaker is for: reads and writes may have one each on the same target. */
enum circuit_kind { CIRCUIT_ALL, CIRCUIT_READ, CIRCUIT_WRITE };
extern const char *const circuit_kind_names[]; /* "all", "read", "write"; NULL-terminated */

/* All texts are owned. */
struct circuit_options {
    char *name;
    char *target;  /* NULL: none; its samples are judged, its page shows the breaker */
    char *cluster; /* of the target; NULL: none */
    char *group;   /* breakers of shards that belong together; NULL: none */
    enum circuit_kind kind;
    struct circuit_policy policy;
    char *expression;       /* PromQL; NULL: none */
    uint64_t interval_usec; /* of the expression */
    struct {
        char *target; /* a redis target; NULL: not published */
        char *key_prefix;
        char *channel;     /* where changes are told as well; NULL: nowhere */
        uint64_t ttl_usec; /* whole seconds */
    } publish;
    struct hook_commands open_hooks, close_hooks;
    uint64_t hook_timeout_usec; /* of one command */
};

void circuit_options_deinit(struct circuit_options *options);

/* A copy of its own. */
void circuit_options_copy(const struct circuit_options *from, struct circuit_options *ret);
