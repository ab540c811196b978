// `npm run sim`: fixed seeds; `-- --seed N` replays one with its trace; `-- --minutes M` explores new ones.
// Every seed runs twice and must give the same trace: a difference is a fault of its own.

import { parseArgs } from 'node:util'

import { openEngineNode } from './engine-node.ts'
import { SimCrash } from './life.ts'
import { simulate, type SimulationResult } from './simulate.ts'

/** Kept small enough for every check; seeds that once failed stay here with their fix. */
const fixedSeeds = [1, 2, 3, 4, 5, 6, 7, 8]
const exploreFrom = 1_000_000
const minuteMs = 60_000

/** A seed's verdict after two runs. */
async function runTwice(seed: number): Promise<SimulationResult> {
  const first = await simulate({ seed, open: openEngineNode })
  if (first.failure !== undefined) return first
  const second = await simulate({ seed, open: openEngineNode })
  if (first.digest === second.digest) return first
  return { ...first, failure: `two runs differ: ${first.digest} (${first.steps} steps) and ${second.digest} (${second.steps} steps)` }
}

function report(result: SimulationResult): void {
  const { seed, steps, digest, failure, rest, virtualMs } = result
  const kept =
    rest === undefined ? '' : ` · ${rest.inPlace} in place, ${rest.conflictCopies} in conflict copies, ${rest.elsewhere} elsewhere`
  const seconds = (virtualMs / 1000).toFixed(0)
  console.log(`${failure === undefined ? 'ok    ' : 'FAILED'} seed ${seed} · ${steps} steps · ${seconds} virtual s · ${digest}${kept}`)
  if (failure === undefined) return
  console.log(`       ${failure}`)
  console.log(
    result.lastLines
      .slice(-30)
      .map((line) => `         ${line}`)
      .join('\n'),
  )
  console.log(`       replay with: npm run sim -- --seed ${seed}`)
}

async function replay(seed: number): Promise<boolean> {
  const result = await simulate({ seed, open: openEngineNode, onTraceLine: (line) => console.log(line) })
  report(result)
  return result.failure === undefined
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({ options: { seed: { type: 'string' }, minutes: { type: 'string' }, from: { type: 'string' } } })
  if (values.seed !== undefined) return await replay(Number(values.seed))
  const endMs = performance.now() + Number(values.minutes ?? 0) * minuteMs
  const failed: number[] = []
  let next = Number(values.from ?? exploreFrom + (Date.now() % exploreFrom))
  const queue = values.minutes === undefined ? [...fixedSeeds] : []
  for (;;) {
    const seed = queue.shift() ?? (performance.now() < endMs ? next++ : undefined)
    if (seed === undefined) break
    const result = await runTwice(seed)
    report(result)
    if (result.failure !== undefined) failed.push(seed)
  }
  if (failed.length > 0) console.log(`failed seeds: ${failed.join(' ')}`)
  return failed.length === 0
}

// A flow of a killed process that nobody waits for any more may end in SimCrash: that is no failure. Anything else is.
process.on('unhandledRejection', (error) => {
  if (!(error instanceof SimCrash)) throw error
})

process.exitCode = (await main()) ? 0 : 1
