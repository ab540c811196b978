// `npm run bench`: the speed of Holdfast beside Syncthing's and rsync's, in one run on one machine, on data it makes itself.
// Progress goes to stderr, the table to stdout. Exit codes: 0 ok, 1 something could not be measured, 2 usage, 130 stopped.

import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { makeDataSet, type DataSet } from './data.ts'
import { Figures } from './figures.ts'
import { copyTree, fileSystemType, flushDisk, freeBytes } from './files.ts'
import { openHoldfastPair } from './holdfast-pair.ts'
import { describeMachine, machineLine } from './machine.ts'
import { measurePair } from './measure.ts'
import { measureMicro } from './micro.ts'
import { parseOptions, setNames, toolNames, usage, UsageError, type Options, type SetName, type ToolName } from './options.ts'
import type { Pair, PairPaths } from './pair.ts'
import { placementTable } from './placement.ts'
import { measureRepair } from './repair.ts'
import { jsonReport, markdownTable, missedAims, peopleTable, type Report } from './report.ts'
import { tableRows } from './rows.ts'
import { measureStore } from './store.ts'
import { untilFilesAreMadeAsUsual } from './quiet-disk.ts'
import { measureRsync, rsyncVersion } from './rsync.ts'
import { openSyncthingPair, syncthingVersion } from './syncthing-pair.ts'
import type { Patience } from './waiting.ts'

interface Bench {
  readonly options: Options
  readonly patience: Patience
  /** Everything the run makes is below; removed at the end. */
  readonly directory: string
  readonly versions: Readonly<Partial<Record<ToolName, string>>>
  readonly figures: Figures
}

const gibibyte = 2 ** 30
/** The data itself, and of the set big two trees and a temporary copy while a changed file is applied. */
const freeBytesAlways = 6 * gibibyte
/** What one tool leaves of the sets small and tiny until the end: two trees, the homes. */
const freeBytesPerTool = 2 * gibibyte
const latencyTrials = 20
const latencyTrialsQuick = 5
const interruptedExitCode = 130

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) {
    process.stdout.write(usage)
    return 0
  }
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Error(`stopped by ${name}`)))
  // Whoever read the output is gone (`| head`): without a listener that would end the process before anything is removed.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', (error) => stop.abort(error))
  const directory = makeWorkDirectory(options)
  try {
    return await runIn(directory, options, { signal: stop.signal, timeoutMs: options.waitTimeoutMs })
  } catch (error) {
    if (!stop.signal.aborted) throw error
    say('stopped')
    return interruptedExitCode
  } finally {
    if (options.keep) say(`kept: ${directory}`)
    else await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** A directory of the benchmark's own, so that removing it removes nothing of anyone else's. */
function makeWorkDirectory(options: Options): string {
  if (options.work === undefined) return mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  const directory = join(options.work, 'holdfast-bench')
  mkdirSync(directory, { recursive: true })
  return directory
}

async function runIn(directory: string, options: Options, patience: Patience): Promise<number> {
  if (options.parts.has('placement')) process.stdout.write(`${placementTable(machineLine(describeMachine(directory)), say)}\n`)
  if (options.parts.size === 1 && options.parts.has('placement')) return 0
  checkDisk(directory, options)
  const setNamesNeeded = neededSets(options)
  const versions = await findTools(options, setNamesNeeded.length > 0, patience)
  const bench: Bench = { options, patience, directory, versions, figures: new Figures() }
  const machine = describeMachine(directory)
  say(machineLine(machine))

  if (options.parts.has('micro')) await measureMicro(bench.figures, join(directory, 'micro'), patience, say)
  if (options.parts.has('store')) await measureStore(bench.figures, join(directory, 'store'), options.isQuick, patience, say)
  if (options.parts.has('repair')) await measureRepair(bench.figures, join(directory, 'repair'), options.isQuick, patience, say)
  const sets = setNamesNeeded.map((name) => {
    say(`making the data set ${name}`)
    return makeDataSet(join(directory, 'data'), name, options.isQuick)
  })
  for (let repeat = 0; repeat < options.repeats; repeat++) {
    for (const set of sets) for (const tool of toolsInTurn(bench, repeat)) await measureTool(bench, set, tool, repeat)
  }

  const titles = { big: '', small: '', tiny: '', ...Object.fromEntries(sets.map((set) => [set.name, set.title])) }
  const { figures } = bench
  const report: Report = { machine, versions, rows: tableRows(titles), figures, isQuick: options.isQuick, repeats: options.repeats }
  process.stdout.write(`${options.markdown ? markdownTable(report) : peopleTable(report)}\n`)
  if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, `${jsonReport(report)}\n`)
  const missed = options.isGate ? missedAims(report) : []
  for (const line of missed) say(`not met: ${line}`)
  return figures.failures.length === 0 && missed.length === 0 ? 0 : 1
}

function checkDisk(directory: string, options: Options): void {
  const type = fileSystemType(directory)
  if (type === 'tmpfs') say(`warning: ${directory} is in memory (tmpfs): the figures will not be those of a disk; use --work DIR`)
  const free = freeBytes(directory)
  const wanted = freeBytesAlways + freeBytesPerTool * options.tools.size * options.repeats
  if (free >= wanted || options.isQuick) return
  const [freeGib, wantedGib] = [free, wanted].map((bytes) => (bytes / gibibyte).toFixed(1))
  throw new UsageError(
    `${directory} has ${freeGib} GiB free and the benchmark wants ${wantedGib}: use --work DIR on a larger disk, or --quick`,
  )
}

/** The versions of the tools that were asked for and are here. */
async function findTools(options: Options, compares: boolean, patience: Patience): Promise<Readonly<Partial<Record<ToolName, string>>>> {
  const found: Partial<Record<ToolName, string>> = {}
  if (options.tools.has('holdfast')) found.holdfast = holdfastVersion()
  for (const tool of ['syncthing', 'rsync'] as const) {
    if (!compares || !options.tools.has(tool)) continue
    const version = await (tool === 'syncthing' ? syncthingVersion(options.syncthing, patience) : rsyncVersion(options.rsync, patience))
    if (version === undefined) say(`${options[tool]} is not installed: measuring without it (Debian: apt install ${tool})`)
    else found[tool] = version
  }
  return found
}

function holdfastVersion(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return z.object({ version: z.string() }).parse(JSON.parse(manifest)).version
}

function neededSets({ parts, sets }: Options): readonly SetName[] {
  const wantsAll = parts.has('scan') || parts.has('first-sync')
  const needed: Readonly<Record<SetName, boolean>> = {
    big: wantsAll || parts.has('append') || parts.has('insert') || parts.has('rename'),
    small: wantsAll || parts.has('latency'),
    tiny: wantsAll,
  }
  return setNames.filter((name) => sets.has(name) && needed[name])
}

/** Another tool goes first in each repeat, so that none always finds the disk as another left it. */
function toolsInTurn({ versions }: Bench, repeat: number): readonly ToolName[] {
  const tools = toolNames.filter((tool) => versions[tool] !== undefined)
  const shift = tools.length === 0 ? 0 : repeat % tools.length
  return [...tools.slice(shift), ...tools.slice(0, shift)]
}

/** One tool on one set, from copying the data on. Trouble becomes a failure in the report. */
async function measureTool(bench: Bench, set: DataSet, tool: ToolName, repeat: number): Promise<void> {
  const { options, figures, patience, directory } = bench
  if (tool === 'rsync' && !options.parts.has('first-sync')) return
  const step = `${tool}, ${set.name}${options.repeats === 1 ? '' : `, run ${repeat + 1} of ${options.repeats}`}`
  const runDirectory = join(directory, 'run', `${repeat + 1}-${tool}-${set.name}`)
  const tell = (text: string) => say(`${step}: ${text}`)
  try {
    await rm(runDirectory, { recursive: true, force: true })
    mkdirSync(runDirectory, { recursive: true })
    if (set.name !== 'big') await untilFilesAreMadeAsUsual(join(directory, 'probes'), patience, tell)
    if (tool === 'rsync') {
      await measureRsync({ program: options.rsync, directory: runDirectory, set, figures, patience, say: tell })
    } else {
      await measureNodes(bench, set, tool, runDirectory, tell)
    }
  } catch (error) {
    patience.signal.throwIfAborted()
    const message = error instanceof Error ? error.message : String(error)
    tell(`failed: ${message}`)
    figures.recordFailure({ tool, step: `${set.name}, run ${repeat + 1}`, message })
  } finally {
    // Only what frees few inodes: see quiet-disk.ts.
    if (!options.keep && set.name === 'big') await rm(runDirectory, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function measureNodes(
  bench: Bench,
  set: DataSet,
  tool: 'syncthing' | 'holdfast',
  directory: string,
  tell: (text: string) => void,
): Promise<void> {
  const { options, figures, patience } = bench
  const paths: PairPaths = {
    roots: { a: join(directory, 'a'), b: join(directory, 'b') },
    homes: { a: join(directory, 'home-a'), b: join(directory, 'home-b') },
  }
  await copyTree(set.path, paths.roots.a, patience)
  mkdirSync(paths.roots.b)
  await flushDisk(patience)
  const pair = openPair(bench, tool, paths)
  const trials = options.isQuick ? latencyTrialsQuick : latencyTrials
  try {
    await measurePair({ pair, paths, set, parts: options.parts, latencyTrials: trials, figures, patience, say: tell })
  } catch (error) {
    pair.assertRunning() // the better explanation, if it is one
    throw error
  } finally {
    await pair.stop()
  }
}

function openPair({ options, versions, patience }: Bench, tool: 'syncthing' | 'holdfast', paths: PairPaths): Pair {
  const version = versions[tool] ?? ''
  return tool === 'syncthing' ? openSyncthingPair(options.syncthing, version, paths, patience) : openHoldfastPair(version, paths, patience)
}

try {
  process.exitCode = await main()
} catch (error) {
  say(error instanceof UsageError ? `${error.message}\n\n${usage}` : String(error instanceof Error ? error.stack : error))
  process.exitCode = error instanceof UsageError ? 2 : 1
}
