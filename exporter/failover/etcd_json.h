/* SPDX-License-Identifier: Apache-2.0 */

/* What is said to etcd v3 over its JSON gateway, and what it answers: keys and values in base64,
 * whole numbers of 64 bits as text, and fields that are 0, false or empty left out. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"

#define ETCD_LOGIN     "/v3/auth/authenticate"
#define ETCD_GRANT     "/v3/lease/grant"
#define ETCD_KEEPALIVE "/v3/lease/keepalive"
#define ETCD_REVOKE    "/v3/lease/revoke"
#define ETCD_TXN       "/v3/kv/txn"

/* ---- requests ---- */

void etcd_login_write(struct strbuf *out, const char *user, const char *password);
void etcd_grant_write(struct strbuf *out, uint64_t ttl_usec); /* in whole seconds, upwards */
void etcd_lease_write(struct strbuf *out, int64_t id);        /* keepalive, revoke */

/* A transaction: begin, any number of comparisons, then, what is done if all hold, otherwise, what
 * is done if not, end. */
struct etcd_txn {
    struct json_writer json;
};

void etcd_txn_begin(struct etcd_txn *txn, struct strbuf *out);
void etcd_txn_if_value(struct etcd_txn *txn, const char *key, const char *value);
void etcd_txn_if_lease(struct etcd_txn *txn, const char *key, int64_t lease);
void etcd_txn_if_absent(struct etcd_txn *txn, const char *key);
void etcd_txn_if_unchanged(struct etcd_txn *txn, const char *key, int64_t mod_revision);
void etcd_txn_then(struct etcd_txn *txn);
void etcd_txn_otherwise(struct etcd_txn *txn);
void etcd_txn_get(struct etcd_txn *txn, const char *key);
void etcd_txn_put(struct etcd_txn *txn, const char *key, struct str value, int64_t lease);
void etcd_txn_delete(struct etcd_txn *txn, const char *key);
void etcd_txn_end(struct etcd_txn *txn);

/* ---- answers ---- */

/* What stands for the user from now on, in the arena; never empty. Return: 0 or -EBADMSG. */
int etcd_login_read(struct str body, struct arena *arena, struct str *ret_token, struct error *err);

/* An id, and for how long the lease lives: 0 when there is no such lease (keepalive).
 * Return: 0 or -EBADMSG. */
int etcd_lease_read(struct str body, struct arena *arena, int64_t *ret_id, uint64_t *ret_ttl_usec,
                    struct error *err);

struct etcd_value {
    bool found;
    struct str value; /* in the arena */
    int64_t mod_revision, lease;
};

#define ETCD_MOST_GETS 4

struct etcd_txn_answer {
    bool succeeded;   /* all comparisons held */
    int64_t revision; /* of the store, after it */
    struct etcd_value values[ETCD_MOST_GETS];
};

/* n_gets[1]: how many values were asked for if all comparisons hold, n_gets[0]: otherwise; another
 * number of them is an error. Return: 0 or -EBADMSG. */
int etcd_txn_read(struct str body, struct arena *arena, const size_t n_gets[2],
                  struct etcd_txn_answer *ret, struct error *err);

/* Why a request was refused, in etcd's words where they can be found. Return: -EREMOTEIO. */
int etcd_refusal(int status, struct str body, struct error *err);
