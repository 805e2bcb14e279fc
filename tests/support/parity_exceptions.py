# SPDX-License-Identifier: Apache-2.0
"""What differs from the usual exporters on purpose, or cannot be compared, and why."""
import re


class Explained:
    """Fits differences of families (a regular expression for the whole name), of some kinds,
    servers, labels and what the exporter shows (another one) where these are given."""

    def __init__(self, family, reason, kinds=None, servers=None, labels=None, theirs=".*"):
        self.family, self.reason = family, reason
        self.kinds, self.servers, self.labels = kinds, servers, labels or {}
        self.theirs = theirs

    def fits(self, server, family, finding):
        return (re.fullmatch(self.family, family) is not None
                and (self.kinds is None or finding.kind in self.kinds)
                and (self.servers is None or server in self.servers)
                and re.fullmatch(self.theirs, finding.theirs) is not None
                and all(re.fullmatch(pattern, finding.labels.get(name, "")) is not None
                        for name, pattern in self.labels.items()))


class Unlike:
    """A label that both have and whose values differ; the series are compared without it, so no two
    of a page may differ by it alone."""

    def __init__(self, family, label, reason):
        self.family, self.label, self.reason = family, label, reason


SERIES = ("series missing", "series only here")

EXCEPTIONS = [
    # The exporters about themselves.
    Explained("postgres_exporter_config_last_reload_.*",
              "about the exporter's own configuration; ours is dbvitals_config_last_reload_*",
              kinds=("missing",)),
    Explained("pg_exporter_scrapes_total|redis_exporter_scrapes_total|"
              "redis_exporter_scrape_duration_seconds",
              "counts scrapes there and rounds here", kinds=("value",)),
    Explained("pg_scrape_collector_(success|duration_seconds)",
              "the label says what collectors are called, and ours are not the exporter's",
              kinds=SERIES),
    Explained("redis_target_scrape_request_errors_total",
              "counts bad requests to the exporter's /scrape, which are no business of a target",
              kinds=("missing",)),
    Explained("redis_last_key_groups_scrape_duration_milliseconds",
              "there are no key groups here: they SCAN all keys", kinds=("missing",)),

    # What each of the two programs changes by looking.
    Explained("pg_stat_activity_(count|max_tx_duration)",
              "each program sees itself as active and the other one as idle or not at all",
              kinds=SERIES, labels={"usename": "monitor|peer"}),
    Explained("pgbouncer_client_connections",
              "each program sees its own connection to the console; the exporter's has no "
              "application_name and is closed in between",
              kinds=SERIES, labels={"database": "pgbouncer", "user": "stats"}),
    Explained("redis_latency_percentiles_usec",
              "of the commands that both programs send, each with its own arguments",
              kinds=("value",),
              labels={"cmd": r"auth|client\|setname|cluster\|info|config\|get|info|"
                             r"latency\|.*|slowlog\|.*"}),
    Explained("pg_settings_extra_float_digits",
              "the exporter shows what its driver has set for its own session", kinds=("value",)),

    # Where the exporter is wrong or vague.
    Explained("redis_db_keys|redis_db_keys_expiring",
              "a Sentinel has no databases; the exporter shows sixteen empty ones",
              kinds=("missing",), servers=("sentinel",)),
    Explained("redis_db_keys_cached",
              "what Redis 7.4 and Valkey 9 say of keys with expiring fields is taken for KeyDB's "
              "cached keys there", kinds=("missing",), servers=("redis", "redis-replica")),
    Explained("redis_instance_info",
              "Valkey says server_mode, which the exporter does not know; here it is redis_mode",
              kinds=("labels",), theirs=r"(?!.*\bredis_mode\b).*\bvalkey_version\b.*"),
]

UNLIKE = [
    Unlike("pg_stat_replication_.*", "slot_name",
           "the sender's process number there; here the slot's name when there is one, so that the "
           "series outlives a reconnection"),
]
