/* SPDX-License-Identifier: Apache-2.0 */

/* The list `failover:`, after the targets: what it names must be there, and fit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/parse_notify.h"
#include "config/private.h"
#include "config/quote.h"

#define INSTANCE_BYTES 512

/* Where a target's address stands in the file. */
static struct position place_of(const struct yaml_node *targets, size_t index) {
    const struct yaml_node *item = targets->items[index];
    const struct yaml_node *address = yaml_map_find(item, "dsn");
    address = address != NULL ? address : yaml_map_find(item, "url");
    return address != NULL ? address->at : item->at;
}

static bool is_member(const struct target_options *target, struct str cluster) {
    return (target->kind == KIND_POSTGRES || target->kind == KIND_REDIS) &&
           target->cluster != NULL && str_is(cluster, target->cluster);
}

/* Return: another member in front of this one that is at the same address, or NULL. */
static const struct target_options *find_twin(const struct config *config, size_t index,
                                              struct str cluster, char address[INSTANCE_BYTES]) {
    char other[INSTANCE_BYTES];
    target_options_instance(&config->targets[index], address, INSTANCE_BYTES);
    for (size_t i = 0; i < index; i++) {
        target_options_instance(&config->targets[i], other, sizeof(other));
        if (is_member(&config->targets[i], cluster) && strcmp(address, other) == 0) {
            return &config->targets[i];
        }
    }
    return NULL;
}

static int check_members(struct reader *reader, const struct key_value *cluster,
                         const struct yaml_node *targets, const struct config *config) {
    const struct target_options *first = NULL;
    const struct target_options *twin;
    size_t n = 0;
    char quoted[QUOTE_SIZE], address[INSTANCE_BYTES];
    for (size_t i = 0; i < config->n_targets; i++) {
        const struct target_options *target = &config->targets[i];
        struct error inner = {0};
        if (!is_member(target, cluster->text)) {
            continue;
        }
        if (first != NULL && first->kind != target->kind) {
            return error_set(reader->err, -EINVAL, cluster->at,
                             "cluster %s has members of both types: '%s' is %s, '%s' is %s",
                             quote(cluster->raw, quoted), first->name,
                             target_kind_names[first->kind], target->name,
                             target_kind_names[target->kind]);
        }
        if (target->kind == KIND_POSTGRES && pg_options_check_single(&target->pg, &inner) < 0) {
            return error_set(reader->err, -EINVAL, place_of(targets, i),
                             "'%s' is a member of a failover cluster, and its 'dsn' must mean one "
                             "server: %s",
                             target->name, inner.text);
        }
        if ((twin = find_twin(config, i, cluster->text, address)) != NULL) {
            return error_set(reader->err, -EINVAL, place_of(targets, i),
                             "'%s' and '%s' are members of the failover cluster %s and both at "
                             "'%s': a server that is there twice looks like two primaries",
                             twin->name, target->name, quote(cluster->raw, quoted), address);
        }
        first = first != NULL ? first : target;
        n++;
    }
    if (n < 2 || n > FAILOVER_MOST_MEMBERS) {
        return error_set(reader->err, -EINVAL, cluster->at,
                         "cluster %s has %zu targets of type postgres or redis; a primary and its "
                         "replicas are 2 to %d",
                         quote(cluster->raw, quoted), n, FAILOVER_MOST_MEMBERS);
    }
    return 0;
}

static int read_quorum(struct reader *reader, const struct key_value *value,
                       struct failover_options *ret) {
    uint64_t number;
    char quoted[QUOTE_SIZE];
    if (str_is(value->text, "majority")) {
        return 0;
    }
    if (!str_to_uint64(value->text, &number) || number < 1 || number > FAILOVER_MOST_MEMBERS) {
        return error_set(reader->err, -EINVAL, value->at,
                         "'quorum' should be 'majority' or a whole number from 1 to %d, found %s",
                         FAILOVER_MOST_MEMBERS, quote(value->raw, quoted));
    }
    ret->quorum = number;
    return 0;
}

static int check_pool(struct reader *reader, const char *name, struct position at,
                      const struct config *config) {
    for (size_t i = 0; i < config->n_targets; i++) {
        if (strcmp(config->targets[i].name, name) == 0) {
            return config->targets[i].kind == KIND_PGBOUNCER
                       ? 0
                       : error_set(reader->err, -EINVAL, at,
                                   "target '%s' is %s, and 'pgbouncer' names targets of type "
                                   "pgbouncer",
                                   name, target_kind_names[config->targets[i].kind]);
        }
    }
    return error_set(reader->err, -EINVAL, at, "there is no target '%s'", name);
}

static int read_pgbouncer(struct reader *reader, const struct yaml_node *map,
                          const struct config *config, struct failover_options *ret) {
    static const struct key name = {"targets", KEY_TEXT, .most = 63};
    static const struct key database = {"databases", KEY_TEXT, .most = 63};
    struct key_value values[PGBOUNCER_KEY_COUNT];
    if (map == NULL) {
        return 0;
    }
    int r = reader_section(reader, &key_section_failover_pgbouncer, map, values);
    if (r == 0) {
        r = config_read_texts(reader, &name, values[PGBOUNCER_TARGETS].node, FAILOVER_MOST_POOLS,
                              &ret->pools.list, &ret->pools.count);
    }
    if (r == 0) {
        r = config_read_texts(reader, &database, values[PGBOUNCER_DATABASES].node,
                              FAILOVER_MOST_POOLS, &ret->pool_databases.list,
                              &ret->pool_databases.count);
    }
    for (size_t i = 0; r == 0 && i < ret->pools.count; i++) {
        r = check_pool(reader, ret->pools.list[i], values[PGBOUNCER_TARGETS].at, config);
    }
    if (r == 0 && (ret->pools.count == 0 || ret->pool_databases.count == 0)) {
        r = error_set(reader->err, -EINVAL, map->at, "'pgbouncer' needs 'targets' and 'databases'");
    }
    return r;
}

static int read_witnesses(struct reader *reader, const struct yaml_node *node,
                          struct failover_options *ret) {
    static const struct key witness = {"witness", KEY_TEXT, .most = 255};
    int r = config_read_texts(reader, &witness, node, FAILOVER_MOST_WITNESSES, &ret->witnesses.list,
                              &ret->witnesses.count);
    for (size_t i = 0; r == 0 && i < ret->witnesses.count; i++) {
        const struct yaml_node *item = node->type == YAML_LIST ? node->items[i] : node;
        r = notify_check_url(reader, "witness", str_of(ret->witnesses.list[i]), item->at, "http://",
                             "https://");
    }
    return r;
}

static int read_windows(struct reader *reader, const struct yaml_node *list,
                        struct failover_options *ret) {
    static const struct key window = {"maintenance", KEY_TEXT, .most = 64};
    char **texts = NULL;
    size_t n = 0;
    int r = config_read_texts(reader, &window, list, FAILOVER_MOST_WINDOWS, &texts, &n);
    for (size_t i = 0; i < n; i++) {
        struct error inner = {0};
        if (r == 0 && maintenance_window_read(str_of(texts[i]), &ret->windows[ret->n_windows++],
                                              &inner) < 0) {
            r = error_set(reader->err, -EINVAL, list->at, "%s", inner.text);
        }
        free(texts[i]);
    }
    free(texts);
    return r;
}

/* Nothing acts by accident: two primaries at once are the operator's explicit choice. */
static int read_fencing(struct reader *reader, const struct key_value *values,
                        struct failover_options *ret) {
    const struct key_value *unfenced = &values[FAILOVER_KEY_UNFENCED];
    char quoted[QUOTE_SIZE];
    if (unfenced->given && !str_is(unfenced->text, "accept_split_brain")) {
        return error_set(reader->err, -EINVAL, unfenced->at,
                         "'unfenced' can only be 'accept_split_brain', found %s",
                         quote(unfenced->raw, quoted));
    }
    ret->unfenced = unfenced->given;
    if (ret->mode == FAILOVER_AUTOMATIC && !ret->unfenced &&
        ret->hooks.commands[HOOK_FENCE].count == 0) {
        return error_set(reader->err, -EINVAL, values[FAILOVER_KEY_MODE].at,
                         "mode 'automatic' needs 'hooks: {fence: ...}', which makes sure that the "
                         "old primary takes no writes, or 'unfenced: accept_split_brain'");
    }
    return 0;
}

static int read_one(struct reader *reader, const struct yaml_node *map,
                    const struct yaml_node *targets, const struct config *config,
                    struct failover_options *ret) {
    struct key_value values[FAILOVER_KEY_COUNT];
    if (map->type != YAML_MAP) {
        return error_set(reader->err, -EINVAL, map->at,
                         "an entry of 'failover' is a map such as {cluster: orders}, found %s",
                         yaml_describe(map));
    }
    int r = reader_section(reader, &key_section_failover, map, values);
    const struct key_value *cluster = &values[FAILOVER_KEY_CLUSTER];
    const struct key_value *mode = &values[FAILOVER_KEY_MODE];
    if (r < 0) {
        return r;
    }
    if (!cluster->given) {
        return error_set(reader->err, -EINVAL, map->at, "'cluster' is missing");
    }
    *ret = (struct failover_options){
        .cluster = mem_strndup(cluster->text.data, cluster->text.len),
        .mode = (enum failover_mode)mode->number,
        .interval_usec = values[FAILOVER_KEY_INTERVAL].number,
        .failures = values[FAILOVER_KEY_FAILURES].number,
        .max_lag_bytes = values[FAILOVER_KEY_MAX_LAG_BYTES].number,
        .max_replay_bytes = values[FAILOVER_KEY_MAX_REPLAY_BYTES].number,
        .view_max_age_usec = values[FAILOVER_KEY_VIEW_MAX_AGE].number,
        .restart_grace_usec = values[FAILOVER_KEY_RESTART_GRACE].number,
        .startup_grace_usec = values[FAILOVER_KEY_STARTUP_GRACE].number,
        .start_timeout_usec = values[FAILOVER_KEY_START_TIMEOUT].number,
        .on_clean_stop = values[FAILOVER_KEY_ON_CLEAN_STOP].number != 0,
    };
    r = config_read_hooks(reader, values[FAILOVER_KEY_HOOKS].node, map->at, &ret->hooks);
    r = r == 0 ? read_fencing(reader, values, ret) : r;
    r = r == 0 ? read_windows(reader, values[FAILOVER_KEY_MAINTENANCE].node, ret) : r;
    r = r == 0 ? read_pgbouncer(reader, values[FAILOVER_KEY_PGBOUNCER].node, config, ret) : r;
    r = r == 0 ? config_read_lock(reader, &values[FAILOVER_KEY_LOCK], &ret->lock) : r;
    r = r == 0 ? read_witnesses(reader, values[FAILOVER_KEY_WITNESS].node, ret) : r;
    r = r == 0 ? check_members(reader, cluster, targets, config) : r;
    return r == 0 ? read_quorum(reader, &values[FAILOVER_KEY_QUORUM], ret) : r;
}

static int check_unique(struct reader *reader, const struct yaml_node *list,
                        const struct config *config) {
    const struct failover_options *newest = &config->failover[config->n_failover - 1];
    for (size_t i = 0; i + 1 < config->n_failover; i++) {
        if (strcmp(config->failover[i].cluster, newest->cluster) == 0) {
            return error_set(reader->err, -EEXIST, list->items[config->n_failover - 1]->at,
                             "cluster '%s' is named twice", newest->cluster);
        }
    }
    return 0;
}

int config_read_failover(struct reader *reader, const struct yaml_node *list,
                         const struct yaml_node *targets, struct config *ret) {
    int r = 0;
    if (list->n_items > FAILOVER_MOST_CLUSTERS) {
        return error_set(reader->err, -E2BIG, list->at, "%zu clusters are more than %d",
                         list->n_items, FAILOVER_MOST_CLUSTERS);
    }
    ret->failover = mem_array(list->n_items + 1, sizeof(*ret->failover));
    for (size_t i = 0; r == 0 && i < list->n_items; i++) {
        r = read_one(reader, list->items[i], targets, ret, &ret->failover[ret->n_failover++]);
        r = r == 0 ? check_unique(reader, list, ret) : r;
    }
    return r;
}
