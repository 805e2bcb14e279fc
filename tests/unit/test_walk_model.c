/* SPDX-License-Identifier: Apache-2.0 */

/* Both connections of a target whose server does anything at any time: answers, is silent, hangs
 * up, lets nobody in. Whatever it does, there are never more than two. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/duration.h"
#include "base/log.h"
#include "fake_client.h"
#include "sampler/private.h"
#include "store/store.h"

#define INTERVAL ((uint64_t)10 * USEC_PER_MSEC)
#define TIMEOUT  ((uint64_t)8 * USEC_PER_MSEC)
#define AGE      ((uint64_t)80 * USEC_PER_MSEC)
#define PATIENCE ((uint64_t)30 * USEC_PER_SEC)
#define STEPS    16000
/* A mood lasts for so many steps. */
#define MOOD 800

struct fixture {
    struct loop *loop;
    struct store *store;
    struct sampler *sampler;
    struct fake_clients clients;
    struct target_options options;
    size_t rounds, visits, renewals;
};

/* Every connection that there is was made here. */
static struct client *make_client(void *userdata, const struct target_options *target,
                                  const struct client_events *events) {
    struct fixture *f = userdata;
    struct client *client = fake_client_new(&f->clients, events);
    struct fake_client *fake = container_of(client, struct fake_client, client);
    const struct pg_options *pg = &target->pg;
    snprintf(fake->database, sizeof(fake->database), "%s", pg->database ? pg->database : "");
    fake->statement_timeout_usec = pg->statement_timeout_usec;
    assert_true(f->clients.n_alive <= 2);
    f->visits += fake->database[0] == 'b';
    return client;
}

static void round_ended(void *userdata, const struct target_view *target) {
    struct fixture *f = userdata;
    f->rounds += target->health == TARGET_UP;
}

static void enable(struct fixture *f, const char *name, uint64_t timeout_usec) {
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        struct collector_settings *settings = &f->options.collectors[i];
        if (collector_list[i]->kind == KIND_POSTGRES &&
            strcmp(collector_list[i]->name, name) == 0) {
            settings->enabled = true;
            settings->interval_usec = 0;
            settings->timeout_usec = timeout_usec;
        }
    }
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    log_set_level(LOG_LEVEL_ERROR);
    assert_int_equal(loop_new(&f->loop), 0);
    f->store = store_new(&(struct store_options){0});
    f->clients.loop = f->loop;
    target_options_init(&f->options, KIND_POSTGRES);
    f->options.name = mem_strdup("orders");
    assert_int_equal(pg_options_parse("host=127.0.0.1 dbname=first", &f->options.pg, NULL), 0);
    f->options.interval_usec = INTERVAL;
    f->options.timeout_usec = TIMEOUT;
    f->options.databases.given = true;
    f->options.databases.include.list[0] = mem_strdup("*");
    f->options.databases.include.count = 1;
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        f->options.collectors[i].enabled = collector_list[i]->kind == KIND_POSTGRES &&
                                           (collector_list[i]->flags & COLLECTOR_VITAL) != 0;
    }
    enable(f, "user_tables", TIMEOUT / 2);
    enable(f, "database_size", 2 * TIMEOUT);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    sampler_free(f->sampler);
    assert_int_equal(f->clients.n_alive, 0);
    store_free(f->store);
    target_options_deinit(&f->options);
    loop_free(f->loop);
    free(f);
    return 0;
}

/* What is gone makes room for what comes. */
static void forget_freed(struct fake_clients *clients) {
    size_t kept = 0;
    for (size_t i = 0; i < clients->n_made; i++) {
        if (clients->list[i] != NULL) {
            clients->list[kept++] = clients->list[i];
        }
    }
    clients->n_made = kept;
}

static void answer_list(struct fake_request *request) {
    static const struct str columns[] = {
        {"datname", 7}, {"own", 3}, {"may_connect", 11}, {"has_room", 8}};
    static const struct str cells[] = {{"a", 1},     {"f", 1}, {"t", 1}, {"t", 1},
                                       {"b", 1},     {"f", 1}, {"t", 1}, {"t", 1},
                                       {"first", 5}, {"t", 1}, {"t", 1}, {"t", 1}};
    const struct table table = {columns, cells, 4, 3};
    fake_answer_table(request, &table);
}

static void answer_next(struct fake_client *client) {
    static const struct table nothing = {0};
    struct fake_request *request = fake_next(client);
    if (request == NULL) {
        client->n_requests = 0; /* all of them are answered */
    } else if (strstr(request->request.text, "may_connect") != NULL) {
        answer_list(request);
    } else {
        fake_answer_table(request, &nothing);
    }
}

/* Of a thousand times, how often a server does what it may do to a connection; else it is silent.
 */
struct mood {
    unsigned ends, lets_in, answers, wakes;
};

static void do_anything(struct fixture *f, struct fake_client *client, const struct mood *mood,
                        unsigned chance) {
    enum client_state state = client->client.state;
    if (chance < mood->ends) {
        fake_end(client, CLIENT_GONE, REASON_CLOSED);
        return;
    }
    chance -= mood->ends;
    if (state == CLIENT_CONNECTING && chance < mood->lets_in) {
        f->renewals += f->clients.n_alive == 2 && client->statement_timeout_usec == 0;
        fake_ready(client);
    } else if (state == CLIENT_READY && chance < mood->answers) {
        answer_next(client);
    } else if (state == CLIENT_DRAINING && chance < mood->wakes && fake_next(client) == NULL) {
        client->n_requests = 0;
        fake_drained(client);
    }
}

static void begin(struct fixture *f) {
    f->sampler = sampler_new(f->loop, NULL, f->store,
                             &(struct sampler_options){
                                 .round_ended = round_ended,
                                 .make_client = make_client,
                                 .connection_age_usec = AGE,
                                 .userdata = f,
                             });
    sampler_apply(f->sampler, &f->options, 1);
}

/* All of what a connection is made for has happened. */
static bool has_lived(const struct fixture *f) {
    return f->rounds > 0 && f->visits > 0 && f->renewals > 0;
}

static void there_are_two_connections_at_most_whatever_happens(void **state) {
    static const struct mood moods[] = {
        {1, 60, 150, 900},    /* well, mostly */
        {20, 100, 300, 50},   /* hangs up */
        {0, 5, 5, 2},         /* hangs */
        {100, 500, 900, 900}, /* restarts again and again */
    };
    struct fixture *f = *state;
    const uint64_t deadline = loop_clock_usec() + PATIENCE;
    const struct mood *mood = &moods[0];
    unsigned seed = 1;
    begin(f);
    for (unsigned i = 0; i < STEPS || (!has_lived(f) && loop_clock_usec() < deadline); i++) {
        (void)loop_run_once(f->loop, i % 8 == 0 ? USEC_PER_MSEC : 0);
        forget_freed(&f->clients);
        if (i % MOOD == 0) { /* well every other time, and to the end of a long wait */
            bool well = i >= STEPS || i / MOOD % 2 == 0;
            mood = &moods[well ? 0 : (unsigned)rand_r(&seed) % ARRAY_LEN(moods)];
        }
        if (f->clients.n_made != 0) {
            size_t chosen = (size_t)rand_r(&seed) % f->clients.n_made;
            do_anything(f, f->clients.list[chosen], mood, (unsigned)rand_r(&seed) % 1000);
        }
    }
    assert_true(has_lived(f));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_are_two_connections_at_most_whatever_happens, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
