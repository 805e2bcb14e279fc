/* SPDX-License-Identifier: Apache-2.0 */

/* Foreign text on its way into a page. */
#pragma once

#include <stdint.h>

#include "base/str.h"

/* For text and for attributes in double quotes. What is no UTF-8 becomes U+FFFD. */
void html_escape(struct strbuf *out, struct str text);

/* "3d4h", "2m10s": two units are enough for people. */
void html_age(struct strbuf *out, int64_t ms);
