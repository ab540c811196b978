// The ways in which parts wait for each other: no wake-up is lost, no place leaks, and an abort leaves nobody waiting.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import type { Clock } from '../../engine/base/clock.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { abortable, Broadcast, Coalescer, inTime, runTogether, Semaphore, waitAtMost, Wakeup } from '../../engine/base/queue.ts'
import { StepClock } from '../support/step-clock.ts'

const never = new AbortController().signal

/** Lets everything run that is ready. */
async function turn(): Promise<void> {
  for (let round = 0; round < 20; round++) await Promise.resolve()
}

function isAborted(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'ABORTED'
}

async function outcome(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'done',
    (error: unknown) => (error instanceof EngineError ? error.code : String(error)),
  )
}

/** 'waiting' while it has not ended. */
function watch(promise: Promise<unknown>): { state: string } {
  const seen = { state: 'waiting' }
  void outcome(promise).then((state) => (seen.state = state))
  return seen
}

/** A clock that stands still until it is told. */
class HandClock implements Clock {
  #now = 0
  #sleepers: { readonly until: number; readonly wake: () => void }[] = []
  sleeping = 0

  nowMs(): number {
    return this.#now
  }

  monotonicMs(): number {
    return this.#now
  }

  async sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    this.sleeping++
    try {
      await abortable<void>((resolve) => this.#sleepers.push({ until: this.#now + durationMs, wake: () => resolve() }), signal)
    } finally {
      this.sleeping--
    }
  }

  async pass(durationMs: number): Promise<void> {
    this.#now += durationMs
    const due = this.#sleepers.filter(({ until }) => until <= this.#now)
    this.#sleepers = this.#sleepers.filter(({ until }) => until > this.#now)
    for (const { wake } of due) wake()
    await turn()
  }
}

describe('a wake-up', () => {
  it('that came before anybody waited is not lost, and several count as one', async () => {
    const wakeup = new Wakeup()
    wakeup.wake()
    wakeup.wake()
    await wakeup.wait(never)
    const second = watch(wakeup.wait(never))
    await turn()
    assert.equal(second.state, 'waiting')
    wakeup.wake()
    await turn()
    assert.equal(second.state, 'done')
  })

  it('is not used up by a waiter that gave up', async () => {
    const wakeup = new Wakeup()
    const gone = new AbortController()
    const first = watch(wakeup.wait(gone.signal))
    await turn()
    gone.abort()
    wakeup.wake()
    await turn()
    assert.equal(first.state, 'ABORTED')
    await wakeup.wait(never)
  })

  it('that comes in the same moment as the abort is there for the next', async () => {
    const wakeup = new Wakeup()
    const gone = new AbortController()
    const first = watch(wakeup.wait(gone.signal))
    await turn()
    wakeup.wake()
    gone.abort()
    await turn()
    if (first.state === 'ABORTED') await wakeup.wait(never)
    else assert.equal(first.state, 'done')
  })

  it('goes to one of two waiters at least', async () => {
    const wakeup = new Wakeup()
    const waiters = [watch(wakeup.wait(never)), watch(wakeup.wait(never))]
    await turn()
    wakeup.wake()
    await turn()
    assert.ok(waiters.some(({ state }) => state === 'done'))
    wakeup.wake()
    await turn()
    assert.ok(waiters.every(({ state }) => state === 'done'))
  })

  it('is refused to whoever is aborted already, and left for others', async () => {
    const wakeup = new Wakeup()
    wakeup.wake()
    await assert.rejects(wakeup.wait(AbortSignal.abort()), isAborted)
    await wakeup.wait(never)
  })
})

describe('a broadcast', () => {
  it('wakes all who wait, and nobody who comes later', async () => {
    const broadcast = new Broadcast()
    const waiters = [watch(broadcast.wait(never)), watch(broadcast.wait(never))]
    await turn()
    broadcast.announce()
    const late = watch(broadcast.wait(never))
    await turn()
    assert.deepEqual(
      [...waiters, late].map(({ state }) => state),
      ['done', 'done', 'waiting'],
    )
  })
})

describe('a semaphore', () => {
  it('has no more holders than places and gets every place back, whatever is aborted and whatever throws', async () => {
    const job = fc.record({ abort: fc.constantFrom('never', 'before', 'waiting', 'with the place'), throws: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.array(job, { maxLength: 12 }), async (width, jobs) => {
        const semaphore = new Semaphore(width)
        let holders = 0
        let most = 0
        const gates: (() => void)[] = []
        const running = jobs.map(async ({ abort, throws }) => {
          const gone = new AbortController()
          if (abort === 'before') gone.abort()
          const held = semaphore.hold(async () => {
            holders++
            most = Math.max(most, holders)
            await new Promise<void>((resolve) => gates.push(resolve))
            holders--
            if (throws) throw new Error('the work failed')
            // The next in line is given the place in this very moment.
            if (abort === 'with the place') gone.abort()
          }, gone.signal)
          const ended = outcome(held)
          if (abort === 'waiting') {
            await turn()
            gone.abort()
          }
          return await ended
        })
        for (let round = 0; round < jobs.length + 2; round++) {
          await turn()
          for (const open of gates.splice(0)) open()
        }
        await Promise.all(running)
        assert.ok(most <= width, `${most} holders`)
        // All places are there: as many can hold at once as before.
        const full = Array.from(
          { length: width },
          async () => await semaphore.hold(async () => await new Promise<void>((resolve) => gates.push(resolve)), never),
        )
        await turn()
        assert.equal(gates.length, width)
        const oneMore = watch(semaphore.hold(async () => await Promise.resolve(), never))
        await turn()
        assert.equal(oneMore.state, 'waiting', 'and no more')
        for (const open of gates) open()
        await Promise.all(full)
      }),
      { numRuns: 200, seed: 1 },
    )
  })

  it('passes a place on that came in the same moment as the abort', async () => {
    // Which of the two is first, and by how many turns of the loop, decides where the place is when the waiter gives up.
    for (let ticks = -8; ticks <= 8; ticks++) {
      const semaphore = new Semaphore(1)
      let open = (): void => undefined
      const first = semaphore.hold(async () => await new Promise<void>((resolve) => (open = resolve)), never)
      await turn()
      const gone = new AbortController()
      const second = watch(semaphore.hold(async () => await Promise.resolve(), gone.signal))
      const third = watch(semaphore.hold(async () => await Promise.resolve(), never))
      await turn()
      if (ticks < 0) open()
      else gone.abort()
      for (let tick = 0; tick < Math.abs(ticks); tick++) await Promise.resolve()
      if (ticks < 0) gone.abort()
      else open()
      await first
      await turn()
      assert.equal(third.state, 'done', `with ${ticks} turns between`)
      assert.ok(['done', 'ABORTED'].includes(second.state))
    }
  })

  it('serves in the order of coming', async () => {
    const semaphore = new Semaphore(1)
    const order: number[] = []
    await Promise.all([1, 2, 3].map(async (number) => await semaphore.hold(async () => await Promise.resolve(order.push(number)), never)))
    assert.deepEqual(order, [1, 2, 3])
  })
})

describe('waiting at most for a time', () => {
  it('ends with the wake-up or the time, whichever comes first, and leaves no timer', async () => {
    const clock = new HandClock()
    const wakeup = new Wakeup()
    const woken = watch(waitAtMost(wakeup, clock, 100, never))
    await turn()
    wakeup.wake()
    await turn()
    assert.deepEqual([woken.state, clock.sleeping], ['done', 0])
    const timed = watch(waitAtMost(wakeup, clock, 100, never))
    await turn()
    await clock.pass(100)
    assert.deepEqual([timed.state, clock.sleeping], ['done', 0])
    wakeup.wake()
    await waitAtMost(wakeup, clock, 100, never)
  })

  it('does not lose a wake-up that comes in the moment in which the time is up', async () => {
    const clock = new HandClock()
    const wakeup = new Wakeup()
    const timed = watch(waitAtMost(wakeup, clock, 100, never))
    await turn()
    const passing = clock.pass(100)
    wakeup.wake()
    await passing
    assert.equal(timed.state, 'done')
    // The waiter has returned after the wake-up: it looks at the rows now, so the wake-up may be used up or still be there.
    const next = watch(waitAtMost(wakeup, clock, 100, never))
    await clock.pass(100)
    assert.equal(next.state, 'done')
  })

  it('ends with an abort', async () => {
    const clock = new HandClock()
    const gone = new AbortController()
    const waiting = watch(waitAtMost(new Wakeup(), clock, 100, gone.signal))
    await turn()
    gone.abort()
    await turn()
    assert.deepEqual([waiting.state, clock.sleeping], ['ABORTED', 0])
    assert.equal(await outcome(waitAtMost(new Wakeup(), clock, 100, gone.signal)), 'ABORTED')
  })
})

describe('tasks that belong together', () => {
  const untilAborted = async (signal: AbortSignal): Promise<void> => await abortable<void>(() => undefined, signal)

  it('end when the first one ends, and all have ended then', async () => {
    let ended = 0
    const waits = async (signal: AbortSignal): Promise<void> => {
      await untilAborted(signal).finally(() => ended++)
    }
    await runTogether(never, [waits, async () => await Promise.resolve(), waits])
    assert.equal(ended, 2)
  })

  it('throw what the first one threw', async () => {
    const failing = async (): Promise<void> => await Promise.reject(new Error('first'))
    const afterwards = async (signal: AbortSignal): Promise<void> => {
      await untilAborted(signal).catch(() => undefined)
      throw new Error('second')
    }
    await assert.rejects(runTogether(never, [afterwards, failing]), /first/)
  })

  it('end with the signal', async () => {
    const gone = new AbortController()
    const running = outcome(runTogether(gone.signal, [untilAborted, untilAborted]))
    gone.abort()
    assert.equal(await running, 'ABORTED')
  })

  it('that throw before they wait end the others too', async () => {
    let isEnded = false
    const waits = async (signal: AbortSignal): Promise<void> => {
      await untilAborted(signal).finally(() => (isEnded = true))
    }
    const broken = (): Promise<void> => {
      throw new Error('at once')
    }
    await assert.rejects(runTogether(never, [waits, broken]), /at once/)
    assert.ok(isEnded)
  })
})

describe('a coalescer', () => {
  it('answers the first ring at once, and all rings of a pause with one more', async () => {
    const clock = new HandClock()
    let calls = 0
    const coalescer = new Coalescer(clock, 100, never, () => calls++)
    coalescer.ring()
    assert.equal(calls, 1)
    for (let ring = 0; ring < 5; ring++) coalescer.ring()
    assert.equal(calls, 1)
    await clock.pass(100)
    assert.equal(calls, 2)
    await clock.pass(100)
    assert.equal(calls, 2)
    coalescer.ring()
    assert.equal(calls, 3)
  })

  it('is silent after the abort', async () => {
    const clock = new HandClock()
    const gone = new AbortController()
    let calls = 0
    const coalescer = new Coalescer(clock, 100, gone.signal, () => calls++)
    coalescer.ring()
    coalescer.ring()
    gone.abort()
    await clock.pass(100)
    coalescer.ring()
    assert.deepEqual([calls, clock.sleeping], [1, 0])
  })
})

describe('work that has a limit of time', () => {
  it('gives what it gives, or is given up when the time is over or somebody aborts, whether or not it minds its signal', async () => {
    const clock = new StepClock()
    let isTold = false
    const deaf = async (signal: AbortSignal): Promise<never> => {
      signal.addEventListener('abort', () => (isTold = true))
      return await abortable<never>(() => undefined, never)
    }
    assert.equal(await inTime(clock, 1000, never, () => Promise.resolve(7)), 7)
    await assert.rejects(
      inTime(clock, 1000, never, () => Promise.reject(new EngineError('CLOSED', 'gone'))),
      { code: 'CLOSED' },
    )
    const late = assert.rejects(inTime(clock, 1000, never, deaf), { code: 'TIMED_OUT' })
    await clock.pass(999)
    assert.equal(isTold, false)
    await clock.pass(1)
    await late
    assert.equal(isTold, true)
    const ending = new AbortController()
    const aborted = assert.rejects(inTime(clock, 1000, ending.signal, deaf), isAborted)
    ending.abort()
    await aborted
  })
})

describe('whatever waits', () => {
  it('takes its listener off the signal when it is done', async () => {
    const gone = new AbortController()
    const wakeup = new Wakeup()
    let listeners = 0
    const { signal } = gone
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...parameters: Parameters<typeof add>) => {
      listeners++
      add(...parameters)
    }
    signal.removeEventListener = (...parameters: Parameters<typeof remove>) => {
      listeners--
      remove(...parameters)
    }
    for (let round = 0; round < 5; round++) {
      const waiting = wakeup.wait(signal)
      await turn()
      wakeup.wake()
      await waiting
    }
    assert.equal(listeners, 0)
  })
})
