// Where `serve` gets its node from: engine/node.ts, loaded late because it brings libp2p and the database with it.

import { EngineError } from '../base/errors.ts'
import type { OpenNode } from './serve.ts'

export async function loadOpenNode(): Promise<OpenNode> {
  const file: string = new URL('../node.ts', import.meta.url).href
  return parseNodeModule(await import(file))
}

function parseNodeModule(module: { readonly openNode?: unknown }): OpenNode {
  if (typeof module.openNode !== 'function') throw new EngineError('INTERNAL', 'the node module has no openNode')
  return module.openNode as OpenNode
}
