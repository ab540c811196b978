// The small scenarios that are crashed at every point.

import type { Scenario } from './crash-points.ts'
import type { Content } from './script.ts'

function content(sizeBytes: number, fill: string): Content {
  return { sizeBytes, fill }
}

const small = 3000
const large = 2_500_000
const old = content(small, 'old')
const fresh = content(small + 100, 'fresh')

export const scenarios: readonly Scenario[] = [
  {
    name: 'create',
    before: [],
    deeds: [{ do: 'write', path: 'a/new', content: fresh }],
  },
  {
    name: 'replace',
    before: [{ do: 'write', path: 'one', content: old }],
    deeds: [{ do: 'replace', path: 'one', content: fresh }],
  },
  {
    name: 'edit in place',
    before: [{ do: 'write', path: 'one', content: old }],
    deeds: [{ do: 'edit', path: 'one', offset: 100, content: content(50, 'edit') }],
  },
  {
    name: 'rename',
    before: [{ do: 'write', path: 'one', content: old }],
    deeds: [{ do: 'rename', path: 'one', to: 'b/two' }],
  },
  {
    name: 'rename over another file',
    before: [
      { do: 'write', path: 'one', content: old },
      { do: 'write', path: 'two', content: fresh },
    ],
    deeds: [{ do: 'rename', path: 'one', to: 'two' }],
  },
  {
    name: 'swap of two names',
    before: [
      { do: 'write', path: 'one', content: old },
      { do: 'write', path: 'two', content: fresh },
    ],
    deeds: [
      { do: 'rename', path: 'one', to: 'spare.ignored' },
      { do: 'rename', path: 'two', to: 'one' },
      { do: 'rename', path: 'spare.ignored', to: 'two' },
    ],
  },
  {
    name: 'delete',
    before: [{ do: 'write', path: 'one', content: old }],
    deeds: [{ do: 'remove', path: 'one' }],
  },
  {
    name: 'delete of a tree',
    before: [
      { do: 'write', path: 'a/one', content: old },
      { do: 'write', path: 'a/b/two', content: fresh },
    ],
    deeds: [{ do: 'remove', path: 'a' }],
  },
  {
    name: 'move of a tree',
    before: [
      { do: 'write', path: 'a/one', content: old },
      { do: 'write', path: 'a/b/two', content: fresh },
    ],
    deeds: [{ do: 'rename', path: 'a', to: 'c' }],
  },
  {
    name: 'file that becomes a directory',
    before: [{ do: 'write', path: 'one', content: old }],
    deeds: [
      { do: 'remove', path: 'one' },
      { do: 'write', path: 'one/inside', content: fresh },
    ],
  },
  {
    name: 'directory that becomes a file',
    before: [{ do: 'write', path: 'one/inside', content: old }],
    deeds: [
      { do: 'remove', path: 'one' },
      { do: 'write', path: 'one', content: fresh },
    ],
  },
  {
    name: 'mode and time',
    before: [{ do: 'write', path: 'one', content: old }],
    deeds: [
      { do: 'chmod', path: 'one', mode: 0o600 },
      { do: 'touch', path: 'one', mtimeUs: 1_600_000_000_000_000 },
    ],
  },
  {
    name: 'conflict',
    before: [{ do: 'write', path: 'one', content: old }],
    deeds: [
      { do: 'write', path: 'one', content: fresh },
      { do: 'write', path: 'one', content: content(small, 'other'), on: 'B' },
    ],
  },
  {
    name: 'edit against delete',
    before: [{ do: 'write', path: 'one', content: old }],
    deeds: [
      { do: 'remove', path: 'one' },
      { do: 'write', path: 'one', content: fresh, on: 'B' },
    ],
  },
  {
    name: 'large file',
    before: [],
    deeds: [{ do: 'write', path: 'large', content: content(large, 'large') }],
  },
  {
    name: 'change inside a large file',
    before: [{ do: 'write', path: 'large', content: content(large, 'large') }],
    deeds: [{ do: 'edit', path: 'large', offset: 1_200_000, content: content(1000, 'edit') }],
  },
  {
    name: 'file that is freed',
    before: [{ do: 'write', path: 'a/one', content: old }],
    deeds: [{ do: 'free', path: 'a/one', minCopies: 1, on: 'B' }],
  },
  {
    name: 'new tree',
    before: [],
    deeds: ['a/one', 'a/b/two', 'a/b/c/three', 'd/four', 'five'].map((path, at) => ({
      do: 'write',
      path,
      content: content(small + at, path),
    })),
  },
]
