// What the components' scripts share; it stands before each of them (parts.py).

/** An element. Properties by name, attributes by name with a dash or `role`, children last. */
const make = (tag, given = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.includes("-") || !(name in element)) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
};

/** `text` with `values` in the place of its `{names}`. */
const fill = (text, values) =>
  text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));

/** Change a text only where it differs: screen readers announce every change. */
const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

const show = (element, shown) => {
  if (element.hidden === shown) element.hidden = !shown;
};

const unit = (language, value, name, digits = 0, display = "short") =>
  new Intl.NumberFormat(language, {
    style: "unit", unit: name, unitDisplay: display, maximumFractionDigits: digits,
  }).format(value);

/** Bytes, as a person says them. */
const size = (language, bytes, per = "") => {
  if (bytes >= 1e9) return unit(language, bytes / 1e9, `gigabyte${per}`, 2);
  if (bytes >= 1e6) return unit(language, bytes / 1e6, `megabyte${per}`, bytes < 1e7 ? 1 : 0);
  return unit(language, bytes / 1e3, `kilobyte${per}`);
};

/** Seconds, as roughly as a person says what is left. */
const duration = (language, seconds) => {
  if (seconds >= 3600) {
    const minutes = Math.round(seconds / 60);
    const hours = unit(language, Math.floor(minutes / 60), "hour", 0, "long");
    return `${hours} ${unit(language, minutes % 60, "minute", 0, "long")}`;
  }
  if (seconds >= 60) return unit(language, Math.round(seconds / 60), "minute", 0, "long");
  return unit(language, Math.max(5, Math.ceil(seconds / 5) * 5), "second", 0, "long");
};

/** A place in a video: 1:03. */
const clock = (seconds) => {
  const whole = Math.floor(seconds || 0);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Call `found` with why a video doesn't play: "unplayable" here, or "away" at the moment. */
const watchVideo = (video, found) => {
  const ask = async () => {
    const source = video.getAttribute("src");
    if (!source) return;
    // A redirect leads to the bucket, which has the file.
    const answer = await fetch(source, { method: "HEAD", redirect: "manual" }).catch(() => null);
    if (video.getAttribute("src") !== source) return;
    const there = answer !== null && (answer.ok || answer.type === "opaqueredirect");
    found(there ? "unplayable" : "away");
  };
  video.addEventListener("error", ask);
  // Of a codec that it doesn't know, a browser may play the sound alone.
  video.addEventListener("loadedmetadata", () => video.videoWidth === 0 && found("unplayable"));
};

const views = new WeakMap();

/** The view in `parent`, made when it is mounted; Streamlit calls again with new data. */
const viewIn = (parent, create) => {
  if (!views.has(parent)) views.set(parent, create(parent));
  return views.get(parent);
};
