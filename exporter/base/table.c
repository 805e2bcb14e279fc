/* SPDX-License-Identifier: Apache-2.0 */

#include "base/table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

int table_column(const struct table *table, const char *name) {
    for (size_t i = 0; i < table->n_columns; i++) {
        if (str_is(table->columns[i], name)) {
            return (int)i;
        }
    }
    return -1;
}

/* A cell costs its place in the list, too: a million of NULLs is 16 MB. */
static int count_bytes(struct table_builder *builder, size_t len, struct error *err) {
    const struct table_limits *limits = &builder->limits;
    size_t places = (builder->n_columns + builder->n_cells + 1) * sizeof(struct str);
    if (places > limits->max_bytes || builder->bytes > limits->max_bytes - places ||
        len > limits->max_bytes - places - builder->bytes) {
        return error_say(err, -E2BIG, "reply is larger than %zu bytes", limits->max_bytes);
    }
    size_t used = places + len + builder->arena->used_bytes;
    if (limits->max_arena_bytes != 0 && used > limits->max_arena_bytes) {
        return error_say(err, -E2BIG, "the replies are larger than %zu bytes together",
                         limits->max_arena_bytes);
    }
    builder->bytes += len;
    return 0;
}

static struct str keep(struct table_builder *builder, struct str text) {
    return text.data == NULL || builder->borrow ? text : arena_dup(builder->arena, text);
}

int table_builder_column(struct table_builder *builder, struct str name, struct error *err) {
    if (builder->n_columns >= builder->limits.max_columns) {
        return error_say(err, -E2BIG, "reply has more than %zu columns",
                         builder->limits.max_columns);
    }
    int r = count_bytes(builder, name.len, err);
    if (r < 0) {
        return r;
    }
    builder->columns = mem_grow(builder->columns, builder->n_columns, &builder->columns_capacity,
                                sizeof(*builder->columns));
    builder->columns[builder->n_columns++] = keep(builder, name);
    return 0;
}

int table_builder_cell(struct table_builder *builder, struct str cell, struct error *err) {
    if (builder->n_columns == 0 ||
        builder->n_cells / builder->n_columns >= builder->limits.max_rows) {
        return error_say(err, -E2BIG, "reply has more than %zu rows", builder->limits.max_rows);
    }
    int r = count_bytes(builder, cell.len, err);
    if (r < 0) {
        return r;
    }
    builder->cells = mem_grow(builder->cells, builder->n_cells, &builder->cells_capacity,
                              sizeof(*builder->cells));
    builder->cells[builder->n_cells++] = keep(builder, cell);
    return 0;
}

static struct str *move_to_arena(struct arena *arena, const struct str *list, size_t count) {
    struct str *copy = arena_array(arena, count, sizeof(*copy));
    if (count != 0) {
        memcpy(copy, list, count * sizeof(*copy));
    }
    return copy;
}

const struct table *table_builder_end(struct table_builder *builder) {
    size_t n_rows = builder->n_columns != 0 ? builder->n_cells / builder->n_columns : 0;
    struct table *table = arena_alloc(builder->arena, sizeof(*table));
    *table = (struct table){
        .columns = move_to_arena(builder->arena, builder->columns, builder->n_columns),
        .cells = move_to_arena(builder->arena, builder->cells, n_rows * builder->n_columns),
        .n_columns = builder->n_columns,
        .n_rows = n_rows,
    };
    table_builder_deinit(builder);
    return table;
}

void table_builder_deinit(struct table_builder *builder) {
    free(builder->columns);
    free(builder->cells);
    builder->columns = NULL;
    builder->cells = NULL;
    builder->n_columns = builder->columns_capacity = 0;
    builder->n_cells = builder->cells_capacity = 0;
    builder->bytes = 0;
}
