// Where a simulated node's SQLite database lives: a real file, in memory where the system has /dev/shm. Each process of the
// node gets a copy of its own, so that what a dead one still holds open can do no harm.
//
// Power loss: SQLite in WAL mode with synchronous=FULL flushes each commit, so a commit that returned is there. With
// synchronous=NORMAL the WAL is flushed at checkpoints, and by commits that the index makes durable, only: afterwards the database is as
// it was after some commit since the last of these.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'

import type { SeededRandom } from '../support/seeded-random.ts'
import { closeConnections } from './database-gate.ts'
import { readWal } from './wal.ts'

/** How the engine commits; decides what a power loss can take. */
export type CommitDurability = 'full' | 'normal'

/** A place in the write-ahead log. */
export interface LogMark {
  readonly frames: number
  readonly salts: string
}

const databaseName = 'index.sqlite'
const fileEndings = ['', '-wal'] // -shm is rebuilt from the WAL

/** Removed at the latest when the test process ends, also by a failure. */
const roots = new Set<string>()
process.once('exit', () => {
  for (const root of roots) rmSync(root, { recursive: true, force: true })
})

export class DatabaseHome {
  readonly #root: string
  readonly #durability: CommitDurability
  #generation = 0
  #flushed: LogMark = { frames: 0, salts: '' }

  constructor(options: { readonly label: string; readonly durability: CommitDurability }) {
    const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
    this.#root = mkdtempSync(join(memory, `holdfast-sim-${basename(options.label)}-`))
    roots.add(this.#root)
    this.#durability = options.durability
    mkdirSync(this.#directory(0))
  }

  /** The file that the process which runs now opens. */
  get path(): string {
    return join(this.#directory(this.#generation), databaseName)
  }

  /** All that is committed now is on the device. */
  noteFlushed(committed: LogMark = this.committed()): void {
    const isOlder = committed.salts === this.#flushed.salts && committed.frames < this.#flushed.frames
    if (!isOlder) this.#flushed = committed
  }

  /** How far the log goes now. */
  committed(): LogMark {
    return { frames: frameCount(`${this.path}-shm`), salts: saltsOf(`${this.path}-wal`) }
  }

  /** The process died: the next one finds the files as they are. */
  kill(): void {
    const before = this.path
    this.#advance()
    copyDatabase(before, this.path)
  }

  /** The power went. */
  crash(random: SeededRandom): void {
    const shared = `${this.path}-shm`
    const checkpointed = existsSync(shared) ? checkpointedFrames(readFileSync(shared)) : 0
    const noted = this.#flushed.salts === saltsOf(`${this.path}-wal`) ? this.#flushed.frames : 0
    const flushedFrames = Math.max(checkpointed, noted)
    this.kill()
    const log = `${this.path}-wal`
    if (this.#durability === 'full' || !existsSync(log)) return
    const wal = readWal(readFileSync(log))
    const ends = wal.commits.filter((commit) => commit.frames >= flushedFrames)
    const first = flushedFrames === 0 ? [{ frames: 0, endBytes: 0 }] : []
    const kept = random.pick([...first, ...ends])
    if (kept !== undefined) truncateSync(log, kept.endBytes)
  }

  /** The database is gone, as after a person removed it. */
  lose(): void {
    this.#advance()
  }

  /** A copy to come back to with `restore`: a person's backup. Only while no process runs. */
  backUp(): string {
    const directory = mkdtempSync(join(this.#root, 'backup-'))
    const backup = join(directory, databaseName)
    copyDatabase(this.path, backup)
    return backup
  }

  /** What is committed now, in a copy that is gone afterwards: reading it disturbs nobody. */
  readCopy<T>(read: (path: string) => T): T {
    const copy = this.backUp()
    try {
      return read(copy)
    } finally {
      rmSync(dirname(copy), { recursive: true, force: true })
    }
  }

  restore(backup: string): void {
    this.#advance()
    copyDatabase(backup, this.path)
  }

  get sizeBytes(): number {
    return fileEndings.reduce((sum, ending) => sum + (existsSync(this.path + ending) ? statSync(this.path + ending).size : 0), 0)
  }

  [Symbol.dispose](): void {
    void closeConnections(this.#root)
    rmSync(this.#root, { recursive: true, force: true })
    roots.delete(this.#root)
  }

  #advance(): void {
    // Two back: the process before the one that just ended has nothing open any more that matters, and memory is bounded.
    rmSync(this.#directory(this.#generation - 1), { recursive: true, force: true })
    this.#generation++
    mkdirSync(this.#directory(this.#generation))
  }

  #directory(generation: number): string {
    return join(this.#root, `life-${generation}`)
  }
}

function copyDatabase(from: string, to: string): void {
  for (const ending of fileEndings) if (existsSync(from + ending)) copyFileSync(from + ending, to + ending)
}

/** From the shared-memory file: `mxFrame`, the frames of the log that count. */
function frameCount(path: string): number {
  const offset = 16
  if (!existsSync(path)) return 0
  const shared = readFileSync(path)
  return shared.length < offset + 4 ? 0 : shared.readUInt32LE(offset)
}

/** Which log this is: SQLite starts a new one in the same file, with other salts. */
function saltsOf(path: string): string {
  if (!existsSync(path)) return ''
  return readFileSync(path).subarray(16, 24).toString('hex')
}

/** From the shared-memory file: `nBackfill`, behind the two copies of the index header of 48 bytes each. */
function checkpointedFrames(shared: Uint8Array): number {
  const offset = 96
  return shared.length < offset + 4 ? 0 : new DataView(shared.buffer, shared.byteOffset).getUint32(offset, true)
}
