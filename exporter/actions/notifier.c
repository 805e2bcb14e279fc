/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/notifier.h"

#include <stdlib.h>
#include <string.h>

#include "actions/alertmanager.h"
#include "actions/receivers.h"
#include "actions/ways.h"
#include "base/log.h"
#include "base/mem.h"

struct notifier {
    struct notifier_parts parts;
    struct ways *ways;
    struct alert_note_options note;
    struct alertmanager **alertmanagers;
    size_t n_alertmanagers;
    struct receivers *receivers;
};

struct notifier *notifier_new(const struct notifier_parts *parts) {
    struct notifier *notifier = mem_alloc(sizeof(*notifier));
    notifier->parts = *parts;
    notifier->note.external_url = parts->external_url;
    notifier->ways = ways_new(&(struct ways_parts){
        .loop = parts->loop, .resolver = parts->resolver, .external_url = parts->external_url});
    bool real = parts->connect == NULL;
    notifier->receivers = receivers_new(&(struct receivers_parts){
        .loop = parts->loop,
        .storage_path = parts->storage_path,
        .connect = real ? ways_connect : parts->connect,
        .userdata = real ? notifier->ways : parts->userdata,
    });
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
    (void)receivers_free(notifier->receivers);
    (void)ways_free(notifier->ways);
    free(notifier);
    return NULL;
}

/* The one with this URL, taken out of the list; or NULL. */
static struct alertmanager *take_old(struct notifier *notifier, const char *url) {
    for (size_t i = 0; i < notifier->n_alertmanagers; i++) {
        struct alertmanager *old = notifier->alertmanagers[i];
        if (old != NULL && strcmp(alertmanager_url(old), url) == 0) {
            notifier->alertmanagers[i] = NULL;
            return old;
        }
    }
    return NULL;
}

static struct alertmanager *keep_or_make(struct notifier *notifier,
                                         const struct http_options *http) {
    struct alertmanager *old = take_old(notifier, http->url);
    if (old != NULL) {
        alertmanager_configure(old, http);
        return old;
    }
    return alertmanager_new(&(struct alertmanager_options){
        .loop = notifier->parts.loop, .transfers = ways_transfers(notifier->ways), .http = http});
}

void notifier_apply(struct notifier *notifier, const struct notify_options *options,
                    const struct label *labels, size_t n_labels) {
    notifier->note.external_labels = labels;
    notifier->note.n_external_labels = n_labels;
    notifier->note.relabel = options->relabel;
    notifier->note.n_relabel = options->n_relabel;
    size_t count = options->n_alertmanagers;
    if (count > 0 && ways_transfers(notifier->ways) == NULL) {
        count = 0;
    }
    struct alertmanager **alertmanagers = mem_array(count + 1, sizeof(*alertmanagers));
    for (size_t i = 0; i < count; i++) {
        alertmanagers[i] = keep_or_make(notifier, &options->alertmanagers[i]);
    }
    for (size_t i = 0; i < notifier->n_alertmanagers; i++) {
        (void)alertmanager_free(notifier->alertmanagers[i]);
    }
    free(notifier->alertmanagers);
    notifier->alertmanagers = alertmanagers;
    notifier->n_alertmanagers = count;
    receivers_apply(notifier->receivers, options);
}

static void tell_alertmanagers(struct notifier *notifier, const struct alert_event *event) {
    if (notifier->n_alertmanagers == 0) {
        return;
    }
    struct alert_note note;
    int r = alert_note_of(event, &notifier->note, loop_now_ms(notifier->parts.loop), &note);
    if (r < 0) {
        log_error("an alert is not sent to Alertmanagers: a regular expression of "
                  "alert_relabel_configs needs too much time for its labels");
    }
    if (r <= 0) {
        return;
    }
    for (size_t i = 0; i < notifier->n_alertmanagers; i++) {
        alertmanager_notify(notifier->alertmanagers[i], &note);
    }
    alert_note_deinit(&note);
}

void notifier_event(struct notifier *notifier, const struct alert_event *event) {
    receivers_event(notifier->receivers, event, notifier->note.external_labels,
                    notifier->note.n_external_labels);
    tell_alertmanagers(notifier, event);
}

size_t notifier_queued(const struct notifier *notifier) {
    size_t queued = receivers_queued(notifier->receivers);
    for (size_t i = 0; i < notifier->n_alertmanagers; i++) {
        queued += alertmanager_stats(notifier->alertmanagers[i]).queued;
    }
    return queued;
}

const char *notifier_alertmanager(const struct notifier *notifier, size_t index) {
    return index < notifier->n_alertmanagers ? alertmanager_shown(notifier->alertmanagers[index])
                                             : NULL;
}

void notifier_collect(const struct notifier *notifier, struct batch *batch) {
    for (size_t i = 0; i < notifier->n_alertmanagers; i++) {
        alertmanager_collect(notifier->alertmanagers[i], batch);
    }
    receivers_collect(notifier->receivers, batch);
}
