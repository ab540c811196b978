// The progress bar: one line drawn over itself while the daemon works. Leaving it does not stop the work.

import type { Client } from '../api/client.ts'
import type { FolderStatus, InStep, Progress } from '../api/controls.ts'
import { errorCodeOf } from '../base/errors.ts'
import type { CallName, Calls } from '../api/calls.ts'
import type { Cli, Session } from './cli.ts'
import { countText, durationText, printable, sizeText } from './text.ts'

const redrawMs = 250
const barCells = 24

/** How following ended: in step, left by Ctrl-C, or the folder can make no progress now. */
export type Followed =
  | ({ readonly end: 'synced' } & InStep)
  | { readonly end: 'left' }
  | { readonly end: 'stuck'; readonly state: FolderStatus['state'] }

/**
 * Draws the progress of `folder` (all when undefined) until the daemon says that it is in step. With `endWhenStuck` a
 * folder that is paused, stopped, held or waiting for a peer ends it too. Throws what the daemon told, `TIMED_OUT` among it.
 */
export async function followUntilSynced(
  cli: Cli,
  { client }: Session,
  options: { readonly folder?: string; readonly timeoutMs?: number; readonly endWhenStuck: boolean },
): Promise<Followed> {
  const leaving = new AbortController()
  let isLeft = false
  const stopListening = cli.terminal.onInterrupt(() => {
    isLeft = true
    leaving.abort()
  })
  const { folder, timeoutMs, endWhenStuck } = options
  const input = { ...(folder === undefined ? {} : { folder }), ...(timeoutMs === undefined ? {} : { timeoutMs }) }
  try {
    const synced = client.call('waitSynced', input, leaving.signal).then((inStep): Followed => ({ end: 'synced', ...inStep }))
    return await Promise.race([synced, drawUntilStuck(cli, client, folder, endWhenStuck, leaving.signal)])
  } catch (error) {
    if (isLeft && errorCodeOf(error) === 'ABORTED') return { end: 'left' }
    throw error
  } finally {
    stopListening()
    leaving.abort()
    cli.terminal.err('\r\u001B[K')
  }
}

/** The answer to a call that works on a folder for a while; meanwhile its progress is drawn, where somebody is looking. */
export async function callWatched<Name extends CallName>(
  cli: Cli,
  { client, isWatched }: Session,
  name: Name,
  input: Calls[Name]['input'] & { readonly folder: string },
): Promise<Calls[Name]['output']> {
  if (!isWatched) return await client.call(name, input)
  const over = new AbortController()
  const drawing = drawUntilStuck(cli, client, input.folder, false, over.signal).catch((error: unknown) => {
    if (!over.signal.aborted) throw error
  })
  try {
    return await client.call(name, input)
  } finally {
    over.abort()
    await drawing.catch(() => undefined) // what is the matter with the daemon, the call itself says
    cli.terminal.err('\r\u001B[K')
  }
}

async function drawUntilStuck(
  cli: Cli,
  client: Client,
  folder: string | undefined,
  endWhenStuck: boolean,
  signal: AbortSignal,
): Promise<Followed> {
  for (;;) {
    await cli.clock.sleep(redrawMs, signal)
    const { folders } = await client.call('folders', {}, signal)
    const mine = folders.filter(({ id, name, path }) => folder === undefined || name === folder || path === folder || id.startsWith(folder))
    const stuck = mine.find(({ state }) => state === 'paused' || state === 'stopped' || state === 'held' || state === 'waiting')
    if (endWhenStuck && stuck !== undefined) return { end: 'stuck', state: stuck.state }
    const busy = mine.find(({ progress }) => progress !== undefined)
    if (busy?.progress !== undefined)
      cli.terminal.err(
        `\r${progressLine(busy.name, busy.progress, cli.terminal.columns, busy.stored === undefined ? 'file' : 'block')}\u001B[K`,
      )
  }
}

const activityTexts: Readonly<Record<Progress['activity'], string>> = { scan: 'scanning', transfer: 'receiving', free: 'freeing' }

/** As much as fits into `columns`, the most useful first. `counted`: what `filesDone` counts, blocks where a folder is only stored. Pure. */
export function progressLine(name: string, progress: Progress, columns: number, counted: 'file' | 'block' = 'file'): string {
  const { activity, filesDone, filesTotal, bytesDone, bytesTotal, bytesPerSecond, secondsLeft } = progress
  const share = bytesTotal > 0 ? bytesDone / bytesTotal : filesTotal > 0 ? filesDone / filesTotal : 0
  const filled = Math.round(Math.min(1, Math.max(0, share)) * barCells)
  const amounts =
    activity === 'free'
      ? [`${sizeText(bytesDone)} freed`]
      : [`${sizeText(bytesDone)} of ${sizeText(bytesTotal)}`, `${sizeText(bytesPerSecond)}/s`]
  const parts = [
    `${printable(name)} ${activityTexts[activity]}`,
    `[${'#'.repeat(filled)}${'.'.repeat(barCells - filled)}]`,
    `${filesDone.toLocaleString('en-US')} of ${countText(filesTotal, counted)}`,
    ...amounts,
    ...(secondsLeft === undefined ? [] : [`${durationText(secondsLeft)} left`]),
  ]
  let line = ''
  for (const part of parts) {
    const longer = line === '' ? part : `${line}  ${part}`
    // One column stays free: a full line makes some terminals wrap.
    if (longer.length >= columns) break
    line = longer
  }
  return line
}
