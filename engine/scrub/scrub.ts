// Reads everything that is kept on this node again, in turn and slowly: what changed by itself is found while others still have it. It finds
// and remembers; healing is repair's affair, and what was healed is read once more before it counts as that.

import type { Clock } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { throwIfAborted, waitAtMost, Wakeup } from '../base/queue.ts'
import type { Damage, DamageOutcome } from '../index/damage-table.ts'
import type { Index } from '../index/index-store.ts'
import type { ScrubStateRow } from '../index/scrub-table.ts'
import { inOrder, neededBytesPerSecond, nextStepBytes, restMs, type ScrubUnit } from './pace.ts'
import { ScrubBook, type BookedUnit } from './scrub-book.ts'
import type { ScrubPlace } from './scrub-place.ts'

export interface ScrubParts {
  readonly index: Index
  readonly clock: Clock
  readonly log: Log
  readonly cycleMs: number
  readonly places: () => readonly ScrubPlace[]
  /** Something that a person waits for goes on. */
  readonly isBusy: () => boolean
  /** Whether there is power enough. */
  readonly isPowered: () => boolean
  /** What became of something damaged: it is read again where it is here. Throws when that cannot be said. */
  readonly judge: (damage: Damage) => Promise<DamageOutcome>
  readonly changed: () => void
}

export interface ScrubProgress extends ScrubStateRow {
  readonly state: 'running' | 'waiting' | 'paused' | 'noPower'
  /** All that is read in turn, and what of it this run has read. */
  readonly totalBytes: number
  readonly doneBytes: number
  /** By which it is paced now. */
  readonly bytesPerSecond: number
  /** When the next step is due. */
  readonly nextMs: number
  readonly open: number
}

const saveMs = 30_000
const lookMs = 300_000
const startRestMs = 30_000
const patienceMs = 600_000
const busyPollMs = 1000
const orderMs = 10_000
/** How often it is looked how fast to go. */
const paceMs = 3_600_000
const troubleRestMs = 60_000
const judgeMs = 5000
const judgedAtOnce = 200

export class Scrub {
  readonly #parts: ScrubParts
  readonly #book: ScrubBook
  readonly #wakeup = new Wakeup()
  #state: ScrubProgress['state'] = 'waiting'
  #stepBytes = 1024 * 1024
  #bytesPerSecond = 0
  #nextMs = 0
  #savedMs = 0
  #ordered: readonly BookedUnit[] | undefined
  #orderedMs = 0
  #judgedMs = Number.NEGATIVE_INFINITY
  #trouble: string | undefined
  #isCommanded = false

  constructor(parts: ScrubParts) {
    this.#parts = parts
    this.#book = new ScrubBook(parts.index)
  }

  get progress(): ScrubProgress {
    const { index, places } = this.#parts
    const units = this.#book.refresh(places(), this.#nowMs)
    const { runStartedMs } = this.#book.state
    const isDone = (unit: ScrubUnit): boolean => unit.verifiedMs >= runStartedMs
    const sum = (some: readonly BookedUnit[]): number => some.reduce((total, { bytes }) => total + bytes, 0)
    const half = units.filter((unit) => !isDone(unit)).reduce((total, unit) => total + unit.readBytes, 0)
    return {
      ...this.#book.state,
      state: this.#book.state.pausedMs > 0 ? 'paused' : this.#state,
      totalBytes: sum(units),
      doneBytes: Math.min(sum(units), sum(units.filter(isDone)) + half),
      bytesPerSecond: this.#bytesPerSecond,
      nextMs: this.#nextMs,
      open: index.damage.openCount,
    }
  }

  /** Why it does not get on; undefined when it does. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** A run through everything begins now, as fast as others are not hindered. */
  start(): void {
    this.#book.beginRun(this.#nowMs, true)
    this.#command()
  }

  pause(): void {
    if (this.#book.state.pausedMs === 0) this.#book.change({ pausedMs: this.#nowMs })
    this.#command()
  }

  resume(): void {
    this.#book.change({ pausedMs: 0 })
    this.#command()
  }

  /** Something in a unit was found damaged: the rest of it is read before all others. */
  suspect(place: number, number: number): void {
    this.#book.suspect(place, number)
    this.#ordered = undefined
    this.#wakeup.wake()
  }

  /** Remembers what was found damaged, by whomever. */
  found(damage: Omit<Damage, 'foundMs'>): void {
    this.#book.found({ ...damage, foundMs: this.#nowMs })
    this.#parts.changed()
    this.#wakeup.wake()
  }

  /** Blocks came, or files were put right. */
  wake(): void {
    this.#wakeup.wake()
  }

  get #nowMs(): number {
    return this.#parts.clock.nowMs()
  }

  /** A person said something. */
  #command(): void {
    this.#isCommanded = true
    this.#parts.changed()
    this.#wakeup.wake()
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, changed } = this.#parts
    await this.#rest(() => startRestMs, signal)
    try {
      for (;;) {
        throwIfAborted(signal)
        try {
          await this.#judgeOpen(signal)
          await this.#rest(await this.#once(signal), signal)
        } catch (error) {
          if (signal.aborted || errorCodeOf(error) === undefined) throw error
          this.#trouble = messageOf(error)
          log.warn('scrub did not get on', { error: this.#trouble })
          changed()
          await clock.sleep(troubleRestMs, signal)
        }
      }
    } finally {
      this.#book.save()
    }
  }

  /** One step, if one is to be made; gives how long to rest then, as things are when it is asked. */
  async #once(signal: AbortSignal): Promise<() => number> {
    const { clock, places, changed, isPowered } = this.#parts
    const all = places()
    const ordered = this.#order(all)
    const unit = ordered[0] === undefined ? undefined : this.#book.get(ordered[0])
    this.#bytesPerSecond = 0
    if (this.#book.state.pausedMs > 0) return () => Number.POSITIVE_INFINITY
    if (unit === undefined) return this.#nothingToRead(all)
    const isHurried = this.#book.state.isHurried || unit.isSuspect
    if (!isHurried && !isPowered()) return this.#idle('noPower')
    const { runStartedMs } = this.#book.state
    if (runStartedMs === 0 || runStartedMs > this.#nowMs + 1) this.#book.beginRun(this.#nowMs, false)
    await this.#yieldToOthers(signal)
    this.#state = 'running'
    const startMs = clock.monotonicMs()
    const place = all.find((each) => each.place === unit.place)
    if (place === undefined) return () => lookMs
    const step = await place.step(unit.number, unit.reached, this.#stepBytes, signal)
    const tookMs = clock.monotonicMs() - startMs
    this.#trouble = undefined
    if (step.bytes > 0) this.#stepBytes = nextStepBytes(step.bytes, tookMs)
    this.#book.advance(unit, step, this.#nowMs)
    if (step.next === undefined) this.#ordered = undefined
    if (this.#book.endRunIfDone(this.#nowMs)) changed()
    const rest = (): number => restMs(step.bytes, tookMs, this.#pace(), this.#book.isHurried)
    if (step.next === undefined || rest() > saveMs || clock.monotonicMs() - this.#savedMs > saveMs) this.#save()
    return rest
  }

  /** A store may have tens of thousands of segments: they are not put in order anew for each step. */
  #order(places: readonly ScrubPlace[]): readonly BookedUnit[] {
    const nowMs = this.#parts.clock.monotonicMs()
    if (this.#ordered === undefined || this.#ordered.length === 0 || nowMs - this.#orderedMs > orderMs) {
      this.#ordered = inOrder(this.#book.refresh(places, this.#nowMs))
      this.#orderedMs = nowMs
    }
    return this.#ordered
  }

  #pace(): number {
    const ordered = this.#order(this.#parts.places())
    const readBytes = ordered[0] === undefined ? 0 : (this.#book.get(ordered[0])?.readBytes ?? 0)
    this.#bytesPerSecond = neededBytesPerSecond(ordered, readBytes, this.#nowMs, this.#parts.cycleMs)
    return this.#bytesPerSecond
  }

  /** A run that a person asked for ends here too, unless a place cannot say now what it has. */
  #nothingToRead(places: readonly ScrubPlace[]): () => number {
    const isKnown = places.every((place) => place.units() !== undefined)
    if (isKnown && this.#book.state.isHurried && this.#book.endRunIfDone(this.#nowMs)) this.#parts.changed()
    return this.#idle('waiting')
  }

  #idle(state: ScrubProgress['state']): () => number {
    this.#state = state
    return () => lookMs
  }

  #save(): void {
    this.#savedMs = this.#parts.clock.monotonicMs()
    this.#book.save()
  }

  /** For a while; what is late for days in the end goes on beside them. */
  async #yieldToOthers(signal: AbortSignal): Promise<void> {
    const { clock, isBusy } = this.#parts
    const untilMs = clock.monotonicMs() + patienceMs
    while (isBusy() && clock.monotonicMs() < untilMs) {
      this.#state = 'waiting'
      await clock.sleep(busyPollMs, signal)
    }
  }

  /** For as long as `restOf` says, which changes when there is more to read. Ends when a person wants something, or there is cause to hurry. */
  async #rest(restOf: () => number, signal: AbortSignal): Promise<void> {
    const { clock, index } = this.#parts
    const sinceMs = clock.monotonicMs()
    const wasHurried = this.#book.isHurried
    for (;;) {
      const leftMs = sinceMs + restOf() - clock.monotonicMs()
      this.#nextMs = Math.min(this.#nowMs + Math.max(0, leftMs), Number.MAX_SAFE_INTEGER)
      if (leftMs <= 0) return
      await waitAtMost(this.#wakeup, clock, Math.min(leftMs, index.damage.openCount > 0 ? judgeMs : paceMs), signal)
      await this.#judgeOpen(signal)
      if (this.#isCommanded || (!wasHurried && this.#book.isHurried)) break
    }
    this.#isCommanded = false
  }

  /** Looks whether what was found damaged is here again. */
  async #judgeOpen(signal: AbortSignal): Promise<void> {
    const { index, clock, judge, changed } = this.#parts
    if (clock.monotonicMs() - this.#judgedMs < judgeMs || index.damage.openCount === 0) return
    let settled = 0
    for (const damage of index.damage.open(judgedAtOnce)) {
      throwIfAborted(signal)
      const outcome = await judge(damage)
      if (outcome === 'open') continue
      this.#book.settle(damage, outcome, this.#nowMs)
      settled++
    }
    this.#judgedMs = clock.monotonicMs()
    if (settled > 0) changed()
  }
}
