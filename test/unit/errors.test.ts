// What an error is called where it is told.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messageOf } from '../../engine/base/errors.ts'

test('whatever was thrown has words: events of the web too, which tell of errors by other means', () => {
  const told: readonly (readonly [unknown, string])[] = [
    [new Error('no route'), 'no route'],
    ['as text', 'as text'],
    [undefined, 'undefined'],
    [Object.assign(new Event('error'), { error: new Error('reset by peer') }), 'reset by peer'],
    [Object.assign(new Event('error'), { message: 'bad handshake' }), 'bad handshake'],
    [new Event('close'), 'an event of the type "close"'],
  ]
  for (const [error, text] of told) assert.equal(messageOf(error), text)
})
