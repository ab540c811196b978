// How a simulated world comes to rest: in bounded time all members show the same, and stay so.

import type { CopiesOracle } from './copies-oracle.ts'
import type { SimNode } from './node.ts'
import type { Hosting } from './hosting.ts'
import { OracleViolation, type Oracle } from './oracle.ts'
import { lostWithinMs } from './pace.ts'
import type { Scheduler } from './scheduler.ts'
import { faithfulWatching } from './watcher.ts'
import type { World } from './world.ts'

const limits = { durationMs: 900_000, stepsMax: 3_000_000 }
const agreeWithinMs = 900_000
const lookEveryMs = 500
/** While who is gone is not taken for lost yet. */
const lookSeldomMs = 30_000
/** Nothing may move any more for this long once nodes agree. */
const quietMs = 120_000
const copiesWithinMs = 1_800_000
/** Surplus and garbage may still go. */
const standstillWithinMs = 1_800_000
const scrubWithinMs = 3_600_000
const linesMax = 10
/** The same in the middle of a script. */
const pauseMs = 3000

/** Every member walks its tree once (hints may have been lost), then all must agree, in bounded time, and stay so. */
export async function comeToRest(world: World, oracle: Oracle): Promise<void> {
  const { signal } = new AbortController()
  for (const { node } of oracle.members) node.watching = faithfulWatching
  for (const { node } of oracle.members) {
    for (const folder of node.controls?.folders() ?? []) {
      await world.scheduler.settle(node.controls?.rescanFolder(folder.id, signal) ?? Promise.resolve(), limits, `rescan on ${node.name}`)
    }
  }
  if (oracle.hasDecay) await verifyAll(world, oracle, signal)
  await awaitAgreement(world, oracle, quietMs)
}

/** The node reads all that it stores. */
async function scrub(scheduler: Scheduler, node: SimNode): Promise<void> {
  const { controls } = node
  if (controls === undefined) return
  const before = controls.scrubStatus().last?.endedMs
  await scheduler.settle(controls.startScrub(), limits, `start of a scrub on ${node.name}`)
  const isOver = (): boolean => {
    const { last, totalBytes } = controls.scrubStatus()
    return totalBytes === 0 || last?.endedMs !== before
  }
  const end = await scheduler.runUntil(isOver, { ...limits, durationMs: scrubWithinMs })
  if (end !== 'reached')
    throw new OracleViolation(`${node.name} does not come to the end of a scrub: ${JSON.stringify(controls.scrubStatus())}`)
}

/**
 * Throws OracleViolation when the copies do not come to be as they are to be, or go on moving. Where days pass, who is gone for good is found
 * out to be lost; `giveUpLost` is a person's word that it is.
 */
export async function restCopies(
  scheduler: Scheduler,
  { copies, fleet, hasDays }: Hosting,
  giveUpLost: () => Promise<void>,
): Promise<void> {
  for (const { node } of fleet.active) await scrub(scheduler, node)
  copies.noteScrubbed()
  const look = (): Promise<void> => copies.look((work) => scheduler.settle(work, limits, 'listing copies'))
  const lost = fleet.all.filter(({ isLost, isRetired }) => isLost && !isRetired)
  // When more went than stayed, nobody can tell who is cut off: a person has to say it.
  if (lost.length > copies.takingPart - 1) await giveUpLost()
  await awaitCopies(scheduler, { copies, withinMs: copiesWithinMs + (hasDays && lost.length > 0 ? lostWithinMs : 0) }, look)
  for (const endUs = scheduler.nowUs + standstillWithinMs * 1000; ;) {
    const before = copies.whereabouts()
    await scheduler.runFor(quietMs, limits.stepsMax)
    await look()
    const lacking = copies.shortfalls()
    if (lacking.length > 0) throw new OracleViolation(`copies do not last:\n  ${lacking.slice(0, linesMax).join('\n  ')}`)
    if (copies.whereabouts() === before) break
    if (scheduler.nowUs >= endUs) throw new OracleViolation('blocks go on moving though every copy is there')
  }
  copies.checkSecrets()
}

async function awaitCopies(
  scheduler: Scheduler,
  { copies, withinMs }: { readonly copies: CopiesOracle; readonly withinMs: number },
  look: () => Promise<void>,
): Promise<void> {
  const startUs = scheduler.nowUs
  for (let lacking = copies.shortfalls(); lacking.length > 0; lacking = copies.shortfalls()) {
    const waitedMs = (scheduler.nowUs - startUs) / 1000
    if (waitedMs >= withinMs) {
      const more = lacking.length > linesMax ? [`and ${lacking.length - linesMax} more`] : []
      throw new OracleViolation(`copies lack at rest:\n  ${[...lacking.slice(0, linesMax), ...more].join('\n  ')}`)
    }
    await scheduler.runFor(waitedMs < lookSeldomMs ? lookEveryMs : lookSeldomMs, limits.stepsMax)
    await look()
  }
}

/** All members read all that they have. */
async function verifyAll({ scheduler }: World, oracle: Oracle, signal: AbortSignal): Promise<void> {
  for (const { node } of oracle.members) {
    for (const folder of node.controls?.folders() ?? []) {
      const { controls } = node
      if (controls !== undefined) await scheduler.settle(controls.verifyFolder(folder.id, signal), limits, `verifying on ${node.name}`)
    }
  }
}

/** Throws OracleViolation when the members do not come to agree. */
export async function awaitAgreement({ scheduler }: Pick<World, 'scheduler'>, oracle: Oracle, quietForMs: number = pauseMs): Promise<void> {
  const endUs = scheduler.nowUs + agreeWithinMs * 1000
  for (;;) {
    await scheduler.runFor(lookEveryMs, limits.stepsMax)
    await acceptHeld(scheduler, oracle)
    await bringBack(scheduler, oracle)
    const disagreements = oracle.disagreements()
    if (disagreements.length === 0) {
      const before = oracle.engineChanges
      await scheduler.runFor(quietForMs, limits.stepsMax)
      if (oracle.engineChanges === before && oracle.disagreements().length === 0) return
    }
    if (scheduler.nowUs < endUs) continue
    const why = disagreements.length > 0 ? `nodes still disagree:\n  ${disagreements.join('\n  ')}` : 'nodes agree but files keep changing'
    throw new OracleViolation(`no rest within ${agreeWithinMs / 1000} s: ${why}`)
  }
}

/** What is elsewhere is asked for again: only so can be seen that nothing of it is lost. */
async function bringBack(scheduler: Scheduler, oracle: Oracle): Promise<void> {
  const { signal } = new AbortController()
  for (const { node } of oracle.members) {
    for (const { id, state, elsewhere } of node.controls?.folders() ?? []) {
      if (elsewhere === undefined || state === 'held' || state === 'paused' || state === 'stopped') continue
      scheduler.note(`* ${node.name}: asks for what is elsewhere`)
      const kept = node.controls?.keepFolder({ folder: id, keep: 'all' }, signal) ?? Promise.resolve()
      await scheduler.settle(Promise.race([kept, node.died()]), limits, `keeping all on ${node.name}`)
    }
  }
}

/** What a guard asks about was meant: nothing in this world deletes by accident. */
async function acceptHeld(scheduler: Scheduler, oracle: Oracle): Promise<void> {
  const { signal } = new AbortController()
  for (const { node } of oracle.members) {
    for (const folder of node.controls?.folders() ?? []) {
      if (folder.state !== 'held') continue
      scheduler.note(`* ${node.name}: accepts what is held`)
      const accepted = node.controls?.acceptChanges(folder.id, signal) ?? Promise.resolve()
      await scheduler.settle(Promise.race([accepted, node.died()]), limits, `accepting on ${node.name}`)
    }
  }
}
