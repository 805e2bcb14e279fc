/* SPDX-License-Identifier: Apache-2.0 */

/* A reply as rows and named columns, and the builder that makes one under limits.
 * Cells are views into the arena of the reply; a cell without data is SQL NULL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

struct table {
    const struct str *columns; /* n_columns names */
    const struct str *cells;   /* n_rows * n_columns, row by row */
    size_t n_columns, n_rows;
};

static inline struct str table_cell(const struct table *table, size_t row, size_t column) {
    return table->cells[row * table->n_columns + column];
}

/* Index of a column, or -1. */
int table_column(const struct table *table, const char *name);

struct table_limits {
    size_t max_rows, max_columns;
    size_t max_bytes;       /* of names and cells together, also of empty ones */
    size_t max_arena_bytes; /* of all that lies in the arena; 0: no limit */
};

/* Collects rows in an arena. A zeroed builder must be given its arena and limits; deinit frees only
 * the list that grows, never what lies in the arena. */
struct table_builder {
    struct arena *arena; /* borrowed */
    struct table_limits limits;
    bool borrow; /* texts live as long as the arena already: they are not copied */
    struct str *columns;
    struct str *cells;
    size_t n_columns, columns_capacity;
    size_t n_cells, cells_capacity;
    size_t bytes;
};

/* Copies the text unless builder->borrow is set. Return: 0, or -E2BIG with a sentence that names
 * the limit. Columns come before cells; cells row by row. */
int table_builder_column(struct table_builder *builder, struct str name, struct error *err);
int table_builder_cell(struct table_builder *builder, struct str cell, struct error *err);

/* The table, in the arena; an unfinished row is dropped. The builder is empty afterwards. */
const struct table *table_builder_end(struct table_builder *builder);

void table_builder_deinit(struct table_builder *builder);
