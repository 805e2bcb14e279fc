/* SPDX-License-Identifier: Apache-2.0 */

/* What a channel knows, and what is news for it: each case is a story in a line.
 *
 *   F12 the alerts 1 and 2 fire, -12 they are over, F1-2 both; a flush, with what comes of it:
 *       put, leave, cancel or later
 *   start, accept, again (no answer), refuse, drop: what becomes of the notification; ? after it:
 *       it wants another decision
 *   wait10 time passes; save: as after a restart */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/told.h"

#define REPEAT_MS 100

static const char *const verdicts[] = {
    [TOLD_LEAVE] = "leave", [TOLD_PUT] = "put", [TOLD_CANCEL] = "cancel", [TOLD_LATER] = "later"};

struct story {
    const char *text;
    struct told told;
    bool send_resolved;
    int64_t now_ms;
};

static void read_group(const char *word, struct told_group *ret) {
    uint64_t firing[10], ended[10];
    size_t n_firing = 0, n_ended = 0;
    bool over = false;
    for (; *word != '\0' && *word != '='; word++) {
        if (*word == '-') {
            over = true;
        } else if (*word >= '0' && *word <= '9') {
            *(over ? &ended[n_ended++] : &firing[n_firing++]) = (uint64_t)(*word - '0');
        }
    }
    *ret = (struct told_group){{0}, {0}};
    id_set_assign(&ret->firing, firing, n_firing);
    id_set_assign(&ret->ended, ended, n_ended);
}

static const char *flush(struct story *story, const char *word) {
    struct told_group group;
    read_group(word, &group);
    enum told_verdict verdict =
        told_decide(&story->told, &group, story->send_resolved, REPEAT_MS, story->now_ms);
    if (verdict == TOLD_PUT) {
        told_put(&story->told, &group, story->send_resolved);
    }
    id_set_deinit(&group.firing);
    id_set_deinit(&group.ended);
    return verdicts[verdict];
}

static void save(struct story *story) {
    struct strbuf bytes = {0};
    told_pack(&story->told, story->now_ms, 1000000, &bytes);
    told_deinit(&story->told);
    for (size_t len = 0; len < bytes.len; len++) {
        struct unpacker cut = {{bytes.data, len}, false};
        assert_false(told_unpack(&cut, story->now_ms, 1000000, &story->told));
    }
    struct unpacker in = {strbuf_view(&bytes), false};
    story->now_ms += 5;
    assert_true(told_unpack(&in, story->now_ms, 1000005, &story->told));
    assert_int_equal(in.rest.len, 0);
    strbuf_deinit(&bytes);
}

static void step(struct story *story, const char *word) {
    static const struct {
        const char *word;
        enum told_end end;
        bool again;
    } ends[] = {{"accept", TOLD_ACCEPTED, false},  {"accept?", TOLD_ACCEPTED, true},
                {"again", TOLD_UNANSWERED, false}, {"again?", TOLD_UNANSWERED, true},
                {"refuse", TOLD_REFUSED, false},   {"refuse?", TOLD_REFUSED, true},
                {"drop", TOLD_DROPPED, false}};
    const char *result = strchr(word, '=');
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (strcmp(word, ends[i].word) == 0) {
            assert_int_equal(told_ended(&story->told, ends[i].end, story->now_ms), ends[i].again);
            return;
        }
    }
    if (strcmp(word, "start") == 0) {
        told_started(&story->told);
    } else if (strcmp(word, "save") == 0) {
        save(story);
    } else if (strncmp(word, "wait", 4) == 0) {
        story->now_ms += strtol(word + 4, NULL, 10);
    } else {
        assert_non_null(result);
        const char *verdict = flush(story, word);
        if (strcmp(verdict, result + 1) != 0) {
            fail_msg("%s: it is %s at %s", story->text, verdict, word);
        }
    }
}

static void tell(const char *text, bool send_resolved) {
    struct story story = {.text = text, .send_resolved = send_resolved, .now_ms = 1000};
    char *words = strdup(text), *rest = words;
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        step(&story, word);
    }
    told_deinit(&story.told);
    free(words);
}

static void stories_with_ends(void **state) {
    static const char *const stories[] = {
        /* A firing is told once, then again after repeat_interval. */
        "F1=put start accept F1=leave wait99 F1=leave wait1 F1=put start accept wait99 F1=leave",
        /* More alerts are news, fewer without an end are not. */
        "F1=put start accept F12=put start accept F1=leave",
        /* An end is told once. */
        "F1=put start accept F-1=put start accept F-1=leave wait1000 F-1=leave",
        "F12=put start accept F1-2=put start accept F1-2=leave F-12=put start accept",
        /* Firing again before anyone looked is no news; after the end was told it is. */
        "F1=put start accept F1=leave F-1=put start accept F1=put",
        /* What was never attempted and is over is never sent. */
        "F1=put F-1=cancel F-1=leave F1=put",
        "F-1=leave F1-2=put start accept",
        /* What may have arrived is ended. */
        "F1=put start again F-1=put start accept F-1=leave",
        "F1=put start again F1=leave start accept F1=leave",
        /* An end that may have arrived is taken back. */
        "F1=put start accept F-1=put start again F1=put start accept F1=leave",
        "F1=put start accept F-1=put F1=cancel F1=leave",
        /* The newer one takes the place of the older. */
        "F1=put F12=put start accept F12=leave",
        "F1=put start again F12=put start again F12=leave F2-1=put start accept F2-1=leave",
        /* While it is under way nothing is decided. */
        "F1=put start F-1=later accept? F-1=put start accept F-1=leave",
        "F1=put start F-1=later again? F-1=put start accept",
        "F1=put start F12=later F1=later accept? F1=leave",
        /* What is refused is made again at the next flush, an end is not. */
        "F1=put start refuse F1=put start refuse F1=put",
        "F1=put start accept F-1=put start refuse F-1=leave",
        "F1=put start accept F-1=put start F1=later refuse? F1=put",
        /* What made place for others is still news. */
        "F1=put drop F1=put start accept F-1=put drop F-1=put",
        /* A restart forgets nothing; what waited may have been attempted. */
        "F1=put start accept save F1=leave wait94 F1=leave wait1 F1=put",
        "F1=put save F-1=put start accept save F-1=leave",
        "F1=put start save F1=leave start accept F1=leave",
        "F1=put start accept F-1=put save F1=put",
    };
    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
        tell(stories[i], true);
    }
}

static void stories_without_ends(void **state) {
    static const char *const stories[] = {
        "F1=put start accept F-1=leave F1=put start accept F1=leave",
        "F12=put start accept F1-2=leave F12=put start accept F12=leave",
        "F1=put F-1=cancel",
        "F1=put start again F-1=cancel F-1=leave",
        "F1=put start F-1=later accept? F-1=leave F1=put",
        "F1-2=put start accept F1-2=leave",
        "F1=put start accept save F-1=leave",
    };
    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
        tell(stories[i], false);
    }
}

static void knows_whose_end_is_needed(void **state) {
    struct story story = {.send_resolved = true};
    step(&story, "F12=put");
    assert_true(told_needs(&story.told, 1));
    assert_false(told_needs(&story.told, 3));
    step(&story, "start");
    step(&story, "accept");
    assert_true(told_needs(&story.told, 2));
    step(&story, "F1-2=put");
    step(&story, "start");
    assert_true(told_needs(&story.told, 2));
    step(&story, "accept");
    assert_false(told_needs(&story.told, 2));
    told_forget(&story.told, 1);
    assert_false(told_needs(&story.told, 1));
    step(&story, "F=leave");
    told_deinit(&story.told);
}

/* A clock that stands before the time in the file does not make anything last for ever. */
static void times_to_come_are_now(void **state) {
    struct story story = {.send_resolved = true, .now_ms = 1000};
    struct strbuf bytes = {0};
    step(&story, "F1=put");
    step(&story, "start");
    step(&story, "accept");
    told_pack(&story.told, 1000, 50000, &bytes);
    told_deinit(&story.told);
    struct unpacker in = {strbuf_view(&bytes), false};
    assert_true(told_unpack(&in, 1000, 20000, &story.told));
    assert_int_equal(story.told.at_ms, 1000);
    step(&story, "wait100");
    step(&story, "F1=put");
    told_deinit(&story.told);
    strbuf_deinit(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories_with_ends),
        cmocka_unit_test(stories_without_ends),
        cmocka_unit_test(knows_whose_end_is_needed),
        cmocka_unit_test(times_to_come_are_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
