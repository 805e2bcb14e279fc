/* SPDX-License-Identifier: Apache-2.0 */

/* Aggregations: rows are put into groups once, then each operator goes over the steps. */
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "promql/printer.h"
#include "promql/private.h"

struct group {
    const struct label_set *labels;
    bool drop_name;
    size_t *rows; /* of the input, in its order */
    size_t n_rows, capacity;
};

struct grouping {
    struct group *groups;
    size_t n, capacity;
    size_t most_rows; /* of the largest group */
};

/* One aggregation at work. */
struct aggregation {
    struct eval *eval;
    const struct expr *expr;
    const struct grid *grid;
    struct matrix input;
    struct grouping grouping;
    double *parameter; /* per step; NULL: none */
    struct matrix *result;
};

/* ---- groups ---- */

static bool group_has_labels(const void *entry, const void *key) {
    return label_set_equal(((const struct group *)entry)->labels, key);
}

static const struct label_set *group_labels(struct eval *eval, const struct expr *expr,
                                            const struct name_ids *names,
                                            const struct label_set *labels) {
    if (!expr->aggregate.without) {
        return labels_only(&eval->space, labels, names);
    }
    return labels_without_name(&eval->space, labels_without(&eval->space, labels, names));
}

static void make_groups(struct aggregation *work) {
    struct eval *eval = work->eval;
    struct grouping *grouping = &work->grouping;
    const struct name_list *list = &work->expr->aggregate.grouping;
    struct name_ids names = label_space_names(&eval->space, list->names, list->n_names);
    struct hash_map map = {0};
    /* Their number is bounded by that of the rows: pointers into the array stay. */
    grouping->groups = arena_array(eval->arena, work->input.n_rows + 1, sizeof(struct group));
    for (size_t i = 0; i < work->input.n_rows; i++) {
        const struct eval_row *row = &work->input.rows[i];
        const struct label_set *labels = group_labels(eval, work->expr, &names, row->labels);
        struct group *group = hash_map_get(&map, labels->hash, group_has_labels, labels);
        if (group == NULL) {
            group = &grouping->groups[grouping->n++];
            group->labels = labels;
            hash_map_add(&map, labels->hash, group);
        }
        group->drop_name |= row->drop_name;
        group->rows = mem_grow(group->rows, group->n_rows, &group->capacity, sizeof(*group->rows));
        group->rows[group->n_rows++] = i;
        if (group->n_rows > grouping->most_rows) {
            grouping->most_rows = group->n_rows;
        }
    }
    hash_map_deinit(&map);
}

static void free_groups(struct grouping *grouping) {
    for (size_t i = 0; i < grouping->n; i++) {
        free(grouping->groups[i].rows);
    }
}

/* The values of a group's rows at a step that are there. */
static size_t gather(const struct aggregation *work, const struct group *group, size_t step,
                     double *values) {
    size_t n = 0;
    for (size_t i = 0; i < group->n_rows; i++) {
        double value = work->input.rows[group->rows[i]].values[step];
        if (!eval_is_missing(value)) {
            values[n++] = value;
        }
    }
    return n;
}

/* ---- one value per group and step ---- */

static double reduce_sum(const double *values, size_t n) {
    struct kahan kahan = {0};
    for (size_t i = 0; i < n; i++) {
        kahan_add(&kahan, values[i]);
    }
    return kahan_value(&kahan);
}

static double reduce_avg(const double *values, size_t n) {
    struct mean mean = {0};
    for (size_t i = 0; i < n; i++) {
        mean_add(&mean, values[i]);
    }
    return mean_value(&mean);
}

static double reduce_min(const double *values, size_t n) {
    double least = values[0];
    for (size_t i = 1; i < n; i++) {
        least = values[i] < least || isnan(least) ? values[i] : least;
    }
    return least;
}

static double reduce_max(const double *values, size_t n) {
    double most = values[0];
    for (size_t i = 1; i < n; i++) {
        most = values[i] > most || isnan(most) ? values[i] : most;
    }
    return most;
}

static double reduce_stdvar(const double *values, size_t n) {
    struct deviation deviation = {0};
    for (size_t i = 0; i < n; i++) {
        if (i == 0 && !isfinite(values[0])) {
            return (double)NAN;
        }
        deviation_add(&deviation, values[i]);
    }
    return deviation_variance(&deviation);
}

static double reduce_stddev(const double *values, size_t n) {
    return sqrt(reduce_stdvar(values, n));
}

static double reduce_count(const double *values, size_t n) {
    return (double)n;
}

static double reduce_group(const double *values, size_t n) {
    return 1.0;
}

static double (*const reducers[AGGREGATE_COUNT_OF])(const double *values, size_t n) = {
    [AGGREGATE_AVG] = reduce_avg,       [AGGREGATE_COUNT] = reduce_count,
    [AGGREGATE_GROUP] = reduce_group,   [AGGREGATE_MAX] = reduce_max,
    [AGGREGATE_MIN] = reduce_min,       [AGGREGATE_STDDEV] = reduce_stddev,
    [AGGREGATE_STDVAR] = reduce_stdvar, [AGGREGATE_SUM] = reduce_sum,
};

static int aggregate_values(struct aggregation *work) {
    double (*reduce)(const double *, size_t) = reducers[work->expr->aggregate.op];
    const size_t n_steps = work->grid->n;
    double *values = mem_array(work->grouping.most_rows, sizeof(*values));
    for (size_t i = 0; i < work->grouping.n; i++) {
        const struct group *group = &work->grouping.groups[i];
        struct eval_row *row = matrix_add(work->eval, work->result, group->labels, n_steps);
        row->drop_name = group->drop_name;
        for (size_t step = 0; step < n_steps; step++) {
            size_t n = gather(work, group, step, values);
            if (n == 0) {
                continue;
            }
            row->values[step] =
                reduce != NULL ? reduce(values, n) : quantile_of(work->parameter[step], values, n);
        }
    }
    free(values);
    return 0;
}

/* The bounds of the parameter over all steps; NaN when it is NaN anywhere. */
struct bounds {
    double least, most;
};

static struct bounds parameter_bounds(const struct aggregation *work) {
    struct bounds bounds = {work->parameter[0], work->parameter[0]};
    for (size_t step = 0; step < work->grid->n; step++) {
        double value = work->parameter[step];
        if (isnan(value)) {
            return (struct bounds){value, value};
        }
        bounds.least = value < bounds.least ? value : bounds.least;
        bounds.most = value > bounds.most ? value : bounds.most;
    }
    return bounds;
}

/* Says what is worst about the parameter, not every value of it. */
static int aggregate_quantile(struct aggregation *work) {
    struct bounds bounds = parameter_bounds(work);
    struct span at = expr_unwrap(work->expr->aggregate.parameter)->at;
    if (!(bounds.most <= 1)) {
        warn_quantile(work->eval, at, bounds.most);
    }
    if (!(bounds.least >= 0)) {
        warn_quantile(work->eval, at, bounds.least);
    }
    return aggregate_values(work);
}

/* ---- rows of the input as they are ---- */

/* k as Prometheus takes it. Return: 0 or an error. */
static int take_k(struct aggregation *work, size_t step, size_t most, size_t *ret) {
    double k = work->parameter[step];
    char text[40];
    print_go_g(k, text);
    if (isnan(k)) {
        return eval_fail(work->eval, "Parameter value is NaN");
    }
    if (k >= 9223372036854775808.0) {
        return eval_fail(work->eval, "Scalar value %s overflows int64", text);
    }
    if (k <= -9223372036854775808.0) {
        return eval_fail(work->eval, "Scalar value %s underflows int64", text);
    }
    *ret = k < 1.0 ? 0 : k > (double)most ? most : (size_t)k;
    return 0;
}

struct candidate {
    double value;
    size_t row;
    bool bottom; /* small values win */
};

/* Winners first; NaN loses against every number; of equal ones the earlier row wins. */
static int compare_candidates(const void *a, const void *b) {
    const struct candidate *left = a, *right = b;
    if (isnan(left->value) || isnan(right->value)) {
        int order = (int)isnan(left->value) - (int)isnan(right->value);
        return order != 0 ? order : (left->row > right->row) - (left->row < right->row);
    }
    if (left->value != right->value) {
        return (left->value > right->value) == left->bottom ? 1 : -1;
    }
    return (left->row > right->row) - (left->row < right->row);
}

static size_t gather_candidates(const struct aggregation *work, const struct group *group,
                                size_t step, struct candidate *ret) {
    bool bottom = work->expr->aggregate.op == AGGREGATE_BOTTOMK;
    size_t n = 0;
    for (size_t i = 0; i < group->n_rows; i++) {
        double value = work->input.rows[group->rows[i]].values[step];
        if (!eval_is_missing(value)) {
            ret[n++] = (struct candidate){value, group->rows[i], bottom};
        }
    }
    return n;
}

/* The output row of an input row, made when it wins for the first time. */
static struct eval_row *output_row(struct aggregation *work, size_t *outputs, size_t input) {
    if (outputs[input] == 0) {
        const struct eval_row *from = &work->input.rows[input];
        matrix_add(work->eval, work->result, from->labels, work->grid->n)->drop_name =
            from->drop_name;
        outputs[input] = work->result->n_rows;
    }
    return &work->result->rows[outputs[input] - 1];
}

static int aggregate_k(struct aggregation *work) {
    if (parameter_bounds(work).most < 1) {
        return 0;
    }
    bool sorted = work->expr->aggregate.op != AGGREGATE_LIMITK;
    struct candidate *candidates = mem_array(work->grouping.most_rows, sizeof(*candidates));
    size_t *outputs = mem_array(work->input.n_rows, sizeof(*outputs));
    int r = 0;
    for (size_t i = 0; r == 0 && i < work->grouping.n; i++) {
        for (size_t step = 0; r == 0 && step < work->grid->n; step++) {
            size_t k = 0;
            size_t n = gather_candidates(work, &work->grouping.groups[i], step, candidates);
            r = n > 0 ? take_k(work, step, n, &k) : 0;
            if (r == 0 && sorted && k > 0) {
                qsort(candidates, n, sizeof(*candidates), compare_candidates);
            }
            for (size_t c = 0; r == 0 && c < k; c++) {
                output_row(work, outputs, candidates[c].row)->values[step] = candidates[c].value;
            }
        }
    }
    free(outputs);
    free(candidates);
    return r;
}

static void warn_ratio(struct aggregation *work, double ratio, bool wrong, const char *taken) {
    char text[40];
    print_go_g(ratio, text);
    if (wrong) {
        annotate_warning(work->eval, expr_unwrap(work->expr->aggregate.parameter)->at,
                         "ratio value should be between -1 and 1, got %s, capping to %s", text,
                         taken);
    }
}

/* A share of the series, chosen by a hash of their labels so that the choice stays the same; a
 * negative share takes those that the positive one leaves. */
static int aggregate_ratio(struct aggregation *work) {
    struct bounds bounds = parameter_bounds(work);
    warn_ratio(work, bounds.most, bounds.most > 1, "1");
    warn_ratio(work, bounds.least, bounds.least < -1, "-1");
    for (size_t i = 0; i < work->input.n_rows; i++) {
        const struct eval_row *from = &work->input.rows[i];
        struct strbuf text = {0};
        labels_print(&work->eval->space, from->labels, &text);
        double place = (double)hash_stable(strbuf_view(&text)) / 18446744073709551616.0;
        strbuf_deinit(&text);
        struct eval_row *row = matrix_add(work->eval, work->result, from->labels, work->grid->n);
        row->drop_name = from->drop_name;
        for (size_t step = 0; step < work->grid->n; step++) {
            double ratio = work->parameter[step];
            if (isnan(ratio)) {
                return eval_fail(work->eval, "Ratio value is NaN");
            }
            bool in = ratio >= 0 ? place < ratio : place >= 1.0 + ratio;
            row->values[step] = in ? from->values[step] : eval_missing();
        }
    }
    return 0;
}

/* ---- count_values ---- */

/* A label set that values were counted under. */
struct tally {
    const struct label_set *labels;
    size_t row; /* of the result */
};

static bool tally_has_labels(const void *entry, const void *key) {
    return label_set_equal(((const struct tally *)entry)->labels, key);
}

/* The value's label is there before the grouping is: without (...) takes it away like any other. */
static bool left_out(const struct expr *expr, uint32_t label, const struct label_space *space) {
    struct str name = label_space_text(space, label);
    const struct name_list *grouping = &expr->aggregate.grouping;
    bool found = str_is(name, "__name__");
    for (size_t i = 0; !found && i < grouping->n_names; i++) {
        found = str_equal(grouping->names[i], name);
    }
    return expr->aggregate.without && found;
}

static int count_value(struct aggregation *work, const struct group *group, uint32_t label,
                       double value, size_t step, struct hash_map *tallies) {
    struct eval *eval = work->eval;
    struct strbuf text = {0};
    print_number(value, &text);
    uint32_t id = label_space_id(&eval->space, strbuf_view(&text));
    strbuf_deinit(&text);
    const struct label_set *labels = group->labels;
    if (!left_out(work->expr, label, &eval->space)) {
        labels = labels_with_id(&eval->space, labels, label, id);
    }
    struct tally *tally = hash_map_get(tallies, labels->hash, tally_has_labels, labels);
    if (tally == NULL) {
        int r = eval_spend(eval, work->grid->n);
        if (r != 0) {
            return r;
        }
        tally = arena_alloc(eval->arena, sizeof(*tally));
        *tally = (struct tally){labels, work->result->n_rows};
        matrix_add(eval, work->result, labels, work->grid->n);
        hash_map_add(tallies, labels->hash, tally);
    }
    double *count = &work->result->rows[tally->row].values[step];
    *count = eval_is_missing(*count) ? 1.0 : *count + 1.0;
    return 0;
}

static int aggregate_count_values(struct aggregation *work) {
    struct str name = expr_unwrap(work->expr->aggregate.parameter)->string;
    struct hash_map tallies = {0};
    if (name.len == 0 || !str_is_utf8(name)) {
        struct strbuf quoted = {0};
        print_quoted(name, &quoted);
        int failed = eval_fail(work->eval, "invalid label name %s", quoted.data);
        strbuf_deinit(&quoted);
        return failed;
    }
    uint32_t label = label_space_id(&work->eval->space, name);
    int r = 0;
    for (size_t i = 0; r == 0 && i < work->grouping.n; i++) {
        const struct group *group = &work->grouping.groups[i];
        for (size_t k = 0; r == 0 && k < group->n_rows; k++) {
            const double *values = work->input.rows[group->rows[k]].values;
            for (size_t step = 0; r == 0 && step < work->grid->n; step++) {
                if (!eval_is_missing(values[step])) {
                    r = count_value(work, group, label, values[step], step, &tallies);
                }
            }
        }
    }
    hash_map_deinit(&tallies);
    return r;
}

static int run(struct aggregation *work) {
    switch (work->expr->aggregate.op) {
    case AGGREGATE_TOPK:
    case AGGREGATE_BOTTOMK:
    case AGGREGATE_LIMITK:
        return aggregate_k(work);
    case AGGREGATE_LIMIT_RATIO:
        return aggregate_ratio(work);
    case AGGREGATE_COUNT_VALUES:
        return aggregate_count_values(work);
    case AGGREGATE_QUANTILE:
        return aggregate_quantile(work);
    default:
        return aggregate_values(work);
    }
}

int eval_aggregate(struct eval *eval, const struct expr *expr, const struct grid *grid,
                   struct matrix *ret) {
    struct aggregation work = {.eval = eval, .expr = expr, .grid = grid, .result = ret};
    const struct expr *parameter = expr->aggregate.parameter;
    int r = 0;
    if (parameter != NULL && parameter->type == VALUE_SCALAR) {
        r = eval_scalar(eval, parameter, grid, &work.parameter);
    }
    r = r != 0 ? r : eval_vector(eval, expr->aggregate.inner, grid, &work.input);
    if (r == 0) {
        make_groups(&work);
        r = run(&work);
        free_groups(&work.grouping);
    }
    return r;
}
