// A video on its way: in parts, gone on with wherever the connection breaks. It outlives the
// component that shows it.

const PART = 16 * 2 ** 20; // bytes
const WINDOW = 10_000; // ms over which the speed is taken
const CONFLICTS = 6; // that another request is at it, before we give up
const ASKING = 2000; // ms between two questions whether a video has been looked at

/** What was being sent, kept over a reload; null where the browser keeps nothing. */
const memory = {
  key: (project) => `bystander.video.${project}`,
  of(project) {
    try {
      return JSON.parse(localStorage.getItem(memory.key(project)));
    } catch {
      return null;
    }
  },
  keep(project, file) {
    try {
      localStorage.setItem(memory.key(project), memory.mark(file));
    } catch {
      // Private mode, or full: sizes are compared then.
    }
  },
  forget(project) {
    try {
      localStorage.removeItem(memory.key(project));
    } catch {
      // There is nothing to forget.
    }
  },
  mark: ({ name, size: bytes, lastModified }) =>
    JSON.stringify({ name, size: bytes, lastModified }),
};

class VideoUpload {
  /** `file` is null where all of it has arrived and is only to be looked at. */
  constructor(file, project, known) {
    this.file = file;
    this.project = project;
    this.size = file?.size ?? known?.size ?? 0;
    this.remote = known; // the service's video when this began
    this.begun = file === null;
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

  get url() {
    return `/service/projects/${this.project}/video`;
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
      const place = answer.status === 409 ? answer.header("Upload-Offset") : null;
      if (place !== null) {
        this.at = Number(place);
        attempt = 0;
        continue;
      }
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
      this.lost = true;
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
    if (!this.begun) return this.begin(signal);
    if (this.lost || this.file === null) {
      const answer = await request("HEAD", this.url, { signal });
      if (!succeeded(answer)) return answer;
      this.lost = false;
      this.at = Number(answer.header("Upload-Offset"));
      if (this.at >= this.size) return this.settle(signal);
      if (this.file === null) return this.enter("failed", "other"); // something is missing, after all
    }
    return this.send(signal);
  }

  /** Announce the file: the same one as before goes on, any other begins anew. */
  async begin(signal) {
    const mark = memory.of(this.project);
    const alike = mark === null || JSON.stringify(mark) === memory.mark(this.file);
    const goesOn = alike && this.remote?.state === "uploading" && this.remote.size === this.size;
    const body = JSON.stringify({ size: this.size, fresh: !goesOn });
    const headers = { "Content-Type": "application/json" };
    const answer = await request("POST", this.url, { body, headers, signal });
    if (succeeded(answer)) {
      memory.keep(this.project, this.file);
      this.begun = true;
      this.at = goesOn ? answer.json?.received ?? 0 : 0;
    }
    return answer;
  }

  async send(signal) {
    const start = this.at;
    const end = Math.min(start + PART, this.size);
    const body = this.file === null ? new Blob() : this.file.slice(start, end);
    this.enter(start >= this.size ? "looking" : "sending");
    const answer = await request("PATCH", this.url, {
      body,
      headers: { "Upload-Offset": String(start), "Content-Type": "application/octet-stream" },
      signal,
      patience: end === this.size ? EXAMINING : STALLED,
      onprogress: (sent) => this.sample(Math.min(start + sent, end)),
    });
    if (answer.status === 200 && answer.json) return this.finish(answer.json);
    if (answer.status === 200) return { ...answer, status: 0 }; // cut off within the answer
    if (answer.status === 204) this.at = Number(answer.header("Upload-Offset") ?? end);
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

  /** All has arrived, and another request is looking at the video, or has. */
  async settle(signal) {
    this.enter("looking");
    const answer = await request("GET", this.url, { signal });
    if (!succeeded(answer)) return answer;
    if (["ready", "refused"].includes(answer.json?.state)) return this.finish(answer.json);
    if (answer.json?.state === "uploading") return this.send(signal); // an empty last part
    await new Promise((resolve) => setTimeout(resolve, ASKING));
    this.lost = true;
    return answer;
  }

  finish(video) {
    this.at = this.size;
    this.state = video.state === "refused" ? "refused" : "ready";
    memory.forget(this.project);
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
