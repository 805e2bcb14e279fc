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
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "failover/maintenance.h"
#include "failover/orders.h"
#include "failover/private_watch.h"

#define MOST_BYTES 512

/* What was said of one cluster. The watch keeps it by the cluster's name: a reload that changes the
 * cluster does not read the file again, which may not be readable then, or not be written yet. */
struct announcement {
    struct announcement *next;
    char *cluster;
    uint64_t until_usec;       /* 0: there is none */
    struct durable_file *file; /* where it is kept for our next life */
};

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

static struct announcement *find(const struct watch *watch, const char *cluster) {
    struct announcement *announced = watch->announcements;
    while (announced != NULL && strcmp(announced->cluster, cluster) != 0) {
        announced = announced->next;
    }
    return announced;
}

static void read_file(struct announcement *announced, const char *path, const struct loop *loop) {
    struct strbuf bytes = {0};
    struct error err = {0};
    int r = durable_read_now(path, MOST_BYTES, &bytes, &err);
    int64_t until_ms = r == -ENOENT ? 0 : r == 0 ? read_until(strbuf_view(&bytes)) : INT64_MAX;
    announced->until_usec = maintenance_deadline(until_ms, loop_now_ms(loop), loop_now_usec(loop));
    if (until_ms == INT64_MAX) {
        log_error("cluster '%s': whether there is maintenance is not known, so there is: '%s'%s%s; "
                  "'dbvitals failover maintenance %s --for 0s' ends it",
                  announced->cluster, path, r < 0 ? ": " : " cannot be understood",
                  r < 0 ? err.text : "", announced->cluster);
    }
    strbuf_deinit(&bytes);
}

void watched_maintenance_open(struct watched *watched) {
    struct watch *watch = watched->watch;
    const char *cluster = watched->options.cluster;
    watched->announced = find(watch, cluster);
    if (watched->announced != NULL || watch->options.storage_path == NULL) {
        return;
    }
    CLEANUP(mem_freep)
    char *path = mem_printf("%s/failover-%s.maintenance", watch->options.storage_path, cluster);
    struct announcement *announced = mem_alloc(sizeof(*announced));
    *announced = (struct announcement){
        .next = watch->announcements,
        .cluster = mem_strdup(cluster),
        .file = durable_file_new(&(struct durable_options){
            .loop = watch->options.loop, .pool = watch->disk, .path = path}),
    };
    read_file(announced, path, watch->options.loop);
    watch->announcements = watched->announced = announced;
}

bool watched_maintenance_busy(const struct watched *watched) {
    return watched->announced != NULL && durable_file_busy(watched->announced->file);
}

struct announcement *announcements_free(struct announcement *announcements) {
    while (announcements != NULL) {
        struct announcement *announced = announcements;
        announcements = announced->next;
        durable_file_free(announced->file);
        free(announced->cluster);
        free(announced);
    }
    return NULL;
}

static void announce(struct watched *watched, uint64_t seconds, int64_t until_ms, const char *who) {
    struct strbuf line = {0};
    strbuf_printf(&line, "%" PRId64 " %s\n", until_ms, who);
    durable_file_write(watched->announced->file, &line);
    watched->announced->until_usec = seconds > 0 ? now_of(watched) + seconds * USEC_PER_SEC : 0;
}

static int64_t end_of(const struct watched *watched, uint64_t seconds) {
    int64_t now_ms = loop_now_ms(watched->watch->options.loop);
    return seconds > 0 ? now_ms + (int64_t)seconds * 1000 : 0;
}

static void tell(const struct watched *watched, uint64_t seconds, const char *who) {
    if (seconds > 0) {
        log_warn("cluster '%s': maintenance for %" PRIu64 " s, says %s", watched->options.cluster,
                 seconds, who);
    } else {
        log_warn("cluster '%s': maintenance ends, says %s", watched->options.cluster, who);
    }
}

int watched_share_maintenance(struct watched *watched, uint64_t seconds, const char *who,
                              const struct failover_lock_answer *answer, struct error *err) {
    int r = failover_lock_set_maintenance(watched->lock, end_of(watched, seconds), who, answer);
    if (r < 0) {
        return error_say(err, r, "an announcement is under way already");
    }
    if (seconds == 0 && watched->announced != NULL && watched->announced->until_usec != 0) {
        announce(watched, 0, 0, who); /* from when there was no lock */
    }
    tell(watched, seconds, who);
    return 0;
}

int watched_set_maintenance(struct watched *watched, uint64_t seconds, const char *who,
                            struct error *err) {
    if (watched->announced == NULL) {
        return error_say(err, -EROFS,
                         "without a storage folder ('--storage.path') nothing can be kept");
    }
    announce(watched, seconds, end_of(watched, seconds), who);
    tell(watched, seconds, who);
    return 0;
}

bool watched_in_maintenance(const struct watched *watched) {
    const struct failover_options *options = &watched->options;
    int64_t now_ms = loop_now_ms(watched->watch->options.loop);
    const struct failover_lock_maintenance *everywhere =
        watched->lock != NULL ? failover_lock_maintenance(watched->lock) : NULL;
    uint64_t now = now_of(watched);
    bool covered = (watched->announced != NULL && now < watched->announced->until_usec) ||
                   (everywhere != NULL && now < everywhere->until_usec);
    for (size_t i = 0; !covered && i < options->n_windows; i++) {
        covered = maintenance_window_covers(&options->windows[i], now_ms);
    }
    return covered;
}
