/* SPDX-License-Identifier: Apache-2.0 */

/* Base64 (RFC 4648, with + and /): whole groups of four, padded. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

void base64_add(struct strbuf *out, struct str bytes);

/* The caller has limited the length. The bytes lie in the arena, and a zero byte behind them.
 * Return: false when it is anything but whole groups. */
bool base64_decode(struct arena *arena, struct str text, struct str *ret);
