// Are the others holding what they say? Random blocks of each member's receipt are asked for proof, under a key that nobody knew before.
// Who fails is not believed until it has passed; who does not answer is asked the same again.

import { bytesKey, equalBytes } from '../base/bytes.ts'
import type { Clock, Random } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { throwIfAborted, waitAtMost, Wakeup } from '../base/queue.ts'
import { blake3Keyed } from '../crypto/hash.ts'
import type { AuditTable } from '../index/audit-table.ts'
import type { BlockId, PeerId } from '../model/ids.ts'

export interface AuditParts {
  readonly audits: AuditTable
  readonly folderRow: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Connected members that claim something. */
  readonly claimants: () => readonly Claimant[]
  /** Current entries after a row, in order: how many blocks of each the member says it holds. */
  readonly counts: (peer: PeerId, after: number, limit: number) => readonly ClaimedCount[]
  /** The blocks of an entry that the member says it holds, as entry and receipt are now. */
  readonly claimed: (peer: PeerId, rowSeq: number) => readonly BlockId[]
  /** Proofs of another member. Throws when it is gone or does not answer. */
  readonly prove: (
    peer: PeerId,
    ids: readonly BlockId[],
    nonce: Uint8Array,
    signal: AbortSignal,
  ) => Promise<readonly (Uint8Array | undefined)[]>
  /** The same blocks as they are here; undefined for those that are not. */
  readonly own: (ids: readonly BlockId[], signal: AbortSignal) => Promise<readonly (Uint8Array | undefined)[]>
  readonly events: AuditEvents
}

export interface Claimant {
  readonly peer: PeerId
  /** How long its word is good once it was checked. */
  readonly goodMs: number
  /** Of its receipt. */
  readonly edition: number
}

export interface AuditEvents {
  /** A member could not prove what it claims. */
  failed(peer: PeerId, missing: number): void
  /** A member's word was checked, and is good. */
  passed(peer: PeerId): void
}

export interface ClaimedCount {
  readonly rowSeq: number
  readonly blocks: number
}

interface Sampled {
  readonly id: BlockId
  readonly rowSeq: number
}

interface Place {
  readonly rowSeq: number
  readonly at: number
}

/** With so many drawn evenly, a holder that lost one block in a hundred is found 99 times in a hundred. */
export const sampleBlocks = 459
const askedAtOnce = 16
const pageEntries = 200
const lookMs = 10_000
const restMs = 1000
const unansweredRestMs = 10_000
const nothingRestMs = 600_000
/** After so long a member that failed is asked again if it says something new, twice as long after each time; at the latest after the longest. */
const failedAgainMs = 2000
const failedAgainMaxMs = 600_000

export class Audit {
  readonly #parts: AuditParts
  readonly #wakeup = new Wakeup()
  /** What is asked of a member until it has answered. */
  readonly #pending = new Map<PeerId, Sampled[]>()
  /** Whatever wakes the audit: these are not asked again before, or before they say something else than with this edition. */
  readonly #rests = new Map<PeerId, { readonly untilMs: number; readonly edition?: number }>()
  readonly #failures = new Map<PeerId, { readonly times: number; readonly edition: number }>()

  constructor(parts: AuditParts) {
    this.#parts = parts
  }

  /** What members claim is understood anew, a placement came that receipts name: who was left alone is looked at again. */
  claimsChanged(): void {
    this.#rests.clear()
    this.#wakeup.wake()
  }

  /** A member came, or claims something new. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** Audits whoever is due until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts
    for (;;) {
      await waitAtMost(this.#wakeup, clock, lookMs, signal)
      await clock.sleep(restMs, signal) // a busy folder wakes it all the time
      for (const claimant of this.#parts.claimants()) {
        if (!this.#isDue(claimant)) continue
        const { peer } = claimant
        try {
          if (await this.audit(peer, signal)) this.#noteOutcome(claimant)
          else this.#rests.set(peer, { untilMs: clock.monotonicMs() + nothingRestMs, edition: claimant.edition })
        } catch (error) {
          if (signal.aborted || errorCodeOf(error) === undefined) throw error
          log.info('a member did not answer an audit; it is asked the same again', { peer, error: messageOf(error) })
          this.#rests.set(peer, { untilMs: clock.monotonicMs() + unansweredRestMs })
        }
      }
    }
  }

  #noteOutcome({ peer, edition }: Claimant): void {
    const { audits, folderRow } = this.#parts
    if ((audits.get(folderRow, peer)?.missing ?? 0) === 0) this.#failures.delete(peer)
    else this.#failures.set(peer, { times: (this.#failures.get(peer)?.times ?? 0) + 1, edition })
  }

  /** Half of the time before its word is no longer good; after it failed, once it says something else. */
  #isDue({ peer, goodMs, edition }: Claimant): boolean {
    const { audits, folderRow, clock } = this.#parts
    const rest = this.#rests.get(peer)
    const isOtherWord = rest?.edition !== undefined && rest.edition !== edition
    if (rest !== undefined && rest.untilMs > clock.monotonicMs() && !isOtherWord) return false
    const last = audits.get(folderRow, peer)
    if (last === undefined) return true
    const sinceMs = clock.nowMs() - last.atMs
    if (sinceMs < 0) return true // the clock was set back
    if (last.missing === 0) return sinceMs > goodMs / 2
    const failure = this.#failures.get(peer)
    const pauseMs = Math.min(failedAgainMs * 2 ** ((failure?.times ?? 1) - 1), failedAgainMaxMs)
    return sinceMs > (failure?.edition === edition ? failedAgainMaxMs : pauseMs)
  }

  /** One audit of one member; false when nothing that it claims is here to compare with. Throws when it does not answer. */
  async audit(peer: PeerId, signal: AbortSignal): Promise<boolean> {
    const { audits, folderRow, clock, events } = this.#parts
    const sample = this.#pending.get(peer) ?? (await this.#draw(peer, signal))
    this.#pending.set(peer, sample)
    let missing: readonly Sampled[] = sample
    let checked = 0
    // Twice: what changed here or there while it was asked is no loss.
    for (let round = 0; round < 2 && missing.length > 0; round++) {
      const asked = this.#stillClaimed(peer, missing)
      const failed: Sampled[] = []
      for (let at = 0; at < asked.length; at += askedAtOnce) {
        const outcome = await this.#ask(peer, asked.slice(at, at + askedAtOnce), signal)
        failed.push(...outcome.failed)
        checked += round === 0 ? outcome.checked : 0
      }
      missing = failed
    }
    this.#pending.delete(peer)
    if (checked === 0 && missing.length === 0) return false
    audits.put(folderRow, peer, { atMs: clock.nowMs(), blocks: checked, missing: missing.length })
    if (missing.length > 0) events.failed(peer, missing.length)
    else events.passed(peer)
    return true
  }

  /** A receipt or an entry may be another one by now. */
  #stillClaimed(peer: PeerId, sample: readonly Sampled[]): readonly Sampled[] {
    return sample.filter(({ id, rowSeq }) => this.#parts.claimed(peer, rowSeq).some((claimed) => equalBytes(claimed, id)))
  }

  async #ask(
    peer: PeerId,
    sample: readonly Sampled[],
    signal: AbortSignal,
  ): Promise<{ readonly checked: number; readonly failed: readonly Sampled[] }> {
    const { random, prove, own } = this.#parts
    const ids = sample.map(({ id }) => id)
    const here = await own(ids, signal)
    const known = sample.filter((_, at) => here[at] !== undefined)
    if (known.length === 0) return { checked: 0, failed: [] }
    const nonce = random.bytes(32)
    const proofs = await prove(
      peer,
      known.map(({ id }) => id),
      nonce,
      signal,
    )
    const bytes = here.flatMap((block) => block ?? [])
    const failed = known.filter((_, at) => {
      const [proof, block] = [proofs[at], bytes[at]]
      return proof === undefined || block === undefined || !equalBytes(proof, blake3Keyed(nonce, block))
    })
    return { checked: known.length, failed }
  }

  /** Evenly from all blocks that the member claims (Vitter, "Random sampling with a reservoir", 1985, algorithm R). */
  async #draw(peer: PeerId, signal: AbortSignal): Promise<Sampled[]> {
    const { counts, claimed, clock } = this.#parts
    const numbers = new Numbers(this.#parts.random)
    const places: Place[] = []
    const seen = new Set<string>()
    let count = 0
    let after = 0
    for (;;) {
      throwIfAborted(signal)
      const rows = counts(peer, after, pageEntries)
      for (const { rowSeq, blocks } of rows) {
        for (let at = 0; at < blocks; at++) {
          count++
          const place = count <= sampleBlocks ? count - 1 : numbers.below(count)
          if (place < sampleBlocks) places[place] = { rowSeq, at }
        }
      }
      after = rows.at(-1)?.rowSeq ?? after
      if (rows.length < pageEntries) break
      await clock.sleep(0, signal)
    }
    const sample = places.flatMap(({ rowSeq, at }): Sampled[] => {
      const id = claimed(peer, rowSeq)[at]
      return id === undefined ? [] : [{ id, rowSeq }] // the entry was replaced meanwhile
    })
    // A block that several files have is asked for once.
    return sample.filter(({ id }) => !seen.has(bytesKey(id)) && seen.add(bytesKey(id)))
  }
}

const numberBytes = 6
const numbersAtOnce = 512

/** Random numbers, drawn many at a time: a folder has a block for each. */
class Numbers {
  readonly #random: Random
  #bytes: DataView = new DataView(new ArrayBuffer(0))
  #at = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** A whole number from 0 below `end`, evenly but for one part in 2^20 where `end` is under 2^28. */
  below(end: number): number {
    if (this.#at + numberBytes > this.#bytes.byteLength) {
      const { buffer, byteOffset, byteLength } = this.#random.bytes(numberBytes * numbersAtOnce)
      this.#bytes = new DataView(buffer, byteOffset, byteLength)
      this.#at = 0
    }
    const number = this.#bytes.getUint16(this.#at) * 2 ** 32 + this.#bytes.getUint32(this.#at + 2)
    this.#at += numberBytes
    return number % end
  }
}
