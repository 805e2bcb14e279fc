/* SPDX-License-Identifier: Apache-2.0 */

/* From an answer to samples by a collector's table.
 *
 * Where each row of the table finds its column is looked up once per answer; an answer of pairs has
 * hundreds of columns, so each of them is searched in the table, which is sorted, and not the other
 * way round. Labels of a group are written once per row, when its first sample needs them. */
#include "collectors/collector.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "collectors/support.h"

#define NOT_THERE (-1)

struct decoder {
    const struct collector *collector;
    const struct sample_context *context;
    struct batch *batch;
    const struct table *table;
    size_t n_rules;
    int *places;           /* of each rule's column in the answer, or NOT_THERE */
    const size_t **labels; /* of each group: the LABEL rules, ended by n_rules */
    int name_place;        /* of the NAME column */
    struct batch_labels made[COLLECTOR_GROUPS];
    bool is_made[COLLECTOR_GROUPS]; /* in the present row */
};

/* As str_compare() does, in one pass: most names differ in the first few bytes. */
static int compare_column(const struct column *rule, struct str name) {
    const char *column = rule->column != NULL ? rule->column : "";
    size_t i = 0;
    while (i < name.len && column[i] != '\0' && column[i] == name.data[i]) {
        i++;
    }
    if (i == name.len || column[i] == '\0') {
        return (column[i] != '\0') - (i < name.len);
    }
    return (unsigned char)column[i] - (unsigned char)name.data[i];
}

/* The first rule for a column, or n_rules. */
static size_t find_rule(const struct column *rules, size_t n_rules, struct str name) {
    size_t low = 0, high = n_rules;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_column(&rules[middle], name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void find_places(struct decoder *decoder) {
    const struct column *rules = decoder->collector->columns;
    for (size_t i = 0; i < decoder->n_rules; i++) {
        decoder->places[i] = NOT_THERE;
    }
    for (size_t place = 0; place < decoder->table->n_columns; place++) {
        struct str name = decoder->table->columns[place];
        size_t i = name.len == 0 ? decoder->n_rules : find_rule(rules, decoder->n_rules, name);
        for (; i < decoder->n_rules && decoder->places[i] == NOT_THERE &&
               str_is(name, rules[i].column);
             i++) {
            decoder->places[i] = (int)place;
        }
    }
}

static void sort_out_labels(struct decoder *decoder) {
    const struct column *rules = decoder->collector->columns;
    struct arena *arena = decoder->context->arena;
    decoder->labels = arena_array(arena, COLLECTOR_GROUPS, sizeof(*decoder->labels));
    decoder->name_place = NOT_THERE;
    for (uint8_t group = 0; group < COLLECTOR_GROUPS; group++) {
        size_t *list = NULL, count = 0;
        for (size_t i = 0; i < decoder->n_rules; i++) {
            if (rules[i].kind == LABEL && rules[i].group == group) {
                if (list == NULL) {
                    list = arena_array(arena, decoder->n_rules + 1, sizeof(*list));
                }
                list[count++] = i;
                list[count] = decoder->n_rules;
            }
        }
        decoder->labels[group] = list;
    }
    for (size_t i = 0; i < decoder->n_rules; i++) {
        if (rules[i].kind == NAME) {
            decoder->name_place = decoder->places[i];
        }
    }
}

static struct str cell_of(const struct decoder *decoder, size_t row, size_t rule) {
    int place = decoder->places[rule];
    return place == NOT_THERE ? (struct str){0} : table_cell(decoder->table, row, (size_t)place);
}

static struct batch_labels labels_of(struct decoder *decoder, size_t row, uint8_t group) {
    if (decoder->is_made[group]) {
        return decoder->made[group];
    }
    struct label labels[BATCH_MAX_LABELS];
    size_t count = 0;
    const struct column *rules = decoder->collector->columns;
    const size_t *list = decoder->labels[group];
    for (; list != NULL && *list < decoder->n_rules && count < BATCH_MAX_LABELS; list++) {
        const struct column *rule = &rules[*list];
        struct str value =
            rule->column == NULL ? decoder->context->server : cell_of(decoder, row, *list);
        if (value.len != 0) {
            labels[count++] = (struct label){str_of(rule->metric), value};
        }
    }
    if ((decoder->collector->flags & COLLECTOR_SERVER_LABEL) != 0 && count < BATCH_MAX_LABELS) {
        labels[count++] = (struct label){str_of("server"), decoder->context->server};
    }
    decoder->made[group] = batch_add_labels(decoder->batch, labels, count);
    decoder->is_made[group] = true;
    return decoder->made[group];
}

/* The metric's name with the row's own in place of '*', or NULL when the row has none. */
static const char *fill_pattern(struct decoder *decoder, size_t row, const char *pattern) {
    if (decoder->name_place == NOT_THERE) {
        return NULL;
    }
    struct str name = table_cell(decoder->table, row, (size_t)decoder->name_place);
    if (name.len == 0) {
        return NULL;
    }
    const char *star = strchr(pattern, '*');
    struct strbuf text = {0};
    strbuf_add(&text, pattern, (size_t)(star - pattern));
    strbuf_add_str(&text, name);
    strbuf_add_text(&text, star + 1);
    const char *kept = batch_keep_name(decoder->batch, strbuf_view(&text));
    strbuf_deinit(&text);
    return kept;
}

enum metric_type column_metric_type(enum column_kind kind) {
    switch (kind) {
    case COUNTER:
        return METRIC_COUNTER;
    case UNTYPED:
        return METRIC_UNTYPED;
    case HISTOGRAM:
        return METRIC_HISTOGRAM;
    case SUMMARY:
        return METRIC_SUMMARY;
    default:
        return METRIC_GAUGE;
    }
}

struct batch_metric column_metric(const struct column *row) {
    return (struct batch_metric){row->metric, row->help, column_metric_type(row->kind), true};
}

static void emit(struct decoder *decoder, size_t row, const struct column *rule, double value) {
    struct batch_metric metric = column_metric(rule);
    if (strchr(rule->metric, '*') != NULL) {
        metric.name = fill_pattern(decoder, row, rule->metric);
        metric.constant = false;
        if (metric.name == NULL) {
            return;
        }
    }
    batch_add(decoder->batch, metric, labels_of(decoder, row, rule->group), value);
}

static const struct word *find_word(const struct word *words, struct str cell) {
    for (; words != NULL && words->text != NULL; words++) {
        if (str_is(cell, words->text)) {
            return words;
        }
    }
    return NULL;
}

/* Whether the cell has a value; what should be one and is not is counted. */
static bool value_of(struct decoder *decoder, const struct column *rule, struct str cell,
                     double *ret) {
    const struct word *word = find_word(rule->words, cell);
    if (word != NULL && isnan(word->value)) {
        return false;
    }
    double value;
    if (!collector_number(cell, rule->words, &value) || !isfinite(value)) {
        decoder->batch->skipped_cells++;
        return false;
    }
    *ret = scale_value(value, rule->scale);
    return true;
}

/* A role is an index of names: a number that is none of them must not become one. */
static bool may_be(enum fact fact, double value) {
    bool role = value >= ROLE_UNKNOWN && value <= ROLE_REPLICA;
    return fact == FACT_ROLE ? role : fabs(value) < 9.2e18;
}

static void keep_fact(struct decoder *decoder, const struct column *rule, struct str cell) {
    int64_t whole;
    double value;
    if (rule->words == NULL && rule->scale == 0 && str_to_int64(cell, &whole)) {
        facts_set(decoder->context->facts, rule->fact, whole);
    } else if (value_of(decoder, rule, cell, &value)) {
        if (may_be(rule->fact, value)) {
            facts_set(decoder->context->facts, rule->fact, (int64_t)value);
        } else {
            decoder->batch->skipped_cells++;
        }
    }
}

static void decode_rule(struct decoder *decoder, size_t row, size_t i) {
    const struct column *rule = &decoder->collector->columns[i];
    struct str cell = cell_of(decoder, row, i);
    double value;
    if (rule->kind == LABEL || rule->kind == NAME) {
        return;
    }
    if (rule->kind == INFO) {
        if (rule->column == NULL || cell.data != NULL) {
            emit(decoder, row, rule, 1);
        }
    } else if (cell.data == NULL) {
        if (rule->null_is_nan && decoder->places[i] != NOT_THERE) {
            emit(decoder, row, rule, (double)NAN);
        }
    } else if (rule->kind == FACT) {
        keep_fact(decoder, rule, cell);
    } else if (value_of(decoder, rule, cell, &value)) {
        emit(decoder, row, rule, value);
    }
}

int collector_decode_table(const struct collector *collector, const struct sample_context *context,
                           const struct answer *answer, struct batch *batch, struct error *err) {
    if (answer->table == NULL) {
        return error_say(err, -EPROTO, "the answer is no table");
    }
    struct decoder decoder = {
        .collector = collector, .context = context, .batch = batch, .table = answer->table};
    while (collector->columns[decoder.n_rules].kind != COLUMN_END) {
        decoder.n_rules++;
    }
    decoder.places = arena_array(context->arena, decoder.n_rules, sizeof(*decoder.places));
    find_places(&decoder);
    sort_out_labels(&decoder);
    for (size_t row = 0; row < answer->table->n_rows; row++) {
        memset(decoder.is_made, 0, sizeof(decoder.is_made));
        for (size_t i = 0; i < decoder.n_rules; i++) {
            decode_rule(&decoder, row, i);
        }
    }
    return 0;
}

int collector_decode(const struct collector *collector, const struct sample_context *context,
                     const struct answer *answer, struct batch *batch, struct error *err) {
    if (collector->decode != NULL) {
        return collector->decode(context, answer, batch, err);
    }
    return collector_decode_table(collector, context, answer, batch, err);
}

bool collector_number(struct str cell, const struct word *words, double *ret) {
    static const struct word booleans[] = {{"t", 1},     {"f", 0},  {"true", 1},
                                           {"false", 0}, {"on", 1}, {"off", 0},
                                           {"yes", 1},   {"no", 0}, {NULL, 0}};
    const struct word *word = find_word(words, cell);
    if (word == NULL && str_to_double(cell, ret)) {
        return true;
    }
    if (word == NULL && words == NULL) {
        word = find_word(booleans, cell);
    }
    if (word == NULL) {
        return false;
    }
    *ret = word->value;
    return true;
}
