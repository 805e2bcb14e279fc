/* SPDX-License-Identifier: Apache-2.0 */

/* struct web as its pages see it, and the pages: functions that fill an answer from what the
 * sampler and the store know. None of them waits for anything. */
#pragma once

#include "web/agent_answer.h"
#include "web/request.h"
#include "web/scrape_rhythm.h"
#include "web/web.h"

struct agent;
struct api;
struct auth;
struct server;
struct tls_server;
struct waiting_scrape;

struct web {
    struct web_sources sources;
    char *telemetry_path;  /* owned, as all text here */
    char *route_prefix;    /* "" or "/db" */
    char *external_host;   /* of external_url: "host:port"; NULL: the Host header */
    char *external_scheme; /* "http" or "https" */
    char *link_prefix;     /* what links begin with: external_url's path or the prefix */
    char *landing_url;     /* link_prefix and "/" */
    char *instance;        /* of our own series; NULL: where a request reached us */
    char *version, *revision;
    char *control_path; /* NULL: there is none */
    struct auth *auth;
    struct tls_server *tls;                      /* NULL: without TLS */
    struct web_header headers[WEB_MOST_HEADERS]; /* of every answer */
    size_t n_headers;
    char **admins; /* users who may change something */
    size_t n_admins;
    bool enable_lifecycle;
    int64_t start_ms;
    unsigned max_connections, idle_seconds;
    struct server **servers;
    size_t n_servers;
    struct agent **agents;
    size_t n_agents;
    struct agent_memory agent_memory;
    struct loop_timer *leave_timer;
    void (*left)(void *userdata);
    void *left_userdata;
    struct waiting_scrape *waiting; /* of metrics.c */
    struct loop_deferred *prepare;  /* calls metrics_prepare() */
    unsigned preparing_turns;
    struct api *api; /* of api_question.c */
    struct scrape_rhythm rhythm;
    bool said_rhythm;
};

/* Exposition of all targets or, with ?target=, of one. */
void page_metrics(struct web *web, const struct web_request *request, struct web_answer *ret);
/* The same, but a target must be named. */
void page_probe(struct web *web, const struct web_request *request, struct web_answer *ret);

/* The same as JSON, with what the last minute comes to. */
void page_metrics_json(struct web *web, const struct web_request *request, struct web_answer *ret);

/* The series of a target by its name, the daemon's own included. Return: NULL when it has none. */
struct store_source *page_find_source(const struct web *web, struct str name);

/* 404, with the name that may have been meant. */
void page_answer_unknown(const struct web *web, const struct web_request *request, struct str name,
                         struct web_answer *ret);

/* A body that comes from the reader, which is taken over. */
struct exposition_reader;
struct web_reader page_reader(struct exposition_reader *reader);

/* Goes on with what scrapes of a large fleet wait for; and gives them up, once servers are gone. */
void metrics_prepare(void *userdata);
void metrics_drop_waiting(struct web *web);

void page_alive(struct web *web, const struct web_request *request, struct web_answer *ret);
void page_ready(struct web *web, const struct web_request *request, struct web_answer *ret);
void page_health(struct web *web, const struct web_request *request, struct web_answer *ret);
void page_health_detailed(struct web *web, const struct web_request *request,
                          struct web_answer *ret);

/* Whether clients should be sent to a target. */
void page_advice(struct web *web, const struct web_request *request, struct web_answer *ret);

void page_service_discovery(struct web *web, const struct web_request *request,
                            struct web_answer *ret);
/* The newest samples of selected series, for another Prometheus. */
void page_federate(struct web *web, const struct web_request *request, struct web_answer *ret);

void page_landing(struct web *web, const struct web_request *request, struct web_answer *ret);
/* Leads to the part of that page that has the path's name. */
void page_section(struct web *web, const struct web_request *request, struct web_answer *ret);
/* The page that asks the API. */
void page_query(struct web *web, const struct web_request *request, struct web_answer *ret);

void page_reload(struct web *web, const struct web_request *request, struct web_answer *ret);
void page_log_level(struct web *web, const struct web_request *request, struct web_answer *ret);

/* A guessed target that never answered is no target yet for anybody who asks. */
static inline bool page_shows(const struct target_view *target) {
    return target->source != NULL;
}

/* "host:port" under which the client reaches us. */
struct str page_our_address(const struct web *web, const struct web_request *request);

/* How all shown targets are, together. */
struct page_summary {
    unsigned up, down, pending;
    bool required_down; /* or its breaker is open */
    bool failing_collectors;
    unsigned retry_after;
};
struct page_summary page_sum_up(const struct web *web);

/* The server's version for people, "15.2" or "7.0.15". Return: out, or NULL when it is not known.
 */
const char *page_version(const struct target_view *target, char out[40]);

/* Whether sampling of the target is held back by its breaker. */
bool page_breaker_is_open(const struct target_view *target);
