// Intervals that hold however often one looks, as levelfield.qc.review.betting has them.
function bestWealth(x, variances, units, value, sign, planned) {
  let wealth = 0, best = 0, goal = planned;
  for (let t = 0; t < x.length; t++) {
    while (goal <= t) goal *= 2;
    const missing = CONSTANTS.goal - wealth;
    if (missing <= 0) return wealth;
    let bet = Math.sqrt((2 * missing) / (goal - t));
    bet = Math.min(Math.min(bet, CONSTANTS.largestBet) / Math.sqrt(variances[t]), CONSTANTS.largestLoss / units[t]);
    wealth += Math.log(Math.max(1 + sign * bet * (x[t] - value), CONSTANTS.ruin));
    best = Math.max(best, wealth);
  }
  return best;
}

function bettingInterval(x, variances, units, planned) {
  const weights = variances.map((v) => 1 / v), middle = sum(weights.map((w, i) => w * x[i])) / sum(weights);
  const spread = Math.sqrt(Math.max(...variances));
  return [1, -1].map((sign) => {
    const isOut = (away) => bestWealth(x, variances, units, middle - sign * away, sign, planned) >= CONSTANTS.goal;
    let near = 0, far = spread;
    while (!isOut(far)) { near = far; far *= 2; if (far > 1e6 * spread) return -sign * Infinity; }
    for (let i = 0; i < 40; i++) {
      const between = (near + far) / 2;
      if (isOut(between)) far = between; else near = between;
    }
    return middle - sign * far;
  });
}
