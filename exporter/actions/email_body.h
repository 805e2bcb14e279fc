/* SPDX-License-Identifier: Apache-2.0 */

/* The two versions of a mail's body: for programs that show HTML, and for everybody else. */
#pragma once

#include "actions/channel_type.h"

#define EMAIL_MOST_ALERTS        50
#define EMAIL_MOST_LABELS        24
#define EMAIL_MOST_NAME_BYTES    120
#define EMAIL_MOST_VALUE_BYTES   200
#define EMAIL_MOST_SUMMARY_BYTES 400
#define EMAIL_MOST_DETAIL_BYTES  2000

void email_text(const struct channel *channel, const struct notification *notification,
                struct strbuf *out);
void email_html(const struct channel *channel, const struct notification *notification,
                struct strbuf *out);
