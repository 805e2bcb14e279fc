/* SPDX-License-Identifier: Apache-2.0 */

/* The sampler's inside, shared by its own files only. */
#pragma once

#include "sampler/sampler.h"
#include "sampler/target.h"

/* What is remembered of the primary of a cluster: replicas are measured against it. */
struct cluster_position {
    char *cluster;
    int64_t system_identifier; /* 0: Redis */
    int64_t position;
    int64_t seen_ms;
};

struct sampler {
    struct loop *loop;         /* borrowed */
    struct resolver *resolver; /* borrowed */
    struct store *store;       /* borrowed */
    struct tls_contexts *tls_contexts;
    struct host_probe *host_probe; /* NULL until a host is a target */
    struct transfers *transfers;   /* NULL until an application's page is one */
    struct sampler_options options;
    struct target **targets; /* in the order of the configuration */
    size_t n_targets;
    struct cluster_position *clusters;
    size_t n_clusters, clusters_capacity;
};

/* The cluster's entry, made if need be; NULL without a cluster. */
struct cluster_position *sampler_cluster(struct sampler *sampler, const char *cluster);
