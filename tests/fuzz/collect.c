/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/fuzz/collect.h"

#include <errno.h>
#include <stdio.h>

#include "base/duration.h"
#include "base/hash.h"
#include "fuzz.h"
#include "sampler/lag.h"
#include "sampler/service.h"
#include "sampler/shape.h"
#include "sampler/summary.h"
#include "sampler/target_options.h"
#include "store/exposition.h"
#include "tests/support/exposition_check.h"

#define MOST_SAMPLES 5000

static bool is_called(const struct collector *collector, struct str word) {
    const char *kind = target_kind_names[collector->kind];
    size_t len = strlen(kind);
    return str_starts_with(word, kind) && word.len > len && word.data[len] == '_' &&
           str_is((struct str){word.data + len + 1, word.len - len - 1}, collector->name);
}

/* Return: its index in the list. */
static size_t find_collector(struct str word, enum target_kind first, enum target_kind last) {
    size_t candidates[TARGET_MOST_COLLECTORS], count = 0;
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        const struct collector *collector = collector_list[i];
        if (collector->kind >= first && collector->kind <= last) {
            candidates[count++] = i;
            if (is_called(collector, word)) {
                return i;
            }
        }
    }
    return candidates[hash_bytes(word.data, word.len) % count];
}

/* The options of all collectors as they are without a configuration. */
static const struct option_value *default_options(size_t index) {
    static struct target_options all[KIND_COUNT];
    static bool made;
    for (int kind = 0; !made && kind < KIND_COUNT; kind++) {
        target_options_init(&all[kind], (enum target_kind)kind);
    }
    made = true;
    return all[collector_list[index]->kind].collectors[index].options;
}

bool collect_begin(struct collect *collect, struct str word, enum target_kind first,
                   enum target_kind last, uint64_t version) {
    size_t index = find_collector(word, first, last);
    *collect = (struct collect){.collector = collector_list[index]};
    collect->context = (struct sample_context){
        .version = (int)(version % 1000000),
        .role = (enum server_role)(version % 3),
        .server = str_of("db.example:5432"),
        .options = default_options(index),
        .now_ms = 1795254644000,
        .known = &collect->known,
        .arena = &collect->arena,
    };
    facts_set(&collect->known, FACT_DATABASES, 16);
    collect->query = collector_query(collect->collector, collect->context.version);
    return collect->query != NULL;
}

bool collect_take(struct collect *collect, const struct client_reply *reply) {
    struct shape_cache cache = {0};
    struct error err = {0};
    int r = shape_answer(collect->query, reply, &cache, &collect->arena, &collect->answer, &err);
    must(r <= 0 && (r < 0) == error_is_set(&err));
    return r == 0;
}

bool collect_expand(struct collect *collect, struct request_list *ret) {
    struct error err = {0};
    if (collect->collector->expand == NULL) {
        return false;
    }
    int r = collect->collector->expand(&collect->context, &collect->answer, ret, &err);
    must(r <= 0 && (r < 0) == error_is_set(&err));
    must(ret->n_commands <= REQUEST_LIST_MOST);
    return r == 0 && ret->n_commands > 0;
}

static void check_page(struct buffer *body) {
    struct error err = {0};
    if (exposition_check((struct str){body->data, body->len}, &err) < 0) {
        fprintf(stderr, "%.*s\nline %u: %s\n", (int)body->len, body->data, err.at.line, err.text);
        abort();
    }
    buffer_unref(body);
}

/* The batch in a store beside that of another target, and all of it as pages. */
static void check_pages(const struct batch *batch) {
    struct store *store = store_new(&(struct store_options){0});
    const struct label extra = {str_of("datname"), str_of("x\"\\\n")};
    for (int i = 0; i < 2; i++) {
        struct store_source *source =
            store_source_new(store, &(struct source_labels){.target = str_of(i == 0 ? "a" : "b"),
                                                            .cluster = str_of("main"),
                                                            .instance = str_of("10.0.0.1:5432"),
                                                            .job = str_of("test"),
                                                            .extra = &extra,
                                                            .n_extra = (size_t)i});
        struct exposition_page page = {0};
        store_feed_commit(store_feed_new(source, "fuzz"), batch, 1000);
        store_publish(source);
        exposition_source(source, false, 0, &page);
        check_page(page.body);
    }
    struct exposition_page page = {0};
    exposition_joined(store, false, 0, &page);
    check_page(page.body);
    store_free(store);
}

/* What the daemon computes from facts, round after round: the server's, none, the server's again.
 */
static void check_facts(enum target_kind kind, const struct facts *facts) {
    static const struct facts zeros = {.known = UINT64_MAX};
    const struct facts *const rounds[] = {facts, &zeros, facts, facts};
    struct summary_ring ring = {0};
    struct lag lag = {0};
    struct batch batch = {0};
    int64_t role;
    if (facts_get(facts, FACT_ROLE, &role)) {
        must(role >= ROLE_UNKNOWN && role <= ROLE_REPLICA);
    }
    for (size_t i = 0; i < ARRAY_LEN(rounds); i++) {
        struct summary summary;
        double behind;
        uint64_t now_usec = (i + 1) * 5 * USEC_PER_SEC;
        summary_note(&ring, kind, now_usec, rounds[i], rounds[i]);
        summary_of(&ring, kind, rounds[i], now_usec, &summary);
        must(!lag_update(&lag, rounds[i], (int64_t)i * 5000, &behind) || behind >= 0);
        service_metrics_add(kind, rounds[i], (struct batch_labels){0}, &batch);
    }
    batch_deinit(&batch);
}

void collect_decode(struct collect *collect) {
    struct batch batch = {.max_samples = MOST_SAMPLES};
    struct error err = {0};
    collect->context.facts = &collect->facts;
    int r = collector_decode(collect->collector, &collect->context, &collect->answer, &batch, &err);
    must(r <= 0 && (r == 0 || r == -EREMOTEIO || error_is_set(&err)));
    must(batch.n_samples <= MOST_SAMPLES);
    if (r == 0) {
        check_facts(collect->collector->kind, &collect->facts);
        check_pages(&batch);
    }
    batch_deinit(&batch);
}

void collect_end(struct collect *collect) {
    arena_deinit(&collect->arena);
}
