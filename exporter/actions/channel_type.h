/* SPDX-License-Identifier: Apache-2.0 */

/* What the kinds of channels have in common, for actions/channel.c and the kinds themselves. */
#pragma once

#include "actions/channel.h"
#include "io/mail.h"

#define CHANNEL_MOST_BODY_BYTES  ((size_t)1024 * 1024) /* alerts beyond it are only counted */
#define CHANNEL_MOST_VALUE_BYTES ((size_t)8 * 1024)    /* of a label or annotation */
#define CHANNEL_SHOWN_BYTES      200                   /* of what a receiver answered */
#define CHANNEL_TIMEOUT_USEC     ((uint64_t)10 * 1000 * 1000)

struct channel {
    struct channel_parts parts;
    struct strbuf external_url; /* what parts.external_url is a view of */
    char *receiver;
    const struct channel_options *options; /* borrowed */
    const struct channel_type *type;
    const struct notification *notification; /* under way; NULL: nothing is */
    void (*done)(void *userdata, enum channel_outcome outcome, const char *why,
                 uint64_t retry_after_usec);
    void *userdata;
    struct transfer *transfer;
    struct process *process;
    struct mail *mail;
    struct loop_deferred *deferred; /* answers what could not be begun */
    const char *not_begun;          /* why */
    struct {
        uint64_t id; /* of the notification that this is about */
        char fate[MAIL_MOST_RECIPIENTS];
    } reached;
};

/* Either of both. */
struct channel_type {
    /* Writes a body in JSON, to be posted to the URL. */
    void (*write)(const struct channel *channel, const struct notification *notification,
                  struct strbuf *out);
    const char *url; /* when the options have none */
    /* Begins an attempt, which ends with channel_end() in a later turn of the loop. */
    void (*start)(struct channel *channel, const struct notification *notification);
};
extern const struct channel_type channel_webhook, channel_slack, channel_pagerduty, channel_email,
    channel_exec;

/* The attempt is over; the channel may be gone when this returns. */
void channel_end(struct channel *channel, enum channel_outcome outcome, const char *why,
                 uint64_t retry_after_usec);
/* It cannot be begun: to be tried again. why is constant. */
void channel_end_later(struct channel *channel, const char *why);

/* When an attempt that begins now is late. */
uint64_t channel_deadline_usec(const struct channel *channel);
uint64_t channel_timeout_usec(const struct channel *channel);

/* Adds what a receiver said: a line, not too long, with our secrets taken out. */
void channel_add_said(const struct channel *channel, struct str said, struct strbuf *out);

/* 16 hexadecimal digits: the same for the same notification. */
#define CHANNEL_KEY_BYTES 17
void channel_key(const struct notification *notification, char out[CHANNEL_KEY_BYTES]);

/* The body of actions/webhook.c. */
void webhook_write(const struct channel *channel, const struct notification *notification,
                   struct strbuf *out);
/* Prometheus' fingerprint of a label set, its names sorted. */
uint64_t webhook_fingerprint(const struct label *labels, size_t count);
