// An object storage in memory that fails at calls of the test's choice, which were carried out or not: for good, as a process that dies has it,
// or for a while.

import { EngineError } from '../../engine/base/errors.ts'
import { throwIfAborted } from '../../engine/base/queue.ts'
import { ObjectsError, type ByteRange, type ObjectPage, type Objects } from '../../engine/base/objects.ts'

export class MemoryObjects implements Objects {
  readonly place = 'memory'
  readonly objects: Map<string, Uint8Array>
  calls = 0
  dieAt: { readonly call: number; readonly isDone: boolean } | undefined
  /** These calls get no answer. */
  unanswered: { readonly from: number; readonly to: number; readonly isDone: boolean } | undefined
  pageMax = 3

  constructor(objects: Map<string, Uint8Array> = new Map()) {
    this.objects = objects
  }

  async put(key: string, bytes: Uint8Array, isNew: boolean, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    this.#call(() => {
      if (isNew && this.objects.has(key)) throw new ObjectsError('exists', 'put', key, 'it is there')
      this.objects.set(key, bytes.slice())
    })
  }

  async get(key: string, range: ByteRange | undefined, bytesMax: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    throwIfAborted(signal)
    return this.#call(() => {
      const bytes = this.objects.get(key)
      const part = range === undefined ? bytes?.slice() : bytes?.slice(range.offset, range.offset + range.lengthBytes)
      if ((part?.length ?? 0) > bytesMax) throw new ObjectsError('other', 'get', key, 'too large')
      return part
    })
  }

  async list(prefix: string, after: string): Promise<ObjectPage> {
    return this.#call(() => {
      const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted()
      const items = keys.slice(0, this.pageMax).map((key) => ({ key, sizeBytes: this.objects.get(key)?.length ?? 0 }))
      return { items, isMore: keys.length > items.length }
    })
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    this.#call(() => void this.objects.delete(key))
  }

  #call<T>(work: () => T): T {
    this.calls++
    const { dieAt } = this
    if (dieAt !== undefined && this.calls >= dieAt.call) {
      if (this.calls === dieAt.call && dieAt.isDone) work()
      throw new EngineError('ABORTED', 'the process is dead')
    }
    const { unanswered } = this
    if (unanswered === undefined || this.calls < unanswered.from || this.calls > unanswered.to) return work()
    if (unanswered.isDone) work()
    throw new ObjectsError('unreachable', 'call', '', 'no answer')
  }
}
