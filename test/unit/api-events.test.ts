// The event stream against a clock that stands still until it is told to go on.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventChunks, heartbeatMs } from '../../engine/api/events.ts'
import type { Clock } from '../../engine/base/clock.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { abortable } from '../../engine/base/queue.ts'
import { FakeControls } from '../support/fake-controls.ts'

class StandingClock implements Clock {
  readonly sleeps: number[] = []
  #wakers: (() => void)[] = []
  nowMs = (): number => 0
  monotonicMs = (): number => 0

  async sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    this.sleeps.push(durationMs)
    await abortable<void>((resolve) => void this.#wakers.push(resolve), signal)
  }

  ring(): void {
    for (const wake of this.#wakers.splice(0)) wake()
  }
}

const isAborted = (error: unknown): boolean => error instanceof EngineError && error.code === 'ABORTED'

describe('the event stream', () => {
  test('sends the state at once, changes as they come, many as one, and a comment into silence', async () => {
    const controls = new FakeControls()
    const clock = new StandingClock()
    const ending = new AbortController()
    const chunks = eventChunks(controls, clock, ending.signal)
    assert.match((await chunks.next()).value, /^event: change\ndata: \{"state":"ok".*\}\n\n$/)

    const heartbeat = chunks.next()
    clock.ring()
    assert.equal((await heartbeat).value, ': heartbeat\n\n')
    assert.deepEqual(clock.sleeps, [heartbeatMs])

    for (let change = 0; change < 5; change++) controls.change()
    assert.match((await chunks.next()).value, /^event: change/)
    const silent = chunks.next()
    clock.ring()
    assert.equal((await silent).value, ': heartbeat\n\n')

    const woken = chunks.next()
    controls.change()
    clock.ring()
    assert.match((await woken).value, /^event: change/)

    const last = chunks.next()
    ending.abort()
    await assert.rejects(last, isAborted)
    assert.equal(controls.listeners, 0)
  })
})
