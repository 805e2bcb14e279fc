/* SPDX-License-Identifier: Apache-2.0 */

/* Everything is answered from a deferred call: flush marks what may be answered, the deferred call
 * reads and answers it, one request after another. The client lives while `depth` of its calls are
 * on the stack, also when it was freed in an answer. */
#include "io/host_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/mem.h"
#include "io/host_mounts.h"
#include "io/host_read.h"

/* Shares of a round: who has been silent for so long hangs, and what is there then must do. */
#define PATIENCE_SHARE(timeout_usec) ((timeout_usec) / 4)
#define DEADLINE_SHARE(timeout_usec) ((timeout_usec) / 4 * 3)

struct host_client;

struct host_request {
    struct host_client *host;
    struct host_request *next;
    struct client_request request;
    struct host_ask *ask; /* a worker is at it */
    bool flushed;
    bool given_up; /* by client_abandon() */
    bool refused;  /* nobody may be asked */
};

struct host_client {
    struct client client; /* first */
    struct loop *loop;
    struct host_probe *probe; /* borrowed */
    struct host_options options;
    uint64_t timeout_usec;
    struct loop_deferred *deferred;
    struct host_request *first;
    char why[128]; /* it was abandoned */
    unsigned depth;
    bool freed;
};

static struct host_client *host_of(struct client *client) {
    return container_of(client, struct host_client, client);
}

static void release(struct host_client *host) {
    if (--host->depth == 0 && host->freed) {
        free(host);
    }
}

/* ---- answers ---- */

/* The last thing that is done with a request. */
static void answer(struct host_request *request, const struct client_reply *reply,
                   const struct client_failure *failure) {
    struct host_request **at = &request->host->first;
    while (*at != request) {
        at = &(*at)->next;
    }
    *at = request->next;
    if (request->ask != NULL) {
        host_ask_cancel(request->ask);
    }
    struct client_request asked = request->request;
    free(request);
    asked.done(asked.userdata, reply, failure);
}

static void answer_table(struct host_request *request, int r, const struct table *table,
                         const struct error *err) {
    struct client_failure failure = {.end = CLIENT_OURS, .reason = REASON_TOO_LARGE, .error = *err};
    struct client_reply reply = {.table = table};
    answer(request, r == 0 ? &reply : NULL, r == 0 ? NULL : &failure);
}

static void answer_errno(struct host_request *request, int r) {
    static const struct {
        int value;
        enum client_reason reason;
    } meanings[] = {
        {ENOENT, REASON_UNSUPPORTED},     {ENODEV, REASON_UNSUPPORTED},
        {EOPNOTSUPP, REASON_UNSUPPORTED}, {EACCES, REASON_PERMISSION},
        {EPERM, REASON_PERMISSION},       {E2BIG, REASON_TOO_LARGE},
    };
    struct client_failure failure = {.end = CLIENT_OURS, .reason = REASON_LOCAL};
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        if (meanings[i].value == -r) {
            failure.reason = meanings[i].reason;
        }
    }
    error_say(&failure.error, r, "'%.60s': %s", request->request.text, strerrordesc_np(-r));
    answer(request, NULL, &failure);
}

/* ---- what is asked in the loop ---- */

static void answer_file(struct host_request *request, const char *path) {
    struct strbuf text = {0};
    struct arena *arena = request->request.arena;
    int r = host_read_file(path, HOST_MOST_FILE_BYTES, &text);
    if (r < 0) {
        answer_errno(request, r);
    } else {
        struct tree *tree = arena_alloc(arena, sizeof(*tree));
        *tree = (struct tree){.type = TREE_TEXT, .text = arena_dup(arena, strbuf_view(&text))};
        answer(request, &(struct client_reply){.tree = tree}, NULL);
    }
    strbuf_deinit(&text);
}

static void answer_fields(struct host_request *request, struct str fields) {
    struct host_tree tree;
    struct error err = {0};
    const struct table *table = NULL;
    (void)host_tree_parse(request->request.text, &tree);
    int r = host_tree_table(&tree, fields, request->request.arena, &table, &err);
    answer_table(request, r, table, &err);
}

static void answer_tree(struct host_request *request, const struct host_tree *tree) {
    struct strbuf fields = {0};
    int r = host_read_tree(&request->host->options, tree, &fields);
    if (r < 0) {
        answer_errno(request, r);
    } else {
        answer_fields(request, strbuf_view(&fields));
    }
    strbuf_deinit(&fields);
}

/* One row. */
static void answer_row(struct host_request *request, const char *const *columns,
                       const char *const *cells, size_t count) {
    struct error err = {0};
    const struct table *table = NULL;
    struct table_builder builder = {.arena = request->request.arena,
                                    .limits = {.max_rows = 1,
                                               .max_columns = CLIENT_MOST_COLUMNS,
                                               .max_bytes = CLIENT_MOST_BYTES}};
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = table_builder_column(&builder, str_of(columns[i]), &err);
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = table_builder_cell(&builder, str_of(cells[i]), &err);
    }
    if (r == 0) {
        table = table_builder_end(&builder);
    }
    table_builder_deinit(&builder);
    answer_table(request, r, table, &err);
}

static void answer_uname(struct host_request *request) {
    static const char *const columns[] = {"sysname", "release",  "version",
                                          "machine", "nodename", "domainname"};
    struct utsname name;
    if (uname(&name) < 0) {
        answer_errno(request, -errno);
        return;
    }
    const char *const cells[] = {name.sysname, name.release,  name.version,
                                 name.machine, name.nodename, name.domainname};
    answer_row(request, columns, cells, ARRAY_LEN(columns));
}

static void answer_time(struct host_request *request) {
    static const char *const columns[] = {"seconds", "offset", "time_zone"};
    char seconds[32], offset[32];
    int64_t now_ms = loop_now_ms(request->host->loop);
    time_t now = (time_t)(now_ms / 1000);
    struct tm local = {0};
    (void)localtime_r(&now, &local);
    snprintf(seconds, sizeof(seconds), "%lld.%03d", (long long)now, (int)(now_ms % 1000));
    snprintf(offset, sizeof(offset), "%ld", local.tm_gmtoff);
    const char *const cells[] = {seconds, offset, local.tm_zone != NULL ? local.tm_zone : ""};
    answer_row(request, columns, cells, ARRAY_LEN(columns));
}

/* ---- what is asked in a worker ---- */

static void probe_done(void *userdata, const struct str *words,
                       const struct client_failure *failure) {
    struct host_request *request = userdata;
    struct host_client *host = request->host;
    struct error err = {0};
    const struct table *table = NULL;
    request->ask = NULL;
    host->depth++;
    if (words == NULL) {
        answer(request, NULL, failure);
    } else if (strcmp(request->request.text, HOST_STATVFS) == 0) {
        int r = host_mounts_table(*words, request->request.arena, &table, &err);
        answer_table(request, r, table, &err);
    } else {
        answer_fields(request, *words);
    }
    release(host);
}

static bool is_for_a_worker(const char *text) {
    return strcmp(text, HOST_STATVFS) == 0 || strncmp(text, "/sys/", strlen("/sys/")) == 0;
}

static void ask_probe(struct host_request *request) {
    struct host_client *host = request->host;
    request->ask =
        host_probe_ask(host->probe, &(struct host_probe_request){
                                        .text = request->request.text,
                                        .options = &host->options,
                                        .patience_usec = PATIENCE_SHARE(host->timeout_usec),
                                        .deadline_usec = loop_now_usec(host->loop) +
                                                         DEADLINE_SHARE(host->timeout_usec),
                                        .done = probe_done,
                                        .userdata = request,
                                    });
    request->refused = request->ask == NULL;
}

/* ---- the client ---- */

static void answer_now(struct host_request *request) {
    struct host_tree tree;
    const char *text = request->request.text;
    struct client_failure failure = {.end = CLIENT_SILENT, .reason = REASON_TIMEOUT};
    if (request->given_up) {
        error_say(&failure.error, -ETIMEDOUT, "%s", request->host->why);
        answer(request, NULL, &failure);
    } else if (request->refused) {
        error_say(&failure.error, -EBUSY,
                  "%d file systems hang: none is asked before one of them answers",
                  HOST_MOST_HANGING);
        answer(request, NULL, &failure);
    } else if (strcmp(text, "uname") == 0) {
        answer_uname(request);
    } else if (strcmp(text, "time") == 0) {
        answer_time(request);
    } else if (host_tree_parse(text, &tree)) {
        answer_tree(request, &tree);
    } else {
        char *path = host_options_path(&request->host->options, text);
        if (path == NULL) {
            answer_errno(request, -ENOENT);
        } else {
            answer_file(request, path);
        }
        free(path);
    }
}

static struct host_request *next_to_answer(const struct host_client *host) {
    struct host_request *request = host->first;
    while (request != NULL && (request->ask != NULL || (!request->flushed && !request->given_up))) {
        request = request->next;
    }
    return request;
}

static void on_deferred(void *userdata) {
    struct host_client *host = userdata;
    struct host_request *request;
    host->depth++;
    if (host->client.state == CLIENT_CONNECTING) {
        struct client_hello hello = {.connect_usec =
                                         loop_now_usec(host->loop) - host->client.opened_usec};
        host->client.state = CLIENT_READY;
        host->client.events.ready(host->client.events.userdata, &hello);
    }
    while (!host->freed && (request = next_to_answer(host)) != NULL) {
        answer_now(request);
    }
    if (!host->freed && host->client.state == CLIENT_DRAINING) {
        host->client.state = CLIENT_READY;
        host->client.events.drained(host->client.events.userdata);
    }
    release(host);
}

static void host_open(struct client *client) {
    struct host_client *host = host_of(client);
    client->state = CLIENT_CONNECTING;
    client->opened_usec = loop_now_usec(host->loop);
    loop_deferred_arm(host->deferred);
}

static void host_submit(struct client *client, const struct client_request *asked) {
    struct host_client *host = host_of(client);
    struct host_request **end = &host->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = mem_alloc(sizeof(**end));
    **end = (struct host_request){.host = host, .request = *asked};
}

static void host_flush(struct client *client) {
    struct host_client *host = host_of(client);
    if (client->state != CLIENT_READY) {
        return;
    }
    for (struct host_request *request = host->first; request != NULL; request = request->next) {
        if (!request->flushed) {
            request->flushed = true;
            if (is_for_a_worker(request->request.text)) {
                ask_probe(request);
            }
        }
    }
    loop_deferred_arm(host->deferred);
}

static void host_abandon(struct client *client, const char *why) {
    struct host_client *host = host_of(client);
    if (client->state != CLIENT_READY) {
        return;
    }
    snprintf(host->why, sizeof(host->why), "%s", why);
    for (struct host_request *request = host->first; request != NULL; request = request->next) {
        request->given_up = true;
        if (request->ask != NULL) {
            host_ask_cancel(request->ask);
            request->ask = NULL;
        }
    }
    client->state = CLIENT_DRAINING;
    loop_deferred_arm(host->deferred);
}

static void host_free(struct client *client) {
    struct host_client *host = host_of(client);
    if (host->freed) {
        return;
    }
    struct client_failure failure = {
        .end = CLIENT_OURS, .reason = REASON_CANCELED, .connection = true};
    error_say(&failure.error, -ECANCELED, "the target was closed by us");
    host->freed = true;
    host->depth++;
    client->state = CLIENT_ENDED;
    while (host->first != NULL) {
        answer(host->first, NULL, &failure);
    }
    host->deferred = loop_deferred_free(host->deferred);
    host_options_deinit(&host->options);
    release(host);
}

struct client *host_client_new(struct loop *loop, struct host_probe *probe,
                               const struct host_options *options, uint64_t timeout_usec,
                               const struct client_events *events) {
    static const struct client_ops ops = {
        .open = host_open,
        .submit = host_submit,
        .flush = host_flush,
        .abandon = host_abandon,
        .free = host_free,
    };
    struct host_client *host = mem_alloc(sizeof(*host));
    host->client = (struct client){.ops = &ops, .events = *events, .state = CLIENT_IDLE};
    host->loop = loop;
    host->probe = probe;
    host->timeout_usec = timeout_usec;
    host_options_copy(options, &host->options);
    host->deferred = loop_deferred_new(loop, on_deferred, host);
    return &host->client;
}
