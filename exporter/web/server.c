/* SPDX-License-Identifier: Apache-2.0 */

#include "web/server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>
#include <netinet/in.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "web/connections.h"
#include "web/security_options.h"
#include "web/tls_server.h"

/* Bounds request line and headers of a request; the answer's headers lie there too. */
#define CONNECTION_BYTES ((size_t)16 * 1024)
/* A body above the limit is read to its end for a proper answer, but only up to here. */
#define SWALLOWED_BYTES WEB_MOST_FORM_BYTES
/* What the bodies of all open requests may hold together. */
#define MOST_HELD_BYTES  ((size_t)16 * 1024 * 1024)
#define READER_BYTES     ((size_t)32 * 1024)
#define MOST_HEADERS     64
#define LATER_USEC       (60 * USEC_PER_SEC)
#define SWEEP_USEC       (USEC_PER_SEC / 2)
#define ACCEPTS_PER_TURN 64
/* Who has connected has usually said hello as well, and the answer costs a signature: 0.3 ms, or 2
 * ms with RSA. Others on the loop have their turn in between. */
#define TLS_ACCEPTS_PER_TURN 4
#define RUN_USEC             1000

/* What the library needs beyond our limit: connections that were cut but not cleaned up yet. */
#define SPARE_CONNECTIONS 64

struct client {
    struct connection connection;
    struct server *server;
    struct MHD_Connection *mhd;
    struct exchange *exchange; /* NULL while idle */
    int fd;
    uint64_t peer;
    struct web_caller caller;
    struct tls_server *tls; /* of its session; NULL: none */
    struct client *next;    /* of those that are gone */
};

/* Headers come first; whether they are admitted may take a while; then comes the body. */
enum exchange_stage { STAGE_HEADERS, STAGE_ADMISSION, STAGE_BODY };

/* One request, from its line to the last byte of its answer. */
struct exchange {
    struct client *client;
    struct arena arena;
    struct web_request request;
    struct web_answer answer;
    struct web_answer late;  /* takes the place of answer */
    struct web_later *later; /* NULL: nothing is awaited, or it is here */
    struct str target;       /* as sent */
    struct strbuf body;
    size_t most_body; /* bytes of it that are taken */
    size_t swallowed; /* bytes of the body, with those that were thrown away */
    uint64_t began_usec;
    enum exchange_stage stage;
    bool admitted; /* while admission was waited for */
    bool answered; /* the handler has been asked */
    bool suspended;
    bool no_room; /* the bodies of others left none for this one */
};

struct web_later {
    struct exchange *exchange; /* NULL: nobody waits any more */
    uint64_t patience_usec;
    void (*gone)(void *userdata); /* NULL: nobody asks */
    void *userdata;
    struct loop_io *hangup_io;
};

struct server {
    struct server_options options;
    struct listener listener;
    struct MHD_Daemon *daemon;
    struct loop_io *listen_io, *daemon_io;
    struct loop_timer *daemon_timer, *sweep_timer;
    struct loop_deferred *again;
    struct connection_list connections;
    struct client *gone; /* whose sessions the library may still end */
    struct server_numbers numbers;
    size_t held_bytes;   /* of the bodies of open requests */
    uint64_t timer_usec; /* when daemon_timer fires */
    int spare_fd;        /* given up to refuse a connection when descriptors have run out */
    bool said_refused, said_stranger;
};

static void run(struct server *server);

static void enter(struct client *client, enum connection_phase phase) {
    connection_enter(&client->server->connections, &client->connection, phase,
                     loop_now_usec(client->server->options.loop));
}

/* The library sees the end of the stream in its next run and closes. */
static void cut(struct client *client) {
    connection_close(&client->server->connections, &client->connection);
    shutdown(client->fd, SHUT_RDWR);
}

static struct client *client_of(struct connection *connection) {
    return container_of(connection, struct client, connection);
}

/* Answers that come later. */

struct web_later *web_later_new(const struct web_request *request) {
    struct exchange *exchange = request->exchange;
    struct web_later *later = mem_alloc(sizeof(*later));
    later->exchange = exchange;
    later->patience_usec = LATER_USEC;
    exchange->later = later;
    return later;
}

void web_later_watch(struct web_later *later, uint64_t patience_usec, void (*gone)(void *userdata),
                     void *userdata) {
    later->patience_usec = patience_usec;
    later->gone = gone;
    later->userdata = userdata;
}

/* Nobody waits any more, or nobody needs to. */
static void leave_later(struct exchange *exchange) {
    struct web_later *later = exchange->later;
    if (later != NULL) {
        later->hangup_io = loop_io_free(later->hangup_io);
        later->exchange = NULL;
        exchange->later = NULL;
    }
}

bool web_later_is_wanted(const struct web_later *later) {
    return later->exchange != NULL;
}

/* The library asks the handler again in its next run, which then finds the answer. It does not wake
 * our loop by itself. */
static void set_late_answer(struct exchange *exchange, const struct web_answer *answer) {
    exchange->late = *answer;
    leave_later(exchange);
    if (exchange->suspended) {
        exchange->suspended = false;
        MHD_resume_connection(exchange->client->mhd);
        loop_deferred_arm(exchange->client->server->again);
    }
}

void web_later_end(struct web_later *later, struct web_answer *answer) {
    if (later->exchange != NULL) {
        set_late_answer(later->exchange, answer);
        *answer = (struct web_answer){0};
    }
    web_answer_deinit(answer);
    free(later);
}

void web_later_admit(struct web_later *later) {
    struct exchange *exchange = later->exchange;
    if (exchange != NULL) {
        exchange->admitted = true;
        set_late_answer(exchange, &(struct web_answer){0});
    }
    free(later);
}

/* Somebody waits no more, or no longer: the exchange ends with this answer, and whoever works for
 * it is told. */
static void abandon_later(struct exchange *exchange, struct web_answer *answer) {
    void (*gone)(void *userdata) = exchange->later->gone;
    void *userdata = exchange->later->userdata;
    set_late_answer(exchange, answer);
    if (gone != NULL) {
        gone(userdata);
    }
}

static void give_up_later(struct exchange *exchange) {
    struct web_answer answer = {0};
    web_answer_error(&answer, 504, "this takes too long; it may go on, look again later");
    abandon_later(exchange, &answer);
}

/* A client that has gone gets an answer like any other: the library then finds out by itself. Its
 * status is the one that nginx has for it. */
static void client_gone(void *userdata, uint32_t revents) {
    struct web_answer answer = {0};
    web_answer_error(&answer, 499, "the client has gone");
    abandon_later(userdata, &answer);
}

static void watch_client(struct exchange *exchange) {
    struct client *client = exchange->client;
    if (exchange->later->gone != NULL) {
        exchange->later->hangup_io = loop_io_new(client->server->options.loop, client->fd,
                                                 EPOLLRDHUP, client_gone, exchange);
    }
}

static void sweep(void *userdata) {
    struct server *server = userdata;
    uint64_t now = loop_now_usec(server->options.loop);
    struct connection_list *list = &server->connections;
    for (struct connection *one = list->first; one != NULL; one = one->next) {
        struct client *client = client_of(one);
        const struct web_later *later = client->exchange != NULL ? client->exchange->later : NULL;
        bool waits = client->exchange != NULL && client->exchange->suspended;
        if (later != NULL && waits && now > one->since_usec + later->patience_usec) {
            give_up_later(client->exchange);
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

/* Exchanges. */

static size_t most_body_bytes(const struct server_options *options, struct str target) {
    return options->most_body_bytes != NULL ? options->most_body_bytes(options->userdata, target)
                                            : WEB_MOST_BODY_BYTES;
}

/* The request line is here: the only place where the library shows it as it was sent. */
static void *begin_exchange(void *userdata, const char *target, struct MHD_Connection *mhd) {
    struct client *client =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct exchange *exchange = mem_alloc(sizeof(*exchange));
    exchange->client = client;
    exchange->began_usec = loop_clock_usec();
    exchange->target = arena_dup(&exchange->arena, str_of(target));
    exchange->most_body = most_body_bytes(&client->server->options, exchange->target);
    exchange->request.arena = &exchange->arena;
    exchange->request.exchange = exchange;
    exchange->request.peer = client->peer;
    exchange->request.caller = client->caller;
    client->exchange = exchange;
    enter(client, CONNECTION_READING);
    return exchange;
}

static void end_exchange(void *userdata, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code) {
    struct exchange *exchange = *context;
    if (exchange == NULL) {
        return;
    }
    *context = NULL;
    leave_later(exchange);
    exchange->client->server->held_bytes -= exchange->body.len;
    exchange->client->exchange = NULL;
    enter(exchange->client, CONNECTION_IDLE);
    web_answer_deinit(&exchange->answer);
    web_answer_deinit(&exchange->late);
    strbuf_deinit(&exchange->body);
    arena_deinit(&exchange->arena);
    free(exchange);
}

struct header_list {
    struct web_pair *pairs;
    size_t count;
};

static enum MHD_Result add_header(void *userdata, enum MHD_ValueKind kind, const char *name,
                                  size_t name_len, const char *value, size_t value_len) {
    struct header_list *list = userdata;
    list->pairs[list->count++] = (struct web_pair){{name, name_len}, {value, value_len}};
    return list->count < MOST_HEADERS ? MHD_YES : MHD_NO;
}

static void take_headers(struct exchange *exchange) {
    struct header_list list = {
        .pairs = arena_array(&exchange->arena, MOST_HEADERS, sizeof(*list.pairs))};
    MHD_get_connection_values_n(exchange->client->mhd, MHD_HEADER_KIND, add_header, &list);
    exchange->request.headers = list.pairs;
    exchange->request.n_headers = list.count;
}

/* Return: false to cut the connection. */
static bool take_body(struct exchange *exchange, const char *data, size_t len) {
    struct server *server = exchange->client->server;
    exchange->swallowed += len;
    exchange->no_room |= server->held_bytes + len > MOST_HELD_BYTES;
    if (exchange->swallowed <= exchange->most_body && !exchange->no_room) {
        strbuf_add(&exchange->body, data, len);
        server->held_bytes += len;
    }
    return exchange->swallowed <= SWALLOWED_BYTES;
}

static void ask_handler(struct exchange *exchange) {
    const struct server_options *options = &exchange->client->server->options;
    struct web_request *request = &exchange->request;
    struct error error = {0};
    if (web_request_parse_target(request, exchange->target, &error) < 0) {
        web_answer_error(&exchange->answer, 400, "%s", error.text);
        return;
    }
    if (exchange->swallowed > exchange->most_body) {
        web_answer_error(&exchange->answer, 413, "a body has at most %zu bytes",
                         exchange->most_body);
        return;
    }
    if (exchange->no_room) {
        web_answer_error(&exchange->answer, 503, "too many long bodies are being sent at once");
        exchange->answer.retry_after = 1;
        return;
    }
    request->body = strbuf_view(&exchange->body);
    options->answer(options->userdata, request, &exchange->answer);
}

/* Sending. */

static void drop_buffer(void *userdata) {
    buffer_unref(userdata);
}

static ssize_t read_piece(void *userdata, uint64_t position, char *out, size_t size) {
    struct web_reader *reader = userdata;
    size_t len = reader->read(reader->userdata, out, size);
    return len > 0 ? (ssize_t)len : MHD_CONTENT_READER_END_OF_STREAM;
}

static void free_reader(void *userdata) {
    struct web_reader *reader = userdata;
    reader->free(reader->userdata);
    free(reader);
}

/* The response takes the body over without a copy. */
static struct MHD_Response *make_response(struct web_answer *answer) {
    struct MHD_Response *response;
    if (answer->reader.read != NULL) {
        struct web_reader *reader = mem_dup(&answer->reader, sizeof(*reader));
        answer->reader = (struct web_reader){0};
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, READER_BYTES, read_piece,
                                                     reader, free_reader);
        if (response == NULL) {
            free_reader(reader);
        }
        return response;
    }
    if (answer->file.is_set) {
        response = MHD_create_response_from_fd64(answer->file.size, answer->file.fd);
        answer->file.fd = response != NULL ? -1 : answer->file.fd;
        return response;
    }
    if (answer->body == NULL) {
        answer->body = buffer_new(&answer->text);
    }
    response = MHD_create_response_from_buffer_with_free_callback_cls(
        answer->body->len, answer->body->data, drop_buffer, answer->body);
    if (response != NULL) {
        answer->body = NULL;
    }
    return response;
}

static void add(struct MHD_Response *response, const char *name, const char *value) {
    if (value != NULL && value[0] != '\0') {
        MHD_add_response_header(response, name, value);
    }
}

static void add_configured(struct MHD_Response *response, const struct server_options *options) {
    for (size_t i = 0; options->headers != NULL && i < *options->n_headers; i++) {
        const struct web_header *header = &options->headers[i];
        if (MHD_get_response_header(response, header->name) == NULL) {
            add(response, header->name, header->value);
        }
    }
}

static void add_headers(struct MHD_Response *response, const struct web_request *request,
                        const struct web_answer *answer) {
    add(response, "Content-Type", answer->content_type);
    add(response, "Content-Encoding", answer->gzip ? "gzip" : NULL);
    add(response, "Vary", answer->varies ? "Accept-Encoding" : NULL);
    add(response, "ETag", answer->etag);
    add(response, "Cache-Control",
        answer->cache_control != NULL ? answer->cache_control : "no-store");
    add(response, "X-Content-Type-Options", "nosniff");
    add(response, "X-Request-ID", request->id);
    add(response, "X-Correlation-ID", request->correlation_id);
    if (answer->retry_after > 0) {
        char seconds[16];
        snprintf(seconds, sizeof(seconds), "%u", answer->retry_after);
        add(response, "Retry-After", seconds);
    }
    for (size_t i = 0; i < answer->n_headers; i++) {
        add(response, answer->headers[i].name, answer->headers[i].value);
    }
}

static void count(struct server *server, unsigned status) {
    server->numbers.requests++;
    if (status / 100 < ARRAY_LEN(server->numbers.by_class)) {
        server->numbers.by_class[status / 100]++;
    }
}

static enum MHD_Result send_answer(struct exchange *exchange) {
    struct server *server = exchange->client->server;
    struct web_answer *answer = exchange->answer.later ? &exchange->late : &exchange->answer;
    const struct web_request *request = &exchange->request;
    struct MHD_Response *response = make_response(answer);
    if (response == NULL) {
        return MHD_NO;
    }
    add_headers(response, request, answer);
    add_configured(response, &server->options);
    enum MHD_Result r = MHD_queue_response(exchange->client->mhd, answer->status, response);
    MHD_destroy_response(response);
    count(server, answer->status);
    enter(exchange->client, CONNECTION_ANSWERING);
    struct str shown = web_request_show(request, exchange->target);
    log_debug("web: %.*s '%.*s': %u in %" PRIu64 " us", (int)request->method.len,
              request->method.data, (int)shown.len, shown.data, answer->status,
              loop_clock_usec() - exchange->began_usec);
    return r;
}

/* The library calls again when the answer is here. */
static void wait_for_later(struct exchange *exchange) {
    enter(exchange->client, CONNECTION_ANSWERING);
    exchange->suspended = true;
    MHD_suspend_connection(exchange->client->mhd);
    watch_client(exchange);
}

static enum MHD_Result answer_exchange(struct exchange *exchange) {
    log_scope_set("request_id", exchange->request.id);
    if (!exchange->answered) {
        exchange->answered = true;
        ask_handler(exchange);
    }
    enum MHD_Result r = MHD_YES;
    if (exchange->later != NULL) {
        wait_for_later(exchange);
    } else {
        r = send_answer(exchange);
    }
    log_scope_clear();
    return r;
}

static enum MHD_Result go_on(struct exchange *exchange) {
    exchange->answer.later = false;
    exchange->stage = STAGE_BODY;
    enter(exchange->client, CONNECTION_READING);
    return MHD_YES;
}

/* Before the body is read, so that nobody fills our memory who may not ask. The library repeats
 * this call after a wait. */
static enum MHD_Result admit(struct exchange *exchange) {
    const struct server_options *options = &exchange->client->server->options;
    bool waited = exchange->answer.later;
    if (!waited && (options->admit == NULL ||
                    options->admit(options->userdata, &exchange->request, &exchange->answer))) {
        exchange->stage = STAGE_BODY;
        return MHD_YES;
    }
    if (exchange->admitted) {
        return go_on(exchange);
    }
    if (exchange->later != NULL) {
        wait_for_later(exchange);
        return MHD_YES;
    }
    return send_answer(exchange);
}

/* A body of which we know that it is too long is not waited for. */
static bool announces_too_much(const struct web_request *request) {
    uint64_t len;
    return str_to_uint64(web_request_header(request, "Content-Length"), &len) &&
           len > SWALLOWED_BYTES;
}

/* The library's handler: once with the headers, once for each piece of the body, once at its end,
 * and again after a resume. */
static enum MHD_Result handle(void *userdata, struct MHD_Connection *mhd, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *len, void **context) {
    struct exchange *exchange = *context;
    if (exchange->stage == STAGE_HEADERS) {
        exchange->stage = STAGE_ADMISSION;
        exchange->request.method = str_of(method);
        take_headers(exchange);
        web_request_identify(&exchange->request);
        if (announces_too_much(&exchange->request)) {
            exchange->swallowed = SIZE_MAX;
        }
    }
    if (exchange->stage == STAGE_ADMISSION) {
        log_scope_set("request_id", exchange->request.id);
        enum MHD_Result r = admit(exchange);
        log_scope_clear();
        bool too_much = exchange->stage == STAGE_BODY && exchange->swallowed == SIZE_MAX;
        return too_much ? answer_exchange(exchange) : r;
    }
    if (*len > 0) {
        bool go_on = take_body(exchange, data, *len);
        *len = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    return answer_exchange(exchange);
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
        0, NULL, NULL, handle, server, MHD_OPTION_EXTERNAL_LOGGER, log_library, server,
        MHD_OPTION_CONNECTION_LIMIT, server->options.max_connections + SPARE_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, server->options.idle_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION,
        connection_changed, server, MHD_OPTION_NOTIFY_COMPLETED, end_exchange, server,
        MHD_OPTION_URI_LOG_CALLBACK, begin_exchange, server, MHD_OPTION_UNESCAPE_CALLBACK,
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

/* The library refuses to stop while connections are suspended. */
static void resume_all(struct server *server) {
    for (struct connection *one = server->connections.first; one != NULL; one = one->next) {
        struct client *client = client_of(one);
        if (client->exchange != NULL && client->exchange->suspended) {
            client->exchange->suspended = false;
            MHD_resume_connection(client->mhd);
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
