/* SPDX-License-Identifier: Apache-2.0 */

/* The way to one Alertmanager (API v2): the current state of alerts, nothing of the past.
 *
 * At most one note waits for each alert, a newer one takes its place; one request at a time carries
 * up to 256. What failed waits again unless there is newer news, behind a back-off and a breaker.
 * What is refused (4xx but 429) is not repeated; where one alert can be the reason, a batch comes
 * again in halves until that one is alone. Nothing is kept over a restart: whoever fires is sent
 * again by the rules. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "actions/alert_note.h"
#include "actions/notify_options.h"
#include "breaker/breaker.h"
#include "io/transfer.h"
#include "store/batch.h"

#define ALERTMANAGER_MOST_QUEUED ((size_t)10000)
#define ALERTMANAGER_MOST_BATCH  ((size_t)256)

struct alertmanager;

/* loop and transfers outlive it. */
struct alertmanager_options {
    struct loop *loop;
    struct transfers *transfers;
    /* Borrowed until alertmanager_configure(). http->url is http://host:9093, with a path before
     * /api/v2/alerts if any; timeout_usec 0: 10 s. */
    const struct http_options *http;
    size_t max_queued; /* 0: ALERTMANAGER_MOST_QUEUED; the oldest is dropped above it */
    size_t max_batch;  /* 0: ALERTMANAGER_MOST_BATCH */
};

struct alertmanager *alertmanager_new(const struct alertmanager_options *options);
/* What waits is dropped. NULL is fine. Return: NULL. */
struct alertmanager *alertmanager_free(struct alertmanager *alertmanager);
DEFINE_CLEANUP(struct alertmanager, alertmanager_free);

/* Options of the same URL, for the next request on: what waits stays. */
void alertmanager_configure(struct alertmanager *alertmanager, const struct http_options *http);
const char *alertmanager_url(const struct alertmanager *alertmanager);

/* URL of the API without credentials. */
const char *alertmanager_shown(const struct alertmanager *alertmanager);

/* Takes a reference to the note; it leaves from the next turn of the loop on. */
void alertmanager_notify(struct alertmanager *alertmanager, const struct alert_note *note);

struct alertmanager_stats {
    uint64_t sent;             /* alerts that were accepted */
    uint64_t dropped_full;     /* alerts that gave way to newer ones */
    uint64_t dropped_refused;  /* alerts that were refused for good */
    uint64_t requests, errors; /* requests, and those without a 2xx */
    double seconds;            /* all requests together */
    size_t queued;             /* waiting or under way */
    const struct breaker *breaker;
};
struct alertmanager_stats alertmanager_stats(const struct alertmanager *alertmanager);

/* The same as metrics, with the label alertmanager: its URL without credentials. */
void alertmanager_collect(const struct alertmanager *alertmanager, struct batch *batch);
