/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/host_probe.h"
#include "io/transfer.h"
#include "sampler/private.h"

const char *const target_health_names[] = {"pending", "up", "down", NULL};

static void kept_certificates(void *userdata, const struct error *why) {
    log_warn("TLS: certificates cannot be renewed, those read before stay in use: %s", why->text);
}

struct sampler *sampler_new(struct loop *loop, struct resolver *resolver, struct store *store,
                            const struct sampler_options *options) {
    struct sampler *sampler = mem_alloc(sizeof(*sampler));
    sampler->loop = loop;
    sampler->resolver = resolver;
    sampler->store = store;
    sampler->tls_contexts = tls_contexts_new(kept_certificates, NULL);
    sampler->options = *options;
    return sampler;
}

struct sampler *sampler_free(struct sampler *sampler) {
    if (sampler == NULL) {
        return NULL;
    }
    int64_t now_ms = loop_now_ms(sampler->loop);
    for (size_t i = 0; i < sampler->n_targets; i++) {
        target_free(sampler->targets[i], now_ms);
    }
    for (size_t i = 0; i < sampler->n_clusters; i++) {
        free(sampler->clusters[i].cluster);
    }
    tls_contexts_free(sampler->tls_contexts);
    host_probe_free(sampler->host_probe);
    transfers_free(sampler->transfers);
    free(sampler->clusters);
    free(sampler->targets);
    free(sampler);
    return NULL;
}

struct cluster_position *sampler_cluster(struct sampler *sampler, const char *cluster) {
    if (cluster == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < sampler->n_clusters; i++) {
        if (strcmp(sampler->clusters[i].cluster, cluster) == 0) {
            return &sampler->clusters[i];
        }
    }
    sampler->clusters = mem_grow(sampler->clusters, sampler->n_clusters,
                                 &sampler->clusters_capacity, sizeof(*sampler->clusters));
    struct cluster_position *entry = &sampler->clusters[sampler->n_clusters++];
    *entry = (struct cluster_position){.cluster = mem_strdup(cluster)};
    return entry;
}

/* Takes the target of this name out of the list, or returns NULL. */
static struct target *take_target(struct sampler *sampler, const char *name) {
    for (size_t i = 0; i < sampler->n_targets; i++) {
        struct target *target = sampler->targets[i];
        if (target != NULL && strcmp(target->options.name, name) == 0) {
            sampler->targets[i] = NULL;
            return target;
        }
    }
    return NULL;
}

void sampler_apply(struct sampler *sampler, const struct target_options *targets, size_t count) {
    struct target **list = mem_array(count, sizeof(struct target *));
    int64_t now_ms = loop_now_ms(sampler->loop);
    for (size_t i = 0; i < count; i++) {
        list[i] = take_target(sampler, targets[i].name);
        if (list[i] != NULL && list[i]->options.kind != targets[i].kind) {
            list[i] = target_free(list[i], now_ms);
        }
        if (list[i] == NULL) {
            list[i] = target_new(sampler, &targets[i], i);
            continue;
        }
        unsigned difference = target_options_compare(&list[i]->options, &targets[i]);
        if (difference != 0) {
            target_change(list[i], &targets[i], difference);
        }
    }
    for (size_t i = 0; i < sampler->n_targets; i++) {
        target_free(sampler->targets[i], now_ms);
    }
    for (size_t i = 0; i < count; i++) {
        target_set_in_step(list[i], count <= SCHEDULE_MOST_IN_STEP);
    }
    free(sampler->targets);
    sampler->targets = list;
    sampler->n_targets = count;
    tls_contexts_trim(sampler->tls_contexts);
}

size_t sampler_targets(const struct sampler *sampler) {
    return sampler->n_targets;
}

const struct target_view *sampler_target(const struct sampler *sampler, size_t index) {
    return &sampler->targets[index]->view;
}

const struct target_view *sampler_find(const struct sampler *sampler, struct str name) {
    for (size_t i = 0; i < sampler->n_targets; i++) {
        if (str_is(name, sampler->targets[i]->options.name)) {
            return &sampler->targets[i]->view;
        }
    }
    return NULL;
}

bool sampler_is_ready(const struct sampler *sampler) {
    for (size_t i = 0; i < sampler->n_targets; i++) {
        if (sampler->targets[i]->view.rounds == 0) {
            return false;
        }
    }
    return true;
}

void sampler_sample_now(struct sampler *sampler) {
    for (size_t i = 0; i < sampler->n_targets; i++) {
        target_sample_now(sampler->targets[i]);
    }
}

size_t sampler_target_collectors(const struct target_view *target) {
    const struct target *inside = (const struct target *)target;
    return inside->n_runs;
}

const struct collector_view *sampler_target_collector(const struct target_view *target,
                                                      size_t index) {
    const struct target *inside = (const struct target *)target;
    return &inside->runs[index].view;
}
