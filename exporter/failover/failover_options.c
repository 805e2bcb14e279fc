/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/failover_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *const failover_mode_names[] = {
    [FAILOVER_OBSERVE] = "observe",
    [FAILOVER_MANUAL] = "manual",
    [FAILOVER_AUTOMATIC] = "automatic",
};

static void names_deinit(struct failover_names *names) {
    for (size_t i = 0; i < names->count; i++) {
        free(names->list[i]);
    }
    free(names->list);
}

static void names_copy(const struct failover_names *from, struct failover_names *ret) {
    *ret = (struct failover_names){mem_array(from->count + 1, sizeof(char *)), from->count};
    for (size_t i = 0; i < from->count; i++) {
        ret->list[i] = mem_strdup(from->list[i]);
    }
}

static bool names_equal(const struct failover_names *a, const struct failover_names *b) {
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = strcmp(a->list[i], b->list[i]) == 0;
    }
    return equal;
}

void failover_options_deinit(struct failover_options *options) {
    names_deinit(&options->witnesses);
    free(options->cluster);
    hook_options_deinit(&options->hooks);
    names_deinit(&options->pools);
    names_deinit(&options->pool_databases);
    failover_lock_options_deinit(&options->lock);
    *options = (struct failover_options){0};
}

void failover_options_copy(const struct failover_options *from, struct failover_options *ret) {
    *ret = *from;
    ret->cluster = mem_strdup(from->cluster);
    hook_options_copy(&from->hooks, &ret->hooks);
    failover_lock_options_copy(&from->lock, &ret->lock);
    names_copy(&from->witnesses, &ret->witnesses);
    names_copy(&from->pools, &ret->pools);
    names_copy(&from->pool_databases, &ret->pool_databases);
}

bool failover_options_equal(const struct failover_options *a, const struct failover_options *b) {
    return strcmp(a->cluster, b->cluster) == 0 && a->mode == b->mode &&
           a->interval_usec == b->interval_usec && a->failures == b->failures &&
           a->quorum == b->quorum && a->max_lag_bytes == b->max_lag_bytes &&
           a->max_replay_bytes == b->max_replay_bytes &&
           a->view_max_age_usec == b->view_max_age_usec &&
           a->restart_grace_usec == b->restart_grace_usec &&
           a->startup_grace_usec == b->startup_grace_usec &&
           a->start_timeout_usec == b->start_timeout_usec && a->on_clean_stop == b->on_clean_stop &&
           a->unfenced == b->unfenced && a->n_windows == b->n_windows &&
           memcmp(a->windows, b->windows, a->n_windows * sizeof(a->windows[0])) == 0 &&
           hook_options_equal(&a->hooks, &b->hooks) &&
           failover_lock_options_equal(&a->lock, &b->lock) &&
           names_equal(&a->witnesses, &b->witnesses) && names_equal(&a->pools, &b->pools) &&
           names_equal(&a->pool_databases, &b->pool_databases);
}
