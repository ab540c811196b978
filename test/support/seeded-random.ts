// Seeded randomness for tests: sfc32 (Chris Doty-Humphrey's "small fast counting" generator from PractRand), started from
// a text through FNV-1a. A fork has a stream of its own: draws from one subject never shift the draws of another.

import type { Random } from '../../engine/base/clock.ts'

export class SeededRandom implements Random {
  readonly #label: string
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(label: string | number) {
    this.#label = String(label)
    this.#a = hashText(this.#label, 0x811c9dc5)
    this.#b = hashText(this.#label, 0x9e3779b9)
    this.#c = hashText(this.#label, 0x85ebca6b)
    for (let round = 0; round < 12; round++) this.uint32() // the generator's author asks for 12 rounds to spread the seed
  }

  /** A generator of its own for one subject: depends on this one's seed and `label`, not on what was drawn so far. */
  fork(label: string): SeededRandom {
    return new SeededRandom(`${this.#label}/${label}`)
  }

  uint32(): number {
    const result = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0
    return result >>> 0
  }

  /** A number in [0, 1). */
  unit(): number {
    return this.uint32() / 0x1_0000_0000
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.unit() * limit)
  }

  /** A whole number in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  /** One of the items; undefined when there are none. */
  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)]
  }

  /** One of the names, as often as its weight says. */
  pickWeighted<Name extends string>(weights: Readonly<Partial<Record<Name, number>>>): Name {
    const names = Object.keys(weights).filter((name) => isNameOf(weights, name))
    let left = this.unit() * names.reduce((sum, name) => sum + (weights[name] ?? 0), 0)
    for (const name of names) {
      left -= weights[name] ?? 0
      if (left < 0) return name
    }
    throw new Error('pickWeighted needs at least one weight above zero')
  }

  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items]
    for (let at = shuffled.length - 1; at > 0; at--) {
      const other = this.below(at + 1)
      const [left, right] = [shuffled[at], shuffled[other]]
      if (left !== undefined) shuffled[other] = left
      if (right !== undefined) shuffled[at] = right
    }
    return shuffled
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length)
    const view = new DataView(bytes.buffer)
    let at = 0
    for (; at + 4 <= length; at += 4) view.setUint32(at, this.uint32(), true)
    for (let word = at < length ? this.uint32() : 0; at < length; at++, word >>>= 8) bytes[at] = word & 255
    return bytes
  }
}

function isNameOf<Name extends string>(weights: Readonly<Partial<Record<Name, number>>>, name: string): name is Name {
  return Object.hasOwn(weights, name)
}

function hashText(text: string, basis: number): number {
  let hash = basis
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash | 0
}
