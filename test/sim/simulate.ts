// One seed from beginning to end: a folder on the first node, the others join, a random workload, rest, the oracle's verdict.

import { inspect } from 'node:util'

import { SeededRandom } from '../support/seeded-random.ts'
import { calmConditions, type NetworkConditions } from './network.ts'
import type { OpenNode } from './node.ts'
import { Oracle, OracleViolation, type RestReport } from './oracle.ts'
import { faithfulWatching, shakyWatching } from './watcher.ts'
import { allWeights, type Weights } from './weights.ts'
import { Workload } from './workload.ts'
import { World } from './world.ts'

export interface Simulation {
  readonly seed: number
  readonly open: OpenNode
  readonly nodes?: number
  readonly operations?: number
  readonly weights?: Weights
  readonly onTraceLine?: (line: string) => void
}

export interface SimulationResult {
  readonly seed: number
  /** What went wrong; undefined when nothing did. */
  readonly failure: string | undefined
  readonly steps: number
  readonly virtualMs: number
  readonly digest: string
  readonly rest: RestReport | undefined
  readonly lastLines: readonly string[]
}

const discoverEveryMs = 10_000
const defaultNodes = 3
const defaultOperations = 60
const limits = { durationMs: 900_000, stepsMax: 3_000_000 }
const agreeWithinMs = 900_000
const lookEveryMs = 500
/** For what the workload set going and nobody waited for. */
const afterworkMs = 1000
/** Nothing may move any more for this long once nodes agree. */
const quietMs = 120_000

/** Never throws for what goes wrong inside the world: that is the result. */
export async function simulate(simulation: Simulation): Promise<SimulationResult> {
  const random = new SeededRandom(simulation.seed).fork('conditions')
  using world = new World({
    seed: simulation.seed,
    open: simulation.open,
    machines: Array.from({ length: simulation.nodes ?? defaultNodes }, (_, at) => ({
      name: String.fromCharCode(65 + at),
      wallOffsetMs: random.chance(0.2) ? random.between(-5, 5) * 86_400_000 : random.between(-2000, 2000),
      jobWidth: random.between(1, 4),
    })),
    conditions: { ...calmConditions, discoverEveryMs },
    ...(simulation.onTraceLine === undefined ? {} : { onTraceLine: simulation.onTraceLine }),
  })
  if (random.chance(0.4)) for (const node of world.nodes) node.watching = shakyWatching
  let rest: RestReport | undefined
  let failure: string | undefined
  try {
    rest = await live(world, simulation, drawConditions(random))
  } catch (error) {
    failure = error instanceof OracleViolation ? error.message : inspect(error)
  }
  return {
    seed: simulation.seed,
    failure,
    steps: world.scheduler.steps,
    virtualMs: world.scheduler.nowUs / 1000,
    digest: world.trace.digest(),
    rest,
    lastLines: world.trace.lastLines(),
  }
}

async function live(world: World, simulation: Simulation, conditions: NetworkConditions): Promise<RestReport> {
  const oracle = new Oracle(world.scheduler, world.nodes)
  const workload = new Workload(world, oracle, simulation.weights ?? allWeights)
  workload.prepare(4)
  for (const node of world.nodes) await world.scheduler.settle(node.start(), limits, `first start of ${node.name}`)
  await world.scheduler.settle(joinAll(world), limits, 'joining')
  worsen(world, conditions)
  await workload.run(simulation.operations ?? defaultOperations)
  await workload.calm()
  await world.scheduler.runFor(afterworkMs)
  await comeToRest(world, oracle)
  return oracle.checkRest()
}

/** Joining was in calm weather; from here on links are as drawn, for connections made anew. */
function worsen({ fabric, nodes }: World, conditions: NetworkConditions): void {
  fabric.conditions = conditions
  const peers = nodes.flatMap(({ peer }) => (peer === undefined ? [] : [peer]))
  for (const left of peers) for (const right of peers) if (left < right) fabric.breakConnection(left, right)
}

/** The first node starts the folder, the others join it, each by a link of its own. */
async function joinAll(world: World): Promise<void> {
  const [first, ...others] = world.nodes
  const owner = first?.controls
  if (first === undefined || owner === undefined) throw new Error('a world needs a first node that runs')
  const { signal } = new AbortController()
  const { id } = await owner.addFolder({ path: first.folderPath, name: 'Folder' })
  for (const node of others) {
    const { link } = await owner.share({ folder: id, role: 'write' })
    await node.controls?.join({ link, path: node.folderPath }, signal)
  }
}

/** Every node walks its tree once (hints may have been lost), then all must agree, in bounded time, and stay so. */
async function comeToRest(world: World, oracle: Oracle): Promise<void> {
  const { scheduler } = world
  for (const node of world.nodes) node.watching = faithfulWatching
  const { signal } = new AbortController()
  for (const { name, controls } of world.nodes) {
    for (const folder of controls?.folders() ?? []) {
      await scheduler.settle(controls?.rescanFolder(folder.id, signal) ?? Promise.resolve(), limits, `rescan on ${name}`)
    }
  }
  const endUs = scheduler.nowUs + agreeWithinMs * 1000
  for (;;) {
    await scheduler.runFor(lookEveryMs, limits.stepsMax)
    const disagreements = oracle.disagreements()
    if (disagreements.length === 0) {
      const before = oracle.engineChanges
      await scheduler.runFor(quietMs, limits.stepsMax)
      if (oracle.engineChanges === before && oracle.disagreements().length === 0) return
    }
    if (scheduler.nowUs < endUs) continue
    const why = disagreements.length > 0 ? `nodes still disagree:\n  ${disagreements.join('\n  ')}` : 'nodes agree but files keep changing'
    throw new OracleViolation(`no rest within ${agreeWithinMs / 1000} s: ${why}`)
  }
}

function drawConditions(random: SeededRandom): NetworkConditions {
  const kind = random.pickWeighted({ calm: 2, slow: 1, breaking: 2 })
  if (kind === 'calm') return { ...calmConditions, discoverEveryMs }
  if (kind === 'slow') return { ...calmConditions, discoverEveryMs, delayMs: [20, 400], bytesPerSecond: 500_000, windowBytes: 64 * 1024 }
  return { ...calmConditions, discoverEveryMs, delayMs: [0.5, 60], breakEveryMs: 15_000 }
}
