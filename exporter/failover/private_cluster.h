/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of the core share. */
#pragma once

#include "failover/cluster.h"

/* Whether what it says is of now. */
bool cluster_is_fresh(const struct cluster *cluster, const struct cluster_member *member,
                      uint64_t now_usec);

/* Whether one of both is the other's address, or a name that both were given. */
bool cluster_share_address(const struct cluster_addresses *a, const struct cluster_addresses *b);

/* Loopback, or a socket. */
bool cluster_is_loopback(const char *host);

/* How many stream from the primary, and how many of them it takes. */
size_t cluster_count_streaming(const struct cluster *cluster, uint64_t now_usec,
                               size_t *ret_quorum);

/* cluster_evidence.c */
void cluster_take_standbys(struct cluster *cluster);
bool cluster_proves(const struct cluster *cluster, size_t candidate, uint64_t now_usec);
const char *cluster_find_manager(const struct cluster *cluster);
size_t cluster_witness_words(const struct cluster *cluster, uint64_t now_usec,
                             struct witness_word *ret);

/* cluster_ready.c */
void cluster_assess(struct cluster *cluster, uint64_t now_usec);
