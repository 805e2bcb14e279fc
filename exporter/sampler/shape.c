/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/shape.h"

#include <errno.h>

#include "base/macros.h"
#include "io/redis_info.h"

/* Every field of a map is looked for among them; SENTINEL MASTERS has some 40. */
#define MAP_MOST_COLUMNS ((size_t)128)

static const struct table_limits limits = {
    .max_rows = CLIENT_MOST_ROWS,
    .max_columns = CLIENT_MOST_ROWS, /* pairs: every name is a column */
    .max_bytes = CLIENT_MOST_BYTES,
    .max_arena_bytes = CLIENT_MOST_ARENA_BYTES,
};

static int other_form(const struct query *query, struct error *err) {
    return error_say(err, -EPROTO, "the answer to '%.40s' has an unexpected form", query->text);
}

/* SHOW LISTS, SHOW CONFIG: names in the first column, values in the second. */
static int pairs_of_table(const struct query *query, const struct table *table, struct arena *arena,
                          const struct table **ret, struct error *err) {
    if (table->n_columns < 2) {
        return other_form(query, err);
    }
    struct str *columns = arena_array(arena, table->n_rows, sizeof(*columns));
    struct str *cells = arena_array(arena, table->n_rows, sizeof(*cells));
    for (size_t row = 0; row < table->n_rows; row++) {
        columns[row] = table_cell(table, row, 0);
        cells[row] = table_cell(table, row, 1);
    }
    struct table *pairs = arena_alloc(arena, sizeof(*pairs));
    *pairs = (struct table){columns, cells, table->n_rows, 1};
    *ret = pairs;
    return 0;
}

static struct str text_of(const struct tree *tree) {
    return tree->type == TREE_TEXT || tree->type == TREE_INTEGER ? tree->text : (struct str){0};
}

/* CONFIG GET: a flat list of names and values. */
static int pairs_of_list(const struct tree *list, struct arena *arena, const struct table **ret) {
    size_t n = list->n_items / 2;
    struct str *columns = arena_array(arena, n, sizeof(*columns));
    struct str *cells = arena_array(arena, n, sizeof(*cells));
    for (size_t i = 0; i < n; i++) {
        columns[i] = text_of(&list->items[2 * i]);
        cells[i] = text_of(&list->items[2 * i + 1]);
    }
    struct table *pairs = arena_alloc(arena, sizeof(*pairs));
    *pairs = (struct table){columns, cells, n, n > 0 ? 1 : 0};
    *ret = pairs;
    return 0;
}

/* Columns that any of the flat maps has, in the order in which they appear. */
static int columns_of_maps(const struct tree *list, struct table_builder *builder,
                           struct error *err) {
    for (size_t i = 0; i < list->n_items; i++) {
        const struct tree *map = &list->items[i];
        for (size_t k = 0; k + 1 < map->n_items; k += 2) {
            struct str name = text_of(&map->items[k]);
            size_t known = 0;
            while (known < builder->n_columns && !str_equal(builder->columns[known], name)) {
                known++;
            }
            int r = known < builder->n_columns ? 0 : table_builder_column(builder, name, err);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

static struct str map_value(const struct tree *map, struct str name) {
    for (size_t k = 0; k + 1 < map->n_items; k += 2) {
        if (str_equal(text_of(&map->items[k]), name)) {
            return text_of(&map->items[k + 1]);
        }
    }
    return (struct str){0};
}

/* SENTINEL MASTERS: a list of flat maps, a row each. */
static int rows_of_maps(const struct query *query, const struct tree *list, struct arena *arena,
                        const struct table **ret, struct error *err) {
    if (list->type != TREE_LIST) {
        return other_form(query, err);
    }
    struct table_builder builder = {.arena = arena, .limits = limits};
    builder.limits.max_columns = MAP_MOST_COLUMNS;
    int r = columns_of_maps(list, &builder, err);
    size_t n_columns = builder.n_columns;
    for (size_t i = 0; r == 0 && i < list->n_items; i++) {
        for (size_t column = 0; r == 0 && column < n_columns; column++) {
            r = table_builder_cell(&builder, map_value(&list->items[i], builder.columns[column]),
                                   err);
        }
    }
    if (r < 0) {
        table_builder_deinit(&builder);
        return r;
    }
    *ret = table_builder_end(&builder);
    return 0;
}

/* Columns that a query names: "name value unit". */
#define WORDS_MOST_COLUMNS ((size_t)32)

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the next word off; no text when there is none. */
static struct str next_word(struct str *line) {
    while (line->len > 0 && is_blank(line->data[0])) {
        line->data++;
        line->len--;
    }
    struct str word = {line->data, 0};
    while (word.len < line->len && !is_blank(line->data[word.len])) {
        word.len++;
    }
    line->data += word.len;
    line->len -= word.len;
    return word.len > 0 ? word : (struct str){0};
}

static int words_of_text(const struct query *query, const struct client_reply *reply,
                         struct arena *arena, const struct table **ret, struct error *err) {
    if (reply->tree == NULL || reply->tree->type != TREE_TEXT) {
        return other_form(query, err);
    }
    struct table_builder builder = {.arena = arena, .limits = limits, .borrow = true};
    struct str columns = str_of(query->record), rest = reply->tree->text;
    builder.limits.max_columns = WORDS_MOST_COLUMNS;
    int r = 0;
    while (r == 0 && columns.len > 0) {
        r = table_builder_column(&builder, str_cut(&columns, ' '), err);
    }
    while (r == 0 && rest.len > 0) {
        struct str line = str_cut(&rest, '\n');
        for (size_t i = 0; r == 0 && i < builder.n_columns; i++) {
            r = table_builder_cell(&builder, next_word(&line), err);
        }
    }
    if (r == 0) {
        *ret = table_builder_end(&builder);
    }
    table_builder_deinit(&builder);
    return r;
}

static int pairs_of_words(const struct query *query, const struct client_reply *reply,
                          struct arena *arena, const struct table **ret, struct error *err) {
    const struct table *words;
    int r = words_of_text(query, reply, arena, &words, err);
    return r < 0 ? r : pairs_of_table(query, words, arena, ret, err);
}

static int pairs_of_reply(const struct query *query, const struct client_reply *reply,
                          struct arena *arena, const struct table **ret, struct error *err) {
    if (query->record != NULL) {
        return pairs_of_words(query, reply, arena, ret, err);
    }
    if (reply->table != NULL) {
        return pairs_of_table(query, reply->table, arena, ret, err);
    }
    if (reply->tree->type == TREE_LIST) {
        return pairs_of_list(reply->tree, arena, ret);
    }
    if (reply->tree->type == TREE_TEXT) {
        return redis_info_pairs(reply->tree->text, &limits, arena, ret, err);
    }
    return other_form(query, err);
}

int shape_answer(const struct query *query, const struct client_reply *reply,
                 struct shape_cache *cache, struct arena *arena, struct answer *ret,
                 struct error *err) {
    struct answer answer = {0};
    int r = 0;
    switch (query->shape) {
    case SHAPE_ROWS:
        answer.table = reply->table;
        if (answer.table == NULL) {
            r = rows_of_maps(query, reply->tree, arena, &answer.table, err);
        }
        break;
    case SHAPE_PAIRS:
        if (cache->pairs == NULL) {
            r = pairs_of_reply(query, reply, arena, &cache->pairs, err);
        }
        answer.table = cache->pairs;
        break;
    case SHAPE_RECORDS:
        if (reply->tree == NULL || reply->tree->type != TREE_TEXT) {
            return other_form(query, err);
        }
        r = redis_info_records(reply->tree->text, query->record, &limits, arena, &answer.table,
                               err);
        break;
    case SHAPE_WORDS:
        r = words_of_text(query, reply, arena, &answer.table, err);
        break;
    case SHAPE_TREE:
        answer.tree = reply->tree;
        r = answer.tree == NULL ? other_form(query, err) : 0;
        break;
    }
    if (r < 0) {
        return r;
    }
    *ret = answer;
    return 0;
}
