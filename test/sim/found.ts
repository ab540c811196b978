// The scripts that once failed, each made short and kept with its mend: test/sim/found/WHAT-IT-HOLDS.json.

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { basename, join, relative } from 'node:path'

import { parseScript, type Script } from './script.ts'

export interface FoundScript {
  readonly path: string
  /** What it holds, in words: the file's name. */
  readonly claim: string
  readonly script: Script
}

export function foundScripts(): readonly FoundScript[] {
  const directory = fileURLToPath(new URL('found', import.meta.url))
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => ({
      path: relative(process.cwd(), join(directory, name)),
      claim: basename(name, '.json').replaceAll('-', ' '),
      script: parseScript(readFileSync(join(directory, name), 'utf8')),
    }))
}
