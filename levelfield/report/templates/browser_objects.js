// The objects of a site, the strongest evidence of the error that is looked for first.
const MOST_OBJECTS = 24;
const EVIDENCE = { merges: ["merged"], splits: ["split"], balance: ["merged", "split"], invented: ["invented"],
  missed: ["missed"], bias: ["edge"] };
const ANY_ERROR = ["merged", "split", "invented", "missed"];
const WORDS = { merged: "merged", split: "split", invented: "invented", missed: "missed", edge: "edge" };

function objectSet() {
  const named = DATA.sets.find((set) => set.name === state.set);
  return named?.name ?? quantity().set ?? DATA.sets.find((set) => set.judged)?.name ?? "";
}

function rowsOf(table, missed) {
  const names = Object.keys(table ?? {});
  return (table?.number ?? []).map((_, row) => ({
    missed, ...Object.fromEntries(names.map((name) => [name, table[name][row]])),
  }));
}

// All objects of a site, and the places where one may be missed.
function objectsOf(site) {
  const set = objectSet();
  return [...rowsOf(site.objects[set], false), ...rowsOf(site.missed[set], true)].map((one) => ({
    ...one, radius: Math.sqrt(one.area / Math.PI), key: `${one.missed ? "missed-" : ""}${one.number}`,
  }));
}

function strength(object, kind) {
  const value = object[kind] ?? UNKNOWN;
  return value === UNKNOWN ? -1 : Math.abs(value);
}

function strongest(object, kinds) {
  return kinds.reduce((best, kind) => (strength(object, kind) > strength(object, best) ? kind : best));
}

function evidenceWords(object, kind) {
  const value = object[kind] ?? UNKNOWN;
  if (value === UNKNOWN) return "not known";
  if (kind !== "edge") return `${Math.min(value, 100)} %`;
  return `${value < 0 ? "−" : "+"}${(Math.abs(value) / 100).toFixed(2)} px`;
}

function worstObjects(site) {
  const kinds = EVIDENCE[quantity().measure] ?? ANY_ERROR;
  return objectsOf(site)
    .map((object) => ({ object, kind: strongest(object, kinds) }))
    .filter(({ object, kind }) => strength(object, kind) >= 0)
    .sort((a, b) => strength(b.object, b.kind) - strength(a.object, a.kind) || a.object.number - b.object.number)
    .slice(0, MOST_OBJECTS);
}

// The object at a place of the field, if there is one.
function objectAt(site, x, y) {
  const near = objectsOf(site)
    .map((object) => ({ object, off: Math.hypot(object.x - x, object.y - y) / Math.max(object.radius, 4) }))
    .filter(({ off }) => off <= 1.5)
    .sort((a, b) => a.off - b.off);
  return near[0]?.object;
}

// A square around an object, held inside the field.
function around(site, object, diameters) {
  const side = Math.min(Math.max(2 * object.radius * diameters, 24), site.width, site.height);
  const start = (centre, length) => Math.min(Math.max(centre - side / 2, 0), length - side);
  return { x: start(object.x, site.width), y: start(object.y, site.height), width: side, height: side };
}

function showObjects(site) {
  const found = worstObjects(site);
  refill($("browser-objects"), found.map(({ object, kind }) => {
    const canvas = make("canvas", { width: 96, height: 96, "aria-hidden": "true" });
    paint(canvas, site, around(site, object, 3), object.missed ? object : null);
    const says = `${WORDS[kind]} ${evidenceWords(object, kind)}`;
    const button = make("button", { type: "button", "data-object": object.key,
      "aria-label": `${objectName(object)}, ${says}`, "aria-pressed": String(object.key === state.object) });
    button.append(canvas, make("span", {}, says));
    button.onclick = () => go({ object: object.key, set: objectSet(), site: String(site.site) });
    const item = make("li");
    item.append(button);
    return item;
  }), "object");
  $("browser-objects-title").textContent = found.length
    ? `${objectSet()} of site ${site.site}, the strongest evidence first`
    : `No ${objectSet()} with evidence at site ${site.site}`;
  const chosen = objectsOf(site).find((object) => object.key === state.object);
  showObject(site, chosen);
  return chosen;
}

function objectName(object) {
  return object.missed ? `possible missed object ${object.number}` : `${objectSet()} ${object.number}`;
}

function showObject(site, object) {
  const box = $("browser-object");
  box.hidden = !object;
  if (!object) return;
  paint($("browser-object-picture"), site, around(site, object, 4), object.missed ? object : null);
  $("browser-object-title").textContent = `${state.well}, site ${site.site}: ${objectName(object)}`;
  const kinds = object.missed ? ["missed"] : ["merged", "split", "invented", "edge"];
  const facts = kinds.map((kind) => [{ ...WORDS, edge: "outline beyond the visible edge" }[kind], evidenceWords(object, kind)]);
  facts.push(["area", `${object.area} px`], ["centre (x, y)", `${object.x}, ${object.y} px`]);
  $("browser-object-facts").replaceChildren(...facts.map(([name, value]) => {
    const row = make("tr");
    row.append(make("th", { scope: "row" }, name), make("td", {}, value));
    return row;
  }));
  const chosen = object.missed ? "" : ` --set ${quoted(objectSet())} --object ${object.number}`;
  $("browser-open").textContent = `levelfield open ${quoted(DATA.plate)} ${state.well} --site ${site.site}${chosen}`;
}

function quoted(name) {
  return /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}
