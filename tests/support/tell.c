/* SPDX-License-Identifier: Apache-2.0 */

/* usage: tell KIND [NAME=VALUE]...
 *
 * Makes one attempt, or attempts=N, to tell a receiver of a notification, and prints a line for
 * each: what became of it, the seconds of Retry-After, and why. The names are those of the
 * configuration: url, user, password, credentials, routing_key, from, to (several times), ca_file,
 * server_name, require_tls, timeout_ms, command (several times); alerts=N makes it about N alerts,
 * resolved=1 about what is over. The last line tells how long the loop stood still at most, in
 * milliseconds. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/channel.h"
#include "base/duration.h"
#include "base/macros.h"

#define MOST_WORDS 16
#define STARTS_MS  ((int64_t)1767323045678) /* 2026-01-02T03:04:05.678Z */

struct asked {
    struct channel_options options;
    char *to[MOST_WORDS], *command[MOST_WORDS + 1];
    size_t n_command;
    uint64_t attempts, alerts, resolved;
};

static void read_number(const char *text, uint64_t *ret) {
    if (!str_to_uint64(str_of(text), ret)) {
        (void)fprintf(stderr, "tell: no number: %s\n", text);
        exit(2);
    }
}

static void read_word(struct asked *asked, const char *name, char *value) {
    struct channel_options *o = &asked->options;
    const struct {
        const char *name;
        char **text;
    } texts[] = {{"url", &o->http.url},
                 {"user", &o->http.user},
                 {"password", &o->http.password},
                 {"credentials", &o->http.credentials},
                 {"routing_key", &o->routing_key},
                 {"from", &o->from},
                 {"ca_file", &o->http.tls.ca_file},
                 {"server_name", &o->http.tls.server_name}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].text = value;
            return;
        }
    }
    uint64_t number = 0;
    if (strcmp(name, "to") == 0 && o->n_to < MOST_WORDS) {
        asked->to[o->n_to++] = value;
    } else if (strcmp(name, "command") == 0 && asked->n_command < MOST_WORDS) {
        asked->command[asked->n_command++] = value;
    } else if (strcmp(name, "require_tls") == 0) {
        o->require_tls = true;
    } else if (strcmp(name, "attempts") == 0) {
        read_number(value, &asked->attempts);
    } else if (strcmp(name, "alerts") == 0) {
        read_number(value, &asked->alerts);
    } else if (strcmp(name, "resolved") == 0) {
        read_number(value, &asked->resolved);
    } else if (strcmp(name, "timeout_ms") == 0) {
        read_number(value, &number);
        o->http.timeout_usec = number * USEC_PER_MSEC;
    } else {
        (void)fprintf(stderr, "tell: unknown: %s\n", name);
        exit(2);
    }
}

static void read_words(struct asked *asked, int argc, char **argv) {
    while (asked->options.kind < CHANNEL_KIND_COUNT && argc > 1 &&
           strcmp(channel_kind_names[asked->options.kind], argv[1]) != 0) {
        asked->options.kind++;
    }
    if (argc < 2 || asked->options.kind == CHANNEL_KIND_COUNT) {
        (void)fprintf(stderr, "usage: tell KIND [NAME=VALUE]...\n");
        exit(2);
    }
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value != NULL) {
            *value = '\0';
            read_word(asked, argv[i], value + 1);
        }
    }
    asked->options.to = asked->to;
    asked->options.command = asked->command;
}

static struct label *copy_labels(struct notification *made, const struct label *labels,
                                 size_t count) {
    struct label *copy = arena_array(&made->arena, count, sizeof(*copy));
    memcpy(copy, labels, count * sizeof(*copy));
    return copy;
}

static struct notification *make(const struct asked *asked) {
    /* A dot alone on its line ends a mail for a careless sender. */
    const struct label group = {str_of("cluster"), str_of("orders")};
    const struct label annotations[] = {
        {str_of("description"), str_of("caf\xc3\xa9 <b>&\n.\nFrom x")},
        {str_of("summary"), str_of("it is \"down\"")}};
    struct notification *made = notification_new();
    made->id = 0xabc;
    made->receiver = str_of("ops");
    made->group_key = str_of("{}:{cluster=\"orders\"}");
    made->group_labels = copy_labels(made, &group, 1);
    made->n_group_labels = 1;
    made->made_ms = STARTS_MS + 65000;
    made->alerts = arena_array(&made->arena, asked->alerts, sizeof(*made->alerts));
    for (; made->n_alerts < asked->alerts; made->n_alerts++) {
        char target[32];
        (void)snprintf(target, sizeof(target), "orders-%zu", made->n_alerts + 1);
        const struct label labels[] = {{str_of("alertname"), str_of("D\xc3\xb6wn")},
                                       {str_of("cluster"), str_of("orders")},
                                       {str_of("severity"), str_of("critical")},
                                       {str_of("target"), arena_dup(&made->arena, str_of(target))}};
        made->alerts[made->n_alerts] = (struct notification_alert){
            .id = made->n_alerts + 1,
            .generation = 1,
            .resolved = asked->resolved != 0,
            .labels = copy_labels(made, labels, ARRAY_LEN(labels)),
            .n_labels = ARRAY_LEN(labels),
            .annotations = copy_labels(made, annotations, ARRAY_LEN(annotations)),
            .n_annotations = ARRAY_LEN(annotations),
            .starts_ms = STARTS_MS,
            .ends_ms = asked->resolved != 0 ? STARTS_MS + 60000 : 0,
            .query = str_of("pg_up == 0"),
        };
    }
    return made;
}

static void done(void *userdata, enum channel_outcome outcome, const char *why,
                 uint64_t retry_after_usec) {
    printf("%s %" PRIu64 " %s\n", channel_outcome_names[outcome], retry_after_usec / USEC_PER_SEC,
           why);
    (void)fflush(stdout);
    *(bool *)userdata = true;
}

int main(int argc, char **argv) {
    struct asked asked = {.attempts = 1, .alerts = 1};
    CLEANUP(loop_freep)
    struct loop *loop = NULL;
    read_words(&asked, argc, argv);
    if (loop_new(&loop) < 0) {
        return 2;
    }
    CLEANUP(worker_pool_freep)
    struct worker_pool *pool = worker_pool_new(loop, NULL);
    CLEANUP(resolver_freep)
    struct resolver *resolver = resolver_new(loop, pool);
    CLEANUP(transfers_freep)
    struct transfers *transfers = transfers_new(loop, resolver);
    CLEANUP(processes_freep)
    struct processes *processes = processes_new(loop, 0);
    CLEANUP(channel_freep)
    struct channel *channel =
        channel_new(&(struct channel_parts){.loop = loop,
                                            .transfers = transfers,
                                            .processes = processes,
                                            .mailers = pool,
                                            .external_url = str_of("http://me:9719")},
                    "ops", &asked.options);
    CLEANUP(notification_freep)
    struct notification *notification = make(&asked);
    uint64_t longest_usec = 0;
    for (uint64_t i = 0; i < asked.attempts; i++) {
        bool ended = false;
        channel_send(channel, notification, done, &ended);
        while (!ended) {
            uint64_t before = loop_clock_usec();
            (void)loop_run_once(loop, USEC_PER_MSEC);
            uint64_t took = loop_clock_usec() - before;
            longest_usec = took > longest_usec ? took : longest_usec;
        }
    }
    printf("%" PRIu64 "\n", longest_usec / USEC_PER_MSEC);
    return 0;
}
