// Sums, and quantiles of Student's t and of chi-squared.
const sum = (values) => values.reduce((total, value) => total + value, 0);
const range = (n) => Array.from({ length: n }, (_, i) => i);

// What the values before each one sum up to.
function before(values) {
  let total = 0;
  return values.map((value) => { const found = total; total += value; return found; });
}

function logGamma(x) {
  const c = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 1.208650973866179e-3, -5.395239384953e-6];
  let series = 1.000000000190015;
  c.forEach((v, i) => { series += v / (x + 1 + i); });
  return (x + 0.5) * Math.log(x + 5.5) - (x + 5.5) + Math.log((2.5066282746310005 * series) / x);
}

function betaFraction(a, b, x) {
  let c = 1, d = 1 / (1 - ((a + b) * x) / (a + 1)), h = d;
  for (let m = 1; m < 500; m++) {
    const tops = [(m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)), (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))];
    for (const top of tops) { d = 1 / (1 + top * d); c = 1 + top / c; h *= d * c; }
    if (Math.abs(d * c - 1) < 1e-14) break;
  }
  return h;
}

// Probability that |t| exceeds a value.
function tailsOfT(t, freedom) {
  const a = freedom / 2, x = freedom / (freedom + t * t);
  const front = Math.exp(logGamma(a + 0.5) - logGamma(a) - logGamma(0.5) + a * Math.log(x) + 0.5 * Math.log(1 - x));
  return x < (a + 1) / (a + 2.5) ? (front * betaFraction(a, 0.5, x)) / a : 1 - 2 * front * betaFraction(0.5, a, 1 - x);
}

function bisect(low, high, isBelow) {
  for (let i = 0; i < 100; i++) { const m = (low + high) / 2; if (isBelow(m)) low = m; else high = m; }
  return (low + high) / 2;
}

const knownQuantiles = new Map();
function quantileOfT(level, freedom) {
  const least = Math.min(freedom, 1e6), key = `${level} ${least}`; // beyond, it is the normal distribution
  if (!knownQuantiles.has(key)) knownQuantiles.set(key, bisect(1e-6, 1e4, (t) => tailsOfT(t, least) > 1 - level));
  return knownQuantiles.get(key);
}

// Quantile of chi-squared over its freedom, by the series of the incomplete gamma function.
function shareOfFreedom(level, freedom) {
  const a = freedom / 2, key = `chi ${level} ${freedom}`;
  const below = (x) => {
    let term = 1 / a, total = term;
    for (let n = 1; n < 1000; n++) { term *= x / (a + n); total += term; if (term < total * 1e-15) break; }
    return total * Math.exp(-x + a * Math.log(x) - logGamma(a));
  };
  if (!knownQuantiles.has(key)) knownQuantiles.set(key, bisect(1e-9, a + 20 * Math.sqrt(a) + 20, (x) => below(x) < level) / a);
  return knownQuantiles.get(key);
}

function satterthwaite(parts) {
  const total = sum(parts.map((p) => p.variance));
  const spread = sum(parts.filter((p) => p.variance > 0).map((p) => (p.variance / total) ** 2 / p.freedom));
  return total > 0 && spread > 0 ? 1 / spread : Infinity;
}
