/* SPDX-License-Identifier: Apache-2.0 */

/* What a worker does for a mail, and what the replies of an SMTP server mean. Only io/mail.c uses
 * it. */
#pragma once

#include "base/arena.h"
#include "io/mail.h"

/* A copy of the request; all in the arena, but the TLS options. */
struct mail_work {
    struct arena arena;
    const char *url, *user, *password, *from;
    struct tls_options tls;
    bool require_tls;
    const char *to[MAIL_MOST_RECIPIENTS];
    size_t n_to;
    struct mail_header *headers;
    size_t n_headers;
    struct str text, html;
    uint64_t timeout_ms;
};

/* Whether it can be sent so: nothing in it would be another header or command. */
bool mail_work_is_sound(const struct mail_work *work);

/* For struct worker_request: sends the mail and writes what mail_work_read() reads. */
int mail_work_run(const void *work, int fd);

/* codes has MAIL_MOST_RECIPIENTS. Return: false when these are not a worker's words. */
bool mail_work_read(struct str words, struct mail_answer *ret, int *codes);
