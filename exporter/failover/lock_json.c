/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/lock_json.h"

#include "base/json.h"
#include "base/json_reader.h"

const char *const failover_lock_state_names[] = {
    [FAILOVER_LOCK_HELD] = "held",
    [FAILOVER_LOCK_OTHER] = "other",
    [FAILOVER_LOCK_UNREACHABLE] = "unreachable",
};

const char *const failover_claim_names[] = {
    [FAILOVER_CLAIM_OURS] = "ours",         [FAILOVER_CLAIM_TAKEN] = "taken",
    [FAILOVER_CLAIM_NOT_HELD] = "not held", [FAILOVER_CLAIM_MAINTENANCE] = "maintenance",
    [FAILOVER_CLAIM_UNKNOWN] = "unknown",
};

void lock_name_copy(char *out, size_t size, struct str name) {
    size_t at = 0, len = 0;
    while (at < name.len) {
        size_t n = utf8_length(name.data + at, name.len - at);
        bool good = n > 1 || (n == 1 && name.data[at] >= ' ' && name.data[at] != 0x7f);
        if (len + (good ? n : 1) >= size) {
            break;
        }
        if (good) {
            memcpy(out + len, name.data + at, n);
        } else {
            out[len] = '?';
        }
        len += good ? n : 1;
        at += n > 0 ? n : 1;
    }
    out[len] = '\0';
}

bool lock_name_fits(const char *name, size_t size) {
    char copy[FAILOVER_LOCK_NAME_SIZE];
    if (name == NULL || name[0] == '\0' || strlen(name) >= size || size > sizeof(copy)) {
        return false;
    }
    lock_name_copy(copy, size, str_of(name));
    return strcmp(copy, name) == 0;
}

void lock_plan_write(struct strbuf *out, const struct failover_lock_plan *plan) {
    struct json_writer json = {.out = out};
    json_object_begin(&json, NULL);
    json_text(&json, "id", plan->id);
    json_text(&json, "candidate", plan->candidate);
    json_text(&json, "old_primary", plan->old_primary);
    json_text(&json, "holder", plan->holder);
    json_int(&json, "t", plan->began_ms);
    if (plan->outcome[0] != '\0') {
        json_text(&json, "outcome", plan->outcome);
    }
    json_object_end(&json);
}

/* A name that would have to be changed is none. Return: whether it is there. */
static bool take_name(const struct json_value *map, const char *key, size_t size, char *ret) {
    struct str text = json_text_of(json_member(map, key));
    if (text.len == 0 || memchr(text.data, '\0', text.len) != NULL) {
        return false;
    }
    bool good = lock_name_fits(text.data, size); /* the arena has put a zero byte behind it */
    if (good) {
        lock_name_copy(ret, size, text);
    }
    return good;
}

static bool take_time(const struct json_value *map, const char *key, int64_t *ret) {
    const struct json_value *value = json_member(map, key);
    bool good = value != NULL && value->kind == JSON_IS_NUMBER && value->number > 0 &&
                value->number <= (double)LOCK_MOST_MS;
    if (good) {
        *ret = (int64_t)value->number;
    }
    return good;
}

static bool take_plan(const struct json_value *map, struct failover_lock_plan *ret) {
    const size_t size = FAILOVER_LOCK_NAME_SIZE;
    return take_name(map, "id", size, ret->id) &&
           take_name(map, "candidate", size, ret->candidate) &&
           take_name(map, "old_primary", size, ret->old_primary) &&
           take_name(map, "holder", size, ret->holder) && take_time(map, "t", &ret->began_ms) &&
           (json_member(map, "outcome") == NULL ||
            take_name(map, "outcome", sizeof(ret->outcome), ret->outcome));
}

void lock_plan_read(struct str text, struct failover_lock_plan *ret) {
    struct arena arena = {0};
    const struct json_value *map;
    struct failover_lock_plan plan = {.readable = true};
    if (json_read(text, &arena, &map, NULL) < 0 || !take_plan(map, &plan)) {
        plan = (struct failover_lock_plan){.readable = false};
    }
    *ret = plan;
    arena_deinit(&arena);
}

void lock_maintenance_write(struct strbuf *out, const struct failover_lock_maintenance *maintenance,
                            int64_t now_ms) {
    struct json_writer json = {.out = out};
    json_object_begin(&json, NULL);
    json_int(&json, "until", maintenance->until_ms);
    json_text(&json, "who", maintenance->who);
    json_int(&json, "t", now_ms);
    json_object_end(&json);
}

void lock_maintenance_read(struct str text, struct failover_lock_maintenance *ret) {
    struct arena arena = {0};
    const struct json_value *map;
    struct failover_lock_maintenance found = {0};
    if (json_read(text, &arena, &map, NULL) < 0 || !take_time(map, "until", &found.until_ms) ||
        !take_name(map, "who", sizeof(found.who), found.who)) {
        found = (struct failover_lock_maintenance){.until_ms = INT64_MAX, .who = "?"};
    }
    *ret = found;
    arena_deinit(&arena);
}
