// The daemon's log file.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openNodeLog } from '../../engine/platform/node-log.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

describe('the log', () => {
  test('holds a line of JSON for each message, with the fields of its parents, and nothing below its level', () => {
    using directory = temporaryDirectory()
    const path = join(directory.path, 'x.log')
    using opened = openNodeLog(path)
    const child = opened.log.child({ folder: 'Photos' })
    child.debug('quiet')
    child.info('scanned', { files: 3 })
    opened.log.error('broke')
    const lines = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      lines.map(({ level, msg, folder, files }) => [level, msg, folder, files]),
      [
        [30, 'scanned', 'Photos', 3],
        [50, 'broke', undefined, undefined],
      ],
    )
    assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  test('keeps three generations of bounded size and the newest lines', () => {
    using directory = temporaryDirectory()
    const path = join(directory.path, 'x.log')
    using opened = openNodeLog(path, 'info', 1000)
    for (let line = 0; line < 100; line++) opened.log.info('a line of some length', { line })
    assert.deepEqual([path, `${path}.1`, `${path}.2`, `${path}.3`].map(existsSync), [true, true, true, false])
    for (const file of [path, `${path}.1`, `${path}.2`]) assert.ok(statSync(file).size < 1200)
    const kept = [`${path}.2`, `${path}.1`, path].map((file) => readFileSync(file, 'utf8')).join('')
    assert.match(kept, /"line":99,/)
  })

  test('goes on after a restart', () => {
    using directory = temporaryDirectory()
    const path = join(directory.path, 'x.log')
    for (const message of ['first', 'second']) {
      using opened = openNodeLog(path)
      opened.log.info(message)
    }
    assert.match(readFileSync(path, 'utf8'), /first.*\n.*second/)
  })
})
