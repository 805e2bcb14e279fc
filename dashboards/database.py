# SPDX-License-Identifier: Apache-2.0
"""The dashboard 'Database Performance': PostgreSQL, PgBouncer and their hosts. See grafana.py for the table."""
from grafana import graph, number, servers

UID = "dbvitals-database"
FILE = "database-performance.json"
TITLE = "Database Performance"
DESCRIPTION = "PostgreSQL, PgBouncer and their hosts as dbvitals sees them."
TYPES = "postgres|pgbouncer|host"

TRANSACTIONS = ('(rate(pg_stat_database_xact_commit{@,datname!~"template.*|"}[$__rate_interval])'
                ' + rate(pg_stat_database_xact_rollback{@,datname!~"template.*|"}'
                '[$__rate_interval]))')
CONNECTIONS_USED = ("dbvitals_pg_connections_clients{@}"
                    " / (dbvitals_pg_connections_max{@} - dbvitals_pg_connections_reserved{@})")
POOL_USED = ("pgbouncer_pools_server_active_connections{@}"
             " / on (instance, target, database) group_left ()"
             ' (label_replace(pgbouncer_databases_pool_size{@}, "database", "$1", "name", "(.+)")'
             " > 0)")
BUFFER_HITS = ("rate(pg_stat_database_blks_hit{@}[$__rate_interval])",
               "rate(pg_stat_database_blks_read{@}[$__rate_interval])")
HIT_RATIO = f"sum({BUFFER_HITS[0]}) / (sum({BUFFER_HITS[0]}) + sum({BUFFER_HITS[1]}))"
HIT_RATIO_EACH = ('rate(pg_stat_database_blks_hit{@,datname!~"template.*|"}[$__rate_interval])'
                  ' / (rate(pg_stat_database_blks_hit{@,datname!~"template.*|"}[$__rate_interval])'
                  ' + rate(pg_stat_database_blks_read{@,datname!~"template.*|"}'
                  '[$__rate_interval]))')

CONNECTION_LIMITS = [("PostgresConnectionsHigh", 0.8, "orange"),
                     ("PostgresConnectionsExhausted", 0.95, "red")]
POOL_LIMITS = [("PoolUtilisationHigh", 0.8, "orange"), ("PoolUtilisationCritical", 0.85, "red")]
LAG_LIMITS = [("ReplicationLag", 5, "orange"), ("ReplicationLagCritical", 60, "red")]

ROWS = [
    ("Overview", [
        servers("Servers", "Every PostgreSQL and PgBouncer that is selected, with its role.",
                'dbvitals_target_info{@,type=~"postgres|pgbouncer"}'
                " * on (instance, target) group_left () dbvitals_target_up{@}"),
        number("Down", "Servers that did not answer in the last round.", "none",
               'count(pg_up{@} == 0 or pgbouncer_up{@} == 0) or vector(0)',
               limits=[(None, 1, "red")]),
        number("Connections in use", "Of those that applications may have, on the fullest server.",
               "percentunit", f"max({CONNECTIONS_USED})", limits=CONNECTION_LIMITS),
        number("Pool in use", "Busy server connections of the fullest pool.", "percentunit",
               f"max({POOL_USED})", limits=POOL_LIMITS),
        number("Clients waiting", "Clients of all pools that wait for a server connection.",
               "none", "sum(pgbouncer_pools_client_waiting_connections{@})",
               limits=[("PoolClientsWaiting", 5, "red")]),
        number("Replication lag", "Of the replica that is furthest behind.", "s",
               "max(pg_replication_lag_seconds{@})", limits=LAG_LIMITS),
        number("Buffer hits", "Blocks found in shared buffers, of all databases together.",
               "percentunit", HIT_RATIO, limits=[("PostgresCacheHitLow", 0.9, "orange")],
               below=True),
    ]),
    ("Connections", [
        graph("Connections in use", "Client connections as a share of those that applications may "
              "have: max_connections less the reserved ones.", "percentunit",
              (CONNECTIONS_USED, "{{target}}"), limits=CONNECTION_LIMITS, top=1),
        graph("Connections by state", "What clients do. Many that are idle in transaction hold "
              "locks for nothing.", "none",
              ('sum by (instance, target, state) (pg_stat_activity_count{@,'
               'backend_type=~"client backend|"})', "{{target}} {{state}}"), stack=True),
        graph("Waiting for locks", "Sessions that wait for a lock of another one.", "none",
              ("dbvitals_pg_connections_waiting_for_lock{@}", "{{target}}"),
              limits=[("PostgresBlockedQueries", 5, "orange")]),
        graph("Longest transaction", "Age of the oldest transaction of a client that is at work.",
              "s", ('max by (instance, target, datname) (pg_stat_activity_max_tx_duration{@,'
                    'state="active",backend_type=~"client backend|"})', "{{target}} {{datname}}"),
              limits=[("PostgresLongRunningTransaction", 300, "orange")]),
        graph("Longest idle in transaction", "Age of the oldest transaction that was left open.",
              "s", ('max by (instance, target, datname) (pg_stat_activity_max_tx_duration{@,'
                    'state=~"idle in transaction.*"})', "{{target}} {{datname}}"),
              limits=[("PostgresIdleInTransaction", 300, "orange")]),
        graph("Sessions begun", "New connections a second. Where there are many, a pool is "
              "missing. PostgreSQL 14 and newer.", "ops",
              ("sum by (instance, target) (rate(pg_stat_database_sessions_total{@}"
               "[$__rate_interval]))", "{{target}}")),
    ]),
    ("Transactions", [
        graph("Transactions", "Commits and rollbacks a second, by database.", "ops",
              (TRANSACTIONS, "{{target}} {{datname}}")),
        graph("Rollbacks", "Share of the transactions that end in a rollback. The alert wants more "
              "than one transaction a second, too.", "percentunit",
              ('rate(pg_stat_database_xact_rollback{@,datname!~"template.*|"}[$__rate_interval])'
               f" / {TRANSACTIONS}", "{{target}} {{datname}}"),
              limits=[("PostgresErrorRateHigh", 0.05, "orange")]),
        graph("Time in a transaction", "Time that a transaction executes statements, on average. "
              "PostgreSQL 14 and newer.", "s",
              ('rate(pg_stat_database_active_time_seconds_total{@,datname!~"template.*|"}'
               f"[$__rate_interval]) / {TRANSACTIONS}", "{{target}} {{datname}}"),
              limits=[("PostgresTransactionSlow", 0.1, "orange")]),
        graph("Rows written", "Rows inserted, updated and deleted a second.", "ops",
              *[("sum by (instance, target) (rate(pg_stat_database_tup_%s{@}[$__rate_interval]))"
                 % what, "{{target}} " + what) for what in ("inserted", "updated", "deleted")]),
        graph("Temporary files", "What sorts and hashes that do not fit into work_mem write.",
              "Bps", ("rate(pg_stat_database_temp_bytes{@}[$__rate_interval])",
                      "{{target}} {{datname}}"),
              limits=[("PostgresTempFilesHigh", 10485760, "orange")]),
        graph("Deadlocks and conflicts", "Deadlocks, and queries of replicas that recovery "
              "cancelled, a second.", "ops",
              ("sum by (instance, target) (rate(pg_stat_database_deadlocks{@}[$__rate_interval]))",
               "{{target}} deadlocks"),
              ("sum by (instance, target) (rate(pg_stat_database_conflicts{@}[$__rate_interval]))",
               "{{target}} conflicts")),
    ]),
    ("Buffers", [
        graph("Buffer hits", "Share of the blocks that were found in shared buffers, by database.",
              "percentunit", (HIT_RATIO_EACH, "{{target}} {{datname}}"),
              limits=[("PostgresCacheHitLow", 0.9, "orange")], below=True, top=1),
        graph("Blocks read", "Blocks a second that were not in shared buffers; the kernel may have "
              "had them.", "ops",
              ('rate(pg_stat_database_blks_read{@,datname!~"template.*|"}[$__rate_interval])',
               "{{target}} {{datname}}")),
        graph("Time reading and writing", "Milliseconds a second that sessions spend in reading "
              "and writing blocks; 0 without track_io_timing.", "ms",
              ("sum by (instance, target) (rate(pg_stat_database_blk_read_time{@}"
               "[$__rate_interval]))", "{{target}} reading"),
              ("sum by (instance, target) (rate(pg_stat_database_blk_write_time{@}"
               "[$__rate_interval]))", "{{target}} writing")),
    ]),
    ("Replication", [
        graph("Lag in seconds", "How old the newest replayed transaction of a replica is. 0 when "
              "all that was received is replayed, also when nothing is received any more.", "s",
              ("pg_replication_lag_seconds{@} and on (instance, target)"
               " pg_replication_is_replica{@} == 1", "{{target}}"), limits=LAG_LIMITS),
        graph("Lag in bytes", "What standbys have yet to replay, seen from the server that they "
              "are connected to; and what a replica has yet to receive.", "bytes",
              ("pg_stat_replication_pg_wal_lsn_diff{@}", "{{target}} to {{application_name}}"),
              ("dbvitals_replication_lag_bytes{@}", "{{target}} has yet to receive"),
              limits=[("ReplicationBytesLag", 104857600, "red")]),
        graph("Connected", "1 while a replica streams from its primary.", "none",
              ("pg_replication_connected{@}", "{{target}}"), top=1),
        graph("WAL written", "Bytes of WAL that primaries write a second.", "Bps",
              ("deriv(pg_replication_write_position_bytes{@}[$__rate_interval])", "{{target}}")),
        graph("WAL kept for slots", "What a server keeps because a slot's consumer has not "
              "confirmed it.", "bytes",
              ("pg_replication_slots_pg_wal_lsn_diff{@}", "{{target}} {{slot_name}}"),
              limits=[("ReplicationSlotWalRetained", 10737418240, "orange")]),
        graph("Role", "1 is a replica, 0 a primary.", "none",
              ("pg_replication_is_replica{@}", "{{target}}"), top=1),
    ]),
    ("Maintenance", [
        graph("Age of transaction ids", "Transactions since the oldest that is not frozen; at 2.1 "
              "thousand million the server takes no more writes.", "short",
              ("pg_database_wraparound_age_datfrozenxid_seconds{@}", "{{target}} {{datname}}"),
              limits=[("PostgresXidWraparound", 1e9, "red")]),
        graph("Checkpoints", "Checkpoints a second that came by the clock, and that were asked "
              "for, most often because max_wal_size was reached.", "ops",
              ("rate(pg_stat_checkpointer_num_timed_total{@}[$__rate_interval])"
               " or rate(pg_stat_bgwriter_checkpoints_timed_total{@}[$__rate_interval])",
               "{{target}} by the clock"),
              ("rate(pg_stat_checkpointer_num_requested_total{@}[$__rate_interval])"
               " or rate(pg_stat_bgwriter_checkpoints_req_total{@}[$__rate_interval])",
               "{{target}} asked for")),
        graph("WAL archive", "Files a second that were archived, and attempts that failed.", "ops",
              ("rate(pg_stat_archiver_archived_count{@}[$__rate_interval])", "{{target}} archived"),
              ("rate(pg_stat_archiver_failed_count{@}[$__rate_interval])", "{{target}} failed")),
        graph("Dead rows", "The ten tables with most dead rows, of the databases that are "
              "connected to.", "short",
              ("topk(10, pg_stat_user_tables_n_dead_tup{@})",
               "{{target}} {{datname}} {{schemaname}}.{{relname}}")),
        graph("Size of databases", "What each database takes on disk.", "bytes",
              ('pg_database_size_bytes{@,datname!~"template.*"}', "{{target}} {{datname}}")),
        graph("WAL on disk", "Size of the WAL folder.", "bytes",
              ("pg_wal_size_bytes{@}", "{{target}}")),
    ]),
    ("Pooler", [
        graph("Pool in use", "Busy server connections as a share of the pool's size, by user and "
              "database.", "percentunit",
              (POOL_USED, "{{target}} {{database}} {{user}}"), limits=POOL_LIMITS),
        graph("Clients waiting", "Clients that wait for a server connection, by database.", "none",
              ("sum by (instance, target, database)"
               " (pgbouncer_pools_client_waiting_connections{@})", "{{target}} {{database}}"),
              limits=[("PoolClientsWaiting", 5, "red")]),
        graph("Longest wait", "How long the first client in the queue has waited.", "s",
              ("pgbouncer_pools_client_maxwait_seconds{@}", "{{target}} {{database}} {{user}}"),
              limits=[("PoolMaxWait", 1, "orange")]),
        graph("Query time", "Time of a query as PgBouncer measures it, on average.", "s",
              ("rate(pgbouncer_stats_totals_queries_duration_seconds_total{@}[$__rate_interval])"
               " / rate(pgbouncer_stats_totals_queries_pooled_total{@}[$__rate_interval])",
               "{{target}} {{database}}"), limits=[("PgBouncerQuerySlow", 0.1, "orange")]),
        graph("Queries", "Queries a second, by database.", "ops",
              ("rate(pgbouncer_stats_totals_queries_pooled_total{@}[$__rate_interval])",
               "{{target}} {{database}}")),
        graph("Clients", "Clients as a share of max_client_conn.", "percentunit",
              ("sum by (instance, target) (pgbouncer_pools_client_active_connections{@}"
               " + pgbouncer_pools_client_waiting_connections{@})"
               " / on (instance, target) (pgbouncer_config_max_client_connections{@} > 0)",
               "{{target}}"), limits=[("PgBouncerClientLimit", 0.9, "red")]),
    ]),
    ("Hosts", [
        graph("Processors", "Share of the time in which processors were busy; waiting for a disk is "
              "not.", "percentunit",
              ("1 - avg without (cpu) (sum without (mode)"
               ' (rate(node_cpu_seconds_total{@,mode=~"idle|iowait"}[$__rate_interval])))',
               "{{target}}"), limits=[("HostCpuSaturated", 0.8, "orange")]),
        graph("Memory", "Share that can still be had without swapping.", "percentunit",
              ("node_memory_MemAvailable_bytes{@} / node_memory_MemTotal_bytes{@}", "{{target}}")),
        graph("Load", "Processes that run, could run or wait for a disk, over a minute.", "none",
              ("node_load1{@}", "{{target}}")),
        graph("Space left", "Of file systems, for ordinary users.", "percentunit",
              ("node_filesystem_avail_bytes{@} / node_filesystem_size_bytes{@}",
               "{{target}} {{mountpoint}}")),
        graph("Disks busy", "Share of the time in which a disk had something to do.", "percentunit",
              ("rate(node_disk_io_time_seconds_total{@}[$__rate_interval])",
               "{{target}} {{device}}")),
        graph("Network", "Bytes a second, received and sent.", "Bps",
              ('rate(node_network_receive_bytes_total{@,device!="lo"}[$__rate_interval])',
               "{{target}} {{device}} in"),
              ('rate(node_network_transmit_bytes_total{@,device!="lo"}[$__rate_interval])',
               "{{target}} {{device}} out")),
    ]),
    ("dbvitals", [
        graph("Time of a round", "How long it takes to ask a server everything.", "s",
              ('dbvitals_round_duration_seconds{@} and on (instance, target)'
               ' dbvitals_target_info{@,type=~"postgres|pgbouncer"}', "{{target}}"),
              limits=[("ScrapeSlow", 2, "orange")]),
        graph("Rounds that failed", "Share of the rounds that the server did not answer.",
              "percentunit",
              ("rate(dbvitals_rounds_failed_total{@}[$__rate_interval])"
               " / rate(dbvitals_rounds_total{@}[$__rate_interval]) and on (instance, target)"
               ' dbvitals_target_info{@,type=~"postgres|pgbouncer"}', "{{target}}"),
              limits=[("TargetErrorRateHigh", 0.05, "orange")], top=1),
        graph("Collectors that failed", "How many groups of metrics of a server are missing.",
              "none",
              ('count by (instance, target) (dbvitals_collector_success{@}) - sum by (instance,'
               ' target) (dbvitals_collector_success{@}) and on (instance, target)'
               ' dbvitals_target_info{@,type=~"postgres|pgbouncer"}', "{{target}}")),
    ]),
]
