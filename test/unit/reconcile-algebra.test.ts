// Reconcile as algebra: whatever three or four people do and in whatever order their versions travel, the replicas end alike, and what
// nobody has seen and replaced is still there. ALGEBRA_RUNS and ALGEBRA_SEED look further.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { assertAlike, assertNothingLost, fileOf, Ledger, printPlaces, Replica, rest, send, type Content } from '../support/replicas.ts'

const parameters = { numRuns: Number(process.env['ALGEBRA_RUNS'] ?? 1500), seed: Number(process.env['ALGEBRA_SEED'] ?? 1) }
const mainPath = 'notes.txt'
const second = 1_000_000

interface At {
  readonly replica: number
  /** 0 = the main path, n = the nth path that is on this replica's disk. */
  readonly place: number
}

type Step =
  | ({ readonly kind: 'write'; readonly content: Content; readonly time: number; readonly mode: number } & At)
  | ({ readonly kind: 'mode'; readonly mode: number } & At)
  | ({ readonly kind: 'touch'; readonly time: number } & At)
  | ({ readonly kind: 'delete' } & At)
  | { readonly kind: 'send'; readonly from: number; readonly to: number; readonly which: number }
  | { readonly kind: 'merge'; readonly replica: number }
  | { readonly kind: 'settle'; readonly replica: number }

interface Reach {
  readonly replicas: number
  readonly contents: readonly Content[]
  readonly kinds: readonly Step['kind'][]
  /** True: people change conflict copies as well. */
  readonly copies: boolean
  /** True: file times only ever go forward, in the order in which things happen. */
  readonly isClockSound: boolean
  /** True: no two writes are of the same content, so that none is a mere change of time. */
  readonly isOwnContent?: boolean
}

const files = ['one', 'two', 'three', 'four'].map(fileOf)
const directory: Content = { kind: 'directory', text: '' }
const link: Content = { kind: 'symlink', text: 'elsewhere' }

function stepOf(reach: Reach): fc.Arbitrary<Step> {
  const replica = fc.nat(reach.replicas - 1)
  const place = reach.copies ? fc.nat(3) : fc.constant(0)
  const time = fc.integer({ min: 1, max: 4 })
  const mode = fc.constantFrom(0o600, 0o644)
  const all: Readonly<Record<Step['kind'], fc.Arbitrary<Step>>> = {
    write: fc.record({ kind: fc.constant('write' as const), replica, place, content: fc.constantFrom(...reach.contents), time, mode }),
    mode: fc.record({ kind: fc.constant('mode' as const), replica, place, mode }),
    touch: fc.record({ kind: fc.constant('touch' as const), replica, place, time }),
    delete: fc.record({ kind: fc.constant('delete' as const), replica, place }),
    send: fc.record({ kind: fc.constant('send' as const), from: replica, to: replica, which: fc.constantFrom(255, 255, 1, 2, 4) }),
    merge: fc.record({ kind: fc.constant('merge' as const), replica }),
    settle: fc.record({ kind: fc.constant('settle' as const), replica }),
  }
  const weights: Partial<Record<Step['kind'], number>> = { write: 5, send: 5, settle: 2 }
  return fc.oneof(...reach.kinds.map((kind) => ({ weight: weights[kind] ?? 1, arbitrary: all[kind] })))
}

class World {
  readonly ledger = new Ledger()
  readonly replicas: readonly Replica[]
  readonly #reach: Reach
  #tick = 0

  constructor(reach: Reach) {
    this.#reach = reach
    this.replicas = Array.from({ length: reach.replicas }, (_, number) => new Replica(number, this.ledger))
  }

  take(step: Step): void {
    switch (step.kind) {
      case 'write':
        return this.#replica(step.replica).write(this.#path(step), this.#content(step), this.#time(step.time), step.mode)
      case 'mode':
        return this.#replica(step.replica).setAttributes(this.#path(step), { mode: step.mode })
      case 'touch':
        return this.#replica(step.replica).setAttributes(this.#path(step), { mtimeUs: this.#time(step.time) })
      case 'delete':
        return this.#replica(step.replica).delete(this.#path(step))
      case 'send':
        return send(this.#replica(step.from), this.#replica(step.to), step.which)
      case 'merge':
        return this.#replica(step.replica).merge()
      case 'settle':
        this.#replica(step.replica).merge()
        return this.#replica(step.replica).apply()
    }
  }

  #replica(number: number): Replica {
    const replica = this.replicas[number]
    assert.ok(replica !== undefined)
    return replica
  }

  #time(time: number): number {
    this.#tick++
    return (this.#reach.isClockSound ? this.#tick : time) * second
  }

  #content({ replica, content }: { readonly replica: number; readonly content: Content }): Content {
    return this.#reach.isOwnContent === true && content.kind === 'file' ? fileOf(`${content.text} of ${replica}, ${this.#tick}`) : content
  }

  #path({ replica, place }: At): string {
    return place === 0 ? mainPath : (this.#replica(replica).livePaths()[place - 1] ?? mainPath)
  }
}

type Claim = (world: World) => void

const areAlike: Claim = ({ replicas }) => assertAlike(replicas)
const isNothingLost: Claim = ({ ledger, replicas }) => assertNothingLost(ledger, replicas)

const areCopiesNotCopied: Claim = ({ replicas }) => {
  for (const path of replicas[0]?.places.keys() ?? []) assert.ok(path.split('.conflict-').length <= 2, `${path} is a copy of a copy`)
}

const hasAnEditOneCopy: Claim = ({ replicas }) => {
  const copies = [...(replicas[0]?.places ?? [])].filter(([path, { item }]) => path !== mainPath && item !== undefined)
  const edits = copies.flatMap(([, { item }]) => [...(item?.edits ?? [])])
  assert.deepEqual([...new Set(edits)], edits, `an edit has two conflict copies:\n${replicas.map(printPlaces).join('\n--\n')}`)
}

function check(reach: Reach, ...claims: readonly Claim[]): void {
  fc.assert(
    fc.property(fc.array(stepOf(reach), { minLength: 8, maxLength: 22, size: 'max' }), (steps) => {
      const world = new World(reach)
      for (const step of steps) world.take(step)
      rest(world.replicas)
      for (const claim of claims) claim(world)
    }),
    parameters,
  )
}

const changes: readonly Step['kind'][] = ['write', 'delete', 'send', 'merge', 'settle']
const everything: readonly Step['kind'][] = [...changes, 'mode', 'touch']

for (const replicas of [3, 4]) {
  const reach: Reach = { replicas, contents: files, kinds: changes, copies: false, isClockSound: true }
  describe(`${replicas} replicas that hear of everything in the end`, () => {
    it('hold the same after edits and deletions', () => check(reach, areAlike))
    it('hold the same with files, directories and links at one name', () => {
      check({ ...reach, contents: [...files.slice(0, 2), directory, link] }, areAlike, isNothingLost)
    })
    it('hold every content that nobody replaced who had it', () => check(reach, isNothingLost))
    it('hold every such content whatever the clocks say and whatever else changes', () => {
      check({ ...reach, kinds: everything, contents: [...files, directory, link], isClockSound: false }, isNothingLost)
    })
    it('scenario 7: do not make copies of conflict copies, whoever edits those', () => {
      check({ ...reach, kinds: everything, copies: true, isClockSound: false }, areCopiesNotCopied, isNothingLost)
    })
    it('have one conflict copy of an edit', () => check({ ...reach, isOwnContent: true }, hasAnEditOneCopy))
    it('scenario 12: have one conflict copy of an edit, and the same, whatever the clocks say', () => {
      check({ ...reach, isOwnContent: true, isClockSound: false }, hasAnEditOneCopy, areAlike)
    })
    it('have one conflict copy of an edit whose time changed too', () =>
      check({ ...reach, isOwnContent: true, kinds: [...changes, 'touch'] }, hasAnEditOneCopy))
    it('have one conflict copy of an edit whose mode changed too', () =>
      check({ ...reach, isOwnContent: true, kinds: [...changes, 'mode'] }, hasAnEditOneCopy))
    it('hold the same when attributes change too', () => check({ ...reach, kinds: everything }, areAlike))
    it('hold the same whatever the clocks say', () => check({ ...reach, isClockSound: false }, areAlike))
    it('hold the same, and all of it, when conflict copies are changed too', () => {
      check({ ...reach, kinds: everything, copies: true }, areAlike, isNothingLost)
    })
  })
}
