/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/query_table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/printer.h"
#include "store/batch.h"

#define MOST_CELLS  4
#define MOST_LABELS 128
#define GAP         "  "
#define BAR_LEVELS  8

struct table_row {
    struct str cells[MOST_CELLS]; /* the last one is not padded */
};

struct table_text {
    struct arena arena;
    struct table_row *rows;
    size_t n_rows, capacity, n_cells;
    size_t widths[MOST_CELLS];
};

/* ---- cells ---- */

/* Columns on a terminal: characters, as good as it gets without tables of their widths. */
static size_t width_of(struct str text) {
    size_t width = 0;
    for (size_t i = 0; i < text.len; i++) {
        width += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    }
    return width;
}

static struct table_row *add_row(struct table_text *table) {
    table->rows = mem_grow(table->rows, table->n_rows, &table->capacity, sizeof(*table->rows));
    struct table_row *row = &table->rows[table->n_rows++];
    *row = (struct table_row){0};
    return row;
}

static void set_cell(struct table_text *table, struct table_row *row, size_t cell,
                     struct str text) {
    row->cells[cell] = arena_dup(&table->arena, text);
    size_t width = width_of(text);
    if (width > table->widths[cell]) {
        table->widths[cell] = width;
    }
    if (cell >= table->n_cells) {
        table->n_cells = cell + 1;
    }
}

/* The first cell is to the left, numbers are to the right. */
static void print_table(const struct table_text *table, struct strbuf *out) {
    for (size_t i = 0; i < table->n_rows; i++) {
        for (size_t k = 0; k < table->n_cells; k++) {
            struct str cell = table->rows[i].cells[k];
            int space = (int)(table->widths[k] - width_of(cell));
            strbuf_printf(out, "%s%*s", k > 0 ? GAP : "", k > 0 ? space : 0, "");
            strbuf_add_str(out, cell);
            if (k == 0 && table->n_cells > 1) {
                strbuf_printf(out, "%*s", space, "");
            }
        }
        strbuf_add_char(out, '\n');
    }
}

static void table_deinit(struct table_text *table) {
    free(table->rows);
    arena_deinit(&table->arena);
}

/* ---- what the answer holds ---- */

/* name{label="value"} */
static void add_series(const struct json_value *metric, struct strbuf *out) {
    struct label labels[MOST_LABELS];
    size_t count = 0;
    for (size_t i = 0; metric != NULL && i < metric->n_items && count < MOST_LABELS; i++) {
        labels[count].name = metric->items[i].key;
        labels[count++].value = json_text_of(&metric->items[i]);
    }
    print_series(labels, count, out);
}

/* [time, "value"] */
static bool take_sample(const struct json_value *sample, double *ret_time, struct str *ret_value) {
    if (sample == NULL || sample->kind != JSON_IS_LIST || sample->n_items != 2 ||
        sample->items[0].kind != JSON_IS_NUMBER || sample->items[1].kind != JSON_IS_TEXT) {
        return false;
    }
    *ret_time = sample->items[0].number;
    *ret_value = sample->items[1].text;
    return true;
}

static int add_vector(struct table_text *table, const struct json_value *result) {
    for (size_t i = 0; i < result->n_items; i++) {
        struct strbuf series = {0};
        struct str value;
        double time;
        if (!take_sample(json_member(&result->items[i], "value"), &time, &value)) {
            return -EINVAL;
        }
        add_series(json_member(&result->items[i], "metric"), &series);
        struct table_row *row = add_row(table);
        set_cell(table, row, 0, strbuf_view(&series));
        set_cell(table, row, 1, value);
        strbuf_deinit(&series);
    }
    return 0;
}

/* ---- ranges ---- */

static size_t level_of(double value, double least, double most) {
    if (isnan(value)) {
        return 0;
    }
    if (!(most > least)) {
        return BAR_LEVELS / 2;
    }
    double share = (value - least) / (most - least) * BAR_LEVELS;
    return share >= BAR_LEVELS ? BAR_LEVELS - 1 : share > 0 ? (size_t)share : 0;
}

static void find_bounds(const double *values, size_t count, double *ret_least, double *ret_most) {
    *ret_least = *ret_most = NAN;
    for (size_t i = 0; i < count; i++) {
        *ret_least = isnan(*ret_least) || values[i] < *ret_least ? values[i] : *ret_least;
        *ret_most = isnan(*ret_most) || values[i] > *ret_most ? values[i] : *ret_most;
    }
}

void query_add_bars(const double *times, const double *values, size_t count, double start,
                    double end, size_t bars, struct strbuf *out) {
    static const char *const levels[BAR_LEVELS] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                                   "\u2585", "\u2586", "\u2587", "\u2588"};
    double least, most;
    find_bounds(values, count, &least, &most);
    size_t at = 0;
    for (size_t bar = 0; bar < bars; bar++) {
        double until = start + (end - start) * (double)(bar + 1) / (double)bars;
        const double *newest = NULL;
        for (; at < count && (times[at] <= until || bar + 1 == bars); at++) {
            newest = &values[at];
        }
        strbuf_add_text(out, newest != NULL ? levels[level_of(*newest, least, most)] : " ");
    }
}

struct points {
    double *times, *values;
    struct str *texts;
    size_t n;
};

static int take_points(struct arena *arena, const struct json_value *samples, struct points *ret) {
    if (samples == NULL || samples->kind != JSON_IS_LIST) {
        return -EINVAL;
    }
    ret->n = samples->n_items;
    ret->times = arena_array(arena, ret->n, sizeof(double));
    ret->values = arena_array(arena, ret->n, sizeof(double));
    ret->texts = arena_array(arena, ret->n, sizeof(struct str));
    for (size_t i = 0; i < ret->n; i++) {
        if (!take_sample(&samples->items[i], &ret->times[i], &ret->texts[i]) ||
            !str_to_double(ret->texts[i], &ret->values[i])) {
            return -EINVAL;
        }
    }
    return 0;
}

static struct str text_of(const struct points *points, double value) {
    for (size_t i = 0; i < points->n; i++) {
        if (points->values[i] == value) {
            return points->texts[i];
        }
    }
    return str_of("NaN");
}

static void add_range(struct table_text *table, const struct points *points, struct str series,
                      const double bounds[2], size_t bars) {
    double least, most;
    struct strbuf line = {0}, cell = {0};
    find_bounds(points->values, points->n, &least, &most);
    struct table_row *row = add_row(table);
    set_cell(table, row, 0, series);
    struct str low = text_of(points, least), high = text_of(points, most);
    strbuf_printf(&cell, "%.*s .. %.*s", (int)low.len, low.data, (int)high.len, high.data);
    set_cell(table, row, 1, strbuf_view(&cell));
    set_cell(table, row, 2, points->n > 0 ? points->texts[points->n - 1] : str_of(""));
    if (bars > 0) {
        query_add_bars(points->times, points->values, points->n, bounds[0], bounds[1], bars, &line);
        set_cell(table, row, 3, strbuf_view(&line));
    }
    strbuf_deinit(&line);
    strbuf_deinit(&cell);
}

static void add_heading(struct table_text *table, size_t bars) {
    struct table_row *row = add_row(table);
    set_cell(table, row, 0, str_of("SERIES"));
    set_cell(table, row, 1, str_of("LEAST .. MOST"));
    set_cell(table, row, 2, str_of("LAST"));
    if (bars > 0) {
        set_cell(table, row, 3, str_of(""));
    }
}

/* All series are shown over the same time. */
static int add_matrix(struct table_text *table, const struct json_value *result, size_t bars) {
    struct points *all = arena_array(&table->arena, result->n_items, sizeof(*all));
    double bounds[2] = {INFINITY, -INFINITY};
    if (result->n_items > 0) {
        add_heading(table, bars);
    }
    for (size_t i = 0; i < result->n_items; i++) {
        if (take_points(&table->arena, json_member(&result->items[i], "values"), &all[i]) < 0) {
            return -EINVAL;
        }
        for (size_t k = 0; k < all[i].n; k++) {
            bounds[0] = fmin(bounds[0], all[i].times[k]);
            bounds[1] = fmax(bounds[1], all[i].times[k]);
        }
    }
    for (size_t i = 0; i < result->n_items; i++) {
        struct strbuf series = {0};
        add_series(json_member(&result->items[i], "metric"), &series);
        add_range(table, &all[i], strbuf_view(&series), bounds, bars);
        strbuf_deinit(&series);
    }
    return 0;
}

static int add_single(struct table_text *table, const struct json_value *result) {
    double time;
    struct str value;
    if (!take_sample(result, &time, &value)) {
        return -EINVAL;
    }
    set_cell(table, add_row(table), 0, value);
    return 0;
}

int query_render(const struct json_value *data, size_t bars, struct strbuf *out) {
    const struct json_value *result = json_member(data, "result");
    struct str type = json_text_of(json_member(data, "resultType"));
    struct table_text table = {0};
    int r;
    if (result == NULL || result->kind != JSON_IS_LIST) {
        return -EINVAL;
    }
    if (str_is(type, "vector")) {
        r = add_vector(&table, result);
    } else if (str_is(type, "matrix")) {
        r = add_matrix(&table, result, bars);
    } else {
        r = add_single(&table, result);
    }
    if (r == 0) {
        print_table(&table, out);
    }
    table_deinit(&table);
    return r;
}
