/* SPDX-License-Identifier: Apache-2.0 */

/* Binary operators of vectors: with a scalar, with a vector, and as sets.
 *
 * Two vectors: the rows of both sides are put into match groups by their signature, once. Then each
 * group goes over the steps; what a pair of rows becomes is kept from step to step. "Many" is the
 * side that may have several rows in a group, "one" the other; in one-to-one matching the left side
 * plays the many. */
#include <math.h>

#include "promql/printer.h"
#include "promql/private.h"

struct match_group {
    const struct label_set *signature;
    size_t *many, *one; /* rows */
    size_t n_many, n_one;
};

/* The result row of the pair that a many row was in last. */
struct pairing {
    size_t one, row; /* plus 1; 0: none yet */
};

struct output {
    const struct label_set *labels;
    size_t row;
    uint64_t seen; /* group and step that gave it a value last */
};

struct matching_work {
    struct eval *eval;
    const struct expr *expr;
    const struct operator_info *info;
    const struct grid *grid;
    struct matrix many, one;
    bool swapped; /* the many side is the right one */
    struct match_group *groups;
    size_t n_groups;
    struct pairing *pairings; /* by many row */
    struct output **outputs;  /* by result row */
    size_t outputs_capacity;
    struct hash_map by_labels;
    struct matrix *result;
    uint64_t now; /* counts groups and steps */
};

/* ---- with a scalar ---- */

static void with_scalar(const struct expr *expr, const double *scalar, bool scalar_left,
                        const struct grid *grid, struct eval_row *row) {
    const struct operator_info *info = &operator_table[expr->binary.op];
    const bool filter = info->class == CLASS_COMPARISON && !expr->binary.bool_modifier;
    for (size_t step = 0; step < grid->n; step++) {
        double value = row->values[step];
        if (eval_is_missing(value)) {
            continue;
        }
        double left = scalar_left ? scalar[step] : value;
        double right = scalar_left ? value : scalar[step];
        double result = info->compute(left, right);
        row->values[step] = !filter ? result : result != 0.0 ? value : eval_missing();
    }
}

static int binary_with_scalar(struct eval *eval, const struct expr *expr, const struct grid *grid,
                              struct matrix *ret) {
    const struct operator_info *info = &operator_table[expr->binary.op];
    bool scalar_left = expr->binary.left->type == VALUE_SCALAR;
    const struct expr *vector = scalar_left ? expr->binary.right : expr->binary.left;
    double *scalar;
    int r = scalar_left ? eval_scalar(eval, expr->binary.left, grid, &scalar) : 0;
    r = r != 0 ? r : eval_vector(eval, vector, grid, ret);
    r = r != 0 || scalar_left ? r : eval_scalar(eval, expr->binary.right, grid, &scalar);
    if (r != 0) {
        return r;
    }
    for (size_t i = 0; i < ret->n_rows; i++) {
        with_scalar(expr, scalar, scalar_left, grid, &ret->rows[i]);
    }
    if (info->class == CLASS_COMPARISON && !expr->binary.bool_modifier) {
        return 0;
    }
    drop_names(eval, ret);
    return eval->options->delayed_names ? 0 : merge_rows(eval, ret, grid, false);
}

/* ---- match groups ---- */

static bool group_has_signature(const void *entry, const void *key) {
    return label_set_equal(((const struct match_group *)entry)->signature, key);
}

static const struct label_set *signature_of(struct matching_work *work,
                                            const struct name_ids *names,
                                            const struct label_set *labels) {
    struct label_space *space = &work->eval->space;
    if (work->expr->binary.matching.on) {
        return labels_only(space, labels, names);
    }
    return labels_without_name(space, labels_without(space, labels, names));
}

/* The group of each row of a side; new groups are made. */
static struct match_group **find_groups(struct matching_work *work, struct hash_map *map,
                                        const struct matrix *side) {
    const struct name_list *list = &work->expr->binary.matching.labels;
    struct name_ids names = label_space_names(&work->eval->space, list->names, list->n_names);
    struct match_group **found =
        arena_array(work->eval->arena, side->n_rows + 1, sizeof(struct match_group *));
    for (size_t i = 0; i < side->n_rows; i++) {
        const struct label_set *signature = signature_of(work, &names, side->rows[i].labels);
        found[i] = hash_map_get(map, signature->hash, group_has_signature, signature);
        if (found[i] == NULL) {
            found[i] = &work->groups[work->n_groups++];
            found[i]->signature = signature;
            hash_map_add(map, signature->hash, found[i]);
        }
    }
    return found;
}

static void make_groups(struct matching_work *work) {
    struct arena *arena = work->eval->arena;
    struct hash_map map = {0};
    size_t most = work->many.n_rows + work->one.n_rows;
    work->groups = arena_array(arena, most + 1, sizeof(*work->groups));
    struct match_group **many = find_groups(work, &map, &work->many);
    struct match_group **one = find_groups(work, &map, &work->one);
    hash_map_deinit(&map);
    for (size_t i = 0; i < work->many.n_rows; i++) {
        many[i]->n_many++;
    }
    for (size_t i = 0; i < work->one.n_rows; i++) {
        one[i]->n_one++;
    }
    for (size_t i = 0; i < work->n_groups; i++) {
        struct match_group *group = &work->groups[i];
        group->many = arena_array(arena, group->n_many + 1, sizeof(size_t));
        group->one = arena_array(arena, group->n_one + 1, sizeof(size_t));
        group->n_many = group->n_one = 0;
    }
    for (size_t i = 0; i < work->many.n_rows; i++) {
        many[i]->many[many[i]->n_many++] = i;
    }
    for (size_t i = 0; i < work->one.n_rows; i++) {
        one[i]->one[one[i]->n_one++] = i;
    }
}

/* Steps at which any row of a side has a value. */
static bool *steps_with_values(struct eval *eval, const struct matrix *side,
                               const struct grid *grid) {
    bool *any = arena_array(eval->arena, grid->n, sizeof(*any));
    for (size_t i = 0; i < side->n_rows; i++) {
        for (size_t step = 0; step < grid->n; step++) {
            any[step] |= !eval_is_missing(side->rows[i].values[step]);
        }
    }
    return any;
}

/* ---- what a pair becomes ---- */

static const struct label_set *result_labels(struct matching_work *work,
                                             const struct label_set *many,
                                             const struct label_set *one) {
    struct label_space *space = &work->eval->space;
    const struct matching *matching = &work->expr->binary.matching;
    const struct label_set *labels = many;
    bool drops = work->info->class == CLASS_ARITHMETIC ||
                 (work->expr->binary.bool_modifier && !work->eval->options->delayed_names);
    if (drops) {
        labels = labels_without_name(space, labels);
    }
    if (matching->card == CARD_ONE_TO_ONE) {
        const struct name_list *list = &matching->labels;
        struct name_ids names = label_space_names(space, list->names, list->n_names);
        labels = matching->on ? labels_only(space, labels, &names)
                              : labels_without(space, labels, &names);
    }
    for (size_t i = 0; i < matching->include.n_names; i++) {
        uint32_t name = label_space_id(space, matching->include.names[i]);
        labels =
            labels_with(space, labels, matching->include.names[i], labels_value(space, one, name));
    }
    return labels;
}

static bool output_has_labels(const void *entry, const void *key) {
    return label_set_equal(((const struct output *)entry)->labels, key);
}

static struct output *output_of(struct matching_work *work, size_t many, size_t one) {
    struct eval *eval = work->eval;
    struct pairing *pairing = &work->pairings[many];
    if (pairing->one == one + 1) {
        return work->outputs[pairing->row];
    }
    const struct label_set *labels =
        result_labels(work, work->many.rows[many].labels, work->one.rows[one].labels);
    struct output *output = hash_map_get(&work->by_labels, labels->hash, output_has_labels, labels);
    if (output == NULL) {
        output = arena_alloc(eval->arena, sizeof(*output));
        *output = (struct output){labels, work->result->n_rows, 0};
        matrix_add(eval, work->result, labels, work->grid->n)->drop_name =
            eval->options->delayed_names && work->expr->binary.bool_modifier;
        hash_map_add(&work->by_labels, labels->hash, output);
        if (output->row == work->outputs_capacity) {
            size_t larger = work->outputs_capacity == 0 ? 64 : 2 * work->outputs_capacity;
            struct output **outputs = arena_array(eval->arena, larger, sizeof(*outputs));
            if (output->row > 0) {
                memcpy(outputs, work->outputs, output->row * sizeof(*outputs));
            }
            work->outputs = outputs;
            work->outputs_capacity = larger;
        }
        work->outputs[output->row] = output;
    }
    *pairing = (struct pairing){one + 1, output->row};
    return output;
}

static int fail_duplicates(struct matching_work *work, const struct match_group *group, size_t a,
                           size_t b) {
    struct label_space *space = &work->eval->space;
    struct strbuf signature = {0}, first = {0}, second = {0};
    labels_print(space, group->signature, &signature);
    labels_print(space, work->one.rows[a].labels, &first);
    labels_print(space, work->one.rows[b].labels, &second);
    bool in_order = str_compare(strbuf_view(&first), strbuf_view(&second)) <= 0;
    int r = eval_fail(work->eval,
                      "found duplicate series for the match group %s on the %s hand-side of the "
                      "operation: [%s, %s];many-to-many matching not allowed: matching labels must "
                      "be unique on one side",
                      signature.data, work->swapped ? "left" : "right",
                      in_order ? first.data : second.data, in_order ? second.data : first.data);
    strbuf_deinit(&signature);
    strbuf_deinit(&first);
    strbuf_deinit(&second);
    return r;
}

/* The row of the one side that has a value at the step, plus 1. Return: 0 or an error. */
static int find_one(struct matching_work *work, const struct match_group *group, size_t step,
                    size_t *ret) {
    *ret = 0;
    for (size_t i = 0; i < group->n_one; i++) {
        size_t row = group->one[i];
        if (eval_is_missing(work->one.rows[row].values[step])) {
            continue;
        }
        if (*ret != 0) {
            return fail_duplicates(work, group, *ret - 1, row);
        }
        *ret = row + 1;
    }
    return 0;
}

/* ---- one group over the steps ---- */

static int match_pair(struct matching_work *work, size_t many, size_t one, size_t step) {
    struct output *output = output_of(work, many, one);
    double *value = &work->result->rows[output->row].values[step];
    double left = work->many.rows[many].values[step], right = work->one.rows[one].values[step];
    if (output->seen == work->now) {
        return eval_fail(work->eval, "multiple matches for labels: grouping labels must ensure "
                                     "unique matches");
    }
    output->seen = work->now;
    if (work->swapped) {
        double was_left = left;
        left = right;
        right = was_left;
    }
    double result = work->info->compute(left, right);
    if (work->info->class == CLASS_COMPARISON && !work->expr->binary.bool_modifier) {
        if (result == 0.0) {
            return 0;
        }
        result = left;
    }
    if (!eval_is_missing(*value)) {
        return eval_fail(work->eval, "vector cannot contain metrics with the same labelset");
    }
    *value = result;
    return 0;
}

/* Duplicates on the one side, in whatever group, are the first thing to be said. */
static int fail_many_to_one(struct matching_work *work, size_t step) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < work->n_groups; i++) {
        size_t ignored;
        r = find_one(work, &work->groups[i], step, &ignored);
    }
    return r != 0 ? r
                  : eval_fail(work->eval, "multiple matches for labels: many-to-one matching must "
                                          "be explicit (group_left/group_right)");
}

static int match_step(struct matching_work *work, const struct match_group *group, size_t step) {
    bool one_to_one = work->expr->binary.matching.card == CARD_ONE_TO_ONE;
    bool matched = false;
    size_t one;
    int r = find_one(work, group, step, &one);
    work->now++;
    for (size_t i = 0; r == 0 && one != 0 && i < group->n_many; i++) {
        size_t many = group->many[i];
        if (eval_is_missing(work->many.rows[many].values[step])) {
            continue;
        }
        if (matched && one_to_one) {
            return fail_many_to_one(work, step);
        }
        matched = true;
        r = match_pair(work, many, one - 1, step);
    }
    return r;
}

static int match_vectors(struct matching_work *work) {
    struct eval *eval = work->eval;
    const bool *many = steps_with_values(eval, &work->many, work->grid);
    const bool *one = steps_with_values(eval, &work->one, work->grid);
    int r = 0;
    work->pairings = arena_array(eval->arena, work->many.n_rows + 1, sizeof(*work->pairings));
    for (size_t i = 0; r == 0 && i < work->n_groups; i++) {
        const struct match_group *group = &work->groups[i];
        for (size_t step = 0; r == 0 && step < work->grid->n; step++) {
            if (many[step] && one[step]) {
                r = match_step(work, group, step);
            }
        }
    }
    hash_map_deinit(&work->by_labels);
    return r;
}

/* ---- sets ---- */

/* Takes values of rows away where the group's rows of the other side have a value (or have none,
 * if wanted). */
static void mask(const struct matrix *rows, const size_t *list, size_t n_list,
                 const struct matrix *others, const size_t *other_list, size_t n_others,
                 size_t n_steps, bool wanted) {
    for (size_t step = 0; step < n_steps; step++) {
        bool there = false;
        for (size_t i = 0; !there && i < n_others; i++) {
            there = !eval_is_missing(others->rows[other_list[i]].values[step]);
        }
        for (size_t i = 0; there != wanted && i < n_list; i++) {
            rows->rows[list[i]].values[step] = eval_missing();
        }
    }
}

static int combine_sets(struct matching_work *work) {
    enum operator op = work->expr->binary.op;
    struct matrix *left = &work->many, *right = &work->one;
    for (size_t i = 0; i < work->n_groups; i++) {
        const struct match_group *group = &work->groups[i];
        if (op == OP_OR) {
            mask(right, group->one, group->n_one, left, group->many, group->n_many, work->grid->n,
                 false);
        } else {
            mask(left, group->many, group->n_many, right, group->one, group->n_one, work->grid->n,
                 op == OP_AND);
        }
    }
    *work->result = *left;
    if (op != OP_OR) {
        return 0;
    }
    for (size_t i = 0; i < right->n_rows; i++) {
        struct eval_row *row = matrix_add(work->eval, work->result, right->rows[i].labels, 0);
        *row = right->rows[i];
    }
    return merge_rows(work->eval, work->result, work->grid, false);
}

int eval_binary(struct eval *eval, const struct expr *expr, const struct grid *grid,
                struct matrix *ret) {
    if (expr->binary.left->type == VALUE_SCALAR || expr->binary.right->type == VALUE_SCALAR) {
        return binary_with_scalar(eval, expr, grid, ret);
    }
    struct matching_work work = {
        .eval = eval,
        .expr = expr,
        .info = &operator_table[expr->binary.op],
        .grid = grid,
        .swapped = expr->binary.matching.card == CARD_ONE_TO_MANY,
        .result = ret,
    };
    int r = eval_vector(eval, expr->binary.left, grid, work.swapped ? &work.one : &work.many);
    r = r != 0 ? r
               : eval_vector(eval, expr->binary.right, grid, work.swapped ? &work.many : &work.one);
    if (r != 0) {
        return r;
    }
    make_groups(&work);
    r = eval_spend(eval, (work.many.n_rows + work.one.n_rows) * grid->n);
    if (r != 0) {
        return r;
    }
    return work.info->class == CLASS_SET ? combine_sets(&work) : match_vectors(&work);
}
