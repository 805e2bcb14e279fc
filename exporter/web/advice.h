/* SPDX-License-Identifier: Apache-2.0 */

/* Should a client be sent to this target? Answered from what the sampler knows, for load balancers
 * that ask over HTTP (web/advice_page.c) or as HAProxy's agent (web/agent.h).
 *
 * A target that is down, paused or was not sampled for two intervals is fit for nothing, with one
 * exception. When a primary cannot be reached by us alone (no answer, no route, no password), that
 * is no reason to take a living primary out: it stays the primary until another member of its
 * cluster is one, or it is known to be gone (nobody listens, it shuts down, it starts).
 *
 * Of two PostgreSQL primaries of one system in a cluster at most one is fit: that of the higher
 * timeline, so never one that was replaced, whether the new one lives or not. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "sampler/sampler.h"
#include "web/weight.h"

enum advice_role {
    ADVICE_PRIMARY,
    ADVICE_REPLICA,
    ADVICE_READ_ONLY, /* a primary, or a replica that is near enough */
    ADVICE_WRITABLE,  /* a primary that takes writes */
    ADVICE_HEALTH,    /* it is there, whatever it is */
};

struct advice_question {
    enum advice_role role;
    const char *word; /* what it was called; constant */
    /* How far a replica may be behind; 0 with has_: not at all. */
    bool has_lag_seconds, has_lag_bytes;
    double lag_seconds, lag_bytes;
    bool fallback; /* to the primary, when no replica of its cluster is fit */
    bool strict;   /* a primary that cannot be reached is not fit either */
    bool drain;    /* of an agent: say drain and maint where that is gentler than down */
    bool weight;   /* of a page: the weight alone */
};

/* The word of a path or of an agent's text. Return: false when there is no such question. */
bool advice_question_init(struct str word, struct advice_question *ret);

/* The word that may have been meant, or NULL. */
const char *advice_suggest(struct str word);

/* One parameter of it ("lag", "5s"). Return: 0, or -EINVAL with a sentence for whoever wrote it. */
int advice_question_set(struct advice_question *question, struct str name, struct str value,
                        struct error *err);

/* Why a target is not fit. */
enum advice_cause {
    ADVICE_FIT,
    ADVICE_PENDING, /* it was not sampled yet */
    ADVICE_STALE,   /* it has not been sampled for a while: the trouble is ours */
    ADVICE_DOWN,
    ADVICE_PAUSED,
    ADVICE_ROLE, /* it is something else than was asked for */
    ADVICE_LAG,
};

struct advice {
    enum advice_cause cause;
    bool fresh;      /* it was sampled lately; if not, an agent had better say nothing */
    unsigned weight; /* 1 to 100; 0: not fit */
    const char *role;
    double lag_seconds, lag_bytes; /* NaN: not known */
    struct weight_inputs inputs;
    char text[200]; /* a sentence, one line of ASCII but for names */
};

/* Whether there is something to ask about such targets at all. */
bool advice_knows(enum target_kind kind);

/* now_usec is loop_now_usec(). */
void advice_give(const struct sampler *sampler, const struct target_view *target,
                 const struct advice_question *question, uint64_t now_usec, struct advice *ret);
