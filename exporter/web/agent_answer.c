/* SPDX-License-Identifier: Apache-2.0 */

#include "web/agent_answer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/log.h"
#include "web/advice.h"

#define COMPLAINT_USEC  (60 * USEC_PER_SEC)
#define HELD_USEC       (60 * USEC_PER_SEC) /* who has not asked for so long will not come */
#define MOST_REASON     100
#define LONGEST_PROBLEM 200

/* What takes a server out: gently for what ends by itself or was meant, if that was asked for. */
static const struct verdict {
    const char *word, *gentle_word;
} verdicts[] = {
    [ADVICE_PENDING] = {"down", "down"}, [ADVICE_STALE] = {"down", "down"},
    [ADVICE_DOWN] = {"down", "down"},    [ADVICE_PAUSED] = {"down", "maint"},
    [ADVICE_ROLE] = {"down", "down"},    [ADVICE_LAG] = {"down", "drain"},
};

/* HAProxy shows what follows '#', up to the end of the line. */
static void add_reason(struct strbuf *out, const char *text) {
    strbuf_add_text(out, " #");
    for (size_t i = 0; text[i] != '\0' && i < MOST_REASON; i++) {
        bool plain = text[i] >= ' ' && text[i] < 0x7f;
        strbuf_add_char(out, plain ? text[i] : '?');
    }
    strbuf_add_char(out, '\n');
}

static void add_line(const struct advice_question *question, const struct advice *advice,
                     struct strbuf *out) {
    if (advice->cause == ADVICE_FIT) {
        strbuf_printf(out, "%sup %u%%\n", question->drain ? "ready " : "", advice->weight);
        return;
    }
    const struct verdict *verdict = &verdicts[advice->cause];
    strbuf_add_text(out, question->drain ? verdict->gentle_word : verdict->word);
    add_reason(out, advice->text);
}

/* ---- who was told what ---- */

static uint64_t key_of(struct str line, uint64_t peer) {
    return hash_combine(hash_bytes(line.data, line.len), peer) | 1;
}

static bool is_held(const struct agent_memory *memory, uint64_t key) {
    for (size_t i = 0; i < AGENT_MOST_HELD; i++) {
        if (memory->held[i].key == key) {
            return true;
        }
    }
    return false;
}

static void forget(struct agent_memory *memory, uint64_t key) {
    for (size_t i = 0; i < AGENT_MOST_HELD; i++) {
        if (memory->held[i].key == key) {
            memory->held[i].key = 0;
        }
    }
}

/* Whether it should be lifted when nobody watches any more. */
static bool is_for_now(const struct advice_question *question, const struct advice *advice) {
    bool reads = question->role == ADVICE_REPLICA || question->role == ADVICE_READ_ONLY ||
                 question->role == ADVICE_HEALTH;
    return reads && advice->cause != ADVICE_FIT && advice->cause != ADVICE_ROLE;
}

/* The longest untold makes room. */
static void note(struct agent_memory *memory, uint64_t key, uint64_t now_usec) {
    size_t place = 0;
    for (size_t i = 0; i < AGENT_MOST_HELD; i++) {
        if (memory->held[i].key == 0) {
            place = i;
            break;
        }
        if (memory->held[i].told_usec < memory->held[place].told_usec) {
            place = i;
        }
    }
    memory->held[place].key = key;
    memory->held[place].told_usec = now_usec;
}

bool agent_leave(struct agent_memory *memory, uint64_t now_usec) {
    memory->leaving = true;
    for (size_t i = 0; i < AGENT_MOST_HELD; i++) {
        if (memory->held[i].key != 0 && now_usec - memory->held[i].told_usec < HELD_USEC) {
            return true;
        }
    }
    return false;
}

/* ---- reading the line ---- */

static void PRINTF_LIKE(3, 4)
    complain(struct agent_memory *memory, uint64_t now_usec, const char *format, ...) {
    struct strbuf text = {0};
    char problem[LONGEST_PROBLEM];
    va_list args;
    if (memory->complained_usec != 0 && now_usec - memory->complained_usec < COMPLAINT_USEC) {
        return;
    }
    memory->complained_usec = now_usec;
    va_start(args, format);
    vsnprintf(problem, sizeof(problem), format, args);
    va_end(args);
    strbuf_add_utf8(&text, str_of(problem));
    log_warn("agent: %s; nothing was answered", text.data);
    strbuf_deinit(&text);
}

static struct str next_word(struct str *rest) {
    *rest = str_trim(*rest);
    return str_cut(rest, ' ');
}

static const struct target_view *find_target(struct agent_memory *memory,
                                             const struct sampler *sampler, struct str name,
                                             uint64_t now_usec) {
    const struct target_view *target = name.len > 0 ? sampler_find(sampler, name) : NULL;
    if (target == NULL || !advice_knows(target->options->kind)) {
        complain(memory, now_usec,
                 "there is no target '%.*s' to send clients to (agent-send should be like "
                 "\"NAME replica lag=5s\\n\")",
                 name.len < 64 ? (int)name.len : 64, name.len > 0 ? name.data : "");
        return NULL;
    }
    return target;
}

/* "replica lag=5s fallback=primary"; nothing at all asks whether it is there. */
static bool read_question(struct agent_memory *memory, struct str rest, uint64_t now_usec,
                          struct advice_question *ret) {
    struct str word = next_word(&rest);
    struct error err = {0};
    if (!advice_question_init(word.len > 0 ? word : str_of("health"), ret)) {
        complain(memory, now_usec, "no target is asked for '%.*s'",
                 word.len < 64 ? (int)word.len : 64, word.data);
        return false;
    }
    while (str_trim(rest).len > 0) {
        struct str value = next_word(&rest);
        struct str name = str_cut(&value, '=');
        if (advice_question_set(ret, name, value, &err) < 0) {
            complain(memory, now_usec, "%s", err.text);
            return false;
        }
    }
    return true;
}

void agent_answer(struct agent_memory *memory, const struct sampler *sampler, struct str line,
                  uint64_t peer, uint64_t now_usec, struct strbuf *out) {
    struct str rest = line = str_trim(line);
    uint64_t key = key_of(line, peer);
    struct advice_question question;
    struct advice advice;
    const struct target_view *target = find_target(memory, sampler, next_word(&rest), now_usec);
    if (target == NULL || !read_question(memory, rest, now_usec, &question)) {
        return;
    }
    if (memory->leaving) {
        if (is_held(memory, key)) {
            strbuf_add_text(out, question.drain ? "ready up 100%\n" : "up 100%\n");
        }
        return;
    }
    advice_give(sampler, target, &question, now_usec, &advice);
    if (!advice.fresh) {
        return;
    }
    add_line(&question, &advice, out);
    forget(memory, key);
    if (is_for_now(&question, &advice)) {
        note(memory, key, now_usec);
    }
}
