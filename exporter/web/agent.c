/* SPDX-License-Identifier: Apache-2.0 */

#include "web/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"

#define ACCEPTS_PER_TURN 16

/* In the agent's list, oldest first. */
struct agent_connection {
    struct agent_connection *next, *previous;
    struct agent *agent;
    int fd;
    struct loop_io *io;
    struct loop_timer *timer;
    uint64_t peer;
    uint64_t end_usec; /* whatever happens */
    bool answered;     /* what still comes is read and thrown away */
    size_t len;
    char line[AGENT_MOST_LINE];
};

struct agent {
    struct agent_options options;
    struct listener listener;
    struct loop_io *listen_io;
    int spare_fd; /* given up for a moment when there are no others */
    struct agent_connection *first, *last;
    struct agent_numbers numbers;
};

static void end_connection(struct agent_connection *connection) {
    struct agent *agent = connection->agent;
    *(connection->previous != NULL ? &connection->previous->next : &agent->first) =
        connection->next;
    *(connection->next != NULL ? &connection->next->previous : &agent->last) = connection->previous;
    agent->numbers.connections--;
    agent->numbers.silent += connection->answered ? 0 : 1;
    loop_io_free(connection->io);
    loop_timer_free(connection->timer);
    close(connection->fd);
    free(connection);
}

/* The answer is far smaller than a socket's buffer; a client for which that does not hold gets
 * none. Closing at once could take it back from a client that is still sending. */
static void answer_line(struct agent_connection *connection, size_t len) {
    struct agent *agent = connection->agent;
    struct strbuf out = {0};
    agent->options.answer(agent->options.userdata, (struct str){connection->line, len},
                          connection->peer, &out);
    bool sent = out.len > 0 && send(connection->fd, out.data, out.len,
                                    MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)out.len;
    strbuf_deinit(&out);
    if (!sent) {
        end_connection(connection);
        return;
    }
    connection->answered = true;
    agent->numbers.answered++;
    shutdown(connection->fd, SHUT_WR);
    loop_timer_set(connection->timer, connection->end_usec);
}

static void timer_fired(void *userdata) {
    struct agent_connection *connection = userdata;
    if (connection->len > 0 && !connection->answered) {
        answer_line(connection, connection->len);
    } else {
        end_connection(connection);
    }
}

static void take_line(struct agent_connection *connection, size_t more) {
    const char *end = memchr(connection->line + connection->len, '\n', more);
    connection->len += more;
    if (end != NULL) {
        answer_line(connection, (size_t)(end - connection->line));
    } else if (connection->len == AGENT_MOST_LINE) {
        end_connection(connection);
    } else {
        uint64_t soon = loop_now_usec(connection->agent->options.loop) + AGENT_PATIENCE_USEC;
        loop_timer_set(connection->timer,
                       soon < connection->end_usec ? soon : connection->end_usec);
    }
}

/* One piece a turn: the loop calls again while there is more. */
static void connection_ready(void *userdata, uint32_t revents) {
    struct agent_connection *connection = userdata;
    char thrown_away[AGENT_MOST_LINE];
    bool answered = connection->answered;
    ssize_t n =
        recv(connection->fd, answered ? thrown_away : connection->line + connection->len,
             answered ? sizeof(thrown_away) : AGENT_MOST_LINE - connection->len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n > 0 && !answered) {
        take_line(connection, (size_t)n);
    } else if (n == 0 && !answered && connection->len > 0) {
        answer_line(connection, connection->len); /* it has only closed its half */
    } else if (n <= 0) {
        end_connection(connection);
    }
}

static uint64_t hash_of_peer(int fd) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t size = sizeof(address);
    if (getpeername(fd, &address.any, &size) < 0) {
        return 0;
    }
    switch (address.any.sa_family) {
    case AF_INET:
        return hash_bytes(&address.v4.sin_addr, sizeof(address.v4.sin_addr));
    case AF_INET6:
        return hash_bytes(&address.v6.sin6_addr, sizeof(address.v6.sin6_addr));
    default:
        return 0;
    }
}

static void take_connection(struct agent *agent, int fd) {
    struct agent_connection *connection = mem_alloc(sizeof(*connection));
    if (agent->numbers.connections == AGENT_MOST_CONNECTIONS) {
        end_connection(agent->first);
    }
    connection->agent = agent;
    connection->fd = fd;
    connection->peer = hash_of_peer(fd);
    connection->previous = agent->last;
    *(agent->last != NULL ? &agent->last->next : &agent->first) = connection;
    agent->last = connection;
    agent->numbers.connections++;
    connection->end_usec = loop_now_usec(agent->options.loop) + AGENT_LIFE_USEC;
    connection->io = loop_io_new(agent->options.loop, fd, EPOLLIN, connection_ready, connection);
    connection->timer = loop_timer_new(agent->options.loop, timer_fired, connection);
    loop_timer_set(connection->timer, connection->end_usec);
}

/* Left in the queue, the connection would wake the loop for ever. */
static void refuse_without_descriptors(struct agent *agent) {
    close(agent->spare_fd);
    int fd = accept4(agent->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        agent->numbers.silent++;
    }
    agent->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listen_ready(void *userdata, uint32_t revents) {
    struct agent *agent = userdata;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(agent->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_connection(agent, fd);
        } else if ((errno == EMFILE || errno == ENFILE) && agent->spare_fd >= 0) {
            refuse_without_descriptors(agent);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

struct agent *agent_new(const struct agent_options *options, struct listener *listener) {
    struct agent *agent = mem_alloc(sizeof(*agent));
    agent->options = *options;
    agent->listener = *listener;
    *listener = (struct listener){.fd = -1};
    agent->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    agent->listen_io = loop_io_new(options->loop, agent->listener.fd, EPOLLIN, listen_ready, agent);
    return agent;
}

struct agent *agent_free(struct agent *agent) {
    if (agent == NULL) {
        return NULL;
    }
    loop_io_free(agent->listen_io);
    while (agent->first != NULL) {
        end_connection(agent->first);
    }
    listener_close(&agent->listener);
    if (agent->spare_fd >= 0) {
        close(agent->spare_fd);
    }
    free(agent);
    return NULL;
}

const char *agent_address(const struct agent *agent) {
    return agent->listener.text;
}

struct agent_numbers agent_numbers(const struct agent *agent) {
    return agent->numbers;
}
