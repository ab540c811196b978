// A segment store on a file system that refuses at any of its calls: no room from some call on, and names that are held by others for a
// while, as scanners hold them on Windows.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { errorCodeOf } from '../../engine/base/errors.ts'
import { FilesError, type Files, type FilesFault, type OpenFile } from '../../engine/base/files.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import type { StoredBlock } from '../../engine/blocks/store.ts'
import { describeNodeProblems } from '../../engine/compose/node-problems.ts'
import { weakDriveAt } from '../../engine/platform/home.ts'
import { never, openSmallStore, testBlock, testFolder } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'

const folder = testFolder(1)
const limits = { indexRowsMax: 3 }
const block = (seed: number): StoredBlock => testBlock(seed, 150 + seed)

/** What is asked of it, the calls named counted; `refuse` says whether one fails. */
function refusing(files: Files, fault: FilesFault, names: readonly string[], refuse: () => boolean): Files {
  const guarded = <Target extends object>(target: Target, path: string | undefined): Target =>
    new Proxy(target, {
      get(of, name) {
        const member: unknown = Reflect.get(of, name)
        if (typeof member !== 'function') return member
        return (...words: unknown[]): unknown => {
          const at = path ?? String(words[0])
          if (names.includes(String(name)) && !(name === 'open' && words[1] !== 'create') && refuse())
            throw new FilesError(fault, String(name), at, fault)
          const result: unknown = Reflect.apply(member, of, words)
          return name === 'open' ? guarded(result as OpenFile, at) : result
        }
      },
    })
  return guarded(files, undefined)
}

/** Puts, removals, compaction, a rebuild, and a damaged block that is met; what was answered is kept in `here` and `gone`. */
class Life {
  readonly here = new Map<number, StoredBlock>()
  readonly gone = new Set<number>()
  readonly codes = new Set<string>()

  async live(store: SegmentStore, files: CrashFiles): Promise<void> {
    await this.put(store, [1, 2, 3, 4])
    await this.remove(store, [1, 2])
    await this.put(store, [5, 6, 1])
    await this.meet(() => store.compact(never))
    this.damage(files, 4)
    this.here.delete(4)
    assert.equal(await store.get(folder, block(4).id), undefined)
    await this.remove(store, [3])
    await this.meet(() => store.rebuild(never))
    await this.put(store, [7, 8, 9, 10])
    await this.meet(() => store.compact(never))
  }

  async put(store: SegmentStore, seeds: readonly number[]): Promise<void> {
    for (const seed of seeds) this.gone.delete(seed)
    if (!(await this.meet(() => store.put(seeds.map(block))))) return
    for (const seed of seeds) this.here.set(seed, block(seed))
  }

  async remove(store: SegmentStore, seeds: readonly number[]): Promise<void> {
    for (const seed of seeds) this.here.delete(seed)
    const isDone = await this.meet(() =>
      store.remove(
        folder,
        seeds.map((seed) => block(seed).id),
      ),
    )
    if (isDone) for (const seed of seeds) this.gone.add(seed)
  }

  async check(store: SegmentStore, when: string): Promise<void> {
    for (const { id, bytes } of this.here.values()) assert.deepEqual(await store.get(folder, id), bytes, `${when}: a block is missing`)
    for (const seed of this.gone) assert.equal(store.has(folder, block(seed).id), false, `${when}: a removed block is back`)
  }

  async meet(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      this.codes.add(errorCodeOf(error))
      return false
    }
  }

  /** Flips a byte of the block's payload wherever it stands. */
  damage(files: CrashFiles, seed: number): void {
    const { bytes } = block(seed)
    for (const path of files.paths().filter((each) => each.endsWith('.segment'))) {
      const stored = files.bytesOf(path)
      const at = Buffer.from(stored.buffer, stored.byteOffset, stored.length).indexOf(bytes.subarray(10, 60))
      if (at >= 0) stored[at] = (stored[at] ?? 0) ^ 1
    }
  }
}

describe('a disk without room from some call on', () => {
  it('scenario T15: at every write call, of segments, index, marks of damage and reserve: NO_SPACE and nothing worse, and it goes on', async () => {
    let isEnough = false
    let refusedPuts = 0
    for (let call = 1; !isEnough; call++) {
      const files = new CrashFiles()
      const life = new Life()
      const when = `no room from write ${call} on`
      let calls = -1000 // it is opened first
      const disk = refusing(files, 'noSpace', ['write', 'open', 'makeDirectory', 'rename'], () => ++calls >= call)
      const store = await openSmallStore(disk, limits)
      calls = 0
      await life.live(store, files)
      isEnough = calls < call
      refusedPuts += life.codes.size
      assert.deepEqual(
        [...life.codes].filter((code) => code !== 'NO_SPACE'),
        [],
        when,
      )
      await life.check(store, when)
      assert.deepEqual(store.health(), { state: 'ok' })
      calls = -1_000_000
      await life.put(store, [11, 12])
      await life.remove(store, [11])
      await life.check(store, `${when}, with room again`)
      assert.equal(life.here.has(12) && life.gone.has(11), true)
      for (const left of [files.afterKill(), files.afterPowerLoss(() => 0)]) {
        await using again = await openSmallStore(left, limits, false)
        await life.check(again, `${when}, started again`)
        assert.ok(again.quarantine().count <= 1, when)
      }
      await store[Symbol.asyncDispose]()
    }
    assert.ok(refusedPuts > 10)
  })
})

describe('names that others hold for a while', () => {
  it('scenario T52: at every rename and deletion: tried again, told to nobody, and nothing is lost', async () => {
    let isEnough = false
    for (let call = 1; !isEnough; call++) {
      const files = new CrashFiles()
      const life = new Life()
      let calls = 0
      const disk = refusing(files, 'busy', ['rename', 'unlink'], () => ++calls >= call && calls < call + 3)
      const store = await openSmallStore(
        refusing(files, 'busy', [], () => false),
        limits,
      )
      await store[Symbol.asyncDispose]()
      const held = await openSmallStore(disk, limits, false)
      await life.live(held, files)
      isEnough = calls < call
      const when = `held at call ${call}`
      assert.deepEqual([...life.codes], [], when)
      await life.check(held, when)
      await held.compact(never)
      await held[Symbol.asyncDispose]()
      await using again = await openSmallStore(
        files.afterPowerLoss(() => 0),
        limits,
        false,
      )
      await life.check(again, `${when}, started again`)
    }
  })

  it('scenario T52: a home on FAT or exFAT, which forget what was flushed, is warned of', () => {
    assert.equal(
      weakDriveAt('/', 'linux', () => 0x2011bab0),
      'exFAT',
    )
    assert.equal(
      weakDriveAt('/', 'linux', () => 0x4d44),
      'FAT',
    )
    assert.equal(
      weakDriveAt('/', 'linux', () => 0xef53),
      undefined,
    )
    assert.equal(
      weakDriveAt('/', 'darwin', () => 0x4d44),
      undefined,
    )
    assert.equal(weakDriveAt('/nowhere/at/all', 'linux'), undefined)
    const store = { health: () => ({ state: 'ok' }) as const }
    const rest = {
      space: undefined,
      cards: { twin: undefined },
      pasts: new Set<string>(),
      presence: { doubted: [], here: 0 },
      scrub: { problems: () => [] },
    }
    const problems = describeNodeProblems({ ...rest, store, drive: 'exFAT' })
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['WEAK_DRIVE'],
    )
  })
})
