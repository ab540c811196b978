// Room on the home's disk: a reserve that is given up when the disk is full, so that the index can be opened and history can shrink, and the
// problem that says so until there is room again.

import type { Problem } from '../api/controls.ts'
import type { Clock, Random } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { FilesError, type Files } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { Reserve } from '../base/reserve.ts'

export interface HomeSpaceParts {
  readonly files: Files
  readonly random: Random
  readonly clock: Clock
  readonly log: Log
  readonly home: string
  readonly reserveBytes: number
  readonly changed: () => void
}

const reserveName = 'reserve'
const lookMs = 10_000
/** A disk with less room than this is called full. */
const fullBytes = 128 * 1024
/** The reserve is made anew when so many times its size is free: what was given up is used for a while. */
const roomFactor = 2

export class HomeSpace {
  readonly #parts: HomeSpaceParts
  readonly #reserve: Reserve
  #isFull = false

  constructor(parts: HomeSpaceParts) {
    const { files, random, home, reserveBytes } = parts
    this.#parts = parts
    this.#reserve = new Reserve({ files, random, path: `${home}/${reserveName}`, sizeBytes: reserveBytes })
  }

  /** The disk is full, and something has to be written all the same: true when the reserve gave some room. */
  makeRoom(): boolean {
    const isRoom = this.#reserve.release()
    if (isRoom) this.#parts.log.warn('the disk of the home is full: gave up the reserve')
    this.#note(true)
    return isRoom
  }

  /** Looks after the reserve until `signal` aborts; resolves then. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    while (!signal.aborted) {
      await this.tend()
      await clock.sleep(lookMs, signal).catch(() => undefined) // aborted: the loop ends
    }
  }

  /** One look: makes the reserve when it is missing and there is room. */
  async tend(): Promise<void> {
    const { files, home, reserveBytes, log } = this.#parts
    try {
      const free = files.freeBytes(home)
      const isThere = files.lstat(`${home}/${reserveName}`)?.sizeBytes === reserveBytes
      if (isThere || free >= roomFactor * reserveBytes) await this.#reserve.hold()
      this.#note(free < fullBytes || !this.#reserve.isHeld)
    } catch (error) {
      if (!(error instanceof FilesError)) throw error
      if (error.fault === 'noSpace') this.#note(true)
      else log.warn('could not look after the reserve', { error: messageOf(error) })
    }
  }

  problems(): readonly Problem[] {
    if (!this.#isFull) return []
    return [
      {
        code: 'DISK_FULL',
        severity: 'error',
        text: `the disk of the home directory ${this.#parts.home} is full: what changes can neither be recorded nor be fetched for now. Nothing is lost; older history is let go of to make room.`,
        next: 'Free some space there; it goes on by itself.',
      },
    ]
  }

  #note(isFull: boolean): void {
    if (isFull === this.#isFull) return
    this.#isFull = isFull
    this.#parts.changed()
  }
}
