/* SPDX-License-Identifier: Apache-2.0 */

/* Parameters of the Prometheus HTTP API: taken from URL and form, read as Prometheus reads them,
 * and refused with its sentences. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "promql/ast.h"
#include "web/request.h"

/* Times are held within these, so that nothing overflows: the years -124786 to 128726. */
#define API_LEAST_TIME_MS (-((int64_t)4 * 1000 * 1000 * 1000 * 1000 * 1000))
#define API_MOST_TIME_MS  ((int64_t)4 * 1000 * 1000 * 1000 * 1000 * 1000)

enum api_error_type {
    API_BAD_DATA,
    API_EXECUTION,
    API_TIMEOUT,
    API_CANCELED,
    API_UNAVAILABLE,
    API_INTERNAL,
    API_NOT_FOUND,
};

struct api_error_kind {
    const char *name; /* as errorType says it */
    unsigned status;
};
extern const struct api_error_kind api_error_kinds[];

/* Why a question is not answered. Zeroed: no error. */
struct api_failure {
    enum api_error_type type;
    char text[2048]; /* empty: none; UTF-8 may be cut at its end */
};

/* Return: -EINVAL. */
int api_fail(struct api_failure *failure, enum api_error_type type, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Copies the request into *ret with what its form adds; as in Go, the form's come first.
 * Return: 0 or -EINVAL with *failure. */
int api_take_form(const struct web_request *request, struct web_request *ret,
                  struct api_failure *failure);

/* "1700000000.123" or "2023-11-14T22:13:20.123Z". Return: whether it is a time. */
bool api_parse_time(struct str text, int64_t *ret_ms);

/* "15", "0.5" or "1m30s"; a number of seconds may be negative.
 * Return: 0, -ERANGE, or -EINVAL when it is none. */
int api_parse_duration(struct str text, int64_t *ret_usec);

/* Each returns 0 or -EINVAL with *failure; an absent or empty parameter leaves *ret alone. */
int api_time_parameter(const struct web_request *request, const char *name, int64_t *ret_ms,
                       struct api_failure *failure);
int api_duration_parameter(const struct web_request *request, const char *name, int64_t *ret_usec,
                           struct api_failure *failure);
/* 0: none. */
int api_limit_parameter(const struct web_request *request, const char *name, uint64_t *ret,
                        struct api_failure *failure);

/* The values of a parameter that may be there several times, and how long they are together. */
struct name_list api_list_parameter(const struct web_request *request, const char *name,
                                    struct arena *arena);
size_t api_list_bytes(const struct name_list *list);

/* start, end and step of a range query; they must be there. */
struct api_range {
    int64_t start_ms, end_ms, step_ms;
};
int api_range_parameters(const struct web_request *request, struct api_range *ret,
                         struct api_failure *failure);

/* Foreign text in double quotes as Go prints it, cut when it is long. Lies in the arena. */
const char *api_quote(const struct web_request *request, struct str text);
