/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/ways.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

#define MOST_MAILERS 2 /* mails that are sent at once */

struct ways {
    struct ways_parts parts;
    struct transfers *transfers;
    struct processes *processes;
    struct worker_pool *mailers;
    bool failed; /* libcurl, as the log has it */
};

struct ways *ways_new(const struct ways_parts *parts) {
    struct ways *ways = mem_alloc(sizeof(*ways));
    ways->parts = *parts;
    return ways;
}

struct ways *ways_free(struct ways *ways) {
    if (ways == NULL) {
        return NULL;
    }
    (void)transfers_free(ways->transfers);
    (void)processes_free(ways->processes);
    (void)worker_pool_free(ways->mailers);
    free(ways);
    return NULL;
}

struct transfers *ways_transfers(struct ways *ways) {
    if (ways->transfers == NULL) {
        ways->transfers = transfers_new(ways->parts.loop, ways->parts.resolver);
    }
    if (ways->transfers == NULL && !ways->failed) {
        ways->failed = true;
        log_error("libcurl cannot be set up: nobody is told about alerts over HTTP");
    }
    return ways->transfers;
}

static struct processes *processes_of(struct ways *ways) {
    if (ways->processes == NULL) {
        ways->processes = processes_new(ways->parts.loop, 0);
    }
    return ways->processes;
}

static struct worker_pool *mailers_of(struct ways *ways) {
    if (ways->mailers == NULL) {
        ways->mailers = worker_pool_new(ways->parts.loop,
                                        &(struct worker_options){.max_running = MOST_MAILERS});
    }
    return ways->mailers;
}

static void send_over(void *channel, const struct notification *notification,
                      void (*done)(void *userdata, enum channel_outcome outcome, const char *why,
                                   uint64_t retry_after_usec),
                      void *userdata) {
    channel_send(channel, notification, done, userdata);
}

static void free_channel(void *channel) {
    (void)channel_free(channel);
}

struct outbox_way ways_connect(void *userdata, const char *receiver,
                               const struct channel_options *options) {
    struct ways *ways = userdata;
    bool http = options->kind != CHANNEL_EMAIL && options->kind != CHANNEL_EXEC;
    const struct channel_parts parts = {
        .loop = ways->parts.loop,
        .transfers = http ? ways_transfers(ways) : NULL,
        .processes = options->kind == CHANNEL_EXEC ? processes_of(ways) : NULL,
        .mailers = options->kind == CHANNEL_EMAIL ? mailers_of(ways) : NULL,
        .external_url = ways->parts.external_url,
    };
    return (struct outbox_way){
        .send = send_over,
        .free = free_channel,
        .channel = channel_new(&parts, receiver, options),
    };
}
