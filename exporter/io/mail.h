/* SPDX-License-Identifier: Apache-2.0 */

/* Mails over SMTP, each sent by libcurl in a forked worker: on a loop libcurl would wait for the
 * server's last word, and for its good-bye, with everything else standing still. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "io/loop.h"
#include "io/tls_options.h"
#include "io/worker.h"

#define MAIL_MOST_RECIPIENTS 64

struct mail;

struct mail_header {
    const char *name, *value; /* further lines of a value begin with a space */
};

struct mail_answer {
    int status;      /* the last reply: 250, 421, 550 ...; 0 when there was none */
    struct str said; /* the last reply with 4xx or 5xx in one line, or why there is no answer */
    /* What became of each recipient, in their order: 250, 450, 550 ..., 0 when it is not known.
     * Those with 250 have the mail if status is 250, too. */
    const int *recipients;
    size_t n_recipients;
};

/* A server that takes one recipient and refuses another gets the mail for the first. Everything is
 * copied. */
struct mail_request {
    const char *url;             /* smtp://host:587 or smtps://host:465 */
    const char *user, *password; /* of the login; NULL: none */
    const struct tls_options *tls;
    bool require_tls; /* without it STARTTLS is used when it is offered */
    const char *from; /* addresses alone, without names */
    const char *const *to;
    size_t n_to;
    const struct mail_header *headers; /* From, To, Subject ...; those of MIME are added */
    size_t n_headers;
    struct str text, html; /* UTF-8 */
    uint64_t deadline_usec;
    /* Exactly once, never inside mail_submit(). The answer is borrowed until it returns. */
    void (*done)(void *userdata, const struct mail_answer *answer);
    void *userdata;
};

/* Never fails: what is wrong is the answer. Return: valid until done(). */
struct mail *mail_submit(struct worker_pool *workers, const struct mail_request *request);

/* Forgets it: done() is not called. NULL is fine. Return: NULL. */
struct mail *mail_free(struct mail *mail);
