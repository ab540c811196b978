// Where `serve` gets its node from: engine/node.ts, loaded late because it brings libp2p and the database with it.

import type { OpenNode } from './serve.ts'

export async function loadOpenNode(): Promise<OpenNode> {
  return (await import('../node.ts')).openNode
}
