/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals metrics: the reference of all collectors and metrics, printed from their tables. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

#include "actions/delivery.h"
#include "base/duration.h"
#include "base/mem.h"
#include "collectors/collector.h"
#include "sampler/sampler.h"
#include "self.h"
#include "thresholds.h"
#include "watching.h"

static const char *const format_names[] = {"text", "markdown", NULL};

struct metrics_flags {
    enum cli_metrics_format format;
    bool help;
};

static const struct flag metrics_flags[] = {
    {"--format", FLAG_CHOICE, offsetof(struct metrics_flags, format), .choices = format_names,
     .argument = "FORMAT", .fallback = "text", .no_environment = true, .help = "text or markdown."},
    {"--help", FLAG_BOOL, offsetof(struct metrics_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

/* A metric of one collector with all labels that its rows have. */
struct entry {
    const struct column *row;
    struct strbuf labels; /* "a, b" */
};

struct entries {
    struct entry *list;
    size_t count, capacity;
};

static bool is_metric(const struct column *row) {
    return row->metric != NULL && row->kind != LABEL && row->kind != NAME && row->kind != FACT;
}

static const char *type_name(enum column_kind kind) {
    return metric_type_names[column_metric_type(kind)];
}

static struct entry *find_entry(struct entries *entries, const char *metric) {
    for (size_t i = 0; i < entries->count; i++) {
        if (strcmp(entries->list[i].row->metric, metric) == 0) {
            return &entries->list[i];
        }
    }
    return NULL;
}

static bool has_label(const struct strbuf *labels, const char *name) {
    struct str rest = strbuf_view(labels);
    while (rest.len != 0) {
        if (str_is(str_trim(str_cut(&rest, ',')), name)) {
            return true;
        }
    }
    return false;
}

static void add_label(struct entry *entry, const char *name) {
    if (!has_label(&entry->labels, name)) {
        strbuf_printf(&entry->labels, "%s%s", entry->labels.len != 0 ? ", " : "", name);
    }
}

/* Metrics of one list of rows; labels come from the same list. */
static void collect(struct entries *entries, const struct column *rows) {
    for (const struct column *row = rows; row != NULL && row->kind != COLUMN_END; row++) {
        if (!is_metric(row)) {
            continue;
        }
        struct entry *entry = find_entry(entries, row->metric);
        if (entry == NULL) {
            entries->list = mem_grow(entries->list, entries->count, &entries->capacity,
                                     sizeof(entries->list[0]));
            entry = &entries->list[entries->count++];
            *entry = (struct entry){.row = row};
        }
        for (const struct column *label = rows; label->kind != COLUMN_END; label++) {
            if (label->kind == LABEL && label->group == row->group && label->metric != NULL) {
                add_label(entry, label->metric);
            }
        }
    }
}

static int by_metric(const void *a, const void *b) {
    const struct entry *left = a, *right = b;
    return strcmp(left->row->metric, right->row->metric);
}

static void entries_init(struct entries *entries, const struct collector *collector) {
    *entries = (struct entries){0};
    collect(entries, collector->columns);
    collect(entries, collector->also);
    for (size_t i = 0; i < entries->count; i++) {
        if ((collector->flags & COLLECTOR_SERVER_LABEL) != 0) {
            add_label(&entries->list[i], "server");
        }
    }
    if (entries->count != 0) {
        qsort(entries->list, entries->count, sizeof(entries->list[0]), by_metric);
    }
}

static void entries_deinit(struct entries *entries) {
    for (size_t i = 0; i < entries->count; i++) {
        strbuf_deinit(&entries->list[i].labels);
    }
    free(entries->list);
}

static void add_schedule(const struct collector *collector, struct strbuf *out) {
    char interval[32];
    if (collector->interval_usec == 0) {
        strbuf_add_text(out, "every round");
    } else {
        strbuf_printf(out, "every %s", duration_format(collector->interval_usec, interval));
    }
    strbuf_add_text(out, (collector->flags & COLLECTOR_OFF) != 0 ? ", off by default" : "");
}

static void text_collector(const char *section, const struct collector *collector,
                           const struct entries *entries, struct strbuf *out) {
    strbuf_printf(out, "%s: %s (", section, collector->name);
    add_schedule(collector, out);
    strbuf_printf(out, ")\n  %s\n", collector->help);
    const struct option *option = collector->options;
    for (; option != NULL && option->name != NULL; option++) {
        strbuf_printf(out, "  option %s (default %s): %s\n", option->name,
                      option->fallback[0] != '\0' ? option->fallback : "empty", option->help);
    }
    for (size_t i = 0; i < entries->count; i++) {
        const struct entry *entry = &entries->list[i];
        strbuf_printf(out, "    %s", entry->row->metric);
        if (entry->labels.len != 0) {
            strbuf_printf(out, "{%s}", entry->labels.data);
        }
        strbuf_printf(out, " %s\n        %s\n", type_name(entry->row->kind),
                      entry->row->help != NULL ? entry->row->help : "");
    }
    strbuf_add_char(out, '\n');
}

/* A cell of a table: a bar would end it, `<` and '*' would be markup. */
static void add_cell(struct strbuf *out, const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if (strchr("|<*\\", *c) != NULL) {
            strbuf_add_char(out, '\\');
        }
        strbuf_add_char(out, *c);
    }
}

static void markdown_options(const struct collector *collector, struct strbuf *out) {
    const struct option *option = collector->options;
    if (option == NULL || option->name == NULL) {
        return;
    }
    strbuf_add_text(out, "| option | default | meaning |\n| --- | --- | --- |\n");
    for (; option->name != NULL; option++) {
        strbuf_printf(out, "| `%s` | ", option->name);
        if (option->fallback[0] != '\0') {
            strbuf_printf(out, "`%s`", option->fallback);
        }
        strbuf_add_text(out, " | ");
        add_cell(out, option->help);
        strbuf_add_text(out, " |\n");
    }
    strbuf_add_char(out, '\n');
}

static void markdown_collector(const struct collector *collector, const struct entries *entries,
                               struct strbuf *out) {
    strbuf_printf(out, "### %s\n\n%s Runs ", collector->name, collector->help);
    add_schedule(collector, out);
    strbuf_add_text(out, ".\n\n");
    markdown_options(collector, out);
    if (entries->count != 0) {
        strbuf_add_text(out, "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n");
    }
    for (size_t i = 0; i < entries->count; i++) {
        const struct entry *entry = &entries->list[i];
        strbuf_printf(out, "| `%s` | %s | %s | ", entry->row->metric, type_name(entry->row->kind),
                      entry->labels.len != 0 ? entry->labels.data : "");
        add_cell(out, entry->row->help != NULL ? entry->row->help : "");
        strbuf_add_text(out, " |\n");
    }
    strbuf_add_text(out, entries->count != 0 ? "\n" : "");
}

static void add_collector(enum cli_metrics_format format, const char *section,
                          const struct collector *collector, struct strbuf *out) {
    struct entries entries;
    entries_init(&entries, collector);
    if (format == CLI_METRICS_MARKDOWN) {
        markdown_collector(collector, &entries, out);
    } else {
        text_collector(section, collector, &entries, out);
    }
    entries_deinit(&entries);
}

static void add_section(enum cli_metrics_format format, const char *section, struct strbuf *out) {
    if (format == CLI_METRICS_MARKDOWN) {
        strbuf_printf(out, "## %s\n\n", section);
    }
}

/* What the daemon shows about notifications, as a collector's table. */
static void add_notifications(enum cli_metrics_format format, struct strbuf *out) {
    struct column rows[2 * DELIVERY_ROWS + 1] = {{0}};
    for (unsigned i = 0; i < DELIVERY_ROWS; i++) {
        const struct delivery_metric *metric = &delivery_metrics[i];
        rows[2 * i] = (struct column){.kind = metric->type == METRIC_COUNTER ? COUNTER : GAUGE,
                                      .metric = metric->name,
                                      .help = metric->help,
                                      .group = (uint8_t)(i + 1)};
        rows[2 * i + 1] =
            (struct column){.kind = LABEL, .metric = metric->labels, .group = (uint8_t)(i + 1)};
    }
    const struct collector table = {
        .name = "notifications",
        .help = "How alerts reach Alertmanagers (label alertmanager) and receivers (labels channel "
                "and receiver); on the same page.",
        .also = rows,
    };
    add_collector(format, "the daemon", &table, out);
}

void cli_metrics_render(enum cli_metrics_format format, struct strbuf *out) {
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        add_section(format, target_kind_names[kind], out);
        for (size_t i = 0; collector_list[i] != NULL; i++) {
            if (collector_list[i]->kind == (enum target_kind)kind) {
                add_collector(format, target_kind_names[kind], collector_list[i], out);
            }
        }
    }
    add_section(format, "every target", out);
    for (size_t i = 0; sampler_metric_tables[i] != NULL; i++) {
        add_collector(format, "every target", sampler_metric_tables[i], out);
    }
    add_collector(format, "every target", &threshold_metrics_table, out);
    add_section(format, "the daemon", out);
    add_collector(format, "the daemon", &self_metrics_table, out);
    add_collector(format, "the daemon", &watching_metrics_table, out);
    add_notifications(format, out);
}

int cli_metrics(int argc, char **argv) {
    struct metrics_flags flags = {0};
    int status = 0;
    if (!cli_flags(metrics_flags,
                   "Usage: dbvitals metrics [FLAGS]\n\nPrints the reference of all collectors and "
                   "their metrics.",
                   offsetof(struct metrics_flags, help), argc, argv, &flags, &status)) {
        return status;
    }
    struct strbuf text = {0};
    cli_metrics_render(flags.format, &text);
    status = cli_print(strbuf_view(&text));
    strbuf_deinit(&text);
    return status;
}
