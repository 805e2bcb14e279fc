/* SPDX-License-Identifier: Apache-2.0 */

#include "web/advice.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "sampler/service.h"

#define LEAST_STALE_USEC USEC_PER_SEC

struct ask {
    const struct sampler *sampler;
    const struct advice_question *question;
    uint64_t now_usec;
};

/* Whether a failure says something of our way to the server, or of our rights there, rather than
 * that the server is gone. Silence alone does not tell a dead server from a cut line. */
static const bool may_be_ours[REASON_COUNT] = {
    [REASON_UNREACHABLE] = true, [REASON_DNS] = true,   [REASON_TIMEOUT] = true,
    [REASON_AUTH] = true,        [REASON_TLS] = true,   [REASON_CONNECTIONS] = true,
    [REASON_PERMISSION] = true,  [REASON_LOCK] = true,  [REASON_CONFLICT] = true,
    [REASON_UNSUPPORTED] = true, [REASON_QUERY] = true, [REASON_TOO_LARGE] = true,
    [REASON_PROTOCOL] = true,    [REASON_LOCAL] = true, [REASON_CANCELED] = true,
};

static const bool kinds_with_advice[KIND_COUNT] = {
    [KIND_POSTGRES] = true, [KIND_PGBOUNCER] = true, [KIND_REDIS] = true};

bool advice_knows(enum target_kind kind) {
    return kinds_with_advice[kind];
}

static bool PRINTF_LIKE(3, 4)
    refuse(struct advice *ret, enum advice_cause cause, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(ret->text, sizeof(ret->text), format, args);
    va_end(args);
    ret->cause = cause;
    return false;
}

static bool PRINTF_LIKE(2, 3) accept_as(struct advice *ret, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(ret->text, sizeof(ret->text), format, args);
    va_end(args);
    ret->cause = ADVICE_FIT;
    return true;
}

/* ---- one target ---- */

static bool is_stale(const struct ask *ask, const struct target_view *view) {
    uint64_t interval = view->options->interval_usec, timeout = view->options->timeout_usec;
    uint64_t most = interval + (timeout > interval ? timeout : interval);
    most = most > LEAST_STALE_USEC ? most : LEAST_STALE_USEC;
    return ask->now_usec > view->last_round_usec && ask->now_usec - view->last_round_usec > most;
}

static bool is_there(const struct ask *ask, const struct target_view *view, struct advice *ret) {
    int64_t paused = 0;
    if (view->health == TARGET_PENDING) {
        return refuse(ret, ADVICE_PENDING, "it has not been sampled yet");
    }
    if (is_stale(ask, view)) {
        return refuse(ret, ADVICE_STALE, "it has not been sampled for %.0f s",
                      (double)(ask->now_usec - view->last_round_usec) / (double)USEC_PER_SEC);
    }
    if (view->health == TARGET_DOWN) {
        return refuse(ret, ADVICE_DOWN, "it is down: %s", view->last_failure.error.text);
    }
    if (facts_get(&view->facts, FACT_PAUSED, &paused) && paused != 0) {
        return refuse(ret, ADVICE_PAUSED, "it is paused");
    }
    return true;
}

static bool may_be_alive(const struct target_view *view) {
    return view->health == TARGET_UP ||
           (view->health == TARGET_DOWN && may_be_ours[view->last_failure.reason]);
}

static bool same_cluster(const struct target_view *a, const struct target_view *b) {
    const char *left = a->options->cluster, *right = b->options->cluster;
    return left != NULL && right != NULL && strcmp(left, right) == 0;
}

/* ---- which of several primaries ---- */

/* Whether a, another member of the cluster, is the primary rather than b. Order breaks what is a
 * tie in everything else, so that exactly one of two outranks the other. */
static bool outranks(const struct target_view *a, const struct target_view *b, bool a_is_first) {
    const struct standing *left = &a->standing, *right = &b->standing;
    bool left_lives = a->health == TARGET_UP, right_lives = b->health == TARGET_UP;
    if (left->role != ROLE_PRIMARY) {
        return false;
    }
    if (left->system_identifier == 0 || right->system_identifier == 0) {
        /* Redis, whose clusters have many masters, or nothing is known of it. */
        return left_lives && !right_lives;
    }
    if (left->system_identifier != right->system_identifier) {
        return false;
    }
    if (left->timeline != right->timeline) {
        return left->timeline > right->timeline;
    }
    if (left_lives != right_lives) {
        return left_lives;
    }
    if (left->start_seconds == right->start_seconds) {
        return false; /* one server by two addresses */
    }
    return left->since_usec != right->since_usec ? left->since_usec < right->since_usec
                                                 : a_is_first;
}

static const struct target_view *other_primary(const struct ask *ask,
                                               const struct target_view *view) {
    bool before = true;
    for (size_t i = 0; i < sampler_targets(ask->sampler); i++) {
        const struct target_view *other = sampler_target(ask->sampler, i);
        if (other == view) {
            before = false;
        } else if (other->options->kind == view->options->kind && same_cluster(other, view) &&
                   outranks(other, view, before)) {
            return other;
        }
    }
    return NULL;
}

/* ---- the questions, of a server ---- */

static const char *role_name(const struct target_view *view) {
    return server_role_names[view->standing.role];
}

static bool judge_primary(const struct ask *ask, const struct target_view *view,
                          struct advice *ret) {
    const struct target_view *other;
    if (view->standing.role != ROLE_PRIMARY) {
        return is_there(ask, view, ret) &&
               refuse(ret, ADVICE_ROLE, "it is no primary, its role is %s", role_name(view));
    }
    if ((other = other_primary(ask, view)) != NULL) {
        return refuse(ret, ADVICE_ROLE, "'%s' is the primary of its cluster", other->options->name);
    }
    if (is_there(ask, view, ret)) {
        return accept_as(ret, "it is the primary");
    }
    if (ask->question->strict || !may_be_alive(view)) {
        return false;
    }
    char why[sizeof(ret->text)];
    memcpy(why, ret->text, sizeof(why));
    return accept_as(ret, "it was the primary, and that may still be so: %.120s", why);
}

static bool judge_lag(const struct advice_question *question, const struct target_view *view,
                      struct advice *ret) {
    if (question->has_lag_seconds && !(view->lag_seconds <= question->lag_seconds)) {
        return isnan(view->lag_seconds)
                   ? refuse(ret, ADVICE_LAG, "how many seconds it is behind is not known")
                   : refuse(ret, ADVICE_LAG, "it is %.1f s behind, and %.1f s are allowed",
                            view->lag_seconds, question->lag_seconds);
    }
    if (question->has_lag_bytes && !(view->lag_bytes <= question->lag_bytes)) {
        return isnan(view->lag_bytes)
                   ? refuse(ret, ADVICE_LAG,
                            "how many bytes it is behind is not known: its primary must be a "
                            "target of the same cluster")
                   : refuse(ret, ADVICE_LAG, "it is %.0f bytes behind, and %.0f are allowed",
                            view->lag_bytes, question->lag_bytes);
    }
    return true;
}

static bool judge_replica(const struct ask *ask, const struct target_view *view,
                          struct advice *ret) {
    if (!is_there(ask, view, ret)) {
        return false;
    }
    if (view->standing.role != ROLE_REPLICA) {
        return refuse(ret, ADVICE_ROLE, "it is no replica, its role is %s", role_name(view));
    }
    if (!judge_lag(ask->question, view, ret)) {
        return false;
    }
    return isnan(view->lag_seconds)
               ? accept_as(ret, "it is a replica")
               : accept_as(ret, "it is a replica, %.1f s behind", view->lag_seconds);
}

static bool judge_read_only(const struct ask *ask, const struct target_view *view,
                            struct advice *ret) {
    return view->standing.role == ROLE_PRIMARY ? judge_primary(ask, view, ret)
                                               : judge_replica(ask, view, ret);
}

static bool judge_writable(const struct ask *ask, const struct target_view *view,
                           struct advice *ret) {
    if (!judge_primary(ask, view, ret)) {
        return false;
    }
    return !view->standing.read_only ||
           refuse(ret, ADVICE_ROLE, "it is the primary, but default_transaction_read_only is on");
}

static bool judge_health(const struct ask *ask, const struct target_view *view,
                         struct advice *ret) {
    return is_there(ask, view, ret) && accept_as(ret, "it is up");
}

static bool (*const judges[])(const struct ask *ask, const struct target_view *view,
                              struct advice *ret) = {
    [ADVICE_PRIMARY] = judge_primary,     [ADVICE_REPLICA] = judge_replica,
    [ADVICE_READ_ONLY] = judge_read_only, [ADVICE_WRITABLE] = judge_writable,
    [ADVICE_HEALTH] = judge_health,
};

/* ---- machines, and poolers with what stands behind them ---- */

/* The host of "host:port"; NULL data: this machine. */
static struct str host_of(const struct target_view *view) {
    static const char *const ours[] = {"localhost", "127.0.0.1", "[::1]"};
    struct str host = str_of(view->instance);
    const char *colon = memrchr(host.data, ':', host.len);
    if (colon != NULL && host.data[host.len - 1] != ']') {
        host.len = (size_t)(colon - host.data);
    }
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (str_is(host, ours[i])) {
            return (struct str){0};
        }
    }
    return host.len > 0 && host.data[0] == '/' ? (struct str){0} : host;
}

static bool same_machine(const struct target_view *a, const struct target_view *b) {
    struct str left = host_of(a), right = host_of(b);
    return (left.data == NULL) == (right.data == NULL) && str_equal(left, right);
}

/* The server behind a pooler, which has no role of its own: the one PostgreSQL target of its
 * cluster on its machine. NULL: none, or several. */
static const struct target_view *server_behind(const struct ask *ask,
                                               const struct target_view *pooler) {
    const struct target_view *found = NULL;
    for (size_t i = 0; i < sampler_targets(ask->sampler); i++) {
        const struct target_view *view = sampler_target(ask->sampler, i);
        if (view->options->kind == KIND_POSTGRES && same_cluster(view, pooler) &&
            same_machine(view, pooler)) {
            if (found != NULL) {
                return NULL;
            }
            found = view;
        }
    }
    return found;
}

static bool wants_primary(const struct advice_question *question) {
    return question->role == ADVICE_PRIMARY || question->role == ADVICE_WRITABLE;
}

/* Return: the server whose role counts, or NULL with the reason why the target is not fit. */
static const struct target_view *server_of(const struct ask *ask, const struct target_view *view,
                                           bool as_primary, struct advice *ret) {
    if (view->options->kind != KIND_PGBOUNCER || ask->question->role == ADVICE_HEALTH) {
        return view;
    }
    if (!is_there(ask, view, ret) &&
        (!as_primary || ask->question->strict || ret->cause == ADVICE_PAUSED ||
         !may_be_alive(view) || view->health == TARGET_PENDING)) {
        return NULL;
    }
    const struct target_view *server = server_behind(ask, view);
    if (server == NULL) {
        refuse(ret, ADVICE_ROLE,
               "it has no role: no PostgreSQL target of its cluster, or more than one, is on its "
               "machine");
    }
    return server;
}

/* ---- replicas of a cluster ---- */

static bool is_fit_replica(const struct ask *ask, const struct target_view *view) {
    struct advice scratch = {0};
    const struct target_view *server = server_of(ask, view, false, &scratch);
    return server != NULL && judge_replica(ask, server, &scratch);
}

static bool has_fit_replica(const struct ask *ask, const struct target_view *view) {
    for (size_t i = 0; i < sampler_targets(ask->sampler); i++) {
        const struct target_view *other = sampler_target(ask->sampler, i);
        if (other != view && other->options->kind == view->options->kind &&
            same_cluster(other, view) && is_fit_replica(ask, other)) {
            return true;
        }
    }
    return false;
}

/* The primary in place of replicas. What keeps it from that is no news to whoever asked. */
static bool judge_fallback(const struct ask *ask, const struct target_view *view,
                           struct advice *ret) {
    struct advice scratch = {0};
    const struct target_view *server = server_of(ask, view, true, &scratch);
    return server != NULL && judge_primary(ask, server, &scratch) && !has_fit_replica(ask, view) &&
           accept_as(ret, "no replica of its cluster is fit, and %.150s", scratch.text);
}

static bool judge(const struct ask *ask, const struct target_view *view, struct advice *ret) {
    const struct advice_question *question = ask->question;
    const struct target_view *server = server_of(ask, view, wants_primary(question), ret);
    if (server != NULL && judges[question->role](ask, server, ret)) {
        return true;
    }
    return question->fallback && question->role == ADVICE_REPLICA && judge_fallback(ask, view, ret);
}

/* ---- weight ---- */

static double higher(double a, double b) {
    return isnan(a) ? b : isnan(b) ? a : a > b ? a : b;
}

static double share_of(bool is_set, double value, double limit) {
    return is_set && limit > 0 ? value / limit : (double)NAN;
}

static double pool_of(const struct target_view *view) {
    double percent;
    return service_pool_usage_percent(view->options->kind, &view->facts, &percent) ? percent / 100
                                                                                   : (double)NAN;
}

static double slowness_of(const struct target_view *view) {
    const struct standing *standing = &view->standing;
    return weight_slowness(standing->last_round_seconds, standing->usual_round_seconds);
}

/* A host target is the machine that we run on: it counts for servers there, and for those whose
 * cluster it was given. */
static double cpu_of(const struct ask *ask, const struct target_view *view) {
    double busy = (double)NAN;
    for (size_t i = 0; i < sampler_targets(ask->sampler); i++) {
        const struct target_view *host = sampler_target(ask->sampler, i);
        if (host->options->kind == KIND_HOST && host->health == TARGET_UP && !is_stale(ask, host) &&
            (host_of(view).data == NULL || same_machine(host, view) || same_cluster(host, view))) {
            busy = higher(busy, host->standing.cpu_busy_ratio);
        }
    }
    return busy;
}

static void weigh(const struct ask *ask, const struct target_view *view, struct advice *ret) {
    const struct advice_question *question = ask->question;
    struct advice scratch = {0};
    const struct target_view *server = server_of(ask, view, true, &scratch);
    server = server != NULL ? server : view;
    ret->role = role_name(server);
    ret->lag_seconds = server->lag_seconds;
    ret->lag_bytes = server->lag_bytes;
    ret->inputs = (struct weight_inputs){
        .lag =
            higher(share_of(question->has_lag_seconds, server->lag_seconds, question->lag_seconds),
                   share_of(question->has_lag_bytes, server->lag_bytes, question->lag_bytes)),
        .pool = higher(pool_of(view), pool_of(server)),
        .slow = higher(slowness_of(view), slowness_of(server)),
        .cpu = cpu_of(ask, view),
    };
    ret->weight = ret->cause == ADVICE_FIT ? weight_percent(&ret->inputs) : 0;
}

void advice_give(const struct sampler *sampler, const struct target_view *target,
                 const struct advice_question *question, uint64_t now_usec, struct advice *ret) {
    const struct ask ask = {sampler, question, now_usec};
    *ret = (struct advice){0};
    judge(&ask, target, ret);
    weigh(&ask, target, ret);
    ret->fresh = target->health != TARGET_PENDING && !is_stale(&ask, target) &&
                 ret->cause != ADVICE_PENDING && ret->cause != ADVICE_STALE;
}
