/* SPDX-License-Identifier: Apache-2.0 */

/* Draws the answer of a range query as lines, with a legend that picks series and shows the values
 * under the pointer. */
const SVG = "http://www.w3.org/2000/svg";
const COLOURS = 10;
const DASHES = ["", "7 4", "2 4", "9 3 2 3"]; /* of the second ten series, the third, ... */
const MOST_LINES = 100;
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
    86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000];

let redraw = null; /* of the graph that is shown */

function shape(name, attributes) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) {
        node.setAttribute(key, value);
    }
    return node;
}

/* ---- scales ---- */

/* Four digits are enough on an axis: 1.25M, 3.2m stays 0.0032. */
function short_number(value) {
    const size = Math.abs(value);
    for (const [least, unit] of [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
        if (size >= least) {
            const scaled = value / (unit === "k" ? 1e3 : least);
            return Number(scaled.toPrecision(4)) + unit;
        }
    }
    return size > 0 && size < 1e-4 ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}

function nice_step(span, count) {
    const rough = span / count, power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) * power;
}

/* [least, most, step] that hold all values; from zero where that costs little. */
function value_scale(lines) {
    let least = Infinity, most = -Infinity;
    for (const line of lines) {
        for (const point of line.points) {
            if (Number.isFinite(point.v)) {
                least = Math.min(least, point.v);
                most = Math.max(most, point.v);
            }
        }
    }
    if (least > most) {
        [least, most] = [0, 1];
    } else if (least === most) {
        const pad = Math.abs(least) / 2 || 1;
        [least, most] = least === 0 ? [0, 1] : [least - pad, most + pad];
    }
    least = least > 0 && least < most / 2 ? 0 : least;
    most = most < 0 && most > least / 2 ? 0 : most;
    const step = nice_step(most - least, 5);
    return [Math.floor(least / step + 1e-9) * step, Math.ceil(most / step - 1e-9) * step, step];
}

function tick_text(seconds, step) {
    const text = text_of_ms(seconds * 1000);
    if (step >= 86400) {
        return text.slice(5, 10);
    }
    const time = step < 60 ? text.slice(11) : text.slice(11, 16);
    return time === "00:00" || time === "00:00:00" ? text.slice(5, 10) : time;
}

/* ---- lines ---- */

function lines_of(result) {
    return result.slice(0, MOST_LINES).map((series, i) => ({
        metric: series.metric,
        colour: `var(--c${i % COLOURS})`,
        dash: DASHES[Math.floor(i / COLOURS) % DASHES.length],
        points: series.values.map(([t, v]) => ({t, v: Number(v.replace("Inf", "Infinity")), text: v})),
        hidden: false,
    }));
}

/* A gap in the points is a gap in the line; a point alone is a dot. */
function path_of(line, x, y, step) {
    let path = "", last = null;
    for (const point of line.points) {
        if (!Number.isFinite(point.v)) {
            last = null;
            continue;
        }
        const joined = last !== null && point.t - last < step * 1.5;
        path += `${joined ? "L" : "M"}${x(point.t).toFixed(1)} ${y(point.v).toFixed(1)}`;
        path += joined ? "" : "h0";
        last = point.t;
    }
    return path;
}

function point_at(line, t, step) {
    let low = 0, high = line.points.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (line.points[middle].t < t - step / 2) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const point = line.points[low];
    return point && Math.abs(point.t - t) <= step / 2 ? point : null;
}

/* ---- the picture ---- */

function frame_of(width, lines, times) {
    const height = width < 600 ? 260 : 360;
    const [least, most, value_step] = value_scale(lines);
    const marks = [];
    for (let i = 0; i <= Math.round((most - least) / value_step); i++) {
        marks.push(least + i * value_step);
    }
    const texts = marks.map((mark) => short_number(Math.abs(mark) < value_step / 1e6 ? 0 : mark));
    const left = 16 + 7.2 * Math.max(...texts.map((text) => text.length));
    const right = width - 14, top = 10, bottom = height - 26;
    const span = times.end - times.start || 1;
    return {
        width, height, left, right, top, bottom, marks, texts, times, span,
        x: (t) => left + (t - times.start) / span * (right - left),
        y: (v) => bottom - (v - least) / (most - least) * (bottom - top),
    };
}

function draw_axes(svg, frame) {
    const {left, right, bottom, times, span} = frame;
    const label = (attributes, text) => {
        const node = shape("text", attributes);
        node.textContent = text;
        svg.append(node);
    };
    frame.marks.forEach((mark, i) => {
        const y = frame.y(mark);
        svg.append(shape("line", {class: "grid", x1: left, x2: right, y1: y, y2: y}));
        label({x: left - 6, y: y + 4, "text-anchor": "end"}, frame.texts[i]);
    });
    const count = Math.max((right - left) / 80, 2);
    const step = TIME_STEPS.find((one) => span / one <= count) || span;
    for (let t = Math.ceil(times.start / step) * step; t <= times.end; t += step) {
        const x = frame.x(t);
        svg.append(shape("line", {class: "grid", x1: x, x2: x, y1: bottom, y2: bottom + 4}));
        if (x < right - 12) {
            label({x: Math.max(x, 18), y: bottom + 18, "text-anchor": "middle"}, tick_text(t, step));
        }
    }
}

function draw_lines(svg, frame, lines) {
    for (const line of lines) {
        const path = shape("path", {class: "line", d: path_of(line, frame.x, frame.y, frame.times.step)});
        path.style.stroke = line.colour;
        path.style.strokeDasharray = line.dash;
        svg.append(path);
    }
}

/* ---- under the pointer ---- */

/* The visible line nearest to a height, with its point. */
function nearest(lines, t, step, height, y) {
    let best = null;
    for (const line of lines) {
        const point = line.hidden ? null : point_at(line, t, step);
        if (point !== null && Number.isFinite(point.v)) {
            const distance = Math.abs(y(point.v) - height);
            best = best === null || distance < best.distance ? {line, point, distance} : best;
        }
    }
    return best;
}

function follow_pointer(svg, frame, lines, tip, show_values) {
    const cursor = shape("line", {class: "cursor", y1: frame.top, y2: frame.bottom, visibility: "hidden"});
    const dot = shape("circle", {r: 4, visibility: "hidden"});
    const {times} = frame;
    svg.append(cursor, dot);
    const leave = () => {
        cursor.setAttribute("visibility", "hidden");
        dot.setAttribute("visibility", "hidden");
        tip.hidden = true;
        show_values(null);
    };
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("pointermove", (event) => {
        const box = svg.getBoundingClientRect();
        const part = (event.clientX - box.left - frame.left) / (frame.right - frame.left);
        const index = Math.round(Math.min(Math.max(part, 0), 1) * frame.span / times.step);
        const t = times.start + index * times.step;
        const found = nearest(lines, t, times.step, event.clientY - box.top, frame.y);
        const x = frame.x(t);
        cursor.setAttribute("x1", x);
        cursor.setAttribute("x2", x);
        cursor.setAttribute("visibility", "visible");
        tip.replaceChildren(element("div", {}, text_of_ms(t * 1000) + " UTC"));
        dot.setAttribute("visibility", found !== null ? "visible" : "hidden");
        if (found !== null) {
            dot.setAttribute("cx", x);
            dot.setAttribute("cy", frame.y(found.point.v));
            dot.style.fill = found.line.colour;
            tip.append(element("b", {}, found.point.text), " ", series_text(found.line.metric));
        }
        tip.hidden = false;
        tip.style.left = x < frame.width / 2 ? `${x + 16}px` : "auto";
        tip.style.right = x < frame.width / 2 ? "auto" : `${frame.width - x + 16}px`;
        show_values(t);
    });
}

/* ---- legend ---- */

function legend_row(line) {
    const swatch = shape("svg", {viewBox: "0 0 22 8", "aria-hidden": "true"});
    const stroke = shape("path", {class: "line", d: "M1 4H21"});
    stroke.style.stroke = line.colour;
    stroke.style.strokeWidth = 3;
    stroke.style.strokeDasharray = line.dash;
    swatch.append(stroke);
    const value = element("b");
    const button = element("button", {type: "button"}, swatch, series_text(line.metric), value);
    return {line, button, value, node: element("li", {}, button)};
}

/* A click shows one series alone, or all again; with Ctrl it takes one away. */
function pick(lines, line, single) {
    if (single) {
        line.hidden = !line.hidden;
        return;
    }
    const alone = lines.every((other) => other.hidden === (other !== line));
    for (const other of lines) {
        other.hidden = !alone && other !== line;
    }
}

function legend_of(lines, step, draw) {
    const rows = lines.map(legend_row);
    for (const row of rows) {
        row.button.addEventListener("click", (event) => {
            pick(lines, row.line, event.ctrlKey || event.metaKey);
            draw();
        });
    }
    /* At a time, or the newest ones. */
    const show_values = (t) => {
        for (const {line, button, value} of rows) {
            const point = t === null ? line.points[line.points.length - 1] : point_at(line, t, step);
            value.textContent = point ? String(Number.isFinite(point.v)
                ? Number(point.v.toPrecision(6)) : point.text) : "";
            button.classList.toggle("off", line.hidden);
        }
    };
    return {node: element("ul", {class: "legend"}, ...rows.map((row) => row.node)), show_values};
}

/* ---- all of it ---- */

function show_graph(into, result, times) {
    redraw = null;
    if (result.length === 0) {
        into.replaceChildren(element("p", {class: "empty"},
            "Nothing fits in this range: the result is empty."));
        return;
    }
    const lines = lines_of(result);
    const chart = element("div", {class: "chart"});
    const tip = element("div", {class: "tip", hidden: ""});
    const legend = legend_of(lines, times.step, () => redraw());
    into.replaceChildren(chart, legend.node);
    if (result.length > MOST_LINES) {
        into.append(element("p", {class: "empty"},
            `The first ${MOST_LINES} of ${result.length} series are drawn.`));
    }
    redraw = () => {
        const shown = lines.filter((line) => !line.hidden);
        const frame = frame_of(Math.max(chart.clientWidth - 12, 200), shown, times);
        const svg = shape("svg", {width: frame.width, height: frame.height, role: "img",
            viewBox: `0 0 ${frame.width} ${frame.height}`, "aria-label": "graph of the result"});
        draw_axes(svg, frame);
        draw_lines(svg, frame, shown);
        follow_pointer(svg, frame, lines, tip, legend.show_values);
        tip.hidden = true;
        chart.replaceChildren(svg, tip);
        legend.show_values(null);
    };
    redraw();
}

addEventListener("resize", () => requestAnimationFrame(() => redraw !== null && redraw()));
