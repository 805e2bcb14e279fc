/* SPDX-License-Identifier: Apache-2.0 */

/* The page that asks: its state is the URL's (g0.expr, g0.tab, ... as Prometheus writes them). What
 * comes from the URL or the API is foreign and only ever becomes text, never markup. */
const $ = (id) => document.getElementById(id);
const RANGES = ["1m", "5m", "15m", "30m", "1h", "2h", "6h", "12h", "1d", "2d", "1w", "2w"];
const UNITS = {y: 31536000, w: 604800, d: 86400, h: 3600, m: 60, s: 1, ms: 0.001};
const MOST_ROWS = 1000;
const MOST_VALUES = 50; /* of a series in the table */
const STEPS = 300; /* of a graph, about */
const LONGEST_URL = 1500;

let state = null;
let asked = null; /* AbortController of the question under way */
let ahead_ms = null; /* the server's clock before ours */

function element(name, attributes, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
        node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
}

/* ---- durations and times ---- */

/* "1h30m" or a number of seconds; NaN: neither. */
function seconds_of(text) {
    if (/^\d+(\.\d+)?$/.test(text)) {
        return Number(text);
    }
    if (!/^(\d+(ms|[ywdhms]))+$/.test(text)) {
        return NaN;
    }
    let sum = 0;
    for (const [, number, unit] of text.matchAll(/(\d+)(ms|[ywdhms])/g)) {
        sum += Number(number) * UNITS[unit];
    }
    return sum;
}

function text_of_seconds(seconds) {
    let text = "", rest = Math.round(seconds);
    for (const unit of ["d", "h", "m", "s"]) {
        const count = Math.floor(rest / UNITS[unit]);
        rest -= count * UNITS[unit];
        text += count > 0 ? count + unit : "";
    }
    return text || "0s";
}

/* "2026-01-31 23:59:59" in UTC. */
function text_of_ms(ms) {
    return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

/* NaN: no time. */
function ms_of(text) {
    if (/^\d+(\.\d+)?$/.test(text)) {
        return Number(text) * 1000;
    }
    const plain = text.trim().replace(" ", "T");
    return Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(plain) ? plain : plain + (/T/.test(plain) ? "Z" : ""));
}

/* ---- state ---- */

function read_url() {
    const given = new URLSearchParams(location.search);
    const get = (name) => given.get("g0." + name) || "";
    const tab = get("tab");
    state = {
        expr: get("expr"),
        tab: tab === "1" || tab === "table" ? "table" : "graph",
        range: get("range_input") || "1h",
        end: get("end_input"),
        moment: get("moment_input"),
        step: get("step_input"),
    };
    if (tab === "" && !given.has("g0.range_input")) {
        state.tab = "table";
    }
}

function write_url(push) {
    const out = new URLSearchParams({"g0.expr": state.expr, "g0.tab": state.tab === "table" ? "1" : "0"});
    const put = (name, value) => value && out.set("g0." + name, value);
    put("range_input", state.range);
    put("end_input", state.end);
    put("moment_input", state.moment);
    put("step_input", state.step);
    const url = location.pathname + "?" + out;
    if (url !== location.pathname + location.search) {
        history[push ? "pushState" : "replaceState"](null, "", url);
    }
}

function grow_field() {
    const field = $("expr");
    field.style.height = "auto";
    field.style.height = Math.min(field.scrollHeight + 2, 320) + "px";
}

function show_state() {
    for (const name of ["expr", "range", "end", "moment", "step"]) {
        $(name).value = state[name];
    }
    const table = state.tab === "table";
    $("tab-table").setAttribute("aria-selected", table);
    $("tab-graph").setAttribute("aria-selected", !table);
    $("table-times").hidden = !table;
    $("graph-times").hidden = table;
    document.title = (state.expr.trim().slice(0, 80) || "Query") + " - dbvitals";
    grow_field();
}

/* ---- messages ---- */

function say(kind, ...children) {
    $("messages").append(element("div", {class: "message " + kind}, ...children));
}

/* The expression with the place of the mistake; columns count bytes. */
function marked(expr, line, column) {
    const lines = expr.split("\n");
    const bytes = new TextEncoder().encode(lines[line - 1] || "");
    const before = new TextDecoder().decode(bytes.slice(0, column - 1));
    const rest = (lines[line - 1] || "").slice(before.length);
    const word = (rest.match(/^([\w:]+|[^])/u) || ["\u00a0"])[0];
    const head = lines.slice(0, line - 1).concat(before).join("\n");
    const tail = [rest.slice(word.length)].concat(lines.slice(line)).join("\n");
    return element("pre", {}, head, element("mark", {}, word), tail);
}

function say_error(text, expr) {
    const at = text.match(/(\d+):(\d+): parse error/);
    const clean = text.replace(/^invalid parameter "query": /, "");
    const children = [element("p", {}, clean)];
    if (at !== null) {
        children.push(marked(expr, Number(at[1]), Number(at[2])));
    }
    say("error", ...children);
}

/* ---- asking ---- */

async function ask(path, parameters, signal) {
    const body = new URLSearchParams(parameters);
    const is_short = body.toString().length < LONGEST_URL;
    const reply = await fetch("api/v1/" + path + (is_short ? "?" + body : ""),
        is_short ? {signal} : {method: "POST", body, signal});
    let answer = null;
    try {
        answer = await reply.json();
    } catch (problem) {
        if (problem.name === "AbortError") {
            throw problem;
        }
    }
    if (answer === null || answer.status !== "success") {
        throw new Error(answer !== null && answer.error ? answer.error
            : `${reply.status} ${reply.statusText || "without an answer that can be read"}`);
    }
    return answer;
}

/* Graphs end at the server's now: the clock of a laptop may be anything. */
async function server_now(signal) {
    if (ahead_ms === null) {
        const reply = await fetch("healthz", {method: "HEAD", cache: "no-store", signal});
        const said = Date.parse(reply.headers.get("Date"));
        ahead_ms = said === said ? said - Date.now() : 0;
    }
    return Date.now() + (Math.abs(ahead_ms) > 2000 ? ahead_ms : 0);
}

function wanted(text, value, what) {
    if (!(value >= 0)) {
        throw new Error(`'${text}' is no ${what}`);
    }
    return value;
}

async function times_of_graph(signal) {
    const range = wanted(state.range, seconds_of(state.range), "duration such as 1h30m");
    const end_ms = state.end ? wanted(state.end, ms_of(state.end), "time such as 2026-01-31 23:59:59")
        : await server_now(signal);
    const step = state.step ? wanted(state.step, seconds_of(state.step), "duration such as 15s")
        : Math.max(Math.ceil(range / STEPS), 1);
    /* On the step's grid the same question has the same points a moment later. */
    const end = Math.floor(end_ms / 1000 / step) * step;
    return {start: end - Math.floor(range / step) * step, end, step};
}

async function run_graph(signal) {
    const times = await times_of_graph(signal);
    const answer = await ask("query_range", {query: state.expr, ...times}, signal);
    return {answer, show: () => show_graph($("result"), answer.data.result, times)};
}

async function run_table(signal) {
    const parameters = {query: state.expr};
    if (state.moment) {
        parameters.time = wanted(state.moment, ms_of(state.moment), "time such as 2026-01-31 23:59:59") / 1000;
    }
    const answer = await ask("query", parameters, signal);
    return {answer, show: () => show_table($("result"), answer.data)};
}

function show_outcome(outcome, began) {
    const {answer, show} = outcome;
    for (const [kind, list] of [["warning", answer.warnings], ["info", answer.infos]]) {
        for (const text of list || []) {
            say(kind, element("p", {}, text));
        }
    }
    const {resultType: type, result} = answer.data;
    const took = ((performance.now() - began) / 1000).toFixed(2);
    const rows = type === "vector" || type === "matrix" ? `${result.length} series, ` : "";
    $("about").textContent = `${rows}${took} s; times are UTC.`;
    $("result").hidden = false;
    show();
}

/* push: the state is a new one, which "back" leaves again. */
async function run(push) {
    if (asked !== null) {
        asked.abort();
    }
    const mine = asked = new AbortController();
    const began = performance.now();
    show_state();
    write_url(push);
    $("messages").replaceChildren();
    $("about").textContent = "";
    if (state.expr.trim() === "") {
        $("result").hidden = true;
        return;
    }
    $("run").classList.add("busy");
    try {
        const outcome = await (state.tab === "table" ? run_table : run_graph)(mine.signal);
        if (mine === asked) {
            show_outcome(outcome, began);
        }
    } catch (problem) {
        if (mine === asked) {
            $("result").hidden = true;
            say_error(problem.message, state.expr);
        }
    }
    if (mine === asked) {
        $("run").classList.remove("busy");
    }
}

/* ---- table ---- */

/* name{label="value", ...} as nodes. */
function series_text(metric) {
    const {__name__: name = "", ...labels} = metric;
    const node = element("span", {class: "series"}, name);
    const pairs = Object.entries(labels);
    pairs.forEach(([key, value], i) => {
        node.append(element("i", {}, (i === 0 ? "{" : ", ") + key + "="), JSON.stringify(value));
    });
    if (pairs.length > 0) {
        node.append(element("i", {}, "}"));
    } else if (name === "") {
        node.append(element("i", {}, "{}"));
    }
    return node;
}

function values_text(values) {
    const shown = values.slice(-MOST_VALUES).map(([t, v]) => `${v} @ ${text_of_ms(t * 1000)}`);
    return (values.length > MOST_VALUES ? "\u2026\n" : "") + shown.join("\n");
}

function show_table(into, data) {
    const table = element("table");
    const row = (name, value) => table.append(element("tr", {},
        element("td", {}, name), element("td", {class: "num mono"}, value)));
    if (data.resultType === "scalar" || data.resultType === "string") {
        row(data.resultType, data.result[1]);
    } else {
        for (const one of data.result.slice(0, MOST_ROWS)) {
            row(series_text(one.metric), one.value ? one.value[1] : values_text(one.values));
        }
    }
    into.replaceChildren(table);
    if (table.childElementCount === 0) {
        into.replaceChildren(element("p", {class: "empty"}, "Nothing fits: the result is empty."));
    } else if (data.result.length > MOST_ROWS && Array.isArray(data.result)) {
        into.append(element("p", {class: "empty"}, `and ${data.result.length - MOST_ROWS} more`));
    }
}

/* ---- the form ---- */

function take_fields() {
    for (const name of ["range", "end", "moment", "step"]) {
        state[name] = $(name).value.trim();
    }
    state.expr = $("expr").value;
    state.range = state.range || "1h";
}

function change(how) {
    return () => {
        take_fields();
        how();
        run(true);
    };
}

function step_range(direction) {
    const now = seconds_of(state.range) || 3600;
    const sorted = direction > 0 ? RANGES : [...RANGES].reverse();
    state.range = sorted.find((one) => (seconds_of(one) - now) * direction > 0) || state.range;
}

function shift_end(direction) {
    const range_ms = (seconds_of(state.range) || 3600) * 1000;
    const now_ms = Date.now() + (ahead_ms || 0);
    const end_ms = (state.end ? ms_of(state.end) || now_ms : now_ms) + direction * range_ms / 2;
    state.end = end_ms >= now_ms ? "" : text_of_ms(end_ms);
}

function begin() {
    $("form").addEventListener("submit", (event) => {
        event.preventDefault();
        change(() => {})();
    });
    $("expr").addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            change(() => {})();
        }
    });
    $("expr").addEventListener("input", grow_field);
    $("tab-table").addEventListener("click", change(() => state.tab = "table"));
    $("tab-graph").addEventListener("click", change(() => state.tab = "graph"));
    $("shorter").addEventListener("click", change(() => step_range(-1)));
    $("longer").addEventListener("click", change(() => step_range(1)));
    $("earlier").addEventListener("click", change(() => shift_end(-1)));
    $("later").addEventListener("click", change(() => shift_end(1)));
    addEventListener("popstate", () => {
        read_url();
        run(false);
    });
    read_url();
    run(false);
    if (state.expr === "") {
        $("expr").focus();
    }
}

begin();
