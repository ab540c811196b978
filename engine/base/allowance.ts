// So many at once, and so many over time: what bounds how often somebody else can make this node do something. Pure but for its own count; the
// caller says what time it is.

import { assert } from './assert.ts'

export interface AllowanceLimits {
  /** What may be used at once after a time without use. */
  readonly burst: number
  readonly perSecond: number
}

export class Allowance {
  readonly #limits: AllowanceLimits
  #left: number
  #atMs: number

  constructor(limits: AllowanceLimits, nowMs: number) {
    assert(limits.burst > 0 && limits.perSecond > 0, 'an allowance is of something')
    this.#limits = limits
    this.#left = limits.burst
    this.#atMs = nowMs
  }

  /** Uses up `amount`, also where there is less: then what is left is below nothing, and `waitMs` says for how long. */
  use(amount: number, nowMs: number): void {
    this.#refill(nowMs)
    this.#left -= amount
  }

  /** Until there is something again; 0 when there is. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs)
    return this.#left > 0 ? 0 : Math.ceil(((1 - this.#left) / this.#limits.perSecond) * 1000)
  }

  #refill(nowMs: number): void {
    const { burst, perSecond } = this.#limits
    this.#left = Math.min(burst, this.#left + (Math.max(0, nowMs - this.#atMs) / 1000) * perSecond)
    this.#atMs = nowMs
  }
}
