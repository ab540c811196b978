// What `keep` could not free is tried again when others say something new, and only that.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLog } from '../../engine/base/log.ts'
import { KeepLater } from '../../engine/compose/keep-later.ts'
import type { RelativePath } from '../../engine/model/path.ts'
import type { FreeRefusal, RefusedFree } from '../../engine/sync/free.ts'
import { pathOf } from '../support/index-world.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const minuteMs = 60_000

class World {
  readonly clock = new VirtualClock()
  readonly versions = new Map<string, number>([
    ['a', 1],
    ['b', 1],
    ['d/c', 1],
  ])
  evidence = 'what was said at first'
  isPaused = false
  /** Files that others would prove now. */
  readonly provable = new Set<string>()
  readonly tried: string[][] = []
  readonly later: KeepLater = new KeepLater({
    clock: this.clock,
    log: silentLog,
    evidence: () => this.evidence,
    versionOf: (path) => this.versions.get(path),
    mayFree: () => !this.isPaused,
    free: async (paths) => await Promise.resolve(this.#free(paths)),
  })

  /** As `keep` was told. */
  refuse(reason: FreeRefusal, ...paths: readonly string[]): number {
    return this.later.replace(refusedFor(reason, paths.map(pathOf)))
  }

  /** While it works. */
  async during(work: () => Promise<void>): Promise<void> {
    const ending = new AbortController()
    const running = this.later.run(ending.signal)
    await work()
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
  }

  #free(paths: readonly RelativePath[]): readonly RefusedFree[] {
    this.tried.push([...paths])
    return refusedFor(
      'NOT_PROVEN',
      paths.filter((path) => !this.provable.has(path)),
    )
  }
}

function refusedFor(reason: FreeRefusal, paths: readonly RelativePath[]): readonly RefusedFree[] {
  return paths.map((path) => ({ path, reason, copies: 1 }))
}

describe('what keep could not free', () => {
  it('goes soon after others say that they have more, and is asked for seldom while they say nothing', async () => {
    const world = new World()
    assert.equal(world.refuse('NOT_PROVEN', 'a', 'b'), 2)
    await world.during(async () => {
      await world.clock.advance(50_000)
      assert.deepEqual(world.tried, [])
      world.evidence = 'a receipt came'
      world.provable.add('a')
      await world.clock.advance(20_000)
      assert.deepEqual([world.tried, world.later.count], [[['a', 'b']], 1])
      await world.clock.advance(60 * minuteMs)
      assert.ok(world.tried.length <= 6, `${world.tried.length} tries in an hour`)
      world.provable.add('b')
      await world.clock.advance(62 * minuteMs)
      assert.equal(world.later.count, 0)
      const { length } = world.tried
      world.evidence = 'more receipts'
      await world.clock.advance(120 * minuteMs)
      assert.equal(world.tried.length, length)
    })
  })

  it('stays when it was changed since, when a person fetched it, and where it was refused for another reason', async () => {
    const world = new World()
    assert.equal(world.refuse('CHANGED_HERE', 'a'), 0)
    world.refuse('NOT_PROVEN', 'a', 'b', 'd/c')
    world.versions.set('a', 2)
    world.later.forget('d')
    await world.during(async () => {
      world.evidence = 'a receipt came'
      await world.clock.advance(minuteMs)
      assert.deepEqual(world.tried.at(-1), ['b'])
    })
  })

  it('waits while nothing may be freed, and is forgotten when keep is said again', async () => {
    const world = new World()
    world.isPaused = true
    world.refuse('NOT_PROVEN', 'a')
    await world.during(async () => {
      world.evidence = 'a receipt came'
      await world.clock.advance(10 * minuteMs)
      assert.deepEqual([world.tried, world.later.count], [[], 1])
      world.refuse('NOT_PROVEN')
      world.isPaused = false
      await world.clock.advance(10 * minuteMs)
      assert.deepEqual(world.tried, [])
    })
  })
})
