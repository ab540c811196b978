// `holdfast scrub`: reading everything that is stored here again, and what came of it.

import type { Command } from 'commander'
import type { AuditStatus, ScrubRun, ScrubStatus } from '../../api/store-controls.ts'
import { openSession, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { columnsText, countText, durationText, printable, sizeText } from '../text.ts'
import { localTimeText } from '../time.ts'

export function addScrubCommands(program: Command, cli: Cli): void {
  const scrub = program
    .command('scrub')
    .description('read everything that is stored here again, in turn: what changed by itself is found and healed from others')
  withExamples(scrub, ['scrub status', 'scrub start', 'scrub pause'])
  const status = scrub.command('status').description('how far it is, what was found and healed, and how other members were audited')
  withExamples(status, ['scrub status', 'scrub status --json']).action(async () => {
    const { client, print } = openSession(cli, status)
    const answer = await client.call('scrubStatus', {})
    print(answer, scrubText(answer, cli.clock.nowMs()))
  })
  const start = scrub.command('start').description('read everything once, beginning now; others come first')
  withExamples(start, ['scrub start']).action(async () => {
    const { client, print } = openSession(cli, start)
    await client.call('startScrub', {})
    print({}, 'Begun. "holdfast scrub status" shows how far it is.')
  })
  const pause = scrub.command('pause').description('read nothing until it is resumed, also after a restart')
  withExamples(pause, ['scrub pause']).action(async () => {
    const { client, print } = openSession(cli, pause)
    await client.call('pauseScrub', {})
    print({}, 'Paused.')
  })
  const resume = scrub.command('resume').description('go on where it was')
  withExamples(resume, ['scrub resume']).action(async () => {
    const { client, print } = openSession(cli, resume)
    await client.call('resumeScrub', {})
    print({}, 'Resumed.')
  })
}

const restingMs = 60_000
const nothingToRead = 'nothing: nothing is stored here, or all of it in object storage, which is left to check its own'

const stateTexts: Readonly<Record<ScrubStatus['state'], string>> = {
  running: 'reading',
  waiting: 'waiting',
  paused: 'paused',
  noPower: 'waiting for mains power',
}

export function scrubText(status: ScrubStatus, nowMs: number): string {
  const { totalBytes, doneBytes, bytesPerSecond, cycleDays, isHurried, run, last, found, healed, open, nextMs } = status
  const share = ` (${Math.floor((doneBytes / totalBytes) * 100)} %)`
  const pace = isHurried ? 'as asked for, beginning at once' : `everything within ${cycleDays} days, ${sizeText(bytesPerSecond)} a second`
  const rows = [
    ['state', `${isResting(status, nowMs) ? 'resting' : stateTexts[status.state]}; ${pace}`],
    ['read', totalBytes === 0 ? nothingToRead : `${sizeText(doneBytes)} of ${sizeText(totalBytes)}${share}`],
    ...(run === undefined ? [] : [['this run', runText(run)]]),
    ['last run', last === undefined ? 'none yet' : `${runText(last)}, ended ${localTimeText(last.endedMs)}`],
    ...(nextMs === undefined ? [] : [['goes on', nextMs <= nowMs ? 'now' : `in ${durationText((nextMs - nowMs) / 1000)}`]]),
    ['damaged', `${found} found, ${healed} healed and read again, ${open} not yet${needlessText(found - healed - open)}`],
  ]
  const audits = status.audits.map((audit) => auditRow(audit))
  const table = audits.length === 0 ? '' : `\n\nAudits of members\n${columnsText(audits)}`
  return `${columnsText(rows)}${table}`
}

/** A newer version of a file came, or another member holds it now. */
function needlessText(pieces: number): string {
  return pieces <= 0 ? '' : `, ${pieces} no longer needed here`
}

/** Between two steps, and for long: a small store is read in seconds and then left alone for days. */
function isResting({ state, nextMs }: ScrubStatus, nowMs: number): boolean {
  return state === 'running' && nextMs !== undefined && nextMs - nowMs > restingMs
}

function runText({ startedMs, bytes, pieces, found }: ScrubRun): string {
  return `since ${localTimeText(startedMs)}: ${sizeText(bytes)}, ${countText(pieces, 'piece')} good, ${found} damaged`
}

function auditRow({ folder, name, lastMs, blocks, missing, nextMs, runs, failures }: AuditStatus): string[] {
  const last = lastMs === undefined ? 'never' : `${localTimeText(lastMs)}: ${countText(blocks, 'question')}, ${missing} not proven`
  const next = nextMs === undefined ? 'says nothing yet' : `next ${localTimeText(nextMs)}`
  return [`  ${printable(folder)}`, printable(name), last, next, `${countText(runs, 'audit')}, ${failures} failed`]
}
