/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals failover: shows what a running daemon knows of the primaries that it watches and what it
 * has done, and gives it orders over its control socket. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/control.h"
#include "cli/failover_print.h"

#define DEFAULT_URL  "http://127.0.0.1:9719"
#define PATH         "/api/v1/failover"
#define SOCKET_URL   "http://dbvitals" PATH /* the host is the socket */
#define TIMEOUT_USEC (40 * USEC_PER_SEC)
#define MOST_BYTES   ((size_t)64 * 1024 * 1024)
#define POLL_NSEC    100000000L
#define MOST_POLLS   6000 /* ten minutes: a fence may take its time */

struct failover_flags {
    const char *words[2];
    size_t n_words;
    const char *to, *duration;
    const char *storage_path, *url;
    enum failover_format format;
    bool no_wait, help;
};

static const struct flag failover_flags[] = {
    {"COMMAND", FLAG_OPERANDS, offsetof(struct failover_flags, words),
     .count_offset = offsetof(struct failover_flags, n_words), .most = 2, .no_environment = true,
     .help = "list; show, approve or ack with the ID of a failover; switchover, test or "
             "maintenance with a CLUSTER."},
    {"--to", FLAG_TEXT, offsetof(struct failover_flags, to), .argument = "TARGET",
     .no_environment = true,
     .help = "switchover: the member to promote; not where a Sentinel chooses."},
    {"--for", FLAG_TEXT, offsetof(struct failover_flags, duration), .argument = "DURATION",
     .no_environment = true,
     .help = "maintenance: how long nothing is failed over, such as 1h; 0s ends it."},
    {"--format", FLAG_CHOICE, offsetof(struct failover_flags, format),
     .choices = failover_format_names, .argument = "FORMAT", .fallback = "table",
     .no_environment = true, .help = "table for people, or json."},
    {"--no-wait", FLAG_BOOL, offsetof(struct failover_flags, no_wait), .no_environment = true,
     .help = "Give the order, and do not wait for what becomes of it."},
    {"--storage.path", FLAG_TEXT, offsetof(struct failover_flags, storage_path), .argument = "DIR",
     .help = "The daemon's storage folder, in which its socket lies; for orders "
             "(" CLI_DEFAULT_STORAGE " by default), and for list and show in place of --url."},
    {"--url", FLAG_TEXT, offsetof(struct failover_flags, url), .argument = "URL",
     .fallback = DEFAULT_URL, .help = "list and show: where the daemon listens."},
    {"--help", FLAG_BOOL, offsetof(struct failover_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

/* ---- asking ---- */

static int ask_url(const char *base_url, struct arena *arena, const struct json_value **ret) {
    struct fetch_reply reply = {0};
    struct error err = {0};
    struct str base = str_drop_end(str_of(base_url), '/');
    const struct json_value *answer = NULL;
    char text[640] = "";
    CLEANUP(mem_freep)
    char *url = mem_printf("%.*s" PATH, (int)base.len, base.data);
    const struct fetch_options options = {
        .url = url, .timeout_usec = TIMEOUT_USEC, .most_bytes = MOST_BYTES};
    if (fetch_url(&options, &reply, &err) < 0) {
        snprintf(text, sizeof(text),
                 "'%.150s' cannot be asked: %s (--url names another daemon, --storage.path its "
                 "storage folder)",
                 base_url, err.text);
    } else if (reply.status != 200) {
        snprintf(text, sizeof(text), "'%.150s' answered with HTTP status %u", base_url,
                 reply.status);
    } else if (json_read(strbuf_view(&reply.body), arena, &answer, &err) < 0) {
        snprintf(text, sizeof(text), "the daemon's answer is no JSON");
    }
    fetch_reply_deinit(&reply);
    *ret = json_member(answer, "data");
    return text[0] == '\0' ? 0 : cli_fail(text);
}

static int ask_socket(const struct failover_flags *flags, struct arena *arena,
                      const struct json_value **ret) {
    return cli_control_ask(flags->storage_path != NULL ? flags->storage_path : CLI_DEFAULT_STORAGE,
                           &(struct fetch_options){.url = SOCKET_URL}, arena, ret);
}

static int ask(const struct failover_flags *flags, struct arena *arena,
               const struct json_value **ret) {
    return flags->storage_path != NULL ? ask_socket(flags, arena, ret)
                                       : ask_url(flags->url, arena, ret);
}

static const struct json_value *find_by(const struct json_value *list, const char *key,
                                        const char *text) {
    for (size_t i = 0; list != NULL && i < list->n_items; i++) {
        if (str_is(json_text_of(json_member(&list->items[i], key)), text)) {
            return &list->items[i];
        }
    }
    return NULL;
}

static const struct json_value *find_plan(const struct json_value *data, const char *id) {
    return find_by(json_member(data, "plans"), "id", id);
}

static int print(struct strbuf *out) {
    int status = cli_print(strbuf_view(out));
    strbuf_deinit(out);
    return status;
}

static int list(const struct failover_flags *flags, const char *subject) {
    struct arena arena = {0};
    struct strbuf out = {0};
    const struct json_value *data = NULL;
    (void)subject;
    int status = ask(flags, &arena, &data);
    if (status == 0) {
        failover_print_list(data, flags->format, &out);
        status = print(&out);
    }
    arena_deinit(&arena);
    return status;
}

static int show(const struct failover_flags *flags, const char *id) {
    struct arena arena = {0};
    struct strbuf out = {0};
    const struct json_value *data = NULL;
    int status = ask(flags, &arena, &data);
    const struct json_value *plan = find_plan(data, id);
    if (status == 0 && plan == NULL) {
        status = cli_fail("there is no such failover; 'dbvitals failover list' shows all of them");
    } else if (status == 0) {
        failover_print_plan(plan, flags->format, &out);
        status = print(&out);
    }
    arena_deinit(&arena);
    return status;
}

/* ---- orders ---- */

static int give(const struct failover_flags *flags, const struct strbuf *body) {
    struct arena arena = {0};
    const struct json_value *data = NULL;
    int status = cli_control_ask(
        flags->storage_path != NULL ? flags->storage_path : CLI_DEFAULT_STORAGE,
        &(struct fetch_options){.url = SOCKET_URL, .json = body->data, .method = "POST"}, &arena,
        &data);
    arena_deinit(&arena);
    return status;
}

/* {"order":...,KEY:subject}, to which the caller adds and which it closes. */
static struct json_writer begin_order(struct strbuf *body, const char *order, const char *key,
                                      const char *subject) {
    struct json_writer json = {.out = body};
    json_object_begin(&json, NULL);
    json_text(&json, "order", order);
    json_text(&json, key, subject);
    return json;
}

static int give_simple(const struct failover_flags *flags, const char *order, const char *key,
                       const char *subject) {
    struct strbuf body = {0};
    struct json_writer json = begin_order(&body, order, key, subject);
    json_object_end(&json);
    int status = give(flags, &body);
    strbuf_deinit(&body);
    return status;
}

enum progress { GOES_ON, IS_GOOD, IS_BAD };

/* What became of an order. shown: what is to be printed in the end. */
struct waiting {
    const char *subject;
    char newest[256]; /* of a switchover: the newest plan of the cluster before it */
    enum progress (*look)(const struct waiting *waiting, const struct json_value *data,
                          const struct json_value **ret_shown);
};

static const struct {
    const char *state;
    enum progress progress;
} ends[] = {
    {"done", IS_GOOD},  {"closed", IS_GOOD},    {"withdrawn", IS_BAD},
    {"failed", IS_BAD}, {"would_have", IS_BAD}, {"unknown", IS_BAD},
};

static enum progress progress_of(const struct json_value *plan) {
    struct str state = json_text_of(json_member(plan, "state"));
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (str_is(state, ends[i].state)) {
            return ends[i].progress;
        }
    }
    return GOES_ON;
}

static enum progress look_at_plan(const struct waiting *waiting, const struct json_value *data,
                                  const struct json_value **ret_shown) {
    *ret_shown = find_plan(data, waiting->subject);
    return progress_of(*ret_shown);
}

/* What only the lock knew is gone when it is acknowledged. */
static enum progress look_at_closed(const struct waiting *waiting, const struct json_value *data,
                                    const struct json_value **ret_shown) {
    *ret_shown = find_plan(data, waiting->subject);
    struct str state = json_text_of(json_member(*ret_shown, "state"));
    return *ret_shown == NULL || str_is(state, "closed") ? IS_GOOD : GOES_ON;
}

static const struct json_value *newest_plan(const struct json_value *data, const char *cluster) {
    return find_by(json_member(data, "plans"), "cluster", cluster); /* the newest is first */
}

static enum progress look_at_newest(const struct waiting *waiting, const struct json_value *data,
                                    const struct json_value **ret_shown) {
    const struct json_value *plan = newest_plan(data, waiting->subject);
    struct str id = json_text_of(json_member(plan, "id"));
    *ret_shown = plan;
    return id.len == 0 || str_is(id, waiting->newest) ? GOES_ON : progress_of(plan);
}

static enum progress look_at_rehearsal(const struct waiting *waiting, const struct json_value *data,
                                       const struct json_value **ret_shown) {
    const struct json_value *cluster =
        find_by(json_member(data, "clusters"), "cluster", waiting->subject);
    const struct json_value *rehearsal = json_member(cluster, "rehearsal");
    const struct json_value *running = json_member(rehearsal, "running");
    const struct json_value *good = json_member(rehearsal, "good");
    *ret_shown = rehearsal;
    if (running == NULL || running->truth) {
        return GOES_ON;
    }
    return good != NULL && good->truth ? IS_GOOD : IS_BAD;
}

static void show_end(const struct failover_flags *flags, const struct json_value *shown) {
    struct strbuf out = {0};
    struct str text = json_text_of(json_member(shown, "text"));
    if (flags->format == FAILOVER_JSON) {
        failover_print_json(shown, &out);
    } else if (text.len > 0) {
        strbuf_add_str(&out, text);
    } else {
        failover_print_plan(shown, FAILOVER_TABLE, &out);
    }
    (void)print(&out);
}

/* Return: 0 when it went well, 1 when not. */
static int wait_for(const struct failover_flags *flags, const struct waiting *waiting) {
    const struct timespec pause = {0, POLL_NSEC};
    for (int i = 0; i < MOST_POLLS; i++) {
        struct arena arena = {0};
        const struct json_value *data = NULL, *shown = NULL;
        int status = ask_socket(flags, &arena, &data);
        enum progress progress = status == 0 ? waiting->look(waiting, data, &shown) : IS_BAD;
        if (progress != GOES_ON) {
            if (shown != NULL) {
                show_end(flags, shown);
            }
            arena_deinit(&arena);
            return progress == IS_GOOD ? 0 : 1;
        }
        arena_deinit(&arena);
        (void)nanosleep(&pause, NULL);
    }
    return cli_fail("it is still under way; 'dbvitals failover list' tells what becomes of it");
}

static int accepted(const struct failover_flags *flags) {
    return flags->format == FAILOVER_JSON ? cli_print(str_of("{\"accepted\":true}\n"))
                                          : cli_print(str_of("accepted\n"));
}

static int finish(const struct failover_flags *flags, int status, const struct waiting *waiting) {
    if (status != 0) {
        return status;
    }
    return flags->no_wait ? accepted(flags) : wait_for(flags, waiting);
}

static int approve(const struct failover_flags *flags, const char *id) {
    const struct waiting waiting = {.subject = id, .look = look_at_plan};
    return finish(flags, give_simple(flags, "approve", "id", id), &waiting);
}

static int acknowledge(const struct failover_flags *flags, const char *id) {
    const struct waiting waiting = {.subject = id, .look = look_at_closed};
    return finish(flags, give_simple(flags, "ack", "id", id), &waiting);
}

static int rehearse(const struct failover_flags *flags, const char *cluster) {
    const struct waiting waiting = {.subject = cluster, .look = look_at_rehearsal};
    return finish(flags, give_simple(flags, "test", "cluster", cluster), &waiting);
}

static int switch_over(const struct failover_flags *flags, const char *cluster) {
    struct waiting waiting = {.subject = cluster, .look = look_at_newest};
    struct arena arena = {0};
    struct strbuf body = {0};
    const struct json_value *data = NULL;
    int status = ask_socket(flags, &arena, &data);
    if (status == 0) {
        struct str id = json_text_of(json_member(newest_plan(data, cluster), "id"));
        snprintf(waiting.newest, sizeof(waiting.newest), "%.*s", (int)id.len,
                 id.data != NULL ? id.data : "");
        struct json_writer json = begin_order(&body, "switchover", "cluster", cluster);
        if (flags->to != NULL) {
            json_text(&json, "to", flags->to);
        }
        json_object_end(&json);
        status = give(flags, &body);
    }
    strbuf_deinit(&body);
    arena_deinit(&arena);
    return finish(flags, status, &waiting);
}

static int announce(const struct failover_flags *flags, const char *cluster) {
    struct strbuf body = {0};
    struct error err = {0};
    uint64_t usec = 0;
    char text[320];
    if (flags->duration == NULL) {
        return cli_fail("maintenance needs --for DURATION, such as 1h; 0s ends it");
    }
    if (duration_parse(str_of(flags->duration), &usec, &err) < 0) {
        snprintf(text, sizeof(text), "--for: %s", err.text);
        return cli_fail(text);
    }
    struct json_writer json = begin_order(&body, "maintenance", "cluster", cluster);
    /* Rounded up: no seconds would end it. */
    json_uint(&json, "seconds", usec / USEC_PER_SEC + (usec % USEC_PER_SEC != 0));
    json_object_end(&json);
    int status = give(flags, &body);
    strbuf_deinit(&body);
    return status == 0 ? accepted(flags) : status;
}

static const struct {
    const char *name;
    const char *subject; /* what it is given; NULL: nothing */
    int (*run)(const struct failover_flags *flags, const char *subject);
} commands[] = {
    {"list", NULL, list},
    {"show", "the ID of a failover", show},
    {"approve", "the ID of a failover that waits", approve},
    {"ack", "the ID of a failover", acknowledge},
    {"switchover", "a CLUSTER", switch_over},
    {"test", "a CLUSTER", rehearse},
    {"maintenance", "a CLUSTER", announce},
};

int cli_failover(int argc, char **argv) {
    struct failover_flags flags = {0};
    int status = 0;
    char text[128];
    if (!cli_flags(
            failover_flags,
            "Usage: dbvitals failover COMMAND [ID|CLUSTER] [FLAGS]\n\nlist                       "
            "clusters, their members, and all failovers\nshow ID                    one failover "
            "with all that happened\napprove ID                 let one go on that waits (mode "
            "manual)\nack ID                     it was looked at: the next one may happen\n"
            "switchover CLUSTER --to T  make another member the primary, in good order\ntest "
            "CLUSTER               run all hooks with DBVITALS_DRY_RUN=1, and touch nothing\n"
            "maintenance CLUSTER --for D  fail nothing over for so long\n\nOrders go over the "
            "socket in the daemon's storage folder: run them as root or as its user.",
            offsetof(struct failover_flags, help), argc, argv, &flags, &status)) {
        return status;
    }
    for (size_t i = 0; flags.n_words > 0 && i < ARRAY_LEN(commands); i++) {
        if (strcmp(flags.words[0], commands[i].name) != 0) {
            continue;
        }
        if (flags.n_words != (commands[i].subject != NULL ? 2 : 1)) {
            snprintf(text, sizeof(text), "'%s' needs %s", commands[i].name,
                     commands[i].subject != NULL ? commands[i].subject : "nothing else");
            return cli_fail(text);
        }
        return commands[i].run(&flags, flags.words[1]);
    }
    return cli_fail("failover needs a command: list, show, approve, ack, switchover, test or "
                    "maintenance");
}
