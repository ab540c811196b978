// One run from beginning to end: a folder on the first node, the others join, what the script says, rest, the oracle's verdict. A seed
// is a script that is drawn on the way.

import { inspect } from 'node:util'

import type { RetirePace } from '../../engine/replicas/retire.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { CopiesOracle } from './copies-oracle.ts'
import { StepSource } from './draw-steps.ts'
import { drawHostSetup } from './draw-hosts.ts'
import { Fleet } from './fleet.ts'
import type { OpenNode, SimNode } from './node.ts'
import { Oracle, OracleViolation, type RestReport } from './oracle.ts'
import { Performer, type Hosting } from './performer.ts'
import { comeToRest, restCopies } from './rest.ts'
import type { NodeSetup, NetworkKind, Script, Step } from './script.ts'
import { conditionsOf, drawSetup, machineOf, type SetupOptions } from './setup.ts'
import { shakyWatching } from './watcher.ts'
import { allSetups, allWeights, hostedWeights, type Weights } from './weights.ts'
import { World } from './world.ts'

export interface Simulation {
  readonly seed: number
  readonly open: OpenNode
  readonly operations?: number
  readonly weights?: Weights
  readonly setups?: SetupOptions
  /** Whether nodes that store the folder without reading it take part. */
  readonly hasHosts?: boolean
  /** Off for nodes that have no history. */
  readonly isHistoryChecked?: boolean
  readonly onTraceLine?: (line: string) => void
}

export interface Replay {
  readonly script: Script
  readonly open: OpenNode
  readonly onTraceLine?: (line: string) => void
}

export interface SimulationResult {
  /** What happened, ready to be run again. */
  readonly script: Script
  /** What went wrong; undefined when nothing did. */
  readonly failure: string | undefined
  readonly steps: number
  readonly virtualMs: number
  readonly digest: string
  readonly rest: (RestReport & { readonly inHistory: number }) | undefined
  readonly lastLines: readonly string[]
  /** Calls that change a drive after the script's last armed accident. */
  readonly callsSinceArmed: number
}

const defaultOperations = 60
const hostedOperations = 45
const filesPerNode = 4
/** What is let go of after days goes after seconds. */
const hastyPace: RetirePace = { surplusMs: 20_000, garbageMs: 20_000, firstMs: 4000, lookMs: 4000, settleMs: 500, pressedMs: 4000 }
/** For what the script set going and nobody waited for. */
const afterworkMs = 1000

/** Who is in a world. */
interface Cast {
  readonly oracle: Oracle
  readonly fleet: Fleet
}

/** Where steps come from: a list, or a draw that looks at the world. */
interface Source {
  before(cast: Cast): readonly Step[]
  next(cast: Cast): readonly Step[] | undefined
}

interface Parts {
  readonly seed: number | string
  readonly nodes: readonly NodeSetup[]
  readonly network: NetworkKind
  readonly copies?: number
  readonly source: Source
  readonly open: OpenNode
  readonly isHistoryChecked?: boolean
  readonly onTraceLine?: ((line: string) => void) | undefined
}

/** Never throws for what goes wrong inside the world: that is the result. */
export async function simulate(simulation: Simulation): Promise<SimulationResult> {
  const { seed, open, onTraceLine } = simulation
  const random = new SeededRandom(seed)
  const hasHosts = simulation.hasHosts ?? false
  const setup = hasHosts ? drawHostSetup(random.fork('setup')) : drawSetup(random.fork('setup'), simulation.setups ?? allSetups)
  let steps: StepSource | undefined
  let left = simulation.operations ?? (hasHosts ? hostedOperations : defaultOperations)
  const weights = simulation.weights ?? (hasHosts ? hostedWeights : allWeights)
  const sourceOf = ({ oracle: { people }, fleet }: Cast): StepSource =>
    (steps ??= new StepSource(random.fork('workload'), people, weights, fleet))
  const source: Source = {
    before: (cast) => sourceOf(cast).before(filesPerNode),
    next: (cast) => (left-- > 0 ? sourceOf(cast).next() : undefined),
  }
  const isHistoryChecked = simulation.isHistoryChecked ?? true
  return await run({ seed, ...setup, source, open, isHistoryChecked, onTraceLine })
}

export async function replay({ script, open, onTraceLine }: Replay): Promise<SimulationResult> {
  const { before, steps, ...head } = script
  const left = [...steps]
  const source: Source = {
    before: () => before,
    next: () => {
      const step = left.shift()
      return step === undefined ? undefined : [step]
    },
  }
  return await run({ ...head, source, open, onTraceLine })
}

async function run(parts: Parts): Promise<SimulationResult> {
  const { seed, nodes, network, copies, source, open, onTraceLine } = parts
  const hasHosts = nodes.some(({ host }) => host !== undefined)
  using world = new World({
    seed,
    open,
    machines: nodes.map((node) => ({ ...machineOf(node), retirePace: hasHosts ? hastyPace : undefined })),
    conditions: conditionsOf('calm'),
    ...(onTraceLine === undefined ? {} : { onTraceLine }),
  })
  for (const [at, node] of world.nodes.entries()) if (nodes[at]?.isWatcherShaky === true) node.watching = shakyWatching
  const late = new Set(nodes.flatMap(({ name, isLate }) => (isLate === true ? [name] : [])))
  const fleet = new Fleet(world.nodes, nodes)
  const readers = world.nodes.filter((node) => fleet.of(node) === undefined)
  const oracle = new Oracle(world.scheduler, readers, late)
  const hosting = fleet.all.length === 0 ? undefined : hostingOf(world, oracle, fleet, copies)
  const performer = new Performer(world, oracle, hosting)
  const cast = { oracle, fleet }
  const head = { seed, nodes, network, ...(copies === undefined ? {} : { copies }) }
  const script = { ...head, before: [...source.before(cast)], steps: [] as Step[] } // cast: of nothing
  let rest: SimulationResult['rest']
  let failure: string | undefined
  try {
    for (const step of script.before) await performer.perform(step)
    await performer.begin()
    if (network !== 'calm') worsen(world, network)
    for (let next = source.next(cast); next !== undefined; next = source.next(cast)) {
      script.steps.push(...next)
      for (const step of next) await performer.perform(step)
    }
    await performer.calm()
    await world.scheduler.runFor(afterworkMs)
    await comeToRest(world, oracle)
    if (hosting !== undefined) await restCopies(world.scheduler, hosting)
    const places = oracle.checkRest()
    rest = { ...places, inHistory: parts.isHistoryChecked === false ? 0 : await oracle.checkHistory() }
  } catch (error) {
    failure = error instanceof OracleViolation ? error.message : inspect(error)
  }
  return {
    script,
    failure,
    rest,
    steps: world.scheduler.steps,
    virtualMs: world.scheduler.nowUs / 1000,
    digest: world.trace.digest(),
    lastLines: world.trace.lastLines(),
    callsSinceArmed: performer.callsSinceArmed,
  }
}

function hostingOf({ scheduler, nodes }: World, oracle: Oracle, fleet: Fleet, target: number | undefined): Hosting {
  const readers = (): readonly SimNode[] => oracle.members.map(({ node }) => node)
  return { fleet, copies: new CopiesOracle(scheduler, fleet, nodes, readers), target }
}

/** Joining was in calm weather; from here on links are as said, for connections made anew. */
function worsen({ fabric, nodes }: World, network: NetworkKind): void {
  fabric.conditions = conditionsOf(network)
  const peers = nodes.flatMap(({ peer }) => (peer === undefined ? [] : [peer]))
  for (const left of peers) for (const right of peers) if (left < right) fabric.breakConnection(left, right)
}
