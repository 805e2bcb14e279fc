# SPDX-License-Identifier: Apache-2.0
"""The dashboard 'Failover and Breakers': clusters whose primaries are watched, and circuit breakers. See
grafana.py for the table."""
from grafana import YES_OR_NO, graph, number, timeline

UID = "dbvitals-failover"
FILE = "failover.json"
TITLE = "Failover and Breakers"
DESCRIPTION = "Whether clusters could fail over, what became of it when they had to, and what keeps calls back."
TYPES = "postgres|pgbouncer|redis|breakers"

SLOW = [("FailoverTooSlow", 300, "orange")]
LOST = [("FailoverLostWrites", 60, "red")]
LAG = [("ReplicationLag", 5, "orange"), ("ReplicationLagCritical", 60, "red")]
KEPT = 'breaker!="sampling"'
STATES = [{"type": "value", "options": {"0": {"text": "closed", "color": "green", "index": 0},
                                        "1": {"text": "open", "color": "red", "index": 1},
                                        "2": {"text": "half open", "color": "orange", "index": 2}}}]
# The numbers of circuit_breaker_state, of a set of states.
APP_STATE = ('max by (instance, target, name) (dbvitals_app_breaker_state{@,state=~"open|forced_open"}'
             ' or 2 * dbvitals_app_breaker_state{@,state="half_open"})')
CALLS = f"rate(dbvitals_breaker_calls_total{{@,{KEPT},outcome%s}}[$__rate_interval])"

ROWS = [
    ("Overview", [
        number("Clusters not healthy", "Of those that are watched.", "none",
               'count(dbvitals_failover_verdict{#,verdict="healthy"} == 0) or vector(0)',
               limits=[(None, 1, "red")]),
        number("Not ready", "Reasons that would forbid a failover now, of all clusters.", "none",
               "count(dbvitals_failover_ready{#} == 0) or vector(0)", limits=[(None, 1, "orange")]),
        number("Waiting for approval", "Failovers that wait for an operator.", "none",
               "sum(dbvitals_failover_waiting{#})", limits=[(None, 1, "red")]),
        number("Not acknowledged", "Clusters with a failover that nobody has looked at.", "none",
               "sum(dbvitals_failover_latched{#})", limits=[(None, 1, "red")]),
        number("Breakers open", "Breakers for applications that keep calls back.", "none",
               f"count(circuit_breaker_state{{@,{KEPT}}} > 0) or vector(0)",
               limits=[(None, 1, "red")]),
        number("Applications' breakers open", "Breakers that applications keep themselves.", "none",
               f"count({APP_STATE} > 0) or vector(0)", limits=[(None, 1, "red")]),
    ]),
    ("Clusters", [
        timeline("Verdict", "What is the matter with the primary, and when it was.",
                 ('max by (cluster, verdict) (dbvitals_failover_verdict{#}) == 1',
                  "{{cluster}} {{verdict}}"), mappings=[]),
        timeline("Readiness", "What would forbid a failover: every line has to say yes.",
                 ("min by (cluster, reason) (dbvitals_failover_ready{#})",
                  "{{cluster}} {{reason}}"), mappings=YES_OR_NO, height=14),
        timeline("Primary", "Which member is the primary, also while it is lost.",
                 ("max by (cluster, member) (dbvitals_failover_primary{#}) == 1",
                  "{{cluster}} {{member}}"), height=6),
        timeline("Mode", "What follows when the primary is lost.",
                 ("max by (cluster, mode) (dbvitals_failover_mode{#}) == 1",
                  "{{cluster}} {{mode}}"), height=6),
        graph("Suspicion", "Failed probes of the primary in a row.", "none",
              ("max by (cluster) (dbvitals_failover_suspicion_failures{#})", "{{cluster}}")),
        graph("Probes that failed", "Of each member, a second.", "ops",
              ("sum by (cluster, member)"
               " (rate(dbvitals_failover_probe_failures_total{#}[$__rate_interval]))",
               "{{cluster}} {{member}}")),
        graph("Time of a probe", "Of those that were answered, on average.", "s",
              ("sum by (cluster, member)"
               " (rate(dbvitals_failover_probe_seconds_total{#}[$__rate_interval]))"
               " / (sum by (cluster, member)"
               " (rate(dbvitals_failover_probes_total{#}[$__rate_interval])) > 0)",
               "{{cluster}} {{member}}")),
        graph("Replication lag", "Time by which replicas are behind: what a failover now would have "
              "to replay, or lose.", "s", ("dbvitals_replication_lag_seconds{@}", "{{target}}"),
              limits=LAG),
        graph("Replication lag in bytes", "The same, in bytes of the log.", "bytes",
              ("dbvitals_replication_lag_bytes{@}", "{{target}}")),
    ]),
    ("Failovers", [
        graph("Failovers", "Those in the journal, by where they stand.", "none",
              ("sum by (cluster, state) (dbvitals_failover_plans{#})", "{{cluster}} {{state}}")),
        timeline("Under way", "While a failover or switchover takes its steps, and until it is "
                 "acknowledged.",
                 ("max by (cluster) (dbvitals_failover_under_way{#})", "{{cluster}} under way"),
                 ("max by (cluster) (dbvitals_failover_latched{#})", "{{cluster}} not acknowledged"),
                 ("max by (cluster) (dbvitals_failover_waiting{#})", "{{cluster}} waits"),
                 width=16, mappings=[{"type": "value", "options": {
                     "0": {"text": "no", "color": "green", "index": 0},
                     "1": {"text": "yes", "color": "orange", "index": 1}}}]),
        graph("Recovery", "From the old primary's last answer until the new one took writes, of the "
              "newest failover.", "s",
              ("max by (cluster) (dbvitals_failover_last_recovery_seconds{#})", "{{cluster}}"),
              limits=SLOW),
        graph("Loss", "How long nothing had been seen of the old primary when it failed, in the newest "
              "failover: at most so much of its writes is lost.", "s",
              ("max by (cluster) (dbvitals_failover_last_lost_seconds{#})", "{{cluster}}"),
              limits=LOST),
        graph("Loss in bytes", "What the new primary did not have of what was seen on the old one: at "
              "least so much is lost.", "bytes",
              ("max by (cluster) (dbvitals_failover_last_lost_bytes{#})", "{{cluster}}")),
        graph("Time since the last failover", "Of the newest that ended well, and that did not.", "s",
              ("time() - max by (cluster) (dbvitals_failover_last_timestamp_seconds{#})",
               "{{cluster}} well"),
              ("time() - max by (cluster) (dbvitals_failover_last_failure_timestamp_seconds{#})",
               "{{cluster}} failed")),
    ]),
    ("Breakers for applications", [
        timeline("State", "Of the breakers that dbvitals keeps.",
                 (f"max by (instance, target, breaker) (circuit_breaker_state{{@,{KEPT}}})",
                  "{{breaker}}"), mappings=STATES),
        timeline("Shedding", "While a closed one tells a share of the calls not to try.",
                 (f"max by (instance, target, breaker) (dbvitals_breaker_shedding{{@,{KEPT}}})",
                  "{{breaker}}"), mappings=[{"type": "value", "options": {
                      "0": {"text": "no", "color": "green", "index": 0},
                      "1": {"text": "yes", "color": "orange", "index": 1}}}]),
        graph("Changes", "Changes of state within five minutes.", "none",
              (f"sum by (instance, target, breaker, to)"
               f" (increase(dbvitals_breaker_transitions_total{{@,{KEPT}}}[5m]))",
               "{{breaker}} to {{to}}")),
        graph("Rejected calls", "Calls a second that were told not to try.", "ops",
              (CALLS % '="rejected"', "{{breaker}}")),
        graph("Reported calls", "What became of calls, a second, as applications report.", "ops",
              (CALLS % '!="rejected"', "{{breaker}} {{outcome}}")),
        graph("Time open", "Share of the time.", "percentunit",
              (f"rate(dbvitals_breaker_open_seconds_total{{@,{KEPT}}}[$__rate_interval])",
               "{{breaker}}"), top=1),
    ]),
    ("Breakers of applications", [
        timeline("State", "Of the breakers that applications keep themselves.",
                 (APP_STATE, "{{target}} {{name}}"), mappings=STATES),
        graph("Failed calls", "That an application's breaker counts at present.", "none",
              ("dbvitals_app_breaker_failed_calls{@}", "{{target}} {{name}}"), width=12),
    ]),
    ("Sampling", [
        timeline("Breakers around sampling", "While one is open a round of the target is one cheap "
                 "question.",
                 ('max by (instance, target) (circuit_breaker_state{@,breaker="sampling"})',
                  "{{target}}"), mappings=STATES, width=24),
    ]),
]
