// Where a home may not be.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { prepareHome } from '../../engine/platform/home.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test('scenario 93: a home inside a synced folder is refused, also by way of a symlink', () => {
  using directory = temporaryDirectory()
  const folder = `${directory.path}/folder`
  mkdirSync(`${folder}/.holdfast`, { recursive: true })
  mkdirSync(`${folder}/deep`)
  writeFileSync(`${folder}/.holdfast/folder.json`, '{}')
  symlinkSync(`${folder}/deep`, `${directory.path}/link`)
  for (const home of [`${folder}/deep/home`, `${directory.path}/link/home`]) {
    assert.throws(() => prepareHome(home), { code: 'HOME_UNUSABLE', message: /is inside the folder .*folder, which is synced/ })
  }
  prepareHome(`${directory.path}/beside`)
  assert.ok(existsSync(`${directory.path}/beside/log`))
})
