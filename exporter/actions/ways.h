/* SPDX-License-Identifier: Apache-2.0 */

/* The real ways from the outboxes to the channels, and what these need to send: made when the first
 * of them needs it, because libcurl and pools cost memory. */
#pragma once

#include "actions/outbox.h"
#include "io/resolve.h"

struct ways;

/* All outlive the ways. */
struct ways_parts {
    struct loop *loop;
    struct resolver *resolver;
    struct str external_url; /* where our pages are, for links */
};

struct ways *ways_new(const struct ways_parts *parts);
/* After the outboxes. NULL is fine. Return: NULL. */
struct ways *ways_free(struct ways *ways);

/* For receivers_parts.connect: userdata is the struct ways; options live until the way is freed. */
struct outbox_way ways_connect(void *userdata, const char *receiver,
                               const struct channel_options *options);

/* The HTTP client, for others as well. Return: NULL when libcurl cannot be set up, which is logged
 * once. */
struct transfers *ways_transfers(struct ways *ways);
