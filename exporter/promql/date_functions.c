/* SPDX-License-Identifier: Apache-2.0 */

/* Functions of the calendar, in UTC: the Gregorian one for all seconds that 64 bits hold. */
#include <math.h>

#include "promql/private.h"
#include "promql/vector_functions.h"

#define DAY_SECONDS 86400
#define ERA_DAYS    146097 /* 400 years, after which the calendar repeats */
/* Days are counted from the 1st of March of this year on, as Go does: what lies before it wraps. */
#define FIRST_YEAR   INT64_C(-292277022400)
#define DAYS_TO_1970 (-FIRST_YEAR / 400 * ERA_DAYS + 719468)

struct date {
    int64_t year;
    int month, day, day_of_year, day_of_week; /* from 1, from 1, from 1, from Sunday = 0 */
    int hour, minute;
};

static bool is_leap(int64_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int length_of_month(int64_t year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

static struct date date_of(int64_t seconds) {
    static const int before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint64_t since_first = (uint64_t)seconds + (uint64_t)DAYS_TO_1970 * DAY_SECONDS;
    uint64_t days = since_first / DAY_SECONDS;
    int in_day = (int)(since_first % DAY_SECONDS);
    struct date date = {.hour = in_day / 3600, .minute = in_day / 60 % 60};
    date.day_of_week = (int)((days + 3) % 7);
    /* Years begin in March here: the leap day is the last one. */
    int in_era = (int)(days % ERA_DAYS);
    int year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int in_year = in_era - (365 * year + year / 4 - year / 100);
    int month = (5 * in_year + 2) / 153;
    date.day = in_year - (153 * month + 2) / 5 + 1;
    date.month = month < 10 ? month + 3 : month - 9;
    date.year = FIRST_YEAR + (int64_t)(days / ERA_DAYS) * 400 + year + (date.month <= 2);
    date.day_of_year = before_month[date.month - 1] + date.day;
    date.day_of_year += date.month > 2 && is_leap(date.year) ? 1 : 0;
    return date;
}

/* What no 64 bits hold is the earliest time, as Go converts it. */
static int64_t to_seconds(double value) {
    return value >= -0x1p63 && value < 0x1p63 ? (int64_t)value : INT64_MIN;
}

/* Without an argument they are about the time of the evaluation. */
static int of_date(struct call_frame *frame, double (*part)(const struct date *date),
                   struct matrix *ret) {
    bool given = frame->expr->call.n_args > 0;
    int r = given ? eval_vector(frame->eval, frame->expr->call.args[0], frame->grid, ret)
                  : call_time(frame, ret);
    for (size_t i = 0; r == 0 && i < ret->n_rows; i++) {
        double *values = ret->rows[i].values;
        for (size_t step = 0; step < frame->grid->n; step++) {
            if (!eval_is_missing(values[step])) {
                struct date date = date_of(to_seconds(values[step]));
                values[step] = part(&date);
            }
        }
    }
    return r != 0 ? r : call_dropped_names(frame, ret);
}

static double minute(const struct date *date) {
    return date->minute;
}

static double hour(const struct date *date) {
    return date->hour;
}

static double day_of_week(const struct date *date) {
    return date->day_of_week;
}

static double day_of_month(const struct date *date) {
    return date->day;
}

static double day_of_year(const struct date *date) {
    return date->day_of_year;
}

static double days_in_month(const struct date *date) {
    return length_of_month(date->year, date->month);
}

static double month(const struct date *date) {
    return date->month;
}

static double year(const struct date *date) {
    return (double)date->year;
}

int call_minute(struct call_frame *frame, struct matrix *ret) {
    return of_date(frame, minute, ret);
}

int call_hour(struct call_frame *frame, struct matrix *ret) {
    return of_date(frame, hour, ret);
}

int call_day_of_week(struct call_frame *frame, struct matrix *ret) {
    return of_date(frame, day_of_week, ret);
}

int call_day_of_month(struct call_frame *frame, struct matrix *ret) {
    return of_date(frame, day_of_month, ret);
}

int call_day_of_year(struct call_frame *frame, struct matrix *ret) {
    return of_date(frame, day_of_year, ret);
}

int call_days_in_month(struct call_frame *frame, struct matrix *ret) {
    return of_date(frame, days_in_month, ret);
}

int call_month(struct call_frame *frame, struct matrix *ret) {
    return of_date(frame, month, ret);
}

int call_year(struct call_frame *frame, struct matrix *ret) {
    return of_date(frame, year, ret);
}
