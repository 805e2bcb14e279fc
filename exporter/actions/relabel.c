/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/relabel.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/digest.h"

const char *const relabel_action_names[] = {
    [RELABEL_REPLACE] = "replace",     [RELABEL_KEEP] = "keep",
    [RELABEL_DROP] = "drop",           [RELABEL_KEEPEQUAL] = "keepequal",
    [RELABEL_DROPEQUAL] = "dropequal", [RELABEL_HASHMOD] = "hashmod",
    [RELABEL_LABELMAP] = "labelmap",   [RELABEL_LABELDROP] = "labeldrop",
    [RELABEL_LABELKEEP] = "labelkeep", [RELABEL_LOWERCASE] = "lowercase",
    [RELABEL_UPPERCASE] = "uppercase", [RELABEL_ACTIONS] = NULL,
};

void relabel_step_deinit(struct relabel_step *step) {
    for (size_t i = 0; i < step->n_source_labels; i++) {
        free(step->source_labels[i]);
    }
    free(step->source_labels);
    free(step->separator);
    free(step->pattern);
    regex_free(step->regex);
    free(step->target_label);
    free(step->replacement);
    *step = (struct relabel_step){0};
}

/* The labels while steps work on them; one without value is none. */
struct label_work {
    struct arena *arena;
    struct label *labels;
    size_t n, capacity;
};

static struct label *find(const struct label_work *work, struct str name) {
    for (size_t i = 0; i < work->n; i++) {
        if (str_equal(work->labels[i].name, name)) {
            return &work->labels[i];
        }
    }
    return NULL;
}

/* Texts are copied into the arena. */
static void set(struct label_work *work, struct str name, struct str value) {
    struct label *label = find(work, name);
    if (label == NULL) {
        if (work->n == work->capacity) {
            size_t capacity = work->capacity * 2 + 8;
            struct label *labels = arena_array(work->arena, capacity, sizeof(*labels));
            if (work->n > 0) {
                memcpy(labels, work->labels, work->n * sizeof(*labels));
            }
            work->labels = labels;
            work->capacity = capacity;
        }
        label = &work->labels[work->n++];
        label->name = arena_dup(work->arena, name);
    }
    label->value = arena_dup(work->arena, value);
}

static void join_sources(const struct relabel_step *step, const struct label_work *work,
                         struct strbuf *out) {
    for (size_t i = 0; i < step->n_source_labels; i++) {
        const struct label *label = find(work, str_of(step->source_labels[i]));
        strbuf_add_text(out, i > 0 ? step->separator : "");
        strbuf_add_str(out, label != NULL ? label->value : str_of(""));
    }
}

/* ---- the actions: return 1 to go on, 0 to drop, or negative errno ---- */

struct step_work {
    const struct relabel_step *step;
    struct label_work *labels;
    struct str source; /* the joined values */
};

static int keep_or_drop(const struct step_work *work) {
    int r = regex_match(work->step->regex, work->source);
    return r < 0 ? r : (r == REGEX_YES) == (work->step->action == RELABEL_KEEP);
}

static int keep_or_drop_equal(const struct step_work *work) {
    const struct label *label = find(work->labels, str_of(work->step->target_label));
    bool equal = str_equal(label != NULL ? label->value : str_of(""), work->source);
    return equal == (work->step->action == RELABEL_KEEPEQUAL);
}

static int replace(const struct step_work *work) {
    const struct relabel_step *step = work->step;
    struct regex_groups groups;
    struct strbuf name = {0}, value = {0};
    int r = regex_find(step->regex, work->source, 0, &groups);
    if (r == REGEX_YES) {
        regex_expand(step->regex, &groups, str_of(step->target_label), &name);
        regex_expand(step->regex, &groups, str_of(step->replacement), &value);
        if (str_is_word(strbuf_view(&name))) {
            set(work->labels, strbuf_view(&name), strbuf_view(&value));
        }
    }
    strbuf_deinit(&name);
    strbuf_deinit(&value);
    return r < 0 ? r : 1;
}

static int hashmod(const struct step_work *work) {
    char text[24];
    (void)snprintf(text, sizeof(text), "%llu",
                   (unsigned long long)(digest_md5_tail(work->source) % work->step->modulus));
    set(work->labels, str_of(work->step->target_label), str_of(text));
    return 1;
}

/* ASCII alone: label values of other scripts stay as they are. */
static int change_case(const struct step_work *work) {
    struct strbuf text = {0};
    for (size_t i = 0; i < work->source.len; i++) {
        unsigned char c = (unsigned char)work->source.data[i];
        bool lower = work->step->action == RELABEL_LOWERCASE;
        int other = c >= 0x80 ? c : lower ? tolower(c) : toupper(c);
        strbuf_add_char(&text, (char)other);
    }
    set(work->labels, str_of(work->step->target_label), strbuf_view(&text));
    strbuf_deinit(&text);
    return 1;
}

static int labelmap(const struct step_work *work) {
    size_t before = work->labels->n; /* what is added is not mapped again */
    for (size_t i = 0; i < before; i++) {
        struct regex_groups groups;
        struct strbuf name = {0};
        struct label label = work->labels->labels[i];
        int r = regex_find(work->step->regex, label.name, 0, &groups);
        if (r < 0) {
            return r;
        }
        if (r == REGEX_YES && label.value.len > 0) {
            regex_expand(work->step->regex, &groups, str_of(work->step->replacement), &name);
            if (str_is_word(strbuf_view(&name))) {
                set(work->labels, strbuf_view(&name), label.value);
            }
            strbuf_deinit(&name);
        }
    }
    return 1;
}

static int drop_labels(const struct step_work *work) {
    for (size_t i = 0; i < work->labels->n; i++) {
        struct label *label = &work->labels->labels[i];
        int r = regex_match(work->step->regex, label->name);
        if (r < 0) {
            return r;
        }
        if ((r == REGEX_YES) == (work->step->action == RELABEL_LABELDROP)) {
            label->value = str_of("");
        }
    }
    return 1;
}

static int (*const actions[RELABEL_ACTIONS])(const struct step_work *work) = {
    [RELABEL_REPLACE] = replace,
    [RELABEL_KEEP] = keep_or_drop,
    [RELABEL_DROP] = keep_or_drop,
    [RELABEL_KEEPEQUAL] = keep_or_drop_equal,
    [RELABEL_DROPEQUAL] = keep_or_drop_equal,
    [RELABEL_HASHMOD] = hashmod,
    [RELABEL_LABELMAP] = labelmap,
    [RELABEL_LABELDROP] = drop_labels,
    [RELABEL_LABELKEEP] = drop_labels,
    [RELABEL_LOWERCASE] = change_case,
    [RELABEL_UPPERCASE] = change_case,
};

static int by_name(const void *a, const void *b) {
    return str_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

int relabel(const struct relabel_step *steps, size_t n_steps, const struct label *labels,
            size_t n_labels, struct arena *arena, struct label **ret, size_t *n_ret) {
    struct label_work work = {.arena = arena};
    for (size_t i = 0; i < n_labels; i++) {
        set(&work, labels[i].name, labels[i].value);
    }
    int r = 1;
    for (size_t i = 0; i < n_steps && r > 0; i++) {
        struct strbuf source = {0};
        join_sources(&steps[i], &work, &source);
        const struct step_work step = {&steps[i], &work, strbuf_view(&source)};
        r = actions[steps[i].action](&step);
        strbuf_deinit(&source);
    }
    size_t kept = 0;
    for (size_t i = 0; i < work.n; i++) {
        if (work.labels[i].value.len > 0) {
            work.labels[kept++] = work.labels[i];
        }
    }
    if (kept > 0) {
        qsort(work.labels, kept, sizeof(*work.labels), by_name);
    }
    *ret = work.labels;
    *n_ret = kept;
    return r;
}
