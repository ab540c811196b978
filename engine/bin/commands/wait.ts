// `holdfast wait`: returns when the folders are in step.

import type { Command } from 'commander'
import { EngineError } from '../../base/errors.ts'
import { parseDurationMs } from '../../config.ts'
import { openSession, withExamples } from '../cli.ts'
import type { Cli, Session } from '../cli.ts'
import { folderArgument } from '../paths.ts'
import { followUntilSynced } from '../progress.ts'
import { printable } from '../text.ts'

interface WaitOptions {
  readonly folder?: string
  readonly timeout: string
}

export function addWaitCommand(program: Command, cli: Cli): void {
  const command = program
    .command('wait')
    .description('wait until folders are in step here and with every connected member (exit code 6 when time is up)')
    .option('--folder <folder>', 'a name, a path or the start of an id (all folders otherwise)')
    .option('--synced', 'wait for being in step: what is done anyway')
    .option('--timeout <duration>', 'how long at most, for example 90s or 10m', '60s')
  withExamples(command, ['wait --synced', 'wait --folder Photos --synced --timeout 10m']).action(
    async ({ folder: typed, timeout }: WaitOptions) => {
      const session = openSession(cli, command)
      const timeoutMs = parseDurationMs('--timeout', timeout)
      const folder = typed === undefined ? undefined : folderArgument(typed, cli)
      if (session.isWatched) {
        const wanted = folder === undefined ? {} : { folder }
        const followed = await followUntilSynced(cli, session, { ...wanted, timeoutMs, endWhenStuck: false })
        if (followed.end === 'left') throw new EngineError('ABORTED', 'stopped waiting; the work goes on in the daemon')
        if (followed.end === 'synced') printEnd(session, followed.paused)
      } else {
        const { paused } = await session.client.call('waitSynced', { ...(folder === undefined ? {} : { folder }), timeoutMs })
        printEnd(session, paused)
      }
    },
  )
}

function printEnd(session: Session, paused: readonly string[]): void {
  const left = paused.length === 0 ? '' : `, but for what is paused here: ${paused.map((name) => printable(name)).join(', ')}`
  session.print({ state: 'synced', paused }, `In step${left}.`)
}
