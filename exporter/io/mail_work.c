/* SPDX-License-Identifier: Apache-2.0 */

#include "io/mail_work.h"

#include <ctype.h>
#include <string.h>

#include <curl/curl.h>

#include "base/mem.h"
#include "base/pack.h"

#define MOST_COMPLAINT_BYTES 1000

/* Spelt so before libcurl 8.2, and since then still known. */
#define ALLOW_REFUSED_RECIPIENTS CURLOPT_MAIL_RCPT_ALLLOWFAILS

/* ---- replies ---- */

struct replies {
    int codes[MAIL_MOST_RECIPIENTS + 16]; /* the newest, oldest first */
    size_t n_codes;
    struct strbuf complaint; /* the last reply with 4xx or 5xx */
    bool in_complaint;       /* its next line may follow */
};

static void add_code(struct replies *replies, int code) {
    if (replies->n_codes == ARRAY_LEN(replies->codes)) {
        replies->n_codes--;
        memmove(replies->codes, replies->codes + 1, replies->n_codes * sizeof(replies->codes[0]));
    }
    replies->codes[replies->n_codes++] = code;
}

/* "250-SIZE": more lines follow; "250 OK" ends the reply. */
static void add_reply(struct replies *replies, struct str line) {
    if (line.len < 3 || !isdigit((unsigned char)line.data[0]) ||
        !isdigit((unsigned char)line.data[1]) || !isdigit((unsigned char)line.data[2])) {
        return;
    }
    int code = (line.data[0] - '0') * 100 + (line.data[1] - '0') * 10 + (line.data[2] - '0');
    bool last = line.len == 3 || line.data[3] != '-';
    if (code >= 400) {
        if (!replies->in_complaint) {
            strbuf_clear(&replies->complaint);
        } else {
            strbuf_add_char(&replies->complaint, ' ');
        }
        struct str text = str_trim(line);
        size_t used = replies->complaint.len;
        size_t room = used < MOST_COMPLAINT_BYTES ? MOST_COMPLAINT_BYTES - used : 0;
        strbuf_add(&replies->complaint, text.data, text.len < room ? text.len : room);
    }
    replies->in_complaint = code >= 400 && !last;
    if (last) {
        add_code(replies, code);
    }
}

/* 354 is the answer to DATA, which follows the recipients; without it they were the last. */
static void find_recipients(const struct replies *replies, size_t n_recipients, int *codes) {
    size_t end = 0;
    while (end < replies->n_codes && replies->codes[end] != 354) {
        end++;
    }
    bool known = end >= n_recipients;
    const int *first = replies->codes + (known ? end - n_recipients : 0);
    for (size_t i = 0; i < n_recipients && end == replies->n_codes; i++) {
        known = known && first[i] >= 400; /* or else it never came to recipients */
    }
    for (size_t i = 0; i < n_recipients; i++) {
        codes[i] = known ? first[i] : 0;
    }
}

/* ---- the mail ---- */

static bool is_one_line(const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* An address stands between < and > in a command. */
static bool is_address(const char *text) {
    return text != NULL && text[0] != '\0' && is_one_line(text) && strpbrk(text, "<> ") == NULL;
}

/* One line, or several of which all but the first begin with a space. */
static bool is_header(const struct mail_header *header) {
    if (!is_one_line(header->name) || strchr(header->name, ':') != NULL) {
        return false;
    }
    for (const char *c = header->value; *c != '\0'; c++) {
        bool folds = c[0] == '\r' && c[1] == '\n' && c[2] == ' ';
        if (((unsigned char)*c < 0x20 && !folds) || *c == 0x7f) {
            return false;
        }
        c += folds ? 2 : 0;
    }
    return true;
}

bool mail_work_is_sound(const struct mail_work *mail) {
    if (!is_address(mail->from) || mail->url == NULL || mail->n_to == 0) {
        return false;
    }
    for (size_t i = 0; i < mail->n_to; i++) {
        if (!is_address(mail->to[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < mail->n_headers; i++) {
        if (!is_header(&mail->headers[i])) {
            return false;
        }
    }
    return true;
}

/* ---- in the worker ---- */

/* What libcurl borrows. It is never freed: the process ends. */
struct sending {
    CURL *easy;
    struct replies replies;
    struct curl_slist *recipients, *headers, *place;
    char text[CURL_ERROR_SIZE];
};

static bool set_text(CURL *easy, CURLoption option, const char *text) {
    return text == NULL || curl_easy_setopt(easy, option, text) == CURLE_OK;
}

static bool add_text(struct curl_slist **list, const char *text) {
    struct curl_slist *longer = curl_slist_append(*list, text);
    *list = longer != NULL ? longer : *list;
    return longer != NULL;
}

static bool add_part(curl_mime *mime, struct str text, const char *type) {
    curl_mimepart *part = curl_mime_addpart(mime);
    return part != NULL && curl_mime_data(part, text.data, text.len) == CURLE_OK &&
           curl_mime_type(part, type) == CURLE_OK &&
           curl_mime_encoder(part, "quoted-printable") == CURLE_OK;
}

static size_t take_reply(char *data, size_t size, size_t count, void *userdata) {
    add_reply(userdata, (struct str){data, size * count});
    return size * count;
}

static bool set_mail(struct sending *sending, const struct mail_work *work) {
    CURL *easy = sending->easy;
    bool ok = true;
    for (size_t i = 0; i < work->n_to; i++) {
        ok = ok && add_text(&sending->recipients, mem_printf("<%s>", work->to[i]));
    }
    curl_mime *mime = curl_mime_init(easy);
    ok = ok && mime != NULL && add_part(mime, work->text, "text/plain; charset=utf-8") &&
         add_part(mime, work->html, "text/html; charset=utf-8") &&
         /* Or else it would be multipart/mixed; the boundary is put behind it. */
         add_text(&sending->headers, "Content-Type: multipart/alternative");
    for (size_t i = 0; i < work->n_headers && ok; i++) {
        const struct mail_header *header = &work->headers[i];
        ok = add_text(&sending->headers, mem_printf("%s: %s", header->name, header->value));
    }
    return ok && set_text(easy, CURLOPT_MAIL_FROM, mem_printf("<%s>", work->from)) &&
           curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, sending->recipients) == CURLE_OK &&
           curl_easy_setopt(easy, ALLOW_REFUSED_RECIPIENTS, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, sending->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MIMEPOST, mime) == CURLE_OK;
}

static bool set_tls(CURL *easy, const struct mail_work *work) {
    const struct tls_options *tls = &work->tls;
    bool verify = !tls->insecure_skip_verify;
    bool ok =
        curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_USE_SSL,
                         work->require_tls ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_TRY) ==
            CURLE_OK;
    if (tls->ca_file != NULL) {
        ok = ok && set_text(easy, CURLOPT_CAINFO, tls->ca_file) &&
             curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK; /* not the system's */
    }
    return ok && set_text(easy, CURLOPT_SSLCERT, tls->cert_file) &&
           set_text(easy, CURLOPT_SSLKEY, tls->key_file) && set_text(easy, CURLOPT_KEYPASSWD, "");
}

/* libcurl takes the name to verify from the URL: where it is another one, the URL gets that and
 * leads to the old host all the same. */
static bool set_url(struct sending *sending, const struct mail_work *work) {
    CURLU *url = curl_url();
    char *host = NULL, *port = NULL;
    bool ok = url != NULL && curl_url_set(url, CURLUPART_URL, work->url, 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    if (ok && work->tls.server_name != NULL) {
        ok = add_text(&sending->place, mem_printf("::%s:%s", host, port)) &&
             curl_url_set(url, CURLUPART_HOST, work->tls.server_name, 0) == CURLUE_OK &&
             curl_easy_setopt(sending->easy, CURLOPT_CONNECT_TO, sending->place) == CURLE_OK;
    }
    return ok && curl_easy_setopt(sending->easy, CURLOPT_CURLU, url) == CURLE_OK;
}

static bool prepare(struct sending *sending, const struct mail_work *work) {
    CURL *easy = sending->easy;
    return curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, sending->text) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_reply) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, &sending->replies) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)work->timeout_ms) == CURLE_OK &&
           set_text(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps") &&
           set_text(easy, CURLOPT_PROXY, "") && set_text(easy, CURLOPT_USERNAME, work->user) &&
           set_text(easy, CURLOPT_PASSWORD, work->password) && set_tls(easy, work) &&
           set_url(sending, work) && set_mail(sending, work);
}

/* What a server refuses at whichever step has an answer all the same. */
static bool is_refusal(const struct sending *sending, CURLcode code, long status) {
    static const CURLcode refusals[] = {CURLE_SEND_ERROR,           CURLE_LOGIN_DENIED,
                                        CURLE_WEIRD_SERVER_REPLY,   CURLE_RECV_ERROR,
                                        CURLE_REMOTE_ACCESS_DENIED, CURLE_USE_SSL_FAILED};
    /* A refused recipient may be the last that was heard before the connection broke. */
    bool is_broken = strncmp(sending->text, "Send failure", 12) == 0;
    bool is_one = false;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        is_one = is_one || code == refusals[i];
    }
    return is_one && !is_broken && status >= 400;
}

int mail_work_run(const void *input, int fd) {
    const struct mail_work *work = input;
    struct sending sending = {0};
    struct strbuf words = {0};
    int codes[MAIL_MOST_RECIPIENTS] = {0};
    long status = 0;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (sending.easy = curl_easy_init()) == NULL) {
        return 1;
    }
    CURLcode code = prepare(&sending, work) ? curl_easy_perform(sending.easy) : CURLE_URL_MALFORMAT;
    (void)curl_easy_getinfo(sending.easy, CURLINFO_RESPONSE_CODE, &status);
    bool answered = code == CURLE_OK || is_refusal(&sending, code, status);
    const char *why = sending.text[0] != '\0' ? sending.text : curl_easy_strerror(code);
    find_recipients(&sending.replies, work->n_to, codes);
    pack_u64(&words, answered ? (uint64_t)status : 0);
    pack_str(&words, answered ? strbuf_view(&sending.replies.complaint) : str_of(why));
    pack_u64(&words, work->n_to);
    for (size_t i = 0; i < work->n_to; i++) {
        pack_u64(&words, (uint64_t)codes[i]);
    }
    return worker_write(fd, words.data, words.len) < 0 ? 1 : 0;
}

bool mail_work_read(struct str words, struct mail_answer *ret, int *codes) {
    struct unpacker in = {.rest = words};
    uint64_t status = unpack_u64(&in);
    struct str said = unpack_str(&in);
    size_t count = unpack_count(&in, sizeof(uint64_t));
    if (in.bad || status > 999 || count > MAIL_MOST_RECIPIENTS) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        codes[i] = (int)unpack_u64(&in);
    }
    *ret = (struct mail_answer){
        .status = (int)status, .said = said, .recipients = codes, .n_recipients = count};
    return !in.bad;
}
