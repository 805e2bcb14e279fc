/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/fake_sampler.h"

#include <stdio.h>

/* The names that the layers below define beside code that needs servers. */
const char *const target_health_names[] = {"pending", "up", "down"};
const char *const target_kind_names[] = {"postgres", "pgbouncer", "redis", "sentinel",
                                         "host",     "breakers",  NULL};
const char *const server_role_names[] = {"unknown", "primary", "replica"};

struct fake_target *fake_sampler_add(struct sampler *sampler, const char *name,
                                     enum target_kind kind, const char *instance) {
    struct fake_target *fake = &sampler->targets[sampler->n_targets++];
    *fake = (struct fake_target){0};
    fake->options.name = (char *)(uintptr_t)name;
    fake->options.kind = kind;
    fake->options.interval_usec = (uint64_t)5 * 1000 * 1000;
    fake->view.options = &fake->options;
    fake->view.breaker = &fake->breaker;
    fake->view.traffic = &fake->traffic;
    fake->view.health = TARGET_UP;
    fake->view.health_since_ms = 1700000000123;
    fake->view.lag_seconds = fake->view.lag_bytes = (double)NAN;
    snprintf(fake->view.instance, sizeof(fake->view.instance), "%s", instance);
    return fake;
}

size_t sampler_targets(const struct sampler *sampler) {
    return sampler->n_targets;
}

const struct target_view *sampler_target(const struct sampler *sampler, size_t index) {
    return &sampler->targets[index].view;
}

const struct target_view *sampler_find(const struct sampler *sampler, struct str name) {
    for (size_t i = 0; i < sampler->n_targets; i++) {
        if (str_is(name, sampler->targets[i].options.name)) {
            return &sampler->targets[i].view;
        }
    }
    return NULL;
}

bool sampler_is_ready(const struct sampler *sampler) {
    for (size_t i = 0; i < sampler->n_targets; i++) {
        if (sampler->targets[i].view.health == TARGET_PENDING) {
            return false;
        }
    }
    return true;
}

static const struct fake_target *fake_of(const struct target_view *view) {
    return (const struct fake_target *)(const void *)((const char *)view -
                                                      offsetof(struct fake_target, view));
}

size_t sampler_target_collectors(const struct target_view *target) {
    return fake_of(target)->n_collectors;
}

const struct collector_view *sampler_target_collector(const struct target_view *target,
                                                      size_t index) {
    return &fake_of(target)->collectors[index];
}
