/* SPDX-License-Identifier: Apache-2.0 */

/* Latency of each command as histograms, which unlike quantiles can be added up over servers and
 * seen over any span of time. LATENCY HISTOGRAM (7.0 and newer) tells counts at bounds that differ
 * by command; the sum stands in the command's statistics:
 *
 *   cmdstat_get:calls=21,usec=175,...
 *   [get, [calls, 21, histogram_usec, [1, 18, 2, 21]], set, [...], ...] */
#include "collectors/redis_info.h"

#include <errno.h>

#include "base/duration.h"
#include "collectors/support.h"

#define FIRST_VERSION 70000
#define MOST_BOUNDS   64 /* they are about powers of two */

static const struct query queries[] = {{.text = "INFO ALL", .shape = SHAPE_PAIRS}, {0}};

static const char help[] = "Time that calls of the command took, in microseconds, since the start.";

static const struct column columns[] = {{0}};

static const struct column also[] = {
    {NULL, LABEL, "cmd"},
    {NULL, HISTOGRAM, "redis_commands_latencies_usec", help},
    {0},
};

static int expand(const struct sample_context *context, const struct answer *answer,
                  struct request_list *ret_requests, struct error *err) {
    if (context->version >= FIRST_VERSION) {
        struct str *words = arena_array(context->arena, 2, sizeof(*words));
        words[0] = str_of("LATENCY");
        words[1] = str_of("HISTOGRAM");
        ret_requests->commands[ret_requests->n_commands++] = (struct command){words, 2};
    }
    return 0;
}

/* The value of a name in a flat map, or NULL. */
static const struct tree *map_value(const struct tree *map, const char *name) {
    for (size_t i = 0; map->type == TREE_LIST && i + 1 < map->n_items; i += 2) {
        if (str_is(map->items[i].text, name)) {
            return &map->items[i + 1];
        }
    }
    return NULL;
}

static int add_command(struct batch *batch, struct str command, const struct tree *map, double sum,
                       struct error *err) {
    double bounds[MOST_BOUNDS], cumulative[MOST_BOUNDS];
    size_t count = 0;
    struct batch_metric metric = {also[1].metric, help, METRIC_HISTOGRAM, true};
    struct label label = {str_of("cmd"), command};
    const struct tree *calls = map_value(map, "calls");
    const struct tree *list = map_value(map, "histogram_usec");
    if (calls == NULL || calls->type != TREE_INTEGER || list == NULL || list->type != TREE_LIST) {
        return error_say(err, -EPROTO, "the histogram of a command has an unexpected form");
    }
    for (size_t i = 0; i + 1 < list->n_items && count < MOST_BOUNDS; i += 2) {
        bounds[count] = (double)list->items[i].integer;
        cumulative[count++] = (double)list->items[i + 1].integer;
    }
    batch_add_histogram(batch, metric, &label, 1, bounds, cumulative, count, sum,
                        (double)calls->integer);
    return 0;
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    size_t cursor = 0;
    if (answer->n_follow_ups == 0) {
        return 0;
    }
    const struct tree *commands = &answer->follow_ups[0];
    if (commands->type != TREE_LIST) {
        return error_say(err, -EREMOTEIO, "LATENCY HISTOGRAM was refused");
    }
    for (size_t i = 0; i + 1 < commands->n_items; i += 2) {
        struct str command = commands->items[i].text;
        struct str statistics = redis_command_statistics(answer->table, command, &cursor);
        double sum;
        if (!str_to_double(list_value(statistics, "usec"), &sum)) {
            continue; /* called for the first time after INFO */
        }
        int r = add_command(batch, command, &commands->items[i + 1], sum, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

const struct collector collector_redis_latency_histogram = {
    .name = "latency_histogram",
    .help = "Latency of each command as histograms (Redis 7.0 and newer).",
    .kind = KIND_REDIS,
    .interval_usec = 15 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .expand = expand,
    .also = also,
};
