/**
 * How fast it is, and whose fault if it is not: counted here, judged in `verdict`.
 *
 * Latency is from the vehicle's own stamp to this page, by the server's clock, with each car's skew taken off; the trip is there
 * and back on the stream itself. A minute is kept.
 */

const SECONDS = 60;
const SAMPLES = 512;

export class Stats {
  constructor() {
    this.rates = new Uint32Array(SECONDS); // events of each of the last seconds, a ring
    this.second = 0;
    this.events = 0;
    this.bytes = 0;
    this.missed = 0;
    this.reconnects = 0;
    this.latencies = new Float64Array(SAMPLES);
    this.count = 0;
    this.trip = NaN;
    this.frames = 0;
    this.fps = NaN;
    this.work = 0; // ms spent drawing in this second
    this.busy = NaN; // ms spent drawing in the last one
  }

  /** An event came; `latency`: ms, NaN if it cannot be told. */
  event(bytes, latency) {
    this.events += 1;
    this.bytes += bytes;
    this.rates[this.second % SECONDS] += 1;
    if (!Number.isNaN(latency)) this.latencies[this.count++ % SAMPLES] = latency;
  }

  /** A second has passed. */
  tick() {
    this.second += 1;
    this.rates[this.second % SECONDS] = 0;
    this.fps = this.frames;
    this.busy = this.work;
    this.frames = 0;
    this.work = 0;
  }

  /** Events a second, over the last few whole seconds. */
  get rate() {
    const seconds = Math.min(this.second, 3);
    let sum = 0;
    for (let back = 1; back <= seconds; back++) sum += this.rates[(this.second - back) % SECONDS];
    return seconds ? sum / seconds : 0;
  }

  /** [median, 99th percentile] of the latest latencies, NaN without any. */
  get latency() {
    const sorted = this.latencies.slice(0, Math.min(this.count, SAMPLES)).sort();
    return [0.5, 0.99].map((share) => (sorted.length ? sorted[Math.floor(share * (sorted.length - 1))] : NaN));
  }

  /** Oldest first. */
  get lastMinute() {
    return Array.from({ length: SECONDS - 1 }, (_, index) => this.rates[(this.second + 1 + index) % SECONDS]);
  }
}

/** In plain words, the first that holds: [whether all is well, text]. */
export function verdict(stats, state, ahead) {
  const [median, worst] = stats.latency;
  const rules = [
    [state !== "live", "There is no stream just now: what you see is what was last heard."],
    [stats.busy > 700, "It is this browser: drawing takes most of its time."],
    [stats.trip > 1000, "It is the way to the server: an answer takes more than a second."],
    [stats.missed > 0 && stats.rate > 500, "This browser or its network is too slow for all these events: the server had to leave some out."],
    [Math.abs(ahead) > 30_000, "Your computer's clock is wrong. Ages and times here go by the server's."],
    [median > 2000, "It is the vehicles, or their network: their messages come late to the server."],
    [worst > 5000, "Mostly well; some vehicles' messages come late."],
    [stats.rate === 0, "All is well, and nothing is being sent just now."],
  ];
  const found = rules.find(([holds]) => holds);
  return found ? [found === rules.at(-1), found[1]] : [true, "Neither: all is well."];
}
