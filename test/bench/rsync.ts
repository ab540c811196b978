// rsync between two directories: the limit for making files on this disk. It watches nothing and makes nothing durable,
// so it is also run once with --fsync, which is what a sync client has to compare itself with.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { DataSet } from './data.ts'
import type { Figures } from './figures.ts'
import { copyTree, differences, flushDisk } from './files.ts'
import { run, runOrThrow } from './processes.ts'
import { nowMs, type Patience } from './waiting.ts'

/** The version, or undefined when there is no such program. */
export async function rsyncVersion(program: string, patience: Patience): Promise<string | undefined> {
  try {
    const { stdout } = await run({ command: program, args: ['--version'] }, patience)
    return /version (\S+)/.exec(stdout)?.[1]
  } catch (error) {
    patience.signal.throwIfAborted()
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

export interface RsyncWork {
  readonly program: string
  readonly directory: string
  readonly set: DataSet
  readonly figures: Figures
  readonly patience: Patience
  say(text: string): void
}

export async function measureRsync(work: RsyncWork): Promise<void> {
  const { program, directory, set, figures, patience } = work
  const from = join(directory, 'a')
  await copyTree(set.path, from, patience)
  const variants = [
    { key: `first-sync/${set.name}`, args: ['-a'], to: join(directory, 'b') },
    { key: `durable/${set.name}`, args: ['-a', '--fsync'], to: join(directory, 'b-durable') },
  ]
  for (const { key, args, to } of variants) {
    mkdirSync(to)
    await flushDisk(patience)
    const startMs = nowMs()
    const { cpuSeconds } = await runOrThrow({ command: program, args: [...args, `${from}/`, `${to}/`] }, patience)
    const seconds = (nowMs() - startMs) / 1000
    figures.record('rsync', key, seconds)
    if (key.startsWith('first-sync/')) figures.record('rsync', `cpu/${key}`, cpuSeconds)
    work.say(`rsync ${args.join(' ')} ${seconds.toFixed(2)} s`)
    const found = await differences(from, to, [], patience)
    if (found.length > 0) throw new Error(`the trees differ after rsync, first: ${found.slice(0, 3).join(' | ')}`)
  }
}
