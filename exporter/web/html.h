/* SPDX-License-Identifier: Apache-2.0 */

/* Foreign text on its way into a page. */
#pragma once

#include <stdint.h>

#include "base/str.h"

/* For text and for attributes in double quotes. What is no UTF-8 becomes U+FFFD. */
void html_escape(struct strbuf *out, struct str text);

/* For a value in the query of a URL: everything but letters, digits and "-._~" by its code, so that
 * nothing is left that could mean something in HTML either. */
void html_url_value(struct strbuf *out, struct str text);

/* "3d4h", "2m10s": two units are enough for people. */
void html_age(struct strbuf *out, int64_t ms);
