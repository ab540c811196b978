// A circuit breaker: who failed is left alone for a while, for twice as long each time it fails again, until it does well. Pure; the caller says
// what time it is.

export interface BreakerLimits {
  readonly firstMs: number
  readonly longestMs: number
}

export class Breaker {
  readonly #limits: BreakerLimits
  #untilMs = Number.NEGATIVE_INFINITY
  #failures = 0

  constructor(limits: BreakerLimits) {
    this.#limits = limits
  }

  isOpen(nowMs: number): boolean {
    return nowMs < this.#untilMs
  }

  /** Failures while it is open already count once: they are of what was under way. */
  failed(nowMs: number): void {
    if (this.isOpen(nowMs)) return
    const { firstMs, longestMs } = this.#limits
    this.#untilMs = nowMs + Math.min(longestMs, firstMs * 2 ** this.#failures)
    this.#failures++
  }

  didWell(): void {
    this.#failures = 0
  }
}
