// Are the others holding what they say? Random blocks of each member's receipt are asked for proof, under a key that nobody knew before.
// Who fails is not believed until it has passed; who does not answer is asked the same again; who asks for a block while it is to prove it has
// not got it. What passed is verified, and nothing else: entries and claims that came later are drawn from in an audit of their own.

import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import type { AuditTable } from '../index/audit-table.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import { askedAtOnce, Inquiry, type InquiryParts } from './inquiry.ts'
import { drawSample, eachOnce, type SampledBlock } from './sample.ts'

export interface AuditParts extends InquiryParts {
  readonly audits: AuditTable
  readonly folderRow: number
  readonly log: Log
  /** Connected members that claim something. */
  readonly claimants: () => readonly Claimant[]
  /** Content is still coming here: most of what members claim could not be compared with anything. */
  readonly isFilling: () => boolean
  /** The newest entry of the folder. */
  readonly lastRow: () => number
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

/** How an audit came out. */
type Outcome = 'concluded' | 'nothingToCompare' | 'takenBack'

interface Rest {
  readonly untilMs: number
  /** Unless it says something else than with this edition. */
  readonly edition?: number
  readonly times: number
}

const auditsAtOnce = 4
const lookMs = 10_000
const restMs = 1000
/** While content comes the first audits wait, but not longer than this. */
const fillingMaxMs = 60_000
const unansweredRestMs = 10_000
const unansweredRestMaxMs = 600_000
const nothingRestMs = 600_000
/**
 * What is new is drawn from at most this often; that takes at most the hundredth part of the time, and asking the twentieth: a change of a large
 * file makes an entry whose blocks are all new to the audit.
 */
const newRestMs = 10_000
const newRestShare = 100
const newAskingRestShare = 20
const newAskingRestMaxMs = 600_000
/** After so long a member that failed is asked again if it says something new, twice as long after each time; at the latest after the longest. */
const failedAgainMs = 2000
const failedAgainMaxMs = 600_000

export class Audit {
  readonly #parts: AuditParts
  readonly #wakeup = new Wakeup()
  readonly #inquiries = new Map<PeerId, Inquiry>()
  readonly #rests = new Map<PeerId, Rest>()
  readonly #failures = new Map<PeerId, { readonly times: number; readonly edition: number }>()
  /** What was asked for by members that claim it: part of their next audit. */
  readonly #suspects = new Map<PeerId, readonly SampledBlock[]>()
  /** How often what members claim came to be understood anew. */
  #understood = 0
  /** Content has been coming here since; undefined when none does. */
  #fillingSinceMs: number | undefined
  /** When what is new was drawn from last, and what was there then. */
  readonly #looks = new Map<PeerId, { readonly againMs: number; readonly edition: number; readonly lastRow: number }>()

  constructor(parts: AuditParts) {
    this.#parts = parts
  }

  /** What members claim is understood anew, a placement came that receipts name: who was left alone is looked at again. */
  claimsChanged(): void {
    this.#understood++
    this.#rests.clear()
    this.#wakeup.wake()
  }

  /** A member came, or claims something new. */
  wake(): void {
    this.#wakeup.wake()
  }

  /** A member asks for blocks: those that it is to prove just now it has not got. */
  asked(peer: PeerId, ids: readonly BlockId[]): void {
    this.#inquiries.get(peer)?.asked(ids)
  }

  /** A member asked for blocks that it says it holds: it is believed, not verified, until it has proven these too. */
  suspect(peer: PeerId, blocks: readonly SampledBlock[]): void {
    const { audits, folderRow, log } = this.#parts
    log.info('a member asked for blocks that it says it holds', { peer, blocks: blocks.length })
    this.#suspects.set(peer, [...(this.#suspects.get(peer) ?? []), ...blocks].slice(0, askedAtOnce))
    audits.doubt(folderRow, peer)
    this.#wakeup.wake()
  }

  /** Audits whoever is due, some side by side, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, claimants } = this.#parts
    const running = new Map<PeerId, Promise<void>>()
    const broken: unknown[] = []
    try {
      while (broken.length === 0) {
        await waitAtMost(this.#wakeup, clock, this.#isTooEarly() ? restMs : lookMs, signal)
        await clock.sleep(restMs, signal) // a busy folder wakes it all the time
        for (const claimant of claimants()) {
          const { peer } = claimant
          if (this.#isTooEarly() && !this.#isDisbelieved(peer)) continue
          if (running.size >= auditsAtOnce || running.has(peer) || this.#scopeDue(claimant) === undefined) continue
          const auditing = this.#auditOne(claimant, signal)
            .catch((error: unknown) => void broken.push(error))
            .finally(() => {
              running.delete(peer)
              this.#wakeup.wake()
            })
          running.set(peer, auditing)
        }
      }
    } finally {
      await Promise.all(running.values())
    }
    throw broken[0]
  }

  #isTooEarly(): boolean {
    if (!this.#parts.isFilling()) {
      this.#fillingSinceMs = undefined
      return false
    }
    const nowMs = this.#parts.clock.monotonicMs()
    this.#fillingSinceMs ??= nowMs
    return nowMs - this.#fillingSinceMs < fillingMaxMs
  }

  async #auditOne(claimant: Claimant, signal: AbortSignal): Promise<void> {
    const { clock, log, audits, folderRow } = this.#parts
    const { peer, edition } = claimant
    const understood = this.#understood
    const scope = this.#inquiries.get(peer)?.matter.scope ?? this.#scopeDue(claimant) ?? 'all'
    try {
      const outcome = await this.audit(peer, signal, scope)
      if (outcome === 'takenBack') return this.#restAfterSilence(peer)
      if (outcome === 'nothingToCompare') {
        // A placement that came meanwhile may have made sense of its word.
        if (understood === this.#understood) this.#rests.set(peer, { untilMs: clock.monotonicMs() + nothingRestMs, edition, times: 0 })
        return
      }
      this.#rests.delete(peer)
      if ((audits.get(folderRow, peer)?.missing ?? 0) === 0) this.#failures.delete(peer)
      else this.#failures.set(peer, { times: (this.#failures.get(peer)?.times ?? 0) + 1, edition })
    } catch (error) {
      if (signal.aborted || errorCodeOf(error) === undefined) throw error
      log.info('a member did not answer an audit; it is asked the same again', { peer, error: messageOf(error) })
      this.#restAfterSilence(peer)
    }
  }

  /** The longer, the more often nothing came of asking it. */
  #restAfterSilence(peer: PeerId): void {
    const times = (this.#rests.get(peer)?.times ?? 0) + 1
    const pauseMs = Math.min(unansweredRestMs * 2 ** (times - 1), unansweredRestMaxMs)
    this.#rests.set(peer, { untilMs: this.#parts.clock.monotonicMs() + pauseMs, times })
  }

  /** What of a member is to be audited now: all, half of the time before its word is no longer good; else what is new; undefined: nothing. */
  #scopeDue({ peer, goodMs, edition }: Claimant): 'all' | 'new' | undefined {
    const { audits, folderRow, clock } = this.#parts
    const rest = this.#rests.get(peer)
    const isOtherWord = rest?.edition !== undefined && rest.edition !== edition
    if (rest !== undefined && rest.untilMs > clock.monotonicMs() && !isOtherWord) return undefined
    const last = audits.get(folderRow, peer)
    if (last === undefined) return 'all'
    const sinceMs = clock.nowMs() - last.atMs
    if (sinceMs < 0) return 'all' // the clock was set back
    if (this.#isDisbelieved(peer)) {
      const failure = this.#failures.get(peer)
      const pauseMs = Math.min(failedAgainMs * 2 ** ((failure?.times ?? 1) - 1), failedAgainMaxMs)
      return sinceMs > (failure?.edition === edition ? failedAgainMaxMs : pauseMs) ? 'all' : undefined
    }
    if (sinceMs > goodMs / 2 || last.word.length === 0) return 'all' // no word: what it passed does not count any more
    return this.#hasNews(peer, edition, last.lastRow) ? 'new' : undefined
  }

  #hasNews(peer: PeerId, edition: number, auditedRow: number): boolean {
    const look = this.#looks.get(peer)
    const lastRow = this.#parts.lastRow()
    if (look === undefined) return true // this process does not know which word was audited
    if (look.edition === edition && Math.max(look.lastRow, auditedRow) >= lastRow) return false
    return look.againMs <= this.#parts.clock.monotonicMs()
  }

  /**
   * One audit of one member. Throws when it does not answer. Where it took back some of what was drawn nothing is concluded: what it passed before
   * is good for as long as it was, and a new sample is drawn from what it says now.
   */
  async audit(peer: PeerId, signal: AbortSignal, scope: 'all' | 'new' = 'all'): Promise<Outcome> {
    const inquiry = this.#inquiries.get(peer) ?? (await this.#begin(peer, scope, signal))
    if (inquiry === undefined) return 'nothingToCompare'
    this.#inquiries.set(peer, inquiry)
    await inquiry.run(() => this.#isDisbelieved(peer), signal)
    this.#inquiries.delete(peer)
    this.#restFromNews(peer, inquiry.workMs)
    if (inquiry.isTakenBack && inquiry.failed.length === 0) return 'takenBack'
    return this.#conclude(inquiry)
  }

  async #begin(peer: PeerId, scope: 'all' | 'new', signal: AbortSignal): Promise<Inquiry | undefined> {
    const { clock, random, claimsOf, lastRow: newest } = this.#parts
    const claims = claimsOf(peer)
    if (claims === undefined) return undefined
    const lastRow = newest()
    const startedMs = clock.monotonicMs()
    const drawn = await drawSample(claims, { clock, random, scope, lastRow }, signal)
    const nowMs = clock.monotonicMs()
    const againMs = nowMs + Math.max(newRestMs, newRestShare * (nowMs - startedMs))
    this.#looks.set(peer, { againMs, edition: claims.edition, lastRow })
    const sample = eachOnce([...(this.#suspects.get(peer) ?? []), ...drawn])
    this.#suspects.delete(peer)
    return new Inquiry(this.#parts, { peer, claims, scope, lastRow, sample })
  }

  /** It failed, and nothing of it counts until it passes: copies may be made for want of its word. */
  #isDisbelieved(peer: PeerId): boolean {
    const { audits, folderRow } = this.#parts
    return (audits.get(folderRow, peer)?.missing ?? 0) > 0
  }

  #restFromNews(peer: PeerId, workMs: number): void {
    const look = this.#looks.get(peer)
    if (look === undefined) return
    const againMs = this.#parts.clock.monotonicMs() + Math.min(newAskingRestShare * workMs, newAskingRestMaxMs)
    this.#looks.set(peer, { ...look, againMs: Math.max(look.againMs, againMs) })
  }

  #conclude({ matter, checked, failed }: Inquiry): Outcome {
    const { audits, folderRow, clock, events } = this.#parts
    const { peer, claims, scope, lastRow, sample } = matter
    const last = audits.get(folderRow, peer)
    const isNothingNew = scope === 'new' && sample.length === 0
    if (checked === 0 && failed.length === 0 && !isNothingNew) return 'nothingToCompare'
    // What is new is as good for as long as what was audited before it.
    const isAdded = scope === 'new' && last !== undefined && failed.length === 0
    const atMs = isAdded ? last.atMs : clock.nowMs()
    const blocks = isAdded ? last.blocks + checked : checked
    audits.put(folderRow, peer, { atMs, blocks, missing: failed.length, lastRow, word: claims.word })
    if (failed.length > 0) events.failed(peer, failed.length)
    else events.passed(peer)
    return 'concluded'
  }
}
