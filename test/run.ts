// Runs the tests: `node test/run.ts [SUBSTRING OF A PATH]...`. One line for each file, failures in full as they happen and named again
// at the end; the last line is the count. Exit code 1 when anything failed or nothing ran.

import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'

/** Slow kinds first, so that the last file to finish is a short one. */
const kinds = ['integration', 'sim', 'fuzz', 'contract', 'golden', 'unit']
const filesAtOnce = 2
const testTimeoutMs = 180_000
const campaignMinutes = Number(process.env['HOLDFAST_CHAOS_MINUTES'] ?? '0')
/** The whole run: something hangs that no test's timeout reaches, such as a handle left open. */
const runTimeoutMs = (18 + campaignMinutes) * 60_000

const root = fileURLToPath(new URL('..', import.meta.url))

function findTests(filters: readonly string[]): string[] {
  const present = kinds.filter((kind) => existsSync(join(root, 'test', kind)))
  const inKinds = present.flatMap((kind) =>
    readdirSync(join(root, 'test', kind), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .sort()
      .map((name) => join(root, 'test', kind, name)),
  )
  const all = [...inKinds, join(root, 'test/tidy.test.ts')]
  return filters.length === 0
    ? all
    : all.filter((path) => filters.some((filter) => relative(root, path).replaceAll('\\', '/').includes(filter)))
}

interface Counts {
  passed: number
  failed: number
  skipped: number
}

const total: Counts = { passed: 0, failed: 0, skipped: 0 }
const failures: string[] = []
/** What a file wrote on its own, shown only when something in it failed. */
const outputs = new Map<string, string[]>()

function fail(file: string, title: string, error: unknown): void {
  total.failed++
  failures.push(`${file}: ${title}`)
  console.log(`\nFAIL ${file}: ${title}`)
  console.log(inspect(error, { depth: 6 }).replace(/^/gm, '     '))
  for (const line of outputs.get(file)?.splice(0).join('').trimEnd().split('\n') ?? []) console.log(`   | ${line}`)
}

async function runFiles(files: readonly string[]): Promise<void> {
  process.env['UV_THREADPOOL_SIZE'] = '64' // as the daemon has it; the children inherit it
  const stream = run({
    files: [...files],
    concurrency: filesAtOnce,
    timeout: testTimeoutMs,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    signal: AbortSignal.timeout(runTimeoutMs),
  })
  const titles = new Map<string, string[]>() // the open suites of each file, outermost first
  const titleOf = (file: string, nesting: number, name: string): string => {
    const open = (titles.get(file) ?? []).slice(0, nesting)
    return [...open, name].join(' › ')
  }
  for await (const { type, data } of stream) {
    if (!('file' in data) || data.file === undefined) continue
    const file = relative(root, data.file).replaceAll('\\', '/')
    switch (type) {
      case 'test:start':
        titles.set(file, [...(titles.get(file) ?? []).slice(0, data.nesting), data.name])
        break
      case 'test:diagnostic':
        if (campaignMinutes > 0) console.log(`note ${file}: ${data.message}`) // what a campaign did is of interest when it went well, too
        outputs.set(file, [...(outputs.get(file) ?? []), data.message.replace(/\n?$/, '\n')])
        break
      case 'test:stdout':
      case 'test:stderr':
        outputs.set(file, [...(outputs.get(file) ?? []), data.message.replace(/\n?$/, '\n')])
        break
      case 'test:pass':
        if (data.details.type === 'suite') break
        if (data.name === data.file) fail(file, 'the file', 'it holds no test')
        else if (data.skip !== undefined || data.todo !== undefined) total.skipped++
        else total.passed++
        break
      case 'test:fail': {
        const { error } = data.details
        if ('failureType' in error && error.failureType === 'subtestsFailed') break // the subtest has been reported
        if (data.todo !== undefined) total.skipped++
        else if (data.name === data.file) fail(file, 'the file', 'its process failed outside its tests, or was killed')
        else fail(file, titleOf(file, data.nesting, data.name), error.cause ?? error)
        break
      }
      case 'test:summary': {
        const { passed, failed, cancelled, skipped, todo } = data.counts
        const seconds = (data.duration_ms / 1000).toFixed(1)
        const verdict = failed + cancelled === 0 ? 'ok  ' : 'FAIL'
        console.log(
          `${verdict} ${file}  ${passed} passed${note(failed + cancelled, 'failed')}${note(skipped + todo, 'skipped')}  ${seconds} s`,
        )
        break
      }
    }
  }
}

function note(count: number, what: string): string {
  return count === 0 ? '' : `, ${count} ${what}`
}

const files = findTests(process.argv.slice(2))
if (files.length > 0) await runFiles(files)
else console.log(`no test file's path contains ${process.argv.slice(2).join(' or ')}`)
if (failures.length > 0) console.log(`\nfailed:\n${failures.map((title) => `  ${title}`).join('\n')}`)
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0
