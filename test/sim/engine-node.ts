// The production engine inside a simulated machine: the only place where the simulator knows engine.ts.

import type { NodeWorld, OpenedNode } from './node.ts'

/** Opens a node of the engine in `world`. */
export async function openEngineNode(world: NodeWorld): Promise<OpenedNode> {
  throw new Error(`no engine is plugged into the simulator yet: ${world.name} cannot start`)
}
