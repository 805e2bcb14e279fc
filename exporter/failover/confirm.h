/* SPDX-License-Identifier: Apache-2.0 */

/* Waits until a promoted server takes writes, by asking and never by writing: at once, then every 5
 * ms for a tenth of a second, and more and more rarely up to every 50 ms. A PostgreSQL server takes
 * writes when it is out of recovery and default_transaction_read_only, as sessions of others find
 * it, is off; a Redis server when its role is master.
 *
 * "Commits wait for a standby" is said where synchronous_standby_names asks for more standbys than
 * are connected and in step: recovery is over then, and yet the first commit would hang. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "failover/contact.h"

struct confirm_result {
    bool confirmed;
    struct str text;    /* what was found or missed, in words; borrowed */
    uint32_t timeline;  /* PostgreSQL; 0: not known */
    uint64_t position;  /* of its WAL, or Redis' replication offset */
    bool commits_wait;  /* for a synchronous standby */
    uint64_t took_usec; /* since confirm_new() */
};

struct confirm_options {
    struct contact_options contact; /* of the new primary */
    struct contact *taken;  /* taken over, as from promotion_take_contact(); NULL: a new one */
    uint64_t deadline_usec; /* 0: 60 s */
    /* Exactly once unless it is freed before; not inside confirm_new(). It may be freed in it. */
    void (*ended)(void *userdata, const struct confirm_result *result);
    void *userdata;
};

struct confirm;

struct confirm *confirm_new(const struct confirm_options *options);
struct confirm *confirm_free(struct confirm *confirm);
DEFINE_CLEANUP(struct confirm, confirm_free);
