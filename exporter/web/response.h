/* SPDX-License-Identifier: Apache-2.0 */

/* An answer as the HTTP library sends it: body and headers. */
#pragma once

#include <microhttpd.h>

#include "web/server.h"

/* The response takes the answer's body over without a copy. The headers are the answer's, those
 * that every answer has, and those of the options where the answer does not say them itself.
 * Return: to be destroyed by the caller; NULL when there is no memory. */
struct MHD_Response *response_new(const struct web_request *request, struct web_answer *answer,
                                  const struct server_options *options);
