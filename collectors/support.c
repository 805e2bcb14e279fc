/* SPDX-License-Identifier: Apache-2.0 */

#include "collectors/support.h"

#include <errno.h>
#include <math.h>

double scale_value(double value, double scale) {
    if (scale == 0) {
        return value;
    }
    if (scale > 0 && scale < 1) {
        double inverse = nearbyint(1 / scale);
        if (fabs(1 / scale - inverse) < inverse * 1e-12) {
            return value / inverse;
        }
    }
    return value * scale;
}

struct str cell_named(const struct table *table, size_t row, const char *column) {
    int place = table_column(table, column);
    return place < 0 ? (struct str){0} : table_cell(table, row, (size_t)place);
}

bool sum_column(const struct table *table, const char *column, const char *except_column,
                const char *except, double *ret) {
    int place = table_column(table, column);
    int except_place = except_column != NULL ? table_column(table, except_column) : -1;
    bool any = false;
    double sum = 0, value;
    for (size_t row = 0; place >= 0 && row < table->n_rows; row++) {
        if (except_place >= 0 && str_is(table_cell(table, row, (size_t)except_place), except)) {
            continue;
        }
        if (str_to_double(table_cell(table, row, (size_t)place), &value) && isfinite(value)) {
            sum += value;
            any = true;
        }
    }
    if (any) {
        *ret = sum;
    }
    return any;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool version_number(struct str text, int64_t *ret) {
    int64_t parts[3] = {0};
    size_t i = 0;
    while (i < text.len && !is_digit(text.data[i])) {
        i++;
    }
    if (i == text.len) {
        return false;
    }
    for (size_t part = 0; part < 3; part++) {
        while (i < text.len && is_digit(text.data[i]) && parts[part] < 100000) {
            parts[part] = parts[part] * 10 + (text.data[i++] - '0');
        }
        if (i == text.len || text.data[i] != '.') {
            break;
        }
        i++;
    }
    *ret = parts[0] * 10000 + parts[1] * 100 + parts[2];
    return true;
}

struct str list_value(struct str list, const char *name) {
    while (list.len != 0) {
        struct str value = str_cut(&list, ',');
        struct str key = str_cut(&value, '=');
        if (str_is(key, name)) {
            return value;
        }
    }
    return (struct str){0};
}

int decode_first_rows(const struct collector *collector, const struct sample_context *context,
                      const struct answer *answer, size_t most, struct batch *batch,
                      struct error *err) {
    struct answer part = *answer;
    struct table first;
    if (answer->table != NULL && answer->table->n_rows > most) {
        first = *answer->table;
        first.n_rows = most;
        part.table = &first;
    }
    return collector_decode_table(collector, context, &part, batch, err);
}

int decode_edited_rows(const struct collector *collector, const struct sample_context *context,
                       const struct answer *answer, const char *extra_column,
                       bool (*edit)(const struct sample_context *context, const struct table *table,
                                    struct str *cells),
                       struct batch *batch, struct error *err) {
    const struct table *from = answer->table;
    if (from == NULL) {
        return error_say(err, -EPROTO, "the answer is no table");
    }
    size_t n_columns = from->n_columns + (extra_column != NULL ? 1 : 0);
    struct str *columns = arena_array(context->arena, n_columns, sizeof(*columns));
    struct str *cells = arena_array(context->arena, from->n_rows * n_columns, sizeof(*cells));
    size_t n_rows = 0;
    memcpy(columns, from->columns, from->n_columns * sizeof(*columns));
    columns[n_columns - 1] = extra_column != NULL ? str_of(extra_column) : columns[n_columns - 1];
    for (size_t row = 0; row < from->n_rows; row++) {
        struct str *copy = cells + n_rows * n_columns;
        memcpy(copy, from->cells + row * from->n_columns, from->n_columns * sizeof(*copy));
        if (extra_column != NULL) {
            copy[n_columns - 1] = (struct str){0}; /* a row that was left out stood here */
        }
        n_rows += edit(context, from, copy) ? 1 : 0;
    }
    struct table table = {columns, cells, n_columns, n_rows};
    return collector_decode_table(collector, context, &(struct answer){.table = &table}, batch,
                                  err);
}
