// Two Syncthing nodes: no discovery, relays or NAT traversal, the watcher at its shortest delay, driven through the REST API.

import { createServer } from 'node:net'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { bytesBelow } from './files.ts'
import { Daemon, run, runOrThrow } from './processes.ts'
import type { NodeState, Pair, PairPaths, Side, Usage } from './pair.ts'
import { until, type Patience } from './waiting.ts'

const folderId = 'bench'
const startTimeoutMs = 60_000
const startPollMs = 100
const requestTimeoutMs = 60_000

const quietOptions: Readonly<Record<string, string>> = {
  globalAnnounceEnabled: 'false',
  localAnnounceEnabled: 'false',
  relaysEnabled: 'false',
  natEnabled: 'false',
  urAccepted: '-1',
  crashReportingEnabled: 'false',
  startBrowser: 'false',
  autoUpgradeIntervalH: '0',
  setLowPriority: 'false',
  limitBandwidthInLan: 'false',
}

const systemStatus = z.object({ myID: z.string() })
const folderStatus = z.object({ state: z.string(), globalFiles: z.number(), localFiles: z.number(), needTotalItems: z.number() })
const connections = z.object({ total: z.object({ inBytesTotal: z.number(), outBytesTotal: z.number() }) })

/** The version line, or undefined when there is no such program. */
export async function syncthingVersion(program: string, patience: Patience): Promise<string | undefined> {
  try {
    const { stdout } = await run({ command: program, args: ['--version'] }, patience)
    return /v\d+\.\d+\.\d+/.exec(stdout)?.[0]
  } catch (error) {
    patience.signal.throwIfAborted()
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

class SyncthingNode {
  readonly #program: string
  readonly #home: string
  readonly #patience: Patience
  #daemon: Daemon | undefined
  #apiKey = ''
  #apiPort = 0
  #deviceId = ''
  #listenPort = 0

  constructor(program: string, home: string, patience: Patience) {
    this.#program = program
    this.#home = home
    this.#patience = patience
  }

  get deviceId(): string {
    return this.#deviceId
  }

  get address(): string {
    return `tcp://127.0.0.1:${this.#listenPort}`
  }

  async start(): Promise<void> {
    const env = { HOME: this.#home, STNODEFAULTFOLDER: '1', STNOUPGRADE: '1' }
    mkdirSync(this.#home, { recursive: true })
    await runOrThrow({ command: this.#program, args: ['generate', '--home', this.#home, '--no-default-folder'], env }, this.#patience)
    ;[this.#apiPort, this.#listenPort] = await freePorts()
    this.#configure()
    const args = ['serve', '--home', this.#home, '--no-browser', '--no-restart']
    const daemon = await Daemon.start({ command: this.#program, args, env }, join(this.#home, 'log.txt'))
    this.#daemon = daemon
    const patience = { signal: this.#patience.signal, timeoutMs: startTimeoutMs }
    const deviceId = await until('Syncthing to answer', startPollMs, patience, async () => {
      daemon.assertRunning('Syncthing')
      return systemStatus.parse(await this.request('GET', '/rest/system/status')).myID
    })
    this.#deviceId = deviceId
  }

  /** The generated file is one element a line: no XML parser is needed to set some. */
  #configure(): void {
    const path = join(this.#home, 'config.xml')
    let text = readFileSync(path, 'utf8')
    const gui = /<gui [\s\S]*?<\/gui>/.exec(text)?.[0]
    const key = gui === undefined ? undefined : /<apikey>(.+?)<\/apikey>/.exec(gui)?.[1]
    if (gui === undefined || key === undefined) throw new Error(`${path} has no <gui> with an <apikey>: this Syncthing is not known here`)
    this.#apiKey = key
    text = text.replace(gui, gui.replace(/<address>.*?<\/address>/, `<address>127.0.0.1:${this.#apiPort}</address>`))
    text = text.replaceAll(/^.*<listenAddress>.*<\/listenAddress>\n/gm, '')
    const settings = Object.entries(quietOptions)
    for (const [name] of settings) text = text.replaceAll(new RegExp(`^.*<${name}>.*</${name}>\n`, 'gm'), '')
    const lines = [['listenAddress', this.address], ...settings].map(([name, value]) => `        <${name}>${value}</${name}>\n`)
    writeFileSync(path, text.replace(/<options>\n/, `<options>\n${lines.join('')}`))
  }

  async request(method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.#apiPort}${path}`, {
      method,
      headers: { 'X-API-Key': this.#apiKey, 'Content-Type': 'application/json' },
      signal: AbortSignal.any([this.#patience.signal, AbortSignal.timeout(requestTimeoutMs)]),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`Syncthing answered ${method} ${path} with ${response.status}: ${text.slice(0, 300)}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  async addDevice(peer: SyncthingNode): Promise<void> {
    await this.request('POST', '/rest/config/devices', { deviceID: peer.deviceId, addresses: [peer.address] })
  }

  async addFolder(path: string, members: readonly SyncthingNode[]): Promise<void> {
    await this.request('POST', '/rest/config/folders', {
      id: folderId,
      path,
      type: 'sendreceive',
      devices: members.map((member) => ({ deviceID: member.deviceId })),
      fsWatcherEnabled: true,
      fsWatcherDelayS: 1,
      rescanIntervalS: 3600,
    })
  }

  async state(): Promise<NodeState> {
    const answer = await this.request('GET', `/rest/db/status?folder=${folderId}`)
    const status = folderStatus.parse(answer)
    return { files: status.localFiles, needed: status.needTotalItems, isIdle: status.state === 'idle', text: JSON.stringify(status) }
  }

  async wireBytes(): Promise<number> {
    const { total } = connections.parse(await this.request('GET', '/rest/system/connections'))
    return total.inBytesTotal + total.outBytesTotal
  }

  assertRunning(): void {
    this.#daemon?.assertRunning('Syncthing')
  }

  usage(): Usage {
    return { cpuSeconds: this.#daemon?.cpuSeconds(), peakMemoryBytes: this.#daemon?.peakMemoryBytes() }
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop()
  }
}

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()]
  const ports: number[] = []
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (typeof address === 'object' && address !== null) ports.push(address.port)
  }
  for (const server of servers) server.close()
  return [ports[0] ?? 0, ports[1] ?? 0]
}

export function openSyncthingPair(program: string, version: string, paths: PairPaths, patience: Patience): Pair {
  const a = new SyncthingNode(program, paths.homes.a, patience)
  const b = new SyncthingNode(program, paths.homes.b, patience)
  const nodes: Readonly<Record<Side, SyncthingNode>> = { a, b }
  return {
    tool: 'syncthing',
    version,
    ownNames: ['.stfolder'],
    async start() {
      await a.start()
      await b.start()
    },
    addFolder: async () => {
      await a.addDevice(b)
      await a.addFolder(paths.roots.a, [a, b])
    },
    invite: async () => {},
    join: async () => {
      await b.addDevice(a)
      await b.addFolder(paths.roots.b, [a, b])
    },
    state: (side) => nodes[side].state(),
    assertRunning() {
      a.assertRunning()
      b.assertRunning()
    },
    usage: (side) => nodes[side].usage(),
    wireBytes: () => b.wireBytes(),
    databaseBytes: () => bytesBelow(paths.homes.a, isDatabase) + bytesBelow(paths.homes.b, isDatabase),
    async stop() {
      await Promise.allSettled([a.stop(), b.stop()])
    },
  }
}

/** `index-v0.14.0.db/` up to 1.x, `index-v2/` from 2.0. */
function isDatabase(path: string): boolean {
  return path.startsWith('index-')
}
