/* SPDX-License-Identifier: BSD-2-Clause */
"use strict";
const $ = id => document.getElementById(id);
const KEEP_MS = 300e3, SPANS = [60e3, 120e3, KEEP_MS], EVERY_MS = 1000, ROWS = 40;

/* ---- words and numbers */

const ERRORS = {
	"ssl.connection_error": "TLS errors", "ssl.fail_verify_no_cert": "no certificate shown", "ssl.fail_verify_error": "chain not valid",
	"ssl.fail_verify_san": "name does not match", "ssl.fail_verify_cert_hash": "not a pinned certificate",
	"downstream_cx_overflow": "connection limit", "downstream_cx_overload_reject": "handshake limit",
	"downstream_cx_transport_socket_connect_timeout": "handshake too slow", "millrace.handshake_timeout": "handshake too slow",
	"millrace.no_upstream": "no endpoint reached", "upstream_cx_connect_fail": "endpoint refused", "upstream_cx_connect_timeout": "endpoint silent",
	"millrace.engine_refused": "kernel engine demanded", "millrace.key_update.unsupported": "KeyUpdate unsupported",
	"millrace.aead_limit": "key exhausted", "millrace.truncated": "cut without close_notify", "millrace.bad_record": "bad record",
	"millrace.record_flood": "record flood", "millrace.post_handshake_refused": "renegotiation refused", "millrace.peer_alert": "fatal alert received",
	"millrace.dialled_ahead_refused": "too many silent ones", "tls_inspector.read_error": "lost before a word",
};
/* Another endpoint may have answered; if not, the listener counts it. */
const PASSED_OVER = ["upstream_cx_connect_fail", "upstream_cx_connect_timeout"];
const CAUSES = {
	no_ulp: "this kernel has no TLS (modprobe tls)", cipher_refused: "kernel refused the cipher", key_refused: "kernel refused the key",
	rekey_required: "rekey required, kernel cannot", fragment_limit: "fragment limit negotiated", configured: "configured so",
};
const unit = (n, step, units) => {
	let i = 0;
	while (n >= step && i < units.length - 1) { n /= step; i++; }
	return [n >= 100 || n === Math.round(n) ? Math.round(n) : n.toFixed(n >= 10 ? 1 : 2), units[i]];
};
const bytes = n => unit(n, 1000, ["B/s", "kB/s", "MB/s", "GB/s"]);
const count = n => unit(n, 1000, ["", "k", "M", "G"]);
const both = (pair, tail = "") => `${pair[0]}${pair[1] || tail ? " " : ""}${pair[1]}${tail}`;
const perSecond = n => n > 0 && n < 0.005 ? "<0.01" : both(count(n));
const since = s => s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 172800 ? `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min` : `${Math.floor(s / 86400)} days`;

function el(tag, attributes = {}, ...children) {
	const made = document.createElement(tag);
	for (const [key, value] of Object.entries(attributes)) key === "style" ? made.style.cssText = value : made.setAttribute(key, value);
	made.append(...children);
	return made;
}
const say = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const big = (node, pair) => {
	if (node.dataset.was === pair.join()) return;
	node.dataset.was = pair.join();
	node.replaceChildren(String(pair[0]), el("small", {}, pair[1]));
};

/* ---- what is known */

const scopes = new Map(); /* "listener.0.0.0.0_15000": {kind, key, name, where, now, rate, past} */
const all = { past: [], rate: {}, now: {} };
const times = new Map(); /* by the statistic's whole name */
let server = {}, before = null, updates = 0, paused = false, lost = 0;

function scopeOf(kind, key, name, where) {
	const id = `${kind}.${key}`;
	if (!scopes.has(id)) scopes.set(id, { kind, key, name, where, now: {}, rate: { in: 0, out: 0, new: 0, shake: 0, err: 0 }, open: 0, errors: 0, past: [] });
	return Object.assign(scopes.get(id), { name, where, seen: true });
}
function place(address) {
	const { address: host, port_value: port } = address.socket_address || {};
	return host && host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
/* Which listener or cluster a statistic is of, and its name below that. */
function split(name) {
	let m = /^listener\.((?:\[[^\]]*\]|[\d.]+)_\d+)\.(.*)$/.exec(name);
	if (m) return [`listener.${m[1]}`, m[2]];
	if (!name.startsWith("cluster.")) return null;
	for (let dot = name.lastIndexOf("."); dot > 8; dot = name.lastIndexOf(".", dot - 1))
		if (scopes.has(name.slice(0, dot))) return [name.slice(0, dot), name.slice(dot + 1)];
	return null;
}
const sum = (numbers, names) => names.reduce((n, name) => n + (numbers[name] || 0), 0);
const errorNames = Object.keys(ERRORS), lastingNames = errorNames.filter(name => !PASSED_OVER.includes(name));

const QUANTILES = { p50: 50, p90: 90, p99: 99 };
/* Of each histogram: what half, nine in ten and all but one in a hundred took. */
function takeTimes({ supported_quantiles: shares, computed_quantiles: found }) {
	times.clear();
	for (const { name, values } of found) {
		const of = split(name), at = key => values[shares.indexOf(QUANTILES[key])]?.cumulative;
		if (of && at("p50") != null) times.set(name, { scope: scopes.get(of[0]), name: of[1], p50: at("p50"), p90: at("p90"), p99: at("p99") });
	}
}
function take(stats, at) {
	const now = new Map();
	server = {};
	for (const { name, value, histograms } of stats) {
		if (histograms) takeTimes(histograms);
		if (value === undefined) continue;
		const of = split(name);
		if (!of) { server[name] = value; continue; }
		if (!now.has(of[0])) now.set(of[0], {});
		now.get(of[0])[of[1]] = value;
	}
	/* A restart begins anew: no rate goes over it. */
	const same = before && server["server.uptime"] >= before.uptime && at - before.at < 10000;
	const seconds = same ? (at - before.at) / 1000 : 0;
	const total = { in: 0, out: 0, new: 0, shake: 0, err: 0, open: 0 };
	for (const [id, scope] of scopes) {
		const next = now.get(id) || {}, had = scope.now;
		const rate = (...names) => !seconds ? 0 : Math.max(0, names.reduce((n, name) => n + Math.max(0, (next[name] || 0) - (had[name] || 0)), 0)) / seconds;
		const down = scope.kind === "listener", lasting = rate(...lastingNames);
		scope.now = next;
		scope.rate = {
			in: down ? rate("millrace.rx_bytes") : rate("upstream_cx_rx_bytes_total"),
			out: down ? rate("millrace.tx_bytes") : rate("upstream_cx_tx_bytes_total"),
			new: rate(down ? "downstream_cx_total" : "upstream_cx_total"),
			shake: rate("ssl.handshake"), err: rate(...errorNames),
		};
		scope.open = next[down ? "downstream_cx_active" : "upstream_cx_active"] || 0;
		scope.errors = sum(next, errorNames);
		remember(scope.past, { at, v: scope.rate.in + scope.rate.out });
		if (down) for (const k of ["in", "out", "new"]) total[k] += scope.rate[k];
		if (down) total.open += scope.open;
		total.shake += scope.rate.shake;
		total.err += lasting;
	}
	all.rate = total;
	if (seconds) remember(all.past, { at, ...total });
	before = { at, uptime: server["server.uptime"] || 0 };
}
function remember(past, sample) {
	past.push(sample);
	while (past[0].at < sample.at - KEEP_MS) past.shift();
}

/* ---- drawing */

let ink = {}, span = SPANS[0];
/* What is shown grows with what was seen. */
function widen() {
	const seen = all.past.length ? all.past[all.past.length - 1].at - all.past[0].at : 0;
	span = SPANS.find(ms => seen <= ms) || KEEP_MS;
}
function colours() {
	const style = getComputedStyle(document.documentElement);
	for (const name of ["in", "out", "line", "soft", "ink", "bad", "card", "good"]) ink[name] = style.getPropertyValue(`--${name}`).trim();
}
function surface(canvas) {
	const ratio = devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
	if (!w || !h) return null;
	if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) { canvas.width = Math.round(w * ratio); canvas.height = Math.round(h * ratio); }
	const g = canvas.getContext("2d");
	g.setTransform(ratio, 0, 0, ratio, 0, 0);
	g.clearRect(0, 0, w, h);
	return { g, w, h };
}
/* Where samples are missing the line is broken. */
function runs(past) {
	const made = [];
	past.forEach((p, i) => { if (!i || p.at - past[i - 1].at > 5 * EVERY_MS) made.push([]); made[made.length - 1].push(p); });
	return made;
}
function area(g, points, base, colour, fill) {
	if (!points.length) return;
	g.beginPath();
	points.forEach(([x, y], i) => {
		if (!i) { g.moveTo(x, y); return; }
		const [px, py] = points[i - 1], mid = (px + x) / 2;
		g.bezierCurveTo(mid, py, mid, y, x, y);
	});
	g.strokeStyle = colour; g.lineWidth = 1.6; g.lineJoin = "round"; g.stroke();
	g.lineTo(points[points.length - 1][0], base); g.lineTo(points[0][0], base); g.closePath();
	g.globalAlpha = fill; g.fillStyle = colour; g.fill(); g.globalAlpha = 1;
}
function spark(canvas, past, key, colour) {
	const s = surface(canvas);
	if (!s) return;
	const end = past.length ? past[past.length - 1].at : 0, top = Math.max(1e-9, ...past.map(p => p[key])), x = at => s.w - 1 - (end - at) / span * s.w;
	s.g.fillStyle = ink.line; s.g.fillRect(0, s.h - 1, s.w, 1);
	for (const run of runs(past)) area(s.g, run.map(p => [x(p.at), s.h - 1.5 - p[key] / top * (s.h - 4)]), s.h - 1, colour, .13);
}
const nice = n => { const e = 10 ** Math.floor(Math.log10(n)); return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find(m => m * e >= n) * e; };
let cross = null; /* how many ms ago the reader looks at */

function flow() {
	const s = surface($("flow"));
	if (!s) return;
	const { g, w, h } = s, past = all.past, base = Math.round((h - 18) / 2), reach = base - 8;
	const top = nice(Math.max(1000, ...past.map(p => Math.max(p.in, p.out))));
	const end = past.length ? past[past.length - 1].at : Date.now(), x = at => w - 1 - (end - at) / span * (w - 2);
	g.font = "11.5px system-ui, sans-serif"; g.textBaseline = "middle";
	for (const part of [-1, -.5, 0, .5, 1]) {
		const y = Math.round(base - part * reach) + .5;
		g.strokeStyle = ink.line; g.globalAlpha = part ? .75 : 1; g.beginPath(); g.moveTo(0, y); g.lineTo(w, y); g.stroke(); g.globalAlpha = 1;
		if (part) { g.fillStyle = ink.soft; g.textAlign = "left"; g.fillText(both(bytes(Math.abs(part) * top)), 2, y + (part > 0 ? 8 : -8)); }
	}
	g.fillStyle = ink.soft;
	const steps = span === KEEP_MS ? 5 : 4;
	for (let i = 0; i <= steps; i++) {
		const ago = span / steps * i / 1000;
		g.textAlign = i === 0 ? "right" : i === steps ? "left" : "center";
		g.fillText(!i ? "now" : (ago % 60 ? `${ago} s` : `${ago / 60} min`) + (w < 500 ? "" : " ago"), x(end - ago * 1000), h - 7);
	}
	for (const run of runs(past)) {
		area(g, run.map(p => [x(p.at), base - p.in / top * reach]), base, ink.in, .2);
		area(g, run.map(p => [x(p.at), base + p.out / top * reach]), base, ink.out, .2);
	}
	if (cross !== null && past.length) {
		const p = past.reduce((a, b) => Math.abs(b.at - end + cross) < Math.abs(a.at - end + cross) ? b : a), px = x(p.at);
		const text = `${Math.round((end - p.at) / 1000)} s ago   ↑ ${both(bytes(p.in))}   ↓ ${both(bytes(p.out))}   ${p.open} open`;
		g.strokeStyle = ink.soft; g.beginPath(); g.moveTo(px, 0); g.lineTo(px, h - 16); g.stroke();
		for (const [y, c] of [[base - p.in / top * reach, ink.in], [base + p.out / top * reach, ink.out]]) { g.fillStyle = c; g.beginPath(); g.arc(px, y, 3.5, 0, 7); g.fill(); }
		const tw = g.measureText(text).width + 16, tx = Math.min(Math.max(0, px - tw / 2), w - tw);
		g.fillStyle = ink.card; g.strokeStyle = ink.line; g.beginPath(); g.roundRect(tx, 2, tw, 22, 6); g.fill(); g.stroke();
		g.fillStyle = ink.ink; g.textAlign = "left"; g.fillText(text, tx + 8, 13.5);
		$("flow").setAttribute("aria-label", text);
	}
}

/* ---- tables of listeners and clusters */

const tables = {};
function table(id, kind, title, way) {
	const t = tables[kind] = { rows: new Map(), limit: ROWS, filter: "", sort: "busy" };
	const filter = el("input", { type: "search", placeholder: "filter", "aria-label": `Filter ${title.toLowerCase()}` });
	const sort = el("select", { "aria-label": `Order of ${title.toLowerCase()}` }, el("option", { value: "busy" }, "busiest first"), el("option", { value: "errors" }, "errors first"), el("option", { value: "name" }, "by name"));
	t.count = el("span", { class: "soft" });
	t.body = el("tbody");
	t.moreButton = el("button", { hidden: "" }, "Show more");
	const heads = ["Name", "", way[0], way[1], "Open", "New /s", "Handshakes /s", "Errors", "In the kernel"];
	$(id).append(el("div", { class: "head" }, el("h2", {}, title), el("span", { class: "grow" }, t.count), filter, sort),
		el("table", {}, el("thead", {}, el("tr", {}, ...heads.map(h => el("th", { scope: "col" }, h)))), t.body), t.moreButton);
	filter.oninput = () => { t.filter = filter.value.toLowerCase(); order(kind); };
	sort.onchange = () => { t.sort = sort.value; order(kind); };
	t.moreButton.onclick = () => { t.limit += 200; order(kind); };
	t.heads = heads;
}
function makeRow(scope) {
	const t = tables[scope.kind], row = { open: false };
	row.name = el("button", { class: "name", "aria-expanded": "false" }, scope.name);
	row.where = el("div");
	row.spark = el("canvas", { "aria-hidden": "true" });
	row.cells = t.heads.slice(2).map(h => el("span"));
	const cells = row.cells.map((cell, i) => el("td", { "data-is": t.heads[i + 2].replace(/^(From|To) .*/, "$1").replace("In the k", "K") }, cell));
	row.kernel = el("i", { style: "--c:var(--kernel)" });
	row.user = el("i", { style: "--c:var(--user)" });
	row.bar = el("div", { class: "bar", role: "img" }, row.kernel, row.user);
	row.tr = el("tr", {}, el("td", {}, row.name, row.where), el("td", { class: "wide" }, row.spark), ...cells);
	row.list = el("dl");
	row.more = el("tr", { class: "more", hidden: "" }, el("td", { colspan: "9" }, row.list));
	row.name.onclick = () => {
		row.open = !row.open;
		row.name.setAttribute("aria-expanded", row.open);
		row.more.hidden = !row.open;
		fillRow(scope, row);
	};
	return row;
}
const share = numbers => {
	const kernel = sum(numbers, ["millrace.engine.tx_kernel", "millrace.engine.rx_kernel"]), user = sum(numbers, ["millrace.engine.tx_user", "millrace.engine.rx_user"]);
	return { kernel, user, all: kernel + user, part: kernel + user ? kernel / (kernel + user) : 0 };
};
const percent = part => part > 0 && part < .01 ? "<1 %" : part < 1 && part > .99 ? ">99 %" : `${Math.round(100 * part)} %`;
function fillRow(scope, row) {
	const engine = share(scope.now), cells = row.cells;
	say(row.where, scope.where);
	[bytes(scope.rate.in), bytes(scope.rate.out), count(scope.open)].forEach((pair, i) => big(cells[i], pair));
	say(cells[3], perSecond(scope.rate.new));
	say(cells[4], "ssl.handshake" in scope.now || engine.all ? perSecond(scope.rate.shake) : "–");
	say(cells[5], both(count(scope.errors)));
	cells[5].className = scope.rate.err > 0 ? "bad" : scope.errors ? "warn" : "zero";
	if (!row.bar.parentNode && engine.all) cells[6].replaceChildren(row.bar);
	if (!engine.all) say(cells[6], "–");
	for (const way of ["kernel", "user"]) { row[way].style.flexGrow = engine[way]; row[way].hidden = !engine[way]; }
	row.bar.setAttribute("aria-label", `${percent(engine.part)} of ${engine.all} directions in the kernel`);
	row.bar.title = row.bar.getAttribute("aria-label");
	spark(row.spark, scope.past, "v", ink.in);
	const took = [...times.values()].filter(t => t.scope === scope).map(t => el("div", {}, el("dt", {}, `${t.name} p50, p99`), el("dd", {}, `${duration(t.p50)}, ${duration(t.p99)}`)));
	if (row.open)
		row.list.replaceChildren(...took, ...Object.entries(scope.now).filter(([, v]) => v).sort(([a], [b]) => (b in ERRORS) - (a in ERRORS)).map(([name, value]) =>
			el("div", {}, el("dt", { title: name }, ERRORS[name] ? `${ERRORS[name]} (${name})` : name), el("dd", ERRORS[name] ? { class: "bad" } : {}, name.includes("unix_time") ? new Date(value * 1000).toISOString().slice(0, 10) : value.toLocaleString("en")))));
}
function order(kind) {
	const t = tables[kind];
	const list = [...scopes.values()].filter(s => s.kind === kind && (!t.filter || `${s.name} ${s.where}`.toLowerCase().includes(t.filter)));
	/* Busy by what was seen in all, so that rows do not dance. */
	const weight = { busy: s => -s.past.reduce((n, p) => n + p.v, 0) - s.open - (s.now[kind === "listener" ? "downstream_cx_total" : "upstream_cx_total"] || 0) * 1e-3, errors: s => -s.errors, name: () => 0 }[t.sort];
	list.sort((a, b) => weight(a) - weight(b) || a.name.localeCompare(b.name, "en", { numeric: true }));
	const shown = list.slice(0, t.limit), wanted = [];
	for (const scope of shown) {
		const id = `${kind}.${scope.key}`;
		if (!t.rows.has(id)) t.rows.set(id, makeRow(scope));
		wanted.push(t.rows.get(id).tr, t.rows.get(id).more);
	}
	if (wanted.length !== t.body.children.length || wanted.some((tr, i) => t.body.children[i] !== tr)) {
		const focus = document.activeElement;
		t.body.replaceChildren(...wanted);
		if (focus && t.body.contains(focus)) focus.focus();
	}
	t.moreButton.hidden = list.length <= t.limit;
	say(t.moreButton, `Show more (${list.length - shown.length})`);
	const total = [...scopes.values()].filter(s => s.kind === kind).length;
	say(t.count, list.length === total ? String(total) : `${list.length} of ${total}`);
	for (const scope of shown) fillRow(scope, t.rows.get(`${kind}.${scope.key}`));
}

/* ---- shares */

const line = (label, parts, end, long) => el("div", { class: "share" }, ...(long ? [el("span", { class: "long" }, label)] : [el("span", {}, label)]),
	...(long ? [el("div", { class: "bar", style: "grid-column:1/3", "aria-hidden": "true" }, ...parts)] : [el("div", { class: "bar", "aria-hidden": "true" }, ...parts)]), el("span", { class: "end" }, end));
const piece = (colour, grow) => grow ? el("i", { style: `--c:${colour};flex:${grow} 1 0` }) : "";
function replace(section, nodes) {
	const box = $(section).querySelector(":scope > div:last-child"), made = el("div", {}, ...nodes);
	if (box.innerHTML !== made.innerHTML) box.replaceChildren(...made.childNodes);
}
function totals() {
	const sums = { listener: {}, cluster: {}, all: {} };
	for (const scope of scopes.values())
		for (const [name, value] of Object.entries(scope.now)) {
			sums[scope.kind][name] = (sums[scope.kind][name] || 0) + value;
			sums.all[name] = (sums.all[name] || 0) + value;
		}
	return sums;
}
function engines(sums) {
	const out = [], fallen = Object.entries(CAUSES).map(([key, words]) => [words, sums.all[`millrace.fallback.${key}`] || 0]).filter(([, n]) => n).sort((a, b) => b[1] - a[1]);
	for (const [kind, words] of [["listener", "Listeners"], ["cluster", "Clusters"]])
		for (const [way, arrow] of [["rx", "receive"], ["tx", "send"]]) {
			const kernel = sums[kind][`millrace.engine.${way}_kernel`] || 0, user = sums[kind][`millrace.engine.${way}_user`] || 0;
			if (kernel + user) out.push(line(`${words} ${arrow}`, [piece("var(--kernel)", kernel), piece("var(--user)", user)], percent(kernel / (kernel + user))));
		}
	if (out.length) out.unshift(el("div", { style: "display:flex;gap:16px;margin-top:8px" }, el("span", { class: "key", style: "--c:var(--kernel)" }, "kernel"), el("span", { class: "key", style: "--c:var(--user)" }, "user space")));
	else out.push(el("p", { class: "soft" }, "No TLS connection yet."));
	if (fallen.length) {
		const most = fallen[0][1];
		out.push(el("h3", {}, "Why in user space"), ...fallen.map(([words, n]) => line(words, [piece("var(--user)", n / most), piece("transparent", 1 - n / most)], both(count(n)), true)));
	}
	replace("engines", out);
}
function agreed(sums) {
	const out = [];
	for (const [kind, words] of [["versions", "Version"], ["ciphers", "Cipher"], ["curves", "Key exchange"]]) {
		const list = Object.entries(sums.all).filter(([name, n]) => n && name.startsWith(`ssl.${kind}.`)).sort((a, b) => b[1] - a[1]);
		const whole = list.reduce((n, [, v]) => n + v, 0);
		if (list.length) out.push(el("h3", {}, words));
		for (const [name, n] of list)
			out.push(line(name.split(".").slice(2).join("."), [piece("var(--in)", n / whole), piece("transparent", 1 - n / whole)], percent(n / whole), kind === "ciphers"));
	}
	replace("agreed", out.length ? out : [el("p", { class: "soft" }, "No handshake yet.")]);
}

/* ---- how long it took */

const MEASURES = [["upstream_cx_connect_ms", "Until an endpoint answered"], ["downstream_cx_length_ms", "Connections of listeners"], ["upstream_cx_length_ms", "Connections to clusters"]];
const duration = ms => ms < 1 ? "<1 ms" : ms < 1000 ? `${ms} ms` : ms < 60e3 ? `${(ms / 1e3).toFixed(ms < 10e3 ? 1 : 0)} s` : ms < 36e5 ? `${(ms / 6e4).toFixed(ms < 6e5 ? 1 : 0)} min` : `${(ms / 36e5).toFixed(1)} h`;
/* Each power of ten has as much room as any other. */
const along = (ms, top) => 100 * Math.log10(1 + ms) / Math.log10(1 + top);
function spread(t, top) {
	const from = along(t.p50, top), to = along(t.p99, top), text = `half within ${duration(t.p50)}, 90 % within ${duration(t.p90)}, 99 % within ${duration(t.p99)}`;
	return el("div", { class: "spread" }, el("span", { class: "who", title: t.scope.name }, t.scope.name),
		el("div", { class: "axis", role: "img", "aria-label": text, title: text },
			el("i", { style: `left:${from}%;width:${Math.max(0, to - from)}%` }), el("b", { style: `left:${from}%` }), el("u", { style: `left:${to}%` })),
		el("span", { class: "end" }, duration(t.p50)), el("span", { class: "end" }, duration(t.p99)));
}
function lengths() {
	const out = [];
	for (const [name, words] of MEASURES) {
		const list = [...times.values()].filter(t => t.name === name && t.scope).sort((a, b) => b.p99 - a.p99 || a.scope.name.localeCompare(b.scope.name));
		if (!list.length) continue;
		const top = Math.max(10, ...list.map(t => t.p99));
		out.push(el("div", { class: "measure" }, el("div", { class: "spread heads" }, el("h3", {}, words), el("span"), el("span", { class: "end" }, "p50"), el("span", { class: "end" }, "p99")), ...list.slice(0, 6).map(t => spread(t, top)),
			...(list.length > 6 ? [el("p", { class: "soft" }, `and ${list.length - 6} that were quicker`)] : [])));
	}
	replace("times", out.length ? out : [el("p", { class: "soft" }, "No connection has ended yet.")]);
}

/* ---- interception */

const SITE = [
	["egress", "Outbound", { redirected: "sent through TLS", joined: "accepted", ignored_own: "left alone: our own", ignored_local: "left alone: this host", ignored_uid: "left alone: user", ignored_gid: "left alone: group", ignored_port: "left alone: port", ignored_cidr: "left alone: network" }, { failed_open: "in the clear: no listener", failed_closed: "refused: no listener", no_memory: "refused: no room" }],
	["ingress", "Inbound", { steered: "steered to TLS", steered_own: "on to the application" }, { failed_open: "in the clear: no listener", failed_closed: "refused: no listener" }],
	["guard", "Guard, packets", { passed_kernel: "encrypted by the kernel", passed_user: "encrypted by us", passed_handshake: "handshakes", passed_reply: "replies" }, { refused: "connects refused", dropped: "dropped in the clear", observed: "would be stopped" }],
];
function interception() {
	const sites = new Map();
	for (const [name, value] of Object.entries(server)) {
		const m = /^millrace\.intercept\.(.+)\.(egress|ingress|guard)\.(\w+)$/.exec(name);
		if (!m || !value) continue;
		if (!sites.has(m[1])) sites.set(m[1], {});
		(sites.get(m[1])[m[2]] ||= {})[m[3]] = value;
	}
	$("intercept").hidden = !sites.size;
	const out = [];
	for (const [site, found] of sites) {
		const columns = SITE.filter(([way]) => found[way]).map(([way, title, good, bad]) => {
			const most = Math.max(...Object.keys({ ...good, ...bad }).map(key => found[way][key] || 0), 1);
			const row = (key, words, colour) => found[way][key] ? [el("div", { class: "count" }, el("span", { class: colour === "var(--bad)" ? "bad" : "" }, words), el("b", {}, both(count(found[way][key]))), el("div", { class: "bar", "aria-hidden": "true" }, piece(colour, found[way][key] / most), piece("transparent", 1 - found[way][key] / most)))] : [];
			return el("div", {}, el("h3", {}, title), ...Object.entries(good).flatMap(([key, words]) => row(key, words, words.startsWith("left") ? "var(--soft)" : "var(--in)")), ...Object.entries(bad).flatMap(([key, words]) => row(key, words, "var(--bad)")));
		});
		if (sites.size > 1) out.push(el("h3", {}, site));
		out.push(el("div", { class: "columns" }, ...columns));
	}
	replace("intercept", out);
}

/* ---- certificates */

function certificate(c) {
	const from = Date.parse(c.valid_from), to = Date.parse(c.expiration_time), now = Date.now(), days = Math.floor((to - now) / 864e5);
	const names = c.subject_alt_names.map(n => n.dns || n.uri || n.ip_address).join(", ");
	const how = days < 7 ? "bad" : days < 30 ? "warn" : "good";
	return el("div", { class: "cert" }, el("div", {}, el("b", {}, names || c.path.split("/").pop()), el("div", { class: "soft", title: `${c.path}, serial ${c.serial_number}` }, c.path)),
		el("div", { class: "life", style: `--c:var(--${how})`, title: `${c.valid_from} to ${c.expiration_time}` }, el("i", { style: `width:${Math.min(100, Math.max(0, (now - from) / (to - from) * 100))}%` })),
		el("div", { class: `left ${how}` }, days < 0 || to < now ? "expired" : `${days} day${days === 1 ? "" : "s"}`));
}
function certs(answer) {
	const pick = key => {
		const seen = new Map();
		for (const entry of answer.certificates) for (const c of entry[key]) seen.set(`${c.path} ${c.serial_number}`, c);
		return [...seen.values()].sort((a, b) => Date.parse(a.expiration_time) - Date.parse(b.expiration_time));
	};
	const ours = pick("cert_chain"), trusted = pick("ca_cert"), box = $("certs").lastElementChild, wasOpen = box.querySelector("details")?.open;
	box.replaceChildren(...ours.map(certificate));
	if (!ours.length) box.append(el("p", { class: "soft" }, "No certificate of our own."));
	if (trusted.length) box.append(Object.assign(el("details", {}, el("summary", {}, `Trusted (${trusted.length})`), ...trusted.slice(0, 200).map(certificate)), { open: !!wasOpen }));
	say($("certs-n"), ours.length > 1 ? `${ours.length}, the first to expire on top` : "");
}

/* ---- the whole */

function notices() {
	const list = [];
	if (lost > 2) list.push(["bad", "The daemon does not answer. What you see is what it said last."]);
	if (server["server.millrace.reload_failed"]) list.push(["bad", "The last reload was refused, and the configuration before it is served. POST /reload tells why."]);
	if (server["server.millrace.rotation_failed"]) list.push(["bad", "A certificate's file cannot be used, and the one before it stays in force. The log tells which."]);
	if (server["server.state"] === 1) list.push(["", `Draining: ${server["server.millrace.draining_connections"] || 0} connections are still open.`]);
	else if (server["listener_manager.total_listeners_draining"]) list.push(["", `${server["listener_manager.total_listeners_draining"]} listeners accept no more.`]);
	const key = JSON.stringify(list);
	if ($("notices").dataset.was === key) return;
	$("notices").dataset.was = key;
	$("notices").replaceChildren(...list.map(([how, words]) => el("p", { class: `notice ${how}` }, words)));
}
function state() {
	const is = paused ? "paused" : lost > 2 ? "unreachable" : ["LIVE", "DRAINING", "INITIALIZING"][server["server.state"] || 0];
	$("state").dataset.is = is;
	say($("state"), { LIVE: "Live", DRAINING: "Draining", INITIALIZING: "Starting", paused: "Paused", unreachable: "Unreachable" }[is]);
}
function draw() {
	colours();
	widen();
	const r = all.rate, set = (id, key, pair, colour) => { big($(`t-${id}`), pair); spark($(`c-${id}`), all.past, key, colour); };
	flow();
	say($("rate-in"), both(bytes(r.in || 0)));
	say($("rate-out"), both(bytes(r.out || 0)));
	set("open", "open", count(r.open || 0), ink.in);
	set("new", "new", [perSecond(r.new || 0), "/s"], ink.in);
	set("shake", "shake", [perSecond(r.shake || 0), "/s"], ink.in);
	set("err", "err", [perSecond(r.err || 0), "/s"], ink.bad);
	$("t-err").className = r.err > 0 ? "bad" : "";
	order("listener");
	order("cluster");
	const sums = totals();
	engines(sums);
	agreed(sums);
	lengths();
	interception();
	notices();
	state();
}
async function ask(path) {
	const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
	if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
	return answer.json();
}
async function names() {
	const [down, up, info, certificates] = await Promise.all(["/listeners?format=json", "/clusters?format=json", "/server_info", "/certs"].map(ask));
	for (const scope of scopes.values()) scope.seen = false;
	for (const l of down.listener_statuses) scopeOf("listener", place(l.local_address).replaceAll(":", "_"), l.name, place(l.local_address));
	for (const c of up.cluster_statuses) {
		const at = c.host_statuses.map(h => place(h.address));
		scopeOf("cluster", c.name, c.name, at.length > 2 ? `${at[0]} and ${at.length - 1} more` : at.join(", "));
	}
	for (const [id, scope] of scopes) if (!scope.seen) { scopes.delete(id); tables[scope.kind].rows.delete(id); }
	say($("about"), `${info.version.replace("/", " ")} · Linux ${info.kernel} · ${info.command_line_options.concurrency} workers · up ${since(parseInt(info.uptime_current_epoch, 10))}`);
	certs(certificates);
}
let turn = 0;
async function tick() {
	const begun = Date.now();
	if (!paused && !document.hidden) {
		try {
			if (turn++ % 10 === 0 || lost) await names();
			take((await ask("/stats?format=json&usedonly")).stats, Date.now());
			lost = 0;
			document.body.dataset.updates = ++updates;
		} catch (error) { lost++; document.body.dataset.error = error.message; }
		draw();
	}
	setTimeout(tick, Math.max(200, EVERY_MS - (Date.now() - begun)));
}
function pause() {
	paused = !paused;
	$("pause").setAttribute("aria-pressed", paused);
	say($("pause"), paused ? "Go on" : "Pause");
	state();
}
function theme(step) {
	const words = ["auto", "light", "dark"];
	let is = "auto";
	try { is = localStorage.getItem("theme") || is; } catch { /* not kept then */ }
	if (step) is = words[(words.indexOf(document.documentElement.dataset.theme || "auto") + 1) % 3];
	try { localStorage.setItem("theme", is); } catch { /* not kept then */ }
	is === "auto" ? delete document.documentElement.dataset.theme : document.documentElement.dataset.theme = is;
	$("theme").lastChild.data = ` ${is}`;
	draw();
}
const look = ms => { cross = ms === null ? null : Math.min(span, Math.max(0, ms)); colours(); flow(); };
$("flow").addEventListener("pointermove", e => look((1 - e.offsetX / $("flow").clientWidth) * span));
$("flow").addEventListener("pointerleave", () => look(null));
$("flow").addEventListener("blur", () => look(null));
$("flow").addEventListener("keydown", e => {
	const by = { ArrowLeft: 1000, ArrowRight: -1000, PageUp: 30000, PageDown: -30000 }[e.key];
	if (by) look((cross ?? 0) + by);
	else if (e.key === "Home" || e.key === "End") look(e.key === "Home" ? span : 0);
	else if (e.key === "Escape") look(null);
	else return;
	e.preventDefault();
});
document.addEventListener("keydown", e => {
	if (e.target.matches("input, select") || e.ctrlKey || e.metaKey || e.altKey) return;
	if (e.key === "p") pause();
	else if (e.key === "t") theme(true);
	else if (e.key === "/") { e.preventDefault(); $("listeners").querySelector("input").focus(); }
});
$("pause").onclick = pause;
$("theme").onclick = () => theme(true);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
new ResizeObserver(draw).observe(document.body);
table("listeners", "listener", "Listeners", ["From clients", "To clients"]);
table("clusters", "cluster", "Clusters", ["From upstream", "To upstream"]);
theme(false);
tick();
