/* SPDX-License-Identifier: Apache-2.0 */

/* One attempt after another until an address answers, then bytes in both directions.
 *
 * IDLE -> RESOLVING -> CONNECTING [-> SECURING] -> OPEN -> ENDED. What is decided inside a function
 * of the stream (a unix socket connects at once, a write fails) is only noted, and told from the
 * deferred call. A failed write does not end the stream: what the other side said before it hung up
 * may still be unread, and is the better explanation; reading finds the end. */
#include "io/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/descriptors.h"
#include "io/tls.h"

#define READ_BYTES        ((size_t)64 * 1024)
#define KEPT_QUEUE_BYTES  ((size_t)64 * 1024) /* a larger queue gives its memory back when empty */
#define RETRY_USEC        ((uint64_t)100 * 1000)
#define USER_TIMEOUT_MSEC 20000
#define KEEP_IDLE_SEC     10
#define KEEP_INTERVAL_SEC 5
#define KEEP_PROBES       3

enum stream_state {
    STREAM_IDLE,
    STREAM_RESOLVING,
    STREAM_CONNECTING,
    STREAM_SECURING, /* the TLS handshake */
    STREAM_OPEN,
    STREAM_ENDED,
};

struct stream {
    struct loop *loop;
    struct resolver *resolver;
    char *host, *socket_path;
    uint16_t port;
    struct tls_options tls;
    struct tls_contexts *tls_contexts;
    struct tls_session *session; /* NULL: without TLS */
    struct stream_events events;
    enum stream_state state;
    struct resolve_request *request;
    struct resolve_answer addresses;
    size_t next_address;
    int fd;
    struct loop_io *io;
    struct loop_deferred *deferred;
    struct loop_timer *retry; /* a unix socket whose backlog is full cannot be waited for */
    struct strbuf queue;
    size_t queue_sent;
    int write_errno; /* of the first failed write; nothing is written after it */
    bool received_any;
    struct client_failure failure; /* the most telling one of the addresses so far */
    bool has_failure;
};

static void try_next(struct stream *stream);

static void close_socket(struct stream *stream) {
    stream->io = loop_io_free(stream->io);
    stream->session = tls_session_free(stream->session); /* while the socket is open: a goodbye */
    if (stream->fd >= 0) {
        (void)close(stream->fd);
        stream->fd = -1;
    }
}

static void end(struct stream *stream, const struct client_failure *failure) {
    close_socket(stream);
    stream->failure = *failure;
    stream->failure.connection = true;
    stream->state = STREAM_ENDED;
    loop_deferred_arm(stream->deferred);
}

/* "10.0.0.1:6379", "[::1]:6379" or the socket's path. */
static const char *describe_peer(const struct stream *stream, char *out, size_t size) {
    struct strbuf text = {0};
    if (stream->socket_path != NULL) {
        strbuf_add_text(&text, stream->socket_path);
    } else {
        const char *address = stream->host;
        if (stream->next_address > 0) {
            address = stream->addresses.addresses[stream->next_address - 1].text;
        }
        strbuf_printf(&text, strchr(address, ':') != NULL ? "[%s]:%u" : "%s:%u", address,
                      (unsigned)stream->port);
    }
    size_t len = text.len < size ? text.len : size - 1;
    memcpy(out, text.data, len);
    out[len] = '\0';
    strbuf_deinit(&text);
    return out;
}

static struct client_failure failure_from_errno(const struct stream *stream, int errno_value,
                                                const char *doing) {
    struct client_failure failure = {0};
    char peer[160];
    client_failure_from_errno(&failure, errno_value);
    failure.error = (struct error){0};
    error_say(&failure.error, -errno_value, "%s %s: %s", doing,
              describe_peer(stream, peer, sizeof(peer)), strerror(errno_value));
    return failure;
}

/* Of several addresses the failure that says most about the server is kept: a refusal before a
 * silence before our own trouble (no IPv6 here, say). */
static void connect_failed(struct stream *stream, int errno_value) {
    struct client_failure failure = failure_from_errno(stream, errno_value, "connecting to");
    close_socket(stream);
    if (!stream->has_failure || failure.end < stream->failure.end) {
        stream->failure = failure;
        stream->has_failure = true;
    }
    try_next(stream);
}

static void set_option(int fd, int level, int name, int value) {
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void set_tcp_options(int fd) {
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_SEC);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_SEC);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MSEC);
}

/* Sends as much as the socket takes. Return: bytes taken, or all when a write failed for good. */
static size_t send_some(struct stream *stream, const char *data, size_t len) {
    size_t sent = 0;
    while (sent < len && stream->write_errno == 0) {
        ssize_t n = stream->session != NULL
                        ? tls_session_send(stream->session, data + sent, len - sent)
                        : send(stream->fd, data + sent, len - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += (size_t)n;
        } else if (errno == EAGAIN) {
            return sent;
        } else if (errno != EINTR) {
            stream->write_errno = errno;
        }
    }
    return stream->write_errno != 0 ? len : sent;
}

static void await(struct stream *stream) {
    bool tls_writes = stream->session != NULL && tls_session_wants_write(stream->session);
    bool writes = stream->queue.len > 0 || tls_writes;
    loop_io_set_events(stream->io, writes ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void send_queue(struct stream *stream) {
    if (stream->queue.len > 0) {
        stream->queue_sent += send_some(stream, stream->queue.data + stream->queue_sent,
                                        stream->queue.len - stream->queue_sent);
    }
    if (stream->queue_sent == stream->queue.len) {
        stream->queue_sent = 0;
        strbuf_clear(&stream->queue);
        if (stream->queue.capacity > KEPT_QUEUE_BYTES) {
            strbuf_deinit(&stream->queue);
        }
    }
    await(stream);
}

/* The sentence is about TLS; it is said with whom. */
static void end_by_tls(struct stream *stream, const struct client_failure *why) {
    struct client_failure failure = *why;
    char peer[160];
    failure.error = (struct error){0};
    error_say(&failure.error, why->error.code, "TLS with %s: %s",
              describe_peer(stream, peer, sizeof(peer)), why->error.text);
    end(stream, &failure);
}

static void read_failed(struct stream *stream, int errno_value) {
    if (errno_value == 0) {
        errno_value = stream->write_errno;
    }
    struct client_failure failure;
    char peer[160];
    if (errno_value == EPROTO && stream->session != NULL) {
        tls_session_failure(stream->session, &failure);
        end_by_tls(stream, &failure);
        return;
    }
    if (errno_value != 0) {
        failure = failure_from_errno(stream, errno_value, "connection to");
    } else {
        failure = (struct client_failure){.end = CLIENT_GONE, .reason = REASON_CLOSED};
        error_say(&failure.error, -ECONNRESET,
                  stream->received_any ? "%s closed the connection"
                                       : "%s closed the connection before its first byte",
                  describe_peer(stream, peer, sizeof(peer)));
    }
    end(stream, &failure);
}

static void on_open_ready(struct stream *stream, uint32_t revents) {
    if ((revents & EPOLLOUT) != 0 && stream->queue.len > 0) {
        send_queue(stream);
    }
    if ((revents & ~(uint32_t)EPOLLOUT) == 0 && stream->session == NULL) {
        return;
    }
    char data[READ_BYTES];
    ssize_t n = stream->session != NULL ? tls_session_receive(stream->session, data, sizeof(data))
                                        : recv(stream->fd, data, sizeof(data), 0);
    if (n > 0) {
        stream->received_any = true;
        /* Last, because the stream may be freed in it. */
        stream->events.received(stream->events.userdata, data, (size_t)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        read_failed(stream, n == 0 ? 0 : errno);
    } else {
        await(stream);
    }
}

/* Connecting to a port of our own host where nobody listens may, now and then, meet the very port
 * that the kernel chose for us: then we would talk to ourselves. */
static bool is_self(int fd) {
    union {
        struct sockaddr any;
        struct sockaddr_storage room;
    } here, there;
    socklen_t here_len = sizeof(here), there_len = sizeof(there);
    return getsockname(fd, &here.any, &here_len) == 0 &&
           getpeername(fd, &there.any, &there_len) == 0 && here.any.sa_family != AF_UNIX &&
           here_len == there_len && memcmp(&here, &there, here_len) == 0;
}

static void now_open(struct stream *stream) {
    stream->state = STREAM_OPEN;
    send_queue(stream);
    stream->events.connected(stream->events.userdata);
}

static void go_on_securing(struct stream *stream) {
    struct client_failure failure;
    int r = tls_session_handshake(stream->session, &failure);
    if (r == 0) {
        now_open(stream);
    } else if (r == -EAGAIN) {
        loop_io_set_events(stream->io,
                           tls_session_wants_write(stream->session) ? EPOLLOUT : EPOLLIN);
    } else {
        end_by_tls(stream, &failure);
    }
}

static void start_securing(struct stream *stream) {
    struct client_failure failure;
    stream->state = STREAM_SECURING;
    int r = tls_session_new(stream->tls_contexts, &stream->tls, stream->host, stream->fd,
                            &stream->session, &failure);
    if (r < 0) {
        end_by_tls(stream, &failure);
        return;
    }
    if (stream->events.securing != NULL) {
        stream->events.securing(stream->events.userdata);
    }
    go_on_securing(stream);
}

static void now_connected(struct stream *stream) {
    if (is_self(stream->fd)) {
        connect_failed(stream, ECONNREFUSED);
    } else if (stream->tls.enabled) {
        start_securing(stream);
    } else {
        now_open(stream);
    }
}

static void on_ready(void *userdata, uint32_t revents) {
    struct stream *stream = userdata;
    if (stream->state == STREAM_OPEN) {
        on_open_ready(stream, revents);
        return;
    }
    if (stream->state == STREAM_SECURING) {
        go_on_securing(stream);
        return;
    }
    int errno_value = 0;
    socklen_t size = sizeof(errno_value);
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &errno_value, &size) < 0) {
        errno_value = errno;
    }
    if (errno_value != 0) {
        connect_failed(stream, errno_value);
    } else {
        now_connected(stream);
    }
}

/* Return: errno of what failed; 0 when connected, EINPROGRESS when it is to be waited for. */
static int start_connect(struct stream *stream, const struct sockaddr *address, socklen_t len) {
    if (descriptors_are_scarce(NULL)) {
        return EMFILE;
    }
    stream->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream->fd < 0) {
        return errno;
    }
    if (address->sa_family != AF_UNIX) {
        set_tcp_options(stream->fd);
    }
    return connect(stream->fd, address, len) < 0 ? errno : 0;
}

static void connect_to(struct stream *stream, const struct sockaddr *address, socklen_t len) {
    int errno_value = start_connect(stream, address, len);
    if (errno_value == EAGAIN && address->sa_family == AF_UNIX) {
        close_socket(stream);
        stream->next_address = 0;
        loop_timer_set(stream->retry, loop_now_usec(stream->loop) + RETRY_USEC);
    } else if (errno_value == 0) {
        stream->io = loop_io_new(stream->loop, stream->fd, 0, on_ready, stream);
        loop_deferred_arm(stream->deferred);
    } else if (errno_value == EINPROGRESS || errno_value == EINTR) {
        stream->io = loop_io_new(stream->loop, stream->fd, EPOLLOUT, on_ready, stream);
    } else {
        connect_failed(stream, errno_value);
    }
}

static void try_socket_path(struct stream *stream) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(stream->socket_path);
    stream->next_address = 1;
    if (len >= sizeof(address.sun_path)) {
        connect_failed(stream, ENAMETOOLONG);
        return;
    }
    memcpy(address.sun_path, stream->socket_path, len);
    connect_to(stream, (const struct sockaddr *)&address, sizeof(address));
}

/* Recursion over connect_failed() ends with the addresses, of which there are few. */
static void try_next(struct stream *stream) {
    stream->state = STREAM_CONNECTING;
    size_t most = stream->socket_path != NULL ? 1 : stream->addresses.n_addresses;
    if (stream->next_address >= most) {
        end(stream, &stream->failure);
    } else if (stream->socket_path != NULL) {
        try_socket_path(stream);
    } else {
        const struct resolve_address *next = &stream->addresses.addresses[stream->next_address++];
        connect_to(stream, &next->addr.any, next->len);
    }
}

static void on_resolved(void *userdata, const struct resolve_answer *answer,
                        const struct error *err) {
    struct stream *stream = userdata;
    stream->request = NULL;
    if (answer != NULL) {
        stream->addresses = *answer;
        try_next(stream);
        return;
    }
    bool dns = err->code == -EHOSTUNREACH || err->code == -EAGAIN || err->code == -ETIMEDOUT;
    const struct client_failure failure = {
        .end = CLIENT_OURS,
        .reason = dns ? REASON_DNS : REASON_LOCAL,
        .error = *err,
    };
    end(stream, &failure);
}

static void on_retry(void *userdata) {
    try_next(userdata);
}

static void on_deferred(void *userdata) {
    struct stream *stream = userdata;
    if (stream->state == STREAM_ENDED) {
        stream->events.ended(stream->events.userdata, &stream->failure);
    } else if (stream->state == STREAM_CONNECTING) {
        now_connected(stream);
    }
}

struct stream *stream_new(struct loop *loop, struct resolver *resolver,
                          const struct stream_address *address,
                          const struct stream_events *events) {
    struct stream *stream = mem_alloc(sizeof(*stream));
    stream->loop = loop;
    stream->resolver = resolver;
    stream->host = mem_strdup(address->host != NULL ? address->host : "");
    stream->socket_path = address->socket_path != NULL ? mem_strdup(address->socket_path) : NULL;
    stream->port = address->port;
    if (address->tls != NULL) {
        tls_options_copy(address->tls, &stream->tls);
        stream->tls_contexts = address->tls_contexts;
    }
    stream->events = *events;
    stream->fd = -1;
    stream->deferred = loop_deferred_new(loop, on_deferred, stream);
    stream->retry = loop_timer_new(loop, on_retry, stream);
    return stream;
}

void stream_open(struct stream *stream) {
    if (stream->socket_path != NULL) {
        try_next(stream);
        return;
    }
    stream->state = STREAM_RESOLVING;
    stream->request = resolver_lookup(stream->resolver, stream->host, stream->port, UINT64_MAX,
                                      on_resolved, stream);
}

void stream_write(struct stream *stream, const void *data, size_t len) {
    if (stream->state == STREAM_ENDED) {
        return;
    }
    size_t sent = 0;
    if (stream->state == STREAM_OPEN && stream->queue.len == 0) {
        sent = send_some(stream, data, len);
    }
    if (sent < len) {
        strbuf_add(&stream->queue, (const char *)data + sent, len - sent);
        if (stream->io != NULL && stream->state == STREAM_OPEN) {
            loop_io_set_events(stream->io, EPOLLIN | EPOLLOUT);
        }
    }
}

size_t stream_queued(const struct stream *stream) {
    return stream->queue.len - stream->queue_sent;
}

struct stream *stream_free(struct stream *stream) {
    if (stream != NULL) {
        resolve_request_free(stream->request);
        close_socket(stream);
        loop_deferred_free(stream->deferred);
        loop_timer_free(stream->retry);
        strbuf_deinit_secret(&stream->queue); /* it may hold AUTH */
        free(stream->host);
        free(stream->socket_path);
        tls_options_deinit(&stream->tls);
        free(stream);
    }
    return NULL;
}
