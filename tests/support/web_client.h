/* SPDX-License-Identifier: Apache-2.0 */

/* A small HTTP client for tests of a server that lives in the same loop: it turns the loop while it
 * waits, and never waits for longer than ten seconds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "io/loop.h"

struct web_client {
    struct loop *loop; /* borrowed */
    int fd;
    struct strbuf received;
    bool closed; /* by the server */
};

/* What came, with the head and the (unchunked) body taken apart. */
struct web_reply {
    int status;
    struct strbuf head, body;
};

/* address: "127.0.0.1:port" or "unix:/path". */
void web_client_open(struct web_client *client, struct loop *loop, const char *address);
void web_client_close(struct web_client *client);

/* Sends all of it, turning the loop when the socket is full; what the server no longer takes is
 * thrown away. */
void web_client_send(struct web_client *client, const void *data, size_t len);
void web_client_send_text(struct web_client *client, const char *text);

/* One turn of the loop, then takes what has come. */
void web_client_turn(struct web_client *client);

/* Return: whether the server closed the connection in time. */
bool web_client_wait_close(struct web_client *client);

/* Return: whether so many answers (status lines) have come in time. */
bool web_client_wait_text(struct web_client *client, const char *text, unsigned times);

/* Takes apart what has come on the connection. */
void web_client_reply(const struct web_client *client, struct web_reply *ret);

/* Sends one request on a connection of its own ("GET /x" and more header lines, each with CRLF) and
 * waits for the whole answer. */
void web_client_ask(struct loop *loop, const char *address, const char *request_line,
                    const char *headers, const char *body, struct web_reply *ret);

/* The value of a header, or NULL. Valid until the next call. */
const char *web_reply_header(const struct web_reply *reply, const char *name);
void web_reply_deinit(struct web_reply *reply);
