// Where drawn masks are in each frame: followed by the service, told as it comes.

/** The events of a stream of server-sent events: their name and data, as they arrive. */
async function* eventsOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let [text, name, data] = ["", "message", []];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    text = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (data.length) yield { name, data: JSON.parse(data.join("\n")) };
        [name, data] = ["message", []];
      } else if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5));
    }
  }
}

/** The corners of a shape of the document: [x, y, x, y, ...]. */
const cornersOf = ({ kind, points, x, y, width, height }) => {
  if (kind === "polygon") return points.flat();
  if (kind === "box") return [x, y, x + width, y, x + width, y + height, x, y + height];
  return Array.from({ length: 48 }, (_, number) => {
    const angle = (number * Math.PI) / 24;
    const [across, down] = [(1 + Math.cos(angle)) / 2, (1 + Math.sin(angle)) / 2];
    return [x + width * across, y + height * down];
  }).flat();
};

/** The upright rectangle around corners: [left, top, right, bottom]. */
const aroundCorners = (corners) => {
  const bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < corners.length; at += 2) {
    bounds[0] = Math.min(bounds[0], corners[at]);
    bounds[1] = Math.min(bounds[1], corners[at + 1]);
    bounds[2] = Math.max(bounds[2], corners[at]);
    bounds[3] = Math.max(bounds[3], corners[at + 1]);
  }
  return bounds;
};

/**
 * The paths of the drawn masks of a document.
 *
 * moved(): more of them is known. failed(what): one can't be followed, a sentence or null.
 */
const createTracks = (url, { moved, failed }) => {
  const tracks = new Map(); // by the edit's text

  /** Ask where a mask goes; until that has come it is where it was `before` it was corrected. */
  const follow = async (edit, before) => {
    const text = canonical(edit);
    if (tracks.has(text)) return;
    const places = new Map(before ? tracks.get(canonical(before))?.places : []);
    const track = { places, done: false, stop: new AbortController(), failed: false };
    tracks.set(text, track);
    const end = (what, advice) => {
      track.failed = true;
      failed([what, advice].filter(Boolean).join(" ") || null);
    };
    try {
      const answer = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ edit }),
        signal: track.stop.signal,
      });
      if (!answer.ok) {
        const { detail, advice } = await answer.json().catch(() => ({}));
        end(detail, advice);
        return;
      }
      for await (const { name, data } of eventsOf(answer)) {
        if (name === "positions") {
          if (!track.begun) track.places.clear();
          track.begun = true;
          for (const { frame, corners } of data.positions) track.places.set(frame, corners);
          moved();
        } else if (name === "failed") end(data.what, data.advice);
        else if (name === "done") track.done = true;
      }
    } catch {
      if (!track.stop.signal.aborted) {
        tracks.delete(text); // asked for again when it is looked at again
        failed(null);
      }
    } finally {
      moved();
    }
  };
  return {
    follow,
    known: (edit) => tracks.has(canonical(edit)),
    running: (edit) => {
      const track = tracks.get(canonical(edit));
      return Boolean(track && !track.done && !track.failed);
    },
    count: (edit) => tracks.get(canonical(edit))?.places.size ?? 0,
    at: (edit, frame) => tracks.get(canonical(edit))?.places.get(frame) ?? null,
    /** Forget those of edits that are no more. */
    keep: (edits) => {
      const texts = new Set(edits.map(canonical));
      for (const [text, { stop }] of tracks) {
        if (texts.has(text)) continue;
        stop.abort();
        tracks.delete(text);
      }
    },
  };
};
