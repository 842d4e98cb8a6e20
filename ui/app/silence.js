// Detects a dead connection that no error reports, for example after the computer
// slept. It has no clock of its own, so that tests pass the time.

/** After this silence, the page sends a message that the agent must answer. */
const maxQuiet = 15_000;
/** Time limit for that answer. */
const answerWithin = 10_000;

export class Silence {
  heard = 0; // time of the last message
  asked = 0; // when an answer was requested; 0: not since the last message

  /** Notes a message of the agent.
   * @param {number} now */
  heardFrom(now) {
    this.heard = now;
    this.asked = 0;
  }

  /** What to do now: "ask", "end", or nothing.
   * @param {number} now */
  check(now) {
    if (now - this.heard < maxQuiet) return "";
    if (this.asked) return now - this.asked > answerWithin ? "end" : "";
    this.asked = now;
    return "ask";
  }
}
