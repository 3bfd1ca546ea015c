/**
 * How fast it is, and whose fault if it is not: counted here, judged in `verdict`.
 *
 * Latency is from the vehicle's own stamp to this page, by the server's clock, with each car's skew taken off; the
 * round trip is there and back on the stream itself. Law: a minute of rates and SAMPLES latencies are kept, however many events come.
 */

const SECONDS = 60;
const SAMPLES = 512; // enough for a 99th percentile of five

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
    this.roundTrip = NaN;
    this.frames = 0;
    this.fps = NaN;
    this.work = 0; // ms spent drawing in this second
    this.busy = NaN; // ms spent drawing in the last one
  }

  /** An event came; `latency`: ms, NaN if it is not known. */
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
    [state !== "live" && state !== "replay", "The page is not connected: you see the last known values."],
    [stats.busy > 700, "It is this browser: it spends most of its time drawing."],
    [stats.roundTrip > 1000, "It is the network: the server's answer takes more than a second to arrive."],
    [stats.missed > 0 && stats.rate > 500, "This browser or its network cannot keep up: the server had to skip events."],
    [Math.abs(ahead) > 30_000, "Your computer's clock is wrong. This page goes by the server's clock."],
    [median > 2000, "It is the vehicles, or their network: their messages reach the server late."],
    [worst > 5000, "Mostly fine: some vehicles' messages arrive late."],
    [stats.rate === 0, "All is well: no vehicle is sending anything right now."],
  ];
  const found = rules.find(([holds]) => holds);
  return found ? [found === rules.at(-1), found[1]] : [true, "Neither: all is well."];
}
