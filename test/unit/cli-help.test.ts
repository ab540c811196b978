// Help on everything.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runCaptured } from '../support/captured-cli.ts'

describe('--help', () => {
  const commands = [
    '',
    'serve',
    'id',
    'status',
    'peers',
    'stop',
    'problems',
    'folder',
    'needs',
    'needs',
    'accept',
    'reject',
    'conflicts',
    'resolve',
    'share',
    'join',
    'wait',
    'doctor',
  ]
  const folderCommands = ['add', 'list', 'remove', 'pause', 'resume', 'rescan'].map((name) => `folder ${name}`)
  for (const line of [...commands, ...folderCommands]) {
    test(`of "holdfast ${line}" names --home and --json and gives an example`, async () => {
      const { code, out } = await runCaptured([...line.split(' ').filter(Boolean), '--help'])
      assert.equal(code, 0)
      for (const wanted of ['--home <dir>', '--json', 'Examples:', `$ holdfast ${line}`])
        assert.ok(out.includes(wanted), `${wanted} in:\n${out}`)
    })
  }

  test('is what a person gets who types nothing', async () => {
    const { code, err } = await runCaptured([])
    assert.equal(code, 2)
    assert.match(err, /Usage: holdfast/)
  })
})
