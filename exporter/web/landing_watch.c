/* SPDX-License-Identifier: Apache-2.0 */

#include "web/landing_watch.h"

#include "base/duration.h"
#include "circuits/circuits.h"
#include "io/loop.h"
#include "web/html.h"
#include "web/landing_rules.h"

static struct circuit_time time_of(const struct web *web) {
    return (struct circuit_time){loop_now_usec(web->sources.loop), loop_now_ms(web->sources.loop)};
}

/* ---- breakers ---- */

/* Whether a call may be told no, by whoever's word. */
static bool keeps_back(const struct circuit_status *status) {
    return circuit_sheds(status->state) || status->shedding;
}

static const char *class_of(const struct circuit_status *status) {
    static const char *const classes[BREAKER_STATE_COUNT] = {
        [BREAKER_CLOSED] = "up",          [BREAKER_OPEN] = "down",
        [BREAKER_HALF_OPEN] = "pending",  [BREAKER_FORCED_OPEN] = "down",
        [BREAKER_FORCED_CLOSED] = "none", [BREAKER_DISABLED] = "none",
    };
    return status->shedding ? "pending" : classes[status->state];
}

static void add_breaker(struct strbuf *out, const struct kept_circuit *kept,
                        const struct circuit_status *status, int64_t now_ms) {
    const struct circuit_options *options = &kept->options;
    strbuf_add_text(out, "<tr><th scope=\"row\">");
    html_escape(out, str_of(options->name));
    strbuf_printf(out,
                  "</th><td class=\"line\" data-is=\"State\"><span class=\"state %s\">%s</span>",
                  class_of(status), breaker_state_names[status->state]);
    landing_add_text(out, "why", str_of(status->shedding ? "sheds a share of the calls" : ""));
    strbuf_add_text(out, "</td>");
    landing_add_since(out, status->since_ms, now_ms);
    landing_add_cell(out, "Reason", status->reason);
    landing_add_cell(out, "Target", options->target);
    landing_add_cell(out, "Group", options->group);
    landing_add_cell(out, "Owner", status->owner);
    strbuf_add_text(out, "</tr>\n");
}

/* Those that keep calls back stand first. Return: how many were added. */
static size_t add_breakers(struct strbuf *out, const struct web *web, bool back, size_t most) {
    const struct circuits *circuits = web->sources.circuits;
    const struct circuit_time now = time_of(web);
    size_t added = 0;
    for (size_t i = 0; i < circuits_count(circuits) && added < most; i++) {
        const struct kept_circuit *kept = circuits_at(circuits, i);
        struct circuit_status status = circuits_status(kept, now);
        if (keeps_back(&status) == back) {
            add_breaker(out, kept, &status, now.ms);
            added++;
        }
    }
    return added;
}

void landing_add_breakers(struct strbuf *out, const struct web *web) {
    const struct circuits *circuits = web->sources.circuits;
    size_t n = circuits != NULL ? circuits_count(circuits) : 0;
    if (n == 0) {
        return;
    }
    strbuf_add_text(out, "<h2 id=\"breakers\">Breakers</h2>\n<div class=\"card\"><table>\n<thead>"
                         "<tr><th>Breaker</th><th>State</th><th>Since</th><th>Reason</th>"
                         "<th>Target</th><th>Group</th><th>Owner</th></tr></thead>\n<tbody>\n");
    size_t shown = add_breakers(out, web, true, LANDING_MOST_BREAKERS);
    shown += add_breakers(out, web, false, LANDING_MOST_BREAKERS - shown);
    landing_add_rest(out, web, n - shown, "/api/v1/breakers", 7);
    strbuf_add_text(out, "</tbody>\n</table></div>\n");
}

/* ---- clusters ---- */

static const char *class_of_verdict(enum verdict verdict) {
    switch (verdict) {
    case VERDICT_HEALTHY:
        return "up";
    case VERDICT_SUSPECT:
    case VERDICT_STARTING:
    case VERDICT_DEGRADED:
    case VERDICT_STOPPED:
    case VERDICT_DONE_BY_OTHERS:
    case VERDICT_VOID:
        return "pending";
    default:
        return "down";
    }
}

static void add_member(struct strbuf *out, const char *column, const struct cluster *cluster,
                       size_t member) {
    landing_add_cell(out, column,
                     member < cluster->n_members ? cluster->members[member].name : NULL);
}

static void add_readiness(struct strbuf *out, const struct cluster *cluster, bool maintenance) {
    struct strbuf words = {0};
    cluster_ready_words(cluster, &words);
    bool ready = words.len == 0;
    strbuf_printf(out,
                  "<td class=\"wide\" data-is=\"Readiness\"><span class=\"state %s\">%s</span>",
                  ready ? "up" : "pending", ready ? "ready" : "not ready");
    landing_add_text(out, "why", strbuf_view(&words));
    landing_add_text(out, "why", str_of(maintenance ? "maintenance" : ""));
    strbuf_add_text(out, "</td>");
    strbuf_deinit(&words);
}

void landing_add_cluster(struct strbuf *out, const struct cluster *cluster, bool maintenance,
                         uint64_t now_usec) {
    strbuf_add_text(out, "<tr><th scope=\"row\">");
    html_escape(out, str_of(cluster->options.cluster));
    strbuf_printf(out,
                  "</th><td class=\"line\" data-is=\"Verdict\"><span class=\"state %s\">%s</span>",
                  class_of_verdict(cluster->verdict), verdict_names[cluster->verdict]);
    if (cluster->verdict_since_usec != 0 && now_usec >= cluster->verdict_since_usec) {
        strbuf_add_text(out, "<div class=\"why\">for ");
        html_age(out, (int64_t)((now_usec - cluster->verdict_since_usec) / USEC_PER_MSEC));
        strbuf_add_text(out, "</div>");
    }
    strbuf_add_text(out, "</td>");
    add_member(out, "Primary", cluster, cluster->primary);
    add_member(out, "Candidate", cluster, cluster->candidate);
    landing_add_cell(out, "Mode", failover_mode_names[cluster->options.mode]);
    add_readiness(out, cluster, maintenance);
    strbuf_add_text(out, "</tr>\n");
}

/* Clusters that are well stand behind the others. Return: how many were added. */
static size_t add_clusters(struct strbuf *out, const struct watch *watch, bool well, size_t most) {
    size_t added = 0;
    for (size_t i = 0; i < watch_clusters(watch) && added < most; i++) {
        const struct cluster *cluster = watch_cluster(watch, i);
        if ((cluster->verdict == VERDICT_HEALTHY) == well) {
            landing_add_cluster(out, cluster, watch_in_maintenance(watch, i),
                                watch_now_usec(watch));
            added++;
        }
    }
    return added;
}

/* ---- plans ---- */

/* What people have to do before anything goes on. */
static const char *order_of(const struct plan *plan) {
    return plan->step == STEP_WAITING ? "approve" : step_is_latched(plan->step) ? "ack" : NULL;
}

static const char *class_of_plan(const struct plan *plan) {
    bool bad = plan->step == STEP_FAILED || plan->step == STEP_UNKNOWN;
    bool well = plan->step == STEP_DONE;
    return bad ? "down" : well ? "up" : !step_is_end(plan->step) ? "pending" : "none";
}

static void add_plan_state(struct strbuf *out, const struct plan *plan) {
    const char *order = order_of(plan);
    strbuf_printf(out, "<td class=\"wide\" data-is=\"State\"><span class=\"state %s\">%s</span>",
                  class_of_plan(plan), step_names[plan->step]);
    if (plan->n_notes > 0) {
        landing_add_text(out, "why", plan_words(plan));
    }
    if (order != NULL) {
        strbuf_printf(out, "<div class=\"why\"><code>dbvitals failover %s ", order);
        html_escape(out, plan->draft.id);
        strbuf_add_text(out, "</code></div>");
    }
    strbuf_add_text(out, "</td>");
}

static void add_recovery(struct strbuf *out, const struct plan *plan) {
    strbuf_add_text(out, "<td class=\"num\" data-is=\"Recovery\">");
    if (plan->has_outcome) {
        const struct plan_outcome *outcome = &plan->outcome;
        strbuf_printf(out, "%.1f s<div class=\"why\">lost %llu B, %.1f s</div>",
                      (double)outcome->recovery_ms / 1000, (unsigned long long)outcome->lost_bytes,
                      (double)outcome->lost_ms / 1000);
    } else {
        struct strbuf words = {0};
        wal_loss_words(&plan->draft.loss, &words);
        landing_add_text(out, "why", strbuf_view(&words));
        strbuf_deinit(&words);
    }
    strbuf_add_text(out, "</td>");
}

void landing_add_plan(struct strbuf *out, const struct plan *plan, int64_t now_ms) {
    const struct plan_draft *draft = &plan->draft;
    strbuf_add_text(out, "<tr><th scope=\"row\">");
    html_escape(out, draft->id);
    landing_add_text(out, "why", str_of(plan_mode_names[draft->mode]));
    strbuf_add_text(out, "</th>");
    add_plan_state(out, plan);
    landing_add_since(out, draft->drafted_ms, now_ms);
    strbuf_add_text(out, "<td class=\"wide\" data-is=\"Move\">");
    html_escape(out, draft->old_primary);
    strbuf_add_text(out, " to ");
    html_escape(out, draft->new_primary);
    landing_add_text(out, "why", draft->reason);
    strbuf_add_text(out, "</td>");
    add_recovery(out, plan);
    strbuf_add_text(out, "</tr>\n");
}

static void add_plans(struct strbuf *out, const struct web *web, const struct book *book) {
    size_t shown = 0, passed = 0;
    if (book == NULL || book->n_plans == 0) {
        return;
    }
    strbuf_add_text(out, "<h2 id=\"plans\">Failovers</h2>\n<div class=\"card\"><table>\n<thead><tr>"
                         "<th>Failover</th><th>State</th><th>Since</th><th>From and to</th>"
                         "<th class=\"num\">Recovery</th></tr></thead>\n<tbody>\n");
    for (size_t i = book->n_plans; i > 0; i--, passed++) {
        const struct plan *plan = book->plans[i - 1];
        bool wanted = passed < LANDING_MOST_PLANS ||
                      (order_of(plan) != NULL && shown < LANDING_MOST_CLUSTERS);
        if (wanted) {
            landing_add_plan(out, plan, loop_now_ms(web->sources.loop));
            shown++;
        }
    }
    landing_add_rest(out, web, book->n_plans - shown, "/api/v1/failover", 5);
    strbuf_add_text(out, "</tbody>\n</table></div>\n");
}

void landing_add_failover(struct strbuf *out, const struct web *web) {
    const struct watch *watch = web->sources.watch;
    const struct book *book = watch != NULL ? watch_book(watch) : NULL;
    size_t n = watch_clusters(watch);
    if (n > 0) {
        strbuf_add_text(
            out, "<h2 id=\"failover\">Clusters</h2>\n<div class=\"card\"><table>\n<thead><tr>"
                 "<th>Cluster</th><th>Verdict</th><th>Primary</th><th>Candidate</th>"
                 "<th>Mode</th><th>Readiness</th></tr></thead>\n<tbody>\n");
        size_t shown = add_clusters(out, watch, false, LANDING_MOST_CLUSTERS);
        shown += add_clusters(out, watch, true, LANDING_MOST_CLUSTERS - shown);
        landing_add_rest(out, web, n - shown, "/api/v1/failover", 6);
        strbuf_add_text(out, "</tbody>\n</table></div>\n");
    }
    add_plans(out, web, book);
}

/* ---- at a glance ---- */

struct landing_watch landing_count_watch(const struct web *web) {
    const struct circuits *circuits = web->sources.circuits;
    const struct watch *watch = web->sources.watch;
    const struct book *book = watch != NULL ? watch_book(watch) : NULL;
    struct landing_watch sum = {0};
    for (size_t i = 0; circuits != NULL && i < circuits_count(circuits); i++) {
        struct circuit_status status = circuits_status(circuits_at(circuits, i), time_of(web));
        sum.breakers += keeps_back(&status);
    }
    for (size_t i = 0; i < watch_clusters(watch); i++) {
        enum verdict verdict = watch_cluster(watch, i)->verdict;
        sum.unhealthy += verdict != VERDICT_HEALTHY;
        sum.lost |= str_is(str_of(class_of_verdict(verdict)), "down");
    }
    for (size_t i = 0; book != NULL && i < book->n_plans; i++) {
        const struct plan *plan = book->plans[i];
        sum.waiting += order_of(plan) != NULL;
        sum.urgent |= plan->step == STEP_WAITING || str_is(str_of(class_of_plan(plan)), "down");
    }
    return sum;
}
