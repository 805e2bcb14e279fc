/* SPDX-License-Identifier: Apache-2.0 */

/* Groups against a model of rules, a disk, a network and a receiver that believes what it is told:
 * random events, answers and crashes. Whatever happens,
 *
 *   the receiver is told nothing that it certainly knows before repeat_interval is over, and
 *   when all is quiet it believes exactly what is true. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "groups_world.h"

#define SECOND     ((int64_t)1000)
#define MINUTE     (60 * SECOND)
#define N_ALERTS   6u
#define N_CHANNELS 2u
#define STEPS      400
#define RUNS       300
#define REPEAT_MS  (60 * MINUTE)

/* A receiver behind a channel. */
struct listener {
    bool believes[N_ALERTS]; /* that it fires */
    char last[2][128];       /* of each group: what it accepted last, as text */
    int64_t last_ms[2];
    bool unsure[2]; /* the sender may not know that it was accepted */
};

struct model {
    struct world world;
    struct strbuf disk;
    struct listener listeners[N_CHANNELS];
    bool fires[N_ALERTS];
    uint64_t generation[N_ALERTS];
    int64_t fired_ms[N_ALERTS], resolved_ms[N_ALERTS];
    int64_t told_ms; /* when the rules spoke of all last */
    uint64_t random;
    unsigned accepted, crashes, repeated;
};

static char *by_cluster[] = {(char[]){"cluster"}};
static struct receiver_options receiver = {.name = (char[]){"ops"}};
static struct route_options route = {
    .group_by = by_cluster,
    .n_group_by = 1,
    .group_wait_usec = 10000000,
    .group_interval_usec = 60000000,
    .repeat_interval_usec = (uint64_t)REPEAT_MS * 1000,
};
static const struct notify_options options = {
    .receivers = &receiver, .n_receivers = 1, .routes = &route, .n_routes = 1};

/* xorshift64: the same on every machine. */
static unsigned pick(struct model *model, unsigned below) {
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return (unsigned)((model->random >> 33) % below);
}

/* ---- the rules ---- */

static void tell(struct model *model, unsigned id, enum alert_event_kind kind) {
    world_event(&model->world, kind, id, model->generation[id], model->fired_ms[id],
                model->fires[id] ? 0 : model->resolved_ms[id]);
}

static void change(struct model *model, unsigned id) {
    int64_t now_ms = model->world.time.wall_ms;
    model->fires[id] = !model->fires[id];
    model->generation[id]++;
    *(model->fires[id] ? &model->fired_ms[id] : &model->resolved_ms[id]) = now_ms;
    tell(model, id, model->fires[id] ? ALERT_EVENT_FIRING : ALERT_EVENT_RESOLVED);
}

/* As the rules do it: what fires, and for a while what is over. */
static void tell_all_again(struct model *model) {
    for (unsigned id = 0; id < N_ALERTS; id++) {
        bool recent = model->world.time.wall_ms - model->resolved_ms[id] < 15 * MINUTE;
        if (model->fires[id] || (model->resolved_ms[id] != 0 && recent)) {
            tell(model, id, ALERT_EVENT_AGAIN);
        }
    }
    model->told_ms = model->world.time.now_ms;
}

static void pass(struct model *model, int64_t ms) {
    while (ms > 0) {
        int64_t step = ms < 20 * SECOND ? ms : 20 * SECOND;
        world_until(&model->world, step);
        if (model->world.time.now_ms - model->told_ms >= MINUTE) {
            tell_all_again(model);
        }
        ms -= step;
    }
}

/* ---- the receiver ---- */

static void describe(const struct notification *notification, char out[128]) {
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < notification->n_alerts; i++) {
        const struct notification_alert *alert = &notification->alerts[i];
        len += (size_t)snprintf(out + len, 128 - len, "%c%u.%u", alert->resolved ? '-' : '+',
                                (unsigned)(alert->id - 1000), (unsigned)alert->generation);
    }
}

static void listen(struct model *model, unsigned channel, const struct notification *notification,
                   bool unsure) {
    struct listener *listener = &model->listeners[channel];
    size_t group = str_is(notification->group_labels[0].value, "c0") ? 0 : 1;
    char text[128];
    describe(notification, text);
    bool same = strcmp(text, listener->last[group]) == 0;
    bool early = model->world.time.wall_ms - listener->last_ms[group] < REPEAT_MS;
    if (same && early && !listener->unsure[group]) {
        fail_msg("channel %u was told %s twice", channel, text);
    }
    model->repeated += same && !early;
    for (size_t i = 0; i < notification->n_alerts; i++) {
        const struct notification_alert *alert = &notification->alerts[i];
        listener->believes[alert->id - 1000] = !alert->resolved;
    }
    strcpy(listener->last[group], text);
    listener->last_ms[group] = model->world.time.wall_ms;
    listener->unsure[group] = unsure;
    model->accepted++;
}

/* ---- crashes ---- */

static void crash(struct model *model) {
    model->world.time.wall_ms += (int64_t)pick(model, 600) * SECOND;
    model->world.time.now_ms = (int64_t)pick(model, 1000000);
    assert_true(world_load(&model->world, strbuf_view(&model->disk), &options));
    pass(model, (int64_t)pick(model, 10) * SECOND);
    tell_all_again(model);
    model->crashes++;
}

enum answer {
    ANSWER_ACCEPT,
    ANSWER_ACCEPT_AND_LOSE,  /* accepted, the answer got lost */
    ANSWER_NONE,             /* not accepted */
    ANSWER_CRASH_BEFORE,     /* we crash before it arrives */
    ANSWER_ACCEPT_AND_CRASH, /* between acceptance and write */
    ANSWERS
};

static void attempt(struct model *model, enum answer answer) {
    struct world *world = &model->world;
    if (world->n_waiting == 0) {
        return;
    }
    size_t i = pick(model, (unsigned)world->n_waiting);
    unsigned channel = strcmp(world->waiting[i].channel, "ops/email") == 0 ? 0 : 1;
    const char *name = world->channels[channel].name;
    struct strbuf key = {0};
    strbuf_add_str(&key, world->waiting[i].notification->group_key);
    world_save(world, &model->disk); /* durable before the first attempt */
    groups_started(world->groups, name, strbuf_view(&key));
    if (answer == ANSWER_ACCEPT || answer == ANSWER_ACCEPT_AND_LOSE ||
        answer == ANSWER_ACCEPT_AND_CRASH) {
        listen(model, channel, world->waiting[i].notification, answer != ANSWER_ACCEPT);
    }
    if (pick(model, 3) == 0) { /* what happens meanwhile */
        change(model, pick(model, N_ALERTS));
        pass(model, (int64_t)pick(model, 90) * SECOND);
    }
    if (answer == ANSWER_CRASH_BEFORE || answer == ANSWER_ACCEPT_AND_CRASH) {
        crash(model);
    } else if (answer == ANSWER_ACCEPT) {
        world_remove(world, world_find(world, name, strbuf_view(&key)));
        groups_ended(world->groups, name, strbuf_view(&key), TOLD_ACCEPTED, world->time);
        if (pick(model, 2) == 0) {
            world_save(world, &model->disk);
        } else {
            /* Until the next write a crash would bring it back. */
            model->listeners[channel].unsure[strstr(key.data, "c0") != NULL ? 0 : 1] = true;
        }
    } else {
        groups_ended(world->groups, name, strbuf_view(&key), TOLD_UNANSWERED, world->time);
    }
    strbuf_deinit(&key);
}

/* ---- a run ---- */

static void settle(struct model *model) {
    for (int i = 0; i < 60; i++) {
        while (model->world.n_waiting > 0) {
            struct world *world = &model->world;
            const char *name = world->waiting[0].channel;
            unsigned channel = strcmp(name, "ops/email") == 0 ? 0 : 1;
            struct strbuf key = {0};
            strbuf_add_str(&key, world->waiting[0].notification->group_key);
            name = world->channels[channel].name;
            groups_started(world->groups, name, strbuf_view(&key));
            listen(model, channel, world->waiting[0].notification, false);
            world_remove(world, 0);
            groups_ended(world->groups, name, strbuf_view(&key), TOLD_ACCEPTED, world->time);
            strbuf_deinit(&key);
        }
        pass(model, MINUTE / 2);
    }
}

static void assert_belief_is_true(const struct model *model) {
    for (unsigned id = 0; id < N_ALERTS; id++) {
        if (model->listeners[0].believes[id] != model->fires[id]) {
            fail_msg("alert %u %s, and nobody was told", id,
                     model->fires[id] ? "fires" : "is over");
        }
        /* Who is not told about ends still knows all that fires. */
        assert_true(model->listeners[1].believes[id] || !model->fires[id]);
    }
}

static void step(struct model *model) {
    unsigned what = pick(model, 100);
    if (what < 30) {
        change(model, pick(model, N_ALERTS));
    } else if (what < 60) {
        pass(model, (int64_t)pick(model, 120) * SECOND);
    } else if (what < 95) {
        unsigned answer = pick(model, 2 * ANSWERS);
        attempt(model, answer < ANSWERS ? (enum answer)answer : ANSWER_ACCEPT);
    } else if (what < 97) {
        world_save(&model->world, &model->disk);
    } else if (what < 98) {
        pass(model, 90 * MINUTE);
    } else {
        /* What was not on the disk is lost, and what was accepted since comes back. */
        for (unsigned i = 0; i < N_CHANNELS; i++) {
            model->listeners[i].unsure[0] = model->listeners[i].unsure[1] = true;
        }
        crash(model);
    }
}

static void whatever_happens(void **state) {
    unsigned accepted = 0, crashes = 0, repeated = 0;
    for (uint64_t run = 1; run <= RUNS; run++) {
        struct model model = {
            .world = {.channels = {{"ops/email", "ops", 0, true}, {"ops/exec", "ops", 0, false}},
                      .n_channels = N_CHANNELS,
                      .time = {1000, T0}},
            .random = run * 0x9e3779b97f4a7c15,
        };
        world_new_groups(&model.world);
        world_apply(&model.world, &options);
        world_save(&model.world, &model.disk);
        for (int i = 0; i < STEPS; i++) {
            step(&model);
        }
        settle(&model);
        assert_belief_is_true(&model);
        accepted += model.accepted;
        crashes += model.crashes;
        repeated += model.repeated;
        strbuf_deinit(&model.disk);
        world_deinit(&model.world);
    }
    /* The test tests something. */
    assert_true(accepted > RUNS * 50);
    assert_true(crashes > RUNS * 10);
    assert_true(repeated > RUNS / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_happens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
