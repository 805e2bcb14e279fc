/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of receivers share. */
#pragma once

#include "actions/groups.h"
#include "actions/receivers.h"

struct receiver_channel {
    char *name; /* ops/slack, and ops/slack#2 for the second of its kind */
    size_t receiver_index;
    struct channel_options *options; /* owned; the way borrows them */
    struct outbox *outbox;
    uint64_t writing_mark; /* of what is being written */
    struct receivers *receivers;
};

/* The whole state as bytes: groups, then the queue of each channel. */
void receivers_pack(const struct groups *groups, struct receiver_channel *const *channels, size_t n,
                    struct groups_time time, struct strbuf *out);

/* Of channels that are no more the queue is dropped and counted in *ret_dropped.
 * Return: 0, or -EINVAL with *err; then groups and queues are empty. */
int receivers_unpack(struct str bytes, struct groups_time time, struct groups *groups,
                     struct receiver_channel *const *channels, size_t n, struct loop *loop,
                     size_t *ret_dropped, struct error *err);
