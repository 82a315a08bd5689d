// What a person said: kept in the browser by plate, sample and reviewer; every change can be undone.
const DATA = JSON.parse(document.getElementById("data").textContent), CONSTANTS = DATA.constants;
const $ = (id) => document.getElementById(id);
const ANSWERS = {
  correct: ["correct", "✓", "#35d7ff"], split: ["split", "S", "#ffc533"], merged: ["merged", "M", "#ff7ad9"],
  too_large: ["too large", "L", "#9dff57"], too_small: ["too small", "T", "#9dff57"],
  not_an_object: ["not an object", "N", "#ff8a3d"], cannot_tell: ["cannot tell", "?", "#ffffff"],
};
const LONGEST_PAUSE = 60, MOST_UNDONE = 200;
const view = { set: 0, channel: DATA.sets[0].channel, outlines: true, context: false, zoom: 1, contrast: 1, brightness: 1, selected: -1, cross: null };
let state = null, began = performance.now();

const shownSet = () => DATA.sets[view.set];
const own = () => state.sets[view.set];
const crop = () => shownSet().crops[own().at];
const said = () => own().crops[own().at];
const blank = (of) => ({ done: false, marks: of.numbers.map(() => ({ answer: "correct", count: 0 })), missed: [], seconds: 0 });
const storeName = () => `levelfield review ${DATA.plate} ${DATA.sets.map((s) => s.sample).join(" ")} ${state.reviewer}`;

function start(reviewer) {
  state = { reviewer, sets: DATA.sets.map((s) => ({ at: 0, crops: s.crops.map(blank), undo: [] })) };
  try {
    const kept = JSON.parse(localStorage.getItem(storeName()));
    if (kept) state = kept;
  } catch (error) { say("This browser keeps nothing of local pages: save review.csv before you close it.", true); }
  $("start").hidden = true; $("review").hidden = false;
  canvas.focus();
  show();
}

function keep() {
  try { localStorage.setItem(storeName(), JSON.stringify(state)); } catch (error) { /* told at the start */ }
  if (location.protocol.startsWith("http")) send();
}

function remember() {
  own().undo.push(JSON.stringify([own().at, said()]));
  if (own().undo.length > MOST_UNDONE) own().undo.shift();
}

function change(act) {
  if (!crop()) return;
  remember(); act(said()); keep(); panel(); repaint();
}

const numbered = (mark) => `${ANSWERS[mark.answer][0]}${mark.count ? ` ${mark.count}` : ""}`;

function mark(i, answer) {
  if (i < 0 || !crop() || i >= crop().numbers.length) return say("Choose an object first: point at it, tap it, or press its number.", true);
  change((now) => {
    const isCounted = answer === "split" || answer === "merged", isAgain = now.marks[i].answer === answer;
    const next = isCounted && isAgain ? now.marks[i].count + 1 : isCounted ? 2 : 0;
    now.marks[i] = isAgain && (!isCounted || next > 5) ? { answer: "correct", count: 0 } : { answer, count: next };
  });
  say(`Object ${i + 1}: ${numbered(said().marks[i])}.`);
}

function missed(y, x) {
  const [top, left, bottom, right] = crop().inside;
  if (y < top || y >= bottom || x < left || x >= right) return say("That lies outside of this crop and counts for another one.", true);
  const reach = Math.max(crop().diameter / 2, 4);
  change((now) => {
    const there = now.missed.findIndex(([v, u]) => Math.hypot(v - y, u - x) < reach);
    if (there >= 0) now.missed.splice(there, 1); else now.missed.push([y, x]);
  });
  say(`${said().missed.length} missed.`);
}

function confirmCrop() {
  if (!crop()) return;
  const seconds = Math.min((performance.now() - began) / 1000, LONGEST_PAUSE);
  remember();
  said().done = true; said().seconds = Math.round(10 * seconds) / 10;
  own().at += 1;
  keep(); show();
}

function undo() {
  const last = own().undo.pop();
  if (!last) return say("Nothing to undo.", true);
  const [at, kept] = JSON.parse(last), isElsewhere = at !== own().at;
  own().at = at; own().crops[at] = kept;
  keep(); say("Undone.");
  if (isElsewhere) show(); else { panel(); repaint(); }
}

// review.csv: a row for every object of the finished crops, and one for the missed of each.
function sheet() {
  const columns = ["plate", "well", "site", "object_set", "crop", "object_number", "sample", "checksum", "reviewer", "answer", "f", "m", "places", "seconds"];
  const quoted = (text) => (/[",\n]/.test(String(text)) ? `"${String(text).replaceAll('"', '""')}"` : String(text));
  const lines = [columns.join(",")];
  DATA.sets.forEach((of, s) => of.crops.forEach((c, i) => {
    const now = state.sets[s].crops[i];
    if (!now.done) return;
    const head = [DATA.plate, c.well, c.site, of.name, c.crop], tail = [of.sample, c.checksum, state.reviewer];
    const add = (number, ...rest) => lines.push([...head, number, ...tail, ...rest].map(quoted).join(","));
    now.marks.forEach((one, n) => add(c.numbers[n], one.answer, one.answer === "split" ? one.count : "", one.answer === "merged" ? one.count : "", "", ""));
    const places = now.missed.map(([y, x]) => `${(y / c.scale + c.origin[0]).toFixed(1)} ${(x / c.scale + c.origin[1]).toFixed(1)}`);
    add(0, "missed", "", now.missed.length, places.join("; "), now.seconds);
  }));
  return lines.join("\n") + "\n";
}

function save() {
  if (location.protocol.startsWith("http")) return send(true);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([sheet()], { type: "text/csv" }));
  link.download = "review.csv"; link.click();
  say(`Saved as review.csv. Put it at ${DATA.path}, and run snakemake again.`, true);
}

let sending = Promise.resolve();
function send(isAloud) {
  const text = sheet();
  sending = sending.then(() => fetch(`review.csv${location.search}`, { method: "POST", body: text }))
    .then(async (answer) => { const words = await answer.text(); if (isAloud || !answer.ok) say(words, true); })
    .catch(() => say("levelfield review --serve does not answer. Your answers are kept here: save review.csv.", true));
}
