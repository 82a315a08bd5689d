// What stands around the crop: progress, its objects, what is known so far and what it will take.
const RANK = { fail: 2, undecided: 1, pass: 0 }, MARKS = { pass: "✓ ", fail: "✕ ", undecided: "… " };
let timer = 0;

function say(words, isVisible = false) {
  $("said").textContent = words;
  $("message").textContent = isVisible ? words : ""; $("message").hidden = !isVisible;
}

// Intervals of the answers so far, by row. Crops count as far as none before them is open.
function judge() {
  const answers = shownSet().classes.map(() => []);
  shownSet().crops.forEach((of, i) => {
    const now = own().crops[i];
    if (now.done) of.in.forEach(([cls, turn]) => { answers[cls][turn] = { marks: now.marks, missed: now.missed.length }; });
  });
  answers.forEach((of) => { const gap = Array.from(of).findIndex((one) => !one); if (gap >= 0) of.length = gap; });
  const known = new Map();
  return shownSet().rows.map((spec) => ({ ...spec, ...judgeRow(spec, shownSet().classes, answers, known) }));
}

// By question: the row that decides, or is furthest from it, and what its open rows need.
function questions(rows) {
  return DATA.questions.map(([name, title]) => {
    const of = rows.filter((row) => row.question === name);
    const open = (row) => (Number.isFinite(row.low) ? (row.high - row.low) / (row.kind === "share" ? 1 - row.margin : row.margin) : 1e9);
    const worst = of.slice().sort((a, b) => RANK[b.verdict] - RANK[a.verdict] || open(b) - open(a))[0];
    const undecided = of.filter((row) => row.verdict === "undecided"), needed = undecided.map((row) => row.needed).filter((n) => n !== null);
    return worst && { title, worst, decided: of.length - undecided.length, all: of.length, needed: needed.length ? Math.max(...needed) : null, never: undecided.length - needed.length };
  }).filter(Boolean);
}

function panel() {
  const total = shownSet().crops.length, finished = own().crops.filter((c) => c.done), times = finished.map((c) => c.seconds);
  const each = (sum(times) + 5 * CONSTANTS.secondsPerCrop) / (times.length + 5), left = total - finished.length;
  $("bar").max = total; $("bar").value = finished.length;
  $("progress").textContent = `${finished.length} of ${total} crops · ${(sum(times) / 60).toFixed(1)} min so far · about ${Math.ceil((left * each) / 60)} min left`;
  // Intervals take a moment: the crop comes first.
  clearTimeout(timer);
  timer = setTimeout(() => judged(finished.length, total), 0);
  $("work").hidden = !crop();
  if (!crop()) return;
  chips();
  $("n-missed").textContent = `${said().missed.length} missed`;
  $("channel-name").textContent = DATA.channels[view.channel];
  canvas.setAttribute("aria-label", `Crop ${own().at + 1}: ${said().marks.length} objects, ${said().missed.length} marked as missed`);
}

function chips() {
  const hasFocus = $("objects").contains(document.activeElement);
  $("objects").replaceChildren(...said().marks.map((now, i) => {
    const chip = document.createElement("button");
    chip.type = "button"; chip.className = `chip ${now.answer}`; chip.setAttribute("role", "option");
    chip.setAttribute("aria-selected", String(i === view.selected));
    chip.textContent = `${i + 1} ${numbered(now)}`;
    chip.onclick = () => choose(i);
    return chip;
  }));
  if (hasFocus) ($("objects").children[Math.max(view.selected, 0)] || canvas).focus();
}

function choose(i) {
  view.selected = i; panel(); repaint();
  if (i >= 0) say(`Object ${i + 1}: ${numbered(said().marks[i])}.`);
}

function judged(done, total) {
  const found = questions(judge()), isDecided = found.every((q) => q.worst.verdict !== "undecided");
  $("enough").hidden = !(done && (isDecided || done === total));
  $("enough").textContent = isDecided ? "Enough: every question is decided, and more answers cannot change that. Save review.csv." : "All crops are answered. Save review.csv; what is still undecided needs more wells.";
  $("needs").textContent = isDecided ? "" : needs(found, done, total);
  $("intervals").replaceChildren(...found.map(bar));
}

// What it takes, from the first crop on: as the report says it, and again after every answer.
function needs(found, done, total) {
  const known = found.map((q) => q.needed).filter((n) => n !== null), never = sum(found.map((q) => q.never));
  const rest = never ? ` ${never} of ${sum(found.map((q) => q.all))} rows stay open whatever you answer: too close to a margin, or the wells scatter too much.` : "";
  if (!known.length) return `More crops alone will not decide what is open.${rest}`;
  const whole = Math.max(...known) * shownSet().classes.length, left = Math.max(whole - done, 0);
  const more = whole > total ? ` More than the ${total} that are drawn: raise qc.review_per_class to ${Math.max(...known)}.` : "";
  if (!left) return `Close to a margin: every further crop narrows the intervals.${rest}`;
  return `About ${left} more crops (${Math.ceil((left * CONSTANTS.secondsPerCrop) / 60)} min) should decide what crops can decide.${more}${rest}`;
}

function bar({ title, worst, decided, all, needed }) {
  const row = document.createElement("div"), limit = worst.kind === "share" ? 1 - worst.margin : worst.margin;
  const place = (v) => (worst.kind === "signed" ? 50 + (v / limit) * 25 : worst.kind === "share" ? ((1 - v) / limit) * 50 : (v / limit) * 50);
  const clip = (v) => Math.min(Math.max(v, 0), 100), isKnown = Number.isFinite(worst.low);
  const ends = [place(worst.low), place(worst.high)].map(clip).sort((a, b) => a - b);
  const of = worst.scope === "difference" ? "a difference of two classes" : "one class", scale = (v) => (v * worst.scale).toFixed(1).replace("-", "−");
  const half = isKnown ? `known to ±${scale((worst.high - worst.low) / 2)} ${worst.unit}` : "not known yet";
  const text = `${DATA.measures[worst.measure]} of ${of}: ${half}, harmless ${worst.kind === "share" ? "from" : "up to"} ${scale(worst.margin)} ${worst.unit}`;
  const takes = worst.verdict === "undecided" && needed !== null ? ` About ${needed} crops per class decide it.` : "";
  row.className = `question ${worst.verdict}`;
  row.innerHTML = `<b></b><span class="verdict"></span><svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img"><rect class="zone" x="${worst.kind === "signed" ? 25 : 0}" width="50" height="10"/>${isKnown ? `<rect class="reach" x="${ends[0]}" width="${Math.max(ends[1] - ends[0], 0.8)}" y="3" height="4"/>` : ""}</svg><small></small>`;
  row.querySelector("b").textContent = title;
  row.querySelector(".verdict").textContent = `${MARKS[worst.verdict]}${worst.verdict}`;
  row.querySelector("svg").setAttribute("aria-label", text);
  row.querySelector("small").textContent = `${text}. ${decided} of ${all} rows decided.${takes}`;
  return row;
}
