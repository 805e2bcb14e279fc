/* SPDX-License-Identifier: Apache-2.0 */

/* What is known of a cluster, in words for people: the journal, the log and the API say the same.
 */
#include <stdio.h>

#include "base/duration.h"
#include "failover/cluster.h"

static void add_usec(struct strbuf *out, uint64_t usec) {
    strbuf_printf(out, "%.1fs", (double)usec / (double)USEC_PER_SEC);
}

const char *cluster_position(const struct cluster *cluster, uint64_t position, char out[32]) {
    if (cluster->n_members > 0 && cluster->members[0].is_redis) {
        snprintf(out, 32, "%llu", (unsigned long long)position);
    } else {
        snprintf(out, 32, "%X/%X", (unsigned)(position >> 32), (unsigned)position);
    }
    return out;
}

static void add_failing(const struct cluster_member *member, uint64_t now_usec,
                        struct strbuf *out) {
    const struct suspicion *suspicion = &member->suspicion;
    if (suspicion->void_) {
        strbuf_printf(out, "not judged: %s", member->failure.error.text);
        return;
    }
    if (suspicion->count == 0) {
        strbuf_printf(out, "answers, but %s", member->failure.error.text);
        return;
    }
    strbuf_printf(out, "%s for ", client_end_names[suspicion->kind]);
    add_usec(out, now_usec - suspicion->counted_since_usec);
    strbuf_printf(out, " (%u in a row): %s", suspicion->count, member->failure.error.text);
    if (suspicion->answered_usec != 0) {
        strbuf_add_text(out, ", answered last ");
        add_usec(out, now_usec - suspicion->answered_usec);
        strbuf_add_text(out, " ago");
    }
    if (member->stop_seen) {
        strbuf_add_text(out, ", was being stopped by its operator");
    }
}

static void add_receiver(const struct cluster *cluster, size_t index, uint64_t now_usec,
                         struct strbuf *out) {
    static const char *const senders[] = {
        [SENDER_PRIMARY] = "the primary",
        [SENDER_MEMBER] = "another member",
        [SENDER_OTHER] = "a server that is not proven to be the primary",
    };
    const struct cluster_member *member = &cluster->members[index];
    const struct member_answer *answer = &member->answer;
    const char *sender = senders[cluster_sender(cluster, index)];
    if (answer->receiver == RECEIVER_UNKNOWN) {
        strbuf_add_text(out, "replica whose receiver we may not see");
    } else if (answer->receiver == RECEIVER_STREAMING) {
        strbuf_printf(out, "replica, streams from %s", sender);
        if (answer->has_message_age) {
            strbuf_add_text(out, ", last message ");
            add_usec(out, answer->message_age_usec);
            strbuf_add_text(out, " ago");
        }
    } else {
        strbuf_printf(out, "replica, has lost %s", sender);
        if (member->streamed_usec != 0) {
            strbuf_add_text(out, ", streamed last ");
            add_usec(out, now_usec - member->streamed_usec);
            strbuf_add_text(out, " ago");
        }
    }
}

void cluster_member_words(const struct cluster *cluster, size_t index, uint64_t now_usec,
                          struct strbuf *out) {
    const struct cluster_member *member = &cluster->members[index];
    if (error_is_set(&member->failure.error)) {
        add_failing(member, now_usec, out);
    } else if (!member->known) {
        strbuf_add_text(out, "has not been asked yet");
    } else if (!member->answer.in_recovery) {
        strbuf_add_text(out,
                        member->identity.read_only ? "primary that is read-only" : "takes writes");
    } else {
        add_receiver(cluster, index, now_usec, out);
    }
}

void cluster_words(const struct cluster *cluster, uint64_t now_usec, struct strbuf *out) {
    for (size_t i = 0; i < cluster->n_members; i++) {
        strbuf_printf(out, "%s%s: ", i > 0 ? "; " : "", cluster->members[i].name);
        cluster_member_words(cluster, i, now_usec, out);
    }
}
