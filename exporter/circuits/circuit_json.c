/* SPDX-License-Identifier: Apache-2.0 */

#include "circuits/circuit_json.h"

#include <stdio.h>

#include "base/duration.h"
#include "base/json_reader.h"

static double seconds_of(uint64_t usec) {
    return (double)usec / (double)USEC_PER_SEC;
}

void circuit_json_write(struct json_writer *json, const struct kept_circuit *kept,
                        struct circuit_time now) {
    const struct circuit_options *options = &kept->options;
    struct circuit_status status = circuits_status(kept, now);
    json_text(json, "name", options->name);
    json_text(json, "state", breaker_state_names[status.state]);
    json_text(json, "reason", status.reason[0] != '\0' ? status.reason : NULL);
    json_bool(json, "shedding", status.shedding);
    json_double(json, "since", (double)status.since_ms / 1000);
    json_double(json, "retry_after", seconds_of(status.retry_after_usec));
    json_text(json, "owner", status.owner);
    json_text(json, "own_state", breaker_state_names[kept->circuit.breaker.state]);
    json_text(json, "circuit", circuit_kind_names[options->kind]);
    json_text(json, "group", options->group);
    json_text(json, "target", options->target);
    json_text(json, "cluster", options->cluster);
}

static void write_word(struct json_writer *json, const struct kept_circuit *kept, const char *owner,
                       struct circuit_time now) {
    enum breaker_state state = kept->circuit.breaker.state;
    uint64_t wait_usec = circuit_retry_after(&kept->circuit, now.usec);
    /* An order is this monitor's business: to others it is open. */
    json_text(json, "state",
              breaker_state_names[state == BREAKER_HALF_OPEN ? BREAKER_HALF_OPEN : BREAKER_OPEN]);
    json_text(json, "reason",
              circuit_is_forced(state) ? "operator" : circuit_reason_names[kept->circuit.reason]);
    json_double(json, "since", (double)kept->changed_ms / 1000);
    json_double(json, "until", (double)now.ms / 1000 + seconds_of(wait_usec));
    json_text(json, "owner", owner);
}

void circuit_json_publish(const struct kept_circuit *kept, const char *owner,
                          struct circuit_time now, struct strbuf *out) {
    struct json_writer json = {.out = out};
    json_object_begin(&json, NULL);
    write_word(&json, kept, owner, now);
    json_object_end(&json);
}

void circuit_json_announce(const struct kept_circuit *kept, const char *owner,
                           struct circuit_time now, struct strbuf *out) {
    struct json_writer json = {.out = out};
    json_object_begin(&json, NULL);
    json_text(&json, "name", kept->options.name);
    if (circuit_sheds(kept->circuit.breaker.state)) {
        write_word(&json, kept, owner, now);
    } else {
        json_text(&json, "state", breaker_state_names[BREAKER_CLOSED]);
        json_double(&json, "since", (double)kept->changed_ms / 1000);
        json_text(&json, "owner", owner);
    }
    json_object_end(&json);
}

static void copy(struct str text, char *out, size_t size) {
    snprintf(out, size, "%.*s", (int)text.len, text.len > 0 ? text.data : "");
}

bool circuit_json_parse(struct str value, struct circuit_foreign *ret) {
    const struct json_value *body = NULL;
    struct circuit_foreign found = {0};
    struct arena arena = {0};
    bool good = value.len <= CIRCUIT_MOST_VALUE_BYTES &&
                json_read(value, &arena, &body, NULL) == 0 && body->kind == JSON_IS_OBJECT;
    if (good) {
        struct str state = json_text_of(json_member(body, "state"));
        struct str owner = json_text_of(json_member(body, "owner"));
        const struct json_value *since = json_member(body, "since");
        found.state = str_is(state, "open")        ? BREAKER_OPEN
                      : str_is(state, "half_open") ? BREAKER_HALF_OPEN
                                                   : BREAKER_CLOSED;
        copy(owner, found.owner, sizeof(found.owner));
        copy(json_text_of(json_member(body, "reason")), found.reason, sizeof(found.reason));
        /* Within what a wall clock may say. */
        if (since != NULL && since->kind == JSON_IS_NUMBER && since->number > 0 &&
            since->number < 1e11) {
            found.since_ms = (int64_t)(since->number * 1000);
        }
        good = found.state != BREAKER_CLOSED && owner.len > 0;
    }
    arena_deinit(&arena);
    if (good) {
        *ret = found;
    }
    return good;
}
