/* SPDX-License-Identifier: Apache-2.0 */

/* A PgBouncer that is down in front of a primary that is well: its hooks, and nothing else. */
#include "base/log.h"
#include "failover/private_acting.h"

static void pool_hooks_ended(void *userdata, bool good, const char *text) {
    struct acting *acting = userdata;
    log_line(good ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "cluster '%s': the pool hooks %s: %s",
             acting->watched->options.cluster, good ? "have run" : "have failed", text);
    acting->pool_run = hook_run_free(acting->pool_run);
    watched_plan_ended(acting->watched);
}

void acting_pool_down(struct acting *acting, const char *name, const char *instance) {
    const struct watched *watched = acting->watched;
    const struct cluster *cluster = &watched->cluster;
    const struct failover_options *options = &watched->options;
    if (options->mode == FAILOVER_OBSERVE || acting->pool_run != NULL ||
        options->hooks.commands[HOOK_POOL].count == 0 || cluster->verdict != VERDICT_HEALTHY ||
        watched_in_maintenance(watched)) {
        return;
    }
    const struct watched_member *primary = &watched->members[cluster->primary];
    const struct hook_event event = {
        .kind = HOOK_POOL,
        .cluster = options->cluster,
        .old_primary = name, /* what is lost, and where its clients could go meanwhile */
        .old_primary_addr = instance,
        .new_primary = primary->name,
        .new_primary_addr = primary->instance,
        .reason = "the pooler is down, and the primary takes writes",
    };
    log_warn("cluster '%s': pooler '%s' is down, and the primary takes writes: its hooks are run",
             options->cluster, name);
    acting->pool_run = hook_run_new(watched->watch->options.loop, watched->watch->processes,
                                    &(struct hook_run_request){.options = &options->hooks,
                                                               .event = &event,
                                                               .done = pool_hooks_ended,
                                                               .userdata = acting});
}
