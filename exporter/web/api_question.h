/* SPDX-License-Identifier: Apache-2.0 */

/* A question to the HTTP API on its way to an answer.
 *
 * What a question costs depends on whoever asks, so it is answered in a forked worker: the parent
 * has checked it, and parsed it unless it is long, the child sees the store as it was at that
 * moment, computes, writes JSON into a memory file and compresses it; only {status, size} comes
 * back by the pipe. When the child has ended its place is free, and the server sends from the file:
 * a slow reader holds no worker. Bounds: processor time, memory, size of the answer, number of
 * workers, length of the queue, what unread answers hold together. A client that hangs up ends its
 * worker.
 *
 * What is small by nature is written by the same functions in the loop. */
#pragma once

#include "base/arena.h"
#include "web/api_parameters.h"
#include "web/pages.h"

#define API_DEFAULT_TIMEOUT_USEC ((uint64_t)30 * 1000 * 1000)
#define API_MOST_TIMEOUT_USEC    ((uint64_t)120 * 1000 * 1000)
#define API_WORKERS              2
#define API_MOST_QUEUED          64
#define API_LOOP_TEXT_BYTES      ((size_t)4096)        /* of expressions: parsed in a millisecond */
#define API_MEMORY_BYTES         ((uint64_t)256 << 20) /* of a worker, beside what it inherits */
#define API_ANSWER_BYTES         ((uint64_t)64 << 20)  /* of one answer, before compression */
#define API_HELD_BYTES           ((uint64_t)256 << 20) /* of all that are not read yet */

/* Where an answer is written to: a file, a piece at a time, or one text. */
struct api_out {
    struct strbuf text;
    int fd;           /* -1: all of it stays in text */
    uint64_t written; /* bytes that are in the file */
    unsigned status;
    bool failed; /* too long, or no room for it: what follows is thrown away */
};

/* Between two items: writes what has gathered. Return: false when it is of no use to go on. */
bool api_out_turn(struct api_out *out);

/* An error instead of an answer: to be said before anything was written. */
void api_out_error(struct api_out *out, enum api_error_type type, const char *text);

/* To be embedded at the beginning of a struct of its kind, on the heap. */
struct api_question {
    struct arena arena; /* what the question consists of */
    struct web *web;
    uint64_t deadline_usec; /* CLOCK_BOOTTIME */
    bool gzip;
    const char *content_type; /* of an answer that is no error; NULL: JSON. Constant */
    /* NULL, or parses what stands in the question: in the loop when it is short, so that a mistake
     * costs no worker, else in the child. Return: 0 or -EINVAL with *failure. */
    int (*prepare)(struct api_question *question, struct api_failure *failure);
    size_t text_bytes; /* that prepare() reads */
    /* Writes the whole answer; in a child or in the loop. */
    void (*write)(struct api_question *question, struct api_out *out);
    void (*deinit)(struct api_question *question); /* NULL: only the arena */
};

/* A zeroed question of that size with the default deadline. */
struct api_question *api_question_new(struct web *web, const struct web_request *request,
                                      size_t size);
struct api_question *api_question_free(struct api_question *question);

/* Takes the parameter `timeout` into account. Return: 0 or -EINVAL with *failure. */
int api_question_take_timeout(struct api_question *question, const struct web_request *request,
                              struct api_failure *failure);

/* Answer it, later by a worker or now; the question is taken over. */
void api_ask(struct api_question *question, const struct web_request *request,
             struct web_answer *ret);
void api_answer_now(struct api_question *question, struct web_answer *ret);

/* An error of the parent. */
void api_answer_failure(const struct api_failure *failure, struct web_answer *ret);

/* The workers and what they share. */
struct api;
struct api *api_new(struct loop *loop);
struct api *api_free(struct api *api);
