/* SPDX-License-Identifier: Apache-2.0 */

/* A redis_client that is asked in steps: each step's commands go out together, and the next step
 * follows when all of them are answered, so that nothing is on its way to the arena of a request
 * once that is answered. */
#include "io/redis_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

/* WRONGTYPE, as far as a failure holds the first word. */
#define WRONG_TYPE "WRONG"

#define MOST_FIELDS ((size_t)8)
/* Of one reply; it comes in one piece. */
#define MOST_REPLY_BYTES ((size_t)256 * 1024)
#define SCAN_COUNT       "500" /* looked at by one SCAN, about */
#define MOST_SCANS       200

struct redis_keys {
    struct client client; /* first */
    struct client *redis;
    char **names; /* of keys; owned */
    size_t n_names;
    char *pattern; /* owned, or NULL */
    const char *const *fields;
    size_t n_fields;
};

struct reading;

struct reading_key {
    struct reading *reading;
    struct str name; /* in the request's arena */
    struct str type; /* likewise */
    const struct tree *value;
};

/* One request on its way. */
struct reading {
    struct redis_keys *keys;
    struct client_request request;
    struct reading_key *list;
    size_t n_keys, capacity;
    unsigned scans;
    size_t waiting; /* commands without an answer */
    bool asks_values;
    struct client_failure failure; /* the first one */
};

static struct redis_keys *keys_of(struct client *client) {
    return container_of(client, struct redis_keys, client);
}

/* ---- the end of a reading ---- */

static void finish(struct reading *reading, const struct client_reply *reply) {
    struct client_request request = reading->request;
    struct client_failure failure = reading->failure;
    free(reading->list);
    free(reading);
    request.done(request.userdata, reply, reply != NULL ? NULL : &failure);
}

static void refuse(struct reading *reading, enum client_reason reason, const char *text) {
    reading->failure = (struct client_failure){.end = CLIENT_ALIVE, .reason = reason};
    error_say(&reading->failure.error, reason == REASON_TOO_LARGE ? -E2BIG : -EPROTO, "%s", text);
    finish(reading, NULL);
}

static void finish_well(struct reading *reading) {
    struct arena *arena = reading->request.arena;
    struct tree *items = arena_array(arena, 2 * reading->n_keys, sizeof(*items));
    struct tree *tree = arena_alloc(arena, sizeof(*tree));
    size_t count = 0;
    for (size_t i = 0; i < reading->n_keys; i++) {
        const struct reading_key *key = &reading->list[i];
        if (key->value != NULL) {
            items[count++] = (struct tree){.type = TREE_TEXT, .text = key->name};
            items[count++] = *key->value;
        }
    }
    *tree = (struct tree){.type = TREE_LIST, .items = items, .n_items = count};
    finish(reading, &(struct client_reply){.tree = tree});
}

/* ---- commands ---- */

static void ask(struct reading *reading, const struct str *words, size_t n_words,
                void (*done)(void *userdata, const struct client_reply *reply,
                             const struct client_failure *failure),
                void *userdata) {
    reading->waiting++;
    client_submit(reading->keys->redis, &(struct client_request){
                                            .words = words,
                                            .n_words = n_words,
                                            .limits = {.max_bytes = MOST_REPLY_BYTES},
                                            .arena = reading->request.arena,
                                            .done = done,
                                            .userdata = userdata,
                                        });
}

/* Notes an answer. Return: whether it was the last of its step. */
static bool was_last(struct reading *reading, const struct client_failure *failure) {
    if (failure != NULL && !error_is_set(&reading->failure.error)) {
        reading->failure = *failure;
    }
    return --reading->waiting == 0;
}

static bool has_failed(const struct reading *reading) {
    return error_is_set(&reading->failure.error);
}

static void value_came(void *userdata, const struct client_reply *reply,
                       const struct client_failure *failure) {
    struct reading_key *key = userdata;
    struct reading *reading = key->reading;
    /* It has become something else since we asked what it is. */
    bool changed = failure != NULL && strcmp(failure->sqlstate, WRONG_TYPE) == 0;
    if (reply != NULL && (reply->tree->type == TREE_LIST || reply->tree->type == TREE_TEXT)) {
        key->value = reply->tree;
    }
    if (!was_last(reading, changed ? NULL : failure)) {
        return;
    }
    if (has_failed(reading)) {
        finish(reading, NULL);
    } else {
        finish_well(reading);
    }
}

static void ask_value(struct reading *reading, struct reading_key *key) {
    const struct redis_keys *keys = reading->keys;
    struct str words[2 + MOST_FIELDS];
    size_t count = 2;
    words[1] = key->name;
    if (str_is(key->type, "string")) {
        char last[16];
        snprintf(last, sizeof(last), "%d", KEYS_MOST_TEXT - 1);
        words[0] = str_of("GETRANGE");
        words[count++] = str_of("0");
        words[count++] = str_of(last);
        ask(reading, words, count, value_came, key);
    } else if (str_is(key->type, "hash")) {
        words[0] = str_of("HMGET");
        for (size_t i = 0; i < keys->n_fields; i++) {
            words[count++] = str_of(keys->fields[i]);
        }
        ask(reading, words, count, value_came, key);
    }
}

static void type_came(void *userdata, const struct client_reply *reply,
                      const struct client_failure *failure) {
    struct reading_key *key = userdata;
    struct reading *reading = key->reading;
    if (reply != NULL && reply->tree->type == TREE_TEXT) {
        key->type = reply->tree->text;
    }
    if (!was_last(reading, failure)) {
        return;
    }
    if (has_failed(reading)) {
        finish(reading, NULL);
        return;
    }
    for (size_t i = 0; i < reading->n_keys; i++) {
        ask_value(reading, &reading->list[i]);
    }
    if (reading->waiting == 0) {
        finish_well(reading); /* there is none of them */
    } else {
        client_flush(reading->keys->redis);
    }
}

static int by_name(const void *a, const void *b) {
    return str_compare(((const struct reading_key *)a)->name,
                       ((const struct reading_key *)b)->name);
}

/* SCAN may find a key twice, and the file may list one that the pattern finds. */
static void sort_keys(struct reading *reading) {
    size_t count = 0;
    if (reading->n_keys > 0) {
        qsort(reading->list, reading->n_keys, sizeof(*reading->list), by_name);
    }
    for (size_t i = 0; i < reading->n_keys; i++) {
        if (count == 0 || !str_equal(reading->list[count - 1].name, reading->list[i].name)) {
            reading->list[count++] = reading->list[i];
        }
    }
    reading->n_keys = count;
}

/* From here on the list does not move: its entries are userdata. */
static void ask_types(struct reading *reading) {
    sort_keys(reading);
    for (size_t i = 0; i < reading->n_keys; i++) {
        struct reading_key *key = &reading->list[i];
        const struct str words[] = {str_of("TYPE"), key->name};
        ask(reading, words, ARRAY_LEN(words), type_came, key);
    }
}

/* Return: false when there are too many. */
static bool add_key(struct reading *reading, struct str name) {
    if (reading->n_keys == KEYS_MOST) {
        return false;
    }
    reading->list =
        mem_grow(reading->list, reading->n_keys, &reading->capacity, sizeof(*reading->list));
    reading->list[reading->n_keys++] = (struct reading_key){.reading = reading, .name = name};
    return true;
}

static void ask_scan(struct reading *reading, struct str cursor);

static void scan_came(void *userdata, const struct client_reply *reply,
                      const struct client_failure *failure) {
    struct reading *reading = userdata;
    (void)was_last(reading, failure);
    if (has_failed(reading)) {
        finish(reading, NULL);
        return;
    }
    const struct tree *tree = reply->tree;
    if (tree->type != TREE_LIST || tree->n_items != 2 || tree->items[0].type != TREE_TEXT ||
        tree->items[1].type != TREE_LIST) {
        refuse(reading, REASON_PROTOCOL, "the answer to SCAN has an unexpected form");
        return;
    }
    const struct tree *found = &tree->items[1];
    for (size_t i = 0; i < found->n_items; i++) {
        if (found->items[i].type == TREE_TEXT && !add_key(reading, found->items[i].text)) {
            refuse(reading, REASON_TOO_LARGE, "the pattern finds too many keys");
            return;
        }
    }
    if (!str_is(tree->items[0].text, "0")) {
        if (reading->scans == MOST_SCANS) {
            refuse(reading, REASON_TOO_LARGE,
                   "the database has too many keys to look for a pattern: list them in 'keys'");
            return;
        }
        ask_scan(reading, tree->items[0].text);
    } else {
        ask_types(reading);
    }
    if (reading->waiting == 0) {
        finish_well(reading);
    } else {
        client_flush(reading->keys->redis);
    }
}

static void ask_scan(struct reading *reading, struct str cursor) {
    const struct str words[] = {
        str_of("SCAN"),  cursor,
        str_of("MATCH"), str_of(reading->keys->pattern),
        str_of("COUNT"), str_of(SCAN_COUNT),
    };
    reading->scans++;
    ask(reading, words, ARRAY_LEN(words), scan_came, reading);
}

/* ---- events of the redis_client ---- */

static void redis_is_ready(void *userdata, const struct client_hello *hello) {
    struct redis_keys *keys = userdata;
    keys->client.state = CLIENT_READY;
    keys->client.events.ready(keys->client.events.userdata, hello);
}

static void redis_has_drained(void *userdata) {
    struct redis_keys *keys = userdata;
    keys->client.state = CLIENT_READY;
    keys->client.events.drained(keys->client.events.userdata);
}

static void redis_has_ended(void *userdata, const struct client_failure *failure) {
    struct redis_keys *keys = userdata;
    keys->client.state = CLIENT_ENDED;
    keys->client.events.ended(keys->client.events.userdata, failure);
}

/* ---- the client ---- */

static void keys_open(struct client *client) {
    struct redis_keys *keys = keys_of(client);
    client_open(keys->redis);
    client->state = keys->redis->state;
    client->opened_usec = keys->redis->opened_usec;
}

static void keys_submit(struct client *client, const struct client_request *request) {
    struct redis_keys *keys = keys_of(client);
    struct reading *reading = mem_alloc(sizeof(*reading));
    *reading = (struct reading){.keys = keys, .request = *request};
    for (size_t i = 0; i < keys->n_names; i++) {
        add_key(reading, str_of(keys->names[i]));
    }
    if (keys->pattern != NULL) {
        ask_scan(reading, str_of("0"));
    } else {
        ask_types(reading);
    }
}

static void keys_flush(struct client *client) {
    client_flush(keys_of(client)->redis);
}

static void keys_abandon(struct client *client, const char *why) {
    struct redis_keys *keys = keys_of(client);
    client_abandon(keys->redis, why);
    client->state = keys->redis->state;
}

static void keys_free(struct client *client) {
    struct redis_keys *keys = keys_of(client);
    struct client *redis = keys->redis;
    if (redis == NULL) {
        return; /* from an answer below */
    }
    keys->redis = NULL;
    client->state = CLIENT_ENDED;
    client_free(redis);
    for (size_t i = 0; i < keys->n_names; i++) {
        free(keys->names[i]);
    }
    free(keys->names);
    free(keys->pattern);
    free(keys);
}

struct client *redis_keys_new(struct loop *loop, struct resolver *resolver,
                              struct tls_contexts *tls_contexts, const struct redis_options *redis,
                              const struct redis_keys_options *options,
                              const struct client_events *events) {
    static const struct client_ops ops = {
        .open = keys_open,
        .submit = keys_submit,
        .flush = keys_flush,
        .abandon = keys_abandon,
        .free = keys_free,
    };
    struct redis_keys *keys = mem_alloc(sizeof(*keys));
    const struct client_events own = {
        .ready = redis_is_ready,
        .drained = redis_has_drained,
        .ended = redis_has_ended,
        .userdata = keys,
    };
    keys->client = (struct client){.ops = &ops, .events = *events, .state = CLIENT_IDLE};
    keys->names = mem_array(options->n_keys + 1, sizeof(*keys->names));
    for (; keys->n_names < options->n_keys && keys->n_names < KEYS_MOST; keys->n_names++) {
        keys->names[keys->n_names] = mem_strdup(options->keys[keys->n_names]);
    }
    keys->pattern = options->pattern != NULL ? mem_strdup(options->pattern) : NULL;
    keys->fields = options->fields;
    keys->n_fields = options->n_fields < MOST_FIELDS ? options->n_fields : MOST_FIELDS;
    keys->redis = redis_client_new(loop, resolver, tls_contexts, redis, &own);
    return &keys->client;
}
