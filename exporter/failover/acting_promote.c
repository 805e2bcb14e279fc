/* SPDX-License-Identifier: Apache-2.0 */

/* The promotion, and the wait until the new primary takes writes. */
#include <stdio.h>

#include "base/duration.h"
#include "failover/private_acting.h"

static struct cluster *cluster_of(const struct acting *acting) {
    return &acting->watched->cluster;
}

struct contact_options acting_contact_of(const struct acting *acting, size_t index) {
    const struct watched_member *member = &acting->watched->members[index];
    return (struct contact_options){
        .kind = member->is_redis ? CONTACT_REDIS : CONTACT_POSTGRES,
        .loop = acting->watched->watch->options.loop,
        .resolver = acting->watched->watch->options.resolver,
        .tls_contexts = acting->watched->watch->tls_contexts,
        .pg = member->is_redis ? NULL : &member->pg,
        .redis = member->is_redis ? &member->redis : NULL,
    };
}

void acting_promotion_ended(void *userdata, enum promotion_end end, struct str text) {
    static const enum step_event events[] = {
        [PROMOTION_SUCCEEDED] = STEP_SUCCEEDED,
        [PROMOTION_FAILED] = STEP_FAILURE,
        [PROMOTION_UNKNOWN] = STEP_LOST,
    };
    struct acting *acting = userdata;
    executor_event(acting->executor, events[end], text);
}

/* What a hook has done when it fails nobody knows. */
static void promote_hooks_ended(void *userdata, bool good, const char *text) {
    struct acting *acting = userdata;
    executor_event(acting->executor, good ? STEP_SUCCEEDED : STEP_LOST, str_of(text));
}

/* The probe's connection to a server that lets nobody else in: it has told us that this is the
 * member, that it follows the primary, and that our role may promote it. */
static struct client *spare(void *userdata, struct client_hello *ret_hello) {
    const struct acting *acting = userdata;
    const struct cluster *cluster = cluster_of(acting);
    const struct cluster_member *member = &cluster->members[acting->promotion_of];
    if (!member->has_facts || member->facts.promote != PROMOTE_GRANTED) {
        return NULL;
    }
    return probe_give(acting->watched->members[acting->promotion_of].probe,
                      &(struct probe_wanted){
                          .system = cluster->members[acting->old].answer.system,
                          .address = member->answer.address,
                          .port = member->answer.port,
                      },
                      ret_hello);
}

/* While a connection was waited for the primary may have come back; and what was judged long ago,
 * by a monitor that was stopped since, is no judgement. */
static const char *objection(void *userdata) {
    const struct acting *acting = userdata;
    const struct cluster_member *old = &cluster_of(acting)->members[acting->old];
    uint64_t now = acting_now(acting);
    if (now - acting->looked_usec <= LOOK_AGE_USEC) {
        return NULL; /* the step has just begun */
    }
    if (!acting_holds_lock(acting)) {
        return "the lock was lost while a connection was waited for; nothing was promoted";
    }
    if (!acting_is_lost(acting) || now - old->heard_usec > LOOK_AGE_USEC) {
        return "whether the primary is still lost was not certain any more when there was a "
               "connection; nothing was promoted";
    }
    return NULL;
}

void acting_connect_promotion(struct acting *acting, size_t index) {
    promotion_free(acting->promotion);
    acting->promotion_of = index;
    acting->promotion = promotion_new(&(struct promotion_options){
        .contact = acting_contact_of(acting, index),
        .spare = spare,
        .objection = objection,
        .ended = acting_promotion_ended,
        .userdata = acting,
    });
}

/* A disk that takes the step's record late, or a monitor that was stopped meanwhile, leaves time in
 * which the primary may be back. Return: why nothing is to be promoted, or NULL. */
static const char *late_objection(const struct acting *acting) {
    bool blind = acting_is_undecided(acting) && cluster_of(acting)->verdict != VERDICT_CUT_OFF;
    if (!acting_holds_lock(acting)) {
        return "the lock is not held any more; nothing was promoted";
    }
    bool lives = acting->planned && acting->by_sentinel;
    if (!blind && !lives && !acting_is_lost(acting)) {
        return "the primary is not lost any more; nothing was promoted";
    }
    if (acting_has_sentinel(acting) != acting->by_sentinel) {
        return "whether a Sentinel is in charge has changed meanwhile; nothing was promoted";
    }
    if (acting_now(acting) - acting->looked_usec > LOOK_AGE_USEC) {
        return "the last look is too old, for its record took so long; nothing was promoted";
    }
    return NULL;
}

static void note_reached(struct acting *acting) {
    for (size_t i = 0; i < acting->watched->n_members; i++) {
        acting->reached[i] = member_reached(&cluster_of(acting)->members[i].answer);
    }
}

void acting_begin_promote(struct acting *acting, const struct plan *plan) {
    const char *why_not = late_objection(acting);
    note_reached(acting);
    if (why_not != NULL) {
        executor_event(acting->executor, STEP_FAILURE, str_of(why_not));
    } else if (acting->by_sentinel) {
        acting_ask_sentinel(acting);
    } else if (acting->watched->options.hooks.commands[HOOK_PROMOTE].count > 0) {
        acting_run_hooks(acting, plan, HOOK_PROMOTE, promote_hooks_ended);
    } else {
        if (acting->promotion == NULL || acting->promotion_of != acting->next) {
            acting_connect_promotion(acting, acting->next);
        }
        promotion_start(acting->promotion);
    }
}

/* ---- confirm ---- */

static void tell_outcome(struct acting *acting, const struct confirm_result *result,
                         struct strbuf *text) {
    uint64_t reached = acting->reached[acting->next];
    uint64_t now = acting_now(acting);
    uint64_t blind_from = acting->failed_usec != 0 ? acting->failed_usec : acting->seen_usec;
    const struct plan_outcome outcome = {
        .recovery_ms = (now - acting->seen_usec) / USEC_PER_MSEC,
        .lost_bytes = acting->seen_position > reached ? acting->seen_position - reached : 0,
        .lost_ms = (blind_from - acting->seen_usec) / USEC_PER_MSEC,
    };
    strbuf_printf(text,
                  "%.*s; writes are taken %.3f s after the old primary's last answer. At least "
                  "%llu bytes of it are lost, which is measured at that answer; what it took in "
                  "the %.3f s until it failed may be lost too",
                  (int)result->text.len, result->text.data, (double)outcome.recovery_ms / 1000,
                  (unsigned long long)outcome.lost_bytes, (double)outcome.lost_ms / 1000);
    const struct plan *plan = executor_plan(acting->executor);
    if (plan != NULL && plan->draft.loss.has_rate) {
        strbuf_printf(text, " (it wrote %llu bytes a second)",
                      (unsigned long long)plan->draft.loss.bytes_per_second);
    }
    executor_outcome(acting->executor, &outcome);
}

/* notes: what a Sentinel has said before. */
static void confirmed(void *userdata, const struct confirm_result *result) {
    struct acting *acting = userdata;
    struct strbuf text = {0};
    strbuf_add_str(&text, strbuf_view(&acting->notes));
    strbuf_add_text(&text, text.len > 0 ? "; " : "");
    if (result->confirmed) {
        tell_outcome(acting, result, &text);
        executor_event(acting->executor, STEP_SUCCEEDED, strbuf_view(&text));
        watched_adopt(acting->watched, acting->next);
    } else {
        strbuf_add_str(&text, result->text);
        executor_event(acting->executor, STEP_FAILURE, strbuf_view(&text));
    }
    strbuf_deinit(&text);
}

void acting_confirm_member(struct acting *acting, struct contact *taken) {
    acting->confirm = confirm_new(&(struct confirm_options){
        .contact = acting_contact_of(acting, acting->next),
        .taken = taken,
        .ended = confirmed,
        .userdata = acting,
    });
}

void acting_begin_confirm(struct acting *acting, const struct plan *plan) {
    (void)plan;
    if (acting->by_sentinel) {
        acting_follow_sentinel(acting);
    } else {
        acting_confirm_member(
            acting, acting->promotion != NULL ? promotion_take_contact(acting->promotion) : NULL);
    }
}
