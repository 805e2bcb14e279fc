/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/repoint_redis.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"

#define DEADLINE_USEC ((uint64_t)10 * USEC_PER_SEC)
#define MOST_BYTES    ((size_t)256 * 1024)

/* What a member is asked next. A new connection begins with ROLE again, unless it follows. */
enum repoint_stage { STAGE_ROLE, STAGE_FOLLOW, STAGE_REWRITE, STAGE_DONE };

struct follower {
    struct repoint_redis *repoint;
    struct contact *contact;
    struct arena arena;
    char *name;
    bool is_primary;
    enum repoint_stage stage;
    bool follows;
    char text[320]; /* of the failure or the warning; else empty */
};

struct repoint_redis {
    struct repoint_options options; /* its host is the copy below */
    char *host;
    char port[8];
    struct follower *members; /* the primary last */
    size_t n_members, n_done;
    struct loop_timer *deadline;
    struct loop_deferred *tell;
    bool over;
};

static void ask(struct follower *follower);

/* ---- the end ---- */

static void describe(const struct follower *follower, struct strbuf *text) {
    const struct repoint_redis *repoint = follower->repoint;
    strbuf_printf(text, "%s%s: ", text->len > 0 ? "; " : "", follower->name);
    if (follower->follows) {
        strbuf_printf(text, "follows %s:%s%s", repoint->host, repoint->port,
                      follower->text[0] != '\0' ? ", but " : "");
    }
    strbuf_add_text(text, follower->text[0] != '\0' ? follower->text
                          : follower->is_primary    ? "configuration written"
                                                    : "");
}

static void tell(void *userdata) {
    struct repoint_redis *repoint = userdata;
    struct strbuf text = {0};
    size_t failed = 0;
    repoint->over = true;
    loop_timer_stop(repoint->deadline);
    for (size_t i = 0; i < repoint->n_members; i++) {
        failed += !repoint->members[i].follows && !repoint->members[i].is_primary;
        describe(&repoint->members[i], &text);
    }
    repoint->options.ended(repoint->options.userdata, failed, strbuf_view(&text));
    strbuf_deinit(&text);
}

static void finish(struct follower *follower) {
    struct repoint_redis *repoint = follower->repoint;
    follower->stage = STAGE_DONE;
    contact_close(follower->contact);
    if (++repoint->n_done == repoint->n_members) {
        loop_deferred_arm(repoint->tell);
    }
}

static void time_is_over(void *userdata) {
    struct repoint_redis *repoint = userdata;
    for (size_t i = 0; i < repoint->n_members; i++) {
        struct follower *follower = &repoint->members[i];
        bool connected = contact_client(follower->contact) != NULL;
        if (follower->stage == STAGE_DONE) {
            continue;
        }
        snprintf(follower->text, sizeof(follower->text), "%s: %s",
                 follower->stage == STAGE_REWRITE ? "CONFIG REWRITE did not end" : "not done",
                 connected ? "no answer in time" : contact_trouble(follower->contact));
        finish(follower);
    }
}

/* ---- answers ---- */

static void took_role(struct follower *follower, const struct tree *tree) {
    const struct repoint_redis *repoint = follower->repoint;
    const struct tree *items = tree->items;
    if (tree->type != TREE_LIST || tree->n_items < 3 || items[0].type != TREE_TEXT ||
        !str_is(items[0].text, "slave")) {
        snprintf(follower->text, sizeof(follower->text),
                 "is no replica by its own account, left alone");
        finish(follower);
        return;
    }
    follower->follows =
        str_is(items[1].text, repoint->host) && str_is(items[2].text, repoint->port);
    follower->stage = follower->follows ? STAGE_REWRITE : STAGE_FOLLOW;
    ask(follower);
}

static void took_failure(struct follower *follower, const struct client_failure *failure) {
    static const char *const names[] = {"ROLE", "REPLICAOF", "CONFIG REWRITE"};
    if (failure->connection) {
        return; /* the contact is made anew, and asked again */
    }
    if (failure->reason == REASON_STARTING) { /* it loads its data set */
        contact_renew(follower->contact, failure->error.text);
        return;
    }
    snprintf(follower->text, sizeof(follower->text), "%s failed: %s", names[follower->stage],
             failure->error.text);
    finish(follower);
}

static void answered(void *userdata, const struct client_reply *reply,
                     const struct client_failure *failure) {
    struct follower *follower = userdata;
    if (follower->repoint->over || follower->stage == STAGE_DONE) {
        return;
    }
    if (failure != NULL) {
        took_failure(follower, failure);
    } else if (follower->stage == STAGE_ROLE) {
        took_role(follower, reply->tree);
    } else if (follower->stage == STAGE_FOLLOW) {
        follower->follows = true;
        follower->stage = STAGE_REWRITE;
        ask(follower);
    } else {
        finish(follower);
    }
}

/* ---- questions ---- */

static void ask(struct follower *follower) {
    const struct repoint_redis *repoint = follower->repoint;
    struct client *client = contact_client(follower->contact);
    const struct str role[] = {str_of("ROLE")};
    const struct str follow[] = {str_of("REPLICAOF"), str_of(repoint->host), str_of(repoint->port)};
    const struct str rewrite[] = {str_of("CONFIG"), str_of("REWRITE")};
    const struct {
        const struct str *words;
        size_t n;
    } commands[] = {{role, ARRAY_LEN(role)}, {follow, ARRAY_LEN(follow)}, {rewrite, 2}};
    if (client == NULL || follower->stage == STAGE_DONE) {
        return;
    }
    client_submit(client, &(struct client_request){
                              .words = commands[follower->stage].words,
                              .n_words = commands[follower->stage].n,
                              .limits = {.max_bytes = MOST_BYTES},
                              .arena = &follower->arena,
                              .done = answered,
                              .userdata = follower,
                          });
    client_flush(client);
}

static void contact_ready(void *userdata) {
    struct follower *follower = userdata;
    if (follower->stage == STAGE_FOLLOW) {
        follower->stage = STAGE_ROLE; /* it may be another one by now, or follow already */
    }
    ask(follower);
}

/* ---- life ---- */

static void follower_init(struct repoint_redis *repoint, size_t index,
                          const struct repoint_member *from, bool is_primary) {
    struct follower *follower = &repoint->members[index];
    struct contact_options contact = repoint->options.contact;
    contact.kind = CONTACT_REDIS;
    contact.redis = from->redis;
    *follower = (struct follower){
        .repoint = repoint,
        .name = mem_strdup(from->name),
        .is_primary = is_primary,
        .stage = is_primary ? STAGE_REWRITE : STAGE_ROLE,
    };
    follower->contact = contact_new(
        &contact, &(struct contact_events){.ready = contact_ready, .userdata = follower});
}

struct repoint_redis *repoint_redis_new(const struct repoint_options *options) {
    struct repoint_redis *repoint = mem_alloc(sizeof(*repoint));
    struct loop *loop = options->contact.loop;
    uint64_t deadline = options->deadline_usec != 0 ? options->deadline_usec : DEADLINE_USEC;
    repoint->options = *options;
    repoint->host = mem_strdup(options->host);
    repoint->options.host = repoint->host;
    snprintf(repoint->port, sizeof(repoint->port), "%u", (unsigned)options->port);
    repoint->deadline = loop_timer_new(loop, time_is_over, repoint);
    repoint->tell = loop_deferred_new(loop, tell, repoint);
    loop_timer_set(repoint->deadline, loop_now_usec(loop) + deadline);
    repoint->n_members = options->n_replicas + 1;
    repoint->members = mem_array(repoint->n_members, sizeof(*repoint->members));
    for (size_t i = 0; i < options->n_replicas; i++) {
        follower_init(repoint, i, &options->replicas[i], false);
    }
    follower_init(repoint, options->n_replicas, &options->primary, true);
    return repoint;
}

struct repoint_redis *repoint_redis_free(struct repoint_redis *repoint) {
    if (repoint == NULL) {
        return NULL;
    }
    repoint->over = true;
    for (size_t i = 0; i < repoint->n_members; i++) {
        contact_free(repoint->members[i].contact);
        arena_deinit(&repoint->members[i].arena);
        free(repoint->members[i].name);
    }
    free(repoint->members);
    loop_timer_free(repoint->deadline);
    loop_deferred_free(repoint->tell);
    free(repoint->host);
    free(repoint);
    return NULL;
}
