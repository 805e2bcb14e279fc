/* SPDX-License-Identifier: Apache-2.0 */

#include "base/utc.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Of a second that has begun, also before 1970. */
static int64_t whole_seconds(int64_t t_ms) {
    return t_ms / 1000 - (t_ms % 1000 < 0 ? 1 : 0);
}

/* Checked where it is called: our callers write literals, and utc.h says what they are. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
const char *utc_format(int64_t t_ms, const char *format, char out[UTC_TEXT_BYTES]) {
    time_t seconds = (time_t)whole_seconds(t_ms);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL || strftime(out, UTC_TEXT_BYTES, format, &parts) == 0) {
        out[0] = '\0';
    }
    return out;
}
#pragma GCC diagnostic pop

const char *utc_format_ms(int64_t t_ms, char out[UTC_TEXT_BYTES]) {
    size_t len = strlen(utc_format(t_ms, "%Y-%m-%dT%H:%M:%S", out));
    if (len > 0) {
        int ms = (int)(t_ms % 1000);
        (void)snprintf(out + len, UTC_TEXT_BYTES - len, ".%03dZ", ms < 0 ? ms + 1000 : ms);
    }
    return out;
}
