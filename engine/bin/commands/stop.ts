// `holdfast stop`: ends the daemon and waits until it has.

import type { Command } from 'commander'
import { parseDurationMs } from '../../config.ts'
import { EngineError, errorCodeOf } from '../../base/errors.ts'
import { openSession, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'

const pollMs = 50
/** A little more than the daemon gives itself. */
const stopMsMax = 12_000

export function addStopCommand(program: Command, cli: Cli): void {
  const command = program
    .command('stop')
    .description('end the daemon; its folders stay as they are')
    .option('--for <duration>', 'for how long it will be off, for example 10d: nobody worries about it meanwhile')
  withExamples(command, ['stop', 'stop --for 10d', 'stop --home /srv/holdfast']).action(async (options: { readonly for?: string }) => {
    const { client, print, home } = openSession(cli, command)
    await client.call('stop', options.for === undefined ? {} : { asleepForMs: parseDurationMs('--for', options.for) })
    const deadlineMs = cli.clock.monotonicMs() + stopMsMax
    const signal = new AbortController().signal
    while (await isAnswering(() => client.call('identity', {}))) {
      if (cli.clock.monotonicMs() > deadlineMs) {
        throw new EngineError(
          'TIMED_OUT',
          `the daemon of ${home} was asked to stop and still runs after ${stopMsMax / 1000} s; see log/holdfast.log in its home`,
        )
      }
      await cli.clock.sleep(pollMs, signal)
    }
    print({ stopped: true }, 'Stopped.')
  })
}

async function isAnswering(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await ask()
    return true
  } catch (error) {
    // Ending: it no longer accepts, or it cut the connection. Anything else it told us itself.
    return errorCodeOf(error) !== 'NOT_RUNNING' && errorCodeOf(error) !== 'CLOSED'
  }
}
