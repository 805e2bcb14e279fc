/* SPDX-License-Identifier: Apache-2.0 */

/* Who is told about alerts, as the configuration says: plain values. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actions/relabel.h"
#include "io/http_options.h"
#include "store/matcher.h"

#define NOTIFY_MOST_ALERTMANAGERS 16
#define NOTIFY_MOST_RECEIVERS     64
#define NOTIFY_MOST_ROUTES        256
#define NOTIFY_MOST_CHANNELS      16 /* of one receiver */

enum channel_kind {
    CHANNEL_WEBHOOK,
    CHANNEL_SLACK,
    CHANNEL_PAGERDUTY,
    CHANNEL_EMAIL,
    CHANNEL_EXEC,
    CHANNEL_KIND_COUNT
};
/* "webhook", "slack", "pagerduty", "email", "exec", NULL. */
extern const char *const channel_kind_names[];

/* One way to a receiver. */
struct channel_options {
    enum channel_kind kind;
    bool send_resolved;
    /* Of email: smtp://host:587 or smtps://host:465, user and password are those of the login. Of
     * exec: timeout_usec alone. */
    struct http_options http;
    char *routing_key;                    /* pagerduty: of an integration of Events API v2 */
    char *slack_channel, *slack_username; /* or NULL: those of the hook */
    char **to;                            /* email: addresses */
    size_t n_to;
    char *from;       /* email */
    bool require_tls; /* email: STARTTLS must be offered by smtp:// servers */
    char **command;   /* exec: NULL-terminated; the first is a path */
};

void channel_options_deinit(struct channel_options *options);
void channel_options_copy(const struct channel_options *from, struct channel_options *ret);
bool channel_options_equal(const struct channel_options *a, const struct channel_options *b);

struct receiver_options {
    char *name;
    struct channel_options *channels;
    size_t n_channels;
};

/* Routes are tried in their order: the first that fits takes an alert, and those after it only
 * when it says so. */
struct route_options {
    struct matcher *matchers; /* all must hold; texts and regexes are owned */
    size_t n_matchers;
    size_t receiver; /* index */
    char **group_by; /* names of labels, sorted */
    size_t n_group_by;
    bool group_by_all; /* '...': each alert is its own group */
    uint64_t group_wait_usec, group_interval_usec, repeat_interval_usec;
    bool go_on; /* `continue` */
};

struct notify_options {
    uint64_t resend_delay_usec; /* how often a firing alert is told to Alertmanagers again */
    struct http_options *alertmanagers;
    size_t n_alertmanagers;
    struct relabel_step *relabel; /* of alerts, before Alertmanagers see them */
    size_t n_relabel;
    struct receiver_options *receivers;
    size_t n_receivers;
    struct route_options *routes;
    size_t n_routes;
};
void notify_options_deinit(struct notify_options *options);
