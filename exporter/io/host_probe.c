/* SPDX-License-Identifier: Apache-2.0 */

/* An ask is one question of a client; a job is one worker for it. An ask about file systems has one
 * job after another, one more for each file system that turns out to hang; such a job outlives its
 * ask and stands for the file system in the probe's list. */
#include "io/host_probe.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "io/host_mounts.h"
#include "io/host_read.h"
#include "io/worker.h"

#define SLOTS_BESIDE_HANGING 2
#define SLOTS_FOR_FILES      2

struct host_job {
    struct host_probe *probe;
    struct host_job *next;
    struct host_ask *ask; /* NULL: it has its answer */
    struct worker_job *worker;
    char *hangs_in; /* path of the file system, or NULL */
    size_t skip;    /* so many file systems were asked by the jobs before */
};

struct host_ask {
    struct host_probe *probe;
    struct host_probe_request request;
    struct host_options options;
    struct host_job *job;
    size_t begun; /* file systems so far */
    struct strbuf words;
    bool cancelled;
};

struct host_probe {
    struct loop *loop;
    struct host_probe_ops ops;
    struct worker_pool *mounts_pool, *files_pool;
    struct host_job *jobs;
};

static bool is_about_mounts(const struct host_ask *ask) {
    return strcmp(ask->request.text, HOST_STATVFS) == 0;
}

/* ---- in the worker ---- */

static char *path_of(const void *userdata, const char *mount_point) {
    const struct host_job *job = userdata;
    return host_options_below_root(&job->ask->options, mount_point);
}

static bool hangs(const void *userdata, const char *path) {
    const struct host_job *job = ((const struct host_job *)userdata)->probe->jobs;
    while (job != NULL && (job->hangs_in == NULL || strcmp(job->hangs_in, path) != 0)) {
        job = job->next;
    }
    return job != NULL;
}

/* The mounts of the first process, as the host sees them; ours where that is not allowed. */
static int read_mounts(const struct host_options *options, struct strbuf *out) {
    static const char *const names[] = {"/proc/1/mountinfo", "/proc/self/mountinfo"};
    int r = -ENOENT;
    for (size_t i = 0; r < 0 && i < ARRAY_LEN(names); i++) {
        char *path = host_options_path(options, names[i]);
        r = host_read_file(path, HOST_MOST_FILE_BYTES, out);
        free(path);
    }
    return r;
}

static int ask_mounts(const struct host_job *job, int fd) {
    struct strbuf text = {0};
    int r = read_mounts(&job->ask->options, &text);
    if (r == 0) {
        r = host_mounts_ask(
            &(struct host_mounts_question){
                .mountinfo = strbuf_view(&text),
                .skip = job->skip,
                .statvfs = job->probe->ops.statvfs,
                .path = path_of,
                .hangs = hangs,
                .userdata = job,
            },
            fd);
    }
    strbuf_deinit(&text);
    return r;
}

static int ask_files(const struct host_job *job, int fd) {
    struct strbuf fields = {0};
    struct host_tree tree;
    int r = -EINVAL;
    if (host_tree_parse(job->ask->request.text, &tree)) {
        r = host_read_tree(&job->ask->options, &tree, &fields);
    }
    if (r == 0 && fields.len > 0) {
        r = worker_write(fd, fields.data, fields.len);
    }
    strbuf_deinit(&fields);
    return r;
}

/* Return: errno, as an exit status. */
static int work(const void *input, int fd) {
    const struct host_job *job = input;
    return -(is_about_mounts(job->ask) ? ask_mounts(job, fd) : ask_files(job, fd));
}

/* ---- in the daemon ---- */

static void job_done(void *userdata, const struct worker_result *result);
static void job_gone(void *userdata);

static void ask_free(struct host_ask *ask) {
    host_options_deinit(&ask->options);
    strbuf_deinit(&ask->words);
    free(ask);
}

static void job_free(struct host_job *job) {
    struct host_job **at = &job->probe->jobs;
    while (*at != job) {
        at = &(*at)->next;
    }
    *at = job->next;
    free(job->hangs_in);
    free(job);
}

static void job_start(struct host_ask *ask) {
    struct host_probe *probe = ask->probe;
    struct host_job *job = mem_alloc(sizeof(*job));
    bool mounts = is_about_mounts(ask);
    *job = (struct host_job){.probe = probe, .next = probe->jobs, .ask = ask, .skip = ask->begun};
    probe->jobs = job;
    ask->job = job;
    job->worker = worker_submit(mounts ? probe->mounts_pool : probe->files_pool,
                                &(struct worker_request){
                                    .work = work,
                                    .input = job,
                                    .deadline_usec = ask->request.deadline_usec,
                                    .patience_usec = mounts ? ask->request.patience_usec : 0,
                                    .linger = true,
                                    .done = job_done,
                                    .gone = job_gone,
                                    .userdata = job,
                                });
}

/* Why there is no answer at all. */
static void say_why(const struct worker_result *result, struct client_failure *failure) {
    *failure = (struct client_failure){.end = CLIENT_OURS, .reason = REASON_LOCAL};
    if (result->status == WORKER_FAILED && result->code > 0 && strerrordesc_np(result->code)) {
        error_say(&failure->error, -result->code, "%s", strerrordesc_np(result->code));
    } else if (result->status == WORKER_TIMEOUT) {
        failure->end = CLIENT_SILENT;
        failure->reason = REASON_TIMEOUT;
        error_say(&failure->error, -ETIMEDOUT, "the kernel did not answer in time");
    } else if (result->status == WORKER_BUSY) {
        error_say(&failure->error, -EAGAIN, "no process was free to ask the kernel");
    } else {
        error_say(&failure->error, -EAGAIN, "the worker that asks failed (%d, %d)",
                  (int)result->status, result->code);
    }
}

/* The last word of an ask. */
static void ask_answer(struct host_ask *ask, const struct worker_result *result) {
    struct client_failure failure;
    struct str words = strbuf_view(&ask->words);
    bool nothing = words.len == 0 && result->status != WORKER_OK;
    if (nothing) {
        say_why(result, &failure);
    }
    if (!ask->cancelled) {
        ask->request.done(ask->request.userdata, nothing ? NULL : &words,
                          nothing ? &failure : NULL);
    }
    ask_free(ask);
}

/* Whether the rest is worth another worker. */
static bool may_go_on(const struct host_ask *ask, const struct host_job *job) {
    return job->hangs_in != NULL && !ask->cancelled &&
           host_probe_hanging(ask->probe) < HOST_MOST_HANGING &&
           loop_now_usec(ask->probe->loop) < ask->request.deadline_usec;
}

static void job_done(void *userdata, const struct worker_result *result) {
    struct host_job *job = userdata;
    struct host_ask *ask = job->ask;
    struct str hangs_in = {0};
    strbuf_add_str(&ask->words, result->answer);
    if (is_about_mounts(ask)) {
        ask->begun += host_mounts_begun(result->answer, &hangs_in);
    }
    if (result->lingers && hangs_in.data != NULL) {
        char *point = mem_strndup(hangs_in.data, hangs_in.len);
        job->hangs_in = host_options_below_root(&ask->options, point);
        free(point);
    }
    bool more = may_go_on(ask, job);
    job->ask = NULL;
    job->worker = NULL;
    if (!result->lingers) {
        job_free(job);
    }
    if (more) {
        job_start(ask);
    } else {
        ask->job = NULL;
        ask_answer(ask, result);
    }
}

/* The file system has answered after all. */
static void job_gone(void *userdata) {
    job_free(userdata);
}

struct host_ask *host_probe_ask(struct host_probe *probe,
                                const struct host_probe_request *request) {
    struct host_ask *ask = mem_alloc(sizeof(*ask));
    *ask = (struct host_ask){.probe = probe, .request = *request};
    if (is_about_mounts(ask) && host_probe_hanging(probe) >= HOST_MOST_HANGING) {
        free(ask);
        return NULL;
    }
    host_options_copy(request->options, &ask->options);
    job_start(ask);
    return ask;
}

void host_ask_cancel(struct host_ask *ask) {
    ask->cancelled = true;
    worker_cancel(ask->job->worker);
}

size_t host_probe_hanging(const struct host_probe *probe) {
    size_t count = 0;
    for (const struct host_job *job = probe->jobs; job != NULL; job = job->next) {
        count += job->hangs_in != NULL ? 1 : 0;
    }
    return count;
}

struct host_probe *host_probe_new(struct loop *loop, const struct host_probe_ops *ops) {
    struct host_probe *probe = mem_alloc(sizeof(*probe));
    probe->loop = loop;
    probe->ops = ops != NULL ? *ops : (struct host_probe_ops){.statvfs = statvfs};
    probe->mounts_pool =
        worker_pool_new(loop, &(struct worker_options){
                                  .max_running = HOST_MOST_HANGING + SLOTS_BESIDE_HANGING,
                                  .max_answer_bytes = (size_t)4 * 1024 * 1024,
                              });
    probe->files_pool = worker_pool_new(loop, &(struct worker_options){
                                                  .max_running = SLOTS_FOR_FILES,
                                                  .max_answer_bytes = (size_t)4 * 1024 * 1024,
                                              });
    return probe;
}

struct host_probe *host_probe_free(struct host_probe *probe) {
    if (probe == NULL) {
        return NULL;
    }
    worker_pool_free(probe->mounts_pool);
    worker_pool_free(probe->files_pool);
    while (probe->jobs != NULL) {
        job_free(probe->jobs); /* those that lingered */
    }
    free(probe);
    return NULL;
}
