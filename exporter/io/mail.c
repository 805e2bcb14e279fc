/* SPDX-License-Identifier: Apache-2.0 */

#include "io/mail.h"

#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"
#include "io/mail_work.h"

#define LEAST_TIMEOUT_MS 1
#define HEAD_START_MS    200 /* so that libcurl can say what it waited for */

struct mail {
    struct mail_work work;
    struct worker_job *job;
    bool forgotten, is_sound;
    void (*done)(void *userdata, const struct mail_answer *answer);
    void *userdata;
};

static const char *const failures[] = {
    [WORKER_FAILED] = "the process that sends mails failed",
    [WORKER_TIMEOUT] = "no answer by the deadline",
    [WORKER_TOO_LONG] = "the process that sends mails failed",
    [WORKER_BUSY] = "too many mails are under way",
    [WORKER_CANCELED] = "we stopped waiting",
};

static void free_now(struct mail *mail) {
    arena_deinit(&mail->work.arena);
    tls_options_deinit(&mail->work.tls);
    free(mail);
}

static void on_done(void *userdata, const struct worker_result *result) {
    struct mail *mail = userdata;
    struct mail_answer answer = {0};
    int codes[MAIL_MOST_RECIPIENTS] = {0};
    if (!mail->is_sound) {
        answer.said = str_of("no mail can have such addresses or headers");
    } else if (result->status != WORKER_OK) {
        answer.said = str_of(failures[result->status]);
    } else if (!mail_work_read(result->answer, &answer, codes)) {
        answer.said = str_of(failures[WORKER_FAILED]);
    }
    void (*done)(void *, const struct mail_answer *) = mail->forgotten ? NULL : mail->done;
    void *done_userdata = mail->userdata;
    free_now(mail);
    if (done != NULL) {
        done(done_userdata, &answer);
    }
}

/* The worker of what cannot be sent. */
static int do_nothing(const void *input, int fd) {
    return 0;
}

static const char *copy(struct arena *arena, const char *text) {
    return text != NULL ? arena_dup(arena, str_of(text)).data : NULL;
}

static void copy_request(struct mail_work *work, const struct mail_request *request) {
    struct arena *arena = &work->arena;
    work->url = copy(arena, request->url);
    work->user = copy(arena, request->user);
    work->password = copy(arena, request->password);
    work->from = copy(arena, request->from);
    work->require_tls = request->require_tls;
    if (request->tls != NULL) {
        tls_options_copy(request->tls, &work->tls);
    }
    for (size_t i = 0; i < request->n_to && i < MAIL_MOST_RECIPIENTS; i++) {
        work->to[work->n_to++] = copy(arena, request->to[i]);
    }
    work->headers = arena_array(arena, request->n_headers + 1, sizeof(*work->headers));
    for (; work->n_headers < request->n_headers; work->n_headers++) {
        const struct mail_header *header = &request->headers[work->n_headers];
        work->headers[work->n_headers] =
            (struct mail_header){copy(arena, header->name), copy(arena, header->value)};
    }
    work->text = arena_dup(arena, request->text);
    work->html = arena_dup(arena, request->html);
}

struct mail *mail_submit(struct worker_pool *workers, const struct mail_request *request) {
    struct mail *mail = mem_alloc(sizeof(*mail));
    *mail = (struct mail){.done = request->done, .userdata = request->userdata};
    copy_request(&mail->work, request);
    uint64_t now = loop_clock_usec(), until = request->deadline_usec;
    uint64_t left_ms = until > now ? (until - now) / USEC_PER_MSEC : 0;
    mail->work.timeout_ms =
        left_ms > HEAD_START_MS + LEAST_TIMEOUT_MS ? left_ms - HEAD_START_MS : LEAST_TIMEOUT_MS;
    mail->is_sound = request->n_to <= MAIL_MOST_RECIPIENTS && mail_work_is_sound(&mail->work);
    mail->job = worker_submit(workers, &(struct worker_request){
                                           .work = mail->is_sound ? mail_work_run : do_nothing,
                                           .input = &mail->work,
                                           .deadline_usec = until,
                                           .done = on_done,
                                           .userdata = mail,
                                       });
    return mail;
}

struct mail *mail_free(struct mail *mail) {
    if (mail != NULL) {
        mail->forgotten = true;
        worker_cancel(mail->job);
    }
    return NULL;
}
