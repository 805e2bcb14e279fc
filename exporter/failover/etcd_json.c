/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/etcd_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/duration.h"
#include "base/json_reader.h"

#define MOST_TTL_SECONDS (24 * 3600)
#define SHOWN_BYTES      120
#define MOST_TOKEN_BYTES ((size_t)8 * 1024)

/* ---- requests ---- */

static void add_number(struct json_writer *json, const char *key, int64_t number) {
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    json_text(json, key, text);
}

static void add_bytes(struct json_writer *json, const char *key, struct str bytes) {
    struct strbuf text = {0};
    base64_add(&text, bytes);
    json_str(json, key, strbuf_view(&text));
    strbuf_deinit(&text);
}

void etcd_login_write(struct strbuf *out, const char *user, const char *password) {
    struct json_writer json = {.out = out};
    json_object_begin(&json, NULL);
    json_text(&json, "name", user);
    json_text(&json, "password", password);
    json_object_end(&json);
}

void etcd_grant_write(struct strbuf *out, uint64_t ttl_usec) {
    struct json_writer json = {.out = out};
    json_object_begin(&json, NULL);
    add_number(&json, "TTL", (int64_t)((ttl_usec + USEC_PER_SEC - 1) / USEC_PER_SEC));
    json_object_end(&json);
}

void etcd_lease_write(struct strbuf *out, int64_t id) {
    struct json_writer json = {.out = out};
    json_object_begin(&json, NULL);
    add_number(&json, "ID", id);
    json_object_end(&json);
}

void etcd_txn_begin(struct etcd_txn *txn, struct strbuf *out) {
    *txn = (struct etcd_txn){.json = {.out = out}};
    json_object_begin(&txn->json, NULL);
    json_list_begin(&txn->json, "compare");
}

static void begin_compare(struct etcd_txn *txn, const char *key, const char *target) {
    json_object_begin(&txn->json, NULL);
    add_bytes(&txn->json, "key", str_of(key));
    json_text(&txn->json, "target", target);
    json_text(&txn->json, "result", "EQUAL");
}

void etcd_txn_if_value(struct etcd_txn *txn, const char *key, const char *value) {
    begin_compare(txn, key, "VALUE");
    add_bytes(&txn->json, "value", str_of(value));
    json_object_end(&txn->json);
}

void etcd_txn_if_lease(struct etcd_txn *txn, const char *key, int64_t lease) {
    begin_compare(txn, key, "LEASE");
    add_number(&txn->json, "lease", lease);
    json_object_end(&txn->json);
}

void etcd_txn_if_absent(struct etcd_txn *txn, const char *key) {
    begin_compare(txn, key, "CREATE");
    add_number(&txn->json, "create_revision", 0);
    json_object_end(&txn->json);
}

void etcd_txn_if_unchanged(struct etcd_txn *txn, const char *key, int64_t mod_revision) {
    begin_compare(txn, key, "MOD");
    add_number(&txn->json, "mod_revision", mod_revision);
    json_object_end(&txn->json);
}

void etcd_txn_then(struct etcd_txn *txn) {
    json_list_end(&txn->json);
    json_list_begin(&txn->json, "success");
}

void etcd_txn_otherwise(struct etcd_txn *txn) {
    json_list_end(&txn->json);
    json_list_begin(&txn->json, "failure");
}

static void begin_deed(struct etcd_txn *txn, const char *deed, const char *key) {
    json_object_begin(&txn->json, NULL);
    json_object_begin(&txn->json, deed);
    add_bytes(&txn->json, "key", str_of(key));
}

static void end_deed(struct etcd_txn *txn) {
    json_object_end(&txn->json);
    json_object_end(&txn->json);
}

void etcd_txn_get(struct etcd_txn *txn, const char *key) {
    begin_deed(txn, "request_range", key);
    end_deed(txn);
}

void etcd_txn_put(struct etcd_txn *txn, const char *key, struct str value, int64_t lease) {
    begin_deed(txn, "request_put", key);
    add_bytes(&txn->json, "value", value);
    if (lease != 0) {
        add_number(&txn->json, "lease", lease);
    }
    end_deed(txn);
}

void etcd_txn_delete(struct etcd_txn *txn, const char *key) {
    begin_deed(txn, "request_delete_range", key);
    end_deed(txn);
}

void etcd_txn_end(struct etcd_txn *txn) {
    json_list_end(&txn->json);
    json_object_end(&txn->json);
}

/* ---- answers ---- */

/* What is left out is 0; numbers that are no text are those of other gateways.
 * Return: false when it is no whole number from 0. */
static bool take_number(const struct json_value *map, const char *key, int64_t *ret) {
    const struct json_value *value = json_member(map, key);
    int64_t number = 0;
    if (value != NULL && value->kind == JSON_IS_NUMBER) {
        if (!(value->number >= 0 && value->number < 9e15)) {
            return false;
        }
        number = (int64_t)value->number;
    } else if (value != NULL && !str_to_int64(json_text_of(value), &number)) {
        return false;
    }
    if (number >= 0) {
        *ret = number;
    }
    return number >= 0;
}

/* An answer of etcd has a header with its revision. */
static int read_body(struct str body, struct arena *arena, const struct json_value **ret,
                     int64_t *ret_revision, struct error *err) {
    const struct json_value *root;
    struct error inner = {0};
    if (json_read(body, arena, &root, &inner) < 0) {
        return error_say(err, -EBADMSG, "the answer is no JSON");
    }
    const struct json_value *result = json_member(root, "result"); /* of what is a stream */
    root = result != NULL ? result : root;
    if (!take_number(json_member(root, "header"), "revision", ret_revision) || *ret_revision == 0) {
        return error_say(err, -EBADMSG, "the answer is not etcd's");
    }
    *ret = root;
    return 0;
}

/* It becomes a line of a header in every request: what cannot be one would never be sent, and so
 * never be refused and asked for anew. */
static bool is_token(struct str token) {
    bool good = token.len > 0 && token.len <= MOST_TOKEN_BYTES;
    for (size_t i = 0; good && i < token.len; i++) {
        good = token.data[i] > ' ' && token.data[i] < 0x7f;
    }
    return good;
}

int etcd_login_read(struct str body, struct arena *arena, struct str *ret_token,
                    struct error *err) {
    const struct json_value *root;
    int64_t revision;
    int r = read_body(body, arena, &root, &revision, err);
    if (r < 0) {
        return r;
    }
    struct str token = json_text_of(json_member(root, "token"));
    if (!is_token(token)) {
        return error_say(err, -EBADMSG, "the answer tells no token that can be shown");
    }
    *ret_token = token;
    return 0;
}

int etcd_lease_read(struct str body, struct arena *arena, int64_t *ret_id, uint64_t *ret_ttl_usec,
                    struct error *err) {
    const struct json_value *root;
    int64_t revision, id, ttl;
    int r = read_body(body, arena, &root, &revision, err);
    if (r < 0) {
        return r;
    }
    if (!take_number(root, "ID", &id) || !take_number(root, "TTL", &ttl) || id == 0 ||
        ttl > MOST_TTL_SECONDS) {
        return error_say(err, -EBADMSG, "the answer tells no lease");
    }
    *ret_id = id;
    *ret_ttl_usec = (uint64_t)ttl * USEC_PER_SEC;
    return 0;
}

/* Of a range with at most one key. */
static int read_value(const struct json_value *range, struct arena *arena, struct etcd_value *ret,
                      struct error *err) {
    const struct json_value *list = json_member(range, "kvs");
    *ret = (struct etcd_value){0};
    if (list == NULL || list->n_items == 0) {
        return 0;
    }
    const struct json_value *kv = &list->items[0];
    struct str text = json_text_of(json_member(kv, "value"));
    if (list->kind != JSON_IS_LIST || list->n_items != 1 || kv->kind != JSON_IS_OBJECT ||
        !take_number(kv, "mod_revision", &ret->mod_revision) || ret->mod_revision == 0 ||
        !take_number(kv, "lease", &ret->lease) || !base64_decode(arena, text, &ret->value)) {
        return error_say(err, -EBADMSG, "the answer has a value that cannot be read");
    }
    ret->found = true;
    return 0;
}

static int read_values(const struct json_value *list, struct arena *arena, size_t n_gets,
                       struct etcd_txn_answer *ret, struct error *err) {
    size_t n = 0;
    for (size_t i = 0; list != NULL && i < list->n_items; i++) {
        const struct json_value *range = json_member(&list->items[i], "response_range");
        if (range == NULL) {
            continue;
        }
        if (n == n_gets) {
            return error_say(err, -EBADMSG, "the answer has more values than were asked for");
        }
        int r = read_value(range, arena, &ret->values[n++], err);
        if (r < 0) {
            return r;
        }
    }
    return n == n_gets ? 0
                       : error_say(err, -EBADMSG, "the answer has %zu values of %zu", n, n_gets);
}

int etcd_txn_read(struct str body, struct arena *arena, const size_t n_gets[2],
                  struct etcd_txn_answer *ret, struct error *err) {
    const struct json_value *root;
    struct etcd_txn_answer answer = {0};
    int r = read_body(body, arena, &root, &answer.revision, err);
    if (r < 0) {
        return r;
    }
    const struct json_value *succeeded = json_member(root, "succeeded");
    if (succeeded != NULL && succeeded->kind != JSON_IS_BOOL) {
        return error_say(err, -EBADMSG, "the answer does not say whether it succeeded");
    }
    answer.succeeded = succeeded != NULL && succeeded->truth;
    r = read_values(json_member(root, "responses"), arena, n_gets[answer.succeeded ? 1 : 0],
                    &answer, err);
    if (r == 0) {
        *ret = answer;
    }
    return r;
}

int etcd_refusal(int status, struct str body, struct error *err) {
    struct arena arena = {0};
    const struct json_value *root = NULL;
    struct str words = str_of("");
    if (json_read(body, &arena, &root, NULL) == 0) {
        const struct json_value *error = json_member(root, "error");
        words = json_text_of(
            error != NULL && error->kind == JSON_IS_OBJECT ? json_member(error, "message") : error);
    }
    int shown = words.len < SHOWN_BYTES ? (int)words.len : SHOWN_BYTES;
    if (shown > 0) {
        (void)error_say(err, -EREMOTEIO, "HTTP status %d: %.*s", status, shown, words.data);
    } else {
        (void)error_say(err, -EREMOTEIO, "HTTP status %d", status);
    }
    arena_deinit(&arena);
    return -EREMOTEIO;
}
