/* SPDX-License-Identifier: Apache-2.0 */

/* From the text of the configuration file to a struct config. */
#include "config/private.h"

#include <errno.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/mem.h"
#include "config/quote.h"

void config_init(struct config *config) {
    *config = (struct config){
        .interval_usec = TARGET_DEFAULT_INTERVAL_USEC,
        .timeout_usec = TARGET_DEFAULT_TIMEOUT_USEC,
        .history_usec = (uint64_t)3600 * USEC_PER_SEC,
        .history_max_usec = (uint64_t)6 * 3600 * USEC_PER_SEC,
        .history_bytes = (uint64_t)256 * 1024 * 1024,
        .rules_interval_usec = (uint64_t)5 * USEC_PER_SEC,
        .notify = {.resend_delay_usec = (uint64_t)60 * USEC_PER_SEC},
    };
}

void config_drop_rule_files(struct config *config) {
    for (size_t i = 0; i < config->n_rule_files; i++) {
        free(config->rule_files[i].path);
        free(config->rule_files[i].text);
    }
    free(config->rule_files);
    config->rule_files = NULL;
    config->n_rule_files = 0;
}

void config_deinit(struct config *config) {
    for (size_t i = 0; i < config->n_labels; i++) {
        free(config->labels[i].name);
        free(config->labels[i].value);
    }
    for (size_t i = 0; i < config->n_targets; i++) {
        target_options_deinit(&config->targets[i]);
    }
    free(config->targets);
    for (size_t i = 0; i < config->n_rule_patterns; i++) {
        free(config->rule_patterns[i]);
    }
    free(config->rule_patterns);
    config_drop_rule_files(config);
    notify_options_deinit(&config->notify);
    for (size_t i = 0; i < config->n_breakers; i++) {
        circuit_options_deinit(&config->breakers[i]);
    }
    free(config->breakers);
    for (size_t i = 0; i < config->n_admin_users; i++) {
        free(config->admin_users[i]);
    }
    free(config->admin_users);
    for (size_t i = 0; i < config->n_parameters; i++) {
        free(config->parameters[i].name);
        free(config->parameters[i].target);
    }
    free(config->parameters);
    for (size_t i = 0; i < config->n_failover; i++) {
        failover_options_deinit(&config->failover[i]);
    }
    free(config->failover);
    config_init(config);
}

static int read_global(struct reader *reader, const struct yaml_node *map, struct config *ret) {
    struct key_value values[GLOBAL_KEY_COUNT];
    int r = reader_section(reader, &key_section_global, map, values);
    if (r < 0) {
        return r;
    }
    ret->interval_usec = values[GLOBAL_INTERVAL].number;
    ret->timeout_usec = values[GLOBAL_TIMEOUT].number;
    return config_read_labels(reader, values[GLOBAL_LABELS].node, ret->labels, &ret->n_labels);
}

static int read_history(struct reader *reader, const struct yaml_node *map, struct config *ret) {
    struct key_value values[HISTORY_KEY_COUNT];
    int r = reader_section(reader, &key_section_history, map, values);
    if (r == 0) {
        ret->history_usec = values[HISTORY_RETENTION].number;
        ret->history_max_usec = values[HISTORY_MAX_RETENTION].number;
        ret->history_bytes = values[HISTORY_BYTES].number;
    }
    return r;
}

static int read_patterns(struct reader *reader, const struct yaml_node *list, struct config *ret) {
    static const struct key pattern = {"pattern", KEY_TEXT, .most = CONFIG_MOST_PATH - 1};
    if (list->n_items > CONFIG_MOST_PATTERNS) {
        return error_set(reader->err, -E2BIG, list->at, "%zu patterns are more than %d",
                         list->n_items, CONFIG_MOST_PATTERNS);
    }
    ret->rule_patterns = mem_array(list->n_items + 1, sizeof(*ret->rule_patterns));
    for (size_t i = 0; i < list->n_items; i++) {
        struct key_value value;
        int r = reader_value(reader, &pattern, list->items[i], &value);
        if (r < 0) {
            return r;
        }
        ret->rule_patterns[ret->n_rule_patterns++] = mem_strndup(value.text.data, value.text.len);
    }
    return 0;
}

static int read_rules(struct reader *reader, const struct yaml_node *map, struct config *ret) {
    struct key_value values[RULES_KEY_COUNT];
    int r = reader_section(reader, &key_section_rules, map, values);
    if (r < 0) {
        return r;
    }
    ret->rules_interval_usec = values[RULES_INTERVAL].number;
    r = config_read_parameters(reader, values[RULES_PARAMETERS].node, NULL, NULL, ret);
    if (r < 0) {
        return r;
    }
    if (values[RULES_FILES].given) {
        return values[RULES_FILES].node != NULL
                   ? read_patterns(reader, values[RULES_FILES].node, ret)
                   : 0;
    }
    config_default_rules(ret);
    return 0;
}

static int read_web(struct reader *reader, const struct yaml_node *map, struct config *ret) {
    static const struct key user = {"admin_users", KEY_TEXT, .most = 255};
    struct key_value values[WEB_KEYS_COUNT];
    int r = reader_section(reader, &key_section_web, map, values);
    return r < 0 ? r
                 : config_read_texts(reader, &user, values[WEB_ADMIN_USERS].node,
                                     CONFIG_MOST_ADMINS, &ret->admin_users, &ret->n_admin_users);
}

void config_default_rules(struct config *config) {
    config->rule_patterns = mem_array(1, sizeof(*config->rule_patterns));
    config->rule_patterns[0] = mem_strdup(CONFIG_DEFAULT_RULES);
    config->n_rule_patterns = 1;
}

/* Where the names of the targets so far stand, to find and show one that is given twice. */
struct names {
    struct hash_map map;
    struct target_place *places; /* as many as targets */
};

struct target_place {
    struct str name; /* borrowed from the target */
    struct position at;
};

static bool place_has_name(const void *entry, const void *key) {
    return str_equal(((const struct target_place *)entry)->name, *(const struct str *)key);
}

static int add_name(struct reader *reader, struct names *names, size_t index, const char *name,
                    struct position at) {
    struct str text = str_of(name);
    uint64_t hash = hash_bytes(text.data, text.len);
    const struct target_place *other = hash_map_get(&names->map, hash, place_has_name, &text);
    if (other != NULL) {
        char quoted[QUOTE_SIZE];
        return error_set(reader->err, -EEXIST, at, "target %s is defined twice, first at %s:%u:%u",
                         quote(text, quoted), other->at.file, other->at.line, other->at.column);
    }
    names->places[index] = (struct target_place){text, at};
    hash_map_add(&names->map, hash, &names->places[index]);
    return 0;
}

static int read_targets(struct reader *reader, const struct yaml_node *list, struct config *ret,
                        struct names *names) {
    for (size_t i = 0; i < list->n_items; i++) {
        const struct yaml_node *item = list->items[i];
        struct target_options *target = &ret->targets[i];
        int r = config_read_target(reader, item, ret, target);
        if (r < 0) {
            return r;
        }
        ret->n_targets++;
        const struct yaml_node *name = yaml_map_find(item, "name");
        r = add_name(reader, names, i, target->name, name->at);
        if (r == 0) {
            r = config_read_parameters(reader, yaml_map_find(item, "parameters"), target->name,
                                       target_kind_names[target->kind], ret);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int read_target_list(struct reader *reader, const struct yaml_node *list,
                            struct config *ret) {
    if (list == NULL || list->n_items == 0) {
        return 0;
    }
    if (list->n_items > CONFIG_MOST_TARGETS) {
        return error_set(reader->err, -E2BIG, list->at,
                         "%zu targets are more than one daemon may have (%d)", list->n_items,
                         CONFIG_MOST_TARGETS);
    }
    struct names names = {
        .places = mem_array(list->n_items, sizeof(struct target_place)),
    };
    ret->targets = mem_array(list->n_items, sizeof(struct target_options));
    int r = read_targets(reader, list, ret, &names);
    hash_map_deinit(&names.map);
    free(names.places);
    return r;
}

int config_read_text(struct reader *reader, struct str text, const char *file, struct config *ret) {
    const struct yaml_node *root;
    struct key_value values[TOP_KEY_COUNT];
    int r = yaml_parse(text, file, &yaml_limits_default, reader->arena, &root, reader->err);
    if (r < 0) {
        return r;
    }
    if (root->type != YAML_MAP) {
        return error_set(reader->err, -EINVAL, root->at,
                         "a configuration is a map with keys such as 'targets', found %s",
                         yaml_describe(root));
    }
    r = reader_section(reader, &key_section_top, root, values);
    if (r == 0 && values[TOP_GLOBAL].node != NULL) {
        r = read_global(reader, values[TOP_GLOBAL].node, ret);
    }
    if (r == 0 && values[TOP_HISTORY].node != NULL) {
        r = read_history(reader, values[TOP_HISTORY].node, ret);
    }
    if (r == 0 && values[TOP_RULES].node != NULL) {
        r = read_rules(reader, values[TOP_RULES].node, ret);
    } else if (r == 0) {
        config_default_rules(ret);
    }
    if (r == 0 && values[TOP_NOTIFY].node != NULL) {
        r = config_read_notify(reader, values[TOP_NOTIFY].node, &ret->notify);
    }
    if (r == 0 && values[TOP_WEB].node != NULL) {
        r = read_web(reader, values[TOP_WEB].node, ret);
    }
    /* After global, wherever it stands in the file: targets inherit from it. */
    if (r == 0) {
        r = read_target_list(reader, values[TOP_TARGETS].node, ret);
    }
    if (r == 0) {
        r = config_read_breakers(reader, values[TOP_BREAKERS].node, ret);
    }
    if (r == 0 && values[TOP_FAILOVER].node != NULL) {
        r = config_read_failover(reader, values[TOP_FAILOVER].node, values[TOP_TARGETS].node, ret);
    }
    return r;
}
