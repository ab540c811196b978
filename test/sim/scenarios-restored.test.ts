// Scenario 26: a folder whose files came back from an old backup, with its marker. However looks, changes and restarts come together, what
// is old there must not go out as an edit, and what is missing not as a deletion.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { backUpFolder, restoreFolder } from './restored-folder.ts'
import { Stage } from './scenario.ts'

const root = '/folder'

describe('a folder from an old backup', () => {
  test('scenario 26: restored within the second in which its session began: old files are old versions, not edits', async () => {
    using stage = await Stage.open({ before: { f: 'old', gone: 'is deleted', 'd/g': 'kept' } })
    await stage.do('A', { do: 'restart' })
    await stage.pass(120)
    const { user } = stage.person('A').node
    const backup = backUpFolder(user, root)
    await stage.write('A', 'f', 'newer')
    await stage.write('A', 'later', 'made after the backup')
    await stage.remove('A', 'gone')
    await stage.pass(250)
    assert.equal(stage.tree('B')['f'], 'newer')
    await stage.do('A', { do: 'kill' })
    restoreFolder(user, backup)
    await stage.do('A', { do: 'start' })
    await stage.rest()
    const expected = { f: 'newer', later: 'made after the backup', d: '/', 'd/g': 'kept' }
    assert.deepEqual(stage.tree('A'), expected)
    assert.deepEqual(stage.tree('B'), expected)
  })
})
