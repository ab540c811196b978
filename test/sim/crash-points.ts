// Crashes at every point: a small scenario is run once to count the calls that change the drive of one of its two nodes, then once for each
// of them with a kill or a power cut just before that call; the node starts again, all comes to rest, the oracle judges.

import { openEngineNode } from './engine-node.ts'
import type { Deed, Script, Step } from './script.ts'
import { replay, type SimulationResult } from './simulate.ts'
import { ignoreRules } from './snapshot.ts'

export interface Scenario {
  readonly name: string
  /** What both have before, by the first node; the second has it through the engine. */
  readonly before: readonly Deed[]
  /** What happens then, to nodes in step. Without a name it is the first node, the author. */
  readonly deeds: readonly (Deed & { readonly on?: string; readonly afterMs?: number })[]
}

export interface CrashPoint {
  readonly scenario: Scenario
  readonly node: string
  readonly how: 'killInCall' | 'crashInCall'
  readonly calls: number
}

export const authorName = 'A'
export const receiverName = 'B'
/** For a change to go through, and what follows it. */
const aftermathMs = 3000
const ways = ['killInCall', 'crashInCall'] as const

/** One run for each of these is the whole sweep of a scenario. */
export async function crashPointsOf(scenario: Scenario): Promise<readonly CrashPoint[]> {
  const points: CrashPoint[] = []
  for (const node of [authorName, receiverName]) {
    const result = await replay({
      script: scriptOf({ scenario, node, how: 'killInCall', calls: Number.MAX_SAFE_INTEGER }),
      open: openEngineNode,
    })
    if (result.failure !== undefined) throw new Error(`${scenario.name} fails without any crash: ${result.failure}`)
    const count = result.callsSinceArmed
    points.push(...ways.flatMap((how) => Array.from({ length: count }, (_, calls) => ({ scenario, node, how, calls }))))
  }
  return points
}

export async function runCrashPoint(point: CrashPoint): Promise<SimulationResult> {
  return await replay({ script: scriptOf(point), open: openEngineNode })
}

export function describePoint({ scenario, node, how, calls }: CrashPoint): string {
  const what = how === 'killInCall' ? 'a kill' : 'a power cut'
  return `${scenario.name}: ${what} on ${node === authorName ? 'the author' : 'the receiver'} before call ${calls}`
}

export function scriptOf({ scenario, node, how, calls }: CrashPoint): Script {
  const at = (deed: Deed & { readonly on?: string; readonly afterMs?: number }): Step => ({ afterMs: 0, on: authorName, ...deed })
  return {
    seed: `crash ${scenario.name} ${node} ${how} ${calls}`,
    nodes: [authorName, receiverName].map((name) => ({ name, wallOffsetMs: 0, jobWidth: 2 })),
    network: 'calm',
    before: [
      at({ do: 'write', path: '.holdfastignore', content: { text: ignoreRules } }),
      at({ do: 'write', path: '.holdfastignore', content: { text: ignoreRules }, on: receiverName }),
      ...scenario.before.map(at),
    ],
    steps: [
      at({ do: 'rest' }),
      at({ do: how, calls, on: node }),
      ...scenario.deeds.map(at),
      at({ do: 'rest', afterMs: aftermathMs }), // starts who died
      // Once more on the node that may have died: what it kept must not stand in its way later.
      at({ do: 'restart', on: node }),
    ],
  }
}
