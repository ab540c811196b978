// An object storage that is asked again when it is busy or out of reach, after pauses that grow and are drawn at random, so that many nodes
// do not come back together. When it stays away it is left alone for a while: calls then fail at once, and one after the rest tries.

import type { Clock, Random } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { ObjectsError, type ByteRange, type ObjectPage, type Objects } from '../base/objects.ts'

export interface RetryLimits {
  readonly attemptsMax: number
  /** The first pause is up to so long, each further one up to twice the one before. */
  readonly pauseMs: number
  readonly pauseMsMax: number
  /** How long a storage rests that did not answer in all attempts. */
  readonly restMs: number
}

export const defaultRetryLimits: RetryLimits = { attemptsMax: 6, pauseMs: 250, pauseMsMax: 8000, restMs: 15_000 }

export interface RetryParts {
  readonly objects: Objects
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: RetryLimits
}

export class RetryingObjects implements Objects {
  readonly #parts: RetryParts
  #failure: { readonly error: ObjectsError; readonly untilMs: number } | undefined

  constructor(parts: RetryParts) {
    this.#parts = parts
  }

  get place(): string {
    return this.#parts.objects.place
  }

  /** Why the storage cannot be used; undefined once a call has been answered again. */
  get failure(): ObjectsError | undefined {
    return this.#failure?.error
  }

  /**
   * Of a try that broke off nobody knows whether the object was written. Where one is there at a later try with `isNew`, it is ours
   * when it has the same bytes.
   */
  async put(key: string, bytes: Uint8Array, isNew: boolean, signal: AbortSignal): Promise<void> {
    let isRepeated = false
    await this.#retried(signal, async () => {
      try {
        await this.#parts.objects.put(key, bytes, isNew, signal)
      } catch (error) {
        if (!(isRepeated && isFaultOf(error, 'exists') && (await this.#isSame(key, bytes, signal)))) throw error
      } finally {
        isRepeated = true
      }
    })
  }

  async get(key: string, range: ByteRange | undefined, bytesMax: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return await this.#retried(signal, () => this.#parts.objects.get(key, range, bytesMax, signal))
  }

  async list(prefix: string, after: string, signal: AbortSignal): Promise<ObjectPage> {
    return await this.#retried(signal, () => this.#parts.objects.list(prefix, after, signal))
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    await this.#retried(signal, () => this.#parts.objects.delete(key, signal))
  }

  async #isSame(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const there = await this.#parts.objects.get(key, undefined, bytes.length + 1, signal).catch((error: unknown) => {
      if (isFaultOf(error, 'other')) return undefined // larger than ours
      throw error
    })
    return there?.length === bytes.length && there.every((byte, at) => byte === bytes[at])
  }

  async #retried<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    const { clock, limits, log } = this.#parts
    if (this.#failure !== undefined && clock.monotonicMs() < this.#failure.untilMs) throw this.#failure.error
    let pauseMs = limits.pauseMs
    // After a rest one try shows whether it is back.
    for (let left = this.#failure === undefined ? limits.attemptsMax : 1; ; left--) {
      try {
        const result = await attempt()
        this.#noteAnswer()
        return result
      } catch (error) {
        if (!(error instanceof ObjectsError)) throw error
        if (!isPassing(error)) {
          this.#noteRefusal(error)
          throw error
        }
        if (left <= 1) {
          this.#failure = { error, untilMs: clock.monotonicMs() + limits.restMs }
          throw error
        }
        log.debug('the object storage is asked again', { cause: error.message })
      }
      await clock.sleep(this.#draw(pauseMs), signal)
      pauseMs = Math.min(limits.pauseMsMax, pauseMs * 2)
    }
  }

  #noteAnswer(): void {
    if (this.#failure === undefined) return
    this.#failure = undefined
    this.#parts.log.info('the object storage answers again', { place: this.place })
  }

  /** Credentials that were withdrawn and a bucket that is gone concern every call; that an object exists already is an answer. */
  #noteRefusal(error: ObjectsError): void {
    const { clock, limits } = this.#parts
    if (error.fault === 'exists' || error.fault === 'noSpace' || error.fault === 'other') this.#noteAnswer()
    else this.#failure = { error, untilMs: clock.monotonicMs() + limits.restMs }
  }

  #draw(pauseMs: number): number {
    const bytes = this.#parts.random.bytes(2)
    return Math.round((pauseMs * ((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0))) / 0xffff)
  }
}

export function isFaultOf(error: unknown, fault: ObjectsError['fault']): boolean {
  return error instanceof ObjectsError && error.fault === fault
}

function isPassing(error: ObjectsError): boolean {
  return error.fault === 'unreachable' || error.fault === 'busy'
}
