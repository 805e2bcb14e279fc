/* SPDX-License-Identifier: Apache-2.0 */

/* Numbers as people like to read them, digit for digit as Prometheus writes them. */
#include <math.h>
#include <stdio.h>

#include "promql/printer.h"
#include "base/utc.h"
#include "rules/private_template.h"

#define OUT_SIZE 64

/* %.4g as Go writes it: the exponent has two digits at least, as in C. */
static void print_four(double value, const char *suffix, char *out) {
    if (isnan(value) || isinf(value)) {
        snprintf(out, OUT_SIZE, "%s%s", isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf", suffix);
    } else {
        snprintf(out, OUT_SIZE, "%.4g%s", value, suffix);
    }
}

void humanize(double value, char *out) {
    static const char *const large[] = {"", "k", "M", "G", "T", "P", "E", "Z", "Y"};
    static const char *const small[] = {"", "m", "u", "n", "p", "f", "a", "z", "y"};
    size_t i = 0;
    if (value == 0 || !isfinite(value)) {
        print_four(value, "", out);
        return;
    }
    if (fabs(value) >= 1) {
        for (; fabs(value) >= 1000 && i + 1 < ARRAY_LEN(large); i++) {
            value /= 1000;
        }
        print_four(value, large[i], out);
        return;
    }
    for (; fabs(value) < 1 && i + 1 < ARRAY_LEN(small); i++) {
        value *= 1000;
    }
    print_four(value, small[i], out);
}

void humanize_1024(double value, char *out) {
    static const char *const prefixes[] = {"", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
    size_t i = 0;
    if (fabs(value) > 1 && isfinite(value)) {
        for (; fabs(value) >= 1024 && i + 1 < ARRAY_LEN(prefixes); i++) {
            value /= 1024;
        }
    }
    print_four(value, prefixes[i], out);
}

void humanize_duration(double value, char *out) {
    static const char *const small[] = {"", "m", "u", "n", "p", "f", "a", "z", "y"};
    if (!isfinite(value)) {
        print_four(value, "", out);
        return;
    }
    if (value == 0) {
        print_four(value, "s", out);
        return;
    }
    if (fabs(value) < 1) {
        size_t i = 0;
        for (; fabs(value) < 1 && i + 1 < ARRAY_LEN(small); i++) {
            value *= 1000;
        }
        char unit[4];
        snprintf(unit, sizeof(unit), "%ss", small[i]);
        print_four(value, unit, out);
        return;
    }
    const char *sign = value < 0 ? "-" : "";
    double rest = fabs(value);
    if (rest >= 9223372036854775807.0) {
        print_four(value, "s", out);
        return;
    }
    long long whole = (long long)rest;
    long long days = whole / 86400, hours = whole / 3600 % 24, minutes = whole / 60 % 60;
    long long seconds = whole % 60;
    if (days > 0) {
        snprintf(out, OUT_SIZE, "%s%lldd %lldh %lldm %llds", sign, days, hours, minutes, seconds);
    } else if (hours > 0) {
        snprintf(out, OUT_SIZE, "%s%lldh %lldm %llds", sign, hours, minutes, seconds);
    } else if (minutes > 0) {
        snprintf(out, OUT_SIZE, "%s%lldm %llds", sign, minutes, seconds);
    } else {
        print_four(value, "s", out);
    }
}

void humanize_percentage(double value, char *out) {
    print_four(value * 100, "%", out);
}

bool humanize_timestamp(double seconds, char *out) {
    char whole[UTC_TEXT_BYTES];
    if (!isfinite(seconds)) {
        print_four(seconds, "", out);
        return true;
    }
    if (fabs(seconds) > 9223372036.0) {
        return false; /* more nanoseconds than Prometheus' times hold */
    }
    /* Its times count milliseconds; the rest is cut off towards zero. */
    int64_t ms = (int64_t)(seconds * 1e9) / 1000000;
    int64_t part = ms % 1000 + (ms % 1000 < 0 ? 1000 : 0);
    if (utc_format(ms, "%Y-%m-%d %H:%M:%S", whole)[0] == '\0') {
        return false;
    }
    char fraction[16] = "";
    if (part > 0) {
        int len = snprintf(fraction, sizeof(fraction), ".%03d", (int)part);
        while (len > 0 && fraction[len - 1] == '0') {
            fraction[--len] = '\0';
        }
    }
    snprintf(out, OUT_SIZE, "%s%.4s +0000 UTC", whole, fraction);
    return true;
}
