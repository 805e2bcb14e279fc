/* SPDX-License-Identifier: Apache-2.0 */

/* The last good view of a cluster on the disk: written at most once a second while the primary is
 * well, and at once when that changes or its operator stops it. */
#include <errno.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "failover/private_watch.h"

static void load(struct watched *watched) {
    struct strbuf bytes = {0};
    struct error err = {0};
    int r = durable_read_now(watched->view_path, VIEW_MOST_BYTES, &bytes, &err);
    if (r == 0) {
        r = cluster_view_unpack(&watched->cluster, strbuf_view(&bytes),
                                str_of(watched->watch->boot_id),
                                loop_now_usec(watched->watch->options.loop), &err);
    }
    if (r < 0 && r != -ENOENT) {
        durable_distrust(watched->view_path, "last view", "is", &err,
                         "the cluster must be seen whole first");
    }
    strbuf_deinit(&bytes);
}

void watched_view_open(struct watched *watched) {
    struct watch *watch = watched->watch;
    if (watch->options.storage_path == NULL) {
        return;
    }
    watched->view_path =
        mem_printf("%s/failover-%s.view", watch->options.storage_path, watched->options.cluster);
    load(watched);
    watched->view = durable_file_new(&(struct durable_options){
        .loop = watch->options.loop, .pool = watch->disk, .path = watched->view_path});
}

void watched_view_close(struct watched *watched) {
    durable_file_free(watched->view);
    free(watched->view_path);
}

void watched_view_write(struct watched *watched) {
    uint64_t now = loop_now_usec(watched->watch->options.loop);
    struct strbuf bytes = {0};
    if (watched->view != NULL) {
        cluster_view_pack(&watched->cluster, str_of(watched->watch->boot_id), now, &bytes);
        durable_file_write(watched->view, &bytes);
        watched->view_usec = now;
    }
}

void watched_view_keep(struct watched *watched, bool between_probes) {
    const struct cluster *cluster = &watched->cluster;
    uint64_t now = loop_now_usec(watched->watch->options.loop);
    if (watched->view == NULL || cluster->primary == CLUSTER_NO_MEMBER) {
        return;
    }
    bool stop = cluster->members[cluster->primary].stop_seen;
    bool whole = cluster->ready[READY_ARMED] && cluster->ready[READY_VOTES];
    bool news = stop != watched->view_stop || whole != watched->view_whole;
    bool well = between_probes && cluster->primary_view == PRIMARY_WRITABLE;
    bool due = well && (news || now - watched->view_usec >= USEC_PER_SEC);
    if (!due && !(stop && !watched->view_stop)) {
        return;
    }
    watched->view_stop = stop;
    watched->view_whole = whole;
    watched_view_write(watched);
}
