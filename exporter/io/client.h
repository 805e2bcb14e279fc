/* SPDX-License-Identifier: Apache-2.0 */

/* One kept connection to a server, whatever its protocol: the interface of pg_client,
 * pgbouncer_client and redis_client towards the sampler.
 *
 * Life: client_open() -> ready() or ended(). While ready: client_submit() any number of requests,
 * then client_flush(); each is answered exactly once through its done(). The owner keeps the only
 * deadline; when it passes, client_abandon() answers all that is open with CLIENT_SILENT and leaves
 * the connection *draining*: what still arrives is thrown away, and when all of it has arrived,
 * drained() says that the connection may be used again. A connection that is still being made can
 * be abandoned too; then ready() comes late or never. A connection is closed only by the owner
 * (client_free) or by the other side (ended()), because closing frees nothing on a server that
 * hangs. After ended() only client_free() is legal, also from inside ended().
 *
 * No callback runs inside client_open, client_submit, client_flush or client_abandon. Freeing the
 * client inside any of its callbacks is legal; what is open is then answered with CLIENT_OURS
 * before client_free() returns, except when it is called from such an answer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/table.h"
#include "base/tree.h"
#include "io/loop.h"
#include "io/resolve.h"

/* What an end says about the server: failover's evidence and the error labels read the same word.
 * gone: refused, or closed before the server's first byte. silent: no answer, also
 * EHOSTUNREACH and ETIMEDOUT. alive: it answered, whatever it said. ours: our own trouble (DNS,
 * descriptors, memory, local TLS files, we closed it), which is evidence of nothing. */
enum client_end { CLIENT_GONE, CLIENT_SILENT, CLIENT_ALIVE, CLIENT_OURS };
extern const char *const client_end_names[]; /* "gone", ... */

/* The closed list of `reason` in dbvitals_target_errors_total. */
enum client_reason {
    REASON_REFUSED,     /* connection refused, socket file missing */
    REASON_UNREACHABLE, /* no route, host down, network time-out */
    REASON_DNS,         /* name does not resolve */
    REASON_TIMEOUT,     /* no answer by the deadline; statement_timeout */
    REASON_CLOSED,      /* the connection ended without a word */
    REASON_AUTH,        /* password, role, pg_hba, NOAUTH, WRONGPASS */
    REASON_TLS,         /* refused or failed */
    REASON_CONNECTIONS, /* the server has no connection left */
    REASON_STARTING,    /* starting up, in recovery, loading */
    REASON_SHUTDOWN,    /* shutting down, terminated by an administrator */
    REASON_PERMISSION,  /* 42501, NOPERM */
    REASON_LOCK,        /* lock_timeout */
    REASON_CONFLICT,    /* cancelled by recovery */
    REASON_UNSUPPORTED, /* unknown command, function, column or parameter */
    REASON_QUERY,       /* any other error of a query */
    REASON_TOO_LARGE,   /* more rows or bytes than allowed */
    REASON_PROTOCOL,    /* not the protocol we speak */
    REASON_LOCAL,       /* our own trouble */
    REASON_CANCELED,    /* we stopped waiting (reload, shutdown) */
    REASON_COUNT
};
extern const char *const client_reason_names[]; /* "refused", ...: label values */

struct client_failure {
    enum client_end end;
    enum client_reason reason;
    bool connection;    /* the connection is lost, not only the request */
    char sqlstate[6];   /* PostgreSQL; empty otherwise. Redis: first word of the error, cut */
    char source[48];    /* PG_DIAG_SOURCE_FUNCTION, or empty */
    struct error error; /* a sentence without secrets */
};

struct client_reply {
    const struct table *table; /* PostgreSQL, PgBouncer */
    const struct tree *tree;   /* Redis: never TREE_ERROR at the top (that is a failure) */
};

struct client_request {
    const char *text;        /* SQL, SHOW ...; must outlive the client when constant is set */
    bool constant;           /* may be prepared by its address */
    const struct str *words; /* Redis: the command; copied at submit */
    size_t n_words;
    struct table_limits limits; /* max_bytes also bounds a Redis reply; zeros: defaults */
    struct arena *arena;        /* where the reply goes; borrowed until done() */
    void (*done)(void *userdata, const struct client_reply *reply,
                 const struct client_failure *failure); /* exactly one of both is not NULL */
    void *userdata;
};

/* What the first exchange told. */
struct client_hello {
    int version;           /* server_version_num, 0 where it has none; Redis 70015 for 7.0.15 */
    bool pooler;           /* PostgreSQL: we speak to a transaction pooler */
    uint64_t connect_usec; /* from client_open() to here */
};

struct client_events {
    void (*ready)(void *userdata, const struct client_hello *hello);
    void (*drained)(void *userdata);
    void (*ended)(void *userdata, const struct client_failure *failure);
    void *userdata;
};

enum client_state {
    CLIENT_IDLE, /* not opened */
    CLIENT_CONNECTING,
    CLIENT_READY,
    CLIENT_DRAINING,
    CLIENT_ENDED,
};

struct client; /* first member of every protocol's struct */

struct client_ops {
    void (*open)(struct client *client);
    void (*submit)(struct client *client, const struct client_request *request);
    void (*flush)(struct client *client);
    void (*abandon)(struct client *client, const char *why);
    void (*free)(struct client *client);
};

struct client {
    const struct client_ops *ops;
    struct client_events events;
    enum client_state state;
    uint64_t opened_usec; /* loop time of client_open() */
    const char *stage;    /* what is waited for while connecting, where that says more; or NULL */
};

static inline void client_open(struct client *client) {
    client->ops->open(client);
}

/* Queues a request; nothing is sent before client_flush() unless buffers are full. */
static inline void client_submit(struct client *client, const struct client_request *request) {
    client->ops->submit(client, request);
}

static inline void client_flush(struct client *client) {
    client->ops->flush(client);
}

/* Gives up on all open requests (their answers come from the next turn of the loop, with `why` in
 * the text) and on waiting for ready(); the connection stays. */
static inline void client_abandon(struct client *client, const char *why) {
    client->ops->abandon(client, why);
}

/* NULL is fine. Return: NULL. */
static inline struct client *client_free(struct client *client) {
    if (client != NULL) {
        client->ops->free(client);
    }
    return NULL;
}
DEFINE_CLEANUP(struct client, client_free);

/* Limits for zeros in a request. */
#define CLIENT_MOST_ROWS    ((size_t)20000)
#define CLIENT_MOST_COLUMNS ((size_t)1000)
#define CLIENT_MOST_BYTES   ((size_t)16 * 1024 * 1024)
/* Of all replies in one arena together. */
#define CLIENT_MOST_ARENA_BYTES ((size_t)32 * 1024 * 1024)

/* The kind of end and the reason for an errno of connect(), read() or write(). */
void client_failure_from_errno(struct client_failure *failure, int errno_value);
