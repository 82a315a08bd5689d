// Pictures and objects of wells: loaded when somebody looks, drawn on canvases.
const KEPT_WELLS = 24;
const loading = new Map(); // name of a well -> promise of its sites
const waiting = new Map(); // name of a well -> what takes its content

// A page from a disk may load scripts, and nothing else that holds numbers.
window.levelfieldWell = (name, sites) => waiting.get(name)?.(sites);

function loadWell(name) {
  if (!loading.has(name)) {
    if (loading.size >= KEPT_WELLS) loading.delete(loading.keys().next().value);
    loading.set(name, fetchWell(name));
  }
  return loading.get(name);
}

function fetchWell(name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    waiting.set(name, (sites) => { waiting.delete(name); script.remove(); resolve(sites); });
    script.onerror = () => {
      loading.delete(name);
      script.remove();
      reject(new Error(`There are no pictures of ${name}: the file ${DATA.folder}/${name}.js is not beside this ` +
        `page. Copy the folder ${DATA.folder} along with the page.`));
    };
    script.src = `${DATA.folder}/${encodeURIComponent(name)}.js`;
    document.head.append(script);
  });
}

async function loadSite(name, number) {
  const sites = await loadWell(name);
  return sites.find((site) => site.site === Number(number));
}

const decoded = new WeakMap(); // site -> pictures by kind and name
function picture(site, kind, name) {
  if (!site[kind][name]) return Promise.resolve(null);
  if (!decoded.has(site)) decoded.set(site, new Map());
  const own = decoded.get(site);
  const key = `${kind} ${name}`;
  if (!own.has(key)) {
    const image = new Image();
    image.src = `data:image/${kind === "pictures" ? "jpeg" : "png"};base64,${site[kind][name]}`;
    own.set(key, image.decode().then(() => image));
  }
  return own.get(key);
}

const view = { channels: new Set(DATA.channels.map((one) => one.name)), outlines: new Set(), brightness: 1 };
// Sets that the verdict leaves out, as cytoplasm, would hide the outlines of their parents.
DATA.sets.forEach((set) => { if (set.judged) view.outlines.add(set.name); });

async function shownPictures(site, withOutlines) {
  const channels = DATA.channels.filter((one) => view.channels.has(one.name));
  const outlines = withOutlines ? DATA.sets.filter((one) => view.outlines.has(one.name)) : [];
  const load = (kind, every) => Promise.all(every.map(async (one) => ({
    image: await picture(site, kind, one.name),
    colour: kind === "pictures" && every.length === 1 ? "#ffffff" : one.colour, // one alone in grey
  })));
  const [planes, lines] = await Promise.all([load("pictures", channels), load("outlines", outlines)]);
  return { planes: planes.filter((one) => one.image), lines: lines.filter((one) => one.image) };
}

// Draw a part of a site, in px of the field, over a whole canvas.
function draw(canvas, shown, site, part) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const scratch = make("canvas", { width, height });
  const under = scratch.getContext("2d");
  const place = (image, field) => { // a picture's px are those of the field, shrunk
    const [x, y] = [image.naturalWidth / field.width, image.naturalHeight / field.height];
    under.drawImage(image, part.x * x, part.y * y, part.width * x, part.height * y, 0, 0, width, height);
  };
  const tinted = (image, colour, mode, field) => {
    under.globalCompositeOperation = "source-over";
    under.clearRect(0, 0, width, height);
    if (mode === "multiply") under.fillRect(0, 0, width, height); // black, and stays so
    place(image, field);
    under.globalCompositeOperation = mode;
    under.fillStyle = colour;
    under.fillRect(0, 0, width, height);
    under.fillStyle = "#000";
  };
  const cut = { width: site.width - (site.width % site.step), height: site.height - (site.height % site.step) };
  context.globalCompositeOperation = "source-over";
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  for (const { image, colour } of shown.planes) {
    tinted(image, colour, "multiply", cut);
    context.globalCompositeOperation = "lighter";
    for (let left = view.brightness; left > 0; left -= 1) {
      context.globalAlpha = Math.min(left, 1);
      context.drawImage(scratch, 0, 0);
    }
  }
  context.globalAlpha = 1;
  context.globalCompositeOperation = "source-over";
  for (const { image, colour } of shown.lines) {
    tinted(image, colour, "source-in", site);
    context.drawImage(scratch, 0, 0);
  }
}

// Draw what was chosen of a site into a canvas, unless something else was asked for meanwhile.
async function paint(canvas, site, part, ring, withOutlines = true) {
  const ticket = (canvas.ticket = {});
  const shown = await shownPictures(site, withOutlines);
  if (canvas.ticket !== ticket) return;
  const whole = part ?? { x: 0, y: 0, width: site.width, height: site.height };
  draw(canvas, shown, site, whole);
  if (ring) drawRing(canvas, ring, whole);
  canvas.dataset.painted = "yes";
}

function drawRing(canvas, ring, part) {
  const context = canvas.getContext("2d");
  const scale = canvas.width / part.width;
  context.beginPath();
  context.arc((ring.x - part.x) * scale, (ring.y - part.y) * scale, (ring.radius + 4) * scale, 0, 2 * Math.PI);
  for (const [colour, width] of [["#000", 5], ["#fff", 2.5]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.setLineDash(ring.missed ? [6, 5] : []);
    context.stroke();
  }
}
