// The child processes of a run: started here, measured here, and ended by pid whatever happens to the run.

import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { DaemonEnded, WaitTimeout, type Patience } from './waiting.ts'

const running = new Set<ChildProcess>()

// The last net: an exit that skipped `stop` leaves no daemon behind.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

const stopPatienceMs = 20_000
const logTailBytes = 2000

export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export interface Result {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  readonly cpuSeconds: number | undefined
}

/** A long-running child whose output goes to a file. */
export class Daemon {
  readonly #child: ChildProcess
  readonly #logFile: string

  private constructor(child: ChildProcess, logFile: string) {
    this.#child = child
    this.#logFile = logFile
  }

  static async start(launch: Launch, logFile: string): Promise<Daemon> {
    const log = openSync(logFile, 'a')
    try {
      const child = spawn(launch.command, launch.args, {
        stdio: ['ignore', log, log],
        env: { ...process.env, ...launch.env },
        cwd: launch.cwd,
      })
      track(child)
      await once(child, 'spawn')
      return new Daemon(child, logFile)
    } finally {
      closeSync(log)
    }
  }

  /** Everything it has written so far. */
  log(): string {
    return readFileSync(this.#logFile, 'utf8')
  }

  #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Throws DaemonEnded with the end of its log when it has ended. */
  assertRunning(what: string): void {
    if (!this.#hasEnded()) return
    const { exitCode, signalCode } = this.#child
    throw new DaemonEnded(
      `${what} ended by itself (${signalCode ?? `exit code ${exitCode}`}); the end of its log:\n${this.log().slice(-logTailBytes)}`,
    )
  }

  /** CPU seconds of the process, its threads and its children; undefined where the system does not tell. */
  cpuSeconds(): number | undefined {
    return sumOf(this.#pids(), cpuSecondsOf)
  }

  /** The most resident memory any process of the tree had; undefined where the system does not tell. */
  peakMemoryBytes(): number | undefined {
    const peaks = this.#pids().flatMap((pid) => peakMemoryBytesOf(pid) ?? [])
    return peaks.length === 0 ? undefined : Math.max(...peaks)
  }

  #pids(): readonly number[] {
    return this.#child.pid === undefined ? [] : treeOf(this.#child.pid)
  }

  /** Asks it to end, and ends it when it does not. */
  async stop(): Promise<void> {
    const child = this.#child
    if (this.#hasEnded()) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    const patience = new AbortController()
    const isLate = await Promise.race([ended.then(() => false), delay(stopPatienceMs, true, { signal: patience.signal })])
    patience.abort()
    if (!isLate) return
    child.kill('SIGKILL')
    await ended
  }
}

/**
 * Runs a command to its end and gives its output. Does not throw for an exit code. Throws ENOENT when it is missing,
 * WaitTimeout when it takes too long, and ends it then.
 */
export async function run(launch: Launch, patience: Patience): Promise<Result> {
  const deadline = AbortSignal.timeout(patience.timeoutMs)
  try {
    return await runUntil(launch, AbortSignal.any([patience.signal, deadline]))
  } catch (error) {
    if (!deadline.aborted) throw error
    throw new WaitTimeout(`${launch.command} was ended after ${patience.timeoutMs / 1000} s`, { cause: error })
  }
}

async function runUntil(launch: Launch, signal: AbortSignal): Promise<Result> {
  const child = spawn(launch.command, launch.args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...launch.env },
    cwd: launch.cwd,
    signal,
  })
  track(child)
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (bytes: Buffer) => stdout.push(bytes))
  child.stderr.on('data', (bytes: Buffer) => stderr.push(bytes))
  const before = childrenCpuSeconds()
  const [code] = await once(child, 'close')
  const after = childrenCpuSeconds()
  return {
    exitCode: typeof code === 'number' ? code : 1,
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
    cpuSeconds: before === undefined || after === undefined ? undefined : after - before,
  }
}

/** As `run`, but any exit code but 0 throws with what the command said. */
export async function runOrThrow(launch: Launch, patience: Patience): Promise<Result> {
  const result = await run(launch, patience)
  if (result.exitCode === 0) return result
  const said = (result.stderr || result.stdout).trim().slice(-logTailBytes)
  throw new Error(`${launch.command} ${launch.args.join(' ')} failed with exit code ${result.exitCode}: ${said}`)
}

function track(child: ChildProcess): void {
  running.add(child)
  child.on('exit', () => running.delete(child))
  // Never started; an abort is an error too, but then the process is still to end.
  child.on('error', () => child.pid === undefined && running.delete(child))
}

// --- /proc; on a system without it every figure is undefined

// USER_HZ is 100 in every Linux ABI that Node runs on.
const ticksPerSecond = 100

function treeOf(root: number): readonly number[] {
  const found: number[] = []
  const todo = [root]
  for (let pid = todo.pop(); pid !== undefined; pid = todo.pop()) {
    found.push(pid)
    todo.push(...childrenOf(pid))
  }
  return found
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
      const text = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim()
      return text === '' ? [] : text.split(' ').map(Number)
    })
  } catch {
    return [] // it ended while we looked, or there is no /proc
  }
}

function statFields(pid: number | 'self'): readonly string[] | undefined {
  try {
    // The name in brackets may hold spaces and brackets: count from the last one. Index 0 is then the third field, the state.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')
  } catch {
    return undefined
  }
}

function cpuSecondsOf(pid: number): number | undefined {
  const fields = statFields(pid)
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Of every child that was waited for so far: what a command that has ended took. */
function childrenCpuSeconds(): number | undefined {
  const fields = statFields('self')
  return fields === undefined ? undefined : (Number(fields[13]) + Number(fields[14])) / ticksPerSecond
}

function peakMemoryBytesOf(pid: number): number | undefined {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
  } catch {
    return undefined
  }
}

function sumOf(pids: readonly number[], measure: (pid: number) => number | undefined): number | undefined {
  const values = pids.flatMap((pid) => measure(pid) ?? [])
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0)
}
