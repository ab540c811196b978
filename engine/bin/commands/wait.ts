// `holdfast wait`: returns when the folders are in step.

import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { EngineError } from '../../base/errors.ts'
import { parseDurationMs } from '../../config.ts'
import { openSession, withExamples } from '../cli.ts'
import type { Cli, Session } from '../cli.ts'
import { targetCopiesMax } from '../../model/limits.ts'
import { folderArgument } from '../paths.ts'
import { followUntilSynced } from '../progress.ts'
import { printable } from '../text.ts'
import type { InStep } from '../../api/controls.ts'
import { exitDegraded } from '../exit-codes.ts'

interface WaitOptions {
  readonly folder?: string
  readonly timeout: string
  readonly copies?: number
  readonly synced?: boolean
}

export function addWaitCommand(program: Command, cli: Cli): void {
  const command = program
    .command('wait')
    .description(
      'wait until folders are in step here and with every connected member, or have enough copies (exit code 6 when time is up, 4 when a member has no room)',
    )
    .option('--folder <folder>', 'a name, a path or the start of an id (all folders otherwise)')
    .option('--synced', 'wait for being in step: what is done without --copies anyway')
    .option('--copies <count>', 'wait until there are so many copies of everything', parseCopies)
    .option('--timeout <duration>', 'how long at most, for example 90s or 10m', '60s')
  withExamples(command, ['wait --synced', 'wait --folder Photos --synced --timeout 10m', 'wait --folder Photos --copies 2']).action(
    async ({ folder: typed, timeout, copies, synced }: WaitOptions) => {
      const session = openSession(cli, command)
      const timeoutMs = parseDurationMs('--timeout', timeout)
      const startedMs = cli.clock.monotonicMs()
      const wanted = typed === undefined ? {} : { folder: folderArgument(typed, cli) }
      if (copies === undefined || synced === true) {
        const inStep = await waitSynced(cli, session, { ...wanted, timeoutMs })
        if (copies === undefined) return printEnd(cli, session, inStep)
      }
      const leftMs = Math.max(1, Math.ceil(timeoutMs - (cli.clock.monotonicMs() - startedMs)))
      await session.client.call('waitCopies', { ...wanted, copies: copies ?? 1, timeoutMs: leftMs })
      session.print({ state: 'safe', copies }, `Everything has ${copies} ${copies === 1 ? 'copy' : 'copies'} or more.`)
    },
  )
}

async function waitSynced(cli: Cli, session: Session, wanted: { readonly folder?: string; readonly timeoutMs: number }): Promise<InStep> {
  if (!session.isWatched) return await session.client.call('waitSynced', wanted)
  const followed = await followUntilSynced(cli, session, { ...wanted, endWhenStuck: false })
  if (followed.end !== 'synced') throw new EngineError('ABORTED', 'stopped waiting; the work goes on in the daemon')
  return followed
}

function parseCopies(text: string): number {
  if (!/^[1-9]\d?$/.test(text) || Number(text) > targetCopiesMax) {
    throw new InvalidArgumentError(`give a whole number from 1 to ${targetCopiesMax}.`)
  }
  return Number(text)
}

/** In step with all but those that have no room is degraded: whoever scripts it must not take everything for safe. */
function printEnd(cli: Cli, { print }: Session, { paused, full }: InStep): void {
  const left = paused.length === 0 ? '' : `, but for what is paused here: ${paused.map((name) => printable(name)).join(', ')}`
  if (full.length > 0) cli.setExitCode(exitDegraded)
  print(
    { state: full.length === 0 ? 'synced' : 'full', paused, full },
    [`In step${left}${full.length === 0 ? '.' : ', but for members that have no room:'}`, ...full.map(fullText)].join('\n'),
  )
}

function fullText({ folder, name, needs }: InStep['full'][number]): string {
  return `  ${printable(name)} has no room for ${needs} more of ${printable(folder)}. Make room on its disk, or let it hold less; it goes on by itself.`
}
