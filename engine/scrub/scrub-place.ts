// What scrub asks of something that it reads: parts of it, and a step through one of them at a time.

/** Something that is read in turn: the block store, the files of a folder. */
export interface ScrubPlace {
  readonly place: number
  /** What there is now; undefined when that cannot be said now, because the folder is paused for example. */
  units(): readonly { readonly number: number; readonly bytes: number }[] | undefined
  /** Reads on from `from` (0 at first), about `stepBytes`. Throws EngineError when the disk does not answer. */
  step(unit: number, from: number, stepBytes: number, signal: AbortSignal): Promise<ScrubStep>
}

export interface ScrubStep {
  /** Where to go on; undefined at the end. Never before where it began. */
  readonly next: number | undefined
  readonly bytes: number
  /** Blocks or files that are as they should be. */
  readonly pieces: number
}
