// A short play for two or three simulated nodes of the production engine, for scenarios that can be told in a few lines: what people do, then
// what everybody sees. The oracle watches throughout, as in any run.

import assert from 'node:assert/strict'

import { fromUtf8 } from '../../engine/base/bytes.ts'
import type { Controls, FolderStatus } from '../../engine/api/controls.ts'
import { present } from '../../engine/base/assert.ts'
import { openEngineNode } from './engine-node.ts'
import { Oracle } from './oracle.ts'
import type { Person } from './person.ts'
import { Performer } from './performer.ts'
import { awaitAgreement } from './rest.ts'
import type { Deed, NamesKind, Step } from './script.ts'
import { conditionsOf, machineOf } from './setup.ts'
import { World } from './world.ts'

export interface StageOptions {
  readonly nodes?: readonly string[]
  /** How one node's drive treats names; as Linux otherwise. */
  readonly names?: Readonly<Record<string, NamesKind>>
  /** By how much a node's clock is off. */
  readonly clocks?: Readonly<Record<string, number>>
  /** Files that the first node begins with: path and text. A path that ends in a slash is a directory. */
  readonly before?: Readonly<Record<string, string>>
}

const limits = { durationMs: 600_000, stepsMax: 2_000_000 }

export class Stage implements Disposable {
  readonly world: World
  readonly oracle: Oracle
  readonly #performer: Performer
  readonly #names: readonly string[]

  private constructor(options: StageOptions) {
    this.#names = options.nodes ?? ['A', 'B']
    this.world = new World({
      seed: 1,
      open: openEngineNode,
      machines: this.#names.map((name) =>
        machineOf({ name, wallOffsetMs: options.clocks?.[name] ?? 0, jobWidth: 2, names: options.names?.[name] ?? 'linux' }),
      ),
      conditions: conditionsOf('calm'),
    })
    this.oracle = new Oracle(this.world.scheduler, this.world.nodes)
    this.#performer = new Performer(this.world, this.oracle)
  }

  /** All nodes share a folder and are in step. */
  static async open(options: StageOptions = {}): Promise<Stage> {
    const stage = new Stage(options)
    try {
      const first = present(stage.#names[0], 'a node')
      for (const [path, text] of Object.entries(options.before ?? {})) {
        if (path.endsWith('/')) await stage.do(first, { do: 'mkdir', path: path.slice(0, -1) })
        else await stage.write(first, path, text)
      }
      await stage.#performer.begin()
      await stage.rest()
    } catch (error) {
      stage[Symbol.dispose]()
      throw error
    }
    return stage
  }

  /** Throws when it is not possible now: a scenario says nothing that cannot be done. */
  async do(on: string, deed: Deed): Promise<void> {
    const step: Step = { ...deed, on, afterMs: 0 }
    assert.ok(await this.#performer.perform(step), `${on} could not ${JSON.stringify(deed)}`)
  }

  async write(on: string, path: string, text: string): Promise<void> {
    await this.do(on, { do: 'write', path, content: { text } })
  }

  async rename(on: string, path: string, to: string): Promise<void> {
    await this.do(on, { do: 'rename', path, to })
  }

  async remove(on: string, ...paths: readonly string[]): Promise<void> {
    for (const path of paths) await this.do(on, { do: 'remove', path })
  }

  /** No node reaches another. */
  async apart(): Promise<void> {
    await this.do(this.#first, { do: 'partition', groups: this.#names.map((name) => [name]) })
  }

  /** All reach each other again, and come to rest. */
  async together(): Promise<void> {
    await this.do(this.#first, { do: 'heal' })
    await this.rest()
  }

  /** Waits until all see the same and nothing moves any more. */
  async rest(): Promise<void> {
    await awaitAgreement(this.world, this.oracle)
    this.oracle.checkRest()
  }

  /** Lets virtual time pass. */
  async pass(durationMs: number): Promise<void> {
    await this.world.scheduler.runFor(durationMs, limits.stepsMax)
  }

  person(on: string): Person {
    return present(
      this.oracle.people.find(({ node }) => node.name === on),
      'a node of this stage',
    )
  }

  controls(on: string): Controls {
    return present(this.person(on).node.controls, 'a node that runs')
  }

  folder(on: string): FolderStatus {
    return present(this.controls(on).folders()[0], 'a folder')
  }

  async settle<T>(work: Promise<T>): Promise<T> {
    return await this.world.scheduler.settle(work, limits, 'what the scenario asked for')
  }

  /**
   * Everything in the folder as one node shows it: files by their text, directories as '/', links as '-> target'. Conflict copies are
   * called `NAME (copy)`; which copy has which text is the scenario's to say.
   */
  tree(on: string = this.#first): Readonly<Record<string, string>> {
    const person = this.person(on)
    const { node } = person
    const found: Record<string, string> = {}
    for (const path of person.paths()) {
      if (path === '.holdfastignore') continue
      const full = `${node.folderPath}/${path}`
      const kind = person.kindAt(path)
      const name = path.replaceAll(/\.conflict-\d{8}-\d{6}-[^./]+/g, ' (copy)')
      if (kind === 'directory') found[name] = '/'
      else found[name] = kind === 'symlink' ? `-> ${node.user.readLink(full)}` : textOf(present(node.user.read(full), 'a file'))
    }
    return found
  }

  /** The texts of all files in no particular place. */
  texts(on: string = this.#first): readonly string[] {
    const { node } = this.person(on)
    return this.person(on)
      .paths('file')
      .filter((path) => path !== '.holdfastignore')
      .map((path) => textOf(present(node.user.read(`${node.folderPath}/${path}`), 'a file')))
      .toSorted()
  }

  /** Bytes of all channels that a node has received since it started. */
  receivedBytes(on: string): number {
    return this.controls(on).status().traffic.receivedBytes
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]()
  }

  get #first(): string {
    return present(this.#names[0], 'a node')
  }
}

function textOf(bytes: Uint8Array): string {
  return fromUtf8(bytes) ?? `${bytes.length} bytes`
}
