// A short play for nodes that read a folder and hosts that store it, over virtual time: the oracle for copies looks on whenever time passes.

import { present } from '../../engine/base/assert.ts'
import type { Controls, FolderStatus } from '../../engine/api/controls.ts'
import { retirePace, type RetirePace } from '../../engine/replicas/retire.ts'
import { CopiesOracle } from './copies-oracle.ts'
import { openEngineNode } from './engine-node.ts'
import { Fleet } from './fleet.ts'
import type { SimNode } from './node.ts'
import { Oracle } from './oracle.ts'
import { Performer } from './performer.ts'
import type { Deed, HostSetup, NodeSetup } from './script.ts'
import { conditionsOf, machineOf } from './setup.ts'
import { World } from './world.ts'

export interface HostStageOptions {
  readonly readers: readonly string[]
  readonly hosts: Readonly<Record<string, Partial<HostSetup>>>
  readonly copies: number
  readonly pace?: RetirePace
  /** Files that the first node begins with, and their sizes. */
  readonly before: Readonly<Record<string, number>>
}

const limits = { durationMs: 900_000, stepsMax: 3_000_000 }
const usualHost: HostSetup = { keep: 'share', zone: '', class: 'always-on', capacityBytes: 1_000_000_000 }

export class HostStage implements Disposable {
  readonly world: World
  readonly copies: CopiesOracle
  readonly #performer: Performer
  readonly #first: string

  private constructor({ readers, hosts, pace = retirePace, copies }: HostStageOptions) {
    const nodeOf = (name: string, host?: HostSetup): NodeSetup => ({ name, wallOffsetMs: 0, jobWidth: 2, ...(host ? { host } : {}) })
    const setups = [
      ...readers.map((name) => nodeOf(name)),
      ...Object.entries(hosts).map(([name, host]) => nodeOf(name, { ...usualHost, ...host })),
    ]
    this.#first = present(readers[0], 'a node that reads')
    this.world = new World({
      seed: 1,
      open: openEngineNode,
      machines: setups.map((setup) => ({ ...machineOf(setup), pace: { retire: pace } })),
      conditions: conditionsOf('calm'),
    })
    const { scheduler, nodes } = this.world
    const fleet = new Fleet(nodes, setups)
    const oracle = new Oracle(
      scheduler,
      nodes.filter((node) => fleet.of(node) === undefined),
    )
    const reading = (): readonly SimNode[] => oracle.members.map(({ node }) => node)
    this.copies = new CopiesOracle(scheduler, { fleet, all: nodes, readers: reading, garbageMs: pace.garbageMs })
    this.#performer = new Performer(this.world, oracle, { fleet, copies: this.copies, target: copies, hasDays: false, owners: new Set() })
  }

  /** All are members. */
  static async open(options: HostStageOptions): Promise<HostStage> {
    const stage = new HostStage(options)
    try {
      for (const [path, sizeBytes] of Object.entries(options.before)) await stage.write(path, sizeBytes)
      await stage.#performer.begin()
    } catch (error) {
      stage[Symbol.dispose]()
      throw error
    }
    return stage
  }

  async do(on: string, deed: Deed): Promise<void> {
    const isDone = await this.#performer.perform({ ...deed, on, afterMs: 0 })
    if (!isDone) throw new Error(`${on} could not ${JSON.stringify(deed)}`)
  }

  /** A file of random bytes in the folder of the first node. */
  async write(path: string, sizeBytes: number): Promise<void> {
    await this.do(this.#first, { do: 'write', path, content: { sizeBytes, fill: path } })
  }

  /** Lets virtual time pass until `isSo`, looking at all copies meanwhile; throws when it does not come to be. */
  async until(what: string, durationMs: number, isSo: () => boolean): Promise<void> {
    const endUs = this.world.scheduler.nowUs + durationMs * 1000
    const stepMs = Math.max(1000, durationMs / 200)
    while (!isSo()) {
      if (this.world.scheduler.nowUs > endUs) throw new Error(`not within ${durationMs / 1000} s: ${what}`)
      await this.pass(stepMs)
    }
  }

  async pass(durationMs: number): Promise<void> {
    await this.world.scheduler.runFor(durationMs, limits.stepsMax)
    await this.copies.look((work) => this.settle(work))
  }

  node(name: string): SimNode {
    return present(
      this.world.nodes.find((node) => node.name === name),
      'a node of this stage',
    )
  }

  controls(name: string): Controls {
    return present(this.node(name).controls, 'a node that runs')
  }

  folder(name: string = this.#first): FolderStatus {
    return present(this.controls(name).folders()[0], 'a folder')
  }

  async settle<T>(work: Promise<T>): Promise<T> {
    return await this.world.scheduler.settle(work, limits, 'what the scenario asked for')
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]()
  }
}
