"use strict";
/* The review page. Two parts: the statistics, which are those of levelfield.qc.review line by line
   (estimator, betting, class_mean; a test holds both against each other), and the page itself. */

const Statistics = (C) => {
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const range = (n) => Array.from({ length: n }, (_, i) => i);

  /* Inclusion probabilities of the first k crops: a crop is drawn when its clock has rung. */
  function inclusion(all, drawn, k) {
    if (k >= all.length) return drawn.map(() => 1);
    let time = k;
    for (let round = 0; round < 50; round++) {
      let hope = 0, slope = 0;
      for (const p of all) { const missed = Math.exp(-p * time); hope += 1 - missed; slope += p * missed; }
      const step = (k - hope) / slope;
      time += step;
      if (Math.abs(step) <= 1e-12 * time) break;
    }
    return drawn.map((p) => 1 - Math.exp(-p * time));
  }

  /* How far the evidence is trusted: slope of the answers on it, from 0 to 1. */
  function trust(said, read, weights) {
    const k = said.length, whole = sum(weights);
    if (k < 2 || !(whole > 0)) return 1;
    const middle = sum(read.map((r, i) => r * weights[i])) / whole;
    let square = 0, product = 0;
    read.forEach((r, i) => { square += weights[i] * (r - middle) ** 2; product += weights[i] * (r - middle) * said[i]; });
    const begin = (C.trust * square) / k + 1e-12;
    return Math.min(Math.max((product + begin) / (square + begin), 0), 1);
  }

  function trustByHalves(said, read, weights) {
    const of = (parity) => {
      const pick = (values) => values.filter((_, i) => i % 2 === parity);
      return trust(pick(said), pick(read), pick(weights));
    };
    const [even, odd] = [of(1), of(0)];
    return said.map((_, i) => (i % 2 === 0 ? even : odd));
  }

  function drawVariance(shares, chance) {
    const k = shares.length, open = chance.map((c) => 1 - c), whole = sum(open);
    if (k < 2) return NaN;
    if (!(whole > 0)) return 0;
    const middle = sum(shares.map((s, i) => s * open[i])) / whole;
    return (k / (k - 1)) * sum(shares.map((s, i) => open[i] * (s - middle) ** 2));
  }

  /* Evidence of a measure (what: "read") or answers ("said") that add to the denominator. */
  const signed = (measure, of) => {
    const parts = Object.entries(C.ratios[measure] || {});
    return (n) => range(n).map((i) => sum(parts.map(([name, sign]) => sign * of(name)[i])));
  };

  /* One measure in one class. `said` gives the answers (k) by measure. */
  function cropMean(cls, measure, said, answers) {
    const k = answers.length, whole = sum(cls.sizes), J = cls.chances.length;
    if (!k || !(whole > 0)) return null;
    const p = cls.crops.chance.slice(0, k), size = cls.crops.size.slice(0, k);
    const chance = inclusion(cls.chances, p, k);
    const read = cls.crops.evidence[measure].slice(0, k), total = sum(cls.evidence[measure]);
    const saidPer = signed(measure, (name) => said[name])(k);
    const readPer = signed(measure, (name) => cls.crops.evidence[name])(k);
    const perWell = signed(measure, (name) => cls.evidence[name])(cls.sizes.length);
    const totalPer = sum(perWell);
    const estimate = (y, f, all, lambda) =>
      (sum(lambda) / k) * all + sum(y.map((v, i) => (v - lambda[i] * f[i]) / chance[i]));
    let value = 0, per = whole, lambda = [];
    const rests = () => [answers.map((y, i) => y - value * saidPer[i]), read.map((f, i) => f - value * readPer[i])];
    for (let round = 0; round < 3; round++) {
      const [y, f] = rests();
      lambda = trustByHalves(y.map((v, i) => v / chance[i]), f.map((v, i) => v / chance[i]), chance.map((c) => 1 - c));
      per = whole + estimate(saidPer, readPer, totalPer, lambda);
      value = estimate(answers, read, total, lambda) / per;
    }
    const [y, f] = rests(), all = total - value * totalPer, mean = sum(lambda) / k;
    const left = [];
    p.reduce((gone, chanceOfIt) => { left.push(Math.max(1 - gone, chanceOfIt)); return gone + chanceOfIt; }, 0);
    const steps = [];
    let knownSaid = 0, knownRead = 0;
    for (let t = 0; t < k; t++) {
      const past = range(t), own = trust(past.map((i) => y[i] / p[i]), past.map((i) => f[i] / p[i]), past.map(() => 1));
      const estimated = own * all + (knownSaid - own * knownRead) + ((y[t] - own * f[t]) * left[t]) / p[t];
      steps.push(value + (estimated - value * whole) / per);
      knownSaid += y[t]; knownRead += f[t];
    }
    const guard = (C.guardVariance * J) / Math.max(whole, 1);
    const variances = steps.map((_, t) => {
      let squares = C.guardCrops * guard, freedom = C.guardCrops;
      if (t > 1) {
        const w = range(t).map((i) => 1 / left[i] ** 2);
        const middle = sum(w.map((v, i) => v * steps[i])) / sum(w);
        squares += sum(w.map((v, i) => v * (steps[i] - middle) ** 2));
        freedom += t - 1;
      }
      return (squares / freedom) * left[t] ** 2;
    });
    const shift = (value * whole - mean * all) / whole;
    const sharp = cls.sizes.map((n, w) => mean * (cls.evidence[measure][w] - value * perWell[w]) + shift * n);
    const rest = y.map((v, i) => (v - mean * f[i] - shift * size[i]) / chance[i]);
    const inWells = sharp.slice();
    rest.forEach((r, i) => { inWells[cls.crops.well[i]] += r; });
    return {
      value, per, steps, variances, units: left.map((l) => (l * J) / per), sharp, inWells,
      drawOfWells: drawVariance(rest.map((r) => r / per), chance), isWhole: k === J,
    };
  }

  function bestWealth(x, variances, units, value, sign, planned) {
    let wealth = 0, best = 0, goal = planned;
    for (let t = 0; t < x.length; t++) {
      while (goal <= t) goal *= 2;
      const missing = C.goal - wealth;
      if (missing <= 0) return wealth;
      let bet = Math.sqrt((2 * missing) / (goal - t));
      bet = Math.min(Math.min(bet, C.largestBet) / Math.sqrt(variances[t]), C.largestLoss / units[t]);
      wealth += Math.log(Math.max(1 + sign * bet * (x[t] - value), C.ruin));
      best = Math.max(best, wealth);
    }
    return best;
  }

  function bettingInterval(x, variances, units, planned) {
    const weights = variances.map((v) => 1 / v);
    const middle = sum(weights.map((w, i) => w * x[i])) / sum(weights);
    const spread = Math.sqrt(Math.max(...variances));
    return [1, -1].map((sign) => {
      let near = 0, far = spread;
      const out = (away) => bestWealth(x, variances, units, middle - sign * away, sign, planned) >= C.goal;
      while (!out(far)) { near = far; far *= 2; if (far > 1e6 * spread) return -sign * Infinity; }
      for (let i = 0; i < 40; i++) {
        const between = (near + far) / 2;
        if (out(between)) far = between; else near = between;
      }
      return middle - sign * far;
    });
  }

  function ratioVariance(top, bottom) {
    const used = range(top.length).filter((i) => bottom[i] > 0), n = used.length;
    if (n < 2) return NaN;
    const whole = sum(used.map((i) => bottom[i])), value = sum(used.map((i) => top[i])) / whole;
    return sum(used.map((i) => (((top[i] - value * bottom[i]) / (whole / n)) ** 2))) / (n - 1) / n;
  }

  function ofWells(cls, mean) {
    const n = cls.sizes.filter((size) => size > 0).length;
    const scale = (sum(cls.sizes) / mean.per) ** 2;
    const draw = Number.isFinite(mean.drawOfWells) ? mean.drawOfWells : Infinity;
    const variance = Math.max(ratioVariance(mean.sharp, cls.sizes) * scale, ratioVariance(mean.inWells, cls.sizes) * scale - draw);
    return { variance: n < 2 ? NaN : variance, freedom: n - 1, n };
  }

  /* Gamma and beta functions, for quantiles of Student's t and of chi-squared. */
  function logGamma(x) {
    const c = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 1.208650973866179e-3, -5.395239384953e-6];
    let series = 1.000000000190015;
    c.forEach((v, i) => { series += v / (x + 1 + i); });
    return (x + 0.5) * Math.log(x + 5.5) - (x + 5.5) + Math.log((2.5066282746310005 * series) / x);
  }

  function betaFraction(a, b, x) {
    let c = 1, d = 1 / (1 - ((a + b) * x) / (a + 1)), h = d;
    for (let m = 1; m < 500; m++) {
      for (const top of [(m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)), (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))]) {
        d = 1 / (1 + top * d); c = 1 + top / c; h *= d * c;
      }
      if (Math.abs(d * c - 1) < 1e-14) break;
    }
    return h;
  }

  /* Probability that |t| exceeds a value. */
  function tailsOfT(t, freedom) {
    const a = freedom / 2, x = freedom / (freedom + t * t);
    const front = Math.exp(logGamma(a + 0.5) - logGamma(a) - logGamma(0.5) + a * Math.log(x) + 0.5 * Math.log(1 - x));
    return x < (a + 1) / (a + 2.5) ? (front * betaFraction(a, 0.5, x)) / a : 1 - 2 * front * betaFraction(0.5, a, 1 - x);
  }

  function bisect(low, high, isBelow) {
    for (let i = 0; i < 100; i++) { const m = (low + high) / 2; if (isBelow(m)) low = m; else high = m; }
    return (low + high) / 2;
  }

  const quantileOfT = (level, freedom) => {
    const least = Math.min(freedom, 1e6);  // beyond, it is the normal distribution
    return bisect(1e-6, 1e4, (t) => tailsOfT(t, least) > 1 - level);
  };

  /* Median-like quantile (0.4) of chi-squared over its freedom, by the series of the gamma. */
  function likelyShare(freedom) {
    const a = freedom / 2;
    const below = (x) => {
      let term = 1 / a, total = term;
      for (let n = 1; n < 1000; n++) { term *= x / (a + n); total += term; if (term < total * 1e-15) break; }
      return total * Math.exp(-x + a * Math.log(x) - logGamma(a));
    };
    return bisect(1e-9, a + 20 * Math.sqrt(a) + 20, (x) => below(x) < 0.4) / a;
  }

  const satterthwaite = (parts) => {
    const total = sum(parts.map((p) => p.variance));
    const spread = sum(parts.filter((p) => p.variance > 0).map((p) => (p.variance / total) ** 2 / p.freedom));
    return total > 0 && spread > 0 ? 1 / spread : Infinity;
  };

  /* Lowest and highest value of what nobody could tell, and what each answer means. */
  const POSSIBLE = C.possible;
  const valueOf = (measure, mark) => C.values[measure][`${mark.answer} ${mark.count}`];

  /* Answers of a class as sums over its crops: [{marks: [...], missed: n}, ...] in drawing order. */
  function said(cls, crops, bound) {
    const found = { missed: crops.map((crop) => crop.missed) };
    for (const measure of Object.keys(POSSIBLE)) {
      found[measure] = crops.map((crop, j) => sum(crop.marks.map((mark, i) => {
        if (mark.answer !== "cannot_tell") return valueOf(measure, mark);
        return bound === null ? cls.crops.objects[measure][j][i] : POSSIBLE[measure][bound];
      })));
    }
    return found;
  }

  function classMeans(cls, measure, crops) {
    const middle = said(cls, crops, null), unsure = crops.some((c) => c.marks.some((m) => m.answer === "cannot_tell"));
    const mean = cropMean(cls, measure, middle, middle[measure]);
    if (!mean) return null;
    const ends = [0, 1].map((bound) => (!unsure || measure === "missed" ? mean : cropMean(cls, measure, middle, said(cls, crops, bound)[measure])));
    return { mean, ends, wells: ofWells(cls, mean), planned: cls.planned };
  }

  function rowInterval(sides) {
    return [0, 1].map((end) => {
      const means = sides.map((side, i) => side.ends[i === 0 ? end : 1 - end]);
      const value = means.length === 2 ? means[0].value - means[1].value : means[0].value;
      if (means.every((mean) => mean.isWhole)) return value;
      const k = Math.min(...means.map((mean) => mean.steps.length)), planned = Math.max(...sides.map((side) => side.planned));
      const pick = (name, join) => range(k).map((t) => (means.length === 2 ? join(means[0][name][t], means[1][name][t]) : means[0][name][t]));
      return bettingInterval(pick("steps", (a, b) => a - b), pick("variances", (a, b) => a + b), pick("units", Math.max), planned)[end];
    });
  }

  const NORMAL = 1.6448536269514722;
  /* A row of the verdict from the answers: `answers` by class, crops in drawing order; `known` keeps
     what rows have in common. */
  function row(spec, classes, answers, known) {
    const sides = spec.classes.map((c) => {
      const key = `${c} ${spec.measure}`;
      if (!known.has(key)) known.set(key, classMeans(classes[c], spec.measure, answers[c]));
      return known.get(key);
    });
    if (sides.some((side) => !side)) return { verdict: "undecided", value: NaN, low: NaN, high: NaN, wells: [NaN, NaN] };
    const value = sides.length === 2 ? sides[0].mean.value - sides[1].mean.value : sides[0].mean.value;
    const [low, high] = rowInterval(sides), reach = Math.max(high - value, value - low);
    const review = { variance: (reach / NORMAL) ** 2, freedom: Infinity };
    const wells = sides.map((side, i) => {
      if (Number.isFinite(side.wells.variance)) return side.wells;
      const other = sides[1 - i];
      if (other && Number.isFinite(other.wells.variance)) return { variance: (other.wells.variance * other.wells.n) / side.wells.n, freedom: other.wells.freedom };
      return { variance: spec.betweenWells / side.wells.n, freedom: spec.betweenFreedom };
    });
    const likely = wells.map((w) => ({ variance: w.variance / likelyShare(w.freedom), freedom: w.freedom }));
    const error = Math.sqrt(review.variance + sum(wells.map((w) => w.variance)));
    const freedom = satterthwaite([review, ...likely]);
    const half = error > 0 ? error * quantileOfT(0.9, freedom) : 0;
    const found = { value, low: value - half, high: value + half, wells: [value - reach, value + reach] };
    const canPass = sides.every((side) => side.wells.n >= 2);
    found.verdict = verdict(spec, found, error > 0 ? error * quantileOfT(0.99, freedom) : 0, canPass);
    return found;
  }

  function verdict(spec, found, reach, canPass) {
    const { margin, kind } = spec, { value, low, high } = found;
    const inside = kind === "signed" ? -margin < low && high < margin : kind === "share" ? low >= margin : high < margin;
    if (inside && canPass) return "pass";
    const wrong = kind === "signed" ? Math.abs(value) : kind === "share" ? 1 - value : value;
    const limit = kind === "share" ? 1 - margin : margin;
    return wrong > (kind === "share" ? limit + reach : Math.max(limit, reach)) ? "fail" : "undecided";
  }

  return { row, quantileOfT };
};

/* ------------------------------------------------------------------------------------------------
   The page: shows one crop at a time, keeps what was said in localStorage, writes review.csv. */
const ReviewPage = (data) => {
  const $ = (id) => document.getElementById(id);
  const statistics = Statistics(data.constants);
  const ANSWERS = {
    correct: ["correct", "✓", "#35d7ff"], split: ["split", "S", "#ffc533"], merged: ["merged", "M", "#ff7ad9"],
    too_large: ["too large", "L", "#9dff57"], too_small: ["too small", "T", "#9dff57"],
    not_an_object: ["not an object", "N", "#ff8a3d"], cannot_tell: ["cannot tell", "?", "#ffffff"],
  };
  const KEYS = { s: "split", m: "merged", l: "too_large", t: "too_small", n: "not_an_object", "?": "cannot_tell", c: "cannot_tell", x: "correct" };
  const LONGEST_PAUSE = 60;
  const view = { set: 0, channel: 0, outlines: true, context: false, zoom: 1, contrast: 1, brightness: 1, selected: -1, cross: null };
  let state = null, pictures = new Map(), began = performance.now(), canvas = $("crop"), shownIn = [];

  const set = () => data.sets[view.set];
  const own = () => state.sets[view.set];
  const crop = () => set().crops[own().at];
  const blank = (of) => ({ done: false, marks: of.numbers.map(() => ({ answer: "correct", count: 0 })), missed: [], seconds: 0 });
  const said = () => own().crops[own().at];
  const storeName = () => `levelfield review ${data.plate} ${data.sets.map((s) => s.sample).join(" ")} ${state.reviewer}`;

  function start(reviewer) {
    state = { reviewer, sets: data.sets.map((s) => ({ at: 0, crops: s.crops.map(blank), undo: [] })) };
    try {
      const kept = JSON.parse(localStorage.getItem(storeName()));
      if (kept) state = kept;
    } catch (error) { say("This browser keeps nothing of local pages: save review.csv before you close it."); }
    $("start").hidden = true; $("review").hidden = false;
    canvas.focus();
    show();
  }

  function keep() {
    try { localStorage.setItem(storeName(), JSON.stringify(state)); } catch (error) { /* told at the start */ }
    if (location.protocol.startsWith("http")) send();
  }

  /* Pictures are decoded ahead, so that the next crop is there at once. */
  function pictureOf(setNumber, at) {
    const key = `${setNumber} ${at}`, of = data.sets[setNumber].crops[at];
    if (!of) return null;
    if (!pictures.has(key)) {
      if (pictures.size > 40) pictures.delete(pictures.keys().next().value);
      const load = (url) => new Promise((done) => { const image = new Image(); image.onload = () => done(image); image.src = url; });
      const loading = Promise.all([load(of.labels), ...of.channels.map(load)]).then(([labels, ...channels]) => {
        const pixels = (image) => {
          const board = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
          board.drawImage(image, 0, 0);
          return board.getImageData(0, 0, image.width, image.height);
        };
        const raster = pixels(labels), numbers = new Uint8Array(raster.width * raster.height);
        numbers.forEach((_, i) => { numbers[i] = raster.data[4 * i]; });
        return { width: raster.width, height: raster.height, numbers, planes: channels.map(pixels), edges: edgesOf(numbers, raster.width, raster.height) };
      });
      pictures.set(key, loading);
    }
    return pictures.get(key);
  }

  /* Lines between pixels of different objects, by object: [x0, y0, x1, y1, ...]. */
  function edgesOf(numbers, width, height) {
    const found = {};
    const add = (label, ...line) => { if (label) (found[label] = found[label] || []).push(line); };
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
      const here = numbers[y * width + x];
      const right = x + 1 < width ? numbers[y * width + x + 1] : here, below = y + 1 < height ? numbers[(y + 1) * width + x] : here;
      if (here !== right) { add(here, x + 1, y, x + 1, y + 1); add(right, x + 1, y, x + 1, y + 1); }
      if (here !== below) { add(here, x, y + 1, x + 1, y + 1); add(below, x, y + 1, x + 1, y + 1); }
    }
    return found;
  }

  async function show() {
    const at = own().at, setNumber = view.set;
    view.selected = -1; view.cross = null;
    const asked = performance.now();
    const picture = await pictureOf(setNumber, Math.min(at, set().crops.length - 1));
    if (at !== own().at || setNumber !== view.set) return;
    began = performance.now();
    paint(picture); panel();
    shownIn.push(performance.now() - asked);
    for (let next = 1; next <= 3; next++) pictureOf(setNumber, at + next);
    if (crop()) say(`Crop ${at + 1} of ${set().crops.length}, ${crop().numbers.length} objects.`);
  }

  /* Part of the picture that is shown: the crop, or all around it; zoomed about its middle. */
  function frame(picture) {
    const [top, left, bottom, right] = view.context ? [0, 0, picture.height, picture.width] : near(crop().inside, picture);
    const height = (bottom - top) / view.zoom, width = (right - left) / view.zoom, side = Math.max(height, width);
    const [y, x] = view.zoom > 1 && view.selected >= 0 ? crop().centres[view.selected] : [(top + bottom) / 2, (left + right) / 2];
    return { top: y - side / 2, left: x - side / 2, side, scale: canvas.width / side };
  }
  const near = ([top, left, bottom, right], picture) => {
    const more = 0.08 * Math.max(bottom - top, right - left);
    return [Math.max(top - more, 0), Math.max(left - more, 0), Math.min(bottom + more, picture.height), Math.min(right + more, picture.width)];
  };

  function paint(picture) {
    if (!picture) return;
    const board = canvas.getContext("2d"), size = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
    canvas.width = canvas.height = Math.max(size, 200);
    board.fillStyle = "#101214"; board.fillRect(0, 0, canvas.width, canvas.height);
    if (!crop()) return;
    const f = frame(picture), plane = picture.planes[view.channel] || picture.planes[0];
    const shades = new Uint8ClampedArray(256).map((_, v) => 255 * Math.pow(Math.min((v / 255) * view.brightness, 1), 1 / view.contrast));
    const grey = new ImageData(plane.width, plane.height);
    for (let i = 0; i < grey.data.length; i += 4) {
      grey.data[i] = grey.data[i + 1] = grey.data[i + 2] = shades[plane.data[i]]; grey.data[i + 3] = 255;
    }
    const buffer = new OffscreenCanvas(plane.width, plane.height);
    buffer.getContext("2d").putImageData(grey, 0, 0);
    board.setTransform(f.scale, 0, 0, f.scale, -f.left * f.scale, -f.top * f.scale);
    board.imageSmoothingEnabled = f.scale < 6;
    board.drawImage(buffer, 0, 0);
    const [top, left, bottom, right] = crop().inside, px = 1 / f.scale, dot = px * (window.devicePixelRatio || 1);
    board.strokeStyle = "#ffffff80"; board.lineWidth = 1.5 * dot; board.setLineDash([6 * dot, 5 * dot]);
    board.strokeRect(left, top, right - left, bottom - top); board.setLineDash([]);
    if (view.outlines) for (const [label, lines] of Object.entries(picture.edges)) outline(board, +label - 1, lines, dot);
    const ring = Math.max(crop().diameter * 0.35, 7 * dot);
    said().missed.forEach(([y, x]) => circle(board, x, y, ring, "#ffffff", 2 * dot));
    if (view.cross) {
      const [y, x] = view.cross;
      circle(board, x, y, 3 * dot, "#ffc533", 2 * dot);
      board.beginPath(); board.moveTo(x - ring, y); board.lineTo(x + ring, y); board.moveTo(x, y - ring); board.lineTo(x, y + ring); board.stroke();
    }
    board.setTransform(1, 0, 0, 1, 0, 0);
  }

  function circle(board, x, y, radius, colour, width) {
    board.beginPath(); board.arc(x, y, radius, 0, 2 * Math.PI);
    board.strokeStyle = "#000"; board.lineWidth = width * 2; board.stroke();
    board.strokeStyle = colour; board.lineWidth = width; board.stroke();
  }

  function outline(board, i, lines, dot) {
    const mark = said().marks[i];
    board.beginPath();
    lines.forEach(([x0, y0, x1, y1]) => { board.moveTo(x0, y0); board.lineTo(x1, y1); });
    board.strokeStyle = mark ? ANSWERS[mark.answer][2] : "#9a9a94";
    board.lineWidth = (mark ? (i === view.selected ? 3.5 : 1.6) : 1) * dot;
    board.stroke();
    if (!mark) return;
    const [y, x] = crop().tops[i], wrong = mark.answer !== "correct";
    const text = `${i + 1}${wrong ? ` ${ANSWERS[mark.answer][1]}${mark.count > 2 ? mark.count : ""}` : ""}`;
    board.font = `${wrong ? 700 : 500} ${13 * dot}px system-ui, sans-serif`; board.textAlign = "center";
    board.lineWidth = 3 * dot; board.strokeStyle = "#000"; board.strokeText(text, x, y - 3 * dot);
    board.fillStyle = ANSWERS[mark.answer][2]; board.fillText(text, x, y - 3 * dot);
  }

  const repaint = async () => paint(await pictureOf(view.set, own().at));

  /* What a person does. Every change of a crop can be undone. */
  function change(act) {
    if (!crop()) return;
    own().undo.push(JSON.stringify([own().at, said()]));
    if (own().undo.length > 200) own().undo.shift();
    act(said());
    keep(); panel(); repaint();
  }

  function mark(i, answer) {
    if (i < 0 || !crop() || i >= crop().numbers.length) return say("Choose an object first: point at it, or press its number.");
    change((now) => {
      const counted = answer === "split" || answer === "merged", again = now.marks[i].answer === answer;
      const next = counted && again ? now.marks[i].count + 1 : counted ? 2 : 0;
      now.marks[i] = again && (!counted || next > 5) ? { answer: "correct", count: 0 } : { answer, count: next };
    });
    const now = said().marks[i];
    say(`Object ${i + 1}: ${ANSWERS[now.answer][0]}${now.count ? ` ${now.count}` : ""}.`);
  }

  function missed(y, x) {
    const [top, left, bottom, right] = crop().inside;
    if (y < top || y >= bottom || x < left || x >= right) return say("That lies outside of this crop and counts for another one.");
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
    own().undo.push(JSON.stringify([own().at, said()]));
    said().done = true; said().seconds = Math.round(10 * seconds) / 10;
    own().at += 1;
    keep(); show();
  }

  function undo() {
    const last = own().undo.pop();
    if (!last) return say("Nothing to undo.");
    const [at, kept] = JSON.parse(last), moved = at !== own().at;
    own().at = at; own().crops[at] = kept;
    keep(); say("Undone.");
    if (moved) show(); else { panel(); repaint(); }
  }

  function choose(i) { view.selected = i; panel(); repaint(); if (i >= 0) say(`Object ${i + 1}: ${ANSWERS[said().marks[i].answer][0]}.`); }

  /* Intervals of the answers so far, by question: the row that decides, or is furthest from it. */
  function judge() {
    const answers = set().classes.map(() => []);
    set().crops.forEach((of, i) => {
      const now = own().crops[i];
      if (now.done) of.in.forEach(([cls, turn]) => { answers[cls][turn] = { marks: now.marks, missed: now.missed.length }; });
    });
    answers.forEach((of) => { const gap = Array.from(of).findIndex((one) => !one); if (gap >= 0) of.length = gap; });
    const known = new Map();
    return set().rows.map((spec) => ({ ...spec, ...statistics.row(spec, set().classes, answers, known) }));
  }

  const RANK = { fail: 2, undecided: 1, pass: 0 };
  function questions(rows) {
    return data.questions.map(([name, title]) => {
      const of = rows.filter((row) => row.question === name);
      const open = (row) => (Number.isFinite(row.low) ? (row.high - row.low) / (row.kind === "share" ? 1 - row.margin : row.margin) : 1e9);
      const worst = of.slice().sort((a, b) => RANK[b.verdict] - RANK[a.verdict] || open(b) - open(a))[0];
      return worst && { title, worst, decided: of.filter((row) => row.verdict !== "undecided").length, all: of.length };
    }).filter(Boolean);
  }

  function panel() {
    const total = set().crops.length, done = own().crops.filter((c) => c.done).length;
    const times = own().crops.filter((c) => c.done).map((c) => c.seconds), usual = data.constants.secondsPerCrop;
    const each = (times.reduce((a, b) => a + b, 0) + 5 * usual) / (times.length + 5);
    const spent = times.reduce((a, b) => a + b, 0) / 60;
    $("bar").max = total; $("bar").value = done;
    $("progress").textContent = `${done} of ${total} crops · ${spent.toFixed(1)} min so far · about ${Math.ceil(((total - done) * each) / 60)} min left`;
    // Intervals take a moment: the crop comes first.
    clearTimeout(view.timer);
    view.timer = setTimeout(() => judged(done, total), 0);
    const finished = !crop();
    $("work").hidden = finished;
    if (finished) return;
    const wasInList = $("objects").contains(document.activeElement);
    $("objects").replaceChildren(...said().marks.map((now, i) => {
      const chip = document.createElement("button");
      chip.type = "button"; chip.className = `chip ${now.answer}`; chip.setAttribute("role", "option");
      chip.setAttribute("aria-selected", String(i === view.selected));
      chip.textContent = `${i + 1} ${ANSWERS[now.answer][0]}${now.count ? ` ${now.count}` : ""}`;
      chip.onclick = () => choose(i);
      return chip;
    }));
    if (wasInList) ($("objects").children[Math.max(view.selected, 0)] || canvas).focus();
    $("n-missed").textContent = `${said().missed.length} missed`;
    $("channel-name").textContent = data.channels[view.channel];
    canvas.setAttribute("aria-label", `Crop ${own().at + 1}: ${said().marks.length} objects, ${said().missed.length} marked as missed`);
  }

  function judged(done, total) {
    const found = questions(judge()), decided = found.every((q) => q.worst.verdict !== "undecided");
    $("enough").hidden = !(done && (decided || done === total));
    $("enough").textContent = decided ? "Enough: every question is decided, and more answers cannot change that. Save review.csv." : "All crops are answered. Save review.csv; what is still undecided needs more wells.";
    $("needs").textContent = needs(done, decided);
    $("intervals").replaceChildren(...found.map(bar));
  }

  /* What it takes: foreseen at first, then by how the intervals narrow. */
  function needs(done, decided) {
    if (decided) return "";
    const known = set().rows.map((row) => row.needed).filter((n) => n !== null);
    const classes = set().classes.length, total = set().crops.length;
    if (!known.length) return "As the wells scatter, more crops alone will not decide: only more wells do.";
    const most = Math.min(Math.max(...known) * classes, total), left = Math.max(most - done, 0);
    const never = set().rows.length - known.length;
    const minutes = Math.ceil((left * data.constants.secondsPerCrop) / 60);
    const rest = never ? ` ${never} of ${set().rows.length} rows stay open, as the wells scatter: only more wells decide them.` : "";
    return left ? `About ${left} more crops (${minutes} min) should decide what can be decided.${rest}` : `Close to a margin: every further crop narrows the intervals.${rest}`;
  }

  function bar({ title, worst, decided, all }) {
    const row = document.createElement("div"), limit = worst.kind === "share" ? 1 - worst.margin : worst.margin;
    const place = (v) => (worst.kind === "signed" ? 50 + (v / limit) * 25 : worst.kind === "share" ? ((1 - v) / limit) * 50 : (v / limit) * 50);
    const clip = (v) => Math.min(Math.max(v, 0), 100), known = worst.high - worst.low < 2 * (worst.unit === "px" ? 50 : 1);
    const ends = [place(worst.low), place(worst.high)].map(clip).sort((a, b) => a - b);
    const of = worst.scope === "difference" ? "a difference of two classes" : "one class", scale = (v) => (v * worst.scale).toFixed(1).replace("-", "−");
    const half = known ? `known to ±${scale((worst.high - worst.low) / 2)}` : "not known yet";
    const text = `${data.measures[worst.measure]} of ${of}: ${half}, harmless ${worst.kind === "share" ? "from" : "up to"} ${scale(worst.margin)} ${worst.unit}`;
    row.className = `question ${worst.verdict}`;
    row.innerHTML = `<b></b><span class="verdict"></span><svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img"><rect class="zone" x="${worst.kind === "signed" ? 25 : 0}" width="50" height="10"/>${known ? `<rect class="reach" x="${ends[0]}" width="${Math.max(ends[1] - ends[0], 0.8)}" y="3" height="4"/>` : ""}</svg><small></small>`;
    row.querySelector("b").textContent = title;
    row.querySelector(".verdict").textContent = `${{ pass: "✓ ", fail: "✕ ", undecided: "… " }[worst.verdict]}${worst.verdict}`;
    row.querySelector("svg").setAttribute("aria-label", text);
    row.querySelector("small").textContent = `${text}. ${decided} of ${all} rows decided.`;
    return row;
  }

  /* review.csv: a row for every object of the finished crops, and one for the missed of each. */
  function sheet() {
    const columns = ["plate", "well", "site", "object_set", "crop", "object_number", "sample", "checksum", "reviewer", "answer", "f", "m", "places", "seconds"];
    const quoted = (text) => (/[",\n]/.test(String(text)) ? `"${String(text).replaceAll('"', '""')}"` : String(text));
    const lines = [columns.join(",")];
    data.sets.forEach((of, s) => of.crops.forEach((c, i) => {
      const now = state.sets[s].crops[i];
      if (!now.done) return;
      const head = [data.plate, c.well, c.site, of.name, c.crop], mark = [of.sample, c.checksum, state.reviewer];
      const add = (number, answer, f, m, places, seconds) => lines.push([...head, number, ...mark, answer, f, m, places, seconds].map(quoted).join(","));
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
    say(`Saved as review.csv. Put it at ${data.path}, and run snakemake again.`, true);
  }

  let sending = Promise.resolve();
  function send(aloud) {
    const text = sheet();
    sending = sending.then(() => fetch(`review.csv${location.search}`, { method: "POST", body: text }))
      .then(async (answer) => { const words = await answer.text(); if (aloud || !answer.ok) say(words, true); })
      .catch(() => say("levelfield review --serve does not answer. Your answers are kept here: save review.csv.", true));
  }

  function say(words, visible) { $("said").textContent = words; if (visible) { $("message").textContent = words; $("message").hidden = false; } }

  /* Keys, mouse and touch. */
  function place(event) {
    const box = canvas.getBoundingClientRect();
    return pictureOf(view.set, own().at).then((picture) => {
      const f = frame(picture), unit = f.side / box.width;
      const y = f.top + (event.clientY - box.top) * unit, x = f.left + (event.clientX - box.left) * unit;
      const inside = y >= 0 && x >= 0 && y < picture.height && x < picture.width;
      const label = inside ? picture.numbers[Math.floor(y) * picture.width + Math.floor(x)] - 1 : -1;
      return { y, x, label: label < crop().numbers.length ? label : -1, isOther: label >= crop().numbers.length };
    });
  }

  function move(dy, dx) {
    const [top, left, bottom, right] = crop().inside, step = Math.max(bottom - top, right - left) / 24;
    const [y, x] = view.cross || [(top + bottom) / 2, (left + right) / 2];
    view.cross = [Math.min(Math.max(y + dy * step, top), bottom - 0.01), Math.min(Math.max(x + dx * step, left), right - 0.01)];
    repaint();
  }

  function step(name, by, least, most) { view[name] = Math.min(Math.max(view[name] * by, least), most); repaint(); }
  const ACTIONS = {
    Enter: confirmCrop, " ": confirmCrop, Backspace: undo, u: undo,
    o: () => { view.outlines = !view.outlines; repaint(); }, v: () => { view.context = !view.context; repaint(); },
    "+": () => step("zoom", 1.4, 1, 8), "=": () => step("zoom", 1.4, 1, 8), "-": () => step("zoom", 1 / 1.4, 1, 8),
    "]": () => { view.channel = (view.channel + 1) % data.channels.length; panel(); repaint(); },
    "[": () => { view.channel = (view.channel + data.channels.length - 1) % data.channels.length; panel(); repaint(); },
    ".": () => step("contrast", 1.25, 0.3, 6), ",": () => step("contrast", 0.8, 0.3, 6), b: () => step("brightness", 1.25, 0.2, 8), d: () => step("brightness", 0.8, 0.2, 8),
    ArrowUp: () => move(-1, 0), ArrowDown: () => move(1, 0), ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1),
    a: () => (view.cross ? missed(...view.cross) : say("Move the cross with the arrow keys first.")),
    j: () => choose((view.selected + 1) % crop().numbers.length), k: () => choose((view.selected + crop().numbers.length - 1) % crop().numbers.length),
    w: save,
  };

  function onKey(event) {
    if ($("review").hidden || event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if ((key === "Enter" || key === " ") && event.target.tagName === "BUTTON" && event.target !== document.body) return;
    if (/^[0-9]$/.test(key)) choose(Math.min((+key + 9) % 10, crop().numbers.length - 1));
    else if (KEYS[key]) mark(view.selected, KEYS[key]);
    else if (ACTIONS[key] && (crop() || "Backspace u w".includes(key))) ACTIONS[key]();
    else return;
    event.preventDefault();
  }

  function wire() {
    document.addEventListener("keydown", onKey);
    // After a click, Enter confirms the crop again; who goes by Tab presses buttons with it.
    document.addEventListener("click", (event) => { if (event.detail > 0 && event.target.closest("button")) canvas.focus(); });
    canvas.addEventListener("pointermove", async (event) => {
      if (event.pointerType === "touch" || !crop()) return;
      const { label } = await place(event);
      if (label !== view.selected && label >= 0) { view.selected = label; panel(); repaint(); }
    });
    canvas.addEventListener("click", async (event) => {
      if (!crop()) return;
      const at = await place(event);
      if (at.label >= 0) choose(at.label); else if (!at.isOther) missed(at.y, at.x); else say("That object counts for another crop.");
    });
    document.querySelectorAll("[data-answer]").forEach((button) => { button.onclick = () => mark(view.selected, button.dataset.answer); });
    document.querySelectorAll("[data-key]").forEach((button) => { button.onclick = () => ACTIONS[button.dataset.key](); });
    $("set").onchange = (event) => { view.set = +event.target.value; view.channel = set().channel; show(); };
    $("begin").onsubmit = (event) => { event.preventDefault(); const name = $("reviewer").value.trim(); if (name) start(name); };
    window.addEventListener("resize", () => state && repaint());
    view.channel = set().channel;
  }

  wire();
  return { judge, sheet, statistics, start, times: () => shownIn, state: () => state };
};
