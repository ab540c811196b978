// `npm run bench -- store`: blocks put into the segment store, durable, and its index at ten million blocks in segments of 256 MiB as blocks
// of 1 MiB fill them: how long opening takes, look-ups, memory. The index is made through its own interface, without payloads.

import { mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Figures } from './figures.ts'
import { bytesBelow } from './files.ts'
import { measureStoreRates } from './micro.ts'
import { measureScrub } from './store-scrub.ts'
import { runOrThrow } from './processes.ts'
import { median, type Patience } from './waiting.ts'

const blocksAlways = 10_000_000
const blocksQuick = 1_000_000
const blocksPerSegment = 250
const openings = 3
const script = fileURLToPath(new URL('store-index.ts', import.meta.url))

const made = z.object({ seconds: z.number(), cpuSeconds: z.number() })
const lookUps = z.object({ p50Ms: z.number(), p99Ms: z.number() })
const opened = z.object({ openMs: z.number(), openCpuMs: z.number(), hits: lookUps, misses: lookUps, listMs: z.number(), rss: z.number() })

export async function measureStore(
  figures: Figures,
  directory: string,
  isQuick: boolean,
  patience: Patience,
  say: (text: string) => void,
): Promise<void> {
  await measureStoreRates(figures, directory, patience, say)
  await measureScrub(figures, directory, patience, say)
  const blocks = isQuick ? blocksQuick : blocksAlways
  const words = [join(directory, 'index-of-many'), String(blocks), String(blocks / blocksPerSegment)]
  mkdirSync(words[0] ?? directory, { recursive: true })
  const child = async (mode: string): Promise<unknown> => {
    const { stdout } = await runOrThrow({ command: process.execPath, args: [script, mode, ...words] }, patience)
    return JSON.parse(stdout)
  }
  try {
    say(`making an index of ${blocks} blocks`)
    const { cpuSeconds, seconds } = made.parse(await child('make'))
    say(`made in ${seconds.toFixed(0)} s, ${cpuSeconds.toFixed(0)} s of CPU`)
    figures.record('holdfast', 'store/index-rate', blocks / cpuSeconds)
    figures.record('holdfast', 'store/index-bytes', bytesBelow(join(words[0] ?? directory, 'index')) / blocks)
    const runs: z.infer<typeof opened>[] = []
    for (let run = 0; run < openings; run++) runs.push(opened.parse(await child('open')))
    const of = (pick: (run: z.infer<typeof opened>) => number): number => median(runs.map(pick))
    figures.record(
      'holdfast',
      'store/open',
      of((run) => run.openMs),
    )
    figures.record(
      'holdfast',
      'store/open-cpu',
      of((run) => run.openCpuMs),
    )
    figures.record(
      'holdfast',
      'store/lookup-p50',
      of((run) => run.hits.p50Ms),
    )
    figures.record(
      'holdfast',
      'store/lookup-p99',
      of((run) => run.hits.p99Ms),
    )
    figures.record(
      'holdfast',
      'store/miss-p99',
      of((run) => run.misses.p99Ms),
    )
    figures.record(
      'holdfast',
      'store/list',
      of((run) => run.listMs),
    )
    figures.record(
      'holdfast',
      'store/memory',
      of((run) => run.rss),
    )
  } finally {
    await rm(words[0] ?? directory, { recursive: true, force: true, maxRetries: 3 })
  }
}
