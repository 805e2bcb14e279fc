/* SPDX-License-Identifier: Apache-2.0 */

/* A mail for each notification. One attempt reaches all recipients that are not served yet: who was
 * reached or refused for good in an earlier attempt of the same notification is left out of the
 * next. The Message-ID is that of the notification, so that mail programs know a second copy. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "actions/channel_type.h"
#include "actions/email_body.h"
#include "actions/wording.h"
#include "base/base64.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

#define WORD_BYTES         42 /* of a text in an encoded word of at most 75 characters */
#define MOST_ADDRESS_BYTES 320
#define ENCODED_WORD_BEGIN "=?utf-8?B?"
#define ENCODED_WORD_END   "?="

enum fate { OPEN, REACHED, REFUSED };

/* ---- headers ---- */

static bool is_plain(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < 0x20 || (unsigned char)text.data[i] >= 0x7f) {
            return false;
        }
    }
    return memmem(text.data, text.len, "=?", 2) == NULL;
}

/* RFC 2047: whole characters in each word, words on lines of their own. */
static void add_encoded(struct strbuf *out, struct str text) {
    for (size_t at = 0; at < text.len;) {
        size_t len = 0, next;
        while (at + len < text.len &&
               (next = utf8_length(text.data + at + len, text.len - at - len)) > 0 &&
               len + next <= WORD_BYTES) {
            len += next;
        }
        strbuf_add_text(out, at > 0 ? "\r\n " : "");
        strbuf_add_text(out, ENCODED_WORD_BEGIN);
        base64_add(out, (struct str){text.data + at, len});
        strbuf_add_text(out, ENCODED_WORD_END);
        at += len;
    }
}

static void add_subject(struct strbuf *out, const struct notification *notification) {
    struct strbuf title = {0};
    wording_title(notification, &title); /* valid UTF-8, one line */
    struct str text = strbuf_view(&title);
    if (is_plain(text)) {
        strbuf_add_str(out, text);
    } else {
        add_encoded(out, text);
    }
    strbuf_deinit(&title);
}

/* "Ops <ops@example.org>" is ops@example.org. */
static struct str address_of(const char *mailbox) {
    struct str text = str_of(mailbox != NULL ? mailbox : "");
    const char *begin = memrchr(text.data, '<', text.len);
    const char *end = memrchr(text.data, '>', text.len);
    if (begin != NULL && end != NULL && begin < end) {
        return str_trim((struct str){begin + 1, (size_t)(end - begin - 1)});
    }
    return str_trim(text);
}

/* With its name if that can stand there as it is. */
static void add_mailbox(struct strbuf *out, const char *mailbox) {
    struct str text = str_of(mailbox != NULL ? mailbox : "");
    strbuf_add_str(out,
                   is_plain(text) && text.len <= MOST_ADDRESS_BYTES ? text : address_of(mailbox));
}

static void add_mailboxes(struct strbuf *out, const struct channel_options *options) {
    for (size_t i = 0; i < options->n_to && i < MAIL_MOST_RECIPIENTS; i++) {
        strbuf_add_text(out, i > 0 ? ",\r\n " : "");
        add_mailbox(out, options->to[i]);
    }
}

static void add_date(struct strbuf *out, int64_t t_ms) {
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(t_ms / 1000);
    struct tm parts = {0};
    (void)gmtime_r(&seconds, &parts);
    strbuf_printf(out, "%.3s, %02d %.3s %d %02d:%02d:%02d +0000", days + parts.tm_wday * 3,
                  parts.tm_mday, months + parts.tm_mon * 3, parts.tm_year + 1900, parts.tm_hour,
                  parts.tm_min, parts.tm_sec);
}

/* "<what.0123456789abcdef@example.org>" */
static void add_id(struct strbuf *out, const char *what, uint64_t id, struct str from) {
    const char *at = memrchr(from.data, '@', from.len);
    struct str domain = str_of("dbvitals.invalid");
    if (at != NULL && at + 1 < from.data + from.len) {
        domain = (struct str){at + 1, (size_t)(from.data + from.len - at - 1)};
    }
    strbuf_printf(out, "<%s.%016" PRIx64 "@%.*s>", what, id, (int)domain.len, domain.data);
}

/* ---- what became of it ---- */

static const char *name_of(const struct channel *channel, size_t recipient) {
    return channel->options->to[recipient];
}

/* Notes what the server said of each recipient that was tried. Return: how many are left. */
static size_t note_fates(struct channel *channel, const struct mail_answer *answer) {
    size_t left = 0, tried = 0;
    for (size_t i = 0; i < channel->options->n_to && i < MAIL_MOST_RECIPIENTS; i++) {
        char *fate = &channel->reached.fate[i];
        if (*fate != OPEN || tried >= answer->n_recipients) {
            continue;
        }
        int code = answer->recipients[tried++];
        if (code >= 500) {
            *fate = REFUSED;
            log_warn("receiver '%s': the mail server refuses '%s' (%d)", channel->receiver,
                     name_of(channel, i), code);
        } else if (code < 400 && answer->status == 250) {
            *fate = REACHED; /* 0, too: the mail as a whole was taken */
        } else {
            left++;
        }
    }
    return left;
}

static bool is_reached(const struct channel *channel) {
    return memchr(channel->reached.fate, REACHED, sizeof(channel->reached.fate)) != NULL;
}

static void on_answer(void *userdata, const struct mail_answer *answer) {
    struct channel *channel = userdata;
    if (answer->status == 0) {
        char *why = mem_strndup(answer->said.data, answer->said.len);
        channel_end(channel, CHANNEL_RETRY, why, 0);
        free(why);
        return;
    }
    size_t left = note_fates(channel, answer);
    bool lasting = answer->status >= 500;
    for (size_t i = 0; i < answer->n_recipients; i++) {
        lasting = lasting && (answer->recipients[i] < 400 || answer->recipients[i] >= 500);
    }
    enum channel_outcome outcome = left > 0 && !lasting  ? CHANNEL_RETRY
                                   : is_reached(channel) ? CHANNEL_DELIVERED
                                                         : CHANNEL_REFUSED;
    if (outcome != CHANNEL_RETRY) {
        memset(&channel->reached, 0, sizeof(channel->reached)); /* the next is for all again */
    }
    struct strbuf why = {0};
    if (outcome != CHANNEL_DELIVERED) {
        strbuf_add_text(&why, "the mail server answered ");
        channel_add_said(channel, answer->said, &why);
    }
    channel_end(channel, outcome, strbuf_view(&why).data, 0);
    strbuf_deinit(&why);
}

/* ---- an attempt ---- */

struct envelope {
    char *from, *to[MAIL_MOST_RECIPIENTS];
    size_t n_to;
};

static char *copy(struct str text) {
    return mem_strndup(text.data, text.len);
}

static void fill_envelope(struct envelope *envelope, const struct channel *channel) {
    const struct channel_options *options = channel->options;
    envelope->from = copy(address_of(options->from));
    for (size_t i = 0; i < options->n_to && i < MAIL_MOST_RECIPIENTS; i++) {
        if (channel->reached.fate[i] == OPEN) {
            envelope->to[envelope->n_to++] = copy(address_of(options->to[i]));
        }
    }
}

static void free_envelope(struct envelope *envelope) {
    free(envelope->from);
    for (size_t i = 0; i < envelope->n_to; i++) {
        free(envelope->to[i]);
    }
}

enum { FROM, TO, SUBJECT, DATE, MESSAGE_ID, IN_REPLY_TO, REFERENCES, N_WRITTEN };

static void write_headers(const struct channel *channel, const struct notification *notification,
                          struct strbuf texts[N_WRITTEN]) {
    struct str from = address_of(channel->options->from);
    uint64_t group = hash_stable(notification->group_key);
    add_mailbox(&texts[FROM], channel->options->from);
    add_mailboxes(&texts[TO], channel->options);
    add_subject(&texts[SUBJECT], notification);
    add_date(&texts[DATE], notification->made_ms);
    add_id(&texts[MESSAGE_ID], "dbvitals", notification->id, from);
    /* All mails about a group hang below one that was never sent: a conversation. */
    add_id(&texts[IN_REPLY_TO], "group", group, from);
    add_id(&texts[REFERENCES], "group", group, from);
}

static void email_start(struct channel *channel, const struct notification *notification) {
    static const char *const names[] = {"From",       "To",          "Subject",   "Date",
                                        "Message-ID", "In-Reply-To", "References"};
    if (channel->parts.mailers == NULL) {
        channel_end_later(channel, "no mails are sent here");
        return;
    }
    if (channel->reached.id != notification->id) {
        memset(&channel->reached, 0, sizeof(channel->reached));
        channel->reached.id = notification->id;
    }
    struct envelope envelope = {0};
    struct strbuf texts[N_WRITTEN] = {0}, text = {0}, html = {0};
    struct mail_header headers[N_WRITTEN + 4];
    size_t n_headers = 0;
    fill_envelope(&envelope, channel);
    write_headers(channel, notification, texts);
    for (; n_headers < N_WRITTEN; n_headers++) {
        headers[n_headers] = (struct mail_header){names[n_headers], texts[n_headers].data};
    }
    headers[n_headers++] = (struct mail_header){"Auto-Submitted", "auto-generated"};
    headers[n_headers++] = (struct mail_header){"X-Auto-Response-Suppress", "All"};
    if (!notification_is_resolved(notification) &&
        severity_worst(notification) == SEVERITY_CRITICAL) {
        headers[n_headers++] = (struct mail_header){"X-Priority", "1"};
        headers[n_headers++] = (struct mail_header){"Importance", "high"};
    }
    email_text(channel, notification, &text);
    email_html(channel, notification, &html);
    const struct http_options *smtp = &channel->options->http;
    channel->mail =
        mail_submit(channel->parts.mailers, &(struct mail_request){
                                                .url = smtp->url,
                                                .user = smtp->user,
                                                .password = smtp->password,
                                                .tls = &smtp->tls,
                                                .require_tls = channel->options->require_tls,
                                                .from = envelope.from,
                                                .to = (const char *const *)envelope.to,
                                                .n_to = envelope.n_to,
                                                .headers = headers,
                                                .n_headers = n_headers,
                                                .text = strbuf_view(&text),
                                                .html = strbuf_view(&html),
                                                .deadline_usec = channel_deadline_usec(channel),
                                                .done = on_answer,
                                                .userdata = channel,
                                            });
    free_envelope(&envelope);
    for (size_t i = 0; i < N_WRITTEN; i++) {
        strbuf_deinit(&texts[i]);
    }
    strbuf_deinit(&text);
    strbuf_deinit(&html);
}

const struct channel_type channel_email = {.start = email_start};
