/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/failover_print.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/macros.h"
#include "failover/wal_rate.h"

const char *const failover_format_names[] = {"table", "json", NULL};

/* ---- JSON ---- */

static void write_value(struct json_writer *json, const char *key, const struct json_value *value) {
    if (value == NULL || value->kind == JSON_IS_NULL) {
        json_text(json, key, NULL);
    } else if (value->kind == JSON_IS_TEXT) {
        json_str(json, key, value->text);
    } else if (value->kind == JSON_IS_BOOL) {
        json_bool(json, key, value->truth);
    } else if (value->kind == JSON_IS_NUMBER) {
        json_double(json, key, value->number);
    } else {
        bool is_list = value->kind == JSON_IS_LIST;
        (is_list ? json_list_begin : json_object_begin)(json, key);
        for (size_t i = 0; i < value->n_items; i++) {
            char name[64];
            snprintf(name, sizeof(name), "%.*s", (int)value->items[i].key.len,
                     value->items[i].key.data != NULL ? value->items[i].key.data : "");
            write_value(json, is_list ? NULL : name, &value->items[i]);
        }
        (is_list ? json_list_end : json_object_end)(json);
    }
}

void failover_print_json(const struct json_value *value, struct strbuf *out) {
    struct json_writer json = {.out = out};
    write_value(&json, NULL, value);
    strbuf_add_char(out, '\n');
}

static void print_plans(const struct json_value *plans, struct strbuf *out) {
    static const char *const keys[] = {"id",          "cluster", "state", "mode",  "old_primary",
                                       "new_primary", "started", "ended", "reason"};
    struct json_writer json = {.out = out};
    json_list_begin(&json, NULL);
    for (size_t i = 0; plans != NULL && i < plans->n_items; i++) {
        json_object_begin(&json, NULL);
        for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
            write_value(&json, keys[k], json_member(&plans->items[i], keys[k]));
        }
        json_object_end(&json);
    }
    json_list_end(&json);
    strbuf_add_char(out, '\n');
}

/* ---- for people ---- */

static const char *text_of(const struct json_value *object, const char *key, char out[128]) {
    struct str text = json_text_of(json_member(object, key));
    snprintf(out, 128, "%.*s", (int)text.len, text.data != NULL ? text.data : "");
    return out[0] != '\0' ? out : "-";
}

static void add_ready(const struct json_value *cluster, struct strbuf *out) {
    const struct json_value *ready = json_member(cluster, "ready");
    size_t before = out->len;
    for (size_t i = 0; ready != NULL && i < ready->n_items; i++) {
        if (!ready->items[i].truth) {
            strbuf_printf(out, "%s%.*s",
                          out->len > before ? "," : "no: ", (int)ready->items[i].key.len,
                          ready->items[i].key.data);
        }
    }
    strbuf_add_text(out, out->len > before ? "\n" : "yes\n");
}

static void add_member(const struct json_value *member, struct strbuf *out) {
    char name[128], role[128], position[128], obstacle[128];
    struct str words = json_text_of(json_member(member, "evidence"));
    strbuf_printf(out, "  %-20s %-8s %-14s %-14s %.*s\n", text_of(member, "target", name),
                  text_of(member, "role", role), text_of(member, "position", position),
                  text_of(member, "obstacle", obstacle), (int)words.len,
                  words.data != NULL ? words.data : "");
}

static void add_cluster(const struct json_value *cluster, struct strbuf *out) {
    const struct json_value *members = json_member(cluster, "members");
    struct str obstacles = json_text_of(json_member(cluster, "not_ready"));
    char name[128], verdict[128], primary[128], candidate[128], mode[128];
    strbuf_printf(out, "%-20s %-14s %-20s %-20s %-9s ", text_of(cluster, "cluster", name),
                  text_of(cluster, "verdict", verdict), text_of(cluster, "primary", primary),
                  text_of(cluster, "candidate", candidate), text_of(cluster, "mode", mode));
    add_ready(cluster, out);
    if (obstacles.len > 0) {
        strbuf_printf(out, "  not ready: %.*s\n", (int)obstacles.len, obstacles.data);
    }
    for (size_t i = 0; members != NULL && i < members->n_items; i++) {
        add_member(&members->items[i], out);
    }
}

static bool is_cause(const struct json_value *note) {
    return str_is(json_text_of(json_member(note, "event")), "failure") &&
           !str_is(json_text_of(json_member(note, "step")), "undo");
}

static struct str first_line(struct str text) {
    const char *end = text.len > 0 ? memchr(text.data, '\n', text.len) : NULL;
    return end != NULL ? (struct str){text.data, (size_t)(end - text.data)} : text;
}

/* What a failed one failed of, else what was said last, as one line of a table. */
static struct str last_words(const struct json_value *plan) {
    const struct json_value *notes = json_member(plan, "notes");
    bool failed = str_is(json_text_of(json_member(plan, "state")), "failed");
    struct str newest = {0};
    for (size_t i = notes != NULL ? notes->n_items : 0; i > 0; i--) {
        struct str text = json_text_of(json_member(&notes->items[i - 1], "text"));
        if (failed && is_cause(&notes->items[i - 1])) {
            return first_line(text);
        }
        newest = newest.len > 0 ? newest : text;
    }
    return first_line(newest);
}

static void add_plan(const struct json_value *plan, struct strbuf *out) {
    char id[128], reason[128], old[128], next[128], state[128];
    struct str text = last_words(plan);
    strbuf_printf(out, "%-40s %-10s %-20s %-20s %s: %.*s\n", text_of(plan, "id", id),
                  text_of(plan, "state", state), text_of(plan, "old_primary", old),
                  text_of(plan, "new_primary", next), text_of(plan, "reason", reason),
                  (int)text.len, text.data != NULL ? text.data : "");
}

void failover_print_list(const struct json_value *data, enum failover_format format,
                         struct strbuf *out) {
    const struct json_value *clusters = json_member(data, "clusters");
    const struct json_value *plans = json_member(data, "plans");
    if (format == FAILOVER_JSON) {
        print_plans(plans, out);
        return;
    }
    strbuf_printf(out, "%-20s %-14s %-20s %-20s %-9s %s\n", "CLUSTER", "VERDICT", "PRIMARY",
                  "CANDIDATE", "MODE", "READY");
    for (size_t i = 0; clusters != NULL && i < clusters->n_items; i++) {
        add_cluster(&clusters->items[i], out);
    }
    if (plans != NULL && plans->n_items > 0) {
        strbuf_printf(out, "\n%-40s %-10s %-20s %-20s %s\n", "ID", "STATE", "OLD PRIMARY",
                      "NEW PRIMARY", "REASON");
    }
    for (size_t i = 0; plans != NULL && i < plans->n_items; i++) {
        add_plan(&plans->items[i], out);
    }
}

static void add_loss(const struct json_value *plan, struct strbuf *out) {
    const struct json_value *rate = json_member(plan, "wal_bytes_per_second");
    const struct json_value *age = json_member(plan, "position_age_seconds");
    struct wal_loss loss = {
        .has_rate = rate != NULL && rate->kind == JSON_IS_NUMBER,
        .has_age = age != NULL && age->kind == JSON_IS_NUMBER,
    };
    loss.bytes_per_second = loss.has_rate ? (uint64_t)rate->number : 0;
    loss.age_ms = loss.has_age ? (uint64_t)(age->number * 1000) : 0;
    if (loss.has_rate || loss.has_age) {
        strbuf_printf(out, "%-12s ", "loss");
        wal_loss_words(&loss, out);
        strbuf_add_char(out, '\n');
    }
}

void failover_print_plan(const struct json_value *plan, enum failover_format format,
                         struct strbuf *out) {
    static const char *const keys[] = {"id",          "cluster",     "state",   "mode",
                                       "old_primary", "new_primary", "started", "ended",
                                       "reason",      "position",    "evidence"};
    const struct json_value *notes = json_member(plan, "notes");
    const struct json_value *recovery = json_member(plan, "recovery_seconds");
    if (format == FAILOVER_JSON) {
        failover_print_json(plan, out);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct str text = json_text_of(json_member(plan, keys[i]));
        strbuf_printf(out, "%-12s %.*s\n", keys[i], text.len > 0 ? (int)text.len : 1,
                      text.len > 0 ? text.data : "-");
    }
    add_loss(plan, out);
    if (recovery != NULL && recovery->kind == JSON_IS_NUMBER) {
        const struct json_value *bytes = json_member(plan, "lost_bytes");
        strbuf_printf(out, "%-12s %.3f s; at least %.0f bytes lost\n", "recovery", recovery->number,
                      bytes != NULL ? bytes->number : 0);
    }
    strbuf_add_char(out, '\n');
    for (size_t i = 0; notes != NULL && i < notes->n_items; i++) {
        char at[128], step[128], event[128];
        struct str text = json_text_of(json_member(&notes->items[i], "text"));
        strbuf_printf(out, "%-24s %-8s %-12s %.*s\n", text_of(&notes->items[i], "at", at),
                      text_of(&notes->items[i], "step", step),
                      text_of(&notes->items[i], "event", event), (int)text.len,
                      text.data != NULL ? text.data : "");
    }
}
