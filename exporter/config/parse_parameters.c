/* SPDX-License-Identifier: Apache-2.0 */

/* Maps of parameters of the rules: of `rules:` and of a target. */
#include "config/private.h"

#include <errno.h>

#include "base/mem.h"
#include "config/quote.h"

/* A name that no bundled rule knows is a user's own: whether it is only misspelt shows when the
 * rules are known. */
static int check_name(struct reader *reader, const struct yaml_node *key, const char *type) {
    char quoted[QUOTE_SIZE];
    quote(key->scalar, quoted);
    if (!parameter_is_name(key->scalar)) {
        return error_set(reader->err, -EINVAL, key->at,
                         "%s is no name of a parameter (small letters, digits and '_', not "
                         "beginning with a digit, at most %d)",
                         quoted, PARAMETER_NAME_MOST);
    }
    const struct parameter *parameter = parameter_find(key->scalar);
    if (parameter != NULL && type != NULL && !parameter_fits(parameter, type)) {
        return error_set(reader->err, -EINVAL, key->at,
                         "a %s target has no parameter %s: it is one of %s targets", type, quoted,
                         parameter->types);
    }
    return 0;
}

static int read_parameter(struct reader *reader, const struct yaml_pair *pair, const char *target,
                          struct config *config) {
    struct str name = pair->key->scalar;
    char text[PARAMETER_NAME_MOST + 1], quoted[QUOTE_SIZE];
    struct key_value value;
    struct error inner = {0};
    double number;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    const struct key key = {text, KEY_TEXT, .most = 64};
    if (pair->value->type != YAML_SCALAR || yaml_is_null(pair->value)) {
        return error_set(reader->err, -EINVAL, pair->value->at, "'%s' should be a number, found %s",
                         text, yaml_describe(pair->value));
    }
    int r = reader_value(reader, &key, pair->value, &value);
    if (r < 0) {
        return r;
    }
    r = parameter_parse(name, value.text, &number, &inner);
    if (r < 0) {
        return error_set(reader->err, r, value.at, "'%s' is %s: %s", text, quote(value.raw, quoted),
                         inner.text);
    }
    config->parameters = mem_grow(config->parameters, config->n_parameters,
                                  &config->parameters_capacity, sizeof(*config->parameters));
    config->parameters[config->n_parameters++] = (struct parameter_setting){
        .name = mem_strdup(text),
        .target = target != NULL ? mem_strdup(target) : NULL,
        .value = number,
    };
    return 0;
}

int config_read_parameters(struct reader *reader, const struct yaml_node *map, const char *target,
                           const char *type, struct config *config) {
    if (map == NULL || map->type != YAML_MAP) {
        return 0; /* a heading above nothing; anything else was refused with its key */
    }
    if (map->n_pairs > CONFIG_MOST_PARAMETERS) {
        return error_set(reader->err, -E2BIG, map->at, "%zu parameters are more than %d",
                         map->n_pairs, CONFIG_MOST_PARAMETERS);
    }
    for (size_t i = 0; i < map->n_pairs; i++) {
        int r = check_name(reader, map->pairs[i].key, type);
        r = r == 0 ? read_parameter(reader, &map->pairs[i], target, config) : r;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
