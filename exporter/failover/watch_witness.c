/* SPDX-License-Identifier: Apache-2.0 */

/* Witnesses, on both sides: other daemons are asked while our primary fails us, and others ask us
 * how ours does. Who is asked probes it at once, and answers when that has ended. */
#include <errno.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "failover/private_watch.h"
#include "failover/witness_report.h"

#define MOST_REPORT_BYTES ((size_t)4096)
#define MOST_QUESTIONS    64

/* ---- asking ---- */

static void tell(struct watched_witness *witness, const char *trouble) {
    const char *cluster = witness->watched->options.cluster;
    const char *url = witness->watched->options.witnesses.list[witness->index];
    if (trouble != NULL && !witness->failing) {
        log_warn("cluster '%s': witness '%s' says nothing: %s", cluster, url, trouble);
    } else if (trouble == NULL && witness->failing) {
        log_info("cluster '%s': witness '%s' answers again", cluster, url);
    }
    witness->failing = trouble != NULL;
}

static void took_report(void *userdata, const struct transfer_answer *answer,
                        const struct client_failure *failure) {
    struct watched_witness *witness = userdata;
    struct watched *watched = witness->watched;
    struct witness_report report;
    struct error err = {0};
    witness->transfer = NULL;
    if (failure != NULL) {
        tell(witness, failure->error.text);
    } else if (answer->status != 200) {
        error_say(&err, -EPROTO, "it answers with status %d", answer->status);
        tell(witness, err.text);
    } else if (witness_report_read(answer->body, watched->options.cluster, &report, &err) < 0) {
        tell(witness, err.text);
    } else {
        tell(witness, NULL);
        cluster_witnessed(&watched->cluster, witness->index, &report,
                          loop_now_usec(watched->watch->options.loop));
    }
}

static void ask(struct watched_witness *witness) {
    struct watched *watched = witness->watched;
    struct watch *watch = watched->watch;
    uint64_t interval = watched->options.interval_usec;
    const char *url = watched->options.witnesses.list[witness->index];
    size_t len = strlen(url);
    CLEANUP(mem_freep)
    char *text =
        mem_printf("%.*s" WATCH_WITNESS_PATH "?cluster=%s&wait_ms=%llu",
                   (int)(len > 0 && url[len - 1] == '/' ? len - 1 : len), url,
                   watched->options.cluster, (unsigned long long)(interval / 2 / USEC_PER_MSEC));
    if (witness->transfer != NULL) {
        tell(witness, "no answer within the interval");
    }
    transfer_free(witness->transfer);
    witness->transfer = transfer_submit(
        watch->transfers, &(struct transfer_request){
                              .url = text,
                              .deadline_usec = loop_now_usec(watch->options.loop) + interval,
                              .max_answer_bytes = MOST_REPORT_BYTES,
                              .done = took_report,
                              .userdata = witness,
                          });
}

void watched_ask_witnesses(struct watched *watched) {
    const struct cluster *cluster = &watched->cluster;
    bool fails = cluster->primary != CLUSTER_NO_MEMBER &&
                 cluster->members[cluster->primary].suspicion.count > 0;
    for (size_t i = 0; fails && i < watched->cluster.n_witnesses; i++) {
        ask(&watched->witnesses[i]);
    }
}

void watched_witnesses_open(struct watched *watched) {
    struct watch *watch = watched->watch;
    size_t n = watched->options.witnesses.count;
    if (n == 0) {
        return;
    }
    if (!watch_connects(watch)) {
        log_error("cluster '%s': witnesses cannot be asked", watched->options.cluster);
        return;
    }
    watched->witnesses = mem_array(n, sizeof(*watched->witnesses));
    watched->cluster.n_witnesses = n;
    for (size_t i = 0; i < n; i++) {
        watched->witnesses[i] = (struct watched_witness){.watched = watched, .index = i};
    }
}

/* ---- being asked ---- */

struct watch_question {
    struct watch_question *next;
    struct watched *watched;
    struct loop_timer *patience;
    void (*done)(void *userdata, const struct watch_testimony *testimony);
    void *userdata;
};

static void testify(const struct watched *watched,
                    void (*done)(void *userdata, const struct watch_testimony *testimony),
                    void *userdata) {
    const struct cluster *cluster = &watched->cluster;
    struct watch_testimony said = {.cluster = watched->options.cluster};
    if (cluster->primary != CLUSTER_NO_MEMBER) {
        const struct cluster_member *primary = &cluster->members[cluster->primary];
        const struct suspicion *suspicion = &primary->suspicion;
        uint64_t now = loop_now_usec(watched->watch->options.loop);
        said.primary = primary->name;
        said.report.answered = suspicion->answered_usec != 0;
        said.report.age_usec = said.report.answered ? now - suspicion->answered_usec : 0;
        said.report.fails = suspicion->count > 0 && !suspicion->void_;
        memcpy(said.report.system, primary->answer.system, sizeof(said.report.system));
    }
    done(userdata, &said);
}

static void end(struct watch_question *question) {
    struct watch_question **link = &question->watched->questions;
    while (*link != question) {
        link = &(*link)->next;
    }
    *link = question->next;
    question->watched->n_questions--;
    loop_timer_free(question->patience);
    testify(question->watched, question->done, question->userdata);
    free(question);
}

void watched_answer_questions(struct watched *watched) {
    while (watched->questions != NULL) {
        end(watched->questions);
    }
}

static void waited(void *userdata) {
    end(userdata);
}

static struct watched *find(const struct watch *watch, struct str cluster) {
    for (size_t i = 0; watch != NULL && i < watch->n_clusters; i++) {
        if (str_is(cluster, watch->clusters[i]->options.cluster)) {
            return watch->clusters[i];
        }
    }
    return NULL;
}

bool watch_knows(const struct watch *watch, struct str cluster) {
    return find(watch, cluster) != NULL;
}

void watch_testify(struct watch *watch, struct str cluster, uint64_t wait_usec,
                   void (*done)(void *userdata, const struct watch_testimony *testimony),
                   void *userdata) {
    struct watched *watched = find(watch, cluster);
    uint64_t now = loop_now_usec(watch->options.loop);
    uint64_t interval = watched->options.interval_usec;
    size_t primary = watched->cluster.primary;
    if (primary == CLUSTER_NO_MEMBER || watched->n_questions == MOST_QUESTIONS) {
        testify(watched, done, userdata);
        return;
    }
    struct watch_question *question = mem_alloc(sizeof(*question));
    *question = (struct watch_question){
        .next = watched->questions, .watched = watched, .done = done, .userdata = userdata};
    question->patience = loop_timer_new(watch->options.loop, waited, question);
    loop_timer_set(question->patience, now + (wait_usec < interval ? wait_usec : interval));
    watched->questions = question;
    watched->n_questions++;
    if (watched->hurried_usec == 0 || now - watched->hurried_usec >= interval) {
        watched->hurried_usec = now;
        probe_now(watched->members[primary].probe);
    }
}

void watched_witnesses_close(struct watched *watched) {
    watched_answer_questions(watched);
    for (size_t i = 0; i < watched->cluster.n_witnesses; i++) {
        transfer_free(watched->witnesses[i].transfer);
    }
    free(watched->witnesses);
}
