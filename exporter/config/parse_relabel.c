/* SPDX-License-Identifier: Apache-2.0 */

/* Lists of relabelling steps. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/parse_notify.h"
#include "config/quote.h"

#define MOST_SOURCES 32

/* What an action needs beside its defaults, and what it must not have. */
enum relabel_need { NEEDS_TARGET = 1, NEEDS_MODULUS = 2, NEEDS_SOURCES = 4, ONLY_REGEX = 8 };

static const unsigned needs[RELABEL_ACTIONS] = {
    [RELABEL_REPLACE] = NEEDS_TARGET,
    [RELABEL_KEEPEQUAL] = NEEDS_TARGET | NEEDS_SOURCES,
    [RELABEL_DROPEQUAL] = NEEDS_TARGET | NEEDS_SOURCES,
    [RELABEL_HASHMOD] = NEEDS_TARGET | NEEDS_MODULUS,
    [RELABEL_LABELDROP] = ONLY_REGEX,
    [RELABEL_LABELKEEP] = ONLY_REGEX,
    [RELABEL_LOWERCASE] = NEEDS_TARGET,
    [RELABEL_UPPERCASE] = NEEDS_TARGET,
};

static int check_needs(struct reader *reader, const struct yaml_node *map,
                       const struct key_value *values) {
    static const struct {
        unsigned need;
        size_t key;
    } rows[] = {{NEEDS_TARGET, RELABEL_KEY_TARGET_LABEL},
                {NEEDS_MODULUS, RELABEL_KEY_MODULUS},
                {NEEDS_SOURCES, RELABEL_KEY_SOURCE_LABELS}};
    enum relabel_action action = (enum relabel_action)values[RELABEL_KEY_ACTION].number;
    const struct key *keys = key_section_relabel.keys;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if ((needs[action] & rows[i].need) != 0 && !values[rows[i].key].given) {
            return error_set(reader->err, -EINVAL, map->at, "action '%s' needs '%s'",
                             relabel_action_names[action], keys[rows[i].key].name);
        }
    }
    for (size_t i = 0; (needs[action] & ONLY_REGEX) != 0 && i < RELABEL_KEY_COUNT; i++) {
        if (values[i].given && i != RELABEL_KEY_REGEX && i != RELABEL_KEY_ACTION) {
            return error_set(reader->err, -EINVAL, values[i].at, "action '%s' has only 'regex'",
                             relabel_action_names[action]);
        }
    }
    return 0;
}

/* A name; of replace and labelmap also one that is made of groups, such as kube_$1. */
static int check_name(struct reader *reader, const char *key, const struct key_value *value,
                      bool may_expand) {
    char quoted[QUOTE_SIZE];
    bool expands = may_expand && memchr(value->text.data, '$', value->text.len) != NULL;
    return expands || str_is_word(value->text)
               ? 0
               : error_set(reader->err, -EINVAL, value->at, "'%s': %s is no label name", key,
                           quote(value->raw, quoted));
}

static int check_names(struct reader *reader, const struct key_value *values,
                       const struct relabel_step *step) {
    const struct key_value *target = &values[RELABEL_KEY_TARGET_LABEL];
    const struct key_value *replacement = &values[RELABEL_KEY_REPLACEMENT];
    int r = target->given
                ? check_name(reader, "target_label", target, step->action == RELABEL_REPLACE)
                : 0;
    if (r == 0 && step->action == RELABEL_LABELMAP && replacement->given) {
        r = check_name(reader, "replacement", replacement, true);
    }
    return r;
}

static int compile(struct reader *reader, const struct key_value *value,
                   struct relabel_step *step) {
    struct error inner = {0};
    char quoted[QUOTE_SIZE];
    step->pattern = notify_text(value);
    return regex_new(value->text, REGEX_WHOLE, &step->regex, &inner) < 0
               ? error_set(reader->err, -EINVAL, value->at, "'regex' %s: %s",
                           quote(value->raw, quoted), inner.text)
               : 0;
}

static int read_step(struct reader *reader, const struct yaml_node *map, struct relabel_step *ret) {
    static const struct key source = {"source label", KEY_TEXT, .most = 128};
    struct key_value values[RELABEL_KEY_COUNT];
    int r = reader_section(reader, &key_section_relabel, map, values);
    if (r == 0) {
        r = check_needs(reader, map, values);
    }
    if (r < 0) {
        return r;
    }
    ret->action = (enum relabel_action)values[RELABEL_KEY_ACTION].number;
    ret->separator = notify_text(&values[RELABEL_KEY_SEPARATOR]);
    ret->modulus = values[RELABEL_KEY_MODULUS].number;
    ret->target_label = notify_text(&values[RELABEL_KEY_TARGET_LABEL]);
    ret->replacement = notify_text(&values[RELABEL_KEY_REPLACEMENT]);
    r = check_names(reader, values, ret);
    if (r == 0) {
        r = compile(reader, &values[RELABEL_KEY_REGEX], ret);
    }
    return r == 0 ? config_read_texts(reader, &source, values[RELABEL_KEY_SOURCE_LABELS].node,
                                      MOST_SOURCES, &ret->source_labels, &ret->n_source_labels)
                  : r;
}

int notify_read_relabel(struct reader *reader, const struct yaml_node *list,
                        struct relabel_step **ret, size_t *count) {
    int r = notify_list(reader, list, RELABEL_MOST_STEPS, "relabelling steps");
    *ret = mem_array(list->n_items + 1, sizeof(**ret));
    for (size_t i = 0; i < list->n_items && r == 0; i++) {
        if (list->items[i]->type != YAML_MAP) {
            return error_set(reader->err, -EINVAL, list->items[i]->at,
                             "a relabelling step is a map, found %s",
                             yaml_describe(list->items[i]));
        }
        r = read_step(reader, list->items[i], &(*ret)[(*count)++]);
    }
    return r;
}
