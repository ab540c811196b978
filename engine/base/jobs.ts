// Work that must not run on the main thread. A job is a function of its input and the file system; which thread runs it
// is the platform's business (worker threads in platform/, inline in the simulator).

import type { Files, NameFolding } from './files.ts'

export interface JobWorld {
  readonly files: Files
  /** Of the drive that the job's folder is on. */
  readonly folding?: NameFolding
}

export interface JobResult<Output> {
  readonly output: Output
  /** Buffers of `output` to move instead of copy. */
  readonly transfer?: readonly ArrayBuffer[]
}

/** Input and output must survive the structured clone algorithm. */
export type Job<Input, Output> = (input: Input, world: JobWorld) => JobResult<Output> | Promise<JobResult<Output>>

// oxlint-disable-next-line typescript/no-explicit-any -- a table of functions of any input; only keyed look-ups touch it
export type JobTable = Readonly<Record<string, Job<any, any>>>

export type JobInput<Table extends JobTable, Name extends keyof Table> = Parameters<Table[Name]>[0]
export type JobOutput<Table extends JobTable, Name extends keyof Table> = Awaited<ReturnType<Table[Name]>>['output']

export interface Jobs<Table extends JobTable> {
  /** How many jobs run at once: what a flow keeps in flight. */
  readonly width: number
  /**
   * Runs a job and gives its output. `transfer` moves buffers of `input` away from the caller.
   * Throws what the job threw (EngineError and FilesError keep code, fault and path); `ABORTED` when `signal` aborts
   * before the job starts: a started job runs to its end, its result is dropped.
   */
  run<Name extends keyof Table & string>(
    name: Name,
    input: JobInput<Table, Name>,
    options: { readonly signal: AbortSignal; readonly transfer?: readonly ArrayBuffer[] },
  ): Promise<JobOutput<Table, Name>>
}
