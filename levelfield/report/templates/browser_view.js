// The browser as a whole: filters, the well that is looked at, what stands beside it, keys.
const FIELDS_OF_A_CLASS = 4;
let leads = false; // whether a well was just chosen, and has to be in view

function openWell(name, change = {}) {
  if (!placeOf.has(name)) return;
  Object.assign(state, change);
  const well = DATA.wells[placeOf.get(name)];
  leads = true;
  go({ well: name, site: String(firstSite(quantity(), well)), object: "" });
}

// From an answer: the wells that it rests on, the worst of them in view.
function openAnswer(link) {
  const { measure, set, scope, name } = link.dataset;
  const shown = quantityFor(measure, set);
  if (!shown) return;
  const wanted = `${scope === "difference" ? "pair" : scope}: ${name}`;
  state = { ...NOTHING, show: shown.name, class: wanted, beside: scope === "difference" ? CLASSES : "" };
  const worst = chosenWells(shown)[0];
  if (worst === undefined) go({});
  else openWell(DATA.wells[worst].name);
}

function fill(select, options, value) {
  select.replaceChildren(...options.map(([key, title]) => make("option", { value: key }, title)));
  select.value = value;
}

function showFilters(shown) {
  fill($("browser-show"), DATA.quantities.map((one) => [one.name, one.title ? `${one.name} (${one.title.toLowerCase()})` : one.name]), shown.name);
  const classes = DATA.classes.map(({ scope, name, title }) => [`${scope}: ${name}`, title]);
  const pairs = DATA.classes.filter((one) => one.against).map(({ name, against }) => [`pair: ${name}`, `${name} and ${against}`]);
  fill($("browser-class"), [["", "all wells"], ...classes, ...pairs], state.class);
  const flags = Object.entries(DATA.flags).map(([flag, title]) =>
    [flag, `${title} (${DATA.wells.filter((_, place) => isFlagged(shown, place, flag)).length})`]);
  fill($("browser-flag"), [["", "any"], ...flags], state.flag);
  const orders = [["", "worst first"], ["typical", "most typical first"], ["plate", "as on the plate"]];
  fill($("browser-order"), orders, state.order === "worst" ? "" : state.order);
}

function buildChips() {
  const chips = (box, items, chosen) => box.append(...items.map((item) => {
    const label = make("label", { class: "chip" });
    const input = make("input", { type: "checkbox" });
    input.checked = chosen.has(item.name);
    input.onchange = () => {
      if (input.checked) chosen.add(item.name); else chosen.delete(item.name);
      showWell();
    };
    label.append(input, make("i", { style: `background:${item.colour}` }), item.name);
    return label;
  }));
  chips($("browser-channels"), DATA.channels, view.channels);
  chips($("browser-outlines"), DATA.sets, view.outlines);
  const ranges = DATA.channels.filter((one) => one.range.length).map((one) => `${one.name} ${one.range.join("–")} %`);
  const said = ranges.length ? `: ${ranges.join(", ")} of full scale, after illumination correction` : "";
  $("browser-contrast").textContent = `One contrast for all pictures of the plate${said}. ` +
    "Brightness and channels change all pictures alike.";
}

function fieldFigure(name, number, ring, large) {
  const figure = make("figure", { class: "field" });
  const canvas = make("canvas", { role: "img", tabindex: "-1" });
  const value = valueOfSite(quantity(), name, number);
  const caption = make("figcaption", {}, `${name}, site ${number}`);
  if (quantity().sites) caption.append(make("small", {}, `${quantity().name}: ${written(quantity(), value)}`));
  canvas.setAttribute("aria-label", `Picture of ${caption.textContent}`);
  figure.append(canvas, caption);
  loadSite(name, number).then((site) => {
    if (!site) throw new Error(`${name}, site ${number}: no picture.`);
    canvas.width = large ? Math.max(660, Math.round(site.width / site.step)) : 480;
    canvas.height = Math.round(canvas.width * site.height / site.width);
    const found = ring && objectsOf(site).find((object) => object.key === ring);
    paint(canvas, site, null, found);
    canvas.onclick = (event) => {
      const px = site.width / canvas.clientWidth;
      const object = objectAt(site, event.offsetX * px, event.offsetY * px);
      go({ well: name, site: String(number), object: object?.key ?? "", set: objectSet() });
    };
  }).catch((error) => figure.replaceChildren(make("p", { class: "missing", role: "alert" }, error.message)));
  return figure;
}

function reasonLeftOut(name) {
  return Object.entries(DATA.left_out[name] ?? {}).map(([site, reason]) =>
    `${Number(site) < 0 ? "No image" : `Site ${site} was left out`}: ${reason}`).join(" ");
}

function pane(title, figures) {
  const box = make("div", { class: "pane" });
  box.append(make("h4", {}, title), ...figures);
  return box;
}

// Classes side by side, those that are chosen or all controls: of each some fields in order.
function classPanes(shown) {
  const chosen = classesOf(state.class.startsWith("pair") ? state.class : "");
  return chosen.filter(({ scope }) => scope).map(({ scope, name, title }) => {
    const places = chosenWells(shown, `${scope}: ${name}`).filter((place) => DATA.wells[place].sites.length);
    const figures = places.slice(0, FIELDS_OF_A_CLASS).map((place) => {
      const well = DATA.wells[place];
      return fieldFigure(well.name, firstSite(shown, well), "", false);
    });
    return pane(`${title}, ${state.order === "typical" ? "most typical" : "worst"} first`, figures);
  });
}

function wellPane(name, site, ring) {
  const well = DATA.wells[placeOf.get(name)];
  const note = reasonLeftOut(name);
  const parts = well.sites.length ? [fieldFigure(name, site, ring, true)] : [];
  if (note) parts.push(make("p", { class: "missing" }, note));
  return pane(`${signOf(well)} ${well.says}`, parts);
}

function showPanes(shown) {
  const panes = $("browser-panes");
  const [other, otherSite] = state.beside.split(":");
  const beside = placeOf.has(other) ? other : "";
  const both = state.beside === CLASSES;
  panes.className = `panes ${both ? "two classes" : beside ? "two" : ""}`;
  if (both) panes.replaceChildren(...classPanes(shown));
  else {
    const own = [wellPane(state.well, state.site, state.object)];
    if (beside) own.push(wellPane(beside, otherSite ?? firstSite(shown, DATA.wells[placeOf.get(beside)]), ""));
    panes.replaceChildren(...own);
  }
  $("browser-beside").setAttribute("aria-pressed", String(Boolean(state.beside) && !both));
  $("browser-beside").textContent = state.beside && !both ? `Beside: ${other} ×` : "Keep beside";
  $("browser-classes").setAttribute("aria-pressed", String(both));
}

function showSites(shown, well) {
  const strip = $("browser-sites");
  strip.hidden = well.sites.length < 2 || state.beside === CLASSES;
  refill(strip, (strip.hidden ? [] : well.sites).map(({ number, place }) => {
    const value = shown.sites ? written(shown, shown.sites[place]) : "";
    const button = make("button", { type: "button", "aria-label": `site ${number}, ${value}`, "data-site": number });
    button.setAttribute("aria-pressed", String(String(number) === state.site));
    const canvas = make("canvas", { width: 88, height: 88, "aria-hidden": "true" });
    loadSite(well.name, number).then((site) => site && paint(canvas, site, null, null, false)).catch(() => {});
    button.append(canvas, make("span", {}, `${number}${value ? `: ${value}` : ""}`));
    button.onclick = () => go({ site: String(number), object: "" });
    return button;
  }), "site");
}

async function showWell() {
  const shown = quantity();
  const well = DATA.wells[placeOf.get(state.well)];
  $("browser-well").hidden = !well;
  $("browser-none").hidden = Boolean(well);
  if (!well) return;
  if (leads) lead();
  if (!well.sites.some((site) => String(site.number) === state.site)) state.site = String(firstSite(shown, well));
  $("browser-title").textContent = `${well.says}: ${written(shown, shown.wells[placeOf.get(well.name)])}`;
  $("browser-title").append(make("small", {}, [shown.name, ...flagsOf(shown, placeOf.get(well.name)).map((flag) => DATA.flags[flag])].join(" · ")));
  showPanes(shown);
  showSites(shown, well);
  $("browser-found").hidden = !well.sites.length;
  const asked = state;
  const site = well.sites.length ? await loadSite(well.name, state.site).catch(() => null) : null;
  if (asked !== state) return;
  $("browser-found").hidden = !site || state.beside === CLASSES;
  const object = site && showObjects(site);
  $("browser-status").textContent = `${saidOf(shown, placeOf.get(well.name))}, site ${state.site}${object ? `, ${objectName(object)}` : ""}`;
}

function render() {
  const shown = quantity();
  const chosen = chosenWells(shown);
  showFilters(shown);
  showMap(shown, chosen);
  showList(shown, chosen);
  showWell();
}

function step(list, here, by) {
  const at = list.indexOf(here);
  return list[Math.min(Math.max(at + by, 0), list.length - 1)];
}

const KEYS = {
  j: () => openWell(step(chosenWells(quantity()).map((place) => DATA.wells[place].name), state.well, 1)),
  k: () => openWell(step(chosenWells(quantity()).map((place) => DATA.wells[place].name), state.well, -1)),
  ".": () => stepSite(1),
  ",": () => stepSite(-1),
  o: () => document.querySelectorAll("#browser-outlines input").forEach((input) => input.click()),
  b: () => $("browser-beside").click(),
  c: () => $("browser-classes").click(),
};

function stepSite(by) {
  const well = DATA.wells[placeOf.get(state.well)];
  if (well?.sites.length) go({ site: step(well.sites.map((site) => String(site.number)), state.site, by), object: "" });
}

function listen() {
  const change = { show: "browser-show", class: "browser-class", flag: "browser-flag", order: "browser-order" };
  for (const [key, id] of Object.entries(change)) $(id).onchange = () => go({ [key]: $(id).value, object: "" });
  $("browser-brightness").oninput = (event) => { view.brightness = Number(event.target.value); showWell(); };
  $("browser-previous").onclick = KEYS.k;
  $("browser-next").onclick = KEYS.j;
  $("browser-beside").onclick = () => go({ beside: state.beside && state.beside !== CLASSES ? "" : `${state.well}:${state.site}` });
  $("browser-classes").onclick = () => go({ beside: state.beside === CLASSES ? "" : CLASSES });
  $("browser-link").onclick = () => copied(location.href, $("browser-link"));
  $("browser-copy").onclick = () => copied($("browser-open").textContent, $("browser-copy"));
  $("browser").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input")) return;
    if (Object.hasOwn(KEYS, event.key)) { event.preventDefault(); KEYS[event.key](); }
  });
  document.querySelectorAll("[data-measure]").forEach((link) => {
    link.addEventListener("click", (event) => { event.preventDefault(); openAnswer(link); });
  });
  window.addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return;
    state = readAddress();
    render();
  });
}

async function copied(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    window.prompt("Copy:", text); // a page from a disk may be refused the clipboard
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

// In a narrow window the well lies below the map and the list.
function isNarrow() {
  return window.matchMedia("(max-width: 1080px)").matches;
}

function lead() {
  leads = false;
  const seen = $("browser-title").getBoundingClientRect();
  if (seen.top < 0 || seen.bottom > window.innerHeight) reveal();
}

function reveal() {
  (isNarrow() ? $("browser-well") : $("browser")).scrollIntoView();
  // Who walks over the list or the map by keys stays there.
  if (!$("browser").contains(document.activeElement)) $("browser-title").focus({ preventScroll: true });
}

buildMap();
buildChips();
listen();
document.querySelectorAll("figure[data-quantity]").forEach((figure) => enliven(figure, Number(figure.dataset.quantity)));
leads = Boolean(state.well);
render();
