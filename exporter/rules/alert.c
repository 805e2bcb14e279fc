/* SPDX-License-Identifier: Apache-2.0 */

#include "rules/alert.h"

#include <stdlib.h>

#include "base/mem.h"

#define LEAST_LABEL_BYTES 16                        /* two lengths */
#define MOST_TIME_MS      INT64_C(4000000000000000) /* sums of two do not overflow */

const char *const alert_state_names[] = {
    [ALERT_INACTIVE] = "inactive",
    [ALERT_PENDING] = "pending",
    [ALERT_FIRING] = "firing",
};

const char *const alert_finding_names[] = {
    [FINDING_SHORT] = "short",
    [FINDING_LONG] = "long",
    [FINDING_KEPT] = "kept",
    [FINDING_GONE] = "gone",
};

const struct alert_transition alert_transitions[ALERT_TRANSITIONS] = {
    {ALERT_INACTIVE, FINDING_SHORT, ALERT_PENDING, ALERT_BEGIN},
    {ALERT_INACTIVE, FINDING_LONG, ALERT_FIRING, ALERT_BEGIN_FIRE},
    {ALERT_INACTIVE, FINDING_KEPT, ALERT_INACTIVE, ALERT_STAY},
    {ALERT_INACTIVE, FINDING_GONE, ALERT_INACTIVE, ALERT_STAY},
    {ALERT_PENDING, FINDING_SHORT, ALERT_PENDING, ALERT_STAY},
    {ALERT_PENDING, FINDING_LONG, ALERT_FIRING, ALERT_FIRE},
    {ALERT_PENDING, FINDING_KEPT, ALERT_INACTIVE, ALERT_FORGET},
    {ALERT_PENDING, FINDING_GONE, ALERT_INACTIVE, ALERT_FORGET},
    {ALERT_FIRING, FINDING_SHORT, ALERT_PENDING, ALERT_WITHDRAW},
    {ALERT_FIRING, FINDING_LONG, ALERT_FIRING, ALERT_STAY},
    {ALERT_FIRING, FINDING_KEPT, ALERT_FIRING, ALERT_STAY},
    {ALERT_FIRING, FINDING_GONE, ALERT_INACTIVE, ALERT_RESOLVE},
};

/* ---- one alert ---- */

/* Copies of labels, whose texts lie one after another in *ret_texts. */
static struct label *copy_labels(const struct label *labels, size_t count, char **ret_texts) {
    struct label *copy = mem_array(count + 1, sizeof(*copy));
    struct strbuf texts = {0};
    for (size_t i = 0; i < count; i++) {
        strbuf_add_str(&texts, labels[i].name);
        strbuf_add_str(&texts, labels[i].value);
    }
    char *at = strbuf_take(&texts);
    *ret_texts = at;
    for (size_t i = 0; i < count; i++) {
        copy[i].name = (struct str){at, labels[i].name.len};
        at += labels[i].name.len;
        copy[i].value = (struct str){at, labels[i].value.len};
        at += labels[i].value.len;
    }
    return copy;
}

/* The bytes 0xff stand in no text. */
static void make_key(const struct label *labels, size_t count, struct strbuf *out) {
    for (size_t i = 0; i < count; i++) {
        strbuf_add_str(out, labels[i].name);
        strbuf_add_char(out, '\xff');
        strbuf_add_str(out, labels[i].value);
        strbuf_add_char(out, '\xff');
    }
}

static void alert_free(struct alert *alert) {
    free(alert->labels);
    free(alert->annotations);
    free(alert->label_texts);
    free(alert->annotation_texts);
    free((char *)(uintptr_t)alert->key.data);
    free(alert);
}

void alert_set_annotations(struct alert *alert, const struct label *annotations, size_t count) {
    free(alert->annotations);
    free(alert->annotation_texts);
    alert->annotations = copy_labels(annotations, count, &alert->annotation_texts);
    alert->view.annotations = alert->annotations;
    alert->view.n_annotations = count;
}

/* ---- the list ---- */

static bool has_key(const void *entry, const void *key) {
    return str_equal(((const struct alert *)entry)->key, *(const struct str *)key);
}

struct alert *alert_list_find(const struct alert_list *list, const struct label *labels,
                              size_t n_labels) {
    struct strbuf text = {0};
    make_key(labels, n_labels, &text);
    struct str key = strbuf_view(&text);
    struct alert *alert =
        hash_map_get(&list->by_labels, hash_bytes(key.data, key.len), has_key, &key);
    strbuf_deinit(&text);
    return alert;
}

struct alert *alert_list_add(struct alert_list *list, uint64_t salt, const struct label *labels,
                             size_t n_labels) {
    struct alert *alert = mem_alloc(sizeof(*alert));
    struct strbuf key = {0};
    make_key(labels, n_labels, &key);
    alert->key.len = key.len;
    alert->key.data = strbuf_take(&key);
    alert->hash = hash_bytes(alert->key.data, alert->key.len);
    alert->labels = copy_labels(labels, n_labels, &alert->label_texts);
    alert->view = (struct alert_view){
        .id = hash_stable(alert->key) ^ salt,
        .labels = alert->labels,
        .n_labels = n_labels,
    };
    list->alerts = mem_grow(list->alerts, list->n, &list->capacity, sizeof(struct alert *));
    list->alerts[list->n++] = alert;
    hash_map_add(&list->by_labels, alert->hash, alert);
    return alert;
}

void alert_list_deinit(struct alert_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        alert_free(list->alerts[i]);
    }
    free(list->alerts);
    hash_map_deinit(&list->by_labels);
    *list = (struct alert_list){0};
}

static bool is_active(const struct alert *alert) {
    return alert->view.state != ALERT_INACTIVE;
}

size_t alert_list_active(const struct alert_list *list) {
    size_t active = 0;
    for (size_t i = 0; i < list->n; i++) {
        active += is_active(list->alerts[i]);
    }
    return active;
}

enum alert_state alert_list_state(const struct alert_list *list) {
    enum alert_state worst = ALERT_INACTIVE;
    for (size_t i = 0; i < list->n; i++) {
        enum alert_state state = list->alerts[i]->view.state;
        worst = state > worst ? state : worst;
    }
    return worst;
}

void alert_list_sweep(struct alert_list *list, int64_t t_ms, int64_t retention_ms) {
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++) {
        struct alert *alert = list->alerts[i];
        bool resolved = alert->view.resolved_ms != 0;
        if (is_active(alert) || (resolved && t_ms - alert->view.resolved_ms <= retention_ms)) {
            list->alerts[kept++] = alert;
            continue;
        }
        hash_map_remove(&list->by_labels, alert->hash, alert);
        alert_free(alert);
    }
    list->n = kept;
}

/* ---- the machine ---- */

static enum alert_finding find(const struct alert *alert, bool holds, const struct rule *rule,
                               int64_t t_ms) {
    const struct alert_view *view = &alert->view;
    if (!holds) {
        bool kept = view->state == ALERT_FIRING && rule->keep_firing_for_ms > 0 &&
                    (view->keep_firing_since_ms == 0 ||
                     t_ms - view->keep_firing_since_ms < rule->keep_firing_for_ms);
        return kept ? FINDING_KEPT : FINDING_GONE;
    }
    int64_t active_ms = view->state == ALERT_INACTIVE ? t_ms : view->active_ms;
    return t_ms - active_ms >= rule->for_ms ? FINDING_LONG : FINDING_SHORT;
}

static const struct alert_transition *find_transition(enum alert_state from,
                                                      enum alert_finding finding) {
    for (size_t i = 0; i < ALERT_TRANSITIONS; i++) {
        if (alert_transitions[i].from == from && alert_transitions[i].finding == finding) {
            return &alert_transitions[i];
        }
    }
    abort(); /* a test proves that every pair has a row */
}

static void begin(struct alert *alert, int64_t t_ms) {
    alert->view.active_ms = t_ms;
    alert->view.fired_ms = 0;
    alert->view.resolved_ms = 0;
    alert->view.keep_firing_since_ms = 0;
}

static void fire(struct alert *alert, int64_t t_ms) {
    alert->view.fired_ms = t_ms;
    alert->generation++;
}

enum alert_action alert_step(struct alert *alert, bool holds, const struct rule *rule,
                             int64_t t_ms) {
    struct alert_view *view = &alert->view;
    enum alert_finding finding = find(alert, holds, rule, t_ms);
    const struct alert_transition *transition = find_transition(view->state, finding);
    if (finding != FINDING_KEPT) {
        view->keep_firing_since_ms = 0;
    } else if (view->keep_firing_since_ms == 0 && view->state == ALERT_FIRING) {
        view->keep_firing_since_ms = t_ms;
    }
    switch (transition->action) {
    case ALERT_STAY:
    case ALERT_WITHDRAW:
    case ALERT_FORGET:
        break;
    case ALERT_BEGIN:
        begin(alert, t_ms);
        break;
    case ALERT_FIRE:
        fire(alert, t_ms);
        break;
    case ALERT_BEGIN_FIRE:
        begin(alert, t_ms);
        fire(alert, t_ms);
        break;
    case ALERT_RESOLVE:
        view->resolved_ms = t_ms;
        alert->generation++;
        break;
    }
    view->state = transition->to;
    view->restored = false;
    return transition->action;
}

/* ---- state file ---- */

static void pack_labels(const struct label *labels, size_t count, struct strbuf *out) {
    pack_u64(out, count);
    for (size_t i = 0; i < count; i++) {
        pack_str(out, labels[i].name);
        pack_str(out, labels[i].value);
    }
}

void alert_pack(const struct alert *alert, struct strbuf *out) {
    const struct alert_view *view = &alert->view;
    pack_labels(view->labels, view->n_labels, out);
    pack_labels(view->annotations, view->n_annotations, out);
    pack_u64(out, (uint64_t)view->state);
    pack_double(out, view->value);
    pack_i64(out, view->active_ms);
    pack_i64(out, view->fired_ms);
    pack_i64(out, view->resolved_ms);
    pack_i64(out, view->keep_firing_since_ms);
    pack_i64(out, alert->sent_ms);
    pack_u64(out, alert->generation);
}

/* At most `most`; what is above it makes the input bad. */
static size_t unpack_labels(struct unpacker *in, struct label *ret, size_t most) {
    size_t count = unpack_count(in, LEAST_LABEL_BYTES);
    in->bad |= count > most;
    for (size_t i = 0; !in->bad && i < count; i++) {
        ret[i].name = unpack_str(in);
        ret[i].value = unpack_str(in);
    }
    return in->bad ? 0 : count;
}

int64_t alert_unpack_time(struct unpacker *in) {
    int64_t t_ms = unpack_i64(in);
    in->bad |= t_ms < -MOST_TIME_MS || t_ms > MOST_TIME_MS;
    return in->bad ? 0 : t_ms;
}

struct alert *alert_unpack(struct alert_list *list, uint64_t salt, struct unpacker *in) {
    struct label labels[2 * RULES_MOST_LABELS], annotations[RULES_MOST_LABELS];
    size_t n_labels = unpack_labels(in, labels, ARRAY_LEN(labels));
    size_t n_annotations = unpack_labels(in, annotations, ARRAY_LEN(annotations));
    struct alert_view view = {.state = (enum alert_state)unpack_u64(in)};
    view.value = unpack_double(in);
    view.active_ms = alert_unpack_time(in);
    view.fired_ms = alert_unpack_time(in);
    view.resolved_ms = alert_unpack_time(in);
    view.keep_firing_since_ms = alert_unpack_time(in);
    int64_t sent_ms = alert_unpack_time(in);
    uint64_t generation = unpack_u64(in);
    in->bad |= view.state > ALERT_FIRING;
    if (in->bad || list == NULL || alert_list_find(list, labels, n_labels) != NULL) {
        return NULL;
    }
    struct alert *alert = alert_list_add(list, salt, labels, n_labels);
    view.id = alert->view.id;
    view.labels = alert->view.labels;
    view.n_labels = n_labels;
    view.restored = true;
    alert->view = view;
    alert->sent_ms = sent_ms;
    alert->generation = generation;
    alert->outdated = true;
    alert_set_annotations(alert, annotations, n_annotations);
    return alert;
}
