/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/web_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "web/web.h"

#define PATIENCE_USEC ((uint64_t)10 * 1000 * 1000)

static void must(bool fine, const char *what) {
    if (!fine) {
        perror(what);
        abort();
    }
}

void web_client_open(struct web_client *client, struct loop *loop, const char *address) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_un unix_path;
    } to = {0};
    socklen_t size;
    *client = (struct web_client){.loop = loop};
    if (strncmp(address, "unix:", 5) == 0) {
        to.unix_path.sun_family = AF_UNIX;
        snprintf(to.unix_path.sun_path, sizeof(to.unix_path.sun_path), "%s", address + 5);
        size = sizeof(to.unix_path);
    } else {
        char host[256];
        uint16_t port;
        must(web_address_parse(address, host, &port, NULL) == 0, address);
        to.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        must(inet_pton(AF_INET, host, &to.v4.sin_addr) == 1, host);
        size = sizeof(to.v4);
    }
    client->fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(client->fd >= 0 && connect(client->fd, &to.any, size) == 0, "connect");
    must(fcntl(client->fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
}

void web_client_close(struct web_client *client) {
    close(client->fd);
    strbuf_deinit(&client->received);
}

void web_client_turn(struct web_client *client) {
    loop_run_once(client->loop, 10 * 1000);
    for (;;) {
        char *room = strbuf_reserve(&client->received, 65536);
        ssize_t len = recv(client->fd, room, 65536, 0);
        if (len > 0) {
            client->received.len += (size_t)len;
            client->received.data[client->received.len] = '\0';
            continue;
        }
        if (len == 0 || (errno != EAGAIN && errno != EINTR)) {
            client->closed = true;
        }
        return;
    }
}

void web_client_send(struct web_client *client, const void *data, size_t len) {
    const char *rest = data;
    while (len > 0) {
        ssize_t sent = send(client->fd, rest, len, MSG_NOSIGNAL);
        if (sent > 0) {
            rest += sent;
            len -= (size_t)sent;
        } else if (errno != EAGAIN && errno != EINTR) {
            return;
        } else {
            web_client_turn(client);
        }
    }
}

void web_client_send_text(struct web_client *client, const char *text) {
    web_client_send(client, text, strlen(text));
}

bool web_client_wait_close(struct web_client *client) {
    uint64_t end = loop_clock_usec() + PATIENCE_USEC;
    while (!client->closed && loop_clock_usec() < end) {
        web_client_turn(client);
    }
    return client->closed;
}

static unsigned count_text(struct str in, const char *text) {
    unsigned count = 0;
    size_t len = strlen(text);
    for (size_t i = 0; i + len <= in.len; i++) {
        count += memcmp(in.data + i, text, len) == 0;
    }
    return count;
}

bool web_client_wait_text(struct web_client *client, const char *text, unsigned times) {
    uint64_t end = loop_clock_usec() + PATIENCE_USEC;
    while (count_text(strbuf_view(&client->received), text) < times && !client->closed &&
           loop_clock_usec() < end) {
        web_client_turn(client);
    }
    return count_text(strbuf_view(&client->received), text) >= times;
}

static void add_unchunked(struct strbuf *out, struct str body) {
    for (;;) {
        char *end;
        size_t size = strtoul(body.data, &end, 16);
        const char *data = end + 2;
        size_t used = (size_t)(data - body.data) + size + 2;
        if (size == 0 || used > body.len) {
            return;
        }
        strbuf_add(out, data, size);
        body = (struct str){body.data + used, body.len - used};
    }
}

void web_client_reply(const struct web_client *client, struct web_reply *ret) {
    struct str all = strbuf_view(&client->received);
    const char *end = all.len > 0 ? memmem(all.data, all.len, "\r\n\r\n", 4) : NULL;
    *ret = (struct web_reply){0};
    if (end == NULL) {
        return;
    }
    strbuf_add(&ret->head, all.data, (size_t)(end - all.data) + 2);
    sscanf(ret->head.data, "HTTP/1.1 %d", &ret->status);
    struct str body = {end + 4, all.len - (size_t)(end + 4 - all.data)};
    const char *coding = web_reply_header(ret, "Transfer-Encoding");
    if (coding != NULL && strcmp(coding, "chunked") == 0) {
        add_unchunked(&ret->body, body);
    } else {
        strbuf_add_str(&ret->body, body);
    }
}

void web_client_ask(struct loop *loop, const char *address, const char *request_line,
                    const char *headers, const char *body, struct web_reply *ret) {
    struct web_client client;
    struct strbuf request = {0};
    strbuf_printf(&request, "%s HTTP/1.1\r\nHost: mon.example:9719\r\nConnection: close\r\n%s",
                  request_line, headers != NULL ? headers : "");
    if (body != NULL) {
        strbuf_printf(&request, "Content-Length: %zu\r\n", strlen(body));
    }
    strbuf_printf(&request, "\r\n%s", body != NULL ? body : "");
    web_client_open(&client, loop, address);
    web_client_send(&client, request.data, request.len);
    must(web_client_wait_close(&client), "the server does not close");
    web_client_reply(&client, ret);
    web_client_close(&client);
    strbuf_deinit(&request);
}

const char *web_reply_header(const struct web_reply *reply, const char *name) {
    static char value[1024];
    struct str rest = strbuf_view(&reply->head);
    while (rest.len > 0) {
        struct str field = str_trim(str_cut(&rest, '\n'));
        struct str key = str_cut(&field, ':');
        if (key.len == strlen(name) && strncasecmp(key.data, name, key.len) == 0) {
            field = str_trim(field);
            snprintf(value, sizeof(value), "%.*s", (int)field.len, field.data);
            return value;
        }
    }
    return NULL;
}

void web_reply_deinit(struct web_reply *reply) {
    strbuf_deinit(&reply->head);
    strbuf_deinit(&reply->body);
}
