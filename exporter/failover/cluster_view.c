/* SPDX-License-Identifier: Apache-2.0 */

/* The last good view of a cluster as bytes. */
#include <errno.h>
#include <stdio.h>

#include "base/pack.h"
#include "failover/cluster.h"
#include "failover/managers.h"

#define MAGIC "dbvitals view 2\n"

static void pack_field(struct strbuf *body, const char *text, size_t size) {
    pack_str(body, (struct str){text, strnlen(text, size)});
}

static void pack_sync(const struct cluster *cluster, struct strbuf *body) {
    const struct sync_state *sync = &cluster->sync;
    pack_u64(body, sync->known);
    pack_u64(body, sync->readable);
    pack_str(body, str_of(sync->text));
    pack_u64(body, sync->needed);
    pack_u64(body, sync->n_seen);
    for (size_t i = 0; i < sync->n_seen; i++) {
        const struct sync_seen *seen = &sync->seen[i];
        bool is_member = seen->member != SYNC_NO_MEMBER;
        pack_field(body, seen->standby.name, sizeof(seen->standby.name));
        pack_field(body, seen->standby.address, sizeof(seen->standby.address));
        pack_field(body, seen->standby.slot, sizeof(seen->standby.slot));
        pack_str(body, str_of(is_member ? cluster->members[seen->member].name : ""));
        pack_u64(body, seen->standby.synchronous);
        pack_u64(body, seen->gone);
        pack_u64(body, seen->gone_position);
    }
}

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
    pack_sync(cluster, &body);
    pack_u64(&body, primary->has_facts);
    pack_str(&body, str_of(primary->facts.manager != NULL ? primary->facts.manager : ""));
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

static void take_text(struct str text, char *out, size_t size) {
    snprintf(out, size, "%.*s", (int)text.len, text.data != NULL ? text.data : "");
}

static void read_seen(struct unpacker *in, const struct cluster *cluster, struct sync_seen *ret) {
    take_text(unpack_str(in), ret->standby.name, sizeof(ret->standby.name));
    take_text(unpack_str(in), ret->standby.address, sizeof(ret->standby.address));
    take_text(unpack_str(in), ret->standby.slot, sizeof(ret->standby.slot));
    ret->member = find(cluster, unpack_str(in));
    ret->standby.synchronous = unpack_u64(in) != 0;
    ret->gone = unpack_u64(in) != 0;
    ret->gone_position = unpack_u64(in);
}

/* What is read wrongly is no proof. */
static void read_sync(struct unpacker *in, const struct cluster *cluster, struct sync_state *ret) {
    ret->known = unpack_u64(in) != 0;
    ret->readable = unpack_u64(in) != 0;
    take_text(unpack_str(in), ret->text, sizeof(ret->text));
    ret->needed = unpack_u64(in);
    size_t n = unpack_count(in, 56);
    in->bad |= n > SYNC_MOST_SEEN;
    for (size_t i = 0; i < n && !in->bad; i++) {
        read_seen(in, cluster, &ret->seen[ret->n_seen++]);
    }
    ret->readable &= sync_names_read(str_of(ret->text), &ret->names, NULL) == 0;
}

static const char *find_manager(struct str name) {
    for (size_t i = 0; i < n_managers; i++) {
        if (str_is(name, managers[i].name)) {
            return managers[i].name;
        }
    }
    return str_is(name, manager_sentinel) ? manager_sentinel : NULL;
}

static void take(struct cluster *cluster, const struct view *view, bool same_life,
                 uint64_t now_usec) {
    struct cluster_member *primary = &cluster->members[cluster->primary];
    snprintf(primary->answer.system, sizeof(primary->answer.system), "%.*s", (int)view->system.len,
             view->system.data);
    primary->timeline = (uint32_t)view->timeline;
    primary->answer.position = view->position; /* what it wrote since is in nobody's lag */
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
    struct sync_state sync = {0};
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
    read_sync(&in, cluster, &sync);
    bool has_facts = unpack_u64(&in) != 0;
    const char *manager = find_manager(unpack_str(&in));
    if (in.bad || in.rest.len != 0) {
        return error_say(err, -EBADMSG, "its contents are not what its length says");
    }
    bool same_life = str_equal(view.boot_id, boot_id) && view.saved_usec <= now_usec;
    cluster->primary = find(cluster, view.primary);
    if (cluster->primary == CLUSTER_NO_MEMBER) {
        return 0; /* it is no member any more */
    }
    take(cluster, &view, same_life, now_usec);
    cluster->sync = sync;
    cluster->members[cluster->primary].has_facts = has_facts;
    cluster->members[cluster->primary].facts.manager = manager;
    for (size_t i = 0; i < cluster->n_members; i++) {
        cluster->members[i].streamed_usec = same_life ? streamed[i] : 0;
        cluster->members[i].timeline = (uint32_t)timelines[i];
    }
    return 0;
}
