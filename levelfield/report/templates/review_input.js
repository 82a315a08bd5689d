// Keys, mouse and touch.
const KEYS = { s: "split", m: "merged", l: "too_large", t: "too_small", n: "not_an_object", "?": "cannot_tell", c: "cannot_tell", x: "correct" };

async function place(event) {
  const box = canvas.getBoundingClientRect(), picture = await pictureOf(view.set, own().at);
  const f = frame(picture), unit = f.side / box.width;
  const y = f.top + (event.clientY - box.top) * unit, x = f.left + (event.clientX - box.left) * unit;
  const isInside = y >= 0 && x >= 0 && y < picture.height && x < picture.width;
  const label = isInside ? picture.numbers[Math.floor(y) * picture.width + Math.floor(x)] - 1 : -1;
  return { y, x, label: label < crop().numbers.length ? label : -1, isOther: label >= crop().numbers.length };
}

function move(dy, dx) {
  const [top, left, bottom, right] = crop().inside, step = Math.max(bottom - top, right - left) / 24;
  const [y, x] = view.cross || [(top + bottom) / 2, (left + right) / 2];
  view.cross = [Math.min(Math.max(y + dy * step, top), bottom - 0.01), Math.min(Math.max(x + dx * step, left), right - 0.01)];
  repaint();
}

function by(name, factor, least, most) { view[name] = Math.min(Math.max(view[name] * factor, least), most); repaint(); }

function turn(name, step, number) {
  view[name] = (Math.max(view[name], step > 0 ? -1 : 0) + step + number) % number;
  panel(); repaint();
}

const ACTIONS = {
  Enter: confirmCrop, " ": confirmCrop, Backspace: undo, u: undo, w: save,
  o: () => { view.outlines = !view.outlines; repaint(); }, v: () => { view.context = !view.context; repaint(); },
  "+": () => by("zoom", 1.4, 1, 8), "=": () => by("zoom", 1.4, 1, 8), "-": () => by("zoom", 1 / 1.4, 1, 8),
  "]": () => turn("channel", 1, DATA.channels.length), "[": () => turn("channel", -1, DATA.channels.length),
  ".": () => by("contrast", 1.25, 0.3, 6), ",": () => by("contrast", 0.8, 0.3, 6), b: () => by("brightness", 1.25, 0.2, 8), d: () => by("brightness", 0.8, 0.2, 8),
  ArrowUp: () => move(-1, 0), ArrowDown: () => move(1, 0), ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1),
  a: () => (view.cross ? missed(...view.cross) : say("Move the cross with the arrow keys first.", true)),
  j: () => choose((view.selected + 1) % crop().numbers.length), k: () => choose((view.selected + crop().numbers.length - 1) % crop().numbers.length),
};

function onKey(event) {
  if ($("review").hidden || event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if ((key === "Enter" || key === " ") && /BUTTON|SUMMARY/.test(event.target.tagName)) return;
  if (/^[0-9]$/.test(key) && crop()) choose(Math.min((+key + 9) % 10, crop().numbers.length - 1));
  else if (KEYS[key]) mark(view.selected, KEYS[key]);
  else if (ACTIONS[key] && (crop() || ["Backspace", "u", "w"].includes(key))) ACTIONS[key]();
  else return;
  event.preventDefault();
}

function wire() {
  document.addEventListener("keydown", onKey);
  // After a click, Enter confirms the crop again; who goes by Tab presses buttons with it.
  document.addEventListener("click", (event) => { if (event.detail > 0 && event.target.closest("button") && state) canvas.focus({ preventScroll: true }); });
  canvas.addEventListener("pointermove", async (event) => {
    if (event.pointerType === "touch" || !crop()) return;
    const { label } = await place(event);
    if (label !== view.selected && label >= 0) { view.selected = label; panel(); repaint(); }
  });
  canvas.addEventListener("click", async (event) => {
    if (!crop()) return;
    const at = await place(event);
    if (at.label >= 0) choose(at.label); else if (!at.isOther) missed(at.y, at.x); else say("That object counts for another crop.", true);
  });
  document.querySelectorAll("[data-answer]").forEach((button) => { button.onclick = () => mark(view.selected, button.dataset.answer); });
  document.querySelectorAll("[data-key]").forEach((button) => { button.onclick = () => { if (crop() || ["u", "w"].includes(button.dataset.key)) ACTIONS[button.dataset.key](); }; });
  $("set").onchange = (event) => { view.set = +event.target.value; view.channel = shownSet().channel; show(); };
  $("begin").onsubmit = (event) => { event.preventDefault(); const name = $("reviewer").value.trim(); if (name) start(name); };
  window.addEventListener("resize", () => state && repaint());
}

wire();
const page = { judge, sheet, start, questions: () => questions(judge()), times: () => shownIn, state: () => state };
