/* SPDX-License-Identifier: Apache-2.0 */

/* Maintenance that an operator has announced, kept over restarts: for all monitors in their lock,
 * or without one in a file of a line, "until in milliseconds, by whom".
 *
 * How long it lasts was said in hours, so it is counted by the clock that never jumps for as long
 * as we live: a wall clock that is set ahead does not end it, one that is set back does not prolong
 * it. Its end by the wall clock is only for who reads it after us. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "failover/maintenance.h"
#include "failover/orders.h"
#include "failover/private_watch.h"

#define MOST_BYTES 512

/* What cannot be read may forbid everything, so it does; people end it. */
static int64_t read_until(struct str bytes) {
    char *end = NULL;
    int64_t until_ms = bytes.len > 0 ? strtoll(bytes.data, &end, 10) : 0;
    return bytes.len == 0 || end == bytes.data || (*end != ' ' && *end != '\n') ? INT64_MAX
                                                                                : until_ms;
}

static uint64_t now_of(const struct watched *watched) {
    return loop_now_usec(watched->watch->options.loop);
}

void watched_maintenance_open(struct watched *watched) {
    struct watch *watch = watched->watch;
    struct strbuf bytes = {0};
    struct error err = {0};
    if (watch->options.storage_path == NULL) {
        return;
    }
    CLEANUP(mem_freep)
    char *path = mem_printf("%s/failover-%s.maintenance", watch->options.storage_path,
                            watched->options.cluster);
    int r = durable_read_now(path, MOST_BYTES, &bytes, &err);
    int64_t until_ms = r == -ENOENT ? 0 : r == 0 ? read_until(strbuf_view(&bytes)) : INT64_MAX;
    watched->maintenance_until_usec =
        maintenance_deadline(until_ms, loop_now_ms(watch->options.loop), now_of(watched));
    if (until_ms == INT64_MAX) {
        log_error("cluster '%s': whether there is maintenance is not known, so there is: '%s'%s%s; "
                  "'dbvitals failover maintenance %s --for 0s' ends it",
                  watched->options.cluster, path, r < 0 ? ": " : " cannot be understood",
                  r < 0 ? err.text : "", watched->options.cluster);
    }
    strbuf_deinit(&bytes);
    watched->maintenance = durable_file_new(
        &(struct durable_options){.loop = watch->options.loop, .pool = watch->disk, .path = path});
}

static void shared(void *userdata, const struct error *err) {
    (void)userdata;
    if (err != NULL) {
        log_error("maintenance could not be announced to all monitors: %s", err->text);
    }
}

int watched_set_maintenance(struct watched *watched, uint64_t seconds, const char *who,
                            struct error *err) {
    int64_t now_ms = loop_now_ms(watched->watch->options.loop);
    int64_t until_ms = seconds > 0 ? now_ms + (int64_t)seconds * 1000 : 0;
    if (watched->lock != NULL) {
        const struct failover_lock_answer answer = {shared, NULL};
        int r = failover_lock_set_maintenance(watched->lock, until_ms, who, &answer);
        if (r < 0) {
            return error_say(err, r, "an announcement is under way already");
        }
    } else if (watched->maintenance == NULL) {
        return error_say(err, -EROFS,
                         "without a storage folder ('--storage.path') nothing can be kept");
    } else {
        struct strbuf line = {0};
        strbuf_printf(&line, "%" PRId64 " %s\n", until_ms, who);
        durable_file_write(watched->maintenance, &line);
        watched->maintenance_until_usec =
            seconds > 0 ? now_of(watched) + seconds * USEC_PER_SEC : 0;
    }
    if (seconds > 0) {
        log_warn("cluster '%s': maintenance for %" PRIu64 " s, says %s", watched->options.cluster,
                 seconds, who);
    } else {
        log_warn("cluster '%s': maintenance ends, says %s", watched->options.cluster, who);
    }
    return 0;
}

bool watched_in_maintenance(const struct watched *watched) {
    const struct failover_options *options = &watched->options;
    int64_t now_ms = loop_now_ms(watched->watch->options.loop);
    const struct failover_lock_maintenance *announced =
        watched->lock != NULL ? failover_lock_maintenance(watched->lock) : NULL;
    uint64_t now = now_of(watched);
    bool covered =
        now < watched->maintenance_until_usec || (announced != NULL && now < announced->until_usec);
    for (size_t i = 0; !covered && i < options->n_windows; i++) {
        covered = maintenance_window_covers(&options->windows[i], now_ms);
    }
    return covered;
}
