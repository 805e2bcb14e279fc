/* SPDX-License-Identifier: Apache-2.0 */

/* Moments as text, in UTC. */
#pragma once

#include <stdint.h>

#define UTC_TEXT_BYTES 40

#define UTC_RFC3339 "%Y-%m-%dT%H:%M:%SZ"
#define UTC_SHOWN   "%Y-%m-%d %H:%M:%S UTC"

/* t_ms: since 1970, also before it; what is left of a second is dropped. format: as strftime() has
 * it. Return: out; empty if it does not fit. */
const char *utc_format(int64_t t_ms, const char *format, char out[UTC_TEXT_BYTES])
    __attribute__((format(strftime, 2, 0)));

/* RFC 3339 with milliseconds: 2023-11-14T22:13:20.000Z. Return: out. */
const char *utc_format_ms(int64_t t_ms, char out[UTC_TEXT_BYTES]);
