/* SPDX-License-Identifier: Apache-2.0 */

/* What changes the daemon: reload and log level. Both need --web.enable-lifecycle, which the route
 * table checks. */
#include "web/pages.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "web/server.h"

static void reload_done(void *userdata, const struct web_reload_result *result) {
    struct web_later *later = userdata;
    struct web_answer answer = {0};
    if (result->ok) {
        struct json_writer json = {.out = &answer.text};
        answer.status = 200;
        answer.content_type = "application/json";
        json_object_begin(&json, NULL);
        json_text(&json, "status", "ok");
        json_text(&json, "message", result->text);
        json_object_end(&json);
        strbuf_add_char(&answer.text, '\n');
    } else {
        web_answer_error(&answer, 500, "nothing was changed: %s",
                         result->text != NULL ? result->text : "the reload failed");
    }
    web_later_end(later, &answer);
}

void page_reload(struct web *web, const struct web_request *request, struct web_answer *ret) {
    const struct web_actions *actions = &web->sources.actions;
    if (actions->reload == NULL) {
        web_answer_error(ret, 501, "there is nothing to reload");
        return;
    }
    log_info("web: reload was asked for");
    ret->later = true;
    actions->reload(actions->userdata, reload_done, web_later_new(request));
}

static size_t count_levels(void) {
    size_t count = 0;
    while (log_level_names[count] != NULL) {
        count++;
    }
    return count;
}

void page_log_level(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct web_request with_form = *request;
    struct error error = {0};
    if (web_request_parse_form(&with_form, request->body, &error) < 0) {
        web_answer_error(ret, 400, "%s", error.text);
        return;
    }
    struct str wanted = web_request_parameter(&with_form, "level");
    size_t n_levels = count_levels(), level = 0;
    while (level < n_levels && !str_is(wanted, log_level_names[level])) {
        level++;
    }
    if (level == n_levels) {
        struct str shown = web_request_show(request, wanted);
        web_answer_error(ret, 400, "'%.*s' is no log level: ?level= error, warn, info or debug",
                         (int)shown.len, shown.len > 0 ? shown.data : "");
        return;
    }
    const char *previous = log_level_names[log_get_level()];
    log_set_level((enum log_level)level);
    log_info("web: log level is now '%s', it was '%s'", log_level_names[level], previous);
    struct json_writer json = {.out = &ret->text};
    ret->status = 200;
    ret->content_type = "application/json";
    json_object_begin(&json, NULL);
    json_text(&json, "level", log_level_names[level]);
    json_text(&json, "previous", previous);
    json_object_end(&json);
    strbuf_add_char(&ret->text, '\n');
}
