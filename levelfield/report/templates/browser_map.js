// Plate maps: the one that filters and leads to wells, and keys and words for the drawn ones.
function $(id) { return document.getElementById(id); }

function make(tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.textContent = text;
  return made;
}

// Write a list again, and leave the focus where it was.
function refill(box, children, key) {
  const kept = box.contains(document.activeElement) ? document.activeElement.dataset[key] : undefined;
  box.replaceChildren(...children);
  if (kept !== undefined) box.querySelector(`[data-${key}="${CSS.escape(kept)}"]`)?.focus({ preventScroll: true });
}

const SIGNS = { negcon: "●", poscon: "▲" };
const MOST_LISTED = 60;
const letters = (row) => (row < 26 ? "" : String.fromCharCode(64 + Math.floor(row / 26))) + String.fromCharCode(65 + (row % 26));

function signOf(well) {
  return SIGNS[DATA.classes[well.class].scope] ?? "";
}

function saidOf(shown, place) {
  const flags = flagsOf(shown, place).map((flag) => DATA.flags[flag]);
  return [`${DATA.wells[place].says}: ${written(shown, shown.wells[place])}`, ...flags].join("; ");
}

// Built once: a grid of buttons, one of which the Tab key reaches.
function buildMap() {
  const map = $("browser-map");
  map.style.setProperty("--columns", DATA.columns);
  const head = make("div", { role: "presentation", class: "map-row" });
  head.append(make("span"));
  for (let column = 1; column <= DATA.columns; column += 1) head.append(make("span", { class: "map-name" }, String(column)));
  map.append(head);
  for (let row = 0; row < DATA.rows; row += 1) {
    const line = make("div", { role: "row", class: "map-row" });
    line.append(make("span", { class: "map-name", role: "presentation" }, letters(row)));
    for (let column = 1; column <= DATA.columns; column += 1) {
      const name = letters(row) + String(column).padStart(2, "0");
      const cell = make("button", { type: "button", role: "gridcell", tabindex: "-1", "data-well": name });
      cell.disabled = !placeOf.has(name);
      line.append(cell);
    }
    map.append(line);
  }
  map.onclick = (event) => openWell(event.target.dataset.well);
  const tell = (event) => {
    const place = placeOf.get(event.target.dataset.well);
    if (place !== undefined) $("browser-map-says").textContent = saidOf(quantity(), place);
  };
  map.addEventListener("mouseover", tell);
  map.addEventListener("focusin", tell);
  map.onkeydown = (event) => moveInGrid(event, event.target.dataset.well, (name) => {
    const cell = map.querySelector(`[data-well="${name}"]`);
    if (cell && !cell.disabled) cell.focus();
    return Boolean(cell && !cell.disabled);
  });
}

// Arrow keys, Home and End: go on until there is a well.
function moveInGrid(event, name, visit) {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -DATA.columns],
    End: [0, DATA.columns] }[event.key];
  if (!step || !name) return;
  event.preventDefault();
  const [, text, number] = /^([A-Z]+)(\d+)$/.exec(name);
  let row = [...text].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
  let column = Number(number);
  if (Math.abs(step[1]) > 1) { // from the end of the row inwards
    column = step[1] > 0 ? DATA.columns + 1 : 0;
    step[1] = -Math.sign(step[1]);
  }
  for (let tried = 0; tried < DATA.columns; tried += 1) {
    row += step[0];
    column += step[1];
    if (row < 0 || row >= DATA.rows || column < 1 || column > DATA.columns) return;
    if (visit(letters(row) + String(column).padStart(2, "0"))) return;
  }
}

function showMap(shown, chosen) {
  const passes = new Set(chosen);
  const cells = $("browser-map").querySelectorAll("[data-well]");
  const reached = state.well || DATA.wells[chosen[0] ?? 0]?.name;
  cells.forEach((cell) => {
    const name = cell.dataset.well;
    if (cell.disabled) return;
    const place = placeOf.get(name);
    const colour = shown.colours[place];
    cell.style.background = colour;
    cell.style.color = colour && isDark(colour) ? "#fff" : "#111";
    cell.textContent = signOf(DATA.wells[place]);
    cell.className = [colour ? "" : "without", passes.has(place) ? "" : "filtered",
      flagsOf(shown, place).length ? "flagged" : ""].join(" ");
    cell.setAttribute("aria-label", saidOf(shown, place));
    cell.setAttribute("aria-selected", String(name === state.well));
    cell.tabIndex = name === reached ? 0 : -1;
  });
}

function isDark(colour) {
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
  return 0.3 * red + 0.59 * green + 0.11 * blue <= 115;
}

function showList(shown, chosen) {
  const words = { plate: "in the order of the plate", typical: "the most typical of its class first" };
  const first = shown.wrong ? "worst first" : "farthest from the others of its class first";
  $("browser-count").textContent = `${chosen.length} of ${DATA.wells.length} wells, ${words[state.order] ?? first}`;
  refill($("browser-list"), chosen.slice(0, MOST_LISTED).map((place) => {
    const well = DATA.wells[place];
    const flags = flagsOf(shown, place);
    const button = make("button", { type: "button", "data-well": well.name, "aria-label": saidOf(shown, place) });
    if (well.name === state.well) button.setAttribute("aria-current", "true");
    button.append(make("b", {}, well.name), make("span", { class: "list-sign" }, signOf(well)),
      make("span", { class: "list-value" }, written(shown, shown.wells[place])),
      make("span", { class: "list-flag" }, flags.length ? "⚑" : ""));
    button.title = saidOf(shown, place);
    button.onclick = () => openWell(well.name);
    const item = make("li");
    item.append(button);
    return item;
  }), "well");
}

// The drawn maps: a line of words under each, by mouse and by keys, and a way to the pictures.
function enliven(figure, number) {
  const svg = figure.querySelector("svg");
  const says = make("output", { class: "map-says", "aria-live": "polite" }, " ");
  figure.append(says);
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("role", "application");
  const wellAt = (name) => svg.querySelector(`[data-well="${name}"]`);
  const visit = (name) => {
    const rect = wellAt(name);
    if (!rect) return false;
    svg.querySelector(".cursor")?.classList.remove("cursor");
    rect.classList.add("cursor");
    says.textContent = rect.querySelector("title").textContent;
    return true;
  };
  const here = () => svg.querySelector(".cursor")?.dataset.well;
  svg.onmouseover = (event) => visit(event.target.closest("[data-well]")?.dataset.well);
  svg.onfocus = () => visit(here() ?? svg.querySelector("[data-well]")?.dataset.well);
  svg.onclick = (event) => openFrom(event.target.closest("[data-well]")?.dataset.well);
  svg.onkeydown = (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); openFrom(here()); }
    else moveInGrid(event, here(), visit);
  };
  const openFrom = (name) => {
    if (name) openWell(name, { show: DATA.quantities[number].name, class: "", flag: "" });
  };
}
