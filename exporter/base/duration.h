/* SPDX-License-Identifier: Apache-2.0 */

/* Durations as Prometheus writes them: 500ms, 10s, 1m30s, 2h, 7d, 1w, 1y. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define USEC_PER_MSEC ((uint64_t)1000)
#define USEC_PER_SEC  ((uint64_t)1000 * 1000)

/* Units from large to small, each at most once; "0" needs no unit. A year is 365 days.
 * Return: 0, or -EINVAL with a text that says what a duration looks like (no place). */
int duration_parse(struct str text, uint64_t *ret_usec, struct error *err);

/* The shortest such text, in at most 32 bytes; below a millisecond it is rounded to "0s".
 * Return: out. */
const char *duration_format(uint64_t usec, char out[32]);
