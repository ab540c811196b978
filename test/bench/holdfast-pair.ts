// Two Holdfast daemons, driven through the API on their sockets: no figure holds the start of a command.

import { existsSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openClient, type Client } from '../../engine/api/client.ts'
import { homePaths, socketPathOf } from '../../engine/platform/home.ts'
import type { NodeState, Pair, PairPaths, Side, Usage } from './pair.ts'
import { Daemon } from './processes.ts'
import { until, type Patience } from './waiting.ts'

// What a person starts, with what it sets for the process; on this Node it stays one process.
const launcher = fileURLToPath(new URL('../../engine/bin/holdfast.mjs', import.meta.url))
const startTimeoutMs = 60_000
const startPollMs = 50
const requestTimeoutMs = 60_000
const folderName = 'bench'

class HoldfastNode {
  readonly #home: string
  readonly #name: string
  readonly #patience: Patience
  readonly #client: Client
  #daemon: Daemon | undefined

  constructor(name: string, home: string, patience: Patience) {
    this.#name = name
    this.#home = home
    this.#patience = patience
    this.#client = openClient({ socketPath: socketPathOf(home, process.platform) })
  }

  async start(): Promise<void> {
    const network = ['--listen', '/ip4/127.0.0.1/tcp/0', '--no-discovery']
    const args = [launcher, 'serve', '--home', this.#home, '--name', this.#name, ...network]
    // Beside the home, not in it: what the bench writes is none of the daemon's.
    const daemon = await Daemon.start({ command: process.execPath, args }, `${this.#home}.log`)
    this.#daemon = daemon
    const patience = { signal: this.#patience.signal, timeoutMs: startTimeoutMs }
    await until('the Holdfast daemon to be ready', startPollMs, patience, () => {
      daemon.assertRunning('the Holdfast daemon')
      return /^holdfast ready \{/m.test(daemon.log()) ? true : undefined
    })
  }

  call: Client['call'] = async (name, input) => {
    return await this.#client.call(name, input, AbortSignal.any([this.#patience.signal, AbortSignal.timeout(requestTimeoutMs)]))
  }

  async state(): Promise<NodeState> {
    const status = await this.call('status', {})
    const [folder] = status.folders
    if (folder === undefined) throw new Error('the node has no folder yet')
    const { files, state, needFiles, progress } = folder
    const problems = status.problems.map((problem) => `${problem.code}: ${problem.text}`).slice(0, 3)
    return { files, needed: needFiles, isIdle: state === 'idle', text: JSON.stringify({ state, files, needFiles, progress, problems }) }
  }

  async wireBytes(): Promise<number> {
    const { traffic } = await this.call('status', {})
    return traffic.sentBytes + traffic.receivedBytes
  }

  assertRunning(): void {
    this.#daemon?.assertRunning('the Holdfast daemon')
  }

  usage(): Usage {
    return { cpuSeconds: this.#daemon?.cpuSeconds(), peakMemoryBytes: this.#daemon?.peakMemoryBytes() }
  }

  /** The index with its write-ahead log, if that is still there. */
  databaseBytes(): number {
    const { database } = homePaths(this.#home)
    const names = [database, `${database}-wal`].filter((path) => existsSync(path))
    return names.reduce((sum, path) => sum + statSync(path).size, 0)
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop()
  }
}

export function openHoldfastPair(version: string, paths: PairPaths, patience: Patience): Pair {
  const a = new HoldfastNode('bench-a', paths.homes.a, patience)
  const b = new HoldfastNode('bench-b', paths.homes.b, patience)
  const nodes: Readonly<Record<Side, HoldfastNode>> = { a, b }
  let link = ''
  return {
    tool: 'holdfast',
    version,
    ownNames: ['.holdfast'],
    async start() {
      await a.start()
      await b.start()
    },
    addFolder: async () => {
      await a.call('addFolder', { path: paths.roots.a, name: folderName })
    },
    invite: async () => {
      link = (await a.call('share', { folder: folderName, role: 'write' })).link
    },
    join: async () => {
      await b.call('join', { link, path: paths.roots.b })
    },
    state: (side) => nodes[side].state(),
    assertRunning() {
      a.assertRunning()
      b.assertRunning()
    },
    usage: (side) => nodes[side].usage(),
    wireBytes: () => b.wireBytes(),
    databaseBytes: () => a.databaseBytes() + b.databaseBytes(),
    async stop() {
      await Promise.allSettled([a.stop(), b.stop()])
    },
  }
}
