// A prepared folder on the real file system, with short words for looking at it and for getting in the way of a change.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

import { utf8 } from '../../engine/base/bytes.ts'
import type { Files } from '../../engine/base/files.ts'
import { applyOperations } from '../../engine/disk/apply.ts'
import { prepareFolder } from '../../engine/disk/marker.ts'
import type { Expected, Operation, Outcome } from '../../engine/disk/operations.ts'
import { writeTemporaries } from '../../engine/disk/temporaries.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { temporaryDirectory } from './temporary-directory.ts'

export const someTimeUs = 1_600_000_000_123_456

export class FolderWorld implements Disposable {
  readonly #directory = temporaryDirectory()
  readonly root: string = this.#directory.path
  files: Files = nodeFiles()

  static async open(): Promise<FolderWorld> {
    const world = new FolderWorld()
    await prepareFolder(world.files, world.root)
    return world
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]()
  }

  write(path: string, text: string): void {
    writeFileSync(`${this.root}/${path}`, text)
  }

  makeDirectory(path: string): void {
    mkdirSync(`${this.root}/${path}`)
  }

  remove(path: string): void {
    rmSync(`${this.root}/${path}`, { recursive: true })
  }

  read(path: string): string {
    return readFileSync(`${this.root}/${path}`, 'utf8')
  }

  parked(name: string): string {
    return this.read(`.holdfast/replaced/${name}`)
  }

  namesIn(path: string): readonly string[] {
    return nodeFiles()
      .readDirectory(`${this.root}/${path}`)
      .map((item) => item.name)
      .toSorted()
  }

  expect(path: string): Expected {
    const stat = nodeFiles().lstat(`${this.root}/${path}`)
    assert.ok(stat !== undefined, `${path} is there`)
    const { kind, sizeBytes, mtimeUs, ctimeUs, inode } = stat
    // File systems stamp with a clock that ticks every few milliseconds: the next change must be able to differ.
    const probe = `${this.root}/.holdfast/probe`
    do {
      rmSync(probe, { force: true })
      writeFileSync(probe, '')
    } while ((nodeFiles().lstat(probe)?.ctimeUs ?? 0) <= ctimeUs)
    rmSync(probe)
    return { kind, sizeBytes, mtimeUs, ctimeUs, inode }
  }

  /** Writes a temp file and returns the operation that publishes it. */
  async file(
    path: string,
    text: string,
    more: { readonly expected: Expected | undefined; readonly park?: string; readonly mode?: number },
  ): Promise<Operation> {
    const outcomes = await writeTemporaries(nodeFiles(), this.root, [{ name: 'made', bytes: [utf8(text)], mode: 0o600 }])
    assert.deepEqual(outcomes, [{ kind: 'ok' }])
    return { kind: 'file', path, temporary: 'made', mode: more.mode ?? 0o644, mtimeUs: someTimeUs, ...more }
  }

  async apply(...operations: readonly Operation[]): Promise<readonly Outcome[]> {
    return await applyOperations(this.files, this.root, operations)
  }

  async applyOne(operation: Operation): Promise<Outcome> {
    const [outcome] = await this.apply(operation)
    assert.ok(outcome !== undefined)
    return outcome
  }

  /** Something else happens on the disk right before (or after) the first such call, as another program would do it. */
  interfere(when: 'before' | 'after', call: 'link' | 'rename' | 'unlink' | 'symlink' | 'makeDirectory', act: () => void): void {
    const node = nodeFiles()
    let isDone = false
    const original: (...parameters: never[]) => unknown = node[call]
    const intruded = (...parameters: never[]): unknown => {
      if (isDone) return original(...parameters)
      isDone = true
      if (when === 'before') act()
      const result = original(...parameters)
      if (when === 'after') act()
      return result
    }
    this.files = { ...node, [call]: intruded }
  }
}
