/* SPDX-License-Identifier: Apache-2.0 */

/* Times of the week in which people work on a cluster and nothing is failed over: "02:00-04:30",
 * "Sat,Sun 22:00-06:00", in UTC. What ends before it begins ends the next day. And when maintenance
 * ends that was announced for so long. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct maintenance_window {
    unsigned days; /* 1 << day, 0 is Sunday: on which it begins */
    unsigned from_minute, until_minute;
};

/* Return: 0, or -EINVAL with *err. */
int maintenance_window_read(struct str text, struct maintenance_window *ret, struct error *err);

bool maintenance_window_covers(const struct maintenance_window *window, int64_t now_ms);

/* What is announced stands somewhere with its end by the wall clock, and is asked for by the clock
 * that never jumps, from when it was heard of: so it lasts as long as was said.
 * Return: its end by that clock; 0 when it is over, UINT64_MAX without an end (INT64_MAX). */
uint64_t maintenance_deadline(int64_t until_ms, int64_t now_ms, uint64_t now_usec);
