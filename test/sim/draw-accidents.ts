// Random accidents of processes, power, drives, clocks and links, as steps of a script.

import type { SeededRandom } from '../support/seeded-random.ts'
import type { FilesFault } from '../../engine/base/files.ts'
import type { CallName } from './disk-gate.ts'
import type { SimNode } from './node.ts'
import type { Deed } from './script.ts'
import type { ActionName } from './weights.ts'

const callsUntilStrikeMax = 30
const clockJumpsMs = [-3_600_000, -1500, 700, 86_400_000]

interface Trouble {
  readonly operation: CallName
  readonly fault: FilesFault
}

const troubles: readonly Trouble[] = [
  { operation: 'datasync', fault: 'io' },
  { operation: 'write', fault: 'noSpace' },
  { operation: 'rename', fault: 'busy' },
  { operation: 'open', fault: 'denied' },
  { operation: 'read', fault: 'io' },
  { operation: 'readDirectory', fault: 'io' },
  { operation: 'makeDirectory', fault: 'noSpace' },
  { operation: 'syncDirectory', fault: 'io' },
  { operation: 'unlink', fault: 'denied' },
  { operation: 'link', fault: 'io' },
]

/** In a node's home, where its block store and its index are. */
const homeTroubles: readonly Trouble[] = [
  { operation: 'commit', fault: 'noSpace' },
  { operation: 'commit', fault: 'io' },
  { operation: 'datasync', fault: 'io' },
  { operation: 'write', fault: 'noSpace' },
]

interface Where {
  readonly node: SimNode
  /** All that take part. */
  readonly nodes: readonly SimNode[]
}

/** Undefined when the action is none of these; empty when it is not possible now. */
export function drawAccident(
  random: SeededRandom,
  name: ActionName,
  { node, nodes }: Where,
): readonly (Deed & { on?: string })[] | undefined {
  switch (name) {
    case 'killInCall':
    case 'crashInCall':
      return node.isRunning ? [{ do: name, calls: random.between(0, callsUntilStrikeMax) }] : []
    case 'restart':
    case 'kill':
    case 'crash':
    case 'pause':
    case 'resume':
      return node.isRunning ? [{ do: name }] : []
    case 'start':
      return node.isRunning ? [] : [{ do: name }]
    case 'join':
    case 'backUp':
    case 'restore':
      return [{ do: name }]
    case 'loseDatabase':
      // The one owner alone can invite: nobody could bring it back.
      return node === nodes[0] ? [] : [{ do: name }]
    case 'trouble': {
      const isHome = random.chance(0.25)
      const trouble = random.pick(isHome ? homeTroubles : troubles)
      if (trouble === undefined) return []
      return [{ do: 'trouble', ...trouble, times: random.between(1, 4), ...(isHome ? { where: 'home' } : {}) }]
    }
    case 'room':
      return [drawRoom(random)]
    case 'clock':
      return [{ do: 'clock', byMs: random.pick(clockJumpsMs) ?? 0 }]
    case 'partition':
    case 'heal':
    case 'cut':
      return drawLinks(random, name, nodes)
    default:
      return undefined
  }
}

/** Two in three times the drive is given room again. */
function drawRoom(random: SeededRandom): Deed {
  const kind = random.pickWeighted({ free: 4, bytes: 1, inodes: 1 })
  if (kind === 'bytes') return { do: 'room', bytes: random.between(0, 400_000) }
  return kind === 'inodes' ? { do: 'room', inodes: random.between(0, 6) } : { do: 'room' }
}

function drawLinks(
  random: SeededRandom,
  name: 'partition' | 'heal' | 'cut',
  nodes: readonly SimNode[],
): readonly (Deed & { on?: string })[] {
  const names = random.shuffle(nodes.map((node) => node.name))
  const [first, second] = names
  if (first === undefined || second === undefined) return []
  if (name === 'heal') return [{ do: 'heal' }]
  if (name === 'cut') return [{ do: random.chance(0.5) ? 'cut' : 'block', on: first, peer: second }]
  const at = random.between(1, names.length - 1)
  return [{ do: 'partition', groups: [names.slice(0, at), names.slice(at)] }]
}
