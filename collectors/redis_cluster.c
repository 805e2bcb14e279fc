/* SPDX-License-Identifier: Apache-2.0 */

/* How a node sees its cluster: lines of CLUSTER INFO, cluster_state:ok. It is asked only where INFO
 * says that there is a cluster; elsewhere it would be an error in the server's statistics. */
#include "collectors/collector.h"

#include <errno.h>

#include "collectors/support.h"

static const struct query queries[] = {{.text = "INFO ALL", .shape = SHAPE_PAIRS}, {0}};

static const struct word states[] = {{"ok", 1}, {"fail", 0}, {NULL, 0}};

static const struct column columns[] = {{0}};

static const struct column also[] = {
    {"cluster_current_epoch", GAUGE, "redis_cluster_current_epoch",
     "Newest epoch that the node has heard of."},
    {"cluster_known_nodes", GAUGE, "redis_cluster_known_nodes",
     "Nodes that the node knows, lost and joining ones included."},
    {"cluster_my_epoch", GAUGE, "redis_cluster_my_epoch", "Epoch of the node's own slots."},
    {"cluster_nodes_fail", GAUGE, "redis_cluster_nodes_fail",
     "Nodes that are down, as a majority says (Valkey)."},
    {"cluster_nodes_pfail", GAUGE, "redis_cluster_nodes_pfail",
     "Nodes that this one cannot reach (Valkey)."},
    {"cluster_size", GAUGE, "redis_cluster_size", "Primaries that have slots."},
    {"cluster_slots_assigned", GAUGE, "redis_cluster_slots_assigned",
     "Slots that have a node; all of them are 16384."},
    {"cluster_slots_fail", GAUGE, "redis_cluster_slots_fail",
     "Slots whose node is down, as a majority says."},
    {"cluster_slots_ok", GAUGE, "redis_cluster_slots_ok", "Slots whose node is well."},
    {"cluster_slots_pfail", GAUGE, "redis_cluster_slots_pfail",
     "Slots whose node this one cannot reach."},
    {"cluster_state", GAUGE, "redis_cluster_state",
     "1 if the node takes the cluster for well and answers.", .words = states},
    {"cluster_stats_bytes_received", GAUGE, "redis_cluster_stats_bytes_received",
     "Bytes that were received over the cluster bus (Valkey)."},
    {"cluster_stats_bytes_sent", GAUGE, "redis_cluster_stats_bytes_sent",
     "Bytes that were sent over the cluster bus (Valkey)."},
    {"cluster_stats_messages_received", GAUGE, "redis_cluster_messages_received_total",
     "Messages that were received over the cluster bus."},
    {"cluster_stats_messages_sent", GAUGE, "redis_cluster_messages_sent_total",
     "Messages that were sent over the cluster bus."},
    {"cluster_stats_module_bytes_received", GAUGE, "redis_cluster_stats_module_bytes_received",
     "Bytes of modules that were received over the cluster bus (Valkey)."},
    {"cluster_stats_module_bytes_sent", GAUGE, "redis_cluster_stats_module_bytes_sent",
     "Bytes of modules that were sent over the cluster bus (Valkey)."},
    {"cluster_stats_pubsub_bytes_received", GAUGE, "redis_cluster_stats_pubsub_bytes_received",
     "Bytes of published messages that were received over the cluster bus (Valkey)."},
    {"cluster_stats_pubsub_bytes_sent", GAUGE, "redis_cluster_stats_pubsub_bytes_sent",
     "Bytes of published messages that were sent over the cluster bus (Valkey)."},
    {"cluster_voting_nodes_fail", GAUGE, "redis_cluster_voting_nodes_fail",
     "Primaries with slots that are down, as a majority says (Valkey)."},
    {"cluster_voting_nodes_pfail", GAUGE, "redis_cluster_voting_nodes_pfail",
     "Primaries with slots that this node cannot reach (Valkey)."},
    {0},
};

static int expand(const struct sample_context *context, const struct answer *answer,
                  struct request_list *ret_requests, struct error *err) {
    if (answer->table->n_rows > 0 && str_is(cell_named(answer->table, 0, "cluster_enabled"), "1")) {
        struct str *words = arena_array(context->arena, 2, sizeof(*words));
        words[0] = str_of("CLUSTER");
        words[1] = str_of("INFO");
        ret_requests->commands[ret_requests->n_commands++] = (struct command){words, 2};
    }
    return 0;
}

static void add_field(struct batch *batch, struct str name, struct str text) {
    for (const struct column *rule = also; rule->kind != COLUMN_END; rule++) {
        double value;
        if (!str_is(name, rule->column)) {
            continue;
        }
        if (collector_number(text, rule->words, &value)) {
            batch_add(batch, (struct batch_metric){rule->metric, rule->help, METRIC_GAUGE, true},
                      (struct batch_labels){0}, value);
        } else {
            batch->skipped_cells++;
        }
        return;
    }
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    if (answer->n_follow_ups == 0) {
        return 0;
    }
    if (answer->follow_ups[0].type != TREE_TEXT) {
        return error_say(err, -EREMOTEIO, "CLUSTER INFO was refused");
    }
    struct str rest = answer->follow_ups[0].text;
    while (rest.len > 0) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        struct str name = str_cut(&line, ':');
        add_field(batch, name, line);
    }
    return 0;
}

const struct collector collector_redis_cluster = {
    .name = "cluster",
    .help = "State, slots and nodes of the cluster that the server belongs to.",
    .kind = KIND_REDIS,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .expand = expand,
    .also = also,
};
