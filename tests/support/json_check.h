/* SPDX-License-Identifier: Apache-2.0 */

/* Whether a text is one JSON value (RFC 8259) of at most 32 levels, in valid UTF-8. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

bool json_check(struct str text);
