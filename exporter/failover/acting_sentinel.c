/* SPDX-License-Identifier: Apache-2.0 */

/* A Redis that a Sentinel looks after is never promoted by us. What people have decided is asked of
 * the Sentinel, in place of the promotion, and followed in place of its confirmation. */
#include <stdio.h>

#include "failover/managers.h"
#include "failover/private_acting.h"

bool acting_has_sentinel(const struct acting *acting) {
    return cluster_has_sentinel_in_charge(&acting->watched->cluster);
}

/* Names are what Sentinel was told, addresses what it made of them. */
static bool is_at(const struct cluster_addresses *at, struct str host, uint16_t port) {
    bool same = at->port == port && str_is(host, at->host);
    for (size_t i = 0; !same && i < at->n_texts; i++) {
        same = at->port == port && str_is(host, at->texts[i]);
    }
    return same;
}

static size_t find_member(void *userdata, struct str host, uint16_t port) {
    const struct acting *acting = userdata;
    const struct cluster *cluster = &acting->watched->cluster;
    for (size_t i = 0; i < cluster->n_members; i++) {
        if (is_at(&cluster->members[i].at, host, port)) {
            return i;
        }
    }
    return SENTINEL_NO_MEMBER;
}

static void named(void *userdata, size_t member, struct str text) {
    struct acting *acting = userdata;
    if (member == SENTINEL_NO_MEMBER) {
        executor_event(acting->executor, STEP_FAILURE, text);
        return;
    }
    acting->next = member;
    strbuf_clear(&acting->notes);
    strbuf_printf(&acting->notes, "%.*s, which is '%s'", (int)text.len, text.data,
                  acting->watched->members[member].name);
    acting_confirm_member(acting, NULL);
}

void acting_ask_sentinel(struct acting *acting) {
    const struct watched *watched = acting->watched;
    struct sentinel_target targets[FAILOVER_MOST_SENTINELS];
    struct contact_options contact = acting_contact_of(acting, acting->next);
    contact.redis = NULL;
    for (size_t i = 0; i < watched->n_sentinels; i++) {
        targets[i] =
            (struct sentinel_target){watched->sentinels[i].name, &watched->sentinels[i].redis};
    }
    sentinel_failover_free(acting->sentinel);
    acting->sentinel = sentinel_failover_new(&(struct sentinel_options){
        .contact = contact,
        .sentinels = targets,
        .n_sentinels = watched->n_sentinels,
        .old = acting->old,
        .find_member = find_member,
        .asked = acting_promotion_ended,
        .named = named,
        .userdata = acting,
    });
}

void acting_follow_sentinel(struct acting *acting) {
    sentinel_failover_follow(acting->sentinel);
}
