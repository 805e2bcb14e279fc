/* SPDX-License-Identifier: Apache-2.0 */

/* Tells a PgBouncer, over its console, to go to the new primary, or to hold its clients back
 * meanwhile. Its configuration file is changed by somebody else, before.
 *
 *   POOL_SWITCH_MOVE     RELOAD; for each database DISABLE, KILL, RESUME, ENABLE: behind a failover
 *   POOL_SWITCH_PAUSE    for each database PAUSE: in front of a planned switchover
 *   POOL_SWITCH_RESUME   for each database RESUME: undoes a PAUSE, also one that has timed out
 *   POOL_SWITCH_RELEASE  RELOAD; for each database RESUME: behind a planned switchover
 *   POOL_SWITCH_TRY      SET of what there is not: changes nothing, and tells whether we may: for
 *                        rehearsals
 *
 * What PgBouncer 1.18 does, as seen:
 * - RELOAD answers with success even when the file cannot be read: then the databases stay as they
 *   were. So behind MOVE and RELEASE the text says where each database leads now.
 * - KILL ends all connections of a database, to clients ("FATAL: database removed") and to servers,
 *   idle ones too; it works when there is none, when the database is disabled, paused or killed
 *   already. New clients wait, until they give up themselves, for the RESUME that is always needed.
 * - A client that comes while a database is killed makes PgBouncer begin a connection and give it
 * up, which counts as a failed one: the next is tried after server_login_retry, 15 s by default. So
 *   it is disabled meanwhile: who comes is turned away, and comes again.
 * - RESUME of one that is neither killed nor paused is the error "database x is not paused", which
 *   counts as success here.
 * - PAUSE waits for the transactions under way (for clients that are connected, in session mode);
 *   clients stay and wait. When the console that asked goes away, the database stays paused, its
 *   transactions come to their end and the next ones wait: RESUME is needed. A PAUSE that waits is
 *   never answered once another console has said RESUME. PAUSE of a paused one succeeds.
 * - All three fail with "no such database: x" for an unknown one, unless there is a "*" in the
 *   configuration. Names are case-sensitive and quoted.
 * - All of it needs a role of admin_users; one of stats_users gets "admin access needed", also for
 *   SET, which fails with "SET failed" for an administrator when there is no such setting.
 *
 * All may be repeated: a command whose connection ends is sent again over the next one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "failover/contact.h"

enum pool_switch_kind {
    POOL_SWITCH_MOVE,
    POOL_SWITCH_PAUSE,
    POOL_SWITCH_RESUME,
    POOL_SWITCH_RELEASE,
    POOL_SWITCH_TRY,
};

struct pool_switch_options {
    struct contact_options contact; /* of the console; pg is copied */
    enum pool_switch_kind kind;
    const char *const *databases; /* copied */
    size_t n_databases;
    uint64_t deadline_usec; /* 0: 10 s */
    /* Exactly once unless it is freed before; not inside pool_switch_new(). It may be freed in it.
     * A PAUSE that fails leaves off, and the owner undoes it with POOL_SWITCH_RESUME for all of the
     * databases; the others go through with all databases. text tells what failed, or what was
     * done; borrowed. */
    void (*ended)(void *userdata, bool succeeded, struct str text);
    void *userdata;
};

struct pool_switch;

struct pool_switch *pool_switch_new(const struct pool_switch_options *options);
struct pool_switch *pool_switch_free(struct pool_switch *pool);
DEFINE_CLEANUP(struct pool_switch, pool_switch_free);
