/* SPDX-License-Identifier: Apache-2.0 */

/* How the primary of a cluster does, for another daemon that has lost it. */
#include "web/api.h"

#include "base/duration.h"
#include "base/mem.h"
#include "failover/watch.h"
#include "web/api_json.h"
#include "web/api_question.h"
#include "web/server.h"

#define DEFAULT_WAIT_MS 250
#define MOST_WAIT_MS    10000

static void write_testimony(const struct watch_testimony *said, struct web_answer *answer) {
    struct json_writer json = {.out = &answer->text};
    answer->status = 200;
    answer->content_type = "application/json";
    api_write_head(&answer->text);
    json_object_begin(&json, NULL);
    json_text(&json, "cluster", said->cluster);
    json_text(&json, "primary", said->primary);
    if (said->report.answered) {
        json_uint(&json, "answered_ms_ago", said->report.age_usec / USEC_PER_MSEC);
    } else {
        json_text(&json, "answered_ms_ago", NULL);
    }
    json_bool(&json, "fails", said->report.fails);
    json_text(&json, "system", said->report.system);
    json_object_end(&json);
    api_write_tail(&answer->text, NULL, NULL);
}

static void testified(void *userdata, const struct watch_testimony *said) {
    struct web_answer answer = {0};
    write_testimony(said, &answer);
    web_later_end(userdata, &answer);
}

static int read_wait(const struct web_request *request, uint64_t *ret_usec,
                     struct api_failure *failure) {
    struct str text = web_request_parameter(request, "wait_ms");
    uint64_t wait_ms = DEFAULT_WAIT_MS;
    if (text.data != NULL && (!str_to_uint64(text, &wait_ms) || wait_ms > MOST_WAIT_MS)) {
        return api_fail(failure, API_BAD_DATA, "'wait_ms' should be a whole number from 0 to %d",
                        MOST_WAIT_MS);
    }
    *ret_usec = wait_ms * USEC_PER_MSEC;
    return 0;
}

void api_witness(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct api_failure failure = {0};
    struct str cluster = web_request_parameter(request, "cluster");
    uint64_t wait_usec = 0;
    if (read_wait(request, &wait_usec, &failure) < 0) {
        api_answer_failure(&failure, ret);
        return;
    }
    if (!watch_knows(web->sources.watch, cluster)) {
        api_fail(&failure, API_NOT_FOUND, "no cluster %s is watched here",
                 api_quote(request, cluster));
        api_answer_failure(&failure, ret);
        return;
    }
    ret->later = true;
    watch_testify(web->sources.watch, cluster, wait_usec, testified, web_later_new(request));
}
