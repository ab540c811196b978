// How a node was started last: what it offers to others and where it stands outlive a start that does not say so again.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { readServeMemory, rememberServe, withMemory, type ServeMemory } from '../../engine/platform/serve-memory.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** Starts on one home, each with what was typed; gives what each went by. */
function starts(path: string, typed: readonly ServeMemory[]): readonly ServeMemory[] {
  return typed.map((options) => {
    const all = withMemory(options, readServeMemory(path))
    rememberServe(path, all)
    return all
  })
}

describe('the memory of how a node was started', () => {
  it('keeps name, zone, class and capacity until another is given, each by itself', () => {
    using directory = temporaryDirectory()
    const path = `${directory.path}/serve.json`
    const host = { zone: 'cellar', class: 'always-on', capacity: '500GB' }
    assert.deepEqual(starts(path, [host, {}, { capacity: '0' }, { name: 'nas' }]), [
      host,
      host,
      { ...host, capacity: '0' },
      { ...host, capacity: '0', name: 'nas' },
    ])
    if (process.platform !== 'win32') assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  it('leaves other options alone, and writes nothing for a node of which nothing was said', () => {
    using directory = temporaryDirectory()
    const path = `${directory.path}/serve.json`
    assert.deepEqual(starts(path, [{}, {}]), [{}, {}])
    assert.equal(existsSync(path), false)
    const typed: ServeMemory & { readonly metered?: boolean } = { zone: 'cellar', metered: true }
    rememberServe(path, typed)
    assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { zone: 'cellar' })
    const next: typeof typed = { metered: false }
    assert.deepEqual(withMemory(next, readServeMemory(path)), { metered: false, zone: 'cellar' })
    assert.deepEqual(readdirSync(directory.path), ['serve.json'])
  })

  it('that cannot be read is no start without a limit: the file is named, and what to do', () => {
    using directory = temporaryDirectory()
    const path = `${directory.path}/serve.json`
    for (const text of ['', '{"zone":', '[]', 'null', '{"capacity":5}']) {
      writeFileSync(path, text)
      assert.throws(() => readServeMemory(path), { code: 'HOME_UNUSABLE', message: /serve\.json.*remove the file and start with/ })
    }
    writeFileSync(path, '{"zone":"cellar","later":{"a":1}}')
    assert.deepEqual(readServeMemory(path), { zone: 'cellar' })
  })
})
