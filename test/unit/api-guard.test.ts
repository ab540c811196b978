// Who may talk to the daemon at all.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { equalInConstantTime, refusalOf } from '../../engine/api/guard.ts'
import type { GuardedHeaders } from '../../engine/api/guard.ts'

const rules = { token: 'right', allowedHosts: ['127.0.0.1:8384', 'localhost:8384'] }
const good: GuardedHeaders = { host: '127.0.0.1:8384', origin: undefined, fetchSite: undefined, authorization: 'Bearer right' }

describe('a request', () => {
  const rows: readonly (readonly [string, Partial<GuardedHeaders>, 401 | 403 | undefined])[] = [
    ['with the right token passes', {}, undefined],
    ['to another of its names passes', { host: 'LOCALHOST:8384' }, undefined],
    ['from its own page passes', { origin: 'http://localhost:8384', fetchSite: 'same-origin' }, undefined],
    ['typed into the address bar passes', { fetchSite: 'none' }, undefined],
    ['without a host is refused', { host: undefined }, 403],
    ['to another port is refused', { host: '127.0.0.1:80' }, 403],
    ['to a name that begins alike is refused', { host: '127.0.0.1:8384.evil.example' }, 403],
    ['from another port’s page is refused', { origin: 'http://127.0.0.1:3000' }, 403],
    ['from an https page of the same name is refused', { origin: 'https://127.0.0.1:8384' }, 403],
    ['from an empty origin is refused', { origin: '' }, 403],
    ['from the same site but another origin is refused', { fetchSite: 'same-site' }, 403],
    ['without a token is refused', { authorization: undefined }, 401],
    ['with another scheme is refused', { authorization: 'Basic right' }, 401],
    ['with more than the token is refused', { authorization: 'Bearer right right' }, 401],
    ['with an empty token is refused', { authorization: 'Bearer ' }, 401],
  ]
  for (const [claim, headers, status] of rows) test(claim, () => assert.equal(refusalOf({ ...good, ...headers }, rules)?.status, status))

  test('needs no token where none is asked for', () => {
    assert.equal(refusalOf({ ...good, authorization: undefined }, { ...rules, token: undefined }), undefined)
  })
})

test('texts are equal in constant time exactly when they are equal', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.string(),
      (left, right) => equalInConstantTime(left, right) === (left === right) && equalInConstantTime(left, left),
    ),
  )
  assert.equal(equalInConstantTime('abc', 'abcd'), false)
  assert.equal(equalInConstantTime('abcd', 'abc'), false)
  assert.equal(equalInConstantTime('abc\0', 'abc'), false)
})
