/* SPDX-License-Identifier: Apache-2.0 */

/* One HTTP request as handlers see it, and the answer that they fill: plain values, no server. What
 * a client sent is foreign bytes: paths and parameters are decoded once, may hold any byte, and are
 * only ever shown escaped and cut. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/str.h"

#define WEB_MOST_PARAMETERS 32
#define WEB_MOST_BODY_BYTES ((size_t)64 * 1024)
#define WEB_MOST_FORM_BYTES ((size_t)1024 * 1024) /* where forms hold whole queries */
#define WEB_ID_SIZE         65

/* A parameter or a header. */
struct web_pair {
    struct str name, value;
};

/* Who sent a request, where the kernel says so: on the control socket. */
struct web_caller {
    bool trusted; /* root or the daemon's own user: may change what the daemon does */
    unsigned uid;
    int pid;
};

/* Everything is borrowed from the connection or lies in the arena, and ends with the request. */
struct web_request {
    struct arena *arena;
    struct str method;
    struct str path; /* decoded; the part behind the route prefix once it was dispatched */
    struct web_pair parameters[WEB_MOST_PARAMETERS];
    size_t n_parameters;
    const struct web_pair *headers;
    size_t n_headers;
    struct str body;
    struct web_caller caller;
    const char *user;                 /* who proved to be that by a password; NULL: nobody */
    uint64_t peer;                    /* hash of the client's address, without its port */
    char id[WEB_ID_SIZE];             /* X-Request-ID */
    char correlation_id[WEB_ID_SIZE]; /* empty: none */
    void *exchange;                   /* of the server: see web_later_new() */
};

/* Splits "/path?name=value&..." and decodes it into the arena. Return: 0 or -EINVAL with a sentence
 * for the client (broken escape, too many parameters, no leading slash). */
int web_request_parse_target(struct web_request *request, struct str target, struct error *err);

/* Parameters of a form, behind those of the URL. Return: as above. */
int web_request_parse_form(struct web_request *request, struct str form, struct error *err);

/* The first parameter of that name, or an empty text without data. */
struct str web_request_parameter(const struct web_request *request, const char *name);

/* The first header of that name (any case), or an empty text without data. */
struct str web_request_header(const struct web_request *request, const char *name);

/* Takes X-Request-ID and X-Correlation-ID over when they consist of 1 to 64 of [A-Za-z0-9._-], and
 * makes an id of 16 hex digits otherwise. */
void web_request_identify(struct web_request *request);

/* Whether Accept-Encoding allows gzip: q=0 forbids, "*" stands for what is not named. */
bool web_request_accepts_gzip(const struct web_request *request);

/* Whether If-None-Match names this ETag (with quotes); weak ones count. */
bool web_request_has_etag(const struct web_request *request, const char *etag);

/* Foreign text for a sentence: at most 200 bytes, then "...". Lies in the arena. */
struct str web_request_show(const struct web_request *request, struct str text);

#define WEB_MOST_EXTRA_HEADERS 4

/* Where a body comes from that is made while it is sent. */
struct web_reader {
    size_t (*read)(void *userdata, char *out, size_t size); /* 0: the end */
    void (*free)(void *userdata);
    void *userdata;
};

/* A body that lies in a file, sent from its beginning. */
struct web_file {
    bool is_set;
    int fd; /* of is_set; owned */
    uint64_t size;
    void (*sent)(void *userdata); /* when the answer has ended, however; NULL: nobody asks */
    void *userdata;
};

/* Zeroed: 0 is no status, so a handler always sets one. The body is one of text, body, reader,
 * file. */
struct web_answer {
    unsigned status;
    const char *content_type;  /* NULL: no body */
    const char *cache_control; /* NULL: no-store */
    struct strbuf text;        /* owned */
    struct buffer *body;       /* one reference, owned */
    struct web_reader reader;  /* owned */
    struct web_file file;      /* owned */
    bool gzip;                 /* the body is compressed */
    bool varies;               /* by Accept-Encoding */
    bool later;                /* web_later_end() gives the answer: nothing else is set */
    char etag[48];             /* empty: none */
    unsigned retry_after;      /* seconds; 0: none */
    struct {
        const char *name;
        const char *value; /* constant, or in the request's arena */
    } headers[WEB_MOST_EXTRA_HEADERS];
    size_t n_headers;
};

void web_answer_deinit(struct web_answer *answer);

void web_answer_header(struct web_answer *answer, const char *name, const char *value);

/* {"error": "<sentence>"} */
void web_answer_error(struct web_answer *answer, unsigned status, const char *format, ...)
    PRINTF_LIKE(3, 4);
