/* SPDX-License-Identifier: Apache-2.0 */

/* What the configuration says about targets: plain values, checked by whoever fills them (config).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectors/collector.h"
#include "io/host_options.h"
#include "io/pg_options.h"
#include "io/redis_client.h"
#include "sampler/app_options.h"
#include "sampler/database_options.h"

#define TARGET_NAME_MOST       63
#define TARGET_MOST_LABELS     16
#define TARGET_MOST_COLLECTORS 72
#define COLLECTOR_MOST_OPTIONS 3

#define TARGET_DEFAULT_INTERVAL_USEC ((uint64_t)5 * 1000 * 1000)
#define TARGET_DEFAULT_TIMEOUT_USEC  ((uint64_t)3 * 1000 * 1000)
#define TARGET_DEFAULT_PRIORITY      100

/* The name of the daemon itself among the targets. */
#define TARGET_SELF "dbvitals"

struct target_label {
    char *name, *value; /* owned */
};

/* One entry per collector of the target's kind, at its index in collector_list. */
struct collector_settings {
    bool enabled;
    uint64_t interval_usec;                              /* 0: every round */
    uint64_t timeout_usec;                               /* 0: the guards of the round */
    struct option_value options[COLLECTOR_MOST_OPTIONS]; /* text owned */
};

struct target_options {
    char *name; /* [A-Za-z0-9][A-Za-z0-9_.-]{0,62} */
    enum target_kind kind;
    struct pg_options pg;       /* postgres, pgbouncer */
    struct redis_options redis; /* redis, sentinel */
    struct host_options host;
    struct app_options app; /* breakers; format redis is reached by the redis options */
    char *cluster;          /* or NULL */
    char *job;              /* NULL: the kind's name */
    struct target_label labels[TARGET_MOST_LABELS]; /* sorted by name */
    size_t n_labels;
    uint64_t interval_usec, timeout_usec;
    bool required;              /* down means /health is 503 */
    uint64_t failover_priority; /* among candidates of a cluster with the same data */
    bool no_failover;           /* never a candidate */
    bool guessed;               /* found without a configuration: hidden until it answered once */
    struct collector_settings collectors[TARGET_MOST_COLLECTORS];
    struct database_options databases; /* postgres */
};

/* Fills everything but name, kind and address with defaults: collectors as their tables say. */
void target_options_init(struct target_options *options, enum target_kind kind);
void target_options_deinit(struct target_options *options);
void target_options_copy(const struct target_options *from, struct target_options *ret);

/* What `instance` says: the address as written. Always terminated. */
void target_options_instance(const struct target_options *options, char *out, size_t size);

/* What of a target differs between two configurations; 0: nothing. */
enum target_difference {
    TARGET_CONNECTION = 1, /* kind, address, credentials: connect anew */
    TARGET_LABELS = 2,     /* cluster, job, labels: new series */
    TARGET_SCHEDULE = 4,   /* interval, timeout, collectors, databases, required, guessed */
};
unsigned target_options_compare(const struct target_options *a, const struct target_options *b);
