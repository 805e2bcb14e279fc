/* SPDX-License-Identifier: Apache-2.0 */

/* Functions of the calendar, in UTC. */
#include <math.h>
#include <time.h>

#include "promql/private.h"
#include "promql/vector_functions.h"

/* Seconds beyond this have no year that fits. */
#define MOST_SECONDS 6.7e16

/* Without an argument they are about the time of the evaluation. */
static int of_date(struct call_frame *frame, double (*part)(const struct tm *date),
                   struct matrix *ret) {
    bool given = frame->expr->call.n_args > 0;
    int r = given ? eval_vector(frame->eval, frame->expr->call.args[0], frame->grid, ret)
                  : call_time(frame, ret);
    for (size_t i = 0; r == 0 && i < ret->n_rows; i++) {
        double *values = ret->rows[i].values;
        for (size_t step = 0; step < frame->grid->n; step++) {
            struct tm date;
            if (eval_is_missing(values[step])) {
                continue;
            }
            time_t seconds = (time_t)(fabs(values[step]) < MOST_SECONDS ? values[step] : 0.0);
            bool known = fabs(values[step]) < MOST_SECONDS && gmtime_r(&seconds, &date) != NULL;
            values[step] = known ? part(&date) : (double)NAN;
        }
    }
    return r != 0 ? r : call_dropped_names(frame, ret);
}

static double minute(const struct tm *date) {
    return date->tm_min;
}

static double hour(const struct tm *date) {
    return date->tm_hour;
}

static double day_of_week(const struct tm *date) {
    return date->tm_wday;
}

static double day_of_month(const struct tm *date) {
    return date->tm_mday;
}

static double day_of_year(const struct tm *date) {
    return date->tm_yday + 1;
}

static double days_in_month(const struct tm *date) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = date->tm_year + 1900;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[date->tm_mon] + (date->tm_mon == 1 && leap ? 1 : 0);
}

static double month(const struct tm *date) {
    return date->tm_mon + 1;
}

static double year(const struct tm *date) {
    return date->tm_year + 1900;
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
