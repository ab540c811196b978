// Jobs run inline on the simulated files, but not at once: a job starts when one of `width` places is free, does its work at some later
// moment and its result comes after a drawn delay, so that other things happen before, in between and after. Input and output are cloned and
// buffers moved as between threads, so that code which keeps using a moved buffer fails here as well.

import { EngineError } from '../../engine/base/errors.ts'
import { FilesError } from '../../engine/base/files.ts'
import type { Files } from '../../engine/base/files.ts'
import type { JobInput, JobOutput, JobResult, Jobs, JobTable } from '../../engine/base/jobs.ts'
import { Semaphore, throwIfAborted } from '../../engine/base/queue.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { Life } from './life.ts'
import type { Scheduler } from './scheduler.ts'

export interface JobsParts {
  readonly files: Files
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly life: Life
  readonly width: number
}

const handOverMsMax = 2
const workMsMax = 10

export class SimJobs<Table extends JobTable> implements Jobs<Table> {
  readonly width: number
  readonly #table: Table
  readonly #parts: JobsParts
  readonly #places: Semaphore

  constructor(table: Table, parts: JobsParts) {
    this.#table = table
    this.#parts = parts
    this.width = parts.width
    this.#places = new Semaphore(parts.width)
  }

  async run<Name extends keyof Table & string>(
    name: Name,
    input: JobInput<Table, Name>,
    options: { readonly signal: AbortSignal; readonly transfer?: readonly ArrayBuffer[] },
  ): Promise<JobOutput<Table, Name>> {
    const { signal } = options
    this.#parts.life.check()
    throwIfAborted(signal)
    const sent = structuredClone(input, { transfer: [...(options.transfer ?? [])] })
    const result = await this.#places.hold(() => this.#work(name, sent, signal), signal)
    throwIfAborted(signal)
    return result
  }

  async #work<Name extends keyof Table & string>(
    name: Name,
    input: JobInput<Table, Name>,
    signal: AbortSignal,
  ): Promise<JobOutput<Table, Name>> {
    const { life } = this.#parts
    await this.#pause(handOverMsMax, `${life.name} starts ${name}`)
    throwIfAborted(signal)
    const job = this.#table[name]
    if (job === undefined) throw new EngineError('INTERNAL', `there is no job ${name}`)
    const outcome = await this.#attempt(async () => await job(input, { files: this.#parts.files }))
    await this.#pause(workMsMax, `${life.name} ends ${name}`)
    if (outcome.kind === 'failed') throw outcome.error
    return structuredClone(outcome.result.output, { transfer: [...(outcome.result.transfer ?? [])] })
  }

  /** The work's outcome as data, so that a failure takes its time to arrive as a result does. */
  async #attempt<Output>(
    work: () => Promise<JobResult<Output>>,
  ): Promise<{ kind: 'done'; result: JobResult<Output> } | { kind: 'failed'; error: Error }> {
    try {
      return { kind: 'done', result: await work() }
    } catch (error) {
      if (error instanceof EngineError || error instanceof FilesError) return { kind: 'failed', error }
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      return { kind: 'failed', error: new EngineError('INTERNAL', text, { cause: error }) }
    }
  }

  #pause(atMostMs: number, label: string): Promise<void> {
    const { scheduler, random, life } = this.#parts
    return scheduler.pause(random.unit() * atMostMs, label, life)
  }
}
