/* SPDX-License-Identifier: Apache-2.0 */

/* Life: open -> (names resolve) -> PQconnectStartParams -> PQconnectPoll until it is made ->
 * readable events -> ended. Each event is the last thing that a function does, because its receiver
 * may free the connection. */
#include "io/pg_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/descriptors.h"
#include "io/pg_failure.h"
#include "io/pg_hosts.h"
#include "io/pg_watch.h"
#include "io/tls.h"

/* Results that may still lie in libpq's buffer when a connection breaks. */
#define MOST_RESULTS_AT_END 100000
/* What a server may say before the connection is made: certificates, parameters. */
#define MOST_CONNECT_BYTES ((uint64_t)256 * 1024)
/* Some 0.5 s of hashing, which nothing can interrupt. */
#define MOST_SCRAM_ITERATIONS ((uint64_t)1000000)

struct pg_conn {
    struct loop *loop;
    const struct pg_options *options; /* borrowed */
    struct pg_conn_events events;
    struct pg_hosts *hosts; /* while names resolve */
    PGconn *handle;
    struct loop_io *io;
    int watched_fd;                 /* a copy of the socket; -1 while libpq's own is watched */
    struct loop_deferred *deferred; /* reports a failure that came up inside a function */
    struct resolver *resolver;
    bool connected, ended;
    bool is_unix;  /* the socket */
    bool answered; /* a byte of a server was seen */
    bool reading;
    bool sending; /* libpq waits until the socket takes more */
    bool has_last_word;
    struct client_failure last_word;
    uint64_t received;
    struct pg_watch watch;
};

static void on_deferred(void *userdata);

struct pg_conn *pg_conn_new(struct loop *loop, struct resolver *resolver,
                            const struct pg_options *options, const struct pg_conn_events *events) {
    struct pg_conn *conn = mem_alloc(sizeof(*conn));
    *conn = (struct pg_conn){
        .loop = loop,
        .options = options,
        .events = *events,
        .resolver = resolver,
        .reading = true,
        .watched_fd = -1,
    };
    conn->deferred = loop_deferred_new(loop, on_deferred, conn);
    return conn;
}

static void unwatch(struct pg_conn *conn) {
    conn->io = loop_io_free(conn->io);
    if (conn->watched_fd >= 0) {
        (void)close(conn->watched_fd);
        conn->watched_fd = -1;
    }
}

struct pg_conn *pg_conn_free(struct pg_conn *conn) {
    if (conn == NULL) {
        return NULL;
    }
    pg_hosts_free(conn->hosts);
    unwatch(conn);
    loop_deferred_free(conn->deferred);
    PQfinish(conn->handle);
    free(conn);
    return NULL;
}

PGconn *pg_conn_handle(struct pg_conn *conn) {
    return conn->handle;
}

uint64_t pg_conn_received(const struct pg_conn *conn) {
    return conn->received;
}

bool pg_conn_is_busy(struct pg_conn *conn) {
    uint64_t start = loop_clock_usec();
    bool busy = PQisBusy(conn->handle);
    pg_watch_call(&conn->watch, loop_clock_usec() - start);
    return busy;
}

void pg_conn_begin_turn(struct pg_conn *conn) {
    pg_watch_begin(&conn->watch, conn->loop);
}

const char *pg_conn_end_turn(struct pg_conn *conn) {
    return pg_watch_end(&conn->watch);
}

void pg_conn_note(struct pg_conn *conn, const PGresult *result) {
    if (pg_result_is_last_word(result)) {
        pg_failure_from_last_word(result, &conn->last_word);
        conn->has_last_word = true;
    }
}

static void on_notice(void *userdata, const PGresult *result) {
    pg_conn_note(userdata, result);
}

static void end(struct pg_conn *conn, const struct client_failure *failure) {
    if (conn->ended) {
        return;
    }
    conn->ended = true;
    unwatch(conn);
    struct client_failure copy = *failure;
    conn->events.ended(conn->events.userdata, &copy);
}

static void end_connecting(struct pg_conn *conn) {
    struct client_failure failure;
    pg_failure_from_connect(PQerrorMessage(conn->handle), conn->answered, &failure);
    end(conn, &failure);
}

/* What came before the end may still hold the server's last word. */
static void read_last_word(struct pg_conn *conn) {
    bool was_null = false;
    for (int i = 0; i < MOST_RESULTS_AT_END && !PQisBusy(conn->handle); i++) {
        PGresult *result = PQgetResult(conn->handle);
        if (result == NULL && was_null) {
            return;
        }
        was_null = result == NULL;
        if (result != NULL) {
            pg_conn_note(conn, result);
            PQclear(result);
        }
    }
}

static void end_connected(struct pg_conn *conn) {
    struct client_failure failure;
    pg_failure_from_broken(PQerrorMessage(conn->handle), &failure);
    read_last_word(conn);
    end(conn, conn->has_last_word ? &conn->last_word : &failure);
}

static void watch(struct pg_conn *conn) {
    loop_io_set_events(conn->io, (conn->reading ? (uint32_t)EPOLLIN : 0) |
                                     (conn->sending ? (uint32_t)EPOLLOUT : 0));
}

/* Return: false when the connection is broken. */
static bool flush(struct pg_conn *conn) {
    int r = PQflush(conn->handle);
    bool sending = r > 0;
    if (sending != conn->sending) {
        conn->sending = sending;
        watch(conn);
    }
    return r >= 0;
}

void pg_conn_flush(struct pg_conn *conn) {
    if (conn->connected && !conn->ended && !flush(conn)) {
        loop_deferred_arm(conn->deferred);
    }
}

void pg_conn_cork(struct pg_conn *conn, bool on) {
    const int value = on;
    (void)setsockopt(PQsocket(conn->handle), IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
}

void pg_conn_set_reading(struct pg_conn *conn, bool on) {
    if (conn->reading != on && conn->io != NULL) {
        conn->reading = on;
        watch(conn);
    }
}

static int bytes_waiting(const struct pg_conn *conn) {
    int count = 0;
    return ioctl(PQsocket(conn->handle), FIONREAD, &count) == 0 ? count : 0;
}

/* Return: false when the connection is broken. */
static bool consume(struct pg_conn *conn, int waiting) {
    conn->received += (uint64_t)waiting;
    return PQconsumeInput(conn->handle);
}

static void on_ready(void *userdata, uint32_t revents) {
    struct pg_conn *conn = userdata;
    if ((revents & EPOLLOUT) != 0 && !flush(conn)) {
        end_connected(conn);
        return;
    }
    if ((revents & ~(uint32_t)EPOLLOUT) == 0) {
        return;
    }
    if (!consume(conn, bytes_waiting(conn))) {
        end_connected(conn);
        return;
    }
    conn->events.readable(conn->events.userdata);
}

bool pg_conn_read_on(struct pg_conn *conn) {
    int waiting = 0;
    if (conn->ended || !conn->reading || !PQsslInUse(conn->handle) ||
        (waiting = bytes_waiting(conn)) == 0) {
        return false;
    }
    pg_watch_go_on(&conn->watch);
    if (!consume(conn, waiting)) {
        loop_deferred_arm(conn->deferred);
        return false;
    }
    return true;
}

static void on_connect_ready(void *userdata, uint32_t revents);

/* libpq closes its socket inside of any call in which the connection breaks. A watch on that one
 * could not be taken away any more, and would stand, with nothing behind it, for as long as a
 * process that was forked a moment ago has a copy of the socket: so ours is watched. */
static void watch_connected(struct pg_conn *conn) {
    conn->watched_fd = fcntl(PQsocket(conn->handle), F_DUPFD_CLOEXEC, 0);
    if (conn->watched_fd >= 0) {
        conn->io = loop_io_new(conn->loop, conn->watched_fd, EPOLLIN, on_ready, conn);
    }
}

static void become_connected(struct pg_conn *conn) {
    conn->connected = true;
    conn->answered = true;
    watch_connected(conn);
    PQsetErrorVerbosity(conn->handle, PQERRORS_TERSE);
    tls_release_buffers(PQsslStruct(conn->handle, "OpenSSL"));
    if (conn->io == NULL || PQsetnonblocking(conn->handle, 1) != 0) {
        struct client_failure failure = {
            .end = CLIENT_OURS, .reason = REASON_LOCAL, .connection = true};
        error_say(&failure.error, -EIO, "the connection cannot be watched");
        end(conn, &failure);
        return;
    }
    conn->events.connected(conn->events.userdata);
}

static void end_hostile(struct pg_conn *conn, const char *why) {
    struct client_failure failure = {
        .end = CLIENT_ALIVE, .reason = REASON_PROTOCOL, .connection = true};
    error_say(&failure.error, -EPROTO, "%s", why);
    end(conn, &failure);
}

/* Return: NULL, or why it should not be read. A socket where nothing waits is left alone, because
 * looking would take away the error that libpq must see. */
static const char *look_ahead(struct pg_conn *conn) {
    int waiting = bytes_waiting(conn);
    if (waiting == 0) {
        return NULL;
    }
    conn->answered = true;
    conn->received += (uint64_t)waiting;
    if (conn->received > MOST_CONNECT_BYTES) {
        return "the server goes on without making the connection: it was closed by us";
    }
    if (pg_watch_scram_iterations(PQsocket(conn->handle)) > MOST_SCRAM_ITERATIONS) {
        return "the server wants the password to be hashed too often";
    }
    return NULL;
}

/* libpq may close its socket and open another between two polls, under the same number: a watch
 * lives only until the next poll. */
static void poll_connection(struct pg_conn *conn) {
    conn->io = loop_io_free(conn->io);
    pg_watch_begin(&conn->watch, conn->loop);
    PostgresPollingStatusType status = PQconnectPoll(conn->handle);
    const char *why = pg_watch_end(&conn->watch);
    if (why != NULL) {
        end_hostile(conn, why);
        return;
    }
    if (status == PGRES_POLLING_OK) {
        become_connected(conn);
        return;
    }
    if (status == PGRES_POLLING_FAILED) {
        end_connecting(conn);
        return;
    }
    conn->io =
        loop_io_new(conn->loop, PQsocket(conn->handle),
                    status == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT, on_connect_ready, conn);
    if (conn->io == NULL) {
        end_connecting(conn);
    }
}

static void on_connect_ready(void *userdata, uint32_t revents) {
    struct pg_conn *conn = userdata;
    const char *why = look_ahead(conn);
    if (why != NULL) {
        end_hostile(conn, why);
        return;
    }
    poll_connection(conn);
}

static void end_unresolved(struct pg_conn *conn, enum client_reason reason,
                           const struct error *err) {
    struct client_failure failure = {
        .end = CLIENT_OURS, .reason = reason, .connection = true, .error = *err};
    end(conn, &failure);
}

/* Runs from the loop, when all names are known. */
static void begin(struct pg_conn *conn, const struct pg_params *params) {
    struct error scarce = {0};
    if (descriptors_are_scarce(&scarce)) {
        conn->hosts = pg_hosts_free(conn->hosts);
        end_unresolved(conn, REASON_LOCAL, &scarce);
        return;
    }
    conn->handle = PQconnectStartParams((const char *const *)params->keywords,
                                        (const char *const *)params->values, 0);
    conn->hosts = pg_hosts_free(conn->hosts); /* and the copy of the password with it */
    if (conn->handle == NULL) {
        struct error err = {0};
        error_say(&err, -ENOMEM, "libpq has no memory for a connection");
        end_unresolved(conn, REASON_LOCAL, &err);
        return;
    }
    /* The SQLSTATE of a refusal is only to be had from a verbose text. */
    PQsetErrorVerbosity(conn->handle, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(conn->handle, on_notice, conn);
    if (PQstatus(conn->handle) == CONNECTION_BAD) {
        end_connecting(conn);
        return;
    }
    /* "Behave as if the last poll had said WRITING." */
    conn->io = loop_io_new(conn->loop, PQsocket(conn->handle), EPOLLOUT, on_connect_ready, conn);
    if (conn->io == NULL) {
        end_connecting(conn);
    }
}

static void on_hosts_known(void *userdata, const struct pg_params *params,
                           const struct error *err) {
    struct pg_conn *conn = userdata;
    if (params == NULL) {
        bool ours = err->code == -EINVAL || err->code == -EBUSY;
        end_unresolved(conn, ours ? REASON_LOCAL : REASON_DNS, err);
        return;
    }
    begin(conn, params);
}

void pg_conn_open(struct pg_conn *conn) {
    conn->hosts = pg_hosts_new(conn->loop, conn->resolver, conn->options, on_hosts_known, conn);
}

static void on_deferred(void *userdata) {
    struct pg_conn *conn = userdata;
    if (!conn->ended) {
        end_connected(conn);
    }
}
