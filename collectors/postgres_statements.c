/* SPDX-License-Identifier: Apache-2.0 */

/* Statements that cost most, from the extension pg_stat_statements in the connection's database. A
 * statement is named by its queryid and never by its text, which may hold what nobody should see in
 * a label.
 *
 * The most expensive statements have a series each; what the others took together is in families
 * of their own that are gauges: when a statement joins the expensive ones, what is left falls, and
 * a counter that falls looks like a restart. The columns are those that come with the server; an
 * extension that was never updated after pg_upgrade has older ones, and the server then says so.
 *
 * The extension may be in any schema, and a search path would let the owner of the database put a
 * function of his own in front of it. So the statement looks the schema up and has the server run
 * a text with that name in it: query_to_xml() is what does this within a plain SELECT. What comes
 * out are numbers as JSON, in one element, so that no parser of XML is needed. For 1000 statements
 * all this takes the server about 10 ms longer than a fixed name. */
#include <errno.h>

#include "base/duration.h"
#include "collectors/collector.h"
#include "collectors/support.h"

/* At most so many rows besides the rest; also the most that the option allows. */
#define MOST "1000"

/* Times and deallocations have other names in other versions. */
#define STATEMENT(ms, read_ms, write_ms, deallocations)                                            \
    "SELECT d.datname, pg_catalog.pg_get_userbyid(a.userid) AS username, a.queryid, a.calls,"      \
    " a.rows, a.ms, a.read_ms, a.write_ms, a.place, a.deallocations"                               \
    " FROM pg_catalog.pg_extension AS e"                                                           \
    " JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace"            \
    " CROSS JOIN LATERAL "                                                                         \
    "pg_catalog.json_to_recordset(pg_catalog.split_part(pg_catalog.split_part("                    \
    "pg_catalog.query_to_xml(pg_catalog.format($text$" COUNTED(ms, read_ms, write_ms) LISTED(      \
        deallocations) "$text$, n.nspname), true, false, '')::pg_catalog.text, '<answer>', 2),"    \
                       " '</answer>', 1)::pg_catalog.json)"                                        \
                       " AS a(userid pg_catalog.oid, dbid pg_catalog.oid, queryid "                \
                       "pg_catalog.int8,"                                                          \
                       " calls pg_catalog.numeric, rows pg_catalog.numeric, ms pg_catalog.float8," \
                       " read_ms pg_catalog.float8, write_ms pg_catalog.float8, place "            \
                       "pg_catalog.int8,"                                                          \
                       " deallocations pg_catalog.int8)"                                           \
                       " LEFT JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) "   \
                       "a.dbid"                                                                    \
                       " WHERE e.extname OPERATOR(pg_catalog.=) 'pg_stat_statements' ORDER BY "    \
                       "a.place"

/* A statement has an entry for each place it was called from; %1$I is the schema. */
#define COUNTED(ms, read_ms, write_ms)                                                             \
    "WITH s AS (SELECT userid, dbid, queryid, pg_catalog.sum(calls) AS calls,"                     \
    " pg_catalog.sum(rows) AS rows, pg_catalog.sum(" ms ") AS ms,"                                 \
    " pg_catalog.sum(" read_ms ") AS read_ms, pg_catalog.sum(" write_ms ") AS write_ms"            \
    " FROM %1$I.pg_stat_statements(false) GROUP BY userid, dbid, queryid),"                        \
    " r AS (SELECT s.userid, s.dbid, s.queryid, s.calls, s.rows, s.ms, s.read_ms, s.write_ms,"     \
    " pg_catalog.row_number() OVER (ORDER BY s.ms DESC, s.queryid) AS place FROM s)"

/* The first ones, and what the others took together. */
#define LISTED(deallocations)                                                                      \
    " SELECT pg_catalog.json_agg(l) AS answer FROM (SELECT r.userid, r.dbid, r.queryid, r.calls,"  \
    " r.rows, r.ms, r.read_ms, r.write_ms, r.place, NULL::pg_catalog.int8 AS deallocations"        \
    " FROM r WHERE r.place OPERATOR(pg_catalog.<=) " MOST                                          \
    " UNION ALL SELECT NULL, NULL, NULL, COALESCE(pg_catalog.sum(r.calls), 0),"                    \
    " COALESCE(pg_catalog.sum(r.rows), 0), COALESCE(pg_catalog.sum(r.ms), 0), NULL, NULL, NULL,"   \
    " " deallocations " FROM r WHERE r.place OPERATOR(pg_catalog.>) " MOST ") AS l"
#define FORGOTTEN "(SELECT dealloc FROM %1$I.pg_stat_statements_info)"

static const struct query queries[] = {
    {.min_version = 170000,
     .text =
         STATEMENT("total_exec_time", "shared_blk_read_time", "shared_blk_write_time", FORGOTTEN),
     .shape = SHAPE_ROWS},
    {.min_version = 140000,
     .text = STATEMENT("total_exec_time", "blk_read_time", "blk_write_time", FORGOTTEN),
     .shape = SHAPE_ROWS},
    {.min_version = 130000,
     .text = STATEMENT("total_exec_time", "blk_read_time", "blk_write_time", "NULL"),
     .shape = SHAPE_ROWS},
    {.text = STATEMENT("total_time", "blk_read_time", "blk_write_time", "NULL"),
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"calls", COUNTER, "pg_stat_statements_calls_total", "Times that the statement was run."},
    {"datname", LABEL, "datname"},
    {"ms", COUNTER, "pg_stat_statements_seconds_total",
     "Time that runs of the statement took, in seconds.", 1e-3},
    {"queryid", LABEL, "queryid"},
    {"read_ms", COUNTER, "pg_stat_statements_block_read_seconds_total",
     "Time that the statement spent reading blocks, in seconds; needs track_io_timing.", 1e-3},
    {"rows", COUNTER, "pg_stat_statements_rows_total",
     "Rows that the statement returned or changed."},
    {"username", LABEL, "user"},
    {"write_ms", COUNTER, "pg_stat_statements_block_write_seconds_total",
     "Time that the statement spent writing blocks, in seconds; needs track_io_timing.", 1e-3},
    {0},
};

enum { SLOW_MEAN = 3, SLOW_COUNT, REST_CALLS, REST_ROWS, REST_SECONDS, DEALLOCATIONS };

static const struct column also[] = {
    {NULL, LABEL, "datname"},
    {NULL, LABEL, "queryid"},
    {NULL, LABEL, "user"},
    [SLOW_MEAN] =
        {NULL, GAUGE, "dbvitals_pg_slow_statement_mean_seconds",
         "Mean time of a statement that is above slow_query, since its counters began; of "
         "those that are shown one by one."},
    [SLOW_COUNT] = {NULL, GAUGE, "dbvitals_pg_slow_statements",
                    "Statements whose mean time is above slow_query, of the 1000 that cost most.",
                    .group = 1},
    [REST_CALLS] = {NULL, GAUGE, "dbvitals_pg_statements_rest_calls",
                    "Runs of the statements that are not shown one by one.", .group = 1},
    [REST_ROWS] = {NULL, GAUGE, "dbvitals_pg_statements_rest_rows",
                   "Rows of the statements that are not shown one by one.", .group = 1},
    [REST_SECONDS] = {NULL, GAUGE, "dbvitals_pg_statements_rest_seconds",
                      "Time that the statements took that are not shown one by one, in seconds.",
                      .group = 1},
    [DEALLOCATIONS] = {NULL, COUNTER, "dbvitals_pg_statements_deallocations_total",
                       "Times that the extension forgot rare statements to have place for others; "
                       "many mean that pg_stat_statements.max is too small. From version 14 on.",
                       .group = 1},
    {0},
};

enum { LIMIT, SLOW_QUERY };
static const struct option options[] = {
    [LIMIT] = {"limit", OPTION_UNSIGNED, "200",
               "How many statements are shown one by one, those with most time first.", 1, 1000},
    [SLOW_QUERY] = {"slow_query", OPTION_DURATION, "100ms",
                    "Statements whose mean time is above it are shown as slow.", 1000,
                    (uint64_t)24 * 3600 * USEC_PER_SEC},
    {NULL},
};

/* What rows took together. */
struct total {
    double calls, rows, seconds;
};

static double number_at(const struct table *table, size_t row, const char *column) {
    double value = 0;
    str_to_double(cell_named(table, row, column), &value);
    return value;
}

static void add(struct batch *batch, int which, struct batch_labels labels, double value) {
    const struct column *rule = &also[which];
    batch_add(batch,
              (struct batch_metric){rule->metric, rule->help, column_metric_type(rule->kind), true},
              labels, value);
}

static void add_mean(const struct table *table, size_t row, double mean_ms, struct batch *batch) {
    struct label labels[] = {
        {str_of("datname"), cell_named(table, row, "datname")},
        {str_of("queryid"), cell_named(table, row, "queryid")},
        {str_of("user"), cell_named(table, row, "username")},
    };
    add(batch, SLOW_MEAN, batch_add_labels(batch, labels, ARRAY_LEN(labels)),
        scale_value(mean_ms, 1e-3));
}

static void add_row(const struct table *table, size_t row, struct total *total) {
    total->calls += number_at(table, row, "calls");
    total->rows += number_at(table, row, "rows");
    total->seconds += scale_value(number_at(table, row, "ms"), 1e-3);
}

/* Of all statements. Both fall when the extension forgets some; whoever compares them sees that. */
static void keep_facts(struct facts *facts, const struct total *all) {
    double usec = all->seconds * USEC_PER_SEC;
    if (all->calls < 9e18 && usec < 9e18) {
        facts_set(facts, FACT_QUERIES, (int64_t)all->calls);
        facts_set(facts, FACT_QUERY_TIME_USEC, (int64_t)(usec + 0.5));
    }
}

extern const struct collector collector_postgres_statements;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    const struct table *table = answer->table;
    size_t limit = context->options[LIMIT].number;
    double slow_ms = (double)context->options[SLOW_QUERY].number / USEC_PER_MSEC;
    struct total rest = {0}, all = {0};
    double slow = 0;
    if (table->n_rows == 0) {
        return error_say(err, -EOPNOTSUPP,
                         "the database has no extension pg_stat_statements: CREATE EXTENSION "
                         "pg_stat_statements makes it");
    }
    size_t last = table->n_rows - 1; /* what the server has summed up itself */
    limit = limit < last ? limit : last;
    int r = decode_first_rows(&collector_postgres_statements, context, answer, limit, batch, err);
    for (size_t row = 0; r == 0 && row < table->n_rows; row++) {
        double calls = number_at(table, row, "calls"), ms = number_at(table, row, "ms");
        bool is_slow = row < last && calls > 0 && ms / calls > slow_ms;
        slow += is_slow;
        add_row(table, row, &all);
        if (row >= limit) {
            add_row(table, row, &rest);
        } else if (is_slow) {
            add_mean(table, row, ms / calls, batch);
        }
    }
    struct batch_labels none = {0};
    struct str deallocations = cell_named(table, last, "deallocations");
    add(batch, SLOW_COUNT, none, slow);
    add(batch, REST_CALLS, none, rest.calls);
    add(batch, REST_ROWS, none, rest.rows);
    add(batch, REST_SECONDS, none, rest.seconds);
    if (deallocations.data != NULL) {
        add(batch, DEALLOCATIONS, none, number_at(table, last, "deallocations"));
    }
    keep_facts(context->facts, &all);
    return r;
}

const struct collector collector_postgres_statements = {
    .name = "statements",
    .help = "Calls, time and rows of the statements that cost most, by queryid.",
    .kind = KIND_POSTGRES,
    .flags = COLLECTOR_OFF,
    /* The server copies and sorts up to pg_stat_statements.max entries. */
    .interval_usec = 60 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .options = options,
    .also = also,
};
