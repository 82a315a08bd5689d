// A row of the verdict from the answers, as levelfield.qc.review.class_mean and foreseen have it.
const NORMAL = 1.6448536269514722;
const NOTHING_KNOWN = { verdict: "undecided", value: NaN, low: NaN, high: NaN, wells: [NaN, NaN], needed: null };
const valueOf = (measure, mark) => CONSTANTS.values[measure][`${mark.answer} ${mark.count}`];

// Answers of a class as sums over its crops: [{marks: [...], missed: n}, ...] in drawing order.
function sumsOf(cls, crops, bound) {
  const found = { missed: crops.map((crop) => crop.missed) };
  for (const [measure, ends] of Object.entries(CONSTANTS.possible)) {
    found[measure] = crops.map((crop, j) => sum(crop.marks.map((mark, i) => {
      if (mark.answer !== "cannot_tell") return valueOf(measure, mark);
      return bound === null ? cls.crops.objects[measure][j][i] : ends[bound];
    })));
  }
  return found;
}

function ratioVariance(top, bottom) {
  const used = range(top.length).filter((i) => bottom[i] > 0), n = used.length;
  if (n < 2) return NaN;
  const whole = sum(used.map((i) => bottom[i])), value = sum(used.map((i) => top[i])) / whole;
  return sum(used.map((i) => ((top[i] - value * bottom[i]) / (whole / n)) ** 2)) / (n - 1) / n;
}

function spreadOfWells(cls, mean) {
  const n = cls.sizes.filter((size) => size > 0).length, freedom = n - 1;
  if (n < 2) return { variance: NaN, freedom, n };
  const scale = (sum(cls.sizes) / mean.per) ** 2, draw = Number.isFinite(mean.drawOfWells) ? mean.drawOfWells : Infinity;
  const seen = (ratioVariance(mean.inWells, cls.sizes) * scale) / shareOfFreedom(0.5, freedom);
  return { variance: Math.max(ratioVariance(mean.sharp, cls.sizes) * scale, seen - draw), freedom, n };
}

function classMean(cls, measure, crops) {
  const middle = sumsOf(cls, crops, null), isUnsure = crops.some((c) => c.marks.some((m) => m.answer === "cannot_tell"));
  const mean = cropMean(cls, measure, middle, middle[measure]);
  if (!mean) return null;
  const end = (bound) => (!isUnsure || measure === "missed" ? mean : cropMean(cls, measure, middle, sumsOf(cls, crops, bound)[measure]));
  return { mean, ends: [end(0), end(1)], wells: spreadOfWells(cls, mean), planned: cls.planned, done: crops.length, cls };
}

const differenceOf = (means) => means[0].value - (means.length === 2 ? means[1].value : 0);

function intervalOf(sides) {
  return [0, 1].map((end) => {
    const means = sides.map((side, i) => side.ends[i === 0 ? end : 1 - end]);
    if (means.every((mean) => mean.isWhole)) return differenceOf(means);
    const k = Math.min(...means.map((mean) => mean.steps.length)), planned = Math.max(...sides.map((side) => side.planned));
    const pick = (name, join) => range(k).map((t) => (means.length === 2 ? join(means[0][name][t], means[1][name][t]) : means[0][name][t]));
    return bettingInterval(pick("steps", (a, b) => a - b), pick("variances", (a, b) => a + b), pick("units", Math.max), planned)[end];
  });
}

const ofReview = (interval) => ({ variance: ((interval[1] - interval[0]) / 2 / NORMAL) ** 2, freedom: Infinity });

// A class with one well borrows the scatter of the other class, or of the calibration.
function wellsOf(side, other, spec) {
  if (Number.isFinite(side.wells.variance)) return side.wells;
  const [scatter, freedom] = other && Number.isFinite(other.wells.variance)
    ? [other.wells.variance * other.wells.n, other.wells.freedom] : [spec.betweenWells, spec.betweenFreedom];
  return { variance: scatter / side.wells.n, freedom };
}

// `answers` by class, crops in drawing order; `known` keeps what rows have in common.
function judgeRow(spec, classes, answers, known) {
  const once = (key, make) => { if (!known.has(key)) known.set(key, make()); return known.get(key); };
  const sides = spec.classes.map((c) => once(`${c} ${spec.measure}`, () => classMean(classes[c], spec.measure, answers[c])));
  if (sides.some((side) => !side)) return { ...NOTHING_KNOWN, needed: spec.needed };
  const alone = () => sides.map((side, i) => once(`${spec.classes[i]} ${spec.measure} alone`, () => intervalOf([side])));
  const value = differenceOf(sides.map((side) => side.mean)), ends = sides.length === 1 ? alone()[0] : intervalOf(sides);
  const review = ofReview(ends), half = (ends[1] - ends[0]) / 2, middle = (ends[0] + ends[1]) / 2;
  const wells = sides.map((side, i) => wellsOf(side, sides[1 - i], spec));
  const likely = wells.map((w) => ({ variance: w.variance / shareOfFreedom(0.4, w.freedom), freedom: w.freedom }));
  const error = Math.sqrt(review.variance + sum(wells.map((w) => w.variance))), freedom = satterthwaite([review, ...likely]);
  const reach = error > 0 ? error * quantileOfT(0.9, freedom) : 0;
  const about = (by) => [Math.min(middle - by, value), Math.max(middle + by, value)], [low, high] = about(reach);
  const found = { value, low, high, wells: about(half) }, canPass = sides.every((side) => side.wells.n >= 2);
  found.verdict = verdictOf(spec, found, error > 0 ? error * quantileOfT(0.99, freedom) : 0, canPass);
  found.needed = neededOf(spec, value, sides, wells, alone, canPass);
  return found;
}

function verdictOf(spec, found, reach, canPass) {
  const { margin, kind } = spec, { value, low, high } = found;
  const isInside = kind === "signed" ? -margin < low && high < margin : kind === "share" ? low >= margin : high < margin;
  if (isInside && canPass) return "pass";
  const wrong = kind === "signed" ? Math.abs(value) : kind === "share" ? 1 - value : value;
  const limit = kind === "share" ? 1 - margin : margin;
  return wrong > (kind === "share" ? limit + reach : Math.max(limit, reach)) ? "fail" : "undecided";
}

// Crops of each class that should decide a row, if it is as it seems; null where no number does.
function neededOf(spec, value, sides, wells, alone, canPass) {
  const { fewestCrops, step, mostCrops } = CONSTANTS;
  const most = Math.min(Math.max(...sides.map((side) => side.cls.chances.length)), mostCrops);
  if (!Number.isFinite(value)) return null;
  const numbers = [];
  for (let n = Math.min(fewestCrops, most); n < most; n += step) numbers.push(n);
  numbers.push(most);
  const decides = (n) => {
    const drawn = sides.map((side, i) => ({ variance: foreseenVariance(side, spec.measure, n, () => ofReview(alone()[i]).variance), freedom: Infinity }));
    const error = Math.sqrt(sum([...drawn, ...wells].map((part) => part.variance))), freedom = satterthwaite([...drawn, ...wells]);
    const reach = (level) => (error > 0 ? error * quantileOfT(level, freedom) : 0);
    return verdictOf(spec, { value, low: value - reach(0.9), high: value + reach(0.9) }, reach(0.95), canPass) !== "undecided";
  };
  let low = 0, high = numbers.length;
  while (low < high) { const middle = (low + high) >> 1; if (decides(numbers[middle])) high = middle; else low = middle + 1; }
  return low < numbers.length ? numbers[low] : null;
}

function foreseenVariance({ cls, done, mean }, measure, n, ofAnswers) {
  const every = cls.chances.length, left = 1 - n / every;
  if (left <= 0) return 0;
  if (CONSTANTS.knownCrops <= done && done < every && Number.isFinite(ofAnswers())) return ((ofAnswers() * done) / n) * (left / (1 - done / every));
  return (cls.foreseen[measure] / Math.max(mean.per, 1) ** 2 / n) * left;
}
