// A simulated object storage of one node: it outlives the node's processes, answers after a while, or not at all, or loses the answer. What was
// sent arrives, also when the sender dies on the way.

import { ObjectsError, type ByteRange, type ObjectPage, type Objects } from '../../engine/base/objects.ts'
import { abortable } from '../../engine/base/queue.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { Life } from './life.ts'
import type { Scheduler } from './scheduler.ts'

/** `away`: nothing arrives. `deaf`: what arrives is done, and nobody hears of it. `busy`: the storage asks for patience. */
export type BucketMood = 'away' | 'deaf' | 'busy'

const delayMsMin = 5
const delayMsMax = 120
/** After which who asks gives up. */
const silenceMs = 5000
const pageMax = 3

export class SimBucket {
  readonly objects: Map<string, Uint8Array> = new Map()
  readonly #scheduler: Scheduler
  readonly #random: SeededRandom
  readonly #name: string
  #mood: BucketMood | undefined
  #untilUs = 0

  constructor(scheduler: Scheduler, random: SeededRandom, name: string) {
    this.#scheduler = scheduler
    this.#random = random
    this.#name = name
  }

  /** For so long it is as said; undefined: as it should be. */
  turn(mood: BucketMood | undefined, durationMs = 0): void {
    this.#mood = mood
    this.#untilUs = this.#scheduler.nowUs + durationMs * 1000
  }

  /** As a process sees it. */
  open(life: Life): Objects {
    return new BucketObjects(this.objects, <T>(operation: string, key: string, work: () => T, signal: AbortSignal): Promise<T> =>
      this.#call({ life, operation, key, work, signal }),
    )
  }

  async #call<T>({ life, operation, key, work, signal }: Call<T>): Promise<T> {
    life.check()
    const mood = this.#scheduler.nowUs < this.#untilUs ? this.#mood : undefined
    const label = `${this.#name} storage: ${operation} ${key}`
    return await abortable<T>((resolve, reject) => {
      const later = (delayMs: number, action: () => void): void =>
        void this.#scheduler.after(delayMs, `${label} is answered`, () => action(), life)
      const giveUp = (): void => later(silenceMs, () => reject(new ObjectsError('unreachable', operation, key, 'no answer')))
      if (mood === 'away') return giveUp()
      this.#scheduler.after(this.#delayMs(), label, () => {
        const answerMs = this.#delayMs()
        if (mood === 'busy') return later(answerMs, () => reject(new ObjectsError('busy', operation, key, 'slow down')))
        const outcome = outcomeOf(work)
        if (mood === 'deaf') return giveUp()
        return later(answerMs, () => ('error' in outcome ? reject(outcome.error) : resolve(outcome.value)))
      })
    }, signal)
  }

  #delayMs(): number {
    return delayMsMin + this.#random.unit() * (delayMsMax - delayMsMin)
  }
}

interface Call<T> {
  readonly life: Life
  readonly operation: string
  readonly key: string
  readonly work: () => T
  readonly signal: AbortSignal
}

function outcomeOf<T>(work: () => T): { readonly value: T } | { readonly error: unknown } {
  try {
    return { value: work() }
  } catch (error) {
    return { error }
  }
}

type Ask = <T>(operation: string, key: string, work: () => T, signal: AbortSignal) => Promise<T>

class BucketObjects implements Objects {
  readonly place = 'a simulated bucket'
  readonly #objects: Map<string, Uint8Array>
  readonly #ask: Ask

  constructor(objects: Map<string, Uint8Array>, ask: Ask) {
    this.#objects = objects
    this.#ask = ask
  }

  async put(key: string, bytes: Uint8Array, isNew: boolean, signal: AbortSignal): Promise<void> {
    const sent = bytes.slice()
    const work = (): void => {
      if (isNew && this.#objects.has(key)) throw new ObjectsError('exists', 'put', key, 'it is there')
      this.#objects.set(key, sent)
    }
    await this.#ask('put', key, work, signal)
  }

  async get(key: string, range: ByteRange | undefined, bytesMax: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const work = (): Uint8Array | undefined => {
      const bytes = this.#objects.get(key)
      const part = range === undefined ? bytes?.slice() : bytes?.slice(range.offset, range.offset + range.lengthBytes)
      if ((part?.length ?? 0) > bytesMax) throw new ObjectsError('other', 'get', key, 'larger than was asked for')
      return part
    }
    return await this.#ask('get', key, work, signal)
  }

  async list(prefix: string, after: string, signal: AbortSignal): Promise<ObjectPage> {
    const work = (): ObjectPage => {
      const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted()
      const items = keys.slice(0, pageMax).map((key) => ({ key, sizeBytes: this.#objects.get(key)?.length ?? 0 }))
      return { items, isMore: keys.length > items.length }
    }
    return await this.#ask('list', prefix, work, signal)
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    await this.#ask('delete', key, () => void this.#objects.delete(key), signal)
  }
}
