/* SPDX-License-Identifier: Apache-2.0 */

/* What Redis and Sentinel answer: any bytes, in pieces of any size, through the client's reader and
 * limits into replies, and these through any of their collectors to valid pages. The head is
 * "redis_info 70015 64 0": a collector, the server's version, the size of the pieces, and bits of
 * enum how; then comes what the server says. */

#include "base/macros.h"
#include "collect.h"
#include "fake_stream.h"
#include "fuzz.h"
#include "io/redis_client.h"

#define MOST_BYTES  20000
#define MOST_TURNS  100
#define MOST_PIECES 500

enum how {
    HOW_GREETING = 1,     /* the bytes begin with the answers to the greeting */
    HOW_ABANDON = 2,      /* half-way it is too late, and what else comes is thrown away */
    HOW_FREE = 4,         /* the first answer ends the client */
    HOW_SMALL_LIMIT = 8,  /* replies have at most 100 bytes */
    HOW_STAYS_SILENT = 16 /* the connection is not closed at the end */
};

struct attempt {
    struct loop *loop;
    struct client *client;
    uint64_t how;
    struct collect collect;
    struct tree *follow_ups;
    size_t n_follow_ups;
    size_t asked, answered, failed, ready, ended;
};

/* A follow-up: which of them it is. */
struct follow_up {
    struct attempt *attempt;
    size_t index;
};

static void check_outcome(const struct client_reply *reply, const struct client_failure *failure) {
    must((reply != NULL) != (failure != NULL));
    must(reply == NULL ||
         (reply->tree != NULL && reply->table == NULL && reply->tree->type != TREE_ERROR));
    must(failure == NULL || (error_is_set(&failure->error) && failure->error.text[0] != '\0' &&
                             failure->reason < REASON_COUNT));
}

static void note(struct attempt *attempt, const struct client_reply *reply,
                 const struct client_failure *failure) {
    check_outcome(reply, failure);
    attempt->answered++;
    attempt->failed += failure != NULL;
    must(attempt->answered <= attempt->asked);
    if ((attempt->how & HOW_FREE) != 0 && attempt->client != NULL) {
        attempt->client = client_free(take_ptr(attempt->client));
    }
}

static void submit(struct attempt *attempt, const struct str *words, size_t n_words,
                   void (*done)(void *, const struct client_reply *, const struct client_failure *),
                   void *userdata) {
    size_t most = (attempt->how & HOW_SMALL_LIMIT) != 0 ? 100 : MOST_BYTES;
    attempt->asked++;
    client_submit(attempt->client, &(struct client_request){.words = words,
                                                            .n_words = n_words,
                                                            .limits = {.max_bytes = most},
                                                            .arena = &attempt->collect.arena,
                                                            .done = done,
                                                            .userdata = userdata});
}

static void follow_up_done(void *userdata, const struct client_reply *reply,
                           const struct client_failure *failure) {
    struct follow_up *follow_up = userdata;
    struct attempt *attempt = follow_up->attempt;
    struct tree error = {.type = TREE_ERROR, .text = str_of("refused")};
    attempt->follow_ups[follow_up->index] = reply != NULL ? *reply->tree : error;
    note(attempt, reply, failure);
    if (--attempt->n_follow_ups == 0) {
        collect_decode(&attempt->collect);
    }
}

/* Return: how many follow-up commands were sent. */
static size_t send_follow_ups(struct attempt *attempt) {
    struct collect *collect = &attempt->collect;
    struct request_list requests = {0};
    if (attempt->client == NULL || !collect_expand(collect, &requests)) {
        return 0;
    }
    size_t count = requests.n_commands;
    attempt->follow_ups = arena_array(&collect->arena, count, sizeof(*attempt->follow_ups));
    attempt->n_follow_ups = count;
    collect->answer.follow_ups = attempt->follow_ups;
    collect->answer.n_follow_ups = count;
    for (size_t i = 0; i < count; i++) {
        struct follow_up *follow_up = arena_alloc(&collect->arena, sizeof(*follow_up));
        *follow_up = (struct follow_up){attempt, i};
        submit(attempt, requests.commands[i].words, requests.commands[i].n_words, follow_up_done,
               follow_up);
    }
    client_flush(attempt->client);
    return count;
}

static void done(void *userdata, const struct client_reply *reply,
                 const struct client_failure *failure) {
    struct attempt *attempt = userdata;
    note(attempt, reply, failure);
    if (reply != NULL && collect_take(&attempt->collect, reply) && send_follow_ups(attempt) == 0) {
        collect_decode(&attempt->collect);
    }
}

static void done_again(void *userdata, const struct client_reply *reply,
                       const struct client_failure *failure) {
    note(userdata, reply, failure);
}

/* The collector's command, and another one whose reply is only read. */
static void ask(struct attempt *attempt) {
    struct str words[16], rest = str_of(attempt->collect.query->text), ping = str_of("PING");
    size_t n_words = 0;
    while (rest.len > 0 && n_words < ARRAY_LEN(words)) {
        words[n_words++] = str_cut(&rest, ' ');
    }
    submit(attempt, words, n_words, done, attempt);
    submit(attempt, &ping, 1, done_again, attempt);
    client_flush(attempt->client);
}

static void on_ready(void *userdata, const struct client_hello *hello) {
    struct attempt *attempt = userdata;
    must(++attempt->ready == 1 && attempt->client->state == CLIENT_READY);
    ask(attempt);
}

static void on_drained(void *userdata) {
    const struct attempt *attempt = userdata;
    must(attempt->answered == attempt->asked);
}

static void on_ended(void *userdata, const struct client_failure *failure) {
    struct attempt *attempt = userdata;
    must(++attempt->ended == 1 && attempt->answered == attempt->asked);
    check_outcome(NULL, failure);
    must(failure->connection);
}

static void turn(struct attempt *attempt) {
    for (int i = 0; i < MOST_TURNS && loop_run_once(attempt->loop, 0) > 0; i++) {}
}

static void receive(struct attempt *attempt, struct str bytes) {
    if (attempt->client != NULL && fake_stream_last() != NULL && bytes.len > 0) {
        fake_stream_receive(fake_stream_last(), bytes);
    }
}

static void receive_all(struct attempt *attempt, struct str bytes, size_t piece_size) {
    size_t half = bytes.len / 2;
    if (piece_size < bytes.len / MOST_PIECES + 1) {
        piece_size = bytes.len / MOST_PIECES + 1;
    }
    for (size_t at = 0; at < bytes.len; at += piece_size) {
        size_t len = bytes.len - at < piece_size ? bytes.len - at : piece_size;
        if ((attempt->how & HOW_ABANDON) != 0 && at >= half && attempt->client != NULL) {
            attempt->how &= ~(uint64_t)HOW_ABANDON;
            client_abandon(attempt->client, "too late");
        }
        receive(attempt, (struct str){bytes.data + at, len});
        turn(attempt);
    }
}

static void attempt_run(struct attempt *attempt, struct str bytes, size_t piece_size) {
    static char host[] = "127.0.0.1";
    const struct redis_options options = {.host = host, .port = 6379};
    const struct client_events events = {on_ready, on_drained, on_ended, attempt};
    attempt->client = redis_client_new(attempt->loop, NULL, NULL, &options, &events);
    client_open(attempt->client);
    fake_stream_connect(fake_stream_last());
    if ((attempt->how & HOW_GREETING) == 0) {
        receive(attempt, str_of("+OK\r\n+PONG\r\n"));
    }
    receive_all(attempt, bytes, piece_size);
    if ((attempt->how & HOW_STAYS_SILENT) == 0 && attempt->client != NULL &&
        fake_stream_last() != NULL) {
        fake_stream_close(fake_stream_last());
        turn(attempt);
        must(attempt->client == NULL || attempt->ended == 1);
    }
    client_free(take_ptr(attempt->client));
    must(attempt->answered == attempt->asked && fake_stream_last() == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct loop *loop;
    struct str text = fuzz_input(data, size), head = str_cut(&text, '\n');
    struct str word = str_cut(&head, ' '), version = str_cut(&head, ' ');
    size_t piece_size = fuzz_word(str_cut(&head, ' '));
    struct attempt attempt = {.how = fuzz_word(head)};
    must(loop != NULL || loop_new(&loop) == 0);
    attempt.loop = loop;
    if (collect_begin(&attempt.collect, word, KIND_REDIS, KIND_SENTINEL, fuzz_word(version))) {
        attempt_run(&attempt, text, piece_size);
        collect_end(&attempt.collect);
    }
    return 0;
}
