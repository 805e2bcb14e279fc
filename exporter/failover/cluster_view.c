/* SPDX-License-Identifier: Apache-2.0 */

/* The last good view of a cluster as bytes. */
#include <errno.h>
#include <stdio.h>

#include "base/pack.h"
#include "failover/cluster.h"

#define MAGIC "dbvitals view 1\n"

void cluster_view_pack(const struct cluster *cluster, struct str boot_id, uint64_t now_usec,
                       struct strbuf *out) {
    const struct cluster_member *primary = &cluster->members[cluster->primary];
    struct strbuf body = {0};
    pack_str(&body, boot_id);
    pack_u64(&body, now_usec);
    pack_str(&body, str_of(primary->name));
    pack_str(&body, str_of(primary->answer.system));
    pack_u64(&body, primary->timeline);
    pack_u64(&body, primary->answer.position);
    pack_u64(&body, primary->suspicion.answered_usec);
    pack_u64(&body, cluster->armed);
    pack_u64(&body, primary->stop_seen);
    pack_u64(&body, cluster->n_members);
    for (size_t i = 0; i < cluster->n_members; i++) {
        pack_str(&body, str_of(cluster->members[i].name));
        pack_u64(&body, cluster->members[i].streamed_usec);
        pack_u64(&body, cluster->members[i].timeline);
    }
    strbuf_add_text(out, MAGIC);
    pack_u64(out, crc32c(body.data, body.len));
    strbuf_add_str(out, strbuf_view(&body));
    strbuf_deinit(&body);
}

static size_t find(const struct cluster *cluster, struct str name) {
    for (size_t i = 0; i < cluster->n_members; i++) {
        if (str_is(name, cluster->members[i].name)) {
            return i;
        }
    }
    return CLUSTER_NO_MEMBER;
}

struct view {
    struct str boot_id, primary, system;
    uint64_t saved_usec, timeline, position, answered_usec, armed, stop_seen;
};

static void read_head(struct unpacker *in, struct view *ret) {
    ret->boot_id = unpack_str(in);
    ret->saved_usec = unpack_u64(in);
    ret->primary = unpack_str(in);
    ret->system = unpack_str(in);
    ret->timeline = unpack_u64(in);
    ret->position = unpack_u64(in);
    ret->answered_usec = unpack_u64(in);
    ret->armed = unpack_u64(in);
    ret->stop_seen = unpack_u64(in);
}

static void take(struct cluster *cluster, const struct view *view, bool same_life,
                 uint64_t now_usec) {
    struct cluster_member *primary = &cluster->members[cluster->primary];
    snprintf(primary->answer.system, sizeof(primary->answer.system), "%.*s", (int)view->system.len,
             view->system.data);
    primary->timeline = (uint32_t)view->timeline;
    primary->answer.position = view->position;
    primary->stop_seen = view->stop_seen != 0;
    if (same_life) {
        primary->suspicion.answered_usec = view->answered_usec;
        cluster->armed = view->armed != 0 && !primary->stop_seen &&
                         now_usec - view->saved_usec <= cluster->options.view_max_age_usec;
    }
}

int cluster_view_unpack(struct cluster *cluster, struct str bytes, struct str boot_id,
                        uint64_t now_usec, struct error *err) {
    const size_t magic = sizeof(MAGIC) - 1;
    struct view view;
    uint64_t streamed[FAILOVER_MOST_MEMBERS] = {0}, timelines[FAILOVER_MOST_MEMBERS] = {0};
    if (bytes.len < magic || memcmp(bytes.data, MAGIC, magic) != 0) {
        return error_say(err, -EBADMSG, "it does not begin as a view of this version");
    }
    struct unpacker in = {{bytes.data + magic, bytes.len - magic}, false};
    uint64_t sum = unpack_u64(&in);
    if (in.bad || sum != crc32c(in.rest.data, in.rest.len)) {
        return error_say(err, -EBADMSG, "its checksum is wrong: it is cut short or damaged");
    }
    read_head(&in, &view);
    size_t n = unpack_count(&in, 24);
    for (size_t i = 0; i < n; i++) {
        size_t member = find(cluster, unpack_str(&in));
        uint64_t usec = unpack_u64(&in), timeline = unpack_u64(&in);
        if (member != CLUSTER_NO_MEMBER) {
            streamed[member] = usec;
            timelines[member] = timeline;
        }
    }
    if (in.bad || in.rest.len != 0) {
        return error_say(err, -EBADMSG, "its contents are not what its length says");
    }
    bool same_life = str_equal(view.boot_id, boot_id) && view.saved_usec <= now_usec;
    cluster->primary = find(cluster, view.primary);
    if (cluster->primary == CLUSTER_NO_MEMBER) {
        return 0; /* it is no member any more */
    }
    take(cluster, &view, same_life, now_usec);
    for (size_t i = 0; i < cluster->n_members; i++) {
        cluster->members[i].streamed_usec = same_life ? streamed[i] : 0;
        cluster->members[i].timeline = (uint32_t)timelines[i];
    }
    return 0;
}
