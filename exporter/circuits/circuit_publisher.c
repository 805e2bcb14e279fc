/* SPDX-License-Identifier: Apache-2.0 */

#include "circuits/circuit_publisher.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/backoff.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "circuits/circuit_json.h"

#define PULSE_USEC    USEC_PER_SEC
#define DEADLINE_USEC (3 * USEC_PER_SEC) /* of a connection, and of a round of keys */
#define UNENDING_USEC                                                                              \
    (5 * USEC_PER_SEC) /* a foreign key without a time to live is looked at anew */

/* One key on its way: names, because a reload may come between question and answer. */
struct key_state {
    struct circuit_publisher *publisher;
    char *name;
    enum breaker_state written; /* what stands there of ours; CLOSED: nothing */
    enum breaker_state told;    /* what those who listen to the channel heard of us last */
    uint64_t written_usec;
    struct circuit_foreign found; /* of the question that is open */
    enum { FOUND_NOTHING, FOUND_OURS, FOUND_OTHER, FOUND_UNKNOWN } what;
    bool listed; /* in the present configuration */
};

struct circuit_publisher {
    struct circuit_publisher_options options;
    char *target, *owner;
    struct redis_options redis;
    struct client *client; /* NULL: none */
    struct loop_timer *pulse;
    struct backoff backoff;
    uint64_t retry_usec;    /* no connection before */
    uint64_t deadline_usec; /* of what is open */
    struct key_state **keys;
    size_t n_keys, capacity;
    unsigned open; /* questions without an answer */
    bool again;    /* something changed while a round was open */
    bool failing;  /* as the log has it */
    bool round_failed;
    struct arena arena;
};

static uint64_t now_of(const struct circuit_publisher *publisher) {
    return loop_now_usec(publisher->options.loop);
}

static struct circuit_time time_of(const struct circuit_publisher *publisher) {
    return (struct circuit_time){now_of(publisher), loop_now_ms(publisher->options.loop)};
}

static void say_failing(struct circuit_publisher *publisher, const char *why) {
    if (!publisher->failing) {
        log_warn("breakers: target '%s', where they are published, cannot be used: %s; it is tried "
                 "again",
                 publisher->target, why);
    }
    publisher->failing = true;
}

static void say_well(struct circuit_publisher *publisher) {
    if (publisher->failing) {
        log_info("breakers: they are published at target '%s' again", publisher->target);
    }
    publisher->failing = false;
}

/* ---- keys ---- */

static struct kept_circuit *kept_of(const struct key_state *key) {
    const struct circuit_publisher *publisher = key->publisher;
    struct kept_circuit *kept = circuits_find(publisher->options.circuits, str_of(key->name));
    bool here = kept != NULL && kept->options.publish.target != NULL &&
                strcmp(kept->options.publish.target, publisher->target) == 0;
    return here ? kept : NULL;
}

static struct key_state *find_key(struct circuit_publisher *publisher, const char *name) {
    for (size_t i = 0; i < publisher->n_keys; i++) {
        if (strcmp(publisher->keys[i]->name, name) == 0) {
            return publisher->keys[i];
        }
    }
    return NULL;
}

/* Those that go may be asked about at the moment: they are freed when nothing is open. */
static void drop_unlisted(struct circuit_publisher *publisher) {
    size_t kept = 0;
    for (size_t i = 0; i < publisher->n_keys && publisher->open == 0; i++) {
        struct key_state *key = publisher->keys[i];
        if (key->listed) {
            publisher->keys[kept++] = key;
        } else {
            free(key->name);
            free(key);
        }
    }
    publisher->n_keys = publisher->open == 0 ? kept : publisher->n_keys;
}

static void list_keys(struct circuit_publisher *publisher) {
    const struct circuits *circuits = publisher->options.circuits;
    for (size_t i = 0; i < publisher->n_keys; i++) {
        publisher->keys[i]->listed = false;
    }
    for (size_t i = 0; i < circuits_count(circuits); i++) {
        const struct circuit_options *options = &circuits_at(circuits, i)->options;
        if (options->publish.target == NULL ||
            strcmp(options->publish.target, publisher->target) != 0) {
            continue;
        }
        struct key_state *key = find_key(publisher, options->name);
        if (key == NULL) {
            key = mem_alloc(sizeof(*key));
            key->publisher = publisher;
            key->name = mem_strdup(options->name);
            publisher->keys = mem_grow(publisher->keys, publisher->n_keys, &publisher->capacity,
                                       sizeof(struct key_state *));
            publisher->keys[publisher->n_keys++] = key;
        }
        key->listed = true;
    }
    drop_unlisted(publisher);
}

/* ---- questions ---- */

static void ask(struct circuit_publisher *publisher, const struct str *words, size_t n,
                void (*done)(void *userdata, const struct client_reply *reply,
                             const struct client_failure *failure),
                void *userdata) {
    publisher->open++;
    client_submit(publisher->client, &(struct client_request){
                                         .words = words,
                                         .n_words = n,
                                         .limits = {.max_bytes = (size_t)64 * 1024},
                                         .arena = &publisher->arena,
                                         .done = done,
                                         .userdata = userdata,
                                     });
}

/* One answer less is open; behind the last one the round is over. */
static void answered(struct circuit_publisher *publisher, const struct client_failure *failure) {
    publisher->open--;
    publisher->round_failed |= failure != NULL;
    if (failure != NULL && failure->reason != REASON_CANCELED) {
        say_failing(publisher, failure->error.text);
    }
    if (publisher->open == 0 && !publisher->round_failed) {
        say_well(publisher);
    }
    if (publisher->open == 0 && publisher->again && publisher->client != NULL &&
        publisher->client->state == CLIENT_READY) {
        publisher->again = false;
        loop_timer_set(publisher->pulse, now_of(publisher));
    }
}

/* ---- the channel ---- */

static void told(void *userdata, const struct client_reply *reply,
                 const struct client_failure *failure) {
    answered(userdata, failure);
}

/* Tells those who listen, unless they have heard it. Who misses it has the key: it is not told
 * twice, whatever becomes of it. */
static void tell(struct key_state *key, const struct kept_circuit *kept) {
    struct circuit_publisher *publisher = key->publisher;
    enum breaker_state own = kept->circuit.breaker.state;
    enum breaker_state now = circuit_sheds(own) ? own : BREAKER_CLOSED;
    bool heard = key->told == now;
    key->told = now;
    if (kept->options.publish.channel == NULL || heard) {
        return;
    }
    struct strbuf value = {0};
    circuit_json_announce(kept, publisher->owner, time_of(publisher), &value);
    const struct str words[] = {str_of("PUBLISH"), str_of(kept->options.publish.channel),
                                strbuf_view(&value)};
    ask(publisher, words, ARRAY_LEN(words), told, publisher);
    client_flush(publisher->client);
    strbuf_deinit(&value);
}

/* ---- writing ---- */

/* SET ... NX is answered with nil when another one was faster: then it is not ours to tell. */
static void written(void *userdata, const struct client_reply *reply,
                    const struct client_failure *failure) {
    struct key_state *key = userdata;
    const struct kept_circuit *kept = kept_of(key);
    if (failure != NULL) {
        key->written = BREAKER_CLOSED; /* so that it is tried again */
    } else if (reply->tree->type != TREE_NIL && kept != NULL) {
        tell(key, kept);
    }
    answered(key->publisher, failure);
}

static void key_text(const struct kept_circuit *kept, struct strbuf *out) {
    strbuf_printf(out, "%s%s", kept->options.publish.key_prefix, kept->options.name);
}

static void write_key(struct key_state *key, const struct kept_circuit *kept, bool only_new) {
    struct circuit_publisher *publisher = key->publisher;
    struct strbuf name = {0}, value = {0};
    char seconds[24];
    key_text(kept, &name);
    circuit_json_publish(kept, publisher->owner, time_of(publisher), &value);
    snprintf(seconds, sizeof(seconds), "%llu",
             (unsigned long long)(kept->options.publish.ttl_usec / USEC_PER_SEC));
    const struct str words[] = {str_of("SET"), strbuf_view(&name), strbuf_view(&value),
                                str_of("EX"),  str_of(seconds),    str_of("NX")};
    key->written = kept->circuit.breaker.state;
    key->written_usec = now_of(publisher);
    ask(publisher, words, only_new ? 6 : 5, written, key);
    strbuf_deinit(&name);
    strbuf_deinit(&value);
}

static void delete_key(struct key_state *key, const struct kept_circuit *kept) {
    struct strbuf name = {0};
    key_text(kept, &name);
    const struct str words[] = {str_of("DEL"), strbuf_view(&name)};
    key->written = BREAKER_CLOSED;
    ask(key->publisher, words, 2, written, key);
    strbuf_deinit(&name);
}

/* The table at the head of the header. */
static void decide(struct key_state *key, struct kept_circuit *kept) {
    enum breaker_state own = kept->circuit.breaker.state;
    uint64_t half_usec = kept->options.publish.ttl_usec / 2;
    bool keeps_back = circuit_sheds(own);
    if (key->what == FOUND_OTHER) {
        key->written = key->told = BREAKER_CLOSED; /* now it is the other one's to tell */
    } else if (keeps_back && key->what == FOUND_OURS) {
        if (key->written != own || now_of(key->publisher) - key->written_usec >= half_usec) {
            write_key(key, kept, false);
        }
    } else if (keeps_back) {
        write_key(key, kept, key->what == FOUND_NOTHING);
    } else if (key->what == FOUND_OURS) {
        delete_key(key, kept);
    } else if (!keeps_back && key->what == FOUND_NOTHING) {
        tell(key, kept); /* the key went by itself */
    }
}

static void log_foreign(const struct kept_circuit *kept) {
    const struct circuit_foreign *foreign = &kept->foreign;
    if (foreign->state == BREAKER_CLOSED) {
        log_info("breaker '%s': no other monitor keeps it open any more", kept->options.name);
    } else {
        log_warn("breaker '%s' is %s at '%s': %s", kept->options.name,
                 breaker_state_names[foreign->state], foreign->owner,
                 foreign->reason[0] != '\0' ? foreign->reason : "no reason is told");
    }
}

/* PTTL, which was asked behind GET: now all is known of the key. */
static void got_ttl(void *userdata, const struct client_reply *reply,
                    const struct client_failure *failure) {
    struct key_state *key = userdata;
    struct circuit_publisher *publisher = key->publisher;
    struct kept_circuit *kept = kept_of(key);
    if (failure == NULL && kept != NULL && key->listed) {
        struct circuit_time now = time_of(publisher);
        int64_t left_ms = reply->tree->type == TREE_INTEGER ? reply->tree->integer : -1;
        if (key->what == FOUND_OTHER) {
            uint64_t left = left_ms >= 0 ? (uint64_t)left_ms * USEC_PER_MSEC : UNENDING_USEC;
            key->found.until_usec = now.usec + left;
            key->found.since_ms = key->found.since_ms != 0 ? key->found.since_ms : now.ms;
        }
        if (circuits_set_foreign(kept, key->what == FOUND_OTHER ? &key->found : NULL)) {
            log_foreign(kept);
        }
        decide(key, kept);
        client_flush(publisher->client);
    }
    answered(publisher, failure);
}

static void got_value(void *userdata, const struct client_reply *reply,
                      const struct client_failure *failure) {
    struct key_state *key = userdata;
    key->what = FOUND_NOTHING;
    if (failure == NULL && reply->tree->type == TREE_TEXT) {
        key->what = !circuit_json_parse(reply->tree->text, &key->found)    ? FOUND_UNKNOWN
                    : strcmp(key->found.owner, key->publisher->owner) == 0 ? FOUND_OURS
                                                                           : FOUND_OTHER;
    }
    answered(key->publisher, failure);
}

static void ask_key(struct key_state *key) {
    const struct kept_circuit *kept = kept_of(key);
    struct strbuf name = {0};
    if (kept == NULL) {
        return;
    }
    key_text(kept, &name);
    const struct str get[] = {str_of("GET"), strbuf_view(&name)};
    const struct str ttl[] = {str_of("PTTL"), strbuf_view(&name)};
    ask(key->publisher, get, 2, got_value, key);
    ask(key->publisher, ttl, 2, got_ttl, key);
    strbuf_deinit(&name);
}

/* A round of all keys. */
static void begin(struct circuit_publisher *publisher) {
    drop_unlisted(publisher);
    arena_reset(&publisher->arena);
    publisher->round_failed = false;
    publisher->deadline_usec = now_of(publisher) + DEADLINE_USEC;
    for (size_t i = 0; i < publisher->n_keys; i++) {
        ask_key(publisher->keys[i]);
    }
    client_flush(publisher->client);
}

/* ---- the connection ---- */

static void lose(struct circuit_publisher *publisher, const char *why) {
    say_failing(publisher, why);
    publisher->client = client_free(publisher->client);
    publisher->retry_usec = now_of(publisher) + backoff_next(&publisher->backoff, random_unit());
}

static void on_ready(void *userdata, const struct client_hello *hello) {
    struct circuit_publisher *publisher = userdata;
    backoff_reset(&publisher->backoff);
    begin(publisher);
}

static void on_ended(void *userdata, const struct client_failure *failure) {
    lose(userdata, failure->error.text);
}

static void on_drained(void *userdata) {
    (void)userdata; /* nothing is ever abandoned */
}

static void open_client(struct circuit_publisher *publisher) {
    const struct client_events events = {
        .ready = on_ready, .drained = on_drained, .ended = on_ended, .userdata = publisher};
    publisher->client =
        redis_client_new(publisher->options.loop, publisher->options.resolver,
                         publisher->options.tls_contexts, &publisher->redis, &events);
    publisher->deadline_usec = now_of(publisher) + DEADLINE_USEC;
    client_open(publisher->client);
}

static void pulse(void *userdata) {
    struct circuit_publisher *publisher = userdata;
    uint64_t now = now_of(publisher);
    bool waits = publisher->client != NULL &&
                 (publisher->client->state != CLIENT_READY || publisher->open > 0);
    if (waits && now >= publisher->deadline_usec) {
        lose(publisher, "it does not answer within 3s");
    } else if (publisher->client == NULL && now >= publisher->retry_usec) {
        open_client(publisher);
    } else if (publisher->client != NULL && !waits) {
        begin(publisher);
    }
    loop_timer_set(publisher->pulse, now + PULSE_USEC);
}

void circuit_publisher_changed(struct circuit_publisher *publisher) {
    if (publisher->client == NULL || publisher->client->state != CLIENT_READY) {
        return; /* the pulse makes up for it */
    }
    publisher->again = publisher->open > 0;
    if (publisher->open == 0) {
        loop_timer_set(publisher->pulse, now_of(publisher));
    }
}

/* ---- life ---- */

const char *circuit_publisher_target(const struct circuit_publisher *publisher) {
    return publisher->target;
}

void circuit_publisher_configure(struct circuit_publisher *publisher,
                                 const struct redis_options *redis) {
    if (!redis_options_equal(&publisher->redis, redis)) {
        redis_options_deinit(&publisher->redis);
        redis_options_copy(redis, &publisher->redis);
        publisher->client = client_free(publisher->client);
        publisher->retry_usec = 0;
    }
    list_keys(publisher);
    loop_timer_set(publisher->pulse, now_of(publisher));
}

struct circuit_publisher *circuit_publisher_new(const struct circuit_publisher_options *options) {
    struct circuit_publisher *publisher = mem_alloc(sizeof(*publisher));
    publisher->options = *options;
    publisher->target = mem_strdup(options->target);
    publisher->owner = mem_strdup(options->owner);
    publisher->backoff =
        (struct backoff){.first_usec = USEC_PER_SEC, .max_usec = 30 * USEC_PER_SEC, .jitter = 0.2};
    publisher->pulse = loop_timer_new(options->loop, pulse, publisher);
    redis_options_copy(options->redis, &publisher->redis);
    list_keys(publisher);
    loop_timer_set(publisher->pulse, now_of(publisher));
    return publisher;
}

struct circuit_publisher *circuit_publisher_free(struct circuit_publisher *publisher) {
    if (publisher == NULL) {
        return NULL;
    }
    publisher->again = false;
    struct client *client = take_ptr(publisher->client);
    client_free(client);
    for (size_t i = 0; i < publisher->n_keys; i++) {
        free(publisher->keys[i]->name);
        free(publisher->keys[i]);
    }
    free(publisher->keys);
    loop_timer_free(publisher->pulse);
    redis_options_deinit(&publisher->redis);
    arena_deinit(&publisher->arena);
    free(publisher->target);
    free(publisher->owner);
    free(publisher);
    return NULL;
}
