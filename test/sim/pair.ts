// Two or more members of one folder on calm links, with short words for what people do and for letting the world go on. For tests that
// follow one story instead of a random one.

import { present } from '../../engine/base/assert.ts'
import { utf8 } from '../../engine/base/bytes.ts'
import type { Controls } from '../../engine/api/controls.ts'
import { openEngineNode } from './engine-node.ts'
import { calmConditions } from './network.ts'
import type { CardFacts, SimMachine } from './node.ts'
import { World } from './world.ts'

const limits = { durationMs: 3_600_000, stepsMax: 3_000_000 }
const { signal } = new AbortController()

export class Members implements Disposable {
  readonly world: World
  readonly #names: readonly string[]

  /** One node for each name; nobody has a folder yet. Who has a card says that of itself. */
  constructor(seed: string, names: readonly string[], cards: Readonly<Record<string, CardFacts>> = {}) {
    this.#names = names
    this.world = new World({
      seed,
      open: openEngineNode,
      machines: names.map((name) => ({ name, card: cards[name] })),
      conditions: { ...calmConditions, discoverEveryMs: 10_000 },
    })
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]()
  }

  /** All start, the first begins the folder with these files, the others join: those with a directory for it, or as hosts. */
  async begin(files: Readonly<Record<string, string>> = {}, hosts: readonly string[] = []): Promise<void> {
    const [first, ...others] = this.#names
    for (const node of this.world.nodes) await this.wait(node.start(), 'start')
    const owner = present(first, 'there is a node')
    for (const [path, text] of Object.entries(files)) this.write(owner, path, text)
    await this.wait(this.controls(owner).addFolder({ path: this.node(owner).folderPath, name: 'Folder' }), 'adding the folder')
    for (const name of others) {
      await this.join(owner, name, hosts.includes(name) ? 'host' : 'write')
    }
    await this.synced()
  }

  /** By a link of the owner. */
  async join(owner: string, name: string, role: 'write' | 'host'): Promise<void> {
    const { link } = await this.wait(this.controls(owner).share({ folder: 'Folder', role }), 'share')
    const path = role === 'host' ? {} : { path: this.node(name).folderPath }
    await this.wait(this.controls(name).join({ link, ...path }, signal), 'join')
  }

  node(name: string): SimMachine {
    return present(
      this.world.nodes.find((node) => node.name === name),
      `there is a node ${name}`,
    )
  }

  controls(name: string): Controls {
    return present(this.node(name).controls, `${name} runs`)
  }

  async wait<T>(work: Promise<T>, what: string): Promise<T> {
    return await this.world.scheduler.settle(work, limits, what)
  }

  async pass(durationMs: number): Promise<void> {
    await this.world.scheduler.runFor(durationMs)
  }

  /** All are in step, and what comes a little later is done too: archiving for example. */
  async synced(): Promise<void> {
    for (const name of this.#names) {
      if (this.node(name).isRunning) await this.wait(this.controls(name).waitSynced(undefined, signal), `${name} in step`)
    }
    await this.pass(3000)
  }

  nowMs(name: string): number {
    return Math.floor(this.node(name).wall.nowUs() / 1000)
  }

  write(name: string, path: string, text: string | Uint8Array): void {
    const { user, folderPath } = this.node(name)
    let directory = folderPath
    for (const part of path.split('/').slice(0, -1)) {
      directory = `${directory}/${part}`
      if (user.lstat(directory) === undefined) user.mkdir(directory)
    }
    user.write(`${folderPath}/${path}`, typeof text === 'string' ? utf8(text) : text)
  }

  remove(name: string, path: string): void {
    const { user, folderPath } = this.node(name)
    const isDirectory = user.lstat(`${folderPath}/${path}`)?.kind === 'directory'
    for (const below of isDirectory ? user.walk(`${folderPath}/${path}`).toReversed() : []) user.remove(below)
    user.remove(`${folderPath}/${path}`)
  }

  rename(name: string, from: string, to: string): void {
    const { user, folderPath } = this.node(name)
    user.rename(`${folderPath}/${from}`, `${folderPath}/${to}`)
  }

  /** A file's content as text, at an absolute path or in the folder; undefined where there is none. */
  read(name: string, path: string): string | undefined {
    const { user, folderPath } = this.node(name)
    const bytes = user.read(path.startsWith('/') ? path : `${folderPath}/${path}`)
    return bytes === undefined ? undefined : Buffer.from(bytes).toString()
  }

  /** Everything but Holdfast's own, as `path: text`; directories end in '/'. */
  tree(name: string, directory?: string): readonly string[] {
    const { user, folderPath } = this.node(name)
    const root = directory ?? folderPath
    return user
      .walk(root)
      .filter((path) => !path.startsWith(`${folderPath}/.holdfast`))
      .map((path) => {
        const short = path.slice(root.length + 1)
        const stat = user.lstat(path)
        if (stat?.kind === 'directory') return `${short}/`
        return stat?.kind === 'symlink' ? `${short} -> ${user.readLink(path)}` : `${short}: ${this.read(name, path)}`
      })
      .toSorted()
  }
}
