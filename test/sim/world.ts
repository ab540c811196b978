// A whole simulated world on one seed: scheduler, network, machines.

import { SeededRandom } from '../support/seeded-random.ts'
import { calmConditions, SimFabric, type NetworkConditions } from './network.ts'
import { SimMachine, type MachineOptions, type OpenNode } from './node.ts'
import { Scheduler } from './scheduler.ts'
import { Trace } from './trace.ts'

export interface WorldOptions {
  readonly seed: number | string
  readonly open: OpenNode
  readonly machines: readonly MachineOptions[]
  readonly conditions?: NetworkConditions
  readonly onTraceLine?: (line: string) => void
}

export class World implements Disposable {
  readonly random: SeededRandom
  readonly trace: Trace
  readonly scheduler: Scheduler
  readonly fabric: SimFabric
  readonly nodes: readonly SimMachine[]

  constructor(options: WorldOptions) {
    this.random = new SeededRandom(options.seed)
    this.trace = new Trace(options.onTraceLine === undefined ? {} : { onLine: options.onTraceLine })
    this.scheduler = new Scheduler(this.random, this.trace)
    this.fabric = new SimFabric(this.scheduler, this.random, options.conditions ?? calmConditions)
    const { scheduler, fabric, random } = this
    this.nodes = options.machines.map((machine) => new SimMachine({ scheduler, fabric, random, open: options.open }, machine))
  }

  [Symbol.dispose](): void {
    for (const node of this.nodes) node[Symbol.dispose]()
    this.scheduler[Symbol.dispose]()
  }
}
