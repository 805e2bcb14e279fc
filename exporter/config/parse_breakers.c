/* SPDX-License-Identifier: Apache-2.0 */

/* The list `breakers:`. It is read after the targets, which it names. */
#include <errno.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"
#include "config/private.h"
#include "config/quote.h"

#define RATIO_PARTS  1e6 /* as KEY_RATIO has it */
#define RESERVED     "sampling"
#define WHOLE_SECOND USEC_PER_SEC

#define SHED_FROM_CLOSE_LEVEL (-1.0) /* until that is read */

static int missing(struct reader *reader, const struct yaml_node *map, const char *key) {
    return error_set(reader->err, -EINVAL, map->at, "'%s' is missing", key);
}

static char *text_of(const struct key_value *value) {
    return value->text.data != NULL ? mem_strndup(value->text.data, value->text.len) : NULL;
}

static double ratio_of(const struct key_value *value) {
    return (double)value->number / RATIO_PARTS;
}

static int check_name(struct reader *reader, const char *what, const struct key_value *value) {
    char quoted[QUOTE_SIZE];
    return config_is_name(value->text)
               ? 0
               : error_set(reader->err, -EINVAL, value->at,
                           "'%s' %s is no name (letters, digits, '_', '.', '-', at most 63)", what,
                           quote(value->raw, quoted));
}

/* Return: 0 with the target that a key names. */
static int find_target(struct reader *reader, const struct key_value *value,
                       const struct config *config, const struct target_options **ret) {
    char quoted[QUOTE_SIZE], suggestion[96];
    for (size_t i = 0; i < config->n_targets; i++) {
        if (str_is(value->text, config->targets[i].name)) {
            *ret = &config->targets[i];
            return 0;
        }
    }
    const char *meant = config->n_targets > 0
                            ? str_suggest(value->raw, &config->targets[0].name, config->n_targets,
                                          sizeof(config->targets[0]))
                            : NULL;
    return error_set(reader->err, -EINVAL, value->at, "there is no target %s%s",
                     quote(value->raw, quoted), reader_suggestion(meant, suggestion));
}

/* ---- the policy ---- */

static int read_open_when(struct reader *reader, const struct yaml_node *map, struct position at,
                          struct circuit_policy *ret) {
    struct key_value values[OPEN_WHEN_KEY_COUNT];
    int r = config_read_map(reader, &key_section_open_when, map, at, values);
    if (r == 0) {
        ret->utilisation = ratio_of(&values[OPEN_WHEN_POOL_UTILISATION]);
        ret->waiting = (unsigned)values[OPEN_WHEN_WAITING_CLIENTS].number;
        ret->minimum_wait_usec = values[OPEN_WHEN_MINIMUM_WAIT].number;
        ret->rounds = (unsigned)values[OPEN_WHEN_ROUNDS].number;
        ret->shed_fraction = ratio_of(&values[OPEN_WHEN_SHED_FRACTION]);
        ret->shed_utilisation = values[OPEN_WHEN_SHED_UTILISATION].given
                                    ? ratio_of(&values[OPEN_WHEN_SHED_UTILISATION])
                                    : SHED_FROM_CLOSE_LEVEL;
    }
    if (r == 0 && ret->utilisation > 0 && ret->shed_utilisation > ret->utilisation) {
        r = error_set(reader->err, -EINVAL, values[OPEN_WHEN_SHED_UTILISATION].at,
                      "'shed_utilisation' is above 'pool_utilisation': it would open before it "
                      "sheds");
    }
    if (r == 0) {
        ret->failure_rate = ratio_of(&values[OPEN_WHEN_FAILURE_RATE]);
        ret->slow_rate = ratio_of(&values[OPEN_WHEN_SLOW_RATE]);
        ret->slow_call_usec = values[OPEN_WHEN_SLOW_CALL].number;
        ret->window_usec = values[OPEN_WHEN_WINDOW].number;
        ret->minimum_calls = (unsigned)values[OPEN_WHEN_MINIMUM_CALLS].number;
        ret->consecutive_failures = (unsigned)values[OPEN_WHEN_CONSECUTIVE_FAILURES].number;
    }
    return r;
}

static int read_recovery(struct reader *reader, const struct yaml_node *map, struct position at,
                         struct circuit_policy *ret) {
    struct key_value values[RECOVERY_KEY_COUNT];
    int r = config_read_map(reader, &key_section_recovery, map, at, values);
    if (r < 0) {
        return r;
    }
    ret->timeout_usec = values[RECOVERY_TIMEOUT].number;
    ret->max_timeout_usec = values[RECOVERY_MAX_TIMEOUT].number;
    ret->successes = (unsigned)values[RECOVERY_SUCCESSES].number;
    ret->fraction = ratio_of(&values[RECOVERY_FRACTION]);
    ret->close_utilisation = ratio_of(&values[RECOVERY_CLOSE_UTILISATION]);
    if (ret->max_timeout_usec < ret->timeout_usec) {
        if (values[RECOVERY_MAX_TIMEOUT].given) {
            return error_set(reader->err, -EINVAL, values[RECOVERY_MAX_TIMEOUT].at,
                             "'max_timeout' is less than 'timeout'");
        }
        ret->max_timeout_usec = ret->timeout_usec;
    }
    if (ret->utilisation > 0 && ret->close_utilisation > ret->utilisation) {
        if (values[RECOVERY_CLOSE_UTILISATION].given) {
            return error_set(reader->err, -EINVAL, values[RECOVERY_CLOSE_UTILISATION].at,
                             "'close_utilisation' is above 'pool_utilisation': it would close "
                             "and open at once");
        }
        ret->close_utilisation = ret->utilisation;
    }
    if (ret->shed_utilisation < 0) {
        ret->shed_utilisation = ret->close_utilisation;
    }
    return 0;
}

/* ---- publishing ---- */

static int read_publish(struct reader *reader, const struct yaml_node *map,
                        const struct config *config, struct circuit_options *ret) {
    struct key_value values[PUBLISH_KEY_COUNT];
    const struct target_options *target;
    int r = reader_section(reader, &key_section_publish, map, values);
    if (r < 0) {
        return r;
    }
    if (!values[PUBLISH_TARGET].given) {
        return missing(reader, map, "target");
    }
    r = find_target(reader, &values[PUBLISH_TARGET], config, &target);
    if (r < 0) {
        return r;
    }
    if (target->kind != KIND_REDIS) {
        return error_set(reader->err, -EINVAL, values[PUBLISH_TARGET].at,
                         "target '%s' is no redis target", target->name);
    }
    if (values[PUBLISH_TTL].number % WHOLE_SECOND != 0) {
        return error_set(reader->err, -EINVAL, values[PUBLISH_TTL].at,
                         "'ttl' must be whole seconds");
    }
    ret->publish.target = mem_strdup(target->name);
    ret->publish.key_prefix = text_of(&values[PUBLISH_KEY_PREFIX]);
    ret->publish.channel = text_of(&values[PUBLISH_CHANNEL]);
    ret->publish.ttl_usec = values[PUBLISH_TTL].number;
    return 0;
}

/* ---- hooks ---- */

static int read_hooks(struct reader *reader, const struct yaml_node *map, struct position at,
                      struct circuit_options *ret) {
    struct key_value values[HOOKS_KEY_COUNT];
    int r = config_read_map(reader, &key_section_breaker_hooks, map, at, values);
    if (r == 0) {
        ret->hook_timeout_usec = values[HOOKS_TIMEOUT].number;
        r = config_read_commands(reader, "open", values[HOOKS_OPEN].node, &ret->open_hooks);
    }
    return r == 0
               ? config_read_commands(reader, "close", values[HOOKS_CLOSE].node, &ret->close_hooks)
               : r;
}

/* ---- breakers ---- */

static int read_identity(struct reader *reader, const struct yaml_node *map,
                         const struct key_value *values, const struct config *config,
                         struct circuit_options *ret) {
    const struct key_value *name = &values[BREAKER_KEY_NAME], *group = &values[BREAKER_KEY_GROUP];
    const struct target_options *target = NULL;
    char quoted[QUOTE_SIZE];
    if (!name->given) {
        return missing(reader, map, "name");
    }
    int r = check_name(reader, "name", name);
    if (r == 0 && str_is(name->text, RESERVED)) {
        return error_set(reader->err, -EINVAL, name->at,
                         "'" RESERVED "' is the breaker around our own sampling: choose another "
                         "name");
    }
    for (size_t i = 0; r == 0 && i + 1 < config->n_breakers; i++) {
        if (str_is(name->text, config->breakers[i].name)) {
            return error_set(reader->err, -EEXIST, name->at, "breaker %s is defined twice",
                             quote(name->raw, quoted));
        }
    }
    if (r == 0 && group->given) {
        r = check_name(reader, "group", group);
    }
    if (r == 0 && values[BREAKER_KEY_TARGET].given) {
        r = find_target(reader, &values[BREAKER_KEY_TARGET], config, &target);
    }
    if (r < 0) {
        return r;
    }
    ret->name = text_of(name);
    ret->group = text_of(group);
    ret->target = target != NULL ? mem_strdup(target->name) : NULL;
    ret->cluster = target != NULL && target->cluster != NULL ? mem_strdup(target->cluster) : NULL;
    ret->kind = (enum circuit_kind)values[BREAKER_KEY_CIRCUIT].number;
    return 0;
}

static int read_breaker(struct reader *reader, const struct yaml_node *map,
                        const struct config *config, struct circuit_options *ret) {
    struct key_value values[BREAKER_KEY_COUNT];
    int r = reader_section(reader, &key_section_breaker, map, values);
    if (r == 0) {
        r = read_identity(reader, map, values, config, ret);
    }
    if (r == 0) {
        r = read_open_when(reader, values[BREAKER_KEY_OPEN_WHEN].node, map->at, &ret->policy);
    }
    if (r == 0) {
        r = read_recovery(reader, values[BREAKER_KEY_RECOVERY].node, map->at, &ret->policy);
    }
    if (r < 0) {
        return r;
    }
    ret->expression = text_of(&values[BREAKER_KEY_EXPRESSION]);
    ret->interval_usec = values[BREAKER_KEY_INTERVAL].number;
    if (values[BREAKER_KEY_PUBLISH].node != NULL) {
        r = read_publish(reader, values[BREAKER_KEY_PUBLISH].node, config, ret);
    }
    return r == 0 ? read_hooks(reader, values[BREAKER_KEY_HOOKS].node, map->at, ret) : r;
}

int config_read_breakers(struct reader *reader, const struct yaml_node *list, struct config *ret) {
    if (list == NULL) {
        return 0;
    }
    if (list->n_items > CIRCUITS_MOST) {
        return error_set(reader->err, -E2BIG, list->at, "%zu breakers are more than %d",
                         list->n_items, CIRCUITS_MOST);
    }
    ret->breakers = mem_array(list->n_items + 1, sizeof(*ret->breakers));
    for (size_t i = 0; i < list->n_items; i++) {
        if (list->items[i]->type != YAML_MAP) {
            return error_set(reader->err, -EINVAL, list->items[i]->at,
                             "a breaker is a map, found %s", yaml_describe(list->items[i]));
        }
        int r = read_breaker(reader, list->items[i], ret, &ret->breakers[ret->n_breakers++]);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
