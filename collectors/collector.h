/* SPDX-License-Identifier: Apache-2.0 */

/* The contract of collectors: a collector is a table that says what to ask a server and which
 * column of the answer is which metric. One file per subject; its last line defines the collector;
 * its name in collectors/meson.build puts it into the list. Documentation, configuration keys,
 * validation and the tests come from the same rows.
 *
 * Life of a round: the sampler picks of each due collector the first query that fits the server's
 * version, sends equal texts once, shapes the answer, asks expand() for follow-up commands, and
 * decodes everything into a batch. Nothing here talks to a server or keeps state. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/table.h"
#include "base/tree.h"
#include "collectors/facts.h"
#include "store/batch.h"

enum target_kind {
    KIND_POSTGRES,
    KIND_PGBOUNCER,
    KIND_REDIS,
    KIND_SENTINEL,
    KIND_HOST,
    KIND_BREAKERS,
    KIND_COUNT
};

/* As in `type:` of a target; NULL-terminated, indexed by enum target_kind. */
extern const char *const target_kind_names[];

/* What an answer is made into before it is decoded. */
enum shape {
    SHAPE_ROWS,    /* rows and columns: SQL, SHOW; in Redis a list of flat maps (SENTINEL MASTERS);
                      of an application what the query's record says: "breakers", "caches" */
    SHAPE_PAIRS,   /* names and values, made into one row whose columns are the names: INFO,
                      CONFIG GET, SHOW LISTS, SHOW CONFIG (its first two columns); files of lines
                      of words as well, when the query names two columns for them */
    SHAPE_RECORDS, /* lines of INFO that begin with the query's record and hold a=b,c=d: a row each,
                      with the rest of the line's name in column "key" */
    SHAPE_WORDS,   /* lines of a file, cut at blanks: a row each, with the columns that the query
                      names; words beyond them are left out, missing ones are NULL */
    SHAPE_TREE,    /* as it came; needs decode() */
};

struct query {
    int min_version, max_version; /* server_version_num, inclusive; 0: open */
    /* SQL, SHOW ..., a Redis command with single spaces, or what io/host_client.h knows. */
    const char *text;
    enum shape shape;
    /* Of SHAPE_RECORDS: "cmdstat_", "db", "slave"; of words: "name value"; of an application. */
    const char *record;
};

enum column_kind {
    COLUMN_END, /* of the list */
    LABEL,      /* metric: the label's name. Applies to all metrics of the same group */
    COUNTER,
    GAUGE,
    UNTYPED,
    INFO,      /* a gauge that is 1 whenever the row is there; column may be NULL */
    HISTOGRAM, /* only in `also`: decode() makes them */
    SUMMARY,   /* likewise */
    NAME,      /* replaces '*' in the metric names of the row (pg_settings_*) */
    FACT,      /* kept typed in struct facts; of several rows the last one counts */
};

/* The type of the family that a metric row makes. */
enum metric_type column_metric_type(enum column_kind kind);

/* Words that stand for numbers ("ok" is 1), or with NAN for no sample; ends with {NULL, 0}. Unknown
 * words are skipped cells unless the cell is a number itself. */
struct word {
    const char *text;
    double value;
};

/* Rows are sorted by column within a collector; a column may feed several rows. */
struct column {
    const char *column; /* name in the answer; of LABEL: NULL is the context's server */
    enum column_kind kind;
    const char *metric; /* family name, or label name */
    const char *help;
    double scale;             /* value * scale; 0: 1 */
    const struct word *words; /* NULL: numbers, and t, f, true, false, on, off, yes, no */
    uint8_t group;            /* labels of group g go to metrics of group g */
    enum fact fact;           /* of FACT */
    bool null_is_nan;         /* of a metric: the exporter that made the name shows NULL as NaN */
};

enum option_type { OPTION_BOOL, OPTION_UNSIGNED, OPTION_DURATION, OPTION_TEXT };

/* A key under `collectors: {<name>: {...}}` besides enabled, interval and timeout. */
struct option {
    const char *name; /* NULL ends the list */
    enum option_type type;
    const char *fallback; /* as it would stand in the file */
    const char *help;
    uint64_t least, most; /* of OPTION_UNSIGNED and OPTION_DURATION (usec) */
};

/* Values in the order of the collector's options: number for bool, unsigned and duration (usec). */
struct option_value {
    uint64_t number;
    const char *text;
};

struct sample_context {
    int version; /* server_version_num, or 0 when the protocol has none */
    enum server_role role;
    struct str server;                  /* the peers' label `server`: equal to instance */
    const struct option_value *options; /* of this collector */
    int64_t now_ms;                     /* start of the round */
    const struct facts *known;          /* of all collectors, as of the round before */
    struct facts *facts;                /* where FACT columns go */
    struct arena *arena;                /* of the round: for what decode() needs */
    bool many_databases; /* of COLLECTOR_PER_DATABASE: others are asked too, so each series must
                            say which one it is of */
    /* What the collector wants to know in its next round; empty at first. NULL: nothing is kept. */
    struct strbuf *kept;
};

struct answer {
    const struct table *table; /* of ROWS, PAIRS, RECORDS */
    const struct tree *tree;   /* of TREE */
    /* One for each command that expand() asked for, in that order; the tree of a command that
     * failed is a TREE_ERROR. */
    const struct tree *follow_ups;
    size_t n_follow_ups;
};

/* Commands that depend on an answer; words are copied into the arena by the caller of add. */
struct command {
    const struct str *words;
    size_t n_words;
};
#define REQUEST_LIST_MOST 64
struct request_list {
    struct command commands[REQUEST_LIST_MOST];
    size_t n_commands; /* what would not fit is left out */
};

enum collector_flag {
    COLLECTOR_VITAL = 1, /* the first of its kind: its answer decides whether the server is up */
    COLLECTOR_SERVER_LABEL = 2, /* its metrics carry the peers' label server */
    COLLECTOR_OFF = 4,          /* disabled unless configured */
    COLLECTOR_PER_DATABASE = 8, /* knows only what is in the database of its connection */
};

struct collector {
    const char *name; /* as in the configuration: statements */
    const char *help; /* one sentence for the reference */
    enum target_kind kind;
    unsigned flags;               /* of enum collector_flag */
    uint64_t interval_usec;       /* default; 0: every round */
    const struct query *queries;  /* ends with a query without text; the first that fits is used */
    const struct column *columns; /* ends with {0} */

    /* NULL: collector_decode_table(). Return: 0 or negative errno with *err; what is in the batch
     * then is dropped. -EREMOTEIO says that a follow-up command was refused which the collector
     * cannot do without: the collector then failed for the reason that the server gave;
     * -EOPNOTSUPP that the server does not have what the collector is about; -EACCES that a right
     * is missing. */
    int (*decode)(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err);

    /* NULL: none. Adds follow-up commands, sent in the same round (Redis protocol only). */
    int (*expand)(const struct sample_context *context, const struct answer *answer,
                  struct request_list *ret_requests, struct error *err);

    const struct option *options; /* NULL: none */

    /* What decode() emits beyond the columns, for the reference and the tests; NULL: nothing. Ends
     * with {0}. LABEL rows name labels, metric rows metrics; `column` is not used. */
    const struct column *also;
};

/* All collectors, NULL-terminated, in the order of collectors/meson.build; the vital one of a kind
 * comes first. */
extern const struct collector *const collector_list[];

const struct collector *collector_find(enum target_kind kind, const char *name);

/* The query for a server's version, or NULL when it has nothing of this. Version 0 fits only open
 * bounds. */
const struct query *collector_query(const struct collector *collector, int version);

/* Decodes an answer by the collector's function or its table, into batch and context->facts. Cells
 * that are NULL or absent give no sample; what is no number is skipped and counted. */
int collector_decode(const struct collector *collector, const struct sample_context *context,
                     const struct answer *answer, struct batch *batch, struct error *err);

/* The generic half of it, for decode functions that only add to what the table says. */
int collector_decode_table(const struct collector *collector, const struct sample_context *context,
                           const struct answer *answer, struct batch *batch, struct error *err);

/* What a metric row without a pattern is, for those who compute their samples themselves. */
struct batch_metric column_metric(const struct column *row);

/* A cell as a number: numbers as str_to_double, booleans of SQL and of configuration files, and
 * words if given. */
bool collector_number(struct str cell, const struct word *words, double *ret);
