// What is looked at. All of it stands in the address, so that a link shows the same.
const DATA = JSON.parse(document.getElementById("browser-data").textContent);
const NOTHING = { well: "", site: "", set: "", object: "", show: "", class: "", flag: "", order: "", beside: "" };
const CLASSES = "classes"; // instead of a well beside the one that is looked at
const UNKNOWN = -32768; // in the files of wells

const placeOf = new Map(DATA.wells.map((well, place) => [well.name, place]));
const quantityOf = new Map(DATA.quantities.map((quantity) => [quantity.name, quantity]));
DATA.wells.forEach((well) => { well.sites = []; well.flags ??= []; });
DATA.sites.number.forEach((number, place) => {
  DATA.wells[DATA.sites.well[place]].sites.push({ number, place });
});

let state = readAddress();

function readAddress() {
  const text = location.hash.slice(1);
  const given = text.includes("=") ? Object.fromEntries(new URLSearchParams(text)) : {};
  return { ...NOTHING, ...given };
}

function addressOf(wanted) {
  const told = Object.entries(wanted).filter(([, value]) => value !== "");
  return "#" + new URLSearchParams(told.length ? told : [["order", "worst"]]).toString();
}

// Change what is looked at; "back" of the browser leads to what was looked at before.
function go(change) {
  const address = addressOf({ ...state, ...change });
  if (address === location.hash) render();
  else location.hash = address;
}

function quantity() {
  return quantityOf.get(state.show) ?? DATA.quantities.find((one) => one.measure) ?? DATA.quantities[0];
}

// The quantity of a measure of the verdict, for an object set.
function quantityFor(measure, set) {
  return DATA.quantities.find((one) => one.measure === measure && one.set === set);
}

function median(values) {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  return known.length ? known[Math.floor((known.length - 1) / 2)] : null;
}

function mediansOfClasses(shown) {
  return DATA.classes.map((_, kind) =>
    median(shown.wells.filter((_, place) => DATA.wells[place].class === kind)));
}

// How bad a value is; what has no right and wrong is odd where it is far from its own class.
function badness(shown, value, middle) {
  if (value === null || value === undefined) return -Infinity;
  if (shown.wrong === "signed") return Math.abs(value);
  if (shown.wrong === "rate") return value;
  if (shown.wrong === "share") return -value;
  return middle === null ? 0 : Math.abs(value - middle);
}

function isBeyondMargin(shown, value) {
  if (value === null || shown.margin == null) return false;
  return badness(shown, value, null) > (shown.wrong === "share" ? -shown.margin : shown.margin);
}

function isFlagged(shown, place, flag) {
  return flag === "margin"
    ? isBeyondMargin(shown, shown.wells[place])
    : DATA.wells[place].flags.includes(flag);
}

function flagsOf(shown, place) {
  return Object.keys(DATA.flags).filter((flag) => isFlagged(shown, place, flag));
}

// The classes of "negcon: DMSO", of "pair: Drug A" (with its negative control), or all for "".
function classesOf(wanted) {
  const pair = DATA.classes.find(({ scope, name }) => scope === "poscon" && wanted === `pair: ${name}`);
  return DATA.classes.filter(({ scope, name }) => !wanted || wanted === `${scope}: ${name}` ||
    (pair && scope && name === (scope === "poscon" ? pair.name : pair.against)));
}

// The places of the wells that pass the filters, in the order that was asked for.
function chosenWells(shown, wanted = state.class) {
  const middles = mediansOfClasses(shown);
  const passing = new Set(classesOf(wanted).flatMap((kind) => kind.wells));
  const places = DATA.wells.map((_, place) => place).filter((place) =>
    passing.has(place) && (!state.flag || isFlagged(shown, place, state.flag)));
  if (state.order === "plate") return places;
  const middleOf = (place) => middles[DATA.wells[place].class];
  const rank = state.order === "typical"
    ? (place) => (shown.wells[place] === null ? Infinity : Math.abs(shown.wells[place] - middleOf(place)))
    : (place) => -badness(shown, shown.wells[place], middleOf(place));
  const ranks = new Map(places.map((place) => [place, rank(place)]));
  return places.sort((a, b) => compare(ranks.get(a), ranks.get(b)) || a - b);
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0; // a difference of infinities is no number
}

// The site of a well to look at first: the worst, or the one nearest its class.
function firstSite(shown, well) {
  const values = shown.sites;
  if (!well.sites.length || !values) return well.sites[0]?.number ?? "";
  const middle = mediansOfClasses(shown)[well.class];
  const rank = (site) => state.order === "typical" && values[site.place] !== null && middle !== null
    ? Math.abs(values[site.place] - middle)
    : -badness(shown, values[site.place], middle);
  return [...well.sites].sort((a, b) => compare(rank(a), rank(b)) || a.place - b.place)[0].number;
}

function written(shown, value) {
  if (value === null || value === undefined) return "no value";
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  const sign = value < 0 ? "−" : shown.wrong === "signed" && value > 0 ? "+" : "";
  return `${sign}${size.toFixed(digits)} ${shown.unit}`.trim();
}

function valueOfSite(shown, wellName, number) {
  const site = DATA.wells[placeOf.get(wellName)]?.sites.find((one) => one.number === Number(number));
  return site && shown.sites ? shown.sites[site.place] : null;
}
