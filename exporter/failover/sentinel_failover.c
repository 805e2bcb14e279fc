/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/sentinel_failover.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"

#define ASK_USEC    ((uint64_t)10 * USEC_PER_SEC)
#define FOLLOW_USEC ((uint64_t)180 * USEC_PER_SEC)
#define PACE_USEC   ((uint64_t)100 * USEC_PER_MSEC)
/* A question that changes nothing and is open as long is asked of another one. */
#define ANSWER_USEC ((uint64_t)2 * USEC_PER_SEC)
#define MOST_BYTES  ((size_t)1024 * 1024)

/* Left only downwards, and each at most once. */
enum sentinel_state {
    SENTINEL_LOOKING,   /* by which name one knows the primary: nothing was sent */
    SENTINEL_ASKED,     /* SENTINEL FAILOVER may have arrived */
    SENTINEL_ACCEPTED,  /* waits for sentinel_failover_follow() */
    SENTINEL_FOLLOWING, /* until another one is named */
    SENTINEL_OVER,
};

struct sentinel {
    struct sentinel_failover *failover;
    struct contact *contact;
    struct arena arena; /* of its answer */
    char *name;
    bool open; /* a question */
};

struct sentinel_failover {
    struct sentinel_options options;
    enum sentinel_state state;
    struct sentinel *sentinels;
    size_t n_sentinels;
    struct sentinel *chosen; /* who is asked; NULL: none is reached */
    char master[256];        /* the primary's name there */
    struct loop_timer *deadline, *next;
    struct loop_deferred *tell; /* what the question has come to */
    enum promotion_end end;
    uint64_t followed_usec;
    char last[320]; /* what was heard last, when it is not what is waited for */
    char text[640];
};

static uint64_t now_of(const struct sentinel_failover *failover) {
    return loop_now_usec(failover->options.contact.loop);
}

/* ---- the ends ---- */

static void tell(void *userdata) {
    struct sentinel_failover *failover = userdata;
    failover->options.asked(failover->options.userdata, failover->end, str_of(failover->text));
}

/* What was asked has come to an end; what is to be told stands in the text. */
static void conclude(struct sentinel_failover *failover, enum promotion_end end) {
    failover->state = end == PROMOTION_SUCCEEDED ? SENTINEL_ACCEPTED : SENTINEL_OVER;
    failover->end = end;
    loop_timer_stop(failover->deadline);
    loop_timer_stop(failover->next);
    loop_deferred_arm(failover->tell);
}

/* The last that is done: it may be freed in here. */
static void tell_named(struct sentinel_failover *failover, size_t member) {
    failover->state = SENTINEL_OVER;
    loop_timer_stop(failover->deadline);
    loop_timer_stop(failover->next);
    failover->options.named(failover->options.userdata, member, str_of(failover->text));
}

static const char *trouble_of(const struct sentinel_failover *failover) {
    return failover->n_sentinels > 0 ? contact_trouble(failover->sentinels[0].contact)
                                     : "none is configured";
}

static void time_is_over(void *userdata) {
    struct sentinel_failover *failover = userdata;
    bool follows = failover->state == SENTINEL_FOLLOWING;
    char duration[32];
    duration_format(follows ? failover->options.follow_usec : failover->options.ask_usec, duration);
    if (failover->state == SENTINEL_LOOKING) {
        snprintf(failover->text, sizeof(failover->text),
                 "nothing was asked: no Sentinel has answered within %s: %s", duration,
                 trouble_of(failover));
        conclude(failover, PROMOTION_FAILED);
    } else if (failover->state == SENTINEL_ASKED) {
        snprintf(failover->text, sizeof(failover->text),
                 "SENTINEL FAILOVER %s was sent to '%s', and no answer came within %s",
                 failover->master, failover->chosen->name, duration);
        conclude(failover, PROMOTION_UNKNOWN);
    } else if (follows) {
        snprintf(failover->text, sizeof(failover->text),
                 "no other member was named by the Sentinel within %s: %s", duration,
                 failover->last[0] != '\0' ? failover->last : trouble_of(failover));
        tell_named(failover, SENTINEL_NO_MEMBER);
    }
}

/* ---- questions ---- */

static void ask(struct sentinel *sentinel, const char *word, const char *name,
                void (*done)(void *userdata, const struct client_reply *reply,
                             const struct client_failure *failure)) {
    const struct str words[] = {str_of("SENTINEL"), str_of(word), str_of(name != NULL ? name : "")};
    struct client *client = contact_client(sentinel->contact);
    arena_reset(&sentinel->arena);
    sentinel->open = true;
    client_submit(client, &(struct client_request){
                              .words = words,
                              .n_words = name != NULL ? 3 : 2,
                              .limits = {.max_bytes = MOST_BYTES},
                              .arena = &sentinel->arena,
                              .done = done,
                              .userdata = sentinel,
                          });
    client_flush(client);
}

/* ---- asking it to ---- */

static const char *meaning_of(const struct client_failure *failure) {
    static const struct {
        const char *word, *meaning;
    } meanings[] = {
        {"NOGOODSLAVE", " (it knows no replica that may be promoted)"},
        {"INPROG", " (it is at a failover already)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        if (str_starts_with(str_of(failure->error.text), meanings[i].word)) {
            return meanings[i].meaning;
        }
    }
    return "";
}

static void took_failover(void *userdata, const struct client_reply *reply,
                          const struct client_failure *failure) {
    struct sentinel *sentinel = userdata;
    struct sentinel_failover *failover = sentinel->failover;
    enum promotion_end end = PROMOTION_UNKNOWN;
    sentinel->open = false;
    if (failover->state != SENTINEL_ASKED) {
        return; /* its time was over before */
    }
    const char *name = sentinel->name, *master = failover->master;
    if (failure == NULL && reply->tree->type == TREE_TEXT && str_is(reply->tree->text, "OK")) {
        end = PROMOTION_SUCCEEDED;
        snprintf(failover->text, sizeof(failover->text), "SENTINEL FAILOVER %s: OK, says '%s'",
                 master, name);
    } else if (failure == NULL) {
        snprintf(failover->text, sizeof(failover->text),
                 "SENTINEL FAILOVER %s was not answered with OK by '%s'", master, name);
    } else if (!failure->connection && failure->end == CLIENT_ALIVE &&
               failure->sqlstate[0] != '\0') { /* an error of its own: it did nothing */
        end = PROMOTION_FAILED;
        snprintf(failover->text, sizeof(failover->text), "SENTINEL FAILOVER %s: '%s' says: %s%s",
                 master, name, failure->error.text, meaning_of(failure));
    } else {
        snprintf(failover->text, sizeof(failover->text),
                 "SENTINEL FAILOVER %s was sent to '%s', its end is unknown: %s", master, name,
                 failure->error.text);
    }
    conclude(failover, end);
}

/* Of a list of names, each followed by its value. */
static struct str value_of(const struct tree *pairs, const char *name) {
    for (size_t i = 0; pairs->type == TREE_LIST && i + 1 < pairs->n_items; i += 2) {
        if (str_is(pairs->items[i].text, name)) {
            return pairs->items[i + 1].text;
        }
    }
    return (struct str){0};
}

static size_t member_at(const struct sentinel_failover *failover, struct str host,
                        struct str port) {
    uint64_t number = 0;
    if (host.len == 0 || !str_to_uint64(port, &number) || number > UINT16_MAX) {
        return SENTINEL_NO_MEMBER;
    }
    return failover->options.find_member(failover->options.userdata, host, (uint16_t)number);
}

/* Return: whether it looks after our primary; if not, why nothing is asked stands in the text. */
static bool find_master(struct sentinel_failover *failover, const struct tree *masters) {
    struct strbuf known = {0};
    bool found = false;
    for (size_t i = 0; masters->type == TREE_LIST && i < masters->n_items && !found; i++) {
        const struct tree *master = &masters->items[i];
        struct str name = value_of(master, "name"), host = value_of(master, "ip");
        struct str port = value_of(master, "port");
        found = member_at(failover, host, port) == failover->options.old && name.len > 0 &&
                name.len < sizeof(failover->master);
        if (found) {
            snprintf(failover->master, sizeof(failover->master), "%.*s", (int)name.len, name.data);
        } else if (known.len < 300) {
            strbuf_printf(&known, "%s%.*s at %.*s:%.*s", known.len > 0 ? ", " : "", (int)name.len,
                          name.data, (int)host.len, host.data, (int)port.len, port.data);
        }
    }
    if (!found) {
        snprintf(failover->text, sizeof(failover->text),
                 "nothing was asked: '%s' does not look after our primary, but after %s",
                 failover->chosen->name, known.len > 0 ? known.data : "no master at all");
    }
    strbuf_deinit(&known);
    return found;
}

static void choose(struct sentinel_failover *failover);

static void took_masters(void *userdata, const struct client_reply *reply,
                         const struct client_failure *failure) {
    struct sentinel *sentinel = userdata;
    struct sentinel_failover *failover = sentinel->failover;
    sentinel->open = false;
    if (failover->state != SENTINEL_LOOKING || (failure != NULL && failure->connection)) {
        return; /* its end is told next */
    }
    loop_timer_stop(failover->next);
    if (failure != NULL) {
        snprintf(failover->text, sizeof(failover->text),
                 "nothing was asked: SENTINEL MASTERS: '%s' says: %s", sentinel->name,
                 failure->error.text);
        conclude(failover, PROMOTION_FAILED);
    } else if (!find_master(failover, reply->tree)) {
        conclude(failover, PROMOTION_FAILED);
    } else {
        failover->state = SENTINEL_ASKED; /* the only place where it is left for this */
        ask(sentinel, "FAILOVER", failover->master, took_failover);
    }
}

/* ---- following ---- */

static void took_address(void *userdata, const struct client_reply *reply,
                         const struct client_failure *failure) {
    struct sentinel *sentinel = userdata;
    struct sentinel_failover *failover = sentinel->failover;
    sentinel->open = false;
    if (failover->state != SENTINEL_FOLLOWING || (failure != NULL && failure->connection)) {
        return; /* another one is asked when its end is told */
    }
    const struct tree *tree = failure == NULL ? reply->tree : NULL;
    loop_timer_set(failover->next, now_of(failover) + failover->options.pace_usec);
    if (tree == NULL || tree->type != TREE_LIST || tree->n_items != 2) {
        snprintf(failover->last, sizeof(failover->last), "'%s' says: %s", sentinel->name,
                 failure != NULL ? failure->error.text : "it knows no such master");
        return;
    }
    struct str host = tree->items[0].text, port = tree->items[1].text;
    size_t member = member_at(failover, host, port);
    if (member == failover->options.old) {
        snprintf(failover->last, sizeof(failover->last), "'%s' still names %.*s:%.*s",
                 sentinel->name, (int)host.len, host.data, (int)port.len, port.data);
        return;
    }
    snprintf(failover->text, sizeof(failover->text), "'%s' names %.*s:%.*s%s after %.1f s",
             sentinel->name, (int)host.len, host.data, (int)port.len, port.data,
             member == SENTINEL_NO_MEMBER ? ", which is no member," : "",
             (double)(now_of(failover) - failover->followed_usec) / (double)USEC_PER_SEC);
    tell_named(failover, member);
}

static void ask_address(struct sentinel_failover *failover) {
    struct sentinel *sentinel = failover->chosen;
    if (sentinel != NULL && !sentinel->open) {
        loop_timer_set(failover->next, now_of(failover) + failover->options.answer_usec);
        ask(sentinel, "GET-MASTER-ADDR-BY-NAME", failover->master, took_address);
    }
}

/* While it is looked for or followed: one that was asked to fail over is waited for, and nobody
 * else is asked. */
static void next_fired(void *userdata) {
    struct sentinel_failover *failover = userdata;
    struct sentinel *sentinel = failover->chosen;
    if (sentinel != NULL && sentinel->open) {
        snprintf(failover->last, sizeof(failover->last), "'%s' does not answer", sentinel->name);
        failover->chosen = NULL;
        contact_renew(sentinel->contact, failover->last);
        choose(failover);
        return;
    }
    if (failover->state == SENTINEL_FOLLOWING) {
        ask_address(failover);
    }
}

void sentinel_failover_follow(struct sentinel_failover *failover) {
    if (failover->state != SENTINEL_ACCEPTED) {
        return;
    }
    failover->state = SENTINEL_FOLLOWING;
    failover->followed_usec = now_of(failover);
    loop_timer_set(failover->deadline, failover->followed_usec + failover->options.follow_usec);
    if (failover->chosen != NULL) {
        ask_address(failover);
    } else {
        choose(failover);
    }
}

/* ---- connections ---- */

/* Whoever is reached is asked what comes next; in the other states the one that was asked has the
 * word. */
static void choose(struct sentinel_failover *failover) {
    for (size_t i = 0; failover->chosen == NULL && i < failover->n_sentinels; i++) {
        if (contact_client(failover->sentinels[i].contact) != NULL) {
            failover->chosen = &failover->sentinels[i];
        }
    }
    if (failover->chosen == NULL) {
        return;
    }
    if (failover->state == SENTINEL_LOOKING) {
        loop_timer_set(failover->next, now_of(failover) + failover->options.answer_usec);
        ask(failover->chosen, "MASTERS", NULL, took_masters);
    } else if (failover->state == SENTINEL_FOLLOWING) {
        ask_address(failover);
    }
}

static void contact_ready(void *userdata) {
    struct sentinel *sentinel = userdata;
    if (sentinel->failover->chosen == NULL) {
        choose(sentinel->failover);
    }
}

static void contact_lost(void *userdata) {
    struct sentinel *sentinel = userdata;
    if (sentinel->failover->chosen == sentinel) {
        sentinel->failover->chosen = NULL;
        choose(sentinel->failover);
    }
}

struct sentinel_failover *sentinel_failover_new(const struct sentinel_options *options) {
    struct sentinel_failover *failover = mem_alloc(sizeof(*failover));
    struct loop *loop = options->contact.loop;
    failover->options = *options;
    failover->options.ask_usec = options->ask_usec != 0 ? options->ask_usec : ASK_USEC;
    failover->options.follow_usec = options->follow_usec != 0 ? options->follow_usec : FOLLOW_USEC;
    failover->options.pace_usec = options->pace_usec != 0 ? options->pace_usec : PACE_USEC;
    failover->options.answer_usec = options->answer_usec != 0 ? options->answer_usec : ANSWER_USEC;
    failover->deadline = loop_timer_new(loop, time_is_over, failover);
    failover->next = loop_timer_new(loop, next_fired, failover);
    failover->tell = loop_deferred_new(loop, tell, failover);
    loop_timer_set(failover->deadline, loop_now_usec(loop) + failover->options.ask_usec);
    failover->n_sentinels = options->n_sentinels;
    failover->sentinels = mem_array(options->n_sentinels + 1, sizeof(*failover->sentinels));
    for (size_t i = 0; i < options->n_sentinels; i++) {
        struct sentinel *sentinel = &failover->sentinels[i];
        struct contact_options contact = options->contact;
        contact.kind = CONTACT_REDIS;
        contact.redis = options->sentinels[i].redis;
        *sentinel =
            (struct sentinel){.failover = failover, .name = mem_strdup(options->sentinels[i].name)};
        sentinel->contact = contact_new(&contact, &(struct contact_events){.ready = contact_ready,
                                                                           .lost = contact_lost,
                                                                           .userdata = sentinel});
    }
    return failover;
}

struct sentinel_failover *sentinel_failover_free(struct sentinel_failover *failover) {
    if (failover == NULL) {
        return NULL;
    }
    failover->state = SENTINEL_OVER; /* what is open is answered now, and no longer told */
    for (size_t i = 0; i < failover->n_sentinels; i++) {
        contact_free(failover->sentinels[i].contact);
        arena_deinit(&failover->sentinels[i].arena);
        free(failover->sentinels[i].name);
    }
    free(failover->sentinels);
    loop_timer_free(failover->deadline);
    loop_timer_free(failover->next);
    loop_deferred_free(failover->tell);
    free(failover);
    return NULL;
}
