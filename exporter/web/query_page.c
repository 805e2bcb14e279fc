/* SPDX-License-Identifier: Apache-2.0 */

/* The pages /query and /graph, where links of notifications lead: one constant document that asks
 * the API itself, by relative URLs. What stands in its own URL never passes through us. */
#include <string.h>

#include "web/pages.h"
#include "web_assets.h"

void page_query(struct web *web, const struct web_request *request, struct web_answer *ret) {
    static const char etag[] = ASSET_QUERY_ETAG;
    memcpy(ret->etag, etag, sizeof(etag));
    ret->cache_control = "no-cache";
    if (web_request_has_etag(request, etag)) {
        ret->status = 304;
        return;
    }
    ret->status = 200;
    ret->content_type = "text/html; charset=utf-8";
    web_answer_header(ret, "Content-Security-Policy", ASSET_QUERY_POLICY);
    web_answer_header(ret, "Referrer-Policy", "no-referrer");
    strbuf_add(&ret->text, asset_query_page, sizeof(asset_query_page));
}
