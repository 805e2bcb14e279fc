/* SPDX-License-Identifier: Apache-2.0 */

/* From targets to the store: keeps one connection to each target, samples it in rounds, commits
 * what it found, and knows how each target is.
 *
 * The sampler owns targets and their clients; the store, the loop and the resolver are borrowed and
 * outlive it. Everything that other layers may know of a target is a struct target_view. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "breaker/breaker.h"
#include "collectors/facts.h"
#include "io/client.h"
#include "io/loop.h"
#include "io/resolve.h"
#include "sampler/standing.h"
#include "sampler/target_options.h"
#include "store/store.h"

struct sampler;
struct summary_ring;

enum target_health {
    TARGET_PENDING, /* no round has ended yet */
    TARGET_UP,
    TARGET_DOWN,
};
extern const char *const target_health_names[]; /* "pending", "up", "down" */

#define TARGET_HEALTH_WINDOW 32

struct target_view {
    const struct target_options *options;
    char instance[288];
    struct store_source *source; /* NULL while a guessed target has not answered */
    enum target_health health;
    int64_t health_since_ms;
    uint64_t rounds, failed_rounds, skipped_ticks;
    uint32_t window;          /* the newest rounds, newest in bit 0, 1 = good */
    unsigned n_window;        /* how many of its bits count */
    int64_t last_round_ms;    /* start of the last round that ended; 0: none */
    uint64_t last_round_usec; /* the same by the clock that never steps */
    int64_t last_success_ms;  /* start of the last good round */
    double last_round_seconds, all_rounds_seconds;
    struct client_failure last_failure; /* of the last bad round; error not set: none */
    size_t failed_collectors;           /* when they ran last */
    const struct breaker *breaker;      /* around sampling */
    struct facts facts;
    struct standing standing; /* of the last good round, whatever came after it */
    /* How far a replica is behind; NaN: not known. The bytes are those that it has yet to replay of
     * what its cluster's primary had written when that was last seen. */
    double lag_seconds, lag_bytes;
    const struct summary_ring *traffic; /* of the last minute: summary_of() */
    int version;
    bool pooler;
};

struct sampler_options {
    bool service_names; /* expose db_pool_usage_percent and its siblings */
    /* Called after each round, health change included; NULL is fine. */
    void (*round_ended)(void *userdata, const struct target_view *target);
    /* Adds what others know of a target to the samples of each of its rounds; NULL is fine. */
    void (*add_samples)(void *userdata, const struct target_view *target, struct batch *batch);
    /* Makes a client of the target; NULL: the one of its kind. */
    struct client *(*make_client)(void *userdata, const struct target_options *target,
                                  const struct client_events *events);
    void *userdata;               /* of all of them */
    uint64_t connection_age_usec; /* a connection is renewed after it; 0: half an hour */
};

struct sampler *sampler_new(struct loop *loop, struct resolver *resolver, struct store *store,
                            const struct sampler_options *options);

/* Closes every connection; what is in the store stays. */
struct sampler *sampler_free(struct sampler *sampler);
DEFINE_CLEANUP(struct sampler, sampler_free);

/* Makes the targets be these. Targets are matched by name: an unchanged one keeps its connection
 * and all that it knows; changed connections are made anew; changed labels end the old series; what
 * is no longer there ends. The options are copied. */
void sampler_apply(struct sampler *sampler, const struct target_options *targets, size_t count);

/* All targets in the order of the configuration. The pointer and views stay valid until the next
 * sampler_apply(). */
size_t sampler_targets(const struct sampler *sampler);
const struct target_view *sampler_target(const struct sampler *sampler, size_t index);
const struct target_view *sampler_find(const struct sampler *sampler, struct str name);

/* Every target has ended one round, failed or not. */
bool sampler_is_ready(const struct sampler *sampler);

/* Starts a round of every target now (dbvitals check). */
void sampler_sample_now(struct sampler *sampler);

/* What the sampler says itself about each target, as tables for the reference of metrics
 * (struct collector with nothing but name, help and `also`); NULL-terminated. */
extern const struct collector *const sampler_metric_tables[];

/* What a collector did in the last round that it took part in, for check and the status page. */
struct collector_view {
    const struct collector *collector;
    bool enabled;
    int64_t last_ms; /* start of the round; 0: never ran */
    double seconds;
    size_t samples;
    uint64_t skipped_cells;
    struct client_failure failure; /* error not set: it succeeded */
};
size_t sampler_target_collectors(const struct target_view *target);
const struct collector_view *sampler_target_collector(const struct target_view *target,
                                                      size_t index);
