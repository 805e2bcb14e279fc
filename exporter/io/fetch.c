/* SPDX-License-Identifier: Apache-2.0 */

#include "io/fetch.h"

#include <errno.h>
#include <stdbool.h>

#include <curl/curl.h>

#include "base/duration.h"

#define CONNECT_MSEC 10000L

struct receiver {
    struct strbuf *body;
    size_t most_bytes;
    bool too_long;
};

void fetch_reply_deinit(struct fetch_reply *reply) {
    strbuf_deinit(&reply->body);
    *reply = (struct fetch_reply){0};
}

static size_t receive(char *data, size_t size, size_t count, void *userdata) {
    struct receiver *receiver = userdata;
    size_t len = size * count;
    if (receiver->body->len + len > receiver->most_bytes) {
        receiver->too_long = true;
        return 0;
    }
    strbuf_add(receiver->body, data, len);
    return len;
}

static void restrict_protocols(CURL *curl) {
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* Return: a list of headers to be freed after the request. */
static struct curl_slist *set_up_body(CURL *curl, const struct fetch_options *options) {
    struct curl_slist *headers = NULL;
    if (options->form != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, options->form);
    }
    if (options->json != NULL) {
        headers = curl_slist_append(NULL, "Content-Type: application/json");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, options->json);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "PUT");
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    if (options->method != NULL) {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, options->method);
    }
    return headers;
}

static void set_up(CURL *curl, const struct fetch_options *options, struct receiver *receiver,
                   char *why) {
    long timeout = (long)(options->timeout_usec / USEC_PER_MSEC);
    restrict_protocols(curl);
    curl_easy_setopt(curl, CURLOPT_URL, options->url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout > 0 ? timeout : 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MSEC);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, receiver);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "dbvitals");
    if (options->socket_path != NULL) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, options->socket_path);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    }
}

/* What the system said to the attempt to connect. */
static int connect_errno(CURL *curl, CURLcode code) {
    long number = 0;
    if (code == CURLE_COULDNT_CONNECT) {
        curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
    }
    return number > 0 ? -(int)number : -EIO;
}

int fetch_url(const struct fetch_options *options, struct fetch_reply *ret, struct error *err) {
    struct fetch_reply reply = {0};
    struct receiver receiver = {.body = &reply.body, .most_bytes = options->most_bytes};
    char why[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_easy_init() : NULL;
    if (curl == NULL) {
        return error_say(err, -EIO, "the HTTP client cannot be set up");
    }
    set_up(curl, options, &receiver, why);
    struct curl_slist *headers = set_up_body(curl, options);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    int r = receiver.too_long ? -EMSGSIZE : connect_errno(curl, code);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    if (receiver.too_long) {
        error_say(err, r, "the answer has more than %zu bytes", options->most_bytes);
    } else if (code != CURLE_OK) {
        error_say(err, r, "%s", why[0] != '\0' ? why : curl_easy_strerror(code));
    }
    if (receiver.too_long || code != CURLE_OK) {
        fetch_reply_deinit(&reply);
        return r;
    }
    reply.status = (unsigned)status;
    *ret = reply;
    return 0;
}

void fetch_add_parameter(struct strbuf *form, const char *name, struct str value) {
    static const char hex[] = "0123456789ABCDEF";
    strbuf_printf(form, "%s%s=", form->len > 0 ? "&" : "", name);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            strbuf_add_char(form, (char)c);
        } else {
            strbuf_add_char(form, '%');
            strbuf_add_char(form, hex[c >> 4]);
            strbuf_add_char(form, hex[c & 15]);
        }
    }
}
