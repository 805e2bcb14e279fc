# SPDX-License-Identifier: Apache-2.0
"""The dashboard 'Cache Performance': Redis and Sentinel. See grafana.py for the table."""
from grafana import graph, number, servers

UID = "dbvitals-cache"
FILE = "cache-performance.json"
TITLE = "Cache Performance"
DESCRIPTION = "Redis, its kin and Sentinel as dbvitals sees them."
TYPES = "redis|sentinel"

HITS = "rate(redis_keyspace_hits_total{@}[$__rate_interval])"
MISSES = "rate(redis_keyspace_misses_total{@}[$__rate_interval])"
MEMORY_USED = "redis_memory_used_bytes{@} / (redis_memory_max_bytes{@} > 0)"
CLIENTS_USED = "redis_connected_clients{@} / (redis_max_clients{@} > 0)"
CALLS = "sum by (instance, target) (rate(redis_commands_%s{@}[$__rate_interval]))"
OURS = 'and on (instance, target) dbvitals_target_info{@,type=~"redis|sentinel"}'

MEMORY_LIMITS = [("RedisMemoryHigh", 0.9, "orange")]
HIT_LIMITS = [("RedisHitRateLow", 0.7, "orange")]
CLIENT_LIMITS = [("RedisConnectionsHigh", 0.8, "orange")]

ROWS = [
    ("Overview", [
        servers("Servers", "Every Redis and Sentinel that is selected, with its role.",
                'dbvitals_target_info{@,type=~"redis|sentinel"}'
                " * on (instance, target) group_left () dbvitals_target_up{@}"),
        number("Down", "Servers that did not answer in the last round.", "none",
               "count(redis_up{@} == 0) or vector(0)", limits=[(None, 1, "red")]),
        number("Hit rate", "Look-ups that found their key, of all servers together.",
               "percentunit", f"sum({HITS}) / (sum({HITS}) + sum({MISSES}))", limits=HIT_LIMITS,
               below=True),
        number("Memory in use", "Of maxmemory, on the fullest server that has a limit.",
               "percentunit", f"max({MEMORY_USED})", limits=MEMORY_LIMITS),
        number("Clients", "Of maxclients, on the server that has most.", "percentunit",
               f"max({CLIENTS_USED})", limits=CLIENT_LIMITS),
        number("Replica lag", "Of the replica that was silent for longest.", "s",
               "max(redis_connected_slave_lag_seconds{@})",
               limits=[("RedisReplicaLag", 5, "orange")]),
        number("Commands", "Commands a second of all servers together.", "ops",
               "sum(rate(redis_commands_processed_total{@}[$__rate_interval]))"),
    ]),
    ("Cache hits", [
        graph("Hit rate", "Share of the look-ups that found their key. The alert wants more than "
              "one look-up a second, too.", "percentunit", (f"{HITS} / ({HITS} + {MISSES})",
                                                           "{{target}}"),
              limits=HIT_LIMITS, below=True, top=1),
        graph("Look-ups", "Hits and misses a second.", "ops", (HITS, "{{target}} hits"),
              (MISSES, "{{target}} misses")),
        graph("Keys that went", "Keys a second that were evicted for lack of memory, and that "
              "expired.", "ops",
              ("rate(redis_evicted_keys_total{@}[$__rate_interval])", "{{target}} evicted"),
              ("rate(redis_expired_keys_total{@}[$__rate_interval])", "{{target}} expired"),
              limits=[("RedisEvictions", 10, "orange")]),
    ]),
    ("Memory", [
        graph("Memory in use", "Share of maxmemory. The alert counts servers that evict nothing.",
              "percentunit", (MEMORY_USED, "{{target}}"), limits=MEMORY_LIMITS),
        graph("Memory", "What Redis has allocated, and what the host has given it.", "bytes",
              ("redis_memory_used_bytes{@}", "{{target}} used"),
              ("redis_memory_used_rss_bytes{@}", "{{target}} resident")),
        graph("Keys", "Keys by database, and those among them that expire.", "none",
              ("redis_db_keys{@}", "{{target}} {{db}}"),
              ("redis_db_keys_expiring{@}", "{{target}} {{db}} expiring")),
    ]),
    ("Commands", [
        graph("Commands", "The ten commands that are called most, a second.", "ops",
              ("topk(10, rate(redis_commands_total{@}[$__rate_interval]))",
               "{{target}} {{cmd}}")),
        graph("Time of a command", "How long a command keeps the server busy, on average.", "s",
              (f"{CALLS % 'duration_seconds_total'} / {CALLS % 'total'}", "{{target}}"),
              limits=[("RedisLatencyHigh", 0.1, "orange")]),
        graph("Commands that failed", "Share of the commands that were answered with an error. "
              "Redis 6.2 and newer.", "percentunit",
              (f"({CALLS % 'failed_calls_total'} + {CALLS % 'rejected_calls_total'})"
               f" / ({CALLS % 'total'} + {CALLS % 'rejected_calls_total'})", "{{target}}"),
              limits=[("RedisErrorRateHigh", 0.05, "orange")]),
        graph("Time by command", "Seconds a second that the five costliest commands keep the "
              "server busy.", "percentunit",
              ("topk(5, rate(redis_commands_duration_seconds_total{@}[$__rate_interval]))",
               "{{target}} {{cmd}}")),
        graph("Network", "Bytes a second from and to clients.", "Bps",
              ("rate(redis_net_input_bytes_total{@}[$__rate_interval])", "{{target}} in"),
              ("rate(redis_net_output_bytes_total{@}[$__rate_interval])", "{{target}} out")),
        graph("Processor", "Processor time that the server uses; its main thread can use one.",
              "percentunit",
              ("rate(redis_cpu_user_seconds_total{@}[$__rate_interval])"
               " + rate(redis_cpu_sys_seconds_total{@}[$__rate_interval])", "{{target}}")),
    ]),
    ("Connections", [
        graph("Clients", "Share of maxclients.", "percentunit", (CLIENTS_USED, "{{target}}"),
              limits=CLIENT_LIMITS),
        graph("Blocked clients", "Clients that wait in a blocking command.", "none",
              ("redis_blocked_clients{@}", "{{target}}")),
        graph("New and refused connections", "Connections a second that were accepted, and that "
              "were refused because of maxclients.", "ops",
              ("rate(redis_connections_received_total{@}[$__rate_interval])",
               "{{target}} accepted"),
              ("rate(redis_rejected_connections_total{@}[$__rate_interval])",
               "{{target}} refused")),
    ]),
    ("Replication", [
        graph("Replica lag", "Seconds since a master heard of its replica.", "s",
              ("redis_connected_slave_lag_seconds{@}", "{{target}} to {{slave_ip}}:{{slave_port}}"),
              limits=[("RedisReplicaLag", 5, "orange")]),
        graph("Link to the master", "1 while a replica is connected to its master.", "none",
              ("redis_master_link_up{@}", "{{target}}"), top=1),
        graph("Connected replicas", "Replicas that a server feeds.", "none",
              ("redis_connected_slaves{@}", "{{target}}")),
    ]),
    ("Persistence", [
        graph("Age of the last snapshot", "Seconds since the data was last saved; a pure cache "
              "never saves.", "s",
              ("time() - redis_rdb_last_save_timestamp_seconds{@}", "{{target}}"),
              limits=[("RedisSaveOld", 86400, "orange")]),
        graph("Changes since the last snapshot", "What a crash would lose without an append-only "
              "file.", "none", ("redis_rdb_changes_since_last_save{@}", "{{target}}")),
        graph("Last save succeeded", "1 when the last snapshot, and the last write of the "
              "append-only file, succeeded.", "none",
              ("redis_rdb_last_bgsave_status{@}", "{{target}} snapshot"),
              ("redis_aof_last_write_status{@}", "{{target}} append"), top=1),
    ]),
    ("Sentinel", [
        graph("Masters", "1 while a Sentinel reaches the master.", "none",
              ("max by (instance, target, master_name) (redis_sentinel_master_status{@})",
               "{{target}} {{master_name}}"), top=1),
        graph("Quorum", "1 while there are Sentinels enough to fail over.", "none",
              ("max by (instance, target, master_name)"
               " (redis_sentinel_master_ckquorum_status{@})", "{{target}} {{master_name}}"),
              top=1),
        graph("Healthy members", "Sentinels and replicas of a master that are healthy.", "none",
              ("redis_sentinel_master_ok_sentinels{@}", "{{target}} {{master_name}} Sentinels"),
              ("redis_sentinel_master_ok_slaves{@}", "{{target}} {{master_name}} replicas")),
    ]),
    ("dbvitals", [
        graph("Time of a round", "How long it takes to ask a server everything.", "s",
              (f"dbvitals_round_duration_seconds{{@}} {OURS}", "{{target}}"),
              limits=[("ScrapeSlow", 2, "orange")]),
        graph("Rounds that failed", "Share of the rounds that the server did not answer.",
              "percentunit",
              ("rate(dbvitals_rounds_failed_total{@}[$__rate_interval])"
               f" / rate(dbvitals_rounds_total{{@}}[$__rate_interval]) {OURS}", "{{target}}"),
              limits=[("TargetErrorRateHigh", 0.05, "orange")], top=1),
        graph("Collectors that failed", "How many groups of metrics of a server are missing.",
              "none",
              ("count by (instance, target) (dbvitals_collector_success{@}) - sum by (instance,"
               f" target) (dbvitals_collector_success{{@}}) {OURS}", "{{target}}")),
    ]),
]
