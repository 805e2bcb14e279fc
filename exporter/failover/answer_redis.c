/* SPDX-License-Identifier: Apache-2.0 */

/* A Redis member by INFO. */
#include <errno.h>
#include <stdio.h>

#include "base/duration.h"
#include "failover/answer.h"
#include "failover/managers.h"
#include "io/redis_info.h"

static const struct table_limits limits = {
    .max_rows = 1, .max_columns = 1000, .max_bytes = 256 * 1024};

static struct str value(const struct table *table, const char *name) {
    int column = table_column(table, name);
    return column >= 0 ? table_cell(table, 0, (size_t)column) : (struct str){0};
}

static uint64_t number(struct str text) {
    uint64_t result;
    return text.data != NULL && str_to_uint64(text, &result) ? result : 0;
}

static void copy(struct str text, char *out, size_t size) {
    snprintf(out, size, "%.*s", (int)text.len, text.data != NULL ? text.data : "");
}

static int read_pairs(const struct tree *tree, struct arena *arena, const struct table **ret,
                      struct error *err) {
    if (tree->type != TREE_TEXT) {
        return error_say(err, -EPROTO, "INFO answered with no text");
    }
    return redis_info_pairs(tree->text, &limits, arena, ret, err);
}

static void read_replica(const struct table *info, struct member_answer *ret) {
    bool up = str_is(value(info, "master_link_status"), "up");
    struct str read_offset = value(info, "slave_read_repl_offset");
    ret->in_recovery = true;
    ret->receiver = up ? RECEIVER_STREAMING : RECEIVER_NONE;
    ret->syncing = str_is(value(info, "master_sync_in_progress"), "1");
    ret->replayed = number(value(info, "slave_repl_offset"));
    ret->received = read_offset.data != NULL ? number(read_offset) : ret->replayed;
    ret->no_priority = str_is(value(info, "slave_priority"), "0");
    copy(value(info, "master_host"), ret->sender_host, sizeof(ret->sender_host));
    ret->sender_port = (uint16_t)number(value(info, "master_port"));
}

int answer_read_redis(const struct tree *tree, struct arena *arena, struct member_answer *ret,
                      struct error *err) {
    const struct table *info;
    struct member_answer answer = {0};
    int r = read_pairs(tree, arena, &info, err);
    if (r < 0) {
        return r;
    }
    struct str role = value(info, "role");
    if (str_is(role, "slave")) {
        read_replica(info, &answer);
    } else if (str_is(role, "master")) {
        answer.position = number(value(info, "master_repl_offset"));
    } else {
        return error_say(err, -EPROTO, "INFO replication names no role");
    }
    copy(value(info, "master_replid"), answer.system, sizeof(answer.system));
    *ret = answer;
    return 0;
}

int identity_read_redis(const struct tree *tree, struct arena *arena, struct member_identity *ret,
                        struct error *err) {
    const struct table *info;
    int r = read_pairs(tree, arena, &info, err);
    if (r < 0) {
        return r;
    }
    *ret = (struct member_identity){.clustered = str_is(value(info, "redis_mode"), "cluster")};
    copy(value(info, "run_id"), ret->run_id, sizeof(ret->run_id));
    return 0;
}

/* A Sentinel listens on this channel of all servers that it looks after. */
int facts_read_redis(const struct tree *tree, struct member_facts *ret, struct error *err) {
    if (tree->type != TREE_LIST || tree->n_items != 2 || tree->items[1].type != TREE_INTEGER) {
        return error_say(err, -EPROTO, "PUBSUB NUMSUB answered with no number");
    }
    *ret = (struct member_facts){
        .manager = tree->items[1].integer > 0 ? manager_sentinel : NULL,
        .promote = PROMOTE_GRANTED,
    };
    return 0;
}
