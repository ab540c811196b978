// The list of deliberate faults fits the code: each has one place to be planted in.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'

import { mutants } from '../mutants/mutants.ts'

for (const { what, file, find, put } of mutants) {
  it(`can be planted: ${what}`, () => {
    const text = readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8')
    assert.equal(text.split(find).length, 2, `in ${file}, once: ${find}`)
    assert.notEqual(find, put)
  })
}
