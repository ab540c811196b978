// `npm run mutants [-- WORD]...`: plants each deliberate fault in a copy of the project, runs the tests that are to notice, and says which did. With
// words, only those whose description has one of them. Exit code 1 when a fault went unnoticed.

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { mutants, type Mutant } from './mutants.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const testTimeoutMs = 10 * 60_000
const words = process.argv.slice(2).map((word) => word.toLowerCase())

const copy = mkdtempSync(join(tmpdir(), 'holdfast-mutants-'))
process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
for (const path of execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0')) {
  if (path !== '') cpSync(join(root, path), join(copy, path))
}
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))

const chosen = mutants.filter(({ what }) => words.length === 0 || words.some((word) => what.toLowerCase().includes(word)))
const unnoticed: string[] = []
console.log('| fault | in | noticed by |')
console.log('|---|---|---|')
for (const mutant of chosen) {
  const failed = tryOut(mutant)
  if (failed.length === 0) unnoticed.push(mutant.what)
  console.log(`| ${mutant.what} | \`${mutant.file}\` | ${failed.length === 0 ? '**nobody**' : describe(failed)} |`)
}
console.log(`\n${chosen.length - unnoticed.length} of ${chosen.length} faults noticed`)
process.exitCode = unnoticed.length === 0 ? 0 : 1

/** The tests that failed with the fault in place. */
function tryOut({ file, find, put, tests }: Mutant): readonly string[] {
  const path = join(copy, file)
  const sound = readFileSync(path, 'utf8')
  const parts = sound.split(find)
  if (parts.length !== 2) throw new Error(`${file}: the place for a fault occurs ${parts.length - 1} times: ${find}`)
  writeFileSync(path, parts.join(put))
  try {
    for (const test of tests) {
      const run = spawnSync(process.execPath, ['test/run.ts', test], { cwd: copy, encoding: 'utf8', timeout: testTimeoutMs })
      const failed = [...run.stdout.matchAll(/^ {2}(test\/[^:]+: .*)$/gm)].flatMap((match) => match[1] ?? [])
      if (run.stdout.includes('nothing ran')) throw new Error(`no test is called ${test}`)
      if (run.status !== 0) return failed.length > 0 ? failed : [`${test}: did not run to its end`]
    }
    return []
  } finally {
    writeFileSync(path, sound)
  }
}

function describe(failed: readonly string[]): string {
  const [first = '', ...others] = failed.map((line) => line.replaceAll('|', '\\|'))
  return others.length === 0 ? first : `${first}, and ${others.length} more`
}
