/* SPDX-License-Identifier: Apache-2.0 */

/* Reads maps of YAML by the rows of a section. A value that came out of the environment is never
 * repeated in a message: it may be a secret that was put in the wrong place. */
#include "config/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/duration.h"
#include "config/quote.h"

/* One text, and all texts of a file together, after ${...} was replaced. */
#define EXPANDED_MOST     ((size_t)64 * 1024)
#define EXPANDED_MOST_SUM ((size_t)4 * 1024 * 1024)

#define VARIABLE_MOST 255

const char *reader_suggestion(const char *meant, char out[96]) {
    if (meant == NULL || snprintf(out, 96, " (did you mean '%s'?)", meant) >= 96) {
        out[0] = '\0';
    }
    return out;
}

static bool is_variable_name(struct str name) {
    return str_is_word(name) && name.len <= VARIABLE_MOST;
}

/* Adds what ${NAME} stands for; rest begins behind the brace and ends up behind the other one. */
static int expand_variable(struct reader *reader, const struct yaml_node *node, struct str *rest,
                           struct strbuf *out) {
    char quoted[QUOTE_SIZE], variable[VARIABLE_MOST + 1];
    if (memchr(rest->data, '}', rest->len) == NULL) {
        return error_set(reader->err, -EINVAL, node->at,
                         "'${' without '}' (a dollar before a brace is written '$$')");
    }
    struct str name = str_cut(rest, '}');
    if (!is_variable_name(name)) {
        return error_set(reader->err, -EINVAL, node->at, "%s is no name of an environment variable",
                         quote(name, quoted));
    }
    memcpy(variable, name.data, name.len);
    variable[name.len] = '\0';
    const char *value = getenv(variable);
    if (value == NULL) {
        return error_set(reader->err, -EINVAL, node->at, "environment variable %s is not set",
                         quote(name, quoted));
    }
    struct str text = str_of(value);
    if (text.len > EXPANDED_MOST || text.len > EXPANDED_MOST_SUM - reader->expanded_bytes) {
        return error_set(reader->err, -E2BIG, node->at, "environment variable %s is too long",
                         quote(name, quoted));
    }
    reader->expanded_bytes += text.len;
    strbuf_add_str(out, text);
    return 0;
}

static int expand(struct reader *reader, const struct yaml_node *node, struct strbuf *out) {
    struct str rest = node->scalar;
    while (rest.len != 0) {
        char second = rest.len > 1 ? rest.data[1] : '\0';
        bool special = rest.data[0] == '$' && (second == '$' || second == '{');
        size_t step = special ? 2 : 1;
        if (!special || second == '$') {
            strbuf_add_char(out, rest.data[0]);
        }
        rest = (struct str){rest.data + step, rest.len - step};
        int r = special && second == '{' ? expand_variable(reader, node, &rest, out) : 0;
        if (r < 0) {
            return r;
        }
        if (out->len > EXPANDED_MOST) {
            return error_set(reader->err, -E2BIG, node->at, "longer than %zu bytes", EXPANDED_MOST);
        }
    }
    return 0;
}

int reader_expand(struct reader *reader, const struct yaml_node *node, struct str *ret) {
    if (memchr(node->scalar.data, '$', node->scalar.len) == NULL) {
        *ret = node->scalar;
        return 0;
    }
    struct strbuf text = {0};
    int r = expand(reader, node, &text);
    if (r == 0) {
        *ret = arena_dup(reader->arena, strbuf_view(&text));
    }
    strbuf_deinit_secret(&text);
    return r;
}

/* "'interval' should be ..., found ..." with the value as it stands in the file. */
static int wrong_type(struct reader *reader, const struct key *key, const struct yaml_node *node) {
    char quoted[QUOTE_SIZE];
    bool shown = node->type == YAML_SCALAR && !yaml_is_null(node) && key->type != KEY_SECRET;
    return error_set(reader->err, -EINVAL, node->at, "'%s' should be %s, found %s", key->name,
                     key_type_expected(key->type),
                     shown ? quote(node->scalar, quoted) : yaml_describe(node));
}

static bool parse_bool(struct str text, uint64_t *ret) {
    static const char *const words[] = {"true", "yes", "on", "false", "no", "off"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (text.len == strlen(words[i]) && strncasecmp(text.data, words[i], text.len) == 0) {
            *ret = i < ARRAY_LEN(words) / 2;
            return true;
        }
    }
    return false;
}

static bool parse_ratio(struct str text, uint64_t *ret) {
    double ratio;
    if (!str_to_double(text, &ratio) || !(ratio >= 0 && ratio <= 1)) {
        return false;
    }
    *ret = (uint64_t)(ratio * 1e6 + 0.5);
    return true;
}

static int check_bounds(struct reader *reader, const struct key *key,
                        const struct key_value *value) {
    if (value->number >= key->least && (key->most == 0 || value->number <= key->most)) {
        return 0;
    }
    if (value->number == 0 && (key->flags & KEY_MAY_BE_ZERO) != 0) {
        return 0;
    }
    char least[32], most[32];
    if (key->type == KEY_DURATION) {
        duration_format(key->least, least);
        duration_format(key->most, most);
    } else if (key->type == KEY_BYTES) {
        snprintf(least, sizeof(least), "%lluMiB", (unsigned long long)(key->least >> 20));
        snprintf(most, sizeof(most), "%lluMiB", (unsigned long long)(key->most >> 20));
    } else {
        snprintf(least, sizeof(least), "%llu", (unsigned long long)key->least);
        snprintf(most, sizeof(most), "%llu", (unsigned long long)key->most);
    }
    bool zero = (key->flags & KEY_MAY_BE_ZERO) != 0;
    if (key->most == 0) {
        return error_set(reader->err, -ERANGE, value->at, "'%s' must be %sat least %s", key->name,
                         zero ? "0 or " : "", least);
    }
    return error_set(reader->err, -ERANGE, value->at, "'%s' must be %sbetween %s and %s", key->name,
                     zero ? "0 or " : "", least, most);
}

static int check_text(struct reader *reader, const struct key *key, const struct key_value *value) {
    if (value->text.len == 0 && (key->flags & KEY_MAY_BE_EMPTY) == 0) {
        return error_set(reader->err, -EINVAL, value->at, "'%s' is empty", key->name);
    }
    bool limited = key->type == KEY_TEXT || key->type == KEY_PATH;
    if (limited && key->most != 0 && value->text.len > key->most) {
        return error_set(reader->err, -E2BIG, value->at, "'%s' is longer than %llu bytes",
                         key->name, (unsigned long long)key->most);
    }
    for (size_t i = 0; i < value->text.len && key->type != KEY_SECRET;) {
        size_t length = utf8_length(value->text.data + i, value->text.len - i);
        if (length == 0) {
            return error_set(reader->err, -EINVAL, value->at, "'%s' is not valid UTF-8", key->name);
        }
        i += length;
    }
    return 0;
}

static int parse_choice(struct reader *reader, const struct key *key, const struct yaml_node *node,
                        struct key_value *value) {
    size_t count = 0;
    for (; key->choices[count] != NULL; count++) {
        if (str_is(value->text, key->choices[count])) {
            value->number = count;
            return 0;
        }
    }
    char quoted[QUOTE_SIZE], suggestion[96];
    const char *meant = str_suggest(node->scalar, key->choices, count, sizeof(key->choices[0]));
    struct strbuf names = {0};
    for (size_t i = 0; i < count; i++) {
        strbuf_printf(&names, "%s%s", i != 0 ? ", " : "", key->choices[i]);
    }
    error_set(reader->err, -EINVAL, node->at, "unknown %s %s%s; known are %s", key->name,
              quote(node->scalar, quoted), reader_suggestion(meant, suggestion),
              names.data != NULL ? names.data : "none");
    strbuf_deinit(&names);
    return -EINVAL;
}

/* The expanded text as the row's type. */
static int parse_scalar(struct reader *reader, const struct key *key, const struct yaml_node *node,
                        struct key_value *value) {
    switch (key->type) {
    case KEY_CHOICE:
        return parse_choice(reader, key, node, value);
    case KEY_BOOL:
        return parse_bool(value->text, &value->number) ? 0 : wrong_type(reader, key, node);
    case KEY_UNSIGNED:
        return str_to_uint64(value->text, &value->number) ? check_bounds(reader, key, value)
                                                          : wrong_type(reader, key, node);
    case KEY_BYTES:
        return bytes_parse(value->text, &value->number, NULL) == 0
                   ? check_bounds(reader, key, value)
                   : wrong_type(reader, key, node);
    case KEY_RATIO:
        return parse_ratio(value->text, &value->number) ? 0 : wrong_type(reader, key, node);
    case KEY_DURATION:
        return duration_parse(value->text, &value->number, NULL) == 0
                   ? check_bounds(reader, key, value)
                   : wrong_type(reader, key, node);
    default:
        return check_text(reader, key, value);
    }
}

int reader_value(struct reader *reader, const struct key *key, const struct yaml_node *node,
                 struct key_value *ret) {
    struct key_value value = {.given = true, .at = node->at};
    bool collection = key->type == KEY_MAP || key->type == KEY_LIST;
    if (collection && yaml_is_null(node)) {
        *ret = value; /* a heading above nothing but comments */
        return 0;
    }
    enum yaml_type type = key->type == KEY_MAP    ? YAML_MAP
                          : key->type == KEY_LIST ? YAML_LIST
                                                  : YAML_SCALAR;
    if ((key->flags & KEY_MAY_BE_ONE) != 0 && node->type == YAML_SCALAR) {
        type = YAML_SCALAR; /* the caller reads it as a list of one */
    }
    if (node->type != type || yaml_is_null(node)) {
        return wrong_type(reader, key, node);
    }
    int r = 0;
    if (collection) {
        value.node = node;
    } else {
        value.raw = node->scalar;
        r = reader_expand(reader, node, &value.text);
        if (r == 0) {
            r = parse_scalar(reader, key, node, &value);
        }
    }
    if (r == 0) {
        *ret = value;
    }
    return r;
}

/* What a key holds that the file does not have. Fallbacks are ours and always fit. */
static struct key_value fallback_value(const struct key *key, struct position at) {
    struct key_value value = {.at = at};
    if (key->fallback == NULL) {
        return value;
    }
    value.text = str_of(key->fallback);
    if (key->type == KEY_BOOL) {
        parse_bool(value.text, &value.number);
    } else if (key->type == KEY_UNSIGNED) {
        str_to_uint64(value.text, &value.number);
    } else if (key->type == KEY_BYTES) {
        bytes_parse(value.text, &value.number, NULL);
    } else if (key->type == KEY_RATIO) {
        parse_ratio(value.text, &value.number);
    } else if (key->type == KEY_DURATION) {
        duration_parse(value.text, &value.number, NULL);
    }
    return value;
}

static int unknown_key(struct reader *reader, const struct key_section *section,
                       const struct yaml_node *key) {
    char quoted[QUOTE_SIZE], suggestion[96];
    const char *meant =
        str_suggest(key->scalar, &section->keys[0].name, section->n_keys, sizeof(struct key));
    return error_set(reader->err, -EINVAL, key->at, "unknown key %s%s", quote(key->scalar, quoted),
                     reader_suggestion(meant, suggestion));
}

int reader_section(struct reader *reader, const struct key_section *section,
                   const struct yaml_node *map, struct key_value *values) {
    for (size_t i = 0; i < section->n_keys; i++) {
        values[i] = fallback_value(&section->keys[i], map->at);
    }
    for (size_t p = 0; p < map->n_pairs; p++) {
        const struct yaml_pair *pair = &map->pairs[p];
        size_t i = 0;
        while (i < section->n_keys && !str_is(pair->key->scalar, section->keys[i].name)) {
            i++;
        }
        int r = i < section->n_keys
                    ? reader_value(reader, &section->keys[i], pair->value, &values[i])
                    : unknown_key(reader, section, pair->key);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
