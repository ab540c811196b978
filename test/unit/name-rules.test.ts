// What a drive's rules for names mean: found out on the drive, and told to a person as a reason.

import assert from 'node:assert/strict'
import { mkdirSync, readdirSync } from 'node:fs'
import { describe, it } from 'node:test'

import { FilesError, type Files } from '../../engine/base/files.ts'
import { tidyRoot } from '../../engine/disk/folder-jobs.ts'
import { isNameAllowed } from '../../engine/model/path.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { publishBatch } from '../../engine/sync/publish-job.ts'
import { faultReasons, problemOfFault } from '../../engine/sync/pull-faults.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

type Open = Files['open']

/** This machine's files, opened in another way. */
function opening(open: (path: string, open: (path: string) => ReturnType<Open>) => ReturnType<Open>): Files {
  const files = nodeFiles()
  const real: Open = (path, mode) => files.open(path, mode)
  return new Proxy(files, {
    get: (target, name, receiver): unknown => {
      if (name === 'open') return (path: string, mode: Parameters<Open>[1]) => open(path, (same) => real(same, mode))
      const value: unknown = Reflect.get(target, name, receiver)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function rulesOf(files: Files): Promise<{ readonly rules: string; readonly left: readonly string[] }> {
  using directory = temporaryDirectory()
  mkdirSync(`${directory.path}/f`)
  const { output } = await tidyRoot({ root: `${directory.path}/f`, keptPrefix: 'large-' }, { files })
  return { rules: output, left: readdirSync(`${directory.path}/f/.holdfast/temp`) }
}

describe('the rules for names', () => {
  it('are those of Linux where a name with a colon can be had', async () => {
    assert.deepEqual(await rulesOf(nodeFiles()), { rules: 'linux', left: [] })
  })

  it('are those of Windows where it is refused', async () => {
    const files = opening((path, open) => {
      if (path.includes(':')) throw new FilesError('unsupported', 'open', path, 'EINVAL')
      return open(path)
    })
    assert.deepEqual(await rulesOf(files), { rules: 'win32', left: [] })
  })

  it('are those of Windows where it makes a stream of another file, of which nothing stays', async () => {
    const files = opening((path, open) => open(path.replace(/:.*$/, '')))
    assert.deepEqual(await rulesOf(files), { rules: 'win32', left: [] })
  })
})

describe('scenario 57: a name that Windows does not hold arrives on such a drive', () => {
  for (const name of ['CON', 'aux.txt', 'a:b', 'dot.', 'space ', 'back\\slash']) {
    it(`${name} is not made, under no other name either, and gets a reason and a next step`, async () => {
      using directory = temporaryDirectory()
      const root = `${directory.path}/f`
      mkdirSync(root)
      const files = nodeFiles()
      await tidyRoot({ root, keptPrefix: 'large-' }, { files })
      const operation = { kind: 'directory', path: name, mode: 0o755, expected: undefined } as const
      const task = { operation, blocks: new Uint8Array(0), origins: [] }
      const input = { root, sealKey: new Uint8Array(32), tasks: [task], sealed: new Uint8Array(0) }
      const { output } = await publishBatch({ ...input, names: 'win32' }, { files })
      const [outcome] = output
      assert.equal(outcome?.kind, 'failed')
      if (outcome?.kind !== 'failed') return
      assert.equal(faultReasons[outcome.fault], 'NAME_NOT_POSSIBLE')
      assert.match(problemOfFault(name, outcome.fault, outcome.detail).next, /Rename it on another member/)
      assert.deepEqual(readdirSync(root), ['.holdfast'])
      assert.ok(name.includes('\\') || !isNameAllowed(name, 'win32'))
      const elsewhere = await publishBatch({ ...input, names: 'linux' }, { files })
      assert.equal(elsewhere.output[0]?.kind, 'done')
    })
  }
})

describe('scenario 56: a path that is too long for the drive', () => {
  it('gets a reason and a next step', () => {
    assert.equal(faultReasons.nameTooLong, 'NAME_NOT_POSSIBLE')
    assert.match(problemOfFault('a/b', 'nameTooLong', '').next, /Shorten it/)
  })
})
