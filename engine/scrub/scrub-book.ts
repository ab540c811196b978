// What scrub knows of how far it is: in memory, saved now and then, and at once where a person or a finding changed it.

import type { Damage, DamageOutcome } from '../index/damage-table.ts'
import type { Index } from '../index/index-store.ts'
import type { ScrubStateRow, ScrubUnitRow } from '../index/scrub-table.ts'
import type { ScrubUnit } from './pace.ts'
import type { ScrubPlace, ScrubStep } from './scrub-place.ts'

export interface BookedUnit extends ScrubUnit {
  readonly reached: number
  /** Of this reading of it. */
  readonly readBytes: number
}

interface Known extends ScrubUnitRow {
  readonly readBytes: number
}

export class ScrubBook {
  readonly #index: Index
  readonly #units = new Map<string, Known>()
  /** Of which the rows say something else. */
  readonly #dirty = new Set<string>()
  /** Those that there are now and that can be read. */
  #current: ReadonlySet<string> = new Set()
  #state: ScrubStateRow

  constructor(index: Index) {
    this.#index = index
    this.#state = index.scrub.state()
    for (const unit of index.scrub.units()) this.#units.set(keyOf(unit), { ...unit, readBytes: 0 })
  }

  get state(): ScrubStateRow {
    return this.#state
  }

  /** A person or a finding wants something read now. */
  get isHurried(): boolean {
    return this.#state.isHurried || [...this.#units.values()].some(({ isSuspect }) => isSuspect)
  }

  /** As it is known now. */
  get(unit: BookedUnit): BookedUnit | undefined {
    const known = this.#units.get(keyOf(unit))
    return known === undefined ? undefined : { ...known, bytes: unit.bytes, readBytes: Math.min(known.readBytes, unit.bytes) }
  }

  /** What there is now, with what is known of it. What is new begins as if it had been read now. */
  refresh(places: readonly ScrubPlace[], nowMs: number): readonly BookedUnit[] {
    const booked: BookedUnit[] = []
    const seen = new Set<string>()
    const silent = new Set<number>()
    for (const place of places) {
      const units = place.units()
      if (units === undefined) silent.add(place.place)
      for (const { number, bytes } of units ?? []) {
        const key = keyOf({ place: place.place, number })
        seen.add(key)
        const known = this.#knownAt(key, { place: place.place, number }, nowMs)
        booked.push({ ...known, bytes, readBytes: Math.min(known.readBytes, bytes) })
      }
    }
    this.#current = seen
    for (const [key, { place }] of this.#units) if (!seen.has(key) && !silent.has(place)) this.#forget(key)
    return booked
  }

  #knownAt(key: string, unit: Pick<Known, 'place' | 'number'>, nowMs: number): Known {
    const known = this.#units.get(key)
    // A clock that went back would leave it unread for as long.
    if (known !== undefined && known.verifiedMs <= nowMs) return known
    const seen: Known = { ...(known ?? { ...unit, reached: 0, isSuspect: false, readBytes: 0 }), verifiedMs: nowMs }
    this.#put(seen)
    return seen
  }

  /** What was read by now does not count for it. */
  beginRun(nowMs: number, isHurried: boolean): void {
    this.change({ runStartedMs: nowMs + 1, runBytes: 0, runPieces: 0, runFound: 0, isHurried })
  }

  advance(unit: BookedUnit, step: ScrubStep, nowMs: number): void {
    const known = this.#units.get(keyOf(unit))
    if (known === undefined) return
    const isEnd = step.next === undefined
    this.#put({
      ...known,
      verifiedMs: isEnd ? nowMs : known.verifiedMs,
      reached: step.next ?? 0,
      readBytes: isEnd ? 0 : known.readBytes + step.bytes,
      isSuspect: known.isSuspect && !isEnd,
    })
    this.#state = { ...this.#state, runBytes: this.#state.runBytes + step.bytes, runPieces: this.#state.runPieces + step.pieces }
  }

  /** True when everything was read since the run began. The next one begins at once, at its own pace. */
  endRunIfDone(nowMs: number): boolean {
    const { runStartedMs, runBytes, runPieces, runFound } = this.#state
    for (const [key, { verifiedMs }] of this.#units) if (verifiedMs < runStartedMs && this.#current.has(key)) return false
    this.change({ lastStartedMs: runStartedMs, lastEndedMs: nowMs, lastBytes: runBytes, lastPieces: runPieces, lastFound: runFound })
    this.beginRun(nowMs, false)
    return true
  }

  suspect(place: number, number: number): void {
    const known = this.#units.get(keyOf({ place, number }))
    if (known === undefined || known.isSuspect) return
    this.#put({ ...known, isSuspect: true })
    this.save()
  }

  found(damage: Damage): void {
    this.#index.transact(() => {
      if (!this.#index.damage.add(damage)) return
      this.#state = { ...this.#state, found: this.#state.found + 1, runFound: this.#state.runFound + 1 }
      this.#index.scrub.setState(this.#state)
    })
  }

  settle(damage: Damage, outcome: Exclude<DamageOutcome, 'open'>, nowMs: number): void {
    this.#index.transact(() => {
      this.#index.damage.settle(damage, outcome, nowMs)
      if (outcome === 'healed') this.#state = { ...this.#state, healed: this.#state.healed + 1 }
      this.#index.scrub.setState(this.#state)
    })
  }

  /** Throws what the index throws: then nothing has changed. */
  change(part: Partial<ScrubStateRow>): void {
    this.#write({ ...this.#state, ...part })
  }

  save(): void {
    this.#write(this.#state)
  }

  #write(state: ScrubStateRow): void {
    this.#index.transact(() => {
      for (const key of this.#dirty) {
        const known = this.#units.get(key)
        if (known !== undefined) this.#index.scrub.putUnit(known)
      }
      this.#index.scrub.setState(state)
    })
    this.#state = state
    this.#dirty.clear()
  }

  #put(known: Known): void {
    const key = keyOf(known)
    this.#units.set(key, known)
    this.#dirty.add(key)
  }

  #forget(key: string): void {
    const known = this.#units.get(key)
    if (known === undefined) return
    this.#units.delete(key)
    this.#dirty.delete(key)
    this.#index.transact(() => this.#index.scrub.removeUnit(known.place, known.number))
  }
}

function keyOf({ place, number }: { readonly place: number; readonly number: number }): string {
  return `${place}/${number}`
}
