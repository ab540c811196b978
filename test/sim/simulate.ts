// One run from beginning to end: a folder on the first node, the others join, what the script says, rest, the oracle's verdict. A seed
// is a script that is drawn on the way.

import { inspect } from 'node:util'

import { SeededRandom } from '../support/seeded-random.ts'
import { CopiesOracle } from './copies-oracle.ts'
import { StepSource } from './draw-steps.ts'
import { drawHostSetup } from './draw-hosts.ts'
import { Fleet } from './fleet.ts'
import type { Hosting } from './hosting.ts'
import type { OpenNode, SimNode } from './node.ts'
import { Oracle, OracleViolation, type RestReport } from './oracle.ts'
import { Performer } from './performer.ts'
import { daysPace, hastyPace } from './pace.ts'
import { comeToRest, restCopies } from './rest.ts'
import type { NodeSetup, NetworkKind, Script, Step } from './script.ts'
import { conditionsOf, drawSetup, machineOf, type SetupOptions } from './setup.ts'
import { shakyWatching } from './watcher.ts'
import { allSetups, allWeights, type Weights, weightsOf } from './weights.ts'
import { World } from './world.ts'

export interface Simulation {
  readonly seed: number
  readonly open: OpenNode
  readonly operations?: number
  readonly weights?: Weights
  /** Of actions, in place of what they have. */
  readonly more?: Weights
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
/** For what the script set going and nobody waited for. */
const afterworkMs = 1000

/** Who is in a world. */
interface Cast {
  readonly oracle: Oracle
  readonly fleet: Fleet
}

interface Judged {
  readonly oracle: Oracle
  readonly performer: Performer
  readonly hosting: Hosting | undefined
  readonly isHistoryChecked: boolean
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
  readonly hasDays?: boolean
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
  const hosted = hasHosts ? drawHostSetup(random.fork('setup')) : undefined
  const setup = hosted ?? drawSetup(random.fork('setup'), simulation.setups ?? allSetups)
  let steps: StepSource | undefined
  let left = simulation.operations ?? (hasHosts ? hostedOperations : defaultOperations)
  const weights = { ...(simulation.weights ?? (hosted === undefined ? allWeights : weightsOf(hosted))), ...simulation.more }
  const sourceOf = ({ oracle: { people }, fleet }: Cast): StepSource =>
    (steps ??= new StepSource(random.fork('workload'), { people, weights, fleet, hasDays: hosted?.hasDays ?? false }))
  const source: Source = {
    before: (cast) => sourceOf(cast).before(filesPerNode),
    next: (cast) => (left-- > 0 ? sourceOf(cast).next() : undefined),
  }
  const isHistoryChecked = simulation.isHistoryChecked ?? true
  const { nodes, network } = setup
  const of = hosted === undefined ? {} : { copies: hosted.copies, hasDays: hosted.hasDays }
  return await run({ seed, nodes, network, ...of, source, open, isHistoryChecked, onTraceLine })
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
  const { seed, nodes, network, copies, hasDays = false, source, open, onTraceLine } = parts
  const hasHosts = nodes.some(({ host }) => host !== undefined)
  using world = new World({
    seed,
    open,
    machines: nodes.map((node) => ({ ...machineOf(node), pace: hasHosts ? (hasDays ? daysPace : hastyPace) : undefined })),
    conditions: conditionsOf('calm'),
    ...(onTraceLine === undefined ? {} : { onTraceLine }),
  })
  for (const [at, node] of world.nodes.entries()) if (nodes[at]?.isWatcherShaky === true) node.watching = shakyWatching
  const late = new Set(nodes.flatMap(({ name, isLate }) => (isLate === true ? [name] : [])))
  const owners = new Set(nodes.flatMap(({ name, isOwner }) => (isOwner === true ? [name] : [])))
  const fleet = new Fleet(world.nodes, nodes)
  const readers = world.nodes.filter((node) => fleet.of(node) === undefined)
  const oracle = new Oracle(world.scheduler, readers, late)
  const hosting = fleet.all.length === 0 ? undefined : hostingOf(world, { oracle, fleet }, { target: copies, hasDays, owners })
  const performer = new Performer(world, oracle, hosting)
  const cast = { oracle, fleet }
  const head = { seed, nodes, network, ...(copies === undefined ? {} : { copies }), ...(hasDays ? { hasDays } : {}) }
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
    rest = await judge(world, { oracle, performer, hosting, isHistoryChecked: parts.isHistoryChecked ?? true })
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

/** What rest is like. Throws OracleViolation when the world does not come to it, or something is not as it is to be there. */
async function judge(
  world: World,
  { oracle, performer, hosting, isHistoryChecked }: Judged,
): Promise<NonNullable<SimulationResult['rest']>> {
  await performer.calm()
  await world.scheduler.runFor(afterworkMs)
  await comeToRest(world, oracle)
  const places = oracle.checkRest()
  const inHistory = isHistoryChecked ? await oracle.checkHistory() : 0
  if (hosting !== undefined) {
    await restCopies(world.scheduler, hosting, async () => await performer.giveUpLost())
    oracle.checkRest()
  }
  return { ...places, inHistory }
}

function hostingOf(
  { scheduler, nodes }: World,
  { oracle, fleet }: Cast,
  { target, hasDays, owners }: Pick<Hosting, 'target' | 'hasDays' | 'owners'>,
): Hosting {
  const readers = (): readonly SimNode[] => oracle.members.map(({ node }) => node)
  const { garbageMs } = (hasDays ? daysPace : hastyPace).retire
  return { fleet, copies: new CopiesOracle(scheduler, { fleet, all: nodes, readers, garbageMs }), target, hasDays, owners }
}

/** Joining was in calm weather; from here on links are as said, for connections made anew. */
function worsen({ fabric, nodes }: World, network: NetworkKind): void {
  fabric.conditions = conditionsOf(network)
  const peers = nodes.flatMap(({ peer }) => (peer === undefined ? [] : [peer]))
  for (const left of peers) for (const right of peers) if (left < right) fabric.breakConnection(left, right)
}
