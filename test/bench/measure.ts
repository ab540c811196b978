// What is done to one pair of nodes with one data set, and what is written down. The same for every tool.

import { closeSync, existsSync, openSync, readFileSync, readSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { bigFileName, freshBytes, type DataSet } from './data.ts'
import type { Figures } from './figures.ts'
import { differences, flushDisk, isSameContent, sizeBytesOf } from './files.ts'
import type { PartName } from './options.ts'
import { sides, type Pair, type PairPaths, type Side } from './pair.ts'
import { median, nowMs, pause, quantile, until, type Patience } from './waiting.ts'

export interface Measuring {
  readonly pair: Pair
  readonly paths: PairPaths
  readonly set: DataSet
  readonly parts: ReadonlySet<PartName>
  readonly latencyTrials: number
  readonly figures: Figures
  readonly patience: Patience
  say(text: string): void
}

const statePollMsMin = 10
const statePollMsMax = 100
const visiblePollMs = 2
/** Between steps, so that what a node does after it has said "idle" is counted with the step that caused it. */
const settleMs = 1000
/** Longer than Syncthing's watcher delay, so that no trial rides on the one before. */
const latencyPauseMs = 2500
/** Added to each pause in turn: trials must not fall in step with a timer of the tool. */
const latencyShiftMs = 37
const mebibyte = 1 << 20
const copyBufferBytes = 4 * mebibyte

/** The moment is known to 2 % of the time waited, and a long wait is not slowed by the asking. */
function statePollMs(waitedMs: number): number {
  return Math.min(statePollMsMax, Math.max(statePollMsMin, waitedMs / 50))
}

/** Measures everything chosen, then stops the pair. Throws what went wrong; the figures up to there stand. */
export async function measurePair(m: Measuring): Promise<void> {
  const { pair, set, figures, patience } = m
  await pair.start()
  const responses = new ResponseTimes()
  await measureScan(m, responses)
  await measureFirstSync(m, responses)
  if (responses.values.length > 0) {
    figures.record(pair.tool, `response-median/${set.name}`, median(responses.values))
    figures.record(pair.tool, `response-max/${set.name}`, Math.max(...responses.values))
  }
  if (set.name === 'big') await measureChanges(m)
  if (set.name === 'small' && m.parts.has('latency')) await measureLatency(m)

  recordMemory(m)
  const found = await differences(m.paths.roots.a, m.paths.roots.b, pair.ownNames, patience)
  figures.record(pair.tool, `differences/${set.name}`, found.length)
  if (found.length > 0) throw new Error(`the trees differ at the end (${found.length} lines), first: ${found.slice(0, 3).join(' | ')}`)
  await pair.stop()
  figures.record(pair.tool, `database/${set.name}`, pair.databaseBytes() / set.files)
}

/** `until` that ends at once when a node is gone. */
async function untilWith<Value>(
  m: Measuring,
  what: string,
  everyMs: number | typeof statePollMs,
  probe: () => Value | undefined | Promise<Value | undefined>,
  describe?: () => string,
): Promise<Value> {
  const watched = () => {
    m.pair.assertRunning()
    return probe()
  }
  return await until(what, everyMs, m.patience, watched, describe)
}

class ResponseTimes {
  readonly values: number[] = []
}

/** Polls the state and times each answer: the wait is the load under which `status` must stay quick. */
async function timedState(m: Measuring, side: Side, responses: ResponseTimes) {
  const startMs = nowMs()
  const state = await m.pair.state(side)
  responses.values.push(nowMs() - startMs)
  return state
}

async function measureScan(m: Measuring, responses: ResponseTimes): Promise<void> {
  const { pair, set, figures } = m
  const cpu = cpuMeter(pair)
  const startMs = nowMs()
  await pair.addFolder()
  let last = ''
  await untilWith(
    m,
    `${pair.tool} to have scanned ${set.files} files`,
    statePollMs,
    async () => {
      const state = await timedState(m, 'a', responses)
      last = state.text
      return state.isIdle && state.files === set.files ? true : undefined
    },
    () => last,
  )
  const seconds = (nowMs() - startMs) / 1000
  figures.record(pair.tool, `scan/${set.name}`, seconds)
  figures.record(pair.tool, `cpu/scan/${set.name}`, cpu())
  m.say(`scan ${seconds.toFixed(2)} s`)
}

async function measureFirstSync(m: Measuring, responses: ResponseTimes): Promise<void> {
  const { pair, set, figures } = m
  await pair.invite()
  await pause(settleMs, m.patience.signal)
  const cpu = cpuMeter(pair)
  const wireBefore = await pair.wireBytes()
  const startMs = nowMs()
  await pair.join()
  let last = ''
  await untilWith(
    m,
    `${pair.tool} to have synced ${set.files} files`,
    statePollMs,
    async () => {
      const a = await timedState(m, 'a', responses)
      const b = await timedState(m, 'b', responses)
      last = `a ${a.text}, b ${b.text}`
      return a.isIdle && b.isIdle && b.needed === 0 && b.files === set.files ? true : undefined
    },
    () => last,
  )
  const seconds = (nowMs() - startMs) / 1000
  figures.record(pair.tool, `first-sync/${set.name}`, seconds)
  m.say(`first sync ${seconds.toFixed(2)} s`)
  await pause(settleMs, m.patience.signal)
  figures.record(pair.tool, `cpu/first-sync/${set.name}`, cpu())
  figures.record(pair.tool, `wire/first-sync/${set.name}`, (await pair.wireBytes()) - wireBefore)
}

async function measureChanges(m: Measuring): Promise<void> {
  const { a, b } = m.paths.roots
  const [from, to] = [join(a, bigFileName), join(b, bigFileName)]
  const isSame = () => isBecomeSame(from, to, m.patience)
  if (m.parts.has('append')) await measureChange(m, 'append', () => appendBytes(from), isSame)
  if (m.parts.has('insert')) await measureChange(m, 'insert', () => replaceWithByteInserted(from, `${a}.insert`), isSame)
  if (m.parts.has('rename')) {
    const isRenamed = async () => (existsSync(`${to}.renamed`) && !existsSync(to) ? nowMs() : undefined)
    await measureChange(m, 'rename', () => renameSync(from, `${from}.renamed`), isRenamed)
  }
}

function appendBytes(path: string): void {
  writeFileSync(path, freshBytes('append', mebibyte), { flag: 'a' })
}

/** As an editor saves: a new file with one byte before the old content, renamed over the old one. */
function replaceWithByteInserted(path: string, temporary: string): void {
  const source = openSync(path, 'r')
  const target = openSync(temporary, 'w')
  try {
    writeSync(target, 'x')
    const buffer = Buffer.alloc(copyBufferBytes)
    for (let count = readSync(source, buffer); count > 0; count = readSync(source, buffer)) writeSync(target, buffer.subarray(0, count))
  } finally {
    closeSync(source)
    closeSync(target)
  }
  renameSync(temporary, path)
}

/** The moment at which `b` was seen to have a's size, once the content is the same too. */
async function isBecomeSame(a: string, b: string, patience: Patience): Promise<number | undefined> {
  if (sizeBytesOf(a) !== sizeBytesOf(b)) return undefined
  const seenMs = nowMs()
  return (await isSameContent(a, b, patience)) ? seenMs : undefined
}

/** The clock starts when the change is complete on `a`'s disk: making it is not the tool's work. */
async function measureChange(m: Measuring, name: PartName, change: () => void, visible: () => Promise<number | undefined>): Promise<void> {
  const { pair, set, figures, patience } = m
  await flushDisk(patience)
  await pause(2 * settleMs, patience.signal)
  const wireBefore = await pair.wireBytes()
  const cpu = cpuMeter(pair)
  change()
  const startMs = nowMs()
  const seenMs = await untilWith(m, `the ${name} to be visible on the peer`, visiblePollMs, visible)
  const seconds = (seenMs - startMs) / 1000
  figures.record(pair.tool, `${name}/${set.name}`, seconds)
  m.say(`${name} ${seconds.toFixed(2)} s`)
  await untilQuiet(m)
  figures.record(pair.tool, `cpu/${name}/${set.name}`, cpu())
  figures.record(pair.tool, `wire/${name}/${set.name}`, (await pair.wireBytes()) - wireBefore)
}

async function untilQuiet(m: Measuring): Promise<void> {
  await untilWith(m, `${m.pair.tool} to be quiet`, statePollMs, async () => {
    const states = await Promise.all(sides.map((side) => m.pair.state(side)))
    return states.every((state) => state.isIdle && state.needed === 0) ? true : undefined
  })
  await pause(settleMs, m.patience.signal)
}

async function measureLatency(m: Measuring): Promise<void> {
  const { pair, figures, patience } = m
  const seconds: number[] = []
  for (let trial = 0; trial < m.latencyTrials; trial++) {
    await pause(latencyPauseMs + trial * latencyShiftMs, patience.signal)
    const name = `latency-${trial}.txt`
    const content = `written in trial ${trial}\n`
    const there = join(m.paths.roots.b, name)
    const startMs = nowMs()
    writeFileSync(join(m.paths.roots.a, name), content)
    const seenMs = await untilWith(m, `${name} to be visible on the peer`, visiblePollMs, () =>
      existsSync(there) && readFileSync(there, 'utf8') === content ? nowMs() : undefined,
    )
    seconds.push((seenMs - startMs) / 1000)
  }
  figures.record(pair.tool, 'latency/median', median(seconds))
  figures.record(pair.tool, 'latency/p95', quantile(seconds, 0.95))
  figures.record(pair.tool, 'latency/max', Math.max(...seconds))
  m.say(`latency, median of ${seconds.length}: ${(median(seconds) * 1000).toFixed(0)} ms`)
  await untilQuiet(m)
}

function recordMemory(m: Measuring): void {
  const { pair, set, figures } = m
  const peaks = sides.map((side) => pair.usage(side).peakMemoryBytes)
  figures.record(pair.tool, `memory/${set.name}/a`, peaks[0])
  figures.record(pair.tool, `memory/${set.name}/b`, peaks[1])
  const known = peaks.filter((peak) => peak !== undefined)
  if (known.length > 0) figures.record(pair.tool, `memory/${set.name}`, Math.max(...known))
}

/** Starts counting; each call gives the CPU seconds of both nodes since then. */
function cpuMeter(pair: Pair): () => number | undefined {
  const total = () => {
    const values = sides.map((side) => pair.usage(side).cpuSeconds)
    return values.reduce<number | undefined>((sum, value) => (sum === undefined || value === undefined ? undefined : sum + value), 0)
  }
  const before = total()
  return () => {
    const after = total()
    return before === undefined || after === undefined ? undefined : after - before
  }
}
