/* SPDX-License-Identifier: Apache-2.0 */

/* The clusters whose primaries are watched: verdicts, members, evidence in words, and the journal.
 */
#include "web/api.h"

#include <errno.h>
#include <stdio.h>

#include "base/duration.h"
#include "base/json_reader.h"
#include "failover/orders.h"
#include "web/api_json.h"
#include "web/api_question.h"
#include "web/routes.h"
#include "web/server.h"

#define MOST_PLANS   100 /* the newest */
#define MOST_IN_LOOP 20  /* clusters, and plans */

static void write_words(struct json_writer *json, const char *key, struct strbuf *words) {
    json_str(json, key, strbuf_view(words));
    strbuf_deinit(words);
}

static const char *role_of(const struct cluster *cluster, size_t index) {
    const struct cluster_member *member = &cluster->members[index];
    return index == cluster->primary ? "primary"
           : !member->known
               ? "unknown"
               : server_role_names[member->answer.in_recovery ? ROLE_REPLICA : ROLE_PRIMARY];
}

static void write_member(struct json_writer *json, const struct watch *watch,
                         const struct cluster *cluster, size_t index) {
    const struct cluster_member *member = &cluster->members[index];
    const struct member_answer *answer = &member->answer;
    struct strbuf words = {0};
    char position[32];
    json_object_begin(json, NULL);
    json_text(json, "target", member->name);
    json_text(json, "role", role_of(cluster, index));
    json_bool(json, "candidate", index == cluster->candidate);
    if (index != cluster->primary) {
        json_text(json, "obstacle", obstacle_names[member->obstacle]);
    }
    json_uint(json, "timeline", member->timeline);
    json_text(json, "position",
              cluster_position(cluster,
                               answer->in_recovery ? member_reached(answer) : answer->position,
                               position));
    json_uint(json, "failures", member->suspicion.count);
    cluster_member_words(cluster, index, watch_now_usec(watch), &words);
    write_words(json, "evidence", &words);
    json_object_end(json);
}

static void write_ready(struct json_writer *json, const struct cluster *cluster) {
    json_object_begin(json, "ready");
    for (int i = 0; i < READY_REASONS; i++) {
        json_bool(json, ready_reason_names[i], cluster->ready[i]);
    }
    json_object_end(json);
}

static void write_name(struct json_writer *json, const char *key, const struct cluster *cluster,
                       size_t index) {
    json_text(json, key, index < cluster->n_members ? cluster->members[index].name : NULL);
}

static void write_rehearsal(struct json_writer *json, const struct watch *watch, size_t index) {
    struct str text;
    const struct rehearsal *rehearsal = watch_rehearsal(watch, index, &text);
    if (rehearsal == NULL) {
        return;
    }
    json_object_begin(json, "rehearsal");
    json_bool(json, "running", rehearsal->running);
    json_bool(json, "good", rehearsal->good);
    api_write_rfc3339(json, "began", rehearsal->began_ms);
    json_str(json, "text", text);
    json_object_end(json);
}

/* What a loss is judged by: NULL where it is not known. */
static void write_loss(struct json_writer *json, const struct wal_loss *loss) {
    if (loss->has_age) {
        json_double(json, "position_age_seconds", (double)loss->age_ms / 1000);
    } else {
        json_text(json, "position_age_seconds", NULL);
    }
    if (loss->has_rate) {
        json_uint(json, "wal_bytes_per_second", loss->bytes_per_second);
    } else {
        json_text(json, "wal_bytes_per_second", NULL);
    }
}

static void write_cluster(struct json_writer *json, const struct watch *watch, size_t index) {
    const struct cluster *cluster = watch_cluster(watch, index);
    uint64_t since = watch_now_usec(watch) - cluster->verdict_since_usec;
    const struct wal_loss loss = cluster_loss(cluster, watch_now_usec(watch));
    struct strbuf words = {0};
    json_object_begin(json, NULL);
    json_text(json, "cluster", cluster->options.cluster);
    json_text(json, "mode", failover_mode_names[cluster->options.mode]);
    json_text(json, "verdict", verdict_names[cluster->verdict]);
    json_double(json, "verdict_seconds",
                cluster->verdict_since_usec != 0 ? (double)since / (double)USEC_PER_SEC : 0);
    write_name(json, "primary", cluster, cluster->primary);
    write_name(json, "candidate", cluster, cluster->candidate);
    write_loss(json, &loss);
    json_text(json, "primary_view", primary_view_names[cluster->primary_view]);
    json_text(json, "replica_view", replica_view_names[cluster->replica_view]);
    json_text(json, "other_view", other_view_names[cluster->other_view]);
    json_bool(json, "maintenance", watch_in_maintenance(watch, index));
    json_bool(json, "acting", watch_is_acting(watch, index));
    write_rehearsal(json, watch, index);
    write_ready(json, cluster);
    json_text(json, "manager", cluster->manager);
    cluster_ready_words(cluster, &words);
    write_words(json, "not_ready", &words);
    json_list_begin(json, "members");
    for (size_t i = 0; i < cluster->n_members; i++) {
        write_member(json, watch, cluster, i);
    }
    json_list_end(json);
    json_object_end(json);
}

static void write_notes(struct json_writer *json, const struct plan *plan) {
    json_list_begin(json, "notes");
    for (size_t i = 0; i < plan->n_notes; i++) {
        const struct plan_note *note = &plan->notes[i];
        json_object_begin(json, NULL);
        api_write_rfc3339(json, "at", note->t_ms);
        json_text(json, "step", step_names[note->step]);
        json_text(json, "event", step_event_names[note->event]);
        json_str(json, "text", note->text);
        json_object_end(json);
    }
    json_list_end(json);
}

static void write_plan(struct json_writer *json, const struct plan *plan) {
    const struct plan_draft *draft = &plan->draft;
    json_object_begin(json, NULL);
    json_str(json, "id", draft->id);
    json_str(json, "cluster", draft->cluster);
    json_text(json, "mode", plan_mode_names[draft->mode]);
    json_text(json, "state", step_names[plan->step]);
    api_write_rfc3339(json, "started", draft->drafted_ms);
    if (plan->ended_ms != 0) {
        api_write_rfc3339(json, "ended", plan->ended_ms);
    } else {
        json_text(json, "ended", NULL);
    }
    if (plan->has_outcome) {
        json_double(json, "recovery_seconds", (double)plan->outcome.recovery_ms / 1000);
        json_uint(json, "lost_bytes", plan->outcome.lost_bytes);
        json_double(json, "lost_seconds", (double)plan->outcome.lost_ms / 1000);
    }
    json_str(json, "old_primary", draft->old_primary);
    json_str(json, "new_primary", draft->new_primary);
    json_str(json, "reason", draft->reason);
    json_str(json, "evidence", draft->evidence);
    json_str(json, "position", draft->position);
    write_loss(json, &draft->loss);
    json_uint(json, "timeline", draft->timeline);
    write_notes(json, plan);
    json_object_end(json);
}

static void write_all(struct api_question *question, struct api_out *out) {
    const struct watch *watch = question->web->sources.watch;
    const struct book *book = watch != NULL ? watch_book(watch) : NULL;
    size_t n_plans = book != NULL ? book->n_plans : 0;
    size_t first = n_plans > MOST_PLANS ? n_plans - MOST_PLANS : 0;
    struct json_writer json = {.out = &out->text};
    api_write_head(&out->text);
    json_object_begin(&json, NULL);
    json_list_begin(&json, "clusters");
    for (size_t i = 0; i < watch_clusters(watch) && api_out_turn(out); i++) {
        write_cluster(&json, watch, i);
    }
    json_list_end(&json);
    json_list_begin(&json, "plans");
    for (size_t i = n_plans; i > first && api_out_turn(out); i--) {
        write_plan(&json, book->plans[i - 1]);
    }
    json_list_end(&json);
    json_object_end(&json);
    api_write_tail(&out->text, NULL, NULL);
}

static void ask(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct api_question *question = api_question_new(web, request, sizeof(struct api_question));
    question->write = write_all;
    watch_refresh(web->sources.watch);
    const struct watch *watch = web->sources.watch;
    const struct book *book = watch != NULL ? watch_book(watch) : NULL;
    if (watch_clusters(watch) <= MOST_IN_LOOP && (book == NULL || book->n_plans <= MOST_IN_LOOP)) {
        api_answer_now(question, ret);
    } else {
        api_ask(question, request, ret);
    }
}

/* ---- orders ---- */

static int read_kind(struct str word, enum order_kind *ret) {
    for (int i = 0; i < ORDERS; i++) {
        if (str_is(word, order_names[i])) {
            *ret = (enum order_kind)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int read_seconds(const struct json_value *value, uint64_t *ret,
                        struct api_failure *failure) {
    if (value == NULL || value->kind != JSON_IS_NUMBER || !(value->number >= 0) ||
        value->number > (double)ORDER_MOST_MAINTENANCE_SECONDS) {
        return api_fail(failure, API_BAD_DATA, "'seconds' should be a number from 0 to %llu",
                        (unsigned long long)ORDER_MOST_MAINTENANCE_SECONDS);
    }
    *ret = (uint64_t)value->number;
    if ((double)*ret != value->number) { /* half a second is not 0, which ends it */
        return api_fail(failure, API_BAD_DATA, "'seconds' should be a whole number");
    }
    return 0;
}

/* {"order": "approve", "id": "..."}, {"order": "switchover", "cluster": "...", "to": "..."} */
static int read_order(const struct web_request *request, struct order *ret,
                      struct api_failure *failure) {
    const struct json_value *body = NULL;
    struct error err = {0};
    if (json_read(request->body, request->arena, &body, &err) < 0) {
        return api_fail(failure, API_BAD_DATA, "the body is no JSON: %s", err.text);
    }
    if (body->kind != JSON_IS_OBJECT ||
        read_kind(json_text_of(json_member(body, "order")), &ret->kind) < 0) {
        return api_fail(failure, API_BAD_DATA,
                        "the body should be an object with an 'order': approve, ack, switchover, "
                        "test or maintenance");
    }
    bool of_plan = ret->kind == ORDER_APPROVE || ret->kind == ORDER_ACKNOWLEDGE;
    ret->subject = json_text_of(json_member(body, of_plan ? "id" : "cluster"));
    ret->to = json_text_of(json_member(body, "to"));
    if (ret->subject.len == 0) {
        return api_fail(failure, API_BAD_DATA, "'%s' is missing", of_plan ? "id" : "cluster");
    }
    return ret->kind == ORDER_MAINTENANCE
               ? read_seconds(json_member(body, "seconds"), &ret->seconds, failure)
               : 0;
}

static enum api_error_type kind_of(const struct error *err) {
    switch (err->code) {
    case -ENOENT:
        return API_NOT_FOUND;
    case -EINVAL:
        return API_BAD_DATA;
    case -EIO: /* it would be heard of later, or never */
    case -EFBIG:
    case -EHOSTUNREACH:
    case -ECANCELED:
        return API_UNAVAILABLE;
    default:
        return API_EXECUTION;
    }
}

static void ordered(void *userdata, const struct error *err) {
    struct web_answer answer = {0};
    struct json_writer json = {.out = &answer.text};
    if (err != NULL) {
        struct api_failure failure = {0};
        api_fail(&failure, kind_of(err), "%s", err->text);
        api_answer_failure(&failure, &answer);
    } else {
        answer.status = 200;
        answer.content_type = "application/json";
        api_write_head(&answer.text);
        json_object_begin(&json, NULL);
        json_bool(&json, "accepted", true);
        json_object_end(&json);
        api_write_tail(&answer.text, NULL, NULL);
    }
    web_later_end(userdata, &answer);
}

static void order(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct api_failure failure = {0};
    struct order order = {0};
    char who[128];
    if (request->user != NULL) {
        snprintf(who, sizeof(who), "%.100s", request->user);
    } else {
        snprintf(who, sizeof(who), "uid %u, pid %d", request->caller.uid, request->caller.pid);
    }
    order.who = who;
    int r = read_order(request, &order, &failure);
    if (r == 0 && web->sources.watch == NULL) {
        r = api_fail(&failure, API_NOT_FOUND, "no cluster is watched");
    }
    if (r < 0) {
        api_answer_failure(&failure, ret);
        return;
    }
    ret->later = true;
    watch_order(web->sources.watch, &order, ordered, web_later_new(request));
}

void api_failover(struct web *web, const struct web_request *request, struct web_answer *ret) {
    if (route_method_of(request->method) == ROUTE_GET) {
        ask(web, request, ret);
    } else {
        order(web, request, ret);
    }
}
