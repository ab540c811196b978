// `npm run sim`: fixed seeds and scripts that once failed. `-- --seed N` replays one with its trace; `-- --script FILE` a script;
// `-- --minutes M` explores new seeds; `--shrink` makes what fails short;
// `--hosts` is worlds with hosts; `--with loseDatabase,apple` draws actions or drives that are not drawn by themselves; `-- --crash-points` is the full sweep, `--of NAME` that of one scenario.
// Every seed runs twice and must give the same trace: a difference is a fault of its own.

import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { crashPointsOf, describePoint, runCrashPoint, scriptOf } from './crash-points.ts'
import { scenarios } from './crash-scenarios.ts'
import { openEngineNode } from './engine-node.ts'
import { foundScripts } from './found.ts'
import { SimCrash } from './life.ts'
import { formatScript, parseScript, type Script } from './script.ts'
import { fixedHostSeeds, fixedSeeds } from './seeds.ts'
import { kindOfFailure, shrink } from './shrink.ts'
import { isNamesKind } from './setup.ts'
import { replay, simulate, type Simulation, type SimulationResult } from './simulate.ts'
import { allSetups, allWeights } from './weights.ts'

const exploreFrom = 1_000_000
const minuteMs = 60_000
const extraWeight = 3
const hostsOption = ' --hosts'

interface Run {
  readonly name: string
  /** For replaying it. */
  readonly option: string
  readonly go: (onTraceLine?: (line: string) => void) => Promise<SimulationResult>
}

function ofSeed(seed: number, extra: Extra): Run {
  return {
    name: `seed ${seed}`,
    option: `--seed ${seed}${extra.option}`,
    go: (onTraceLine) => simulate({ seed, open: openEngineNode, ...extra.draw, ...(onTraceLine === undefined ? {} : { onTraceLine }) }),
  }
}

/** What else is drawn: `--with rot,apple`. */
interface Extra {
  readonly option: string
  readonly draw: Pick<Simulation, 'weights' | 'more' | 'setups' | 'hasHosts'>
}

function parseExtra(text: string, hasHosts: boolean): Extra {
  const given = text.split(',').filter((name) => name !== '')
  if (hasHosts) return ofHosts(text, given)
  const names = given.filter(isNamesKind)
  const actions = given.filter((name) => !isNamesKind(name)).map((name) => [name, extraWeight])
  const setups = names.length === 0 ? allSetups : { ...allSetups, names: Object.fromEntries(names.map((name) => [name, 1])) }
  return { option: text === '' ? '' : ` --with ${text}`, draw: { weights: { ...allWeights, ...Object.fromEntries(actions) }, setups } }
}

function ofHosts(text: string, given: readonly string[]): Extra {
  const option = `${hostsOption}${text === '' ? '' : ` --with ${text}`}`
  return {
    option,
    draw: { hasHosts: true, more: Object.fromEntries(given.map((name) => [name, extraWeight])) },
  }
}

function ofScript(name: string, script: Script): Run {
  return {
    name,
    option: `--script ${name}`,
    go: (onTraceLine) => replay({ script, open: openEngineNode, ...(onTraceLine === undefined ? {} : { onTraceLine }) }),
  }
}

/** The verdict after two runs. */
async function runTwice(run: Run): Promise<SimulationResult> {
  const first = await run.go()
  if (first.failure !== undefined) return first
  const second = await run.go()
  if (first.digest === second.digest) return first
  return { ...first, failure: `two runs differ: ${first.digest} (${first.steps} steps) and ${second.digest} (${second.steps} steps)` }
}

function report({ name, option }: Run, result: SimulationResult): void {
  const { steps, digest, failure, rest, virtualMs } = result
  const kept =
    rest === undefined
      ? ''
      : ` · ${rest.inPlace} in place, ${rest.conflictCopies} in conflict copies, ${rest.elsewhere} elsewhere, ${rest.inHistory} from history`
  const seconds = (virtualMs / 1000).toFixed(0)
  console.log(`${failure === undefined ? 'ok    ' : 'FAILED'} ${name} · ${steps} steps · ${seconds} virtual s · ${digest}${kept}`)
  if (failure === undefined) return
  console.log(`       ${failure}`)
  const lines = result.lastLines.slice(-30).map((line) => `         ${line}`)
  console.log(lines.join('\n'))
  console.log(`       replay with: npm run sim -- ${option}; make it short with: npm run sim -- ${option} --shrink`)
}

async function makeShort(run: Run): Promise<boolean> {
  const { failure, script } = await run.go()
  if (failure === undefined) {
    console.log(`${run.name} does not fail`)
    return true
  }
  const kind = kindOfFailure(failure)
  console.log(`looking for the shortest script with: ${kind}`)
  const fails = async (candidate: Script): Promise<boolean> => {
    const result = await replay({ script: candidate, open: openEngineNode })
    return result.failure !== undefined && kindOfFailure(result.failure) === kind
  }
  const short = await shrink(script, fails, ({ before, steps }) => console.log(`  ${before.length} + ${steps.length} steps`))
  const result = await replay({ script: short, open: openEngineNode })
  console.log(`\n${result.failure}\n\n${formatScript(short)}`)
  console.log('keep it as test/sim/found/NAME.json')
  return false
}

async function runAll(runs: Iterable<Run>): Promise<boolean> {
  const failed: string[] = []
  for (const run of runs) {
    const result = await runTwice(run)
    report(run, result)
    if (result.failure !== undefined) failed.push(run.option)
  }
  if (failed.length > 0) console.log(`failed: ${failed.join(', ')}`)
  return failed.length === 0
}

/** Every crash point of the scenarios, or of the one of this name. */
async function sweep(name: string): Promise<boolean> {
  if (name === '') return scenarios.map((scenario) => inOwnProcess(['--crash-points', '--of', scenario.name])).every(Boolean)
  const scenario = scenarios.find((one) => one.name === name)
  if (scenario === undefined) throw new Error(`there is no scenario "${name}"; there are: ${scenarios.map((one) => one.name).join(', ')}`)
  const failed: string[] = []
  const points = await crashPointsOf(scenario)
  for (const point of points) {
    const { failure } = await runCrashPoint(point)
    if (failure === undefined) continue
    const path = join(tmpdir(), `holdfast-${describePoint(point).replaceAll(/\W+/g, '-')}.json`)
    writeFileSync(path, formatScript(scriptOf(point)))
    console.log(`FAILED ${describePoint(point)}\n       ${failure}\n       replay with: npm run sim -- --script ${path}`)
    failed.push(path)
  }
  console.log(`${scenario.name}: ${points.length} crash points`)
  return failed.length === 0
}

/** What simulated lives leave behind in memory goes with the process. */
function inOwnProcess(words: readonly string[]): boolean {
  const [, script] = process.argv
  return spawnSync(process.execPath, [...process.execArgv, script ?? '', ...words], { stdio: 'inherit' }).status === 0
}

const seedsPerProcess = 20

/** New seeds for so long, in processes of their own, one after the other. */
function explore(from: number, minutes: number, drawn: readonly string[]): boolean {
  const endMs = performance.now() + minutes * minuteMs
  const failed: number[] = []
  for (let seed = from; performance.now() < endMs; seed += seedsPerProcess) {
    const words = ['--from', String(seed), '--count', String(seedsPerProcess), ...drawn]
    if (!inOwnProcess(words)) failed.push(seed)
  }
  if (failed.length > 0) console.log(`failed: among the ${seedsPerProcess} seeds from ${failed.join(', ')}`)
  return failed.length === 0
}

async function main(): Promise<boolean> {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const options = {
    seed: text,
    script: text,
    minutes: text,
    from: text,
    with: text,
    count: text,
    shrink: flag,
    hosts: flag,
    'crash-points': flag,
    of: text,
  }
  const { values } = parseArgs({ options })
  const extra = parseExtra(values.with ?? '', values.hosts)
  if (values['crash-points']) return await sweep(values.of ?? '')
  const one =
    values.seed !== undefined
      ? ofSeed(Number(values.seed), extra)
      : values.script !== undefined
        ? ofScript(values.script, parseScript(readFileSync(values.script, 'utf8')))
        : undefined
  if (one !== undefined && values.shrink) return await makeShort(one)
  if (one !== undefined) {
    let isOver = false
    const result = await one.go((line) => {
      if (!isOver) console.log(line) // what dies with the world has more to say
    })
    isOver = true
    report(one, result)
    return result.failure === undefined
  }
  if (values.minutes !== undefined) {
    const from = Number(values.from ?? exploreFrom + (Date.now() % exploreFrom))
    const drawn = [...(values.hosts ? ['--hosts'] : []), ...(values.with === undefined ? [] : ['--with', values.with])]
    return explore(from, Number(values.minutes), drawn)
  }
  if (values.count !== undefined) {
    const from = Number(values.from)
    return await runAll(Array.from({ length: Number(values.count) }, (_, at) => ofSeed(from + at, extra)))
  }
  return await runAll([
    ...(values.hosts ? [] : fixedSeeds.map((seed) => ofSeed(seed, extra))),
    ...fixedHostSeeds.map((seed) => ofSeed(seed, parseExtra(values.with ?? '', true))),
    ...foundScripts().map(({ path, script }) => ofScript(path, script)),
  ])
}

// A flow of a killed process that nobody waits for any more may end in SimCrash: that is no failure. Anything else is.
process.on('unhandledRejection', (error) => {
  if (!(error instanceof SimCrash)) throw error
})

process.exitCode = (await main()) ? 0 : 1
