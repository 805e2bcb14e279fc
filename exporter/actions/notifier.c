/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/notifier.h"

#include <stdlib.h>

#include "actions/alertmanager.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"

struct notifier {
    struct loop *loop;
    struct transfers *transfers; /* NULL when nobody is told: libcurl costs memory */
    struct arena arena;          /* of what note borrows */
    struct alert_note_options note;
    struct alertmanager **alertmanagers;
    size_t n_alertmanagers;
};

static void copy_note_options(struct notifier *notifier, const struct notifier_options *options) {
    struct label *labels =
        arena_array(&notifier->arena, options->n_external_labels, sizeof(*labels));
    for (size_t i = 0; i < options->n_external_labels; i++) {
        const struct label *label = &options->external_labels[i];
        labels[i].name = arena_dup(&notifier->arena, label->name);
        labels[i].value = arena_dup(&notifier->arena, label->value);
    }
    notifier->note = (struct alert_note_options){
        .external_url = arena_dup(&notifier->arena, options->external_url),
        .external_labels = labels,
        .n_external_labels = options->n_external_labels,
    };
}

static void add_alertmanager(struct notifier *notifier, const struct notifier_alertmanager *from) {
    notifier->alertmanagers[notifier->n_alertmanagers++] =
        alertmanager_new(&(struct alertmanager_options){
            .loop = notifier->loop,
            .transfers = notifier->transfers,
            .url = from->url,
            .user = from->user,
            .password = from->password,
            .bearer = from->bearer,
            .tls = &from->tls,
            .timeout_usec = from->timeout_usec,
        });
}

struct notifier *notifier_new(const struct notifier_options *options) {
    struct notifier *notifier = mem_alloc(sizeof(*notifier));
    notifier->loop = options->loop;
    copy_note_options(notifier, options);
    if (options->n_alertmanagers == 0) {
        return notifier;
    }
    notifier->transfers = transfers_new(options->loop, options->resolver);
    if (notifier->transfers == NULL) {
        log_error("libcurl cannot be set up: nobody is told about alerts");
        return notifier;
    }
    notifier->alertmanagers = mem_array(options->n_alertmanagers, sizeof(*notifier->alertmanagers));
    for (size_t i = 0; i < options->n_alertmanagers; i++) {
        add_alertmanager(notifier, &options->alertmanagers[i]);
    }
    return notifier;
}

struct notifier *notifier_free(struct notifier *notifier) {
    if (notifier == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < notifier->n_alertmanagers; i++) {
        (void)alertmanager_free(notifier->alertmanagers[i]);
    }
    free(notifier->alertmanagers);
    (void)transfers_free(notifier->transfers);
    arena_deinit(&notifier->arena);
    free(notifier);
    return NULL;
}

void notifier_event(struct notifier *notifier, const struct alert_event *event) {
    if (notifier->n_alertmanagers == 0) {
        return;
    }
    struct alert_note note = alert_note_of(event, &notifier->note, loop_now_ms(notifier->loop));
    for (size_t i = 0; i < notifier->n_alertmanagers; i++) {
        alertmanager_notify(notifier->alertmanagers[i], &note);
    }
    alert_note_deinit(&note);
}

size_t notifier_queued(const struct notifier *notifier) {
    size_t queued = 0;
    for (size_t i = 0; i < notifier->n_alertmanagers; i++) {
        queued += alertmanager_stats(notifier->alertmanagers[i]).queued;
    }
    return queued;
}

void notifier_collect(const struct notifier *notifier, struct batch *batch) {
    for (size_t i = 0; i < notifier->n_alertmanagers; i++) {
        alertmanager_collect(notifier->alertmanagers[i], batch);
    }
}
