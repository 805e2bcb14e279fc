/* SPDX-License-Identifier: Apache-2.0 */

/* Questions about series that match[] selects: what was asked, and the walk over what is meant. */
#pragma once

#include "web/api_question.h"

struct series;

struct listing {
    struct api_question question; /* first */
    struct name_list texts;       /* of match[] */
    struct parsed *selectors;     /* the same; any of them */
    size_t n_selectors;
    bool needs_selector;
    bool bounded; /* start or end was given */
    int64_t start_ms, end_ms;
    uint64_t limit;  /* 0: none; of metadata UINT64_MAX */
    struct str name; /* of the label, or of the metric; empty: all */
};

struct listing *api_listing_of(struct api_question *question);

/* Return: the question, or NULL: it is answered. */
struct listing *api_listing_take(struct web *web, const struct web_request *request,
                                 bool needs_selector, struct web_answer *ret);

/* Hands it to a worker. */
void api_listing_ask(struct listing *listing,
                     void (*write)(struct api_question *question, struct api_out *out),
                     const struct web_request *request, struct web_answer *ret);

/* In the worker: visits the series of all selectors, some of them more than once.
 * Return: 0 or -E2BIG, which the other one tells. */
int api_listing_visit(const struct listing *listing,
                      void (*seen)(void *userdata, const struct series *series), void *userdata);
void api_listing_say_regex(struct api_out *out);
