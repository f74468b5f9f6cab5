// A video on its way by tus (https://tus.io, 1.0.0): in parts, gone on with wherever the connection
// breaks. It outlives the component that shows it.

const PART = 16 * 2 ** 20; // bytes
const WINDOW = 10_000; // ms over which the speed is taken
const CONFLICTS = 6; // that another request is at it, before we give up
const ASKING = 2000; // ms between two questions whether a video has been looked at
const TUS = { "Tus-Resumable": "1.0.0" };

/** Where a file's upload is, kept over a reload if the browser keeps anything: getItem, setItem or
 * removeItem. */
const remember = (action, project, { name, size: bytes, lastModified }, ...url) => {
  try {
    const key = ["bystander.video", project, name, bytes, lastModified].join("/");
    return localStorage[action](key, ...url);
  } catch {
    return null; // private mode, or full: after a reload it begins anew
  }
};

/** UTF-8 in base64. */
const base64 = (text) =>
  btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));

class VideoUpload {
  /** `file` is null where all of it has arrived at `url` and is only to be looked at. */
  constructor(file, project, { url = null, size: bytes = 0 } = {}) {
    this.file = file;
    this.project = project;
    this.size = file?.size ?? bytes;
    this.url = url; // of the upload, once it has begun
    this.lost = url !== null; // it isn't known how much has arrived
    this.at = 0; // bytes that have arrived
    this.phase = "starting"; // sending, away, crowded, looking, stopped, failed, done
    this.reason = null; // of a failure: one of the texts
    this.state = null; // of the video when done: ready or refused
    this.delivered = false; // whether Python was told
    this.samples = [];
    this.changed = () => {};
  }

  get running() {
    return this.file !== null && !["stopped", "failed", "done"].includes(this.phase);
  }

  /** Bytes a second over the last seconds, or null. */
  get speed() {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    const seconds = first ? (last.when - first.when) / 1000 : 0;
    return seconds >= 1 ? (last.at - first.at) / seconds : null;
  }

  enter(phase, reason = null) {
    if (phase !== "sending") this.samples = [];
    Object.assign(this, { phase, reason });
    this.changed();
    return null;
  }

  stop() {
    this.enter("stopped");
    this.control.abort();
  }

  async run() {
    const control = (this.control = new AbortController());
    const { signal } = control;
    this.enter("starting");
    let [attempt, conflicts] = [0, 0];
    while (!signal.aborted) {
      const before = this.at;
      const answer = await this.step(signal);
      if (signal.aborted || answer === null) return;
      if (succeeded(answer)) {
        [attempt, conflicts] = [0, 0];
        continue;
      }
      if (answer.status === 0 && this.file && !(await readable(this.file, before))) {
        return this.enter("failed", "unreadable");
      }
      // The request that broke may not have ended at the service yet.
      const conflict = answer.status === 409 && ++conflicts < CONFLICTS;
      const trouble = passing(answer) ?? (conflict ? "crowded" : null);
      if (trouble === null) return this.enter("failed", reasonOf(answer));
      this.enter(trouble);
      await pause(attempt++, answer, signal);
      this.lost = this.url !== null;
    }
  }

  /** The next request that is due; its answer, or null when all is over. */
  async step(signal) {
    if (this.project === null) {
      const made = await createProject();
      if (made.answer) return made.answer;
      this.project = made.id;
      this.changed();
    }
    if (this.url === null) {
      this.url = remember("getItem", this.project, this.file);
      if (this.url === null) return this.begin(signal);
      this.lost = this.remembered = true;
    }
    if (this.lost) {
      const options = { headers: TUS, signal, patience: EXAMINING }; // it may be examined now
      const answer = await request("HEAD", this.url, options);
      if (this.remembered && [404, 410].includes(answer.status)) return this.begin(signal);
      if (!succeeded(answer)) return answer;
      this.lost = false;
      this.at = Number(answer.header("Upload-Offset"));
    }
    if (this.at >= this.size) return this.settle(signal);
    if (this.file === null) return this.enter("failed", "other"); // something is missing, after all
    return this.send(signal);
  }

  async begin(signal) {
    this.url = null;
    const headers = {
      ...TUS, "Upload-Length": String(this.size), "Upload-Metadata": `filename ${base64(this.file.name)}`,
    };
    const url = `/service/projects/${this.project}/uploads`;
    const answer = await request("POST", url, { headers, signal });
    if (succeeded(answer)) {
      this.url = answer.header("Location");
      this.at = 0;
      this.remembered = false;
      remember("setItem", this.project, this.file, this.url);
    }
    return answer;
  }

  async send(signal) {
    const start = this.at;
    const end = Math.min(start + PART, this.size);
    this.enter("sending");
    const answer = await request("PATCH", this.url, {
      body: this.file.slice(start, end),
      headers: {
        ...TUS, "Upload-Offset": String(start), "Content-Type": "application/offset+octet-stream",
      },
      signal,
      patience: end === this.size ? EXAMINING : STALLED,
      onprogress: (sent) => this.sample(Math.min(start + sent, end)),
    });
    if (succeeded(answer)) this.at = Number(answer.header("Upload-Offset") ?? end);
    return answer;
  }

  sample(at) {
    const when = performance.now();
    this.at = at;
    this.samples.push({ when, at });
    while (when - this.samples[0].when > WINDOW) this.samples.shift();
    if (at === this.size) this.enter("looking");
    else this.changed();
  }

  /** All has arrived: what was found in it, unless another request is still looking at it. */
  async settle(signal) {
    this.enter("looking");
    const answer = await request("GET", `/service/projects/${this.project}/video`, { signal });
    if (!succeeded(answer)) return answer;
    if (["ready", "refused"].includes(answer.json?.state)) return this.finish(answer.json);
    await new Promise((resolve) => setTimeout(resolve, ASKING));
    this.lost = true;
    return answer;
  }

  finish(video) {
    this.state = video.state;
    if (this.file) remember("removeItem", this.project, this.file);
    return this.enter("done");
  }
}

/** The upload that belongs to a project, or to the one that is being made. */
const videoOf = (project) => {
  for (const upload of shared.videos) {
    if (project) upload.project ??= project; // another uploader was the first to get one
    if (project && upload.project === project) upload.known = true;
    if (project ? upload.project === project : !upload.known) return upload;
  }
  return null;
};
