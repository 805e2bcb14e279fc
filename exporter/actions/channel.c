/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/channel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/channel_type.h"
#include "actions/wording.h"
#include "base/mem.h"

#define LEAST_SECRET_BYTES 4
#define LEAST_TOKEN_BYTES  16 /* in a URL: shorter words are names */
#define MOST_HEADERS       64

const char *const channel_outcome_names[] = {"delivered", "retry", "refused"};

static const struct channel_type *const types[] = {
    [CHANNEL_WEBHOOK] = &channel_webhook,     [CHANNEL_SLACK] = &channel_slack,
    [CHANNEL_PAGERDUTY] = &channel_pagerduty, [CHANNEL_EMAIL] = &channel_email,
    [CHANNEL_EXEC] = &channel_exec,
};

/* Other answers are refusals, redirects among them: where they lead is the configuration's
 * business. */
static const struct {
    int first, last;
    enum channel_outcome outcome;
} statuses[] = {
    {200, 299, CHANNEL_DELIVERED},
    {408, 408, CHANNEL_RETRY}, /* it waited for us */
    {429, 429, CHANNEL_RETRY},
    {500, 599, CHANNEL_RETRY},
};

static enum channel_outcome outcome_of(int status) {
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (status >= statuses[i].first && status <= statuses[i].last) {
            return statuses[i].outcome;
        }
    }
    return CHANNEL_REFUSED;
}

/* ---- what a receiver said ---- */

static void take_out(struct strbuf *text, struct str secret) {
    static const char stars[] = "***";
    char *at = text->data;
    if (secret.len < LEAST_SECRET_BYTES) {
        return;
    }
    while (at != NULL && (at = memmem(at, (size_t)(text->data + text->len - at), secret.data,
                                      secret.len)) != NULL) {
        size_t behind = (size_t)(text->data + text->len - (at + secret.len));
        memcpy(at, stars, sizeof(stars) - 1);
        memmove(at + sizeof(stars) - 1, at + secret.len, behind + 1);
        text->len -= secret.len - (sizeof(stars) - 1);
        at += sizeof(stars) - 1;
    }
}

/* The password in it, and what looks like a token behind its host. */
static void take_out_url(struct strbuf *text, const char *url) {
    static const char word[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~%";
    const char *host = url != NULL ? strstr(url, "://") : NULL;
    if (host == NULL) {
        return;
    }
    host += 3;
    const char *path = host + strcspn(host, "/?#");
    const char *at = memchr(host, '@', (size_t)(path - host));
    const char *colon = at != NULL ? memchr(host, ':', (size_t)(at - host)) : NULL;
    if (colon != NULL) {
        take_out(text, (struct str){colon + 1, (size_t)(at - colon - 1)});
    }
    while (*path != '\0') {
        size_t len = strspn(path, word);
        if (len >= LEAST_TOKEN_BYTES) {
            take_out(text, (struct str){path, len});
        }
        path += len + strcspn(path + len, word);
    }
}

void channel_add_said(const struct channel *channel, struct str said, struct strbuf *out) {
    const struct http_options *http = &channel->options->http;
    struct strbuf text = {0};
    strbuf_add_str(&text, said);
    take_out_url(&text, http->url);
    take_out(&text, str_of(http->password));
    take_out(&text, str_of(http->credentials));
    take_out(&text, str_of(channel->options->routing_key));
    for (size_t i = 0; i < http->n_headers; i++) {
        take_out(&text, str_of(http->headers[i].value));
    }
    wording_add_line(out, str_trim(strbuf_view(&text)), CHANNEL_SHOWN_BYTES);
    strbuf_deinit(&text);
}

/* ---- an attempt ---- */

void channel_end(struct channel *channel, enum channel_outcome outcome, const char *why,
                 uint64_t retry_after_usec) {
    void (*done)(void *, enum channel_outcome, const char *, uint64_t) = channel->done;
    void *userdata = channel->userdata;
    channel->notification = NULL;
    channel->transfer = NULL;
    channel->process = NULL;
    channel->mail = NULL;
    done(userdata, outcome, why, retry_after_usec);
}

static void end_not_begun(void *userdata) {
    struct channel *channel = userdata;
    channel_end(channel, CHANNEL_RETRY, channel->not_begun, 0);
}

void channel_end_later(struct channel *channel, const char *why) {
    channel->not_begun = why;
    loop_deferred_arm(channel->deferred);
}

uint64_t channel_timeout_usec(const struct channel *channel) {
    uint64_t timeout_usec = channel->options->http.timeout_usec;
    return timeout_usec != 0 ? timeout_usec : CHANNEL_TIMEOUT_USEC;
}

uint64_t channel_deadline_usec(const struct channel *channel) {
    return loop_now_usec(channel->parts.loop) + channel_timeout_usec(channel);
}

void channel_key(const struct notification *notification, char out[CHANNEL_KEY_BYTES]) {
    (void)snprintf(out, CHANNEL_KEY_BYTES, "%016" PRIx64, notification->id);
}

static void on_answer(void *userdata, const struct transfer_answer *answer,
                      const struct client_failure *failure) {
    struct channel *channel = userdata;
    if (failure != NULL) {
        channel_end(channel, CHANNEL_RETRY, failure->error.text, 0);
        return;
    }
    enum channel_outcome outcome = outcome_of(answer->status);
    struct strbuf why = {0};
    if (outcome != CHANNEL_DELIVERED) {
        strbuf_printf(&why, "it answered %d", answer->status);
        strbuf_add_text(&why, str_trim(answer->body).len > 0 ? ": " : "");
        channel_add_said(channel, answer->body, &why);
    }
    channel_end(channel, outcome, strbuf_view(&why).data,
                outcome == CHANNEL_RETRY ? answer->retry_after_usec : 0);
    strbuf_deinit(&why);
}

static void post(struct channel *channel, const struct notification *notification) {
    const struct http_options *http = &channel->options->http;
    struct transfer_header headers[MOST_HEADERS + 3];
    char key[CHANNEL_KEY_BYTES];
    struct strbuf body = {0};
    channel_key(notification, key);
    channel->type->write(channel, notification, &body);
    size_t n_headers = http->n_headers < MOST_HEADERS ? http->n_headers : MOST_HEADERS;
    for (size_t i = 0; i < n_headers; i++) {
        headers[i] = (struct transfer_header){http->headers[i].name, http->headers[i].value};
    }
    headers[n_headers++] = (struct transfer_header){"Content-Type", "application/json"};
    headers[n_headers++] = (struct transfer_header){"Idempotency-Key", key};
    char *authorization = NULL;
    if (http->credentials != NULL) {
        authorization =
            mem_printf("%s %s", http->scheme != NULL ? http->scheme : "Bearer", http->credentials);
        headers[n_headers++] = (struct transfer_header){"Authorization", authorization};
    }
    channel->transfer = transfer_submit(
        channel->parts.transfers, &(struct transfer_request){
                                      .url = http->url != NULL ? http->url : channel->type->url,
                                      .headers = headers,
                                      .n_headers = n_headers,
                                      .body = strbuf_view(&body),
                                      .user = http->user,
                                      .password = http->password,
                                      .tls = &http->tls,
                                      .deadline_usec = channel_deadline_usec(channel),
                                      .cut_answer = true,
                                      .done = on_answer,
                                      .userdata = channel,
                                  });
    mem_free_secret(authorization);
    strbuf_deinit(&body);
}

void channel_send(struct channel *channel, const struct notification *notification,
                  void (*done)(void *userdata, enum channel_outcome outcome, const char *why,
                               uint64_t retry_after_usec),
                  void *userdata) {
    channel->notification = notification;
    channel->done = done;
    channel->userdata = userdata;
    if (channel->type->start != NULL) {
        channel->type->start(channel, notification);
    } else if (channel->parts.transfers == NULL) {
        channel_end_later(channel, "libcurl cannot be set up");
    } else {
        post(channel, notification);
    }
}

/* ---- life ---- */

struct channel *channel_new(const struct channel_parts *parts, const char *receiver,
                            const struct channel_options *options) {
    struct channel *channel = mem_alloc(sizeof(*channel));
    *channel = (struct channel){
        .parts = *parts,
        .receiver = mem_strdup(receiver),
        .options = options,
        .type = types[options->kind],
    };
    strbuf_add_str(&channel->external_url, str_drop_end(parts->external_url, '/'));
    channel->parts.external_url = strbuf_view(&channel->external_url);
    channel->deferred = loop_deferred_new(parts->loop, end_not_begun, channel);
    return channel;
}

struct channel *channel_free(struct channel *channel) {
    if (channel == NULL) {
        return NULL;
    }
    (void)transfer_free(channel->transfer);
    (void)process_free(channel->process);
    (void)mail_free(channel->mail);
    (void)loop_deferred_free(channel->deferred);
    strbuf_deinit(&channel->external_url);
    free(channel->receiver);
    free(channel);
    return NULL;
}
