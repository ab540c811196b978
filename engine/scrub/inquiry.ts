// One audit of one member, from its first question until its last answer, however often the member goes meanwhile: the blocks that were drawn
// are asked for in two rounds with a pause between.

import { bytesKey, equalBytes } from '../base/bytes.ts'
import type { Clock, Random } from '../base/clock.ts'
import { inTime } from '../base/queue.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import { eachOnce, type Claims, type SampledBlock } from './sample.ts'

type Proofs = readonly (Uint8Array | undefined)[]

export interface InquiryParts {
  readonly clock: Clock
  readonly random: Random
  /** What a member claims now; undefined when it claims nothing. */
  readonly claimsOf: (peer: PeerId) => Claims | undefined
  /** Proofs of another member. Throws when it is gone or does not answer. */
  readonly prove: (peer: PeerId, ids: readonly BlockId[], nonce: Uint8Array, signal: AbortSignal) => Promise<Proofs>
  /** What another member has to answer, by the same blocks as they are here; undefined for those that are not. */
  readonly expected: (peer: PeerId, ids: readonly BlockId[], nonce: Uint8Array, signal: AbortSignal) => Promise<Proofs>
}

export interface InquiryMatter {
  readonly peer: PeerId
  /** What the sample was drawn from … */
  readonly claims: Claims
  readonly scope: 'all' | 'new'
  /** … up to this entry. */
  readonly lastRow: number
  readonly sample: readonly SampledBlock[]
}

export const askedAtOnce = 16
const rounds = 2
/** An audit takes at most the tenth part of both nodes' time where nobody waits for it: a question makes either read and hash some megabytes. */
const questionRest = 9
const questionRestMaxMs = 30_000
/** For one question: the member may have to read from a slow disk, behind what it sends already. */
const questionMs = 120_000
/** What changes here or there is another entry by then, or is named as lacking. */
const betweenRoundsMs = 15_000
const nonceBytes = 32

export class Inquiry {
  readonly matter: InquiryMatter
  readonly #parts: InquiryParts
  /** Not asked yet in this round. */
  #open: readonly SampledBlock[]
  /** Not proven in this round. */
  #unproven: readonly SampledBlock[] = []
  #round = 0
  #checked = 0
  #workMs = 0
  #isTakenBack = false
  /** Blocks (`bytesKey`) that the member is to prove just now, and those of them that it asked for meanwhile. */
  #asking: ReadonlySet<string> = new Set()
  readonly #fetched = new Set<string>()
  /** Blocks of which it gave proof, and asked for them before it did. */
  #caught: readonly SampledBlock[] = []

  constructor(parts: InquiryParts, matter: InquiryMatter) {
    this.#parts = parts
    this.matter = matter
    this.#open = matter.sample
  }

  /** Blocks that could be compared. */
  get checked(): number {
    return this.#checked
  }

  /** In which questions were under way. */
  get workMs(): number {
    return this.#workMs
  }

  /** Of an inquiry that has ended, what the member could not prove. */
  get failed(): readonly SampledBlock[] {
    return eachOnce([...this.#unproven, ...this.#caught])
  }

  /**
   * The member said less while it was asked: which of the blocks that were drawn it proves was then its own choice, and the rest of what it
   * claimed is not shown to be there.
   */
  get isTakenBack(): boolean {
    return this.#isTakenBack
  }

  /** The member asks for blocks: those that it is to prove just now it has not got. */
  asked(ids: readonly BlockId[]): void {
    for (const name of ids.map(bytesKey)) if (this.#asking.has(name)) this.#fetched.add(name)
  }

  /** Asks to the end. Throws when the member does not answer: called again, it goes on where it was. */
  async run(isHurried: () => boolean, signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#askRound(isHurried, signal)
      this.#round++
      if (this.#unproven.length === 0 || this.#round >= rounds) return
      await this.#parts.clock.sleep(betweenRoundsMs, signal)
      this.#open = this.#unproven
      this.#unproven = []
    }
  }

  async #askRound(isHurried: () => boolean, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    while (this.#open.length > 0) {
      const startedMs = clock.monotonicMs()
      const asked = this.#stillClaimed(this.#open.slice(0, askedAtOnce))
      this.#asking = new Set(asked.map(({ id }) => bytesKey(id)))
      const { checked, unproven } = await this.#ask(asked, signal)
      this.#asking = new Set()
      if (this.#round === 0) this.#checked += checked
      this.#unproven = [...this.#unproven, ...unproven]
      this.#caught = [...this.#caught, ...asked.filter((block) => this.#fetched.has(bytesKey(block.id)) && !unproven.includes(block))]
      this.#open = this.#open.slice(askedAtOnce)
      const tookMs = clock.monotonicMs() - startedMs
      this.#workMs += tookMs
      if (this.#open.length > 0 && tookMs > 0 && !isHurried()) {
        await clock.sleep(Math.min(questionRest * tookMs, questionRestMaxMs), signal)
      }
    }
  }

  /** An entry may be another one by now: then nobody claims its blocks any more. */
  #stillClaimed(sample: readonly SampledBlock[]): readonly SampledBlock[] {
    const { peer, claims: drawnFrom } = this.matter
    const claims = this.#parts.claimsOf(peer)
    const rows = new Set(sample.map(({ rowSeq }) => rowSeq).filter((rowSeq) => drawnFrom.isCurrent(rowSeq)))
    const claimed = new Map([...rows].map((rowSeq) => [rowSeq, new Set(claims?.blocks(rowSeq).map(bytesKey))]))
    const current = sample.filter(({ rowSeq }) => rows.has(rowSeq))
    const still = current.filter(({ id, rowSeq }) => claimed.get(rowSeq)?.has(bytesKey(id)) === true)
    if (still.length < current.length) this.#isTakenBack = true
    return still
  }

  async #ask(
    sample: readonly SampledBlock[],
    signal: AbortSignal,
  ): Promise<{ readonly checked: number; readonly unproven: readonly SampledBlock[] }> {
    const { clock, random, expected: expectedOf, prove } = this.#parts
    const { peer } = this.matter
    const ids = sample.map(({ id }) => id)
    const nonce = random.bytes(nonceBytes)
    const here = await expectedOf(peer, ids, nonce, signal)
    const known = sample.filter((_, at) => here[at] !== undefined)
    if (known.length === 0) return { checked: 0, unproven: [] }
    const asked = known.map(({ id }) => id)
    const proofs = await inTime(clock, questionMs, signal, (until) => prove(peer, asked, nonce, until))
    const expected = here.flatMap((proof) => (proof === undefined ? [] : [proof]))
    const unproven = known.filter((_, at) => {
      const [proof, right] = [proofs[at], expected[at]]
      return proof === undefined || right === undefined || !equalBytes(proof, right)
    })
    return { checked: known.length, unproven }
  }
}
