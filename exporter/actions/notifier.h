/* SPDX-License-Identifier: Apache-2.0 */

/* Who is told about alerts: all Alertmanagers, each in its own time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"
#include "io/resolve.h"
#include "io/tls_options.h"
#include "rules/event.h"
#include "store/batch.h"

struct notifier;

struct notifier_alertmanager {
    const char *url;             /* http://host:9093, with a path before /api/v2/alerts if any */
    const char *user, *password; /* or NULL */
    const char *bearer;          /* or NULL */
    struct tls_options tls;
    uint64_t timeout_usec; /* 0: 10 s */
};

/* Everything is copied but loop and resolver, which outlive it. */
struct notifier_options {
    struct loop *loop;
    struct resolver *resolver;
    struct str external_url; /* where our pages are, for links */
    const struct label *external_labels;
    size_t n_external_labels;
    const struct notifier_alertmanager *alertmanagers;
    size_t n_alertmanagers;
};

struct notifier *notifier_new(const struct notifier_options *options);
/* What waits is dropped: whoever fires is sent again by the rules. NULL is fine. Return: NULL. */
struct notifier *notifier_free(struct notifier *notifier);
DEFINE_CLEANUP(struct notifier, notifier_free);

/* Copies what it needs and returns at once; legal while the rules are evaluated. */
void notifier_event(struct notifier *notifier, const struct alert_event *event);

/* Alerts that wait or are under way, to whomever. */
size_t notifier_queued(const struct notifier *notifier);

/* dbvitals_notifications_*. */
void notifier_collect(const struct notifier *notifier, struct batch *batch);
