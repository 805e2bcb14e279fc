/* SPDX-License-Identifier: Apache-2.0 */

/* The primaries that a Sentinel watches. Three more commands for each of them tell how many of the
 * other Sentinels and of the replicas are well, and whether a failover would find its quorum. */
#include "collectors/collector.h"

#include "collectors/support.h"

static const struct query queries[] = {{.text = "SENTINEL MASTERS", .shape = SHAPE_ROWS}, {0}};

enum follow_up { SENTINELS, REPLICAS, QUORUM, N_FOLLOW_UPS };
static const char *const follow_ups[N_FOLLOW_UPS] = {"SENTINELS", "SLAVES", "CKQUORUM"};

enum family {
    STATUS,
    REPLICAS_KNOWN,
    REPLICAS_OK,
    SENTINELS_KNOWN,
    SENTINELS_OK,
    EPOCH,
    LAST_PING,
    SETTING_QUORUM,
    SETTING_DOWN_AFTER,
    SETTING_FAILOVER,
    SETTING_SYNCS,
    QUORUM_STATUS,
};

static const struct column columns[] = {{0}};

/* Group 0: each primary. The rows before the labels are indexed by enum family; those with a column
 * are plain fields. */
static const struct column also[] = {
    [STATUS] = {NULL, GAUGE, "redis_sentinel_master_status",
                "1 if the Sentinel takes the primary for well; its word for it is a label.",
                .group = 1},
    [REPLICAS_KNOWN] = {"num-slaves", GAUGE, "redis_sentinel_master_slaves",
                        "Replicas of the primary that the Sentinel knows."},
    [REPLICAS_OK] = {NULL, GAUGE, "redis_sentinel_master_ok_slaves",
                     "Replicas of the primary that the Sentinel takes for well."},
    [SENTINELS_KNOWN] = {NULL, GAUGE, "redis_sentinel_master_sentinels",
                         "Sentinels that watch the primary, this one included."},
    [SENTINELS_OK] = {NULL, GAUGE, "redis_sentinel_master_ok_sentinels",
                      "Sentinels that watch the primary and are well, this one included."},
    [EPOCH] = {"config-epoch", GAUGE, "redis_sentinel_master_config_epoch",
               "Number of the configuration; each failover raises it."},
    [LAST_PING] = {"last-ok-ping-reply", GAUGE, "redis_sentinel_master_last_ok_ping_reply_seconds",
                   "Seconds since the primary last answered a ping well.", 1e-3},
    [SETTING_QUORUM] = {"quorum", GAUGE, "redis_sentinel_master_setting_ckquorum",
                        "Sentinels that must agree that the primary is down."},
    [SETTING_DOWN_AFTER] = {"down-after-milliseconds", GAUGE,
                            "redis_sentinel_master_setting_down_after_milliseconds",
                            "Silence after which the primary counts as down, in milliseconds."},
    [SETTING_FAILOVER] = {"failover-timeout", GAUGE,
                          "redis_sentinel_master_setting_failover_timeout",
                          "Time that a failover may take, in milliseconds."},
    [SETTING_SYNCS] = {"parallel-syncs", GAUGE, "redis_sentinel_master_setting_parallel_syncs",
                       "Replicas that may synchronise at the same time after a failover."},
    [QUORUM_STATUS] = {NULL, GAUGE, "redis_sentinel_master_ckquorum_status",
                       "1 if enough Sentinels can be reached for a failover; what the Sentinel "
                       "says about it is a label.",
                       .group = 2},
    {NULL, LABEL, "master_address"},
    {NULL, LABEL, "master_name"},
    {NULL, LABEL, "master_address", .group = 1},
    {NULL, LABEL, "master_name", .group = 1},
    {NULL, LABEL, "master_status", .group = 1},
    {NULL, LABEL, "master_name", .group = 2},
    {NULL, LABEL, "message", .group = 2},
    {0},
};

static int expand(const struct sample_context *context, const struct answer *answer,
                  struct request_list *ret_requests, struct error *err) {
    for (size_t row = 0; row < answer->table->n_rows; row++) {
        if (ret_requests->n_commands + N_FOLLOW_UPS > REQUEST_LIST_MOST) {
            break;
        }
        for (size_t i = 0; i < N_FOLLOW_UPS; i++) {
            struct str *words = arena_array(context->arena, 3, sizeof(*words));
            words[0] = str_of("SENTINEL");
            words[1] = str_of(follow_ups[i]);
            words[2] = cell_named(answer->table, row, "name");
            ret_requests->commands[ret_requests->n_commands++] = (struct command){words, 3};
        }
    }
    return 0;
}

static void add(struct batch *batch, enum family family, struct batch_labels labels, double value) {
    struct batch_metric metric = {also[family].metric, also[family].help, METRIC_GAUGE, true};
    batch_add(batch, metric, labels, value);
}

static bool contains(struct str text, const char *word) {
    return text.data != NULL && memmem(text.data, text.len, word, strlen(word)) != NULL;
}

static bool is_down(struct str flags) {
    return contains(flags, "s_down") || contains(flags, "o_down");
}

/* Members of a list of flat maps that are not down; those without flags count as down. */
static size_t count_well(const struct tree *list) {
    size_t count = 0;
    for (size_t i = 0; i < list->n_items; i++) {
        const struct tree *map = &list->items[i];
        for (size_t k = 0; k + 1 < map->n_items; k += 2) {
            if (str_is(map->items[k].text, "flags") && !is_down(map->items[k + 1].text)) {
                count++;
                break;
            }
        }
    }
    return count;
}

static void add_fields(const struct table *table, size_t row, struct batch_labels labels,
                       struct batch *batch) {
    for (enum family family = 0; family <= QUORUM_STATUS; family++) {
        struct str cell = {0};
        double value;
        if (also[family].column != NULL) {
            cell = cell_named(table, row, also[family].column);
        }
        if (cell.data != NULL && str_to_double(cell, &value)) {
            add(batch, family, labels, scale_value(value, also[family].scale));
        } else if (cell.data != NULL) {
            batch->skipped_cells++;
        }
    }
    double others;
    if (str_to_double(cell_named(table, row, "num-other-sentinels"), &others)) {
        add(batch, SENTINELS_KNOWN, labels, others + 1);
    }
}

static void add_follow_ups(const struct tree *replies, struct str name, struct batch_labels labels,
                           struct batch *batch) {
    if (replies[SENTINELS].type == TREE_LIST) {
        add(batch, SENTINELS_OK, labels, (double)count_well(&replies[SENTINELS]) + 1);
    }
    if (replies[REPLICAS].type == TREE_LIST) {
        add(batch, REPLICAS_OK, labels, (double)count_well(&replies[REPLICAS]));
    }
    const struct tree *quorum = &replies[QUORUM];
    if (quorum->type == TREE_TEXT ||
        (quorum->type == TREE_ERROR && str_starts_with(quorum->text, "NOQUORUM"))) {
        struct label own[] = {{str_of("master_name"), name}, {str_of("message"), quorum->text}};
        add(batch, QUORUM_STATUS, batch_add_labels(batch, own, ARRAY_LEN(own)),
            quorum->type == TREE_TEXT);
    }
}

static void decode_row(const struct sample_context *context, const struct answer *answer,
                       size_t row, struct batch *batch) {
    const struct table *table = answer->table;
    struct str flags = cell_named(table, row, "flags");
    struct str host = cell_named(table, row, "ip"), port = cell_named(table, row, "port");
    struct strbuf address = {0};
    strbuf_printf(&address, "%.*s:%.*s", (int)host.len, host.data != NULL ? host.data : "",
                  (int)port.len, port.data != NULL ? port.data : "");
    const char *status = contains(flags, "o_down") ? "odown" : is_down(flags) ? "sdown" : "ok";
    struct label labels[] = {
        {str_of("master_address"), strbuf_view(&address)},
        {str_of("master_name"), cell_named(table, row, "name")},
        {str_of("master_status"), str_of(status)},
    };
    struct batch_labels plain = batch_add_labels(batch, labels, 2);
    add(batch, STATUS, batch_add_labels(batch, labels, 3), str_is(str_of(status), "ok"));
    add_fields(table, row, plain, batch);
    if ((row + 1) * N_FOLLOW_UPS <= answer->n_follow_ups) {
        add_follow_ups(answer->follow_ups + row * N_FOLLOW_UPS, labels[1].value, plain, batch);
    }
    strbuf_deinit(&address);
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    for (size_t row = 0; row < answer->table->n_rows; row++) {
        decode_row(context, answer, row, batch);
    }
    return 0;
}

const struct collector collector_sentinel_masters = {
    .name = "masters",
    .help = "Each primary that the Sentinel watches, its replicas, other Sentinels and quorum.",
    .kind = KIND_SENTINEL,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .expand = expand,
    .also = also,
};
