/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/maintenance.h"

#include <errno.h>
#include <string.h>

#define MINUTES_A_DAY (24u * 60)
#define MS_A_MINUTE   60000
#define USEC_A_MS     1000u
#define ALL_DAYS      0x7fu
/* The first of January 1970 was one. */
#define THURSDAY 4

static const char *const day_names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

static int bad(struct str text, struct error *err) {
    return error_say(err, -EINVAL,
                     "'%.*s' is no window such as '02:00-04:30' or 'Sat,Sun 22:00-06:00' (UTC)",
                     text.len > 60 ? 60 : (int)text.len, text.data);
}

static bool read_days(struct str text, unsigned *ret) {
    *ret = 0;
    while (text.len > 0) {
        unsigned day = 0;
        while (day < 7 && !str_starts_with(text, day_names[day])) {
            day++;
        }
        if (day == 7) {
            return false;
        }
        *ret |= 1u << day;
        text = (struct str){text.data + 3, text.len - 3};
        if (text.len > 0) {
            if (text.data[0] != ',' || text.len == 1) {
                return false;
            }
            text = (struct str){text.data + 1, text.len - 1};
        }
    }
    return *ret != 0;
}

static bool read_digits(const char *text, unsigned most, unsigned *ret) {
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9') {
        return false;
    }
    *ret = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
    return *ret <= most;
}

/* "HH:MM"; the day may end at 24:00. */
static bool read_time(const char *text, unsigned *ret_minute) {
    unsigned hours, minutes;
    if (!read_digits(text, 24, &hours) || text[2] != ':' || !read_digits(text + 3, 59, &minutes)) {
        return false;
    }
    *ret_minute = hours * 60 + minutes;
    return *ret_minute <= MINUTES_A_DAY;
}

int maintenance_window_read(struct str text, struct maintenance_window *ret, struct error *err) {
    const char *space = memchr(text.data, ' ', text.len);
    struct str times = text;
    *ret = (struct maintenance_window){.days = ALL_DAYS};
    if (space != NULL) {
        size_t len = (size_t)(space - text.data);
        times = (struct str){space + 1, text.len - len - 1};
        if (!read_days((struct str){text.data, len}, &ret->days)) {
            return bad(text, err);
        }
    }
    if (times.len != 11 || times.data[5] != '-' || !read_time(times.data, &ret->from_minute) ||
        !read_time(times.data + 6, &ret->until_minute) || ret->from_minute == ret->until_minute) {
        return bad(text, err);
    }
    return 0;
}

bool maintenance_window_covers(const struct maintenance_window *window, int64_t now_ms) {
    uint64_t minutes = (uint64_t)(now_ms / MS_A_MINUTE);
    unsigned minute = (unsigned)(minutes % MINUTES_A_DAY);
    unsigned day = (unsigned)((minutes / MINUTES_A_DAY + THURSDAY) % 7);
    bool today = (window->days & 1u << day) != 0;
    bool yesterday = (window->days & 1u << (day + 6) % 7) != 0;
    if (window->from_minute < window->until_minute) {
        return today && minute >= window->from_minute && minute < window->until_minute;
    }
    return (today && minute >= window->from_minute) || (yesterday && minute < window->until_minute);
}

uint64_t maintenance_deadline(int64_t until_ms, int64_t now_ms, uint64_t now_usec) {
    if (until_ms <= now_ms) {
        return 0;
    }
    uint64_t left_ms = (uint64_t)until_ms - (uint64_t)now_ms;
    bool endless = until_ms == INT64_MAX || left_ms > (UINT64_MAX - now_usec) / USEC_A_MS;
    return endless ? UINT64_MAX : now_usec + left_ms * USEC_A_MS;
}
