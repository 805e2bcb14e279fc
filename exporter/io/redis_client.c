/* SPDX-License-Identifier: Apache-2.0 */

/* Questions go out in the order of submission and Redis answers in that order: `first` is the one
 * whose reply is arriving. A question that was given up stays in the list, without its request,
 * until its reply has been thrown away. What is decided inside a function of the client (refusals,
 * abandoned requests, the end of the connection) is owed, and told from the deferred call.
 * The memory lives while `depth` callbacks of ours are on the stack, also when it was freed in one.
 */
#include "io/redis_client.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/mem.h"
#include "io/redis_failure.h"
#include "io/redis_reply.h"
#include "io/stream.h"

#define MOST_WORDS 1024

enum question_kind { ASK_REQUEST, ASK_AUTH, ASK_NAME, ASK_PING };

struct question {
    struct question *next;
    enum question_kind kind;
    bool sent, abandoned;
    size_t max_bytes;
    struct client_request request;
};

/* A request that has failed and does not know yet. */
struct owed {
    struct owed *next;
    struct client_request request;
    struct client_failure failure;
};

struct redis_client {
    struct client client;
    struct loop *loop;
    struct redis_options options;
    struct stream *stream;
    struct loop_deferred *deferred;
    redisReader *parser;
    struct redis_reply reply;
    size_t reply_bytes; /* fed since the present reply began */
    struct question *first, *last;
    struct owed *owed, *last_owed;
    struct strbuf unsent;
    struct client_failure failure; /* why the connection ended */
    bool end_told;
    unsigned depth;
    bool freed;
};

static struct redis_client *redis_of(struct client *client) {
    return container_of(client, struct redis_client, client);
}

/* ---- the parser's callbacks: NULL makes hiredis stop with an error ---- */

static struct redis_node *parent_of(const redisReadTask *task) {
    return task->parent != NULL ? task->parent->obj : NULL;
}

static void *create_string(const redisReadTask *task, char *data, size_t len) {
    enum tree_type type = task->type == REDIS_REPLY_ERROR ? TREE_ERROR : TREE_TEXT;
    return redis_reply_add(task->privdata, parent_of(task), type, (struct str){data, len}, 0);
}

static void *create_integer(const redisReadTask *task, long long value) {
    char digits[32];
    int len = snprintf(digits, sizeof(digits), "%lld", value);
    return redis_reply_add(task->privdata, parent_of(task), TREE_INTEGER,
                           (struct str){digits, (size_t)len}, value);
}

static void *create_nil(const redisReadTask *task) {
    return redis_reply_add(task->privdata, parent_of(task), TREE_NIL, (struct str){0}, 0);
}

#if HIREDIS_MAJOR >= 1
/* RESP3, which nobody has asked for, is refused: maps and sets come here, too. */
static void *create_array(const redisReadTask *task, size_t n_items) {
    bool resp2 = task->type == REDIS_REPLY_ARRAY;
    return resp2 ? redis_reply_add_list(task->privdata, parent_of(task), n_items) : NULL;
}

static void *create_double(const redisReadTask *task, double value, char *text, size_t len) {
    return NULL;
}

static void *create_bool(const redisReadTask *task, int value) {
    return NULL;
}
#else
static void *create_array(const redisReadTask *task, int n_items) {
    return redis_reply_add_list(task->privdata, parent_of(task),
                                n_items >= 0 ? (size_t)n_items : SIZE_MAX);
}
#endif

/* Values live in the reply's memory. */
static void free_object(void *object) {
}

/* Not const only because hiredis does not ask for const. */
static redisReplyObjectFunctions parser_functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
    .freeObject = free_object,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
};

/* ---- what is owed ---- */

static void owe(struct redis_client *redis, const struct client_request *request,
                const struct client_failure *failure) {
    struct owed *owed = mem_alloc(sizeof(*owed));
    *owed = (struct owed){.request = *request, .failure = *failure};
    if (redis->owed == NULL) {
        redis->owed = owed;
    } else {
        redis->last_owed->next = owed;
    }
    redis->last_owed = owed;
    if (!redis->freed) {
        loop_deferred_arm(redis->deferred);
    }
}

static void pay(struct redis_client *redis) {
    struct owed *owed = redis->owed;
    redis->owed = owed->next;
    owed->request.done(owed->request.userdata, NULL, &owed->failure);
    free(owed);
}

static void release(struct redis_client *redis) {
    if (--redis->depth == 0 && redis->freed) {
        free(redis);
    }
}

/* ---- questions ---- */

static struct question *take_first(struct redis_client *redis) {
    struct question *question = redis->first;
    redis->first = question->next;
    if (redis->first == NULL) {
        redis->last = NULL;
    }
    return question;
}

/* Makes all open requests fail: they are owed their answer, and leave their questions. */
static void fail_open(struct redis_client *redis, const struct client_failure *failure) {
    for (struct question *question = redis->first; question != NULL; question = question->next) {
        if (question->kind == ASK_REQUEST && !question->abandoned) {
            owe(redis, &question->request, failure);
        }
        question->abandoned = true;
    }
}

static void drop_questions(struct redis_client *redis) {
    while (redis->first != NULL) {
        free(take_first(redis));
    }
    strbuf_clear(&redis->unsent);
}

/* Return: 0, or -EINVAL for words that make no command. */
static int add_command(struct redis_client *redis, const struct str *words, size_t n_words) {
    const char *texts[MOST_WORDS];
    size_t lengths[MOST_WORDS];
    if (n_words == 0 || n_words > MOST_WORDS) {
        return -EINVAL;
    }
    for (size_t i = 0; i < n_words; i++) {
        texts[i] = words[i].data != NULL ? words[i].data : "";
        lengths[i] = words[i].len;
    }
    char *command = NULL;
    long long len = redisFormatCommandArgv(&command, (int)n_words, texts, lengths);
    if (len < 0) {
        return -EINVAL;
    }
    strbuf_add(&redis->unsent, command, (size_t)len);
    explicit_bzero(command, (size_t)len); /* AUTH is one of them */
    redisFreeCommand(command);
    return 0;
}

static void add_question(struct redis_client *redis, enum question_kind kind,
                         const struct client_request *request) {
    struct question *question = mem_alloc(sizeof(*question));
    *question = (struct question){
        .kind = kind, .request = *request, .max_bytes = request->limits.max_bytes};
    if (question->max_bytes == 0) {
        question->max_bytes = CLIENT_MOST_BYTES;
    }
    if (redis->last == NULL) {
        redis->first = question;
    } else {
        redis->last->next = question;
    }
    redis->last = question;
}

static void send_unsent(struct redis_client *redis) {
    for (struct question *question = redis->first; question != NULL; question = question->next) {
        question->sent = true;
    }
    if (redis->unsent.len > 0) {
        stream_write(redis->stream, redis->unsent.data, redis->unsent.len);
        explicit_bzero(redis->unsent.data, redis->unsent.len);
        strbuf_clear(&redis->unsent);
    }
}

/* ---- the end of the connection, and its beginning ---- */

static void end(struct redis_client *redis, const struct client_failure *failure) {
    redis->failure = *failure;
    redis->failure.connection = true;
    redis->client.state = CLIENT_ENDED;
    redis->stream = stream_free(redis->stream);
    fail_open(redis, &redis->failure);
    drop_questions(redis);
    loop_deferred_arm(redis->deferred);
}

static void end_with(struct redis_client *redis, enum client_reason reason, const char *why) {
    struct client_failure failure = {.end = CLIENT_ALIVE, .reason = reason};
    error_say(&failure.error, reason == REASON_TOO_LARGE ? -E2BIG : -EPROTO, "%s", why);
    end(redis, &failure);
}

static void ask_first(struct redis_client *redis, enum question_kind kind, const char *const *texts,
                      size_t n_texts) {
    struct str words[3];
    for (size_t i = 0; i < n_texts; i++) {
        words[i] = str_of(texts[i]);
    }
    if (add_command(redis, words, n_texts) == 0) {
        add_question(redis, kind, &(struct client_request){0});
    }
}

static void on_securing(void *userdata) {
    struct redis_client *redis = userdata;
    redis->client.stage = "the TLS handshake (is it a TLS port?)";
}

static void on_connected(void *userdata) {
    struct redis_client *redis = userdata;
    redis->client.stage = NULL;
    const struct redis_options *options = &redis->options;
    const char *password = options->password != NULL ? options->password : "";
    if (options->user != NULL) {
        ask_first(redis, ASK_AUTH, (const char *[]){"AUTH", options->user, password}, 3);
    } else if (options->password != NULL) {
        ask_first(redis, ASK_AUTH, (const char *[]){"AUTH", password}, 2);
    }
    if (!options->sentinel) {
        ask_first(redis, ASK_NAME, (const char *[]){"CLIENT", "SETNAME", "dbvitals"}, 3);
    }
    ask_first(redis, ASK_PING, (const char *[]){"PING"}, 1);
    send_unsent(redis);
}

static void now_ready(struct redis_client *redis) {
    redis->client.state = CLIENT_READY;
    const struct client_hello hello = {.connect_usec =
                                           loop_now_usec(redis->loop) - redis->client.opened_usec};
    redis->client.events.ready(redis->client.events.userdata, &hello);
}

/* ---- replies ---- */

static void take_opening_reply(struct redis_client *redis, enum question_kind kind,
                               const struct redis_node *reply) {
    struct client_failure failure = {0};
    bool failed = reply->type == TREE_ERROR;
    if (failed) {
        redis_failure_from_text(reply->text, redis->options.password, &failure);
    }
    /* Whatever else an answer to AUTH says, we have not got in. */
    bool not_in = failed && kind == ASK_AUTH;
    if (not_in && failure.reason != REASON_CONNECTIONS && failure.reason != REASON_STARTING) {
        failure.reason = REASON_AUTH;
    }
    if (not_in || (failed && !redis_failure_is_usable(&failure))) {
        end(redis, &failure);
    } else if (kind == ASK_PING) {
        now_ready(redis);
    }
}

static void take_reply(struct redis_client *redis, const struct question *question,
                       const struct redis_node *reply) {
    const struct client_request *request = &question->request;
    if (question->kind != ASK_REQUEST) {
        take_opening_reply(redis, question->kind, reply);
    } else if (question->abandoned) {
        return;
    } else if (reply->type == TREE_ERROR) {
        struct client_failure failure;
        redis_failure_from_text(reply->text, redis->options.password, &failure);
        request->done(request->userdata, NULL, &failure);
    } else if (redis->reply.scratch.used_bytes + request->arena->used_bytes >
               CLIENT_MOST_ARENA_BYTES) {
        struct client_failure failure = {.end = CLIENT_ALIVE, .reason = REASON_TOO_LARGE};
        error_say(&failure.error, -E2BIG, "the replies are larger than %zu bytes together",
                  CLIENT_MOST_ARENA_BYTES);
        request->done(request->userdata, NULL, &failure);
    } else {
        const struct client_reply answer = {.tree = redis_reply_copy(reply, request->arena)};
        request->done(request->userdata, &answer, NULL);
    }
}

/* Said without being asked: a server that hangs up may tell why. */
static void take_unasked(struct redis_client *redis, const struct redis_node *reply) {
    if (reply->type == TREE_ERROR) {
        struct client_failure failure;
        redis_failure_from_text(reply->text, redis->options.password, &failure);
        end(redis, &failure);
    } else {
        end_with(redis, REASON_PROTOCOL, "the server sent a reply that nobody had asked for");
    }
}

/* Takes one whole reply from what has arrived. Return: false when there is none (any more). */
static bool take_next(struct redis_client *redis) {
    struct question *question = redis->first;
    size_t max_bytes = question != NULL ? question->max_bytes : CLIENT_MOST_BYTES;
    redis->reply.max_bytes = max_bytes;
    redis->reply.skip = question != NULL && question->abandoned;
    void *reply = NULL;
    if (redisReaderGetReply(redis->parser, &reply) != REDIS_OK) {
        if (redis->reply.too_large) {
            end_with(redis, REASON_TOO_LARGE, "the reply is larger than allowed");
        } else {
            end_with(redis, REASON_PROTOCOL, "what the server sent is not the Redis protocol");
        }
        return false;
    }
    if (reply == NULL) {
        if (redis->reply_bytes > max_bytes) {
            end_with(redis, REASON_TOO_LARGE, "the reply is larger than allowed");
        }
        return false;
    }
    redis->reply_bytes = redis->parser->len - redis->parser->pos;
    if (question == NULL) {
        take_unasked(redis, reply);
        return false;
    }
    take_first(redis);
    take_reply(redis, question, reply);
    free(question);
    redis_reply_clear(&redis->reply);
    return !redis->freed && redis->client.state != CLIENT_ENDED;
}

static void on_received(void *userdata, const char *data, size_t len) {
    struct redis_client *redis = userdata;
    redis->depth++;
    redis->reply_bytes += len;
    if (redisReaderFeed(redis->parser, data, len) != REDIS_OK) {
        end_with(redis, REASON_TOO_LARGE, "no memory for the reply");
    } else {
        while (take_next(redis)) {}
    }
    if (!redis->freed && redis->client.state == CLIENT_DRAINING && redis->first == NULL) {
        loop_deferred_arm(redis->deferred);
    }
    release(redis);
}

static void on_ended(void *userdata, const struct client_failure *failure) {
    end(userdata, failure);
}

static void on_deferred(void *userdata) {
    struct redis_client *redis = userdata;
    redis->depth++;
    /* What an answer's callback submits and is refused would be owed again: not in this turn. */
    for (const struct owed *last = redis->last_owed; !redis->freed && redis->owed != NULL;) {
        bool was_last = redis->owed == last;
        pay(redis);
        if (was_last) {
            break;
        }
    }
    if (redis->freed || redis->owed != NULL) {
        if (!redis->freed) {
            loop_deferred_arm(redis->deferred);
        }
    } else if (redis->client.state == CLIENT_ENDED && !redis->end_told) {
        redis->end_told = true;
        redis->client.events.ended(redis->client.events.userdata, &redis->failure);
    } else if (redis->client.state == CLIENT_DRAINING && redis->first == NULL) {
        redis->client.state = CLIENT_READY;
        redis->client.events.drained(redis->client.events.userdata);
    }
    release(redis);
}

/* ---- the client's operations ---- */

static void redis_open(struct client *client) {
    struct redis_client *redis = redis_of(client);
    client->opened_usec = loop_now_usec(redis->loop);
    client->state = CLIENT_CONNECTING;
    stream_open(redis->stream);
}

static void redis_submit(struct client *client, const struct client_request *request) {
    struct redis_client *redis = redis_of(client);
    struct client_failure failure = {.end = CLIENT_OURS, .reason = REASON_CANCELED};
    if (client->state == CLIENT_ENDED) {
        owe(redis, request, &redis->failure);
    } else if (client->state != CLIENT_READY) {
        error_say(&failure.error, -ENOTCONN, "the connection is not ready for requests");
        owe(redis, request, &failure);
    } else if (add_command(redis, request->words, request->n_words) < 0) {
        failure.reason = REASON_LOCAL;
        error_say(&failure.error, -EINVAL, "a command needs 1 to %d words", MOST_WORDS);
        owe(redis, request, &failure);
    } else {
        add_question(redis, ASK_REQUEST, request);
    }
}

static void redis_flush(struct client *client) {
    if (client->state == CLIENT_READY) {
        send_unsent(redis_of(client));
    }
}

/* Questions that were never sent are at the end of the list. */
static void drop_unsent(struct redis_client *redis) {
    struct question **at = &redis->first;
    redis->last = NULL;
    while (*at != NULL && (*at)->sent) {
        redis->last = *at;
        at = &(*at)->next;
    }
    struct question *unsent = *at;
    *at = NULL;
    while (unsent != NULL) {
        struct question *next = unsent->next;
        free(unsent);
        unsent = next;
    }
    strbuf_clear(&redis->unsent);
}

static void redis_abandon(struct client *client, const char *why) {
    struct redis_client *redis = redis_of(client);
    if (client->state != CLIENT_READY) {
        return;
    }
    struct client_failure failure = {.end = CLIENT_SILENT, .reason = REASON_TIMEOUT};
    error_say(&failure.error, -ETIMEDOUT, "%s", why);
    fail_open(redis, &failure);
    drop_unsent(redis);
    client->state = CLIENT_DRAINING;
    loop_deferred_arm(redis->deferred);
}

static void redis_free(struct client *client) {
    struct redis_client *redis = redis_of(client);
    if (redis->freed) {
        return;
    }
    redis->freed = true;
    redis->depth++;
    client->state = CLIENT_ENDED;
    struct client_failure failure = {
        .end = CLIENT_OURS, .reason = REASON_CANCELED, .connection = true};
    error_say(&failure.error, -ECANCELED, "the connection was closed by us");
    redis->failure = failure;
    redis->deferred = loop_deferred_free(redis->deferred);
    redis->stream = stream_free(redis->stream);
    fail_open(redis, &failure);
    while (redis->owed != NULL) {
        pay(redis);
    }
    drop_questions(redis);
    redisReaderFree(redis->parser);
    redis_reply_deinit(&redis->reply);
    strbuf_deinit_secret(&redis->unsent);
    redis_options_deinit(&redis->options);
    release(redis);
}

struct client *redis_client_new(struct loop *loop, struct resolver *resolver,
                                struct tls_contexts *tls_contexts,
                                const struct redis_options *options,
                                const struct client_events *events) {
    static const struct client_ops ops = {
        .open = redis_open,
        .submit = redis_submit,
        .flush = redis_flush,
        .abandon = redis_abandon,
        .free = redis_free,
    };
    struct redis_client *redis = mem_alloc(sizeof(*redis));
    redis->client = (struct client){.ops = &ops, .events = *events, .state = CLIENT_IDLE};
    redis->loop = loop;
    redis_options_copy(options, &redis->options);
    const struct stream_address address = {
        .host = options->host,
        .port = options->port,
        .socket_path = options->socket_path,
        .tls = options->tls.enabled ? &options->tls : NULL,
        .tls_contexts = tls_contexts,
    };
    const struct stream_events stream_events = {
        .securing = on_securing,
        .connected = on_connected,
        .received = on_received,
        .ended = on_ended,
        .userdata = redis,
    };
    redis->stream = stream_new(loop, resolver, &address, &stream_events);
    redis->deferred = loop_deferred_new(loop, on_deferred, redis);
    redis->parser = redisReaderCreateWithFunctions(&parser_functions);
    if (redis->parser == NULL) {
        abort(); /* out of memory, as in base/mem.h */
    }
    redis->parser->privdata = &redis->reply;
    return &redis->client;
}
