/* SPDX-License-Identifier: Apache-2.0 */

#include "web/api_parameters.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/duration.h"
#include "promql/printer.h"

#define MOST_POINTS    11000
#define MOST_MAGNITUDE 9e18 /* of nanoseconds in 64 bits */
#define FORM_TYPE      "application/x-www-form-urlencoded"

const struct api_error_kind api_error_kinds[] = {
    [API_BAD_DATA] = {"bad_data", 400},       [API_EXECUTION] = {"execution", 422},
    [API_TIMEOUT] = {"timeout", 503},         [API_CANCELED] = {"canceled", 503},
    [API_UNAVAILABLE] = {"unavailable", 503}, [API_INTERNAL] = {"internal", 500},
    [API_NOT_FOUND] = {"not_found", 404},
};

int api_fail(struct api_failure *failure, enum api_error_type type, const char *format, ...) {
    va_list args;
    va_start(args, format);
    failure->type = type;
    vsnprintf(failure->text, sizeof(failure->text), format, args);
    va_end(args);
    return -EINVAL;
}

const char *api_quote(const struct web_request *request, struct str text) {
    struct strbuf out = {0};
    print_quoted(web_request_show(request, text), &out);
    const char *quoted = arena_dup(request->arena, strbuf_view(&out)).data;
    strbuf_deinit(&out);
    return quoted;
}

static int fail_parameter(struct api_failure *failure, const char *name, const char *why) {
    return api_fail(failure, API_BAD_DATA, "invalid parameter \"%s\": %s", name, why);
}

/* ---- forms ---- */

static bool is_form(const struct web_request *request) {
    struct str type = web_request_header(request, "Content-Type");
    struct str name = str_trim(str_cut(&type, ';'));
    return name.len == strlen(FORM_TYPE) && strncasecmp(name.data, FORM_TYPE, name.len) == 0;
}

int api_take_form(const struct web_request *request, struct web_request *ret,
                  struct api_failure *failure) {
    struct error err = {0};
    *ret = *request;
    if (!str_is(request->method, "POST") || !is_form(request)) {
        return 0;
    }
    ret->n_parameters = 0;
    if (web_request_parse_form(ret, request->body, &err) < 0) {
        return api_fail(failure, API_BAD_DATA, "error parsing form values: %s", err.text);
    }
    if (ret->n_parameters + request->n_parameters > WEB_MOST_PARAMETERS) {
        return api_fail(failure, API_BAD_DATA,
                        "error parsing form values: there are more than %d parameters",
                        WEB_MOST_PARAMETERS);
    }
    memcpy(ret->parameters + ret->n_parameters, request->parameters,
           request->n_parameters * sizeof(request->parameters[0]));
    ret->n_parameters += request->n_parameters;
    return 0;
}

/* ---- times ---- */

static int64_t hold(double ms) {
    return ms < (double)API_LEAST_TIME_MS  ? API_LEAST_TIME_MS
           : ms > (double)API_MOST_TIME_MS ? API_MOST_TIME_MS
                                           : (int64_t)ms;
}

/* Digits of a fixed number. Return: false when there is something else. */
static bool take_digits(struct str *text, size_t count, int *ret) {
    *ret = 0;
    if (text->len < count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (text->data[i] < '0' || text->data[i] > '9') {
            return false;
        }
        *ret = *ret * 10 + (text->data[i] - '0');
    }
    *text = (struct str){text->data + count, text->len - count};
    return true;
}

static bool take_char(struct str *text, char wanted) {
    if (text->len == 0 || text->data[0] != wanted) {
        return false;
    }
    *text = (struct str){text->data + 1, text->len - 1};
    return true;
}

/* ".123456789", cut to milliseconds. */
static bool take_fraction(struct str *text, int *ret_ms) {
    *ret_ms = 0;
    if (!take_char(text, '.')) {
        return true;
    }
    int digit, scale = 100;
    if (text->len == 0 || text->data[0] < '0' || text->data[0] > '9') {
        return false;
    }
    while (text->len > 0 && take_digits(text, 1, &digit)) {
        *ret_ms += digit * scale;
        scale /= 10;
    }
    return true;
}

/* "Z", "+02:00", "-08:00". */
static bool take_zone(struct str *text, int *ret_seconds) {
    *ret_seconds = 0;
    if (take_char(text, 'Z')) {
        return true;
    }
    int sign = take_char(text, '+') ? 1 : take_char(text, '-') ? -1 : 0;
    int hours, minutes;
    if (sign == 0 || !take_digits(text, 2, &hours) || !take_char(text, ':') ||
        !take_digits(text, 2, &minutes) || hours > 24 || minutes > 59) {
        return false;
    }
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool parse_rfc3339(struct str text, int64_t *ret_ms) {
    struct tm parts = {0}, same;
    int ms, zone;
    if (!take_digits(&text, 4, &parts.tm_year) || !take_char(&text, '-') ||
        !take_digits(&text, 2, &parts.tm_mon) || !take_char(&text, '-') ||
        !take_digits(&text, 2, &parts.tm_mday) || !take_char(&text, 'T') ||
        !take_digits(&text, 2, &parts.tm_hour) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &parts.tm_min) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &parts.tm_sec) || !take_fraction(&text, &ms) ||
        !take_zone(&text, &zone) || text.len > 0) {
        return false;
    }
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    same = parts;
    int64_t seconds = timegm(&same);
    /* timegm() makes the 1st of March of the 30th of February. */
    if (same.tm_mday != parts.tm_mday || same.tm_mon != parts.tm_mon ||
        same.tm_hour != parts.tm_hour || same.tm_min != parts.tm_min ||
        same.tm_sec != parts.tm_sec) {
        return false;
    }
    *ret_ms = (seconds - zone) * 1000 + ms;
    return true;
}

bool api_parse_time(struct str text, int64_t *ret_ms) {
    /* How Go prints the ends of time, which clients send when they mean "everything". */
    static const struct {
        const char *text;
        int64_t t_ms;
    } ends[] = {
        {"-292273086-05-16T16:47:06Z", API_LEAST_TIME_MS},
        {"292277025-08-18T07:12:54.999999999Z", API_MOST_TIME_MS},
    };
    double seconds;
    if (str_to_double(text, &seconds)) {
        if (isnan(seconds)) {
            return false;
        }
        double whole, fraction = modf(seconds, &whole);
        *ret_ms = isinf(seconds) ? hold(seconds) : hold(whole * 1000 + round(fraction * 1000));
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (str_is(text, ends[i].text)) {
            *ret_ms = ends[i].t_ms;
            return true;
        }
    }
    return parse_rfc3339(text, ret_ms);
}

int api_parse_duration(struct str text, int64_t *ret_usec) {
    double seconds;
    uint64_t usec;
    if (str_to_double(text, &seconds)) {
        if (isnan(seconds) || fabs(seconds) * 1e9 > MOST_MAGNITUDE) {
            return -ERANGE;
        }
        *ret_usec = (int64_t)(seconds * 1e6);
        return 0;
    }
    if (duration_parse(text, &usec, NULL) < 0) {
        return -EINVAL;
    }
    if (usec > (uint64_t)(MOST_MAGNITUDE / 1000)) {
        return -ERANGE;
    }
    *ret_usec = (int64_t)usec;
    return 0;
}

/* ---- single parameters ---- */

int api_time_parameter(const struct web_request *request, const char *name, int64_t *ret_ms,
                       struct api_failure *failure) {
    struct str text = web_request_parameter(request, name);
    if (text.len == 0 || api_parse_time(text, ret_ms)) {
        return 0;
    }
    return api_fail(failure, API_BAD_DATA,
                    "invalid parameter \"%s\": invalid time value for '%s': cannot parse %s to a "
                    "valid timestamp",
                    name, name, api_quote(request, text));
}

static int take_duration(const struct web_request *request, const char *name, struct str text,
                         int64_t *ret_usec, struct api_failure *failure) {
    int r = api_parse_duration(text, ret_usec);
    if (r == 0) {
        return 0;
    }
    return api_fail(failure, API_BAD_DATA,
                    "invalid parameter \"%s\": cannot parse %s to a valid duration%s", name,
                    api_quote(request, text), r == -ERANGE ? ". It overflows int64" : "");
}

int api_duration_parameter(const struct web_request *request, const char *name, int64_t *ret_usec,
                           struct api_failure *failure) {
    struct str text = web_request_parameter(request, name);
    return text.len == 0 ? 0 : take_duration(request, name, text, ret_usec, failure);
}

int api_limit_parameter(const struct web_request *request, const char *name, uint64_t *ret,
                        struct api_failure *failure) {
    struct str text = web_request_parameter(request, name);
    int64_t limit;
    if (text.len == 0) {
        return 0;
    }
    if (!str_to_int64(text, &limit)) {
        return api_fail(failure, API_BAD_DATA,
                        "invalid parameter \"%s\": strconv.Atoi: parsing %s: invalid syntax", name,
                        api_quote(request, text));
    }
    if (limit < 0) {
        return fail_parameter(failure, name, "limit must be non-negative");
    }
    *ret = (uint64_t)limit;
    return 0;
}

struct name_list api_list_parameter(const struct web_request *request, const char *name,
                                    struct arena *arena) {
    struct name_list list = {arena_array(arena, WEB_MOST_PARAMETERS, sizeof(struct str)), 0};
    for (size_t i = 0; i < request->n_parameters; i++) {
        if (str_is(request->parameters[i].name, name)) {
            list.names[list.n_names++] = arena_dup(arena, request->parameters[i].value);
        }
    }
    return list;
}

size_t api_list_bytes(const struct name_list *list) {
    size_t bytes = 0;
    for (size_t i = 0; i < list->n_names; i++) {
        bytes += list->names[i].len;
    }
    return bytes;
}

/* ---- ranges ---- */

static int take_bound(const struct web_request *request, const char *name, int64_t *ret_ms,
                      struct api_failure *failure) {
    struct str text = web_request_parameter(request, name);
    if (api_parse_time(text, ret_ms)) {
        return 0;
    }
    return api_fail(failure, API_BAD_DATA,
                    "invalid parameter \"%s\": cannot parse %s to a valid timestamp", name,
                    api_quote(request, text));
}

int api_range_parameters(const struct web_request *request, struct api_range *ret,
                         struct api_failure *failure) {
    struct api_range range;
    int64_t step_usec;
    if (take_bound(request, "start", &range.start_ms, failure) < 0 ||
        take_bound(request, "end", &range.end_ms, failure) < 0) {
        return -EINVAL;
    }
    if (range.end_ms < range.start_ms) {
        return fail_parameter(failure, "end", "end timestamp must not be before start time");
    }
    if (take_duration(request, "step", web_request_parameter(request, "step"), &step_usec,
                      failure) < 0) {
        return -EINVAL;
    }
    range.step_ms = step_usec / (int64_t)USEC_PER_MSEC;
    if (range.step_ms <= 0) {
        return fail_parameter(failure, "step",
                              "zero or negative query resolution step widths are not accepted. Try "
                              "a positive integer");
    }
    if ((range.end_ms - range.start_ms) / range.step_ms > MOST_POINTS) {
        return api_fail(failure, API_BAD_DATA,
                        "exceeded maximum resolution of 11,000 points per timeseries. Try "
                        "decreasing the query resolution (?step=XX)");
    }
    *ret = range;
    return 0;
}
