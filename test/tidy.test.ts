// The house rules, held against the whole project; and each rule held against a text that breaks it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

import { allowances, checkCycles, checkImports, importsOf, type Allowance } from './support/tidy-imports.ts'
import {
  checkCasts,
  checkExports,
  checkGlobals,
  checkHeader,
  checkLength,
  checkLock,
  checkName,
  checkPlaces,
  checkSql,
  exemptions,
  fileRules,
  type Exemption,
} from './support/tidy-rules.ts'
import { readProject, splitSource, type Finding, type Rule } from './support/tidy-source.ts'

const project = readProject(fileURLToPath(new URL('..', import.meta.url)))

function assertNone(findings: readonly Finding[]): void {
  assert.equal(findings.map(({ path, line, message }) => `\n${path}:${line} ${message}`).join(''), '')
}

describe('the project', () => {
  it('has files to check', () => assert.ok(project.some(({ path }) => path === 'engine/base/assert.ts')))

  it('imports as the import table allows, with no allowance that nobody needs', () => {
    const used = new Set<Allowance>()
    assertNone(project.flatMap((file) => checkImports(file, used)))
    assert.deepEqual(
      allowances.filter((each) => !used.has(each)).map((each) => each.reason),
      [],
    )
  })

  it('has no import cycles', () => assertNone(checkCycles(project)))

  it('touches clock, randomness, timers, network and environment in adapters only, with no exemption that nobody needs', () => {
    const used = new Set<Exemption>()
    assertNone(project.flatMap((file) => checkGlobals(file, used)))
    const isNeeded = (each: Exemption): boolean => used.has(each) || !project.some(({ path }) => each.file.test(path))
    assert.deepEqual(
      exemptions.filter((each) => !isNeeded(each)).map((each) => each.reason),
      [],
    )
  })

  const names: readonly (readonly [Rule, string])[] = [
    [checkName, 'names its files in kebab-case after what they export'],
    [checkLength, 'keeps its files short'],
    [checkHeader, 'opens every file with what it is for'],
    [checkExports, 'has neither default exports nor barrels'],
    [checkCasts, 'casts only where input is parsed'],
    [checkSql, 'has all its SQL in one folder'],
    [checkPlaces, 'names no registry and no path of the machine it was made on'],
    [checkLock, 'locks its dependencies without pinning a host'],
  ]
  for (const [rule, claim] of names) it(claim, () => assertNone(project.flatMap(rule)))
  it('is held to every rule there is', () =>
    assert.deepEqual(
      names.map(([rule]) => rule),
      [...fileRules],
    ))
})

describe('a rule', () => {
  const machinePath = ['', 'work', 'main'].join('/')
  const registry = ['https://registry', 'example.org'].join('.')
  const header = '// A file.\n'
  /** Rule, path, text that breaks it, text beside it that does not. */
  const rows: readonly (readonly [string, Rule, string, string, string])[] = [
    ['layers', checkImports, 'engine/blocks/a.ts', "import { x } from '../index/x.ts'", "import { x } from '../crypto/x.ts'"],
    ['layers of flows', checkImports, 'engine/sync/a.ts', "export { x } from '../share/x.ts'", "import { x } from '../transfer/x.ts'"],
    ['layers over lines', checkImports, 'engine/base/a.ts', "import {\n  x,\n} from '../model/x.ts'", "import {\n  x,\n} from './x.ts'"],
    [
      'dynamic imports',
      checkImports,
      'engine/disk/a.ts',
      "const x = await import('../net/x.ts')",
      "const x = await import('../base/x.ts')",
    ],
    ['roots', checkImports, 'engine/sync/a.ts', "import { x } from '../engine.ts'", "import { x } from './engine.ts'"],
    ['clients', checkImports, 'renderer/a.tsx', "import { x } from '../engine/index/x.ts'", "import { x } from '../engine/api/x.ts'"],
    [
      'the engine and its clients',
      checkImports,
      'engine/api/a.ts',
      "import { x } from '../../renderer/x.ts'",
      "import { x } from '../base/x.ts'",
    ],
    ['tests', checkImports, 'engine/api/a.ts', "import { x } from '../../test/support/x.ts'", "import { x } from '../base/x.ts'"],
    [
      'type-only allowances',
      checkImports,
      'engine/platform/a.ts',
      "import { x } from '../disk/watch.ts'",
      "import type { X } from '../disk/watch.ts'",
    ],
    ['libp2p', checkImports, 'engine/transfer/a.ts', "import { x } from '@libp2p/tcp'", "import { x } from 'hono'"],
    ['the database', checkImports, 'engine/sync/a.ts', "import { x } from 'node:sqlite'", "import { x } from 'node:crypto'"],
    ['the file system', checkImports, 'engine/disk/a.ts', "import { x } from 'node:fs'", "import { x } from 'node:path'"],
    ['Node in base', checkImports, 'engine/base/a.ts', "import { x } from 'node:crypto'", "import { x } from './x.ts'"],
    ['kebab-case', checkName, 'engine/base/fooBar.ts', '', ''],
    ['index', checkName, 'engine/base/index.ts', '', ''],
    ['length', checkLength, 'engine/base/a.ts', 'x\n'.repeat(501), 'x\n'.repeat(500)],
    ['headers', checkHeader, 'engine/base/a.ts', "import { x } from './x.ts'", header],
    ['default exports', checkExports, 'engine/base/a.ts', 'export default 3', '// export default 3'],
    ['barrels', checkExports, 'engine/base/a.ts', "export * from './x.ts'", "export { x } from './x.ts'"],
    [
      'casts',
      checkCasts,
      'engine/base/a.ts',
      'function find(x: unknown) {\n  return x as string\n}',
      'function parseX(x: unknown) {\n  return x as X\n}',
    ],
    ['casts with reasons', checkCasts, 'engine/base/a.ts', 'const a = (b) as C', 'const a = (b) as C // cast: checked above'],
    ['const casts', checkCasts, 'engine/base/a.ts', 'const a = [b] as B[]', "const a = ['b'] as const"],
    ['the clock', checkGlobals, 'engine/sync/a.ts', 'const now = Date.now()', 'const then = new Date(nowMs)'],
    ['new dates', checkGlobals, 'engine/sync/a.ts', 'const now = new Date()', "const text = 'new Date()'"],
    ['randomness', checkGlobals, 'engine/sync/a.ts', 'const x = randomBytes(3)', 'const x = random.bytes(3)'],
    ['timers', checkGlobals, 'engine/sync/a.ts', 'setTimeout(f, 3)', 'clock.sleep(3) // setTimeout'],
    ['timers beside libp2p', checkGlobals, 'engine/net/network.ts', 'setTimeout(f, 3)', ''],
    ['fetch', checkGlobals, 'engine/sync/a.ts', 'await fetch(url)', 'interface A {\n  fetch(url: string): void\n}\nawait this.fetch(url)'],
    ['the environment', checkGlobals, 'engine/sync/a.ts', 'const x = process.env.HOME', 'const x = home'],
    ['SQL', checkSql, 'engine/sync/a.ts', "run('delete from entry')", "say('delete it from the disk')"],
    ['machine paths', checkPlaces, 'docs/a.md', `see ${machinePath}`, 'see bench-work/main'],
    ['registry hosts', checkPlaces, 'docs/a.md', `from ${registry}`, 'from https://example.org'],
    ['locked hosts', checkLock, 'package-lock.json', `"resolved": "${registry}/a.tgz"`, '"version": "1.0.0"'],
  ]
  for (const [name, rule, path, bad, good] of rows) {
    it(`on ${name} finds what breaks it, and only that`, () => {
      assert.equal(rule({ path, text: bad }).length, 1)
      assert.equal(rule({ path: name === 'kebab-case' || name === 'index' ? 'engine/base/foo-bar.ts' : path, text: good }).length, 0)
    })
  }

  it('on cycles finds one of three files', () => {
    const file = (name: string, next: string): { path: string; text: string } => ({
      path: `engine/base/${name}.ts`,
      text: `import { x } from './${next}.ts'`,
    })
    assert.equal(checkCycles([file('a', 'b'), file('b', 'c'), file('c', 'a')]).length, 1)
    assert.equal(checkCycles([file('a', 'b'), file('b', 'c')]).length, 0)
  })
})

describe('the reader of sources', () => {
  it('tells code from strings, comments, templates and regular expressions', () => {
    const text = "a('b // c') // d 'e'\n/* f\n g */ h(`i ${j('k')} l ${{ m: `n` }} o`) / p / q\nr(/s'[/]t/.test(u)) // v"
    const { code, strings } = splitSource(text)
    const letters = (part: string): string => part.replace(/[^a-z]/g, '').replace('test', '')
    assert.equal(letters(code), 'ahjmpqru')
    assert.equal(letters(strings), 'bciklnost')
    assert.equal(code.length, text.length)
  })

  it('finds every form of import', () => {
    const text =
      "import a, { b } from './a.ts'\nimport type { C } from './c.ts'\nexport {\n  d,\n} from './d.ts'\nimport './e.ts'\nconst f = await import('./f.ts')\n// import './g.ts'"
    const found = importsOf({ path: 'engine/base/x.ts', text })
    assert.deepEqual(
      found.map(({ target }) => target?.slice('engine/base/'.length)),
      ['a.ts', 'c.ts', 'd.ts', 'e.ts', 'f.ts'],
    )
    assert.deepEqual(
      found.map(({ isTypeOnly }) => isTypeOnly),
      [false, true, false, false, false],
    )
  })
})
