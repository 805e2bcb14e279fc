/* SPDX-License-Identifier: Apache-2.0 */

/* What clients ask: any request line, headers and form, from the bytes of its target through the
 * routes to a page, without the socket and the HTTP library before it. The input is like a request:
 * "GET /metrics?target=x", lines of headers, an empty line, a body. */

#include "base/log.h"
#include "fuzz.h"
#include "tests/support/exposition_check.h"
#include "tests/support/json_check.h"
#include "tests/support/web_fixture.h"
#include "web/api_question.h"
#include "web/pages.h"
#include "web/routes.h"

#define MOST_HEADERS 32

/* A daemon with two targets that nobody has connected to; it stays for all inputs. */
static struct web *get_web(void) {
    static struct web_fixture *fixture;
    if (fixture == NULL) {
        void *state = NULL;
        must(web_fixture_set_up(&state) == 0);
        fixture = state;
        fixture->options.enable_lifecycle = true;
        fixture->sources.actions.reload = NULL; /* its answer comes later, which takes a server */
        web_fixture_start(fixture);
    }
    return fixture->web;
}

/* Questions to the API as far as they come without a worker: their parameters and expressions are
 * read, lists are written at once. What expressions evaluate to is fuzz_promql's. The linker puts
 * this in the place of api_ask(). */
void wrapped_api_ask(struct api_question *question, const struct web_request *request,
                     struct web_answer *ret) __asm__("__wrap_api_ask");

void wrapped_api_ask(struct api_question *question, const struct web_request *request,
                     struct web_answer *ret) {
    struct api_failure failure = {0};
    if (question->prepare != NULL && question->prepare(question, &failure) < 0) {
        must(failure.text[0] != '\0');
        api_answer_failure(&failure, ret);
        api_question_free(question);
    } else if (str_starts_with(request->path, "/api/v1/query")) {
        ret->status = 200;
        api_question_free(question);
    } else {
        api_answer_now(question, ret);
    }
}

/* Return: how many lines there were before the empty one. */
static size_t read_headers(struct str *text, struct web_pair *headers) {
    size_t count = 0;
    while (text->len > 0) {
        struct str value = str_cut(text, '\n');
        if (value.len == 0) {
            break;
        }
        struct str name = str_cut(&value, ':');
        if (count < MOST_HEADERS) {
            headers[count++] = (struct web_pair){name, str_trim(value)};
        }
    }
    return count;
}

/* As the server does it. */
static void ask(struct web_request *request, struct str target, struct web_answer *ret) {
    struct error err = {0};
    request->n_parameters = 0;
    web_request_identify(request);
    if (web_request_parse_target(request, target, &err) < 0) {
        must(error_is_set(&err));
        web_answer_error(ret, 400, "%s", err.text);
        return;
    }
    must(request->n_parameters <= WEB_MOST_PARAMETERS);
    routes_answer(get_web(), request, ret);
}

/* What goes into a header line must not end it. */
static void check_line(const char *text) {
    for (; *text != '\0'; text++) {
        must((unsigned char)*text >= ' ' && *text != 0x7f);
    }
}

static void check_lines(const struct web_request *request, const struct web_answer *answer) {
    must(request->id[0] != '\0');
    check_line(request->id);
    check_line(request->correlation_id);
    check_line(answer->etag);
    for (size_t i = 0; i < answer->n_headers; i++) {
        check_line(answer->headers[i].value);
    }
}

/* Makes a body that comes in pieces whole. */
static void read_pieces(struct web_answer *answer) {
    const struct web_reader *reader = &answer->reader;
    size_t len = 1;
    while (reader->read != NULL && len > 0) {
        char *end = strbuf_reserve(&answer->text, 4096);
        len = reader->read(reader->userdata, end, 4096);
        answer->text.len += len;
    }
}

static void check_body(struct web_answer *answer) {
    const char *type = answer->content_type != NULL ? answer->content_type : "";
    read_pieces(answer);
    struct str text = strbuf_view(&answer->text);
    if (answer->body != NULL) {
        text = (struct str){answer->body->data, answer->body->len};
    }
    if (answer->gzip) {
        must(text.len > 2 && memcmp(text.data, "\x1f\x8b", 2) == 0);
    } else if (strcmp(type, "application/json") == 0) {
        must(json_check(text));
    } else if (str_starts_with(str_of(type), "text/plain; version=0.0.4")) {
        must(exposition_check(text, NULL) == 0);
    }
}

/* The same question with the ETag of its answer has not changed. */
static void ask_again(struct web_request *request, struct str target, const char *etag) {
    struct web_pair headers[MOST_HEADERS + 1];
    struct web_answer answer = {0};
    headers[0] = (struct web_pair){str_of("If-None-Match"), str_of(etag)};
    memcpy(headers + 1, request->headers, request->n_headers * sizeof(*headers));
    request->headers = headers;
    request->n_headers++;
    ask(request, target, &answer);
    must(answer.status == 304 && answer.body == NULL && answer.text.len == 0);
    web_answer_deinit(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str text = fuzz_input(data, size);
    struct str target = str_cut(&text, '\n');
    struct arena arena = {0};
    struct web_pair headers[MOST_HEADERS];
    struct web_answer answer = {0};
    struct web_request request = {.arena = &arena, .headers = headers};
    log_set_level(LOG_LEVEL_ERROR);
    request.method = str_cut(&target, ' ');
    request.n_headers = read_headers(&text, headers);
    request.body = text;
    ask(&request, target, &answer);
    must(answer.status >= 200 && answer.status <= 599 && !answer.later);
    check_lines(&request, &answer);
    check_body(&answer);
    if (answer.status == 200 && answer.etag[0] != '\0') {
        ask_again(&request, target, answer.etag);
    }
    web_answer_deinit(&answer);
    arena_deinit(&arena);
    return 0;
}
