// mDNS between two nodes, inside a network namespace that has nothing but loopback: multicast goes out on every interface
// otherwise, and tests must not speak to the machine's network.

import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'node:test'

const isolate = [
  '-rn',
  'sh',
  '-c',
  'ip link set lo up && ip link set lo multicast on && ip route add 224.0.0.0/4 dev lo && exec "$@"',
  'sh',
]

/** Why there can be no such namespace here, or false. */
function reasonToSkip(): string | false {
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux'
  try {
    execFileSync('unshare', [...isolate, 'true'], { stdio: 'ignore' })
    return false
  } catch {
    return 'this machine does not let a test make a network namespace (unshare -rn, ip)'
  }
}

const script = `
  import { openLibp2pNetwork } from './engine/net/libp2p-network.ts'
  import { silentLog } from './engine/base/log.ts'
  const signal = new AbortController().signal
  const open = (seed, discovery) => openLibp2pNetwork({ identityKey: new Uint8Array(32).fill(seed), listen: ['/ip4/0.0.0.0/tcp/0'], discovery, log: silentLog }, signal)
  const [one, hidden, other] = [await open(1, true), await open(2, false), await open(3, true)]
  const found = new Set()
  const both = Promise.all([one, other].map((network) => new Promise((resolve) => network.onEvent((event) => {
    found.add(event.peer)
    if (event.kind === 'discovered') resolve(event)
  }))))
  const [byOne, byOther] = await both
  await one.connect(byOne.peer, byOne.addresses, signal)
  console.log(JSON.stringify({
    sawEachOther: byOne.peer === other.self && byOther.peer === one.self,
    sawHidden: found.has(hidden.self),
    isConnected: one.connectedPeers().includes(other.self),
  }))
  for (const network of [one, hidden, other]) await network[Symbol.asyncDispose]()`

test(
  'nodes on one network discover each other at dialable addresses, those without discovery stay unseen',
  { skip: reasonToSkip(), timeout: 20_000 },
  async () => {
    const cwd = new URL('../..', import.meta.url)
    const node = [process.execPath, '--input-type=module', '--eval', script]
    const { stdout } = await promisify(execFile)('unshare', [...isolate, ...node], { cwd, timeout: 15_000 })
    assert.deepEqual(JSON.parse(stdout), { sawEachOther: true, sawHidden: false, isConnected: true })
  },
)
