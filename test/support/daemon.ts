// Real daemons for integration tests: child processes of engine/bin/holdfast.mjs on homes of their own, driven over their
// sockets as any client is. A test that fails prints what its daemons said.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openClient, type Client } from '../../engine/api/client.ts'
import type { FolderStatus, NodeStatus } from '../../engine/api/controls.ts'
import { homePaths, socketPathOf } from '../../engine/platform/home.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const launcher = fileURLToPath(new URL('../../engine/bin/holdfast.mjs', import.meta.url))
const loopback = '/ip4/127.0.0.1/tcp/0'
const readyTimeoutMs = 60_000
const endTimeoutMs = 20_000
const callTimeoutMs = 120_000
const pollMs = 50
const logTailBytes = 6000

const running = new Set<ChildProcess>()
// The last net: a test process that ends early leaves no daemon behind.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export interface Ended {
  readonly code: number | undefined
  readonly out: string
  readonly err: string
}

/** How much the tests do: HOLDFAST_CAMPAIGN=1 asks for the large figures. */
export const isCampaign: boolean = (process.env['HOLDFAST_CAMPAIGN'] ?? '') !== ''

export function scaled(normal: number, campaign: number): number {
  return isCampaign ? campaign : normal
}

/** Asks until `probe` gives a value that is not undefined; throws with `what` and the last error when time is up. */
export async function eventually<Value>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<Value | undefined> | Value | undefined,
): Promise<Value> {
  const deadlineMs = Date.now() + timeoutMs
  let failure = ''
  do {
    try {
      const value = await probe()
      if (value !== undefined) return value
      failure = ''
    } catch (error) {
      failure = `; last error: ${error instanceof Error ? error.message : String(error)}`
    }
    await delay(pollMs)
  } while (Date.now() < deadlineMs)
  throw new Error(`gave up after ${timeoutMs / 1000} s waiting for ${what}${failure}`)
}

/** The machines of one test: a temporary directory, and daemons that end with the test. */
export class TestNodes {
  readonly directory: string
  readonly #daemons: TestDaemon[] = []
  readonly #undo: (() => void)[] = []

  constructor(test: TestContext) {
    const directory = temporaryDirectory()
    this.directory = directory.path
    test.after(async () => {
      const isFailed = 'passed' in test && test.passed !== true // Node has it; its types do not
      for (const daemon of this.#daemons) if (isFailed) test.diagnostic(`--- ${daemon.name}\n${daemon.story()}`)
      await Promise.all(this.#daemons.map((daemon) => daemon.kill()))
      for (const undo of this.#undo) undo()
      directory[Symbol.dispose]()
    })
  }

  /** A path below the test's directory, in a parent that exists. */
  path(...names: readonly string[]): string {
    return join(this.directory, ...names)
  }

  /** A new directory below the test's. */
  makeDirectory(...names: readonly string[]): string {
    const path = this.path(...names)
    mkdirSync(path, { recursive: true })
    return path
  }

  /** Called when the daemons have ended and the directory is still there. */
  onEnd(undo: () => void): void {
    this.#undo.push(undo)
  }

  /** A node that has not been started. */
  create(name: string, options: DaemonOptions = {}, home: string = this.path(`home-${name}`)): TestDaemon {
    const daemon = new TestDaemon(name, home, options)
    this.#daemons.push(daemon)
    return daemon
  }

  async start(name: string, options: DaemonOptions = {}): Promise<TestDaemon> {
    const daemon = this.create(name, options)
    await daemon.start()
    return daemon
  }
}

export interface DaemonOptions {
  /** Multiaddrs; any free port on loopback otherwise. */
  readonly listen?: readonly string[]
  /** A command that runs the daemon's, for another network namespace say. */
  readonly through?: readonly string[]
  /** A program that stands for the launcher, absolute. */
  readonly program?: string
  /** More words for `serve`. */
  readonly serve?: readonly string[]
}

export class TestDaemon {
  readonly name: string
  readonly home: string
  readonly #options: DaemonOptions
  readonly #client: Client
  #child: ChildProcess | undefined
  #out = ''
  #err = ''

  constructor(name: string, home: string, options: DaemonOptions) {
    this.name = name
    this.home = home
    this.#options = options
    this.#client = openClient({ socketPath: socketPathOf(home, process.platform) })
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Starts it, with more options of `serve` this once, and waits for its ready line; throws with what it said when it ends before. */
  async start(...also: readonly string[]): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} runs already`)
    this.#out = ''
    this.#err = ''
    const { listen = [loopback], through = [], serve = [], program } = this.#options
    const listening = listen.flatMap((address) => ['--listen', address])
    const child = launch(
      ['serve', '--home', this.home, '--name', this.name, ...listening, '--no-discovery', ...serve, ...also],
      through,
      program,
    )
    this.#child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#out += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#err += text))
    await eventually(`${this.name} to be ready`, readyTimeoutMs, () =>
      /^holdfast ready \{/m.test(this.#out) || !this.isRunning ? true : undefined,
    )
    if (!this.isRunning) throw new Error(`${this.name} ended before it was ready (exit code ${child.exitCode}): ${this.#err}`)
  }

  /** Asks it to end in order, and waits. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  /** Ends it with no chance to do anything more. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  call: Client['call'] = async (name, input, signal) => {
    return await this.#client.call(name, input, signal ?? AbortSignal.timeout(callTimeoutMs))
  }

  async status(): Promise<NodeStatus> {
    return await this.call('status', {})
  }

  /** The only folder, or the one with this name. Throws when there is none. */
  async folder(name?: string): Promise<FolderStatus> {
    const { folders } = await this.status()
    const folder = name === undefined ? folders[0] : folders.find((candidate) => candidate.name === name)
    if (folder === undefined) throw new Error(`${this.name} has no folder ${name ?? ''}`)
    return folder
  }

  async problemCodes(): Promise<readonly string[]> {
    return (await this.status()).problems.map((problem) => problem.code)
  }

  async address(): Promise<string> {
    const { addresses } = await this.call('identity', {})
    const address = addresses.find((candidate) => candidate.includes('/tcp/'))
    if (address === undefined) throw new Error(`${this.name} has no address`)
    return address
  }

  async share(folder: string, role?: 'owner' | 'write' | 'host'): Promise<string> {
    return (await this.call('share', { folder, ...(role === undefined ? {} : { role }) })).link
  }

  /** Runs the `holdfast` command against this node's home, as a shell would. */
  async command(...words: readonly string[]): Promise<Ended> {
    return await runHoldfast([...words, '--home', this.home])
  }

  /** Output and the end of the log, for whoever reads a failed test. */
  story(): string {
    const { logFile } = homePaths(this.home)
    const log = existsSync(logFile) ? readFileSync(logFile, 'utf8').slice(-logTailBytes) : '(no log)'
    return `${this.isRunning ? 'running' : 'ended'}\nstderr: ${this.#err}\n${log}`
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined || !this.isRunning) return
    const ended = once(child, 'exit')
    child.kill(signal)
    const patience = new AbortController()
    const isLate = await Promise.race([ended.then(() => false), delay(endTimeoutMs, true, { signal: patience.signal })])
    patience.abort()
    if (!isLate) return
    child.kill('SIGKILL')
    await ended
    throw new Error(`${this.name} did not end within ${endTimeoutMs / 1000} s of ${signal}`)
  }
}

/** Runs the `holdfast` command to its end. */
export async function runHoldfast(words: readonly string[], timeoutMs = 60_000): Promise<Ended> {
  const child = launch(words)
  let out = ''
  let err = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text))
  const late = AbortSignal.timeout(timeoutMs)
  late.addEventListener('abort', () => child.kill('SIGKILL'))
  await once(child, 'close')
  if (late.aborted) throw new Error(`holdfast ${words.join(' ')} did not end within ${timeoutMs / 1000} s: ${out}${err}`)
  return { code: child.exitCode ?? undefined, out, err }
}

/** Waits until each node says that it is in step, in turn, until all say so in one round. */
export async function allSynced(nodes: readonly TestDaemon[], timeoutMs = 90_000): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs)
  // Twice: what the last one brought is news to the first.
  for (let round = 0; round < 2; round++) {
    for (const node of nodes) {
      await inStepWithAll(node, timeoutMs, signal).catch(async (error: unknown) => {
        const status = await node.status().catch(() => undefined)
        throw new Error(
          `${node.name} did not come in step: ${JSON.stringify({ folders: status?.folders, problems: status?.problems.slice(0, 5) })}`,
          { cause: error },
        )
      })
    }
  }
}

/** A member whose disk was full a moment ago says so until it has tried again: it is waited for. */
async function inStepWithAll(node: TestDaemon, timeoutMs: number, signal: AbortSignal): Promise<void> {
  await eventually('nobody to be full', timeoutMs, async () =>
    (await node.call('waitSynced', { timeoutMs }, signal)).full.length === 0 ? true : undefined,
  )
}

/** Lets every hold pass: what a test has deleted or rewritten, it meant. */
export async function acceptHolds(nodes: readonly TestDaemon[]): Promise<void> {
  for (const node of nodes) {
    const { folders } = await node.status()
    for (const folder of folders) if (folder.state === 'held') await node.call('acceptChanges', { folder: folder.id })
  }
}

/** As `allSynced` where the changes may be so many that a node asks about them. */
export async function allSyncedAccepting(nodes: readonly TestDaemon[], timeoutMs = 120_000): Promise<void> {
  await eventually('all to be in step', timeoutMs, async () => {
    await acceptHolds(nodes)
    await allSynced(nodes, 10_000)
    return true
  })
}

/** Waits until both are connected to each other. */
export async function connected(nodes: readonly TestDaemon[], timeoutMs = 60_000): Promise<void> {
  for (const node of nodes) {
    await eventually(`${node.name} to have a connection`, timeoutMs, async () =>
      (await node.status()).peers.some((peer) => peer.connected) ? true : undefined,
    )
  }
}

function launch(words: readonly string[], through: readonly string[] = [], program: string = launcher): ChildProcess {
  const env = { ...process.env }
  delete env['NODE_OPTIONS']
  delete env['NODE_TEST_CONTEXT'] // the child is not a test
  const [command = process.execPath, ...rest] = [...through, process.execPath, program, ...words]
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'], env })
  running.add(child)
  child.on('exit', () => running.delete(child))
  return child
}
