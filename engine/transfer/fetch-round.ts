// One list of blocks on its way: dealt out to members, asked of the next one where one lacks them or broke off, and of another one too where
// a member takes far longer than it should.

import type { Clock } from '../base/clock.ts'
import { throwIfAborted } from '../base/queue.ts'
import type { BlockRef } from '../model/entry.ts'
import type { PeerId } from '../model/ids.ts'
import { deal, patienceMs, type Candidate } from './choose.ts'

export interface FetchedBlock {
  readonly bytes: Uint8Array
  readonly from: PeerId
}

export interface RoundParts {
  readonly clock: Clock
  /** Who may have the block and can be asked now. */
  readonly candidates: (block: BlockRef) => readonly PeerId[]
  /** How they do. */
  readonly known: () => ReadonlyMap<PeerId, Candidate>
  /** One result a block; undefined when the member is of no use. Throws `ABORTED` alone. */
  readonly ask: (peer: PeerId, blocks: readonly BlockRef[], signal: AbortSignal) => Promise<readonly (Uint8Array | undefined)[] | undefined>
}

interface Asked {
  readonly peer: PeerId
  readonly places: readonly number[]
  /** From when on somebody else may be asked too. */
  readonly dueMs: number
  readonly ended: Promise<void>
}

/** Of each block, so that a list of slow members does not multiply what comes. */
const askedAtOnceMax = 2
/** Somebody who can be asked instead may come along. */
const lookAgainMs = 5000

/** One result a block, in their order: undefined where nobody has it now. Throws only `ABORTED`. */
export async function fetchRound(
  blocks: readonly BlockRef[],
  parts: RoundParts,
  signal: AbortSignal,
): Promise<readonly (FetchedBlock | undefined)[]> {
  const round = new Round(blocks, parts)
  const ending = new AbortController()
  const both = AbortSignal.any([signal, ending.signal])
  try {
    for (;;) {
      throwIfAborted(signal)
      round.ask(both)
      if (round.isOver) return round.results
      await round.somethingHappens(both)
    }
  } finally {
    ending.abort()
    await round.ended()
  }
}

class Round {
  readonly results: (FetchedBlock | undefined)[]
  readonly #blocks: readonly BlockRef[]
  readonly #parts: RoundParts
  readonly #asked = new Set<Asked>()
  #left: number

  constructor(blocks: readonly BlockRef[], parts: RoundParts) {
    this.#blocks = blocks
    this.#parts = parts
    this.#left = blocks.length
    this.results = Array.from<FetchedBlock | undefined>({ length: blocks.length })
  }

  /** Everything is here, or nobody is left who could have what is not. */
  get isOver(): boolean {
    return this.#left === 0 || this.#asked.size === 0
  }

  ask(signal: AbortSignal): void {
    const { known, clock } = this.#parts
    const members = known()
    const nowMs = clock.monotonicMs()
    for (const { peer, places, bytes } of deal(this.#open(nowMs), members)) {
      const member = members.get(peer)
      const dueMs = nowMs + (member === undefined ? 0 : patienceMs(member, bytes))
      const asked: Asked = { peer, places, dueMs, ended: this.#take(peer, places, signal).finally(() => this.#asked.delete(asked)) }
      asked.ended.catch(() => undefined) // whoever waits for something to happen hears of it
      this.#asked.add(asked)
    }
  }

  /** Blocks that nobody is asked for, and those that somebody else may be asked for too. */
  #open(nowMs: number): Parameters<typeof deal>[0] {
    const askedOf = new Map<number, Asked[]>()
    for (const asked of this.#asked) {
      for (const place of asked.places) {
        const others = askedOf.get(place)
        if (others === undefined) askedOf.set(place, [asked])
        else others.push(asked)
      }
    }
    return this.#blocks.flatMap((block, place) => {
      if (this.results[place] !== undefined) return []
      const asked = askedOf.get(place) ?? []
      if (asked.length >= askedAtOnceMax || asked.some(({ dueMs }) => nowMs < dueMs)) return []
      const candidates = this.#parts.candidates(block).filter((peer) => !asked.some((other) => other.peer === peer))
      return candidates.length === 0 ? [] : [{ place, block, candidates }]
    })
  }

  async #take(peer: PeerId, places: readonly number[], signal: AbortSignal): Promise<void> {
    const answers = await this.#parts.ask(
      peer,
      places.flatMap((place) => this.#blocks[place] ?? []),
      signal,
    )
    for (const [at, place] of places.entries()) {
      const bytes = answers?.[at]
      if (bytes === undefined || this.results[place] !== undefined) continue
      this.results[place] = { bytes, from: peer }
      this.#left--
    }
  }

  /** A member answered or broke off, or it is time to ask another. Throws `ABORTED`. */
  async somethingHappens(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    const nowMs = clock.monotonicMs()
    const dues = [...this.#asked].map(({ dueMs }) => dueMs - nowMs).filter((ms) => ms > 0)
    const moment = new AbortController()
    const pause = clock.sleep(Math.min(lookAgainMs, ...dues), AbortSignal.any([signal, moment.signal]))
    try {
      await Promise.race([...[...this.#asked].map(({ ended }) => ended), pause])
    } finally {
      moment.abort()
      await pause.catch(() => undefined) // it was ended here
    }
  }

  /** Nothing of it goes on. */
  async ended(): Promise<void> {
    await Promise.allSettled([...this.#asked].map(({ ended }) => ended))
  }
}
