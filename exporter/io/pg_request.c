/* SPDX-License-Identifier: Apache-2.0 */

#include "io/pg_request.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

static size_t limit_or(size_t given, size_t otherwise) {
    return given != 0 ? given : otherwise;
}

struct pg_request *pg_request_new(struct pg_request_list *list,
                                  const struct client_request *request) {
    struct pg_request *made = mem_alloc(sizeof(*made));
    made->request = *request;
    if (!request->constant) {
        made->request.text = mem_strdup(request->text);
    }
    made->builder = (struct table_builder){
        .arena = request->arena,
        .limits = {
            .max_rows = limit_or(request->limits.max_rows, CLIENT_MOST_ROWS),
            .max_columns = limit_or(request->limits.max_columns, CLIENT_MOST_COLUMNS),
            .max_bytes = limit_or(request->limits.max_bytes, CLIENT_MOST_BYTES),
            .max_arena_bytes = CLIENT_MOST_ARENA_BYTES,
        }};
    made->previous = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = made;
    list->last = made;
    return made;
}

struct pg_request *pg_request_free(struct pg_request_list *list, struct pg_request *request) {
    if (request == NULL) {
        return NULL;
    }
    *(request->previous != NULL ? &request->previous->next : &list->first) = request->next;
    *(request->next != NULL ? &request->next->previous : &list->last) = request->previous;
    table_builder_deinit(&request->builder);
    if (!request->request.constant) {
        union {
            const char *borrowed;
            char *owned;
        } text = {.borrowed = request->request.text};
        free(text.owned);
    }
    free(request);
    return NULL;
}

static struct str cell_of(const PGresult *result, int row, int column) {
    int len = PQgetlength(result, row, column);
    if (len == 0 && PQgetisnull(result, row, column)) {
        return (struct str){0};
    }
    return (struct str){PQgetvalue(result, row, column), (size_t)len};
}

static struct str clean(struct str cell, struct strbuf *scratch) {
    if (scratch == NULL || cell.data == NULL) {
        return cell;
    }
    strbuf_clear(scratch);
    strbuf_add_utf8(scratch, cell);
    return strbuf_view(scratch);
}

int pg_request_rows(struct pg_request *request, const PGresult *result, struct strbuf *scratch,
                    struct error *err) {
    struct table_builder *builder = &request->builder;
    int n_columns = PQnfields(result), n_rows = PQntuples(result), r = 0;
    if (builder->n_columns == 0) {
        for (int i = 0; i < n_columns && r == 0; i++) {
            r = table_builder_column(builder, clean(str_of(PQfname(result, i)), scratch), err);
        }
    }
    if (r == 0 && (size_t)n_columns != builder->n_columns) {
        return error_say(err, -EPROTO, "the rows of a reply differ in their columns");
    }
    for (int row = 0; row < n_rows && r == 0; row++) {
        for (int i = 0; i < n_columns && r == 0; i++) {
            r = table_builder_cell(builder, clean(cell_of(result, row, i), scratch), err);
        }
    }
    return r;
}

void pg_request_answer(struct pg_request *request) {
    if (request->answered) {
        return;
    }
    request->answered = true;
    struct client_reply reply = {.table = table_builder_end(&request->builder)};
    request->request.done(request->request.userdata, &reply, NULL);
}

void pg_request_fail(struct pg_request *request, const struct client_failure *failure) {
    if (request->answered) {
        return;
    }
    request->answered = true;
    table_builder_deinit(&request->builder);
    request->request.done(request->request.userdata, NULL, failure);
}

void pg_request_doom_failure(const struct pg_request *request, const char *why,
                             struct client_failure *ret) {
    if (request->doom == PG_DOOM_ABANDONED) {
        *ret = (struct client_failure){.end = CLIENT_SILENT, .reason = REASON_TIMEOUT};
        error_say(&ret->error, -ETIMEDOUT, "%s", why);
    } else {
        *ret = (struct client_failure){.end = CLIENT_OURS, .reason = REASON_CANCELED};
        error_say(&ret->error, -ENOTCONN, "the connection is not ready for requests");
    }
}
