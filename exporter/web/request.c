/* SPDX-License-Identifier: Apache-2.0 */

#include "web/request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/json.h"
#include "base/random.h"

#define SHOWN_BYTES ((size_t)200)

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* plus_is_space: in queries and forms, not in paths. */
static int decode(struct arena *arena, struct str text, bool plus_is_space, struct str *ret) {
    if (memchr(text.data, '%', text.len) == NULL && memchr(text.data, '+', text.len) == NULL) {
        *ret = arena_dup(arena, text);
        return 0;
    }
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
            if (low < 0) {
                return -EINVAL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[len++] = c;
    }
    *ret = (struct str){out, len};
    return 0;
}

int web_request_parse_form(struct web_request *request, struct str form, struct error *err) {
    while (form.len > 0) {
        struct str value = str_cut(&form, '&');
        if (value.len == 0) {
            continue;
        }
        if (request->n_parameters == WEB_MOST_PARAMETERS) {
            return error_say(err, -EINVAL, "there are more than %d parameters",
                             WEB_MOST_PARAMETERS);
        }
        struct str name = str_cut(&value, '=');
        struct web_pair *pair = &request->parameters[request->n_parameters];
        if (value.data == NULL) {
            value = str_of("");
        }
        if (decode(request->arena, name, true, &pair->name) < 0 ||
            decode(request->arena, value, true, &pair->value) < 0) {
            return error_say(err, -EINVAL, "'%%' must be followed by two hex digits");
        }
        request->n_parameters++;
    }
    return 0;
}

int web_request_parse_target(struct web_request *request, struct str target, struct error *err) {
    if (target.len == 0 || target.data[0] != '/') {
        return error_say(err, -EINVAL, "the path must begin with '/'");
    }
    struct str query = target;
    struct str path = str_cut(&query, '?');
    if (decode(request->arena, path, false, &request->path) < 0) {
        return error_say(err, -EINVAL, "'%%' must be followed by two hex digits");
    }
    return web_request_parse_form(request, query, err);
}

struct str web_request_parameter(const struct web_request *request, const char *name) {
    for (size_t i = 0; i < request->n_parameters; i++) {
        if (str_is(request->parameters[i].name, name)) {
            return request->parameters[i].value;
        }
    }
    return (struct str){0};
}

static bool same_header(struct str name, const char *wanted) {
    return name.len == strlen(wanted) && strncasecmp(name.data, wanted, name.len) == 0;
}

struct str web_request_header(const struct web_request *request, const char *name) {
    for (size_t i = 0; i < request->n_headers; i++) {
        if (same_header(request->headers[i].name, name)) {
            return request->headers[i].value;
        }
    }
    return (struct str){0};
}

/* These ids go into headers and log lines, so nothing that could steer either may pass. */
static bool is_sane_id(struct str id) {
    if (id.len == 0 || id.len >= WEB_ID_SIZE) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        char c = id.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

void web_request_identify(struct web_request *request) {
    struct str given = web_request_header(request, "X-Request-ID");
    if (is_sane_id(given)) {
        memcpy(request->id, given.data, given.len);
        request->id[given.len] = '\0';
    } else {
        snprintf(request->id, sizeof(request->id), "%016" PRIx64, random_u64());
    }
    struct str correlation = web_request_header(request, "X-Correlation-ID");
    request->correlation_id[0] = '\0';
    if (is_sane_id(correlation)) {
        memcpy(request->correlation_id, correlation.data, correlation.len);
        request->correlation_id[correlation.len] = '\0';
    }
}

/* ";q=0", ";q=0.000": the only weight that matters, because there is only one coding to choose. */
static bool weight_is_zero(struct str parameters) {
    while (parameters.len > 0) {
        struct str value = str_trim(str_cut(&parameters, ';'));
        struct str name = str_trim(str_cut(&value, '='));
        double weight;
        if (same_header(name, "q") && value.data != NULL &&
            str_to_double(str_trim(value), &weight)) {
            return weight <= 0;
        }
    }
    return false;
}

bool web_request_accepts_gzip(const struct web_request *request) {
    bool any = false;
    for (size_t i = 0; i < request->n_headers; i++) {
        if (!same_header(request->headers[i].name, "Accept-Encoding")) {
            continue;
        }
        struct str rest = request->headers[i].value;
        while (rest.len > 0) {
            struct str parameters = str_cut(&rest, ',');
            struct str coding = str_trim(str_cut(&parameters, ';'));
            if (same_header(coding, "gzip") || same_header(coding, "x-gzip")) {
                return !weight_is_zero(parameters);
            }
            if (str_is(coding, "*")) {
                any = !weight_is_zero(parameters);
            }
        }
    }
    return any;
}

bool web_request_has_etag(const struct web_request *request, const char *etag) {
    for (size_t i = 0; i < request->n_headers; i++) {
        if (!same_header(request->headers[i].name, "If-None-Match")) {
            continue;
        }
        /* Our tags hold no comma, so that cutting at commas is enough to find them. */
        struct str rest = request->headers[i].value;
        while (rest.len > 0) {
            struct str tag = str_trim(str_cut(&rest, ','));
            if (str_starts_with(tag, "W/")) {
                tag = (struct str){tag.data + 2, tag.len - 2};
            }
            if (str_is(tag, "*") || str_is(tag, etag)) {
                return true;
            }
        }
    }
    return false;
}

struct str web_request_show(const struct web_request *request, struct str text) {
    if (text.len <= SHOWN_BYTES) {
        return text;
    }
    char *out = arena_alloc(request->arena, SHOWN_BYTES + 4);
    memcpy(out, text.data, SHOWN_BYTES);
    memcpy(out + SHOWN_BYTES, "...", 4);
    return (struct str){out, SHOWN_BYTES + 3};
}

void web_answer_deinit(struct web_answer *answer) {
    strbuf_deinit(&answer->text);
    buffer_unref(answer->body);
    if (answer->reader.free != NULL) {
        answer->reader.free(answer->reader.userdata);
    }
    if (answer->file.is_set && answer->file.fd >= 0) {
        (void)close(answer->file.fd);
    }
    if (answer->file.sent != NULL) {
        answer->file.sent(answer->file.userdata);
    }
    *answer = (struct web_answer){0};
}

void web_answer_header(struct web_answer *answer, const char *name, const char *value) {
    if (answer->n_headers < WEB_MOST_EXTRA_HEADERS) {
        answer->headers[answer->n_headers].name = name;
        answer->headers[answer->n_headers++].value = value;
    }
}

void web_answer_error(struct web_answer *answer, unsigned status, const char *format, ...) {
    char sentence[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    size_t shown = len < 0 ? 0 : (size_t)len;
    if (shown >= sizeof(sentence)) {
        shown = sizeof(sentence) - 1;
    }
    answer->status = status;
    answer->content_type = "application/json";
    strbuf_clear(&answer->text);
    struct json_writer json = {.out = &answer->text};
    json_object_begin(&json, NULL);
    json_str(&json, "error", (struct str){sentence, shown});
    json_object_end(&json);
    strbuf_add_char(&answer->text, '\n');
}
