// The crop on the canvas: pictures are decoded ahead, so that the next crop is there at once.
const canvas = $("crop"), pictures = new Map(), MOST_PICTURES = 40;
const shownIn = []; // ms from confirming a crop until the next one is painted

function pixelsOf(image) {
  const board = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
  board.drawImage(image, 0, 0);
  return board.getImageData(0, 0, image.width, image.height);
}

function pictureOf(setNumber, at) {
  const key = `${setNumber} ${at}`, of = DATA.sets[setNumber].crops[at];
  if (!of) return null;
  if (!pictures.has(key)) {
    if (pictures.size > MOST_PICTURES) pictures.delete(pictures.keys().next().value);
    const load = (url) => new Promise((done) => { const image = new Image(); image.onload = () => done(image); image.src = url; });
    pictures.set(key, Promise.all([load(of.labels), ...of.channels.map(load)]).then(([labels, ...channels]) => {
      const raster = pixelsOf(labels), numbers = new Uint8Array(raster.width * raster.height);
      numbers.forEach((_, i) => { numbers[i] = raster.data[4 * i]; });
      return { width: raster.width, height: raster.height, numbers, planes: channels.map(pixelsOf), edges: edgesOf(numbers, raster.width, raster.height) };
    }));
  }
  return pictures.get(key);
}

// Lines between pixels of different objects, by object: [x0, y0, x1, y1, ...].
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
  const at = own().at, setNumber = view.set, asked = performance.now();
  view.selected = -1; view.cross = null;
  const picture = await pictureOf(setNumber, Math.min(at, shownSet().crops.length - 1));
  if (at !== own().at || setNumber !== view.set) return;
  began = performance.now();
  paint(picture); panel();
  shownIn.push(performance.now() - asked);
  for (let next = 1; next <= 3; next++) pictureOf(setNumber, at + next);
  if (crop()) say(`Crop ${at + 1} of ${shownSet().crops.length}, ${crop().numbers.length} objects.`);
}

// Part of the picture that is shown: the crop, or all around it; zoomed about its middle.
function frame(picture) {
  const [top, left, bottom, right] = view.context ? [0, 0, picture.height, picture.width] : near(crop().inside, picture);
  const height = (bottom - top) / view.zoom, width = (right - left) / view.zoom, side = Math.max(height, width);
  const [y, x] = view.zoom > 1 && view.selected >= 0 ? crop().centres[view.selected] : [(top + bottom) / 2, (left + right) / 2];
  return { top: y - side / 2, left: x - side / 2, side, scale: canvas.width / side };
}

function near([top, left, bottom, right], picture) {
  const more = 0.08 * Math.max(bottom - top, right - left);
  return [Math.max(top - more, 0), Math.max(left - more, 0), Math.min(bottom + more, picture.height), Math.min(right + more, picture.width)];
}

function greyOf(plane) {
  const shades = new Uint8ClampedArray(256).map((_, v) => 255 * Math.pow(Math.min((v / 255) * view.brightness, 1), 1 / view.contrast));
  const grey = new ImageData(plane.width, plane.height);
  for (let i = 0; i < grey.data.length; i += 4) {
    grey.data[i] = grey.data[i + 1] = grey.data[i + 2] = shades[plane.data[i]]; grey.data[i + 3] = 255;
  }
  const buffer = new OffscreenCanvas(plane.width, plane.height);
  buffer.getContext("2d").putImageData(grey, 0, 0);
  return buffer;
}

function paint(picture) {
  if (!picture) return;
  const board = canvas.getContext("2d"), ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.height = Math.max(Math.round(canvas.clientWidth * ratio), 200);
  board.fillStyle = "#101214"; board.fillRect(0, 0, canvas.width, canvas.height);
  if (!crop()) return;
  const f = frame(picture), dot = ratio / f.scale;
  board.setTransform(f.scale, 0, 0, f.scale, -f.left * f.scale, -f.top * f.scale);
  board.imageSmoothingEnabled = f.scale < 6;
  board.drawImage(greyOf(picture.planes[view.channel] || picture.planes[0]), 0, 0);
  const [top, left, bottom, right] = crop().inside;
  board.strokeStyle = "#ffffff80"; board.lineWidth = 1.5 * dot; board.setLineDash([6 * dot, 5 * dot]);
  board.strokeRect(left, top, right - left, bottom - top); board.setLineDash([]);
  if (view.outlines) for (const [label, lines] of Object.entries(picture.edges)) outline(board, +label - 1, lines, dot);
  // Texts last: no outline crosses them, and none leaves the canvas.
  const texts = [];
  if (view.outlines) said().marks.forEach((now, i) => { if (picture.edges[i + 1]) label(board, i, now, f, dot, texts); });
  const ring = Math.max(crop().diameter * 0.35, 7 * dot);
  said().missed.forEach(([y, x]) => circle(board, x, y, ring, "#ffffff", 2 * dot));
  if (view.cross) cross(board, view.cross, ring, dot);
  board.setTransform(1, 0, 0, 1, 0, 0);
}

function circle(board, x, y, radius, colour, width) {
  board.beginPath(); board.arc(x, y, radius, 0, 2 * Math.PI);
  board.strokeStyle = "#000"; board.lineWidth = width * 2; board.stroke();
  board.strokeStyle = colour; board.lineWidth = width; board.stroke();
}

function cross(board, [y, x], ring, dot) {
  circle(board, x, y, 3 * dot, "#ffc533", 2 * dot);
  board.beginPath(); board.moveTo(x - ring, y); board.lineTo(x + ring, y); board.moveTo(x, y - ring); board.lineTo(x, y + ring); board.stroke();
}

function outline(board, i, lines, dot) {
  const now = said().marks[i];
  board.beginPath();
  lines.forEach(([x0, y0, x1, y1]) => { board.moveTo(x0, y0); board.lineTo(x1, y1); });
  board.strokeStyle = now ? ANSWERS[now.answer][2] : "#9a9a94";
  board.lineWidth = (now ? (i === view.selected ? 3.5 : 1.6) : 1) * dot;
  board.stroke();
}

// An object's number and answer, above it, and above the texts that are there already.
function label(board, i, now, f, dot, texts) {
  const [top, middle] = crop().tops[i], isWrong = now.answer !== "correct", size = 13 * dot;
  const text = `${i + 1}${isWrong ? ` ${ANSWERS[now.answer][1]}${now.count > 2 ? now.count : ""}` : ""}`;
  board.font = `${isWrong ? 700 : 500} ${size}px system-ui, sans-serif`; board.textAlign = "center";
  const half = board.measureText(text).width / 2 + 2 * dot;
  const x = Math.min(Math.max(middle, f.left + half), f.left + f.side - half);
  let y = Math.max(top - 3 * dot, f.top + size);
  const isTaken = () => texts.some((other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < size);
  while (isTaken() && y - size > f.top + size) y -= size / 2;
  texts.push({ x, y, half });
  board.lineWidth = 3 * dot; board.strokeStyle = "#000"; board.strokeText(text, x, y);
  board.fillStyle = ANSWERS[now.answer][2]; board.fillText(text, x, y);
}

const repaint = async () => paint(await pictureOf(view.set, own().at));
