/* SPDX-License-Identifier: Apache-2.0 */

/* Quantiles and fractions of classic histograms: series with a bucket's upper bound in `le`. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/utc.h"
#include "promql/printer.h"
#include "promql/private.h"
#include "promql/vector_functions.h"

/* Counts that differ by less than this share differ by rounding only. */
#define SMALL_DELTA 1e-12

struct bucket {
    double bound, count;
};

/* The buckets of one histogram: rows of the input. */
struct histogram {
    const struct label_set *signature; /* with the name, without le */
    const struct label_set *labels;    /* of the result */
    size_t *rows;
    double *bounds;
    size_t n_rows, rows_capacity, bounds_capacity;
};

/* What was found wrong with the counts, for one message over all steps. */
struct repairs {
    uint64_t samples;
    double first_bound, last_bound, most_difference;
    int64_t from_ms, to_ms;
    struct str name;
};

struct histograms {
    struct call_frame *frame;
    struct matrix input;
    const struct expr *vector; /* the argument */
    struct histogram *list;
    size_t n;
    size_t most_rows;
    struct repairs repairs;
};

/* ---- grouping ---- */

static bool has_signature(const void *entry, const void *key) {
    return label_set_equal(((const struct histogram *)entry)->signature, key);
}

static void warn_bound(struct histograms *work, const struct label_set *labels, struct str bound) {
    struct strbuf text = {0};
    print_quoted(bound, &text);
    if (work->frame->eval->options->delayed_names) {
        strbuf_add_text(&text, " for metric name ");
        print_quoted(labels_metric(&work->frame->eval->space, labels), &text);
    }
    annotate_warning(work->frame->eval, work->vector->at,
                     "bucket label \"le\" is missing or has a malformed value of %s", text.data);
    strbuf_deinit(&text);
}

static void add_row(struct histogram *histogram, size_t row, double bound) {
    histogram->rows = mem_grow(histogram->rows, histogram->n_rows, &histogram->rows_capacity,
                               sizeof(*histogram->rows));
    histogram->bounds = mem_grow(histogram->bounds, histogram->n_rows, &histogram->bounds_capacity,
                                 sizeof(*histogram->bounds));
    histogram->rows[histogram->n_rows] = row;
    histogram->bounds[histogram->n_rows++] = bound;
}

static void group_rows(struct histograms *work) {
    struct eval *eval = work->frame->eval;
    struct label_space *space = &eval->space;
    uint32_t le = label_space_id(space, str_of("le"));
    struct name_ids names = {&le, 1};
    struct hash_map map = {0};
    work->list = arena_array(eval->arena, work->input.n_rows + 1, sizeof(*work->list));
    for (size_t i = 0; i < work->input.n_rows; i++) {
        const struct label_set *labels = work->input.rows[i].labels;
        struct str text = labels_value(space, labels, le);
        double bound;
        if (!promql_number(text, &bound)) {
            warn_bound(work, labels, text);
            continue;
        }
        const struct label_set *signature = labels_without(space, labels, &names);
        struct histogram *histogram = hash_map_get(&map, signature->hash, has_signature, signature);
        if (histogram == NULL) {
            histogram = &work->list[work->n++];
            histogram->signature = signature;
            histogram->labels =
                eval->options->delayed_names ? signature : labels_without_name(space, signature);
            hash_map_add(&map, signature->hash, histogram);
        }
        add_row(histogram, i, bound);
        if (histogram->n_rows > work->most_rows) {
            work->most_rows = histogram->n_rows;
        }
    }
    hash_map_deinit(&map);
}

/* ---- buckets of a step ---- */

static int compare_buckets(const void *a, const void *b) {
    const struct bucket *left = a, *right = b;
    return (left->bound > right->bound) - (left->bound < right->bound);
}

/* Sorted by bound, equal bounds added up. Return: how many. */
static size_t gather(const struct histograms *work, const struct histogram *histogram, size_t step,
                     struct bucket *buckets) {
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < histogram->n_rows; i++) {
        double value = work->input.rows[histogram->rows[i]].values[step];
        if (!eval_is_missing(value)) {
            buckets[n++] = (struct bucket){histogram->bounds[i], value};
        }
    }
    if (n > 0) {
        qsort(buckets, n, sizeof(*buckets), compare_buckets);
    }
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && buckets[kept - 1].bound == buckets[i].bound) {
            buckets[kept - 1].count += buckets[i].count;
        } else {
            buckets[kept++] = buckets[i];
        }
    }
    return kept;
}

static bool nearly_equal(double a, double b) {
    double sum = fabs(a) + fabs(b), difference = fabs(a - b);
    if (a == b) {
        return true;
    }
    if (a == 0 || b == 0 || sum < 2.2250738585072014e-308) {
        return difference < SMALL_DELTA * 2.2250738585072014e-308;
    }
    return difference / fmin(sum, 1.7976931348623157e308) < SMALL_DELTA;
}

static void note_repair(struct repairs *repairs, const struct bucket *bucket, double before,
                        int64_t t_ms, struct str name) {
    double difference = before - bucket->count;
    if (repairs->samples++ == 0) {
        *repairs = (struct repairs){1, bucket->bound, bucket->bound, difference, t_ms, t_ms, name};
    }
    repairs->first_bound = fmin(repairs->first_bound, bucket->bound);
    repairs->last_bound = fmax(repairs->last_bound, bucket->bound);
    repairs->most_difference = fmax(repairs->most_difference, difference);
    repairs->from_ms = t_ms < repairs->from_ms ? t_ms : repairs->from_ms;
    repairs->to_ms = t_ms > repairs->to_ms ? t_ms : repairs->to_ms;
}

/* Counts must not fall from bucket to bucket; what does is lifted. Return: whether by more than
 * rounding explains. */
static void make_monotonic(struct bucket *buckets, size_t n, struct repairs *repairs, int64_t t_ms,
                           struct str name) {
    double before = n > 0 ? buckets[0].count : 0;
    for (size_t i = 1; i < n; i++) {
        if (buckets[i].count == before) {
            continue;
        }
        if (nearly_equal(before, buckets[i].count)) {
            buckets[i].count = before;
        } else if (buckets[i].count < before) {
            note_repair(repairs, &buckets[i], before, t_ms, name);
            buckets[i].count = before;
        } else {
            before = buckets[i].count;
        }
    }
}

/* ---- quantile ---- */

static double quantile_in(double q, const struct bucket *buckets, size_t n) {
    const size_t last = n - 1;
    if (n < 2 || buckets[last].count == 0) {
        return (double)NAN;
    }
    double rank = q * buckets[last].count;
    size_t at = 0;
    while (at < last && !(buckets[at].count >= rank)) {
        at++;
    }
    if (at == last) {
        return buckets[last - 1].bound;
    }
    if (at == 0 && buckets[0].bound <= 0) {
        return buckets[0].bound;
    }
    double start = at > 0 ? buckets[at - 1].bound : 0.0;
    double below = at > 0 ? buckets[at - 1].count : 0.0;
    double count = buckets[at].count - below;
    return start + (buckets[at].bound - start) * ((rank - below) / count);
}

static double quantile(struct histograms *work, const struct histogram *histogram, double q,
                       struct bucket *buckets, size_t n, int64_t t_ms) {
    if (isnan(q)) {
        return (double)NAN;
    }
    if (q < 0) {
        return -(double)INFINITY;
    }
    if (q > 1) {
        return (double)INFINITY;
    }
    if (buckets[n - 1].bound != (double)INFINITY) {
        return (double)NAN;
    }
    make_monotonic(buckets, n, &work->repairs, t_ms,
                   labels_metric(&work->frame->eval->space, histogram->signature));
    return quantile_in(q, buckets, n);
}

static void tell_repairs(struct histograms *work) {
    const struct repairs *repairs = &work->repairs;
    struct strbuf text = {0};
    char from[UTC_TEXT_BYTES], to[UTC_TEXT_BYTES], first[40], last[40];
    if (repairs->samples == 0) {
        return;
    }
    if (work->frame->eval->options->delayed_names) {
        strbuf_add_text(&text, " for metric name ");
        print_quoted(repairs->name, &text);
    }
    print_go_g(repairs->first_bound, first);
    print_go_g(repairs->last_bound, last);
    annotate_info(
        work->frame->eval, work->vector->at,
        "input to histogram_quantile needed to be fixed for monotonicity (see "
        "https://prometheus.io/docs/prometheus/latest/querying/functions/"
        "#histogram_quantile)%s, from buckets %s to %s, with a max diff of %.2g, over %llu "
        "samples from %s to %s",
        text.data != NULL ? text.data : "", first, last, repairs->most_difference,
        (unsigned long long)repairs->samples, utc_format(repairs->from_ms, UTC_RFC3339, from),
        utc_format(repairs->to_ms, UTC_RFC3339, to));
    strbuf_deinit(&text);
}

/* ---- fraction ---- */

/* The rank of a value by linear interpolation. */
static double rank_of(double value, const struct bucket *buckets, size_t n) {
    double below = 0;
    for (size_t i = 0; i < n; i++) {
        double lower = i > 0 ? buckets[i - 1].bound : buckets[0].bound > 0 ? 0 : -(double)INFINITY;
        double upper = buckets[i].bound;
        if (lower >= value) {
            return below;
        }
        if (upper > value && isinf(lower)) {
            return buckets[i].count; /* nothing is known about where in the bucket */
        }
        if (upper > value) {
            return below + (buckets[i].count - below) * (value - lower) / (upper - lower);
        }
        below = buckets[i].count;
    }
    return buckets[n - 1].count;
}

static double fraction(double lower, double upper, const struct bucket *buckets, size_t n) {
    double count = buckets[n - 1].count;
    if (buckets[n - 1].bound != (double)INFINITY || count == 0 || isnan(lower) || isnan(upper)) {
        return (double)NAN;
    }
    if (lower >= upper) {
        return 0;
    }
    double from = fmin(rank_of(lower, buckets, n), count);
    double to = fmin(rank_of(upper, buckets, n), count);
    return (to - from) / count;
}

/* ---- calls ---- */

static int histograms_init(struct histograms *work, struct call_frame *frame, size_t vector_arg) {
    *work = (struct histograms){.frame = frame};
    work->vector = expr_unwrap(frame->expr->call.args[vector_arg]);
    int r = eval_vector(frame->eval, work->vector, frame->grid, &work->input);
    if (r == 0) {
        remove_empty_rows(&work->input, frame->grid->n);
        group_rows(work);
    }
    return r;
}

static void histograms_deinit(struct histograms *work) {
    for (size_t i = 0; i < work->n; i++) {
        free(work->list[i].rows);
        free(work->list[i].bounds);
    }
}

int call_histogram_quantile(struct call_frame *frame, struct matrix *ret) {
    struct histograms work;
    double *q;
    int r = eval_scalar(frame->eval, frame->expr->call.args[0], frame->grid, &q);
    r = r != 0 ? r : histograms_init(&work, frame, 1);
    if (r != 0) {
        return r;
    }
    for (size_t step = 0; step < frame->grid->n; step++) {
        warn_quantile(frame->eval, expr_unwrap(frame->expr->call.args[0])->at, q[step]);
    }
    struct bucket *buckets = mem_array(work.most_rows + 1, sizeof(*buckets));
    for (size_t i = 0; i < work.n; i++) {
        struct eval_row *row = matrix_add(frame->eval, ret, work.list[i].labels, frame->grid->n);
        row->drop_name = frame->eval->options->delayed_names;
        for (size_t step = 0; step < frame->grid->n; step++) {
            size_t n = gather(&work, &work.list[i], step, buckets);
            if (n > 0) {
                row->values[step] = quantile(&work, &work.list[i], q[step], buckets, n,
                                             grid_time(frame->grid, step));
            }
        }
    }
    tell_repairs(&work);
    free(buckets);
    histograms_deinit(&work);
    return merge_rows(frame->eval, ret, frame->grid, false);
}

int call_histogram_fraction(struct call_frame *frame, struct matrix *ret) {
    struct histograms work;
    double *lower, *upper;
    int r = eval_scalar(frame->eval, frame->expr->call.args[0], frame->grid, &lower);
    r = r != 0 ? r : eval_scalar(frame->eval, frame->expr->call.args[1], frame->grid, &upper);
    r = r != 0 ? r : histograms_init(&work, frame, 2);
    if (r != 0) {
        return r;
    }
    struct bucket *buckets = mem_array(work.most_rows + 1, sizeof(*buckets));
    for (size_t i = 0; i < work.n; i++) {
        struct eval_row *row = matrix_add(frame->eval, ret, work.list[i].labels, frame->grid->n);
        row->drop_name = frame->eval->options->delayed_names;
        for (size_t step = 0; step < frame->grid->n; step++) {
            size_t n = gather(&work, &work.list[i], step, buckets);
            if (n > 0) {
                row->values[step] = fraction(lower[step], upper[step], buckets, n);
            }
        }
    }
    free(buckets);
    histograms_deinit(&work);
    return merge_rows(frame->eval, ret, frame->grid, false);
}
