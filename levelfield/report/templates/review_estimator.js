// The mean of a class from its crops, as levelfield.qc.review.estimator has it; a test compares both.

// Inclusion probabilities of the first k crops: a crop is drawn when its clock has rung.
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

// How far the evidence is trusted: slope of the answers on it, from 0 to 1.
function trust(said, read, weights) {
  const k = said.length, whole = sum(weights);
  if (k < 2 || !(whole > 0)) return 1;
  const middle = sum(read.map((r, i) => r * weights[i])) / whole;
  let square = 0, product = 0;
  read.forEach((r, i) => { square += weights[i] * (r - middle) ** 2; product += weights[i] * (r - middle) * said[i]; });
  const begin = (CONSTANTS.trust * square) / k + 1e-12;
  return Math.min(Math.max((product + begin) / (square + begin), 0), 1);
}

function trustByHalves(said, read, weights) {
  const of = (parity) => trust(...[said, read, weights].map((values) => values.filter((_, i) => i % 2 === parity)));
  const [even, odd] = [of(1), of(0)];
  return said.map((_, i) => (i % 2 === 0 ? even : odd));
}

// Of each crop, learned on those before it.
function trustBefore(said, read) {
  const reads = before(read), squares = before(read.map((r) => r * r)), saids = before(said), products = before(read.map((r, i) => r * said[i]));
  return said.map((_, t) => {
    if (t < 2) return 1;
    const middle = reads[t] / t, square = Math.max(squares[t] - t * middle ** 2, 0);
    const begin = (CONSTANTS.trust * square) / t + 1e-12;
    return Math.min(Math.max((products[t] - middle * saids[t] + begin) / (square + begin), 0), 1);
  });
}

function drawVariance(shares, chance) {
  const k = shares.length, open = chance.map((c) => 1 - c), whole = sum(open);
  if (k < 2) return NaN;
  if (!(whole > 0)) return 0;
  const middle = sum(shares.map((s, i) => s * open[i])) / whole;
  return (k / (k - 1)) * sum(shares.map((s, i) => open[i] * (s - middle) ** 2));
}

// What adds to the denominator, n numbers: of the evidence, or of the answers.
function perOf(measure, n, of) {
  const parts = Object.entries(CONSTANTS.ratios[measure] || {});
  return range(n).map((i) => sum(parts.map(([name, sign]) => sign * of(name)[i])));
}

// What each crop says of the mean given those before, and the variance that they let expect.
function stepsOf(p, left, y, f, all, value, per, whole, guard) {
  const lambda = trustBefore(y.map((v, i) => v / p[i]), f.map((v, i) => v / p[i])), saids = before(y), reads = before(f);
  const steps = y.map((v, t) => {
    const estimated = lambda[t] * all + (saids[t] - lambda[t] * reads[t]) + ((v - lambda[t] * f[t]) * left[t]) / p[t];
    return value + (estimated - value * whole) / per;
  });
  const middle = sum(steps) / steps.length, away = steps.map((v) => v - middle), weights = left.map((l) => 1 / l ** 2);
  const first = before(weights), second = before(weights.map((w, i) => w * away[i])), third = before(weights.map((w, i) => w * away[i] ** 2));
  const variances = steps.map((_, t) => {
    const known = t > 1 ? Math.max(third[t] - second[t] ** 2 / Math.max(first[t], 1), 0) : 0;
    return ((CONSTANTS.guardCrops * guard + known) / (CONSTANTS.guardCrops + (t > 1 ? t - 1 : 0))) * left[t] ** 2;
  });
  return { steps, variances };
}

// One measure in one class. `said` gives the answers (k) by measure.
function cropMean(cls, measure, said, answers) {
  const k = answers.length, whole = sum(cls.sizes), J = cls.chances.length;
  if (!k || !(whole > 0)) return null;
  const p = cls.crops.chance.slice(0, k), size = cls.crops.size.slice(0, k), chance = inclusion(cls.chances, p, k);
  const read = cls.crops.evidence[measure].slice(0, k), total = sum(cls.evidence[measure]);
  const saidPer = perOf(measure, k, (name) => said[name]), readPer = perOf(measure, k, (name) => cls.crops.evidence[name]);
  const perWell = perOf(measure, cls.sizes.length, (name) => cls.evidence[name]), totalPer = sum(perWell);
  const estimate = (y, f, all, lambda) => (sum(lambda) / k) * all + sum(y.map((v, i) => (v - lambda[i] * f[i]) / chance[i]));
  let value = 0, per = whole, lambda = [];
  const rests = () => [answers.map((y, i) => y - value * saidPer[i]), read.map((f, i) => f - value * readPer[i])];
  for (let round = 0; round < 3; round++) {
    const [y, f] = rests();
    lambda = trustByHalves(y.map((v, i) => v / chance[i]), f.map((v, i) => v / chance[i]), chance.map((c) => 1 - c));
    per = whole + estimate(saidPer, readPer, totalPer, lambda);
    value = estimate(answers, read, total, lambda) / per;
  }
  const [y, f] = rests(), all = total - value * totalPer, mean = sum(lambda) / k;
  const left = before(p).map((gone, i) => Math.max(1 - gone, p[i]));
  const shift = (value * whole - mean * all) / whole;
  const sharp = cls.sizes.map((n, w) => mean * (cls.evidence[measure][w] - value * perWell[w]) + shift * n);
  const rest = y.map((v, i) => (v - mean * f[i] - shift * size[i]) / chance[i]), inWells = sharp.slice();
  rest.forEach((r, i) => { inWells[cls.crops.well[i]] += r; });
  return {
    value, per, units: left.map((l) => (l * J) / per), sharp, inWells, isWhole: k === J,
    ...stepsOf(p, left, y, f, all, value, per, whole, (CONSTANTS.guardVariance * J) / Math.max(whole, 1)),
    drawOfWells: drawVariance(rest.map((r) => r / per), chance),
  };
}
