/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/contact.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"
#include "io/pg_client.h"
#include "io/pgbouncer_client.h"

#define PACE_USEC ((uint64_t)1 * USEC_PER_SEC)
/* A connection that is being made this long is given up for another one. */
#define CONNECT_USEC   ((uint64_t)3 * USEC_PER_SEC)
#define STATEMENT_USEC ((uint64_t)60 * USEC_PER_SEC)

struct contact {
    struct contact_options options; /* its pg and redis are the copies below */
    struct contact_events events;
    struct pg_options pg;
    struct redis_options redis;
    struct client *client;    /* NULL: none at the moment */
    struct loop_timer *timer; /* the next attempt, or the end of this one */
    uint64_t opened_usec;
    bool closed;
    struct client_hello hello;
    char trouble[256];
};

static uint64_t now_of(const struct contact *contact) {
    return loop_now_usec(contact->options.loop);
}

static struct client *make(struct contact *contact, const struct client_events *events) {
    const struct contact_options *options = &contact->options;
    if (options->make_client != NULL) {
        return options->make_client(options->make_userdata, events);
    }
    switch (options->kind) {
    case CONTACT_REDIS:
        return redis_client_new(options->loop, options->resolver, options->tls_contexts,
                                &contact->redis, events);
    case CONTACT_PGBOUNCER:
        return pgbouncer_client_new(options->loop, options->resolver, &contact->pg, events);
    case CONTACT_POSTGRES:
    default:
        return pg_client_new(options->loop, options->resolver, &contact->pg, events);
    }
}

/* Without a client from here on, until the timer fires. */
static void drop(struct contact *contact, const char *why) {
    uint64_t at = contact->opened_usec + contact->options.pace_usec, now = now_of(contact);
    struct client *client = take_ptr(contact->client);
    snprintf(contact->trouble, sizeof(contact->trouble), "%s", why);
    if (!contact->closed) {
        loop_timer_set(contact->timer, at > now ? at : now);
    }
    client_free(client);
}

static void on_ready(void *userdata, const struct client_hello *hello) {
    struct contact *contact = userdata;
    loop_timer_stop(contact->timer);
    contact->hello = *hello;
    contact->trouble[0] = '\0';
    contact->events.ready(contact->events.userdata);
}

static void on_drained(void *userdata) {
    (void)userdata; /* nothing is ever abandoned */
}

static void on_ended(void *userdata, const struct client_failure *failure) {
    struct contact *contact = userdata;
    drop(contact, failure->error.text);
    if (contact->events.lost != NULL) {
        contact->events.lost(contact->events.userdata);
    }
}

static struct client_events events_for(struct contact *contact) {
    return (struct client_events){
        .ready = on_ready, .drained = on_drained, .ended = on_ended, .userdata = contact};
}

static void open_client(struct contact *contact) {
    const struct client_events events = events_for(contact);
    contact->opened_usec = now_of(contact);
    contact->client = make(contact, &events);
    loop_timer_set(contact->timer, contact->opened_usec + CONNECT_USEC);
    client_open(contact->client);
}

static void fired(void *userdata) {
    struct contact *contact = userdata;
    if (contact->client != NULL) {
        char why[200], duration[32];
        const char *stage = contact->client->stage;
        snprintf(why, sizeof(why), "no connection within %s%s%s",
                 duration_format(CONNECT_USEC, duration), stage != NULL ? ": it waits for " : "",
                 stage != NULL ? stage : "");
        drop(contact, why);
        if (contact->events.lost != NULL) {
            contact->events.lost(contact->events.userdata);
        }
        return;
    }
    open_client(contact);
}

void contact_set_events(struct contact *contact, const struct contact_events *events) {
    contact->events = *events;
}

struct client *contact_client(const struct contact *contact) {
    bool ready = contact->client != NULL && contact->client->state == CLIENT_READY;
    return ready ? contact->client : NULL;
}

const struct client_hello *contact_hello(const struct contact *contact) {
    return &contact->hello;
}

const char *contact_trouble(const struct contact *contact) {
    return contact->trouble[0] != '\0' ? contact->trouble : "no connection was made yet";
}

bool contact_is_stuck(const struct contact *contact, uint64_t usec) {
    return contact_client(contact) == NULL &&
           (contact->trouble[0] != '\0' || now_of(contact) - contact->opened_usec >= usec);
}

void contact_adopt(struct contact *contact, struct client *client,
                   const struct client_hello *hello) {
    client_free(take_ptr(contact->client)); /* nothing was asked there */
    loop_timer_stop(contact->timer);
    client->events = events_for(contact);
    contact->client = client;
    contact->opened_usec = now_of(contact);
    contact->hello = *hello;
    contact->trouble[0] = '\0';
}

void contact_renew(struct contact *contact, const char *why) {
    drop(contact, why);
}

void contact_close(struct contact *contact) {
    contact->closed = true;
    loop_timer_stop(contact->timer);
    drop(contact, "the connection was closed by us");
}

struct contact *contact_new(const struct contact_options *options,
                            const struct contact_events *events) {
    struct contact *contact = mem_alloc(sizeof(*contact));
    contact->options = *options;
    contact->events = *events;
    if (options->pace_usec == 0) {
        contact->options.pace_usec = PACE_USEC;
    }
    if (options->pg != NULL) {
        pg_options_copy(options->pg, &contact->pg);
        contact->pg.statement_timeout_usec =
            options->statement_usec != 0 ? options->statement_usec : STATEMENT_USEC;
        /* No text of ours needs a conversion, and none may fail in place of an answer. */
        contact->pg.sql_ascii = options->kind == CONTACT_POSTGRES;
    }
    if (options->redis != NULL) {
        redis_options_copy(options->redis, &contact->redis);
    }
    contact->timer = loop_timer_new(options->loop, fired, contact);
    open_client(contact);
    return contact;
}

struct contact *contact_free(struct contact *contact) {
    if (contact == NULL) {
        return NULL;
    }
    contact_close(contact);
    loop_timer_free(contact->timer);
    pg_options_deinit(&contact->pg);
    redis_options_deinit(&contact->redis);
    free(contact);
    return NULL;
}
