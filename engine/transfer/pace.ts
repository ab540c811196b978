// How fast a member gives blocks, as far as it was seen lately. Pure; the caller says what time it is.

/** What came so long ago counts half. */
const halfLifeMs = 5000
/** Who was not asked for so long may be faster or slower by now. */
const forgottenAfterMs = 10 * 60_000

export class Pace {
  #bytes = 0
  #busyMs = 0
  #notedAtMs = Number.NEGATIVE_INFINITY

  /** Bytes came `busyMs` after those before, or after they were asked for when nothing was under way. */
  note(bytes: number, busyMs: number, nowMs: number): void {
    const kept = nowMs - this.#notedAtMs > forgottenAfterMs ? 0 : 0.5 ** (busyMs / halfLifeMs)
    this.#bytes = this.#bytes * kept + bytes
    this.#busyMs = this.#busyMs * kept + busyMs
    this.#notedAtMs = nowMs
  }

  /** undefined where nothing is known. `silentMs`: for how long something has been under way of which nothing came. */
  bytesPerSecond(silentMs: number, nowMs: number): number | undefined {
    const isOld = nowMs - this.#notedAtMs > forgottenAfterMs
    const [bytes, busyMs] = isOld ? [0, 0] : [this.#bytes, this.#busyMs]
    // A first answer that has not come yet says little: as if a little had been seen already.
    const ms = busyMs + silentMs
    return ms < minimumMs ? undefined : (1000 * (bytes + 1)) / ms
  }
}

const minimumMs = 20
