/* SPDX-License-Identifier: Apache-2.0 */

#include "web/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "web/exchange.h"
#include "web/tls_server.h"

/* Bounds request line and headers of a request; the answer's headers lie there too. */
#define CONNECTION_BYTES ((size_t)16 * 1024)
#define SWEEP_USEC       (USEC_PER_SEC / 2)
#define ACCEPTS_PER_TURN 64
/* Who has connected has usually said hello as well, and the answer costs a signature: 0.3 ms, or 2
 * ms with RSA. Others on the loop have their turn in between. */
#define TLS_ACCEPTS_PER_TURN 4
#define RUN_USEC             1000

/* What the library needs beyond our limit: connections that were cut but not cleaned up yet. */
#define SPARE_CONNECTIONS 64

static void run(struct server *server);

/* The library sees the end of the stream in its next run and closes. */
static void cut(struct client *client) {
    connection_close(&client->server->connections, &client->connection);
    shutdown(client->fd, SHUT_RDWR);
}

static struct client *client_of(struct connection *connection) {
    return container_of(connection, struct client, connection);
}

static void sweep(void *userdata) {
    struct server *server = userdata;
    uint64_t now = loop_now_usec(server->options.loop);
    struct connection_list *list = &server->connections;
    for (struct connection *one = list->first; one != NULL; one = one->next) {
        struct client *client = client_of(one);
        bool waits = client->exchange != NULL && exchange_waits(client->exchange);
        if (waits && exchange_is_overdue(client->exchange, now)) {
            exchange_give_up(client->exchange);
        } else if (!waits && !one->closing && connection_is_late(list, one, now)) {
            log_debug("web: a client is too slow, closing its connection");
            cut(client);
        }
    }
    if (list->count > 0) {
        loop_timer_set(server->sweep_timer, now + SWEEP_USEC);
    }
}

/* Whose connection it is, where that is asked for. */
static struct web_caller find_caller(const struct server *server, int fd) {
    struct ucred who;
    socklen_t size = sizeof(who);
    if (!server->options.control || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0) {
        return (struct web_caller){0};
    }
    return (struct web_caller){
        .trusted = who.uid == 0 || who.uid == geteuid(),
        .uid = who.uid,
        .pid = who.pid,
    };
}

static uint64_t hash_peer(const struct sockaddr *address) {
    if (address != NULL && address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        return hash_bytes(&v4->sin_addr, sizeof(v4->sin_addr));
    }
    if (address != NULL && address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        return hash_bytes(&v6->sin6_addr, sizeof(v6->sin6_addr));
    }
    return 0;
}

/* Not inside the library: it ends a session after it has told us, and needs its certificate. */
static void free_gone(struct server *server) {
    while (server->gone != NULL) {
        struct client *client = server->gone;
        server->gone = client->next;
        tls_server_unref(client->tls);
        free(client);
    }
}

static void connection_changed(void *userdata, struct MHD_Connection *mhd, void **socket_context,
                               enum MHD_ConnectionNotificationCode code) {
    struct server *server = userdata;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct client *client = mem_alloc(sizeof(*client));
        client->server = server;
        client->mhd = mhd;
        client->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        client->caller = find_caller(server, client->fd);
        if (server->options.tls != NULL) {
            client->tls = tls_server_ref(server->options.tls);
            tls_server_equip(
                client->tls,
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session);
        }
        client->peer = hash_peer(
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
        connection_list_add(&server->connections, &client->connection,
                            loop_now_usec(server->options.loop));
        *socket_context = client;
    } else if (*socket_context != NULL) {
        struct client *client = *socket_context;
        connection_list_remove(&server->connections, &client->connection);
        client->next = server->gone;
        server->gone = client;
        *socket_context = NULL;
    }
}

/* Accepting. */

static void send_refusal(struct server *server, int fd, const char *answer) {
    char unread[1024];
    server->numbers.refused++;
    if (server->options.tls != NULL) {
        close(fd); /* whatever we said would be no TLS */
        return;
    }
    /* What is unread at close() would make the kernel throw the answer away. */
    while (recv(fd, unread, sizeof(unread), MSG_DONTWAIT) == (ssize_t)sizeof(unread)) {}
    if (send(fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        log_debug("web: cannot send a refusal, ignoring");
    }
    shutdown(fd, SHUT_WR);
    close(fd);
}

static void refuse(struct server *server, int fd, const char *why) {
    if (!server->said_refused) {
        server->said_refused = true;
        log_warn("web: '%s': %s, refusing connections with 503", server->listener.text, why);
    }
    send_refusal(server, fd,
                 "HTTP/1.1 503 Service Unavailable\r\n"
                 "Content-Type: application/json\r\n"
                 "Content-Length: 37\r\n"
                 "Retry-After: 1\r\n"
                 "Connection: close\r\n\r\n"
                 "{\"error\":\"too many open connections\"}");
}

/* The mode of the file keeps others away already, unless somebody changed it. */
static bool is_let_in(struct server *server, int fd) {
    struct web_caller caller = find_caller(server, fd);
    if (!server->options.control || caller.trusted) {
        return true;
    }
    log_line(server->said_stranger ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
             "web: '%s': refusing user %u (process %d)", server->listener.text, caller.uid,
             caller.pid);
    server->said_stranger = true;
    send_refusal(server, fd,
                 "HTTP/1.1 403 Forbidden\r\n"
                 "Content-Type: application/json\r\n"
                 "Content-Length: 55\r\n"
                 "Connection: close\r\n\r\n"
                 "{\"error\":\"only root and the daemon's own user may ask\"}");
    return false;
}

/* Whether one more fits, after another one had to go if need be: slow clients must not keep a
 * supervisor from asking how we are. What is cut stays in the library until its next run, so there
 * is a second limit for the sum. */
static bool has_room(struct server *server) {
    const struct connection_list *list = &server->connections;
    if (list->count - list->closing < server->options.max_connections) {
        return list->count < server->options.max_connections + SPARE_CONNECTIONS;
    }
    struct connection *other = connection_dispensable(list, loop_now_usec(server->options.loop));
    if (other == NULL || list->closing >= SPARE_CONNECTIONS) {
        return false;
    }
    cut(client_of(other));
    return true;
}

static void take_connection(struct server *server, int fd, const struct sockaddr *address,
                            socklen_t size) {
    if (!is_let_in(server, fd)) {
        return;
    }
    if (!has_room(server)) {
        refuse(server, fd, "all connections that the limit allows are busy");
        return;
    }
    /* Closes fd when it fails. */
    if (MHD_add_connection(server->daemon, fd, address, size) != MHD_YES) {
        server->numbers.refused++;
    }
    if (!loop_timer_is_set(server->sweep_timer)) {
        loop_timer_set(server->sweep_timer, loop_now_usec(server->options.loop) + SWEEP_USEC);
    }
}

/* Left in the queue, the connection would wake the loop for ever. */
static void refuse_without_descriptors(struct server *server) {
    close(server->spare_fd);
    int fd = accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        refuse(server, fd, "no file descriptors are left");
    }
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listen_ready(void *userdata, uint32_t revents) {
    struct server *server = userdata;
    unsigned most = server->options.tls != NULL ? TLS_ACCEPTS_PER_TURN : ACCEPTS_PER_TURN;
    for (unsigned i = 0; i < most; i++) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof(address);
        int fd = accept4(server->listener.fd, (struct sockaddr *)&address, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_connection(server, fd, (const struct sockaddr *)&address, size);
        } else if ((errno == EMFILE || errno == ENFILE) && server->spare_fd >= 0) {
            refuse_without_descriptors(server);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            break;
        }
    }
    run(server);
}

/* Running the library. */

static void arm_timer(struct server *server) {
    MHD_UNSIGNED_LONG_LONG ms;
    if (MHD_get_timeout(server->daemon, &ms) != MHD_YES) {
        return;
    }
    uint64_t at = loop_now_usec(server->options.loop) + ms * USEC_PER_MSEC;
    /* An earlier one may stand: it only runs the library once for nothing, and moving the timer at
     * each request would cost a system call. */
    if (!loop_timer_is_set(server->daemon_timer) || at < server->timer_usec) {
        server->timer_usec = at;
        loop_timer_set(server->daemon_timer, at);
    }
}

/* The library reads and sends a bounded piece for each connection in one run. */
static void run(struct server *server) {
    MHD_UNSIGNED_LONG_LONG ms = 0;
    uint64_t end = loop_clock_usec() + RUN_USEC;
    do {
        MHD_run(server->daemon);
        free_gone(server);
        if (MHD_get_timeout(server->daemon, &ms) != MHD_YES || ms != 0) {
            arm_timer(server);
            return;
        }
    } while (loop_clock_usec() < end);
    loop_deferred_arm(server->again); /* others on the loop have their turn first */
}

static void daemon_ready(void *userdata, uint32_t revents) {
    run(userdata);
}

static void daemon_again(void *userdata) {
    run(userdata);
}

static void daemon_timeout(void *userdata) {
    run(userdata);
}

/* Life. */

static void log_library(void *userdata, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void log_library(void *userdata, const char *format, va_list args) {
    if (log_get_level() < LOG_LEVEL_DEBUG) {
        return;
    }
    char text[256];
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug("web: libmicrohttpd: %s", text);
}

static size_t keep_escapes(void *userdata, struct MHD_Connection *mhd, char *text) {
    return strlen(text); /* request.c decodes the whole target itself */
}

static struct MHD_Daemon *start_daemon(struct server *server) {
    bool tls = server->options.tls != NULL;
    return MHD_start_daemon(
        (tls ? MHD_USE_TLS : 0) | MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
            MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
        0, NULL, NULL, exchange_handle, server, MHD_OPTION_EXTERNAL_LOGGER, log_library, server,
        MHD_OPTION_CONNECTION_LIMIT, server->options.max_connections + SPARE_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, server->options.idle_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION,
        connection_changed, server, MHD_OPTION_NOTIFY_COMPLETED, exchange_end, server,
        MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, server, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escapes, server, tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END,
        tls_server_no_certificate(), MHD_OPTION_END);
}

int server_new(const struct server_options *options, struct listener *listener, struct server **ret,
               struct error *err) {
    struct server *server = mem_alloc(sizeof(*server));
    server->options = *options;
    server->options.tls = tls_server_ref(options->tls);
    server->listener = *listener;
    server->connections.silence_usec = options->idle_seconds * USEC_PER_SEC;
    *listener = (struct listener){.fd = -1};
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    server->daemon = start_daemon(server);
    if (server->daemon == NULL) {
        const char *why =
            options->tls != NULL && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES
                ? ": libmicrohttpd was built without TLS"
                : "";
        error_say(err, -EIO, "cannot start the HTTP server for '%s'%s", server->listener.text, why);
        server_free(server);
        return -EIO;
    }
    int epoll_fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    server->daemon_io = loop_io_new(options->loop, epoll_fd, EPOLLIN, daemon_ready, server);
    server->listen_io =
        loop_io_new(options->loop, server->listener.fd, EPOLLIN, listen_ready, server);
    server->daemon_timer = loop_timer_new(options->loop, daemon_timeout, server);
    server->sweep_timer = loop_timer_new(options->loop, sweep, server);
    server->again = loop_deferred_new(options->loop, daemon_again, server);
    *ret = server;
    return 0;
}

static void resume_all(struct server *server) {
    for (struct connection *one = server->connections.first; one != NULL; one = one->next) {
        struct client *client = client_of(one);
        if (client->exchange != NULL && exchange_waits(client->exchange)) {
            exchange_resume(client->exchange);
        }
    }
}

struct server *server_free(struct server *server) {
    if (server == NULL) {
        return NULL;
    }
    loop_io_free(server->listen_io);
    loop_io_free(server->daemon_io);
    loop_timer_free(server->daemon_timer);
    loop_timer_free(server->sweep_timer);
    loop_deferred_free(server->again);
    resume_all(server);
    if (server->daemon != NULL) {
        MHD_stop_daemon(server->daemon);
    }
    free_gone(server);
    tls_server_unref(server->options.tls);
    listener_close(&server->listener);
    if (server->spare_fd >= 0) {
        close(server->spare_fd);
    }
    free(server);
    return NULL;
}

void server_set_tls(struct server *server, struct tls_server *tls) {
    struct tls_server *before = server->options.tls;
    if (before == NULL) {
        return;
    }
    server->options.tls = tls_server_ref(tls);
    tls_server_unref(before);
}

const char *server_address(const struct server *server) {
    return server->listener.text;
}

struct server_numbers server_numbers(const struct server *server) {
    struct server_numbers numbers = server->numbers;
    numbers.connections = server->connections.count - server->connections.closing;
    return numbers;
}
