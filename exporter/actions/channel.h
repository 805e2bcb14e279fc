/* SPDX-License-Identifier: Apache-2.0 */

/* One way to a receiver: a notification becomes a request, a mail or a command.
 *
 * A channel makes one attempt at a time and knows nothing of queues: whether and when there is
 * another one is decided by who asks (actions/outbox). What differs between the kinds is a table of
 * functions (struct channel_type). */
#pragma once

#include "actions/notification.h"
#include "actions/notify_options.h"
#include "base/error.h"
#include "io/loop.h"
#include "io/process.h"
#include "io/transfer.h"
#include "io/worker.h"

struct channel;

enum channel_outcome {
    CHANNEL_DELIVERED,
    CHANNEL_RETRY,   /* later it may work: no connection, timeout, 429, 5xx, exit code 75 ... */
    CHANNEL_REFUSED, /* the same again would be refused again */
    CHANNEL_OUTCOMES
};
/* "delivered", "retry", "refused". */
extern const char *const channel_outcome_names[];

/* All outlive the channel but the text, which is copied. */
struct channel_parts {
    struct loop *loop;
    struct transfers *transfers; /* for requests; NULL: they are not made */
    struct processes *processes; /* for commands; NULL: they are not run */
    struct worker_pool *mailers; /* for mails; NULL: they are not sent */
    struct str external_url;     /* where our pages are, for links */
};

/* options is borrowed as long as the channel lives. */
struct channel *channel_new(const struct channel_parts *parts, const char *receiver,
                            const struct channel_options *options);
/* An attempt under way is given up; done() is not called. NULL is fine. Return: NULL. */
struct channel *channel_free(struct channel *channel);
DEFINE_CLEANUP(struct channel, channel_free);

/* Makes one attempt; none may be under way. done() is called exactly once, never from inside this
 * function. why is a sentence without secrets, empty when delivered; retry_after_usec is what the
 * receiver asked for (Retry-After), 0 when it did not. notification is borrowed until then. */
void channel_send(struct channel *channel, const struct notification *notification,
                  void (*done)(void *userdata, enum channel_outcome outcome, const char *why,
                               uint64_t retry_after_usec),
                  void *userdata);
