// Renews the parts of a page that are marked `data-live` when the server reports a change; every page also works without this script.
"use strict";

const live = document.getElementById("live");
const parser = new DOMParser();
const RENEW_EVERY = 1000; // at most once in this many milliseconds
const RETRY_AFTER = 2000;
let renewing = false, again = false, last = 0;

// Each part as the server sent it last, without the times that this script keeps up to date.
const shapes = new WeakMap();
const shapeOf = (part) => part.outerHTML.replace(/(<time[^>]*data-(?:relative|local)[^>]*>)[^<]*/g, "$1");
for (const part of document.querySelectorAll("[data-live]")) shapes.set(part, shapeOf(part));

// What the reader is pressing: a button must not be replaced between press and release.
let pressed = null;
document.addEventListener("pointerdown", (event) => { pressed = event.target; });
document.addEventListener("pointerup", () => setTimeout(() => { pressed = null; }, 300));

function tell(text) {
  if (live && live.textContent !== text) live.textContent = text;
}

// The parts that the reader is using stay as they are: a field with the focus or with something entered, selected rows, selected text.
function isInUse(part) {
  const active = document.activeElement;
  const isEntered = (field) => field.type === "checkbox" ? field.checked !== field.defaultChecked
    : field.options ? [...field.options].some((option) => option.selected !== option.defaultSelected) && field.selectedIndex > 0
    : field.value !== field.defaultValue;
  const selection = document.getSelection();
  return (pressed && part.contains(pressed)) ||
    (active && part.contains(active) && active.matches("input, textarea, select")) ||
    [...part.querySelectorAll("input, textarea, select")].some(isEntered) ||
    (!selection.isCollapsed && selection.anchorNode && part.contains(selection.anchorNode));
}

function renewParts(text) {
  const fresh = parser.parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || shapeOf(next) === shapes.get(part) || isInUse(part)) continue;
    const shape = shapeOf(next);
    const focused = part.contains(document.activeElement) ? focusPath(part) : null;
    const open = [...part.querySelectorAll("details")].map((d) => d.open);
    const scrolled = [...part.querySelectorAll("pre")].map((p) => p.scrollHeight - p.scrollTop - p.clientHeight < 8 ? -1 : p.scrollTop);
    part.replaceChildren(...next.childNodes);
    shapes.set(part, shape);
    [...part.querySelectorAll("details")].forEach((d, i) => { if (open[i]) d.open = true; });
    [...part.querySelectorAll("pre")].forEach((p, i) => { p.scrollTop = scrolled[i] === undefined || scrolled[i] < 0 ? p.scrollHeight : scrolled[i]; });
    if (focused) focusable(part)[focused]?.focus();
  }
  document.title = fresh.title;
  localTimes();
  relativeTimes();
}

function focusable(part) {
  return [...part.querySelectorAll("a, button, summary, pre[tabindex]")];
}

function focusPath(part) {
  return focusable(part).indexOf(document.activeElement);
}

async function renew() {
  if (renewing) { again = true; return; }
  renewing = true;
  const wait = last + RENEW_EVERY - Date.now();
  if (wait > 0) await new Promise((done) => setTimeout(done, wait));
  last = Date.now();
  try {
    const address = new URL(location.href);
    address.searchParams.delete("policy"); // a simulation is not repeated
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    if (answer.status === 401) { location.reload(); return; }
    if (answer.ok) renewParts(await answer.text());
  } catch {
    // The stream notices, and reconnects.
  }
  renewing = false;
  if (again) { again = false; renew(); }
}

function connect() {
  const stream = new EventSource("/api/v1/events");
  stream.onopen = () => { tell("live"); renew(); };
  stream.addEventListener("change", renew);
  stream.onerror = () => {
    tell("The server does not answer; trying again …");
    if (stream.readyState === EventSource.CLOSED) { stream.close(); setTimeout(connect, RETRY_AFTER); }
  };
}

function duration(ms) {
  const units = [["d", 86400000], ["h", 3600000], ["min", 60000], ["s", 1000]];
  const grain = ms >= 86400000 ? 3600000 : ms >= 3600000 ? 60000 : 1000;
  let left = Math.floor(ms / grain) * grain;
  const parts = [];
  for (const [name, size] of units) {
    const count = Math.floor(left / size);
    if (count > 0 && parts.length < 2) parts.push(`${count} ${name}`);
    left -= count * size;
  }
  return parts.join(" ");
}

function relativeTimes() {
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const away = Date.parse(time.dateTime) - Date.now();
    const text = Math.abs(away) < 1000 ? "now" : away > 0 ? `in ${duration(away)}` : `${duration(-away)} ago`;
    if (time.textContent !== text) time.textContent = text;
  }
}

function localTimes() {
  for (const time of document.querySelectorAll("time[data-local]")) {
    time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
  }
}

// The command that does the same as a form, with what was entered.
function quoted(text) {
  return /^[A-Za-z0-9._:/@+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function selection() {
  const box = document.querySelector("[data-selection]");
  if (!box) return;
  const ids = [...document.querySelectorAll("input[name=id]:checked")].map((input) => quoted(input.value));
  const code = box.querySelector("code");
  code.hidden = ids.length === 0;
  code.textContent = `tempo schedule pause|unpause|delete ${ids.join(" ")}`;
}

function commandOf(form) {
  const code = form.querySelector("code[data-command]");
  if (!code) return;
  const options = [...form.querySelectorAll("input[name]:not([type=checkbox]):not([type=hidden]), select[name]")]
    .filter((field) => field.value.trim() !== "" && !["sure", "schedule"].includes(field.name))
    .map((field) => ` --${field.name.replaceAll("_", "-")} ${quoted(field.value.trim())}`);
  code.textContent = code.dataset.command + options.join("");
}

let typing;
function filterAsTyped(form) {
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(async () => {
      const query = new URLSearchParams(new FormData(form));
      history.replaceState(null, "", `${form.getAttribute("action")}?${query}`);
      const answer = await fetch(location.href);
      if (answer.ok) {
        const fresh = parser.parseFromString(await answer.text(), "text/html");
        for (const selector of ["#schedules", "nav.pages"]) {
          document.querySelector(selector)?.replaceChildren(...(fresh.querySelector(selector)?.childNodes ?? []));
        }
        relativeTimes();
      }
    }, 150);
  });
}

function previewAsTyped(form) {
  const part = form.querySelector("#preview");
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(async () => {
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(form.dataset.preview, { method: "POST", body, headers: { "x-part": "1" } });
      if (answer.ok) part.replaceChildren(...parser.parseFromString(await answer.text(), "text/html").body.childNodes);
    }, 300);
  });
}

document.querySelectorAll("[data-filter]").forEach(filterAsTyped);
document.querySelectorAll("[data-preview]").forEach(previewAsTyped);
document.addEventListener("change", selection);
document.addEventListener("input", (event) => { if (event.target.form?.method === "post") commandOf(event.target.form); });
localTimes();
relativeTimes();
setInterval(relativeTimes, 1000);
if (live) connect();
