// The network contract on libp2p over loopback.

import { openLibp2pNetwork } from '../../engine/net/libp2p-network.ts'
import { silentLog } from '../../engine/base/log.ts'
import { networkSuite } from './network.ts'
import type { Network } from '../../engine/net/network.ts'

const never = new AbortController().signal

async function open(seed: number): Promise<Network> {
  const identityKey = new Uint8Array(32).fill(seed)
  return await openLibp2pNetwork({ identityKey, listen: ['/ip4/127.0.0.1/tcp/0'], discovery: false, log: silentLog }, never)
}

networkSuite('libp2p', async () => {
  await using stack = new AsyncDisposableStack()
  const left = stack.use(await open(1))
  const right = stack.use(await open(2))
  const owned = stack.move()
  return { left, right, [Symbol.asyncDispose]: () => owned.disposeAsync() }
})
