// What the index has of a folder's caution, read again.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { encodeCaution, parseCaution, type Caution } from '../../engine/sync/caution.ts'

const hold = { deleted: 1, rewritten: 2, files: 30, sinceMs: 5, examples: ['a'] }
const cautions: readonly Caution[] = [{ kind: 'none' }, { kind: 'held', hold }, { kind: 'accepting' }, { kind: 'rejecting' }]

test('a caution is read as it was written', () => {
  for (const caution of cautions) assert.deepEqual(parseCaution(encodeCaution(caution)), caution)
})

test('one that is not known holds everything until it was counted', () => {
  for (const text of ['{"kind":"other"}', '{"kind":"held"}', '{}', 'null', '7']) assert.equal(parseCaution(text).kind, 'held', text)
})
