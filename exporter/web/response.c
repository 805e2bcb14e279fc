/* SPDX-License-Identifier: Apache-2.0 */

#include "web/response.h"

#include <stdio.h>

#include "base/mem.h"
#include "web/security_options.h"

#define READER_BYTES ((size_t)32 * 1024)

static void drop_buffer(void *userdata) {
    buffer_unref(userdata);
}

static ssize_t read_piece(void *userdata, uint64_t position, char *out, size_t size) {
    struct web_reader *reader = userdata;
    size_t len = reader->read(reader->userdata, out, size);
    return len > 0 ? (ssize_t)len : MHD_CONTENT_READER_END_OF_STREAM;
}

static void free_reader(void *userdata) {
    struct web_reader *reader = userdata;
    reader->free(reader->userdata);
    free(reader);
}

/* Without its headers. */
static struct MHD_Response *make_response(struct web_answer *answer) {
    struct MHD_Response *response;
    if (answer->reader.read != NULL) {
        struct web_reader *reader = mem_dup(&answer->reader, sizeof(*reader));
        answer->reader = (struct web_reader){0};
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, READER_BYTES, read_piece,
                                                     reader, free_reader);
        if (response == NULL) {
            free_reader(reader);
        }
        return response;
    }
    if (answer->file.is_set) {
        response = MHD_create_response_from_fd64(answer->file.size, answer->file.fd);
        answer->file.fd = response != NULL ? -1 : answer->file.fd;
        return response;
    }
    if (answer->body == NULL) {
        answer->body = buffer_new(&answer->text);
    }
    response = MHD_create_response_from_buffer_with_free_callback_cls(
        answer->body->len, answer->body->data, drop_buffer, answer->body);
    if (response != NULL) {
        answer->body = NULL;
    }
    return response;
}

static void add(struct MHD_Response *response, const char *name, const char *value) {
    if (value != NULL && value[0] != '\0') {
        MHD_add_response_header(response, name, value);
    }
}

static void add_configured(struct MHD_Response *response, const struct server_options *options) {
    for (size_t i = 0; options->headers != NULL && i < *options->n_headers; i++) {
        const struct web_header *header = &options->headers[i];
        if (MHD_get_response_header(response, header->name) == NULL) {
            add(response, header->name, header->value);
        }
    }
}

static void add_headers(struct MHD_Response *response, const struct web_request *request,
                        const struct web_answer *answer) {
    add(response, "Content-Type", answer->content_type);
    add(response, "Content-Encoding", answer->gzip ? "gzip" : NULL);
    add(response, "Vary", answer->varies ? "Accept-Encoding" : NULL);
    add(response, "ETag", answer->etag);
    add(response, "Cache-Control",
        answer->cache_control != NULL ? answer->cache_control : "no-store");
    add(response, "X-Content-Type-Options", "nosniff");
    add(response, "X-Request-ID", request->id);
    add(response, "X-Correlation-ID", request->correlation_id);
    if (answer->retry_after > 0) {
        char seconds[16];
        snprintf(seconds, sizeof(seconds), "%u", answer->retry_after);
        add(response, "Retry-After", seconds);
    }
    for (size_t i = 0; i < answer->n_headers; i++) {
        add(response, answer->headers[i].name, answer->headers[i].value);
    }
}

struct MHD_Response *response_new(const struct web_request *request, struct web_answer *answer,
                                  const struct server_options *options) {
    struct MHD_Response *response = make_response(answer);
    if (response != NULL) {
        add_headers(response, request, answer);
        add_configured(response, options);
    }
    return response;
}
