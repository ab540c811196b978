// What the benchmark was asked to do, from the command line.

import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

export const partNames = ['scan', 'first-sync', 'append', 'insert', 'rename', 'latency', 'micro', 'placement', 'store', 'repair'] as const
export type PartName = (typeof partNames)[number]

export const setNames = ['big', 'small', 'tiny'] as const
export type SetName = (typeof setNames)[number]

export const toolNames = ['syncthing', 'rsync', 'holdfast'] as const
export type ToolName = (typeof toolNames)[number]

export interface Options {
  readonly parts: ReadonlySet<PartName>
  readonly sets: ReadonlySet<SetName>
  readonly tools: ReadonlySet<ToolName>
  /** Directory to work below; absent: a fresh one under the system's temporary directory. */
  readonly work?: string
  readonly isQuick: boolean
  readonly keep: boolean
  readonly repeats: number
  readonly waitTimeoutMs: number
  readonly jsonFile?: string
  readonly markdown: boolean
  /** End with an error when an aim is not met. */
  readonly isGate: boolean
  readonly syncthing: string
  readonly rsync: string
}

export const usage: string = `npm run bench -- [PART]... [options]

Measures Holdfast, and beside it Syncthing and rsync where they are installed, on data that it makes itself.

parts      ${partNames.join(', ')}; all when none is named
           (append, insert and rename work on the set big, latency on the set small; each needs the first sync of its set;
           placement is a table of its own, of nothing but computation)

--sets A,B       only these sets of: ${setNames.join(', ')}
--tools A,B      only these of: ${toolNames.join(', ')}
--quick          a tenth of everything: shows that it works, not how fast it is
--repeat N       run everything N times and print medians
--work DIR       work below DIR (some 12 GiB, 4 more for each repeat) instead of a fresh temporary directory
--keep           leave data, trees, homes and logs in place
--timeout S      give up on one wait after S seconds (default 1500)
--json FILE      also write every figure to FILE
--markdown       print the README's table
--gate           exit code 1 when an aim is not met by what was measured
--syncthing BIN  the program to compare with (default: syncthing of the PATH)
--rsync BIN      likewise
`

export class UsageError extends Error {}

const defaultWaitTimeoutS = 1500

/** Throws UsageError, whose message says what is wrong; undefined when only help was asked for. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parse(args)
  if (values.help) return undefined
  return {
    parts: choose('part', partNames, positionals),
    sets: choose('set', setNames, splitList(values.sets)),
    tools: choose('tool', toolNames, splitList(values.tools)),
    ...(values.work === undefined ? {} : { work: resolve(values.work) }),
    isQuick: values.quick,
    keep: values.keep,
    repeats: parseCount('--repeat', values.repeat ?? '1'),
    waitTimeoutMs: parseCount('--timeout', values.timeout ?? String(defaultWaitTimeoutS)) * 1000,
    ...(values.json === undefined ? {} : { jsonFile: resolve(values.json) }),
    markdown: values.markdown,
    isGate: values.gate,
    syncthing: values.syncthing,
    rsync: values.rsync,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        sets: { type: 'string' },
        tools: { type: 'string' },
        quick: { type: 'boolean', default: false },
        repeat: { type: 'string' },
        work: { type: 'string' },
        keep: { type: 'boolean', default: false },
        timeout: { type: 'string' },
        json: { type: 'string' },
        markdown: { type: 'boolean', default: false },
        gate: { type: 'boolean', default: false },
        syncthing: { type: 'string', default: 'syncthing' },
        rsync: { type: 'string', default: 'rsync' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function splitList(text: string | undefined): readonly string[] {
  return text === undefined ? [] : text.split(',').filter((item) => item !== '')
}

function choose<Name extends string>(what: string, known: readonly Name[], asked: readonly string[]): ReadonlySet<Name> {
  if (asked.length === 0) return new Set(known)
  return new Set(
    asked.map((text) => {
      const found = known.find((name) => name === text)
      if (found === undefined) throw new UsageError(`unknown ${what} "${text}": choose among ${known.join(', ')}`)
      return found
    }),
  )
}

function parseCount(option: string, text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new UsageError(`${option} wants a whole number from 1, not "${text}"`)
  return count
}
