/* SPDX-License-Identifier: Apache-2.0 */

/* RESOLVING -> UNDER_WAY -> ENDED; what has ended waits in a list for the deferred call that tells
 * it, one a turn. libcurl forbids calls into it from its callbacks, so these only note. */
#include "io/transfer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <curl/curl.h>

#include "base/duration.h"
#include "base/mem.h"
#include "io/descriptors.h"

#define KEPT_CONNECTIONS    8L
#define LONGEST_RETRY_SEC   86400 /* of what servers ask for */
#define KEPT_CONNECTION_SEC 300L  /* so that an address that moved is noticed */

struct transfers {
    struct loop *loop;
    struct resolver *resolver;
    CURLM *multi;
    struct loop_timer *timer;       /* libcurl's own */
    struct loop_deferred *deferred; /* tells the first that has ended */
    struct transfer *first;         /* all of them, newest first */
};

struct transfer {
    struct transfers *transfers;
    struct transfer *next, **link;
    CURL *easy;
    bool added; /* libcurl works on it */
    bool ended;
    CURLU *url;
    char *host; /* to look up */
    struct resolve_request *lookup;
    struct loop_timer *deadline;
    struct curl_slist *headers, *addresses;
    struct tls_options tls;
    struct strbuf body;
    size_t header_bytes, max_answer_bytes;
    bool too_large, cut_answer, was_cut;
    uint64_t retry_after_usec;
    char text[CURL_ERROR_SIZE];
    int status;
    struct client_failure failure; /* has an error when there is no answer */
    void (*done)(void *userdata, const struct transfer_answer *answer,
                 const struct client_failure *failure);
    void *userdata;
};

/* A socket of libcurl's. */
struct watched {
    struct transfers *transfers;
    curl_socket_t fd;
    struct loop_io *io;
};

static void must(bool ok) {
    if (!ok) {
        abort(); /* out of memory, as in base/mem.h */
    }
}

static void end(struct transfer *transfer) {
    transfer->ended = true;
    transfer->lookup = resolve_request_free(transfer->lookup);
    loop_timer_stop(transfer->deadline);
    if (transfer->added) {
        transfer->added = false;
        (void)curl_multi_remove_handle(transfer->transfers->multi, transfer->easy);
    }
    loop_deferred_arm(transfer->transfers->deferred);
}

PRINTF_LIKE(4, 5)
static void fail(struct transfer *transfer, enum client_end how, enum client_reason reason,
                 const char *format, ...) {
    char text[sizeof(transfer->failure.error.text)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    transfer->failure = (struct client_failure){.end = how, .reason = reason, .connection = true};
    (void)error_say(&transfer->failure.error, -EIO, "%s", text);
    end(transfer);
}

struct transfer *transfer_free(struct transfer *transfer) {
    if (transfer == NULL) {
        return NULL;
    }
    if (transfer->added) {
        (void)curl_multi_remove_handle(transfer->transfers->multi, transfer->easy);
    }
    *transfer->link = transfer->next;
    if (transfer->next != NULL) {
        transfer->next->link = transfer->link;
    }
    (void)resolve_request_free(transfer->lookup);
    (void)loop_timer_free(transfer->deadline);
    curl_easy_cleanup(transfer->easy);
    curl_url_cleanup(transfer->url);
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->addresses);
    curl_free(transfer->host);
    tls_options_deinit(&transfer->tls);
    strbuf_deinit(&transfer->body);
    free(transfer);
    return NULL;
}

/* Nothing of the transfer, nor of the transfers, is touched after done(). */
static void tell(struct transfer *transfer) {
    struct strbuf body = transfer->body;
    transfer->body = (struct strbuf){0};
    struct client_failure failure = transfer->failure;
    struct transfer_answer answer = {.status = transfer->status,
                                     .body = strbuf_view(&body),
                                     .retry_after_usec = transfer->retry_after_usec};
    void (*done)(void *, const struct transfer_answer *, const struct client_failure *) =
        transfer->done;
    void *userdata = transfer->userdata;
    transfer_free(transfer);
    bool failed = error_is_set(&failure.error);
    done(userdata, failed ? NULL : &answer, failed ? &failure : NULL);
    strbuf_deinit(&body);
}

static void tell_one(void *userdata) {
    struct transfers *transfers = userdata;
    struct transfer *oldest = NULL;
    size_t count = 0;
    for (struct transfer *t = transfers->first; t != NULL; t = t->next) {
        if (t->ended) {
            oldest = t;
            count++;
        }
    }
    if (count > 1) {
        loop_deferred_arm(transfers->deferred);
    }
    if (oldest != NULL) {
        tell(oldest);
    }
}

/* ---- what libcurl says ---- */

/* Codes that are not in here are our own trouble. */
static const struct {
    CURLcode code;
    enum client_end end;
    enum client_reason reason;
} codes[] = {
    {CURLE_GOT_NOTHING, CLIENT_GONE, REASON_CLOSED},
    {CURLE_RECV_ERROR, CLIENT_GONE, REASON_CLOSED},
    {CURLE_SEND_ERROR, CLIENT_GONE, REASON_CLOSED},
    {CURLE_PARTIAL_FILE, CLIENT_ALIVE, REASON_CLOSED},
    {CURLE_SSL_CONNECT_ERROR, CLIENT_ALIVE, REASON_TLS},
    {CURLE_PEER_FAILED_VERIFICATION, CLIENT_ALIVE, REASON_TLS},
    {CURLE_SSL_ISSUER_ERROR, CLIENT_ALIVE, REASON_TLS},
    {CURLE_SSL_CERTPROBLEM, CLIENT_OURS, REASON_TLS},
    {CURLE_SSL_CACERT_BADFILE, CLIENT_OURS, REASON_TLS},
    {CURLE_COULDNT_RESOLVE_HOST, CLIENT_OURS, REASON_DNS},
    {CURLE_OPERATION_TIMEDOUT, CLIENT_SILENT, REASON_TIMEOUT},
    {CURLE_WEIRD_SERVER_REPLY, CLIENT_ALIVE, REASON_PROTOCOL},
    {CURLE_UNSUPPORTED_PROTOCOL, CLIENT_ALIVE, REASON_PROTOCOL}, /* not the word HTTP */
    {CURLE_BAD_CONTENT_ENCODING, CLIENT_ALIVE, REASON_PROTOCOL},
};

static void explain(struct transfer *transfer, CURLcode code) {
    const char *text = transfer->text[0] != '\0' ? transfer->text : curl_easy_strerror(code);
    if (transfer->too_large) {
        fail(transfer, CLIENT_ALIVE, REASON_TOO_LARGE, "the answer is longer than allowed");
        return;
    }
    long os_errno = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_errno);
    if (code == CURLE_COULDNT_CONNECT && os_errno != 0) {
        transfer->failure = (struct client_failure){.connection = true};
        client_failure_from_errno(&transfer->failure, (int)os_errno);
        if (!error_is_set(&transfer->failure.error)) {
            (void)error_say(&transfer->failure.error, -(int)os_errno, "%s", text);
        }
        end(transfer);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (codes[i].code == code) {
            fail(transfer, codes[i].end, codes[i].reason, "%s", text);
            return;
        }
    }
    fail(transfer, CLIENT_OURS, REASON_LOCAL, "%s", text);
}

static uint64_t wait_usec(curl_off_t seconds) {
    if (seconds <= 0) {
        return 0;
    }
    return (uint64_t)(seconds < LONGEST_RETRY_SEC ? seconds : LONGEST_RETRY_SEC) * USEC_PER_SEC;
}

static void collect_ended(struct transfers *transfers) {
    int left = 0;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(transfers->multi, &left)) != NULL) {
        struct transfer *transfer = NULL;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        CURLcode code = message->data.result; /* the message ends with remove_handle */
        if (code != CURLE_OK && !transfer->was_cut) {
            explain(transfer, code);
            continue;
        }
        long status = 0;
        curl_off_t retry_after_sec = 0;
        (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        (void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_sec);
        transfer->status = (int)status;
        transfer->retry_after_usec = wait_usec(retry_after_sec);
        end(transfer);
    }
}

static void act(struct transfers *transfers, curl_socket_t fd, int events) {
    int running = 0;
    (void)curl_multi_socket_action(transfers->multi, fd, events, &running);
    collect_ended(transfers);
}

static void timer_fired(void *userdata) {
    act(userdata, CURL_SOCKET_TIMEOUT, 0);
}

static void socket_ready(void *userdata, uint32_t revents) {
    const struct watched *watched = userdata;
    int events = ((revents & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                 ((revents & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                 ((revents & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
    act(watched->transfers, watched->fd, events);
}

static int watch(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data) {
    struct transfers *transfers = userdata;
    struct watched *watched = socket_data;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            (void)loop_io_free(watched->io);
            free(watched);
            (void)curl_multi_assign(transfers->multi, fd, NULL);
        }
        return 0;
    }
    uint32_t events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                      ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);
    if (watched != NULL) {
        loop_io_set_events(watched->io, events);
        return 0;
    }
    watched = mem_alloc(sizeof(*watched));
    *watched = (struct watched){.transfers = transfers, .fd = fd};
    watched->io = loop_io_new(transfers->loop, fd, events, socket_ready, watched);
    (void)curl_multi_assign(transfers->multi, fd, watched);
    return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *userdata) {
    struct transfers *transfers = userdata;
    if (timeout_ms < 0) {
        loop_timer_stop(transfers->timer);
    } else {
        loop_timer_set(transfers->timer,
                       loop_now_usec(transfers->loop) + (uint64_t)timeout_ms * USEC_PER_MSEC);
    }
    return 0;
}

static size_t take_body(char *data, size_t size, size_t count, void *userdata) {
    struct transfer *transfer = userdata;
    size_t len = size * count;
    size_t room = transfer->max_answer_bytes - transfer->body.len;
    if (len > room) {
        transfer->too_large = true;
        transfer->was_cut = transfer->cut_answer;
        strbuf_add(&transfer->body, data, room);
        return 0;
    }
    strbuf_add(&transfer->body, data, len);
    return len;
}

static size_t take_header(char *data, size_t size, size_t count, void *userdata) {
    struct transfer *transfer = userdata;
    size_t len = size * count;
    transfer->header_bytes += len;
    if (transfer->header_bytes > TRANSFER_MOST_HEADER_BYTES) {
        transfer->too_large = true;
        return 0;
    }
    return len;
}

/* ---- a request ---- */

static void add_line(struct curl_slist **list, const char *line) {
    struct curl_slist *longer = curl_slist_append(*list, line);
    must(longer != NULL);
    *list = longer;
}

/* Return: false for what would be more than one header. */
static bool add_header(struct transfer *transfer, const char *name, const char *value) {
    if (strpbrk(name, "\r\n:") != NULL || strpbrk(value, "\r\n") != NULL) {
        return false;
    }
    /* A colon and nothing would take the header out. */
    char *line = value[0] != '\0' ? mem_printf("%s: %s", name, value) : mem_printf("%s;", name);
    add_line(&transfer->headers, line);
    mem_free_secret(line);
    return true;
}

static void set_text(CURL *easy, CURLoption option, const char *text) {
    if (text != NULL) {
        must(curl_easy_setopt(easy, option, text) == CURLE_OK);
    }
}

static void set_tls(CURL *easy, const struct tls_options *tls) {
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls->insecure_skip_verify ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls->insecure_skip_verify ? 0L : 2L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* It keeps what it has read of the authorities for a day otherwise. */
    (void)curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, KEPT_CONNECTION_SEC);
#endif
    if (tls->ca_file != NULL) {
        set_text(easy, CURLOPT_CAINFO, tls->ca_file);
        (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* instead of the system's */
    }
    set_text(easy, CURLOPT_SSLCERT, tls->cert_file);
    set_text(easy, CURLOPT_SSLKEY, tls->key_file);
    set_text(easy, CURLOPT_KEYPASSWD, ""); /* a question on the terminal would be asked of nobody */
}

static void set_body(CURL *easy, const struct transfer_request *request) {
    if (request->body.data != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        must(curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body.data) == CURLE_OK);
    }
    set_text(easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->method != NULL && strcmp(request->method, "HEAD") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
}

static void set_options(struct transfer *transfer, const struct transfer_request *request) {
    CURL *easy = transfer->easy;
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->text);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, KEPT_CONNECTION_SEC);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set_text(easy, CURLOPT_PROXY, ""); /* its name would be looked up by a thread */
    set_text(easy, CURLOPT_USERAGENT, "dbvitals");
    set_text(easy, CURLOPT_USERNAME, request->user);
    set_text(easy, CURLOPT_PASSWORD, request->password);
    set_tls(easy, &transfer->tls);
    set_body(easy, request);
}

static bool set_headers(struct transfer *transfer, const struct transfer_request *request) {
    bool ok = true;
    add_line(&transfer->headers, "Expect:"); /* bodies are small: no second of waiting */
    for (size_t i = 0; i < request->n_headers; i++) {
        ok = ok && add_header(transfer, request->headers[i].name, request->headers[i].value);
    }
    if (request->credentials != NULL) {
        char *value = mem_printf("%s %s", request->scheme, request->credentials);
        ok = ok && add_header(transfer, "Authorization", value);
        mem_free_secret(value);
    }
    return ok;
}

/* libcurl takes the name to verify from the URL: it gets server_name there, and the server gets the
 * name from the URL in its header. Such a connection is nobody else's. Return: whether it is a
 * name. */
static bool rename_server(struct transfer *transfer, const char *port) {
    bool v6 = strchr(transfer->host, ':') != NULL;
    char *line = mem_printf(v6 ? "Host: [%s]:%s" : "Host: %s:%s", transfer->host, port);
    add_line(&transfer->headers, line);
    free(line);
    /* An address would be taken in place of the one that was looked up. */
    if (transfer->tls.server_name[0] == '[' ||
        curl_url_set(transfer->url, CURLUPART_HOST, transfer->tls.server_name, 0) != CURLUE_OK) {
        return false;
    }
    (void)curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
    (void)curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE, 1L);
    return true;
}

static void begin(struct transfer *transfer) {
    (void)curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    (void)curl_easy_setopt(transfer->easy, CURLOPT_RESOLVE, transfer->addresses);
    (void)curl_easy_setopt(transfer->easy, CURLOPT_CURLU, transfer->url);
    if (curl_multi_add_handle(transfer->transfers->multi, transfer->easy) != CURLM_OK) {
        fail(transfer, CLIENT_OURS, REASON_LOCAL, "libcurl does not take the request");
        return;
    }
    transfer->added = true;
}

/* "+name:port:address,address": the plus lets it age in libcurl's cache like any other answer. */
static void found(void *userdata, const struct resolve_answer *answer, const struct error *err) {
    struct transfer *transfer = userdata;
    transfer->lookup = NULL; /* it has ended with this */
    if (answer == NULL) {
        bool canceled = err->code == -ECANCELED;
        fail(transfer, CLIENT_OURS, canceled ? REASON_CANCELED : REASON_DNS, "%s", err->text);
        return;
    }
    char *host = NULL, *port = NULL;
    must(curl_url_get(transfer->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK);
    if (transfer->tls.server_name != NULL && !rename_server(transfer, port)) {
        curl_free(port);
        fail(transfer, CLIENT_OURS, REASON_LOCAL, "'%.100s' is no name of a server",
             transfer->tls.server_name);
        return;
    }
    must(curl_url_get(transfer->url, CURLUPART_HOST, &host, 0) == CURLUE_OK);
    struct strbuf line = {0};
    strbuf_printf(&line, "+%s:%s:", host, port);
    for (size_t i = 0; i < answer->n_addresses; i++) {
        const struct resolve_address *address = &answer->addresses[i];
        bool v6 = address->addr.any.sa_family == AF_INET6;
        strbuf_printf(&line, v6 ? "%s[%s]" : "%s%s", i > 0 ? "," : "", address->text);
    }
    add_line(&transfer->addresses, line.data);
    strbuf_deinit(&line);
    curl_free(host);
    curl_free(port);
    begin(transfer);
}

static void late(void *userdata) {
    struct transfer *transfer = userdata;
    bool looking = transfer->lookup != NULL;
    fail(transfer, looking ? CLIENT_OURS : CLIENT_SILENT, looking ? REASON_DNS : REASON_TIMEOUT,
         looking ? "no address for '%.100s' by the deadline"
                 : "no answer from '%.100s' by the "
                   "deadline",
         transfer->host);
}

/* Return: whether it is a URL for us; its host without brackets and its port are known then. */
static bool read_url(struct transfer *transfer, const char *url, uint16_t *ret_port) {
    char *scheme = NULL, *port = NULL;
    uint64_t number = 0;
    bool ok = curl_url_set(transfer->url, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(transfer->url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
              curl_url_get(transfer->url, CURLUPART_HOST, &transfer->host, 0) == CURLUE_OK &&
              curl_url_get(transfer->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              str_to_uint64(str_of(port), &number) && number > 0 && number <= UINT16_MAX;
    if (ok && transfer->host[0] == '[') {
        size_t len = strlen(transfer->host);
        memmove(transfer->host, transfer->host + 1, len - 2);
        transfer->host[len - 2] = '\0';
    }
    *ret_port = (uint16_t)number;
    curl_free(scheme);
    curl_free(port);
    return ok;
}

static void start(struct transfer *transfer, const struct transfer_request *request) {
    struct transfers *transfers = transfer->transfers;
    struct resolve_address address;
    uint16_t port = 0;
    struct error err = {0};
    if (!read_url(transfer, request->url, &port)) {
        fail(transfer, CLIENT_OURS, REASON_LOCAL, "no URL that begins with http:// or https://");
    } else if (!set_headers(transfer, request)) {
        fail(transfer, CLIENT_OURS, REASON_LOCAL, "a header has more than one line");
    } else if (descriptors_are_scarce(&err)) {
        fail(transfer, CLIENT_OURS, REASON_LOCAL, "%s", err.text);
    } else if (transfer->tls.server_name == NULL &&
               resolve_literal(transfer->host, port, &address)) {
        begin(transfer);
    } else {
        transfer->lookup = resolver_lookup(transfers->resolver, transfer->host, port,
                                           request->deadline_usec, found, transfer);
    }
}

struct transfer *transfer_submit(struct transfers *transfers,
                                 const struct transfer_request *request) {
    struct transfer *transfer = mem_alloc(sizeof(*transfer));
    *transfer = (struct transfer){
        .transfers = transfers,
        .next = transfers->first,
        .link = &transfers->first,
        .easy = curl_easy_init(),
        .url = curl_url(),
        .cut_answer = request->cut_answer,
        .max_answer_bytes =
            request->max_answer_bytes != 0 ? request->max_answer_bytes : TRANSFER_MOST_BYTES,
        .done = request->done,
        .userdata = request->userdata,
    };
    must(transfer->easy != NULL && transfer->url != NULL);
    if (transfer->next != NULL) {
        transfer->next->link = &transfer->next;
    }
    transfers->first = transfer;
    if (request->tls != NULL) {
        tls_options_copy(request->tls, &transfer->tls);
    }
    transfer->deadline = loop_timer_new(transfers->loop, late, transfer);
    loop_timer_set(transfer->deadline, request->deadline_usec);
    set_options(transfer, request);
    start(transfer, request);
    return transfer;
}

/* ---- all of them ---- */

struct transfers *transfers_new(struct loop *loop, struct resolver *resolver) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return NULL;
    }
    struct transfers *transfers = mem_alloc(sizeof(*transfers));
    *transfers = (struct transfers){.loop = loop, .resolver = resolver};
    transfers->multi = curl_multi_init();
    must(transfers->multi != NULL);
    transfers->timer = loop_timer_new(loop, timer_fired, transfers);
    transfers->deferred = loop_deferred_new(loop, tell_one, transfers);
    (void)curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, watch);
    (void)curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers);
    (void)curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    (void)curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers);
    (void)curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS);
    (void)curl_multi_setopt(transfers->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return transfers;
}

struct transfers *transfers_free(struct transfers *transfers) {
    if (transfers == NULL) {
        return NULL;
    }
    while (transfers->first != NULL) {
        struct transfer *transfer = transfers->first;
        if (!transfer->ended) {
            fail(transfer, CLIENT_OURS, REASON_CANCELED, "we stopped waiting");
        }
        tell(transfer);
    }
    (void)curl_multi_cleanup(transfers->multi);
    (void)loop_timer_free(transfers->timer);
    (void)loop_deferred_free(transfers->deferred);
    free(transfers);
    curl_global_cleanup();
    return NULL;
}
