// The files of the block index: where they are, how one that counts is told from one that does not. A run counts when the manifest names
// it, and the manifest is replaced as a whole; everything else in the directory is left over and may go.

import type { Clock } from '../base/clock.ts'
import { FilesError, type Files } from '../base/files.ts'
import { whenFree } from '../base/held-names.ts'
import type { Log } from '../base/log.ts'
import { decodeManifest, encodeManifest, type Manifest } from './index-manifest.ts'
import { Run } from './run.ts'
import { RunWriter } from './run-writer.ts'

export interface IndexParts {
  readonly files: Files
  /** The store's. The index has one of its own in it. */
  readonly directory: string
  readonly storeId: Uint8Array
  readonly clock: Clock
  readonly log: Log
  /** Rows in memory from which on a run is written. */
  readonly rowsMax: number
}

const directoryName = 'index'
const manifestName = 'manifest'
const manifestTempName = 'manifest.new'
const directoryMode = 0o700
const runDigits = 10

export class IndexFiles {
  readonly #parts: IndexParts
  readonly #directory: string
  /** Replaced, or never named; they go when a manifest without them is durable. */
  readonly #obsolete = new Set<number>()
  #numberMax = 0

  constructor(parts: IndexParts) {
    this.#parts = parts
    this.#directory = `${parts.directory}/${directoryName}`
  }

  /** undefined when there is none that can be used. Throws FilesError. */
  readManifest(): Manifest | undefined {
    const { files, storeId } = this.#parts
    if (files.lstat(this.#directory) === undefined) return undefined
    const path = this.#pathOf(manifestName)
    let manifest: Manifest | undefined
    if (files.lstat(path) !== undefined) {
      const file = files.open(path, 'read')
      try {
        const bytes = new Uint8Array(file.stat().sizeBytes)
        manifest = decodeManifest(bytes.subarray(0, file.read(bytes, 0)), storeId)
      } finally {
        file.close()
      }
    }
    for (const number of this.#runsOnDisk()) {
      this.#numberMax = Math.max(this.#numberMax, number)
      if (manifest?.runs.includes(number) !== true) this.#obsolete.add(number)
    }
    return manifest
  }

  /** Throws IndexDamaged and FilesError. */
  openRun(number: number): Run {
    return Run.open(this.#parts.files, this.#runPath(number), number, this.#parts.storeId)
  }

  /** Writes a run by `fill` and opens it. It does not count before a manifest names it. Throws FilesError, and what `fill` throws. */
  async writeRun(rowsMax: number, fill: (writer: RunWriter) => Promise<void>): Promise<Run> {
    const { files, storeId } = this.#parts
    if (files.lstat(this.#directory) === undefined) {
      files.makeDirectory(this.#directory, directoryMode)
      await files.syncDirectory(this.#parts.directory)
    }
    const number = ++this.#numberMax
    const writer = new RunWriter(files, this.#runPath(number), storeId, rowsMax)
    try {
      await fill(writer)
      await writer.finish()
      return this.openRun(number)
    } catch (error) {
      this.#remove(number)
      throw error
    } finally {
      writer.close()
    }
  }

  /** Makes `runs` the ones that count, then removes the others. Throws FilesError: then either the old ones count or these. */
  async name(runs: readonly number[], body: Uint8Array): Promise<void> {
    const { files, storeId, clock } = this.#parts
    const temp = this.#pathOf(manifestTempName)
    if (files.lstat(temp) !== undefined) await whenFree(clock, () => files.unlink(temp))
    const file = files.open(temp, 'create')
    try {
      file.write(encodeManifest(storeId, runs, body), 0)
      await file.datasync()
    } finally {
      file.close()
    }
    await whenFree(clock, () => files.rename(temp, this.#pathOf(manifestName)))
    await files.syncDirectory(this.#directory)
    for (const number of this.#obsolete) if (!runs.includes(number)) this.#remove(number)
    this.#obsolete.clear()
  }

  /** From now on nothing counts, if the disk allows it. */
  async forget(): Promise<void> {
    const { files, log } = this.#parts
    try {
      if (files.lstat(this.#pathOf(manifestName)) === undefined) return
      files.unlink(this.#pathOf(manifestName))
      await files.syncDirectory(this.#directory)
    } catch (error) {
      if (!(error instanceof FilesError)) throw error
      log.warn('could not remove the index of the block store', { cause: error.message })
    }
  }

  /** To go with the next manifest that does not name it. */
  discard(run: Run): void {
    run.close()
    this.#obsolete.add(run.number)
  }

  /** Of a run that no manifest can name any more. */
  remove(run: Run): void {
    run.close()
    this.#remove(run.number)
  }

  #runsOnDisk(): readonly number[] {
    const numbers: number[] = []
    for (const { name, kind } of this.#parts.files.readDirectory(this.#directory)) {
      const digits = kind === 'file' ? /^(\d{10})\.run$/.exec(name)?.[1] : undefined
      if (digits !== undefined) numbers.push(Number(digits))
    }
    return numbers
  }

  #remove(number: number): void {
    try {
      this.#parts.files.unlink(this.#runPath(number))
    } catch (error) {
      if (!(error instanceof FilesError)) throw error // it is met again when the store is opened next
    }
  }

  #pathOf(name: string): string {
    return `${this.#directory}/${name}`
  }

  #runPath(number: number): string {
    return this.#pathOf(`${number.toString().padStart(runDigits, '0')}.run`)
  }
}
