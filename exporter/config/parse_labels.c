/* SPDX-License-Identifier: Apache-2.0 */

/* Maps of label names and values. */
#include "config/private.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/quote.h"

/* Names that the daemon or the metrics themselves use. */
static const char *const reserved_labels[] = {"target", "cluster", "instance",
                                              "job",    "le",      "quantile"};

static const struct key label_value_key = {"label value", KEY_TEXT, .most = 1024};

#define LABEL_NAME_MOST 128

static int check_label_name(struct reader *reader, const struct yaml_node *key) {
    char quoted[QUOTE_SIZE];
    quote(key->scalar, quoted);
    if (!str_is_word(key->scalar) || key->scalar.len > LABEL_NAME_MOST) {
        return error_set(reader->err, -EINVAL, key->at,
                         "%s is no label name (letters, digits and '_', not beginning with a "
                         "digit)",
                         quoted);
    }
    if (str_starts_with(key->scalar, "__")) {
        return error_set(reader->err, -EINVAL, key->at,
                         "label %s: names that begin with '__' are reserved", quoted);
    }
    for (size_t i = 0; i < ARRAY_LEN(reserved_labels); i++) {
        if (str_is(key->scalar, reserved_labels[i])) {
            return error_set(reader->err, -EINVAL, key->at, "label %s is reserved", quoted);
        }
    }
    return 0;
}

static int by_name(const void *a, const void *b) {
    const struct target_label *left = a, *right = b;
    return strcmp(left->name, right->name);
}

/* Label values may look like anything (1, true, a duration): each scalar is its text. */
static int read_label(struct reader *reader, const struct yaml_pair *pair,
                      struct target_label *ret) {
    struct key_value value;
    struct key key = label_value_key;
    char name[160];
    int r = check_label_name(reader, pair->key);
    if (r < 0) {
        return r;
    }
    memcpy(name, pair->key->scalar.data, pair->key->scalar.len);
    name[pair->key->scalar.len] = '\0';
    key.name = name;
    r = reader_value(reader, &key, pair->value, &value);
    if (r == 0) {
        *ret = (struct target_label){
            .name = mem_strdup(name),
            .value = mem_strndup(value.text.data, value.text.len),
        };
    }
    return r;
}

int config_read_labels(struct reader *reader, const struct yaml_node *map,
                       struct target_label *labels, size_t *count) {
    *count = 0;
    if (map == NULL) {
        return 0;
    }
    if (map->n_pairs > TARGET_MOST_LABELS) {
        return error_set(reader->err, -E2BIG, map->at, "%zu labels are more than %d", map->n_pairs,
                         TARGET_MOST_LABELS);
    }
    for (size_t i = 0; i < map->n_pairs; i++) {
        int r = read_label(reader, &map->pairs[i], &labels[i]);
        if (r < 0) {
            return r;
        }
        (*count)++;
    }
    qsort(labels, *count, sizeof(labels[0]), by_name);
    return 0;
}
