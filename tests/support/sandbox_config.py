# SPDX-License-Identifier: Apache-2.0
"""What the servers of a sandbox are told: users, passwords and configuration files."""
import hashlib
from urllib.parse import quote

# Every character that URLs, connection strings, YAML and shells treat specially.
NASTY = "p%40ss:/@#?'\"\\ word"

PASSWORDS = {
    "monitor": NASTY,            # PostgreSQL and, through it, PgBouncer
    "peer": "peer",              # as monitor, for exporters that cannot read such a DSN
    "app": "app & shop=1",
    "replicator": "replicator",
    "stats": "st%ats:/@#?'\" word",  # PgBouncer console, read-only
    "pooladmin": "pooladmin",    # PgBouncer console, everything
    "redis_monitor": NASTY,      # ACL user 'monitor' of both Redis servers
    "redis_replica": "r%40s:/@#?pw",  # the default user of the replica
    "redis_link": "link",        # ACL user 'link', used by the replica and by Sentinel
}

POSTGRES = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{run}'
cluster_name = '{cluster_name}'
max_connections = 60
shared_buffers = 16MB
# Kept in the data folder, so that a killed server leaves nothing behind in /dev/shm.
dynamic_shared_memory_type = mmap
fsync = off
synchronous_commit = off
full_page_writes = off
jit = off
wal_level = replica
wal_log_hints = on
max_wal_senders = 6
max_replication_slots = 6
max_slot_wal_keep_size = 256MB
wal_sender_timeout = 5s
wal_receiver_timeout = 5s
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
hot_standby = on
password_encryption = scram-sha-256
ssl = on
ssl_cert_file = '{tls}/server.crt'
ssl_key_file = '{tls}/server.key'
shared_preload_libraries = 'pg_stat_statements'
track_io_timing = on
logging_collector = off
log_timezone = 'UTC'
timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d/%a '
"""

POSTGRES_HBA = """\
# The superuser enters only through the socket, whose folder is closed to others.
local all postgres trust
local replication postgres trust
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
host replication replicator 127.0.0.1/32 scram-sha-256
"""

PGBOUNCER = """\
[databases]
shop = host=127.0.0.1 port={primary_port} dbname=shop pool_size=8
postgres = host=127.0.0.1 port={primary_port} dbname=postgres pool_size=1

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir = {run}
auth_type = scram-sha-256
auth_file = {folder}/userlist.txt
admin_users = pooladmin
stats_users = stats
pool_mode = transaction
max_client_conn = 200
default_pool_size = 8
server_login_retry = 1
stats_period = 5
ignore_startup_parameters = extra_float_digits
client_tls_sslmode = allow
client_tls_cert_file = {tls}/server.crt
client_tls_key_file = {tls}/server.key
client_tls_ca_file = {tls}/server.crt
"""

REDIS = """\
port {port}
tls-port {tls_port}
tls-cert-file "{tls}/server.crt"
tls-key-file "{tls}/server.key"
tls-ca-cert-file "{tls}/server.crt"
tls-auth-clients no
bind 127.0.0.1
unixsocket "{run}/{name}.sock"
unixsocketperm 700
dir "{folder}"
daemonize no
save ""
appendonly no
shutdown-timeout 0
maxmemory 64mb
maxmemory-policy allkeys-lru
repl-diskless-sync yes
repl-diskless-sync-delay 0
repl-timeout 10
repl-ping-replica-period 1
slowlog-log-slower-than 1000
latency-monitor-threshold 5
enable-debug-command local
masteruser link
masterauth "link"
user monitor on #{monitor_hash} ~* &* -@all +@connection +info +config|get +slowlog +latency \
+memory +role +cluster|info +command +dbsize +client|list +client|info +acl|whoami +eval +get \
+set +pubsub|numsub +strlen +type +scan +llen +scard +zcard +hlen +xlen +xinfo +pfcount +time
user link on #{link_hash} ~* &* +@all
"""

SENTINEL = """\
port {port}
tls-port {tls_port}
tls-cert-file "{tls}/server.crt"
tls-key-file "{tls}/server.key"
tls-ca-cert-file "{tls}/server.crt"
tls-auth-clients no
bind 127.0.0.1
dir "{folder}"
daemonize no
protected-mode no
sentinel monitor cache 127.0.0.1 {redis_port} 1
sentinel auth-user cache link
sentinel auth-pass cache link
sentinel down-after-milliseconds cache 30000
sentinel failover-timeout cache 10000
sentinel parallel-syncs cache 1
"""

SCHEMA = r"""
CREATE ROLE replicator LOGIN REPLICATION PASSWORD {replicator};
CREATE ROLE monitor LOGIN PASSWORD {monitor} IN ROLE pg_monitor;
GRANT EXECUTE ON FUNCTION pg_promote TO monitor;
CREATE ROLE peer LOGIN PASSWORD {peer} IN ROLE pg_monitor;
CREATE ROLE app LOGIN PASSWORD {app};
CREATE EXTENSION pg_stat_statements;
SELECT pg_create_physical_replication_slot('replica', true);
CREATE DATABASE shop OWNER app;
\c shop
CREATE EXTENSION pg_stat_statements;
SET ROLE app;
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, balance numeric NOT NULL DEFAULT 0);
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, stock int NOT NULL);
CREATE TABLE orders (id bigserial PRIMARY KEY, customer int NOT NULL REFERENCES customers,
    item int NOT NULL REFERENCES items, quantity int NOT NULL, placed timestamptz DEFAULT now());
CREATE INDEX orders_placed ON orders (placed);
INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 500) i;
INSERT INTO items SELECT i, 'item ' || i, 1000000 FROM generate_series(1, 100) i;
INSERT INTO orders (customer, item, quantity)
    SELECT 1 + i % 500, 1 + i % 100, 1 + i % 5 FROM generate_series(1, 1000) i;
ANALYZE customers, items, orders;
"""

DAEMON = """\
global: {{interval: 5s, timeout: 3s}}
targets:
{targets}"""

# name of the target, server, type, cluster, secret, key of the address
TARGETS = [
    ("orders-1", "primary", "postgres", "orders", "monitor", "dsn"),
    ("orders-2", "replica", "postgres", "orders", "monitor", "dsn"),
    ("orders-pool", "pgbouncer", "pgbouncer", "orders", "stats", "dsn"),
    ("cache-1", "redis", "redis", "cache", "redis_monitor", "url"),
    ("cache-2", "redis-replica", "redis", "cache", "redis_replica", "url"),
    ("cache-sentinel", "sentinel", "sentinel", "cache", None, "url"),
]


def sql_literal(text):
    """As an escape string, which means the same whatever the server's settings are."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def schema():
    return SCHEMA.format(**{k: sql_literal(v) for k, v in PASSWORDS.items()})


def userlist():
    users = ("monitor", "app", "stats", "pooladmin")
    return "".join('"{}" "{}"\n'.format(u, PASSWORDS[u].replace('"', '""')) for u in users)


def redis_hash(name):
    return hashlib.sha256(PASSWORDS[name].encode()).hexdigest()


def pg_url(user, port, database, password=None, **parameters):
    secret = ":" + quote(password, safe="") if password is not None else ""
    query = "&".join(f"{k}={quote(v, safe='')}" for k, v in parameters.items())
    url = f"postgresql://{user}{secret}@127.0.0.1:{port}/{database}"
    return f"{url}?{query}" if query else url


def redis_url(user, port, password=None):
    secret = ":" + quote(password, safe="") if password is not None else ""
    return f"redis://{user}{secret}{'@' if user or secret else ''}127.0.0.1:{port}"


def addresses(server, port):
    """The addresses of a server as (without password, with password)."""
    p = PASSWORDS
    if server in ("primary", "replica"):
        return (pg_url("monitor", port, "postgres"),
                pg_url("monitor", port, "postgres", p["monitor"]))
    if server == "pgbouncer":
        return (pg_url("stats", port, "pgbouncer"), pg_url("stats", port, "pgbouncer", p["stats"]))
    if server == "redis":
        return (redis_url("monitor", port), redis_url("monitor", port, p["redis_monitor"]))
    if server == "redis-replica":
        return (redis_url("", port), redis_url("", port, p["redis_replica"]))
    return (redis_url("", port), redis_url("", port))


def daemon_config(folder, servers):
    """A configuration of the daemon that names every server which runs."""
    text = ""
    for target, server, kind, cluster, secret, key in TARGETS:
        if server in servers:
            text += f"  - name: {target}\n    type: {kind}\n    cluster: {cluster}\n"
            text += f"    {key}: \"{servers[server]['url']}\"\n"
            if secret:
                text += f"    password_file: {folder}/secrets/{secret}\n"
    return DAEMON.format(targets=text)
