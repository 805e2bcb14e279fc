/* SPDX-License-Identifier: Apache-2.0 */

/* The keys below `notify:`. */
#include "actions/relabel.h"
#include "base/duration.h"
#include "config/keys.h"

#define URL_MOST      4096
#define TEXT_MOST     1024
#define TIMEOUT_LEAST (100 * USEC_PER_MSEC)
#define TIMEOUT_MOST  (300 * USEC_PER_SEC)
#define GROUP_MOST    ((uint64_t)24 * 3600 * USEC_PER_SEC)
#define REPEAT_LEAST  (60 * USEC_PER_SEC)
#define REPEAT_MOST   ((uint64_t)30 * 24 * 3600 * USEC_PER_SEC)

static const struct key notify_keys[NOTIFY_KEY_COUNT] = {
    [NOTIFY_RESEND_DELAY] = {"resend_delay", KEY_DURATION, 0, USEC_PER_SEC, 3600 * USEC_PER_SEC,
                             .fallback = "1m",
                             .help = "How often Alertmanagers are told again of an alert that "
                                     "still fires. They take it for ended after four times that."},
    [NOTIFY_ALERTMANAGERS] = {"alertmanagers", KEY_LIST,
                              .help = "All of these are told of all alerts, by their API v2; at "
                                      "most 16. The url alone will do for an entry."},
    [NOTIFY_RELABEL] = {"alert_relabel_configs", KEY_LIST,
                        .help = "Steps that rewrite the labels of alerts before Alertmanagers see "
                                "them, or drop alerts; at most 64, as in Prometheus."},
    [NOTIFY_RECEIVERS] = {"receivers", KEY_LIST,
                          .help = "Who else can be told, without an Alertmanager: at most 64. "
                                  "Routes say who is told of what."},
    [NOTIFY_ROUTES] = {"routes", KEY_LIST,
                       .help = "Which receiver is told of which alerts: the first route that fits "
                               "takes an alert; at most 256."},
};

static const struct key alertmanager_keys[ALERTMANAGER_KEY_COUNT] = {
    [ALERTMANAGER_KEY_URL] = {"url", KEY_TEXT, .most = URL_MOST,
                              .help = "http://host:9093 or https://..., with a path if there is "
                                      "one before /api/v2/alerts. Required."},
    [ALERTMANAGER_KEY_PATH_PREFIX] = {"path_prefix", KEY_TEXT, KEY_MAY_BE_EMPTY, 0, URL_MOST,
                                      .help = "The same path, as Prometheus has it."},
    [ALERTMANAGER_KEY_TIMEOUT] = {"timeout", KEY_DURATION, 0, TIMEOUT_LEAST, TIMEOUT_MOST,
                                  .fallback = "10s", .help = "For one request."},
    [ALERTMANAGER_KEY_BASIC_AUTH] = {"basic_auth", KEY_MAP, .help = "User name and password."},
    [ALERTMANAGER_KEY_AUTHORIZATION] = {"authorization", KEY_MAP,
                                        .help = "A token instead of user name and password."},
    [ALERTMANAGER_KEY_TLS] = {"tls_config", KEY_MAP, .help = "How https:// is checked."},
};

static const struct key relabel_keys[RELABEL_KEY_COUNT] = {
    [RELABEL_KEY_ACTION] = {"action", KEY_CHOICE, .choices = relabel_action_names,
                            .fallback = "replace", .help = "What the step does."},
    [RELABEL_KEY_SOURCE_LABELS] = {"source_labels", KEY_LIST,
                                   .help = "Labels whose values are joined and looked at."},
    [RELABEL_KEY_SEPARATOR] = {"separator", KEY_TEXT, KEY_MAY_BE_EMPTY, .most = TEXT_MOST,
                               .fallback = ";", .help = "What stands between those values."},
    [RELABEL_KEY_REGEX] = {"regex", KEY_TEXT, KEY_MAY_BE_EMPTY, .most = URL_MOST,
                           .fallback = "(.*)", .help = "What all of it, or a name, must match."},
    [RELABEL_KEY_TARGET_LABEL] = {"target_label", KEY_TEXT, .most = 128,
                                  .help = "The label that is set or compared."},
    [RELABEL_KEY_REPLACEMENT] = {"replacement", KEY_TEXT, KEY_MAY_BE_EMPTY, .most = TEXT_MOST,
                                 .fallback = "$1",
                                 .help = "Its value, or the name of labelmap, with groups of the "
                                         "regex. In this file a dollar before a brace is $$."},
    [RELABEL_KEY_MODULUS] = {"modulus", KEY_UNSIGNED, .least = 1,
                             .help = "Of hashmod: how many numbers there are."},
};

static const struct key basic_auth_keys[BASIC_AUTH_KEY_COUNT] = {
    [BASIC_AUTH_USERNAME] = {"username", KEY_TEXT, .most = TEXT_MOST, .help = "Required."},
    [BASIC_AUTH_PASSWORD] = {"password", KEY_SECRET, .help = "The password."},
    [BASIC_AUTH_PASSWORD_FILE] = {"password_file", KEY_SECRET_FILE, .help = "File that holds it."},
};

static const struct key authorization_keys[AUTHORIZATION_KEY_COUNT] = {
    [AUTHORIZATION_TYPE] = {"type", KEY_TEXT, .most = 64, .fallback = "Bearer",
                            .help = "First word of the header."},
    [AUTHORIZATION_CREDENTIALS] = {"credentials", KEY_SECRET, .help = "The token."},
    [AUTHORIZATION_CREDENTIALS_FILE] = {"credentials_file", KEY_SECRET_FILE,
                                        .help = "File that holds it."},
};

static const struct key receiver_keys[RECEIVER_KEY_COUNT] = {
    [RECEIVER_KEY_NAME] = {"name", KEY_TEXT, .most = 63,
                           .help = "Unique name, spelt like a target's. Required."},
    [RECEIVER_KEY_WEBHOOK] = {"webhook", KEY_MAP,
                              .help = "A POST of Alertmanager's webhook JSON (version 4)."},
    [RECEIVER_KEY_SLACK] = {"slack", KEY_MAP, .help = "A message by an incoming webhook."},
    [RECEIVER_KEY_PAGERDUTY] = {"pagerduty", KEY_MAP, .help = "An event of PagerDuty's API v2."},
    [RECEIVER_KEY_EMAIL] = {"email", KEY_MAP, .help = "A mail, as text and as HTML."},
    [RECEIVER_KEY_EXEC] = {"exec", KEY_MAP,
                           .help = "A command, with the webhook's JSON on its standard input."},
};

#define SEND_RESOLVED(fallback_)                                                                   \
    [CHANNEL_KEY_SEND_RESOLVED] = {"send_resolved", KEY_BOOL, .fallback = (fallback_),             \
                                   .help = "Whether the end of an alert is told too."}
#define TIMEOUT(fallback_)                                                                         \
    [CHANNEL_KEY_TIMEOUT] = {"timeout",                                                            \
                             KEY_DURATION,                                                         \
                             0,                                                                    \
                             TIMEOUT_LEAST,                                                        \
                             TIMEOUT_MOST,                                                         \
                             .fallback = (fallback_),                                              \
                             .help = "For one attempt."}
#define TLS_CONFIG(what_)                                                                          \
    [CHANNEL_KEY_TLS] = {"tls_config", KEY_MAP, .help = "How " what_ " is checked."}

static const struct key webhook_keys[WEBHOOK_KEY_COUNT] = {
    SEND_RESOLVED("true"),
    TIMEOUT("10s"),
    TLS_CONFIG("https://"),
    [WEBHOOK_KEY_URL] = {"url", KEY_SECRET,
                         .help = "http:// or https://; not shown, because it "
                                 "often is a secret."},
    [WEBHOOK_KEY_URL_FILE] = {"url_file", KEY_SECRET_FILE, .help = "File that holds it."},
    [WEBHOOK_KEY_HEADERS] = {"headers", KEY_MAP,
                             .help = "Further headers, at most 16: X-Name: value, or "
                                     "X-Name_file: path of a file that holds the value."},
    [WEBHOOK_KEY_BASIC_AUTH] = {"basic_auth", KEY_MAP, .help = "User name and password."},
    [WEBHOOK_KEY_AUTHORIZATION] = {"authorization", KEY_MAP,
                                   .help = "A token instead of user name and password."},
};

static const struct key slack_keys[SLACK_KEY_COUNT] = {
    SEND_RESOLVED("true"),
    TIMEOUT("10s"),
    TLS_CONFIG("https://"),
    [SLACK_KEY_WEBHOOK_URL] = {"webhook_url", KEY_SECRET, .help = "Address of the hook."},
    [SLACK_KEY_WEBHOOK_URL_FILE] = {"webhook_url_file", KEY_SECRET_FILE,
                                    .help = "File that holds it."},
    [SLACK_KEY_CHANNEL] = {"channel", KEY_TEXT, .most = TEXT_MOST, .inherits = "the hook's",
                           .help = "Where it is posted, for hooks that allow it: #ops."},
    [SLACK_KEY_USERNAME] = {"username", KEY_TEXT, .most = TEXT_MOST, .inherits = "the hook's",
                            .help = "Who it is from, for hooks that allow it."},
};

static const struct key pagerduty_keys[PAGERDUTY_KEY_COUNT] = {
    SEND_RESOLVED("true"),
    TIMEOUT("10s"),
    TLS_CONFIG("https://"),
    [PAGERDUTY_KEY_ROUTING_KEY] = {"routing_key", KEY_SECRET,
                                   .help = "Integration key of a service (Events API v2)."},
    [PAGERDUTY_KEY_ROUTING_KEY_FILE] = {"routing_key_file", KEY_SECRET_FILE,
                                        .help = "File that holds it."},
    [PAGERDUTY_KEY_URL] = {"url", KEY_TEXT, .most = URL_MOST,
                           .fallback = "https://events.pagerduty.com/v2/enqueue",
                           .help = "Where events go; another one for the European region."},
};

static const struct key email_keys[EMAIL_KEY_COUNT] = {
    SEND_RESOLVED("true"),
    TIMEOUT("30s"),
    TLS_CONFIG("the mail server's certificate"),
    [EMAIL_KEY_TO] = {"to", KEY_LIST, KEY_MAY_BE_ONE,
                      .help = "Addresses, at most 64; one may stand without the "
                              "list. Required."},
    [EMAIL_KEY_FROM] = {"from", KEY_TEXT, .most = 320, .inherits = "dbvitals@ the host's name",
                        .help = "The sender's address."},
    [EMAIL_KEY_SMTP] = {"smtp", KEY_TEXT, .most = URL_MOST,
                        .help = "smtp://host:587 (with STARTTLS) or smtps://host:465. Required."},
    [EMAIL_KEY_USERNAME] = {"username", KEY_TEXT, .most = TEXT_MOST, .help = "To log in with."},
    [EMAIL_KEY_PASSWORD] = {"password", KEY_SECRET, .help = "Its password."},
    [EMAIL_KEY_PASSWORD_FILE] = {"password_file", KEY_SECRET_FILE, .help = "File that holds it."},
    [EMAIL_KEY_REQUIRE_TLS] = {"require_tls", KEY_BOOL, .fallback = "true",
                               .help = "Whether a server behind smtp:// must offer STARTTLS."},
};

static const struct key exec_keys[EXEC_KEY_COUNT] = {
    SEND_RESOLVED("true"),
    TIMEOUT("30s"),
    [EXEC_KEY_COMMAND] = {"command", KEY_LIST,
                          .help = "Absolute path of a program, and its arguments; no shell reads "
                                  "them. Required."},
};

static const struct key route_keys[ROUTE_KEY_COUNT] = {
    [ROUTE_KEY_MATCHERS] = {"matchers", KEY_LIST, KEY_MAY_BE_ONE, .inherits = "everything",
                            .help = "As Alertmanager's: severity=\"critical\", "
                                    "cluster=~\"orders-.*\", team!=ops. All must hold."},
    [ROUTE_KEY_RECEIVER] = {"receiver", KEY_TEXT, .most = 63, .help = "Who is told. Required."},
    [ROUTE_KEY_GROUP_BY] = {"group_by", KEY_LIST, .inherits = "[alertname]",
                            .help = "Alerts with the same values of these labels are told "
                                    "together; ['...']: each alert for itself."},
    [ROUTE_KEY_GROUP_WAIT] = {"group_wait", KEY_DURATION, KEY_MAY_BE_ZERO, USEC_PER_MSEC,
                              GROUP_MOST, .fallback = "30s",
                              .help = "How long a new group waits for further alerts."},
    [ROUTE_KEY_GROUP_INTERVAL] = {"group_interval", KEY_DURATION, 0, USEC_PER_SEC, GROUP_MOST,
                                  .fallback = "5m",
                                  .help = "How long after that news of a group waits."},
    [ROUTE_KEY_REPEAT_INTERVAL] = {"repeat_interval", KEY_DURATION, 0, REPEAT_LEAST, REPEAT_MOST,
                                   .fallback = "4h",
                                   .help = "When what still fires is told again."},
    [ROUTE_KEY_CONTINUE] = {"continue", KEY_BOOL, .fallback = "false",
                            .help = "Whether the routes after this one are tried as well."},
};

const struct key_section key_section_notify = {"notify", notify_keys, NOTIFY_KEY_COUNT};
const struct key_section key_section_alertmanager = {"notify.alertmanagers[]", alertmanager_keys,
                                                     ALERTMANAGER_KEY_COUNT};
const struct key_section key_section_relabel = {"notify.alert_relabel_configs[]", relabel_keys,
                                                RELABEL_KEY_COUNT};
const struct key_section key_section_receiver = {"notify.receivers[]", receiver_keys,
                                                 RECEIVER_KEY_COUNT};
const struct key_section key_section_webhook = {"notify.receivers[].webhook", webhook_keys,
                                                WEBHOOK_KEY_COUNT};
const struct key_section key_section_slack = {"notify.receivers[].slack", slack_keys,
                                              SLACK_KEY_COUNT};
const struct key_section key_section_pagerduty = {"notify.receivers[].pagerduty", pagerduty_keys,
                                                  PAGERDUTY_KEY_COUNT};
const struct key_section key_section_email = {"notify.receivers[].email", email_keys,
                                              EMAIL_KEY_COUNT};
const struct key_section key_section_exec = {"notify.receivers[].exec", exec_keys, EXEC_KEY_COUNT};
const struct key_section key_section_route = {"notify.routes[]", route_keys, ROUTE_KEY_COUNT};
const struct key_section key_section_basic_auth = {"notify.*.basic_auth", basic_auth_keys,
                                                   BASIC_AUTH_KEY_COUNT};
const struct key_section key_section_authorization = {"notify.*.authorization", authorization_keys,
                                                      AUTHORIZATION_KEY_COUNT};
