/* SPDX-License-Identifier: Apache-2.0 */

/* Times of the week in which people work on a cluster and nothing is failed over: "02:00-04:30",
 * "Sat,Sun 22:00-06:00", in UTC. What ends before it begins ends the next day. Pure. */
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
