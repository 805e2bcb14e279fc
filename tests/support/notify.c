/* SPDX-License-Identifier: Apache-2.0 */

/* usage: notify SECONDS [--ca FILE [--name NAME]] URL...
 *
 * Tells the Alertmanagers at these URLs what stands on stdin, a line each: "fire ID NAME" or
 * "resolve ID NAME". Ends when all have taken it (0), or after so many seconds (1). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/notifier.h"
#include "base/duration.h"
#include "base/macros.h"

#define MOST_URLS 8

static void tell(struct notifier *notifier, const char *verb, uint64_t id, const char *name,
                 int64_t now_ms) {
    const struct label labels[] = {{str_of("alertname"), str_of(name)}};
    const struct label annotations[] = {{str_of("summary"), str_of("caf\xc3\xa9 \"x\"\n")}};
    bool resolved = strcmp(verb, "resolve") == 0;
    const struct alert_view alert = {.id = id,
                                     .state = resolved ? ALERT_INACTIVE : ALERT_FIRING,
                                     .labels = labels,
                                     .n_labels = 1,
                                     .annotations = annotations,
                                     .n_annotations = 1,
                                     .fired_ms = now_ms - 60000,
                                     .resolved_ms = resolved ? now_ms : 0,
                                     .valid_until_ms = now_ms + 240000,
                                     .query = str_of("up == 0")};
    const struct alert_event event = {resolved ? ALERT_EVENT_RESOLVED : ALERT_EVENT_FIRING, 1,
                                      &alert};
    notifier_event(notifier, &event);
}

int main(int argc, char **argv) {
    CLEANUP(loop_freep)
    struct loop *loop = NULL;
    if (loop_new(&loop) < 0) {
        return 2;
    }
    CLEANUP(worker_pool_freep)
    struct worker_pool *pool = worker_pool_new(loop, NULL);
    CLEANUP(resolver_freep)
    struct resolver *resolver = resolver_new(loop, pool);
    const struct label external = {str_of("zone"), str_of("b")};
    struct http_options alertmanagers[MOST_URLS] = {0};
    size_t count = 0;
    uint64_t seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    bool with_ca = argc > 3 && strcmp(argv[2], "--ca") == 0;
    bool with_name = with_ca && argc > 5 && strcmp(argv[4], "--name") == 0;
    for (int i = with_name ? 6 : with_ca ? 4 : 2; i < argc && count < MOST_URLS; i++) {
        alertmanagers[count].url = argv[i];
        alertmanagers[count].tls.ca_file = with_ca ? argv[3] : NULL;
        alertmanagers[count].tls.server_name = with_name ? argv[5] : NULL;
        alertmanagers[count++].timeout_usec = 2 * USEC_PER_SEC;
    }
    CLEANUP(notifier_freep)
    struct notifier *notifier = notifier_new(&(struct notifier_parts){
        .loop = loop, .resolver = resolver, .external_url = str_of("http://me:9719")});
    notifier_apply(
        notifier,
        &(struct notify_options){.alertmanagers = alertmanagers, .n_alertmanagers = count},
        &external, 1);
    char verb[16], name[64];
    unsigned long id;
    while (scanf("%15s %lu %63s", verb, &id, name) == 3) {
        tell(notifier, verb, id, name, loop_now_ms(loop));
    }
    uint64_t deadline = loop_clock_usec() + seconds * USEC_PER_SEC;
    while (notifier_queued(notifier) > 0 && loop_clock_usec() < deadline) {
        (void)loop_run_once(loop, 10 * USEC_PER_MSEC);
    }
    struct batch batch = {0};
    notifier_collect(notifier, &batch);
    for (size_t i = 0; i < batch.n_samples; i++) {
        struct str labels = batch_labels_text(&batch, batch.samples[i].labels);
        printf("%s{%.*s} %.17g\n", batch.samples[i].metric.name, (int)labels.len, labels.data,
               batch.samples[i].value);
    }
    batch_deinit(&batch);
    return notifier_queued(notifier) > 0 ? 1 : 0;
}
