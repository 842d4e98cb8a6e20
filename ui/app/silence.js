// Whether a connection is dead without anybody noticing, as after a night with
// the lid closed. It knows no clock, so that it can be tested alone.

/** Silence after which the agent is asked for a word, which it owes then. */
const tooQuiet = 15_000;
/** How long it may take for that. */
const answerWithin = 10_000;

export class Silence {
  heard = 0; // when the agent said something
  asked = 0; // when it was asked for that; 0: not since

  /** @param {number} now */
  broken(now) {
    this.heard = now;
    this.asked = 0;
  }

  /** What is to be done: "ask", "end", or nothing.
   * @param {number} now */
  turn(now) {
    if (now - this.heard < tooQuiet) return "";
    if (this.asked) return now - this.asked > answerWithin ? "end" : "";
    this.asked = now;
    return "ask";
  }
}
