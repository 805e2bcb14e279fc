/* SPDX-License-Identifier: Apache-2.0 */

/* The few settings that dashboards set other numbers in relation to. They are asked for by name,
 * never by CONFIG GET *, whose answer holds passwords. Since Redis 7.0 one command takes all names;
 * before, each one has its own. */
#include "collectors/collector.h"

#include <errno.h>

#include "base/duration.h"
#include "collectors/support.h"

#define SEVERAL_NAMES 70000 /* the first version in which CONFIG GET takes more than one */

/* INFO is asked anyway; what it tells here is the version and whether this is a cluster. */
static const struct query queries[] = {{.text = "INFO ALL", .shape = SHAPE_PAIRS}, {0}};

static const char *const settings[] = {
    "client-output-buffer-limit", "databases", "io-threads", "maxclients", "maxmemory",
    "repl-backlog-size",
};

static const struct column columns[] = {{0}};

enum row { LIMIT_BYTES, LIMIT_SECONDS, FIRST_NUMBER };

/* Rows with a column are plain numbers. */
static const struct column also[] = {
    [LIMIT_BYTES] = {NULL, GAUGE, "redis_config_client_output_buffer_limit_bytes",
                     "Output that may wait for a client of the class before it is dropped, at once "
                     "(hard) or after a time (soft); 0 for no limit."},
    [LIMIT_SECONDS] = {NULL, GAUGE, "redis_config_client_output_buffer_limit_overcome_seconds",
                       "How long a client of the class may be above its soft limit."},
    [FIRST_NUMBER] = {"io-threads", GAUGE, "redis_config_io_threads",
                      "Threads that may read and write sockets.", .group = 1},
    {"maxclients", GAUGE, "redis_config_maxclients", "Client connections that the server takes.",
     .group = 1},
    {"maxmemory", GAUGE, "redis_config_maxmemory",
     "Bytes that the server may use for data; 0 for no limit.", .group = 1},
    {"repl-backlog-size", GAUGE, "redis_config_repl_backlog_size",
     "Bytes that the replication backlog may have.", .group = 1},
    {NULL, LABEL, "class"},
    {NULL, LABEL, "limit"},
    {0},
};

static void ask(const struct sample_context *context, size_t first, size_t count,
                struct request_list *requests) {
    struct str *words = arena_array(context->arena, count + 2, sizeof(*words));
    words[0] = str_of("CONFIG");
    words[1] = str_of("GET");
    for (size_t i = 0; i < count; i++) {
        words[i + 2] = str_of(settings[first + i]);
    }
    requests->commands[requests->n_commands++] = (struct command){words, count + 2};
}

static int expand(const struct sample_context *context, const struct answer *answer,
                  struct request_list *ret_requests, struct error *err) {
    if (context->version >= SEVERAL_NAMES) {
        ask(context, 0, ARRAY_LEN(settings), ret_requests);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        ask(context, i, 1, ret_requests);
    }
    return 0;
}

static void add(struct batch *batch, const struct column *rule, struct batch_labels labels,
                double value) {
    batch_add(batch, (struct batch_metric){rule->metric, rule->help, METRIC_GAUGE, true}, labels,
              value);
}

static void add_limit(struct batch *batch, enum row row, struct str class, const char *limit,
                      struct str text) {
    struct label labels[] = {{str_of("class"), class}, {str_of("limit"), str_of(limit)}};
    double value;
    if (str_to_double(text, &value)) {
        add(batch, &also[row], batch_add_labels(batch, labels, ARRAY_LEN(labels)), value);
    } else {
        batch->skipped_cells++;
    }
}

/* "normal 0 0 0 slave 268435456 67108864 60 ..." */
static void add_limits(struct batch *batch, struct str list) {
    while (list.len > 0) {
        struct str class = str_cut(&list, ' ');
        struct str hard = str_cut(&list, ' ');
        struct str soft = str_cut(&list, ' ');
        add_limit(batch, LIMIT_BYTES, class, "hard", hard);
        add_limit(batch, LIMIT_BYTES, class, "soft", soft);
        add_limit(batch, LIMIT_SECONDS, class, "soft", str_cut(&list, ' '));
    }
}

static void keep_databases(const struct sample_context *context, const struct answer *answer,
                           struct str text) {
    int64_t count;
    if (answer->table->n_rows > 0 && str_is(cell_named(answer->table, 0, "cluster_enabled"), "1")) {
        facts_set(context->facts, FACT_DATABASES, 1); /* a cluster has only the first one */
    } else if (str_to_int64(text, &count)) {
        facts_set(context->facts, FACT_DATABASES, count);
    }
}

static void take_setting(const struct sample_context *context, const struct answer *answer,
                         struct str name, struct str text, struct batch *batch) {
    double value;
    if (str_is(name, "client-output-buffer-limit")) {
        add_limits(batch, text);
        return;
    }
    if (str_is(name, "databases")) {
        keep_databases(context, answer, text);
        return;
    }
    for (const struct column *rule = &also[FIRST_NUMBER]; rule->kind == GAUGE; rule++) {
        if (str_is(name, rule->column) && str_to_double(text, &value)) {
            add(batch, rule, (struct batch_labels){0}, value);
        } else if (str_is(name, rule->column)) {
            batch->skipped_cells++;
        }
    }
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    for (size_t i = 0; i < answer->n_follow_ups; i++) {
        const struct tree *reply = &answer->follow_ups[i];
        if (reply->type != TREE_LIST) {
            return error_say(err, -EREMOTEIO, "CONFIG GET was refused");
        }
        for (size_t k = 0; k + 1 < reply->n_items; k += 2) {
            take_setting(context, answer, reply->items[k].text, reply->items[k + 1].text, batch);
        }
    }
    return 0;
}

const struct collector collector_redis_config = {
    .name = "config",
    .help = "Limits that are configured: clients, memory, buffers.",
    .kind = KIND_REDIS,
    .interval_usec = 60 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .expand = expand,
    .also = also,
};
