/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/told.h"

const char *const told_pending_names[] = {
    [TOLD_NOTHING] = "nothing",
    [TOLD_WAITS] = "waits",
    [TOLD_UNDER_WAY] = "under_way",
    [TOLD_TRIED] = "tried",
};

void told_deinit(struct told *told) {
    id_set_deinit(&told->sure);
    id_set_deinit(&told->maybe);
    id_set_deinit(&told->over);
    id_set_deinit(&told->firing);
    id_set_deinit(&told->ended);
    *told = (struct told){0};
}

/* ---- decision ---- */

/* After Alertmanager's needsUpdate(). */
static bool is_news(const struct told *told, const struct told_group *group, bool send_resolved,
                    int64_t repeat_ms, int64_t now_ms) {
    if (!id_set_is_subset(&group->firing, &told->sure)) {
        return true;
    }
    if (group->firing.n == 0) {
        return told->maybe.n > 0 && group->ended.n > 0;
    }
    if (send_resolved && !id_set_is_subset(&group->ended, &told->over)) {
        return true;
    }
    return repeat_ms > 0 && told->ever && now_ms - told->at_ms >= repeat_ms;
}

/* To who is not told about ends, an end is known at once. */
static void note_ends(struct told *told, const struct told_group *group) {
    id_set_remove_all(&told->sure, &group->ended);
    id_set_remove_all(&told->maybe, &group->ended);
}

static bool is_what_waits(const struct told *told, const struct told_group *group,
                          bool send_resolved) {
    return id_set_equal(&told->firing, &group->firing) &&
           (send_resolved ? id_set_equal(&told->ended, &group->ended) : told->ended.n == 0);
}

enum told_verdict told_decide(struct told *told, const struct told_group *group, bool send_resolved,
                              int64_t repeat_ms, int64_t now_ms) {
    if (told->pending == TOLD_UNDER_WAY) {
        told->decide_again = true;
        return TOLD_LATER;
    }
    if (!send_resolved) {
        note_ends(told, group);
    }
    bool waits = told->pending != TOLD_NOTHING;
    if (is_news(told, group, send_resolved, repeat_ms, now_ms) &&
        (send_resolved || group->firing.n > 0)) {
        return waits && is_what_waits(told, group, send_resolved) ? TOLD_LEAVE : TOLD_PUT;
    }
    if (waits) {
        told_cancel(told);
        return TOLD_CANCEL;
    }
    return TOLD_LEAVE;
}

/* ---- what becomes of a notification ---- */

void told_put(struct told *told, const struct told_group *group, bool send_resolved) {
    static const struct id_set none = {0};
    id_set_copy(&told->firing, &group->firing);
    id_set_copy(&told->ended, send_resolved ? &group->ended : &none);
    told->pending = told->pending == TOLD_TRIED ? TOLD_TRIED : TOLD_WAITS;
}

void told_cancel(struct told *told) {
    id_set_deinit(&told->firing);
    id_set_deinit(&told->ended);
    told->pending = TOLD_NOTHING;
}

void told_started(struct told *told) {
    id_set_add_all(&told->maybe, &told->firing);
    id_set_remove_all(&told->sure, &told->ended);
    told->pending = TOLD_UNDER_WAY;
}

static void accept(struct told *told, int64_t now_ms) {
    id_set_copy(&told->sure, &told->firing);
    id_set_copy(&told->maybe, &told->firing);
    id_set_copy(&told->over, &told->ended);
    told->ever = true;
    told->at_ms = now_ms;
    told->count++;
}

bool told_ended(struct told *told, enum told_end end, int64_t now_ms) {
    bool again = told->decide_again;
    told->decide_again = false;
    if (end == TOLD_UNANSWERED) {
        told->pending = TOLD_TRIED;
        return again;
    }
    if (end == TOLD_ACCEPTED) {
        accept(told, now_ms);
    } else if (end == TOLD_REFUSED && told->firing.n == 0) {
        id_set_deinit(&told->sure);
        id_set_deinit(&told->maybe);
    }
    told_cancel(told);
    return again;
}

bool told_needs(const struct told *told, uint64_t id) {
    return id_set_has(&told->maybe, id) || id_set_has(&told->firing, id) ||
           id_set_has(&told->ended, id);
}

void told_forget(struct told *told, uint64_t id) {
    id_set_remove(&told->sure, id);
    id_set_remove(&told->maybe, id);
}

/* ---- state file ---- */

void told_pack(const struct told *told, int64_t now_ms, int64_t wall_ms, struct strbuf *out) {
    id_set_pack(&told->sure, out);
    id_set_pack(&told->maybe, out);
    id_set_pack(&told->over, out);
    pack_u64(out, told->ever);
    pack_i64(out, wall_ms - (now_ms - told->at_ms));
    pack_u64(out, told->count);
    pack_u64(out, told->pending);
    id_set_pack(&told->firing, out);
    id_set_pack(&told->ended, out);
}

/* What the clocks say about a time in the past; never in the future. */
static int64_t past(int64_t then_wall_ms, int64_t now_ms, int64_t wall_ms) {
    return then_wall_ms >= 0 && then_wall_ms < wall_ms ? now_ms - (wall_ms - then_wall_ms) : now_ms;
}

bool told_unpack(struct unpacker *in, int64_t now_ms, int64_t wall_ms, struct told *told) {
    bool fine = id_set_unpack(in, &told->sure) && id_set_unpack(in, &told->maybe) &&
                id_set_unpack(in, &told->over);
    uint64_t ever = unpack_u64(in);
    int64_t at_ms = unpack_i64(in);
    told->count = unpack_u64(in);
    uint64_t pending = unpack_u64(in);
    fine = fine && id_set_unpack(in, &told->firing) && id_set_unpack(in, &told->ended);
    if (!fine || in->bad || ever > 1 || pending >= TOLD_PENDING_COUNT) {
        in->bad = true;
        told_deinit(told);
        return false;
    }
    told->ever = ever != 0;
    told->at_ms = past(at_ms, now_ms, wall_ms);
    if (pending != TOLD_NOTHING) {
        told_started(told);
        told->pending = TOLD_TRIED;
    }
    return true;
}
