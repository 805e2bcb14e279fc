/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/witness_report.h"

#include <errno.h>
#include <stdio.h>

#include "base/duration.h"
#include "base/json_reader.h"

#define MOST_AGE_MS 1e12

static int read_data(const struct json_value *data, const char *cluster,
                     struct witness_report *ret) {
    const struct json_value *age = json_member(data, "answered_ms_ago");
    const struct json_value *fails = json_member(data, "fails");
    struct str system = json_text_of(json_member(data, "system"));
    struct witness_report report = {0};
    if (!str_is(json_text_of(json_member(data, "cluster")), cluster) || age == NULL ||
        fails == NULL || fails->kind != JSON_IS_BOOL || system.len >= sizeof(report.system)) {
        return -EPROTO;
    }
    if (age->kind == JSON_IS_NUMBER && age->number >= 0 && age->number <= MOST_AGE_MS) {
        report.answered = true;
        report.age_usec = (uint64_t)age->number * USEC_PER_MSEC;
    } else if (age->kind != JSON_IS_NULL) {
        return -EPROTO;
    }
    report.fails = fails->truth;
    snprintf(report.system, sizeof(report.system), "%.*s", (int)system.len,
             system.len > 0 ? system.data : "");
    *ret = report;
    return 0;
}

int witness_report_read(struct str body, const char *cluster, struct witness_report *ret,
                        struct error *err) {
    struct arena arena = {0};
    const struct json_value *answer = NULL;
    int r = json_read(body, &arena, &answer, NULL);
    if (r == 0) {
        r = read_data(json_member(answer, "data"), cluster, ret);
    }
    arena_deinit(&arena);
    return r == 0 ? 0 : error_say(err, -EPROTO, "what it answers is no report on '%s'", cluster);
}
