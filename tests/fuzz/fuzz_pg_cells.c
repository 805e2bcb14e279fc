/* SPDX-License-Identifier: Apache-2.0 */

/* What PostgreSQL and PgBouncer answer: any table, through any of their collectors, comes out as a
 * valid page. The head is "postgres_locks 150020": a collector and the server's version. Then come
 * the names of the columns and the rows, cut by tabs; "\N" is NULL, "\n" and "\t" stand for what
 * cannot stand there itself. */

#include "collect.h"
#include "fuzz.h"

static struct str unescape(struct arena *arena, struct str cell) {
    char *out = arena_alloc(arena, cell.len + 1);
    size_t len = 0;
    if (str_is(cell, "\\N")) {
        return (struct str){0};
    }
    for (size_t i = 0; i < cell.len; i++) {
        char c = cell.data[i];
        if (c == '\\' && i + 1 < cell.len) {
            c = cell.data[++i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        out[len++] = c;
    }
    return (struct str){out, len};
}

/* Short rows are filled with NULL, of long ones the rest is left out. */
static int add_row(struct table_builder *builder, struct str line) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < builder->n_columns; i++) {
        struct str cell = line.len > 0 ? str_cut(&line, '\t') : str_of("\\N");
        r = table_builder_cell(builder, unescape(builder->arena, cell), NULL);
    }
    return r;
}

/* Return: NULL when it is too large. */
static const struct table *read_table(struct str text, struct arena *arena) {
    struct table_builder builder = {.arena = arena, .borrow = true};
    const struct table *table = NULL;
    struct str head = str_cut(&text, '\n');
    int r = 0;
    builder.limits =
        (struct table_limits){CLIENT_MOST_ROWS, CLIENT_MOST_COLUMNS, CLIENT_MOST_BYTES, 0};
    while (r == 0 && head.len > 0) {
        r = table_builder_column(&builder, unescape(arena, str_cut(&head, '\t')), NULL);
    }
    while (r == 0 && text.len > 0) {
        r = add_row(&builder, str_cut(&text, '\n'));
    }
    if (r == 0) {
        table = table_builder_end(&builder);
    }
    table_builder_deinit(&builder);
    return table;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str text = fuzz_input(data, size);
    struct str version = str_cut(&text, '\n');
    struct str word = str_cut(&version, ' ');
    struct collect collect;
    if (collect_begin(&collect, word, KIND_POSTGRES, KIND_PGBOUNCER, fuzz_word(version))) {
        const struct client_reply reply = {.table = read_table(text, &collect.arena)};
        if (reply.table != NULL && collect_take(&collect, &reply)) {
            collect_decode(&collect);
        }
        collect_end(&collect);
    }
    return 0;
}
