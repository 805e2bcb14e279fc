/* SPDX-License-Identifier: Apache-2.0 */

/* The last look before a promotion: with answers to questions that were asked since the fence. */
#include <stdio.h>

#include "base/duration.h"
#include "failover/private_acting.h"

static struct cluster *cluster_of(const struct acting *acting) {
    return &acting->watched->cluster;
}

static void look_anew(struct acting *acting) {
    acting->look_round_usec = acting_now(acting);
    watched_ask_all(acting->watched);
}

void acting_begin_look(struct acting *acting, const struct plan *plan) {
    (void)plan;
    acting->look_usec = acting_now(acting);
    acting->look_again = false;
    if (acting->planned && acting->by_sentinel) {
        acting->looked_usec = acting->look_usec;
        executor_event(acting->executor, STEP_SUCCEEDED,
                       str_of("the primary lives, and it is for the Sentinel to replace it"));
        return;
    }
    loop_timer_set(acting->look_deadline,
                   acting->look_usec + LOOK_USEC + acting->watched->options.restart_grace_usec);
    look_anew(acting);
}

static void look_says(struct acting *acting, enum step_event event, const char *what) {
    struct strbuf text = {0};
    strbuf_printf(&text, "%s (%s): ", what, verdict_names[cluster_of(acting)->verdict]);
    cluster_words(cluster_of(acting), acting_now(acting), &text);
    loop_timer_stop(acting->look_deadline);
    executor_event(acting->executor, event, strbuf_view(&text));
    strbuf_deinit(&text);
}

void acting_look_ends(void *userdata) {
    struct acting *acting = userdata;
    look_says(acting, STEP_FAILURE, "nothing certain could be seen in time");
}

/* All that can be reached have answered a question that was asked since; the others have failed
 * since. */
static bool all_were_heard(const struct acting *acting) {
    const struct cluster *cluster = cluster_of(acting);
    for (size_t i = 0; i < cluster->n_members; i++) {
        const struct cluster_member *member = &cluster->members[i];
        bool answered = !error_is_set(&member->failure.error);
        uint64_t heard = answered ? member->asked_usec : member->heard_usec;
        if (heard < acting->look_round_usec) {
            return false;
        }
    }
    return true;
}

/* The old primary of a switchover was stopped by its hook, and a fence may stop one in good order:
 * then it is as gone as one that was killed. */
bool acting_is_lost(const struct acting *acting) {
    const struct cluster *cluster = cluster_of(acting);
    bool stopped = (acting->fenced || acting->planned) && cluster->verdict == VERDICT_STOPPED;
    return stopped || acting_consequence(acting) == MAY_FAIL_OVER ||
           (acting->fenced && acting_consequence(acting) == MAY_FAIL_OVER_FENCED);
}

static bool may_still_become_certain(const struct acting *acting) {
    enum verdict verdict = cluster_of(acting)->verdict;
    bool stopping = acting->planned && (verdict == VERDICT_HEALTHY || verdict == VERDICT_STARTING);
    return acting_is_undecided(acting) || stopping;
}

/* Whether the planned successor is the one to choose; it is waited for while it does not answer. */
enum successor { SUCCESSOR_IS_BEST, SUCCESSOR_IS_AWAY, SUCCESSOR_IS_NOT };

static enum successor look_at_successor(const struct acting *acting) {
    const struct cluster *cluster = cluster_of(acting);
    enum obstacle obstacle = cluster->members[acting->next].obstacle;
    if (obstacle == OBSTACLE_UNREACHABLE) {
        return SUCCESSOR_IS_AWAY;
    }
    bool best = acting->planned ? obstacle == OBSTACLE_NONE : cluster->candidate == acting->next;
    return best ? SUCCESSOR_IS_BEST : SUCCESSOR_IS_NOT;
}

/* A receiver of a primary that is only silent may have bytes on the way: nothing may have come for
 * an interval. */
static bool is_at_rest(struct acting *acting) {
    const struct cluster *cluster = cluster_of(acting);
    const struct member_answer *answer = &cluster->members[acting->next].answer;
    uint64_t position = member_reached(answer);
    bool silent = cluster->primary_view == PRIMARY_SILENT;
    bool rests = !silent ||
                 (acting->look_again && position == acting->look_position &&
                  acting_now(acting) - acting->look_usec >= acting->watched->options.interval_usec);
    if (!rests && !acting->look_again) {
        acting->look_usec = acting_now(acting);
    }
    acting->look_again = true;
    acting->look_position = position;
    return rests;
}

/* What was seen of a primary that was stopped in good order must have arrived. */
static bool has_received_all(const struct acting *acting) {
    const struct cluster_member *members = cluster_of(acting)->members;
    const struct member_answer *answer = &members[acting->next].answer;
    uint64_t position = member_reached(answer);
    return position >= members[acting->old].answer.position;
}

bool acting_holds_lock(const struct acting *acting) {
    struct failover_lock *lock = acting->watched->lock;
    return lock == NULL || failover_lock_state(lock, NULL) == FAILOVER_LOCK_HELD;
}

void acting_look(struct acting *acting) {
    if (!loop_timer_is_set(acting->look_deadline)) {
        return; /* it has ended */
    }
    if (acting_is_given_up(acting)) {
        look_says(acting, STEP_FAILURE, "dbvitals is being stopped; nothing was promoted");
        return;
    }
    if (!all_were_heard(acting)) {
        return; /* it goes on */
    }
    if (!acting_is_lost(acting)) {
        if (!may_still_become_certain(acting)) {
            look_says(acting, STEP_RETURNED, "the primary is not lost any more");
        }
        return;
    }
    enum successor successor = look_at_successor(acting);
    if (successor == SUCCESSOR_IS_AWAY) {
        return;
    }
    if (successor == SUCCESSOR_IS_NOT) {
        look_says(acting, STEP_FAILURE, "the planned successor is not the one to choose any more");
    } else if (!acting_holds_lock(acting)) {
        look_says(acting, STEP_FAILURE, "the lock is not held any more");
    } else if (acting->planned && !has_received_all(acting)) {
        return; /* until it has, or the look's time is over */
    } else if (!is_at_rest(acting)) {
        look_anew(acting);
    } else {
        acting->looked_usec = acting_now(acting);
        look_says(acting, STEP_SUCCEEDED, "it is lost");
    }
}
