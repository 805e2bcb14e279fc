/* SPDX-License-Identifier: Apache-2.0 */

#include "web/api_question.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/worker.h"
#include "store/exposition.h"
#include "web/api_json.h"
#include "web/server.h"

#define PIECE_BYTES  ((size_t)64 * 1024)
#define QUEUE_USEC   (10 * USEC_PER_SEC)
#define GRACE_USEC   (USEC_PER_SEC / 2) /* the evaluation ends itself at the deadline */
#define WORKER_NICE  10
#define LOG_GAP_USEC (60 * USEC_PER_SEC)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZERS_SPEAK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZERS_SPEAK 1
#endif
#endif

struct api {
    struct loop *loop;
    struct worker_pool *pool;
    uint64_t held_bytes; /* of answers that clients have not read to their end */
    uint64_t said_usec;  /* when a worker's death was logged last */
};

/* A question that a worker has, or will have. */
struct task {
    struct api *api;
    struct api_question *question;
    struct web_later *later;
    struct worker_job *job;
    int fd;
};

/* An answer that is being sent. */
struct held {
    struct api *api;
    uint64_t bytes;
};

/* What comes by the pipe. */
struct report {
    uint32_t status, gzip;
    uint64_t size;
};

/* ---- writing an answer ---- */

static void flush(struct api_out *out) {
    if (out->fd < 0 || out->text.len == 0) {
        return;
    }
    out->failed |= out->written + out->text.len > API_ANSWER_BYTES ||
                   worker_write(out->fd, out->text.data, out->text.len) < 0;
    out->written += out->text.len;
    strbuf_clear(&out->text);
}

bool api_out_turn(struct api_out *out) {
    if (out->fd >= 0 && out->text.len >= PIECE_BYTES) {
        flush(out);
    }
    return !out->failed;
}

void api_out_error(struct api_out *out, enum api_error_type type, const char *text) {
    out->status = api_error_kinds[type].status;
    strbuf_clear(&out->text);
    api_write_error(&out->text, type, str_of(text));
}

/* Takes the unfinished answer back. */
static void say_too_long(struct api_out *out) {
    char text[120];
    snprintf(text, sizeof(text), "the answer has more than %u MiB: ask for less, or set a limit",
             (unsigned)(API_ANSWER_BYTES >> 20));
    out->failed = false;
    out->written = 0;
    if (ftruncate(out->fd, 0) < 0 || lseek(out->fd, 0, SEEK_SET) < 0) {
        out->failed = true;
    }
    api_out_error(out, API_EXECUTION, text);
    flush(out);
}

/* ---- in the child ---- */

struct file_piece {
    int fd;
    char bytes[PIECE_BYTES];
};

static bool next_piece(void *userdata, struct str *ret) {
    struct file_piece *piece = userdata;
    ssize_t n = read(piece->fd, piece->bytes, sizeof(piece->bytes));
    if (n <= 0) {
        return false;
    }
    *ret = (struct str){piece->bytes, (size_t)n};
    return true;
}

/* Compresses from one file into the other. Return: bytes written, or 0. */
static uint64_t compress_file(int from, int to) {
    struct file_piece *piece = mem_alloc(sizeof(*piece));
    piece->fd = from;
    const struct exposition_pieces pieces = {next_piece, free, piece};
    CLEANUP(exposition_reader_freep)
    struct exposition_reader *reader = exposition_reader_of(&pieces, true);
    if (reader == NULL || lseek(from, 0, SEEK_SET) < 0) {
        return 0;
    }
    char *bytes = mem_alloc(PIECE_BYTES);
    uint64_t size = 0;
    for (size_t n; (n = exposition_reader_read(reader, bytes, PIECE_BYTES)) > 0; size += n) {
        if (worker_write(to, bytes, n) < 0) {
            size = 0;
            break;
        }
    }
    free(bytes);
    return size;
}

/* The answer's own limit and the loop's share of the machine come before ours. What a dying child
 * would say on stderr is said by the parent. */
static void limit_child(const struct api_question *question) {
    uint64_t now = loop_clock_usec();
    uint64_t left = question->deadline_usec > now ? question->deadline_usec - now : 0;
    rlim_t seconds = (rlim_t)(left / USEC_PER_SEC + 2);
    (void)setrlimit(RLIMIT_CPU, &(struct rlimit){.rlim_cur = seconds, .rlim_max = seconds + 1});
    (void)setpriority(PRIO_PROCESS, 0, WORKER_NICE);
#ifndef SANITIZERS_SPEAK
    (void)dup2(STDOUT_FILENO, STDERR_FILENO);
#endif
}

static int work(const void *input, int pipe_fd) {
    const struct task *task = input;
    struct api_question *question = task->question;
    struct api_out out = {.fd = WORKER_SHARED_FD, .status = 200};
    int plain_fd = -1;
    limit_child(question);
    if (question->gzip && (plain_fd = memfd_create("plain", MFD_CLOEXEC)) >= 0) {
        out.fd = plain_fd;
    }
    struct api_failure failure = {0};
    if (question->prepare != NULL && question->prepare(question, &failure) < 0) {
        api_out_error(&out, failure.type, failure.text);
    } else {
        question->write(question, &out);
    }
    flush(&out);
    if (out.failed) {
        say_too_long(&out);
    }
    struct report report = {out.status, 0, out.written};
    if (plain_fd >= 0) {
        report.gzip = 1;
        report.size = compress_file(plain_fd, WORKER_SHARED_FD);
    }
    bool good = !out.failed && report.size > 0;
    return good && worker_write(pipe_fd, &report, sizeof(report)) == 0 ? 0 : 1;
}

/* ---- answering ---- */

void api_answer_failure(const struct api_failure *failure, struct web_answer *ret) {
    ret->status = api_error_kinds[failure->type].status;
    ret->content_type = "application/json";
    ret->retry_after = failure->type == API_UNAVAILABLE ? 1 : 0;
    strbuf_clear(&ret->text);
    api_write_error(&ret->text, failure->type, str_of(failure->text));
}

static void answer_was_sent(void *userdata) {
    struct held *held = userdata;
    held->api->held_bytes -= held->bytes;
    free(held);
}

static const char *content_type_of(const struct api_question *question, unsigned status) {
    bool other = status == 200 && question->content_type != NULL;
    return other ? question->content_type : "application/json";
}

/* Return: false when the report makes no sense. */
static bool take_file(struct task *task, struct str answer, struct web_answer *ret) {
    struct report report;
    if (answer.len != sizeof(report)) {
        return false;
    }
    memcpy(&report, answer.data, sizeof(report));
    struct held *held = mem_alloc(sizeof(*held));
    *held = (struct held){task->api, report.size};
    task->api->held_bytes += report.size;
    ret->status = report.status;
    ret->content_type = content_type_of(task->question, report.status);
    ret->gzip = report.gzip != 0;
    ret->varies = true;
    ret->file = (struct web_file){
        .is_set = true,
        .fd = task->fd,
        .size = report.size,
        .sent = answer_was_sent,
        .userdata = held,
    };
    task->fd = -1;
    return true;
}

static void log_death(struct api *api, int code) {
    uint64_t now = loop_now_usec(api->loop);
    if (api->said_usec == 0 || now - api->said_usec > LOG_GAP_USEC) {
        api->said_usec = now;
        log_warn("web: the worker of a question to the API ended by itself (%d); more of these "
                 "within a minute are not told",
                 code);
    }
}

/* Out of memory ends a worker by SIGABRT, or by SIGSEGV when it is the stack. */
static void explain_death(struct task *task, int code, struct api_failure *failure) {
    log_death(task->api, code);
    if (code == -SIGXCPU || code == -SIGKILL) {
        api_fail(failure, API_TIMEOUT, "query timed out in query execution");
    } else if (code < 0) {
        api_fail(failure, API_EXECUTION,
                 "the question's worker was ended by signal %d: the question probably needs more "
                 "than %u MiB of memory",
                 -code, (unsigned)(API_MEMORY_BYTES >> 20));
    } else {
        api_fail(failure, API_INTERNAL, "the question's worker could not write its answer");
    }
}

static void explain(struct task *task, const struct worker_result *result,
                    struct api_failure *failure) {
    switch (result->status) {
    case WORKER_TIMEOUT:
        api_fail(failure, API_TIMEOUT, "query timed out in query execution");
        return;
    case WORKER_BUSY:
        api_fail(failure, API_UNAVAILABLE,
                 "too many questions are waiting for their turn: ask again later");
        return;
    case WORKER_CANCELED:
        api_fail(failure, API_CANCELED, "query was canceled in query execution");
        return;
    default:
        explain_death(task, result->code, failure);
    }
}

static void task_free(struct task *task) {
    if (task->fd >= 0) {
        (void)close(task->fd);
    }
    api_question_free(task->question);
    free(task);
}

static void answered(void *userdata, const struct worker_result *result) {
    struct task *task = userdata;
    struct web_answer answer = {0};
    if (result->status != WORKER_OK || !take_file(task, result->answer, &answer)) {
        struct api_failure failure = {0};
        explain(task, result, &failure);
        api_answer_failure(&failure, &answer);
    }
    web_later_end(task->later, &answer);
    task_free(task);
}

static void client_gone(void *userdata) {
    struct task *task = userdata;
    worker_cancel(task->job);
}

/* Return: false with *failure. */
static bool has_room(const struct api *api, int fd, struct api_failure *failure) {
    if (api->held_bytes > API_HELD_BYTES) {
        api_fail(failure, API_UNAVAILABLE, "unread answers hold more than %u MiB: ask again later",
                 (unsigned)(API_HELD_BYTES >> 20));
    } else if (fd < 0) {
        api_fail(failure, API_UNAVAILABLE, "no file for the answer can be made: %s",
                 strerrordesc_np(errno));
    }
    return failure->text[0] == '\0';
}

void api_ask(struct api_question *question, const struct web_request *request,
             struct web_answer *ret) {
    struct api *api = question->web->api;
    struct api_failure failure = {0};
    if (question->prepare != NULL && question->text_bytes <= API_LOOP_TEXT_BYTES) {
        if (question->prepare(question, &failure) < 0) {
            api_answer_failure(&failure, ret);
            api_question_free(question);
            return;
        }
        question->prepare = NULL;
    }
    int fd = memfd_create("answer", MFD_CLOEXEC);
    if (!has_room(api, fd, &failure)) {
        api_answer_failure(&failure, ret);
        api_question_free(question);
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    uint64_t now = loop_now_usec(api->loop);
    uint64_t deadline = question->deadline_usec + GRACE_USEC;
    struct task *task = mem_alloc(sizeof(*task));
    *task = (struct task){.api = api, .question = question, .fd = fd};
    task->later = web_later_new(request);
    ret->later = true;
    web_later_watch(task->later, deadline - now + GRACE_USEC, client_gone, task);
    task->job = worker_submit(api->pool, &(struct worker_request){
                                             .work = work,
                                             .input = task,
                                             .shared_fd = fd,
                                             .deadline_usec = deadline,
                                             .done = answered,
                                             .userdata = task,
                                         });
}

void api_answer_now(struct api_question *question, struct web_answer *ret) {
    struct api_out out = {.fd = -1, .status = 200};
    question->write(question, &out);
    ret->status = out.status;
    ret->content_type = content_type_of(question, out.status);
    ret->text = out.text;
    api_question_free(question);
}

/* ---- life ---- */

struct api_question *api_question_new(struct web *web, const struct web_request *request,
                                      size_t size) {
    struct api_question *question = mem_alloc(size);
    question->web = web;
    question->gzip = web_request_accepts_gzip(request);
    question->deadline_usec = loop_now_usec(web->sources.loop) + API_DEFAULT_TIMEOUT_USEC;
    return question;
}

struct api_question *api_question_free(struct api_question *question) {
    if (question != NULL) {
        if (question->deinit != NULL) {
            question->deinit(question);
        }
        arena_deinit(&question->arena);
        free(question);
    }
    return NULL;
}

int api_question_take_timeout(struct api_question *question, const struct web_request *request,
                              struct api_failure *failure) {
    int64_t timeout = (int64_t)API_DEFAULT_TIMEOUT_USEC;
    if (api_duration_parameter(request, "timeout", &timeout, failure) < 0) {
        return -EINVAL;
    }
    timeout = timeout < 0 ? 0 : timeout;
    uint64_t usec = (uint64_t)timeout;
    usec = usec > API_MOST_TIMEOUT_USEC ? API_MOST_TIMEOUT_USEC : usec;
    question->deadline_usec = loop_now_usec(question->web->sources.loop) + usec;
    return 0;
}

struct api *api_new(struct loop *loop) {
    struct api *api = mem_alloc(sizeof(*api));
    api->loop = loop;
    api->pool = worker_pool_new(loop, &(struct worker_options){
                                          .max_running = API_WORKERS,
                                          .max_queued = API_MOST_QUEUED,
                                          .queue_wait_usec = QUEUE_USEC,
                                          .max_answer_bytes = 2 * sizeof(struct report),
                                          .max_memory_bytes = API_MEMORY_BYTES,
                                      });
    return api;
}

struct api *api_free(struct api *api) {
    if (api != NULL) {
        worker_pool_free(api->pool);
        free(api);
    }
    return NULL;
}
