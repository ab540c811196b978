// Help on everything.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { spoken } from '../../engine/bin/cli.ts'
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
    'store',
    'store status',
    'store rebuild',
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

  test('shows commands as they are typed in a checkout, and no defaults that are no text', async () => {
    const { out } = await runCaptured(['folder', 'set', '--help'], { env: { npm_lifecycle_event: 'holdfast' } })
    assert.ok(out.includes('$ npm run -s holdfast -- folder set Photos'), out)
    assert.ok(out.includes('Usage: npm run -s holdfast -- folder set [options]'), out)
    assert.ok(!out.includes('{}'), out)
  })

  test('every command is one that hints are rewritten for', async () => {
    const { out } = await runCaptured(['--help'])
    const listed = out.slice(out.indexOf('Commands:'), out.indexOf('Examples:'))
    const names = Array.from(listed.matchAll(/^ {2}([a-z]+)\b/gm), ([, name]) => name).filter((name) => name !== 'help')
    assert.ok(names.length >= 19, listed)
    for (const name of names) assert.equal(spoken(`see holdfast ${name}.`, 'typed'), `see typed ${name}.`)
    for (const text of ['a holdfast of kelp', '/srv/holdfast status', 'holdfast statuses']) assert.equal(spoken(text, 'typed'), text)
  })

  test('is what a person gets who types nothing', async () => {
    const { code, err } = await runCaptured([])
    assert.equal(code, 2)
    assert.match(err, /Usage: holdfast/)
  })
})
